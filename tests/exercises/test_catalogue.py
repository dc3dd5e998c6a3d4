"""Every exercise tells right from wrong, whatever a class is asked, and says of each listed mistake which one it is."""

import itertools
import linecache
from dataclasses import replace
from functools import cache

import exercise_notebooks as tool
import exercise_score as score
import numpy as np
import pytest

from companion.exercises.attempts import plain
from companion.exercises.catalogue import exercises, of_chapter
from companion.exercises.comparing import RESULT, parts, same
from companion.exercises.model import Drawn, Misconception, options
from companion.exercises.worked import cells, fill, key, wording

ALL = list(exercises().values())
QUESTIONS = [(exercise, question) for exercise in ALL for question in score.questions(exercise)]
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
every_question = pytest.mark.parametrize(
    ("exercise", "question"), QUESTIONS, ids=[f"{exercise.id}: {question}" for exercise, question in QUESTIONS]
)


RUBRICS = {}


def rubric_of(exercise, question):
    """Prepared once for all tests of a question: nothing that is handed in can change one."""
    at = exercise.id, str(question)
    if at not in RUBRICS:
        RUBRICS[at] = question.rubric(exercise)
    return RUBRICS[at]


@cache
def code_of(chapter):
    """The exercises' cells of a chapter's text, by id."""
    return {section.id: section.code for section in tool.read(tool.ROOT, chapter).sections}


def stub(exercise, rubric, question):
    """What a student's notebook defines, for a question; its source can be looked up."""
    words = wording(rubric.key, {**options(exercise, question.cohort), **dict(question.changed)})
    scope = {"np": np}
    for number, source in enumerate(
        (*cells(exercise, words)[:-1], tool.student_code(code_of(exercise.chapter)[exercise.id]))
    ):
        code, file = fill(source, words), f"<cell {number} of {exercise.id}>"
        assert max(map(len, code.splitlines())) <= 84
        linecache.cache[file] = (len(code), None, [line + "\n" for line in code.splitlines()], file)
        exec(compile(code, file, "exec"), scope)
    return scope[exercise.name]


@every_question
def test_the_right_answers_pass(exercise, question):
    rubric = rubric_of(exercise, question)
    assert len(rubric.key.also_right) >= 2
    for form in (rubric.key.answer, *rubric.key.also_right):
        assert score.submit(rubric, form), getattr(form, "__name__", form)


@every_question
def test_no_line_of_the_solution_is_too_long_for_the_page(exercise, question):
    words = wording(rubric_of(exercise, question).key, {**options(exercise, question.cohort), **dict(question.changed)})
    assert max(len(line) for cell in cells(exercise, words) for line in cell.splitlines()) <= 84


@every_question
def test_the_stub_is_not_an_attempt(exercise, question):
    rubric = rubric_of(exercise, question)
    report = score.submit(rubric, stub(exercise, rubric, question))
    if exercise.kind == "repair":  # what stands there is the bug itself, which is diagnosed
        assert report.diagnosis is not None, report
    else:
        assert report.state == "not attempted", report


@every_question
def test_each_misconception_is_rejected_with_its_own_hint(exercise, question):
    rubric = rubric_of(exercise, question)
    assert len(rubric.key.misconceptions) >= 3
    for position, misconception in enumerate(rubric.key.misconceptions):
        assert score.is_recognised(rubric, position), (misconception.name, score.submit(rubric, misconception.wrong))


@every_question
def test_some_case_tells_any_two_misconceptions_apart(exercise, question):
    rubric = rubric_of(exercise, question)
    named = zip(rubric.key.misconceptions, rubric.wrong, strict=True)
    for (one, left), (other, right) in itertools.combinations(named, 2):
        assert one.name != other.name
        assert any(not same(a, b, 1e-5) for a, b in zip(left, right, strict=True)), (one.name, other.name)


@every_question
def test_a_wrong_answer_that_is_not_listed_gets_the_first_difference_and_no_hint(exercise, question):
    rubric = rubric_of(exercise, question)
    if rubric.key.view is not None:
        pytest.skip("what is compared are facts; test_judging has made-up views")
    for disturb in (noisy, first_entry):
        answer = rubric.key.answer
        wrong = (lambda *given, a=answer, d=disturb: d(a(*given))) if rubric.cases else disturb(answer)
        report = score.submit(rubric, wrong)
        assert report.state == "failed"
        assert [finding.kind for finding in report.findings] == ["difference"], report


