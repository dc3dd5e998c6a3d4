"""Wrong answers made by machine: break every worked solution of the exercises, one place at a time, and submit it.

    python tools/exercise_mutants.py                     every exercise that asks for a function
    python tools/exercise_mutants.py bptt-dU lstm-step   only these
    python tools/exercise_mutants.py --show neutral      also what each mutant of a kind was told (all: of every kind)

A mutant is the code of a worked solution (exercises/text) with one node of its syntax tree replaced by what
mutation_operators.py knows. The book's question is broken, and one class's. What passes either computes the same, and
stands with its reason in tests/exercises/equivalent.toml, or shows that the cases of the exercise are too weak.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# ruff: noqa: E402
import numpy as np
from exercise_notebooks import Section, Text, is_exercise, read, solved_code
from exercise_operators import LEARNERS
from exercise_score import CHANGED, Question, all_changed
from mutation_operators import Mutant, mutants_of

from companion.exercises.attempts import attempt, last_line
from companion.exercises.catalogue import exercises
from companion.exercises.judging import Rubric, judge
from companion.exercises.limits import OutOfTime, within
from companion.exercises.model import Exercise, options
from companion.exercises.report import Finding, Report
from companion.exercises.worked import fill, wording

ROOT = Path(__file__).resolve().parents[1]
LISTED = Path("tests", "exercises", "equivalent.toml")
LABELS = (str(Question(None)), CHANGED)  # of the questions whose solutions are broken
SECONDS = 0.3  # for all cases of a mutant; a right answer takes some milliseconds

PASSED, LISTED_MISTAKE, FORM, SIDE = "passed", "misconception", "form", "side effect"
NEUTRAL, ERROR, ENDLESS, UNTOUCHED = "neutral", "error", "endless", "not attempted"
VERDICTS = (PASSED, LISTED_MISTAKE, FORM, SIDE, NEUTRAL, ERROR, ENDLESS, UNTOUCHED)
_OF_FINDING = {  # what a finding's kind counts as
    "misconception": LISTED_MISTAKE,
    "form": FORM,
    "input": SIDE,
    "repeat": SIDE,
    "difference": NEUTRAL,
    "error": ERROR,
    "time": ENDLESS,
}


# --- the code of a worked solution -----------------------------------------------------------------------------------


@cache
def text_of(chapter: str) -> Text:
    return read(ROOT, chapter)


def asked(exercise: Exercise) -> tuple[Question, Question]:
    """The book's question, and one of which no option is the book's."""
    return Question(None), all_changed(exercise)


@dataclass(frozen=True)
class Solution:
    """The worked solution of a question: the cells before it, and its own, as a notebook has them."""

    before: tuple[str, ...]
    code: str


def solution(exercise: Exercise, question: Question, rubric: Rubric) -> Solution:
    """The code of the text, with the words of the question."""
    text = text_of(exercise.chapter)
    section = next(section for section in text.sections if section.id == exercise.id)
    chosen = {**options(exercise, question.cohort), **dict(question.changed)}
    words = wording(rubric.key, chosen)
    before = tuple(fill(source, words) for source in given_code(text, section))
    return Solution(before, fill(solved_code(section.code), words))


def given_code(text: Text, section: Section) -> list[str]:
    """The code cells before the exercise's own: those of the page, then those of its section."""
    cells = (*text.opening, *section.cells)
    return [cell.source for cell in cells if cell.cell_type == "code" and not is_exercise(cell)]


def defined(code: str, name: str, before: Sequence[str] = ()) -> Any:
    """What a cell defines under a name, after the cells before it."""
    scope: dict[str, Any] = {"np": np}
    for number, text in enumerate((*before, code)):
        exec(compile(text, f"<cell {number}>", "exec"), scope)
    return scope[name]


# --- one mutant ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """A mutant of a question's solution, and what the check said."""

    exercise: str
    question: str
    id: str
    verdict: str
    report: Report


def results(exercise: Exercise, question: Question, only: Container[str] | None = None) -> list[Result]:
    """Every mutant of the worked solution, submitted, or those of these ids; none where a value is asked for."""
    rubric = question.rubric(exercise)
    return list(broken(rubric, solution(exercise, question, rubric), str(question), only)) if rubric.cases else []


def broken(rubric: Rubric, worked: Solution, question: str, only: Container[str] | None = None) -> Iterator[Result]:
    for mutant in mutants_of(rubric.exercise.id, worked.code, operators=LEARNERS):
        if only is None or mutant.id in only:
            report = submitted(rubric, mutant, worked.before)
            yield Result(rubric.exercise.id, question, mutant.id, verdict(report), report)


def submitted(rubric: Rubric, mutant: Mutant, before: Sequence[str]) -> Report:
    """What the check says of a mutant; one whose cell stops before it is defined gets an error."""
    try:
        answer = within(
            SECONDS,
            lambda: defined(mutant.source(), rubric.exercise.name, before),
            lambda file: file.startswith("<cell"),
        )
    except (Exception, OutOfTime) as error:
        finding = Finding("time" if isinstance(error, OutOfTime) else "error", last_line(error))
        return Report(rubric.exercise.id, rubric.exercise.title, "failed", (), (finding,))
    return judge(rubric, attempt(answer, rubric.cases, SECONDS))


