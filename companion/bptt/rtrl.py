"""Real-time recurrent learning: gradients carried forwards with the state (Williams & Zipser 1989).

Chapter "Learning while running". Nothing of the past is stored. Beside the state h_t of an Elman network runs, for each
weight, a tensor of sensitivities: how far each unit of h_t would move, had the weight been larger at all steps so far.

    P_t[i, j, m] = ∂h_t[i] / ∂W[j, m]

This module is written from that definition, not from the backward pass of recurrent.py, so that each checks the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays, weight_shapes
from companion.core.functions import SOFTMAX, cross_entropy
from companion.core.networks import Loss, readout, readout_gradients, readout_shapes, without_readout
from companion.core.validation import Array, as_array, require_array, require_entries, require_number, require_shape
from companion.rnn.cells import Elman


@dataclass(frozen=True)
class Running:
    """All that RTRL knows of the past, whatever its length.

    h  the state, (B, H)
    P  the sensitivities, one tensor a weight: P["W_hh"] (B, H, H, H), P["W_xh"] (B, H, H, I), P["b_h"] (B, H, H)
    """

    h: Array
    P: Arrays


def start(cell: Elman, h_0: Array) -> Running:
    """Before the first step, from an initial state (B, H): it does not depend on the weights, so all P are zero.

    Raises ValueError for a wrong shape, and for softmax as activation: its units do not each have a slope of their own.
    """
    if cell.activation is SOFTMAX:
        raise ValueError(f"cell: expected an activation of each unit by itself, got {cell.activation.name}")
    h_0 = require_array("h_0", h_0, ("B", cell.hidden))
    shapes = weight_shapes(cell)
    return Running(h_0, {name: np.zeros((*h_0.shape, *shape), h_0.dtype) for name, shape in shapes.items()})


def advance(cell: Elman, weights: Arrays, running: Running, x_t: Array) -> Running:
    """One step, of the state and of its sensitivities, for x_t (B, I) (chapter, equation eq-rtrl).

        P_t[i, j, m] = tanh′(a_t[i]) ([i = j] source_t[m] + Σ_l W_hh[i, l] P_{t-1}[l, j, m])

    The source is what the weight is multiplied by: h_{t-1} for W_hh, x_t for W_xh, 1 for b_h (which has no index m).
    `weights` may hold those of a readout too. Raises ValueError for another shape of x_t or a weight, and for NaN.
    """
    B, H = running.h.shape
    x_t, shapes, before = _numbers("x_t", x_t, (B, cell.inputs)), weight_shapes(cell), running.h
    require_entries("weights", weights, list(shapes))
    W_xh, W_hh, b_h = (_numbers(name, weights[name], shapes[name]) for name in ("W_xh", "W_hh", "b_h"))
    h = cell.activation(x_t @ W_xh.T + before @ W_hh.T + b_h)  # (B, H)
    slope = cell.activation.slopes(h)  # tanh′(a_t) = 1 − h_t², (B, H)
    source = {"W_hh": before[:, None, :], "W_xh": x_t[:, None, :], "b_h": 1}
    unit = np.arange(H)
    P = {}
    for name, P_before in running.P.items():
        inner = (W_hh @ P_before.reshape(B, H, -1)).reshape(P_before.shape)  # Σ_l W_hh[i, l] P_{t-1}[l, j, m]
        inner[:, unit, unit] += source[name]  # [i = j]: row j of a weight feeds unit j only
        P[name] = slope.reshape(B, H, *(1,) * (inner.ndim - 2)) * inner
    return Running(h, P)


def gradients(running: Running, dh: Array) -> dict[str, Array]:
    """∂ℓ_t/∂W = Σ_b Σ_i dh[b, i] P[b, i, …] for every weight of the cell (chapter, equation eq-rtrl-gradient).

    dh (B, H) is ∂ℓ_t/∂h_t of this step's loss alone: what h_t does to later losses is in their own P.
    Raises ValueError when dh has another shape, and for NaN.
    """
    dh = _numbers("dh", dh, running.h.shape)
    return {name: (dh.reshape(-1) @ P.reshape(dh.size, -1)).reshape(P.shape[2:]) for name, P in running.P.items()}


def step_gradients(
    weights: Arrays, running: Running, targets_t: Array, loss: Loss = cross_entropy
) -> tuple[float, dict[str, Array]]:
    """Loss ℓ_t of one step, summed over the batch, and its gradient for all weights, the readout's included.

    targets_t  classes (B,), or an array (B, O), as `loss` takes them
    Raises ValueError as the loss and the readout do.
    """
    value, dlogits = loss(readout(weights, running.h), targets_t)
    of_readout, dh = readout_gradients(weights, running.h, dlogits)
    return value, gradients(running, dh) | of_readout


def rtrl(
    cell: Elman, weights: Arrays, x: Array, targets: Array, h_0: Array | None = None, loss: Loss = cross_entropy
) -> tuple[float, dict[str, Array]]:
    """Loss of an Elman network with a readout over a whole sequence, and its gradients, weights held fixed.

    x        (T, B, I)
    targets  one row a step: classes (T, B), or an array (T, B, O)
    h_0      (B, H), zeros by default
    Returns the loss summed over steps and sequences, and the gradient under each weight's name; both are what
    `loss_and_gradients` computes by backpropagation through time. Raises ValueError for arrays that do not fit.
    """
    weights, x, targets, running = _checked(cell, weights, x, targets, h_0)
    total, sums = 0.0, {name: np.zeros_like(w) for name, w in weights.items()}
    for x_t, d_t in zip(x, targets, strict=True):
        running = advance(cell, weights, running, x_t)
        value, now = step_gradients(weights, running, d_t, loss)
        total += value
        sums = {name: sums[name] + now[name] for name in weights}
    return total, sums


def learn_online(
    cell: Elman,
    weights: Arrays,
    x: Array,
    targets: Array,
    rate: float,
    h_0: Array | None = None,
    loss: Loss = cross_entropy,
) -> tuple[dict[str, Array], Array]:
    """Gradient descent at every step, as Williams & Zipser (1989) learn: W ← W − rate ∂ℓ_t/∂W, t = 1 … T.

    Arguments as for `rtrl`. The sensitivities are carried on although the weights they speak of have moved, so that the
    gradient is exact in the limit of a small rate only. Returns the last weights and the losses of the steps, (T,).
    Raises ValueError for a rate that is not positive, and as `rtrl` does.
    """
    rate = require_number("rate", rate)
    if rate <= 0:
        raise ValueError(f"rate: expected a positive number, got {rate:g}")
    moving, x, targets, running = _checked(cell, weights, x, targets, h_0)
    losses = np.zeros(len(x))
    for t, (x_t, d_t) in enumerate(zip(x, targets, strict=True)):
        running = advance(cell, moving, running, x_t)
        losses[t], now = step_gradients(moving, running, d_t, loss)
        moving = {name: w - rate * now[name] for name, w in moving.items()}
    return moving, losses


def _checked(
    cell: Elman, weights: Arrays, x: Array, targets: Array, h_0: Array | None
) -> tuple[dict[str, Array], Array, Array, Running]:
    without_readout(cell, weights)  # refuses other names
    outputs = len(require_array("b_y", weights["b_y"], ("O",)))
    shapes = weight_shapes(cell) | readout_shapes(cell.hidden, outputs)
    weights = {name: require_array(name, weights[name], shapes[name]) for name in weights}
    x = require_array("x", x, ("T", "B", cell.inputs))
    T, B = x.shape[:2]
    targets = as_array("targets", targets)
    require_shape("targets", targets, (T, B, *"O"[: targets.ndim - 2]))
    h_0 = np.zeros((B, cell.hidden), x.dtype) if h_0 is None else require_array("h_0", h_0, (B, cell.hidden))
    return weights, x, targets, start(cell, h_0)


def _numbers(name: str, value: Array, shape: tuple[int, ...]) -> Array:
    """What one step takes. Of numbers that count (multiplications.py), which are objects, only the shape is checked."""
    array = as_array(name, value)
    if array.dtype == object:
        require_shape(name, array, shape)
        return array
    return require_array(name, array, shape)
