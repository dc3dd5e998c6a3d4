"""Checks on arguments: every message reads `ARGUMENT: expected …, got …`.

Narrow numbers are taken as what they stand for: integers of any width become int64 where they count or index and
float64 where they are values, since sums and products of int8 wrap around. What NumPy would take for something else
than was meant is refused: a mask (which it drops), an iterator (one object), a text (its digits), float16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from reprlib import repr as shortened
from typing import TypeGuard

import numpy as np

Array = np.ndarray
Shape = tuple[int | str, ...]


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    if shape == expected:  # all sizes given: the usual case, and the quick one
        return True
    return len(shape) == len(expected) and all(
        isinstance(want, str) or got == want for got, want in zip(shape, expected, strict=True)
    )


def _spelled(shape: Shape) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def as_array(name: str, value: object) -> Array:
    """Return `value` as an array in the machine's byte order, of whatever dtype NumPy finds.

    Raises ValueError where its rows differ in length, and for what is no array of numbers or texts, or would lose
    something on the way: masked arrays, iterators, sets, mappings, one text, tensors that NumPy cannot read.
    """
    array = value if type(value) is np.ndarray else _converted(name, value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _converted(name: str, value: object) -> Array:
    if isinstance(value, str | bytes):
        raise ValueError(f"{name}: expected an array or a list, got the text {shortened(value)}")
    if _has_mask(value) or isinstance(value, list | tuple) and any(map(_has_mask, value)):
        raise ValueError(f"{name}: expected an array without a mask, got a masked array; pass its .filled(…)")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: expected rows of one length, got {shortened(value)}") from None
    except (OverflowError, RuntimeError, TypeError) as error:  # of tensors; all but one of these say what to do
        advice = "; pass float32 or float64" if "BFloat16" in str(error) else ""
        kind = type(value).__name__
        raise ValueError(f"{name}: expected what NumPy can read, got a {kind} ({error}){advice}") from None
    if array.dtype == object and array.ndim == 0:
        advice = "; pass list(…) of it" if isinstance(value, Iterator) else ""
        raise ValueError(f"{name}: expected an array or a list, got a {type(value).__name__}{advice}")
    return array


def _has_mask(value: object) -> bool:
    return isinstance(value, np.ndarray) and hasattr(value, "mask")


def as_numbers(name: str, value: object) -> Array:
    """Return `value` as an array of float32 or float64, any shape; integers and booleans become float64.

    Raises ValueError as `as_array` does, and for any other dtype.
    """
    array = as_array(name, value)
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if "float" in array.dtype.name:  # float16, bfloat16, longdouble
        raise ValueError(f"{name}: expected single or double precision, got {array.dtype}; pass float32 or float64")
    raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")


def require_array(name: str, value: object, shape: Shape) -> Array:
    """Return `value` as an array of float32 or float64 and of the given shape.

    In `shape` a number must be met and a letter stands for any size ≥ 1: ("T", "B", 3).
    Integers become float64. Raises ValueError for another shape, an empty axis, another dtype, NaN or infinity.
    """
    array = as_numbers(name, value)
    require_shape(name, array, shape)
    require_finite(name, array)
    return array


def require_shape(name: str, array: Array, shape: Shape) -> None:
    """Raise ValueError unless `array` has `shape` (letters stand for any size ≥ 1)."""
    if not _fits(array.shape, shape):
        raise ValueError(f"{name}: expected shape {_spelled(shape)}, got {_spelled(array.shape)}")
    if 0 in array.shape:
        raise ValueError(f"{name}: expected at least one entry along every axis, got shape {_spelled(array.shape)}")


def require_finite(name: str, array: Array) -> None:
    """Raise ValueError that gives the first place where `array` is NaN or infinite."""
    if all_finite(array):
        return
    bad = ~np.isfinite(array)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(f"{name}: expected finite numbers, got {array[first]} at index {first} ({bad.sum()} in all)")


def all_finite(array: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    # the sum of squares is quick, and finite only if all entries are; where it overflows, each is looked at
    flat = array.ravel(order="K")  # as it lies in memory
    return math.isfinite(np.vdot(flat, flat).real) or bool(np.isfinite(array).all())


def require_tokens(name: str, value: object, shape: Shape, vocabulary_size: int) -> Array:
    """Return `value` as int64 of `shape` with entries in 0 … vocabulary_size − 1; ValueError otherwise."""
    array = as_array(name, value)
    require_shape(name, array, shape)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers (token numbers), got dtype {array.dtype}")
    outside = (array < 0) | (array >= vocabulary_size)
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"{name}: expected token numbers from 0 to {vocabulary_size - 1}, got {array[first]} at index {first}"
        )
    return array.astype(np.int64, copy=False)


def require_probabilities(name: str, value: object, shape: Shape) -> Array:
    """Return `value` as an array of `shape` whose last axis holds probabilities; ValueError otherwise."""
    array = require_array(name, value, shape)
    if (array < 0).any():
        first = tuple(int(i) for i in np.argwhere(array < 0)[0])
        raise ValueError(f"{name}: expected probabilities, got {array[first]} at index {first}")
    totals = array.sum(axis=-1)
    wrong = np.abs(totals - 1) > 1e-6  # room for float32 sums over a few thousand entries
    if wrong.any():
        worst = float(totals.flat[int(np.argmax(np.abs(totals - 1)))])
        raise ValueError(f"{name}: expected entries that sum to 1 along the last axis, got a sum of {worst:.6f}")
    return array


def require_names(name: str, value: Mapping[str, object], expected: Sequence[str]) -> None:
    """Raise ValueError unless `value` is a mapping whose keys are exactly `expected`."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected a mapping with the entries {', '.join(expected)}, got {shortened(value)}")
    missing, extra = [key for key in expected if key not in value], [key for key in value if key not in expected]
    if missing or extra:
        parts = [f"missing {', '.join(sorted(missing))}"] if missing else []
        parts += [f"not expected: {', '.join(sorted(map(str, extra)))}"] if extra else []
        got = ", ".join(map(str, value)) or "none"
        raise ValueError(f"{name}: expected the entries {', '.join(expected)}; {'; '.join(parts)}, got {got}")


