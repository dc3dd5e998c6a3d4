"""The table of progress: what has passed stays passed, with a word if it no longer does; each class has its own."""

import importlib.util
import sys
from pathlib import Path

import pytest

from companion.exercises import check, cohort, hint, progress, records
from companion.exercises.catalogue import exercises, find, of_chapter
from companion.exercises.progress import table
from companion.exercises.records import Record
from companion.exercises.worked import chapters, key

ROOT = Path(__file__).resolve().parents[2]
ID = "bptt-dU"
CHAPTER = find(ID).chapter


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setattr(records, "_MEMORY", [])
    return tmp_path / "progress.jsonl"


def row(found, id=ID):
    return next(row for row in found.rows if row.exercise == id)


def checks(*states, id=ID, cohort=""):
    return [Record(id, cohort, "check", state) for state in states]


@pytest.mark.parametrize(
    ("states", "state", "count"),
    [
        ((), "not attempted", 0),
        (("not attempted",), "not attempted", 0),
        (("failed",), "tried", 1),
        (("not attempted", "failed", "failed"), "tried", 2),
        (("failed", "passed"), "passed", 2),
        (("passed", "failed"), "passed", 2),
        (("passed", "not attempted"), "passed", 1),
    ],
)
def test_a_state_is_the_best_that_was_reached(states, state, count):
    found = row(table(checks(*states)))
    assert (found.state, found.checks) == (state, count)


@pytest.mark.parametrize(
    ("states", "slipped"),
    [
        ((), False),
        (("failed",), False),
        (("failed", "passed"), False),
        (("passed", "failed", "passed"), False),
        (("passed", "failed"), True),
        (("passed", "not attempted"), True),
    ],
)
def test_what_has_passed_and_no_longer_does_is_marked(states, slipped):
    found = table(checks(*states))
    assert row(found).slipped == slipped
    for told in (repr(found), found._repr_html_()):
        assert ("not right at the last check)" in told) == slipped


def test_every_exercise_has_a_row_chapter_by_chapter():
    found = table([])
    assert sorted(r.exercise for r in found.rows) == sorted(exercises())
    order = list(dict.fromkeys(r.chapter for r in found.rows))
    assert order == [name for name in chapters() if of_chapter(name)]
    assert {r.chapter_title for r in table([], CHAPTER).rows} == {chapters()[CHAPTER]}
    assert {r.exercise for r in table([], CHAPTER).rows} == {e.id for e in of_chapter(CHAPTER)}


LAST = len(key(find(ID)).hints)


@pytest.mark.parametrize(
    ("steps", "hints", "solved"),
    [
        (("1", "2", "1"), 2, False),
        (("2",), 1, False),
        (("solution",), 0, True),
        (("1", "solution", "solution"), 1, True),
        ((*map(str, range(1, LAST + 2)),), LAST, True),  # as earlier versions recorded the solution
        (("1", "x", "", "9" * 5000), 1, True),
        (("1", "x", "²"), 1, False),
    ],
)
def test_hints_are_counted_once_each_and_the_solution_is_told(steps, hints, solved):
    found = table([Record(ID, "", "hint", step) for step in steps])
    assert (row(found).hints, row(found).solved, row(found).state) == (hints, solved, "not attempted")
    for told in (repr(found), found._repr_html_()):
        assert ("solution seen" in told) == solved
        assert (f"{hints} hint{'s' * (hints != 1)}" in told) == (hints > 0)


def test_a_class_has_seen_no_solution():
    ours = [Record(ID, "2027", "hint", step) for step in ("1", str(LAST + 1), "solution")]
    found = row(table(ours, cohort="2027"))
    assert (found.hints, found.solved) == (1, False)


def test_each_class_has_its_own():
    found = checks("passed", cohort="2027") + checks("failed")
    assert row(table(found)).state == "tried"
    assert row(table(found, cohort="2027")).state == "passed"
    assert row(table(found, cohort="2028")).state == "not attempted"


def test_checks_of_a_class_are_told_apart_and_a_name_is_as_good_as_a_number():
    check_2027, _, progress_2027 = cohort(2027)
    check_2027(ID, key(find(ID), 2027).answer)
    assert row(progress_2027()).state == "passed" and row(progress(cohort="2027")).state == "passed"
    assert row(progress()).state == "not attempted"
    check(ID, key(find(ID), 2027).answer)
    assert row(progress()).state == "tried", "the answer of a class is wrong in the book"


