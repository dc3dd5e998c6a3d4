"""Gather the equations of the book with the comparisons that check them, into book/equations.md.

    python tools/equations.py

An equation has a label, ``$$ … $$ (eq-bp1)``. What checks it is a call in a cell of the same chapter,
``agree("what", ours, other, bound, equation="eq-bp1")``. An equation that cannot be computed, such as a definition,
says so on the next line: ``% not computed: the reason``. The words and the bounds on the page are the lines that
``agree`` printed, as the executed notebook stores them: a check that never ran is missing here, and nbval sees that it
still runs. Nothing is written when an equation has neither, or when a check is none (:func:`problems` has the list).
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import nbformat
import notebooks
import yaml
from nbformat import NotebookNode

from companion.page.report import agree

ROOT = Path(__file__).resolve().parents[1]
PAGE = "book/equations.md"
EARLIER = ("Recurrent networks",)  # parts written before this page: their checks name no equation

LABELLED = re.compile(
    r"^[ \t]*\$\$(?P<formula>(?:(?!\$\$)[\s\S])+)\$\$[ \t]*\((?P<label>[^)\n]*)\)[ \t]*$"
    r"(?:\s*^[ \t]*%[ \t]*not computed:(?P<reason>.*)$)?",
    re.MULTILINE,
)
LABEL = re.compile(r"\$\$[ \t]*\(eq-|^[ \t]*:label:|\\label\{", re.MULTILINE)  # however it is written
REMARK = re.compile(r"^[ \t]*%[ \t]*not[ \t]+computed", re.MULTILINE | re.IGNORECASE)
HEADING = re.compile(r"^(#+) +(.+?) *$", re.MULTILINE)
COPIES = {"array", "asarray", "clone", "copy", "deepcopy", "detach", "float", "item", "list", "numpy", "tensor"}

Once = dict[str, ast.expr | None]


@dataclass(frozen=True)
class Equation:
    """A labelled equation of a chapter."""

    label: str
    formula: str
    section: str  # the heading above it
    reason: str | None  # why it is not computed


@dataclass(frozen=True)
class Check:
    """A call of agree that names an equation."""

    equation: str
    ours: str  # the source of what was compared
    other: str
    printed: tuple[tuple[str, str], ...]  # the words and the bound, for each time it ran
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """What one page says and checks."""

    name: str
    title: str
    equations: tuple[Equation, ...]
    checks: tuple[Check, ...]
    problems: tuple[str, ...]  # of how labels and remarks are written


def main() -> int:
    parts = read_parts(ROOT)
    found = list(problems(parts))
    if found:
        print(f"{PAGE} is left as it is:", *found, sep="\n  ", file=sys.stderr)
        return 1
    (ROOT / PAGE).write_text(page(parts), encoding="utf-8", newline="\n")
    print(f"{PAGE}: written")
    return 0


# --- reading ---------------------------------------------------------------------------------------------------------


def read_parts(root: Path) -> dict[str, list[Chapter]]:
    """The chapters of each part of the table of contents, in the reader's order; exercises derive no equations."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = {part["caption"]: [chapter["file"] for chapter in part["chapters"]] for part in contents["parts"]}
    return {
        caption: [read_chapter(read_page(root / file), Path(file).name) for file in of_part if file.startswith("book/")]
        for caption, of_part in files.items()
        if not of_part or any(file.startswith("book/") for file in of_part)
    }


def read_page(path: Path) -> NotebookNode:
    """A chapter's notebook, or a page without code as a notebook of one cell."""
    notebook = path.with_suffix(".ipynb")
    if notebook.exists():
        return nbformat.read(notebook, as_version=4)
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


def read_chapter(notebook: NotebookNode, name: str) -> Chapter:
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = [(match.start(), match[2]) for match in HEADING.finditer(prose)]
    equations = tuple(
        Equation(
            label=match["label"],
            formula=match["formula"].strip(),
            section=next((text for start, text in reversed(headings) if start < match.start()), ""),
            reason=None if match["reason"] is None else match["reason"].strip(),
        )
        for match in LABELLED.finditer(prose)
    )
    wrong = [f"{label!r} should start with eq-" for label in (e.label for e in equations) if label[:3] != "eq-"]
    if len(LABEL.findall(prose)) > len(equations) - len(wrong):
        wrong.append("labels an equation otherwise than by $$ … $$ (eq-label)")
    if len(REMARK.findall(prose)) != sum(e.reason is not None for e in equations):
        wrong.append("has a remark that is not `% not computed: reason` directly after a labelled equation")
    checks = tuple(read_checks(notebook))
    return Chapter(name, headings[0][1] if headings else name, equations, checks, tuple(wrong))


