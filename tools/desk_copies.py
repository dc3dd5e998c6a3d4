"""Make the desk copies: the notebooks in plain Markdown, as JupyterLab, Colab, VS Code and GitHub read it, into desk/.

    python tools/desk_copies.py    from the executed notebooks and the numbers of the built book (`python run.py book`)

What only the book understands is resolved: numbers of equations and figures, citations, links without a text, boxes,
folded answers. Cells that the book folds are folded in Jupyter, and a notebook opens unmodified: it names the kernel of
this environment.

A copy that a student has worked in is never overwritten. Each copy records two hashes, of its sources and of all of it:
where the sources still have theirs, nobody wrote in it, and where the whole is today's, there is nothing new to write.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import posixpath
import re
import shutil
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import notebooks
from exercise_notebooks import addresses
from ipykernel.ipkernel import IPythonKernel
from nbformat import NotebookNode
from nbformat.sign import NotebookNotary
from pybtex.database import parse_file
from pybtex.richtext import Text

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("book", "exercises", "exercises/solutions")
STORED_PIXELS_PER_PIXEL = 1.44  # as in book/_ext/unrolled.py
FOLDED = {  # in Jupyter's words
    "source_hidden": {"hide-input", "hide-cell", notebooks.SETUP_TAG},
    "outputs_hidden": {"hide-output", "hide-cell"},
}

EQUATION = re.compile(r'id="equation-([\w-]+)">\s*<span class="eqno">\((.+?)\)<')
FIGURE = re.compile(r'<figure[^>]* id="([\w-]+)">(?:(?!</figure>).)*?<span class="caption-number">(.*?)\s*<', re.DOTALL)
FENCE = re.compile(r"^( *)(`{3,}|~{3,})(?!\{).*?^\1\2$", re.MULTILINE | re.DOTALL)
BOX = re.compile(
    r"^(?P<pad> *)(?P<fence>:{3,})\{admonition\} (?P<title>[^\n]*)\n(?P=pad):class: (?P<kind>[\w ]+)\n"
    r"(?P<body>.*?)\n(?P=pad)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
# what JupyterLab shows as it stands: roles, directives and their options, labels, comments, footnotes, empty links
LEFT_OVER = re.compile(
    r"\{[a-z][\w:+.-]*\}(?=`)|:{3,}|^ *[`~]{3,}\{.*|^ *:[\w-]+: .*|^\([\w-]+\)=|^%.*|^\+\+\+|(?<!!)\[\]\(|\[\^[\w-]+\]"
    r"|\$\$ ?\([\w-]+\)|\{\{.*?\}\}|(?<=[\])`])\{[.#][^}]*\}",
    re.MULTILINE,
)


class Unreadable(ValueError):
    """What a notebook holds that would not read right in JupyterLab."""


@dataclass(frozen=True)
class Course:
    """What pages refer to. A page is a path without its ending, such as book/unrolling."""

    site: str  # the published book's address, with a slash at its end
    copied: frozenset[str]  # pages that have a desk copy
    titles: dict[str, str]  # page -> title
    headings: dict[str, tuple[str, str]]  # label of a section -> page, heading
    numbers: dict[str, tuple[str, str]]  # label of an equation or a figure -> page, number as the book prints it
    cited: dict[str, tuple[str, str]]  # key -> names, year


# --- what pages refer to ---------------------------------------------------------------------------------------------


def course(root: Path, sources: dict[str, NotebookNode]) -> Course:
    titles: dict[str, str] = {}
    headings: dict[str, tuple[str, str]] = {}
    numbers: dict[str, tuple[str, str]] = {}
    for path in (path for folder in FOLDERS for path in (root / folder).glob("*.md")):
        titles[_page(root, path)] = heading(path.read_text(encoding="utf-8"))
    for page, notebook in sources.items():
        text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        titles[page] = heading(text)
        for label, title in re.findall(r"^\(([\w-]+)\)=\n+#+ (.*)$", text, re.MULTILINE):
            headings[label] = page, title
        built = root / "_build" / "html" / f"{page}.html"
        if not built.exists():
            raise Unreadable(f"{page}: expected the built book, which numbers equations, got no {page}.html: build it")
        html = built.read_text(encoding="utf-8")
        numbers |= {label: (page, f"({number})") for label, number in EQUATION.findall(html)}
        numbers |= {label: (page, number) for label, number in FIGURE.findall(html)}
    cited = citations(root / "book" / "references.bib")
    return Course(addresses(root)[0], frozenset(sources), titles, headings, numbers, cited)


def heading(text: str) -> str:
    found = re.search(r"^# (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def citations(bibliography: Path) -> dict[str, tuple[str, str]]:
    """The names and the year by which the book cites each entry."""
    found = {}
    for key, entry in parse_file(str(bibliography), bib_format="bibtex").entries.items():
        people = [
            " ".join(str(Text.from_latex(name)) for name in [*person.prelast_names, *person.last_names])
            for person in entry.persons.get("author", entry.persons.get("editor", []))
        ]
        names = f"{people[0]} *et al.*" if len(people) > 2 else " and ".join(people)
        found[key] = names, entry.fields["year"]
    return found


# --- Markdown --------------------------------------------------------------------------------------------------------


def plain(source: str, page: str, course: Course) -> str:
    """The text of a cell in Markdown that every reader of notebooks knows.

    Raises:
        Unreadable: a label or page that the book does not have, or a role or directive that is not known here.
    """

    def reference(match: re.Match) -> str:
        target, number = _known(course.numbers, match[1], page)
        return number if target == page else f"[{number}]({_to(target, page, course)})"

    def cite(match: re.Match) -> str:
        entries = [_known(course.cited, key.strip(), page) for key in match[2].split(",")]
        names = [(name, f"[{year}]({course.site}book/bibliography.html)") for name, year in entries]
        if match[1] == "t":
            return ", ".join(f"{name} ({year})" for name, year in names)
        return f"({'; '.join(f'{name}, {year}' for name, year in names)})"

    def link(match: re.Match) -> str:
        text, (target, _, label) = match[1], match[2].partition("#")
        to = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)).rpartition(".")[0]
        if target in course.headings:  # a label alone
            to, label = course.headings[target][0], target
        title = _known(course.headings, label, page)[1] if label else course.titles.get(to, "")
        if not title:
            raise Unreadable(f"{page}: expected a page of the book, got {match[0]}")
        return f"[{text or title}]({'' if to == page else _to(to, page, course)}{_anchor(title) if label else ''})"

    def numbered(match: re.Match) -> str:
        return f"\\tag{{{_known(course.numbers, match[2], page)[1].strip('()')}}}\n{match[1]}$$"

    fences: list[str] = []

    def put_aside(match: re.Match) -> str:
        fences.append(match[0])
        return f"\0{len(fences) - 1}\0"

    source = FENCE.sub(put_aside, source)
    source = re.sub(r"^% .*\n?", "", source, flags=re.MULTILINE)
    source = re.sub(r"(?<!`)\{(?:eq|numref)\}`([^`]+)`", reference, source)
    source = re.sub(r"(?<!`)\{cite:([tp])\}`([^`]+)`", cite, source)
    source = re.sub(r"(?<!!)\[([^][]*)\]\(((?!\w+:)[^\s()]+\.(?:ipynb|md)(?:#[\w-]+)?)\)", link, source)
    labels = "|".join(map(re.escape, course.headings)) or "(?!)"
    source = re.sub(rf"(?<!!)\[([^][]*)\]\(#?({labels})\)", link, source)
    source = re.sub(r"^\([\w-]+\)=\n+", "", source, flags=re.MULTILINE)
    source = re.sub(r"^( *)\$\$ \(([\w-]+)\)$", numbered, source, flags=re.MULTILINE)
    source = re.sub("\0(\\d+)\0", lambda match: fences[int(match[1])], source)
    source = BOX.sub(box, source).strip("\n")
    if found := left_over(source):
        raise Unreadable(f"{page}: expected Markdown that JupyterLab shows, got {', '.join(map(repr, found))}")
    return source


def box(match: re.Match) -> str:
    """A box as a quotation, the one box that every Markdown has; one that opens as HTML's own."""
    pad, title = match["pad"], match["title"]
    body = BOX.sub(box, match["body"])
    if "dropdown" in match["kind"].split():
        return f"{pad}<details><summary><b>{title}</b></summary>\n\n{body}\n\n{pad}</details>"
    # a formula over several lines would take the marks of the quotation for its own
    body = re.sub(r"\$\$.+?\$\$|\$[^$]+\$", lambda formula: re.sub(r"\n *", " ", formula[0]), body, flags=re.DOTALL)
    lines = [f"**{title}**", "", *(line.removeprefix(pad) for line in body.split("\n"))]
    return "\n".join(f"{pad}> {line}".rstrip() for line in lines)


