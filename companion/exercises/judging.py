"""Judge an attempt: is it right, and if not, which known mistake gives exactly these numbers?

A listed misconception explains an answer when it gives the answer's numbers in every case. Where none gives all of
them, each part of the result is looked at alone: a misconception may give this part, or it has a mistake of form that
can happen anywhere (:mod:`companion.exercises.forms`). What is left gets the first difference, and no guess.
"""

from __future__ import annotations

import copy
import itertools
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from companion.exercises import forms
from companion.exercises.attempts import (
    Attempt,
    Endless,
    Foreign,
    Missing,
    Outcome,
    Raised,
    Returned,
    last_line,
    plain,
)
from companion.exercises.comparing import RESULT, Difference, differences, fitted, parts, same
from companion.exercises.model import Case, Cohort, Exercise, Key, Misconception, Occasion, Unfit
from companion.exercises.report import Finding, Report, State, capital
from companion.exercises.worked import key

_NO_CASE = (Case("the value", {}),)  # where a value is asked for, and nothing is called
_NO_PRODUCT = re.compile(
    r"core dimension 0.*\(size (?P<right>\d+) is different from (?P<left>\d+)\)"
    r"|shapes .* not aligned: (?P<beside>\d+) \(dim \d\) != (?P<below>\d+) \(dim \d\)"
)
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
    """A key with what is expected in each case; kept by the judge alone."""

    exercise: Exercise
    key: Key
    cases: tuple[Case, ...]
    expected: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What a report calls the cases."""
        return tuple(case.name for case in self.cases or _NO_CASE)

    @cached_property
    def wrong(self) -> tuple[tuple[Any, ...], ...]:
        """What each misconception gives in each case; not asked for where the answer is right."""
        cases = self.cases or _NO_CASE
        return tuple(tuple(_wrong(self.key, m, case) for case in cases) for m in self.key.misconceptions)


def prepare(
    exercise: Exercise, cohort: Cohort = None, occasion: Occasion = "check", more: Sequence[Case] = (), **replaced: Any
) -> Rubric:
    """The rubric of a cohort's question; ``more`` are cases of a teacher's own, ``replaced`` sets options by hand."""
    answers = key(exercise, cohort, occasion, **replaced)
    cases = (*answers.cases, *more) if answers.cases else ()
    expected = tuple(_result(answers, answers.answer, case) for case in cases or _NO_CASE)
    return Rubric(exercise, answers, cases, expected)


def judge(rubric: Rubric, attempt: Attempt) -> Report:
    """What the attempt is worth, and why."""
    if not attempt.outcomes:
        return _untouched(rubric, attempt.unfinished)
    calls = zip(rubric.cases or _NO_CASE, attempt.outcomes, strict=False)
    seen = tuple(_viewed(rubric, case, outcome) for case, outcome in calls)
    right = tuple(_is_right(rubric, *pair) for pair in zip(seen, rubric.expected, strict=False))
    right += (False,) * (len(rubric.expected) - len(right))  # after an endless call there were no more
    if attempt.unfinished and not all(right):
        dots = any(isinstance(outcome, Returned) and outcome.value is not ... for outcome in attempt.outcomes)
        return _untouched(rubric, attempt.unfinished, attempted=dots)
    findings = [*_stopped(rubric, seen), *_side_effects(rubric, attempt, seen)]
    values = [outcome.value for outcome in seen if isinstance(outcome, Returned)]
    if not all(right) and len(values) == len(rubric.expected):
        findings += _explained(rubric, values)
    if not all(right):
        findings += _where(rubric, seen)
    state: State = "failed" if findings or not all(right) else "passed"
    cases = tuple(zip(rubric.names, right, strict=True))
    return Report(rubric.exercise.id, rubric.exercise.title, state, cases, tuple(findings))


def _result(answers: Key, answer: Any, case: Case) -> Any:
    """What an answer of the key gives in a case, as it is compared."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # as where a student's answer is called
        called = answer(*copy.deepcopy(dict(case.arguments)).values()) if answers.cases else answer
        return plain(_view(answers, case.arguments, called))


def _wrong(answers: Key, misconception: Misconception, case: Case) -> Any:
    """What a misconception gives in a case. It may fail in one of a teacher's own: then nothing is like it."""
    try:
        return _result(answers, misconception.wrong, case)
    except Exception as error:
        return Foreign(f"no value, but {type(error).__name__}")


