"""Placeholders in the texts, and the worked solutions that they give."""

import types

import numpy as np
import pytest

from companion.exercises import worked
from companion.exercises.catalogue import exercises, find
from companion.exercises.model import Key, options
from companion.exercises.worked import chapters, fill, order, solution, wording


def test_every_place_is_filled():
    assert fill("«f»(a) + «f»(b) is «n»", {"f": "tanh", "n": "3", "unused": "x"}) == "tanh(a) + tanh(b) is 3"
    assert fill("no place, and « none » here", {}) == "no place, and « none » here"
    assert fill("«a»", {"a": "«b»", "b": "no"}) == "«b»", "words are not filled again"


def test_a_name_without_words_is_refused():
    with pytest.raises(ValueError, match="«slope» stands in the text, but the exercise has words only for .'f'"):
        fill("«slope»", {"f": "tanh"})


def test_options_that_are_texts_or_numbers_are_their_own_words_unless_told_otherwise():
    answers = Key(answer=0, words={"b": "two"})
    assert wording(answers, {"a": "text", "b": 2, "c": 3, "d": object(), "e": np.tanh}) == {
        "a": "text",
        "b": "two",
        "c": "3",
    }


def test_chapters_are_in_the_order_of_the_book_and_cannot_be_changed_by_accident():
    names = list(chapters())
    assert names.index("unrolling") < names.index("backpropagation-through-time") < names.index("clipping")
    chapters().clear()
    assert list(chapters()) == names


def test_exercises_are_put_in_the_order_of_the_notebooks():
    known = list(exercises().values())
    assert order(reversed(order(known))) == order(known)
    assert sorted(e.id for e in order(known)) == sorted(exercises())


@pytest.mark.parametrize("text", [None, "<<<<<<< HEAD\n{}"], ids=["missing", "damaged"])
def test_without_the_stored_file_exercises_stay_as_they_are(tmp_path, monkeypatch, text):
    if text is not None:
        (tmp_path / "worked.json").write_text(text, encoding="utf-8")
    known = list(reversed(exercises().values()))
    worked._stored.cache_clear()
    monkeypatch.setattr(worked, "resources", types.SimpleNamespace(files=lambda package: tmp_path))
    try:
        assert order(known) == known
    finally:
        worked._stored.cache_clear()


@pytest.mark.parametrize("cohort", [None, "autumn", 2027])
@pytest.mark.parametrize("exercise", exercises().values(), ids=lambda e: e.id)
def test_every_question_has_a_solution_without_places(exercise, cohort):
    code, why = solution(exercise, cohort)
    assert "«" not in code + why and "# solution" not in code and "# end" not in code
    assert exercise.name in code and why.strip()
    compile(code, "solution", "exec")


def test_the_solution_is_worded_for_the_class():
    exercise = find("bptt-dU")
    told = {solution(exercise, cohort)[0] for cohort in (None, 1, 2, 3, 4, 5, 6)}
    assert len(told) == len({repr(sorted(options(exercise, c).items(), key=str)) for c in (None, 1, 2, 3, 4, 5, 6)})
