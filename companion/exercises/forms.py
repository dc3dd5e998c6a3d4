"""Mistakes that can happen in any exercise: right numbers in another form, or all changed in one way.

Each is recognised from all cases together, and only where a wrong answer really has that form in all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion.exercises.comparing import close, fitted, parts, same
from companion.exercises.model import Key
from companion.exercises.report import Finding, capital

_FACTORS = {2.0: "twice", 0.5: "half"}


def explain(values: Sequence[Any], rights: Sequence[Any], key: Key) -> Finding | None:
    """The first mistake of form that turns the right values into these, in every case; None where none does."""
    if any(isinstance(right, str) or right is None for right in rights):
        return None
    swapped = _swapped(values, rights, key)
    if swapped:
        return swapped
    named = [parts(fitted(v, r)[0], key.returns) for v, r in zip(values, rights, strict=True)]
    expected = [parts(right, key.returns) for right in rights]
    if any(list(n) != list(r) for n, r in zip(named, expected, strict=True)):
        return None
    for part in dict.fromkeys(name for right in expected for name in right):
        pairs = [(n[part], r[part]) for n, r in zip(named, expected, strict=True) if part in r]
        if all(same(value, right, key.tolerance) and not fitted(value, right)[1] for value, right in pairs):
            continue
        found = _of_part(part if len(expected[0]) > 1 else "", pairs, key)
        if found:
            return found
    return None


def advice(problem: str) -> str:
    """What to do about a value of another kind (see :func:`companion.exercises.comparing.fitted`)."""
    if "float32" in problem or "float16" in problem:
        return "Somewhere the numbers were made short: leave astype and dtype out."
    if problem.startswith("is a list"):
        return "np.array(…) makes one."
    if "object" in problem:
        return "An array of objects comes from rows that differ in length."
    return "Which step made numbers of this kind? np.zeros_like copies the kind of its argument."


def _swapped(values: Sequence[Any], rights: Sequence[Any], key: Key) -> Finding | None:
    """A tuple whose items are right, in another order."""
    if not all(
        isinstance(v, list | tuple) and isinstance(r, list | tuple) for v, r in zip(values, rights, strict=True)
    ):
        return None
    count = len(rights[0])
    if not 2 <= count <= 5 or any(len(v) != count for v in values) or any(len(r) != count for r in rights):
        return None
    if not key.returns:
        return None
    for order in itertools.permutations(range(count)):
        if list(order) == sorted(order):
            continue
        if all(
            all(same(v[place], r[i], key.tolerance) for place, i in enumerate(order))
            for v, r in zip(values, rights, strict=True)
        ):
            return Finding(
                "form",
                "The parts are right, but in another order",
                f"Yours are {', '.join(key.returns[i] for i in order)}; asked for are {', '.join(key.returns)}.",
            )
    return None


def _of_part(part: str, pairs: Sequence[tuple[Any, Any]], key: Key) -> Finding | None:
    """What happened to one part (named, if there are others), in all cases."""
    arrays = [
        (np.asarray(value), np.asarray(right)) for value, right in pairs if _is_numeric(value) and _is_numeric(right)
    ]
    if len(arrays) != len(pairs):
        return None
    label = part or "the result"
    tolerance = key.tolerance
    for recognise in (_kind, _factor, _axes, _shape, _rows, _reversed, _late):
        found: Finding | None = recognise(label, arrays, tolerance)
        if found:
            return found
    return None


def _is_numeric(value: Any) -> bool:
    if isinstance(value, list):
        try:
            return np.asarray(value).dtype.kind in "biufc"
        except ValueError:
            return False
    return (
        isinstance(value, int | float | complex | np.ndarray | np.generic) and np.asarray(value).dtype.kind in "biufc"
    )


def _all_close(left: np.ndarray, right: np.ndarray, tolerance: float) -> bool:
    return left.shape == right.shape and bool(close(left, right, tolerance).all())


def _kind(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """Right numbers of another type."""
    if not all(_all_close(value, right, tolerance) for value, right in arrays):
        return None
    value, right = next(((v, r) for v, r in arrays if v.dtype != r.dtype), arrays[0])
    if value.dtype == right.dtype:
        return Finding("form", f"The numbers of {label} are right, but in a list", advice("is a list"))
    problem = f"is an array of {value.dtype}"
    title = f"The numbers of {label} are right, but of type {value.dtype} where {right.dtype} should be"
    return Finding("form", title, advice(problem))


def _factor(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """One factor for all entries: of the sign, or the same number in every case, or another number in each."""
    factors = []
    for value, right in arrays:
        if value.shape != right.shape or not right.size or not np.isfinite(value).all():
            return None
        largest = np.unravel_index(int(np.abs(right).argmax()), right.shape)
        if right[largest] == 0 or value[largest] == 0:
            return None
        factor = float((value[largest] / right[largest]).real)
        if not _all_close(value, factor * right, tolerance):
            return None
        factors.append(factor)
    if max(right.size for _, right in arrays) < 2:
        return None  # a single number always is some factor times another
    if np.allclose(factors, -1):
        return Finding(
            "form", f"The sign of {label} is wrong", "All else is right: every number is minus what it should be."
        )
    if np.allclose(factors, factors[0]):
        word = _FACTORS.get(round(factors[0], 9), f"{factors[0]:.4g} times")
        return Finding("form", f"{capital(label)} is {word} what it should be", "One factor is too many or missing.")
    if all(_is_share(factor) for factor in factors):
        shares = ", ".join(sorted({f"1/{round(1 / factor)}" for factor in factors if factor != 1}))
        title = f"{capital(label)} is divided by a number that changes with the case ({shares})"
        return Finding("form", title, "That is what a mean gives where a sum is asked for.")
    return None


def _is_share(factor: float) -> bool:
    return 0 < factor <= 1 and abs(1 / factor - round(1 / factor)) < 1e-6


def _axes(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """The axes in another order."""
    ndim = arrays[0][1].ndim
    if not 2 <= ndim <= 4:
        return None
    for order in itertools.permutations(range(ndim)):
        if list(order) != sorted(order) and all(
            right.ndim == ndim and _all_close(value, right.transpose(order), tolerance) for value, right in arrays
        ):
            if ndim == 2:
                return Finding(
                    "form", f"{capital(label)} is transposed", "Its numbers are right, rows and columns are not."
                )
            text = f"Yours are, counted as they should stand: {', '.join(map(str, order))}."
            return Finding("form", f"The axes of {label} stand in another order", text)
    return None


def _shape(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """Right numbers in another shape."""
    if not all(
        value.size == right.size and _all_close(value.reshape(right.shape), right, tolerance) for value, right in arrays
    ):
        return None
    value, right = next(((v, r) for v, r in arrays if v.shape != r.shape), arrays[0])
    if value.shape == right.shape:
        return None
    title = f"The numbers of {label} are right, but its shape is {value.shape} where {right.shape} should be"
    return Finding("form", title, "reshape changes it, or keepdims, or an index [:, 0].")


def _rows(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """One row too many or too few, at either end."""
    cuts: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], bool]], ...] = (
        ("one row too many, at the start", lambda v, r: _all_close(v[1:], r, tolerance)),
        ("one row too many, at the end", lambda v, r: _all_close(v[:-1], r, tolerance)),
        ("one row too few: the first is missing", lambda v, r: _all_close(v, r[1:], tolerance)),
        ("one row too few: the last is missing", lambda v, r: _all_close(v, r[:-1], tolerance)),
    )
    for what, fits in cuts:
        if all(value.ndim and right.ndim and fits(value, right) for value, right in arrays):
            return Finding("form", f"{capital(label)} has {what}", "All other rows are right.")
    return None


def _reversed(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    if all(
        right.ndim and _all_close(value[::-1] if value.ndim else value, right, tolerance) for value, right in arrays
    ):
        return Finding("form", f"The rows of {label} stand in reverse order", "The first should be last.")
    return None


def _late(label: str, arrays: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float) -> Finding | None:
    """Rows that stand one place too late or too early."""
    if not all(v.shape == r.shape and r.ndim for v, r in arrays) or max(len(r) for _, r in arrays) < 3:
        return None
    if all(_all_close(value[1:], right[:-1], tolerance) for value, right in arrays):
        return Finding("form", f"The rows of {label} stand one place too late", "Off by one: which row holds step t?")
    if all(_all_close(value[:-1], right[1:], tolerance) for value, right in arrays):
        return Finding("form", f"The rows of {label} stand one place too early", "Off by one: which row holds step t?")
    return None
