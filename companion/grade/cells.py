"""Run the code cells of a notebook one by one, as a kernel would."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, ModuleType
from typing import Any

from companion.exercises.attempts import is_students, last_line, place_of
from companion.exercises.limits import OutOfTime, within

_PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands under them is Python


def new_namespace() -> dict[str, Any]:
    """Where cells run: the module ``__main__``, with what notebooks have besides."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    vars(module)["display"] = _display
    return vars(module)


def _display(*objects: Any, **options: Any) -> None:
    """Shows nothing: nobody looks."""


def run_cells(
    cells: Iterable[Sequence[Any]],
    namespace: dict[str, Any],
    seconds: float,
    before: Callable[[int], None],
    problem: Callable[[int, str], None],
) -> None:
    """Run the cells, each for so many seconds at most; one that fails is reported, and the next one runs."""
    for number, source in cells:
        before(number)
        told = _run(number, source, namespace, seconds)
        if told:
            problem(number, told)


def _run(number: int, source: str, namespace: dict[str, Any], seconds: float) -> str:
    """Run a cell; '' or what went wrong."""
    try:
        within(seconds, lambda: exec(compiled(number, source), namespace), is_students)
        return ""
    except OutOfTime:
        return f"stopped after {seconds:g} seconds"
    except BaseException as error:  # SystemExit and KeyboardInterrupt among them: they end the cell
        place = place_of(error.__traceback__)
        return last_line(error) + (f" ({place})" if place else "")


def compiled(number: int, source: str) -> CodeType:
    """The code of a cell, under a file name that tracebacks and `inspect` find: 'cell 7'."""
    name = f"cell {number}"
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except SyntaxError:
        source = without_magics(source)
        code = compile(source, name, "exec", dont_inherit=True)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return code


def without_magics(source: str) -> str:
    """The cell without lines for IPython (%matplotlib inline, !pip install, f?); the numbers of lines stay.

    A cell that is not Python at all (%%bash, %%html) becomes empty.
    """
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "").strip()
    if first.startswith("%%") and first.split()[0] not in _PYTHON_MAGICS:
        return ""
    return "\n".join(_python(line) for line in lines)


def _python(line: str) -> str:
    text = line.strip()
    if not text.startswith(("%", "!", "?")) and not text.endswith("?"):
        return line
    return f"{line[: len(line) - len(line.lstrip())]}pass"  # keeps a block from being empty
