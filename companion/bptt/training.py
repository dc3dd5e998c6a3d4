"""Training a recurrent network on a task: one loop, whatever the cell, the optimiser and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from companion.bptt.long_lags import Task
from companion.core.cell import Arrays
from companion.core.networks import (
    MANY_TO_ONE,
    Layers,
    final_state,
    initial_weights,
    loss_and_gradients,
    network_shapes,
    output_size,
    run_network,
)
from companion.core.optimisers import Optimiser, norm
from companion.core.validation import Array, require_size

Clip = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Step:
    """One step of training: its number from 1, and what the batch gave before the weights changed.

    loss     mean over the batch's answers
    norm     length of the gradient of that mean, before clipping
    weights  after the step
    """

    number: int
    loss: float
    norm: float
    weights: Arrays


def network_weights(
    layers: Layers, task: Task, rng: np.random.Generator, recurrent: Array | None = None, dtype: type = np.float64
) -> dict[str, Array]:
    """First weights of a network for a task, uniform in ±1/√H; `recurrent` (H, H) takes the place of a cell's W_hh.

    With `recurrent` the bias b_h starts at 0, so that at first the state is passed on by that matrix alone.
    """
    H = output_size(layers)
    weights = initial_weights(network_shapes(layers, task.outputs), rng, H**-0.5, dtype)
    if recurrent is None:
        return weights
    if "W_hh" not in weights:
        raise ValueError(f"recurrent: expected None for a network without W_hh, got shape {np.shape(recurrent)}")
    return weights | {"W_hh": np.asarray(recurrent, dtype), "b_h": np.zeros(H, dtype)}


def mean_gradients(
    task: Task, layers: Layers, weights: Arrays, x: Array, targets: Array, horizon: int | None = None
) -> tuple[float, dict[str, Array]]:
    """Mean loss over a batch's answers and its gradient, one array a weight.

    layers   a cell, or a list of layers, as for `run_network`
    horizon  how many steps, counted from the end, the gradient may travel back; all by default. The state is computed
             from the first step on all the same: only the gradient is truncated (equation eq-horizon). For tasks
             that answer at the end.
    Raises ValueError as `forward` does, and for a horizon with a task that answers on the way.
    """
    initial = None
    if horizon is not None and require_size("horizon", horizon) < len(x):
        if task.arity != MANY_TO_ONE:
            raise ValueError(f"horizon: expected a task that answers at the end, got one of {task.arity.name}")
        initial = final_state(run_network(layers, weights, x[:-horizon]).tape)
        x = x[-horizon:]
    total, gradients, _ = loss_and_gradients(layers, weights, x, targets, initial, task.arity, task.loss)
    answers = targets.shape[0] * targets.shape[1]
    return total / answers, {name: gradients[name] / w.dtype.type(answers) for name, w in weights.items()}


def training(
    task: Task,
    layers: Layers,
    weights: Arrays,
    optimiser: Optimiser,
    rng: np.random.Generator,
    size: int,
    clip: Clip | None = None,
    horizon: int | None = None,
) -> Iterator[Step]:
    """Train on one fresh batch of `size` sequences after another, without end; take as many steps as you want.

        for step in islice(training(AddingProblem(50), cell, weights, Adam(1e-3), rng, 50), 1000): ...

    clip  applied to the mean gradient before the optimiser sees it, such as lambda g: clip_by_norm(g, 1.0)
    Raises ValueError when states or gradients overflow.
    """
    number = 0
    while True:
        number += 1
        x, targets = _as_weights(task.batch(rng, size), weights)
        loss, gradients = mean_gradients(task, layers, weights, x, targets, horizon)
        length = norm(gradients)
        weights, optimiser = optimiser.step(weights, gradients if clip is None else clip(gradients))
        yield Step(number, loss, length, weights)


def evaluate(task: Task, layers: Layers, weights: Arrays, rng: np.random.Generator, size: int) -> float:
    """Mean loss over the answers of `size` fresh sequences."""
    x, targets = _as_weights(task.batch(rng, size), weights)
    total, _ = task.loss(run_network(layers, weights, x, arity=task.arity).logits, targets)
    return total / (targets.shape[0] * targets.shape[1])


def _as_weights(arrays: tuple[Array, Array], weights: Arrays) -> list[Array]:
    """Real numbers in the weights' precision; tokens and classes as they are."""
    dtype = next(iter(weights.values())).dtype
    return [array.astype(dtype, copy=False) if array.dtype.kind == "f" else array for array in arrays]
