"""What the exercises on gated networks share: sizes of a single step, and weights by name or stacked in any order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Misconception


@dataclass(frozen=True)
class StepSize:
    """Sequences, inputs and hidden units of a case of one step, and what a report calls it."""

    name: str
    B: int
    I: int
    H: int


STEP_SIZES = (
    StepSize("a small case", B=2, I=3, H=2),
    StepSize("B = 1", B=1, I=2, H=3),
    StepSize("H = 1", B=3, I=2, H=1),
    StepSize("everything square", B=3, I=3, H=3),
    StepSize("more units than inputs", B=4, I=2, H=5),
)


def each_step_size(make: Callable[[StepSize], Mapping[str, Any]]) -> tuple[Case, ...]:
    """One case for each of the sizes, with the arguments that ``make`` gives it."""
    return tuple(Case(size.name, make(size)) for size in STEP_SIZES)


def weights(rng: np.random.Generator, I: int, H: int, gates: str) -> dict[str, np.ndarray]:
    """W_xk (H, I), W_hk (H, H) and b_k (H,) for each gate k, all random."""
    w = {f"W_x{k}": normal(rng, H, I) for k in gates}
    w |= {f"W_h{k}": normal(rng, H, H) for k in gates}
    return w | {f"b_{k}": normal(rng, H) for k in gates}


def stacked(w: Mapping[str, np.ndarray], order: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W_x (n H, I), W_h (n H, H) and b (n H,): the gates' weights one below the other, in this order."""
    return (
        np.concatenate([w[f"W_x{k}"] for k in order]),
        np.concatenate([w[f"W_h{k}"] for k in order]),
        np.concatenate([w[f"b_{k}"] for k in order]),
    )


def parts(array: np.ndarray, order: str) -> dict[str, np.ndarray]:
    """The gates' shares of the last axis, by name."""
    return dict(zip(order, np.split(array, len(order), axis=-1), strict=True))


def listed(order: str, before: str = "") -> str:
    """The gates of an order as prose or code lists them: 'i, f, g, o', 'a_i, a_f, a_g, a_o'."""
    return ", ".join(before + k for k in order)


GATES = {
    "i": "input gate",
    "f": "forget gate",
    "g": "candidate",
    "o": "output gate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}


def exchanges(order: str, joined: bool = False) -> tuple[Misconception, ...]:
    """For any two gates of an order that is asked for as ``order``, the misconception that takes one for the other.

    Args:
        order: of the gates.
        joined: whether the gates are put together in this order, and not cut.
    """
    hint = (
        f"Either the parts are joined in another order than {listed(order)}, or one of the two is computed as if it "
        "were the other."
        if joined
        else f"Either the parts are cut in another order than {listed(order)}, or the equations use the one where the "
        "other belongs."
    )
    return tuple(
        Misconception(
            f"{GATES[one]} and {GATES[other]} exchanged", hint, Edit(options={"order": exchanged(order, one, other)})
        )
        for one, other in itertools.combinations(sorted(order, key=list(GATES).index), 2)
    )


def exchanged(order: str, one: str, other: str) -> str:
    """The order with two gates in each other's place."""
    return order.translate(str.maketrans(one + other, other + one))
