"""What a check says, as text and as HTML, the same every time."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from companion.exercises.writing import as_html, writable

State = Literal["passed", "failed", "not attempted"]
WIDTH = 88

# Of the edge only, with enough contrast on white and on black; text and marks have the colour of the page.
_COLOURS = {"passed": "#0a8a4a", "failed": "#d1495b", "not attempted": "#7a7f87"}
_MARKS = {"passed": "✓", "failed": "✗", "not attempted": "○"}
_HEADS = {"passed": "passed", "failed": "not yet right", "not attempted": "not attempted"}


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        kind: ``misconception`` (a listed one), ``form`` (shape, dtype, container, order of axes), ``error`` (an
            exception), ``time``, ``input`` (changed in place), ``repeat`` (another result at the second call),
            ``difference``, ``remark``.
        title: in a few words.
        text: what to look at.
    """

    kind: str
    title: str
    text: str = ""


@dataclass(frozen=True)
class Report:
    """The result of a check. True exactly when the answer is right.

    Attributes:
        exercise: its id.
        title: its title.
        state: ``passed``, ``failed`` or ``not attempted``.
        cases: the name of each case, and whether it came out right.
        findings: what was found, the most telling first.
        reward, why, code: of a pass: a sentence, the worked explanation, and the worked solution, which is told of the
            book's question only. Each is '' where there is none.
        inputs: the arguments of the first case that went wrong, by name, where they were asked for.
    """

    exercise: str
    title: str
    state: State
    cases: tuple[tuple[str, bool], ...] = ()
    findings: tuple[Finding, ...] = ()
    reward: str = ""
    why: str = ""
    code: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.state == "passed"

    @property
    def diagnosis(self) -> Finding | None:
        """The listed misconception that explains the answer, if one does."""
        return next((finding for finding in self.findings if finding.kind == "misconception"), None)

    def head(self) -> str:
        """'not yet right (1 of 6 cases)'."""
        right = sum(ok for _, ok in self.cases)
        count = f" ({right} of {len(self.cases)} cases)" if len(self.cases) > 1 else ""
        if self.state == "failed" and self.cases and right == len(self.cases):
            return f"{_HEADS[self.state]}, though all numbers are"
        return f"{_HEADS[self.state]}{count}"

    def is_partly_right(self) -> bool:
        """Whether some cases came out right, and some did not."""
        return len({ok for _, ok in self.cases}) == 2

    def __repr__(self) -> str:
        lines = [f"{_MARKS[self.state]} {self.exercise}: {self.head()}"]
        if self.is_partly_right():
            marks = "   ".join(
                f"{_MARKS['passed' if ok else 'failed']} {name}".replace(" ", "\u00a0") for name, ok in self.cases
            )
            lines += textwrap.wrap(marks, WIDTH, initial_indent="  ", subsequent_indent="  ")
        for finding in self.findings:
            lines += textwrap.wrap(finding.title, WIDTH, initial_indent="  ", subsequent_indent="  ")
            lines += textwrap.wrap(finding.text, WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines += textwrap.wrap(self.reward, WIDTH, initial_indent="  ", subsequent_indent="  ")
        lines += [f'  Why this is right: hint("{self.exercise}", "solution")'] if self.code else []
        return writable("\n".join(lines))

    def _repr_html_(self) -> str:
        colour = _COLOURS[self.state]
        rows = "".join(_finding(finding) for finding in self.findings)
        cases = ""
        if self.is_partly_right():
            marked = (
                f'<span style="white-space:nowrap">{_MARKS["passed" if ok else "failed"]} {html.escape(name)}</span>'
                for name, ok in self.cases
            )
            cases = f'<div style="margin-top:.4em;line-height:1.6">{" &ensp; ".join(marked)}</div>'
        return (
            f'<div class="unrolled-check" style="border-left:.3em solid {colour};padding:.3em .9em;margin:.3em 0;'
            'background:transparent;color:inherit;font-family:inherit;max-width:46em">'
            f"<div>{_MARKS[self.state]} <strong>{html.escape(self.title)}</strong>: {html.escape(self.head())}</div>"
            f"{cases}{rows}{self._explained()}</div>"
        )

    def _explained(self) -> str:
        """What a pass is rewarded with, the explanation folded."""
        reward = f'<div style="margin-top:.4em">{as_html(self.reward)}</div>' if self.reward else ""
        code = f'<pre style="white-space:pre-wrap"><code>{html.escape(self.code)}</code></pre>' if self.code else ""
        if not self.why + code:
            return reward
        return f"{reward}<details><summary>Why this is right</summary>{as_html(self.why)}{code}</details>"


def capital(text: str) -> str:
    """The text with a capital letter, unless it starts with the name of something, such as f′ or dW_hh."""
    word = text.split(" ")[0]
    return text[:1].upper() + text[1:] if word.isalpha() and word.islower() and (len(word) > 1 or word == "a") else text


def _finding(finding: Finding) -> str:
    text = f"<div>{html.escape(finding.text)}</div>" if finding.text else ""
    return f'<div style="margin-top:.5em"><div><strong>{html.escape(finding.title)}</strong></div>{text}</div>'
