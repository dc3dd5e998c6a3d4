"""Cells run as in a kernel, and the exercises' answers stay outside."""

import inspect
import subprocess
import sys

import pytest

from companion.exercises.attempts import attempt
from companion.grade import cells

APART = """
import sys
from companion.grade import apart
with apart.without_checks():
    from companion.exercises.attempts import attempt
assert not [n for n in sys.modules if n.startswith("companion.exercises")], sys.modules
import companion.grade.child
assert not [n for n in sys.modules if "catalogue" in n or "judging" in n]
apart.set_apart()
import companion, companion.exercises
from companion.exercises import check, cohort, hint, progress
assert check("x", 1) is hint("x") is progress() is None
assert [f(1) for f in cohort(2027)] == [None] * 3
assert companion.exercises.check is check
for name in ("exercises.catalogue", "exercises.attempts", "grade", "grade.child"):
    try:
        __import__(f"companion.{name}")
    except ModuleNotFoundError as error:
        assert "is not available while grading" in str(error), error
    else:
        raise AssertionError(name)
import companion.tasks
assert attempt.__module__ == "companion.exercises.attempts"
"""


@pytest.fixture
def namespace(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return cells.new_namespace()


def run(namespace, *sources, seconds=5):
    begun, problems = [], []
    numbered = list(enumerate(sources, 1))
    cells.run_cells(numbered, namespace, seconds, begun.append, lambda number, text: problems.append((number, text)))
    assert begun == [number for number, _ in numbered]
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
    ],
)
def test_lines_for_ipython_are_dropped(namespace, source, without):
    assert cells.without_magics(source) == without
    assert run(namespace, source) == []


def test_a_line_that_only_looks_like_one_is_kept(namespace):
    assert run(namespace, "x = (7\n% 4)\ny = '''\n!no\n'''") == []
    assert (namespace["x"], namespace["y"]) == (3, "\n!no\n")


def test_the_childs_process_holds_no_answers_and_only_a_stand_in():
    run = subprocess.run([sys.executable, "-c", APART], capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
