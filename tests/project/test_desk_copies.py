"""Desk copies: Markdown that every notebook reads, and work that is never written over."""

import base64
import json
from pathlib import Path

import desk_copies as tool
import nbformat
import notebooks
import pytest
from desk_copies import Unreadable, plain
from nbformat.sign import MemorySignatureStore, NotebookNotary

COURSE = tool.Course(
    site="https://someone.github.io/course/",
    copied=frozenset({"book/one", "book/two", "exercises/one"}),
    titles={"book/one": "The first", "book/two": "The second", "exercises/one": "Exercises", "book/notation": "Signs"},
    headings={"what-fails": ("book/two", "What fails, and when")},
    numbers={"eq-state": ("book/one", "(1.2)"), "eq-loss": ("book/two", "(2.1)"), "fig-loop": ("book/two", "Fig. 2.3")},
    cited={"elman": ("Elman", "1990"), "many": ("Bengio *et al.*", "1994")},
)
BIBLIOGRAPHY = "https://someone.github.io/course/book/bibliography.html"

READS = {
    "By {eq}`eq-state`.": "By (1.2).",
    "By {eq}`eq-loss`, {numref}`fig-loop`.": "By [(2.1)](two.ipynb), [Fig. 2.3](two.ipynb).",
    "{cite:t}`elman` says.": f"Elman ([1990]({BIBLIOGRAPHY})) says.",
    "So {cite:p}`elman, many`.": f"So (Elman, [1990]({BIBLIOGRAPHY}); Bengio *et al.*, [1994]({BIBLIOGRAPHY})).",
    "[](two.ipynb), [there](../exercises/one.ipynb)": "[The second](two.ipynb), [there](../exercises/one.ipynb)",
    "[](notation.md)": "[Signs](https://someone.github.io/course/book/notation.html)",
    "[this](what-fails), [](two.ipynb#what-fails)": "[this](two.ipynb#What-fails,-and-when), "
    "[What fails, and when](two.ipynb#What-fails,-and-when)",
    "[a](https://example.org/a.ipynb)": "[a](https://example.org/a.ipynb)",
    "(what-fails)=\n## What fails": "## What fails",
    "$$\na = b\n$$ (eq-state)\n% not computed: a definition\nSo.": "$$\na = b\n\\tag{1.2}\n$$\nSo.",
    ":::{admonition} Note\n:class: tip\nOne\n\ntwo $a +\nb$.\n:::": "> **Note**\n>\n> One\n>\n> two $a + b$.",
    ":::{admonition} Answer\n:class: dropdown\n$$\na\n$$\n:::\nAfter.": "<details><summary><b>Answer</b></summary>\n\n"
    "$$\na\n$$\n\n</details>\nAfter.",
    "```python\n% kept {eq}`eq-state`\n(x)=\n```": "```python\n% kept {eq}`eq-state`\n(x)=\n```",
    "In code: `{eq}`, `[](a)`, `:::`.": "In code: `{eq}`, `[](a)`, `:::`.",
    "1. a\n\n   :::{admonition} B\n   :class: note\n   c\n   :::": "1. a\n\n   > **B**\n   >\n   > c",
}
UNREADABLE = {
    "{eq}`eq-unknown`": "'eq-unknown'",
    "{cite:t}`nobody`": "'nobody'",
    "[](three.ipynb)": "expected a page of the book",
    "[](two.ipynb#nowhere)": "'nowhere'",
    "{doc}`one`": r"\{doc\}",
    "{math}`a`": r"\{math\}",
    ":::{note}\nText\n:::": ":::",
    "```{figure} a.png\n```": "figure",
    "A note.[^1]": r"\[\^1\]",
    "{{ value }}": "value",
    "[text]{.class}": "class",
    "[](nowhere)": r"\[\]\(",
    "above\n+++\nbelow": r"\+\+\+",
}


@pytest.mark.parametrize("source", READS)
def test_what_only_the_book_understands_is_resolved(source):
    assert plain(source, "book/one", COURSE) == READS[source]


@pytest.mark.parametrize("source", UNREADABLE)
def test_what_cannot_be_resolved_is_an_error_with_its_page(source):
    with pytest.raises(Unreadable, match=rf"^book/one: .*{UNREADABLE[source]}"):
        plain(source, "book/one", COURSE)


def test_a_box_in_a_box_is_resolved_too():
    source = "::::{admonition} Outer\n:class: dropdown\n:::{admonition} Inner\n:class: tip\nText\n:::\n::::"
    assert plain(source, "book/one", COURSE) == (
        "<details><summary><b>Outer</b></summary>\n\n> **Inner**\n>\n> Text\n\n</details>"
    )


# --- cells

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (144).to_bytes(4, "big") + bytes(9)).decode()
FIGURE = {"figure": {"caption": "A loop, {eq}`eq-state`.", "name": "fig-loop"}, "image": {"alt": "A loop."}}


