"""Call a student's answer, and write down what came of it; whether that is right is judged elsewhere.

This module knows no expected values, so that it can run in a process that holds none (companion/grade).
"""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import sysconfig
import textwrap
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any

import numpy as np

from companion.exercises.limits import OutOfTime, within
from companion.exercises.model import Case

SECONDS = 2.0  # for all cases of an exercise together; a right answer takes some milliseconds
LONGEST_MESSAGE = 300  # characters

# code that is not the student's: companion, NumPy and other packages, Python's own
_OURS = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Foreign:
    """Stands for a returned object that is no number, array, text or collection of these."""

    kind: str


@dataclass(frozen=True)
class Returned:
    """The value that a call gave, and the arguments that it changed."""

    value: Any
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raised:
    """The last line of the exception, and where in the student's code: 'line 3 of dW_xh: return dh @ x'."""

    message: str
    place: str = ""


@dataclass(frozen=True)
class Endless:
    """The call was stopped after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Missing:
    """There is no answer: what was handed in cannot be called, or (in grading) nothing was."""

    reason: str


Outcome = Returned | Raised | Endless | Missing


@dataclass(frozen=True)
class Attempt:
    """An answer and what came of it.

    Attributes:
        outcomes: one for each case; one alone where a value is asked for. Calls end at the first that does not.
        again: a second call of the first case, which should give the same.
        unfinished: the first line of the answer that still is the stub's, '' if none is.
    """

    outcomes: tuple[Outcome, ...]
    again: Outcome | None = None
    unfinished: str = ""


def attempt(answer: Any, cases: Sequence[Case], seconds: float = SECONDS) -> Attempt:
    """Call the answer once a case, on copies of the arguments; without cases, the answer is the value itself.

    Raises:
        KeyboardInterrupt: when the student stops it by hand.
    """
    if answer is ...:
        return Attempt((), unfinished="...")
    if not cases:
        if callable(answer):
            return Attempt((Missing("a value is asked for, and this is a function; call it, and hand in the result"),))
        value = plain(answer)
        return Attempt((Returned(value),), unfinished="..." if _holds_ellipsis(value) else "")
    if not callable(answer):
        return Attempt(
            (
                Missing(
                    f"a function is asked for, and this is {_named(answer)}; hand in the function, without calling it"
                ),
            )
        )
    outcomes: list[Outcome] = []
    left = seconds
    for case in cases:
        outcome, took = _call(answer, case, left)
        outcomes.append(replace(outcome, seconds=seconds) if isinstance(outcome, Endless) else outcome)
        left = max(left - took, 0.01)
        if isinstance(outcome, Endless):
            return Attempt(tuple(outcomes), unfinished=unfinished(answer))
    return Attempt(tuple(outcomes), _call(answer, cases[0], left)[0], unfinished(answer))


def plain(value: Any) -> Any:
    """A copy of the value of numbers, texts, None, arrays, tuples, lists and dictionaries; else Foreign."""
    if value is None or value is ... or type(value) in (bool, int, float, complex, str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        kept = np.array(value)
        return kept if kept.dtype.kind in "biufcU" else Foreign(f"an array of {kept.dtype}")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            return Foreign("a dictionary whose keys are not all texts")
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return Foreign(_named(value))


def unfinished(answer: Any) -> str:
    """The first line of a function that still is a stub's `name = ...` or `return ...`; '' if there is none."""
    try:
        lines = inspect.getsource(answer)
        tree = ast.parse(textwrap.dedent(lines))
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr):
            if isinstance(node.value, ast.Constant) and node.value.value is ...:
                return ast.unparse(node)
    return ""


def is_students(file: str) -> bool:
    """Whether the code in a file of this name is the student's own."""
    return not file.startswith((_OURS, *_LIBRARIES)) and not file.startswith("<frozen")


def last_line(error: BaseException) -> str:
    """'ValueError: …', without the traceback."""
    try:
        text = traceback.format_exception_only(error)[-1].strip()
    except Exception:  # an exception whose own __str__ fails
        text = type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def place_of(trace: TracebackType | None) -> str:
    """The deepest line of the student's own code in a traceback, as text; '' if there is none."""
    place = ""
    for frame, line in traceback.walk_tb(trace):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if is_students(file):
            source = linecache.getline(file, line).strip()
            place = f"line {line}" + ("" if name == "<module>" else f", in {name}") + (f": {source}" if source else "")
    return place


def _call(answer: Callable[..., Any], case: Case, seconds: float) -> tuple[Outcome, float]:
    """What one call gives, and how many seconds it took."""
    given = copy.deepcopy(dict(case.arguments))
    start = time.monotonic()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a NaN is reported as one
            value = within(seconds, lambda: answer(*given.values()), is_students)
        changed = tuple(name for name, array in given.items() if not _same(array, case.arguments[name]))
        return Returned(plain(value), changed), time.monotonic() - start
    except OutOfTime:
        return Endless(seconds), time.monotonic() - start
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit among them: it ends the answer, not the notebook
        return Raised(last_line(error), place_of(error.__traceback__)), time.monotonic() - start


def _same(left: Any, right: Any) -> bool:
    """Whether two arguments hold the same, NaNs and types included."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        return bool(np.array_equal(left, right, equal_nan=left.dtype.kind in "fc"))
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and bool(left == right)


def _holds_ellipsis(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_ellipsis, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_ellipsis, value))
    return isinstance(value, EllipsisType)


def _named(value: Any) -> str:
    name = type(value).__name__
    return f"an object of type {name}" if not isinstance(value, int | float | str) else f"the value {value!r}"