def left_over(source: str) -> list[str]:
    """What only the book would understand, outside code."""
    code = re.compile(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
    return [match[0] for match in LEFT_OVER.finditer(code.sub("``", FENCE.sub("", source)))]


def _known(table: dict[str, tuple[str, str]], name: str, page: str) -> tuple[str, str]:
    if name not in table:
        raise Unreadable(f"{page}: expected a label or a key of the built book, got {name!r}: build the book again")
    return table[name]


def _to(target: str, page: str, course: Course) -> str:
    """Where a link leads: to the desk copy, else to the published book."""
    if target in course.copied:
        return f"{posixpath.relpath(target, posixpath.dirname(page))}.ipynb"
    return f"{course.site}{target}.html"


def _anchor(title: str) -> str:
    """JupyterLab's name of a heading."""
    return "#" + re.sub(r"[`*$]", "", title).replace(" ", "-")


# --- notebooks -------------------------------------------------------------------------------------------------------


def desk_copy(source: NotebookNode, page: str, course: Course) -> NotebookNode:
    """The notebook as it stands on the desk: plain, folded, its figures with captions and at their size."""
    cells = []
    for cell in nbformat.from_dict(source).cells:
        tags = set(cell.metadata.get("tags", []))
        shown = cell.metadata.get("mystnb", {})
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, page, course)
        elif folded := {name: True for name, of in FOLDED.items() if of & tags}:
            cell.metadata["jupyter"] = folded
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = as_drawn(output.data["image/png"], shown.get("image", {}).get("alt", ""))
        if cell.source:
            cells.append(cell)
        if figure := shown.get("figure"):
            caption = plain(figure["caption"], page, course)
            if "name" in figure:
                caption = f"**{_known(course.numbers, figure['name'], page)[1]}.** {caption}"
            cells.append(nbformat.v4.new_markdown_cell(caption, id=f"{cell.id}-caption"))
    unrolled = {key: value for key, value in source.metadata.get("unrolled", {}).items() if key == "exercises"}
    copy = nbformat.v4.new_notebook(cells=cells, metadata={"unrolled": unrolled})
    copy.nbformat_minor = 5
    unrolled["desk"] = {"sources": sources_hash(copy), "all": hashlib.sha256(json.dumps(copy).encode()).hexdigest()}
    # as JupyterLab would write it, down to the version: else the notebook is modified as soon as it is open
    name = "Python 3 (ipykernel)"
    copy.metadata.kernelspec = NotebookNode(display_name=name, language="python", name="python3")
    copy.metadata.language_info = nbformat.from_dict(dict(IPythonKernel.language_info))
    copy.metadata.unrolled = nbformat.from_dict(unrolled)
    return copy


