"""Run the code cells of a notebook one by one, as a kernel would."""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from companion.exercises.attempts import is_students, last_line, place_of
from companion.exercises.limits import OutOfTime, within
from companion.grade.code import without_magics

_IMPORTS = (ast.Import, ast.ImportFrom)
LEAST = 0.05  # seconds for a cell, however little is left
SHORT = "not run, because more than half of the time was gone"


@dataclass(frozen=True)
class Cell:
    """A cell of code: its number in the notebook, its source, and whether answers may depend on it."""

    number: int
    source: str
    is_needed: bool = True


def new_namespace() -> dict[str, Any]:
    """Where cells run: the module ``__main__``, with what notebooks have besides."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    vars(module)["display"] = _display
    return vars(module)


def _display(*objects: Any, **options: Any) -> None:
    """Shows nothing: nobody looks."""


def run_cells(
    cells: Iterable[Cell],
    namespace: dict[str, Any],
    seconds: float,
    total: float,
    before: Callable[[int], None],
    problem: Callable[[int, str], None],
) -> None:
    """Run the cells, each for so many seconds at most; one that fails is reported, and the next one runs.

    No cell takes more than half of what is left of the total, and when half of the total is gone, only those run on
    which answers may depend: a few slow cells do not cost the others.
    """
    start = time.monotonic()
    for cell in cells:
        before(cell.number)
        left = total - (time.monotonic() - start)
        if left < total / 2 and not cell.is_needed:
            told = SHORT
        else:
            told = _run(cell.number, cell.source, namespace, min(seconds, max(left / 2, LEAST)))
        if told:
            problem(cell.number, told)


def _run(number: int, source: str, namespace: dict[str, Any], seconds: float) -> str:
    """Run a cell; '' or what went wrong."""
    missing: list[ImportError] = []

    def run() -> None:
        for code, is_import in compiled(number, source):
            try:
                exec(code, namespace)
            except ImportError as error:  # a package that is not here: what else stands in the cell may not need it
                if not is_import:
                    raise
                missing.append(error)

    try:
        within(seconds, run, is_students)
        if missing:
            raise missing[0]
        return ""
    except OutOfTime:
        return f"stopped after {seconds:.2g} seconds"
    except BaseException as error:  # SystemExit and KeyboardInterrupt among them: they end the cell
        error = missing[0] if missing and isinstance(error, NameError) else error
        place = place_of(error.__traceback__)
        return last_line(error) + (f" ({place})" if place else "")


def compiled(number: int, source: str) -> list[tuple[CodeType, bool]]:
    """The code of a cell, under a file name that tracebacks and `inspect` find: 'cell 7'.

    It comes in parts, so that an import can fail alone: for each part its code, and whether it only imports.
    """
    name = f"cell {number}"
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except SyntaxError:
        source = without_magics(source)
        code = compile(source, name, "exec", dont_inherit=True)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    body = ast.parse(source).body
    if len(body) < 2 or "__future__" in source:  # which changes what the lines below mean
        return [(code, False)]
    parts = [list(nodes) for _, nodes in itertools.groupby(body, lambda n: n if isinstance(n, _IMPORTS) else None)]
    return [
        (compile(ast.Module(nodes, []), name, "exec", dont_inherit=True), isinstance(nodes[0], _IMPORTS))
        for nodes in parts
    ]
