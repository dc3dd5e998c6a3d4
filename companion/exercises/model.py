"""What an exercise is: a question that a seed can vary, the right answer, and the wrong ones that people give.

An exercise is one function in the module of its chapter (companion/exercises/catalogue). It receives a generator of
random numbers and one option for each name under ``ask``, and returns the :class:`Key` to that question. The first
option of each name is the book's; a cohort of students gets at least one other, for which the book's solution is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["predict", "complete", "implement", "derive", "repair", "open"]
Cohort = int | str | None  # None: the questions as they stand in the book
Occasion = Literal["check", "grade"]  # grading draws other inputs than checking


@dataclass(frozen=True)
class Case:
    """One call of the answer: what a report calls it ('T = 1'), and the arguments, by name, passed by position.

    Arguments are arrays, numbers, texts, None, and lists, tuples or dictionaries (keys: texts) of these.
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Misconception:
    """A mistake that people make.

    Attributes:
        name: what was done, as a report says it: 'the state one step late'.
        hint: what to look at, without giving the answer away.
        wrong: what someone with this misconception hands in, in the form of the right answer; or the
            :class:`companion.exercises.edits.Edit` of the worked solution that gives it.
    """

    name: str
    hint: str
    wrong: Any


@dataclass(frozen=True)
class Key:
    """The right answer to a question, and what is known about wrong ones.

    The exercise's function states what its text cannot say; the text's worked solution becomes the answer, and its
    hints, mistakes and right forms are added (:mod:`companion.exercises.worked`).

    Attributes:
        cases: the calls that are compared, small ones first; empty where a value is asked for.
        also_right: other forms of the right answer, at least two with the text's.
        misconceptions: at least three with the text's, each pair of them told apart by some case.
        returns: names of the parts that the answer returns, where it returns a tuple.
        axes: what the axes of a part stand for, such as ``{"dW_hh": "H H", "h": "T+1 B H"}``; a single result is
            called ``result``.
        words: what replaces «name» in the text of this exercise. Options that are texts or whole numbers need none.
        view: (arguments, returned value) -> what is compared instead of the value itself, where many answers are right.
            Applied to every answer, right or wrong; raises :class:`Unfit` for one that cannot be read.
        tolerance: largest difference allowed, beside the largest entry of the right answer or beside 1.
        answer: a function, or the value where a value is asked for.
        hints: shown one after the other, on request, before the worked solution.
        reward: a sentence for whoever has passed: what the answer is good for, or what follows from it.
        otherwise: where one number is asked for, what two of the mistakes together give. A mistake that gives one of
            these is not named: nobody can say how the number came about.
    """

    cases: tuple[Case, ...] = ()
    also_right: tuple[Any, ...] = ()
    misconceptions: tuple[Misconception, ...] = ()
    returns: tuple[str, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    view: Callable[[Mapping[str, Any], Any], Any] | None = None
    tolerance: float = 1e-7
    answer: Any = None
    hints: tuple[str, ...] = ()
    reward: str = ""
    otherwise: tuple[Any, ...] = ()


class Unfit(ValueError):
    """Raised by a view for an answer that has not the form asked for; says what is expected and what came."""


@dataclass(frozen=True)
class Drawn:
    """Options without a list: the book's, and how to draw a cohort's from a generator."""

    book: Any
    draw: Callable[[np.random.Generator], Any]


@dataclass(frozen=True)
class Exercise:
    """An exercise of a chapter; ``id`` ties its statement, its check, its hints and its tests together.

    Attributes:
        id: such as ``bptt-dU``.
        chapter: the chapter's file name, such as ``backpropagation-through-time``.
        name: the function or variable that the student defines; no other exercise of the chapter has it.
        title: as headings and the table of progress have it.
        kind: what is asked of the student.
        ask: name -> its options, the book's first.
        build: (generator, **options) -> the key.
    """

    id: str
    chapter: str
    name: str
    title: str
    kind: Kind
    ask: Mapping[str, Sequence[Any] | Drawn]
    build: Callable[..., Key]


def exercise(
    id: str, name: str, title: str, kind: Kind, /, **ask: Sequence[Any] | Drawn
) -> Callable[[Callable[..., Key]], Exercise]:
    """Make an exercise of the function below, which stands in the module of its chapter; see :class:`Exercise`."""

    def of(build: Callable[..., Key]) -> Exercise:
        chapter = build.__module__.rpartition(".")[2].replace("_", "-")
        return Exercise(id, chapter, name, title, kind, ask, build)

    return of


def options(exercise: Exercise, cohort: Cohort = None) -> dict[str, Any]:
    """What is asked of a cohort: at least one option is not the book's, and no drawn number is; the book's for None."""
    rng = generator(exercise.id, cohort, "options")
    while True:
        chosen = {name: _choose(among, cohort, rng) for name, among in exercise.ask.items()}
        if cohort is None or any(_differs(chosen[name], among) for name, among in exercise.ask.items()):
            return chosen


def _choose(among: Sequence[Any] | Drawn, cohort: Cohort, rng: np.random.Generator) -> Any:
    if isinstance(among, Drawn):
        return among.book if cohort is None else _another(among, rng)
    return among[0] if cohort is None else among[int(rng.integers(len(among)))]


def _differs(option: Any, among: Sequence[Any] | Drawn) -> bool:
    return isinstance(among, Drawn) or option is not among[0]


def _another(among: Drawn, rng: np.random.Generator) -> Any:
    """What is drawn, as often as it takes to get something else than the book's."""
    while True:
        drawn = among.draw(rng)
        if repr(drawn) != repr(among.book):
            return drawn


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that are always the same for these parts."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
