"""Keep the exercises' answers out of the process in which a submission runs.

The child needs attempts.py and what that needs. It must not import ``companion.exercises`` itself, whose ``check``
brings the catalogue with all answers, and the submission must find a stand-in there that checks nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
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


def set_apart() -> None:
    """From here on the process knows only the stand-in; who imports more is told that it is not available."""
    for name in [name for name in sys.modules if _belongs(name, _EXERCISES) or _belongs(name, _GRADE)]:
        del sys.modules[name]
    stand_in = ModuleType(_EXERCISES, "Stands for the exercises while a notebook is graded: its checks do nothing.")
    stand_in.__path__ = []  # a package still, of which nothing is found
    vars(stand_in).update(check=_nothing, hint=_nothing, progress=_nothing, cohort=_cohort)
    sys.modules[_EXERCISES] = stand_in
    companion = sys.modules["companion"]
    vars(companion).pop("grade", None)
    vars(companion)["exercises"] = stand_in
    sys.meta_path.insert(0, _Closed())


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _nothing(*arguments: Any, **named: Any) -> None:
    """Neither checks nor says anything."""


def _cohort(name: int | str) -> tuple[Any, Any, Any]:
    return _nothing, _nothing, _nothing


class _Closed:
    """Refuses to find what a submission is not to import."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if _belongs(name, _EXERCISES) or _belongs(name, _GRADE):
            raise ModuleNotFoundError(f"{name} is not available while grading", name=name)

    def invalidate_caches(self) -> None:
        pass
