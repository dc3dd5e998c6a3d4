"""A wrong sign in companion turns a chapter red: shown on a copy, on every run of the tests."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from notebooks import ROOT

FAULTS = {  # chapter → the file of companion, a line in it, and the line with another sign
    "unrolling": (
        "core/walk.py",  # h_t = tanh(… − W_hh h_{t-1} …)
        "a_t += times(before[h], W_hk)",
        "a_t -= times(before[h], W_hk)",
    ),
    "lstm-backwards": (
        "gates/cells.py",  # the forget gate's δ the other way
        '"f": before["c"] * f * (1 - f),',
        '"f": -before["c"] * f * (1 - f),',
    ),
}


PAINT = re.compile(r"\x1b\[[0-9;]*m")  # a traceback from the kernel is coloured


@pytest.fixture(params=FAULTS)
def chapter(request):
    return request.param


@pytest.fixture
def copy_of_the_book(tmp_path, chapter):
    shutil.copytree(ROOT / "companion", tmp_path / "companion", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / f"{chapter}.ipynb", tmp_path / "book")
    if (ROOT / "book" / "data").is_dir():
        shutil.copytree(ROOT / "book" / "data", tmp_path / "book" / "data")
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", tmp_path)
    return tmp_path


def nbval(directory, chapter):
    left_out = ("MPLBACKEND", "UNROLLED_REPORT", "PYTEST_ADDOPTS")  # the kernel draws with its own backend
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_XDIST")}
    environment |= {"PYTHONPATH": str(directory), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-x", "--color=no"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"]
    command += ["--nbval-sanitize-with", "nbval_sanitize.cfg", f"book/{chapter}.ipynb"]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_wrong_sign_turns_its_chapter_red(copy_of_the_book, chapter):
    name, right, wrong = FAULTS[chapter]
    path = copy_of_the_book / "companion" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"expected one line {right} in {name}"
    path.write_text(text.replace(right, wrong), encoding="utf-8")

    code, report = nbval(copy_of_the_book, chapter)
    assert code == 1, f"a wrong sign should fail as tests do, not by an error of pytest ({code})\n{report}"
    # what `agree` says of two results: nothing that the copy lacks stopped the chapter before
    assert re.search(r"AssertionError.*: ours.* but other.* is not below", PAINT.sub("", report)), report