def read_checks(notebook: NotebookNode) -> Iterator[Check]:
    """The calls of agree with an equation, each with what it printed in its own cell."""
    cells = [
        c for c in notebook.cells if c.cell_type == "code" and notebooks.SETUP_TAG not in c.metadata.get("tags", [])
    ]
    trees = [ast.parse(cell.source) for cell in cells]
    once = assigned_once(trees)
    for cell, tree in zip(cells, trees, strict=True):
        calls = [arguments(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) == "agree"]
        said = [line for output in cell.outputs if output.get("name") == "stdout" for line in output.text.splitlines()]
        for call in calls:
            if "equation" in call:
                yield read_check(call, calls, said, once)


def read_check(call: dict[str, ast.expr], calls: list[dict[str, ast.expr]], said: list[str], once: Once) -> Check:
    label = ast.unparse(call["equation"]) if not is_text(call["equation"]) else ast.literal_eval(call["equation"])
    ours, other = ast.unparse(call["ours"]), ast.unparse(call["other"])
    wrong = []
    if not is_text(call["equation"]):
        wrong.append("equation should be written out, so that one can search for it")
    if same_source(call["ours"], call["other"], once):
        wrong.append(f"compares {ours} with itself")
    printed = []
    for line in said:
        match = re.fullmatch(r"(.+): largest difference below (\S+)", line)
        fits = {id(c): literal for c in calls if match and (literal := fit(c["what"], match[1])) is not None}
        if match and fits.get(id(call)) == max(fits.values(), default=None) is not None:
            if list(fits.values()).count(fits[id(call)]) > 1:
                wrong.append(f"two calls may have printed {match[1]!r}: give them different words")
            printed.append((match[1], match[2]))
    if not printed:
        wrong.append(f"agree({ast.unparse(call['what'])}, …) prints nothing in its own cell")
    return Check(label, ours, other, tuple(printed), tuple(wrong))


def arguments(call: ast.Call) -> dict[str, ast.expr]:
    """The arguments of a call of agree by their names."""
    by_name = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return dict(inspect.signature(agree).bind(*call.args, **by_name).arguments)


def fit(what: ast.expr, text: str) -> int | None:
    """How many characters of the text are written out in the source of ``what``, if it can have given the text."""
    parts = what.values if isinstance(what, ast.JoinedStr) else [what]
    literal = [str(part.value) if isinstance(part, ast.Constant) else None for part in parts]
    pattern = "".join(".+" if part is None else re.escape(part) for part in literal)
    return len("".join(filter(None, literal))) if re.fullmatch(pattern, text) else None


def same_source(ours: ast.expr, other: ast.expr, once: Once) -> bool:
    """Whether two expressions give one result: the same source, behind names assigned once and behind copies."""
    return ast.dump(origin(ours, once)) == ast.dump(origin(other, once))


def origin(node: ast.expr, once: Once) -> ast.expr:
    if isinstance(node, ast.Name) and (value := once.get(node.id)):
        found = origin(value, {name: None if name == node.id else value for name, value in once.items()})
        changed = isinstance(found, ast.Name) and found.id not in once  # it may have had another value then
        return node if changed else found
    if isinstance(node, ast.Call) and called(node) in COPIES:
        function = node.func
        if isinstance(function, ast.Attribute) and not (
            isinstance(function.value, ast.Name) and function.value.id in ("np", "torch", "copy")
        ):
            return origin(function.value, once)
        if node.args:
            return origin(node.args[0], once)
    return node


