"""How well the exercises tell right from wrong: counts, the share of wrong answers recognised, and the time of a check.

    python tools/exercise_score.py            about a minute
    python tools/exercise_score.py --every    every combination of options, a minute or two

Submits every listed misconception and every right form to every question that a class can be asked (each option changed
alone, and a few classes). The tests fail for a single one that is not recognised; this prints how many there are.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# ruff: noqa: E402
from companion.exercises.attempts import attempt
from companion.exercises.catalogue import exercises
from companion.exercises.judging import Rubric, judge, prepare
from companion.exercises.model import Cohort, Drawn, Exercise, generator
from companion.exercises.report import Report, capital

CHANGED = "all changed"
COHORTS: tuple[Cohort, ...] = ("autumn", 2027, 2028)


@dataclass(frozen=True)
class Question:
    """What one class may be asked: a cohort, or the book's question with one option changed."""

    cohort: Cohort
    changed: tuple[tuple[str, Any], ...] = ()
    label: str = ""

    def rubric(self, exercise: Exercise) -> Rubric:
        return prepare(exercise, self.cohort, **dict(self.changed))

    def __str__(self) -> str:
        return self.label or ("the book's" if self.cohort is None else f"class {self.cohort}")


def questions(exercise: Exercise) -> Iterator[Question]:
    """The book's question, the book's with each option changed alone, and those of some classes."""
    yield Question(None)
    for name, among in exercise.ask.items():
        if not isinstance(among, Drawn):
            for number, option in enumerate(among[1:], start=1):
                yield Question(None, ((name, option),), f"{name}, option {number}")
    yield all_changed(exercise)
    yield from map(Question, COHORTS)


def combinations(exercise: Exercise) -> Iterator[Question]:
    """Every combination of the listed options, twice where numbers are drawn besides."""
    names = [name for name, among in exercise.ask.items() if not isinstance(among, Drawn)]
    listed = [among for among in exercise.ask.values() if not isinstance(among, Drawn)]
    for chosen in itertools.product(*listed):
        changed = tuple(zip(names, chosen, strict=True))
        if len(names) == len(exercise.ask):
            yield Question(None, changed, ", ".join(map(str, chosen)))
        else:
            yield from (Question(cohort, changed, f"class {cohort}") for cohort in COHORTS[:2])


def all_changed(exercise: Exercise) -> Question:
    """A question of which no option is the book's."""
    rng = generator(exercise.id, 2027, "options")
    changed = [
        (name, among.draw(rng) if isinstance(among, Drawn) else among[1 + int(rng.integers(len(among) - 1))])
        for name, among in exercise.ask.items()
    ]
    return Question(2027, tuple(changed), CHANGED)


def submit(rubric: Rubric, answer: Any) -> Report:
    return judge(rubric, attempt(answer, rubric.cases))


def is_recognised(rubric: Rubric, position: int) -> bool:
    """Whether the listed wrong answer is rejected with its own hint."""
    misconception = rubric.key.misconceptions[position]
    report = submit(rubric, misconception.wrong)
    found = report.diagnosis
    return (
        report.state == "failed"
        and found is not None
        and (found.title, found.text) == (capital(misconception.name), misconception.hint)
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", action="store_true", help="every combination of options")
    asks = combinations if parser.parse_args(arguments).every else questions
    known = exercises()
    recognised = wrong = passed = right = asked = listed = 0
    took = []
    for exercise in known.values():
        listed += len(prepare(exercise).key.misconceptions)
        for question in asks(exercise):
            asked += 1
            rubric = question.rubric(exercise)
            wrong += len(rubric.key.misconceptions)
            missed = [m.name for i, m in enumerate(rubric.key.misconceptions) if not is_recognised(rubric, i)]
            recognised += len(rubric.key.misconceptions) - len(missed)
            for name in missed:
                print(f"not recognised: {exercise.id}, {question}: {name}")
            forms = (rubric.key.answer, *rubric.key.also_right)
            right += len(forms)
            passed += sum(bool(submit(rubric, form)) for form in forms)
            for form in (rubric.key.answer, rubric.key.misconceptions[0].wrong):
                start = time.perf_counter()
                submit(question.rubric(exercise), form)
                took.append(time.perf_counter() - start)
    print(f"exercises {len(known)} in {len({e.chapter for e in known.values()})} chapters, questions {asked}")
    print(f"misconceptions listed {listed}, {listed / len(known):.1f} an exercise")
    print(f"wrong answers submitted {wrong}, rejected with their own hint {recognised} ({recognised / wrong:.1%})")
    print(f"right answers submitted {right}, passed {passed} ({passed / right:.1%})")
    print(f"time of a check: median {1e3 * statistics.median(took):.1f} ms, worst {1e3 * max(took):.0f} ms")
    return 0 if (recognised, passed) == (wrong, right) else 1


if __name__ == "__main__":
    sys.exit(main())
