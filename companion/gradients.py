"""Gradient checking: compare a gradient with what the function itself does when its argument moves a little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.recurrent import Arrays
from companion.validation import Array, require_array, require_finite


@dataclass(frozen=True)
class Difference:
    """Where two gradients of one argument differ most."""

    name: str
    index: tuple[int, ...]
    given: float
    measured: float

    @property
    def size(self) -> float:
        """|given − measured|, divided by the larger of 1 and the two sizes."""
        return abs(self.given - self.measured) / max(1.0, abs(self.given), abs(self.measured))

    def __str__(self) -> str:
        return f"d{self.name}{list(self.index)}: given {self.given:.10g}, measured {self.measured:.10g}"


def central_differences(f: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    """∂f/∂(each entry of `at`), by (f(at + step) − f(at − step)) / (2 step); same shape as `at`, float64.

    The error shrinks with step² until round-off, which grows with 1/step, takes over; 1e-5 balances them in float64.
    """
    at = np.array(at, dtype=np.float64)
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        original = at[index]
        at[index] = original + step
        above = f(at)
        at[index] = original - step
        below = f(at)
        at[index] = original
        gradient[index] = (above - below) / (2 * step)
    return gradient


def largest_difference(f: Callable[[Arrays], float], arguments: Arrays, gradients: Arrays) -> Difference:
    """Measure every argument's gradient by central differences and report the worst disagreement.

    f          the loss, as a function of a mapping from names to arrays (weights, inputs, initial states, …)
    gradients  the claimed ∂f/∂(argument) under the same names
    Raises ValueError when a gradient is missing or has another shape than its argument, or a loss is NaN or infinite.
    """
    worst: Difference | None = None
    for name, value in arguments.items():
        if name not in gradients:
            raise ValueError(f"gradients: expected an entry {name}, got {', '.join(gradients)}")
        given = require_array(f"gradients[{name!r}]", gradients[name], value.shape)
        measured = central_differences(lambda moved, name=name: f({**arguments, name: moved}), value)  # type: ignore[misc]
        require_finite(f"the loss's change with {name}", measured)
        for index in np.ndindex(value.shape):
            here = Difference(name, index, float(given[index]), float(measured[index]))
            if worst is None or here.size > worst.size:
                worst = here
    if worst is None:
        raise ValueError("arguments: expected at least one array, got none")
    return worst


def check_gradients(f: Callable[[Arrays], float], arguments: Arrays, gradients: Arrays, bound: float = 1e-7) -> float:
    """Raise AssertionError, with both numbers and the place, unless all gradients agree with central differences.

    Returns the largest difference (absolute below 1, relative above).
    """
    worst = largest_difference(f, arguments, gradients)
    if not worst.size <= bound:
        raise AssertionError(f"gradients differ by {worst.size:.2g}, more than {bound:.2g}, most in {worst}")
    return worst.size
