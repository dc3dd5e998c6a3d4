"""The recurrent core: what every recurrent layer shares, written once.

A *cell* (cell.py) states the equations of one step. This module has it walked through time (walk.py), keeps the tape,
and forms the gradients of the weights.

Arrays over time are time-major. What a step computes is kept with T + 1 rows, so that row t belongs to step t;
row 0 holds the initial state. The input has T rows: x[t − 1] is x_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from companion.core import validation, walk
from companion.core.cell import PEEPHOLE, Arrays, Cell, parsed, rows_of, weight_name
from companion.core.functions import sums_by_token
from companion.core.order import Order, order
from companion.core.validation import Array, all_finite


@dataclass(frozen=True)
class Tape:
    """What a forward pass leaves for the backward pass: the cell, its weights, the input and all that was computed.

    kept     name → (T + 1, B, ·): the gates under their names, and what the cell's step returns
    lengths  how many steps each sequence has, (B,), or None when all have T; beyond its length, a sequence's rows
             repeat its last one
    All can be read only. Weights and x are copies: what happens to the caller's own later changes no gradient.
    """

    cell: Cell
    weights: Arrays
    x: Array  # (T, B, I), or (T, B) token numbers
    kept: Arrays
    lengths: Array | None = None

    def __getitem__(self, name: str) -> Array:
        return self.kept[name]


def forward(
    cell: Cell, weights: Arrays, x: Array, initial: Array | Arrays | None = None, lengths: Array | None = None
) -> tuple[Array, Tape]:
    """Unroll a cell over a batch of sequences (chapter "Unrolling", first equation).

    x        (T, B, I); or integers (T, B), each standing for a one-hot vector of length I
    initial  state before the first step: (B, H), or a mapping for cells with several state vectors; zeros by default
    lengths  steps of each sequence, integers (B,) from 0 to T; all T by default. What x holds beyond a sequence's
             length is not looked at, and its states stay what they were at its end, so that row T is each one's last
    Returns the main output with its T + 1 rows, (T + 1, B, H), and the tape for `backward`; both can be read only.
    Raises ValueError for wrong shapes or dtypes, empty sequences, lengths out of range, NaN, and states that overflow
    (with the step).
    """
    place = order(cell)
    w, dtype = validation.require_weights(place.shapes, weights)
    inputs, lengths = validation.require_inputs(x, place.sizes["x"], dtype, lengths)
    T, B = inputs.shape[:2]
    before = validation.require_states({name: place.sizes[name] for name in cell.state}, initial, B, dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, with its step
        kept = walk.forward(cell, place, w, inputs, before)
    if lengths is not None:
        last = np.minimum(np.arange(T + 1)[:, None], lengths)  # (T + 1, B): the row that each row repeats
        kept = {name: rows[last, np.arange(B)] for name, rows in kept.items()}
    for name in dict.fromkeys((*cell.state, *cell.outputs)):
        if not all_finite(kept[name]):
            t, b, i = (int(index) for index in np.argwhere(~np.isfinite(kept[name]))[0])
            value = kept[name][t, b, i]
            raise ValueError(f"{name}: expected finite states, got {value} at step {t} (sequence {b}, entry {i})")
    for array in (inputs, *w.values(), *kept.values()):
        array.setflags(write=False)
    return kept[cell.outputs[0]], Tape(cell, w, inputs[..., :-1] if inputs.ndim == 3 else inputs, kept, lengths)


def deltas(tape: Tape, d_outputs: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """The δ recursion: carry gradients back through time.

    d_outputs  ∂loss/∂(output) through everything but later steps, name → (T + 1, B, ·); row 0 is the initial state's
    Returns δ of all a_k, k → (T + 1, B, ·) with row 0 zero, and the gradient of the initial state, name → (B, ·).
    Raises ValueError for wrong names or shapes, NaN, and gradients that overflow (with the step).
    """
    da, d_initial, place = _deltas(tape, _checked(tape, d_outputs))
    _require_finite_gradients(da, place, {f"d{name}_0": d for name, d in d_initial.items()})
    return _by_name(da, place), d_initial


def backward(tape: Tape, d_outputs: Arrays) -> dict[str, Array]:
    """Gradients of a loss by backpropagation through time.

    d_outputs  as for `deltas`, for example {"h": dh} with dh (T + 1, B, H)
    Returns ∂loss/∂W under each weight's own name (same shape), "dx" (T, B, I) (left out for token input) and
    "dh_0" (B, H), or the like for the cell's other state vectors; what its `batch_gradients` returns, if it has any.
    Raises ValueError as `deltas` does.
    """
    d_outputs = _checked(tape, d_outputs)
    da, d_initial, place = _deltas(tape, d_outputs)
    flat = da[1:].reshape(-1, da.shape[-1])  # (T · B, all pre-activations)
    with np.errstate(over="ignore", invalid="ignore"):
        d_biases = np.ones(len(flat), flat.dtype) @ flat
        gradients = {f"b_{k}": d_biases[columns] for k, columns in place.columns.items()}
        gradients |= _weight_gradients(tape, place, flat)
        if tape.x.ndim == 3:
            gradients["dx"] = _input_gradient(tape, place, flat)
    gradients |= {f"d{name}_0": d for name, d in d_initial.items()}
    if not all(map(all_finite, gradients.values())):
        _require_finite_gradients(da, place, gradients)
    batch_gradients = getattr(tape.cell, "batch_gradients", None)
    added = batch_gradients(tape, _by_name(da, place), d_outputs) if batch_gradients else {}
    if taken := sorted(added.keys() & gradients.keys()):
        raise ValueError(f"batch_gradients: expected names of its own, got {', '.join(taken)}")
    return gradients | added


def _deltas(tape: Tape, d_outputs: Arrays) -> tuple[Array, dict[str, Array], Order]:
    """δ of all pre-activations side by side, (T + 1, B, ·), the initial state's gradient, and where each δ lies."""
    place = order(tape.cell)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported later, with its step
        return *walk.deltas(tape.cell, place, tape.weights, tape.kept, d_outputs), place


