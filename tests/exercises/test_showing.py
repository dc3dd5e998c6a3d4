"""check(…, show=True) prints the case that went wrong as code, which gives the same inputs to the last bit."""

import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import companion.exercises
from companion.exercises import check, cohort
from companion.exercises.catalogue import exercises, find
from companion.exercises.model import Case, Exercise, Key
from companion.exercises.showing import SMALL, as_code
from companion.exercises.worked import key

ID = "bptt-dU"


def identical(left, right):
    """Whether two arguments have the same types, shapes, kinds of number and bits (but for those of a NaN)."""
    if isinstance(right, dict):
        return type(left) is dict and list(left) == list(right) and all(identical(left[k], right[k]) for k in right)
    if isinstance(right, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(identical, left, right))
    if isinstance(right, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and bool(np.array_equal(left, right, True))
    return type(left) is type(right) and (left == right or left != left and right != right)


kinds = st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint64, np.bool_])
arrays = kinds.flatmap(
    lambda kind: npst.arrays(kind, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
)
leaves = st.one_of(arrays, st.floats(), st.integers(), st.text(), st.booleans(), st.none())
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@given(values)
def test_code_gives_the_value_again(value):
    assert identical(eval(as_code(value, 7), {"np": np}), value)


def test_arrays_of_texts_and_single_numbers_of_numpy():
    texts = np.array([["a], [b", "nan"], ["inf", "c"]])
    assert (eval(as_code(texts), {"np": np}) == texts).all()
    assert as_code(np.float64(0.5)) == "0.5" and as_code((1,)) == "(1,)"


def test_rows_stand_below_one_another():
    assert "x = " + as_code(np.array([[[1.5, -2], [3, 4]], [[5, 6], [7, 8]]]), 4) == (
        "x = np.array([[[1.5, -2.0],\n"
        "               [3.0, 4.0]],\n"
        "              [[5.0, 6.0],\n"
        "               [7.0, 8.0]]])"
    )


def pasted(printed, name):
    """What the printed lines define when they are pasted into a cell, and what the call was given."""
    calls = []
    scope = {"np": np, "check": check, name: lambda *given: calls.append(given)}
    exec(printed, scope)
    return scope, calls


@pytest.mark.parametrize("exercise", exercises().values(), ids=lambda e: e.id)
def test_what_is_printed_can_be_pasted_and_calls_the_function_with_these_inputs(exercise, capsys):
    answers = key(exercise)
    if not answers.cases:
        pytest.skip("a value is asked for")
    report = check(exercise.id, lambda *given: None, show=True)
    case = answers.cases[0]
    assert identical(report.inputs, dict(case.arguments))
    printed = capsys.readouterr().out
    assert printed.startswith(f"# {exercise.id}, the case '{case.name}'\n")
    _, calls = pasted(printed, exercise.name)
    assert len(calls) == 1 and identical(calls[0], tuple(case.arguments.values()))


def made_up(monkeypatch, answer, *cases, **options):
    """The exercise "made-up" of these cases, and what its check with show=True prints and reports."""
    answers = Key(answer=answer, cases=cases, **options)
    exercise = Exercise("made-up", "chapter", "f", "F", "open", {}, lambda rng: answers)
    monkeypatch.setattr(companion.exercises, "find", lambda id, cohort: exercise)


SIZES = (Case("small", {"x": np.ones((2, 3))}), Case("large", {"x": np.arange(SMALL + 1.0), "w": {"a": np.ones(3)}}))


def test_the_case_is_the_first_that_went_wrong(monkeypatch, capsys):
    made_up(monkeypatch, lambda x: x + 1, *(Case(f"number {i}", {"x": float(i)}) for i in range(4)))
    report = check("made-up", lambda x: x + 1 if x < 2 else x, show=True)
    assert report.inputs == {"x": 2.0} and "the case 'number 2'\nx = 2.0\nf(x)\n" in capsys.readouterr().out


def test_where_all_numbers_are_right_it_is_the_case_whose_input_was_changed(monkeypatch, capsys):
    def changes(x):
        if len(x) == 3:
            x += 1
            return x
        return x + 1

    made_up(monkeypatch, lambda x: x + 1, *(Case(f"of {n}", {"x": np.zeros(n)}) for n in (2, 3)))
    report = check("made-up", changes, show=True)
    assert not report and "the case 'of 3'" in capsys.readouterr().out
    assert not report.inputs["x"].any(), "as it was before the call"


def test_shapes_stand_side_by_side(monkeypatch, capsys):
    case = Case("one", {"x": np.ones((2, 3))})
    made_up(monkeypatch, lambda x: (x, x[0], 1.0), case, returns=("dW", "db", "loss"))
    check("made-up", lambda x: (x.T, [1, 2, 3], x), show=True)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "# dW: yours (3, 2), asked (2, 3)",
        "# db: yours (3,), asked (3,)",
        "# loss: yours (2, 3), asked a single number",
    ]
    check("made-up", lambda x: x, show=True)
    assert capsys.readouterr().out.splitlines()[-1] == "# yours is an array of shape (2, 3), asked is a tuple of 3"
    check("made-up", lambda x: 1 / 0, show=True)
    assert capsys.readouterr().out.splitlines()[-1] == "f(x)", "nothing came back"


