"""The stored notebooks of exercises, students' and solved, are what their one text gives."""

import re

import exercise_notebooks as tool
import nbformat
import notebooks
import pytest
import yaml

from companion.exercises.catalogue import find
from companion.exercises.model import Drawn, options
from companion.exercises.worked import fill, key, wording

ROOT = tool.ROOT
CHAPTERS = tool.chapters_with_exercises()
STORED = sorted(path for path in (ROOT / "exercises").glob("**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def named(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("chapter", [tool.INDEX, *CHAPTERS])
def test_the_stored_notebooks_are_what_the_text_gives(chapter):
    for path, fresh in tool.made(ROOT, chapter).items():
        stored = nbformat.read(path, as_version=4)
        advice = f"{named(path)}: run `make exercises NAMES={chapter}`"
        assert notebooks.cells_hash(stored) == notebooks.cells_hash(fresh), advice
        assert stored.cells[0].source == fresh.cells[0].source, advice
        assert stored.metadata.unrolled == fresh.metadata.unrolled, advice


@pytest.mark.parametrize("path", STORED, ids=named)
def test_a_notebook_of_exercises_is_stored_in_the_normal_form(path):
    notebook = nbformat.read(path, as_version=4)
    notebooks.normalise(notebook)
    assert path.read_text(encoding="utf-8") == notebooks.dumps(notebook)


def test_no_other_notebook_lies_among_the_exercises():
    assert set(STORED) == {path for chapter in [tool.INDEX, *CHAPTERS] for path in tool.made(ROOT, chapter)}


def test_the_worked_solutions_in_the_package_are_those_of_the_texts():
    assert tool.WORKED.read_text(encoding="utf-8") == tool.worked(), "run `make exercises`"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_solved_notebooks_pass_every_check_and_students_have_attempted_none(chapter):
    (_, student), (_, solved) = ((path, nbformat.read(path, as_version=4)) for path in tool.made(ROOT, chapter))
    for notebook, state in ((student, "not attempted"), (solved, "passed")):
        said = [
            output.data["text/plain"].splitlines()[0]
            for cell in notebook.cells
            if cell.cell_type == "code" and cell.source.startswith("check(")
            for output in cell.outputs
        ]
        assert len(said) == len(tool.read(ROOT, chapter).sections)
        repairs = {section.id for section in tool.read(ROOT, chapter).sections if find(section.id).kind == "repair"}
        for line in said:
            if not (notebook is student and any(f" {id}:" in line for id in repairs)):
                assert state in line, line


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_solution_is_left_in_what_students_get(chapter):
    student, solved = (nbformat.read(path, as_version=4) for path in tool.made(ROOT, chapter))
    sections = [section for section in tool.read(ROOT, chapter).sections if find(section.id).kind != "repair"]
    names = {find(section.id).name for section in sections}
    code = {
        line.strip()
        for cell in student.cells
        if cell.cell_type == "code" and names & set(re.findall(r"\w+", cell.source))
        for line in cell.source.splitlines()
    }
    for section in sections:
        kept = {line.strip() for line in tool.student_code(section.code).splitlines()}
        removed = {line.strip() for line in tool.solved_code(section.code).splitlines()} - kept
        assert removed
        assert not {line for line in removed if len(line) > 12} & code
    assert not any(tool.SOLUTION in cell.metadata.get("tags", []) for cell in student.cells)
    assert any("{admonition} Why" in cell.source for cell in solved.cells)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_statements_read_the_same_in_any_notebook(chapter):
    """No markup that only the book understands, since a class works in Jupyter; and every placeholder has its words."""
    text = tool.read(ROOT, chapter)
    for section in text.sections:
        exercise = find(section.id)
        for cell in (*text.opening, *section.cells):
            if cell.cell_type == "markdown":
                assert not re.search(r"\{[a-z:]+\}`|^:::", cell.source, re.MULTILINE), cell.source
        for name, among in exercise.ask.items():
            for option in [] if isinstance(among, Drawn) else among:
                replaced = {name: option}
                words = wording(key(exercise, **replaced), {**options(exercise), **replaced})
                for cell in section.cells:
                    assert "«" not in fill(cell.source, words)


def test_every_chapter_has_exercises_and_names_them():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [part for part in contents["parts"] if part.get("numbered")]
    chapters = [entry["file"].removeprefix("book/") for part in parts for entry in part["chapters"]]
    assert chapters == CHAPTERS
    for chapter in chapters:
        text = (ROOT / "book" / "text" / f"{chapter}.md").read_text(encoding="utf-8")
        assert f"](../exercises/{chapter}.ipynb)" in text


def test_the_contents_list_every_page_of_exercises_in_the_order_of_the_chapters():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = {entry["file"]: entry.get("sections", []) for part in contents["parts"] for entry in part["chapters"]}
    for folder in ("exercises", "exercises/solutions"):
        listed = [(section["file"], section["title"]) for section in entries[f"{folder}/index"]]
        assert listed == [(f"{folder}/{chapter}", tool.title_of(ROOT, chapter)) for chapter in CHAPTERS]
