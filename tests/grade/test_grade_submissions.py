"""What is found in a folder, what is read in a file, and which notebook of several counts."""

import json
import os
import sys

import pytest
import school

from companion.grade import submissions
from companion.grade.submissions import Notebook
from companion.grade.texts import cell, clean, cleaned


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch):
    school.use(monkeypatch)


def test_a_class_is_files_and_folders(tmp_path):
    school.hand_in(tmp_path, anna="", bert="")
    school.hand_in(tmp_path / "carl" / "week 3", second="", first="")
    school.hand_in(tmp_path / "anna", more="")
    school.hand_in(tmp_path / "dora" / ".ipynb_checkpoints", old="")
    school.hand_in(tmp_path / "__MACOSX", anna="")
    (tmp_path / "README.md").write_text("", encoding="utf-8")
    for name in ("Thumbs.db", "eve.ipynb.txt", "carl/notes.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / ".hidden.ipynb").write_text("", encoding="utf-8")
    found = {s.student: [path.name for path in s.paths] for s in submissions.find(tmp_path)}
    assert found == {
        "anna": ["more.ipynb", "anna.ipynb"],
        "bert": ["bert.ipynb"],
        "carl": ["first.ipynb", "second.ipynb"],
        "dora": [],
        "README": [],
        "eve": [],
    }
    others = {s.student: s.others for s in submissions.find(tmp_path) if s.others}
    assert others == {"README": ("README.md",), "carl": ("notes.txt",), "eve": ("eve.ipynb.txt",)}


def test_no_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no notebook"):
        submissions.find(tmp_path)
    (tmp_path / "anna.html").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no notebook"):
        submissions.find(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        submissions.find(tmp_path / "nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_what_is_no_file_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    os.symlink(tmp_path, tmp_path / "loop")
    school.hand_in(tmp_path, anna="")
    assert [s.student for s in submissions.find(tmp_path)] == ["anna", "loop"]


def test_the_cells_are_the_code_without_the_setup(tmp_path):
    school.hand_in(tmp_path, anna=school.notebook("a = 1", "b = 2", cohort=2027))
    notebook = submissions.read(tmp_path / "anna.ipynb")
    assert notebook.cells == ((2, "a = 1"), (3, "b = 2"))
    assert (notebook.chapter, notebook.cohort, notebook.fault) == (school.CHAPTER, "2027", "")


def test_sources_may_be_lists_of_lines_and_text_is_passed_over(tmp_path):
    cells = [school.cell(["a = 1\n", "b = 2"]), school.cell("# heading", kind="markdown"), {"cell_type": "code"}]
    (tmp_path / "a.ipynb").write_text("\ufeff" + json.dumps({"cells": cells}), encoding="utf-8")
    assert submissions.read(tmp_path / "a.ipynb").cells == ((1, "a = 1\nb = 2"), (3, ""))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"x", "the file is not JSON"),
        (b"\xff\xfe\x00", "the file is not JSON"),
        (b"[" * 10**5, "the file is not JSON"),
        (b"1" * 10**4, "the file is not JSON"),
        (b"[]", "the file is JSON, but no notebook of format 4"),
        (b'{"worksheets": []}', "the file is JSON, but no notebook of format 4"),
        (b'{"cells": [1]}', "the file is JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code", "source": 1}]}', "the file is JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "the file is JSON, but no notebook of format 4"),
    ],
)
def test_a_file_that_is_no_notebook_has_a_fault(tmp_path, content, fault):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    assert submissions.read(path) == Notebook(path, fault=fault)


def test_odd_metadata_are_no_fault(tmp_path):
    for metadata in (3, {"unrolled": 3}, {"unrolled": {"exercises": 3, "cohort": []}}):
        path = tmp_path / "a.ipynb"
        path.write_text(json.dumps({"cells": [school.cell("x = 1")], "metadata": metadata}), encoding="utf-8")
        assert submissions.read(path) == Notebook(path, ((1, "x = 1"),))


