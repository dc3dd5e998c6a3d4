"""Train language models of three cells, let them write, and store how well they predict and what they wrote.

    python book/data/train_writers.py                  every run that is missing from book/data/writers.json
    python book/data/train_writers.py "names, LSTM"    the missing runs of some experiments
    python book/data/train_writers.py --afresh         all runs again (about an hour on one core)
    python book/data/train_writers.py --stamp          the code was changed, but not what it computes

The texts, their splits, sizes and steps are those of train_language_models.py, whose Elman networks of words are not
trained again here. A run holds its "curve", the development cross-entropy at each look; "scores", test perplexities of
the weights that did best there; and what these weights write. How runs are stored, and when they are stale, stands in
stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import train_language_models as texts  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.applications.search import beam, greedy, most_probable  # noqa: E402
from companion.applications.writing import Copied, barred, endless, write  # noqa: E402
from companion.core.cell import Cell  # noqa: E402
from companion.gates.cells import GRU, LSTM  # noqa: E402
from companion.rnn import measures  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402
from companion.rnn.language_model import (  # noqa: E402
    Batch,
    RecurrentLanguageModel,
    Settings,
    equal_lengths,
    streams,
    train,
)

RESULTS = Path(__file__).resolve().parent / "writers.json"
SEEDS = (0, 1, 2)
CELLS: dict[str, Any] = {"Elman": Elman, "GRU": GRU, "LSTM": LSTM}
TEMPERATURES = (0.5, 1.0, 1.5)
LOOKS = (500, 1000, 2000, 4000, 8000)  # steps after which a model of names is asked for its best name
WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Experiment:
    """A text, a cell, and how long it is trained."""

    text: str  # names, each from a fresh state; or words, with the state carried through all addresses
    cell: str
    rates: tuple[float, ...]
    hidden: int = 128
    steps: int = 8000


NAMES = Experiment("names", "Elman", (8e-3, 4e-3))
WORDS = Experiment("words", "GRU", (8e-3,))
EXPERIMENTS = {f"names, {cell}": replace(NAMES, cell=cell) for cell in CELLS} | {
    f"words, {cell}": replace(WORDS, cell=cell) for cell in ("GRU", "LSTM")
}


@cache
def _corpus(text: str) -> texts.Corpus:
    return texts.names() if text == "names" else texts.words()


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, most: int = 0) -> dict[str, Any]:
    """Train once and let the network write; with `most`, on so many sequences, looking at nothing but the losses."""
    corpus, of_names = _corpus(experiment.text), experiment.text == "names"
    training, carried = corpus.training[: most or None], not of_names
    document = np.concatenate(training)
    looked_at = corpus.documents["development"][::4] if carried else corpus.development[::8]
    looked_at = looked_at[: most and 2 or None]
    found: list[dict[str, Any]] = []

    def passes(rng: np.random.Generator) -> Iterator[Batch]:
        return streams(document, 16, 32) if carried else equal_lengths(training, 64, rng)

    def development(model: RecurrentLanguageModel) -> float:
        curve.append(measures.cross_entropy(model, looked_at))
        step = experiment.steps // checks * len(curve)
        if of_names and not most and step in LOOKS:
            found.append({"step": step} | at_its_best(model))
        return curve[-1]

    curve: list[float] = []
    checks = 2 if most else 16 if of_names else 8
    cell: Cell = CELLS[experiment.cell](len(corpus.vocabulary), experiment.hidden)
    settings = Settings(rate, experiment.steps, checks=checks)
    started = time.process_time()
    model, _ = train(cell, settings, np.random.default_rng(seed), passes, development, dtype)
    seconds = time.process_time() - started
    result = {"rate": rate, "seed": seed, "cpu_seconds": round(seconds, 1), "curve": [float(f"{c:.4g}") for c in curve]}
    if most:
        return result
    scores = {"test": measures.perplexity(model, corpus.test)}
    if carried:
        scores["test carried"] = measures.perplexity(model, corpus.documents["test"])
    writes = names_written(model, seed) if of_names else text_written(model, seed)
    return result | {"scores": {k: round(v, 4) for k, v in scores.items()}, "best": found, "writes": writes}


def at_its_best(model: RecurrentLanguageModel) -> dict[str, Any]:
    """The best name of a model: found greedily, with beams, and exactly; and the probability of the empty name."""
    spelt = {str(width): _name(beam(model, model.begin(1), width, 25)[0].tokens) for width in WIDTHS}
    proof = most_probable(model, model.begin(1), limit=20_000)
    empty = float(np.exp(model.step(np.zeros(1, np.int64), model.begin(1))[0][0, 0]))
    return {
        "greedy": _name(greedy(model, model.begin(1), 25)[0]),
        "beam": spelt,
        "exact": _name(proof.best[0].tokens),
        "log p": round(proof.best[0].log_probability, 3),
        "expansions": proof.expansions,
        "empty": round(empty, 5),
    }


def names_written(model: RecurrentLanguageModel, seed: int) -> dict[str, Any]:
    """2,000 names at each temperature: how many stand in the training text, how many differ, and the first eight."""
    corpus, stored = _corpus("names"), {}
    known = {tuple(name) for name in corpus.training}
    copied = Copied(corpus.training)
    for tau in TEMPERATURES:
        rng = np.random.default_rng(seed)
        every = write(model, model.begin(2000), rng, lambda p: measures.sharpen(p, tau), 30)  # noqa: B023
        stored[str(tau)] = {
            "known": round(float(np.mean([tuple(name) in known for name in every])), 4),
            "different": round(len({tuple(name) for name in every}) / len(every), 4),
            "length": round(float(np.mean([len(name) - 1 for name in every])), 2),
            "copied": round(float(np.mean([copied.longest(name[:-1]) for name in every[:500]])), 2),
            "first": [_name(name) for name in every[:8]],
        }
    return stored


def text_written(model: RecurrentLanguageModel, seed: int) -> dict[str, Any]:
    """40 streams of 100 words at each temperature, the state carried through: their longest runs from training text."""
    corpus, stored = _corpus("words"), {}
    copied = Copied([np.concatenate(corpus.training)])
    for tau in TEMPERATURES:
        rng, end = np.random.default_rng(seed), np.zeros(40, np.int64)

        def choose(p: np.ndarray) -> np.ndarray:
            return measures.sharpen(barred(p, [1]), tau)  # noqa: B023

        every = np.array(list(islice(endless(model, model.begin(40), end, rng, choose), 100))).T
        stored[str(tau)] = {
            "copied": sorted(copied.longest(words) for words in every),
            "first": " ".join(corpus.vocabulary.decode(every[0])),
        }
    return stored


def _name(tokens: Any) -> str:
    return "".join(_corpus("names").vocabulary.decode(tokens)).removesuffix("<EOS>")


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, ...]:
    """The mean development cross-entropy at the best look: how the rate is chosen."""
    return (float(np.mean([min(run["curve"]) for run in runs])),)


def fingerprint(experiment: Experiment) -> list[float]:
    """Two looks at development text during 20 steps over 2,000 sequences in float64, with 16 units, to 4 digits."""
    small = replace(experiment, hidden=16, steps=20)
    return run(small, experiment.rates[0], 0, np.float64, most=2000)["curve"]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "WIDTHS", "TEMPERATURES", "LOOKS"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={"temperatures": list(TEMPERATURES), "looks": list(LOOKS), "widths": list(WIDTHS)},
)


if __name__ == "__main__":
    RUNS.main()
