"""Make the exercises' notebooks, solved and for students, from their one text.

    python tools/exercise_notebooks.py                 every chapter: exercises/text/NAME.md -> both notebooks, executed
    python tools/exercise_notebooks.py unrolling       only this one
    python tools/exercise_notebooks.py --cohort 2027 --out DIR      a class's own questions, and their solutions
    python tools/exercise_notebooks.py --cohort 2027 --unlike 2026  which of them another class was asked, too
    python tools/exercise_notebooks.py --versions                   how many versions each exercise has

In the text, a section `## exercise-id` holds the statement and the cell with the solution. For students, the lines
from `# solution` to `# end` become `return ...`, or what stands after `# solution:`, or the lines after `# stub`
without their `# `; cells tagged `solution` are left out, and those tagged `mistakes` stand in no notebook: they list
what people hand in otherwise (companion/exercises/edits.py). `«name»` stands for words that depend on what a class is
asked (companion/exercises/model.py). Solutions and mistakes also go to companion/exercises/worked.json, for `check`
and `hint`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import address
import class_versions
import jupytext
import nbformat
import notebooks
import yaml
from nbformat import NotebookNode
from notebooks import ROOT, Refusal

sys.path.insert(0, str(ROOT))

import companion
from companion.exercises import catalogue
from companion.exercises.catalogue import INDEX, exercises, find, of_chapter, shown
from companion.exercises.edits import Solution, parse
from companion.exercises.model import Cohort, Exercise, options
from companion.exercises.worked import fill, forget, key, wording

WORKED = ROOT / "companion" / "exercises" / "worked.json"
SOLUTION = "solution"  # the tag of cells that students do not get
MISTAKES = "mistakes"  # and of those that stand in no notebook
YOURS = "  # your code"
KINDS = {
    "predict": "Predict",
    "complete": "Complete the line",
    "implement": "Implement",
    "derive": "Derive, then implement",
    "repair": "Find the bug",
    "open": "Open",
}


@dataclass(frozen=True)
class Section:
    """An exercise's part of a text: its cells, of which one code cell holds the solution."""

    id: str
    cells: tuple[NotebookNode, ...]

    @property
    def code(self) -> str:
        """The exercise's cell, with its markers."""
        (cell,) = [cell for cell in self.cells if is_exercise(cell)]
        return str(cell.source)

    @property
    def why(self) -> str:
        """What the solution's cells of text say."""
        return "\n\n".join(cell.source for cell in self.cells if SOLUTION in _tags(cell))

    @property
    def mistakes(self) -> str:
        """What people hand in otherwise, with what to tell, and the hints (companion/exercises/edits.py)."""
        return "\n".join(cell.source for cell in self.cells if MISTAKES in _tags(cell))

    @property
    def shown(self) -> tuple[NotebookNode, ...]:
        """The cells that stand in a notebook."""
        return tuple(cell for cell in self.cells if MISTAKES not in _tags(cell))


@dataclass(frozen=True)
class Text:
    """A chapter's exercises as their author writes them."""

    chapter: str
    title: str
    opening: tuple[NotebookNode, ...]
    sections: tuple[Section, ...]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters, such as unrolling (default: all)")
    parser.add_argument("--cohort", help="the name of a class, such as 2027: its own questions")
    parser.add_argument("--out", type=Path, help="with --cohort: the folder to write to")
    parser.add_argument("--unlike", action="append", default=[], metavar="NAME", help="with --cohort: compare with it")
    parser.add_argument("--versions", action="store_true", help="list how many versions each exercise has, and end")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks executed at once (default 2)")
    chosen = parser.parse_args(arguments)
    if (chosen.cohort is None) != (chosen.out is None) and not (chosen.cohort is not None and chosen.unlike):
        parser.error("--cohort and --out go together")
    if chosen.unlike and chosen.cohort is None:
        parser.error("--unlike goes with --cohort")
    os.environ["UNROLLED_PROGRESS"] = "off"  # what the author's machine has passed is no part of a stored output
    chapters = chapters_with_exercises()
    names = [Path(name).stem for name in chosen.names] or [INDEX, *chapters]
    try:
        wanted = [name for name in names if name != INDEX]
        if chosen.versions:
            print(class_versions.versions_told(wanted))
            return 0
        for other in chosen.unlike:
            print(class_versions.alike_told(wanted, chosen.cohort, other))
        if chosen.cohort is not None:
            for name in wanted if chosen.out is not None else ():
                write_cohort(name, chosen.cohort, chosen.out)
            if chosen.out is not None:
                print(f"{len(wanted)} chapters for the class {chosen.cohort} written to {chosen.out}")
            return 0
        store(WORKED, worked())
        forget()
        catalogue.exercises.cache_clear()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1

    def attempt(name: str) -> bool:
        try:
            print(f"{name}: {write(ROOT, name)}", flush=True)
            return True
        except Refusal as refusal:
            print(f"{name}: {refusal}", file=sys.stderr, flush=True)
            return False

    with ThreadPoolExecutor(max(1, chosen.jobs)) as pool:
        return 0 if all(list(pool.map(attempt, names))) else 1