def _view(answers: Key, arguments: Mapping[str, Any], value: Any) -> Any:
    return value if answers.view is None else answers.view(arguments, value)


def _viewed(rubric: Rubric, case: Case, outcome: Outcome) -> Outcome:
    """The outcome as it is compared: what the key's view makes of a returned value."""
    if rubric.key.view is None or not isinstance(outcome, Returned):
        return outcome
    try:
        with np.errstate(all="ignore"):
            return Returned(plain(rubric.key.view(case.arguments, outcome.value)), outcome.changed)
    except Unfit as unfit:
        return Missing(str(unfit))
    except Exception as error:
        return Missing(f"what the answer returns in the case '{case.name}' cannot be read: {last_line(error)}")


def _is_right(rubric: Rubric, outcome: Outcome, expected: Any) -> bool:
    """Whether numbers and form are right; where a value is asked for, a list is as good as an array."""
    if not isinstance(outcome, Returned) or not same(outcome.value, expected, rubric.key.tolerance):
        return False
    misfits = fitted(outcome.value, expected)[1]
    return all(misfit.as_good for misfit in misfits) if not rubric.cases else not misfits


def _untouched(rubric: Rubric, line: str, *, attempted: bool = False) -> Report:
    rest = f"The line {line} is still as it was."
    if line in ("", "..."):
        rest = "Three dots are left in it." if attempted else "Nothing stands here yet."
    text = f'{rest} Replace the three dots, and run the cell and its check again. hint("{rubric.exercise.id}") helps.'
    return Report(rubric.exercise.id, rubric.exercise.title, "not attempted", (), (Finding("remark", "", text),))


def _stopped(rubric: Rubric, outcomes: Sequence[Outcome]) -> list[Finding]:
    """The first call that gave no value."""
    for name, outcome in zip(rubric.names, outcomes, strict=False):
        where = f" In the case '{name}'." if rubric.cases else ""
        if isinstance(outcome, Raised):
            place = f"{outcome.place}." if outcome.place else ""
            return [Finding("error", outcome.message, (place + where + _in_words(outcome.message)).strip())]
        if isinstance(outcome, Endless):
            place = f"It was at {outcome.place}. " if outcome.place else ""
            text = f"{place}A right answer takes milliseconds. Does each loop end? (An import takes its time, too.)"
            return [Finding("time", f"Not finished after {outcome.seconds:g} seconds", text + where)]
        if isinstance(outcome, Missing):
            return [Finding("form", capital(outcome.reason))]
    return []


def _in_words(message: str) -> str:
    """What NumPy means when a matrix product does not fit; '' for any other error."""
    found = _NO_PRODUCT.search(message)
    if not found:
        return ""
    right, left = found["right"] or found["below"], found["left"] or found["beside"]
    return (
        f" A matrix product needs as many rows on its right as there are columns on its left; here these are {right} "
        f"and {left}. Where each sequence is a row, what is W x on paper is x @ W.T in code."
    )


def _side_effects(rubric: Rubric, attempt: Attempt, seen: Sequence[Outcome]) -> list[Finding]:
    """What right numbers do not excuse: arguments changed in place, and results that do not repeat."""
    found = []
    for name, outcome in zip(rubric.names, seen, strict=False):
        if isinstance(outcome, Returned) and outcome.changed:
            hold = "holds" if len(outcome.changed) == 1 else "hold"
            text = (
                f"{' and '.join(outcome.changed)} {hold} other numbers after the call, in the case '{name}'. Whoever "
            )
            text += "called goes on with these. Work on a copy, or write a = a + b instead of a += b."
            found.append(Finding("input", "The function changes its own input", text))
            break
    if rubric.cases and attempt.again is not None and isinstance(seen[0], Returned):
        again = _viewed(rubric, rubric.cases[0], attempt.again)
        text = "The first case was called twice, with the same input. "
        if isinstance(again, Raised):
            text += (
                f"The second call ended in {again.message.rstrip('.')}. Does the function keep something between calls?"
            )
            found.append(Finding("repeat", "A second call fails", text))
        elif isinstance(again, Returned) and not same(again.value, seen[0].value, rubric.key.tolerance):
            text += "Does the function keep something between calls, draw random numbers, or read from an np.empty "
            text += "what it never wrote there?"
            found.append(Finding("repeat", "A second call gives another result", text))
    return found


