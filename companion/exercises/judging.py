"""Judge an attempt: is it right, and if not, which known mistake gives exactly these numbers?

A listed misconception explains an answer when it gives the answer's numbers in every case. What none explains is tried
against mistakes of form that can happen anywhere (:mod:`companion.exercises.forms`). What is left gets the first
difference, and no guess.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises import forms
from companion.exercises.attempts import Attempt, Endless, Missing, Outcome, Raised, Returned, plain
from companion.exercises.comparing import RESULT, Difference, differences, fitted, parts, same
from companion.exercises.model import Case, Cohort, Exercise, Key, Misconception, Occasion, key
from companion.exercises.report import Finding, Report, capital

_AXES = {
    "T": "row",
    "T+1": "t =",
    "B": "sequence",
    "I": "input",
    "H": "unit",
    "O": "output",
    "V": "token",
}


@dataclass(frozen=True)
class Rubric:
    """A key with what is expected in each case, and what each misconception gives there; kept by the judge alone."""

    exercise: Exercise
    key: Key
    cases: tuple[Case, ...]
    expected: tuple[Any, ...]
    wrong: tuple[tuple[Any, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(case.name for case in self.cases) or ("the value",)


def prepare(
    exercise: Exercise, cohort: Cohort = None, occasion: Occasion = "check", more: Sequence[Case] = (), **replaced: Any
) -> Rubric:
    """The rubric of a cohort's question; ``more`` are cases of a teacher's own, ``replaced`` sets options by hand."""
    answers = key(exercise, cohort, occasion, **replaced)
    cases = (*answers.cases, *more) if answers.cases else ()
    return Rubric(
        exercise,
        answers,
        cases,
        _results(answers, answers.answer, cases),
        tuple(_results(answers, misconception.wrong, cases) for misconception in answers.misconceptions),
    )


def judge(rubric: Rubric, attempt: Attempt) -> Report:
    """What the attempt is worth, and why."""
    if not attempt.outcomes:
        return _untouched(rubric, attempt.unfinished)
    seen = tuple(
        _viewed(rubric, case, outcome) for case, outcome in zip(_calls(rubric), attempt.outcomes, strict=False)
    )
    right = tuple(_is_right(rubric, *pair) for pair in zip(seen, rubric.expected, strict=False))
    right += (False,) * (len(rubric.expected) - len(right))  # after an endless call there were no more
    if attempt.unfinished and not all(right):
        return _untouched(rubric, attempt.unfinished)
    findings = [*_stopped(rubric, seen), *_side_effects(rubric, attempt, seen)]
    if not all(right) and all(isinstance(outcome, Returned) for outcome in seen):
        values = [outcome.value for outcome in seen if isinstance(outcome, Returned)]
        findings = [*findings, *_explained(rubric, values), *_where(rubric, values, right)]
    state = "failed" if findings or not all(right) else "passed"
    return Report(
        rubric.exercise.id,
        rubric.exercise.title,
        state,  # type: ignore[arg-type]
        tuple(zip(rubric.names, right, strict=True)),
        tuple(findings),
    )


def _calls(rubric: Rubric) -> tuple[Case, ...]:
    return rubric.cases or (Case("the value", {}),)


def _results(answers: Key, answer: Any, cases: Sequence[Case]) -> tuple[Any, ...]:
    """What an answer of the key gives in each case, as it is compared."""
    if not cases:
        return (plain(_view(answers, {}, answer)),)
    with np.errstate(all="ignore"):
        return tuple(
            plain(_view(answers, case.arguments, answer(*copy.deepcopy(dict(case.arguments)).values())))
            for case in cases
        )


def _view(answers: Key, arguments: Mapping[str, Any], value: Any) -> Any:
    return value if answers.view is None else answers.view(arguments, value)


def _viewed(rubric: Rubric, case: Case, outcome: Outcome) -> Outcome:
    """The outcome as it is compared: what the key's view makes of a returned value."""
    if rubric.key.view is None or not isinstance(outcome, Returned):
        return outcome
    try:
        with np.errstate(all="ignore"):
            return Returned(plain(rubric.key.view(case.arguments, outcome.value)), outcome.changed)
    except Exception as error:
        return Missing(f"what the answer returns cannot be read: {type(error).__name__}: {error}")


def _is_right(rubric: Rubric, outcome: Outcome, expected: Any) -> bool:
    """Whether numbers and form are right; where a value is asked for, a list is as good as an array."""
    if not isinstance(outcome, Returned) or not same(outcome.value, expected, rubric.key.tolerance):
        return False
    return not rubric.cases or not fitted(outcome.value, expected)[1]


def _untouched(rubric: Rubric, line: str) -> Report:
    rest = f"The line {line} is still as it was." if line not in ("", "...") else "Nothing stands here yet."
    text = f'{rest} Replace the three dots, and run the cell and its check again. hint("{rubric.exercise.id}") helps.'
    return Report(rubric.exercise.id, rubric.exercise.title, "not attempted", (), (Finding("remark", "", text),))


def _stopped(rubric: Rubric, outcomes: Sequence[Outcome]) -> list[Finding]:
    """The first call that gave no value."""
    for name, outcome in zip(rubric.names, outcomes, strict=False):
        where = f" In the case '{name}'." if rubric.cases else ""
        if isinstance(outcome, Raised):
            place = f"{outcome.place}." if outcome.place else ""
            return [Finding("error", outcome.message, (place + where).strip())]
        if isinstance(outcome, Endless):
            text = f"Stopped after {outcome.seconds:g} seconds; a right answer takes milliseconds. Does each loop end?"
            return [Finding("time", "The function does not end", text + where)]
        if isinstance(outcome, Missing):
            return [Finding("form", capital(outcome.reason))]
    return []


