"""Hints, one at a time, and the worked solution after the last."""

from __future__ import annotations

import html
import itertools
import textwrap
from collections.abc import Collection
from dataclasses import dataclass

from companion.exercises.model import Cohort, Exercise, key
from companion.exercises.report import WIDTH
from companion.exercises.worked import solution


@dataclass(frozen=True)
class Hint:
    """A step of help: one of the hints, or the worked solution (``code``)."""

    exercise: str
    number: int
    count: int
    text: str
    code: str = ""

    def head(self) -> str:
        """'Hint 2 of 3'."""
        if self.code:
            return "The worked solution, after the last hint"
        rest = " (the worked solution comes next)" if self.number == self.count else ""
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
    """The hint of this number, from 1; the worked solution for any number above the last.

    Raises:
        ValueError: when the number is not a whole number from 1.
    """
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"step_number: expected a whole number from 1, got {number!r}")
    hints = key(exercise, cohort).hints
    if number <= len(hints):
        return Hint(exercise.id, number, len(hints), hints[number - 1])
    code, why = solution(exercise, cohort)
    return Hint(exercise.id, len(hints) + 1, len(hints), why, code)
