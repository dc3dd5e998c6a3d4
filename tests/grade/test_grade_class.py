"""Grading a class from the command line: results, resuming, shards, cohorts, hidden checks, Gradescope."""

import csv
import json
import os
import signal
import sys
import threading
import time
from html.parser import HTMLParser

import pytest
import school

from companion.exercises.model import options
from companion.grade import __main__ as grader
from companion.grade import marking
from companion.grade.hidden import Checks, Rubrics
from companion.grade.session import Examiner

ADDED = "def scaled(x):\n    return 2 + x"
CLASS = {
    "anna": school.RIGHT,
    "bert": (school.IMPORTS, ADDED, school.TOTAL, "number = 8"),
    "carl": school.STUBS,
    "dora": (school.IMPORTS, school.SCALED),
    "emil": "no notebook",
    "fay": (*school.RIGHT, "1 / 0", "import os\nos._exit(1)"),
    "a&amp;b": (*school.RIGHT, "1 / 0"),
}


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    school.use(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    return school.hand_in(tmp_path / "class", **CLASS)


def run(*arguments):
    return grader.main([str(argument) for argument in arguments])


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_a_class_is_graded_into_a_table_a_page_and_a_file_each(folder, tmp_path, capsys):
    out = tmp_path / "out" / "grades.csv"
    assert run(folder, "--out", out) == 0
    table = rows(out)
    assert list(table) == sorted(CLASS)
    assert list(table["anna"]) == ["student", "notebook", "score", "out of", "scale", "sum", "count", "remarks"]
    found = {name: [row[key] for key in ("score", "scale", "sum", "count")] for name, row in table.items()}
    assert found == {
        "anna": ["3", "passed", "passed", "passed"],
        "bert": ["1", "failed", "passed", "failed"],
        "carl": ["0", "not attempted", "not attempted", "not attempted"],
        "dora": ["1", "passed", "not defined", "not defined"],
        "emil": ["0", "lost", "lost", "lost"],
        "fay": ["0", "lost", "lost", "lost"],
        "a&amp;b": ["3", "passed", "passed", "passed"],
    }
    assert {row["out of"] for row in table.values()} == {"3"}
    assert table["anna"]["remarks"] == ""
    assert table["dora"]["remarks"] == "the notebook defines no `total`, `number`"
    assert table["emil"]["remarks"] == "the file is not JSON"
    assert table["fay"]["remarks"] == "it ended its own process (exit status 1), at cell 8"
    assert table["a&amp;b"]["remarks"] == "cell 7: ZeroDivisionError: division by zero (line 1: 1 / 0)"
    record = json.loads((out.parent / "grades-students" / "bert.json").read_text(encoding="utf-8"))
    (notebook,) = record["notebooks"]
    scale, total, _ = notebook["exercises"]
    assert scale["findings"][0] == {
        "kind": "misconception",
        "title": "Added",
        "text": "Look at the sign between them.",
    }
    assert total["cases"] == [["size 2", True], ["size 4", True]]
    assert 0 < notebook["seconds"] < 30
    said = capsys.readouterr().err
    assert "7 of 7 graded" in said
    assert "Network access is not limited." in said or sys.platform == "win32"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_shows_failures_misconceptions_and_problems_and_loads_nothing(folder, tmp_path):
    assert run(folder, "--out", tmp_path / "g.csv") == 0
    page = Page((tmp_path / "g.html").read_text(encoding="utf-8"))
    bars = [attributes["aria-label"] for tag, attributes in page.tags if attributes.get("class") == "bar"]
    assert bars[0] == "3 passed, 1 not right, 1 not attempted or not defined, 2 could not be graded"
    assert "scale" in page.text and " Added" in page.text and "1 student" in page.text
    text = "".join(page.text)
    assert "the file is not JSON" in text and "a&amp;b" in text  # a name is text, and no HTML
    assert not {"src", "href"} & {name for _, attributes in page.tags for name in attributes}
    assert "prefers-color-scheme: dark" in text and "viewport" in str(page.tags)


def test_nothing_is_overwritten_without_being_asked(folder, tmp_path, capsys):
    out = tmp_path / "grades.csv"
    assert run(folder, "--out", out) == 0
    out.write_text("edited by hand", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "grades-students").iterdir()}
    assert run(folder, "--out", out) == 2
    assert "grades.csv, grades.html, grades-students exist already" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "edited by hand"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    students = tmp_path / "grades-students"
    for name in ("anna.json", "anna.txt"):
        (students / name).rename(students / name.replace("anna", "long gone"))
    (students / "mine.json").write_text("{}", encoding="utf-8")
    assert run(folder, "--out", out, "--overwrite") == 0
    assert list(rows(out)) == sorted(CLASS)
    written = {f"{name}{ending}" for name in CLASS for ending in (".json", ".txt")}
    assert {path.name for path in students.iterdir()} == written | {"mine.json"}


