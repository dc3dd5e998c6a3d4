"""Gradient checking: compare a gradient with what the function itself does when its argument moves a little.

Three measurements: central differences, for any function; a complex step, exact to the last digit, for functions that
compute with complex numbers; and projections on random directions, whose cost does not grow with the number of entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays, Cell
from companion.core.recurrent import backward, forward
from companion.core.validation import Array, require_array, require_finite

STEP = 1e-5  # the error shrinks with step² until round-off, which grows with 1/step, takes over; float64 balances here


@dataclass(frozen=True)
class Difference:
    """Two numbers for one gradient: an entry of it, or (index None) its projection on a direction."""

    name: str
    index: tuple[int, ...] | None
    given: float
    measured: float

    @property
    def size(self) -> float:
        """|given − measured|, divided by the larger of 1 and the two sizes."""
        return abs(self.given - self.measured) / max(1.0, abs(self.given), abs(self.measured))

    def __str__(self) -> str:
        place = f"d{self.name}" if self.index is None else f"d{self.name}{list(self.index)}"
        along = " along a random direction" if self.index is None else ""
        return f"{place}{along}: given {self.given:.10g}, measured {self.measured:.10g}"


def central_differences(f: Callable[[Array], float], at: Array, step: float = STEP) -> Array:
    """∂f/∂(each entry of `at`), by (f(at + step) − f(at − step)) / (2 step); same shape as `at`, float64."""
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


def complex_step(f: Callable[[Array], complex], at: Array, step: float = 1e-30) -> Array:
    """∂f/∂(each entry of `at`), by Im f(at + i·step) / step; same shape as `at`, exact up to round-off.

    No two nearby numbers are subtracted, so the step may be tiny (Squire & Trapp 1998). f must be analytic and compute
    with complex numbers throughout: an absolute value, for one, loses the imaginary part.
    Raises ValueError when f returns a real number: then the imaginary part was lost on the way.
    """
    at = np.array(at, dtype=np.complex128)
    gradient = np.empty(at.shape)
    for index in np.ndindex(at.shape):
        original = at[index]
        at[index] = original + 1j * step
        value = f(at)
        at[index] = original
        if not np.iscomplexobj(value):
            raise ValueError(f"f: expected a function that keeps complex numbers complex, got {value!r}")
        gradient[index] = np.imag(value) / step
    return gradient


def differences(f: Callable[[Arrays], float], arguments: Arrays, gradients: Arrays) -> Iterator[Difference]:
    """For each argument, the entry in which its gradient is furthest from its central difference.

    f          the loss, as a function of a mapping from names to arrays (weights, inputs, initial states, …)
    gradients  the claimed ∂f/∂(argument) under the same names
    Raises ValueError when a gradient is missing or has another shape than its argument, or a loss is NaN or infinite.
    """
    if not arguments:
        raise ValueError("arguments: expected at least one array, got none")
    for name, value in arguments.items():
        given = _given(gradients, name, value)
        measured = central_differences(lambda moved, name=name: f({**arguments, name: moved}), value)  # type: ignore[misc]
        require_finite(f"the loss's change with {name}", measured)
        entries = (Difference(name, i, float(given[i]), float(measured[i])) for i in np.ndindex(value.shape))
        yield max(entries, key=lambda difference: difference.size)


def check_gradients(f: Callable[[Arrays], float], arguments: Arrays, gradients: Arrays, bound: float = 1e-7) -> float:
    """Raise AssertionError, with both numbers and the place, unless all gradients agree with central differences.

    Every argument that fails is named. Returns the largest difference (absolute below 1, relative above).
    """
    return _largest(differences(f, arguments, gradients), bound)


def check_vjp(
    f: Callable[[Arrays], Array],
    vjp: Callable[[Array], Arrays],
    arguments: Arrays,
    rng: np.random.Generator,
    bound: float = 1e-7,
    trials: int = 3,
) -> float:
    """Check the backward pass of a function whose value is an array, by projection on random directions.

    f    maps the arguments to an array of any shape
    vjp  maps v, of f's shape, to ∂(v · f)/∂(argument) for every argument: the vector–Jacobian product vᵀ ∂f/∂(argument)

    For each trial v, of length 1, and for each argument a direction u are drawn; v · f must change along u as
    vjp(v) · u says. That takes two evaluations of f, however many entries the argument has. A gradient that fails is
    then searched entry by entry. Returns the largest difference; raises AssertionError with both numbers and the worst
    entry's index, and ValueError for a missing gradient, a wrong shape, or values that are not finite.
    """
    found = []
    for _ in range(trials):
        v = rng.normal(size=np.shape(f(arguments)))
        v /= np.linalg.norm(v)
        gradients = vjp(v)

        def projected(changed: Arrays, v: Array = v) -> float:
            return float(np.vdot(v, f(changed)))

        for name, value in arguments.items():
            u = rng.normal(size=value.shape)
            along = central_differences(
                lambda s, name=name, u=u: projected({**arguments, name: arguments[name] + s[0] * u}),  # type: ignore[misc]
                np.zeros(1),
                STEP / float(np.linalg.norm(u)),  # the distance moved, whatever the number of entries
            )
            require_finite(f"the change of v · f with {name}", along)
            given = float(np.vdot(_given(gradients, name, value), u))
            difference = Difference(name, None, given, float(along[0]))
            if not difference.size <= bound:  # then say where
                one_argument = {name: value}
                entry = next(differences(lambda w: projected({**arguments, **w}), one_argument, gradients))
                difference = max(entry, difference, key=lambda d: (d.size > bound, d.index is not None))
            found.append(difference)
    return _largest(found, bound)


def check_layer(
    cell: Cell,
    weights: Arrays,
    x: Array,
    rng: np.random.Generator,
    initial: Arrays | None = None,
    bound: float = 1e-7,
) -> float:
    """Check a recurrent layer's backward pass in one call: every weight, the input and the initial state.

    x (T, B, I) real; initial as for `forward`, a mapping, zeros by default. All outputs of all steps, the initial
    state's row included, are projected on random directions (`check_vjp`). Returns the largest difference.
    """
    first = initial or {name: np.zeros((x.shape[1], cell.sizes[name])) for name in cell.state}
    states = {f"{name}_0": value for name, value in first.items()}
    shapes: dict[str, tuple[int, ...]] = {}

    def run(arguments: Arrays) -> Array:
        h_0 = {name: arguments[f"{name}_0"] for name in cell.state}
        _, tape = forward(cell, {name: arguments[name] for name in weights}, arguments["x"], h_0)
        shapes.update({name: tape[name].shape for name in cell.outputs})
        return np.concatenate([tape[name].ravel() for name in cell.outputs])

    def pull(v: Array) -> dict[str, Array]:
        ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
        parts = np.split(v, ends[:-1])
        d_outputs = {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        gradients = backward(forward(cell, weights, x, first)[1], d_outputs)
        return {name.removeprefix("d") if name.startswith("d") else name: g for name, g in gradients.items()}

    return check_vjp(run, pull, {**weights, **states, "x": x}, rng, bound)


def _given(gradients: Arrays, name: str, value: Array) -> Array:
    if not isinstance(gradients, Mapping) or name not in gradients:
        raise ValueError(f"gradients: expected an entry {name}, got {', '.join(gradients)}")
    return require_array(f"gradients[{name!r}]", gradients[name], value.shape)


def _largest(found: Iterator[Difference] | list[Difference], bound: float) -> float:
    found = sorted(found, key=lambda difference: difference.size, reverse=True)
    wrong = [difference for difference in found if not difference.size <= bound]
    if wrong:
        first = {difference.name: difference for difference in reversed(wrong)}  # the worst of each argument
        worst = sorted(first.values(), key=lambda difference: difference.size, reverse=True)
        places = "\n  ".join(map(str, worst))
        raise AssertionError(
            f"gradients differ by {worst[0].size:.2g}, more than {bound:.2g}, most in {worst[0]}"
            if len(worst) == 1
            else f"gradients differ by up to {worst[0].size:.2g}, more than {bound:.2g}:\n  {places}"
        )
    return found[0].size
