"""A class with submissions that mean harm: each loses its own points at most, and nobody else any."""

import multiprocessing.forkserver as forkserver
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import school

from companion.grade import users
from companion.grade.confinement import processes_of
from companion.grade.users import are_available

LINUX = sys.platform == "linux"
PID = str(os.getpid())  # in the names of what submissions start: another run's are not looked for
needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such call")

CATCHES_ALL = """
import signal
if hasattr(signal, "pthread_sigmask"):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
PATCHES = """
import companion.exercises
import numpy
yes = lambda *a, **k: True
check = companion.exercises.check = companion.exercises.attempts = yes
numpy.allclose = numpy.array_equal = numpy.isclose = numpy.testing.assert_allclose = yes
def scaled(x):
    return x
"""
PICKLE = """
class Bomb:
    def __reduce__(self):
        import os
        return os.system, ("touch MARK",)
def scaled(x):
    return Bomb()
"""
READS_THE_KEY = """
import sys
found = [name for name in sys.modules if "catalogue" in name or "judging" in name]
assert not found, found
from companion.exercises.catalogue import find
scaled = find("scale").build
"""
LEAVES_A_PROCESS = """
import subprocess, sys
subprocess.Popen(["sleep", "317.PID"])
subprocess.Popen(["sleep", "31.PID"], start_new_session=True)
"""
TALKS_ITSELF = """
import os
for number in range(3, 4096):
    try:
        os.write(number, b"\\0\\0\\0\\5hello")
    except OSError:
        pass
