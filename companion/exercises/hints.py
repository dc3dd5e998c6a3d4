"""Hints, one at a time, and after the last the worked solution: the book's, for a class's own its teacher has."""

from __future__ import annotations

import html
import itertools
import textwrap
from collections.abc import Collection
from dataclasses import dataclass

from companion.exercises.model import Cohort, Exercise
from companion.exercises.report import WIDTH
from companion.exercises.worked import key, solution

_TEACHERS = "Your teacher has the worked solution."


@dataclass(frozen=True)
class Hint:
    """A step of help: one of the hints, the worked solution (``code``), or for a class the word that there is no more.

    Attributes:
        exercise: its id.
        number: of this step, from 1.
        count: of the hints.
        text: what the step says.
        code: of the worked solution; '' in all other steps.
        solved: whether the worked solution comes after the last hint.
    """

    exercise: str
    number: int
    count: int
    text: str
    code: str = ""
    solved: bool = True

    def head(self) -> str:
        """'Hint 2 of 3'."""
        if self.code:
            return "The worked solution, after the last hint"
        if self.number > self.count:
            return "That was the last hint"
        next_step = "the worked solution comes next" if self.solved else "the last one"
        rest = f" ({next_step})" if self.number == self.count else ""
        return f"Hint {self.number} of {self.count}{rest}"

    def __repr__(self) -> str:
        lines = [f"{self.exercise}: {self.head()}"]
        if self.code:
            lines += ["", textwrap.indent(self.code, "    "), ""]
        for paragraph in self.text.split("\n\n"):
            lines += textwrap.wrap(" ".join(paragraph.split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        """For notebooks, where the formulas of a solution are typeset."""
        code = f"\n```python\n{self.code}\n```\n" if self.code else ""
        return f"**{html.escape(self.head())}**\n{code}\n{self.text}\n"


def following(shown: Collection[str]) -> int:
    """The number of the next step: the first that is not among those shown, which are written as in the records."""
    return next(number for number in itertools.count(1) if str(number) not in shown)


def step(exercise: Exercise, cohort: Cohort, number: int) -> Hint:
    """The hint of this number, from 1; for any number above the last the book's worked solution, and none of a class's.

    Raises:
        ValueError: when the number is not a whole number from 1.
    """
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"step_number: expected a whole number from 1, got {number!r}")
    hints = key(exercise, cohort).hints
    if number <= len(hints):
        return Hint(exercise.id, number, len(hints), hints[number - 1], solved=cohort is None)
    if cohort is not None:
        return Hint(exercise.id, len(hints) + 1, len(hints), _TEACHERS, solved=False)
    code, why = solution(exercise, cohort)
    return Hint(exercise.id, len(hints) + 1, len(hints), why, code)
