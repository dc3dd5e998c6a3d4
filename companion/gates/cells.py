"""Recurrent networks with gates: the LSTM, its variants, and the GRU, each as its page states it.

Chapters "Long short-term memory" and "Variants". σ is the logistic function, ⊙ the product entry by entry; every W_xk
is (H, I), every W_hk (H, H), every b_k and every peephole p_k (H,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from companion.core.cell import Arrays
from companion.core.functions import SIGMOID, TANH, sigmoid
from companion.core.validation import Array, keep_sizes
from companion.rnn.cells import Gates

FED = ("x", "h_before")


@dataclass(frozen=True)
class _Sized:
    """The sizes that all gated cells have."""

    inputs: int
    hidden: int

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1)

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs} | dict.fromkeys(("h", "c", *"ifgorzn", "hn"), self.hidden)


class LSTM(_Sized):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with the forget gate of Gers et al. (2000).

        k_t = σ(W_xk x_t + W_hk h_{t-1} + b_k)                 for the gates k = i, f, o
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        h_t = o_t ⊙ tanh(c_t)

    Equations eq-lstm-gates, eq-lstm-cell and eq-lstm-output; backwards eq-lstm-dc and eq-lstm-deltas.
    """

    wiring: ClassVar = dict.fromkeys("ifgo", FED)
    gates: ClassVar[Gates] = {"i": SIGMOID, "f": SIGMOID, "g": TANH, "o": SIGMOID}
    state = outputs = ("h", "c")

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        c = now["f"] * before["c"] + now["i"] * now["g"]
        tanh_c = np.tanh(c)
        return {"c": c, "tanh_c": tanh_c, "h": now["o"] * tanh_c}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        i, f, g, o, tanh_c = (now[name] for name in ("i", "f", "g", "o", "tanh_c"))
        return {
            "i": g * i * (1 - i),  # ∂c_t/∂a_i
            "f": before["c"] * f * (1 - f),
            "g": i * (1 - g * g),
            "o": tanh_c * o * (1 - o),  # ∂h_t/∂a_o
            "c": o * (1 - tanh_c * tanh_c),  # ∂h_t/∂c_t
            "c_before": f,  # ∂c_t/∂c_{t-1}
        }

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        dc = d["c"] + s["c"] * d["h"]
        da = {"i": s["i"] * dc, "f": s["f"] * dc, "g": s["g"] * dc, "o": s["o"] * d["h"]}
        return da, {"c": s["c_before"] * dc}


class PeepholeLSTM(_Sized):
    """The LSTM whose gates see the cell through peepholes (Gers & Schmidhuber 2000), vectors p_i, p_f, p_o.

        k_t = σ(W_xk x_t + W_hk h_{t-1} + p_k ⊙ c_{t-1} + b_k)     for k = i, f
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        o_t = σ(W_xo x_t + W_ho h_{t-1} + p_o ⊙ c_t + b_o)         of the new cell
        h_t = o_t ⊙ tanh(c_t)

    Equations eq-peephole, eq-peephole-back and eq-peephole-weights.
    """

    wiring: ClassVar = dict.fromkeys("if", (*FED, "p*c_before")) | {"g": FED, "o": (*FED, "p*c")}
    gates: ClassVar[Gates] = {"i": SIGMOID, "f": SIGMOID, "g": TANH}
    state = outputs = ("h", "c")

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        c = now["f"] * before["c"] + now["i"] * now["g"]
        o = sigmoid(now["a_o"] + w["p_o"] * c)
        tanh_c = np.tanh(c)
        return {"c": c, "o": o, "tanh_c": tanh_c, "h": o * tanh_c}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return LSTM.slopes(self, w, now, before)  # type: ignore[arg-type]  # the same: p_i, p_f act through the core

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_o = s["o"] * d["h"]
        dc = d["c"] + s["c"] * d["h"] + w["p_o"] * da_o  # o_t has seen c_t
        return {"i": s["i"] * dc, "f": s["f"] * dc, "g": s["g"] * dc, "o": da_o}, {"c": s["c_before"] * dc}


