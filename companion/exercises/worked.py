"""The worked solutions and what is made of them; tools/exercise_notebooks.py takes them from exercises/text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from companion.exercises import edits
from companion.exercises.edits import Edit, Note, Solution, fill
from companion.exercises.model import Cohort, Exercise, Key, Misconception, Occasion, generator, options


@cache
def _stored() -> dict[str, Any]:
    text = (resources.files("companion.exercises") / "worked.json").read_text(encoding="utf-8")
    stored: dict[str, Any] = json.loads(text)
    return stored


def forget() -> None:
    """Read the file anew when it is next asked: it was written again."""
    _stored.cache_clear()


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


def key(exercise: Exercise, cohort: Cohort = None, occasion: Occasion = "check", **replaced: Any) -> Key:
    """The key to a cohort's question. Grading draws other inputs than checking; ``replaced`` sets options by hand.

    What the exercise's function says is completed by its text: the worked solution is the answer, and the mistakes,
    right forms, hints and reward listed there are added. A key with an answer of its own needs no text.

    Raises:
        ValueError: when there is neither a text nor an answer, or something in the text does not fit its solution.
    """
    chosen = {**options(exercise, cohort), **replaced}
    own = _asked(exercise, cohort, occasion, chosen)
    entry = _stored()["solutions"].get(exercise.id)
    if entry is None or not entry["mistakes"]:
        if own.answer is None:
            raise ValueError(f"{exercise.id} stands in no text yet: run `make exercises NAMES={exercise.chapter}`")
        return own
    words = wording(own, chosen)
    solved = Solution(exercise.name, tuple(entry["given"]), entry["code"])
    scope = {**words, **chosen}

    def made(edit: Edit, label: str = "the solution") -> Any:
        try:
            other = {**chosen, **edit.options}
            asked = wording(_asked(exercise, cohort, occasion, other), other) if edit.options else words
            return solved.hands_in({**asked, **edit.words}, edit)
        except Exception as error:
            place = f"exercises/text/{exercise.chapter}.md, {exercise.id}"
            raise ValueError(f"{place}, {label}: {type(error).__name__}: {error}") from error

    notes = [note for note in edits.parse(entry["mistakes"]) if note.holds(scope)]
    known = listed(notes, own.misconceptions, words, scope)
    answer = made(Edit())
    return replace(
        own,
        answer=answer,
        misconceptions=tuple(
            replace(m, wrong=made(m.wrong, m.name)) if isinstance(m.wrong, Edit) else m for m in known
        ),
        also_right=(*(made(note.edit(scope), "right") for note in notes if note.label == "right"), *own.also_right),
        hints=tuple(fill(note.text, words) for note in notes if note.label == "hint"),
        reward=" ".join(fill(note.text, words) for note in notes if note.label == "reward"),
        otherwise=tuple(_together(known, made)) if isinstance(answer, int | float) else (),
    )


def _together(known: Iterable[Misconception], made: Callable[[Edit], Any]) -> Iterator[Any]:
    """What is handed in by people who make two of the mistakes, where both edits have room in the solution."""
    edited = [m.wrong for m in known if isinstance(m.wrong, Edit) and m.wrong.pieces]
    for one, other in itertools.combinations(edited, 2):
        with suppress(ValueError):
            yield made(replace(one, pieces=(*one.pieces, *other.pieces)))


def listed(
    notes: Iterable[Note], own: Iterable[Misconception], words: Mapping[str, str], scope: Mapping[str, Any]
) -> list[Misconception]:
    """The mistakes of a text, beside those that its function states; each with those that are added to it."""
    found = list(own)
    for note in notes:
        name, hint, edit = fill(note.label, words), fill(note.text, words), note.edit(scope)
        if name.startswith("and "):
            found += [
                Misconception(
                    f"{m.name}; {name}", f"{m.hint} {hint}", replace(m.wrong, pieces=(*m.wrong.pieces, *edit.pieces))
                )
                for m in found
                if isinstance(m.wrong, Edit)
            ]
        elif name not in edits.OTHERS:
            found.append(Misconception(name, hint, edit))
    return found


def _asked(exercise: Exercise, cohort: Cohort, occasion: Occasion, chosen: Mapping[str, Any]) -> Key:
    return exercise.build(generator(exercise.id, cohort, occasion), **chosen)


def cells(exercise: Exercise, words: Mapping[str, str]) -> tuple[str, ...]:
    """The code of the worked solution as a notebook has it, cell by cell: the last is the exercise's own."""
    entry = _stored()["solutions"][exercise.id]
    return tuple(fill(source, words) for source in (*entry["given"], entry["code"]))


def solution(exercise: Exercise, cohort: Cohort = None) -> tuple[str, str]:
    """The code of the worked solution, and why it is right, for a cohort's question; '' where no text has them."""
    entry = _stored()["solutions"].get(exercise.id, {"code": "", "why": ""})
    words = wording(key(exercise, cohort), options(exercise, cohort))
    return fill(entry["code"], words), fill(entry["why"], words)


def wording(answers: Key, chosen: Mapping[str, Any]) -> dict[str, str]:
    """What replaces each «name» in the text of an exercise; «option.field» is a text or number that an option holds."""
    found = {name: str(option) for name, option in chosen.items() if isinstance(option, str | int)}
    for name, option in chosen.items():
        held = vars(option) if is_dataclass(option) else {}
        found |= {f"{name}.{field}": str(value) for field, value in held.items() if isinstance(value, str | int)}
    return {**found, **answers.words}
