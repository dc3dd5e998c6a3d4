"""Train a small LSTM on names, and store its weights: chapters let it write, and search what it finds most probable.

    python book/data/train_one_writer.py              the missing seeds of book/data/one_writer.json
    python book/data/train_one_writer.py --afresh     all of them again (about 5 minutes on one core)
    python book/data/train_one_writer.py --stamp      the code was changed, but not what it computes

Text, steps and rate are those of "names, one minute" in train_language_models.py. A run holds its "curve", the
development cross-entropy at each look, six names that it wrote at each of STAGES, and the weights after the last two of
these as text (companion.page.packed). How runs are stored, and when they are stale, stands in stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import train_language_models as texts  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.applications.writing import write  # noqa: E402
from companion.gates.cells import LSTM  # noqa: E402
from companion.page.packed import packed  # noqa: E402
from companion.rnn import measures  # noqa: E402
from companion.rnn.language_model import (  # noqa: E402
    Batch,
    RecurrentLanguageModel,
    Settings,
    equal_lengths,
    shapes,
    train,
)

RESULTS = Path(__file__).resolve().parent / "one_writer.json"
SEEDS = (0, 1, 2)
STAGES = (40, 200, 1000, 8000)  # steps


@dataclass(frozen=True)
class Experiment:
    """How large it is, and how it is trained."""

    hidden: int = 48
    steps: int = 8000
    rates: tuple[float, ...] = (8e-3,)


EXPERIMENTS = {"names": Experiment()}


@cache
def _names() -> texts.Corpus:
    return texts.names()


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, most: int = 0) -> dict[str, Any]:
    """Train once; with `most`, on so many names, and keep nothing but the losses."""
    corpus = _names()
    training, looked_at = corpus.training[: most or None], corpus.development[:: 400 if most else 8]
    curve, stages = list[float](), dict[str, Any]()

    def passes(rng: np.random.Generator) -> Iterator[Batch]:
        return equal_lengths(training, 64, rng)

    def development(model: RecurrentLanguageModel) -> float:
        step = (len(curve) + 1) * experiment.steps // checks
        curve.append(measures.cross_entropy(model, looked_at))
        if step in STAGES and not most:
            some = write(model, model.begin(6), np.random.default_rng(seed), most=25)
            stages[str(step)] = {"written": ["".join(corpus.vocabulary.decode(name[:-1])) for name in some]}
            if step in STAGES[-2:]:
                stages[str(step)] |= {"weights": packed({name: model.weights[name] for name in shapes(cell)})}
        return curve[-1]

    checks = 2 if most else 200
    cell = LSTM(len(corpus.vocabulary), experiment.hidden)
    started = time.process_time()
    train(
        cell, Settings(rate, experiment.steps, checks=checks), np.random.default_rng(seed), passes, development, dtype
    )
    seconds = round(time.process_time() - started, 1)
    kept = curve if most else curve[9::10]
    return {"rate": rate, "seed": seed, "cpu_seconds": seconds, "curve": [float(f"{c:.4g}") for c in kept]} | stages


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, ...]:
    """There is one rate, and nothing to choose."""
    return (0.0,)


def fingerprint(experiment: Experiment) -> list[float]:
    """Two looks at development text during 20 steps over 2,000 names in float64, with 8 units, to 4 digits."""
    return run(replace(experiment, hidden=8, steps=20), experiment.rates[0], 0, np.float64, most=2000)["curve"]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "STAGES"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={"stages": list(STAGES)},
)


if __name__ == "__main__":
    RUNS.main()
