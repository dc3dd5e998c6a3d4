"""tools/exercise_notebooks.py on a book of one chapter: two notebooks from one text, and no work is overwritten."""

import json
import subprocess

import exercise_notebooks as tool
import nbformat
import notebooks
import pytest

import companion
from companion.exercises.model import Case, Drawn, Exercise, Key, Misconception

TEXT = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

All of this page is about «factor».

## times

Multiply $x$ by «factor».

```{code-cell}
given = [1, 2, 3]
```

```{code-cell}
def times(x):
    \"\"\"«factor» x.\"\"\"
    # solution: factor = ...
    factor = «factor»
    # end
    # solution
    y = factor * x
    return y
    # end
```

+++ {"tags": ["solution"]}

Because «factor» is asked for.

+++

## repaired

This one is wrong.

```{code-cell}
def repaired(x):
    y = x
    for t in range(3):
        # solution
        y = y + 1
        # stub
        # y = y - 1
        #
        # y = y * 1
        # end
    return y
```

+++ {"tags": ["solution"]}

It should *grow*.
"""

INDEX = """\
# How it goes

```{code-cell}
def running_mean(x):
    # solution
    return x
    # end
```

+++ {"tags": ["solution"]}

It is not.

+++ {"tags": ["mistakes"]}

hint: Think.
all is lost: `return x` => `return 0 * x`
    Look again.

+++

Then it is checked.

```{code-cell}
:tags: [nbval-ignore-output]

check("running-mean", running_mean)
```
"""


def _times(rng, factor):
    wrong = (Misconception("added", "Look at the sign.", lambda x: factor + x),)
    cases = (Case("one", {"x": 2.5}), Case("two", {"x": 3.25}))
    return Key(answer=lambda x: factor * x, misconceptions=wrong, hints=("Think.",), cases=cases)


def _repaired(rng, start):
    return Key(answer=lambda x: x + 3, hints=("Think.",), cases=(Case("one", {"x": 1.5}),))


TIMES = Exercise("times", "small", "times", "A product", "complete", {"factor": (2, 3)}, _times)
REPAIRED = Exercise(
    "repaired", "small", "repaired", "A sum", "repair", {"start": Drawn(1, lambda rng: rng.integers(9))}, _repaired
)
KNOWN = {exercise.id: exercise for exercise in (TIMES, REPAIRED)}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A course with one chapter of two exercises, and a second chapter without any."""
    for folder in ("book/text", "exercises/text", "companion/exercises"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book" / "text" / "small.md").write_text(
        "---\nx: 1\n---\n# A small *chapter*\n\nText.\n", encoding="utf-8"
    )
    (tmp_path / "exercises" / "text" / "small.md").write_text(TEXT, encoding="utf-8")
    (tmp_path / "exercises" / "text" / "index.md").write_text(INDEX, encoding="utf-8")
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/someone/course\n  branch: trunk\n", encoding="utf-8"
    )
    contents = "parts:\n- chapters:\n  - file: book/other\n  - file: book/small\n"
    (tmp_path / "_toc.yml").write_text(contents, encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "WORKED", tmp_path / "companion" / "exercises" / "worked.json")
    monkeypatch.setattr(tool, "of_chapter", lambda name: [e for e in KNOWN.values() if e.chapter == name])
    monkeypatch.setattr(tool, "find", KNOWN.__getitem__)
    monkeypatch.setattr(tool, "exercises", lambda: KNOWN)
    monkeypatch.setattr(notebooks, "execute", lambda *arguments: None)
    return tmp_path


def change_text(book, old, new, count=1):
    path = book / "exercises" / "text" / "small.md"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == count
    path.write_text(text.replace(old, new), encoding="utf-8")


def sources(notebook, kind=None):
    return [cell.source for cell in notebook.cells if kind in (None, cell.cell_type)]


def stored(path):
    return nbformat.read(path, as_version=4)


def both(book, cohort=None):
    text = tool.read(book, "small")
    return tool.student_notebook(book, text, cohort), tool.solved_notebook(book, text, cohort)


# --- regions