def test_code_and_files_that_are_too_long_have_a_fault(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_text(school.notebook("x = 1"), encoding="utf-8")
    monkeypatch.setattr(submissions, "LARGEST_CODE", 4)
    assert "its code is longer" in submissions.read(path).fault
    monkeypatch.setattr(submissions, "LARGEST_FILE", 4)
    assert "the file is larger" in submissions.read(path).fault


def test_the_chapter_is_guessed_from_checks_and_names():
    assert submissions.guessed(["def total(x):\n    return 1"]) == school.CHAPTER
    assert submissions.guessed(["check('sum', f)"]) == school.CHAPTER
    assert submissions.guessed(["number = 3"]) == school.CHAPTER
    assert submissions.guessed(["x = 3  # total = nothing"]) is None


def test_the_chapter_of_a_class_is_that_of_most(tmp_path):
    def of(*chapters):
        return submissions.chapter_of_class(Notebook(tmp_path, chapter=chapter) for chapter in chapters)

    assert of("a", "b", "b", None, None, None) == "b"
    assert of("b", "a") == "a"
    assert of(None) is None


def named(name, chapter=None, fault=""):
    return Notebook(school_path / f"{name}.ipynb", chapter=chapter, fault=fault)


school_path = submissions.Path("class")


def test_of_several_notebooks_the_one_of_the_chapter_counts():
    a, b, old = named("a", "arithmetic"), named("b", "geometry"), named("old", "arithmetic")
    assert submissions.chosen([a, b], "arithmetic") == ([("arithmetic", [a])], ["not graded: b.ipynb"])
    assert submissions.chosen([a, b], None) == ([("arithmetic", [a]), ("geometry", [b])], [])
    right = named("arithmetic", "arithmetic")
    counted, remarks = submissions.chosen([a, old, right], "arithmetic")
    assert (counted, remarks) == ([("arithmetic", [right, a, old])], [])
    broken = named("aa", None, "the file is empty")
    assert submissions.chosen([broken, old], "arithmetic")[0] == [("arithmetic", [old, broken])]


def test_only_so_many_notebooks_of_a_student_are_graded():
    many = [named(name, "arithmetic") for name in "fedcba"]
    (group,), remarks = submissions.chosen(many, "arithmetic")
    assert [notebook.path.stem for notebook in group[1]] == ["a", "b", "c", "d"]
    assert remarks == ["more than 4 notebooks of this chapter; not graded: e.ipynb, f.ipynb"]


def test_a_single_notebook_is_graded_for_what_the_teacher_says():
    only = named("b", "geometry")
    counted, remarks = submissions.chosen([only], "arithmetic")
    assert counted == [("arithmetic", [only])]
    assert remarks == ["the notebook says that it is of geometry"]
    assert submissions.chosen([], "arithmetic") == ([], [])


def test_who_is_missing_and_who_is_not_on_the_list(tmp_path):
    path = tmp_path / "students.txt"
    path.write_text("\ufeffZoë Ünal\n\nanna \nbert\nanna\n", encoding="utf-8")
    names = submissions.listed(path)
    assert names == ["Zoë Ünal", "anna", "bert"]
    found = [submissions.Submission(n) for n in ("anna", "Zoe\u0308 U\u0308nal_1234_file_", "stray")]
    assert submissions.compared(found, names) == ([submissions.Submission("bert")], ["stray"])
    path.write_text("\n", encoding="utf-8")
    for place, message in ((path, "holds no name"), (tmp_path / "none.txt", "--students")):
        with pytest.raises(ValueError, match=message):
            submissions.listed(place)


def test_shards_share_out_all_students():
    students = [f"student {n}" for n in range(200)]
    shards = [[s for s in students if submissions.in_shard(s, (i, 3))] for i in (1, 2, 3)]
    assert sorted(sum(shards, [])) == sorted(students)
    assert all(40 < len(shard) < 95 for shard in shards)


def test_the_digest_changes_with_content_and_name(tmp_path):
    school.hand_in(tmp_path, a="1", b="1", c="2")
    digests = {submissions.digest(submission) for submission in submissions.find(tmp_path)}
    assert len(digests) == 3
    assert {submissions.digest(submission) for submission in submissions.find(tmp_path)} == digests


def test_texts_of_strangers_are_made_fit():
    assert clean("a\x1b[31mb\u202ec\ud800") == "a\ufffd[31mb\ufffdc?"
    assert clean("δ\n\tx") == "δ\n\tx"
    assert cleaned({"a\x00": ["\x07", 1, None, ("b",)]}) == {"a\ufffd": ["\ufffd", 1, None, ["b"]]}
    assert [cell(text) for text in ("=1+1", "+1", "-1", "@x", "a\nb", " =1")] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@x",
        "a b",
        "'=1",
    ]
