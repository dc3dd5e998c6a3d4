"""Mark one student's notebooks: run them, judge what came of it, and write down both."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import companion
from companion.exercises import catalogue
from companion.exercises.attempts import Attempt
from companion.exercises.model import Cohort
from companion.grade import submissions
from companion.grade.hidden import Checks, Rubrics
from companion.grade.session import Examiner, Limits, Lost, Question, Undefined
from companion.grade.submissions import Notebook, Submission
from companion.grade.texts import cleaned

Record = dict[str, Any]  # what a student's JSON file holds
FORMAT = 1

_JUDGING = threading.Lock()  # quick, and its warnings' filters are the process's own


@dataclass(frozen=True)
class Settings:
    """What marks depend on, beside what was handed in.

    Attributes:
        chapter: whose exercises are graded; None where each notebook is graded for its own.
        usual: the chapter that stands in for one that a notebook does not name.
        cohort: whose questions were asked.
        limits: of each submission.
    """

    chapter: str | None
    usual: str | None
    cohort: Cohort
    limits: Limits


class Marker:
    """Marks submissions; several threads may share it."""

    def __init__(self, settings: Settings, checks: Checks, examiner: Examiner) -> None:
        self.settings, self._checks, self._examiner = settings, checks, examiner
        told = {**asdict(settings), "cohort": _named(settings.cohort), "checks": checks.digest, "format": FORMAT}
        self.digest = hashlib.sha256((json.dumps(told, sort_keys=True) + course_digest()).encode()).hexdigest()
        self._rubrics: dict[str, list[Rubrics]] = {}
        self._making = threading.Lock()

    def rubrics(self, chapter: str) -> list[Rubrics]:
        """The rubrics of a chapter's exercises, made once.

        Raises:
            ValueError: when a hidden check does not fit its exercise.
        """
        with self._making:
            if chapter not in self._rubrics:
                cohort = self.settings.cohort
                self._rubrics[chapter] = [
                    Rubrics(exercise, cohort, self._checks.of(exercise, cohort))
                    for exercise in catalogue.of_chapter(chapter)
                ]
            return self._rubrics[chapter]

    def mark(self, submission: Submission) -> Record:
        """The record of a student."""
        digest = submissions.digest(submission)
        notebooks = [submissions.read(path) for path in submission.paths]
        counted, remarks = submissions.chosen(notebooks, self.settings.chapter)
        if not counted:
            chapter = self.settings.chapter or self.settings.usual
            fault = "there is no notebook of this chapter" if notebooks else "there is no notebook"
            faults = [notebook.fault for notebook in notebooks if notebook.fault]
            missing = Notebook(notebooks[0].path if notebooks else Path("-"), fault=faults[0] if faults else fault)
            counted = [(chapter, missing)] if chapter else []
        marked = [self._mark(chapter, notebook) for chapter, notebook in counted]
        if marked:
            marked[0]["remarks"] += remarks
        return cleaned(
            {
                "format": FORMAT,
                "student": submission.student,
                "settings": self.digest,
                "submission": digest,
                "notebooks": marked,
            }
        )

    def _mark(self, chapter: str, notebook: Notebook) -> Record:
        rubrics = self.rubrics(chapter)
        answers: dict[str, Attempt | Undefined | Lost] = {}
        problems: list[tuple[int, str]] = []
        seconds = 0.0
        if not notebook.fault:
            questions = [Question(r.exercise.id, r.exercise.name, r.cases) for r in rubrics]
            examined = self._examiner.examine(notebook.cells, questions)
            answers, problems, seconds = examined.answers, examined.problems, examined.seconds
        lost = Lost(notebook.fault)
        entries = [_entry(rubric, answers.get(rubric.exercise.id, lost)) for rubric in rubrics]
        reasons = list(dict.fromkeys(entry["reason"] for entry in entries if entry["reason"]))
        cohort = _named(self.settings.cohort)
        remarks = []
        if not notebook.fault and notebook.cohort is not None and notebook.cohort != cohort:
            graded = f"cohort {cohort}" if cohort else "the book's questions"
            remarks.append(f"the notebook says that it is of cohort {notebook.cohort}; graded as {graded}")
        return {
            "notebook": notebook.path.name,
            "chapter": chapter,
            "score": sum(entry["state"] == "passed" for entry in entries),
            "out of": len(entries),
            "reasons": reasons,
            "remarks": remarks,
            "seconds": round(seconds, 3),
            "cells": [{"cell": number, "problem": text} for number, text in problems],
            "exercises": entries,
        }


def _entry(rubric: Rubrics, answer: Attempt | Undefined | Lost) -> Record:
    """What a record says about an exercise."""
    exercise = rubric.exercise
    entry: Record = {"id": exercise.id, "title": exercise.title, "state": "", "reason": "", "cases": [], "findings": []}
    if isinstance(answer, Undefined):
        return entry | {"state": "not defined"}
    if isinstance(answer, Lost):
        return entry | {"state": "lost", "reason": answer.reason}
    try:
        with _JUDGING:
            report = rubric.judge(answer)
    except Exception as error:  # of a value that nobody thought of
        return entry | {"state": "lost", "reason": f"its answer cannot be judged ({type(error).__name__})"}
    return entry | {
        "state": report.state,
        "cases": [list(case) for case in report.cases],
        "findings": [asdict(finding) for finding in report.findings],
    }


def _named(cohort: Cohort) -> str:
    return "" if cohort is None else str(cohort)


@cache
def course_digest() -> str:
    """Changes with the source of companion, exercises and grader included."""
    total = hashlib.sha256()
    root = Path(companion.__file__).parent
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def preloaded(found: Sequence[Submission]) -> tuple[str, ...]:
    """What the warm parent imports besides: matplotlib, where a notebook uses it, takes a second each time."""
    for submission in found:
        for path in submission.paths:
            try:
                if path.stat().st_size <= submissions.LARGEST_FILE and b"matplotlib" in path.read_bytes():
                    return ("matplotlib.pyplot",)
            except OSError:
                pass
    return ()
