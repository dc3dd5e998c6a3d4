"""Hidden checks: cases of a teacher's own, in a Python file that students do not have.

The file defines ``CASES = {"bptt-dU": [Case(...), ...]}``, or ``def cases(exercise_id, rng)`` that returns a list of
cases, or both. What is right in them the exercise's own key computes, in the parent. Nobody is shown more of such a
case than that it is a hidden check, and the name that its author gave it.
"""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from companion.exercises import catalogue
from companion.exercises.attempts import Attempt
from companion.exercises.judging import Rubric, judge, prepare
from companion.exercises.model import Case, Cohort, Exercise
from companion.exercises.report import Finding, Report
from companion.grade import messages
from companion.grade.codec import encode

NAME = "a hidden check"


class Checks:
    """The hidden checks of a file; of no file, none."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file.

        Raises:
            ValueError: when it cannot be run, or defines something else.
        """
        self._listed: Mapping[str, Sequence[Case]] = {}
        self._drawn: Any = None
        self.digest = ""
        if path is None:
            return
        try:
            self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
            contents = runpy.run_path(str(path))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
        self._listed, self._drawn = contents.get("CASES", {}), contents.get("cases")
        if not isinstance(self._listed, Mapping) or not (self._listed or callable(self._drawn)):
            raise ValueError(f"{path}: expected CASES = {{id: [Case(...)]}} or def cases(exercise_id, rng)")
        for id in self._listed:
            if id not in catalogue.exercises():
                raise ValueError(f"{path}: CASES names {id!r}; {_told(id)}")

    def of(self, exercise: Exercise, cohort: Cohort) -> tuple[Case, ...]:
        """The hidden cases of an exercise.

        Raises:
            ValueError: when they are none, or the exercise takes none.
        """
        found = list(self._listed.get(exercise.id, ()))
        if callable(self._drawn):
            seed = hashlib.sha256(f"hidden\n{exercise.id}\n{cohort}".encode()).digest()
            found += self._drawn(exercise.id, np.random.default_rng(int.from_bytes(seed[:8], "big"))) or ()
        if not all(isinstance(case, Case) for case in found):
            raise ValueError(f"{exercise.id}: a hidden check should be a Case")
        cases = tuple(Case(f"{NAME}: {case.name}" if case.name else NAME, case.arguments) for case in found)
        try:
            encode(messages.from_cases(cases))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{exercise.id}: the arguments of a hidden check cannot be sent: {error}") from None
        return cases


def _told(id: str) -> str:
    try:
        catalogue.find(id)
    except ValueError as error:
        return str(error)
    return ""


class Rubrics:
    """What is right in each case of an exercise, hidden ones included."""

    def __init__(self, exercise: Exercise, cohort: Cohort, hidden: Sequence[Case] = ()) -> None:
        """Compute it.

        Raises:
            ValueError: when the exercise's key cannot answer a hidden case.
        """
        self.exercise = exercise
        self._open = prepare(exercise, cohort, "grade")
        self._all: Rubric = self._open
        self._books = None if cohort is None else _books(self._open)
        if hidden:
            if not self._open.cases:
                raise ValueError(f"{exercise.id} asks for a value: there is nothing that a hidden check could call")
            expected = list(self._open.cases[0].arguments)
            for case in hidden:
                if list(case.arguments) != expected:
                    raise ValueError(
                        f"{exercise.id}, {case.name}: expected the arguments {', '.join(expected)} in this order, "
                        f"got {', '.join(case.arguments)}"
                    )
            try:
                self._all = prepare(exercise, cohort, "grade", hidden)
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                raise ValueError(f"{exercise.id}: the right answer fails in a hidden check: {told}") from error

    @property
    def cases(self) -> tuple[Case, ...]:
        return self._all.cases

    def answers_the_books(self, attempt: Attempt) -> bool:
        """Whether a class's question was answered as the book's question should be."""
        if self._books is None:
            return False
        count = max(len(self._open.cases), 1)
        report = judge(self._books, Attempt(attempt.outcomes[:count], attempt.again, attempt.unfinished))
        return bool(report.cases) and all(right for _, right in report.cases)

    def judge(self, attempt: Attempt) -> Report:
        """The report, in which hidden cases have a name and no number."""
        count = len(self._open.cases)
        if len(self._all.cases) == count:
            return judge(self._open, attempt)
        report = judge(self._open, Attempt(attempt.outcomes[:count], attempt.again, attempt.unfinished))
        whole = judge(self._all, attempt)
        if report.state == "not attempted" or whole.state == "not attempted":
            return report if report.state == "not attempted" else whole
        hidden = whole.cases[count:]
        state, findings = whole.state, report.findings
        if report.state == "passed" and state != "passed":
            missed = [name for name, passed in hidden if not passed]
            title = f"{missed[0]} did not pass" if missed else f"{NAME} found something besides the numbers"
            text = "The cases that are shown pass. Think of inputs that are unlike them."
            findings = (Finding("hidden", title[:1].upper() + title[1:], text),)
        return Report(report.exercise, report.title, state, (*report.cases, *hidden), findings)


def _books(own: Rubric) -> Rubric | None:
    """What the book's question would have as answers in these cases; None where they make no sense for it."""
    with suppress(Exception):
        books = prepare(own.exercise, None, "grade", own.cases)
        first = len(books.cases) - len(own.cases)
        return replace(books, cases=books.cases[first:], expected=books.expected[first:])
    return None
