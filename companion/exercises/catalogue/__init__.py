"""All exercises: one module a chapter, whose name is the chapter's, each exercise one function in it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from companion.exercises.model import Exercise


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise by its id, chapter by chapter in the order of the modules' files."""
    found: dict[str, Exercise] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        contents = vars(importlib.import_module(f"{__name__}.{module}"))
        for item in contents.values():
            if isinstance(item, Exercise):
                if item.id in found and found[item.id] is not item:
                    raise ValueError(f"two exercises have the id {item.id!r}")
                found[item.id] = item
    return found


def find(id: str) -> Exercise:
    """The exercise with this id; a ValueError names those that look like it."""
    known = exercises()
    if id not in known:
        folded = {name.lower(): name for name in known}
        near = [folded[name] for name in difflib.get_close_matches(str(id).lower(), folded, n=3, cutoff=0.4)]
        raise ValueError(f"there is no exercise {id!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    return known[id]


def of_chapter(chapter: str) -> list[Exercise]:
    """The exercises of a chapter, in order; empty where it has none."""
    return [exercise for exercise in exercises().values() if exercise.chapter == chapter]
