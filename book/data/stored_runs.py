"""Training runs that take long: run once, stored with their settings, and known to be stale when the code changes.

A script describes its runs by a `Runs`: named experiments (frozen dataclasses with `rates` and `budget`), the seeds,
and a function that trains once. The file has, under "experiments", one entry an experiment,
{"experiment", "fingerprint", "rate", "runs"}, and the common numbers under "common". "experiment" holds the settings;
"runs" has one run for each rate and seed, all of them kept; "rate" is the rate whose seeds needed least.

Results go stale when the code changes. "code" is a hash of the definitions that the training reaches, in the script and
in companion, without comments and docstrings: it changes with any of them. "fingerprint" is what a few steps of the
same experiment, made small, give in float64. A test compares both. `--stamp` renews the hash, and refuses when a
fingerprint has changed: then the results are not this code's, and must be computed again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reached import digest

Stored = dict[str, Any]


@dataclass(frozen=True)
class Runs:
    """What a script trains.

    script       its file; `names` are the definitions in it that decide what a run gives
    results      the JSON file
    train        (experiment, rate, seed) → the run as it is stored, with "rate" and "seed"
    cost         of the runs of one rate, smaller is better: how the rate is chosen
    fingerprint  of an experiment: a few numbers from a small float64 version of it
    common       what all experiments share
    """

    script: Path
    names: tuple[str, ...]
    results: Path
    experiments: Mapping[str, Any]
    seeds: tuple[int, ...]
    train: Callable[[Any, float, int], Stored]
    cost: Callable[[Any, list[Stored]], tuple[float, ...]]
    fingerprint: Callable[[Any], list[float]]
    common: Mapping[str, Any]

    def code(self) -> str:
        """Hash of the definitions that decide what a run gives."""
        return digest(self.script, *self.names)

    def read(self) -> Stored:
        if self.results.exists():
            return json.loads(self.results.read_text(encoding="utf-8"))
        return {"code": self.code(), "common": dict(self.common), "experiments": {}}

    def missing(self, stored: Stored, name: str) -> list[tuple[float, int]]:
        """Rates and seeds of which no run with the present settings is stored."""
        entry, experiment = stored["experiments"].get(name, {}), self.experiments[name]
        runs = entry.get("runs", []) if entry.get("experiment") == described(experiment) else []
        done = {(run["rate"], run["seed"]) for run in runs}
        return [(rate, seed) for rate in experiment.rates for seed in self.seeds if (rate, seed) not in done]

    def chosen_rate(self, experiment: Any, runs: list[Stored]) -> float | None:
        """The rate that did best over all seeds; None while runs are missing."""
        if len(runs) < len(experiment.rates) * len(self.seeds):
            return None
        return min(experiment.rates, key=lambda rate: self.cost(experiment, [r for r in runs if r["rate"] == rate]))

    def store(self, name: str, result: Stored) -> None:
        """Add one run to the file, in place of one with the same rate and seed; runs of other settings go."""
        stored, experiment = self.read(), self.experiments[name]
        entry = stored["experiments"].get(name, {})
        runs = entry["runs"] if entry.get("experiment") == described(experiment) else []
        runs = [done for done in runs if (done["rate"], done["seed"]) != (result["rate"], result["seed"])] + [result]
        runs.sort(key=lambda done: (experiment.rates.index(done["rate"]), done["seed"]))
        stored["experiments"][name] = {
            "experiment": described(experiment),
            "fingerprint": self.fingerprint(experiment),
            "rate": self.chosen_rate(experiment, runs),
            "runs": runs,
        }
        self.write(stored)

    def write(self, stored: Stored) -> None:
        entries = stored["experiments"]
        stored["experiments"] = {key: entries[key] for key in self.experiments if key in entries}
        self.results.write_text(to_text(stored), encoding="utf-8", newline="\n")

    def changed(self, stored: Stored) -> list[str]:
        """Experiments whose fingerprint is no longer what is stored."""
        return [
            name
            for name, entry in stored["experiments"].items()
            if not np.allclose(self.fingerprint(self.experiments[name]), entry["fingerprint"], rtol=2e-4, atol=2e-6)
        ]

    def stamp(self) -> None:
        """Renew the hash of the code; SystemExit when the code computes something else than it did."""
        stored = self.read()
        different = self.changed(stored)
        if different:
            sys.exit(f"not stamped, these must be trained again: {'; '.join(different)}")
        self.write(stored | {"code": self.code(), "common": dict(self.common)})

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line that all such scripts have."""
        parser = argparse.ArgumentParser(description=f"Train what is missing from {self.results.name}.")
        parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
        parser.add_argument("--afresh", action="store_true", help="run also what is stored")
        parser.add_argument("--stamp", action="store_true", help="renew the hash of the code, if it computes the same")
        options = parser.parse_args(arguments)
        if options.stamp:
            return self.stamp()
        if options.afresh:
            self.write({"code": self.code(), "common": dict(self.common), "experiments": {}})
        if self.read()["code"] != self.code():
            sys.exit("the stored runs are of other code: --stamp if it computes the same, else --afresh")
        for name in options.experiments or self.experiments:
            for rate, seed in self.missing(self.read(), name):
                result = self.train(self.experiments[name], rate, seed)
                self.store(name, result)
                print(name, {key: value for key, value in result.items() if key != "curve"}, flush=True)
        return None


def described(experiment: Any) -> Stored:
    """The settings as they look in the file."""
    return json.loads(json.dumps(asdict(experiment)))


def to_text(stored: Stored) -> str:
    """JSON with one line a run, so that a change of one run is a change of one line."""
    entries = []
    for name, entry in stored["experiments"].items():
        head = ",\n   ".join(f'"{key}": {json.dumps(entry[key])}' for key in ("experiment", "fingerprint", "rate"))
        runs = ",\n    ".join(json.dumps(done) for done in entry["runs"])
        entries.append(f'  {json.dumps(name)}: {{\n   {head},\n   "runs": [\n    {runs}\n   ]\n  }}')
    head = f' "code": {json.dumps(stored["code"])},\n "common": {json.dumps(stored["common"])},\n'
    return "{\n" + head + ' "experiments": {\n' + ",\n".join(entries) + "\n }\n}\n"