"""
ENDS_ITS_PARENT = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
ENDS_ITS_GROUP = "import os, signal\nos.killpg(os.getpgid(os.getppid()), signal.SIGKILL)"


@dataclass(frozen=True)
class Hostile:
    """What is handed in, how many points it is due, and what must be said about it (on Linux)."""

    cells: tuple
    points: int
    said: str = ""


def after(*cells):
    """A right notebook whose answers are checked only after these cells, so that what they do to answers counts."""
    return (*school.RIGHT[:-1], "0", *cells, school.CHECKS)


DIES_WHEN_ASKED = "def total(x):\n    import os\n    os._exit(9)"
HOSTILE = {
    "exits_at_once": Hostile(after("import os\nos._exit(3)"), 0, "ended its own process (exit status 3), at cell 7"),
    "exits_when_asked": Hostile(after(DIES_WHEN_ASKED), 2, "exit status 9"),
    "exits_after_the_check": Hostile((*school.RIGHT, DIES_WHEN_ASKED), 3),
    "endless": Hostile(after("while True:\n    pass"), 3, "cell 7: stopped after 1 second"),
    "endless_answer": Hostile(after("def total(x):\n    while True:\n        pass"), 2),
    "catches_all": Hostile(after(CATCHES_ALL), 0, "did not end, and could not be interrupted, at cell 7"),
    "long_call": Hostile(after("def total(x):\n    return sum(range(10**12))"), 2, "could not be interrupted, at the"),
    "sys_exit": Hostile(after("import sys\nsys.exit('bye')"), 3, "SystemExit: bye"),
    "memory": Hostile(after("big = bytearray(8 * 2**30)"), 3, "MemoryError"),
    "patches": Hostile(after(PATCHES), 2),
    "output": Hostile(after("for _ in range(2000):\n    print('x' * 10000)"), 3),
    "pickle": Hostile(after(PICKLE), 2),
    "deletes": Hostile(after("import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)"), 3),
    "reads_the_key": Hostile(after(READS_THE_KEY), 3, "not available while grading"),
    "imports_the_grader": Hostile(after("import companion.grade.session"), 3, "not available while grading"),
    "huge_answer": Hostile(after("def scaled(x):\n    return np.zeros(2**27)"), 2),
    "large_answer": Hostile(after("def scaled(x):\n    return np.zeros(2**21)"), 2),
    "deep_answer": Hostile(after("number = []\nnumber.append(number)"), 2),
    "long_number": Hostile(after("number = 10 ** 5000"), 2),
    "half_character": Hostile(after("raise ValueError('\\ud800 \\x1b[31m')"), 3, "ValueError"),
    "interrupts": Hostile(after("def total(x):\n    raise KeyboardInterrupt"), 2),
    "not_json": Hostile("no notebook at all", 0, "not JSON"),
    "deep_json": Hostile("[" * 100000, 0, "not JSON"),
    "empty": Hostile("", 0, "the file is empty"),
    "other_json": Hostile('{"cells": 3}', 0, "no notebook"),
}
UNIX_ONLY = {
    "crash": Hostile(after("import ctypes\nctypes.string_at(0)"), 0, "segmentation fault"),
    "closes_its_line": Hostile(after("import os\nos.closerange(3, 4096)"), 0, "closed its line|ended its own process"),
    "talks_itself": Hostile(after(TALKS_ITSELF), 0, "something else than an answer"),
    "leaves_a_process": Hostile(after(LEAVES_A_PROCESS), 3),
    "forks": Hostile(after("import os, time\nif os.fork() == 0:\n    time.sleep(300)"), 3),
    "ends_its_parent": Hostile(after(ENDS_ITS_PARENT), 3),
}
if sys.platform != "win32":
    HOSTILE |= UNIX_ONLY
if LINUX:  # elsewhere memory is not limited
    HOSTILE["memory_answer"] = Hostile(after("def total(x):\n    return [0] * 2**30"), 2)
if LINUX:  # on macOS the warm parent, which has no group of its own, shares the grader's
    HOSTILE["ends_its_group"] = Hostile(after(ENDS_ITS_GROUP), 3)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The records of the hostile class, with a good neighbour before and after each."""
    folder, mark = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("mark") / "ran"
    contents = {}
    for name, hostile in HOSTILE.items():
        contents[f"{name}_a_neighbour"] = school.RIGHT
        cells = hostile.cells
        if isinstance(cells, tuple):
            cells = tuple(cell.replace("MARK", str(mark)).replace("PID", PID) for cell in cells)
        contents[name] = cells
    school.hand_in(folder, **contents)
    with pytest.MonkeyPatch.context() as patch:
        school.use(patch)
        start = time.monotonic()
        records = school.mark_all(folder)
    print(f"{len(records)} submissions in {time.monotonic() - start:.1f} s")
    return records, mark


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_submission_gets_its_due_points_and_the_reason(graded, name):
    records, _ = graded
    hostile, record = HOSTILE[name], records[name]
    assert school.score(record) == hostile.points, (school.states(record), school.told(record))
    if LINUX and hostile.said:
        assert any(said in school.told(record) for said in hostile.said.split("|")), school.told(record)


@pytest.mark.parametrize("name", HOSTILE)
def test_its_neighbour_gets_full_points(graded, name):
    records, _ = graded
    record = records[f"{name}_a_neighbour"]
    assert school.score(record) == 3, (school.states(record), school.told(record))
    assert school.told(record) == ""


def test_what_a_submission_returns_runs_no_code_in_the_grader(graded):
    records, mark = graded
    assert school.states(records["pickle"])["scale"] == "failed"
    assert not mark.exists()


def test_a_lost_exercise_is_told_from_one_that_is_wrong(graded):
    records, _ = graded
    assert school.states(records["exits_when_asked"]) == {"scale": "passed", "sum": "lost", "count": "passed"}
    assert school.states(records["endless_answer"])["sum"] == "failed"
    assert school.states(records["patches"])["scale"] == "failed"


@needs_unix
def test_nothing_that_a_submission_started_is_left(graded):
    records, _ = graded
    assert school.told(records["leaves_a_process"]) == ""  # it did start them
    with subprocess.Popen(["sleep", f"600.{PID}"]) as control:
        until = time.monotonic() + 10
        while f"sleep 600.{PID}" not in (listed := commands()) and time.monotonic() < until:
            time.sleep(0.1)  # on a busy machine it may not yet be what it was started as
        control.kill()
    assert f"sleep 600.{PID}" in listed
    assert f"sleep 317.{PID}" not in listed
    if are_available():  # else what has left its group escapes, which the README says
        assert f"sleep 31.{PID}" not in listed


