"""Hints by their number, and the worked solution by its name: the book's, for a class's own its teacher has."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import Literal

from companion.exercises.model import Cohort, Exercise
from companion.exercises.report import WIDTH
from companion.exercises.worked import key, solution
from companion.exercises.writing import writable

Step = int | Literal["solution"]
SOLUTION = "solution"
_TEACHERS = "Your teacher has the worked solution."


@dataclass(frozen=True)
class Hint:
    """A step of help: one of the hints, or the worked solution, of which a class learns only who has it.

    Attributes:
        exercise: its id.
        step: the hint's number, from 1, or ``"solution"``.
        count: of the hints.
        text: what the step says.
        code: of the worked solution; '' in all other steps.
        then: what comes next, and how to see it; '' where nothing does.
    """

    exercise: str
    step: Step
    count: int
    text: str
    code: str = ""
    then: str = ""

    def head(self) -> str:
        """'Hint 2 of 3'."""
        return "The worked solution" if self.step == SOLUTION else f"Hint {self.step} of {self.count}"

    def __repr__(self) -> str:
        lines = [f"{self.exercise}: {self.head()}"]
        if self.code:
            lines += ["", textwrap.indent(self.code, "    "), ""]
        for paragraph in (*self.text.split("\n\n"), self.then):
            lines += textwrap.wrap(" ".join(paragraph.split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
        return writable("\n".join(lines))

    def _repr_markdown_(self) -> str:
        """For notebooks, where the formulas of a solution are typeset."""
        code = f"\n```python\n{self.code}\n```\n" if self.code else ""
        then = f"\n{self.then}\n" if self.then else ""
        return f"**{html.escape(self.head())}**\n{code}\n{self.text}\n{then}"


def at(exercise: Exercise, cohort: Cohort, step: Step) -> Hint:
    """The hint of this number, or the worked solution.

    Raises:
        ValueError: when there is no such step.
    """
    hints = key(exercise, cohort).hints
    if step == SOLUTION:
        code, why = solution(exercise) if cohort is None else ("", _TEACHERS)
        return Hint(exercise.id, SOLUTION, len(hints), why, code)
    if type(step) is not int or not 1 <= step <= len(hints):
        steps = ", ".join([*map(str, range(1, len(hints) + 1)), f'"{SOLUTION}"'])
        has = f"{exercise.id} has {len(hints)} hint{'s' * (len(hints) != 1)}"
        raise ValueError(f"step: expected one of {steps} ({has}), got {step!r}")
    if step < len(hints):
        then = f'hint("{exercise.id}", {step + 1}) shows the next.'
    else:
        then = f'hint("{exercise.id}", "{SOLUTION}") shows the worked solution.' if cohort is None else _TEACHERS
    return Hint(exercise.id, step, len(hints), hints[step - 1], then=then)