def noisy(value):
    """A wrong value of the same form, every entry moved by another amount."""
    if isinstance(value, dict):
        return {name: noisy(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(noisy(item) if i == 0 else item for i, item in enumerate(value))
    if isinstance(value, str):
        return value + "xyz"
    if isinstance(value, bool | int | np.integer | np.bool_):
        return int(value) * 3 + 1007
    array = np.array(value)
    moved = array * (1.1 + 0.37 * np.cos(np.arange(array.size) ** 2)).reshape(array.shape) + 0.0917
    if array.dtype.kind in "biu":
        moved = array + 1007 + np.arange(array.size).reshape(array.shape) ** 2
    return moved if array.ndim else float(moved)


def first_entry(value):
    """A wrong value that differs in one entry alone."""
    if isinstance(value, dict):
        first = next(iter(value))
        return {**value, first: first_entry(value[first])}
    if isinstance(value, list | tuple):
        return type(value)(first_entry(item) if i == 0 else item for i, item in enumerate(value))
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biufc":
        changed = value.copy()
        changed.flat[0] = changed.flat[0] * 3 + 17
        return changed
    return noisy(value) if isinstance(value, str) else value * 3 + 1231


@every_exercise
def test_no_solution_of_the_book_passes_where_anything_else_is_asked(exercise):
    assert exercise.ask, "a class needs a question of its own"
    book = key(exercise).answer
    for question in score.questions(exercise):
        if question.changed or question.cohort is not None:
            assert not score.submit(rubric_of(exercise, question), book), str(question)


@every_exercise
def test_hints_come_in_steps_and_names_are_told(exercise):
    answers = key(exercise)
    assert 2 <= len(answers.hints) <= 4
    for text in (*answers.hints, *(m.hint for m in answers.misconceptions)):
        assert text.strip() == text
        assert text[-1] in ".?!…`)", text
    assert exercise.kind in tool.KINDS
    for among in exercise.ask.values():
        assert isinstance(among, Drawn) or len(among) >= 2
    if answers.view is None and answers.cases:
        names = set(parts(plain(answers.answer(*answers.cases[0].arguments.values())), answers.returns))
        assert set(answers.axes) <= names | {RESULT}
        assert all("[" not in name for name in names), "a tuple's parts need their names: returns=(…)"


@every_exercise
def test_a_case_is_the_same_whenever_it_is_drawn(exercise):
    first, second = score.Question(None).rubric(exercise), score.Question(None).rubric(exercise)
    for one, other in zip(first.cases, second.cases, strict=True):
        assert one.name == other.name
        assert same(plain(dict(one.arguments)), plain(dict(other.arguments)), 0.0)
    assert len({case.name for case in first.cases}) == len(first.cases)


@every_exercise
def test_grading_draws_other_inputs_than_checking(exercise):
    check, grade = key(exercise), key(exercise, occasion="grade")
    drawn = [dict(case.arguments) for case in check.cases], [dict(case.arguments) for case in grade.cases]
    assert not check.cases or not all(same(plain(a), plain(b), 0.0) for a, b in zip(*drawn, strict=True))


@pytest.mark.parametrize("chapter", tool.chapters_with_exercises())
def test_the_names_that_a_notebook_asks_for_differ(chapter):
    names = [exercise.name for exercise in of_chapter(chapter)]
    assert len(set(names)) == len(names)


def test_every_chapter_of_three_parts_has_exercises():
    assert {exercise.chapter for exercise in ALL} == set(tool.chapters_with_exercises())
    assert len(ALL) >= 30


def test_the_score_sees_a_misconception_that_is_not_recognised():
    """A listed mistake that gives the right numbers cannot be told from the right answer."""
    rubric = score.Question(None).rubric(exercises()["bptt-dU"])
    listed = Misconception("none", "None.", rubric.key.answer)
    blind = replace(rubric, key=replace(rubric.key, misconceptions=(listed,)))
    assert score.is_recognised(rubric, 0)
    assert not score.is_recognised(blind, 0)


def test_the_score_counts_what_is_recognised_and_fails_for_what_is_not(monkeypatch, capsys):
    exercise = exercises()["clip-norm"]
    monkeypatch.setattr(score, "exercises", lambda: {exercise.id: exercise})
    assert score.main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("exercises 1 in 1 chapters") and said.count("(100.0%)") == 2
    monkeypatch.setattr(score, "is_recognised", lambda rubric, position: False)
    assert score.main([]) == 1
    said = capsys.readouterr().out
    assert f"not recognised: {exercise.id}, the book's: " in said and "own hint 0 (0.0%)" in said
