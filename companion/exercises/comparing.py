"""Compare two returned values part by part: their form first, then their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from companion.exercises.attempts import Foreign

FLOAT32 = 1e-5  # the tolerance where a student computes in float32, which is a finding of its own
DIGITS, MOST_DIGITS = 5, 17
LONGEST_TEXT = 60  # characters of a text that a report shows

RESULT = "result"  # what the only part of a single result is called


@dataclass(frozen=True)
class Misfit:
    """A value that has not the form of the right one: ``where`` it is, and what is wrong with it.

    ``only_kind``: only the kind of number or of container is another, so that the values can be compared; ``as_good``:
    that does not matter where a value is asked for.
    """

    where: str
    problem: str
    only_kind: bool = False
    as_good: bool = False


@dataclass(frozen=True)
class Difference:
    """The first entry that differs.

    Attributes:
        part: the part in which it stands.
        index: where in that part; () for a number or a text.
        yours, right: the two entries as text.
        count, size: how many entries of the part differ, and how many it has.
    """

    part: str
    index: tuple[int, ...]
    yours: str
    right: str
    count: int
    size: int


def parts(value: Any, returns: Sequence[str] = ()) -> dict[str, Any]:
    """The numbers, texts and arrays of a value by name: dictionaries by key, tuples by ``returns`` or position."""
    return dict(_parts(value, "", returns)) if isinstance(value, dict | list | tuple) else {RESULT: value}


def _parts(value: Any, name: str, returns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(item, f"{name}.{key}" if name else str(key), ())
    elif isinstance(value, list | tuple):
        for part, item in zip(_names(value, returns, name), value, strict=True):
            yield from _parts(item, part, ())
    else:
        yield name, value


def _names(value: Sequence[Any], returns: Sequence[str], name: str) -> Sequence[str]:
    """What the items of a tuple or list are called."""
    return returns if len(returns) == len(value) else [f"{name or RESULT}[{i}]" for i in range(len(value))]


def fitted(value: Any, right: Any, returns: Sequence[str] = (), name: str = "") -> tuple[Any, list[Misfit]]:
    """The value brought into the form of the right one as far as nothing is lost, and what does not fit.

    A list passes for a tuple, an array for a tuple of numbers, texts or tuples, a single number of any kind for
    any other but float32, and whole numbers of any length for others. Lists in place of arrays, one array in place of a
    tuple of arrays, single numbers that come as arrays of one, tensors and generators are brought into form, and named
    as misfits.

    Args:
        value: what was handed in.
        right: what should have been.
        returns: names of the parts of a tuple, as in :func:`parts`.
        name: of the part that is looked at; '' for the whole.
    """
    where = name or RESULT
    if isinstance(value, Foreign):
        if isinstance(right, Foreign) and value == right:
            return value, []
        told = f"is {value.kind}, where {described(right)} should be"
        if value.holds is not None and not isinstance(right, Foreign):
            held, misfits = fitted(value.holds, right, returns, name)
            if all(misfit.only_kind for misfit in misfits):
                return held, [Misfit(where, told, True)]
        return value, [Misfit(where, told)]
    if value is ...:
        return value, [Misfit(where, "is still three dots")]
    if value is None and right is not None:
        return value, [Misfit(where, "is None: is a return missing?")]
    if isinstance(right, dict):
        return _fitted_dictionary(value, right, name)
    if isinstance(right, list | tuple):
        return _fitted_sequence(value, right, returns, name)
    if isinstance(right, np.ndarray) and right.ndim:
        return _fitted_array(value, right, where)
    return _fitted_single(value, right, where)


def _fitted_dictionary(value: Any, right: Mapping[str, Any], name: str) -> tuple[Any, list[Misfit]]:
    where = name or RESULT
    if not isinstance(value, dict):
        return value, [Misfit(where, f"is {described(value)}, where a dictionary with {', '.join(right)} should be")]
    missing = [key for key in right if key not in value]
    extra = [key for key in value if key not in right]
    if missing or extra:
        told = [f"lacks {', '.join(missing)}"] if missing else []
        told += [f"has {', '.join(extra)}, which nobody asked for"] if extra else []
        return value, [Misfit(where, " and ".join(told))]
    found = {key: fitted(value[key], right[key], (), f"{name}.{key}" if name else key) for key in right}
    return {key: item for key, (item, _) in found.items()}, [m for _, misfits in found.values() for m in misfits]


def _fitted_sequence(value: Any, right: Sequence[Any], returns: Sequence[str], name: str) -> tuple[Any, list[Misfit]]:
    where = name or RESULT
    named = f": {', '.join(returns)}" if len(returns) == len(right) else ""
    told = Misfit(where, f"is {described(value)}, where a tuple of {len(right)} should be{named}")
    stacked = isinstance(value, np.ndarray) and value.ndim and len(value) == len(right)
    if isinstance(value, np.ndarray) and value.ndim and (stacked or not _holds_arrays(right)):
        value = list(value)
    if not isinstance(value, list | tuple):
        return value, [told]
    if len(value) != len(right):
        return value, [Misfit(where, f"has {_count(value)}, where {len(right)} should be")]
    found = [fitted(v, r, (), n) for v, r, n in zip(value, right, _names(right, returns, name), strict=True)]
    misfits = [m for _, misfits in found for m in misfits]
    if stacked and _holds_arrays(right):  # one array may stand for a pair, but is told of
        misfits = [replace(told, only_kind=all(m.only_kind for m in misfits))]
    return type(right)(item for item, _ in found), misfits  # type: ignore[call-arg]


def _fitted_array(value: Any, right: np.ndarray, where: str) -> tuple[Any, list[Misfit]]:
    misfits = []
    if isinstance(value, list | tuple):
        try:
            array = np.array(value)
        except ValueError:
            return value, [Misfit(where, f"is a {type(value).__name__} of rows that differ in length")]
        if array.shape != right.shape:
            comma = ": is there a comma after what is returned?" if isinstance(value, tuple) and len(value) == 1 else ""
            return value, [Misfit(where, f"is {described(value)}, where {described(right)} should be{comma}")]
        misfits.append(Misfit(where, f"is a {type(value).__name__}, where an array should be", True, True))
        value = array
    if isinstance(value, dict | str) or _is_single(value):
        return value, [Misfit(where, f"is {described(value)}, where {described(right)} should be")]
    value = np.asarray(value)
    if _kind(value) != _kind(right):
        misfits.append(Misfit(where, f"is an array of {value.dtype}, where one of {right.dtype} should be", True, True))
    if value.shape != right.shape:
        misfits.append(Misfit(where, f"has shape {value.shape}, where {right.shape} should be"))
    return value, misfits


def _fitted_single(value: Any, right: Any, where: str) -> tuple[Any, list[Misfit]]:
    if isinstance(right, str) or right is None:
        fits = isinstance(value, str) or value is None
        return value, [] if fits else [Misfit(where, f"is {described(value)}, where {described(right)} should be")]
    if isinstance(value, str) or not _is_single(value):
        told = f"is {described(value)}, where {described(right)} should be"
        while isinstance(value, list | tuple | np.ndarray) and not _is_single(value) and len(value) == 1:
            value = value[0]
        return value, [Misfit(where, told, _is_single(value) and not isinstance(value, str) and value is not None)]
    if isinstance(value, np.ndarray | np.generic) and value.dtype in (np.float32, np.float16):
        return value, [Misfit(where, f"is a {value.dtype}, where a float64 should be", True, True)]
    return value, []


def _holds_arrays(values: Sequence[Any]) -> bool:
    return not all(isinstance(value, list | tuple) or _is_single(value) for value in values)


def _count(values: Sequence[Any]) -> str:
    return f"{len(values)} value{'s' * (len(values) != 1)}"


def _is_single(value: Any) -> bool:
    """Whether a value is one number, one text or None, and no collection of these."""
    return not isinstance(value, dict | list | tuple | Foreign) and np.ndim(value) == 0


def _kind(array: np.ndarray) -> tuple[str, int]:
    """The kind of numbers in an array. How long whole numbers are differs between systems, and texts have no length."""
    kind = "i" if array.dtype.kind == "u" else array.dtype.kind
    return kind, array.dtype.itemsize if kind in "fc" else 0


def described(value: Any) -> str:
    """'an array of shape (3, 2)', 'a tuple of 2', 'a text': what a report calls a value."""
    if value is None or value is ...:
        return "None" if value is None else "three dots"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Foreign):
        return value.kind
    return "a single number"


def differences(value: Any, right: Any, tolerance: float, returns: Sequence[str] = ()) -> list[Difference]:
    """The first difference of each part that differs; both values have one form (see :func:`fitted`)."""
    return list(_differing(value, right, tolerance, returns))


def _differing(value: Any, right: Any, tolerance: float, returns: Sequence[str]) -> Iterator[Difference]:
    yours, rights = parts(value, returns), parts(right, returns)
    found = (difference(name, yours.get(name), rights[name], tolerance) for name in rights)
    return (item for item in found if item is not None)


def difference(name: str, yours: Any, right: Any, tolerance: float) -> Difference | None:
    """Where two parts first differ; None where they agree."""
    if any(isinstance(value, str | Foreign) or value is None or value is ... for value in (yours, right)):
        alike = not isinstance(yours, np.ndarray) and not isinstance(right, np.ndarray) and yours == right
        return None if alike else Difference(name, (), entry(yours), entry(right), 1, 1)
    if not isinstance(yours, np.ndarray) and not _is_single(yours) or np.shape(yours) != np.shape(right):
        return Difference(name, (), described(yours), described(right), 1, 1)
    wrong = ~close(np.asarray(yours), np.asarray(right), tolerance)
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    told = entries(np.asarray(yours)[index], np.asarray(right)[index])
    return Difference(name, index, *told, int(wrong.sum()), int(wrong.size))


def close(yours: np.ndarray, right: np.ndarray, tolerance: float) -> np.ndarray:
    """Entry by entry: whether they differ by at most the tolerance, beside the largest right entry or 1. NaN is NaN.

    Whole numbers are right or wrong, however large they are.
    """
    kinds = yours.dtype.kind + right.dtype.kind
    if not set(kinds) <= set("biufc") or set(kinds) <= set("biu"):
        return np.asarray(yours == right)
    if yours.dtype in (np.float32, np.float16):
        tolerance = max(tolerance, FLOAT32)
    wide = complex if "c" in kinds else float
    finite = np.abs(right[np.isfinite(right)].astype(wide))
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    with np.errstate(all="ignore"):
        near = np.abs(yours.astype(wide) - right.astype(wide)) <= tolerance * scale
    return np.asarray(near | (yours == right) | (np.isnan(yours) & np.isnan(right)))


def entries(yours: Any, right: Any) -> tuple[str, str]:
    """Two entries that differ as a report shows them: with five digits, or as many as it takes to see it."""
    pairs = ((entry(yours, digits), entry(right, digits)) for digits in range(DIGITS, MOST_DIGITS + 1))
    return next((pair for pair in pairs if pair[0] != pair[1]), (entry(yours), entry(right)))


def entry(value: Any, digits: int = DIGITS) -> str:
    """One entry as a report shows it: whole numbers and truth values as they are, others with so many digits."""
    if isinstance(value, str):
        text = repr(str(value))
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        text = f"{value:.{digits}g}"
        return "0" if text == "-0" else text
    return str(value) if isinstance(value, int | np.integer | np.bool_) else described(value)


def same(value: Any, right: Any, tolerance: float, returns: Sequence[str] = ()) -> bool:
    """Whether two values have one form and agree in every part."""
    brought, misfits = fitted(value, right, returns)
    return all(misfit.only_kind for misfit in misfits) and not any(_differing(brought, right, tolerance, returns))
