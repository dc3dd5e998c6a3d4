"""Train networks on the adding problem, with and without remedies for long lags, and store what they learn.

    python book/data/train_long_lags.py                       every run that is missing from book/data/long_lags.json
    python book/data/train_long_lags.py "elman, T = 50" …     the missing runs of some experiments
    python book/data/train_long_lags.py --afresh              all runs again (about 40 minutes on one core)
    python book/data/train_long_lags.py --stamp               the code was changed, but not what it computes

A run holds its "curve", pairs [sequences seen, mean squared error on development sequences]; "solved",
the sequences after which that error was below `SOLVED` for the first time, or null when it never was within the budget
(a run ends when it has solved the task); "test", its mean squared error on sequences that nothing was chosen by; and
"largest", the largest finite norm of a gradient. "overflow" is the number of the step at which states or gradients
stopped being finite, or null. The chosen rate is the one whose seeds needed the fewest training sequences on average (a
run that did not solve the task counts its whole budget), and for equal numbers the one with the smaller development
error. How runs are stored, and when they are stale, stands in stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.bptt.initialisation import identity, orthogonal  # noqa: E402
from companion.bptt.long_lags import AddingProblem  # noqa: E402
from companion.bptt.skip_elman import SkipElman  # noqa: E402
from companion.bptt.training import evaluate, network_weights, training  # noqa: E402
from companion.core.cell import Arrays, Cell  # noqa: E402
from companion.core.functions import RELU, TANH  # noqa: E402
from companion.core.optimisers import SGD, Adam, Momentum, clip_by_norm, clip_by_value  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "long_lags.json"
SEEDS = (0, 1, 2)
SOLVED = 0.01  # mean squared error; the constant answer has 1/6
EVERY = 2000  # sequences between two looks at the development sequences
DEVELOPMENT, TEST = 1000, 10_000  # sequences, drawn with the seeds below
DEVELOPMENT_SEED, TEST_SEED = 1000, 2000


@dataclass(frozen=True)
class Experiment:
    """The adding problem over T steps and one way to learn it; the rate of the optimiser is chosen among `rates`."""

    T: int
    activation: str = "tanh"  # or relu
    recurrent: str = "uniform"  # W_hh at the start: uniform in ±1/√H, identity or orthogonal
    skip: int = 0  # a second way back, from that many steps ago
    clip: str = "norm"  # norm, value or none
    limit: float = 1.0  # of the clipping
    horizon: int = 0  # steps that a gradient travels back; 0 means all
    optimiser: str = "Adam"  # or momentum, or SGD
    rates: tuple[float, ...] = (3e-3, 1e-3, 3e-4)
    hidden: int = 40
    batch: int = 20
    budget: int = 120_000  # sequences


ELMAN = Experiment(0)
IRNN = Experiment(0, "relu", "identity")
EXPERIMENTS = {
    f"{name}, T = {T}": replace(experiment, T=T)
    for name, experiment, lags in (
        ("elman", ELMAN, (10, 50, 100)),
        ("orthogonal", replace(ELMAN, recurrent="orthogonal"), (50,)),
        ("relu", replace(ELMAN, activation="relu"), (50, 100)),
        ("relu, orthogonal", replace(ELMAN, activation="relu", recurrent="orthogonal"), (50,)),
        ("relu, skip", replace(ELMAN, activation="relu", skip=10), (50, 100)),
        ("irnn", IRNN, (50, 100)),
        ("irnn, unclipped", replace(IRNN, clip="none"), (50, 100)),
        ("irnn, by value", replace(IRNN, clip="value", limit=0.1), (50,)),
        ("irnn, truncated", replace(IRNN, horizon=10), (50, 100)),
        ("irnn, SGD", replace(IRNN, optimiser="SGD", rates=(0.1, 0.03, 0.01)), (50,)),
        ("irnn, momentum", replace(IRNN, optimiser="momentum", rates=(0.03, 0.01, 0.003)), (50,)),
    )
    for T in lags
}


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, every: int = EVERY) -> dict[str, Any]:
    """Train once, until the task is solved or the budget spent."""
    started, rng, task = time.process_time(), np.random.default_rng(seed), AddingProblem(experiment.T)
    cell = _cell(experiment)
    weights: Arrays = network_weights(cell, task, rng, _recurrent(experiment, rng), dtype)
    steps = training(
        task,
        cell,
        weights,
        {"Adam": Adam, "momentum": Momentum, "SGD": SGD}[experiment.optimiser](rate),
        rng,
        experiment.batch,
        _clip(experiment),
        experiment.horizon or None,
    )

    def error(weights: Any, seed: int, size: int) -> float:
        return round(evaluate(task, cell, weights, np.random.default_rng(seed), size), 6)

    curve = [[0, error(weights, DEVELOPMENT_SEED, DEVELOPMENT)]]
    largest, solved, overflow, seen = 0.0, None, None, 0
    try:
        for step in islice(steps, experiment.budget // experiment.batch):
            weights, seen = step.weights, step.number * experiment.batch
            largest = max(largest, step.norm) if np.isfinite(step.norm) else largest
            if seen % every == 0:
                curve.append([seen, error(weights, DEVELOPMENT_SEED, DEVELOPMENT)])
                if curve[-1][1] < SOLVED:
                    solved = seen
                    break
    except ValueError as overflown:
        if "finite" not in str(overflown):
            raise
        overflow = seen // experiment.batch + 1
    return {
        "rate": rate,
        "seed": seed,
        "solved": solved,
        "overflow": overflow,
        "test": None if overflow else error(weights, TEST_SEED, TEST),
        "largest": float(f"{largest:.4g}"),
        "cpu_seconds": round(time.process_time() - started),
        "curve": curve,
    }


def _cell(experiment: Experiment) -> Cell:
    activation = {"tanh": TANH, "relu": RELU}[experiment.activation]
    if experiment.skip:
        return SkipElman(AddingProblem.inputs, experiment.hidden, experiment.skip, activation)
    return Elman(AddingProblem.inputs, experiment.hidden, activation)


def _recurrent(experiment: Experiment, rng: np.random.Generator) -> np.ndarray | None:
    if experiment.recurrent == "identity":
        return identity(experiment.hidden)
    return orthogonal(experiment.hidden, rng) if experiment.recurrent == "orthogonal" else None


def _clip(experiment: Experiment) -> Callable | None:
    if experiment.clip == "none":
        return None
    clip = {"norm": clip_by_norm, "value": clip_by_value}[experiment.clip]
    return lambda gradients: clip(gradients, experiment.limit)


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, float]:
    """Of one rate's runs: sequences needed on average (all of the budget where unsolved), then the last errors."""
    needed = [done["solved"] or experiment.budget for done in runs]
    errors = [np.inf if done["overflow"] else done["curve"][-1][1] for done in runs]
    return float(np.mean(needed)), float(np.mean(errors))


def fingerprint(experiment: Experiment) -> list[float]:
    """What 12 steps of the experiment give in float64 with 6 units and 25 steps: errors and norm, to 6 digits."""
    horizon, skip = min(experiment.horizon, 5), min(experiment.skip, 3)
    small = replace(experiment, T=25, hidden=6, batch=5, budget=60, horizon=horizon, skip=skip)
    done = run(small, experiment.rates[0], 0, np.float64, every=20)
    return [*(error for _, error in done["curve"]), done["test"], done["largest"]]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "SOLVED", "EVERY", "DEVELOPMENT", "TEST", "DEVELOPMENT_SEED", "TEST_SEED"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={
        "baseline": AddingProblem(2).baseline,
        "solved below": SOLVED,
        "development": [DEVELOPMENT_SEED, DEVELOPMENT],
        "test": [TEST_SEED, TEST],
    },
)


if __name__ == "__main__":
    RUNS.main()
