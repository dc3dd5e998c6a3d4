"""Elman's network with a second way back through time (chapter "Remedies")."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from companion.core.cell import Arrays
from companion.core.functions import TANH, Activation
from companion.core.validation import Array, keep_sizes
from companion.rnn.cells import Gates


@dataclass(frozen=True)
class SkipElman:
    """Elman's network with a second way back, which skips s − 1 steps (Lin et al. 1996 study such delays).

        h_t = tanh(W_xh x_t + W_hh h_{t-1} + W_sh h_{t-s} + b_h)        W_sh (H, H), s ≥ 2; states before h_0 are 0

    Chapter "Remedies", equation eq-skip. The states in between are carried as vectors d1 … and s, the oldest; each
    step moves all on.
    """

    inputs: int
    hidden: int
    skip: int
    activation: Activation = TANH

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1, skip=2)

    @property
    def state(self) -> tuple[str, ...]:
        """h_t, h_{t-1}, …, h_{t-s+1} under the names h, d1, …, s."""
        return ("h", *(f"d{k}" for k in range(1, self.skip - 1)), "s")

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs} | dict.fromkeys(self.state, self.hidden)

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {"h": ("x", "h_before", "s_before")}

    gates: ClassVar[Gates] = {}
    outputs = ("h",)

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        moved = {older: before[newer] for newer, older in pairwise(self.state)}
        return {"h": self.activation(now["a_h"])} | moved

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(now["h"])}

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_h = self.activation.pull(s["h"], d["h"])  # (B, H)
        return {"h": da_h}, {newer: d[older] for newer, older in pairwise(self.state)}
