"""The exercises work in a browser's Python, which has no processes, no threads, no timers and no packages but NumPy."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BROWSER = """
import importlib.abc, signal, sys, threading, time

import numpy as np  # it is there, and looks at the system while it is imported

ABSENT = ("multiprocessing", "resource", "_posixsubprocess", "fcntl", "_ssl", "concurrent", "asyncio",
          "torch", "matplotlib", "scipy", "pandas", "ipywidgets", "IPython", "tqdm")

class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in [name for name in sys.modules if name.split(".")[0] in (*ABSENT, "subprocess")]:
    del sys.modules[name]
sys.meta_path.insert(0, Without())
sys.platform = "emscripten"

def refuse(*arguments, **options):
    raise OSError("a browser has none of this")

threading.Thread.start = refuse
if hasattr(signal, "setitimer"):
    if TIMER == "absent":
        del signal.setitimer
    else:
        signal.setitimer = lambda *arguments: (0.0, 0.0)  # waits until Python is idle
import os
for name in ("fork", "system", "kill", "posix_spawn"):
    if hasattr(os, name):
        setattr(os, name, refuse)

from companion.exercises import check, cohort, hint, progress
from companion.exercises import attempts
from companion.exercises.catalogue import find
from companion.exercises.worked import key

def endless(dh, h, x):
    while True:
        x = x

attempts.attempt.__defaults__ = (0.5,)  # seconds
ID = "bptt-dU"
answers = key(find(ID))
assert check(ID, answers.answer)
wrong = check(ID, answers.misconceptions[0].wrong)
assert wrong.state == "failed" and wrong.diagnosis and wrong._repr_html_()
start = time.monotonic()
stopped = check(ID, endless)
assert stopped.findings[0].kind == "time", stopped
assert time.monotonic() - start < 5
assert check(ID, ...).state == "not attempted"
assert hint(ID).step == 1 and hint(ID, 2).step == 2 and hint(ID, "solution").code
assert not check(ID, answers.answer, cohort=3)
states = {row.exercise: (row.state, row.hints) for row in progress().rows}
assert states[ID] == ("passed", 2) and {state for state, _ in states.values()} == {"passed", "not attempted"}
assert open("unrolled-progress.jsonl").read().count("\\n") == 8
print("worked")
"""


def run(program, folder, **environment):
    environment = {"PYTHONPATH": str(ROOT), **environment}
    kept = {name: value for name, value in os.environ.items() if name not in ("UNROLLED_PROGRESS", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.parametrize("timer", ["absent", "idle"])
def test_in_a_browser(tmp_path, timer):
    done = run(f"TIMER = {timer!r}{BROWSER}", tmp_path)
    assert done.stdout == "worked\n", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["unrolled-progress.jsonl"]


def test_numpy_and_pythons_own_modules_are_all_that_is_imported(tmp_path):
    program = (
        "import sys\nbefore = set(sys.modules)\n"  # what this environment imports at its start is not meant
        "from companion.exercises import check, hint, progress\n"
        "from companion.exercises.catalogue import exercises\n"
        "exercises(), hint('bptt-dU', 'solution'), progress(), repr(check('bptt-dU', lambda *a: a[0]))\n"
        "loaded = [n for n in set(sys.modules) - before if getattr(sys.modules[n], '__file__', None)]\n"
        "names = {name.split('.')[0] for name in loaded}\n"
        "print(*sorted(names - set(sys.stdlib_module_names)))\n"
        "print(*sorted(names & {'multiprocessing', 'resource', 'subprocess', 'asyncio', 'unittest', 'tkinter'}))"
    )
    done = run(program, tmp_path, UNROLLED_PROGRESS="off")
    assert done.stdout.splitlines() == ["companion numpy", ""], done.stderr


def test_how_long_importing_takes(tmp_path, capsys):
    """Printed, not judged: a busy machine says nothing about the code (pytest -s shows it)."""
    took = {}
    for module in ("companion", "companion.exercises"):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            assert run(f"import {module}", tmp_path).returncode == 0
            times.append(time.perf_counter() - start)
        took[module] = statistics.median(times)
    with capsys.disabled():
        print("\n" + ", ".join(f"import {module}: {1e3 * median:.0f} ms" for module, median in took.items()), end=" ")
