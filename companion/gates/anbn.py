"""The language aⁿbⁿ, and how far a network counts: Gers & Schmidhuber (2001); chapter "What the gates buy".

A sequence is S aⁿ bⁿ S, with one symbol S for start and end, and each next symbol is to be predicted. After S comes a;
after an a, both a and b are legal; from the first b on, the rest is determined, if the a's have been counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays, Cell
from companion.core.functions import cross_entropy
from companion.core.networks import MANY_TO_MANY, Loss, readout, without_readout
from companion.core.recurrent import forward
from companion.core.validation import Array, keep_sizes, require_size
from companion.gates.reber import clock_loss, legal_first

SYMBOLS = "Sab"
S, A, B = range(3)
TOGETHER = 64  # numbers n that are run as one batch


def sequence(n: int) -> Array:
    """Tokens of S aⁿ bⁿ S, (2n + 2,). Raises ValueError for n < 1, as all functions here do."""
    n = require_size("n", n)
    return np.array([S] + n * [A] + n * [B] + [S])


def legal_successors(n: int) -> Array:
    """Which symbols may follow each of S aⁿ bⁿ, booleans (2n + 1, 3): a; then a or b, n times; then b …; then S."""
    n = require_size("n", n)
    legal = np.eye(3, dtype=bool)[sequence(n)[1:]]
    legal[1 : n + 1] = [False, True, True]
    return legal


@dataclass(frozen=True)
class Counting:
    """Predict the next symbol of S aⁿ bⁿ S, with n drawn uniformly from `least` to `most`.

    One n serves a whole batch, so that its sequences have one length; they are all the same sequence then.
    """

    least: int
    most: int

    symbols = SYMBOLS
    inputs = outputs = len(SYMBOLS)
    arity = MANY_TO_MANY

    def __post_init__(self) -> None:
        keep_sizes(self, least=1)
        keep_sizes(self, most=self.least)

    @property
    def loss(self) -> Loss:
        """Cross-entropy in nats, summed over the answers."""
        return cross_entropy

    @property
    def baseline(self) -> float:
        """Nats of the best answer that ignores the input and knows the step, exact by enumeration of all n."""
        numbers = range(self.least, self.most + 1)
        mass = np.zeros((2 * self.most + 1, 3))
        for n in numbers:
            mass[np.arange(2 * n + 1), sequence(n)[1:]] += 1 / len(numbers) / (2 * n + 1)
        return clock_loss(mass)

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Input tokens (2n + 1, B), all symbols but the last, and target classes (2n + 1, B), all but the first."""
        tokens = np.tile(
            sequence(int(rng.integers(self.least, self.most + 1)))[:, None], (1, require_size("size", size))
        )
        return tokens[:-1], tokens[1:]


def solved(cell: Cell, weights: Arrays, n: int) -> bool:
    """Whether a network predicts S aⁿ bⁿ S right, at every step.

    Right means that the legal symbols have the largest logits: the only legal one is first after the S and from the
    first b on; after an a, S is last.
    """
    h, _ = forward(cell, without_readout(cell, weights), sequence(n)[:-1, None])
    return bool(legal_first(readout(weights, h[1:, 0]), legal_successors(n)).all())


def solved_each(cell: Cell, weights: Arrays, limit: int) -> Array:
    """`solved` for n = 1 … limit, booleans (limit,). Raises ValueError for a limit below 1.

    The a's are run once; n is the state after n of them. From there the b's of many n are run as one batch.
    """
    return np.concatenate(list(_solved_in_turn(cell, weights, require_size("limit", limit))))


def generalises_to(cell: Cell, weights: Arrays, limit: int) -> int:
    """The largest n ≤ limit up to which all n are solved; 0 when n = 1 is not. Stops soon after the first failure.

    Raises ValueError for a limit below 1.
    """
    reached = 0
    for right in _solved_in_turn(cell, weights, require_size("limit", limit)):
        if not right.all():
            return reached + int(np.argmin(right))
        reached += len(right)
    return reached


def _solved_in_turn(cell: Cell, weights: Arrays, limit: int) -> Iterator[Array]:
    """Whether n is solved, booleans, for n = 1 … limit, some at a time."""
    own = without_readout(cell, weights)
    h, tape = forward(cell, own, np.array([S] + limit * [A])[:, None])
    expected = legal_successors(limit)[: limit + 1]  # after S, and after each a
    prefix = np.logical_and.accumulate(legal_first(readout(weights, h[1:, 0]), expected))  # (limit + 1,)
    for first in range(1, limit + 1, TOGETHER):
        n = np.arange(first, min(first + TOGETHER, limit + 1))  # (B,)
        state = {name: tape[name][n + 1, 0] for name in cell.state}  # row n + 1 is after S aⁿ
        h, _ = forward(cell, own, np.full((n[-1], len(n)), B), state)
        step = np.arange(1, n[-1] + 1)[:, None]  # b's read so far
        legal = np.eye(3, dtype=bool)[np.where(step < n, B, S)]  # (steps, B, 3)
        yield prefix[n] & (legal_first(readout(weights, h[1:]), legal) | (step > n)).all(axis=0)
