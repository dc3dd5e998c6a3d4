"""Every labelled equation is computed two ways in its chapter, or says why not; the page of them is up to date."""

import ast
import contextlib
import importlib
import io
import re
from pathlib import Path

import equations as tool
import notebooks
import pytest
from nbformat.v4 import new_output

CHAPTER = """\
# A small chapter

Not numbered:

$$
y = x
$$

## Doubling

$$
y = 2 x
$$ (eq-double)

```{code-cell}
import numpy as np

from companion.page.report import agree

x = np.array([1.0, 2.0])
for name, x_t in zip(("x_1", "x_2"), x):
    agree(f"{name} doubled", 2 * x_t, x_t + x_t, 1e-12, equation="eq-double")
agree("not about an equation", x.sum(), 3.0, 1e-12)
```

## A definition

:::{admonition} A definition
$$ z := y $$ (eq-name)

%  not computed: it gives $y$ a name.
:::

$$
\\begin{aligned}
|x|^2 &= x^\\top x
\\end{aligned}
$$ (eq-norm)

```{code-cell}
agree(
    "|x|^2 [a_b]",
    other=x @ x,
    ours=np.linalg.norm(x) ** 2,
    equation="eq-norm",
    bound=1e-9,
)
```
"""

PAGE = """\
## A small chapter

The chapter: [](small.ipynb).

### Doubling

{eq}`eq-double`

$$
y = 2 x
$$

- x\\_1 doubled below 1e-12; x\\_2 doubled below 1e-12: `2 * x_t` against `x_t + x_t`

### A definition

{eq}`eq-name`

$$
z := y
$$

- Not computed: it gives $y$ a name.

{eq}`eq-norm`

$$
\\begin{aligned}
|x|^2 &= x^\\top x
\\end{aligned}
$$

- \\|x\\|^2 \\[a\\_b\\] below 1e-09: `np.linalg.norm(x) ** 2` against `x @ x`
"""


# --- this book -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    return tool.read_parts(tool.ROOT)


def test_every_labelled_equation_has_its_check_or_a_reason(parts):
    assert list(tool.problems(parts)) == []


def test_the_page_is_what_the_chapters_give(parts):
    stored = (tool.ROOT / tool.PAGE).read_text(encoding="utf-8")
    assert stored == tool.page(parts), "run `python run.py notebooks`"


def test_only_the_first_part_is_excused_and_new_parts_are_not(parts):
    assert list(parts)[0] in tool.EARLIER and len(tool.EARLIER) == 1


def test_every_label_of_the_texts_is_read(parts):
    """Counted in another way than the tool reads them: no equation escapes it."""
    for chapters in parts.values():
        for chapter in chapters:
            text = tool.ROOT / "book" / "text" / f"{chapter.name}.md"
            lines = text.read_text(encoding="utf-8").splitlines() if text.exists() else []
            assert sum(" (eq-" in line and "$$" in line for line in lines) == len(chapter.equations), chapter.name


# --- a small one -----------------------------------------------------------------------------------------------------


@pytest.fixture
def read(tmp_path):
    """A chapter from a text, executed here: a kernel would take seconds."""
    (tmp_path / "book" / "text").mkdir(parents=True)
    (tmp_path / "_config.yml").write_text("repository: {url: https://x.org/a/b, branch: main}", encoding="utf-8")

    def reading(text):
        (tmp_path / "book" / "text" / "small.md").write_text(text, encoding="utf-8")
        notebook = notebooks.from_text(tmp_path, "small")
        names = {}
        for cell in notebook.cells[1:]:
            if cell.cell_type == "code":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(cell.source, names)
                cell.outputs = [new_output("stream", name="stdout", text=out.getvalue())]
        return tool.read_chapter(notebook, "small")

    return reading


def test_a_chapter_gives_its_equations_with_what_was_printed(read):
    chapter = read(CHAPTER)
    assert list(tool.problems({"New": [chapter]})) == []
    text = tool.page({tool.EARLIER[0]: [], "New": [chapter]})
    assert text[text.index("##") :] == PAGE
    assert "the 3 numbered equations of “New”." in text and "2 of them" in text and "makes 3 comparisons" in text


WRONG = {
    "no check": (', equation="eq-double")', ")", "eq-double has no check"),
    "unknown label": ('equation="eq-norm"', 'equation="eq-nrom"', "eq-nrom is checked, but the chapter has no"),
    "its equation left unchecked": ('equation="eq-norm"', 'equation="eq-nrom"', "eq-norm has no check"),
    "no reason": ("computed: it gives $y$ a name.", "computed:  ", "eq-name is not computed, without a reason"),
    "checked all the same": ('equation="eq-norm"', 'equation="eq-name"', "eq-name is said not to be computed, but"),
    "label twice": ("(eq-name)", "(eq-norm)", "eq-norm labels 2 equations"),
    "remark elsewhere": ("y $$ (eq-name)\n", "y $$ (eq-name)\n\nWords.\n", "a remark that is not"),
    "remark misspelt": ("%  not computed: it", "%  Not computed, it", "a remark that is not"),
    "remark lost": ("%  not computed: it gives", "It gives", "eq-name has no check"),
    "no prefix": ("$$ (eq-name)", "$$ (name)", "'name' should start with eq-"),
    "directive": (
        "$$\n\n## Doubling",
        "$$\n\n```{math}\n:label: eq-other\nx\n```\n## D",
        "labels an equation otherwise",
    ),
    "amsmath": ("y = x\n", "\\begin{equation}\\label{eq-x}\\end{equation}", "labels an equation otherwise"),
    "words in place of a label": ("$$ (eq-name)", "$$ (eq-name) or so", "labels an equation otherwise"),
    "never executed": ("agree(\n", "if False: agree(\n", "prints nothing in its own cell"),
    "label computed": ('equation="eq-norm"', 'equation="eq-" + "norm"', "equation should be written out"),
    "itself": ("2 * x_t, x_t + x_t,", "2 * x_t, 2 * x_t,", "compares 2 * x_t with itself"),
    "itself, copied": ("2 * x_t, x_t + x_t,", "(2 * x_t).copy(), float(2 * x_t),", "with itself"),
    "itself, renamed": ("agree(\n", "sums = x @ x\nagain = np.array(sums)\nagree(\n", "compares sums with itself"),
    "the same words twice": ('agree("not about an equation"', 'agree(f"{name} doubled"', "two calls may have printed"),
}
RENAMED = ("other=x @ x,\n    ours=np.linalg.norm(x) ** 2", "other=again,\n    ours=sums")


