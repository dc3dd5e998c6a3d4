"""What was right in a student's notebook is right in the grade, however it was written and handed in."""

import csv
import json

import pytest
import school

from companion.exercises.model import options
from companion.grade import __main__ as grader
from companion.grade import gradescope, marking, notices

TOTAL_WRONG = "def total(x):\n    return 1.0"
FULL = ["passed"] * 3


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    school.use(monkeypatch)


def marked(tmp_path, *cells, **options):
    return school.mark_all(school.hand_in(tmp_path / "class", anna=cells), **options)["anna"]


def entries(record):
    (only,) = record["notebooks"]
    return {entry["id"]: entry for entry in only["exercises"]}


def run(*arguments):
    return grader.main([str(argument) for argument in arguments])


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


# --- printing

PRINTS = (
    "print('u', flush=True)",
    "print('x' * 20_000)",
    "for n in range(400):\n        print('epoch', n, 'loss', 0.123456789)",
    "import traceback\n    traceback.print_stack()",
    "import sys\n    sys.stdout.flush()\n    print('\\ud800', file=sys.stderr, flush=True)",
    "import logging\n    logging.warning('x is %s', x)",
    "import os\n    os.write(1, b'x')\n    os.fstat(sys.__stdout__.fileno())",
)


@pytest.mark.parametrize("line", PRINTS)
def test_printing_fails_neither_a_cell_nor_an_answer(tmp_path, line):
    record = marked(
        tmp_path,
        school.IMPORTS + "\nimport sys",
        f"def scaled(x):\n    {line}\n    return 2 * x",
        f"def total(x):\n    {line}\n    return float(x.sum())",
        f"x = 1\nif x:\n    {line}\nnumber = 7",
        "scaled(np.ones(2))",
    )
    assert (school.score(record), school.told(record)) == (3, "")


# --- which answer counts


def test_an_answer_of_another_name_counts_if_it_was_checked(tmp_path):
    record = marked(
        tmp_path,
        school.IMPORTS,
        "def my_scaled(x):\n    return 2 * x",
        'check("scale", my_scaled)',
        'check("sum", lambda x: float(x.sum()))\ncheck(id="count", answer=7)',
    )
    assert [*school.states(record).values()] == FULL and school.told(record) == ""


AFTERWARDS = {
    "a scratch cell": "number = 3\nscaled = 5",
    "a stub once more": "def scaled(x):\n    return ...\n\nnumber = ...",
    "deleted": "del scaled, number",
    "a check that there is not": 'check("skale", 3)\ncheck([], 3)\ncheck()\ncheck("scale")',
}


@pytest.mark.parametrize("name", AFTERWARDS)
def test_what_comes_after_a_check_does_not_count(tmp_path, name):
    record = marked(tmp_path, *school.RIGHT, AFTERWARDS[name])
    assert [*school.states(record).values()] == FULL and school.told(record) == ""


def test_the_last_check_counts(tmp_path):
    record = marked(tmp_path, *school.RIGHT, TOTAL_WRONG, 'check("sum", total)')
    assert school.states(record) == {"scale": "passed", "sum": "failed", "count": "passed"}


def test_a_value_counts_as_it_was_when_it_was_checked(tmp_path):
    wrong = ("number = np.array(8)", 'check("count", number)', "number -= 1\nnumber[...] = 9")
    record = marked(tmp_path, *school.RIGHT[:3], *wrong)
    assert school.states(record)["count"] == "failed"
    right = ("number = np.array(7)", 'check("count", number)', "number[...] = 9")
    record = marked(tmp_path / "2", *school.RIGHT[:3], *right)
    assert school.states(record)["count"] == "passed"


def test_an_answer_that_was_mended_and_not_checked_again_counts(tmp_path):
    stubs = school.STUBS
    record = marked(tmp_path, *stubs, school.SCALED, school.TOTAL, school.NUMBER)
    assert [*school.states(record).values()] == FULL


def test_of_two_wrong_answers_the_one_that_was_attempted_is_told(tmp_path):
    record = marked(tmp_path, *school.STUBS, TOTAL_WRONG)
    assert school.states(record) == {"scale": "not attempted", "sum": "failed", "count": "not attempted"}


def test_a_notebook_may_go_on_only_where_a_check_has_passed(tmp_path):
    gate = 'r = check("sum", total)\nif r and r.state == "passed" and repr(r):\n    number = 7'
    hints = "exec(hint('sum', 'solution').code)\nassert progress().rows == () and not check('sum', total).findings"
    record = marked(tmp_path, *school.RIGHT[:3], gate, hints)
    assert (school.score(record), school.told(record)) == (3, "")


# --- cells


def test_what_a_line_for_ipython_assigns_does_not_cost_the_cell(tmp_path):
    record = marked(tmp_path, school.IMPORTS, "files = !ls\n" + school.SCALED, school.TOTAL + "\nr = %timeit -o total")
    assert school.states(record) == {"scale": "passed", "sum": "passed", "count": "not defined"}
    assert school.told(record) == "the notebook defines no `number`"


