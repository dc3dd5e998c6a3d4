"""What comes of calling an answer is written down, whatever the answer does."""

import enum
import functools
import linecache
import sys
import time
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.exercises import attempts
from companion.exercises.attempts import (
    LONGEST_MESSAGE,
    Attempt,
    Endless,
    Foreign,
    Missing,
    Raised,
    Returned,
    attempt,
    is_students,
    last_line,
    plain,
    unfinished,
)
from companion.exercises.limits import OutOfTime
from companion.exercises.model import Case


def cases(*arguments):
    return [Case(f"case {i}", {f"x{j}": value for j, value in enumerate(a)}) for i, a in enumerate(arguments)]


def one(answer, *arguments):
    """What one call gives."""
    return attempt(answer, cases(arguments)).outcomes[0]


def cell(source, name="f", file="cell 1", **known):
    """What a cell of a notebook defines; its source can be had, as in a notebook."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope = {"np": np, **known}
    exec(compile(source, file, "exec"), scope)
    return scope[name]


# --- calls and their arguments


def test_every_case_is_called_once_and_the_first_once_more():
    calls = []
    made = attempt(lambda x: calls.append(x) or x + 1, cases([1], [2], [3]))
    assert made == Attempt((Returned(2), Returned(3), Returned(4)), Returned(2))
    assert calls == [1, 2, 3, 1]


def test_nothing_leaks_from_one_call_into_another():
    given_ = {"a": np.zeros(2), "w": {"W": [np.zeros(3)]}}

    def answer(a, w):
        a += 1
        w["W"][0] += 1
        return a.sum() + w["W"][0].sum()

    made = attempt(answer, [Case("one", given_), Case("again", given_)])
    assert [o.value.item() for o in (*made.outcomes, made.again)] == [5.0] * 3
    assert not given_["a"].any() and not given_["w"]["W"][0].any()


def test_a_returned_view_of_an_argument_is_copied():
    kept = []

    def answer(x):
        kept.append(x)
        return x

    outcome = one(answer, np.zeros(2))
    kept[0] += 1
    assert not outcome.value.any()


def _negate(x):
    x *= -1


def _reshape(x):
    x.shape = (1, *x.shape)


CHANGES = {
    "array": (np.ones(2), _negate),
    "one entry of many": (np.zeros((3, 4)), lambda x: x.__setitem__((2, 3), 1e-300)),
    "to NaN": (np.zeros(2), lambda x: x.fill(np.nan)),
    "shape": (np.ones(2), _reshape),
    "array in a dictionary": ({"W": np.ones(2)}, lambda x: _negate(x["W"])),
    "array in a list": ([np.ones(2), np.ones(3)], lambda x: _negate(x[1])),
    "array in a tuple in a dictionary": ({"W": (1, np.ones(2))}, lambda x: _negate(x["W"][1])),
    "a list grows": ([1, 2], lambda x: x.append(3)),
    "a key goes": ({"a": 1, "b": 2}, lambda x: x.pop("a")),
    "a number for an array": ({"a": np.ones(1)}, lambda x: x.update(a=1.0)),
    "another type": ({"a": np.ones(1)}, lambda x: x.update(a=np.ones(1, np.float32))),
    "text array": (np.array(["a", "b"]), lambda x: x.fill("c")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_place_is_named(name):
    value, change = CHANGES[name]
    made = attempt(lambda first, second: change(second), [Case("a case", {"fine": np.ones(2), "hurt": value})])
    assert made.outcomes[0].changed == ("hurt",)


@pytest.mark.parametrize("value", [np.array([1, np.nan]), np.nan, [np.nan, 1], {"a": np.array(["x"])}, None, 1 + 2j])
def test_what_is_only_read_is_not_changed(value):
    assert one(lambda x: repr(x), value).changed == ()


# --- exceptions


def test_an_exception_is_its_last_line_and_its_place():
    f = cell("def f(dh, x):\n    a = 1\n    return dh @ x\n")
    outcome = one(f, np.ones((2, 3)), np.ones((2, 3)))
    assert outcome.message.startswith("ValueError: matmul: ")
    assert outcome.place == "line 3, in f: return dh @ x"


def test_the_place_is_the_deepest_line_of_the_students_own(tmp_path, monkeypatch):
    (tmp_path / "students_helper.py").write_text("def scaled(x):\n    # one more line\n    return x.missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    f = cell("def f(x):\n    from students_helper import scaled\n    return scaled(x)\n")
    assert one(f, 1.0).place == "line 3, in scaled: return x.missing"


@pytest.mark.parametrize(
    "call",
    [
        "np.concatenate([x, np.ones((2, 2, 2))])",
        "np.linalg.inv(np.ones((2, 3)))",
        "np.testing.assert_allclose(x, 7)",
        "companion.one_hot(x, -3)",
        "companion.forward(x, x, x)",
        "json.loads('{')",
    ],
)
def test_an_error_inside_a_library_is_placed_where_the_student_called_it(call):
    import json

    import companion

    f = cell(f"def f(x):\n    return {call}\n", json=json, companion=companion)
    assert one(f, np.ones(3)).place == f"line 2, in f: return {call}"


def test_an_error_in_the_call_itself_has_no_place():
    outcome = one(cell("def f(x):\n    return x\n"), 1, 2)
    assert outcome.message == "TypeError: f() takes 1 positional argument but 2 were given"
    assert "cell 1" not in outcome.place


@pytest.mark.parametrize("raised", [SystemExit(3), SystemExit(), GeneratorExit(), MemoryError(), StopIteration(1)])
def test_whatever_ends_the_answer_does_not_end_the_notebook(raised):
    def answer(x):
        raise raised

    outcome = one(answer, 1)
    assert isinstance(outcome, Raised) and outcome.message.startswith(type(raised).__name__)


def test_a_recursion_without_end_is_an_exception():
    f = cell("def f(x):\n    return f(x)\n")
    assert one(f, 1).message.startswith("RecursionError")
    assert one(f, 1).place == "line 2, in f: return f(x)"


def test_the_keyboard_stops_everything():
    def answer(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one(answer, 1)


def test_an_exception_that_cannot_be_shown_is_shown_by_name():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    class Stubborn(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    assert "Mute: " in last_line(Mute("x"))
    assert "Stubborn: " in last_line(Stubborn("x"))


def test_a_message_is_one_line_that_can_be_printed():
    noted = ValueError("the message")
    noted.add_note("and a note")
    assert last_line(noted) == "ValueError: the message"
    assert last_line(ValueError("two\nlines \x1b[31mred\x07")) == "ValueError: two lines [31mred"
    assert last_line(ValueError()) == "ValueError"


def test_a_long_message_is_cut():
    text = last_line(ValueError("x" * 10**6))
    assert len(text) == LONGEST_MESSAGE and text.startswith("ValueError: xx") and text.endswith("x…")
    whole = last_line(ValueError("y" * (LONGEST_MESSAGE - len("ValueError: "))))
    assert len(whole) == LONGEST_MESSAGE and whole.endswith("y")


def test_a_long_line_is_cut_in_the_place_too():
    f = cell(f"def f(x):\n    return x.missing  # {'long ' * 200}\n")
    assert len(one(f, 1).place) < LONGEST_MESSAGE + 40


def test_files_of_the_student_and_of_others(tmp_path):
    for file in ("cell 7", "/tmp/ipykernel_12/345.py", "<ipython-input-3>", "<string>", str(tmp_path / "mine.py")):
        assert is_students(file), file
    companion = attempts.__file__.rpartition("exercises")[0].rstrip("/\\")
    assert is_students(companion + "-of-mine/module.py")
    for file in (attempts.__file__, np.__file__, linecache.__file__, "<frozen importlib._bootstrap>"):
        assert not is_students(file), file
    assert not is_students("/home/me/.local/lib/python3.12/site-packages/numpy/core.py")
    assert not is_students("/usr/lib/python3/dist-packages/numpy/core.py")


# --- time


def test_an_endless_call_ends_the_attempt():
    f = cell("def f(x):\n    while x: x = x\n    return 1\n")
    start = time.monotonic()
    made = attempt(f, cases([0], [1], [0]), seconds=0.1)
    assert made.outcomes == (Returned(1), Endless(0.1, "line 2, in f: while x: x = x")) and made.again is None
    assert time.monotonic() - start < 1


def test_the_limit_is_of_all_cases_together():
    f = cell("import time\ndef f(x):\n    time.sleep(0.2)\n    return x\n")
    made = attempt(f, cases([0], [1], [2], [3]), seconds=0.5)
    assert [type(outcome) for outcome in made.outcomes] == [Returned, Returned, Endless]
    assert made.outcomes[-1].seconds == 0.5, "what was allowed in all is told, not what was left"


def test_out_of_time_is_not_an_exception_that_students_catch():
    assert not issubclass(OutOfTime, Exception)


# --- values

SAME = [None, True, 3, -2.5, 1 + 2j, "text", "", [], (), {}, [1, (2, {"a": None})], {"b": 1, "a": [2]}]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_plain_values_are_kept(value):
    kept = plain(value)
    assert kept == value and type(kept) is type(value)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "c16", "i8", "i4", "u1", "?", "U3"])
def test_arrays_are_copied_with_their_type(dtype):
    array = np.zeros((2, 3), dtype)
    kept = plain(array)
    assert kept.dtype == array.dtype and kept.shape == (2, 3) and not np.shares_memory(kept, array)


def test_numbers_of_numpy_keep_their_type_and_texts_become_texts():
    assert plain(np.float32(1)).dtype == np.float32 and plain(np.float32(1)).shape == ()
    assert type(plain(np.str_("a"))) is str
    assert type(plain(np.ones((2, 2)).view(np.matrix))) is np.ndarray


class FakeTensor:
    """What torch gives, without torch."""

    dtype, shape, ndim = "torch.float32", (2,), 1

    def __array__(self, *arguments, **options):
        raise AssertionError("nobody should try")


class Colour(enum.IntEnum):
    RED = 1


FOREIGN = {
    "generator": (x for x in ()),
    "set": {1, 2},
    "range": range(3),
    "map": map(str, [1]),
    "tensor": FakeTensor(),
    "enumeration": Colour.RED,
    "bytes": b"x",
    "object array": np.array([[1], [1, 2]], dtype=object),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "keys that are no texts": {1: 2},
    "module": types,
    "huge number": 10**5000,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_any_other_object_is_foreign_wherever_it_stands(name):
    value = FOREIGN[name]
    found = plain(value)
    assert isinstance(found, Foreign) and found.kind.split()[0] in ("a", "an")
    assert plain({"a": [value]}) == {"a": [found]}
    assert attempt(lambda x: (x, value), cases([1])).outcomes == (Returned((1, found)),)


def test_a_list_that_holds_itself_is_foreign_at_some_depth():
    endless = []
    endless.append(endless)
    assert "nested too deeply" in repr(plain(endless))
    assert isinstance(attempt(endless, []).outcomes[0], Returned)
    assert isinstance(one(lambda x: endless, 1), Returned)


texts = st.text(max_size=5)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False), texts)
nested = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@given(nested)
def test_plain_is_a_copy_and_does_nothing_twice(value):
    kept = plain(value)
    assert kept == value and plain(kept) == kept


# --- what is no answer


def test_a_function_where_a_value_is_asked_for():
    (outcome,) = attempt(len, []).outcomes
    assert isinstance(outcome, Missing) and "is a function" in outcome.reason


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3, "the value 3"),
        ("text", "the value 'text'"),
        (None, "None"),
        (np.ones(2), "type ndarray"),
        pytest.param(10**5000, "type int", id="huge"),
    ],
)
def test_a_value_where_a_function_is_asked_for(value, told):
    (outcome,) = attempt(value, cases([1])).outcomes
    assert isinstance(outcome, Missing) and told in outcome.reason
    assert len(attempt("x" * 10**5, cases([1])).outcomes[0].reason) < 2 * LONGEST_MESSAGE


# --- stubs

STUBS = {
    "return": "def f(x):\n    return ...  # your code\n",
    "name": "def f(x):\n    a = ...  # your code\n    return a\n",
    "annotated": "def f(x):\n    a: int = ...\n    return a\n",
    "bare": "def f(x):\n    '''Text.'''\n    ...\n",
    "deep": "def f(x):\n    for t in range(3):\n        if t:\n            h = ...\n    return x\n",
    "decorated": "import functools\ndef d(g):\n    @functools.wraps(g)\n    def w(*a):\n        return g(*a)\n"
    "    return w\n@d\ndef f(x):\n    return ...\n",
}


@pytest.mark.parametrize("name", STUBS)
def test_a_line_of_three_dots_is_a_stub(name):
    f = cell(STUBS[name], file=f"stub {name}")
    line = unfinished(f)
    assert line.endswith("...") and line in STUBS[name].replace("  # your code", "")
    assert attempt(f, cases([1])).unfinished == line


FINISHED = {
    "index": "def f(x):\n    return x[..., 0]\n",
    "index of three dots alone": "def f(x):\n    return x[...]\n",
    "assigned through": "def f(x):\n    x[...] = 1\n    return x\n",
    "argument": "def f(x, axis=...):\n    return np.sum(x, axis=0)\n",
    "einsum": "def f(x):\n    y = np.einsum('...i->...', x)\n    return y\n",
    "text": "def f(x):\n    a = '...'\n    return x\n",
}


@pytest.mark.parametrize("name", FINISHED)
def test_three_dots_for_something_else_are_no_stub(name):
    f = cell(FINISHED[name], file=f"finished {name}")
    made = attempt(f, cases([np.ones((1, 2))]))
    assert made.unfinished == "" and isinstance(made.outcomes[0], Returned)


def test_bound_methods_have_their_source():
    made = cell("class A:\n    def f(self, x):\n        return ...\nf = A().f\n", file="a method")
    assert unfinished(made) == "return ..."


def test_without_a_source_the_values_tell():
    scope = {}
    exec("def f(x):\n    return ...\ndef g(x):\n    return {'a': [1, ...]}\ndef h(x):\n    return x", scope)
    for name, line in (("f", "..."), ("g", "..."), ("h", "")):
        assert unfinished(scope[name]) == "", "the source cannot be had"
        assert attempt(scope[name], cases([1])).unfinished == line
    assert attempt(functools.partial(scope["f"]), cases([1])).unfinished == "..."
    assert attempt(lambda x: ..., cases([1])).unfinished == "..."


def test_what_has_no_source_is_not_unfinished():
    class Hostile:
        def __getattr__(self, name):
            raise ZeroDivisionError

        def __call__(self, x):
            return x

    for answer in (len, np.tanh, functools.partial(len), Hostile(), str, (lambda x: x)):
        assert unfinished(answer) == ""
    assert attempt(Hostile(), cases([1])).outcomes == (Returned(1),)


@pytest.mark.parametrize("value", [..., (1, ...), [[...]], {"a": (1, {"b": ...})}], ids=repr)
def test_three_dots_anywhere_in_a_value_are_unfinished(value):
    assert attempt(value, []).unfinished == "..."


@pytest.mark.parametrize("value", [0, None, "...", (), {}, np.zeros(2)], ids=repr)
def test_a_value_without_them_is_not(value):
    made = attempt(value, [])
    assert made.unfinished == "" and len(made.outcomes) == 1


def test_warnings_of_numpy_are_not_shown(recwarn):
    outcome = one(lambda x: np.log(x) + np.float64(1) / x, np.zeros(1))
    assert np.isnan(outcome.value).all() and not recwarn.list
    assert "companion.exercises.judging" not in vars(attempts), "expected values are kept elsewhere"


def test_attempts_need_no_expected_values():
    """The grader's child runs this module in a process that holds none."""
    import subprocess

    program = (
        "import importlib.util, sys, types\n"
        "package = types.ModuleType('companion.exercises'); package.__path__ = [sys.argv[1]]\n"
        "import companion; sys.modules['companion.exercises'] = package\n"
        "import companion.exercises.attempts\n"
        "print(*sorted(n for n in sys.modules if n.startswith('companion.exercises.')))"
    )
    folder = attempts.__file__.rpartition("attempts")[0]
    run = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.split() == [f"companion.exercises.{name}" for name in ("attempts", "limits", "model")]
