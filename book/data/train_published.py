"""Train the networks of chapter "What the gates buy" on published long-lag tasks, and store what comes out.

    python book/data/train_published.py                       every run that is missing from book/data/published.json
    python book/data/train_published.py "order, chrono" …     the missing runs of some experiments
    python book/data/train_published.py --afresh              all runs again (about an hour on one core)
    python book/data/train_published.py --stamp               the code was changed, but not what it computes

A run holds its "curve", pairs [sequences seen, measure on development sequences]; "solved", the sequences after which
the measure first met the task's criterion, or null when it never did within the budget (a run ends when it has solved
the task, except counting, which is trained to the end); "test", the measure on sequences that nothing was chosen by,
"loss", the mean loss on such sequences; and "overflow", true where states or gradients stopped being finite. What
each task measures, and its criterion, stands at `JUDGES`. One rate a task, taken from the first measurements for this
course and not tuned on these runs. How runs are stored, and when they are stale, stands in stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.bptt.initialisation import chrono, with_forget_bias  # noqa: E402
from companion.bptt.long_lags import AddingProblem, AddingProblem1997, CopyMemory, TemporalOrder  # noqa: E402
from companion.bptt.training import evaluate, network_weights, training  # noqa: E402
from companion.core.cell import Arrays, Cell  # noqa: E402
from companion.core.networks import readout, without_readout  # noqa: E402
from companion.core.optimisers import Adam, clip_by_norm  # noqa: E402
from companion.core.recurrent import forward  # noqa: E402
from companion.gates.ablation import AblatedLSTM  # noqa: E402
from companion.gates.anbn import Counting, generalises_to  # noqa: E402
from companion.gates.cells import GRU, LSTM, PeepholeLSTM  # noqa: E402
from companion.gates.reber import EmbeddedReber  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "published.json"
SEEDS = (0, 1, 2)
DEVELOPMENT_SEED, TEST_SEED = 1000, 2000
DEVELOPMENT, TEST = 1000, 2560  # sequences; the papers of 1997 test on 2560
CELLS: dict[str, Callable[[int, int], Cell]] = {"Elman": Elman, "LSTM": LSTM, "GRU": GRU, "peephole LSTM": PeepholeLSTM}
CELLS |= {"LSTM without f": partial(AblatedLSTM, without="f")}


@dataclass(frozen=True)
class Experiment:
    """A task, a cell and where its gates start; clipped to norm 1, Adam."""

    task: str  # a key of TASKS
    T: int  # steps of the lag; 0 where the task has none to choose
    cell: str  # a key of CELLS
    hidden: int
    start: str  # of the gates' biases: uniform, forget 1 or chrono
    rates: tuple[float, ...]
    batch: int
    budget: int  # sequences
    every: int  # sequences between two looks at development sequences
    stop: bool = True  # when solved


ADDING = Experiment("adding", 100, "LSTM", 32, "uniform", (3e-3,), 50, 200_000, 2500)
ORDER = Experiment("order", 0, "LSTM", 16, "forget 1", (3e-3,), 50, 100_000, 1000)
COPY = Experiment("copy", 30, "LSTM", 64, "forget 1", (3e-3,), 50, 300_000, 5000)
REBER = Experiment("reber", 0, "LSTM", 8, "uniform", (0.01,), 1, 30_000, 1000)
COUNTING = Experiment("counting", 10, "LSTM", 4, "uniform", (3e-3,), 1, 30_000, 3000, stop=False)
EXPERIMENTS = {
    "order, chrono": replace(ORDER, start="chrono"),
    "order, forget 1": ORDER,
    "order, no forget gate": replace(ORDER, cell="LSTM without f", start="uniform"),
    "order, GRU chrono": replace(ORDER, cell="GRU", start="chrono"),
    "adding 100, LSTM": ADDING,
    "adding 100, GRU": replace(ADDING, cell="GRU"),
    "adding 100, Elman": replace(ADDING, cell="Elman"),
    "adding 200, LSTM": replace(ADDING, T=200, budget=300_000),
    "adding 200, GRU": replace(ADDING, T=200, budget=300_000, cell="GRU"),
    "adding 1997, LSTM": replace(ADDING, task="adding 1997", hidden=8),
    "adding 1997, no forget gate": replace(
        ADDING, task="adding 1997", hidden=8, cell="LSTM without f", start="uniform"
    ),
    "adding 1997, chrono": replace(ADDING, task="adding 1997", hidden=8, start="chrono"),
    "reber, LSTM": REBER,
    "reber, GRU": replace(REBER, cell="GRU"),
    "reber, Elman": replace(REBER, cell="Elman", hidden=16),
    "counting, LSTM": COUNTING,
    "counting, peephole LSTM": replace(COUNTING, cell="peephole LSTM"),
    "counting, GRU": replace(COUNTING, cell="GRU"),
    "counting, Elman": replace(COUNTING, cell="Elman"),
    "copy, forget 1": COPY,
    "copy, chrono": replace(COPY, start="chrono"),
}


@dataclass(frozen=True)
class Judge:
    """How a task's networks are measured on development sequences, and when they have solved it."""

    measure: Callable[[Any, Cell, Arrays, int, int], float]  # task, cell, weights, seed and number of sequences
    solved: Callable[[float], bool]


