"""Call a student's answer, and write down what came of it; whether that is right is judged elsewhere.

This module knows no expected values, so that it can run in a process that holds none (companion/grade).
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import io
import itertools
import linecache
import math
import os
import textwrap
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import EllipsisType, GeneratorType, TracebackType
from typing import Any

import numpy as np

from companion.exercises.limits import OutOfTime, within
from companion.exercises.model import Case

SECONDS = (
    5.0  # for all cases of an exercise together: a right answer takes milliseconds, a first `import torch` seconds
)
LONGEST_MESSAGE = 300  # characters
LARGEST_INTEGER = 1000  # bits; a float holds the size of these
DEEPEST = 20  # of lists within lists; an array has at most 64 axes, and an answer a few
LONGEST_RUN = 1000  # items that are taken from a generator

_RUNNING: dict[type, str] = {GeneratorType: "a generator", map: "a map", filter: "a filter", zip: "a zip"}

# folders of code that is not the student's: companion, NumPy, Python's own (in a browser, these lie in a zip)
_LIBRARIES = tuple(
    os.path.normcase(os.path.join(os.path.dirname(file), ""))
    for file in (os.path.dirname(__file__), np.__file__, traceback.__file__)
)
_PACKAGES = ("site-packages", "dist-packages")  # wherever they lie


@dataclass(frozen=True)
class Foreign:
    """Stands for a returned object that is no number, array, text or collection of these.

    ``holds``: the numbers that can be read from it all the same, as from a tensor or a generator; None if none can.
    """

    kind: str
    holds: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Returned:
    """The value that a call gave, and the arguments that it changed."""

    value: Any
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raised:
    """The last line of the exception, and where in the student's code: 'line 3, in dW_xh: return dh @ x'."""

    message: str
    place: str = ""


@dataclass(frozen=True)
class Endless:
    """The call was stopped after so many seconds; where in the student's code, as in :class:`Raised`."""

    seconds: float
    place: str = ""


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
    if not cases and callable(answer):
        return Attempt((Missing("a value is asked for, and this is a function; call it, and hand in the result"),))
    if not cases:
        outcome, _ = _call(lambda: answer, Case("the value", {}), seconds, is_first=True)
        dots = isinstance(outcome, Returned) and _holds_ellipsis(outcome.value)
        return Attempt((outcome,), unfinished="..." if dots else "")
    if not callable(answer):
        reason = f"a function is asked for, and this is {_named(answer)}; hand in the function, without calling it"
        return Attempt((Missing(reason),))
    outcomes: list[Outcome] = []
    left = seconds
    for case in cases:
        outcome, took = _call(answer, case, left, is_first=not outcomes)
        outcomes.append(replace(outcome, seconds=seconds) if isinstance(outcome, Endless) else outcome)
        left = max(left - took, 0.01)
        if isinstance(outcome, Endless):
            break
    again = None if isinstance(outcomes[-1], Endless) else _call(answer, cases[0], left)[0]
    dots = any(isinstance(outcome, Returned) and _holds_ellipsis(outcome.value) for outcome in outcomes)
    return Attempt(tuple(outcomes), again, unfinished(answer) or ("..." if dots else ""))


def plain(value: Any) -> Any:
    """A copy of numbers, texts, None, arrays, and of tuples, lists and dictionaries of these; else Foreign."""
    return _plain(value, DEEPEST)


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, np.str_):
        return str(value)
    if type(value) is int and value.bit_length() > LARGEST_INTEGER:
        return Foreign(f"a whole number of about {int(value.bit_length() * math.log10(2)) + 1} digits")
    if value is None or value is ... or type(value) in (bool, int, float, complex, str, Foreign):
        return value
    if isinstance(value, np.ndarray | np.generic):
        kept = np.array(value)
        return kept if kept.dtype.kind in "biufcU" else Foreign(f"an array of type {kept.dtype}")
    if isinstance(value, dict | list | tuple) and not depth:
        return Foreign(f"a {type(value).__name__} nested too deeply")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            return Foreign("a dictionary whose keys are not all texts")
        return {str(name): _plain(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item, depth - 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return Foreign(f"an object of type {type(value).__name__}", _read(value))


def _read(value: Any) -> Any:
    """The numbers of an object that NumPy can read, such as a tensor; None if there are none."""
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception:  # of an object of the student's, any
        return None
    return array.copy() if array.dtype.kind in "biufc" else None


def _run(value: Any) -> Any:
    """What a call gave; what runs only when it is asked for, such as a generator, is run and noted as foreign."""
    if type(value) not in _RUNNING:
        return value
    return Foreign(_RUNNING[type(value)], plain(list(itertools.islice(value, LONGEST_RUN))))


def unfinished(answer: Any) -> str:
    """The first line of a function that still is a stub's `name = ...` or `return ...`; '' if there is none.

    Nor is there one where the source cannot be had.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(answer)))
    except Exception:  # inspect raises a good many kinds, and an object of the student's any
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr):
            if isinstance(node.value, ast.Constant) and node.value.value is ...:
                return ast.unparse(node)
    return ""


def is_students(file: str) -> bool:
    """Whether the code in a file of this name is the student's own."""
    folder = os.path.normcase(os.path.dirname(file))
    if any(name in folder for name in _PACKAGES):
        return False
    return not os.path.join(folder, "").startswith(_LIBRARIES) and not file.startswith("<frozen")


def last_line(error: BaseException) -> str:
    """'ValueError: …', without the traceback and on one line."""
    told = traceback.TracebackException(type(error), error, None, compact=True)
    told.__notes__ = None  # they would come after the message
    return shortened([*told.format_exception_only()][-1])


def shortened(text: str) -> str:
    """The text on one line of printable characters, of at most ``LONGEST_MESSAGE``."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 10 * LONGEST_MESSAGE]).split())
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def place_of(trace: TracebackType | None) -> str:
    """The deepest line of the student's own code in a traceback, as text; '' if there is none."""
    place = ""
    for frame, line in traceback.walk_tb(trace):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if is_students(file):
            source = shortened(linecache.getline(file, line))
            place = f"line {line}" + ("" if name == "<module>" else f", in {name}") + (f": {source}" if source else "")
    return place


def _call(answer: Callable[..., Any], case: Case, seconds: float, *, is_first: bool = False) -> tuple[Outcome, float]:
    """What one call gives, and how many seconds it took. Only what the first call prints is shown."""
    given = copy.deepcopy(dict(case.arguments))
    start = time.monotonic()
    try:
        silence = contextlib.nullcontext() if is_first else contextlib.redirect_stdout(io.StringIO())
        with silence, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a NaN is reported as one
            value = within(seconds, lambda: _run(answer(*given.values())), is_students)
        changed = tuple(name for name, array in given.items() if not _same(array, case.arguments[name]))
        return Returned(plain(value), changed), time.monotonic() - start
    except OutOfTime as stop:
        return Endless(seconds, place_of(stop.__traceback__)), time.monotonic() - start
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
    return type(left) is type(right) and (left is right or bool(left == right))  # a NaN is itself


def _holds_ellipsis(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_ellipsis, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_ellipsis, value))
    return isinstance(value, EllipsisType)


def _named(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, float | str) or (isinstance(value, int) and value.bit_length() <= LARGEST_INTEGER):
        return shortened(f"the value {value!r}")
    return f"an object of type {type(value).__name__}"