def count_marks(monkeypatch):
    marked, mark = [], marking.Marker.mark
    monkeypatch.setattr(marking.Marker, "mark", lambda self, s: (marked.append(s.student), mark(self, s))[1])
    return marked


def test_resuming_grades_what_is_missing_or_has_changed(folder, tmp_path, monkeypatch):
    out = tmp_path / "grades.csv"
    assert run(folder, "--out", out) == 0
    whole, marked = out.read_bytes(), count_marks(monkeypatch)
    assert run(folder, "--out", out, "--resume") == 0
    assert (marked, out.read_bytes()) == ([], whole)
    out.unlink()
    (tmp_path / "grades-students" / "anna.json").unlink()
    (tmp_path / "grades-students" / "bert.json").write_text("cut o", encoding="utf-8")
    school.hand_in(folder, carl=school.RIGHT)
    assert run(folder, "--out", out, "--resume") == 0
    assert sorted(marked) == ["anna", "bert", "carl"]
    assert rows(out)["carl"]["score"] == "3"


@pytest.mark.parametrize("changed", [["--seconds", "29"], ["--cohort", "2027"], ["--chapter", school.CHAPTER]])
def test_resuming_with_other_settings_grades_all(tmp_path, monkeypatch, changed):
    folder, out = school.hand_in(tmp_path / "class", anna=school.RIGHT), tmp_path / "grades.csv"
    assert run(folder, "--out", out) == 0
    marked = count_marks(monkeypatch)
    assert run(folder, "--out", out, "--resume", *changed) == 0
    assert marked == ["anna"]


def test_shards_joined_are_the_whole(folder, tmp_path, capsys):
    assert run(folder, "--out", tmp_path / "whole.csv") == 0
    out = tmp_path / "grades.csv"
    assert run(folder, "--out", out, "--shard", "1/3") == 0
    assert run(folder, "--out", out, "--shard", "3/3") == 0
    assert run("--merge", "--out", out) == 2
    assert "shards that have not finished: 2/3" in capsys.readouterr().err
    assert run(folder, "--out", out, "--shard", "2/3") == 0
    left = json.loads((tmp_path / "whole-students" / "anna.json").read_text(encoding="utf-8")) | {"student": "left"}
    (tmp_path / "grades-2of3-students" / "left.json").write_text(json.dumps(left), encoding="utf-8")
    parts = [set(rows(tmp_path / f"grades-{i}of3.csv")) for i in (1, 2, 3)]
    assert sum(map(len, parts)) == len(CLASS)
    assert run("--merge", "--out", out) == 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "grades.html").read_bytes() == (tmp_path / "whole.html").read_bytes()
    for path in (tmp_path / "whole-students").iterdir():
        if path.suffix == ".txt":
            assert (tmp_path / "grades-students" / path.name).read_bytes() == path.read_bytes()
    assert {path.stem for path in (tmp_path / "grades-students").glob("*.json")} == set(CLASS)
    assert run("--merge", "--out", out) == 2
    assert run("--merge", "--out", out, "--overwrite") == 0


def test_shards_of_different_settings_are_not_joined(folder, tmp_path, capsys):
    out = tmp_path / "grades.csv"
    assert run(folder, "--out", out, "--shard", "1/2") == 0
    assert run(folder, "--out", out, "--shard", "2/2", "--seconds", "29") == 0
    assert run("--merge", "--out", out) == 2
    assert "different settings" in capsys.readouterr().err


def test_a_cohort_has_questions_of_its_own(tmp_path):
    factor, power, n = (next(iter(options(item, "x1").values())) for item in school.EXERCISES.values())
    own = (
        "from companion.exercises import cohort\ncheck, hint, progress = cohort('x1')",
        f"def scaled(x):\n    return {factor} * x",
        f"def total(x):\n    return float((x ** {power}).sum())",
        f"number = {n}",
        school.CHECKS,
    )
    folder = school.hand_in(tmp_path / "class", own=school.notebook(*own, cohort="x1"), book=school.RIGHT)
    assert run(folder, "--out", tmp_path / "x.csv", "--cohort", "x1") == 0
    table = rows(tmp_path / "x.csv")
    assert (table["own"]["score"], table["own"]["remarks"]) == ("3", "")
    assert table["book"]["score"] == "0"
    assert run(folder, "--out", tmp_path / "b.csv") == 0  # what a notebook says of itself decides nothing
    table = rows(tmp_path / "b.csv")
    assert table["own"]["score"] == "0"
    assert table["own"]["remarks"] == "the notebook says that it is of cohort x1; graded as the book's questions"