def code(source, tags=(), **metadata):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags), **metadata})


def course_notebook(text="# The first\n\n{eq}`eq-state`"):
    picture = code("plt.show()", ["hide-input"], mystnb=FIGURE)
    picture.outputs = [nbformat.v4.new_output("display_data", {"image/png": PNG})]
    cells = [code("setup", ["setup", "remove-cell"]), nbformat.v4.new_markdown_cell(text), picture]
    cells += [code("y = x"), code("y", ["hide-cell"]), nbformat.v4.new_markdown_cell("% a remark")]
    unrolled = {"cells": "0", "text": "text/one.md", "exercises": "one"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"unrolled": unrolled})
    notebooks.name_cells(notebook)
    return notebook


def test_a_copy_is_folded_its_figure_has_a_caption_and_its_size_and_it_names_the_kernel():
    source = course_notebook()
    copy = tool.desk_copy(source, "book/one", COURSE)
    setup, text, picture, caption, shown, folded = copy.cells  # the cell with nothing but a remark is gone
    assert setup.metadata.jupyter == picture.metadata.jupyter == {"source_hidden": True}
    assert (
        folded.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True} and "jupyter" not in shown.metadata
    )
    assert text.source == "# The first\n\n(1.2)" and caption.source == "**Fig. 2.3.** A loop, (1.2)."
    assert picture.outputs[0].metadata["image/png"] == {"width": 100, "alt": "A loop."}
    assert copy.metadata.kernelspec.display_name == "Python 3 (ipykernel)" and copy.metadata.language_info.version
    assert copy.metadata.unrolled.exercises == "one" and "text" not in copy.metadata.unrolled  # as the grader reads it
    assert source == course_notebook()
    nbformat.validate(copy)


# --- files


@pytest.fixture
def notary():
    return NotebookNotary(store_factory=MemorySignatureStore, secret=b"of this test")


def state(number):
    """The notebook as the course has it in its first, second, … state."""
    return tool.desk_copy(course_notebook(f"# State {number}"), "book/one", COURSE)


def change(path, what):
    notebook = nbformat.read(path, as_version=4)
    what(notebook)
    nbformat.write(notebook, path)


def works(notebook):
    notebook.cells[4].source += " + 1"


def runs(notebook):
    """As Jupyter leaves it: an output, a count, a version, and an empty cell below the last."""
    notebook.cells[4].outputs = [nbformat.v4.new_output("stream", text="7")]
    notebook.cells[4].execution_count = 7
    notebook.metadata.language_info.version = "3.99"
    notebook.cells.append(code(""))


def forgets(notebook):
    del notebook.metadata["unrolled"]


@pytest.fixture
def there(tmp_path, notary):
    """The path of a copy in the course's first state, and how a later state is placed there."""
    path = tmp_path / "book" / "one.ipynb"
    assert tool.place(state(1), path, notary) == (path, True)

    def place(number):
        placed, written = tool.place(state(number), path, notary)
        return placed.name, written

    return path, place


def titles(path):
    return {file.name: nbformat.read(file, 4).cells[1].source[-1] for file in sorted(path.parent.iterdir())}


def test_the_same_state_again_writes_nothing_whatever_was_done_in_it(there):
    path, place = there
    for change_of in (lambda notebook: None, runs, works):
        change(path, change_of)
        before = path.read_bytes()
        assert place(1) == ("one.ipynb", False) and path.read_bytes() == before


@pytest.mark.parametrize("done", [lambda notebook: None, runs])
def test_a_copy_in_which_nobody_wrote_is_replaced(there, done):
    path, place = there
    change(path, done)
    assert place(2) == ("one.ipynb", True) and titles(path) == {"one.ipynb": "2"}


@pytest.mark.parametrize("done", [works, forgets, lambda n: n.cells.pop(), lambda n: n.cells.append(code("mine = 1"))])
def test_a_copy_in_which_somebody_wrote_stays_and_the_new_one_stands_beside_it(there, done):
    path, place = there
    change(path, done)
    before = path.read_bytes()
    assert place(2) == ("one-new.ipynb", True) and place(2) == ("one-new.ipynb", False)
    assert path.read_bytes() == before and titles(path) == {"one.ipynb": "1", "one-new.ipynb": "2"}
    assert place(3) == ("one-new.ipynb", True) and titles(path) == {"one.ipynb": "1", "one-new.ipynb": "3"}


def test_work_in_the_second_copy_is_kept_as_well(there):
    path, place = there
    change(path, works)
    place(2)
    change(path.with_name("one-new.ipynb"), works)
    assert place(2) == ("one-new.ipynb", False)
    assert place(3) == ("one-new-2.ipynb", True)
    assert titles(path) == {"one.ipynb": "1", "one-new.ipynb": "2", "one-new-2.ipynb": "3"}
    path.unlink()
    assert place(3) == ("one.ipynb", True)


