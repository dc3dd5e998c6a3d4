"""Gradient checking: compare a gradient with what the function itself does when its argument moves a little.

Three measurements: central differences, for any function; a complex step, exact to the last digit, for functions that
compute with complex numbers; and projections on random directions, whose cost does not grow with the number of entries.

All of them ask for a gradient that exists. At a kink, such as that of a ReLU at 0, a central difference is the mean of
both sides and a backward pass takes one of them. `check_vjp` and `check_layer` notice; the others do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays, Cell
from companion.core.recurrent import Tape, backward, forward
from companion.core.validation import Array, as_array, require_array, require_finite, require_size

STEP = 1e-5  # the error shrinks with step² until round-off, which grows with 1/step, takes over; float64 balances here
DRAWS = 10  # directions that are tried for one along which no ReLU switches
AWAY = 0.1  # standard deviation of what is added to biases, inputs and states where there is none


class AtKink(ValueError):
    """There is no gradient to compare with: along every direction that was tried, a ReLU switches on or off."""


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
    """∂f/∂(each entry of `at`), by (f(at + step) − f(at − step)) / (2 step); same shape as `at`, float64.

    Good to about nine digits where f is smooth and entries and f are of the order of 1. Raises ValueError for entries
    that are not finite real numbers, a step that is not positive, and a function whose value is not one real number.
    """
    _require_step(step)
    at = _in_float64("at", at)
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        original = at[index]
        at[index] = original + step
        above = f(at)
        at[index] = original - step
        below = f(at)
        at[index] = original
        gradient[index] = _one_number((above - below) / (2 * step))
    return gradient


def complex_step(f: Callable[[Array], complex], at: Array, step: float = 1e-30) -> Array:
    """∂f/∂(each entry of `at`), by Im f(at + i·step) / step; same shape as `at`, exact up to round-off.

    No two nearby numbers are subtracted, so the step may be tiny (Squire & Trapp 1998). f must be analytic and compute
    with complex numbers throughout: an absolute value, for one, loses the imaginary part.
    Raises ValueError when f returns a real number, for then the imaginary part was lost on the way, and for a step that
    is not positive.
    """
    _require_step(step)
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
    Arguments of another dtype are taken in float64. Raises ValueError when a gradient is missing or has another shape
    than its argument, and when an argument or a loss is NaN or infinite.
    """
    arguments = _all_in_float64(arguments)
    for name, value in arguments.items():
        given = _given(gradients, name, value)
        measured = central_differences(lambda moved, name=name: f({**arguments, name: moved}), value)  # type: ignore[misc]
        require_finite(f"the loss's change with {name}", measured)
        entries = (Difference(name, i, float(given[i]), float(measured[i])) for i in np.ndindex(value.shape))
        yield max(entries, key=lambda difference: difference.size)


def check_gradients(f: Callable[[Arrays], float], arguments: Arrays, gradients: Arrays, bound: float = 1e-7) -> float:
    """Raise AssertionError, with both numbers and the place, unless all gradients agree with central differences.

    Every argument that fails is named. Returns the largest difference (absolute below 1, relative above). Raises
    ValueError as `differences` does.
    """
    return _largest(differences(f, arguments, gradients), bound)