class CoupledLSTM(_Sized):
    """The LSTM with coupled gates, i_t = 1 − f_t (CIFG in Greff et al. 2017): what is forgotten makes room.

        k_t = σ(W_xk x_t + W_hk h_{t-1} + b_k)                 for k = f, o
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
        c_t = f_t ⊙ c_{t-1} + (1 − f_t) ⊙ g_t
        h_t = o_t ⊙ tanh(c_t)

    Equations eq-coupled and eq-coupled-back.
    """

    wiring: ClassVar = dict.fromkeys("fgo", FED)
    gates: ClassVar[Gates] = {"f": SIGMOID, "g": TANH, "o": SIGMOID}
    state = outputs = ("h", "c")

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        c = now["f"] * before["c"] + (1 - now["f"]) * now["g"]
        tanh_c = np.tanh(c)
        return {"c": c, "tanh_c": tanh_c, "h": now["o"] * tanh_c}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        f, g, o, tanh_c = (now[name] for name in ("f", "g", "o", "tanh_c"))
        return {
            "f": (before["c"] - g) * f * (1 - f),  # ∂c_t/∂a_f: more of the old, less of the new
            "g": (1 - f) * (1 - g * g),
            "o": tanh_c * o * (1 - o),
            "c": o * (1 - tanh_c * tanh_c),
            "c_before": f,
        }

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        dc = d["c"] + s["c"] * d["h"]
        return {"f": s["f"] * dc, "g": s["g"] * dc, "o": s["o"] * d["h"]}, {"c": s["c_before"] * dc}


class GRU(_Sized):
    """The gated recurrent unit with the reset after the recurrent product, as in PyTorch and in Cho et al. (2014), v1.

        k_t = σ(W_xk x_t + W_hk h_{t-1} + b_k)                 for the gates k = r, z
        n_t = tanh(W_xn x_t + b_n + r_t ⊙ (W_hn h_{t-1} + b_hn))
        h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t-1}                  z keeps

    Equations eq-gru, eq-gru-back and eq-gru-dh.
    """

    wiring: ClassVar = {"r": FED, "z": FED, "n": ("x",), "hn": ("h_before",)}
    gates: ClassVar[Gates] = {"r": SIGMOID, "z": SIGMOID}
    state = outputs = ("h",)

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        n = np.tanh(now["a_n"] + now["r"] * now["a_hn"])
        return {"a_hn": now["a_hn"], "n": n, "h": n + now["z"] * (before["h"] - n)}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        r, z, n, a_hn = (now[name] for name in ("r", "z", "n", "a_hn"))
        to_n = (1 - z) * (1 - n * n)  # ∂h_t/∂a_n
        return {
            "n": to_n,
            "hn": to_n * r,
            "r": to_n * a_hn * r * (1 - r),
            "z": (before["h"] - n) * z * (1 - z),
            "h_before": z,
        }

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        dh = d["h"]
        return {k: s[k] * dh for k in ("n", "hn", "r", "z")}, {"h": s["h_before"] * dh}


class GRUResetBefore(_Sized):
    """The gated recurrent unit with the reset before the recurrent product (Cho et al. 2014, v3; Chung et al. 2014).

        k_t = σ(W_xk x_t + W_hk h_{t-1} + b_k)                 for the gates k = r, z
        n_t = tanh(W_xn x_t + W_hn (r_t ⊙ h_{t-1}) + b_n)
        h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t-1}                  z keeps; Chung et al. write 1 − z for z

    Equations eq-gru-before and eq-gru-before-back.
    """

    wiring: ClassVar = {"r": FED, "z": FED, "n": ("x", "r*h_before")}
    gates: ClassVar[Gates] = {"r": SIGMOID, "z": SIGMOID}
    state = outputs = ("h",)

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        n = np.tanh(now["a_n"] + (now["r"] * before["h"]) @ w["W_hn"].T)
        return {"n": n, "h": n + now["z"] * (before["h"] - n)}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        r, z, n = (now[name] for name in ("r", "z", "n"))
        return {
            "n": (1 - z) * (1 - n * n),  # ∂h_t/∂a_n
            "r": before["h"] * r * (1 - r),  # ∂(r_t ⊙ h_{t-1})/∂a_r
            "z": (before["h"] - n) * z * (1 - z),
            "rh_before": r,
            "h_before": z,
        }

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da_n = s["n"] * d["h"]
        drh = da_n @ w["W_hn"]  # the gradient of r_t ⊙ h_{t-1}
        da = {"n": da_n, "r": s["r"] * drh, "z": s["z"] * d["h"]}
        return da, {"h": s["h_before"] * d["h"] + s["rh_before"] * drh}