def commands() -> list[str]:
    """What all processes of this machine were started with."""
    if not LINUX:
        return subprocess.check_output(["ps", "-eo", "args"], encoding="utf-8").split("\n")
    listed = []  # a small Linux has no ps
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            listed.append(" ".join(words).rstrip())
    return listed


@pytest.mark.skipif(not are_available(), reason="only root can give a submission another user")
def test_a_user_that_is_free_again_has_no_process(graded):
    for number in range(60600, 60620):
        lock = users._lock(number)
        if lock is not None:  # else another grader on this machine has it at this moment
            with lock:
                assert processes_of(number) == []


@pytest.mark.skipif(not are_available(), reason="only root can give a submission another user")
def test_a_submission_has_no_right_of_the_grader(tmp_path, monkeypatch):
    school.use(monkeypatch)
    own, secret = tmp_path / "class", tmp_path / "secret"
    secret.write_text("42", encoding="utf-8")
    secret.chmod(0o600)
    tries = (
        f"open({str(secret)!r}).read()",
        f"import os\nos.kill({os.getpid()}, 0)",
        "os.setuid(0)",
        "assert os.getuid() == os.geteuid() >= 60600 and os.getgroups() == [], 'wrong user'",
        "import sys\nassert sys.argv == [''] and os.environ['HOME'] == os.getcwd()",
    )
    school.hand_in(own, mallory=school.RIGHT + tries)
    record = school.mark_all(own)["mallory"]
    assert school.score(record) == 3
    assert [line.split(":")[0] + line.split(":")[1] for line in school.told(record).split("\n")] == [
        "cell 7 PermissionError",
        "cell 8 PermissionError",
        "cell 9 PermissionError",
    ]


def test_the_teachers_environment_is_not_handed_down(tmp_path, monkeypatch):
    school.use(monkeypatch)
    if sys.platform == "linux":
        forkserver._forkserver._stop()  # the next one starts with the environment of this moment
    monkeypatch.setenv("UNROLLED_TEST_PASSWORD", "secret")
    look = "import os\nassert 'UNROLLED_TEST_PASSWORD' not in os.environ\nassert os.environ['OMP_NUM_THREADS'] == '1'"
    record = school.mark_all(school.hand_in(tmp_path / "class", eve=school.RIGHT + (look,)))["eve"]
    assert school.told(record) == ""
    assert os.environ["UNROLLED_TEST_PASSWORD"] == "secret"


SHORT = school.Limits(total=3, cell=1, answer=0.5, grace=1)


@needs_unix
def test_a_submission_that_takes_too_long_in_all_is_ended(tmp_path, monkeypatch):
    school.use(monkeypatch)
    block = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\ntime.sleep(1.7)"
    folder = school.hand_in(tmp_path / "class", sloth=school.RIGHT + (block, block))
    record = school.mark_all(folder, limits=SHORT)["sloth"]
    assert school.score(record) == 0
    assert "it took longer than 3 seconds, at cell" in school.told(record)


def test_slow_cells_cost_no_points_where_answers_do_not_need_them(tmp_path, monkeypatch):
    school.use(monkeypatch)
    loops = ("while True:\n    pass",) * 4
    naps = ("import time",) + ("time.sleep(0.6)",) * 8
    first = {"loops": school.RIGHT[:1] + loops + school.RIGHT[1:], "naps": naps + school.RIGHT}
    records = school.mark_all(school.hand_in(tmp_path / "class", **first), limits=SHORT)
    for student, record in records.items():
        assert school.score(record) == 3, (student, school.told(record))
        assert "not run, because more than half of the time was gone" in school.told(record)
    assert "cell 3: stopped after 1 seconds" in school.told(records["loops"])
    assert "cell 3:" not in school.told(records["naps"])
