"""Hints come one at a time, go on after a restart, and end in the worked solution, except for a class."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from companion.exercises import check, cohort, hint, records
from companion.exercises.catalogue import find
from companion.exercises.hints import Hint, following
from companion.exercises.records import Record
from companion.exercises.worked import key, solution

ROOT = Path(__file__).resolve().parents[2]
ID = "bptt-dU"
HINTS = key(find(ID)).hints


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setattr(records, "_MEMORY", [])


def test_hints_come_in_turn_and_then_the_solution_which_stays():
    shown = [hint(ID) for _ in range(len(HINTS) + 2)]
    assert [step.text for step in shown[: len(HINTS)]] == list(HINTS)
    assert [step.number for step in shown[:-1]] == list(range(1, len(HINTS) + 2))
    assert all(not step.code for step in shown[: len(HINTS)])
    assert shown[-2].code and shown[-1] == shown[-2]


def test_they_go_on_after_a_restart():
    hint(ID)
    program = f"from companion.exercises import hint; print(hint({ID!r}).number)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == "2"
    assert hint(ID).number == 3


def test_a_number_shows_that_hint_and_the_next_is_the_first_not_seen():
    assert hint(ID, 2).text == HINTS[1]
    assert hint(ID).number == 1
    assert hint(ID).number == 3
    assert hint(ID, 1).number == 1
    assert hint(ID).number == 4
    last = hint(ID, 99)
    assert last.code and last.number == len(HINTS) + 1


@pytest.mark.parametrize("number", [0, -1, 1.5, "2"])
def test_a_number_that_is_none(number):
    with pytest.raises(ValueError, match=f"step_number: expected a whole number from 1, got {number!r}"):
        hint(ID, number)
    assert records.read() == [], "nothing was shown"


def test_the_first_that_was_not_shown():
    assert following(()) == 1 and following({"1", "2"}) == 3 and following({"2", "9" * 5000, "x"}) == 1


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
    mine, books = solution(find(ID), "2027")[0], hint(ID, 99).code
    assert check_2027(ID, defined(mine)) and check(ID, defined(books))
    assert not check_2027(ID, defined(books)) and not check(ID, defined(mine))


def test_a_class_gets_its_solution_from_its_teacher():
    _, hint_2027, _ = cohort(2027)
    code, why = solution(find(ID), "2027")
    shown = [hint_2027(ID) for _ in range(len(HINTS) + 2)]
    assert shown[-1] == shown[-2] == hint_2027(ID, 99)
    assert (shown[-1].number, shown[-1].code) == (len(HINTS) + 1, "")
    for step in shown:
        for told in (repr(step), step._repr_markdown_()):
            assert code not in told and why not in told and "comes next" not in told
    assert f"Hint {len(HINTS)} of {len(HINTS)} (the last one)" in repr(shown[-3])
    assert repr(shown[-1]) == f"{ID}: That was the last hint\n  Your teacher has the worked solution."


def test_a_class_counts_its_own_hints():
    _, hint_2027, _ = cohort("2027")
    assert [hint(ID).number, hint(ID).number, hint_2027(ID).number, hint(ID).number] == [1, 2, 1, 3]
    assert records.read()[2] == Record(ID, "2027", "hint", "1")


def test_as_text_and_markdown():
    first, last = hint(ID, 1), hint(ID, 99)
    assert repr(first).startswith(f"{ID}: Hint 1 of {len(HINTS)}")
    assert max(map(len, repr(first).splitlines())) <= 88
    assert "The worked solution" in repr(last) and "    def dW_xh" in repr(last)
    assert f"```python\n{last.code}\n```" in last._repr_markdown_() and last.text in last._repr_markdown_()
    assert first._repr_markdown_().startswith(f"**Hint 1 of {len(HINTS)}") and "```" not in first._repr_markdown_()


def test_the_last_hint_says_what_comes_next():
    assert Hint("a", 2, 2, "text").head() == "Hint 2 of 2 (the worked solution comes next)"
    assert "solution" not in Hint("a", 1, 2, "text").head()
    assert Hint("a", 1, 1, "text").head() == "Hint 1 of 1 (the worked solution comes next)"
