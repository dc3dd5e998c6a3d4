"""Mark one student's notebooks: run them, judge what came of it, and write down both."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import companion
from companion.exercises import catalogue
from companion.exercises.attempts import Attempt
from companion.exercises.model import Cohort
from companion.exercises.report import Finding
from companion.grade import submissions
from companion.grade.code import would_define
from companion.grade.hidden import Checks, Rubrics
from companion.grade.notices import python_is_closed
from companion.grade.session import Examiner, Limits, Lost, Question, Undefined
from companion.grade.submissions import Notebook, Submission
from companion.grade.texts import cleaned

Record = dict[str, Any]  # what a student's JSON file holds
FORMAT = 2
_TO_DO = " Replace the three dots"  # where a report begins to say what to do next, which is too late now

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
            fault = "there is no notebook of this chapter" if notebooks else _nothing(submission)
            faults = [notebook.fault for notebook in notebooks if notebook.fault]
            missing = Notebook(notebooks[0].path if notebooks else Path(), fault=faults[0] if faults else fault)
            counted = [(chapter, [missing])] if chapter else []
        marked = [self._best(chapter, group) for chapter, group in counted]
        if marked:
            marked[0]["remarks"] += remarks
        usual = self.settings.usual
        if self.settings.chapter is None and marked and usual not in [chapter for chapter, _ in counted]:
            marked[0]["remarks"].append(f"of another chapter ({marked[0]['chapter']}) than most of the class ({usual})")
        return cleaned(
            {
                "format": FORMAT,
                "student": submission.student,
                "settings": self.digest,
                "submission": digest,
                "notebooks": marked,
            }
        )

    def _best(self, chapter: str, group: Sequence[Notebook]) -> Record:
        """The record of the best of a student's notebooks of a chapter."""
        marked = [self._mark(chapter, notebook) for notebook in group]
        best = max(marked, key=lambda record: int(record["score"]))
        if len(marked) > 1:
            of = ", ".join(f"{record['notebook']} ({record['score']})" for record in marked)
            best["remarks"].append(f"several notebooks of this chapter: {best['notebook']} counts, the best of {of}")
        return best

    def _mark(self, chapter: str, notebook: Notebook) -> Record:
        rubrics = self.rubrics(chapter)
        answers: dict[str, list[Attempt] | Undefined | Lost] = {}
        problems: list[tuple[int, str]] = []
        seconds = 0.0
        if not notebook.fault:
            questions = [Question(r.exercise.id, r.exercise.name, r.cases) for r in rubrics]
            examined = self._examiner.examine(notebook.cells, questions)
            answers, problems, seconds = examined.answers, examined.problems, examined.seconds
        lost = Lost(notebook.fault)
        entries = [_entry(rubric, answers.get(rubric.exercise.id, lost)) for rubric in rubrics]
        for rubric, entry in zip(rubrics, entries, strict=True):
            if entry["state"] == "not defined":
                entry["reason"] = _undefined(rubric.exercise.name, notebook, problems)
        remarks = [] if notebook.fault else [*self._about(notebook), *_about_answers(entries)]
        told = [text for _, text in problems]
        told += [f["title"] for entry in entries for f in entry["findings"] if f["kind"] == "error"]
        if closed := _closed(told):
            remarks.append(f"this grader's Python cannot be read by submissions, which could not import {closed}")
        return {
            "notebook": notebook.path.name,
            "chapter": chapter,
            "score": sum(entry["state"] == "passed" for entry in entries),
            "out of": len(entries),
            "reasons": _reasons(rubrics, entries),
            "remarks": remarks,
            "seconds": round(seconds, 3),
            "cells": [{"cell": number, "problem": text} for number, text in problems],
            "exercises": entries,
        }

    def _about(self, notebook: Notebook) -> list[str]:
        """Where a notebook says that it is of another class than is graded."""
        cohort = _named(self.settings.cohort)
        if notebook.cohort is not None and notebook.cohort != cohort:
            graded = f"cohort {cohort}" if cohort else "the book's questions"
            return [f"the notebook says that it is of cohort {notebook.cohort}; graded as {graded}"]
        return ["this is the book's notebook, and not the class's"] if cohort and notebook.is_books else []


