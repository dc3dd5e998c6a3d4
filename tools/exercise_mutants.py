"""How a mutant of a worked solution is judged: it is submitted, and the exercise's check must reject it.

The code of exercises/text is broken as it answers the book's question, and one of a class. What survives either
computes the same, or shows that the cases of the exercise are too weak.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from exercise_score import CHANGED, Question, all_changed
from mutation import ENDLESS, ERROR, FORM, MISTAKE, NEUTRAL, SIDE, SURVIVED, UNTOUCHED, Mutant, Outcome, mutants_of
from mutation_operators import LEARNERS

from companion.exercises.attempts import attempt, last_line
from companion.exercises.catalogue import exercises
from companion.exercises.judging import Rubric, judge
from companion.exercises.limits import OutOfTime, within
from companion.exercises.model import Exercise, options
from companion.exercises.report import Finding, Report
from companion.exercises.worked import cells, wording

LABELS = (str(Question(None)), CHANGED)  # of the questions whose solutions are broken
SECONDS = 0.3  # for all cases of a mutant; a right answer takes some milliseconds

KINDS = {
    "by a listed misconception or a form": (MISTAKE, FORM, SIDE),
    "with the first difference": (NEUTRAL,),
    "with Python's error": (ERROR,),
    "as endless": (ENDLESS,),
    "as not attempted": (UNTOUCHED,),
}
_VERDICTS = {  # what a finding's kind counts as, the most telling first
    "time": ENDLESS,
    "error": ERROR,
    "misconception": MISTAKE,
    "form": FORM,
    "input": SIDE,
    "repeat": SIDE,
    "difference": NEUTRAL,
}


# --- the worked solutions and their mutants --------------------------------------------------------------------------


@dataclass(frozen=True)
class Solution:
    """The worked solution of a question: the cells before it, and its own, as a notebook has them."""

    rubric: Rubric
    question: str
    before: tuple[str, ...]
    code: str


@cache
def solution(id: str, label: str) -> Solution:
    """The code of the text, with the words of the question; raises KeyError for an exercise that there is not."""
    exercise = exercises()[id]
    question = next(question for question in asked(exercise) if str(question) == label)
    rubric = question.rubric(exercise)
    words = wording(rubric.key, {**options(exercise, question.cohort), **dict(question.changed)})
    *before, code = cells(exercise, words)
    return Solution(rubric, label, tuple(before), code)


def asked(exercise: Exercise) -> tuple[Question, Question]:
    """The book's question, and one of which no option is the book's."""
    return Question(None), all_changed(exercise)


def every_mutant(names: Iterable[str]) -> list[Mutant]:
    """Those of solutions.bptt-dU, or of all solutions; none where a value is asked for; another name ends the run."""
    ids = [id for name in names for id in ids_of(name)]
    return [mutant for id in ids for label in LABELS for mutant in broken(solution(id, label))]


def ids_of(name: str) -> list[str]:
    ids = [id for id in exercises() if name in ("solutions", f"solutions.{id}")]
    if not ids:
        sys.exit(f"NAME: expected solutions, or that of an exercise such as solutions.clip-norm, got {name}")
    return ids


def broken(worked: Solution) -> list[Mutant]:
    found = mutants_of(f"solutions.{worked.rubric.exercise.id}", worked.code, LEARNERS) if worked.rubric.cases else []
    return [replace(mutant, question=worked.question) for mutant in found]


# --- what the check says ---------------------------------------------------------------------------------------------


def judged(mutants: Iterable[Mutant]) -> list[Outcome]:
    return [outcome(solution(mutant.module.partition(".")[2], mutant.question), mutant) for mutant in mutants]


def outcome(worked: Solution, mutant: Mutant) -> Outcome:
    report = submitted(worked, mutant)
    return Outcome(mutant, verdict(report), str(report))


def submitted(worked: Solution, mutant: Mutant) -> Report:
    """What the check says of a mutant; one whose cell stops before it is defined gets an error."""
    rubric = worked.rubric
    try:
        answer = within(
            SECONDS,
            lambda: defined(rubric.exercise.name, (*worked.before, mutant.source())),
            lambda file: file.startswith("<cell"),
        )
    except (Exception, OutOfTime) as error:
        finding = Finding("time" if isinstance(error, OutOfTime) else "error", last_line(error))
        return Report(rubric.exercise.id, rubric.exercise.title, "failed", (), (finding,))
    return judge(rubric, attempt(answer, rubric.cases, SECONDS))


def defined(name: str, cells: Sequence[str]) -> Any:
    """What these cells, run one after the other, define under a name."""
    scope: dict[str, Any] = {"np": np}
    for number, text in enumerate(cells):
        exec(compile(text, f"<cell {number}>", "exec"), scope)
    return scope[name]


def verdict(report: Report) -> str:
    """The most telling thing that a report says."""
    if report.state != "failed":
        return SURVIVED if report else UNTOUCHED
    said = {finding.kind for finding in report.findings}
    return next(verdict for kind, verdict in _VERDICTS.items() if kind in said)
