"""The recurrent core: what every recurrent layer shares, written once.

A *cell* (see wiring.py and cells.py) states the equations of one step, forwards and backwards. This module checks what
it is given, has the cell walked through time (walk.py), keeps the tape, and forms the gradients of the weights.

Arrays over time are time-major. What a step computes is kept with T + 1 rows, so that row t belongs to step t;
row 0 holds the initial state. The input has T rows: x[t − 1] is x_t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from companion.core import reference, walk
from companion.core.cell import PEEPHOLE, Arrays, Cell, parsed, rows_of, weight_name, weight_shapes
from companion.core.order import Layout, layout
from companion.core.recording import NotRecordable
from companion.core.validation import (
    Array,
    all_finite,
    as_array,
    require_array,
    require_lengths,
    require_names,
    require_tokens,
)


@dataclass(frozen=True)
class Tape:
    """What a forward pass leaves for the backward pass: the cell, its weights, the input and all that was computed.

    kept     name → (T + 1, B, ·): the gates under their names, and what the cell's step returns
    lengths  how many steps each sequence has, (B,), or None when all have T; beyond its length, a sequence's rows
             repeat its last one
    """

    cell: Cell
    weights: Arrays
    x: Array  # (T, B, I), or (T, B) token numbers
    kept: Arrays
    lengths: Array | None = None

    def __getitem__(self, name: str) -> Array:
        return self.kept[name]

    @property
    def steps(self) -> int:
        return len(self.x)


def forward(
    cell: Cell, weights: Arrays, x: Array, initial: Array | Arrays | None = None, lengths: Array | None = None
) -> tuple[Array, Tape]:
    """Unroll a cell over a batch of sequences (chapter "Unrolling", first equation).

    x        (T, B, I); or integers (T, B), each standing for a one-hot vector of length I
    initial  state before the first step: (B, H), or a mapping for cells with several state vectors; zeros by default
    lengths  steps of each sequence, integers (B,) from 1 to T; all T by default. What x holds beyond a sequence's
             length is not looked at, and its states stay what they were at its end, so that row T is each one's last
    Returns the main output with its T + 1 rows, (T + 1, B, H), and the tape for `backward`.
    Raises ValueError for wrong shapes or dtypes, empty sequences, lengths out of range, NaN, and states that overflow
    (with the step).
    """
    w, dtype = _checked_weights(cell, weights)
    lengths = None if lengths is None else require_lengths(lengths, as_array("x", x))
    x = _checked_input(cell, x if lengths is None else _without_padding(as_array("x", x), lengths), dtype)
    initial = _checked_initial(cell, initial, x.shape[1], dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, with its step
        try:
            kept = walk.forward(cell, w, x, initial)
        except NotRecordable:
            kept = reference.forward(cell, w, x, initial)
    if lengths is not None:
        last = np.minimum(np.arange(len(x) + 1)[:, None], lengths)  # (T + 1, B): the row that each row repeats
        kept = {name: rows[last, np.arange(x.shape[1])] for name, rows in kept.items()}
    _require_finite_steps({name: kept[name] for name in dict.fromkeys((*cell.state, *cell.outputs))})
    return kept[cell.outputs[0]], Tape(cell, w, x, kept, lengths)


def deltas(tape: Tape, d_outputs: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """The δ recursion: carry gradients back through time.

    d_outputs  ∂loss/∂(output) through everything but later steps, name → (T + 1, B, ·); row 0 is the initial state's
    Returns δ, the gradient of every pre-activation, k → (T + 1, B, ·) with row 0 zero, and the gradient of the
    initial state, name → (B, ·).
    """
    da, place, d_initial = _deltas(tape, d_outputs)
    return {k: da[..., place.columns[k]] for k in tape.cell.wiring}, d_initial


def backward(tape: Tape, d_outputs: Arrays) -> dict[str, Array]:
    """Gradients of a loss by backpropagation through time.

    d_outputs  as for `deltas`, for example {"h": dh} with dh (T + 1, B, H)
    Returns ∂loss/∂W under each weight's own name (same shape), "dx" (T, B, I) (left out for token input) and
    "dh_0" (B, H), or the like for the cell's other state vectors.
    """
    da, place, d_initial = _deltas(tape, d_outputs)
    flat = da[1:].reshape(-1, da.shape[-1])  # (T · B, all pre-activations)
    gradients: dict[str, Array] = {}
    for source, fed in place.fed.items():
        rows = rows_of(source, tape.x, tape.kept)
        if parsed(source).factor == PEEPHOLE:
            for k in fed.names:
                gradients[f"{PEEPHOLE}_{k}"] = (da[1:, :, place.columns[k]] * rows).sum(axis=(0, 1))
            continue
        sums = _sum_of_products(flat[:, fed.columns], rows, place.sizes[parsed(source).vector])
        for k in fed.names:
            own, first = place.columns[k], fed.columns.start
            gradients[weight_name(source, k)] = sums[own.start - first : own.stop - first]
    d_biases = np.ones(len(flat), flat.dtype) @ flat
    gradients |= {f"b_{k}": d_biases[columns] for k, columns in place.columns.items()}
    if tape.x.ndim == 3:
        gradients["dx"] = walk.input_gradient(tape.weights, place, flat, np.empty(tape.x.shape, tape.x.dtype))
    return gradients | {f"d{name}_0": d for name, d in d_initial.items()}


def _deltas(tape: Tape, d_outputs: Arrays) -> tuple[Array, Layout, dict[str, Array]]:
    """δ of all pre-activations side by side, (T + 1, B, ·), where each lies, and the gradient of the initial state."""
    d_outputs = _checked_output_gradients(tape, d_outputs)
    if tape.lengths is not None:
        d_outputs = {name: _at_the_end(d, tape.lengths) for name, d in d_outputs.items()}
    place = layout(tape.cell)
    try:
        da, d_initial = walk.deltas(tape.cell, tape.weights, tape.kept, d_outputs)
    except NotRecordable:
        by_name, d_initial = reference.deltas(tape.cell, tape.weights, tape.kept, d_outputs)
        da = np.concatenate([by_name[k] for k in place.order], axis=-1)
    return da, place, d_initial


def _at_the_end(d: Array, lengths: Array) -> Array:
    """Rows beyond a sequence's length repeat its last row, so that their gradients belong to that row."""
    beyond = np.arange(len(d))[:, None] > lengths  # (T + 1, B)
    moved = np.where(beyond[..., None], 0, d)
    moved[lengths, np.arange(len(lengths))] += np.where(beyond[..., None], d, 0).sum(axis=0)
    return moved


def _sum_of_products(da: Array, source: Array, size: int) -> Array:
    """Σ_t Σ_b da_t source_tᵀ: da (T · B, n), source (T, B, size) or tokens (T, B) → (n, size)."""
    if source.ndim == 3:
        return da.T @ source.reshape(-1, size)
    n = da.shape[1]
    columns = np.zeros(size * n, da.dtype)
    np.add.at(columns, (source.reshape(-1, 1) * n + np.arange(n)).ravel(), da.ravel())  # faster than row by row
    return columns.reshape(size, n).T


def _without_padding(x: Array, lengths: Array) -> Array:
    """Zeros, or token 0, in the place of whatever stands beyond each sequence's length."""
    within = np.arange(len(x))[:, None] < lengths
    return np.where(within.reshape(*within.shape, *(1,) * (x.ndim - 2)), x, x.dtype.type(0))


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
        if not all_finite(rows):
            t, b, i = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
            raise ValueError(
                f"{name}: became {rows[t, b, i]} at step {t} (sequence {b}, entry {i}); expected finite states"
            )
