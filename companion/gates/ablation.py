"""The LSTM with one part taken away, to see what that part was for (Greff et al. 2017; chapter "What each gate does").

Their names for the variants, and the cells that are them here:

    V     the LSTM with peepholes               cells.PeepholeLSTM
    NP    no peepholes                          cells.LSTM
    CIFG  coupled input and forget gate         cells.CoupledLSTM
    NIG, NFG, NOG    no input gate, no forget gate, no output gate          AblatedLSTM
    NIAF, NOAF       no input activation function, no output one            AblatedLSTM

Theirs take the part away from the LSTM with peepholes. Here it is taken from the one without, so that one page of
equations holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays
from companion.core.functions import IDENTITY, SIGMOID, TANH
from companion.core.validation import Array, keep_sizes
from companion.rnn.cells import Gates

PARTS = ("i", "f", "o", "input activation", "output activation")


@dataclass(frozen=True)
class AblatedLSTM:
    """The LSTM without one of its parts; the others are those of `cells.LSTM`.

    without   what changes                       Greff et al. call it
    "i"       i_t = 1                            NIG
    "f"       f_t = 1, the cell of 1997          NFG
    "o"       o_t = 1                            NOG
    "input activation"     g_t = a_g             NIAF
    "output activation"    h_t = o_t ⊙ c_t       NOAF

    A gate that is taken away takes its weights along: W_xk (H, I), W_hk (H, H) and b_k (H,).
    Raises ValueError for another part and for sizes that are no positive whole numbers.
    """

    inputs: int
    hidden: int
    without: str

    def __post_init__(self) -> None:
        keep_sizes(self, inputs=1, hidden=1)
        if self.without not in PARTS:
            raise ValueError(f"without: expected one of {', '.join(PARTS)}, got {self.without!r}")

    @property
    def sizes(self) -> dict[str, int]:
        return {"x": self.inputs} | dict.fromkeys(("h", "c", *"ifgo"), self.hidden)

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        return {k: ("x", "h_before") for k in "ifgo" if k != self.without}

    @property
    def gates(self) -> Gates:
        g = IDENTITY if self.without == "input activation" else TANH
        return {k: g if k == "g" else SIGMOID for k in self.wiring}

    state = outputs = ("h", "c")

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        i, f, o = (now.get(k, 1) for k in "ifo")
        c = f * before["c"] + i * now["g"]
        out = c if self.without == "output activation" else np.tanh(c)
        return {"c": c, "out": out, "h": o * out}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        g, out = now["g"], now["out"]
        one = np.ones_like(g)
        i, f, o = (now.get(k, one) for k in "ifo")
        return {
            "i": g * i * (1 - i),  # ∂c_t/∂a_i
            "f": before["c"] * f * (1 - f),
            "g": i * (one if self.without == "input activation" else 1 - g * g),
            "o": out * o * (1 - o),  # ∂h_t/∂a_o
            "c": o * (one if self.without == "output activation" else 1 - out * out),  # ∂h_t/∂c_t
            "c_before": f,  # ∂c_t/∂c_{t-1}
        }

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        dc = d["c"] + s["c"] * d["h"]
        da = {"i": s["i"] * dc, "f": s["f"] * dc, "g": s["g"] * dc, "o": s["o"] * d["h"]}
        return {k: da[k] for k in self.wiring}, {"c": s["c_before"] * dc}
