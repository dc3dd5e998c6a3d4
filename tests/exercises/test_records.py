"""What a student has done outlives the process, a broken file and a folder that cannot be written."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from companion.exercises import check, hint, progress, records
from companion.exercises.catalogue import find
from companion.exercises.records import Record, add, read
from companion.exercises.worked import key

ROOT = Path(__file__).resolve().parents[2]
ONE = Record("bptt-dU", "", "check", "passed")
TWO = Record("bptt-dU", "2027", "hint", "1")


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch):
    monkeypatch.setattr(records, "_MEMORY", [])
    monkeypatch.setattr(records, "_TOLD", [])


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "progress.jsonl"
    monkeypatch.setenv("UNROLLED_PROGRESS", str(path))
    return path


def test_records_are_read_in_the_order_in_which_they_came(file):
    assert read() == []
    for record in (ONE, TWO, ONE):
        add(record)
    assert read() == [ONE, TWO, ONE]
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


def test_a_new_process_knows_them(file):
    add(ONE)
    program = "from companion.exercises import records; records.add(records.Record('a', 'ü\\n', 'check', 'failed'))\n"
    program += "print(len(records.read()))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == "2"
    assert read() == [ONE, Record("a", "ü\n", "check", "failed")]


def test_a_file_cut_off_in_the_middle_loses_that_record_alone(file):
    add(ONE)
    add(TWO)
    whole = file.read_bytes()
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        kept = read()
        assert kept == [ONE, TWO][: len(kept)]
        add(ONE)
        assert read() == [*kept, ONE], "what is added after a cut is not lost with it"
        assert file.read_bytes().startswith(whole[:length]), "nothing is taken away"


ODD = [
    b"\xff\xfe",
    b"null",
    b"[1, 2]",
    b'{"exercise": 1}',
    b'{"exercise": "a"}',
    b"[" * 100_000,
    b"",
    b"\x00",
    b"1e999",
]


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_lines_that_are_no_records_are_passed_over(file, line):
    add(ONE)
    with file.open("ab") as out:
        out.write(line + b"\n")
    add(TWO)
    assert read() == [ONE, TWO]
    assert line in file.read_bytes()


def test_fields_of_a_later_version_do_no_harm(file):
    file.parent.mkdir()
    file.write_text(json.dumps({**vars(ONE), "when": "later"}) + "\n", encoding="utf-8")
    assert read() == [ONE]


def test_many_at_once(file):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: add(Record(f"e{i}", "", "check", "passed")), range(200)))
    assert sorted(record.exercise for record in read()) == sorted(f"e{i}" for i in range(200))


def test_several_processes_at_once(file):
    program = "import sys; from companion.exercises import records\n"
    program += "for i in range(100): records.add(records.Record(sys.argv[1] + str(i), '', 'check', 'passed'))"
    runs = [subprocess.Popen([sys.executable, "-c", program, name], cwd=ROOT) for name in "ab"]
    assert [run.wait(30) for run in runs] == [0, 0]
    assert sorted(r.exercise for r in read()) == sorted(f"{name}{i}" for name in "ab" for i in range(100))


# --- where nothing can be written


def cannot(*arguments, **options):
    raise PermissionError


@pytest.mark.parametrize("how", ["a folder", "below a file", "no permission", "no home"])
def test_what_cannot_be_written_is_kept_in_memory(tmp_path, monkeypatch, how):
    if how == "a folder":
        monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path))
    elif how == "below a file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    elif how == "no permission":
        monkeypatch.setenv("UNROLLED_PROGRESS", str(tmp_path / "progress.jsonl"))
        monkeypatch.setattr(Path, "open", cannot)
    else:
        monkeypatch.delenv("UNROLLED_PROGRESS", raising=False)
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    add(ONE)
    add(TWO)
    assert read() == [ONE, TWO]
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_student_learns_once_that_nothing_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "file" / "progress.jsonl"
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNROLLED_PROGRESS", str(path))
    hint("bptt-dU")
    told = f"Your progress lasts for this session only: {path} cannot be written."
    first, second = check("bptt-dU", ...), check("bptt-dU", ...)
    assert first.findings[-1].text == told and first.findings[:-1] == second.findings
    assert "".join(told.split()) in "".join(repr(first).split()) and told in first._repr_html_()
    passed = check("bptt-dU", key(find("bptt-dU")).answer)
    assert passed and passed.findings == ()


@pytest.mark.parametrize("place", ["off", "writable"])
def test_where_all_is_well_nothing_is_told(tmp_path, monkeypatch, place):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off" if place == "off" else str(tmp_path / "progress.jsonl"))
    assert "session" not in repr(check("bptt-dU", ...))


def test_off_keeps_records_in_memory(monkeypatch):
    monkeypatch.setenv("UNROLLED_PROGRESS", "off")
    assert records.place() is None
    add(ONE)
    assert read() == [ONE]


def test_where_the_file_lies(tmp_path, monkeypatch):
    monkeypatch.delenv("UNROLLED_PROGRESS", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert records.place() == tmp_path / ".unrolled" / "progress.jsonl"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert records.place() == tmp_path / "unrolled-progress.jsonl"
    monkeypatch.setenv("UNROLLED_PROGRESS", os.path.join("~", "other.jsonl"))
    assert "~" not in str(records.place())


# --- the student's own work


def test_a_check_writes_one_line_and_touches_nothing_else(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = tmp_path / "unrolling.ipynb"
    notebook.write_text("my own work", encoding="utf-8")
    before = notebook.stat()
    check("bptt-dU", ...)
    check("bptt-dU", lambda dh, h, x: x)
    progress()
    assert read() == [Record("bptt-dU", "", "check", state) for state in ("not attempted", "failed")]
    assert notebook.read_text(encoding="utf-8") == "my own work" and notebook.stat().st_mtime_ns == before.st_mtime_ns
    assert {path.name for path in tmp_path.rglob("*")} == {"unrolling.ipynb", "deep", "progress.jsonl"}
