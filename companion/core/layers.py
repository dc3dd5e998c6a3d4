"""Layers of recurrent cells: read in both directions, and stacked (chapters "Both directions", "Shapes of recurrence").

A layer is a cell, or a pair of cells: `Directions(forwards, backwards)`, or a plain tuple in this order. The second
cell of a pair reads every sequence from its own end to its beginning. What belongs to a pair (weights, tapes,
gradients, initial states) is a pair too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from companion.core.cell import Arrays, Cell, weight_shapes
from companion.core.recurrent import Tape, backward, forward
from companion.core.validation import Array, as_array, as_numbers, require_array, require_lengths, require_names

T_co = TypeVar("T_co", covariant=True)


class Directions(NamedTuple, Generic[T_co]):
    """What belongs to the two directions of a bidirectional layer (Schuster & Paliwal 1997)."""

    forwards: T_co
    backwards: T_co


Pair = Directions[T_co] | tuple[T_co, T_co]
Layer = Cell | Pair[Cell]
LayerWeights = Arrays | Pair[Arrays]
LayerTape = Tape | Directions[Tape]
LayerGradients = dict[str, Array] | Directions[dict[str, Array]]


def turned(rows: Array, lengths: Array | None = None) -> Array:
    """Each sequence's rows from its own end to its beginning, (T, B, …); what stands beyond its length stays there.

    Turned twice, all rows are where they were. lengths (B,) as for `forward`, all T by default.
    """
    if lengths is None:
        return rows[::-1]
    lengths = require_lengths(lengths, rows)
    t = np.arange(len(rows))[:, None]
    return rows[np.where(t < lengths, lengths - 1 - t, t), np.arange(rows.shape[1])]


def forward_both(
    cells: Pair[Cell],
    weights: Pair[Arrays],
    x: Array,
    initial: Pair[Array | Arrays | None] | None = None,
    lengths: Array | None = None,
) -> tuple[Array, Directions[Tape]]:
    """A bidirectional layer: one cell reads x_1 … x_T, the other x_T … x_1 (equation eq-birnn).

    x        (T, B, I), or tokens (T, B), for both cells
    initial  states before each direction's first step: the second's stands after the end. Zeros by default
    lengths  as for `forward`: the second cell begins at each sequence's own end
    Returns outputs (T, B, H_f + H_b), whose row t − 1 is [h→_t ; h←_t], and the pair of tapes. Beyond its length, a
    sequence's rows repeat the states with which each direction ended, [h→ of the end ; h←_1].
    Raises ValueError where something is no pair, for cells with different inputs, and as `forward` does.
    """
    _require_pairs(cells=cells, weights=weights, initial=(None, None) if initial is None else initial)
    sizes = [cell.sizes["x"] for cell in cells]
    if sizes[0] != sizes[1]:
        raise ValueError(f"cells: expected two with the same number of inputs, got {sizes[0]} and {sizes[1]}")
    first, last = (None, None) if initial is None else initial
    with _named("forwards"):
        h, tape = forward(cells[0], weights[0], x, first, lengths)
    with _named("backwards"):
        back, back_tape = forward(cells[1], weights[1], turned(tape.x, tape.lengths), last, tape.lengths)
    outputs = np.concatenate([h[1:], turned(back[1:], tape.lengths)], axis=-1)
    return outputs, Directions(tape, back_tape)


def backward_both(tapes: Pair[Tape], d_outputs: Array) -> Directions[dict[str, Array]]:
    """Gradients of both directions, each as `backward` gives them; d_outputs (T, B, H_f + H_b).

    Each direction's "dx" is what went through that direction, at the steps of x; `input_gradient` adds the two.
    """
    _require_pairs(tapes=tapes)
    h, back = (tape[tape.cell.outputs[0]] for tape in tapes)
    d_outputs = require_array("d_outputs", d_outputs, (*h[1:].shape[:2], h.shape[-1] + back.shape[-1]))
    dh, d_back = np.split(d_outputs, [h.shape[-1]], axis=-1)
    lengths = tapes[0].lengths
    gradients = backward(tapes[0], _with_row_0(tapes[0], dh))
    back_gradients = backward(tapes[1], _with_row_0(tapes[1], turned(d_back, lengths)))
    if "dx" in back_gradients:
        back_gradients["dx"] = turned(back_gradients["dx"], lengths)
    return Directions(gradients, back_gradients)


def forward_stack(
    cells: Sequence[Layer],
    weights: Sequence[LayerWeights],
    x: Array,
    initial: Sequence[Any] | None = None,
    lengths: Array | None = None,
    masks: Sequence[Array | None] | None = None,
) -> tuple[Array, list[LayerTape]]:
    """K layers on top of each other: the outputs of layer k are the inputs of layer k + 1.

    cells    a cell, or a pair of cells, for each layer; a layer over a pair reads H_f + H_b inputs
    weights  of each layer: a mapping, or a pair of mappings
    initial  of each layer, as for `forward` or `forward_both`; None for zeros
    lengths  as for `forward`
    masks    what the input of each layer is multiplied by, as dropout.py draws them: (T, B, I), or (B, I) for the same
             at all steps; None for nothing
    Returns the top layer's output and one tape (or pair of tapes) a layer. The output is (T + 1, B, H) for a cell, as
    `forward` gives it, and (T, B, H_f + H_b) for a pair, whose two initial states stand at either end.
    Raises ValueError when the numbers of cells, weights and initial states differ, and as `forward` and `forward_both`
    do, with the number of the layer.
    """
    initial = [None] * len(cells) if initial is None else initial
    masks = _as_masks(masks, len(cells))
    if not len(cells) == len(weights) == len(initial) or not cells:
        raise ValueError(
            f"cells: expected as many as weights and initial states, at least one; "
            f"got {len(cells)}, {len(weights)} and {len(initial)}"
        )
    tapes: list[LayerTape] = []
    tape: LayerTape
    for k, (layer, w, state, mask) in enumerate(zip(cells, weights, initial, masks, strict=True), start=1):
        with _named(f"layer {k}"):
            x = masked(x, mask)
            if isinstance(layer, tuple):
                output, tape = forward_both(layer, w, x, state, lengths)  # type: ignore[arg-type]  # checked there
                x = output
            else:
                output, tape = forward(layer, w, x, state, lengths)  # type: ignore[arg-type]  # checked there
                x = output[1:]
        tapes.append(tape)
    return output, tapes


def backward_stack(
    tapes: Sequence[LayerTape], d_outputs: Arrays | Array, masks: Sequence[Array | None] | None = None
) -> list[LayerGradients]:
    """Gradients of every layer, bottom first: what reaches a layer's input is the gradient of the layer below.

    d_outputs  of the top layer: as for `backward` over a cell, as for `backward_both` over a pair
    masks      those of the forward pass
    Raises ValueError as `backward` and `backward_both` do.
    """
    masks = _as_masks(masks, len(tapes))
    gradients: list[LayerGradients] = []
    for depth in reversed(range(len(tapes))):
        tape = tapes[depth]
        if isinstance(tape, tuple):
            gradients.insert(0, backward_both(tape, d_outputs))  # type: ignore[arg-type]  # checked there
        else:
            gradients.insert(0, backward(tape, d_outputs))  # type: ignore[arg-type]  # checked there
        for part in gradients[0] if isinstance(gradients[0], tuple) else (gradients[0],):
            if "dx" in part:
                part["dx"] = masked(part["dx"], masks[depth])
        if depth:
            below, dx = tapes[depth - 1], input_gradient(gradients[0])
            d_outputs = dx if isinstance(below, tuple) else _with_row_0(below, dx)
    return gradients


def masked(rows: Array, mask: Array | None) -> Array:
    """rows (T, B, n) times a mask (T, B, n), or (B, n) for all steps; the same is the way back. None changes nothing.

    Raises ValueError for a mask of another shape, and for one of tokens.
    """
    if mask is None:
        return rows
    rows, mask = as_array("rows", rows), as_array("mask", mask)
    if rows.ndim != 3 or mask.shape not in (rows.shape, rows.shape[1:]):
        expected = " or ".join(map(str, (rows.shape, rows.shape[1:]))) if rows.ndim == 3 else "None for tokens"
        raise ValueError(f"mask: expected {expected}, got shape {mask.shape}")
    return rows * (mask.astype(rows.dtype, copy=False) if rows.dtype.kind == "f" else as_numbers("mask", mask))


def _as_masks(masks: Sequence[Array | None] | None, layers: int) -> Sequence[Array | None]:
    if masks is not None and len(masks) != layers:
        raise ValueError(f"masks: expected one for each of {layers} layers (None for nothing), got {len(masks)}")
    return [None] * layers if masks is None else masks


def input_gradient(gradients: LayerGradients) -> Array:
    """∂loss/∂x of a layer, (T, B, I): the sum over its directions. Raises KeyError for token input."""
    if isinstance(gradients, tuple):
        return gradients[0]["dx"] + gradients[1]["dx"]
    return gradients["dx"]


def last_states(tape: LayerTape) -> Array:
    """What a layer holds when it has read all: h at each sequence's end, (B, H).

    Of a pair [h→ at the sequence's end ; h←_1], (B, H_f + H_b): the backward direction has read all at step 1.
    """
    ends = [t[t.cell.outputs[0]][-1] for t in _parts(tape)]  # row T repeats each sequence's last
    return np.concatenate(ends, axis=-1)


def d_steps(tape: LayerTape, d: Array, steps: slice = slice(None)) -> Any:
    """∂loss/∂outputs, as `backward_stack` takes it, of a loss that sees the outputs of these steps; d (n, B, H)."""
    mains = [part[part.cell.outputs[0]] for part in _parts(tape)]  # (T + 1, B, ·)
    rows = np.zeros((len(mains[0]) - 1, *mains[0].shape[1:-1], sum(main.shape[-1] for main in mains)), mains[0].dtype)
    rows[steps] = d
    return rows if isinstance(tape, tuple) else _with_row_0(tape, rows)


def d_last_states(tape: LayerTape, d_last: Array) -> Any:
    """∂loss/∂outputs, as `backward_stack` takes it, of a loss that sees nothing but `last_states`; d_last as these."""
    parts = _parts(tape)
    sizes = [part.cell.sizes[part.cell.outputs[0]] for part in parts]
    T, B = parts[0].x.shape[:2]
    d_last = require_array("d_last", d_last, (B, sum(sizes)))
    if not isinstance(tape, tuple):
        name = tape.cell.outputs[0]
        d = np.zeros_like(tape[name])
        d[-1] = d_last
        return {name: d}
    outputs = np.zeros((T, B, sum(sizes)), d_last.dtype)
    outputs[-1, :, : sizes[0]] = d_last[:, : sizes[0]]  # which repeats the state of each sequence's end
    outputs[0, :, sizes[0] :] = d_last[:, sizes[0] :]
    return outputs


def stack_shapes(cells: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a stack in one mapping, "1.W_xh" or "2.backwards.W_xh", for an optimiser."""
    return {f"{place}{name}": shape for place, cell in _places(cells) for name, shape in weight_shapes(cell).items()}


def joined(per_layer: Sequence[LayerWeights]) -> dict[str, Array]:
    """Weights, or gradients, of every layer under the names of `stack_shapes`."""
    return {f"{place}{name}": value for place, arrays in _places(per_layer) for name, value in arrays.items()}


def by_layer(cells: Sequence[Layer], weights: Arrays) -> list[LayerWeights]:
    """The inverse of `joined`: the weights of each layer, as `forward_stack` takes them."""
    require_names("weights", weights, list(stack_shapes(cells)))
    parts = iter({name: weights[place + name] for name in weight_shapes(cell)} for place, cell in _places(cells))
    return [Directions(next(parts), next(parts)) if isinstance(layer, tuple) else next(parts) for layer in cells]


def _places(per_layer: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for k, layer in enumerate(per_layer, start=1):
        if isinstance(layer, tuple):
            yield from ((f"{k}.{way}.", part) for way, part in zip(Directions._fields, layer, strict=True))
        else:
            yield f"{k}.", layer


def _parts(tape: LayerTape) -> tuple[Tape, ...]:
    return tape if isinstance(tape, tuple) else (tape,)


def _with_row_0(tape: Tape, d: Array) -> dict[str, Array]:
    """∂loss/∂(main output) with the initial state's row, (T + 1, B, H), from that of the steps, (T, B, H)."""
    name = tape.cell.outputs[0]
    whole = np.zeros_like(tape[name])
    whole[1:] = d
    return {name: whole}


def _require_pairs(**arguments: object) -> None:
    for name, value in arguments.items():
        if not isinstance(value, tuple) or len(value) != 2:
            found = f"{len(value)} entries" if isinstance(value, tuple) else type(value).__name__
            raise ValueError(f"{name}: expected a pair (forwards, backwards), got {found}")


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Says in an error where in the stack it arose."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
