"""One answer for a whole sequence: the vector that a classifier reads, what comes back from it, and its losses."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise

# Lengths in a number of rows, and the hidden units.
BATCHES = (
    ("two sentences", 3, [3, 2], 2),
    ("T = 1", 1, [1, 1], 2),
    ("B = 1", 4, [2], 3),
    ("H = 1", 4, [3, 4, 1], 1),
    ("one step each", 3, [1, 1, 1], 2),
    ("all full", 3, [3, 3], 3),
    ("everything square", 3, [2, 3, 1], 3),
    ("rows that no sentence needs", 6, [2, 4, 1], 2),
    ("twenty rows", 20, [4, 20, 1, 13, 12], 3),
)


def _padded(rng: np.random.Generator, T: int, lengths: list[int], H: int, padding: str = "end") -> np.ndarray:
    """States (T, B, H) with large numbers where padding stands."""
    rows = np.arange(T)[:, None]
    own = rows < lengths if padding == "end" else rows >= T - np.array(lengths)
    return np.where(own[..., None], normal(rng, T, len(lengths), H), normal(rng, T, len(lengths), H, scale=1e3))


def _rows(padding: str) -> str:
    """Where the steps of a sentence of length n stand."""
    if padding == "end":
        return "padded at the end: its steps stand in rows $0$ to $n - 1$"
    return "padded at the start: its steps stand in rows $T - n$ to $T - 1$"


@exercise(
    "mean-pool",
    "mean_pool",
    "The mean of a sentence's states",
    "implement",
    padding=("end", "start"),
    divisor=("n", "root"),
)
def mean_pool(rng: np.random.Generator, padding: str, divisor: str) -> Key:
    def by_loops(h, lengths):
        T = len(h)
        own = [h[:n, b] if padding == "end" else h[T - n :, b] for b, n in enumerate(lengths)]
        return np.array([sum(rows) / (len(rows) if divisor == "n" else np.sqrt(len(rows))) for rows in own])

    mean = divisor == "n"
    at_end = padding == "end"
    return Key(
        cases=tuple(
            Case(name, {"h": _padded(rng, T, lengths, H, padding), "lengths": np.array(lengths)})
            for name, T, lengths, H in BATCHES
        ),
        also_right=(by_loops,),
        axes={"result": "B H"},
        words={
            "rows": _rows(padding),
            "other": "start" if at_end else "end",
            "own": "rows < lengths" if at_end else "rows >= len(h) - lengths",
            "own_less": "rows < lengths - 1" if at_end else "rows > len(h) - lengths",
            "own_more": "rows <= lengths" if at_end else "rows >= len(h) - lengths - 1",
            "last": "lengths - 1" if at_end else "-1",
            "formula": "n" if mean else r"\sqrt{n}",
            "code": "n" if mean else "np.sqrt(n)",
            "code_T": "len(h)" if mean else "np.sqrt(len(h))",
            "remark": ""
            if mean
            else "The root takes the place of $n$ so that $z$ keeps its size: a sum of $n$ independent numbers around "
            r"zero is about $\sqrt{n}$ times as large as one of them. ",
            "why": "Divided by $T$, a short sentence would get a vector that is too small."
            if mean
            else r"The root of $T$ would make the vector of a short sentence too small.",
        },
    )
