"""Tasks with a long lag, drawn from their published definitions: what is read early decides the answer at the end.

Each task is a frozen description. `batch(rng, size)` draws `size` sequences, time-major, and the same generator gives
the same sequences; a size below 1 raises ValueError. `baseline` is the expected loss of the best answer that ignores
the input, exact: a network has learnt nothing before it falls below this number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from companion.core.functions import cross_entropy, squared_error
from companion.core.networks import MANY_TO_MANY, MANY_TO_ONE, Arity, Loss
from companion.core.validation import Array, as_array, keep_sizes, require_array, require_size, require_tokens


class Task(Protocol):
    """What training needs to know about a task.

    inputs    I, entries of an input vector (tokens stand for one-hot vectors of that length)
    outputs   O, entries of an output
    arity     which steps answer
    loss      what an answer costs; `baseline` is its mean over answers for the best constant answer
    """

    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def arity(self) -> Arity: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def baseline(self) -> float: ...

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Inputs (T, B, I), or tokens (T, B), and targets of the answering steps, (n, B, O) or classes (n, B)."""


@dataclass(frozen=True)
class AddingProblem:
    """The adding problem in today's form (Le et al. 2015, Arjovsky et al. 2016).

    x_t has a number drawn from U(0, 1) and a marker, 1 on one step of the first half and on one step of the second
    half, otherwise 0. The answer, after the last step, is the sum of the two marked numbers.
    """

    steps: int

    inputs = 2
    outputs = 1
    arity = MANY_TO_ONE
    guess = 1.0  # the mean of the sum

    def __post_init__(self) -> None:
        keep_sizes(self, steps=2)

    @property
    def loss(self) -> Loss:
        """Squared error, summed over the answers."""
        return squared_error

    @property
    def baseline(self) -> float:
        """Mean squared error of the constant answer 1: the variance of the sum, 2 · 1/12."""
        return 2 / 12

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Inputs (T, B, 2), the numbers first and the markers second, and targets (1, B, 1)."""
        T, B, half = self.steps, require_size("size", size), self.steps // 2
        marked = np.stack([rng.integers(0, half, B), rng.integers(half, T, B)])  # (2, B)
        return _sums(rng.uniform(0, 1, (T, B)), np.zeros((T, B)), marked)


@dataclass(frozen=True)
class AddingProblem1997:
    """The adding problem as first published (Hochreiter & Schmidhuber 1997, section 5.4), with T = `least` ≥ 20.

    Numbers come from U(−1, 1). One of the first ten pairs is marked (its number is X1), then one of the T/2 − 1 pairs
    of the first T/2 that are still unmarked (X2); the first and the last marker are −1 otherwise. Where X1 would be
    the first pair's number, it is 0. The target is 0.5 + (X1 + X2) / 4. Lengths lie between T and T + T/10; here all
    sequences of one batch have the same length.
    """

    least: int

    inputs = 2
    outputs = 1
    arity = MANY_TO_ONE
    guess = 0.5
    tolerance = 0.04

    def __post_init__(self) -> None:
        keep_sizes(self, least=20)

    @property
    def loss(self) -> Loss:
        """Squared error, summed over the answers."""
        return squared_error

    @property
    def baseline(self) -> float:
        """Mean squared error of the constant answer 0.5: (9/10 + 1) / 16 times the variance 1/3 of U(−1, 1).

        In one sequence of ten X1 is set to 0. With two numbers that always vary it would be 1/24.
        """
        return (9 / 10 + 1) / 16 / 3

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Inputs (T', B, 2) with one length T' from T to T + T/10 for the batch, and targets (1, B, 1)."""
        B = require_size("size", size)
        T = int(rng.integers(self.least, self.least + self.least // 10 + 1))
        numbers, markers = rng.uniform(-1, 1, (T, B)), np.zeros((T, B))
        first = rng.integers(0, 10, B)
        second = rng.integers(0, self.least // 2 - 1, B)
        second += second >= first  # skips the pair that is marked already
        numbers[0, first == 0] = 0
        markers[[0, -1]] = -1
        x, total = _sums(numbers, markers, np.stack([first, second]))
        return x, 0.5 + total / 4

    def correct(self, outputs: Array, targets: Array) -> Array:
        """Which answers count as right in the paper: absolute error below 0.04; booleans, shape of the targets.

        outputs and targets have one shape. Raises ValueError for two, and for NaN.
        """
        targets = as_array("targets", targets)
        targets = require_array("targets", targets, targets.shape)
        return np.abs(require_array("outputs", outputs, targets.shape) - targets) < self.tolerance


def _sums(numbers: Array, markers: Array, marked: Array) -> tuple[Array, Array]:
    columns = np.arange(numbers.shape[1])
    markers[marked, columns] = 1
    total = numbers[marked, columns].sum(axis=0)
    return np.stack([numbers, markers], axis=-1), total[None, :, None]


@dataclass(frozen=True)
class CopyMemory:
    """Copy memory (Arjovsky et al. 2016): ten symbols are shown, and must be repeated after a delay of T steps.

    Of T + 20 steps the first ten show symbols 0 … 7 drawn at random; then come T − 1 blanks (8), one signal to start
    (9), and ten more blanks. The answer is a blank on the first T + 10 steps, and then the ten symbols in their order.
    """

    delay: int

    symbols = 8
    shown = 10
    inputs = outputs = symbols + 2
    arity = MANY_TO_MANY

    def __post_init__(self) -> None:
        keep_sizes(self, delay=1)

    @property
    def steps(self) -> int:
        """Length of a sequence, T + 20."""
        return self.delay + 2 * self.shown

    @property
    def loss(self) -> Loss:
        """Cross-entropy in nats, summed over the answers."""
        return cross_entropy

    @property
    def baseline(self) -> float:
        """Nats a step without memory: nothing for the blanks, ln 8 on each of the last ten of T + 20 steps."""
        return self.shown * np.log(self.symbols) / self.steps

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Input tokens (T + 20, B) and target classes (T + 20, B)."""
        B, blank, start = require_size("size", size), self.symbols, self.symbols + 1
        shown = rng.integers(0, self.symbols, (self.shown, B))
        x = np.full((self.steps, B), blank)
        x[: self.shown] = shown
        x[self.shown + self.delay - 1] = start
        targets = np.full((self.steps, B), blank)
        targets[-self.shown :] = shown
        return x, targets


@dataclass(frozen=True)
class TemporalOrder:
    """Temporal order, task 6a of Hochreiter & Schmidhuber (1997): in which order did two symbols come?

    A sequence of 100 to 110 symbols starts with E and ends with B. An X or a Y stands at step 10 … 20 and another at
    step 50 … 60, counted from 0; all else is drawn from a, b, c, d. The classes are XX, XY, YX and YY. Here all
    sequences of one batch have the same length.
    """

    symbols = "abcdXYEB"
    classes = ("XX", "XY", "YX", "YY")
    inputs = len(symbols)
    outputs = len(classes)
    arity = MANY_TO_ONE
    lengths = (100, 110)
    first = (10, 20)
    second = (50, 60)
    chance = 1 / 4

    @property
    def loss(self) -> Loss:
        """Cross-entropy in nats, summed over the answers."""
        return cross_entropy

    @property
    def baseline(self) -> float:
        """Nats of the answer that gives every class 1/4: ln 4."""
        return float(np.log(self.outputs))

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Input tokens (T, B), numbers in `symbols`, and target classes (1, B), numbers in `classes`."""
        B = require_size("size", size)
        columns = np.arange(B)
        T = int(rng.integers(self.lengths[0], self.lengths[1] + 1))
        x = rng.integers(0, 4, (T, B))
        x[0], x[-1] = self.symbols.index("E"), self.symbols.index("B")
        kinds = rng.integers(0, 2, (2, B))  # 0 for X, 1 for Y
        for place, kind in zip((self.first, self.second), kinds, strict=True):
            x[rng.integers(place[0], place[1] + 1, B), columns] = self.symbols.index("X") + kind
        return x, (2 * kinds[0] + kinds[1])[None]


def accuracy(logits: Array, targets: Array) -> float:
    """Part of the answers whose largest logit is the target's: logits (n, B, O), classes (n, B).

    The first of equal logits counts as the largest. Raises ValueError for other shapes, classes outside 0 … O − 1 and
    NaN.
    """
    logits = require_array("logits", logits, ("n", "B", "O"))
    targets = require_tokens("targets", targets, logits.shape[:-1], logits.shape[-1])
    return float((logits.argmax(axis=-1) == targets).mean())