def _side_effects(rubric: Rubric, attempt: Attempt, seen: Sequence[Outcome]) -> list[Finding]:
    """What right numbers do not excuse: arguments changed in place, and results that do not repeat."""
    found = []
    for name, outcome in zip(rubric.names, seen, strict=False):
        if isinstance(outcome, Returned) and outcome.changed:
            text = f"{' and '.join(outcome.changed)} holds other numbers after the call, in the case '{name}'. Whoever "
            text += "called goes on with these. Work on a copy, or write a = a + b instead of a += b."
            found.append(Finding("input", "The function changes its own input", text))
            break
    if attempt.again is not None and isinstance(seen[0], Returned):
        again = _viewed(rubric, _calls(rubric)[0], attempt.again)
        if isinstance(again, Returned) and not same(again.value, seen[0].value, rubric.key.tolerance):
            text = (
                "The first case was called twice, with the same input. Does the function keep something between calls, "
            )
            text += "or draw random numbers?"
            found.append(Finding("repeat", "A second call gives another result", text))
    return found


def _explained(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """The misconception that gives these values; else a mistake of form; else misconceptions of single parts."""
    for misconception, wrong in zip(rubric.key.misconceptions, rubric.wrong, strict=True):
        if all(_equal(rubric, value, result) for value, result in zip(values, wrong, strict=True)):
            return [_finding(misconception), *_kinds(rubric, values)]
    if rubric.key.view is None and (finding := forms.explain(values, rubric.expected, rubric.key)):
        return [finding]
    return _by_part(rubric, values) or _kinds(rubric, values)


def _finding(misconception: Misconception, part: str = "") -> Finding:
    title = f"{part}: {misconception.name}" if part else capital(misconception.name)
    return Finding("misconception", title, misconception.hint)


def _equal(rubric: Rubric, value: Any, other: Any) -> bool:
    return same(value, other, rubric.key.tolerance, rubric.key.returns)


def _by_part(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """For each part that is wrong, the one misconception that gives it; nothing unless every wrong part has one."""
    tolerance, returns = rubric.key.tolerance, rubric.key.returns
    rights = [parts(value, returns) for value in rubric.expected]
    named = [parts(fitted(v, r)[0], returns) for v, r in zip(values, rubric.expected, strict=True)]
    if list(rights[0]) == [RESULT] or any(list(n) != list(r) for n, r in zip(named, rights, strict=True)):
        return []
    found = []
    for part in dict.fromkeys(name for right in rights for name in right):
        present = [i for i, right in enumerate(rights) if part in right]
        if all(same(named[i][part], rights[i][part], tolerance) for i in present):
            continue
        explaining = [
            misconception
            for misconception, wrong in zip(rubric.key.misconceptions, rubric.wrong, strict=True)
            if all(_has(part, parts(wrong[i], returns), named[i][part], tolerance) for i in present)
        ]
        if len(explaining) != 1:
            return []
        found.append(_finding(explaining[0], part))
    return found


def _has(part: str, wrong: Mapping[str, Any], value: Any, tolerance: float) -> bool:
    return part in wrong and same(value, wrong[part], tolerance)


def _kinds(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """Numbers of another kind (float32, a list), which stand beside any other finding."""
    for value, right in zip(values, rubric.expected, strict=True):
        for misfit in fitted(value, right)[1]:
            if misfit.only_kind and rubric.cases:
                return [Finding("form", f"{_called(misfit.where)} {misfit.problem}", forms.advice(misfit.problem))]
    return []


def _where(rubric: Rubric, values: Sequence[Any], right: Sequence[bool]) -> list[Finding]:
    """Form or numbers of the first difference, in the first case that is wrong."""
    position = list(right).index(False)
    name, value, expected = rubric.names[position], values[position], rubric.expected[position]
    title = f"First difference, in the case '{name}'" if rubric.cases else "Not the value asked for"
    brought, misfits = fitted(value, expected)
    hard = [misfit for misfit in misfits if not misfit.only_kind]
    if hard:
        return [Finding("difference", title, _sentence(f"{_called(hard[0].where)} {hard[0].problem}"))]
    found = differences(brought, expected, rubric.key.tolerance, rubric.key.returns)
    if not found:
        return []
    first = found[0]
    others = [difference.part for difference in found[1:]]
    rest = f" Parts that also differ: {', '.join(others)}." if others else ""
    return [Finding("difference", title, _sentence(_told(rubric, first)) + rest)]


def _told(rubric: Rubric, first: Difference) -> str:
    """'dW_hh[1, 0] (unit 1, unit 0) is 0.5 and should be 0.25; 4 of 6 entries differ'."""
    label = first.part if first.index else _called(first.part)
    if first.index:
        named = rubric.key.axes.get(first.part, "").split()
        axes = [f"{_AXES.get(axis, axis)} {i}" for axis, i in zip(named, first.index, strict=False)]
        label += f"[{', '.join(map(str, first.index))}]" + (f" ({', '.join(axes)})" if axes else "")
    counted = f"; {first.count} of {first.size} entries differ" if first.size > 1 else ""
    if not rubric.cases:  # a value is asked for: the right one stays unsaid
        return f"{label} is {first.yours}, which is not right{counted}"
    return f"{label} is {first.yours} and should be {first.right}{counted}"


def _called(part: str) -> str:
    return "The result" + part[len(RESULT) :] if part.startswith(RESULT) else part


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."