def require_entries(name: str, value: Mapping[str, object], expected: Sequence[str]) -> None:
    """Raise ValueError unless `value` is a mapping with the keys `expected`; it may have others."""
    if isinstance(value, Mapping):
        value = {key: value[key] for key in expected if key in value}
    require_names(name, value, expected)


def require_lengths(lengths: object, x: Array) -> Array:
    """Return `lengths` as whole numbers (B,), intp, from 0 to T, for x (T, B, …); ValueError otherwise.

    A sequence of length 0 keeps its initial state.
    """
    if x.ndim < 2:
        raise ValueError(f"x: expected shape (T, B, …), got {x.shape}")
    array = as_array("lengths", lengths)
    require_shape("lengths", array, (x.shape[1],))
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > len(x):
        raise ValueError(f"lengths: expected whole numbers from 0 to {len(x)}, got {array}")
    return array.astype(np.intp, copy=False)


def require_size(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int of at least `least`; ValueError otherwise."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def require_number(name: str, value: object) -> float:
    """Return `value` as a float; ValueError for NaN, infinity, and what is no single real number."""
    if not _is_number(value):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return float(value)


def require_positive(name: str, value: object) -> float:
    """Return `value` as a float above 0, infinity among them; ValueError otherwise."""
    if not (_is_number(value) and value > 0):
        raise ValueError(f"{name}: expected a positive number, got {value!r}")
    return float(value)


def require_positive_finite(name: str, value: object) -> float:
    """Return `value` as a float above 0 that is finite; ValueError otherwise."""
    number = require_positive(name, value)
    if number == math.inf:
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return number


def require_below_one(name: str, value: object) -> float:
    """Return `value` as a float from 0 to below 1; ValueError otherwise."""
    if not (_is_number(value) and 0 <= value < 1):
        raise ValueError(f"{name}: expected a number from 0 to below 1, got {value!r}")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def keep_sizes(owner: object, **least: int) -> None:
    """Replace the sizes of a frozen dataclass by Python's integers; ValueError for one that is none.

    `least` gives for each field the smallest value that it may have. For `__post_init__`: NumPy's int8 would wrap
    around where the size is added to another.
    """
    for name, smallest in least.items():
        object.__setattr__(owner, name, require_size(name, getattr(owner, name), smallest))


# --- what a recurrent layer is given (recurrent.py) ------------------------------------------------------------------


def read_only(array: Array) -> Array:
    """A view of an array through which it cannot be changed."""
    view = array.view()
    view.setflags(write=False)
    return view


def require_weights(
    shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, Array]
) -> tuple[dict[str, Array], np.dtype]:
    """Copies of weights that have these names and shapes, and their one dtype; ValueError otherwise."""
    require_names("weights", weights, list(shapes))
    w = {name: require_array(name, weights[name], shape).copy() for name, shape in shapes.items()}
    dtypes = {array.dtype for array in w.values()}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in w.items())
        raise ValueError(f"weights: expected one dtype, got {found}")
    return w, dtypes.pop()