REGIONS = {
    "one": ("def f(x):\n    # solution\n    return x\n    # end", "def f(x):\n    return ...  # your code"),
    "a name": ("# solution: a = ...\na = 3\n# end\nb = a", "a = ...  # your code\nb = a"),
    "two": (
        "# solution: a = ...\na = 1\n# end\n# solution: b = ...\nb = 2\n# end\nc = a + b",
        "a = ...  # your code\nb = ...  # your code\nc = a + b",
    ),
    "deep": (
        "for t in x:\n        # solution: h = ...\n        h = t\n        k = h\n        # end\n        print(h)",
        "for t in x:\n        h = ...  # your code\n        print(h)",
    ),
    "repair": (
        "if x:\n    # solution\n    y = x\n    # stub\n    # y = -x\n    # if y:\n    #     y = 0  # odd\n    # end",
        "if x:\n    y = -x\n    if y:\n        y = 0  # odd",
    ),
}


@pytest.mark.parametrize("name", REGIONS)
def test_what_students_get_in_place_of_a_solution(name):
    source, student = REGIONS[name]
    assert tool.student_code(source) == student
    compile(tool.student_code(source), name, "exec")


@pytest.mark.parametrize("name", REGIONS)
def test_what_the_solution_keeps(name):
    source, _ = REGIONS[name]
    solved = tool.solved_code(source)
    for mark in ("# solution", "# end", "# stub", "odd", "..."):
        assert mark not in solved
    compile(solved, name, "exec")
    kept = [line for line in source.split("    # stub")[0].splitlines() if not line.strip().startswith("#")]
    assert solved.splitlines() == kept


def test_code_without_a_region_is_as_it_was():
    for make in (tool.solved_code, tool.student_code):
        assert make("a = 1  # the solution\n\nb = 2") == "a = 1  # the solution\n\nb = 2"


def test_a_region_without_an_end_is_refused():
    for make in (tool.solved_code, tool.student_code):
        with pytest.raises(tool.Refusal, match="has no `# end`"):
            make("def f(x):\n    # solution\n    return x")


@pytest.mark.parametrize("comment", ["# end of the loop", "# stub of a proof"])
def test_a_comment_that_begins_like_a_marker_is_none(comment):
    source = f"def f(x):\n    # solution\n    y = x\n    {comment}\n    return y\n    # end"
    assert tool.student_code(source) == "def f(x):\n    return ...  # your code"
    assert tool.solved_code(source) == f"def f(x):\n    y = x\n    {comment}\n    return y"


@pytest.mark.parametrize("source", ["a = 1\n# end", "# stub\n# a = 1", "# solution\n# solution\na = 1\n# end"])
def test_a_marker_in_the_wrong_place_is_refused(source):
    with pytest.raises(tool.Refusal):
        tool.student_code(source)


# --- both notebooks


def test_the_students_notebook_has_everything_but_the_solution(book):
    student, _ = both(book)
    text = "\n".join(sources(student))
    for secret in (
        "2 * x",
        "factor = 2",
        "y = factor",
        "y + 1",
        "Because",
        "should *grow*",
        "«",
        "# solution",
        "# end",
    ):
        assert secret not in text
    code = sources(student, "code")
    assert "from companion.exercises import check, hint, progress" in code[1]
    assert code[2:] == [
        "given = [1, 2, 3]",
        'def times(x):\n    """2 x."""\n    factor = ...  # your code\n    return ...  # your code',
        'check("times", times)',
        "\n".join(
            (
                "def repaired(x):",
                "    y = x",
                "    for t in range(3):",
                "        y = y - 1",
                "        ",
                "        y = y * 1",
                "    return y",
            )
        ),
        'check("repaired", repaired)',
        'progress("small")',
    ]
    assert "# Exercises: A small *chapter*" in text and "(../book/small.ipynb)" in text
    assert "All of this page is about 2." in text and "Multiply $x$ by 2." in text
    assert "## 1. A product\n\n*Complete the line* · `times`" in text and "## 2. A sum" in text


