"""What a moving figure is made of: axes, and the marks that stand in a panel. Each mark says which values it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.core.validation import require_array
from companion.page.drawing import Diagram


@dataclass(frozen=True)
class Axis:
    """What an axis measures (with its unit), its ends, and its ticks: numbers, or numbers with the words for them."""

    label: str
    low: float
    high: float
    ticks: Sequence[float] | Mapping[float, str] = ()

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"high: expected more than low ({self.low}), got {self.high}")

    def share(self, values: Any) -> np.ndarray:
        """0 at the low end, 1 at the high one; of any shape."""
        return (np.asarray(values, float) - self.low) / (self.high - self.low)

    @property
    def words(self) -> dict[float, str]:
        if isinstance(self.ticks, Mapping):
            return dict(self.ticks)
        return {tick: f"{tick:g}".replace("-", "−") for tick in self.ticks}


@dataclass(frozen=True)
class Curve:
    """A mark that is drawn with a pen: its name in the key, its colour, the pen's width in tenths of a pixel."""

    name: str
    colour: str
    dash: str = ""
    width: int = 25
    opacity: float = 1.0

    def points(self, values: Any) -> np.ndarray:
        """Values as points to be joined, (n, 2); the pen is up where one is NaN."""
        raise NotImplementedError


@dataclass(frozen=True)
class Line(Curve):
    """Values over `x` (0, 1, 2, … if left out): (n,), or (k, n) for k lines."""

    x: Sequence[float] | np.ndarray | None = None

    def points(self, values: Any) -> np.ndarray:
        lines = np.atleast_2d(np.asarray(values, float))
        x = np.arange(lines.shape[-1], dtype=float) if self.x is None else np.asarray(self.x, float)
        if lines.ndim != 2 or lines.shape[1] != len(x):
            raise ValueError(f"{self.name}: expected ({len(x)},) or (k, {len(x)}), got shape {np.shape(values)}")
        return pen_up_between(np.stack([np.broadcast_to(x, lines.shape), lines], axis=-1))


@dataclass(frozen=True)
class Trace(Curve):
    """Points in the plane joined in their order, (n, 2)."""

    def points(self, values: Any) -> np.ndarray:
        return require_array(self.name, values, ("n", 2))


@dataclass(frozen=True)
class Dots(Curve):
    """Points in the plane, (n, 2)."""

    width: int = 75

    def points(self, values: Any) -> np.ndarray:
        place = require_array(self.name, values, ("n", 2))
        return pen_up_between(np.stack([place, place], axis=1))  # a line of no length, with round ends


@dataclass(frozen=True)
class Arrows(Curve):
    """Arrows from tail to head, (k, 2, 2)."""

    def points(self, values: Any) -> np.ndarray:
        return pen_up_between(require_array(self.name, values, ("k", 2, 2)))


@dataclass(frozen=True)
class Heat:
    """A field of shares from −1 (blue) to 1 (vermillion), (rows, columns); the first row is at the bottom."""

    name: str


@dataclass(frozen=True)
class Network:
    """A diagram whose boxes fill: for the name of each that does, a share from −1 to 1 and the words in it, in lines.

    An arrow between two boxes that are filled is lit.
    """

    name: str
    diagram: Diagram


@dataclass(frozen=True)
class Panel:
    """Curves and a heat map over two axes, or a network by itself. `height` in pixels of 480 across."""

    marks: Sequence[Curve | Heat | Network]
    x: Axis | None = None
    y: Axis | None = None
    height: int = 200

    def __post_init__(self) -> None:
        networks = sum(isinstance(mark, Network) for mark in self.marks)
        if networks and len(self.marks) > 1:
            raise ValueError(f"marks: expected a network by itself, got {len(self.marks)} marks")
        if not networks and (self.x is None or self.y is None):
            raise ValueError("x, y: expected an axis each, got None")


def pen_up_between(lines: np.ndarray) -> np.ndarray:
    """Lines (k, n, 2) as one row of points, (k (n + 1) − 1, 2), with a NaN between two lines."""
    gaps = np.full((len(lines), 1, 2), np.nan)
    return np.concatenate([lines, gaps], axis=1).reshape(-1, 2)[:-1]
