"""The worked solutions, and the chapters in order: tools/exercise_notebooks.py takes both from exercises/text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from companion.exercises.model import Cohort, Exercise, Key, key, options

_PLACE = re.compile(r"«(\w+)»")


@cache
def _stored() -> dict[str, Any]:
    text = (resources.files("companion.exercises") / "worked.json").read_text(encoding="utf-8")
    stored: dict[str, Any] = json.loads(text)
    return stored


def chapters() -> dict[str, str]:
    """The chapters that have exercises, in the order of the book: file name -> title."""
    return dict(_stored()["chapters"])


def order(exercises: Iterable[Exercise]) -> list[Exercise]:
    """The exercises in the order in which the notebooks have them; those that are not stored come last, as they are.

    Where the file is missing or damaged, none is: so it can be made anew.
    """
    try:
        place = {id: position for position, id in enumerate(_stored()["solutions"])}
    except (OSError, ValueError):
        place = {}
    return sorted(exercises, key=lambda exercise: place.get(exercise.id, len(place)))


def solution(exercise: Exercise, cohort: Cohort = None) -> tuple[str, str]:
    """The code of the worked solution, and why it is right, for a cohort's question."""
    entry = _stored()["solutions"][exercise.id]
    words = wording(key(exercise, cohort), options(exercise, cohort))
    return fill(entry["code"], words), fill(entry["why"], words)


def wording(answers: Key, chosen: Mapping[str, Any]) -> dict[str, str]:
    """What replaces each «name» in the text of an exercise."""
    plain = {name: str(option) for name, option in chosen.items() if isinstance(option, str | int)}
    return {**plain, **answers.words}


def fill(text: str, words: Mapping[str, str]) -> str:
    """The text with every «name» replaced.

    Raises:
        ValueError: when a name has no words.
    """

    def word(place: re.Match[str]) -> str:
        if place[1] not in words:
            raise ValueError(f"«{place[1]}» stands in the text, but the exercise has words only for {sorted(words)}")
        return words[place[1]]

    return _PLACE.sub(word, text)