def error(task: Any, cell: Cell, weights: Arrays, seed: int, size: int) -> float:
    """Mean loss over the answers."""
    return evaluate(task, cell, weights, np.random.default_rng(seed), size)


def wrong(task: Any, cell: Cell, weights: Arrays, seed: int, size: int) -> float:
    """Share of the sequences whose answer is wrong, in batches of 40, each of one length."""
    rng, mistakes = np.random.default_rng(seed), 0
    for _ in range(size // 40):
        x, targets = task.batch(rng, 40)
        x = x.astype(weights["b_y"].dtype) if x.dtype.kind == "f" else x
        h, _ = forward(cell, without_readout(cell, weights), x)
        answer = readout(weights, h[-1])
        right = task.correct(answer, targets[-1]) if hasattr(task, "correct") else answer.argmax(axis=-1) == targets[-1]
        mistakes += int((~right).sum())
    return mistakes / (size // 40 * 40)


def illegal(task: Any, cell: Cell, weights: Arrays, seed: int, size: int) -> float:
    """Share of 256 strings (or fewer) in which somewhere the k largest predictions are not the k legal symbols."""
    rng, mistakes, size = np.random.default_rng(seed), 0, min(size, 256)
    for _ in range(size):
        x, _ = task.batch(rng, 1)
        h, _ = forward(cell, without_readout(cell, weights), x)
        mistakes += int(not task.correct(readout(weights, h[1:]), x).all())
    return mistakes / size


def counted(task: Any, cell: Cell, weights: Arrays, seed: int, size: int) -> float:
    """The largest n up to which the network predicts all aⁿbⁿ right, of 1 … 100; seed and size play no part."""
    return float(generalises_to(cell, weights, 100))


TASKS: dict[str, Callable[[int], Any]] = {
    "adding": AddingProblem,
    "adding 1997": AddingProblem1997,
    "order": lambda _: TemporalOrder(),
    "copy": CopyMemory,
    "reber": lambda _: EmbeddedReber(),
    "counting": lambda most: Counting(1, most),
}
JUDGES = {
    "adding": Judge(error, lambda value: value < 0.01),
    "adding 1997": Judge(wrong, lambda value: value < 0.001),
    "order": Judge(wrong, lambda value: value < 0.001),
    "copy": Judge(error, lambda value: value < 0.01),
    "reber": Judge(illegal, lambda value: value == 0),
    "counting": Judge(counted, lambda value: value >= 10),
}


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, few: int = 0) -> dict[str, Any]:
    """Train once. With `few`, that many sequences are looked at instead of DEVELOPMENT and TEST."""
    started, rng = time.process_time(), np.random.default_rng(seed)
    task, judge = TASKS[experiment.task](experiment.T), JUDGES[experiment.task]
    cell = CELLS[experiment.cell](task.inputs, experiment.hidden)
    weights: Arrays = started_as(experiment, network_weights(cell, task, rng, dtype=dtype), rng)
    steps = training(task, cell, weights, Adam(rate), rng, experiment.batch, lambda g: clip_by_norm(g, 1.0))

    def look() -> float:
        return round(judge.measure(task, cell, weights, DEVELOPMENT_SEED, few or DEVELOPMENT), 6)

    curve: list[list[float]] = [[0, look()]]
    solved, overflow = None, False
    try:
        for step in islice(steps, experiment.budget // experiment.batch):
            weights, seen = step.weights, step.number * experiment.batch
            if seen % experiment.every == 0:
                curve.append([seen, look()])
                if solved is None and judge.solved(curve[-1][1]):
                    solved = seen
                    if experiment.stop:
                        break
    except ValueError as overflown:
        if "finite" not in str(overflown):
            raise
        overflow = True
    test = None if overflow else round(judge.measure(task, cell, weights, TEST_SEED, few or TEST), 6)
    loss = None if overflow else round(error(task, cell, weights, TEST_SEED, few or DEVELOPMENT), 6)
    spent = round(time.process_time() - started)
    return {
        "rate": rate, "seed": seed, "solved": solved, "overflow": overflow, "test": test, "loss": loss,
        "cpu_seconds": spent, "curve": curve,
    }  # fmt: skip


def started_as(experiment: Experiment, weights: Arrays, rng: np.random.Generator) -> Arrays:
    """The weights with the gates' biases where the experiment starts them."""
    if experiment.start == "chrono":
        return chrono(weights, longest(experiment), rng)
    return with_forget_bias(weights) if experiment.start == "forget 1" else weights


def longest(experiment: Experiment) -> int:
    """The longest lag of the task, which chrono initialisation asks for."""
    return {"order": 110, "copy": experiment.T + 20}.get(experiment.task, experiment.T)


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, ...]:
    return (float(np.mean([done["solved"] or experiment.budget for done in runs])),)


def fingerprint(experiment: Experiment) -> list[float]:
    """What 12 steps of the experiment give in float64 with 6 units and a short lag."""
    small = replace(experiment, T=min(experiment.T, 20), hidden=6, batch=5, budget=60, every=20, stop=False)
    done = run(small, experiment.rates[0], 0, np.float64, few=40)
    return [*(value for _, value in done["curve"]), done["test"], done["loss"]]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "DEVELOPMENT", "TEST", "DEVELOPMENT_SEED", "TEST_SEED"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={"development": [DEVELOPMENT_SEED, DEVELOPMENT], "test": [TEST_SEED, TEST]},
)


if __name__ == "__main__":
    RUNS.main()
