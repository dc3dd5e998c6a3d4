"""The recurrent core: what every recurrent layer shares, written once.

A *cell* (see cells.py) states the equations of one step, forwards and backwards. This module walks it through time,
keeps the tape, runs the δ recursion backwards, and forms the gradients of the weights.

Arrays over time are time-major. What a step computes is kept with T + 1 rows, so that row t belongs to step t;
row 0 holds the initial state. The input has T rows: x[t − 1] is x_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from companion.validation import Array, as_array, require_array, require_names, require_tokens

Arrays = Mapping[str, Array]

BEFORE = "_before"  # "h_before" in a wiring is h_{t-1}


class Cell(Protocol):
    """The equations of one step. Adding a recurrent layer to the course means writing one such class.

    sizes    length of each vector the equations name, the input "x" included
    wiring   for each pre-activation a_k, the vectors whose products with a weight it sums: a_k = Σ_s W_sk s + b_k
    state    the vectors handed from step to step
    outputs  the vectors that a loss may depend on, the main one first
    """

    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def wiring(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def state(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...

    def step(self, w: Arrays, a: Arrays, before: Arrays) -> dict[str, Array]:
        """One step: `a` holds b_k + W_xk x_t, `before` the state of t − 1; returns what t computes, each (B, ·)."""

    def slopes(self, w: Arrays, kept: Arrays) -> dict[str, Array]:
        """Local slopes of all steps at once, from what the forward pass kept; each (T + 1, B, ·)."""

    def back(self, w: Arrays, slopes: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
        """One step of the δ recursion, linear in `d`: (∂loss/∂a_k of this step, ∂loss/∂state of step t − 1)."""


@dataclass(frozen=True)
class Tape:
    """What a forward pass leaves for the backward pass: the cell, its weights, the input and all that was computed."""

    cell: Cell
    weights: Arrays
    x: Array  # (T, B, I), or (T, B) token numbers
    kept: Arrays  # name → (T + 1, B, ·)

    def __getitem__(self, name: str) -> Array:
        return self.kept[name]

    @property
    def steps(self) -> int:
        return len(self.x)


def weight_shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a cell's weights, from its wiring: W_xh is (H, I), b_h is (H,)."""
    shapes: dict[str, tuple[int, ...]] = {}
    for k, sources in cell.wiring.items():
        for s in sources:
            shapes[weight_name(s, k)] = (cell.sizes[k], cell.sizes[_vector(s)])
        shapes[f"b_{k}"] = (cell.sizes[k],)
    return shapes


def _vector(source: str) -> str:
    return source.removesuffix(BEFORE)


def weight_name(source: str, k: str) -> str:
    """Name of the weight between an entry of a wiring and a pre-activation: ("h_before", "h") → "W_hh"."""
    return f"W_{_vector(source)}{k}"


def forward(cell: Cell, weights: Arrays, x: Array, initial: Array | Arrays | None = None) -> tuple[Array, Tape]:
    """Unroll a cell over a batch of sequences (chapter "Unrolling", first equation).

    x        (T, B, I); or integers (T, B), each standing for a one-hot vector of length I
    initial  state before the first step: (B, H), or a mapping for cells with several state vectors; zeros by default
    Returns the main output with its T + 1 rows, (T + 1, B, H), and the tape for `backward`.
    Raises ValueError for wrong shapes or dtypes, empty sequences, NaN, and states that overflow (with the step).
    """
    w, dtype = _checked_weights(cell, weights)
    x = _checked_input(cell, x, dtype)
    T, B = x.shape[:2]
    before = _checked_initial(cell, initial, B, dtype)
    a = _input_products(cell, w, x)  # k → (T, B, ·): everything that does not wait for the previous step
    kept: dict[str, Array] = {}
    for t in range(1, T + 1):
        now = cell.step(w, {k: a_k[t - 1] for k, a_k in a.items()}, before)
        for name, value in now.items():
            if t == 1:
                kept[name] = np.zeros((T + 1, *value.shape), dtype)
                kept[name][0] = before.get(name, 0)
            kept[name][t] = value
        before = {name: now[name] for name in cell.state}
    _require_finite_steps(kept)
    return kept[cell.outputs[0]], Tape(cell, w, x, kept)


