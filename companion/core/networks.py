"""Networks built on recurrent layers: the readout, the four arities, first weights, the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.core.cell import Arrays, Cell, weight_shapes
from companion.core.functions import cross_entropy
from companion.core.layers import (
    Layer,
    LayerTape,
    backward_stack,
    by_layer,
    d_last_states,
    d_steps,
    forward_stack,
    joined,
    last_states,
    masked,
    stack_shapes,
)
from companion.core.recurrent import forward
from companion.core.validation import (
    Array,
    as_numbers,
    require_array,
    require_finite,
    require_names,
    require_shape,
    require_size,
)


def readout_shapes(hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the output layer's weights: W_hy (O, H), b_y (O,)."""
    return {"W_hy": (outputs, hidden), "b_y": (outputs,)}


def readout(weights: Arrays, h: Array) -> Array:
    """logits = W_hy h_t + b_y for every step of h (..., H) → (..., O); y_t is their softmax.

    Raises ValueError when the shapes of h, W_hy and b_y do not fit together.
    """
    require_names("weights", {name: weights[name] for name in ("W_hy", "b_y") if name in weights}, ("W_hy", "b_y"))
    W_hy, b_y = (as_numbers(name, weights[name]) for name in ("W_hy", "b_y"))
    require_shape("W_hy", W_hy, ("O", h.shape[-1]))
    require_shape("b_y", b_y, W_hy.shape[:1])
    return h @ W_hy.T + b_y


def readout_gradients(weights: Arrays, h: Array, dlogits: Array) -> tuple[dict[str, Array], Array]:
    """Gradients of the readout: ({"W_hy": …, "b_y": …}, dh (..., H)) for h (..., H), dlogits (..., O)."""
    H, O = h.shape[-1], dlogits.shape[-1]
    require_shape("dlogits", dlogits, (*h.shape[:-1], "O"))
    flat = dlogits.reshape(-1, O)
    with np.errstate(over="ignore", invalid="ignore"):
        gradients = {"W_hy": flat.T @ h.reshape(-1, H), "b_y": flat.sum(axis=0)}
    for name, gradient in gradients.items():
        require_finite(f"d{name}", gradient)
    return gradients, dlogits @ weights["W_hy"]


def without_readout(cell: Cell, weights: Arrays) -> dict[str, Array]:
    """The cell's own weights out of those of a network with a readout.

    Raises ValueError for missing or unknown names, and for a cell that has output weights of its own (Jordan).
    """
    require_names("weights", weights, list(network_shapes(cell, 1)))
    return {name: weights[name] for name in weight_shapes(cell)}


def initial_weights(
    shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator, bound: float, dtype: type = np.float64
) -> dict[str, Array]:
    """Random weights, uniform in [−bound, bound], one array a name. PyTorch's layers use bound = 1/√H."""
    if not bound > 0:
        raise ValueError(f"bound: expected a positive number, got {bound}")
    return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes.items()}


@dataclass(frozen=True)
class Arity:
    """Which steps read an input and which steps must answer (chapter "Shapes of recurrence").

    `reads` and `answers` select from the T steps; a step that reads nothing gets x_t = 0.
    """

    name: str
    reads: slice
    answers: slice


ALL, FIRST, LAST = slice(None), slice(0, 1), slice(-1, None)
ONE_TO_ONE = Arity("one to one", FIRST, FIRST)
ONE_TO_MANY = Arity("one to many", FIRST, ALL)
MANY_TO_ONE = Arity("many to one", ALL, LAST)
MANY_TO_MANY = Arity("many to many", ALL, ALL)


def spread_inputs(arity: Arity, x: Array, steps: int) -> Array:
    """Place the inputs an arity reads, (n, B, I), into `steps` steps; the other steps get zeros. → (steps, B, I)."""
    require_size("steps", steps)
    x = require_array("x", x, (len(range(steps)[arity.reads]), "B", "I"))
    spread = np.zeros((steps, *x.shape[1:]), x.dtype)
    spread[arity.reads] = x
    return spread


Loss = Callable[..., tuple[float, Array]]  # of logits and targets, and of which answers count where not all do
Layers = Cell | list[Layer]  # one cell, or layers on top of each other, the lowest first
Masks = Sequence[Array | None]


