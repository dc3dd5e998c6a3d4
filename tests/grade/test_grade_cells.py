"""Cells run as in a kernel, and the exercises' answers stay outside."""

import inspect
import subprocess
import sys
from dataclasses import fields

import pytest

from companion.exercises.attempts import attempt
from companion.exercises.hints import Hint
from companion.exercises.progress import Progress
from companion.exercises.report import Report
from companion.grade import apart, cells, code

APART = """
import sys
from companion.grade import apart
with apart.without_checks():
    from companion.exercises.attempts import attempt
assert not [n for n in sys.modules if n.startswith("companion.exercises")], sys.modules
import companion.grade.child
assert not [n for n in sys.modules if "catalogue" in n or "judging" in n]
noted = apart.set_apart()
import companion, companion.exercises
from companion.exercises import check, cohort, hint, progress
said = [check("x", 1, show=True), hint("x", "solution"), progress(), *(f("y") for f in cohort(2027))]
said += [check("x", 2), check(3, 4)]
assert all(said) and {s.state for s in said} == {"passed"} and {repr(s) for s in said} == {repr(said[0])}
assert [said[0].text, said[0].head(), said[0].cases, said[0].diagnosis] == ["", "", (), None]
assert noted == {"x": 2}, noted
assert companion.exercises.check is check
for name in ("exercises.catalogue", "exercises.attempts", "grade", "grade.child"):
    try:
        __import__(f"companion.{name}")
    except ModuleNotFoundError as error:
        assert "is not available while grading" in str(error), error
    else:
        raise AssertionError(name)
import companion.bptt.long_lags
assert attempt.__module__ == "companion.exercises.attempts"
"""


def test_what_is_said_while_grading_has_the_attributes_of_what_is_said_else():
    names = {field.name for said in (Report, Hint, Progress) for field in fields(said)}
    assert names <= set(dir(apart.Unsaid))


@pytest.fixture
def namespace(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return cells.new_namespace()


def run(namespace, *sources, seconds=5):
    begun, problems = [], []
    numbered = [cells.Cell(number, source) for number, source in enumerate(sources, 1)]
    cells.run_cells(
        numbered, namespace, seconds, 100, begun.append, lambda number, text: problems.append((number, text))
    )
    assert begun == [cell.number for cell in numbered]
    return problems


def test_cells_share_their_names_and_one_that_fails_is_told(namespace):
    problems = run(
        namespace, "a = 1", "a += 1\nraise ValueError('no')", "def f():\n    return a + 1", "b = f(", "c = f()"
    )
    assert problems == [
        (2, "ValueError: no (line 2: raise ValueError('no'))"),
        (4, "SyntaxError: '(' was never closed"),
    ]
    assert namespace["c"] == 3


def test_leaving_is_told_and_goes_on(namespace):
    problems = run(namespace, "import sys\nsys.exit(3)", "raise KeyboardInterrupt", "exit()", "a = 1")
    assert [number for number, _ in problems] == [1, 2, 3]
    assert namespace["a"] == 1


def test_an_endless_cell_is_stopped(namespace):
    assert run(namespace, "a = 1\nwhile True:\n    pass", "b = a", seconds=0.1) == [(1, "stopped after 0.1 seconds")]
    assert namespace["b"] == 1


def test_the_source_of_functions_is_known(namespace):
    run(namespace, "x = 1\n\ndef f():\n    a = ...\n    return a")
    assert inspect.getsource(namespace["f"]) == "def f():\n    a = ...\n    return a"
    assert attempt(namespace["f"], ()).outcomes  # a function where a value is asked for
    from companion.exercises.attempts import unfinished

    assert unfinished(namespace["f"]) == "a = ..."


def test_a_class_of_a_cell_belongs_to_main(namespace):
    run(namespace, "import pickle\nclass A:\n    pass\nb = pickle.loads(pickle.dumps(A()))", "display(b)")
    assert type(namespace["b"]) is namespace["A"]


@pytest.mark.parametrize(
    ("source", "without"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if True:\n    !pip install y\nx = 1", "if True:\n    pass\nx = 1"),
        ("np.dot?\n?np.dot\nx = 1", "pass\npass\nx = 1"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%%bash\nls", ""),
        ("\n%%html\n<b>", ""),
        ("files = !ls\nx = 1", "files = None\nx = 1"),
        ("if True:\n    r=%timeit -o sum([])\nx = 1", "if True:\n    r=None\nx = 1"),
    ],
)
def test_lines_for_ipython_are_dropped(namespace, source, without):
    assert code.without_magics(source) == without
    assert run(namespace, source) == []


def test_a_line_that_only_looks_like_one_is_kept(namespace):
    assert run(namespace, "x = (7\n% 4)\ny = '''\n!no\n'''") == []
    assert (namespace["x"], namespace["y"]) == (3, "\n!no\n")


@pytest.mark.parametrize(
    ("source", "is_needed"),
    [
        ("answer = slow()", True),
        ("(a, answer) = slow()", True),
        ("print(answer)", False),
        ("def f():\n    return 1", True),
        ("if x:\n    class A:\n        pass", True),
        ("from time import sleep\nsleep(9)", True),
        ("r = check('id', other)", True),
        ("SCALE = -2", True),
        ("# nothing", True),
        ("while True:\n    pass", False),
        ("model = train(9)", False),
        ("total = [x for x in y]", False),
        ("10**10**10", False),
        ("%time train()\nimport a", True),
        ("%time train()\ntrain()", False),
        ("def f(:", False),
    ],
)
def test_which_cells_answers_may_depend_on(source, is_needed):
    assert code.needed(source, {"answer"}) == is_needed


@pytest.mark.parametrize(
    ("source", "defines"),
    [
        ("x = 1\ndef answer(x:\n    return", True),
        ("if True:\n    answer = (1", True),
        ("class answer:", True),
        ("answer == 1", False),
        ("answers = 1\ndef answer_two(x):\n    my.answer = 2", False),
        ("check('a', answer)", False),
    ],
)
def test_what_a_cell_is_meant_to_define(source, defines):
    assert code.would_define(source, "answer") == defines


def test_short_of_time_only_cells_that_are_needed_run(namespace, monkeypatch):
    clock, problems = [0.0], []
    monkeypatch.setattr(cells.time, "monotonic", lambda: clock[0])
    namespace["take"] = lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    sources = [("take(4)", False), ("take(2)", False), ("a = 1", False), ("b = 2", True)]
    numbered = [cells.Cell(number, *cell) for number, cell in enumerate(sources, 1)]
    cells.run_cells(numbered, namespace, 5, 10, lambda number: None, lambda *told: problems.append(told))
    assert problems == [(3, cells.SHORT)]
    assert "a" not in namespace and namespace["b"] == 2


def test_no_cell_takes_more_than_half_of_what_is_left(namespace):
    problems = []
    endless = [cells.Cell(number, "while True:\n    pass") for number in range(4)]
    last = cells.Cell(4, "b = 2")
    cells.run_cells([*endless, last], namespace, 5, 0.8, lambda number: None, lambda *told: problems.append(told[1]))
    seconds = [float(text.split()[2]) for text in problems]
    assert 0.3 <= seconds[0] <= 0.4 and sum(seconds) < 0.8 and namespace["b"] == 2
    assert all(after < before for before, after in zip(seconds, seconds[1:], strict=False))


def test_the_childs_process_holds_no_answers_and_only_a_stand_in():
    run = subprocess.run([sys.executable, "-c", APART], capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
