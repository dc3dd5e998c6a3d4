"""The equations of the recurrent networks, one small class each, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from companion.core.cell import Arrays
from companion.core.functions import SOFTMAX, TANH, Activation
from companion.core.validation import Array, keep_sizes

Gates = Mapping[str, Activation]


@dataclass(frozen=True)
class Elman:
    """Elman's network (Elman 1990): the hidden state is fed back.

        h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)        W_xh (H, I), W_hh (H, H), b_h (H,)

    Chapter "Unrolling". Another activation may take the place of tanh.
    """

    inputs: int
    hidden: int
    activation: Activation = TANH

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs, "h": self.hidden}

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {"h": ("x", "h_before")}

    gates: ClassVar[Gates] = {}
    state = ("h",)
    outputs = ("h",)

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": self.activation(now["a_h"])}  # (B, H)

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(now["h"])}  # tanh′ = 1 − h²

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        return {"h": self.activation.pull(s["h"], d["h"])}, {}


@dataclass(frozen=True)
class Jordan:
    """Jordan's network (Jordan 1986): the output is fed back.

        h_t = tanh(W_xh x_t + W_yh y_{t-1} + b_h)        W_xh (H, I), W_yh (H, O), b_h (H,)
        y_t = softmax(W_hy h_t + b_y)                    W_hy (O, H), b_y (O,)

    Chapter "Shapes of recurrence". The state that survives a step is y_t; other activations may replace both.
    """

    inputs: int
    hidden: int
    classes: int
    activation: Activation = TANH
    output_activation: Activation = SOFTMAX

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1, classes=1)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs, "h": self.hidden, "y": self.classes}

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {"h": ("x", "y_before"), "y": ("h",)}

    gates: ClassVar[Gates] = {}
    state = ("y",)
    outputs = ("y", "logits", "h")

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        h = self.activation(now["a_h"])  # (B, H)
        logits = h @ w["W_hy"].T + w["b_y"]  # (B, O)
        return {"h": h, "logits": logits, "y": self.output_activation(logits)}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(now["h"]), "y": self.output_activation.slopes(now["y"])}

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_y = self.output_activation.pull(s["y"], d["y"]) + d["logits"]  # (B, O)
        da_h = self.activation.pull(s["h"], d["h"] + da_y @ w["W_hy"])  # (B, H)
        return {"h": da_h, "y": da_y}, {}