def _nothing(submission: Submission) -> str:
    """Why a student has no notebook."""
    names = submission.others[:3] + (("…",) if len(submission.others) > 3 else ())
    return f"not a notebook ({', '.join(names)})" if names else "there is no notebook"


def _closed(told: Sequence[str]) -> str:
    """The packages that are here, but that submissions could not read."""
    if not python_is_closed():
        return ""
    names = {name for text in told for name in re.findall(r"No module named '(\w+)", text)}
    return ", ".join(sorted(name for name in names if importlib.util.find_spec(name) is not None))


def _about_answers(entries: Sequence[Record]) -> list[str]:
    books = [entry["id"] for entry in entries if any(f["kind"] == _BOOKS.kind for f in entry["findings"])]
    return [f"answers to the book's questions: {', '.join(books)}"] if books else []


def _undefined(name: str, notebook: Notebook, problems: Sequence[tuple[int, str]]) -> str:
    """Why an answer is missing: nothing defines it, or the cell that should has not run."""
    told = dict(problems)
    for number, source in reversed(notebook.cells):
        if number in told and would_define(source, name):
            return f"{_no((name,))}: {_not_run(number, told[number])}"
    return _no((name,))


def _no(names: Sequence[str]) -> str:
    return f"the notebook defines no {', '.join(f'`{name}`' for name in names)}"


def _not_run(number: int, problem: str) -> str:
    return f"cell {number} did not run ({problem})"


def _reasons(rubrics: Sequence[Rubrics], entries: Sequence[Record]) -> list[str]:
    """The reasons of all exercises, each once; names that nothing defines in one."""
    simple = [r.exercise.name for r, e in zip(rubrics, entries, strict=True) if e["reason"] == _no((r.exercise.name,))]
    others = [e["reason"] for r, e in zip(rubrics, entries, strict=True) if r.exercise.name not in simple]
    return [*dict.fromkeys(filter(None, others)), *([_no(simple)] if simple else [])]


_BOOKS = Finding("book", "The answer to the book's question", "Your class is asked another: read the statement again.")
_BEST = ("failed", "passed")  # of two answers to an exercise the better counts


def _entry(rubric: Rubrics, answer: list[Attempt] | Undefined | Lost) -> Record:
    """What a record says about an exercise."""
    exercise = rubric.exercise
    entry: Record = {"id": exercise.id, "title": exercise.title, "state": "", "reason": "", "cases": [], "findings": []}
    if isinstance(answer, Undefined):
        return entry | {"state": "not defined"}
    if isinstance(answer, Lost):
        return entry | {"state": "lost", "reason": answer.reason}
    try:
        with _JUDGING:
            reports = [rubric.judge(attempt) for attempt in answer]
            report = max(reports, key=lambda report: _BEST.index(report.state) if report.state in _BEST else -1)
            books = not report and rubric.answers_the_books(answer[reports.index(report)])
    except Exception as error:  # of a value that nobody thought of
        return entry | {"state": "lost", "reason": f"its answer cannot be judged ({type(error).__name__})"}
    findings = [*([_BOOKS] if books else []), *report.findings]
    if report.state == "not attempted":
        findings = [Finding(f.kind, f.title, f.text.partition(_TO_DO)[0]) for f in findings]
    return entry | {
        "state": report.state,
        "cases": [list(case) for case in report.cases],
        "findings": [asdict(finding) for finding in findings],
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
    """What the warm parent imports besides.

    matplotlib, where a notebook uses it, takes a second each time. Where submissions cannot read Python themselves,
    the packages of others that they use and that are here.
    """
    known = {b"matplotlib": ("matplotlib.pyplot",), **({} if not python_is_closed() else _PACKAGES)}
    used: set[bytes] = set()
    for submission in found:
        for path in submission.paths:
            with suppress(OSError):
                if used != set(known) and path.stat().st_size <= submissions.LARGEST_FILE:
                    content = path.read_bytes()
                    used |= {word for word in known if word in content}
    return tuple(name for word in known if word in used for name in known[word])


_PACKAGES = {
    b"pandas": ("pandas",),
    b"scipy": ("scipy.special", "scipy.linalg", "scipy.optimize", "scipy.stats"),
    b"torch": ("torch", "torch.nn.functional"),
    b"tqdm": ("tqdm.auto",),
    b"IPython": ("IPython.display",),
}