CASES = """
import numpy as np
from companion.exercises.model import Case
CASES = {"scale": [Case("an empty array", {"x": np.zeros(0)}), Case("", {"x": np.array([12345.678])})]}
def cases(exercise_id, rng):
    return [Case("drawn", {"x": rng.normal(size=2)})] if exercise_id == "sum" else []
"""
FAILS_HIDDEN = "def scaled(x):\n    return 2 * x if x.size and x[0] < 1000 else x + 0.125"


def test_hidden_checks_count_and_tell_no_number(tmp_path):
    checks = tmp_path / "checks.py"
    checks.write_text(CASES, encoding="utf-8")
    fails = (*school.RIGHT[:-1], FAILS_HIDDEN)
    raises = (*school.RIGHT[:-1], "def scaled(x):\n    return 2 * x if x[0] < 1000 else 1 / 0 * x")
    folder = school.hand_in(tmp_path / "class", fails=fails, raises=raises, right=school.RIGHT, wrong=CLASS["bert"])
    out = tmp_path / "grades.csv"
    assert run(folder, "--out", out, "--checks", checks) == 0
    table = rows(out)
    assert {name: row["scale"] for name, row in table.items()} == {
        "fails": "failed",
        "raises": "failed",
        "right": "passed",
        "wrong": "failed",
    }
    assert table["right"]["score"] == "3" and table["fails"]["sum"] == "passed"
    entries = {}
    for name in table:
        text = (tmp_path / "grades-students" / f"{name}.json").read_text(encoding="utf-8")
        assert "12345" not in text and "24691" not in text
        entries[name] = json.loads(text)["notebooks"][0]["exercises"][0]
    assert entries["fails"]["cases"] == [
        ["size 1", True],
        ["size 2", True],
        ["size 5", True],
        ["a hidden check: an empty array", True],
        ["a hidden check", False],
    ]
    assert entries["fails"]["findings"] == [
        {
            "kind": "hidden",
            "title": "A hidden check did not pass",
            "text": "The cases that are shown pass. Think of inputs that are unlike them.",
        }
    ]
    assert entries["raises"]["findings"][0]["title"] == "A hidden check: an empty array did not pass"
    assert entries["wrong"]["findings"][0]["title"] == "Added"  # the shown cases are diagnosed as ever


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("x = 1", "expected CASES = "),
        ("CASES = {'scael': []}", "CASES names 'scael'; there is no exercise 'scael'; did you mean scale"),
        ("CASES = {'scale': [1]}", "scale: a hidden check should be a Case"),
        (CASES + "CASES = {'scale': [Case('a', {'y': 1.0})]}", "expected the arguments x in this order, got y"),
        (CASES + "CASES = {'sum': [Case('a', {'x': 'b'})]}", "sum: the right answer fails in a hidden check"),
        (CASES + "CASES = {'scale': [Case('a', {'x': object()})]}", "cannot be sent"),
        (CASES + "CASES = {'count': [Case('a', {'x': 1})]}", "count asks for a value"),
    ],
)
def test_a_file_of_checks_that_does_not_fit_is_refused_before_anything_is_graded(tmp_path, capsys, content, message):
    checks = tmp_path / "checks.py"
    checks.write_text(content, encoding="utf-8")
    folder = school.hand_in(tmp_path / "class", anna=school.RIGHT)
    assert run(folder, "--out", tmp_path / "grades.csv", "--checks", checks) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "grades.csv").exists() and not (tmp_path / "grades-students").exists()


