"""Train networks with gates, and LSTMs with one part taken away, and store what they learn.

    python book/data/train_gates.py                        every run that is missing from book/data/gates.json
    python book/data/train_gates.py "agreement, Elman" …   the missing runs of some experiments
    python book/data/train_gates.py --afresh               all runs again (about 20 minutes on one core)
    python book/data/train_gates.py --stamp                the code was changed, but not what it computes

Three tasks. "agreement": predict the next word of a made-up language (companion/gates/agreement.py), with 0 to 12 words
between subject and verb. "long agreement": the same with 12 to 24. "adding": the adding problem over 50 steps. On
agreement Elman's network and the GRU have as many hidden units as make their numbers of weights equal to the LSTM's,
within two in a hundred. All variants of the LSTM have 16 units.

Budgets and rates were chosen from a few runs of the plain LSTM (NP) on "agreement" and "adding", with a seed that is
not used here, before any other network was run. "long agreement" was added, with the same budget, when all networks
had learnt "agreement". A run is never ended early.

A run holds its "curve", [sequences seen, development loss], with the accuracy over trained distances as a third number
for agreement; "test", the loss on sequences that nothing was chosen by; and for agreement "accuracy", the share of
right verbs at each of `DISTANCES`, on test questions. "overflow" is the number of the step at which states or gradients
stopped being finite, or null. The chosen rate is the one with the smaller mean development loss at the end of the
budget. How runs are stored, and when they are stale, stands in stored_runs.py.
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

from companion.bptt.long_lags import AddingProblem  # noqa: E402
from companion.bptt.training import evaluate, network_weights, training  # noqa: E402
from companion.core.cell import Arrays, Cell  # noqa: E402
from companion.core.optimisers import Adam, clip_by_norm  # noqa: E402
from companion.gates.ablation import AblatedLSTM  # noqa: E402
from companion.gates.agreement import Agreement, accuracy  # noqa: E402
from companion.gates.cells import GRU, LSTM, CoupledLSTM, PeepholeLSTM  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402
from companion.rnn.language_model import RecurrentLanguageModel  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "gates.json"
SEEDS = (0, 1, 2, 3, 4)
CHECKS = 10  # looks at the development sequences, evenly spread over the budget
LIMIT = 1.0  # of the gradient's norm
DISTANCES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
PAIRS = 100  # of test questions at each distance
DEVELOPMENT, TEST = (1000, 10, 100), (2000, 20, 100)  # first seed, batches with a seed each, sequences in a batch
CELLS: dict[str, Callable[[int, int], Cell]] = {
    "Elman": Elman,
    "GRU": GRU,
    "V": PeepholeLSTM,
    "NP": LSTM,
    "CIFG": CoupledLSTM,
    "NIG": lambda I, H: AblatedLSTM(I, H, "i"),
    "NFG": lambda I, H: AblatedLSTM(I, H, "f"),
    "NOG": lambda I, H: AblatedLSTM(I, H, "o"),
    "NIAF": lambda I, H: AblatedLSTM(I, H, "input activation"),
    "NOAF": lambda I, H: AblatedLSTM(I, H, "output activation"),
}


@dataclass(frozen=True)
class Experiment:
    """A cell, a key of `CELLS`, on a task; the rate of Adam is chosen among `rates`."""

    task: str  # agreement or adding
    cell: str
    hidden: int = 16
    forget_bias: float | None = None  # b_f at the start; None draws it like all weights, uniform in ±1/√H
    length: int = 12  # agreement: largest distance in training; adding: steps
    least: int = 0  # agreement: smallest distance in training
    budget: int = 40_000  # sequences
    batch: int = 20
    rates: tuple[float, ...] = (0.01, 0.003)


SAME_WEIGHTS = {"NP": 16, "Elman": 36, "GRU": 19}  # hidden units for equally many weights on agreement
VARIANTS = ("NP", "V", "CIFG", "NIG", "NFG", "NOG", "NIAF", "NOAF")
AGREEMENT = Experiment("agreement", "NP")
LONG = replace(AGREEMENT, least=12, length=24)
ADDING = Experiment("adding", "NP", length=50, budget=60_000)
EXPERIMENTS = (
    {f"agreement, {cell}": replace(AGREEMENT, cell=cell, hidden=H) for cell, H in SAME_WEIGHTS.items()}
    | {f"long agreement, {cell}": replace(LONG, cell=cell, hidden=H) for cell, H in SAME_WEIGHTS.items()}
    | {"long agreement, NP, b_f = 1": replace(LONG, forget_bias=1.0)}
    | {f"adding, {cell}": replace(ADDING, cell=cell) for cell in VARIANTS}
    | {"adding, NP, b_f = 1": replace(ADDING, forget_bias=1.0)}
    | {f"agreement, {cell}": replace(AGREEMENT, cell=cell) for cell in VARIANTS}
)


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32) -> dict[str, Any]:
    """Train once, for the whole budget."""
    started, rng = time.process_time(), np.random.default_rng(seed)
    words = experiment.task == "agreement"
    language = Agreement(experiment.least, experiment.length)
    task = language if words else AddingProblem(experiment.length)
    cell: Cell = CELLS[experiment.cell](task.inputs, experiment.hidden)
    weights: Arrays = network_weights(cell, task, rng, dtype=dtype)
    if experiment.forget_bias is not None:
        weights = {**weights, "b_f": np.full_like(weights["b_f"], experiment.forget_bias)}

    def loss(weights: Arrays, first: int, batches: int, size: int) -> float:
        seeds = range(first, first + batches)
        return float(np.mean([evaluate(task, cell, weights, np.random.default_rng(seed), size) for seed in seeds]))

    def verbs(weights: Arrays, distance: int, pairs: int, seed: int) -> float:
        questions = language.questions(np.random.default_rng(seed), distance, pairs)
        return accuracy(RecurrentLanguageModel(cell, weights), *questions)

    def look(seen: int) -> list[float]:
        found = [seen, round(loss(weights, *DEVELOPMENT), 5)]
        if words:
            distances = range(experiment.least, experiment.length + 1)
            trained = [verbs(weights, k, PAIRS // 5, DEVELOPMENT[0]) for k in distances]
            found.append(round(float(np.mean(trained)), 4))
        return found

    steps = training(
        task, cell, weights, Adam(rate), rng, experiment.batch, lambda gradients: clip_by_norm(gradients, LIMIT)
    )
    number = experiment.budget // experiment.batch
    curve, done, overflow = [look(0)], 0, None
    try:
        for step in islice(steps, number):
            weights, done = step.weights, step.number
            if done % (number // CHECKS) == 0:
                curve.append(look(done * experiment.batch))
        test = round(loss(weights, *TEST), 5)
    except ValueError as overflown:
        if "finite" not in str(overflown):
            raise
        test, overflow = None, done + 1
    result: dict[str, Any] = {"rate": rate, "seed": seed, "overflow": overflow, "test": test}
    if words and test is not None:
        result["accuracy"] = [round(verbs(weights, k, PAIRS, TEST[0]), 4) for k in DISTANCES]
    return result | {"cpu_seconds": round(time.process_time() - started), "curve": curve}


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float]:
    """Of one rate's runs: the mean development loss at the end of the budget."""
    return (float(np.mean([np.inf if done["overflow"] else done["curve"][-1][1] for done in runs])),)


def fingerprint(experiment: Experiment) -> list[float]:
    """What 10 steps of the experiment give in float64 with 4 units and short sequences: losses and accuracy."""
    small = replace(experiment, least=min(experiment.least, 2), length=4, hidden=4, batch=5, budget=50)
    done = run(small, experiment.rates[0], 0, np.float64)
    losses = [look[1] for look in done["curve"]]
    return [*losses[::3], done["test"], *([float(np.mean(done["accuracy"]))] if "accuracy" in done else [])]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "CHECKS", "LIMIT", "DISTANCES", "PAIRS", "DEVELOPMENT", "TEST", "CELLS"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={
        "baselines": {"agreement": round(Agreement(0, 12).baseline, 5), "adding": round(AddingProblem(50).baseline, 5)},
        "distances": list(DISTANCES),
        "pairs": PAIRS,
        "development": list(DEVELOPMENT),
        "test": list(TEST),
    },
)


if __name__ == "__main__":
    RUNS.main()