def assigned_once(trees: list[ast.Module]) -> Once:
    """The names that are bound in one place only, with their value where that is an assignment to one name."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    bound = Counter(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    bound.update(n.arg for n in nodes if isinstance(n, ast.arg))
    values = {
        n.targets[0].id: n.value for n in nodes if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
    }
    return {name: values.get(name) for name, count in bound.items() if count == 1}


def called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- judging ---------------------------------------------------------------------------------------------------------


def problems(parts: dict[str, list[Chapter]]) -> Iterator[str]:
    """Why the page cannot be written: nothing, when every equation has what it needs."""
    labels = Counter(e.label for chapters in parts.values() for chapter in chapters for e in chapter.equations)
    for label, count in labels.items():
        if count > 1:
            yield f"{label} labels {count} equations"
    for caption, chapters in parts.items():
        for chapter in chapters:
            yield from (f"{chapter.name}: {problem}" for problem in problems_of(chapter, caption in EARLIER))


def problems_of(chapter: Chapter, earlier: bool = False) -> Iterator[str]:
    own = {equation.label for equation in chapter.equations}
    checked = {check.equation for check in chapter.checks}
    yield from chapter.problems
    for check in chapter.checks:
        yield from (f"{check.equation}: {problem}" for problem in check.problems)
        if check.equation not in own:
            yield f"{check.equation} is checked, but the chapter has no equation of this label"
    for equation in chapter.equations:
        if equation.reason == "":
            yield f"{equation.label} is not computed, without a reason"
        if equation.reason is not None and equation.label in checked:
            yield f"{equation.label} is said not to be computed, but a cell checks it"
        if equation.reason is None and equation.label not in checked and not earlier:
            yield f"{equation.label} has no check: compare two ways with agree(…, equation={equation.label!r})"


# --- writing ---------------------------------------------------------------------------------------------------------


def page(parts: dict[str, list[Chapter]]) -> str:
    listed = {
        caption: with_equations
        for caption, chapters in parts.items()
        if caption not in EARLIER and (with_equations := [chapter for chapter in chapters if chapter.equations])
    }
    chapters = [chapter for part in listed.values() for chapter in part]
    equations = [equation for chapter in chapters for equation in chapter.equations]
    comparisons = [line for chapter in chapters for check in chapter.checks for line in check.printed]
    computed = sum(equation.reason is None for equation in equations)
    blocks = [
        "% Written by tools/equations.py from the executed chapters: run `python run.py notebooks`.",
        "# The equations and their checks",
        f"This page gathers the {len(equations)} numbered equations of {in_words(list(listed))}. Cells of their "
        f"chapters compute {computed} of them, each in more than one way, and compare the results; this makes "
        f"{len(comparisons)} comparisons. Where an equation is not computed, the page says why. Its number leads to "
        "its place in the book. "
        f"{in_words(list(EARLIER))} came before this page: there the checks stand in the chapters only.",
        "Under an equation stands what its cell prints: the words, and a bound below which all differences lie, entry "
        "by entry. Then come the two results that were compared, as the cell names them. The comparison, "
        "`companion.page.report.agree`, refuses two names of one array and a bound above a thousandth of the largest "
        "entry. "
        "So it fails when any entry of either result moves by one percent of the largest.",
    ]
    for chapter in chapters:
        blocks += [f"## {chapter.title}", f"The chapter: []({chapter.name}.ipynb)."]
        for section, members in groupby(chapter.equations, key=lambda equation: equation.section):
            blocks.append(f"### {section}")
            for equation in members:
                formula = f"$$\n{equation.formula}\n$$"
                blocks += [f"{{eq}}`{equation.label}`", formula, "\n".join(verdicts(equation, chapter.checks))]
    return "\n\n".join(blocks) + "\n"


def verdicts(equation: Equation, checks: tuple[Check, ...]) -> Iterator[str]:
    if equation.reason:
        yield f"- Not computed: {equation.reason}"
    for check in checks:
        if check.equation == equation.label:
            said = "; ".join(f"{escaped(what)} below {bound}" for what, bound in dict.fromkeys(check.printed))
            yield f"- {said}: `{check.ours}` against `{check.other}`"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>$|~])", r"\\\1", text)


def in_words(captions: list[str]) -> str:
    names = [f"“{caption}”" for caption in captions]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "no part"


if __name__ == "__main__":
    sys.exit(main())
