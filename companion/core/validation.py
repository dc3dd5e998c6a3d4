"""Checks on arguments: every message names the argument, what it was and what it should be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
    """Return `value` as an array; ValueError where its rows differ in length."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: expected rows of one length, got {value!r}") from None


def require_array(name: str, value: object, shape: Shape) -> Array:
    """Return `value` as a floating-point array of the given shape.

    In `shape` a number must be met and a letter stands for any size ≥ 1: ("T", "B", 3).
    Integers become float64. Raises ValueError for another shape, an empty axis, another dtype, NaN or infinity.
    """
    array = as_array(name, value)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    require_shape(name, array, shape)
    require_finite(name, array)
    return array


def require_shape(name: str, array: Array, shape: Shape) -> None:
    """Raise ValueError unless `array` has `shape` (letters stand for any size ≥ 1)."""
    if not _fits(array.shape, shape):
        raise ValueError(f"{name}: expected shape {_spelled(shape)}, got {_spelled(array.shape)}")
    if 0 in array.shape:
        raise ValueError(f"{name}: is empty, shape {_spelled(array.shape)}; every axis needs at least one entry")


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
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def require_tokens(name: str, value: object, shape: Shape, vocabulary_size: int) -> Array:
    """Return `value` as an integer array of `shape` with entries in 0 … vocabulary_size − 1; ValueError otherwise."""
    array = as_array(name, value)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers (token numbers), got dtype {array.dtype}")
    require_shape(name, array, shape)
    outside = (array < 0) | (array >= vocabulary_size)
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"{name}: expected token numbers from 0 to {vocabulary_size - 1}, got {array[first]} at index {first}"
        )
    return array


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
        raise ValueError(f"{name}: expected a mapping with the entries {', '.join(expected)}, got {value!r}")
    missing, extra = sorted(set(expected) - set(value)), sorted(set(value) - set(expected))
    if missing or extra:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"not expected: {', '.join(extra)}"] if extra else []
        raise ValueError(f"{name}: expected the entries {', '.join(expected)}; {'; '.join(parts)}")


def require_lengths(lengths: object, x: Array) -> Array:
    """Return `lengths` as whole numbers (B,) from 0 to T, for x (T, B, …); ValueError otherwise."""
    if x.ndim < 2:
        raise ValueError(f"x: expected shape (T, B, …), got {x.shape}")
    array = as_array("lengths", lengths)
    require_shape("lengths", array, (x.shape[1],))
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > len(x):
        raise ValueError(f"lengths: expected whole numbers from 0 to {len(x)}, got {array}")
    return array.astype(np.intp)


def require_size(name: str, value: object, least: int = 1) -> int:
    """Return `value` as an int of at least `least`; ValueError otherwise."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return int(value)


def settle_sizes(instance: object, **least: int) -> None:
    """Make these fields of a frozen dataclass plain ints, each at least its number; ValueError as `require_size`.

    A NumPy integer of a narrow type would wrap around in what is computed from it.
    """
    for name, smallest in least.items():
        object.__setattr__(instance, name, require_size(name, getattr(instance, name), smallest))