def verdict(report: Report) -> str:
    """The most telling thing that a report says."""
    if report.state != "failed":
        return PASSED if report else UNTOUCHED
    said = {_OF_FINDING[finding.kind] for finding in report.findings if finding.kind in _OF_FINDING}
    return next(kind for kind in (ENDLESS, ERROR, LISTED_MISTAKE, FORM, SIDE, NEUTRAL) if kind in said)


# --- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Same:
    """A mutant that is known to compute the same, and why; of one question ``only``, or of each that has it."""

    id: str
    reason: str
    only: str = ""

    def is_about(self, result: Result) -> bool:
        return self.id == result.id and self.only in ("", result.question)


def listed(root: Path = ROOT) -> list[Same]:
    entries = tomllib.loads((root / LISTED).read_text(encoding="utf-8")).get("mutant", [])
    return [Same(**entry) for entry in entries]


def is_same(result: Result, known: Iterable[Same]) -> bool:
    return result.verdict == PASSED and any(entry.is_about(result) for entry in known)


def gaps(found: Iterable[Result], known: Sequence[Same]) -> list[Result]:
    """Those that pass, and of which nobody has said that they compute the same."""
    return [result for result in found if result.verdict == PASSED and not is_same(result, known)]


def stale(found: Sequence[Result], known: Iterable[Same]) -> list[Same]:
    """What is listed, but is no mutant now or is rejected; of exercises that were not broken, nothing is known.

    One that was stopped is not counted as rejected: a busy machine stops what is slow.
    """
    unknown = exercises().keys() - {result.exercise for result in found}
    verdicts = {entry: [r.verdict for r in found if entry.is_about(r)] for entry in known}
    return [
        entry
        for entry, seen in verdicts.items()
        if entry.id.split(".")[0] not in unknown and not (seen and set(seen) <= {PASSED, ENDLESS})
    ]


def table(found: Sequence[Result], known: Sequence[Same]) -> str:
    """A row an exercise; what is known to compute the same is a column of its own, and no wrong answer."""
    names = list(dict.fromkeys(result.exercise for result in found))
    width = max(map(len, names), default=0) + 1
    heads = ("mutants", "same", *VERDICTS)
    lines = [" " * width + "".join(f"{head:>{len(head) + 2}}" for head in heads)]
    for name in (*names, "all"):
        of = [result for result in found if name in ("all", result.exercise)]
        counted = Counter("same" if is_same(result, known) else result.verdict for result in of)
        counted["mutants"] = len(of)
        lines.append(f"{name:<{width}}" + "".join(f"{counted[head]:{len(head) + 2}}" for head in heads))
    return "\n".join(lines)


def summary(found: Sequence[Result], known: Sequence[Same]) -> str:
    wrong = [result for result in found if not is_same(result, known)]
    counted = Counter(result.verdict for result in wrong)
    rejected = len(wrong) - counted[PASSED]
    explained = counted[LISTED_MISTAKE] + counted[FORM] + counted[SIDE]

    def share(number: int) -> str:
        return f"{number} ({number / max(len(wrong), 1):.1%})"

    return (
        f"of {len(wrong)} wrong answers made by machine {rejected} were rejected: {share(explained)} by a listed "
        f"misconception ({counted[LISTED_MISTAKE]}) or a form ({counted[FORM] + counted[SIDE]}), "
        f"{share(counted[NEUTRAL])} with the first difference, {share(counted[ERROR])} with Python's error, "
        f"{share(counted[ENDLESS])} as endless, {share(counted[UNTOUCHED])} as not attempted"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="of exercises (default: all)")
    parser.add_argument("--show", choices=("all", *VERDICTS), help="print each mutant of a kind and what it was told")
    chosen = parser.parse_args(arguments)
    known, begun = listed(), time.monotonic()
    wanted = [exercise for exercise in exercises().values() if exercise.id in (chosen.ids or exercises())]
    found = [r for exercise in wanted for question in asked(exercise) for r in results(exercise, question)]
    for result in found:
        if chosen.show in ("all", result.verdict):
            print(f"\n{result.id}    [{result.question}: {result.verdict}]\n{result.report}")
    print(table(found, known))
    for result in gaps(found, known):
        print(f"passes, and is not listed in {LISTED.as_posix()} ({result.question}): {result.id}")
    for entry in (old := stale(found, known)):
        print(f"listed in {LISTED.as_posix()}, but no such mutant passes: {entry.id} {entry.only}")
    print(f"{summary(found, known)}; {time.monotonic() - begun:.0f} s")
    return int(bool(gaps(found, known) or old))


if __name__ == "__main__":
    sys.exit(main())