def require_inputs(x: object, I: int, dtype: np.dtype, lengths: object = None) -> tuple[Array, Array | None]:
    """x_t and a one, (T, B, I + 1), or tokens (T, B): a copy, with 0 beyond each length; and lengths (B,) or None.

    x        (T, B, I) in the dtype of the weights, or whole numbers; or tokens, integers (T, B) below I
    lengths  integers (B,) from 0 to T, or None; what x holds beyond is not looked at
    Raises ValueError for anything else, for NaN and infinity.
    """
    x = as_array("x", x)
    steps = None if lengths is None else read_only(require_lengths(lengths, x).copy())
    if steps is not None:
        within = np.arange(len(x))[:, None] < steps
        x = np.where(within.reshape(*within.shape, *(1,) * (x.ndim - 2)), x, x.dtype.type(0))
    if x.ndim == 2 and x.dtype.kind in "iu":
        return require_tokens("x", x, ("T", "B"), I).copy(), steps
    x = require_array("x", x.astype(dtype) if x.dtype.kind in "iub" else x, ("T", "B", I))
    if x.dtype != dtype:
        raise ValueError(f"x: expected dtype {dtype} like the weights, got {x.dtype}")
    x_and_1 = np.ones((*x.shape[:2], I + 1), dtype)
    x_and_1[..., :-1] = x
    return x_and_1, steps


def require_states(sizes: Mapping[str, int], initial: object, B: int, dtype: np.dtype) -> dict[str, Array]:
    """State vectors of these sizes, name → (B, size): zeros for None, an array alone is the first; else ValueError."""
    if initial is None:
        return {name: np.zeros((B, size), dtype) for name, size in sizes.items()}
    given = initial if isinstance(initial, Mapping) else {next(iter(sizes)): initial}
    require_names("initial", given, list(sizes))
    checked = {name: require_array(f"{name}_0", given[name], (B, size)) for name, size in sizes.items()}
    return {name: value.astype(dtype) for name, value in checked.items()}


def require_gradients(names: Sequence[str], like: Mapping[str, Array], given: object) -> dict[str, Array]:
    """Gradients of some of these outputs, each with the shape and in the dtype of `like`; ValueError otherwise."""
    if not isinstance(given, Mapping):
        raise ValueError(f"d_outputs: expected a mapping such as {{'{names[0]}': …}}, got {type(given)}")
    if unknown := sorted(set(given) - set(names)):
        raise ValueError(f"d_outputs: expected gradients of {', '.join(names)}, got one of {', '.join(unknown)}")
    checked = {name: require_array(f"d{name}", d, like[name].shape) for name, d in given.items()}
    return {name: read_only(d.astype(like[name].dtype, copy=False)) for name, d in checked.items()}


# --- what a cell returns (walk.py) -----------------------------------------------------------------------------------


def require_made(
    made: Mapping[str, Array], vectors: Sequence[str], gates: Mapping[str, object], sizes: Mapping[str, int], B: int
) -> None:
    """Raise ValueError unless a step returned all of `vectors` that are no gates, (B, size), the rest (B, n, …)."""
    for name in vectors:
        if name not in made and name not in gates:
            raise ValueError(f"step: expected {name} among what it returns, got {', '.join(made)}")
    for name, value in made.items():
        shape, size = np.shape(value), sizes.get(name, "n")
        if len(shape) < 2 or shape[0] != B or (name in sizes and shape != (B, size)):
            raise ValueError(f"step: expected {name} of shape ({B}, {size}), got {shape}")


def require_sent(
    da: Mapping[str, Array], expected: Mapping[str, Array], direct: Mapping[str, Array], states: Mapping[str, Array]
) -> None:
    """Raise ValueError unless a step back returned δ of all pre-activations, and of states only, in their shapes."""
    if da.keys() != expected.keys() or not direct.keys() <= states.keys():
        names = f"δ of {', '.join(expected)}, and gradients of {', '.join(states)}"
        raise ValueError(f"back: expected {names}, got {', '.join(da)} and {', '.join(direct)}")
    for like, given in ((expected, da), (states, direct)):
        for name, value in given.items():
            if np.shape(value) != like[name].shape:
                raise ValueError(f"back: expected {name} of shape {like[name].shape}, got {np.shape(value)}")


def require_steps(slopes: Mapping[str, Array], steps: int) -> None:
    """Raise ValueError unless there are slopes of so many steps."""
    for name, value in slopes.items():
        if np.ndim(value) < 3 or len(value) != steps:
            raise ValueError(f"slopes: expected {name} of shape ({steps}, B, n), got {np.shape(value)}")