def test_hidden_cases_drawn_for_a_cohort_are_the_same_every_time(tmp_path):
    checks = tmp_path / "checks.py"
    checks.write_text(CASES, encoding="utf-8")
    drawn = [repr(Checks(checks).of(school.total, cohort)) for cohort in (None, None, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert Rubrics(school.total, None, Checks(checks).of(school.total, None)).cases[-1].name == "a hidden check: drawn"


def test_gradescope_gets_a_test_for_each_exercise(tmp_path, capsys):
    folder = school.hand_in(tmp_path / "submission", anything=(*CLASS["bert"], "1 / 0"))
    assert run(folder, "--gradescope", tmp_path / "results.json") == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["score"] == 1
    assert results["stdout_visibility"] == "hidden" and results["visibility"] == "visible"
    assert "anything.ipynb: 1 of 3 exercises passed." in results["output"]
    assert "ZeroDivisionError" in results["output"]
    found = [(test["name"], test["score"], test["max_score"], test["status"]) for test in results["tests"]]
    assert found == [
        ("scale: Scale", 0, 1, "failed"),
        ("sum: Sum", 1, 1, "passed"),
        ("count: Count", 0, 1, "failed"),
    ]
    assert "Look at the sign between them." in results["tests"][0]["output"]
    assert {test["visibility"] for test in results["tests"]} == {"visible"}
    assert run(folder, "--gradescope", tmp_path / "results.json") == 2
    assert "results.json exists" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "reason"), [({}, "There is no notebook."), ({"a": "x"}, "The file is not JSON.")])
def test_gradescope_gets_a_zero_with_the_reason(tmp_path, content, reason):
    folder = school.hand_in(tmp_path / "submission", **content)
    assert run(folder, "--gradescope", tmp_path / "r.json", "--chapter", school.CHAPTER) == 0
    results = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert results["score"] == 0 and len(results["tests"]) == 3
    assert reason in results["output"]
    assert reason in results["tests"][0]["output"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder of submissions"),
        (["CLASS"], "name the table to write with --out"),
        (["CLASS", "--out", "grades.txt"], "a name that ends in .csv"),
        (["nowhere", "--out", "g.csv"], "nowhere is no folder"),
        (["CLASS", "--out", "g.csv", "--chapter", "none"], "no exercises belong to 'none'; there are school"),
        (["CLASS", "--out", "class/g.csv"], "would lie among the submissions"),
        (["CLASS", "--out", "g.csv", "--shard", "3/2"], "expected I/N"),
        (["CLASS", "--out", "g.csv", "--shard", "0/2"], "expected I/N"),
        (["CLASS", "--out", "g.csv", "--jobs", "0"], "--jobs"),
        (["CLASS", "--out", "g.csv", "--seconds", "0"], "--seconds"),
        (["CLASS", "--out", "g.csv", "--checks", "none.py"], "none.py"),
        (["--merge", "--out", "g.csv"], "no shard's table"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(folder, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*(str(folder) if word == "CLASS" else word for word in arguments)) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["class"]


def test_a_class_of_which_nobody_knows_the_chapter_is_refused(tmp_path, capsys):
    folder = school.hand_in(tmp_path / "class", anna=school.notebook("x = 1", chapter=""))
    assert run(folder, "--out", tmp_path / "g.csv") == 2
    assert "name it with --chapter" in capsys.readouterr().err


def test_the_systems_fault_is_nobodys_zero(folder, tmp_path, monkeypatch, capsys):
    examine = Examiner.examine

    def fails_once(self, cells, questions):
        if len(cells) == 2:  # dora's
            raise OSError("no process could be started")
        return examine(self, cells, questions)

    out = tmp_path / "grades.csv"
    with monkeypatch.context() as patch:
        patch.setattr(Examiner, "examine", fails_once)
        assert run(folder, "--out", out) == 1
    assert "dora was not graded, through no fault of its own" in capsys.readouterr().err
    assert not out.exists()
    marked = count_marks(monkeypatch)
    assert run(folder, "--out", out, "--resume") == 0
    assert marked == ["dora"]
    assert rows(out)["dora"]["score"] == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="there a signal cannot be sent to oneself")
def test_an_interrupted_run_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    slow = {f"slow{n}": (*school.RIGHT, "import time\ntime.sleep(8)") for n in range(4)}
    folder, out = school.hand_in(tmp_path / "class", anna=school.RIGHT, **slow), tmp_path / "grades.csv"
    done = tmp_path / "grades-students" / "anna.json"

    def interrupt():
        while not done.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    helper = threading.Thread(target=interrupt, daemon=True)
    helper.start()
    start = time.monotonic()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert run(folder, "--out", out, "--jobs", "2") == grader.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 7
    assert "1 of 5 are graded; --resume goes on from there" in capsys.readouterr().err
    assert not out.exists() and {path.name for path in done.parent.iterdir()} == {"anna.json", "anna.txt"}