def check_vjp(
    f: Callable[[Arrays], Array],
    vjp: Callable[[Array], Arrays],
    arguments: Arrays,
    rng: np.random.Generator,
    bound: float = 1e-7,
    trials: int = 3,
    values: Callable[[Arrays], Arrays] | None = None,
) -> float:
    """Check the backward pass of a function whose value is an array, by projection on random directions.

    f       maps the arguments to an array of any shape
    vjp     maps v, of f's shape, to ∂(v · f)/∂(argument) for every argument: the vector–Jacobian product
            vᵀ ∂f/∂(argument)
    values  maps the arguments to arrays that show by zeros which ReLUs of f are off; f itself by default

    For each trial v, of length 1, and for each argument a direction u are drawn; v · f must change along u as
    vjp(v) · u says. That takes two evaluations of f, however many entries the argument has. Where the two numbers
    differ although a ReLU switches in between, u is drawn anew, so that every argument is compared in every trial. A
    gradient that fails is then searched entry by entry. Returns the largest difference; raises AssertionError with both
    numbers and the worst entry's index, AtKink where each of `DRAWS` directions switches a ReLU, and ValueError for a
    missing gradient, a wrong shape, or values that are not finite.
    """
    arguments, found = _all_in_float64(arguments), []
    for _ in range(require_size("trials", trials)):
        v = rng.normal(size=np.shape(f(arguments)))
        v /= np.linalg.norm(v)
        gradients = vjp(v)

        def projected(changed: Arrays, v: Array = v) -> float:
            return float(np.vdot(v, f(changed)))

        for name, value in arguments.items():
            for _ in range(DRAWS):
                u = rng.normal(size=value.shape)
                step = STEP / float(np.linalg.norm(u))  # the distance moved, whatever the number of entries

                def moved(s: float, name: str = name, u: Array = u) -> Arrays:
                    return {**arguments, name: arguments[name] + s * u}

                along = central_differences(lambda s, moved=moved: projected(moved(s[0])), np.zeros(1), step)  # type: ignore[misc]
                require_finite(f"the change of v · f with {name}", along)
                given = float(np.vdot(_given(gradients, name, value), u))
                difference = Difference(name, None, given, float(along[0]))
                if difference.size <= bound:
                    break
                shown = values or (lambda changed: {"f": np.asarray(f(changed))})
                switched = _switched(shown(moved(step)), shown(moved(-step)))
                if not switched:
                    entry = next(differences(lambda w: projected({**arguments, **w}), {name: value}, gradients))
                    difference = max(entry, difference, key=lambda d: (d.size > bound, d.index is not None))
                    break
            else:
                raise AtKink(f"{name}: expected a point away from kinks, got one where moving it switches {switched}")
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

    x (T, B, I) real; initial as for `forward`, zeros by default. All outputs of all steps, the initial state's row
    included, are projected on random directions (`check_vjp`), in float64. Returns the largest difference.

    Where a ReLU is so near 0 that every direction switches it, as with biases, inputs and states of 0, the layer is
    checked with others near by, and a warning names the ReLU. (Where the tape has a 0, a ReLU is off.) Raises
    AssertionError and ValueError as `check_vjp` does, AtKink only if that does not help, and ValueError as `forward`.
    """
    _, tape = forward(cell, weights, x, initial)
    if tape.x.ndim == 2:
        raise ValueError("x: expected vectors (T, B, I), got token numbers, which have no gradient")
    point = {name: tape.weights[name] for name in weights}
    point |= {f"{name}_0": tape[name][0] for name in cell.state} | {"x": tape.x}
    try:
        return _check_layer_at(_all_in_float64(point), cell, list(weights), rng, bound)
    except AtKink as kink:
        message = f"{kink}; checked with biases, inputs and states moved by about {AWAY} instead"
        warnings.warn(message, stacklevel=2)
    added = [name for name in point if name not in weights or name.startswith("b_")]
    point |= {name: point[name] + AWAY * rng.normal(size=point[name].shape) for name in added}
    return _check_layer_at(_all_in_float64(point), cell, list(weights), rng, bound)


def _check_layer_at(point: Arrays, cell: Cell, weights: list[str], rng: np.random.Generator, bound: float) -> float:
    def run(arguments: Arrays) -> Tape:
        h_0 = {name: arguments[f"{name}_0"] for name in cell.state}
        return forward(cell, {name: arguments[name] for name in weights}, arguments["x"], h_0)[1]

    def outputs(arguments: Arrays) -> Array:
        tape = run(arguments)
        return np.concatenate([tape[name].ravel() for name in cell.outputs])

    def pull(v: Array) -> dict[str, Array]:
        tape = run(point)
        ends = np.cumsum([tape[name].size for name in cell.outputs])
        parts = zip(cell.outputs, np.split(v, ends[:-1]), strict=True)
        gradients = backward(tape, {name: part.reshape(tape[name].shape) for name, part in parts})
        return {name.removeprefix("d") if name.startswith("d") else name: g for name, g in gradients.items()}

    return check_vjp(outputs, pull, point, rng, bound, values=lambda arguments: run(arguments).kept)


def _switched(ahead: Arrays, behind: Arrays) -> str:
    """The first place that is exactly 0 in one and not in the other, and how many more there are; or nothing."""
    places = [
        f"{name}{index.tolist()}" for name in ahead for index in np.argwhere((ahead[name] == 0) != (behind[name] == 0))
    ]
    return "".join(places[:1]) + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def _require_step(step: float) -> None:
    if not 0 < step < np.inf:
        raise ValueError(f"step: expected a positive number, got {step!r}")


def _one_number(value: float) -> float:
    if np.ndim(value) or np.iscomplexobj(value):
        raise ValueError(f"f: expected a function whose value is one real number, got a change of {value!r}")
    return value


def _in_float64(name: str, value: object) -> Array:
    """A copy of an array of finite real numbers."""
    return np.array(require_array(name, value, as_array(name, value).shape), np.float64)


def _all_in_float64(arguments: Arrays) -> dict[str, Array]:
    if not arguments:
        raise ValueError("arguments: expected at least one array, got none")
    return {name: _in_float64(f"arguments[{name!r}]", value) for name, value in arguments.items()}


def _given(gradients: Arrays, name: str, value: Array) -> Array:
    if not isinstance(gradients, Mapping):
        raise ValueError(f"gradients: expected a mapping from names to arrays, got {type(gradients).__name__}")
    if name not in gradients:
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
