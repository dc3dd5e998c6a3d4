"""All exercises: a module for each chapter, named after it.

The module ``index`` has what the first page shows how it goes with: it can be found, and is none of the exercises.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from companion.exercises.model import Cohort, Exercise
from companion.exercises.worked import order

INDEX = "index"


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise by its id: chapters in the order of their names, exercises in that of the notebooks."""
    found: dict[str, Exercise] = {}
    for chapter in sorted({info.name for info in pkgutil.iter_modules(__path__)} - {INDEX}):
        for exercise in order(_in_module(chapter)):
            if exercise.id in found:
                raise ValueError(f"two exercises have the id {exercise.id!r}")
            found[exercise.id] = exercise
    return found


@cache
def shown() -> dict[str, Exercise]:
    """What the first page shows, by its id."""
    return {exercise.id: exercise for exercise in _in_module(INDEX)}


def find(id: str, cohort: Cohort = None) -> Exercise:
    """The exercise with this id, or what the book's first page shows; a ValueError names those that look like it."""
    known = exercises() | (shown() if cohort is None else {})
    if id not in known:
        folded = {name.lower(): name for name in known}
        near = [folded[name] for name in difflib.get_close_matches(str(id).lower(), folded, n=3, cutoff=0.4)]
        raise ValueError(f"there is no exercise {id!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    return known[id]


def of_chapter(chapter: str) -> list[Exercise]:
    """The exercises of a chapter, in order; empty where it has none."""
    return [exercise for exercise in exercises().values() if exercise.chapter == chapter]


def _in_module(chapter: str) -> list[Exercise]:
    """What the module of a chapter defines."""
    module = importlib.import_module(f"{__name__}.{chapter}")
    return [item for item in vars(module).values() if isinstance(item, Exercise)]