def test_a_passed_exercise_stays_passed():
    assert check(ID, key(find(ID)).answer)
    check(ID, lambda dh, h, x: None)
    check(ID, ...)
    assert row(progress()).state == "passed"


def test_an_exercise_that_is_no_more_is_passed_over(file):
    check(ID, key(find(ID)).answer)
    records.add(Record("gone", "", "check", "passed"))
    assert progress().head() == f"1 of {len(exercises())} exercises passed"


def test_the_next_exercise_is_the_first_that_has_not_passed():
    ids = [row.exercise for row in table([]).rows]
    assert table([]).next.exercise == ids[0]
    passed = checks("passed", id=ids[0]) + checks("passed", "failed", id=ids[1]) + checks("passed", id=ids[3])
    assert table(passed).next.exercise == ids[2]
    assert table(passed + checks("failed", id=ids[2])).next.exercise == ids[2]
    assert table(passed, CHAPTER).next.exercise == of_chapter(CHAPTER)[0].id, "of a chapter, the first there"


def test_the_next_exercise_has_a_link_to_its_notebook():
    first = of_chapter(CHAPTER)[0]
    found = table([], CHAPTER)
    assert f'next: {first.id}, "{first.title}", in exercises/{CHAPTER}.ipynb' in repr(found).splitlines()
    assert f'<a class="unrolled-next" href="{CHAPTER}.ipynb">{chapters()[CHAPTER]}</a>' in found._repr_html_()
    for chapter in chapters():
        assert table([], chapter).next.chapter == chapter and (ROOT / "exercises" / f"{chapter}.ipynb").exists()


def test_a_class_is_told_the_chapter_and_has_no_link():
    first = of_chapter(CHAPTER)[0]
    found = table([], CHAPTER, cohort="2027")
    assert f'next: {first.id}, "{first.title}", in {chapters()[CHAPTER]}' in repr(found).splitlines()
    assert f"in {chapters()[CHAPTER]}" in found._repr_html_()
    assert "href" not in found._repr_html_() and "ipynb" not in repr(found) + found._repr_html_()


def test_when_all_are_passed_it_says_so():
    for chapter, name in ((None, ""), (CHAPTER, ""), (CHAPTER, "2027")):
        done = [record for id in exercises() for record in checks("passed", id=id, cohort=name)]
        found = table(done, chapter, name)
        assert found.next is None
        for told in (repr(found), found._repr_html_()):
            assert "All are passed." in told and "next:" not in told and "href" not in told


def test_on_the_site_the_link_leads_to_a_page():
    spec = importlib.util.spec_from_file_location("unrolled_extension", ROOT / "book" / "_ext" / "unrolled.py")
    extension = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = extension
    spec.loader.exec_module(extension)
    page = extension.linked_to_pages(table([], CHAPTER)._repr_html_() + '<a href="../_sources/a.ipynb">download</a>')
    assert f'href="{CHAPTER}.html"' in page and f"{CHAPTER}.ipynb" not in page
    assert '<a href="../_sources/a.ipynb">' in page


def test_as_text():
    hint(ID)
    check(ID, lambda dh, h, x: None)
    lines = repr(progress(CHAPTER)).splitlines()
    assert lines[0] == f"0 of {len(of_chapter(CHAPTER))} exercises passed" and lines[1].startswith("next: ")
    assert lines[2] == chapters()[CHAPTER]
    (line,) = [line for line in lines if f" {ID} " in line]
    assert line.startswith("  ✗ bptt-dU") and line.endswith(f"{find(ID).title} (1 check, 1 hint)")
    assert repr(progress(CHAPTER)) == repr(progress(CHAPTER))


def test_as_html():
    check(ID, key(find(ID)).answer)
    page = progress()._repr_html_()
    assert f"✓ <code>{ID}</code>" in page and "1 check)" in page and "1 checks" not in page
    assert page.count("<div") == page.count("</div>") and page.count("<strong>") == 1 + len(chapters())
    assert "color:inherit" in page and "#" not in page.replace("&#x27;", "")


def test_an_unknown_chapter_names_those_that_there_are():
    with pytest.raises(ValueError, match=f"chapter: expected one of .*{CHAPTER}.*, got 'nowhere'"):
        progress("nowhere")
