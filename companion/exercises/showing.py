"""The inputs of a case that went wrong, as code for a cell, and the shapes that came of them beside those asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from companion.exercises.attempts import Attempt, Returned
from companion.exercises.comparing import described, fitted, parts
from companion.exercises.judging import Rubric
from companion.exercises.report import Report

SMALL = 100  # entries of an array that is written out


def first_wrong(report: Report, attempt: Attempt) -> int:
    """The position of the case that a failed report is about first: one with wrong numbers, else with a side effect."""
    wrong = [position for position, (_, right) in enumerate(report.cases) if not right]
    changed = [i for i, outcome in enumerate(attempt.outcomes) if isinstance(outcome, Returned) and outcome.changed]
    return [*wrong, *changed, 0][0]


def shown(rubric: Rubric, attempt: Attempt, position: int) -> str:
    """The case at this position as lines that can be pasted into a cell: its inputs, the call, and the shapes."""
    case, exercise = rubric.cases[position], rubric.exercise
    large = any(_is_large(value) for value in case.arguments.values())
    lines = [f"# {exercise.id}, the case '{case.name}'"]
    lines += [f'inputs = check("{exercise.id}", {exercise.name}, show=True).inputs'] if large else []
    for name, value in case.arguments.items():
        if _is_large(value):
            lines.append(f'{name} = inputs["{name}"]  # {_shapes(value)}')
        else:
            lines.append(f"{name} = {as_code(value, len(name) + 3)}")
    lines.append(f"{exercise.name}({', '.join(case.arguments)})")
    if position < len(attempt.outcomes) and rubric.key.view is None:
        outcome = attempt.outcomes[position]
        if isinstance(outcome, Returned):
            lines += _beside(outcome.value, rubric.expected[position], rubric.key.returns)
    return "\n".join(lines)


def as_code(value: Any, column: int = 0) -> str:
    """An expression that gives this argument of a case again, to the last bit; it starts in this column of its line."""
    if isinstance(value, np.ndarray):
        return _array_code(value, column)
    if isinstance(value, np.generic):
        return as_code(value.item())
    if isinstance(value, dict):
        items = (f"    {name!r}: {as_code(item, len(repr(name)) + 6)},\n" for name, item in value.items())
        return f"{{\n{''.join(items)}}}"
    if isinstance(value, list | tuple):
        joined = ", ".join(as_code(item, column + 1) for item in value)
        return f"[{joined}]" if isinstance(value, list) else f"({joined}{',' * (len(value) == 1)})"
    return _finite(repr(value)) if isinstance(value, float) else repr(value)


def _array_code(array: np.ndarray, column: int) -> str:
    if array.size == 0:
        return f"np.zeros({array.shape}, dtype={str(array.dtype)!r})"
    listed, first = array.tolist(), column + len("np.array(")
    code = repr(listed)
    if array.dtype.kind != "U":  # numbers: a line for each row
        left = first + array.ndim
        code = re.sub(r"(\]+), (\[+)", lambda ends: f"{ends[1]},\n{ends[2]:>{left}}", code)
        code = _finite(code)
    dtype = "" if np.array(listed).dtype == array.dtype else f", dtype={str(array.dtype)!r}"
    return f"np.array({code}{dtype})"


def _finite(code: str) -> str:
    """The code of numbers, in which those that are not finite have NumPy's names."""
    return re.sub(r"\b(nan|inf)\b", r"np.\1", code)


def _is_large(value: Any) -> bool:
    return sum(np.size(part) for part in parts(value).values()) > SMALL


def _shapes(value: Any) -> str:
    """'shape (40, 3)', or of several 'W_x (40, 3), b (40,)'."""
    if isinstance(value, np.ndarray):
        return f"shape {value.shape}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shape(part)}" for name, part in parts(value).items())
    return described(value)


def _beside(value: Any, right: Any, returns: tuple[str, ...]) -> list[str]:
    """What came back beside what was asked for, part by part where the two have the same parts."""
    yours, asked = parts(fitted(value, right, returns)[0], returns), parts(right, returns)
    if list(yours) != list(asked):
        return [f"# yours is {described(value)}, asked is {described(right)}"]
    return [f"# {name}: yours {_shape(yours[name])}, asked {_shape(asked[name])}" for name in asked]


def _shape(value: Any) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) and value.ndim else described(value)
