"""The table of a student's progress: every exercise with its state."""

from __future__ import annotations

import html
from dataclasses import dataclass

from companion.exercises.catalogue import of_chapter
from companion.exercises.hints import SOLUTION
from companion.exercises.model import Exercise
from companion.exercises.records import Record
from companion.exercises.worked import chapters, key, order
from companion.exercises.writing import writable

_ALL = "All are passed."
_MARKS = {"passed": "✓", "tried": "✗", "not attempted": "○"}


@dataclass(frozen=True)
class Row:
    """An exercise and how far it has come: ``passed`` once it has passed; ``slipped`` if its last check did not.

    ``hints`` counts those that were seen; ``solved`` says whether the worked solution was.
    """

    chapter: str
    chapter_title: str
    exercise: str
    title: str
    state: str
    checks: int
    hints: int
    slipped: bool = False
    solved: bool = False


@dataclass(frozen=True)
class Progress:
    """The rows of all exercises, or of a chapter's, in the order of the book.

    Where a class has its notebooks is not known here, so that it is given no links to them.
    """

    rows: tuple[Row, ...]
    of_class: bool = False

    def head(self) -> str:
        """'3 of 60 exercises passed'."""
        passed = sum(row.state == "passed" for row in self.rows)
        return f"{passed} of {len(self.rows)} exercises passed"

    @property
    def next(self) -> Row | None:
        """The first exercise that has not passed."""
        return next((row for row in self.rows if row.state != "passed"), None)

    def __repr__(self) -> str:
        lines, chapter = [self.head()], ""
        if row := self.next:
            place = row.chapter_title if self.of_class else f"exercises/{row.chapter}.ipynb"
            lines.append(f'next: {row.exercise}, "{row.title}", in {place}')
        else:
            lines.append(_ALL)
        width = max((len(row.exercise) for row in self.rows), default=0)
        for row in self.rows:
            if row.chapter != chapter:
                chapter = row.chapter
                lines.append(row.chapter_title)
            lines.append(f"  {_MARKS[row.state]} {row.exercise:<{width}}  {row.title}{_after(row)}")
        return writable("\n".join(lines))

    def _repr_html_(self) -> str:
        body, chapter = [f"<div>{self._linked()}</div>"], ""
        for row in self.rows:
            if row.chapter != chapter:
                chapter = row.chapter
                body.append(f'<div style="margin-top:.6em"><strong>{html.escape(row.chapter_title)}</strong></div>')
            body.append(
                f"<div>{_MARKS[row.state]} <code>{html.escape(row.exercise)}</code> "
                f"{html.escape(row.title)}{html.escape(_after(row))}</div>"
            )
        return (
            '<div class="unrolled-progress" style="background:transparent;color:inherit;max-width:46em">'
            f"<div><strong>{html.escape(self.head())}</strong></div>{''.join(body)}</div>"
        )

    def _linked(self) -> str:
        """What comes next, with a link to its notebook, which lies beside this one (on the site, a page)."""
        row = self.next
        if row is None:
            return _ALL
        place = html.escape(row.chapter_title)
        if not self.of_class:
            place = f'<a class="unrolled-next" href="{row.chapter}.ipynb">{place}</a>'
        return f"next: <code>{html.escape(row.exercise)}</code> {html.escape(row.title)}, in {place}"


def table(records: list[Record], chapter: str | None = None, cohort: str = "") -> Progress:
    """The progress that these records show.

    Raises:
        ValueError: when there is no such chapter, or it has no exercises.
    """
    titles = chapters()
    if chapter is not None and chapter not in titles:
        raise ValueError(f"chapter: expected one of {', '.join(titles)}, got {chapter!r}")
    rows = []
    for name in titles if chapter is None else [chapter]:
        for exercise in order(of_chapter(name)):
            own = [r for r in records if r.exercise == exercise.id and r.cohort == cohort]
            states = [record.what for record in own if record.event == "check"]
            state = "passed" if "passed" in states else "tried" if "failed" in states else "not attempted"
            slipped = state == "passed" and states[-1] != "passed"
            tried = sum(s != "not attempted" for s in states)
            hints, solved = _seen(exercise, cohort, {record.what for record in own if record.event == "hint"})
            rows.append(Row(name, titles[name], exercise.id, exercise.title, state, tried, hints, slipped, solved))
    return Progress(tuple(rows), of_class=cohort != "")


def _seen(exercise: Exercise, cohort: str, steps: set[str]) -> tuple[int, bool]:
    """How many hints are among these steps, and whether the worked solution is, which a class has not.

    In files of earlier versions the solution stands as the number after the last hint's.
    """
    if not steps:
        return 0, False
    hints = {str(number + 1) for number in range(len(key(exercise, cohort or None).hints))}
    return len(steps & hints), not cohort and any(step == SOLUTION or step.isdecimal() for step in steps - hints)


def _after(row: Row) -> str:
    told = [f"{row.checks} check{'s' * (row.checks != 1)}"] if row.checks else []
    told += [f"{row.hints} hint{'s' * (row.hints != 1)}"] if row.hints else []
    told += ["solution seen"] if row.solved else []
    told += ["not right at the last check"] if row.slipped else []
    return f" ({', '.join(told)})" if told else ""
