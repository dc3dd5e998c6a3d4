"""Dropout: while a network trains, a random part of what it passes on is left out; when it is used, nothing is.

Every function takes the mask that the caller drew, so that a pass can be repeated, and its gradient be checked. Between
layers, `forward_stack` multiplies by masks; `MaskedState` is for the way from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from companion.core.cell import BEFORE, Arrays, Cell, weight_name
from companion.core.functions import Activation
from companion.core.recurrent import Tape
from companion.core.validation import Array, read_only, require_array, require_below_one, require_shape


def dropout_mask(
    rng: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: type[np.floating] = np.float64
) -> Array:
    """0 with probability `rate`, else 1 / (1 − rate), each entry for itself, so that what it multiplies keeps its mean.

    shape  (T, B, n) for a mask of its own at each step (Zaremba, Sutskever & Vinyals 2014: between layers); (B, n) for
           one at all steps of a sequence (Gal & Ghahramani 2016, "variational")
    Raises ValueError for a rate that is not from 0 to below 1, and for a dtype other than float32 and float64.
    """
    rate = require_below_one("rate", rate)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
    return (rng.random(shape) >= rate).astype(dtype) / dtype(1 - rate)


@dataclass(frozen=True, eq=False)
class MaskedState:
    """A cell whose state meets its weights behind one mask for all steps (Gal & Ghahramani 2016).

        W_hk (m ⊙ h_{t-1})    in the place of W_hk h_{t-1}, with m (B, H), for every k that h_{t-1} feeds

    What else the cell does with h_{t-1} it does unmasked, such as the GRU, which hands on z_t ⊙ h_{t-1}. Made for one
    batch; weights, state and outputs are the cell's own.
    Raises ValueError for a mask that is not (B, H), and for a cell that multiplies h_{t-1} by a factor of its own.
    """

    cell: Cell
    mask: Array = field(repr=False)
    gates: ClassVar[Mapping[str, Activation]] = {}

    def __post_init__(self) -> None:
        mask = require_array("mask", self.mask, ("B", self.cell.sizes[self._h])).copy()
        object.__setattr__(self, "mask", read_only(mask))
        factors = {source for k in self.cell.wiring.values() for source in k if source.endswith(f"*{self._h}{BEFORE}")}
        if factors:
            raise ValueError(f"cell: expected one that multiplies no state by a factor, got {', '.join(factors)}")

    @property
    def _h(self) -> str:
        return self.cell.state[0]

    @property
    def sizes(self) -> dict[str, int]:
        return {**self.cell.sizes, "mask": self.cell.sizes[self._h]}

    @property
    def wiring(self) -> dict[str, tuple[str, ...]]:
        plain, behind = f"{self._h}{BEFORE}", f"mask*{self._h}{BEFORE}"
        return {k: tuple(behind if s == plain else s for s in sources) for k, sources in self.cell.wiring.items()}

    @property
    def state(self) -> tuple[str, ...]:
        return self.cell.state

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.cell.outputs

    def _behind(self, w: Arrays) -> dict[str, Array]:
        """W_hk of every k that the masked state feeds."""
        source = f"{self._h}{BEFORE}"
        return {k: w[weight_name(source, k)] for k, sources in self.cell.wiring.items() if source in sources}

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        require_shape("mask", self.mask, before[self._h].shape)
        mask = self.mask.astype(before[self._h].dtype, copy=False)
        h = mask * before[self._h]  # (B, H)
        a = {name.removeprefix("a_"): value for name, value in now.items()}
        a |= {k: a.get(k, w[f"b_{k}"]) + h @ W.T for k, W in self._behind(w).items()}
        gates = {k: self.cell.gates[k](a_k) for k, a_k in a.items() if k in self.cell.gates}
        rest = {f"a_{k}": a_k for k, a_k in a.items() if k not in gates}
        return {**gates, **self.cell.step(w, gates | rest, before), "mask": mask}

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        return {**self.cell.slopes(w, now, before), "mask": now["mask"]}

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        da, direct = self.cell.back(w, s, d)
        dh = s["mask"] * sum(da[k] @ W for k, W in self._behind(w).items())
        return da, {**direct, self._h: direct[self._h] + dh if self._h in direct else dh}

    def batch_gradients(self, tape: Tape, da: Arrays, d_outputs: Arrays) -> dict[str, Array]:
        """Those of the cell, if it has any."""
        own = getattr(self.cell, "batch_gradients", None)
        return own(tape, da, d_outputs) if own else {}
