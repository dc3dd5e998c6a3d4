"""Compare two returned values part by part: their form first, then their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.attempts import Foreign

FLOAT32 = 1e-5  # the tolerance where a student computes in float32, which is a finding of its own
DIGITS = 5

RESULT = "result"  # what the only part of a single result is called


@dataclass(frozen=True)
class Misfit:
    """A value that has not the form of the right one: ``where`` it is, and what is wrong with it.

    ``only_kind``: only the kind of number or of container is another, so that the values can be compared.
    """

    where: str
    problem: str
    only_kind: bool = False


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
        named = returns if len(returns) == len(value) else [f"{name or RESULT}[{i}]" for i in range(len(value))]
        for part, item in zip(named, value, strict=True):
            yield from _parts(item, part, ())
    else:
        yield name, value


def fitted(value: Any, right: Any, name: str = "") -> tuple[Any, list[Misfit]]:
    """The value brought into the form of the right one as far as nothing is lost, and what does not fit.

    A list passes for a tuple, a one-dimensional array for a tuple of numbers, and any kind of number for any other.
    Lists in place of arrays, and single numbers that come as arrays of one, are brought into form and named as misfits.
    """
    where = name or RESULT
    if isinstance(value, Foreign):
        return value, [Misfit(where, f"is {value.kind}")]
    if value is ...:
        return value, [Misfit(where, "is still three dots")]
    if value is None and right is not None:
        return value, [Misfit(where, "is None: is a return missing?")]
    if isinstance(right, dict):
        return _fitted_dictionary(value, right, name)
    if isinstance(right, list | tuple):
        return _fitted_sequence(value, right, name)
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
    found = {key: fitted(value[key], right[key], f"{name}.{key}" if name else key) for key in right}
    return {key: item for key, (item, _) in found.items()}, [m for _, misfits in found.values() for m in misfits]


def _fitted_sequence(value: Any, right: Sequence[Any], name: str) -> tuple[Any, list[Misfit]]:
    where = name or RESULT
    if isinstance(value, np.ndarray) and value.ndim == 1 and all(np.ndim(item) == 0 for item in right):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return value, [Misfit(where, f"is {described(value)}, where {len(right)} values should be")]
    if len(value) != len(right):
        return value, [Misfit(where, f"has {len(value)} values, where {len(right)} should be")]
    found = [fitted(v, r, f"{where}[{i}]") for i, (v, r) in enumerate(zip(value, right, strict=True))]
    return type(right)(item for item, _ in found), [m for _, misfits in found for m in misfits]  # type: ignore[call-arg]


def _fitted_array(value: Any, right: np.ndarray, where: str) -> tuple[Any, list[Misfit]]:
    misfits = []
    if isinstance(value, list | tuple):
        try:
            value = np.array(value)
        except ValueError:
            return value, [Misfit(where, f"is a {type(value).__name__} of rows that differ in length")]
        misfits.append(Misfit(where, "is a list, where an array should be", True))
    if isinstance(value, dict | str):
        return value, [Misfit(where, f"is {described(value)}, where an array should be")]
    value = np.asarray(value)
    if value.dtype != right.dtype:
        misfits.append(Misfit(where, f"is an array of {value.dtype}, where one of {right.dtype} should be", True))
    if value.shape != right.shape:
        misfits.append(Misfit(where, f"has shape {value.shape}, where {right.shape} should be"))
    return value, misfits


def _fitted_single(value: Any, right: Any, where: str) -> tuple[Any, list[Misfit]]:
    if isinstance(right, np.ndarray):
        right = right[()]
    if isinstance(right, str) or right is None:
        fits = isinstance(value, str) or value is None
        return value, [] if fits else [Misfit(where, f"is {described(value)}, where a text should be")]
    if isinstance(value, list | tuple | np.ndarray) and np.size(value) == 1 and np.ndim(value):
        return np.ravel(value)[0], [Misfit(where, f"is {described(value)}, where a single number should be")]
    if isinstance(value, dict | str | list | tuple) or np.ndim(value):
        return value, [Misfit(where, f"is {described(value)}, where a single number should be")]
    kind = np.asarray(value).dtype
    if kind in (np.float32, np.float16):
        return value, [Misfit(where, f"is a {kind}, where a float64 should be", True)]
    return value, []


def described(value: Any) -> str:
    """'an array of shape (3, 2)', 'a tuple of 2', 'a text': what a report calls a value."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Foreign):
        return value.kind
    return "None" if value is None else "a single number"


def differences(value: Any, right: Any, tolerance: float, returns: Sequence[str] = ()) -> list[Difference]:
    """The first difference of each part that differs; both values have one form (see :func:`fitted`)."""
    yours, rights = parts(value, returns), parts(right, returns)
    found = (difference(name, yours.get(name), rights[name], tolerance) for name in rights)
    return [item for item in found if item is not None]


def difference(name: str, yours: Any, right: Any, tolerance: float) -> Difference | None:
    """Where two parts first differ; None where they agree."""
    if isinstance(right, str) or right is None or isinstance(yours, str) or yours is None:
        return None if yours == right else Difference(name, (), repr(yours), repr(right), 1, 1)
    if isinstance(yours, Foreign | dict | list | tuple) or np.shape(yours) != np.shape(right):
        return Difference(name, (), described(yours), described(right), 1, 1)
    wrong = ~close(np.asarray(yours), np.asarray(right), tolerance)
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    return Difference(
        name,
        index,
        entry(np.asarray(yours)[index]),
        entry(np.asarray(right)[index]),
        int(wrong.sum()),
        int(wrong.size),
    )


def close(yours: np.ndarray, right: np.ndarray, tolerance: float) -> np.ndarray:
    """Entry by entry: whether they differ by at most the tolerance, beside the largest right entry or 1. NaN is NaN."""
    if yours.dtype.kind not in "biufc" or right.dtype.kind not in "biufc":
        return np.asarray(yours == right)
    if yours.dtype in (np.float32, np.float16):
        tolerance = max(tolerance, FLOAT32)
    finite = np.abs(right[np.isfinite(right)].astype(complex))
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    with np.errstate(all="ignore"):
        near = np.abs(yours.astype(complex) - right.astype(complex)) <= tolerance * scale
    return np.asarray(near | (yours == right) | (np.isnan(yours) & np.isnan(right)))


def entry(value: Any) -> str:
    """One entry as a report shows it: whole numbers and truth values as they are, others with five digits."""
    value = np.asarray(value)[()]
    if np.asarray(value).dtype.kind in "biuU":
        return str(value)
    text = f"{value:.{DIGITS}g}"
    return "0" if text in ("-0", "0") else text


def same(value: Any, right: Any, tolerance: float, returns: Sequence[str] = ()) -> bool:
    """Whether two values have one form and agree in every part."""
    brought, misfits = fitted(value, right)
    return all(misfit.only_kind for misfit in misfits) and not differences(brought, right, tolerance, returns)
