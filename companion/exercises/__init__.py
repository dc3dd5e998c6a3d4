"""Exercises that say what is wrong with an answer.

    from companion.exercises import check, hint, progress

    check("bptt-dU", dW_xh)   # tries the answer, and diagnoses it
    hint("bptt-dU")           # the first hint; then hint("bptt-dU", 2), and last hint("bptt-dU", "solution")
    progress()                # all exercises and how far you have come

A teacher's class has questions of its own: ``check, hint, progress = cohort(2027)``. Needs NumPy only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from companion.exercises import hints, records
from companion.exercises.attempts import Attempt, attempt
from companion.exercises.catalogue import find
from companion.exercises.hints import Hint, Step
from companion.exercises.judging import Rubric, judge, prepare
from companion.exercises.model import Cohort
from companion.exercises.progress import Progress, table
from companion.exercises.report import Finding, Report
from companion.exercises.showing import first_wrong, shown
from companion.exercises.worked import solution
from companion.exercises.writing import writable

__all__ = ["check", "cohort", "hint", "progress"]


def check(id: str, answer: Any, *, show: bool = False, cohort: Cohort = None) -> Report:
    """Try an answer and say what is wrong with it.

    Args:
        id: of the exercise, such as ``"bptt-dU"``.
        answer: the function that you wrote, or the value where a value is asked for.
        show: print the inputs of the first case that went wrong, as code, and the shapes that came of them.
        cohort: whose questions these are; the book's when left out.

    Raises:
        ValueError: when there is no such exercise.
    """
    exercise = find(id, cohort)
    rubric = prepare(exercise, cohort)
    made = attempt(answer, rubric.cases)
    report = judge(rubric, made)
    if report:  # here and not in judge(): a grader shows none of it
        code, why = solution(exercise, cohort)
        report = replace(report, reward=rubric.key.reward, why=why, code=code if cohort is None else "")
    if show and report.state == "failed":
        report = _shown(rubric, made, report)
    unwritten = records.add(records.Record(exercise.id, _named(cohort), "check", report.state))
    if remark := records.to_tell(unwritten):
        report = replace(report, findings=(*report.findings, Finding("remark", "", remark)))
    return report


def _shown(rubric: Rubric, made: Attempt, report: Report) -> Report:
    """Print the case that went wrong; the report then holds its inputs."""
    if not rubric.cases:
        print(f"{rubric.exercise.id} asks for a value: there are no inputs.")
        return report
    position = first_wrong(report, made)
    print(writable(shown(rubric, made, position)))
    return replace(report, inputs=copy.deepcopy(dict(rubric.cases[position].arguments)))


def hint(id: str, step: Step = 1, *, cohort: Cohort = None) -> Hint:
    """A hint of an exercise, or its worked solution, which of a class's question only its teacher has.

    Args:
        id: of the exercise.
        step: the number of the hint, from 1; or ``"solution"``.
        cohort: whose questions these are; the book's when left out.

    Raises:
        ValueError: when there is no such exercise, or no such step.
    """
    exercise = find(id, cohort)
    told = hints.at(exercise, cohort, step)
    records.add(records.Record(exercise.id, _named(cohort), "hint", str(told.step)))
    return told


def progress(chapter: str | None = None, *, cohort: Cohort = None) -> Progress:
    """All exercises with their state, or those of a chapter, such as ``"unrolling"``.

    Raises:
        ValueError: when there is no such chapter.
    """
    return table(records.read(), chapter, _named(cohort))


def cohort(name: int | str) -> tuple[Callable[..., Report], Callable[..., Hint], Callable[..., Progress]]:
    """check, hint and progress for the questions of a class, as its teacher named it."""
    return partial(check, cohort=name), partial(hint, cohort=name), partial(progress, cohort=name)


def _named(cohort: Cohort) -> str:
    return "" if cohort is None else str(cohort)
