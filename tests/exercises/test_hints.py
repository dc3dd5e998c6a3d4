"""A hint is the same at every call, says what comes next, and the solution is shown to whoever asks for it by name."""

import re

import numpy as np
import pytest

from companion.exercises import check, cohort, hint, records
from companion.exercises.catalogue import find
from companion.exercises.hints import SOLUTION, at
from companion.exercises.model import Exercise, Key
from companion.exercises.records import Record
from companion.exercises.worked import key, solution

ID = "bptt-dU"
HINTS = key(find(ID)).hints
LAST = len(HINTS)


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setattr(records, "_MEMORY", [])


def test_a_cell_shows_the_same_at_every_run():
    for wanted in (*range(1, LAST + 1), SOLUTION):
        assert hint(ID, wanted) == hint(ID, wanted)
    assert hint(ID) == hint(ID) == hint(ID, 1)


def test_each_number_has_its_hint_and_only_the_solutions_name_shows_it():
    assert [hint(ID, number).text for number in range(1, LAST + 1)] == list(HINTS)
    assert not any(hint(ID, number).code for number in range(1, LAST + 1))
    code, why = solution(find(ID))
    assert (hint(ID, "solution").code, hint(ID, "solution").text) == (code, why)


def test_each_says_what_comes_next():
    thens = [hint(ID, number).then for number in range(1, LAST + 1)]
    assert thens[:-1] == [f'hint("{ID}", {number}) shows the next.' for number in range(2, LAST + 1)]
    assert thens[-1] == f'hint("{ID}", "solution") shows the worked solution.'
    assert hint(ID, "solution").then == ""
    for number, then in enumerate(thens, start=1):
        assert repr(hint(ID, number)).endswith(f"\n  {then}")
        assert hint(ID, number)._repr_markdown_().endswith(f"\n\n{then}\n")


@pytest.mark.parametrize("wanted", [True, False, None, 0, -1, 1.5, 1.0, "2", "solutions", "", LAST + 1, 99])
def test_what_is_no_step_is_refused_and_not_recorded(wanted):
    steps = ", ".join(map(str, range(1, LAST + 1)))
    told = f'step: expected one of {steps}, "solution" ({ID} has {LAST} hints), got {wanted!r}'
    for ask in (hint, cohort(2027)[1]):
        with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
            ask(ID, wanted)
    assert records.read() == [], "nothing was shown"


def test_an_exercise_with_one_hint_has_no_second():
    one = Exercise("one", "chapter", "one", "One", "open", {}, lambda rng: Key(answer=1, hints=("Only this.",)))
    assert at(one, None, 1).then == 'hint("one", "solution") shows the worked solution.'
    with pytest.raises(ValueError, match=r'expected one of 1, "solution" \(one has 1 hint\), got 2'):
        at(one, None, 2)


def test_an_unknown_exercise_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean .*bptt-dU"):
        hint("btt-dU")
    with pytest.raises(ValueError, match="there is no exercise"):
        check("qqqqqqqqqqqqqq", 1)


def defined(code):
    scope = {"np": np}
    exec(code, scope)
    return scope[find(ID).name]


def test_the_solution_of_a_class_passes_its_own_check_only():
    check_2027, _, _ = cohort(2027)
    mine, books = solution(find(ID), "2027")[0], hint(ID, "solution").code
    assert check_2027(ID, defined(mine)) and check(ID, defined(books))
    assert not check_2027(ID, defined(books)) and not check(ID, defined(mine))


def test_a_class_gets_its_solution_from_its_teacher():
    _, hint_2027, _ = cohort(2027)
    code, why = solution(find(ID), "2027")
    shown = [hint_2027(ID, wanted) for wanted in (*range(1, LAST + 1), "solution")]
    for told in shown:
        assert told.code == ""
        for text in (repr(told), told._repr_markdown_()):
            assert code not in text and why not in text and '"solution"' not in text
    assert shown[-2].then == shown[-1].text == "Your teacher has the worked solution."
    assert repr(shown[-1]) == f"{ID}: The worked solution\n  Your teacher has the worked solution."


def test_what_was_shown_is_recorded():
    _, hint_2027, _ = cohort("2027")
    hint(ID, 2), hint_2027(ID), hint(ID, "solution")
    assert records.read() == [
        Record(ID, "", "hint", "2"),
        Record(ID, "2027", "hint", "1"),
        Record(ID, "", "hint", "solution"),
    ]


def test_as_text_and_markdown():
    first, last = hint(ID), hint(ID, "solution")
    assert repr(first).startswith(f"{ID}: Hint 1 of {LAST}\n")
    assert max(map(len, repr(first).splitlines())) <= 88
    assert repr(last).startswith(f"{ID}: The worked solution\n") and "    def dW_xh" in repr(last)
    assert f"```python\n{last.code}\n```" in last._repr_markdown_() and last.text in last._repr_markdown_()
    assert first._repr_markdown_().startswith(f"**Hint 1 of {LAST}**") and "```" not in first._repr_markdown_()