def network_shapes(layers: Layers, outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a network: its layers' and its readout's, with O = `outputs`.

    layers  a cell, whose weights have their own names, W_xh; or a list of layers, named as by `stack_shapes`, 1.W_xh
    Raises ValueError for layers that are none, and for a cell that has output weights of its own (Jordan).
    """
    added = readout_shapes(output_size(layers), outputs)
    own = stack_shapes(layers) if isinstance(layers, list) else weight_shapes(layers)
    if set(own) & set(added):
        raise ValueError(f"layers: expected a cell without the output weights {', '.join(added)}, got {layers!r}")
    return own | added


def output_size(layers: Layers) -> int:
    """What the readout reads: H, or H_f + H_b over a pair of cells."""
    return sum(int(cell.sizes[cell.outputs[0]]) for cell in _cells(layers, -1))


def input_size(layers: Layers) -> int:
    """I of the lowest layer."""
    return int(_cells(layers, 0)[0].sizes["x"])


def _cells(layers: Layers, k: int) -> tuple[Cell, ...]:
    """The cell, or the two, of layer k."""
    if isinstance(layers, tuple) or layers == []:
        raise ValueError(f"layers: expected a cell, or a list of cells and pairs such as [pair], got {layers!r}")
    layer = layers[k] if isinstance(layers, list) else layers
    return layer if isinstance(layer, tuple) else (layer,)


@dataclass(frozen=True)
class Pass:
    """A network's pass over a batch.

    logits  (n, B, O), of the n answering steps
    read    what the readout read, (n, B, H)
    tape    of the cell, or a list with one of each layer
    """

    logits: Array
    read: Array
    tape: Any

    @property
    def tapes(self) -> list[LayerTape]:
        return self.tape if isinstance(self.tape, list) else [self.tape]


def run_network(
    layers: Layers,
    weights: Arrays,
    x: Array,
    initial: Any = None,
    arity: Arity = MANY_TO_MANY,
    lengths: Array | None = None,
    masks: Masks | None = None,
) -> Pass:
    """One answer a step (MANY_TO_MANY), or one a sequence (MANY_TO_ONE): layers, and a readout of what they give.

    layers   a cell, or a list of layers, each a cell or a pair of cells (both directions)
    weights  the layers' and the readout's in one mapping, named as by `network_shapes`
    x        (T, B, I), or tokens (T, B)
    initial  of a cell as for `forward`, of a list as for `forward_stack`; zeros by default
    arity    chooses the answering steps; what each step reads is in x already (see `spread_inputs`). A sequence's one
             answer comes from its own end, of which each direction has read all (`last_states`)
    lengths  steps of each sequence, as for `forward`
    masks    dropout: what the input of each layer, and then that of the readout, is multiplied by (see `masked`); none
             by default, as when a network is used
    Raises ValueError for a cell with output weights of its own, and as `forward_stack` does.
    """
    output_size(layers)  # is told first where layers are none
    of_layers, of_readout = _split(masks, layers)
    tape: Any
    if isinstance(layers, list):
        require_names("weights", weights, list(network_shapes(layers, 1)))
        per_layer = by_layer(layers, {name: weights[name] for name in stack_shapes(layers)})
        output, tape = forward_stack(layers, per_layer, x, initial, lengths, of_layers)
    else:
        output, tape = forward(layers, without_readout(layers, weights), masked(x, of_layers[0]), initial, lengths)
    top = tape[-1] if isinstance(layers, list) else tape
    if arity.answers == LAST:
        read = last_states(top)[None]  # (1, B, H)
    else:
        read = (output if isinstance(top, tuple) else output[1:])[arity.answers]
    read = masked(read, of_readout)
    return Pass(readout(weights, read), read, tape)


def loss_and_gradients(
    layers: Layers,
    weights: Arrays,
    x: Array,
    targets: Array,
    initial: Any = None,
    arity: Arity = MANY_TO_MANY,
    loss: Loss = cross_entropy,
    lengths: Array | None = None,
    masks: Masks | None = None,
) -> tuple[float, dict[str, Array], Any]:
    """Loss of a network, summed over answers and sequences, with all gradients. Arguments as for `run_network`, and

    targets  for the answering steps only: classes (n, B) or distributions (n, B, O); numbers (n, B, O) to be met. What
             stands beyond a sequence's length is not looked at (see `within`)
    loss     of logits against targets, with its gradient: `cross_entropy` of their softmax, or `squared_error`
    Returns the loss, the gradients and the tape. Gradients have the weights' names; beside them stand, of a cell, "dx"
    and "dh_0", and of a list of layers these with the layer's number, "1.dx". A list of layers has a list of tapes.
    Raises ValueError as `run_network` and the loss do.
    """
    done = run_network(layers, weights, x, initial, arity, lengths, masks)
    counted = within(lengths, len(x), arity)
    total, dlogits = loss(done.logits, targets) if counted is None else loss(done.logits, targets, counted)
    gradients, d_read = readout_gradients(weights, done.read, dlogits)
    of_layers, of_readout = _split(masks, layers)
    d_read, top = masked(d_read, of_readout), done.tapes[-1]
    d_outputs = d_last_states(top, d_read[0]) if arity.answers == LAST else d_steps(top, d_read, arity.answers)
    per_layer = backward_stack(done.tapes, d_outputs, of_layers)
    own = joined(per_layer) if isinstance(layers, list) else per_layer[0]
    return total, gradients | own, done.tape  # type: ignore[operator]  # of one cell, not of a pair


def final_state(tape: Any) -> Any:
    """What `initial` takes, to go on where a pass ended: of the tape, or list of tapes, of `loss_and_gradients`.

    Raises ValueError for layers that read in both directions: the second direction began at the end.
    """
    tapes = tape if isinstance(tape, list) else [tape]
    if any(isinstance(one, tuple) for one in tapes):
        raise ValueError("tape: expected one of layers that read forwards alone, got one of both directions")
    states = [{name: one[name][-1] for name in one.cell.state} for one in tapes]
    return states if isinstance(tape, list) else states[0]


def within(lengths: Array | None, steps: int, arity: Arity = MANY_TO_MANY) -> Array | None:
    """True for the answers, (n, B), that stand within their sequence's length; None where all do.

    The one answer of a sequence always counts: it is given at the sequence's own end.
    """
    if lengths is None or arity.answers == LAST:
        return None
    return (np.arange(steps)[:, None] < np.asarray(lengths))[arity.answers]


def _split(masks: Masks | None, layers: Layers) -> tuple[Masks, Array | None]:
    """Masks of the layers' inputs, and that of the readout's."""
    number = len(layers) if isinstance(layers, list) else 1
    if masks is None:
        return [None] * number, None
    if len(masks) != number + 1:
        raise ValueError(f"masks: expected {number + 1}, one for each layer and one for the readout, got {len(masks)}")
    return masks[:-1], masks[-1]
