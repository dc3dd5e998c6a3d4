"""The zip for Gradescope: unpacked into a folder, its run_autograder grades what lies in submission/."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import autograder
import pytest
import school

from companion.grade.users import are_available

CHAPTER = "backpropagation-through-time"
IMPORTS = "import numpy as np\nfrom companion.exercises import check, hint, progress"
RIGHT = "def dW_xh(dh, h, x):\n    return np.einsum('tbh,tbi->hi', dh * (1 - h[1:] ** 2), x)"
ONLY_SHOWN = RIGHT + " * (1 if len(x) < 50 else 2)"
CHECKS = """
import numpy as np
from companion.exercises.model import Case
CASES = {"bptt-dU": [Case("long", {"dh": np.ones((50, 1, 2)), "h": np.zeros((51, 1, 2)), "x": np.ones((50, 1, 3))})]}
"""
READS_ANSWERS = (
    "import os, companion\n"
    "folder = os.path.join(os.path.dirname(companion.__file__), 'exercises', 'catalogue')\n"
    "raise ValueError(os.listdir(folder))"
)


def unpack(zipped, folder):
    """As Gradescope does, modes included."""
    with zipfile.ZipFile(zipped) as file:
        for entry in file.infolist():
            path = folder / "source" / entry.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(entry))
            path.chmod((entry.external_attr >> 16) & 0o777)
    for name in ("submission", "results"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where all can look, as in a container; pytest's own folders are closed to others."""
    checks, zipped = tmp_path_factory.mktemp("own") / "checks.py", tmp_path_factory.mktemp("zip") / "a.zip"
    checks.write_text(CHECKS, encoding="utf-8")
    assert autograder.main([CHAPTER, "--checks", str(checks), "--out", str(zipped)]) == 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield unpack(zipped, Path(folder))


def grade(root, *cells):
    shutil.rmtree(root / "submission")
    school.hand_in(root / "submission", work=school.notebook(IMPORTS, *cells, chapter=CHAPTER))
    environment = {**os.environ, "AUTOGRADER": str(root), "AUTOGRADER_PYTHON": sys.executable}
    environment.pop("PYTHONPATH", None)
    command = ["bash", str(root / "source" / "run_autograder")]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True, capture_output=True)
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    return results, {test["name"].split(":")[0]: test for test in results["tests"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope runs Linux")
def test_the_unpacked_zip_grades_a_submission(root):
    results, tests = grade(root, RIGHT)
    assert (results["score"], tests["bptt-dU"]["status"]) == (1, "passed")
    results, tests = grade(root, ONLY_SHOWN)
    assert (results["score"], tests["bptt-dU"]["status"]) == (0, "failed")
    assert "A hidden check: long did not pass" in tests["bptt-dU"]["output"]
    results, _ = grade(root, RIGHT, "import os\nos._exit(1)")
    assert results["score"] == 0 and "It ended its own process" in results["output"]


@pytest.mark.skipif(not are_available(), reason="only root can close files to a submission")
def test_answers_and_hidden_checks_are_closed_to_the_submission(root):
    steal = f"open({str(root / 'source' / 'private' / 'checks.py')!r}).read()"
    forge = f"open({str(root / 'results' / 'results.json')!r}, 'w')"
    sees = f"open({str(root / 'source' / 'companion' / 'bptt' / 'equations.py')!r}).read()"
    results, _ = grade(root, RIGHT, steal, READS_ANSWERS, forge, sees)
    assert results["score"] == 1
    told = [line.split(": ")[:2] for line in results["output"].split("\n") if line.startswith("Cell")]
    assert told == [[f"Cell {number}", "PermissionError"] for number in (4, 5, 6)]


def test_the_zip_has_the_same_bytes_every_time_and_nothing_of_this_machine(tmp_path):
    for name in ("a.zip", "b.zip"):
        assert autograder.main([CHAPTER, "--cohort", "a b", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        names = file.namelist()
        assert "--cohort 'a b'" in file.read("run_autograder").decode()
        lines = file.read("requirements.txt").decode().splitlines()
        assert file.getinfo("run_autograder").external_attr >> 16 == 0o100755
    assert [line.split("==")[0] for line in lines] == ["-c constraints.txt", "matplotlib", "numpy"]
    assert {"setup.sh", "companion/grade/__main__.py", "companion/exercises/judging.py"} <= set(names)
    assert not any("__pycache__" in name or name.startswith("private") for name in names)


def test_what_does_not_fit_is_refused(tmp_path, capsys):
    assert autograder.main(["no-such-chapter", "--out", str(tmp_path / "a.zip")]) == 2
    assert "no exercises belong to 'no-such-chapter'" in capsys.readouterr().err
    checks = tmp_path / "checks.py"
    checks.write_text("CASES = {'bptt-dX': []}", encoding="utf-8")
    assert autograder.main([CHAPTER, "--checks", str(checks), "--out", str(tmp_path / "a.zip")]) == 2
    assert not (tmp_path / "a.zip").exists()
    (tmp_path / "a.zip").write_text("mine", encoding="utf-8")
    assert autograder.main([CHAPTER, "--out", str(tmp_path / "a.zip")]) == 2
    assert (tmp_path / "a.zip").read_text(encoding="utf-8") == "mine"