def as_drawn(png: str, alternative: str) -> dict[str, int | str]:
    """What the output says of its picture: the width at which it was drawn, and what it shows."""
    (width,) = struct.unpack(">I", base64.b64decode(png)[16:20])
    return {"width": round(width / STORED_PIXELS_PER_PIXEL), **({"alt": alternative} if alternative else {})}


def sources_hash(notebook: NotebookNode) -> str:
    """A hash of what one writes; running cells changes none of it, and neither does an empty cell, left by the last."""
    written = [[cell.cell_type, cell.source.replace("\r\n", "\n")] for cell in notebook.cells if cell.source.strip()]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def record(notebook: NotebookNode) -> dict[str, str]:
    return dict(notebook.metadata.get("unrolled", {}).get("desk", {}))


# --- files -----------------------------------------------------------------------------------------------------------


def place(copy: NotebookNode, path: Path, notary: NotebookNotary) -> tuple[Path, bool]:
    """Write the copy, unless it is there, to the first of the path's names where nobody has worked; whether written."""
    for name in itertools.chain([path], _other_names(path)):
        if name.exists():
            try:
                there = nbformat.read(name, as_version=4)
                made = record(there)
            except Exception:  # no notebook, whatever is the matter with it: not ours to overwrite
                continue
            if made.get("all") == record(copy)["all"]:
                return name, False
            if made.get("sources") != sources_hash(there):
                continue
        content = notebooks.dumps(copy)
        notary.sign(nbformat.reads(content, as_version=4))  # made here: figures with a script are shown at once
        name.parent.mkdir(parents=True, exist_ok=True)
        temporary = name.with_suffix(".ipynb.new")
        temporary.write_text(content, encoding="utf-8", newline="\n")
        temporary.replace(name)
        return name, True
    raise AssertionError("names do not end")


def _other_names(path: Path) -> Iterator[Path]:
    yield path.with_stem(f"{path.stem}-new")
    yield from (path.with_stem(f"{path.stem}-new-{number}") for number in itertools.count(2))


def make(root: Path, desk: Path) -> Iterator[str]:
    """Make all copies, and the stored results that chapters read; what there is to say of each step."""
    paths = (path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb")))
    sources = {_page(root, path): nbformat.read(path, as_version=4) for path in paths}
    about, notary, count = course(root, sources), NotebookNotary(), 0
    copies = {page: desk_copy(notebook, page, about) for page, notebook in sources.items()}  # all, or none is written
    for page, copy in copies.items():
        wanted = desk / f"{page}.ipynb"
        path, written = place(copy, wanted, notary)
        count += written
        if path != wanted:
            yield f"{wanted.name} is yours: you have worked in it, and it stays as it is. The new one is {path}"
    for path in (root / "book" / "data").glob("*.json"):
        (desk / "book" / "data").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, desk / "book" / "data" / path.name)
    yield f"{desk.name}/: {len(copies)} notebooks, {count} written"


def _page(root: Path, path: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def main() -> int:
    try:
        for line in make(ROOT, ROOT / "desk"):
            print(line)
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
