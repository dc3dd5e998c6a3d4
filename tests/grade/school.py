"""A chapter of three small exercises, its students' notebooks, and a way to grade them."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from companion.exercises import catalogue
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.grade import submissions
from companion.grade.hidden import Checks
from companion.grade.marking import Marker, Settings
from companion.grade.session import Examiner, Limits

CHAPTER = "school"  # an exercise belongs to the chapter of its module
QUICK = Limits(total=20, cell=1.0, answer=0.5, grace=1.5)


@exercise("scale", "scaled", "Scale", "implement", factor=(2, 3, 5))
def scale(rng, factor):
    return Key(
        answer=lambda x: factor * x,
        also_right=(lambda x: x * factor, lambda x: sum([x] * factor)),
        hints=("Multiply.",),
        cases=tuple(Case(f"size {n}", {"x": rng.normal(size=n)}) for n in (1, 2, 5)),
        misconceptions=(
            Misconception("added", "Look at the sign between them.", lambda x: factor + x),
            Misconception("divided", "Which way round?", lambda x: x / factor),
            Misconception("one too few", "Count again.", lambda x: (factor - 1) * x + 0.25),
        ),
    )


@exercise("sum", "total", "Sum", "implement", power=(1, 2))
def total(rng, power):
    return Key(
        answer=lambda x: float((x**power).sum()),
        also_right=(lambda x: sum(v**power for v in x), lambda x: float(np.sum(x**power))),
        hints=("Add.",),
        cases=tuple(Case(f"size {n}", {"x": rng.normal(size=n)}) for n in (2, 4)),
        misconceptions=(
            Misconception("a mean", "Nothing divides.", lambda x: float((x**power).mean())),
            Misconception("the last is left out", "How many are there?", lambda x: float((x**power)[:-1].sum())),
            Misconception("the sign", "Look at the sign.", lambda x: -float((x**power).sum())),
        ),
    )


@exercise("count", "number", "Count", "predict", n=(7, 8))
def count(rng, n):
    return Key(
        answer=n,
        also_right=(float(n), np.array(n)),
        hints=("Count.",),
        misconceptions=tuple(Misconception(f"off by {k}", "Count again.", n + k) for k in (1, 2, 3)),
    )


EXERCISES = {item.id: item for item in (scale, total, count)}
IMPORTS = "import numpy as np\nfrom companion.exercises import check, hint, progress"
SCALED = "def scaled(x):\n    return 2 * x"
TOTAL = "def total(x):\n    return float(x.sum())"
NUMBER = "number = 7"
CHECKS = 'check("scale", scaled)\ncheck("sum", total)\ncheck("count", number)\nhint("sum")\nprogress()'
RIGHT = (IMPORTS, SCALED, TOTAL, NUMBER, CHECKS)
STUBS = (IMPORTS, "def scaled(x):\n    return ...", "def total(x):\n    return ...", "number = ...", CHECKS)


def use(monkeypatch):
    """Have the catalogue hold these exercises alone; only the grader's own process is touched."""
    monkeypatch.setattr(catalogue, "exercises", lambda: EXERCISES)


def cell(source, kind="code", **metadata):
    return {"cell_type": kind, "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def notebook(*sources, chapter=CHAPTER, cohort=None):
    """The text of a notebook file with a setup cell, which must not run, and these code cells."""
    own = {"exercises": chapter} if cohort is None else {"exercises": chapter, "cohort": cohort}
    cells = [cell("number = scaled = total = 'the setup cell ran'", tags=["setup"]), *map(cell, sources)]
    metadata = {"unrolled": own} if chapter else {}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def hand_in(folder, **students):
    """Write the notebooks of students: NAME=text of the file, or cells."""
    folder.mkdir(parents=True, exist_ok=True)
    for student, content in students.items():
        text = notebook(*content) if isinstance(content, tuple) else content
        (folder / f"{student}.ipynb").write_text(text, encoding="utf-8")
    return folder


def mark_all(folder, *, limits=QUICK, cohort=None, checks=None, chapter=None):
    """The records of a class, by student."""
    found = submissions.find(folder)
    settings = Settings(chapter, CHAPTER, cohort, limits)
    marker = Marker(settings, Checks(checks), Examiner(limits))
    with ThreadPoolExecutor(2) as pool:
        return {s.student: record for s, record in zip(found, pool.map(marker.mark, found), strict=True)}


def states(record):
    """Exercise → state, of a student with one notebook."""
    (only,) = record["notebooks"]
    return {entry["id"]: entry["state"] for entry in only["exercises"]}


def score(record):
    (only,) = record["notebooks"]
    return only["score"]


def told(record):
    """All that is said about a student's notebook besides its exercises."""
    (only,) = record["notebooks"]
    cells = [f"cell {c['cell']}: {c['problem']}" for c in only["cells"]]
    return "\n".join([*only["reasons"], *only["remarks"], *cells])