def test_the_reason_names_what_is_missing_and_the_cell_that_did_not_run(tmp_path):
    broken = "def scaled(x):\n    return (2 * x"
    folder = school.hand_in(tmp_path / "class", anna=(school.IMPORTS, broken, school.CHECKS, "1 / 0"))
    assert run(folder, "--out", tmp_path / "g.csv") == 0
    reason = "the notebook defines no `scaled`: cell 3 did not run (SyntaxError: '(' was never closed)"
    record = json.loads((tmp_path / "g-students" / "anna.json").read_text(encoding="utf-8"))
    assert [entry["reason"] for entry in entries(record).values()] == [
        reason,
        "the notebook defines no `total`",
        "the notebook defines no `number`",
    ]
    remarks = rows(tmp_path / "g.csv")["anna"]["remarks"]
    assert remarks.startswith(f"{reason}; the notebook defines no `total`, `number`; cell 4: NameError")
    assert "cell 3:" not in remarks and "cell 5: ZeroDivisionError" in remarks
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "cell 3 did not run (SyntaxError" in page.partition("Submissions to look at")[2]
    test = json.loads(gradescope.results(record))["tests"][0]
    assert test["output"] == f"{reason[:1].upper()}{reason[1:]}."


def test_what_to_do_next_is_not_said_after_grading(tmp_path):
    record = marked(tmp_path, *school.STUBS)
    (finding,) = entries(record)["scale"]["findings"]
    assert finding["text"] == "The line return ... is still as it was."
    assert "again" not in gradescope.text(record) and "hint(" not in gradescope.text(record)


def test_a_student_gets_a_text(tmp_path):
    folder = school.hand_in(tmp_path / "class", anna=(school.IMPORTS, school.SCALED, TOTAL_WRONG), bert="")
    assert run(folder, "--out", tmp_path / "g.csv") == 0
    text = (tmp_path / "g-students" / "anna.txt").read_text(encoding="utf-8")
    head, scale, total, count = text.split("\n\n")
    assert head == "anna.ipynb: 1 of 3 exercises passed.\nThe notebook defines no `number`."
    assert scale == "✓ scale: Scale\n  Passed."
    assert total.startswith("✗ sum: Sum\n  Not yet right.\n  ✗ size 2\n  ✗ size 4\n  First difference")
    assert count == "✗ count: Count\n  The notebook defines no `number`.\n"
    assert "The file is empty." in (tmp_path / "g-students" / "bert.txt").read_text(encoding="utf-8")


def test_a_package_that_is_missing_only_here_is_told(tmp_path, monkeypatch):
    cells = ("raise ModuleNotFoundError(\"No module named 'nbformat.v4'\")", "import no_such_package", *school.RIGHT)
    monkeypatch.setattr(marking, "python_is_closed", lambda: True)
    told = school.told(marked(tmp_path / "1", *cells)).split("\n")
    assert told[0] == "this grader's Python cannot be read by submissions, which could not import nbformat"
    assert "cannot be read" not in school.told(marked(tmp_path / "2", "import companion.grade", *school.RIGHT))
    monkeypatch.setattr(marking, "python_is_closed", lambda: False)
    assert "cannot be read" not in school.told(marked(tmp_path / "3", *cells))


def test_a_package_that_is_nowhere_costs_only_what_needs_it(tmp_path):
    imports = f"import no_such_package\n{school.IMPORTS}\nfrom no_such_package import f"
    record = marked(tmp_path, imports, *school.RIGHT[1:], "def g():\n    import other_package\ng()\nnumber = 8")
    assert school.score(record) == 3
    assert school.told(record).split("\n") == [
        "cell 2: ModuleNotFoundError: No module named 'no_such_package' (line 1: import no_such_package)",
        "cell 7: ModuleNotFoundError: No module named 'other_package' (line 2, in g: import other_package)",
    ]


def test_nobody_answers_a_question_on_the_keyboard(tmp_path):
    record = marked(tmp_path, "n = input('how many? ')", *school.RIGHT)
    assert school.score(record) == 3 and "cell 2: EOFError" in school.told(record)


COMMON = """math random time copy itertools functools collections statistics dataclasses typing heapq fractions decimal
json csv re pathlib string operator timeit datetime bisect pprint abc enum contextlib warnings os sys logging unittest
doctest textwrap inspect calendar numbers cmath secrets queue threading numpy.linalg numpy.random
companion.core.layers"""


def test_what_students_import_is_there(tmp_path):
    cells = tuple(f"import {name}" for name in COMMON.split())
    assert school.told(marked(tmp_path, *school.RIGHT, *cells)) == ""


# --- what was handed in