def deltas(tape: Tape, d_outputs: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """The δ recursion: carry gradients back through time.

    d_outputs  ∂loss/∂(output) through everything but later steps, name → (T + 1, B, ·); row 0 is the initial state's
    Returns δ, the gradient of every pre-activation, k → (T + 1, B, ·) with row 0 zero, and the gradient of the
    initial state, name → (B, ·).
    """
    cell, w = tape.cell, tape.weights
    d_outputs = _checked_output_gradients(tape, d_outputs)
    slopes = cell.slopes(w, tape.kept)
    T, B = tape.x.shape[:2]
    zero = {name: np.zeros_like(tape[name][0]) for name in {*cell.state, *cell.outputs}}
    da = {k: np.zeros((T + 1, B, cell.sizes[k]), zero[cell.outputs[0]].dtype) for k in cell.wiring}
    carried = {name: zero[name] for name in cell.state}
    for t in range(T, 0, -1):
        d = {name: (d_outputs[name][t] if name in d_outputs else zero[name]) for name in zero}
        for name in cell.state:
            d[name] = d[name] + carried[name]
        da_t, carried = cell.back(w, {name: s[t] for name, s in slopes.items()}, d)
        for k, value in da_t.items():
            da[k][t] = value
    d_initial = {name: carried[name] + (d_outputs[name][0] if name in d_outputs else 0) for name in cell.state}
    return da, d_initial


def backward(tape: Tape, d_outputs: Arrays) -> dict[str, Array]:
    """Gradients of a loss by backpropagation through time.

    d_outputs  as for `deltas`, for example {"h": dh} with dh (T + 1, B, H)
    Returns ∂loss/∂W under each weight's own name (same shape), "dx" (T, B, I) (left out for token input) and
    "dh_0" (B, H), or the like for the cell's other state vectors.
    """
    da, d_initial = deltas(tape, d_outputs)
    gradients: dict[str, Array] = {}
    for k, sources in tape.cell.wiring.items():
        for s in sources:
            gradients[weight_name(s, k)] = _sum_of_products(
                da[k][1:], source_rows(tape, s), tape.cell.sizes[_vector(s)]
            )
        gradients[f"b_{k}"] = da[k][1:].sum(axis=(0, 1))
    if tape.x.ndim == 3:
        fed = [k for k, sources in tape.cell.wiring.items() if "x" in sources]
        gradients["dx"] = sum((da[k][1:] @ tape.weights[f"W_x{k}"] for k in fed), np.zeros_like(tape.x))
    gradients |= {f"d{name}_0": d for name, d in d_initial.items()}
    return gradients


def _input_products(cell: Cell, w: Arrays, x: Array) -> dict[str, Array]:
    products = {}
    for k, sources in cell.wiring.items():
        if "x" in sources:
            W = w[f"W_x{k}"]
            products[k] = (W.T[x] if x.ndim == 2 else x @ W.T) + w[f"b_{k}"]  # a one-hot x_t picks a column of W
    return products


def source_rows(tape: Tape, source: str) -> Array:
    """What a weight multiplied at each step: for "h_before" the rows h_0 … h_{T-1}, (T, B, ·); for "x" the input."""
    if source == "x":
        return tape.x
    rows = tape[_vector(source)]
    return rows[:-1] if source.endswith(BEFORE) else rows[1:]


def _sum_of_products(da: Array, source: Array, size: int) -> Array:
    """Σ_t Σ_b da_t source_tᵀ: da (T, B, n), source (T, B, size) or tokens (T, B) → (n, size)."""
    flat = da.reshape(-1, da.shape[-1])
    if source.ndim == 3:
        return flat.T @ source.reshape(-1, size)
    columns = np.zeros((size, da.shape[-1]), da.dtype)
    np.add.at(columns, source.reshape(-1), flat)
    return columns.T


def _checked_weights(cell: Cell, weights: Arrays) -> tuple[dict[str, Array], np.dtype]:
    shapes = weight_shapes(cell)
    require_names("weights", weights, list(shapes))
    w = {name: require_array(name, weights[name], shape) for name, shape in shapes.items()}
    dtypes = {array.dtype for array in w.values()}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in w.items())
        raise ValueError(f"weights: expected one dtype, got {found}")
    return w, dtypes.pop()


def _checked_input(cell: Cell, x: Array, dtype: np.dtype) -> Array:
    x, I = as_array("x", x), cell.sizes["x"]
    if x.dtype.kind in "iu" and x.ndim == 2:
        return require_tokens("x", x, ("T", "B"), I)
    x = require_array("x", x.astype(dtype) if x.dtype.kind in "iu" else x, ("T", "B", I))
    if x.dtype != dtype:
        raise ValueError(f"x: expected dtype {dtype} like the weights, got {x.dtype}")
    return x


def _checked_initial(cell: Cell, initial: Array | Arrays | None, B: int, dtype: np.dtype) -> dict[str, Array]:
    if initial is None:
        return {name: np.zeros((B, cell.sizes[name]), dtype) for name in cell.state}
    if not isinstance(initial, Mapping):
        initial = {cell.state[0]: initial}
    require_names("initial", initial, cell.state)
    checked = {name: require_array(f"{name}_0", initial[name], (B, cell.sizes[name])) for name in cell.state}
    return {name: value.astype(dtype, copy=False) for name, value in checked.items()}


def _checked_output_gradients(tape: Tape, d_outputs: Arrays) -> Arrays:
    if not isinstance(d_outputs, Mapping):
        raise ValueError(
            f"d_outputs: expected a mapping such as {{'{tape.cell.outputs[0]}': …}}, got {type(d_outputs)}"
        )
    unknown = set(d_outputs) - set(tape.cell.outputs)
    if unknown:
        raise ValueError(
            f"d_outputs: expected gradients of {', '.join(tape.cell.outputs)}, got one of {', '.join(sorted(unknown))}"
        )
    return {
        name: require_array(f"d{name}", d, tape[name].shape).astype(tape[name].dtype, copy=False)
        for name, d in d_outputs.items()
    }


def _require_finite_steps(kept: Arrays) -> None:
    for name, rows in kept.items():
        bad = ~np.isfinite(rows)
        if bad.any():
            t, b, i = (int(index) for index in np.argwhere(bad)[0])
            raise ValueError(
                f"{name}: became {rows[t, b, i]} at step {t} (sequence {b}, entry {i}); expected finite states"
            )