@pytest.mark.parametrize(
    "content", ["", '{"cells": [', "[]", '{"nbformat": 4, "metadata": {"unrolled": 3}, "cells": []}']
)
def test_a_file_that_is_no_notebook_stays(there, content):
    path, place = there
    path.write_text(content, encoding="utf-8")
    assert place(2) == ("one-new.ipynb", True) and path.read_text(encoding="utf-8") == content


def test_a_crash_half_way_leaves_the_old_copy_and_the_next_run_replaces_it(there, monkeypatch):
    path, place = there
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place(2)
    assert path.read_bytes() == before
    path.with_suffix(".ipynb.new").write_text("half of", encoding="utf-8")
    assert place(2) == ("one.ipynb", True) and titles(path) == {"one.ipynb": "2"}


def test_what_is_written_is_signed_so_that_its_scripts_may_run(there, notary):
    path, _ = there
    assert notary.check_signature(nbformat.read(path, 4))
    change(path, works)
    assert not notary.check_signature(nbformat.read(path, 4))


# --- a course


@pytest.fixture
def small(tmp_path, monkeypatch):
    for name, notebook in {"book/one": course_notebook(), "exercises/one": nbformat.v4.new_notebook()}.items():
        for folder in (tmp_path, tmp_path / "_build" / "html"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
        (tmp_path / "_build" / "html" / f"{name}.html").write_text(PAGE if name == "book/one" else "", encoding="utf-8")
    (tmp_path / "book" / "data").mkdir()
    (tmp_path / "book" / "data" / "runs.json").write_text("{}", encoding="utf-8")
    (tmp_path / "book" / "references.bib").write_text(BIB, encoding="utf-8")
    config = "repository:\n  url: https://github.com/someone/course\n  branch: trunk\n"
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return tmp_path


PAGE = """<div class="math notranslate nohighlight" id="equation-eq-state">
<span class="eqno">(1.2)<a href="#equation-eq-state">#</a></span>\\[a\\]</div>
<figure class="align-default" id="no-caption"><img></figure>
<figure class="align-default" id="fig-loop">
<figcaption><p><span class="caption-number">Fig. 2.3 </span><span class="caption-text">A loop</span></p></figcaption>
</figure>"""
BIB = """@article{elman, author = {Elman, Jeffrey L.}, title = {Time}, year = 1990}
@article{two, author = {van der Hoek, A. and Schr{\\"o}der, B.}, title = {Two}, year = 1991}
@article{three, author = {A, A. and B, B. and C, C.}, title = {Three}, year = 1992}"""


def test_a_course_is_copied_with_its_stored_results_and_says_where_work_stayed(small):
    desk = small / "desk"
    assert list(tool.make(small, desk)) == ["desk/: 2 notebooks, 2 written"]
    found = {path.relative_to(desk).as_posix() for path in desk.rglob("*") if path.is_file()}
    assert found == {"book/one.ipynb", "exercises/one.ipynb", "book/data/runs.json"}
    change(desk / "book" / "one.ipynb", works)
    nbformat.write(course_notebook("# Another text"), small / "book" / "one.ipynb")
    new = desk / "book" / "one-new.ipynb"
    assert list(tool.make(small, desk)) == [
        f"one.ipynb is yours: you have worked in it, and it stays as it is. The new one is {new}",
        "desk/: 2 notebooks, 1 written",
    ]


def test_numbers_are_those_of_the_built_pages_and_citations_those_of_the_book(small):
    about = tool.course(small, {"book/one": course_notebook()})
    assert about.numbers == {"eq-state": ("book/one", "(1.2)"), "fig-loop": ("book/one", "Fig. 2.3")}
    assert about.titles == {"book/one": "The first"} and about.site == "https://someone.github.io/course/"
    people = {"elman": "Elman", "two": "van der Hoek and Schröder", "three": "A *et al.*"}
    assert {key: names for key, (names, _) in about.cited.items()} == people


def test_without_a_built_page_or_with_an_unreadable_cell_nothing_is_written(small, monkeypatch, capsys):
    monkeypatch.setattr(tool, "ROOT", small)
    nbformat.write(course_notebook("{unknown}`role`"), small / "exercises" / "one.ipynb")
    assert tool.main() == 1 and "exercises/one: expected Markdown" in capsys.readouterr().err
    (small / "_build" / "html" / "exercises" / "one.html").unlink()
    assert tool.main() == 1 and "exercises/one: expected the built book" in capsys.readouterr().err
    assert not (small / "desk").exists()
    assert json.loads((small / "book" / "one.ipynb").read_text(encoding="utf-8"))["cells"]