def test_the_best_of_several_notebooks_counts(tmp_path):
    school.hand_in(tmp_path / "class" / "karl", school=school.STUBS, copy=school.RIGHT, old="no notebook")
    record = school.mark_all(tmp_path / "class")["karl"]
    assert school.score(record) == 3
    remark = "several notebooks of this chapter: copy.ipynb counts, the best of school.ipynb (0), copy.ipynb (3)"
    assert school.told(record) == remark + ", old.ipynb (0)" or school.told(record) == remark


def test_a_file_that_is_no_notebook_and_a_student_who_handed_in_nothing_have_a_row(tmp_path):
    folder = school.hand_in(tmp_path / "class", anna=school.RIGHT)
    (folder / "vera.html").write_text("<html>", encoding="utf-8")
    (folder / "-nick.ipynb.txt").write_text("{}", encoding="utf-8")
    (folder / "wanda").mkdir()
    (folder / "wanda" / "notes.txt").write_text("ill", encoding="utf-8")
    (tmp_path / "names.txt").write_text("anna\nvera\nxaver\n", encoding="utf-8")
    out = tmp_path / "g.csv"
    assert run(folder, "--out", out, "--students", tmp_path / "names.txt") == 0
    found = {name: (row["notebook"], row["score"], row["scale"], row["remarks"]) for name, row in rows(out).items()}
    assert found == {
        "'-nick": ("", "0", "lost", "not a notebook (-nick.ipynb.txt)"),
        "anna": ("anna.ipynb", "3", "passed", ""),
        "vera": ("", "0", "lost", "not a notebook (vera.html)"),
        "wanda": ("", "0", "lost", "not a notebook (notes.txt)"),
        "xaver": ("", "0", "lost", "there is no notebook"),
    }
    assert out.read_bytes().startswith(b"\xef\xbb\xbfstudent,")


def test_who_is_not_on_the_list_or_has_left_is_told(tmp_path, capsys):
    folder, out = school.hand_in(tmp_path / "class", anna=school.RIGHT, bert=""), tmp_path / "g.csv"
    (tmp_path / "names.txt").write_text("anna\n", encoding="utf-8")
    assert run(folder, "--out", out, "--students", tmp_path / "names.txt") == 0
    assert "not in names.txt: bert" in capsys.readouterr().err
    (folder / "bert.ipynb").unlink()
    assert run(folder, "--out", out, "--resume") == 0
    assert "In g-students/, but no longer among the submissions: bert" in capsys.readouterr().err
    assert (tmp_path / "g-students" / "bert.json").exists() and list(rows(out)) == ["anna"]
    assert run(folder, "--out", out, "--students", tmp_path / "none.txt", "--resume") == 2


def test_a_notebook_of_another_chapter_is_told(tmp_path, monkeypatch):
    from companion.exercises import catalogue
    from companion.exercises.model import Exercise

    other = Exercise(**{**vars(school.scale), "id": "other", "chapter": "geometry"})
    monkeypatch.setattr(catalogue, "exercises", lambda: {**school.EXERCISES, "other": other})
    lena = school.notebook(*school.RIGHT[:2], chapter="geometry")
    folder = school.hand_in(tmp_path / "class", anna=school.RIGHT, bert=school.RIGHT, lena=lena)
    school.hand_in(folder / "mia", school=school.RIGHT, geometry=lena)
    assert run(folder, "--out", tmp_path / "g.csv") == 0
    found = rows(tmp_path / "g.csv")
    assert (found["lena"]["score"], found["lena"]["out of"]) == ("1", "1")
    assert found["lena"]["remarks"] == "of another chapter (geometry) than most of the class (school)"
    assert found["anna"]["remarks"] == found["mia"]["remarks"] == ""
    assert run(folder, "--out", tmp_path / "h.csv", "--chapter", school.CHAPTER) == 0
    assert "says that it is of geometry" in rows(tmp_path / "h.csv")["lena"]["remarks"]


def test_the_books_notebook_and_the_books_answers_are_told_in_a_class(tmp_path):
    factor = options(school.scale, "x1")["factor"]
    mixed = (school.IMPORTS, f"def scaled(x):\n    return {factor} * x", school.TOTAL, "number = 0")
    folder = school.hand_in(tmp_path / "class", book=school.RIGHT, own=school.notebook(*mixed, cohort="x1"))
    record = school.mark_all(folder, cohort="x1")
    assert school.told(record["book"]).split("\n") == [
        "this is the book's notebook, and not the class's",
        "answers to the book's questions: scale, sum, count",
    ]
    assert school.told(record["own"]) == "answers to the book's questions: sum"
    assert entries(record["own"])["sum"]["findings"][0]["title"] == "The answer to the book's question"
    assert "book" not in school.told(school.mark_all(folder)["book"])


def test_a_python_that_anyone_can_read_is_not_closed(monkeypatch):
    notices.python_is_closed.cache_clear()
    monkeypatch.setattr(notices, "are_available", lambda: False)
    assert notices.python_is_closed() is False
    notices.python_is_closed.cache_clear()
