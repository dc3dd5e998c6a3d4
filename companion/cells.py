"""The equations of the recurrent networks, one small class each, in the order of the page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from companion.functions import SOFTMAX, TANH, Activation
from companion.recurrent import Arrays
from companion.validation import Array, require_size


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
        require_size("inputs", self.inputs)
        require_size("hidden", self.hidden)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs, "h": self.hidden}

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {"h": ("x", "h_before")}

    state = ("h",)
    outputs = ("h",)

    def step(self, w: Arrays, a: Arrays, before: Arrays) -> dict[str, Array]:
        a_h = a["h"] + before["h"] @ w["W_hh"].T  # (B, H)
        return {"h": self.activation(a_h)}

    def slopes(self, w: Arrays, kept: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(kept["h"])}  # tanh′ = 1 − h²

    def back(self, w: Arrays, slopes: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_h = self.activation.pull(slopes["h"], d["h"])  # (B, H)
        return {"h": da_h}, {"h": da_h @ w["W_hh"]}


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
        require_size("inputs", self.inputs)
        require_size("hidden", self.hidden)
        require_size("skip", self.skip, least=2)

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

    outputs = ("h",)

    def step(self, w: Arrays, a: Arrays, before: Arrays) -> dict[str, Array]:
        a_h = a["h"] + before["h"] @ w["W_hh"].T + before["s"] @ w["W_sh"].T  # (B, H)
        moved = {older: before[newer] for newer, older in pairwise(self.state)}
        return {"h": self.activation(a_h)} | moved

    def slopes(self, w: Arrays, kept: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(kept["h"])}

    def back(self, w: Arrays, slopes: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_h = self.activation.pull(slopes["h"], d["h"])  # (B, H)
        d_before = {newer: d[older] for newer, older in pairwise(self.state)}
        d_before["h"] = d_before["h"] + da_h @ w["W_hh"]
        return {"h": da_h}, d_before | {"s": da_h @ w["W_sh"]}


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
        require_size("inputs", self.inputs)
        require_size("hidden", self.hidden)
        require_size("classes", self.classes)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs, "h": self.hidden, "y": self.classes}

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {"h": ("x", "y_before"), "y": ("h",)}

    state = ("y",)
    outputs = ("y", "logits", "h")

    def step(self, w: Arrays, a: Arrays, before: Arrays) -> dict[str, Array]:
        h = self.activation(a["h"] + before["y"] @ w["W_yh"].T)  # (B, H)
        logits = h @ w["W_hy"].T + w["b_y"]  # (B, O)
        return {"h": h, "logits": logits, "y": self.output_activation(logits)}

    def slopes(self, w: Arrays, kept: Arrays) -> dict[str, Array]:
        return {"h": self.activation.slopes(kept["h"]), "y": self.output_activation.slopes(kept["y"])}

    def back(self, w: Arrays, slopes: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_y = self.output_activation.pull(slopes["y"], d["y"]) + d["logits"]  # (B, O)
        da_h = self.activation.pull(slopes["h"], d["h"] + da_y @ w["W_hy"])  # (B, H)
        return {"h": da_h, "y": da_y}, {"y": da_h @ w["W_yh"]}
