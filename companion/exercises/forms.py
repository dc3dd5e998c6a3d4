"""Mistakes that can happen in any exercise: right numbers in another form, or all changed in one way.

Each is recognised from all cases together, and only where a wrong answer really has that form in all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from companion.exercises.comparing import close, same
from companion.exercises.report import Finding

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]  # in each case, the student's array and the right one
Sizes = Mapping[str, Sequence[int]]  # code for the size of something given -> that size in each case
Explanation = tuple[str, str]  # what is said of a part, after its name, and what to look at

_FACTORS = {
    2.0: "twice",
    0.5: "half",
    1 / math.log(2): "1 / ln 2 = 1.443 times",
    math.log(2): "ln 2 = 0.6931 times",
    1 / math.log(10): "1 / ln 10 = 0.4343 times",
    math.log(10): "ln 10 = 2.303 times",
}
_NEARLY = 1e-3  # of the largest entry
_DECIMALS = range(1, 7)  # to which an answer may be rounded
_ADVICE = {  # a sign in the problem -> what to do, the first that fits
    "float32": "Somewhere the numbers were made short: leave astype and dtype out.",
    "float16": "Somewhere the numbers were made short: leave astype and dtype out.",
    "is a list of 1, where a single": "result[0] is the number.",
    "is a list": "np.array(…) makes one.",
    "is a tuple": "A comma after return makes a tuple of what is returned.",
    "where a single number": "float(…) makes one of an array with one entry, and .item() of any such object.",
    "type Tensor": "For a tensor t, t.detach().numpy() is an array.",
    **dict.fromkeys(
        ("is a generator", "is a map", "is a zip", "is a filter"),
        "Its items are computed only when they are asked for: list(…) does that, and np.array(list(…)) makes an array.",
    ),
    "where a tuple": "return a, b returns a tuple of two.",
    "an array of int": "Whole numbers have no decimals: what is written into such an array loses its own.",
    "an array of bool": "A comparison gives True and False. What should stand for them?",
}
_OFF_BY_ONE = "Off by one: what belongs in the first row?"
_MOST_PARTS = 5  # of which all orders are tried


def explain(
    pairs: Sequence[tuple[Any, Any]], tolerance: float, axes: str = "", sizes: Sizes | None = None
) -> Explanation | None:
    """The first mistake of form that turns the right values of a part into these, in every case.

    Args:
        pairs: the student's value and the right one in each case, brought into one form where that can be.
        tolerance: of the key.
        axes: what the axes stand for, such as 'T B H'.
        sizes: of what is given, by which something may be divided.
    """
    arrays = [(np.asarray(v), np.asarray(r)) for v, r in pairs if _is_numeric(v) and _is_numeric(r)]
    if len(arrays) != len(pairs):
        return None
    for found in (
        _rounded(arrays),
        _nearly(arrays),
        _factor(arrays, tolerance, sizes or {}),
        _axes(arrays, tolerance, axes.split()),
        _shape(arrays, tolerance),
        _rows(arrays, tolerance),
        _reversed(arrays, tolerance),
        _one_row_for_all(arrays, tolerance),
        _shifted(arrays, tolerance),
    ):
        if found:
            return found
    return None


def swapped(
    values: Sequence[Any], rights: Sequence[Any], tolerance: float, returns: Sequence[str] = ()
) -> Finding | None:
    """A tuple whose parts are right, in another order."""
    count = len(returns)
    items = [*values, *rights]
    if not 2 <= count <= _MOST_PARTS or not all(isinstance(v, list | tuple) and len(v) == count for v in items):
        return None
    pairs = list(zip(values, rights, strict=True))
    if all(same(value, right, tolerance) for value, right in pairs):  # another kind of number, or two parts are equal
        return None
    for order in list(itertools.permutations(range(count)))[1:]:
        if all(same(v[place], r[i], tolerance) for v, r in pairs for place, i in enumerate(order)):
            text = f"Yours are {', '.join(returns[i] for i in order)}; asked for are {', '.join(returns)}."
            return Finding("form", "The parts are right, but in another order", text)
    return None


def one_of_several(values: Sequence[Any], rights: Sequence[Any], tolerance: float) -> Finding | None:
    """A tuple of which one item is what should have been returned alone."""
    counts = {len(value) if isinstance(value, list | tuple) else 0 for value in values}
    if len(counts) != 1 or isinstance(rights[0], list | tuple | dict):
        return None
    (count,) = counts
    for place in range(count) if count > 1 else ():
        if all(same(v[place], r, tolerance) for v, r in zip(values, rights, strict=True)):
            title = f"The right one is number {place + 1} of the {count} values that you return"
            return Finding("form", title, "One is asked for: return it alone.")
    return None


def advice(problem: str) -> str:
    """What to do about a value of another kind (see :func:`companion.exercises.comparing.fitted`)."""
    return next((text for sign, text in _ADVICE.items() if sign in problem), "Which step made numbers of this kind?")


def _is_numeric(value: Any) -> bool:
    return (
        isinstance(value, int | float | complex | np.ndarray | np.generic) and np.asarray(value).dtype.kind in "biufc"
    )


def _all_close(left: np.ndarray, right: np.ndarray, tolerance: float) -> bool:
    return left.shape == right.shape and bool(close(left, right, tolerance).all())


def _nearly(arrays: Pairs) -> Explanation | None:
    """All entries within a thousandth of the largest; a count that is off by one is not nearly right."""
    if all(right.dtype.kind in "iu" for _, right in arrays):
        return None
    for value, right in arrays:
        if value.shape != right.shape or not np.isfinite(value).all() or not np.isfinite(right).all() or not right.size:
            return None
        if np.abs(value.astype(complex) - right).max() > _NEARLY * np.abs(right).max():
            return None
    return "is almost right", "Is something rounded, or a small number added, such as 1e-8?"


def _rounded(arrays: Pairs) -> Explanation | None:
    """The right numbers, rounded too early or to fewer decimals than were asked for."""
    for decimals in _DECIMALS:
        if all(v.shape == r.shape and _is_rounded(v, r, decimals) for v, r in arrays):
            title = f"is right so far, rounded to {decimals} decimal{'s' * (decimals != 1)}"
            return title, "More are asked for. Round later, or not at all."
    return None


def _is_rounded(value: np.ndarray, right: np.ndarray, decimals: int) -> bool:
    if value.dtype.kind != "f" or not np.isfinite(value).all() or not np.isfinite(right).all():
        return False
    near = np.abs(value - right) <= 0.5 * 10.0**-decimals * (1 + 1e-6)
    written = np.abs(np.round(value, decimals) - value) <= 1e-12
    return bool((near & written).all() and value.any())


def _factor(arrays: Pairs, tolerance: float, sizes: Sizes) -> Explanation | None:
    """One factor for all entries: of the sign, or the same number in every case, or another number in each."""
    factors, counts = [], []
    for value, right in arrays:
        if value.shape != right.shape or not np.isfinite(value).all() or not np.isfinite(right).all():
            return None
        size = np.abs(right)
        if not size.any():  # any factor times zero
            if value.any():
                return None
            continue
        largest = np.unravel_index(int(size.argmax()), right.shape)
        factor = float((value[largest] / right[largest]).real)
        if factor == 0 or not _all_close(value, factor * right, tolerance):
            return None
        factors.append(factor)
        counts.append(int((size > 100 * tolerance * max(1.0, float(size.max()))).sum()))
    if sum(counts) < 2:  # a single number always is some factor times another
        return None
    if np.allclose(factors, -1):
        return "has the wrong sign", "Every number is minus what it should be."
    if np.allclose(factors, factors[0]):
        named = (word for number, word in _FACTORS.items() if math.isclose(number, factors[0], rel_tol=1e-6))
        word = next(named, f"{factors[0]:.4g} times")
        if "ln" in word:
            return f"is {word} what it should be", "Which base does your logarithm have, and which is asked for?"
        return (
            f"is {word} what it should be",
            "All numbers are off by this one factor, in every case. Where do you multiply or divide by a number?",
        )
    if max(counts) >= 2 and all(map(_is_share, factors)):
        shares = [round(1 / factor) for factor in factors]
        text = "Where do you divide, or take a mean?"
        if len(factors) == len(arrays):
            for code, lengths in sizes.items():
                if list(lengths) == shares:
                    return f"is divided by {code}", text
        told = ", ".join(map(str, sorted({share for share in shares if share > 1})))
        return f"is divided by a number that changes with the case ({told})", text
    return None


def _is_share(factor: float) -> bool:
    return 0 < factor <= 1 + 1e-6 and abs(1 / factor - round(1 / factor)) < 1e-6


def _axes(arrays: Pairs, tolerance: float, names: Sequence[str]) -> Explanation | None:
    """The axes in another order."""
    ndim = arrays[0][1].ndim
    if not 2 <= ndim <= 4 or any(right.ndim != ndim for _, right in arrays):
        return None
    for order in list(itertools.permutations(range(ndim)))[1:]:
        if all(_all_close(value, right.transpose(order), tolerance) for value, right in arrays):
            if ndim == 2:
                return "is transposed", "Its numbers are right, rows and columns are not."
            told = list(names) if len(names) == ndim else [f"axis {i}" for i in range(ndim)]
            text = f"Yours are {', '.join(told[i] for i in order)}; asked for are {', '.join(told)}."
            return "has its axes in another order", text
    return None


def _shape(arrays: Pairs, tolerance: float) -> Explanation | None:
    """Right numbers in another shape."""
    if not all(v.size == r.size and _all_close(v.reshape(r.shape), r, tolerance) for v, r in arrays):
        return None
    for value, right in arrays:
        if value.shape != right.shape:
            title = f"has the right numbers, but its shape is {value.shape} where {right.shape} should be"
            return title, "reshape changes it, or keepdims, or an index [:, 0]."
    return None


def _rows(arrays: Pairs, tolerance: float) -> Explanation | None:
    """One row too many or too few, at either end."""
    cuts: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], bool]], ...] = (
        ("has one row too many, at the start", lambda v, r: _all_close(v[1:], r, tolerance)),
        ("has one row too many, at the end", lambda v, r: _all_close(v[:-1], r, tolerance)),
        ("has one row too few: the first is missing", lambda v, r: _all_close(v, r[1:], tolerance)),
        ("has one row too few: the last is missing", lambda v, r: _all_close(v, r[:-1], tolerance)),
    )
    if not all(value.ndim and right.ndim for value, right in arrays):
        return None
    for title, fits in cuts:
        if all(fits(value, right) for value, right in arrays):
            return title, "All other rows are right."
    return None


def _reversed(arrays: Pairs, tolerance: float) -> Explanation | None:
    """The first axis backwards."""
    if all(v.ndim and r.ndim and _all_close(v[::-1], r, tolerance) for v, r in arrays):
        return "has its rows in reverse order", "The first should be last."
    return None


def _one_row_for_all(arrays: Pairs, tolerance: float) -> Explanation | None:
    """The last row in the place of all, as of a list that holds one array several times."""
    if not all(v.shape == r.shape and r.ndim > 1 and len(r) for v, r in arrays):
        return None
    if all(_all_close(v, np.broadcast_to(r[-1], r.shape), tolerance) for v, r in arrays):
        text = "Does a list hold one and the same array several times, which each step overwrites? Append a copy."
        return "holds the last row in the place of all rows", text
    return None


def _shifted(arrays: Pairs, tolerance: float) -> Explanation | None:
    """Rows that stand one place too late or too early, and would be wrong where they stand."""
    if not all(v.shape == r.shape and r.ndim for v, r in arrays) or max(len(r) for _, r in arrays) < 3:
        return None
    for title, mine, theirs in (
        ("has its rows one place too late", slice(1, None), slice(None, -1)),
        ("has its rows one place too early", slice(None, -1), slice(1, None)),
    ):
        moved = all(_all_close(value[mine], right[theirs], tolerance) for value, right in arrays)
        if moved and not all(_all_close(value[mine], right[mine], tolerance) for value, right in arrays):
            return title, _OFF_BY_ONE
    return None
