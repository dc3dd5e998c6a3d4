"""A linear-chain conditional random field: scores, their sum and their best, marginals, and a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise


@dataclass(frozen=True)
class Stored:
    """How the transition scores W_yy are stored.

    Attributes:
        words: as prose has it.
        formula: the score of the transition to step t, in LaTeX.
        entry: that from label j to label k, in NumPy.
        pair: the indices of all T - 1 transitions of a labelling d.
        wrapped: the indices of T, where the first label follows the last.
        rows: W_yy with a row for each label k and a column for each label j before it.
        columns: the transpose of ``rows``.
    """

    words: str
    formula: str
    entry: str
    pair: str
    wrapped: str
    rows: str
    columns: str

    def to_from(self, W_yy: np.ndarray) -> np.ndarray:
        """``rows``, of these scores."""
        return W_yy if self.rows == "W_yy" else W_yy.T


STORED = (
    Stored(
        "`W_yy[k, j]` is the score of label $k$ directly after label $j$: to, from",
        "W_{yy}[d_t, d_{t-1}]",
        "W_yy[k, j]",
        "d[1:], d[:-1]",
        "d, np.roll(d, 1)",
        "W_yy",
        "W_yy.T",
    ),
    Stored(
        "`W_yy[j, k]` is the score of label $k$ directly after label $j$: from, to",
        "W_{yy}[d_{t-1}, d_t]",
        "W_yy[j, k]",
        "d[:-1], d[1:]",
        "np.roll(d, 1), d",
        "W_yy.T",
        "W_yy",
    ),
)


def _other_way(stored: Stored) -> tuple[Misconception, ...]:
    """The mistake of reading W_yy as its transpose."""
    hint = f"{stored.entry} is the score of label k directly after label j. Which of the two labels names the row?"
    (other,) = (each for each in STORED if each is not stored)
    return (Misconception("W_yy transposed", hint, Edit(options={"stored": other})),)


def _crf(rng: np.random.Generator, T: int, O: int, scale: float = 1.5) -> dict[str, np.ndarray]:
    """The logits of a sentence, and the scores of transitions, start and end."""
    return {
        "logits": normal(rng, T, O, scale=scale),
        "W_yy": normal(rng, O, O, scale=1.5),
        "b_start": normal(rng, O, scale=1.5),
        "b_end": normal(rng, O, scale=1.5),
    }


@exercise("crf-score", "score", "The score of a labelling", "implement", stored=STORED)
def crf_score(rng: np.random.Generator, stored: Stored) -> Key:
    def by_loops(logits, d, W_yy, b_start, b_end):
        total = b_start[d[0]] + b_end[d[-1]]
        for u, k in zip(logits, d, strict=True):
            total += u[k]
        for j, k in pairwise(d):
            total += stored.to_from(W_yy)[k, j]
        return total

    def by_one_hot_rows(logits, d, W_yy, b_start, b_end):
        rows = np.eye(len(b_end))[d]
        followed = rows[1:].T @ rows[:-1]  # how often label k follows label j
        return rows[0] @ b_start + np.sum(rows * logits) + np.sum(followed * stored.to_from(W_yy)) + rows[-1] @ b_end

    def case(name, d, O):
        given = _crf(rng, len(d), O)
        return Case(name, {"logits": given.pop("logits"), "d": np.array(d), **given})

    return Key(
        cases=(
            case("three steps", [0, 2, 1], 3),
            case("T = 1", [1], 3),
            case("T = 2", [1, 0], 2),
            case("O = 1", [0, 0, 0, 0], 1),
            case("as many steps as labels", rng.integers(0, 4, 4), 4),
            case("one label throughout", [1, 1, 1, 1, 1], 2),
            case("nine steps", rng.integers(0, 3, 9), 3),
        ),
        also_right=(by_loops, by_one_hot_rows),
        misconceptions=_other_way(stored),
    )
