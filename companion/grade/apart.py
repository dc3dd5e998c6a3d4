"""Keep the exercises' answers out of the process in which a submission runs.

The child needs attempts.py and what that needs. It must not import ``companion.exercises`` itself, whose ``check``
brings the catalogue with all answers, and the submission must find a stand-in there that checks nothing, and only notes
what it was asked to check.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any

_EXERCISES = "companion.exercises"
_GRADE = "companion.grade"


@contextmanager
def without_checks() -> Iterator[None]:
    """Within, modules of ``companion.exercises`` can be imported without running the package's own first lines."""
    if _EXERCISES in sys.modules:  # a process that grades, or a test: nothing to keep out any more
        yield
        return
    companion = importlib.import_module("companion")
    spec = importlib.util.find_spec(_EXERCISES)
    if spec is None:
        raise ImportError(f"{_EXERCISES} is not installed")
    sys.modules[_EXERCISES] = package = ModuleType(_EXERCISES)
    package.__path__ = list(spec.submodule_search_locations or ())
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _belongs(name, _EXERCISES)]:
            del sys.modules[name]
        vars(companion).pop("exercises", None)


def set_apart(kept: Callable[[Any], Any] = lambda answer: answer) -> dict[str, Any]:
    """From here on the process knows only the stand-in; who imports more is told that it is not available.

    Args:
        kept: answer -> what is noted of it.

    Returns:
        What ``check`` was given last, by the id of the exercise; empty now, and filled as cells run.
    """
    noted: dict[str, Any] = {}

    def check(id: Any = None, answer: Any = _NO_ANSWER, *others: Any, **named: Any) -> Unsaid:
        """Notes the answer, and says nothing about it."""
        if isinstance(id, str) and answer is not _NO_ANSWER:
            noted[id] = kept(answer)
        return Unsaid()

    def cohort(name: Any = None) -> tuple[Any, Any, Any]:
        return check, _nothing, _nothing

    for name in [name for name in sys.modules if _belongs(name, _EXERCISES) or _belongs(name, _GRADE)]:
        del sys.modules[name]
    stand_in = ModuleType(_EXERCISES, "Stands for the exercises while a notebook is graded: its checks say nothing.")
    stand_in.__path__ = []  # a package still, of which nothing is found
    vars(stand_in).update(check=check, hint=_nothing, progress=_nothing, cohort=cohort)
    sys.modules[_EXERCISES] = stand_in
    companion = sys.modules["companion"]
    vars(companion).pop("grade", None)
    vars(companion)["exercises"] = stand_in
    sys.meta_path.insert(0, _Closed())
    return noted


class Unsaid:
    """What check, hint and progress return while a notebook is graded: nothing is said.

    It has the attributes of what they return else. A notebook may go on only where a check has passed, as this one
    seems to have; the marks are made elsewhere.
    """

    state = "passed"
    exercise = title = text = code = reward = why = then = ""
    step = count = 0
    cases: tuple[Any, ...] = ()
    findings: tuple[Any, ...] = ()
    rows: tuple[Any, ...] = ()
    inputs: Mapping[str, Any] = MappingProxyType({})
    diagnosis = next = None
    of_class = False

    def head(self) -> str:
        return ""

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "(not said while the notebook is graded)"


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


_NO_ANSWER = object()


def _nothing(*arguments: Any, **named: Any) -> Unsaid:
    """Says nothing."""
    return Unsaid()


class _Closed:
    """Refuses to find what a submission is not to import."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if _belongs(name, _EXERCISES) or _belongs(name, _GRADE):
            raise ModuleNotFoundError(f"{name} is not available while grading", name=name)

    def invalidate_caches(self) -> None:
        pass
