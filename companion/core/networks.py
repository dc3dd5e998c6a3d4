"""Networks built on recurrent layers: the readout, the four arities, first weights, the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from companion.core.functions import cross_entropy
from companion.core.recurrent import Arrays, Cell, Tape, backward, forward, weight_shapes
from companion.core.validation import Array, require_array, require_names, require_shape, require_size


def readout_shapes(hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the output layer's weights: W_hy (O, H), b_y (O,)."""
    return {"W_hy": (outputs, hidden), "b_y": (outputs,)}


def readout(weights: Arrays, h: Array) -> Array:
    """logits = W_hy h_t + b_y for every step of h (..., H) → (..., O); y_t is their softmax.

    Raises ValueError when the shapes of h, W_hy and b_y do not fit together.
    """
    require_names("weights", {name: weights[name] for name in ("W_hy", "b_y") if name in weights}, ("W_hy", "b_y"))
    require_shape("W_hy", weights["W_hy"], ("O", h.shape[-1]))
    require_shape("b_y", weights["b_y"], weights["W_hy"].shape[:1])
    return h @ weights["W_hy"].T + weights["b_y"]


def readout_gradients(weights: Arrays, h: Array, dlogits: Array) -> tuple[dict[str, Array], Array]:
    """Gradients of the readout: ({"W_hy": …, "b_y": …}, dh (..., H)) for h (..., H), dlogits (..., O)."""
    H, O = h.shape[-1], dlogits.shape[-1]
    require_shape("dlogits", dlogits, (*h.shape[:-1], "O"))
    flat = dlogits.reshape(-1, O)
    return {"W_hy": flat.T @ h.reshape(-1, H), "b_y": flat.sum(axis=0)}, dlogits @ weights["W_hy"]


def without_readout(cell: Cell, weights: Arrays) -> dict[str, Array]:
    """The cell's own weights out of those of a network with a readout.

    Raises ValueError for missing or unknown names, and for a cell that has output weights of its own (Jordan).
    """
    own, added = list(weight_shapes(cell)), readout_shapes(1, 1)
    if set(own) & set(added):
        raise ValueError(f"cell: expected one without the output weights {', '.join(added)}, got {cell!r}")
    require_names("weights", weights, [*own, *added])
    return {name: weights[name] for name in own}


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


Loss = Callable[[Array, Array], tuple[float, Array]]


def loss_and_gradients(
    cell: Cell,
    weights: Arrays,
    x: Array,
    targets: Array,
    h_0: Array | Arrays | None = None,
    arity: Arity = MANY_TO_MANY,
    loss: Loss = cross_entropy,
) -> tuple[float, dict[str, Array], Tape]:
    """Loss of a recurrent layer with a readout, summed over steps and sequences, with all gradients.

    weights  the cell's and the readout's, under their own names
    x        (T, B, I) or tokens (T, B)
    targets  for the answering steps only: classes (n, B) or distributions (n, B, O); numbers (n, B, O) to be met
    h_0      initial state (B, H), or a mapping for cells with several state vectors; zeros by default
    arity    chooses the answering steps; what each step reads is in x already (see `spread_inputs`)
    loss     of logits against targets, with its gradient: `cross_entropy` of their softmax, or `squared_error`
    Returns the loss, the gradients (weights' names, "dx", "dh_0") and the tape.
    Raises ValueError for a cell with output weights of its own, and as `forward` and the loss do.
    """
    h, tape = forward(cell, without_readout(cell, weights), x, h_0)
    answering = h[1:][arity.answers]
    total, dlogits = loss(readout(weights, answering), targets)
    gradients, d_answering = readout_gradients(weights, answering, dlogits)
    dh = np.zeros_like(h)
    dh[1:][arity.answers] = d_answering
    return total, gradients | backward(tape, {cell.outputs[0]: dh}), tape
