"""What a recurrent cell is, and how its wiring names its weights.

A *cell* states the equations of one step, forwards and backwards, and in its wiring which products with weights each
pre-activation sums. From this follow the weights' names and shapes, the walk (walk.py) and gradients (recurrent.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from companion.core.functions import Activation
from companion.core.validation import Array

Arrays = Mapping[str, Array]

BEFORE = "_before"  # "h_before" in a wiring is h_{t-1}
PEEPHOLE = "p"


class Cell(Protocol):
    """The equations of one step. Adding a recurrent layer to the course means writing one such class.

    sizes    length of each vector the equations name, the input "x" included
    wiring   for each pre-activation a_k, what it sums besides its bias b_k:
                 "x", "h", "h_before"    W_xk x_t, W_hk h_t, W_hk h_{t-1}
                 "r*h_before"            W_hk (r_t ⊙ h_{t-1})
                 "p*c_before", "p*c"     p_k ⊙ c_{t-1}, p_k ⊙ c_t, with a vector of weights (a peephole)
             Terms of x_t, and of t − 1 without a factor of this step, are known before the step: the core sums them
    gates    the pre-activations that need nothing else: k_t = activation(a_k), applied by the core
    state    the vectors handed from step to step
    outputs  the vectors that a loss may depend on, the main one first

    `step` is ordinary Python, called at every step in the order of time: a mask that it draws is drawn anew, an `if` is
    asked each time. What belongs to the batch and not to time (a mask for all steps, a memory to look at) is held by a
    cell made for the batch. Gradients of such things, formed after the walk from δ of all steps, are what its method
    `batch_gradients(tape, da, d_outputs)`, if it has one, returns under names of their own; da as from `deltas`.
    """

    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def wiring(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def gates(self) -> Mapping[str, Activation]: ...
    @property
    def state(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...

    def step(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        """The rest of one step; every array is (B, ·).

        `now` holds the values of the gates under their names, and as "a_k" every other pre-activation that has a term
        known before the step, with b_k; where none is known the cell adds b_k too. `before` is the state of t − 1, read
        only. Returns what the step computes, the same names at every step: this and the gates are kept for the backward
        pass. A pre-activation that the slopes need is returned as it is, under its own name.
        """

    def slopes(self, w: Arrays, now: Arrays, before: Arrays) -> dict[str, Array]:
        """Local slopes of many steps at once, (steps, B, ·), from all that these steps computed."""

    def back(self, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        """One step of the δ recursion, linear in `d`, which is read only; `s` are the step's slopes.

        `d` has ∂loss/∂v_t of state and outputs, through the loss at t and all later steps. Returns ∂loss/∂a_k under
        every k, and ∂loss/∂v_{t-1} under each v, by all ways but the products known before the step: W_hkᵀ δ_k and
        p_k ⊙ δ_k the core adds.
        """


@dataclass(frozen=True)
class Source:
    """One entry of a wiring, taken apart: `factor` is "", "p" for a peephole, or a vector of this step."""

    vector: str
    before: bool
    factor: str

    @property
    def known(self) -> bool:
        """Whether the product can be formed before the step."""
        return self.factor in ("", PEEPHOLE) and (self.vector == "x" or self.before)


@cache
def parsed(source: str) -> Source:
    factor, _, vector = source.rpartition("*")
    return Source(vector.removesuffix(BEFORE), vector.endswith(BEFORE), factor)


@cache
def weight_name(source: str, k: str) -> str:
    """Name of the weight between an entry of a wiring and a pre-activation: ("h_before", "i") → "W_hi".

    A pre-activation that is one vector's share of a gate, such as hn, says so in its own name: W_hn, not W_hhn.
    """
    s = parsed(source)
    if s.factor == PEEPHOLE:
        return f"p_{k}"
    return f"W_{k}" if k.startswith(s.vector) and k != s.vector else f"W_{s.vector}{k}"


def weight_shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a cell's weights, from its wiring: W_xh is (H, I), b_h is (H,), p_i is (H,)."""
    return shapes_of(cell.wiring, {name: int(size) for name, size in cell.sizes.items()})


def shapes_of(wiring: Mapping[str, tuple[str, ...]], sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """What `weight_shapes` gives for a cell with this wiring and these sizes."""
    shapes: dict[str, tuple[int, ...]] = {}
    for k, sources in wiring.items():
        for source in sources:
            s, name = parsed(source), weight_name(source, k)
            if name in shapes or (s.factor and s.vector == "x"):
                raise ValueError(f"wiring: expected a weight for each entry, and no factor of x, got {source} for {k}")
            shapes[name] = (sizes[k],) if s.factor == PEEPHOLE else (sizes[k], sizes[s.vector])
        shapes[f"b_{k}"] = (sizes[k],)
    return shapes


def rows_of(source: str, x: Array, kept: Arrays) -> Array:
    """What a weight multiplied at each step: for "h_before" the rows h_0 … h_{T-1}, (T, B, ·); for "x" the input."""
    s = parsed(source)
    if s.vector == "x":
        return x
    rows = kept[s.vector][:-1] if s.before else kept[s.vector][1:]
    return rows if s.factor in ("", PEEPHOLE) else kept[s.factor][1:] * rows
