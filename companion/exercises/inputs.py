"""What most cases are made of: a few sizes with every edge among them, and random arrays of a shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.model import Case


@dataclass(frozen=True)
class Size:
    """Steps, sequences, inputs, hidden units and outputs of a case, and what a report calls it."""

    name: str
    T: int
    B: int
    I: int
    H: int
    O: int


SIZES = (
    Size("a small case", T=3, B=2, I=4, H=2, O=3),
    Size("T = 1", T=1, B=2, I=2, H=3, O=4),
    Size("B = 1", T=4, B=1, I=3, H=2, O=2),
    Size("H = 1", T=3, B=2, I=2, H=1, O=3),
    Size("everything square", T=3, B=3, I=3, H=3, O=3),
    Size("a longer sequence", T=9, B=4, I=2, H=5, O=3),
)


def each_size(make: Callable[[Size], Mapping[str, Any]]) -> tuple[Case, ...]:
    """One case for each of the sizes, with the arguments that ``make`` gives it."""
    return tuple(Case(size.name, make(size)) for size in SIZES)


def normal(rng: np.random.Generator, *shape: int, scale: float = 0.7) -> np.ndarray:
    """Random numbers of a size at which tanh is neither linear nor flat."""
    return rng.normal(scale=scale, size=shape)
