"""A layer without recurrence: what a network knows of a word that sees nothing but this word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from companion.core.cell import Arrays
from companion.core.functions import TANH, Activation
from companion.core.validation import Array, keep_sizes


@dataclass(frozen=True)
class PerWord:
    """Elman's network without W_hh: each step for itself.

        h_t = tanh(W_xh x_t + b_h)        W_xh (H, I), b_h (H,)

    Chapter "A label for every word".
    """

    inputs: int
    hidden: int

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs, "h": self.hidden}

    wiring: ClassVar[Mapping[str, tuple[str, ...]]] = {"h": ("x",)}
    gates: ClassVar[Mapping[str, Activation]] = {}
    state = ("h",)
    outputs = ("h",)

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": TANH(now["a_h"])}  # (B, H)

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": TANH.slopes(now["h"])}

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        return {"h": s["h"] * d["h"]}, {}