@pytest.mark.parametrize("how", WRONG)
def test_a_chapter_that_lacks_something_is_told_so(how, read):
    old, new, reason = WRONG[how]
    assert CHAPTER.count(old) == 1
    text = CHAPTER.replace(old, new)
    if how == "itself, renamed":
        text = text.replace(*RENAMED)
    found = list(tool.problems({"New": [read(text)]}))
    assert any(reason in problem for problem in found), found
    assert all(problem.startswith(("small: ", "eq-norm labels")) for problem in found)


def test_a_name_with_two_values_is_not_taken_for_either(read):
    text = CHAPTER.replace("agree(\n", "a = x @ x\nb = a.copy()\na = np.sum(x**2)\nagree(\n")
    assert list(tool.problems({"New": [read(text.replace(RENAMED[0], "other=a,\n    ours=b"))]})) == []


def test_a_name_that_is_also_an_argument_of_a_function_may_have_two_values():
    found = tool.assigned_once([ast.parse("a = b = 1\nc = a\ndef f(c): d, e = c"), ast.parse("e = 1")])
    assert {name: value and ast.unparse(value) for name, value in found.items()} == {"a": "1", "b": None, "d": None}


def test_one_label_in_two_chapters_is_found(read):
    chapter = read(CHAPTER)
    found = list(tool.problems({"New": [chapter], "Newer": [chapter]}))
    assert found == [f"{label} labels 2 equations" for label in ("eq-double", "eq-name", "eq-norm")]


def test_a_part_before_this_page_owes_no_checks_but_its_labels_are_read(read):
    chapter = read(CHAPTER.replace("$$ (eq-norm)", "$$ (eq-square)").replace('    equation="eq-norm",\n', ""))
    found = list(tool.problems({tool.EARLIER[0]: [chapter]}))
    assert found == []
    assert "small.ipynb" not in tool.page({tool.EARLIER[0]: [chapter]})


def test_what_two_calls_print_is_told_apart_by_the_longer_words(read):
    chapter = read(CHAPTER.replace('f"{name} doubled"', 'f"{name}"').replace('"|x|^2 [a_b]"', 'f"|x|^{2} [a_b]"'))
    assert [check.printed for check in chapter.checks] == [
        (("x_1", "1e-12"), ("x_2", "1e-12")),  # and not the line of the call without an equation, which fits too
        (("|x|^2 [a_b]", "1e-09"),),
    ]


def test_a_comparison_that_prints_the_same_every_time_is_listed_once_and_counted_each_time(read):
    text = tool.page({"New": [read(CHAPTER.replace('f"{name} doubled"', '"doubled"'))]})
    assert "- doubled below 1e-12: `2 * x_t` against `x_t + x_t`\n" in text and "makes 3 comparisons" in text


def test_nothing_is_written_while_an_equation_lacks_its_check(read, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(
        tool, "read_parts", lambda root: {"New": [read(CHAPTER.replace('    equation="eq-norm",\n', ""))]}
    )
    assert tool.main() == 1 and not (tmp_path / tool.PAGE).exists()
    assert "eq-norm has no check" in capsys.readouterr().err
    monkeypatch.setattr(tool, "read_parts", lambda root: {"New": [read(CHAPTER)]})
    assert tool.main() == 0 and PAGE in (tmp_path / tool.PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize(("failed", "tools"), [(0, ["notebooks", "equations"]), (1, ["notebooks"])])
def test_making_notebooks_renews_the_page_unless_one_fails(failed, tools, monkeypatch):
    monkeypatch.syspath_prepend(tool.ROOT)
    run, ran = importlib.import_module("run"), []
    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "run", lambda command, notebooks=False: ran.append(Path(command[1]).stem) or failed)
    assert run.main(["notebooks", "unrolling"]) == failed and ran == tools


def test_the_table_of_contents_decides_which_pages_are_read(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "parts: [{caption: A, chapters: [{file: book/b}, {file: book/a}]}, {caption: B, chapters: []}]",
        encoding="utf-8",
    )
    (tmp_path / "book").mkdir()
    for name in "ab":
        (tmp_path / "book" / f"{name}.md").write_text(f"# Page {name}\n\n$$ x $$ (eq-{name})\n", encoding="utf-8")
    parts = tool.read_parts(tmp_path)
    assert list(parts) == ["A", "B"] and [chapter.title for chapter in parts["A"]] == ["Page b", "Page a"]
    assert [problem.split(" has ")[0] for problem in tool.problems(parts)] == ["b: eq-b", "a: eq-a"]


def test_every_equation_that_companion_names_is_in_the_book():
    def labels(pattern, folder, kind):
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((tool.ROOT / folder).glob(kind)))
        return set(re.findall(pattern, text))

    named = labels(r"\bequation (eq-[\w-]+)", "companion", "**/*.py")
    assert len(named) > 5
    assert named <= labels(r"\$\$ \((eq-[\w-]+)\)", "book/text", "*.md")
