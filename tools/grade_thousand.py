"""Make a class of a thousand for one chapter, with submissions that mean harm among them, and time its grading.

    python tools/grade_thousand.py                       1,000 students of 'Unrolling', graded on all processors
    python tools/grade_thousand.py --students 100 --chapter lstm-backwards --jobs 2

Right answers are the worked solutions, stubs the students' notebooks as they are handed out. Every mark is compared
with what it must be, so that a run that is quick but wrong fails.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from companion.exercises import catalogue
from companion.exercises.model import Exercise

ROOT = Path(__file__).resolve().parents[1]
MINUTES = 10  # what the run may take on two cores

# (how many of a thousand, name); what is left are right answers
MIX = ((350, "some wrong"), (120, "stubs"), (60, "unfinished"), (40, "hostile"))
WRONG = {
    "sign": "lambda f: lambda *a: _map(f(*a), lambda x: -x)",
    "twice": "lambda f: lambda *a: _map(f(*a), lambda x: x * 2)",
    "float32": "lambda f: lambda *a: _map(f(*a), lambda x: np.asarray(x, np.float32))",
    "raises": "lambda f: lambda *a: a[99]",
    "nothing": "lambda f: lambda *a: None",
    "endless": "lambda f: lambda *a: [0 for _ in iter(int, 1)]",
}
MAP = """
def _map(value, change):
    if isinstance(value, dict):
        return {key: _map(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map(item, change) for item in value)
    return value if isinstance(value, str) or value is None else change(value)
"""
ALL, NONE = "all points", "no points"
HOSTILE = {  # what is added to a right notebook, and what is due
    "crash": ("import ctypes\nctypes.string_at(0)", NONE),
    "os._exit": ("import os\nos._exit(1)", NONE),
    "endless cell": ("while True:\n    pass", ALL),
    "endless cell that blocks the alarm": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\nwhile True:\n    pass",
        NONE,
    ),
    "sys.exit": ("import sys\nsys.exit(1)", ALL),
    "8 GB": ("big = bytearray(8 * 2**30)", ALL),
    "patched checker": ("check = lambda *a, **k: True\nnp.allclose = np.array_equal = check", ALL),
    "much output": ("for _ in range(1000):\n    print('x' * 10000)", ALL),
    "leaves processes": ("import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)", ALL),
    "imports the answers": ("from companion.exercises.catalogue import find", ALL),
    "not JSON": (None, NONE),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--chapter", default="unrolling")
    parser.add_argument("--jobs", type=int, help="submissions at once (default: the grader's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), options.chapter, options.students, options.jobs)


def run(folder: Path, chapter: str, students: int, jobs: int | None) -> int:
    due, kinds = make(folder / "class", chapter, students)
    print(f"{students} notebooks of {chapter}: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}")
    command = [sys.executable, "-m", "companion.grade", str(folder / "class"), "--out", str(folder / "grades.csv")]
    start = time.monotonic()
    subprocess.run([*command, *(["--jobs", str(jobs)] if jobs else [])], check=True, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    with (folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        given = {row["student"]: int(row["score"]) for row in csv.DictReader(file)}
    wrong = [student for student in due if not due[student](given[student])]
    for student in wrong:
        print(f"{student} has {given[student]} points, which is not what is due")
    print(f"graded in {seconds:.0f} s, {1000 * seconds / students:.0f} ms each; {len(wrong)} marks are wrong")
    return int(bool(wrong) or (students >= 1000 and seconds > 60 * MINUTES))


def make(folder: Path, chapter: str, students: int) -> tuple[dict[str, Callable[[int], bool]], Counter[str]]:
    """Write the class; what is due to each student, and how many there are of each kind."""
    folder.mkdir()
    right = json.loads((ROOT / "exercises" / "solutions" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    stubs = json.loads((ROOT / "exercises" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    exercises = catalogue.of_chapter(chapter)
    rng = np.random.default_rng(0)
    due, kinds = dict[str, Callable[[int], bool]](), Counter[str]()
    order = [kind for share, kind in MIX for _ in range(round(share * students / 1000))]
    order += ["right"] * (students - len(order))
    for number, kind in enumerate(rng.permutation(order)):
        student = f"student-{number:04d}"
        notebook, due[student] = _submission(str(kind), kinds[str(kind)], right, stubs, exercises, rng)
        kinds[str(kind)] += 1
        text = "this is no notebook" if notebook is None else json.dumps(notebook)
        (folder / f"{student}.ipynb").write_text(text, encoding="utf-8")
    return due, kinds


def _submission(
    kind: str, number: int, right: Any, stubs: Any, exercises: list[Exercise], rng: np.random.Generator
) -> tuple[Any, Callable[[int], bool]]:
    count = len(exercises)
    if kind == "stubs":
        return stubs, lambda points: points == 0
    if kind == "hostile":
        cell, points_due = list(HOSTILE.values())[number % len(HOSTILE)]
        most = count if points_due is ALL else 0
        return (None if cell is None else _with(right, cell)), lambda points: points == most
    if kind == "unfinished":  # the notebook ends somewhere
        kept = right["cells"][: int(rng.integers(len(right["cells"])))]
        code = "\n".join("".join(cell["source"]) for cell in kept if cell["cell_type"] == "code")
        done = sum(bool(re.search(rf"^(def )?{e.name}( = |\()", code, re.MULTILINE)) for e in exercises)
        return {**right, "cells": kept}, lambda points: points == done
    if kind == "some wrong":
        spoilt = [e for e in exercises if rng.random() < 0.4] or exercises[:1]
        names = [name for name in WRONG if name != "endless" or rng.random() < 0.1]
        lines = []
        for e in spoilt:
            wrong = f"({WRONG[rng.choice(names)]})(_f) if callable(_f) else None"
            lines.append(f"_f = {e.name}\n{e.name} = {wrong}\ncheck({e.id!r}, {e.name})")  # the last check counts
        least = count - len(spoilt)
        return _with(right, "\n".join((MAP, *lines))), lambda points: points == least
    return right, lambda points: points == count


def _with(notebook: Any, source: str) -> Any:
    """The notebook with one more cell."""
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
    return {**notebook, "cells": [*notebook["cells"], cell]}


if __name__ == "__main__":
    sys.exit(main())
