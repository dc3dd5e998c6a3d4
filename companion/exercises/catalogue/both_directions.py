"""Bidirectional layers: two walks against each other, back through both, and where each of them ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.functions import Activation as CompanionActivation
from companion.core.layers import forward_both
from companion.exercises.activations import ACTIVATIONS, Activation, other_slopes
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Key, exercise
from companion.rnn.cells import Elman


@dataclass(frozen=True)
class Join:
    """How the states of both directions are put together.

    Attributes:
        words: as prose has it.
        width: of the result.
        code: of the variables ``ahead`` and ``behind``.
        other: what is easily done instead.
    """

    words: str
    width: str
    code: str
    other: str


TWENTY = Size("twenty steps", T=20, B=2, I=2, H=2, O=1)
FORWARDS_FIRST = "np.concatenate([ahead, behind], axis=-1)"
BACKWARDS_FIRST = "np.concatenate([behind, ahead], axis=-1)"
JOINS = (
    Join(
        r"$[\overrightarrow h_t ; \overleftarrow h_t]$, the forward state in the first $H$ entries",
        "2H",
        FORWARDS_FIRST,
        BACKWARDS_FIRST,
    ),
    Join(
        r"$[\overleftarrow h_t ; \overrightarrow h_t]$, the backward state in the first $H$ entries",
        "2H",
        BACKWARDS_FIRST,
        FORWARDS_FIRST,
    ),
    Join(r"the sum $\overrightarrow h_t + \overleftarrow h_t$", "H", "ahead + behind", "(ahead + behind) / 2"),
    Join(r"the mean $(\overrightarrow h_t + \overleftarrow h_t) / 2$", "H", "(ahead + behind) / 2", "ahead + behind"),
)


def _weights(rng: np.random.Generator, s: Size) -> dict[str, np.ndarray]:
    """The weights of one direction."""
    return {"W_xh": normal(rng, s.H, s.I), "W_hh": normal(rng, s.H, s.H), "b_h": normal(rng, s.H)}


@exercise("bidirectional", "bidirectional", "A layer that reads both ways", "implement", f=ACTIVATIONS, join=JOINS)
def bidirectional(rng: np.random.Generator, f: Activation, join: Join) -> Key:
    def by_companion(x, forwards, backwards):
        H, I = forwards["W_xh"].shape
        cell = Elman(I, H, CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy))
        both = forward_both((cell, cell), (forwards, backwards), x)[0]
        ahead, behind = both[..., :H], both[..., H:]
        if join.width == "H":
            return ahead + behind if join.code == "ahead + behind" else (ahead + behind) / 2
        return both if join.code == FORWARDS_FIRST else np.roll(both, H, axis=-1)

    def made_of(s):
        return {"x": normal(rng, s.T, s.B, s.I), "forwards": _weights(rng, s), "backwards": _weights(rng, s)}

    return Key(
        cases=(*each_size(made_of), Case("twenty steps", made_of(TWENTY))),
        also_right=(by_companion,),
        axes={"result": "T B H" if join.width == "H" else "T B column"},
    )


@exercise(
    "bidirectional-backward",
    "bidirectional_gradients",
    "Back through both directions",
    "implement",
    f=ACTIVATIONS,
    first=("forwards", "backwards"),
)
def bidirectional_backward(rng: np.random.Generator, f: Activation, first: str) -> Key:
    def deltas(w, dh, h, later):
        """All δ of a direction at once: δ_t = f′ ⊙ (dh_t + W_hhᵀ δ_{t + later}) as one linear system a sequence."""
        coupling = np.kron(np.eye(len(h), k=later), w["W_hh"].T)
        found = np.empty_like(h)
        for b in range(h.shape[1]):
            slope = f.slope(h[:, b]).ravel()
            matrix = np.eye(slope.size) - slope[:, None] * coupling
            found[:, b] = np.linalg.solve(matrix, slope * dh[:, b].ravel()).reshape(h[:, b].shape)
        return found

    def by_linear_systems(dh, h, forwards, backwards):
        H = h.shape[-1] // 2
        ahead, behind = slice(0, H), slice(H, None)
        if first == "backwards":
            ahead, behind = behind, ahead
        d_ahead = deltas(forwards, dh[..., ahead], h[..., ahead], 1)
        d_behind = deltas(backwards, dh[..., behind], h[..., behind], -1)
        dx = sum(np.einsum("tbh,hi->tbi", d, w["W_xh"]) for d, w in ((d_ahead, forwards), (d_behind, backwards)))
        steps = range(len(h) - 1)
        return dx, sum((d_behind[t].T @ h[t + 1][:, behind] for t in steps), np.zeros((H, H)))

    def case(s):
        return {
            "dh": normal(rng, s.T, s.B, 2 * s.H),
            "h": f.apply(normal(rng, s.T, s.B, 2 * s.H)),
            "forwards": _weights(rng, s),
            "backwards": _weights(rng, s),
        }

    ahead_first = first == "forwards"
    return Key(
        cases=each_size(case),
        also_right=(by_linear_systems,),
        misconceptions=other_slopes(f),
        returns=("dx", "dW_hh"),
        axes={"dx": "T B I", "dW_hh": "H H"},
        words={
            "halves": JOINS[0 if ahead_first else 1].words,
            "h_halves": "h_ahead, h_behind" if ahead_first else "h_behind, h_ahead",
            "dh_halves": "dh_ahead, dh_behind" if ahead_first else "dh_behind, dh_ahead",
        },
    )


@exercise(
    "last-state",
    "last_state",
    "Where each direction ends",
    "implement",
    order=("steps", "reading"),
    padding=("end", "start"),
    first=("forwards", "backwards"),
)
def last_state(rng: np.random.Generator, order: str, padding: str, first: str) -> Key:
    def by_loops(forwards, backwards, lengths):
        rows = []
        for b, n in enumerate(lengths):
            steps = range(n) if padding == "end" else range(len(forwards) - n, len(forwards))
            ahead = forwards[steps[-1], b]
            behind = backwards[steps[-1] if order == "reading" else steps[0], b]
            rows.append(np.append(ahead, behind) if first == "forwards" else np.append(behind, ahead))
        return np.array(rows)

    def made_of(T, lengths, H):
        B = len(lengths)
        return {"forwards": normal(rng, T, B, H), "backwards": normal(rng, T, B, H), "lengths": np.array(lengths)}

    if padding == "end":  # the rows of the sequences' first and last steps
        first_row, last_row = "np.zeros(len(lengths), dtype=int)", "lengths - 1"
    else:
        first_row, last_row = "len(forwards) - lengths", "np.full(len(lengths), len(forwards) - 1)"
    return Key(
        cases=(
            Case("two sequences", made_of(3, [3, 2], 1)),
            Case("T = 1", made_of(1, [1, 1], 2)),
            Case("B = 1", made_of(4, [2], 2)),
            Case("one step each", made_of(3, [1, 1, 1], 2)),
            Case("all full", made_of(3, [3, 3, 3], 3)),
            Case("many lengths", made_of(7, [4, 7, 1, 6], 3)),
            Case("twelve rows", made_of(12, [9, 12, 3], 2)),
        ),
        also_right=(by_loops,),
        axes={"result": "B column"},
        words={
            "rows": "padded at the end: its steps stand in rows $0$ to $n - 1$"
            if padding == "end"
            else "padded at the start: its steps stand in rows $T - n$ to $T - 1$",
            "other": "start" if padding == "end" else "end",
            "sorted": "both are sorted by steps: `forwards[r]` and `backwards[r]` belong to the step whose input "
            "stands in row $r$"
            if order == "steps"
            else "both fill the rows of the sequence in the order of their own reading: the first of these rows "
            "holds the state after the first input that the direction has read. The backward direction has read "
            "each sequence from its last step to its first",
            "layout": f"the {first.removesuffix('s')} state in the first $H$ entries",
            "first_row": first_row,
            "ahead": last_row,
            "behind": first_row if order == "steps" else last_row,
            "wrong_end": last_row if order == "steps" else first_row,
            "pair": "[ahead, behind]" if first == "forwards" else "[behind, ahead]",
            "reason": "Its state stands in the row of that step"
            if order == "steps"
            else "In the order of reading, the state with which a direction ended stands last, so that it is the same "
            "row as for the forward direction",
        },
    )
