"""What holds for every file of stored runs, whatever was trained: a test module gives its script, and checks the rest.

Scripts are the modules in book/data/ that have `RUNS`, `EXPERIMENTS`, `SEEDS` and `RESULTS` (see stored_runs.py there).
"""

import json
from dataclasses import replace

import pytest
import stored_runs


def read(tool):
    return json.loads(tool.RESULTS.read_text(encoding="utf-8"))


def settings_are_the_present_ones_with_all_rates_and_seeds(tool, stored):
    assert {name: entry["experiment"] for name, entry in stored["experiments"].items()} == {
        name: stored_runs.described(experiment) for name, experiment in tool.EXPERIMENTS.items()
    }
    assert [name for name in tool.EXPERIMENTS if tool.RUNS.missing(stored, name)] == []
    assert stored["common"] == dict(tool.RUNS.common)
    assert len(tool.SEEDS) >= 3


def code_is_the_one_that_the_runs_used(tool, stored):
    assert stored["code"] == tool.RUNS.code(), (
        "a definition that the runs use was changed after they were stored: if it still computes the same, "
        f"book/data/{tool.__name__}.py --stamp says so; else run it with --afresh"
    )


def code_still_learns_what_it_learnt(tool, stored, name):
    one = {"experiments": {name: stored["experiments"][name]}}
    assert tool.RUNS.changed(one) == [], f"{name}: training gives something else now; run with --afresh"


def another_fingerprint_is_not_stamped(tool, stored, tmp_path, monkeypatch):
    name, entry = next(iter(stored["experiments"].items()))
    other = [value * 1.001 for value in entry["fingerprint"]]
    path = tmp_path / tool.RESULTS.name
    monkeypatch.setattr(stored_runs.Runs, "code", lambda self: "the new hash")
    runs = replace(tool.RUNS, results=path)
    for fingerprint, stamped in ((other, False), (entry["fingerprint"], True)):
        one = stored | {"experiments": {name: entry | {"fingerprint": fingerprint}}}
        path.write_text(stored_runs.to_text(one), encoding="utf-8")
        if stamped:
            runs.stamp()
        else:
            with pytest.raises(SystemExit, match="not stamped, these must be trained again: " + name):
                runs.stamp()
        assert (json.loads(path.read_text(encoding="utf-8"))["code"] == "the new hash") == stamped


def rates_follow_from_the_runs(tool, stored):
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        assert entry["rate"] == tool.RUNS.chosen_rate(experiment, entry["runs"]) in experiment.rates


def runs_differ_by_seed(tool, stored):
    for entry in stored["experiments"].values():
        for rate in entry["experiment"]["rates"]:
            curves = [str(run["curve"]) for run in entry["runs"] if run["rate"] == rate]
            assert len(set(curves)) == len(tool.SEEDS)


def text_of_the_file_is_what_the_script_writes(tool, stored):
    assert tool.RESULTS.read_text(encoding="utf-8") == stored_runs.to_text(stored)