def test_the_solved_notebook_has_the_solution_and_why(book):
    _, solved = both(book)
    code = sources(solved, "code")
    assert code[3] == 'def times(x):\n    """2 x."""\n    factor = 2\n    y = factor * x\n    return y'
    assert code[5] == "def repaired(x):\n    y = x\n    for t in range(3):\n        y = y + 1\n    return y"
    assert code[4] == 'check("times", times)' and "hint" not in code[1]
    text = "\n".join(sources(solved, "markdown"))
    assert "Because 2 is asked for." in text and "It should *grow*." in text and text.count("{admonition} Why") == 2
    hidden = [cell.source for cell in solved.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert hidden == [code[3], code[5]]


def test_what_is_run_is_right(book):
    """The solutions give what the keys give, and the students' stubs do not."""
    for notebook, results in zip(both(book), ((..., 1.0), (8, 7.0)), strict=True):
        scope = {}
        for source in sources(notebook, "code"):
            if source.startswith("def"):
                exec(source, scope)
        assert (scope["times"](4), scope["repaired"](4.0)) == results


def test_notebooks_say_what_they_are(book):
    for cohort in (None, "2027"):
        for notebook in both(book, cohort):
            record = notebook.metadata.unrolled
            assert record["exercises"] == "small" and record.get("cohort") == cohort
            assert not notebooks.edited(notebook)
            assert "setup" in notebook.cells[0].metadata.tags and "someone/course" in notebook.cells[0].source
            advice = "make lab" if cohort is None else "python -m pip install https://github.com/someone/course/archive"
            assert advice in notebook.cells[0].source
            assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
            nbformat.validate(notebook)


# --- the text


def test_a_text_is_read_in_sections(book):
    text = tool.read(book, "small")
    assert (text.chapter, text.title) == ("small", "A small *chapter*")
    assert [section.id for section in text.sections] == ["times", "repaired"]
    assert [cell.source for cell in text.opening] == ["All of this page is about «factor»."]
    assert text.sections[0].why == "Because «factor» is asked for." and "# solution: factor" in text.sections[0].code


REFUSED = {
    "a section that is no exercise": ("## times", "## tides", "tides"),
    "a section twice": ("## repaired", "## times", "times"),
    "no region": ("        # solution\n", "        # nothing\n", "repaired: one code cell should hold"),
    "a second region's cell": (
        "given = [1, 2, 3]",
        "# solution: given = ...\ngiven = [1]\n# end",
        "times: one code cell",
    ),
    "words that there are not": ("Multiply $x$", "Multiply «vector»", "«vector»"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_text_that_does_not_fit_is_refused(book, name):
    old, new, told = REFUSED[name]
    change_text(book, old, new)
    with pytest.raises(tool.Refusal, match=told):
        both(book)


def test_a_chapter_without_a_text_or_a_title_is_refused(book):
    with pytest.raises(tool.Refusal, match="there is no exercises/text/other.md"):
        tool.read(book, "other")
    (book / "book" / "text" / "small.md").write_text("No title.\n", encoding="utf-8")
    with pytest.raises(tool.Refusal, match="has no title"):
        tool.read(book, "small")


def test_chapters_are_in_the_order_of_the_book_and_strange_ones_are_refused(book):
    assert tool.chapters_with_exercises(book) == ["small"]
    (book / "exercises" / "text" / "other.md").touch()
    assert tool.chapters_with_exercises(book) == ["other", "small"]
    (book / "exercises" / "text" / "stray.md").touch()
    with pytest.raises(tool.Refusal, match="no chapter of the book is called stray"):
        tool.chapters_with_exercises(book)


def test_the_worked_solutions_keep_their_places(book):
    content = json.loads(tool.worked(book))
    assert content["chapters"] == {"small": "A small *chapter*"}
    assert list(content["solutions"]) == ["running-mean", "times", "repaired"]
    assert "factor = «factor»" in content["solutions"]["times"]["code"]
    assert content["solutions"]["repaired"]["why"] == "It should *grow*."


# --- the page that shows how it goes


def test_the_index_has_its_exercise_as_students_get_it_and_no_solution(book):
    ((path, notebook),) = tool.made(book, "index").items()
    assert path == book / "exercises" / "index.ipynb"
    assert sources(notebook)[1:] == [
        "# How it goes",
        "def running_mean(x):\n    return ...  # your code",
        "Then it is checked.",
        'check("running-mean", running_mean)',
    ]
    assert notebook.cells[-1].metadata.tags == ["nbval-ignore-output"]


def test_the_exercise_of_the_index_is_stored_and_its_page_is_no_chapter(book):
    content = json.loads(tool.worked(book))
    assert list(content["chapters"]) == ["small"]
    entry = content["solutions"]["running-mean"]
    assert entry["code"] == "def running_mean(x):\n    return x" and entry["why"] == "It is not."
    assert entry["mistakes"].startswith("hint: Think.") and entry["given"] == []


@pytest.mark.parametrize("old", ["    # solution\n    return x\n    # end\n", "    return x\n"])
def test_an_index_that_does_not_fit_is_refused(book, old):
    path = book / "exercises" / "text" / "index.md"
    path.write_text(INDEX.replace(old, "    pass\n"), encoding="utf-8")
    with pytest.raises(tool.Refusal, match="index"):
        tool.worked(book)


def test_an_exercise_in_no_text_is_refused(book, monkeypatch):
    lost = Exercise("lost", "other", "lost", "Lost", "open", {}, _times)
    monkeypatch.setattr(tool, "exercises", lambda: {**KNOWN, "lost": lost})
    with pytest.raises(tool.Refusal, match="these exercises stand in no text: lost"):
        tool.worked(book)


# --- files


def paths(book):
    return book / "exercises" / "small.ipynb", book / "exercises" / "solutions" / "small.ipynb"


def test_writing_twice_changes_nothing(book):
    assert tool.write(book, "small") == "executed, written"
    before = [path.read_bytes() for path in paths(book)]
    assert tool.write(book, "small") == "executed, unchanged"
    assert [path.read_bytes() for path in paths(book)] == before
    assert all(content.endswith(b"}\n") and b"\r" not in content for content in before)
    assert not list(book.rglob("*.new"))


def test_a_changed_text_changes_both_notebooks(book):
    tool.write(book, "small")
    change_text(book, "Multiply $x$", "Multiply once more $x$")
    assert tool.write(book, "small") == "executed, written"
    assert all("once more" in "".join(sources(stored(path))) for path in paths(book))


@pytest.mark.parametrize("which", [0, 1])
def test_work_in_a_notebook_is_never_overwritten(book, which):
    tool.write(book, "small")
    path = paths(book)[which]
    notebook = stored(path)
    notebook.cells[5].source = "def times(x):\n    return 2 * x  # my own work"
    nbformat.write(notebook, path)
    mine = path.read_bytes()
    with pytest.raises(tool.Refusal, match="was edited.*exercises/text/small.md"):
        tool.write(book, "small")
    change_text(book, "Multiply $x$", "Multiply once more $x$")
    with pytest.raises(tool.Refusal, match="was edited"):
        tool.write(book, "small")
    assert path.read_bytes() == mine


def test_a_notebook_from_elsewhere_is_not_overwritten(book):
    path = paths(book)[0]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    with pytest.raises(tool.Refusal, match="was edited"):
        tool.write(book, "small")


def test_what_jupyter_does_by_itself_is_no_work(book):
    tool.write(book, "small")
    notebook = stored(paths(book)[0])
    notebook.cells[4].metadata["collapsed"] = False
    notebook.cells[4].execution_count = 17
    nbformat.write(notebook, paths(book)[0])
    assert tool.write(book, "small") == "executed, written"


def test_content_is_stored_whole_or_not_at_all(book, monkeypatch):
    path = book / "file.json"
    assert tool.store(path, "one") and not tool.store(path, "one")
    monkeypatch.setattr(type(path), "replace", lambda *arguments: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        tool.store(path, "two")
    assert path.read_text(encoding="utf-8") == "one"


# --- a class of one's own


def test_a_class_gets_its_own_questions_and_solutions(book, tmp_path):
    out = tmp_path / "autumn"
    tool.write_cohort("small", "2027", out)
    student, solved = (stored(out / folder / "small.ipynb") for folder in ("students", "solutions"))
    for notebook in (student, solved):
        text = "\n".join(sources(notebook))
        assert "Multiply $x$ by 3." in text and "by 2." not in text
        assert "check, hint, progress = cohort('2027')" in text
        assert notebook.metadata.unrolled.cohort == "2027"
        assert all(not cell.get("outputs") for cell in notebook.cells)
    assert "factor = 3" in "\n".join(sources(solved)) and "factor = 3" not in "\n".join(sources(student))
    opening = student.cells[1].source
    assert "../" not in "\n".join(sources(student, "markdown")), "nothing lies beside it"
    assert (
        "(https://someone.github.io/course/book/small.html)" in opening
        and "pip install jupyterlab https://github.com/someone/course/archive/refs/heads/trunk.zip`" in opening
    )
    assert "(https://someone.github.io/course/exercises/index.html)" in opening and "mend that code" in opening
    assert "hand in" in opening and "NumPy and matplotlib" in opening and "30 seconds" in opening


def test_the_notebook_of_a_class_says_of_which_state_of_the_course_it_is(book, monkeypatch):
    assert both(book, "2027")[0].metadata.unrolled["version"] == companion.__version__, "no repository of git"
    assert "version" not in both(book)[0].metadata.unrolled, "the book's own would never be the same twice"
    said = subprocess.CompletedProcess([], 0, stdout="0123456789ab-dirty\n")
    monkeypatch.setattr(tool.subprocess, "run", lambda *arguments, **named: said)
    assert both(book, "2027")[0].metadata.unrolled["version"] == "0123456789ab-dirty"


def test_a_class_with_quotes_in_its_name(book, tmp_path):
    tool.write_cohort("small", 'it\'s "2027"', tmp_path / "out")
    code = sources(stored(tmp_path / "out" / "students" / "small.ipynb"), "code")[1]
    compile(code, "cell", "exec")
    assert eval(code.partition("cohort(")[2].rstrip(")")) == 'it\'s "2027"'


@pytest.mark.parametrize("folder", ["students", "solutions"])
def test_nothing_that_exists_is_overwritten(book, tmp_path, folder):
    path = tmp_path / "out" / folder / "small.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("somebody's", encoding="utf-8")
    with pytest.raises(tool.Refusal, match="exists; choose another folder"):
        tool.write_cohort("small", "2027", tmp_path / "out")
    assert path.read_text(encoding="utf-8") == "somebody's"


def test_a_class_is_written_whole_or_not_at_all(book, tmp_path):
    path = tmp_path / "out" / "solutions" / "small.ipynb"
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(tool.Refusal):
        tool.write_cohort("small", "2027", tmp_path / "out")
    assert list((tmp_path / "out").rglob("*.ipynb")) == [path]


def test_the_solutions_of_a_class_link_to_its_exercises(book, tmp_path):
    tool.write_cohort("small", "2027", tmp_path / "out")
    opening = stored(tmp_path / "out" / "solutions" / "small.ipynb").cells[1].source
    (link,) = [part.split(")")[0] for part in opening.split("](")[1:]]
    assert (tmp_path / "out" / "solutions" / link).resolve().exists()


# --- the command


def test_the_command_writes_solutions_and_notebooks(book, capsys, monkeypatch):
    monkeypatch.setattr(tool, "chapters_with_exercises", lambda root=book: ["small"])
    monkeypatch.setattr(tool, "worked", lambda root=book, worked=tool.worked: worked(root))
    assert tool.main(["small"]) == 0
    assert "small: executed, written" in capsys.readouterr().out
    assert "factor = «factor»" in (book / "companion" / "exercises" / "worked.json").read_text(encoding="utf-8")
    assert all(path.exists() for path in paths(book))


def test_the_command_says_what_it_refused(book, capsys, monkeypatch):
    monkeypatch.setattr(tool, "chapters_with_exercises", lambda root=book: ["small"])
    monkeypatch.setattr(tool, "worked", lambda root=book, worked=tool.worked: worked(root))
    assert tool.main(["missing"]) == 1
    assert "missing: there is no exercises/text/missing.md" in capsys.readouterr().err
    change_text(book, "## times", "## tides")
    assert tool.main(["small"]) == 1
    assert "tides" in capsys.readouterr().err


def test_the_command_for_a_class(book, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "chapters_with_exercises", lambda root=book: ["small"])
    out = tmp_path / "out"
    assert tool.main(["--cohort", "2027", "--out", str(out)]) == 0
    assert "1 chapters for the class 2027" in capsys.readouterr().out
    assert tool.main(["--cohort", "2027", "--out", str(out)]) == 1
    assert "exists" in capsys.readouterr().err
    assert not tool.WORKED.exists(), "a class changes nothing of the book's"
    for half in (["--cohort", "2027"], ["--out", str(out)], ["--unlike", "2026"]):
        with pytest.raises(SystemExit):
            tool.main(half)