def _explained(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """The misconception that gives these values; else what can be said of their parts."""
    key = rubric.key
    giving = [
        misconception
        for misconception, wrong in zip(key.misconceptions, rubric.wrong, strict=True)
        if all(_alike(value, result, rubric) for value, result in zip(values, wrong, strict=True))
    ]
    if len(giving) == 1 and not any(_alike(values[0], number, rubric) for number in key.otherwise):
        found = [Finding("misconception", capital(giving[0].name), giving[0].hint)]
        return [*found, *_kinds(rubric, values)]
    if nearly := _but_for_one_case(rubric, values):
        return nearly
    if key.view is None and (finding := forms.one_of_several(values, rubric.expected, key.tolerance)):
        return [finding]
    if key.view is None and (finding := forms.swapped(values, rubric.expected, key.tolerance, key.returns)):
        return [finding]
    return [*_by_part(rubric, values), *_kinds(rubric, values)]


def _but_for_one_case(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """The one misconception that gives all values but those of a single case, where an edge may be wrong as well."""
    if rubric.key.view is not None:
        return []
    found = []
    for misconception, wrong in zip(rubric.key.misconceptions, rubric.wrong, strict=True):
        pairs = enumerate(zip(values, wrong, strict=True))
        unlike = list(itertools.islice((i for i, pair in pairs if not _alike(*pair, rubric)), 2))  # two rule it out
        if len(unlike) == 1:
            telling = [not same(*pair, rubric.key.tolerance) for pair in zip(wrong, rubric.expected, strict=True)]
            if sum(telling) - telling[unlike[0]] >= 2:
                found.append((misconception, rubric.names[unlike[0]]))
    if len(found) != 1:
        return []
    ((misconception, case),) = found
    title = f"Where numbers are wrong, but for '{case}', they come from: {misconception.name}"
    return [Finding("misconception", title, misconception.hint)]


def _by_part(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """What explains each part that is wrong: the one misconception that gives it, else a mistake of form.

    Misconceptions are named only where nothing is left unexplained: one part alone may look like one by chance.
    """
    key, whole = rubric.key, True
    rights = [parts(right, key.returns) for right in rubric.expected]
    named = [parts(fitted(v, r, key.returns)[0], key.returns) for v, r in zip(values, rubric.expected, strict=True)]
    if key.view is not None or any(list(n) != list(r) for n, r in zip(named, rights, strict=True)):
        return []  # one fact alone says too little about an answer of which only facts are known
    listed: dict[int, list[str]] = {}  # the position of a misconception -> the parts that it gives
    of_form: dict[forms.Explanation, list[str]] = {}  # what is said -> the parts of which it holds
    for part in dict.fromkeys(name for right in rights for name in right):
        present = [i for i, right in enumerate(rights) if part in right]
        if all(same(named[i][part], rights[i][part], key.tolerance) for i in present):
            continue
        giving = [
            position
            for position, wrong in enumerate(rubric.wrong)
            if all(_gives(wrong[i], part, named[i][part], rubric) for i in present)
        ]
        pairs = [(named[i][part], rights[i][part]) for i in present]
        form = forms.explain(pairs, key.tolerance, key.axes.get(part, ""), _sizes(rubric, present))
        if len(giving) == 1 and not any(_gives(number, part, named[0][part], rubric) for number in key.otherwise):
            listed.setdefault(giving[0], []).append(part)
        elif form:
            of_form.setdefault(form, []).append(part)
        else:
            whole = False
    told = [(key.misconceptions[position], " and ".join(names)) for position, names in listed.items()]
    found = [Finding("misconception", f"{names}: {m.name}", m.hint) for m, names in told if whole]
    return found + [Finding("form", f"{_listed(names)} {title}", text) for (title, text), names in of_form.items()]


def _sizes(rubric: Rubric, present: Sequence[int]) -> dict[str, list[int]]:
    """The lengths of the axes of what is given in these cases, and products of two, by the code that gives them."""
    found: dict[str, list[int]] = {}
    for name in rubric.cases[0].arguments if rubric.cases else ():
        given = [rubric.cases[i].arguments.get(name) for i in present]
        shapes = [array.shape for array in given if isinstance(array, np.ndarray)]
        if len(shapes) < len(given):
            continue
        axes = range(min(map(len, shapes)))
        found |= {f"{name}.shape[{axis}]": [shape[axis] for shape in shapes] for axis in axes}
        found |= {
            f"{name}.shape[{one}] * {name}.shape[{other}]": [shape[one] * shape[other] for shape in shapes]
            for one, other in itertools.combinations(axes, 2)
        }
    return found


def _gives(wrong: Any, part: str, value: Any, rubric: Rubric) -> bool:
    named = parts(wrong, rubric.key.returns)
    return part in named and _alike(value, named[part], rubric)


def _alike(value: Any, wrong: Any, rubric: Rubric) -> bool:
    """Whether a value is what a misconception gives. A sum(…) of nothing is the number 0, and stands for all zeros."""
    returns = rubric.key.returns
    if isinstance(value, int | float) and value == 0 and isinstance(wrong, np.ndarray):
        value = np.full(wrong.shape, float(value))
    elif isinstance(value, list | tuple) and isinstance(wrong, list | tuple) and len(value) == len(wrong):
        return all(_alike(v, w, rubric) for v, w in zip(value, wrong, strict=True))
    elif isinstance(value, dict) and isinstance(wrong, dict) and set(value) == set(wrong):
        return all(_alike(value[name], wrong[name], rubric) for name in wrong)
    return same(value, wrong, rubric.key.tolerance, returns)


def _kinds(rubric: Rubric, values: Sequence[Any]) -> list[Finding]:
    """Numbers of another kind (float32, a list), which stand beside any other finding, or are all that is wrong."""
    pairs = list(zip(values, rubric.expected, strict=True))
    alone = all(same(value, right, rubric.key.tolerance) for value, right in pairs)
    for value, right in pairs:
        misfits = fitted(value, right, rubric.key.returns)[1]
        if not alone and same(value, right, rubric.key.tolerance):
            continue
        for misfit in misfits:
            if misfit.only_kind and not (misfit.as_good and not rubric.cases):
                told = f"{_called(misfit.where)} {misfit.problem}"
                right = f"The numbers are right, but {told.replace('The result', 'the result', 1)}"
                title = right if alone else told
                return [Finding("form", title, forms.advice(misfit.problem))]
        if not alone:  # what other cases have is not what is shown
            break
    return []


def _where(rubric: Rubric, outcomes: Sequence[Outcome]) -> list[Finding]:
    """Form or numbers of the first difference, in the first case that returned a value and has one."""
    key = rubric.key
    for name, outcome, right in zip(rubric.names, outcomes, rubric.expected, strict=False):
        if not isinstance(outcome, Returned):
            continue
        value = outcome.value
        title = f"First difference, in the case '{name}'" if rubric.cases else "Not the value asked for"
        brought, misfits = fitted(value, right, key.returns)
        hard = [misfit for misfit in misfits if not misfit.only_kind]
        if hard:
            return [Finding("difference", title, _sentence(f"{_called(hard[0].where)} {hard[0].problem}"))]
        found = differences(brought, right, key.tolerance, key.returns)
        if found:
            rest = f" Parts that also differ: {', '.join(d.part for d in found[1:])}." if found[1:] else ""
            return [Finding("difference", title, _sentence(_told(rubric, found[0])) + rest)]
    return []


def _told(rubric: Rubric, first: Difference) -> str:
    """'dW_hh[1, 0] (unit 1, unit 0) is 0.5 and should be 0.25; 4 of 6 entries differ'."""
    label = first.part if first.index else _called(first.part)
    if first.index:
        named = rubric.key.axes.get(first.part, "").split()
        if len(named) != len(first.index):  # another number of axes than most cases have
            named = []
        axes = [f"{_AXES.get(axis, axis)} {i}" for axis, i in zip(named, first.index, strict=False)]
        label += f"[{', '.join(map(str, first.index))}]" + (f" ({', '.join(axes)})" if axes else "")
    differ = "differs" if first.count == 1 else "differ"
    counted = f"; {first.count} of {first.size} entries {differ}" if first.size > 1 else ""
    yours, right = first.yours, first.right
    if rubric.key.view is not None:  # texts that belong to the sentence
        label, yours, right = capital(label), yours.strip("'"), right.strip("'")
    if not rubric.cases:  # a value is asked for: the right one stays unsaid
        return f"{label} is {yours}, which is not right{counted}"
    return f"{label} is {yours} and should be {right}{counted}"


def _listed(names: Sequence[str]) -> str:
    """'dW_hh', or 'Each of dW_hh, db_h'."""
    return _called(names[0]) if len(names) == 1 else f"Each of {', '.join(names)}"


def _called(part: str) -> str:
    return "The result" + part[len(RESULT) :] if part.startswith(RESULT) else part


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."