def chapters_with_exercises(root: Path = ROOT) -> list[str]:
    """The chapters that have a text of exercises, in the order of the book."""
    parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    order = [Path(entry["file"]).stem for part in parts for entry in part["chapters"]]
    names = {path.stem for path in (root / "exercises" / "text").glob("*.md")} - {INDEX}
    if strange := names - set(order):
        raise Refusal(f"no chapter of the book is called {', '.join(sorted(strange))}")
    return [name for name in dict.fromkeys(order) if name in names]


def read(root: Path, chapter: str) -> Text:
    """The text of a chapter's exercises, in sections.

    Raises:
        Refusal: when a section is not an exercise of the chapter, is missing, or has not one exercise cell.
    """
    path = root / "exercises" / "text" / f"{chapter}.md"
    if not path.exists():
        raise Refusal(f"there is no exercises/text/{chapter}.md")
    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst").cells
    opening: list[NotebookNode] = []
    found: list[tuple[str, list[NotebookNode]]] = []
    for cell in itertools.chain.from_iterable(map(_at_headings, cells)):
        heading = re.match(r"## ([\w-]+)\s*\n?", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found.append((heading[1], []))
            cell.source = cell.source[heading.end() :].strip()
        cell.source = cell.source.rstrip()
        (found[-1][1] if found else opening).append(cell)
    sections = tuple(Section(id, tuple(cells)) for id, cells in found)
    known = [exercise.id for exercise in of_chapter(chapter)]
    if sorted(known) != sorted(section.id for section in sections):
        raise Refusal(f"{chapter}: the text has {[s.id for s in sections]}, its module {known}")
    for section in sections:
        if sum(map(is_exercise, section.cells)) != 1:
            raise Refusal(f"{chapter}, {section.id}: one code cell should hold `# solution` … `# end`")
    return Text(chapter, title_of(root, chapter), tuple(opening), sections)


def _at_headings(cell: NotebookNode) -> list[NotebookNode]:
    """A cell of text cut before each heading of an exercise; its tags stay with what stands before the first."""
    if cell.cell_type != "markdown":
        return [cell]
    first, *others = re.split(r"^(?=## )", cell.source, flags=re.MULTILINE)
    cell.source = first.rstrip()
    return [*([cell] if cell.source else []), *map(_markdown, others)]


def read_index(root: Path) -> tuple[list[NotebookNode], Text]:
    """The cells of the page that shows how it goes, and as a text the exercise with which it does.

    Raises:
        Refusal: when it has not one exercise cell.
    """
    path = root / "exercises" / "text" / f"{INDEX}.md"
    cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst").cells
    own = tuple(cell for cell in cells if is_exercise(cell) or {SOLUTION, MISTAKES} & set(_tags(cell)))
    if sum(map(is_exercise, own)) != 1:
        raise Refusal(f"{INDEX}: one code cell should hold `# solution` … `# end`")
    (exercise,) = shown().values()
    return cells, Text(INDEX, "", (), (Section(exercise.id, own),))


def title_of(root: Path, chapter: str) -> str:
    text = (root / "book" / "text" / f"{chapter}.md").read_text(encoding="utf-8")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise Refusal(f"book/text/{chapter}.md has no title")
    return heading[1].strip()


def is_exercise(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and any(
        (mark := _MARKER.match(line)) and mark["kind"] == "solution" for line in cell.source.splitlines()
    )


# --- what stands between the markers ---------------------------------------------------------------------------------


# A comment is a marker only if nothing else stands in it: `# end of the loop` is none.
_MARKER = re.compile(r"(?P<indent>\s*)# (?P<kind>solution|stub|end)(?P<stub>(?<=solution):.*)?\s*$")
Replace = Callable[[str, list[str], list[str]], list[str]]  # (stub line, solution, given lines) -> what stands there


def solved_code(source: str) -> str:
    """The exercise's cell as the solution has it: the markers are gone, and so is the stub."""
    return _regions(source, lambda stub, lines, given: lines)


def student_code(source: str) -> str:
    """The exercise's cell as the student gets it."""
    return _regions(source, lambda stub, lines, given: given or [f"{stub}{YOURS}"])


def _regions(source: str, replace: Replace) -> str:
    """The source with each region, from `# solution` to `# end`, replaced by what ``replace`` makes of it.

    Raises:
        Refusal: when a marker stands where it opens or closes nothing.
    """
    out: list[str] = []
    stub = ""
    lines: list[str] = []
    given: list[str] = []
    place = "outside"
    for line in source.splitlines():
        mark = _MARKER.match(line)
        if mark is None:
            if place == "stub":
                line = re.sub(r"^(\s*)# ?", r"\1", line, count=1)
            {"outside": out, "solution": lines, "stub": given}[place].append(line)
            continue
        allowed = {"solution": ("outside",), "stub": ("solution",), "end": ("solution", "stub")}[mark["kind"]]
        if place not in allowed:
            raise Refusal(f"`{line.strip()}` stands in the wrong place")
        if mark["kind"] == "solution":
            stub, lines, given = mark["indent"] + ((mark["stub"] or "").lstrip(": ").rstrip() or "return ..."), [], []
        if mark["kind"] == "end":
            out += replace(stub, lines, given)
        place = {"end": "outside"}.get(mark["kind"], mark["kind"])
    if place != "outside":
        raise Refusal("a region opened by `# solution` has no `# end`")
    return "\n".join(out)


# --- notebooks -------------------------------------------------------------------------------------------------------


def student_notebook(root: Path, text: Text, cohort: Cohort = None) -> NotebookNode:
    """The notebook in which a student works: stubs in place of solutions."""
    opening = f"""\
# Exercises: {text.title}

They belong to the chapter [{text.title}](../book/{text.chapter}.ipynb). {what_to_do(text)}, run the
cell, then run its check, which says what is wrong. `hint("…")` gives a first hint, `hint("…", 2)` the second.
[How it works](index.ipynb)"""
    if cohort is not None:
        opening = class_opening(root, text)
    cells = [_markdown(opening), _code(imports(cohort)), *_rendered(text, text.opening, cohort)]
    for number, section in enumerate(text.sections, start=1):
        exercise = find(section.id)
        cells.append(_markdown(heading(number, exercise)))
        for cell in _rendered(text, section.shown, cohort, exercise):
            if SOLUTION not in _tags(cell):
                cell.source = student_code(cell.source) if is_exercise(cell) else cell.source
                cells.append(cell)
        cells.append(_code(check_line(exercise)))
    cells.append(_markdown("## How far you have come"))
    cells.append(_code(f'progress("{text.chapter}")', tags=["nbval-ignore-output"]))
    return _notebook(root, cells, text.chapter, cohort, "exercises")


def what_to_do(text: Text) -> str:
    repairs = any(find(section.id).kind == "repair" for section in text.sections)
    return "Write your code where three dots stand" + (", mend the code in which a bug is to be found" * repairs)


def class_opening(root: Path, text: Text) -> str:
    """What students of a class should know before they begin, with links that hold wherever the notebook lies."""
    site, archive = addresses(root)
    return f"""\
# Exercises: {text.title}

They belong to the chapter [{text.title}]({site}book/{text.chapter}.html) of the course *Unrolled*;
the questions are those of your class. Each exercise has a cell for your code. Where three dots stand, write it there;
where the exercise gives you code with a fault, mend that code. Run the cell, then run its check, which says what is
wrong. `hint("…")` gives a first hint, `hint("…", 2)` the second. [How it works]({site}exercises/index.html)

**To run it** on Google Colab, run the first cell, which installs the course. On your own machine, with Python 3.11
or later: `python -m pip install jupyterlab {archive}`.

**To hand it in**, save the notebook and hand in the file itself (`.ipynb`). It is run once more, from top to bottom,
where only Python, NumPy and matplotlib are sure to be there, without files of yours, and for 30 seconds in all. So
leave the names of functions and variables as they are, keep one check for each answer (the last one counts), and
remove cells that run long or do not end."""


def addresses(root: Path) -> tuple[str, str]:
    """The site's address, with a slash at its end, and that of the whole course as a file that pip installs."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    owner, name = address.owner_and_name(config)
    branch = yaml.safe_load(config)["repository"]["branch"]
    return f"https://{owner}.github.io/{name}/", f"https://github.com/{owner}/{name}/archive/refs/heads/{branch}.zip"


def solved_notebook(root: Path, text: Text, cohort: Cohort = None) -> NotebookNode:
    """The solutions, folded, each with its passing check."""
    exercises_of = f"../{'' if cohort is None else 'students/'}{text.chapter}.ipynb"
    opening = f"""\
# Solutions: {text.title}

Try the [exercises]({exercises_of}) first: what you find yourself stays."""
    cells = [
        _markdown(opening),
        _code(imports(cohort, without="hint, progress")),
        *_rendered(text, text.opening, cohort),
    ]
    for number, section in enumerate(text.sections, start=1):
        exercise = find(section.id)
        cells.append(_markdown(heading(number, exercise)))
        for cell in _rendered(text, section.shown, cohort, exercise):
            if is_exercise(cell):
                cell.source = solved_code(cell.source)
                cell.metadata = NotebookNode(tags=["hide-input"])
            elif SOLUTION in _tags(cell):
                folded = f"::::{{admonition}} Why\n:class: dropdown\n{cell.source}\n::::"
                cell = _markdown(folded)
            cells.append(cell)
        cells.append(_code(check_line(exercise)))
    return _notebook(root, cells, text.chapter, cohort, "exercises/solutions")


def heading(number: int, exercise: Exercise) -> str:
    return f"## {number}. {exercise.title}\n\n*{KINDS[exercise.kind]}* · `{exercise.id}`"


def check_line(exercise: Exercise) -> str:
    return f'check("{exercise.id}", {exercise.name})'


def imports(cohort: Cohort, without: str = "") -> str:
    if cohort is None:
        names = "check, hint, progress" if not without else "check"
        return f"import numpy as np\n\nfrom companion.exercises import {names}"
    return f"import numpy as np\n\nfrom companion.exercises import cohort\n\ncheck, hint, progress = cohort({cohort!r})"


def made(root: Path, chapter: str) -> dict[Path, NotebookNode]:
    """What a chapter's text gives, or that of the index, not yet executed: path -> notebook."""
    folder = root / "exercises"
    if chapter == INDEX:
        kept = [cell for cell in read_index(root)[0] if not {SOLUTION, MISTAKES} & set(_tags(cell))]
        made_of = [
            _code(student_code(c.source), _tags(c)) if c.cell_type == "code" else _markdown(c.source) for c in kept
        ]
        return {folder / f"{INDEX}.ipynb": _notebook(root, made_of, INDEX, None, "exercises")}
    text = read(root, chapter)
    return {
        folder / f"{chapter}.ipynb": student_notebook(root, text),
        folder / "solutions" / f"{chapter}.ipynb": solved_notebook(root, text),
    }


def write(root: Path, chapter: str) -> str:
    """Make and execute the notebooks of a chapter, or the index."""
    told = []
    for path, notebook in made(root, chapter).items():
        if path.exists():
            stored = nbformat.read(path, as_version=4)
            if notebooks.edited(stored) and notebooks.cells_hash(stored) != notebooks.cells_hash(notebook):
                raise Refusal(
                    f"{path.relative_to(root).as_posix()} was edited. It is made from exercises/text/{chapter}.md: "
                    "bring the edit over, or keep a copy elsewhere, then restore it with git."
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        notebooks.execute(notebook, path.parent, root)
        notebooks.normalise(notebook)
        told.append(store(path, notebooks.dumps(notebook)))
    return "executed, " + ("written" if any(told) else "unchanged")


def write_cohort(chapter: str, cohort: str, out: Path) -> None:
    """The notebooks of a class, not executed; nothing that exists is overwritten.

    Raises:
        Refusal: when a file is already there.
    """
    text = read(ROOT, chapter)
    fresh = {
        out / "students" / f"{chapter}.ipynb": student_notebook(ROOT, text, cohort),
        out / "solutions" / f"{chapter}.ipynb": solved_notebook(ROOT, text, cohort),
    }
    for path in fresh:
        if path.exists():
            raise Refusal(f"{path} exists; choose another folder, or move it away")
    for path, notebook in fresh.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebooks.dumps(notebook), encoding="utf-8", newline="\n")


def store(path: Path, content: str) -> bool:
    """Write the content, unless the file holds it already; whether it was written."""
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return False
    temporary = path.with_suffix(f"{path.suffix}.new")
    temporary.write_text(content, encoding="utf-8", newline="\n")
    temporary.replace(path)
    return True


def _entry(text: Text, section: Section) -> dict[str, object]:
    """What worked.json holds of an exercise.

    Raises:
        Refusal: when a mistake is no edit of the solution.
    """
    code = solved_code(section.code)
    cells = [cell for cell in (*text.opening, *section.cells) if cell.cell_type == "code" and not is_exercise(cell)]
    given = [cell.source for cell in cells]
    place = f"exercises/text/{text.chapter}.md, {section.id}"
    try:
        for note in parse(section.mistakes):
            place = f"exercises/text/{text.chapter}.md, {section.id}, {note.label}"
            if not note.label.startswith("and "):
                Solution(section.id, tuple(given), code).edited(note.pieces)
    except ValueError as error:
        raise Refusal(f"{place}: {error}") from error
    return {"given": given, "code": code, "why": section.why, "mistakes": section.mistakes}


def worked(root: Path = ROOT) -> str:
    """What companion/exercises/worked.json should hold: the chapters, and each solution with its reason."""
    texts = [read(root, name) for name in chapters_with_exercises(root)]
    every = [read_index(root)[1], *texts]
    solutions = {section.id: _entry(text, section) for text in every for section in text.sections}
    if without := sorted(set(exercises()) - set(solutions)):
        raise Refusal(f"these exercises stand in no text: {', '.join(without)}")
    content = {"chapters": {text.chapter: text.title for text in texts}, "solutions": solutions}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _rendered(
    text: Text, cells: tuple[NotebookNode, ...], cohort: Cohort, exercise: Exercise | None = None
) -> list[NotebookNode]:
    """Copies of the cells with every «name» replaced; the opening takes its words from the first exercise."""
    of = exercise or find(text.sections[0].id)
    words = wording(key(of, cohort), options(of, cohort))
    copies = []
    for cell in cells:
        tags = _tags(cell)
        try:
            source = fill(cell.source, words)
        except ValueError as error:
            raise Refusal(f"{text.chapter}, {of.id}: {error}") from None
        copies.append(_code(source, tags) if cell.cell_type == "code" else _markdown(source, tags))
    return copies


def version(root: Path) -> str:
    """Which state of the course this is: the commit, or where there is none the package's version."""
    try:
        command = [
            "git",
            "--no-optional-locks",
            "-C",
            str(root),
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
            "--exclude",
            "*",
        ]
        found = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return companion.__version__


def _markdown(source: str, tags: list[str] | None = None) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": tags} if tags else {})


def _code(source: str, tags: list[str] | None = None) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata={"tags": tags} if tags else {})


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _notebook(root: Path, cells: list[NotebookNode], chapter: str, cohort: Cohort, folder: str) -> NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=cells)
    unrolled = {"cells": notebooks.cells_hash(notebook), "exercises": chapter, "text": f"text/{chapter}.md"}
    if cohort is not None:
        unrolled["cohort"] = str(cohort)
        unrolled["version"] = version(root)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        unrolled=unrolled,
    )
    advice = (
        notebooks.MAKE_LAB if cohort is None else f"To install the course: python -m pip install {addresses(root)[1]}"
    )
    notebook.cells.insert(0, notebooks.setup_cell(root, folder, advice))
    notebooks.name_cells(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


if __name__ == "__main__":
    sys.exit(main())
