"""Every desk copy that the course gives, beside the page of the built book that it comes from."""

import posixpath
import re

import bs4
import desk_copies as tool
import nbformat
import pytest
from browser import ROOT, SITE

PAGES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for folder in tool.FOLDERS
    for path in (ROOT / folder).glob("*.ipynb")
)
RAW = re.compile(r"\{[\w:-]+\}`|:::|(?<!!)\[\]\(|^\([\w-]+\)=|^% |\$\$ \(", re.MULTILINE)
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
CITED = re.compile(r"([^\s(\[]+) \(\[(\d{4})\]\(https://\S+bibliography\.html\)\)")


@pytest.fixture(scope="module")
def copies(built):
    sources = {page: nbformat.read(ROOT / f"{page}.ipynb", as_version=4) for page in PAGES}
    about = tool.course(ROOT, sources)
    return {page: (tool.desk_copy(source, page, about), source) for page, source in sources.items()}


def text(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_that_only_the_book_understands(copies, page):
    assert RAW.findall(CODE.sub("`", text(copies[page][0]))) == []


def test_what_would_be_left_is_found():
    for raw in ("{eq}`a`", "`code` {cite:t}`b`", ":::", "[](a.ipynb)", "(label)=\n", "% note", "$$ (eq-a)"):
        assert RAW.search(CODE.sub("`", f"{raw}\n")), raw


@pytest.mark.parametrize("page", PAGES)
def test_code_and_outputs_are_the_books(copies, page):
    copy, source = ([cell for cell in notebook.cells if cell.cell_type == "code"] for notebook in copies[page])
    assert [(cell.source, [o.get("data") for o in cell.outputs]) for cell in copy] == [
        (cell.source, [o.get("data") for o in cell.outputs]) for cell in source
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_copies_and_their_headings_or_to_the_published_book(copies, page):
    for target in re.findall(r"\]\(((?!\w+:)[^()\s]+)\)", CODE.sub("`", text(copies[page][0]))):
        file, _, anchor = target.partition("#")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(page), file)).removesuffix(".ipynb")
        copy, _ = copies[there if file else page]
        headings = {title.replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text(copy), re.MULTILINE)}
        assert not anchor or anchor in headings, target


@pytest.mark.parametrize("page", PAGES)
def test_numbers_captions_and_citations_are_those_of_the_page(copies, page):
    copy, _ = copies[page]
    built = bs4.BeautifulSoup((SITE / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    equations = [number.get_text().strip("(#)") for number in built.select("span.eqno")]
    assert re.findall(r"\\tag\{(.*?)\}", text(copy)) == equations
    figures = [number.get_text().strip() for number in built.select("figure .caption-number")]
    assert re.findall(r"^\*\*(Fig\. [\d.]+)\.\*\* ", text(copy), re.MULTILINE) == figures
    said = re.sub(r"\s+", " ", built.get_text())
    for name, year in CITED.findall(text(copy).replace("*et al.*", "et al.")):
        assert f"{name} ({year})" in said
