"""What classes are asked: how many versions each exercise has, and which of them two classes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from companion.exercises.catalogue import of_chapter
from companion.exercises.model import Drawn, Exercise, options

DRAWS = 100  # classes whose drawn numbers are compared


def versions(exercise: Exercise) -> int:
    """How many versions of an exercise classes can get, the book's left out; of drawn numbers at least so many."""
    count = 1
    for name, among in exercise.ask.items():
        if isinstance(among, Drawn):
            count *= len({repr(options(exercise, f"class {n}")[name]) for n in range(DRAWS)})
        else:
            count *= len(among)
    return count if any(isinstance(among, Drawn) for among in exercise.ask.values()) else count - 1


def versions_told(chapters: Iterable[str]) -> str:
    """A table of all versions."""
    found = {chapter: {e.id: versions(e) for e in of_chapter(chapter)} for chapter in chapters}
    counts = [count for chapter in found.values() for count in chapter.values()]
    alone = f"{counts.count(1)} of {len(counts)} exercises have one only"
    lines = [f"Versions that classes can get, the book's left out (of drawn numbers: at least); {alone}."]
    for chapter, rows in found.items():
        lines += [chapter, *(f"  {id:<28}{count:>5}" for id, count in rows.items())]
    return "\n".join(lines)


def alike_told(chapters: Sequence[str], cohort: str, other: str) -> str:
    """Which exercises two classes share, by chapter; and another name that shares fewer with that class."""
    lines = []
    known = {chapter: of_chapter(chapter) for chapter in chapters}
    for chapter, all_of_it in known.items():
        shared = [
            e.id if versions(e) > 1 else f"{e.id} (has one version)" for e in all_of_it if _alike(e, cohort, other)
        ]
        lines += [f"  {chapter}: {', '.join(shared)}"] if shared else []
    every = [exercise for all_of_it in known.values() for exercise in all_of_it]
    counts = {name: sum(_alike(exercise, name, other) for exercise in every) for name in _names_like(cohort)}
    lines.insert(0, f"{cohort} and {other} are asked the same in {counts[cohort]} of {len(every)} exercises")
    best = min(counts, key=lambda name: counts[name])
    if counts[best] < counts[cohort]:
        lines.append(f"  a class named {best} would be asked the same in {counts[best]}")
    return "\n".join(lines)


def _names_like(cohort: str) -> list[str]:
    return [cohort, *(f"{cohort}-{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]


def _alike(exercise: Exercise, cohort: str, other: str) -> bool:
    """Whether an exercise asks two classes the same."""
    return repr(options(exercise, cohort)) == repr(options(exercise, other))