def test_a_large_array_is_not_written_out_but_can_be_had(monkeypatch, capsys):
    x, w = np.arange(SMALL + 1.0), {"a": np.ones((60, 2)), "b": np.ones(2)}
    made_up(monkeypatch, lambda x, w, n: 1.0, Case("large", {"x": x, "w": w, "n": 3}))
    check("made-up", lambda x, w, n: 2.0, show=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:6] == [
        'inputs = check("made-up", f, show=True).inputs',
        f'x = inputs["x"]  # shape ({SMALL + 1},)',
        'w = inputs["w"]  # a (60, 2), b (2,)',
        "n = 3",
        "f(x, w, n)",
    ]
    scope = {"np": np, "check": check, "f": lambda x, w, n: 2.0}
    exec("\n".join(lines), scope)
    assert identical(scope["x"], x) and identical(scope["w"], w)


def test_a_value_has_no_inputs(capsys):
    report = check("lstm-parameters", 3, show=True)
    assert capsys.readouterr().out == "lstm-parameters asks for a value: there are no inputs.\n"
    assert not report and report.inputs == {}


def test_only_a_wrong_answer_and_only_on_request_has_something_to_show(capsys):
    answers = key(find(ID))
    wrong = answers.misconceptions[0].wrong
    assert check(ID, wrong).inputs == {} and check(ID, answers.answer, show=True) and not check(ID, ..., show=True)
    assert capsys.readouterr().out == ""
    assert check(ID, wrong) == check(ID, wrong, show=True)
    assert repr(check(ID, wrong)) == repr(check(ID, wrong, show=True))


def test_a_class_is_shown_its_own_inputs(capsys):
    report = cohort(2027)[0]("lstm-step", lambda *given: None, show=True)
    assert identical(report.inputs, dict(key(find("lstm-step"), 2027).cases[0].arguments))
    assert "# lstm-step, the case" in capsys.readouterr().out


def test_the_inputs_are_the_students_own(monkeypatch):
    made_up(monkeypatch, lambda x: x, Case("one", {"x": np.ones(3)}))
    check("made-up", lambda x: None, show=True).inputs["x"][:] = 0
    assert check("made-up", lambda x: None, show=True).inputs["x"].all()


def test_it_is_printed_where_a_terminal_writes_ascii_only(monkeypatch):
    written = []
    monkeypatch.setattr(
        sys, "stdout", types.SimpleNamespace(encoding="ascii", write=written.append, flush=lambda: None)
    )
    made_up(monkeypatch, lambda x: 1.0, Case("σ", {"x": 1.0}))
    check("made-up", lambda x: 2.0, show=True)
    assert "".join(written).encode("ascii").startswith(b"# made-up, the case 'sigma'")
