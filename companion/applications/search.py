"""The sequence that a writer finds most probable: greedily, with a beam, and exactly.

A *hypothesis* is a sequence so far, with log p of its tokens. Chapter "What it would write at its best".
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from itertools import count
from reprlib import repr as shortened

import numpy as np

from companion.applications.writing import Writer, number_of, rows, until_end
from companion.core.validation import Array, require_array, require_number, require_size
from companion.rnn.language_model import State


@dataclass(frozen=True)
class Hypothesis:
    """Tokens, `<EOS>` (0) the last one if it has ended, and log p of them all."""

    tokens: tuple[int, ...]
    log_probability: float

    @property
    def ended(self) -> bool:
        return bool(self.tokens) and self.tokens[-1] == 0


Penalty = Callable[[int], float]  # of a number of tokens: what log p is divided by


def no_penalty(length: int) -> float:
    """1 for every length: hypotheses are compared by log p itself."""
    return 1.0


@dataclass(frozen=True)
class PerToken:
    """length**alpha: with alpha = 1 hypotheses are compared by their mean log p of a token (equation eq-length-norm).

    Raises ValueError for a negative alpha, with which the bound that ends a search would not hold.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", require_number("alpha", self.alpha))  # powers of int8 would wrap around
        if self.alpha < 0:
            raise ValueError(f"alpha: expected a number of at least 0, got {self.alpha}")

    def __call__(self, length: int) -> float:
        return float(length**self.alpha)


@dataclass(frozen=True)
class GNMT(PerToken):
    """((5 + length) / 6)**alpha, the penalty of Wu et al. (2016)."""

    def __call__(self, length: int) -> float:
        return float(((5 + length) / 6) ** self.alpha)


def greedy(writer: Writer, state: State, most: int = 100) -> list[Array]:
    """The most probable next token again and again, for each row of the state: (T,) up to `<EOS>`, `most` at most."""
    number, most = number_of(state), require_size("most", most)
    tokens, ended = np.zeros(number, np.int64), np.zeros(number, bool)
    columns = list[Array]()
    while len(columns) < most and not ended.all():
        logarithms, state = writer.step(tokens, state)
        tokens = logarithms.argmax(axis=-1)
        columns.append(tokens)
        ended |= tokens == 0
    return [until_end(row) for row in np.array(columns).T]


def beam(writer: Writer, state: State, width: int, most: int = 100, penalty: Penalty = no_penalty) -> list[Hypothesis]:
    """Hypotheses found by going on with the `width` best at each step, the best one first (equation eq-beam).

    state    of one sequence
    most     tokens of the longest hypothesis
    penalty  what log p is divided by before hypotheses of different lengths are compared; must not fall with the length
    Of all that one more token makes of the living, the `width` best are kept; those that end live no longer. The search
    ends when no living one can overtake the best that has ended, whatever it goes on with: log p only falls, and is
    divided by penalty(most) at best. Where none has ended after `most` tokens, the living are returned.
    Raises ValueError for penalties that fall, or are not above 0, for that bound would not hold.
    """
    width, most = require_size("width", width), require_size("most", most)
    _require_one(state)
    _require_rising(penalty, most)
    living, ended = [Hypothesis((), 0.0)], list[Hypothesis]()
    tokens, V = np.zeros(1, np.int64), writer.vocabulary_size
    for _ in range(most):
        logarithms, state = writer.step(tokens, state)
        totals = np.array([[h.log_probability] for h in living]) + logarithms  # (living, V)
        best = np.argsort(-totals, axis=None, kind="stable")[:width]
        made = [
            (i, Hypothesis((*living[i].tokens, t), float(totals[i, t]))) for i, t in (divmod(int(n), V) for n in best)
        ]
        made = [(i, h) for i, h in made if h.log_probability > -np.inf]
        ended += [h for _, h in made if h.ended]
        going_on = [(i, h) for i, h in made if not h.ended]
        living = [h for _, h in going_on]
        reachable = max((h.log_probability / penalty(most) for h in living), default=-np.inf)
        if max((_score(h, penalty) for h in ended), default=-np.inf) >= reachable:
            break
        state = rows(state, [i for i, _ in going_on])
        tokens = np.array([h.tokens[-1] for h in living])
    return sorted(ended or living, key=lambda h: -_score(h, penalty))


def _require_one(state: State) -> None:
    if number_of(state) != 1:
        raise ValueError(f"state: expected that of one sequence, got {number_of(state)}")


def _require_rising(penalty: Penalty, most: int) -> None:
    every = require_array("penalty", [penalty(length) for length in range(1, most + 1)], (most,))
    if every[0] <= 0 or (np.diff(every) < 0).any():
        raise ValueError(
            f"penalty: expected numbers above 0 that do not fall with the length, got {shortened(every.tolist())}"
        )


def _score(h: Hypothesis, penalty: Penalty) -> float:
    return h.log_probability / penalty(len(h.tokens))


@dataclass(frozen=True)
class Proof:
    """The most probable sequences of a writer, the best first, and how many hypotheses had to be looked into."""

    best: tuple[Hypothesis, ...]
    expansions: int


def most_probable(writer: Writer, state: State, number: int = 1, limit: int = 10_000) -> Proof:
    """The `number` most probable sequences of all, whatever their lengths, by uniform-cost search.

    state  of one sequence
    limit  of expansions
    The best hypothesis so far is always the next to be looked into. A token more never makes a sequence more probable,
    so that when one that has ended is the best, nothing that is left can be better: the proof stands at eq-exact.
    Raises ValueError when `limit` is reached, with what was found and a bound on all that was not.
    """
    number, limit = require_size("number", number), require_size("limit", limit)
    _require_one(state)
    order, found, expansions = count(), list[Hypothesis](), 0
    waiting = [(0.0, next(order), Hypothesis((), 0.0), state)]  # −log p first; among equals what came first
    while waiting and len(found) < number:
        _, _, best, before = heapq.heappop(waiting)
        if best.ended:
            found.append(best)
            continue
        if expansions == limit:
            p = Context(3, ROUND_CEILING).create_decimal_from_float(float(np.exp(best.log_probability)))
            raise ValueError(
                f"limit: expected the {number} most probable within {limit} expansions, got {len(found)}; what is left"
                f" has a probability of {p:g} at most"
            )
        last = best.tokens[-1] if best.tokens else 0
        logarithms, after = writer.step(np.array([last]), before)
        expansions += 1
        for token, log_p in enumerate(logarithms[0].tolist()):
            if log_p > -np.inf:
                longer = Hypothesis((*best.tokens, token), best.log_probability + log_p)
                heapq.heappush(waiting, (-longer.log_probability, next(order), longer, after))
    return Proof(tuple(found), expansions)