def _by_name(da: Array, place: Order) -> dict[str, Array]:
    return {k: da[..., columns] for k, columns in place.columns.items()}


def _checked(tape: Tape, d_outputs: Arrays) -> Arrays:
    checked = validation.require_gradients(tape.cell.outputs, tape.kept, d_outputs)
    return checked if tape.lengths is None else {name: _at_the_end(d, tape.lengths) for name, d in checked.items()}


def _at_the_end(d: Array, lengths: Array) -> Array:
    """Rows beyond a sequence's length repeat its last row, so that their gradients belong to that row."""
    beyond = np.arange(len(d))[:, None] > lengths  # (T + 1, B)
    moved = np.where(beyond[..., None], 0, d)
    moved[lengths, np.arange(len(lengths))] += np.where(beyond[..., None], d, 0).sum(axis=0)
    return moved


def _weight_gradients(tape: Tape, place: Order, da: Array) -> dict[str, Array]:
    """∂loss/∂W_vk = Σ_t Σ_b δ_k vᵀ, where v is what W_vk multiplied at step t (`rows_of`); da (T · B, all k)."""
    gradients: dict[str, Array] = {}
    for name, runs in place.fed.items():
        source, rows = parsed(name), rows_of(name, tape.x, tape.kept)
        for run in runs:
            da_run, n = da[:, place.span(run)], place.sizes[run[0]]
            if source.factor == PEEPHOLE:
                dW = (da_run.reshape(*rows.shape[:2], len(run), n) * rows[:, :, None]).sum(axis=(0, 1))  # (g, n)
            else:
                dW = _sum_of_products(da_run, rows, place.sizes[source.vector]).reshape(len(run), n, -1)
            gradients |= {weight_name(name, k): dW[i] for i, k in enumerate(run)}
    return gradients


def _sum_of_products(da: Array, source: Array, size: int) -> Array:
    """Σ_t Σ_b da_t source_tᵀ: da (T · B, n), source (T, B, size) or tokens (T, B) → (n, size)."""
    return da.T @ source.reshape(-1, size) if source.ndim == 3 else sums_by_token(da, source.ravel(), size).T


def _input_gradient(tape: Tape, place: Order, da: Array) -> Array:
    """∂loss/∂x_t = Σ_k W_xkᵀ δ_k of all steps, (T, B, I), from da (T · B, all pre-activations)."""
    sums = [
        da[:, place.span(run)] @ np.concatenate([tape.weights[weight_name("x", k)] for k in run])
        for run in place.fed.get("x", ())
    ]
    return reduce(np.add, sums).reshape(tape.x.shape) if sums else np.zeros_like(tape.x)


def _require_finite_gradients(da: Array, place: Order, gradients: Arrays) -> None:
    lost = np.argwhere(~np.isfinite(da))
    if len(lost):
        t, b, column = (int(index) for index in lost[lost[:, 0] == lost[-1, 0]][0])  # the first on the way back
        k = next(k for k, columns in place.columns.items() if columns.start <= column < columns.stop)
        entry = f"step {t} (sequence {b}, entry {column - place.columns[k].start})"
        raise ValueError(f"da_{k}: expected finite gradients, got {da[t, b, column]} at {entry}")
    for name, gradient in gradients.items():
        validation.require_finite(name if name.startswith("d") else f"d{name}", gradient)
