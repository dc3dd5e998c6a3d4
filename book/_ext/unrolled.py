"""Sphinx extension of this book: pages that load nothing from elsewhere, and figures at their size.

- MathJax 3 is copied into the built site from the PyPI package sphinx-mathjax-offline, and of it only what a page
  loads.
- No page refers to a script or a style sheet on another host, and none twice (sphinx-thebe is set up twice).
- The theme's second copy of its icons (1.5 MB of script) is left out, and on all pages but one the search (300 kB).
- The result of a prediction opens under 'Show what happens', and in it the code that only draws stays folded.
- Pictures made by a notebook are stored with 1.44 pixels for each pixel shown (tools/notebooks.py): the page gives
  their width, so that they are sharp and nothing moves while they load.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sphinxcontrib.bibtex.plugin
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

PACKAGE = "sphinx-mathjax-offline"
MATHJAX_PARTS = ("tex-chtml.js", "a11y/", "input/tex/extensions/", "output/chtml/fonts/", "sre/", "ui/")
STORED_PIXELS_PER_PIXEL = 1.44


def round_brackets() -> BracketStyle:
    return BracketStyle(left="(", right=")")


@dataclass
class AuthorYearRound(AuthorYearReferenceStyle):
    """Citations as prose has them: Elman (1990), or (Elman, 1990)."""

    bracket_parenthetical: BracketStyle = field(default_factory=round_brackets)
    bracket_textual: BracketStyle = field(default_factory=round_brackets)
    bracket_author: BracketStyle = field(default_factory=round_brackets)
    bracket_label: BracketStyle = field(default_factory=round_brackets)
    bracket_year: BracketStyle = field(default_factory=round_brackets)


def mathjax_files() -> dict[str, Path]:
    """Where each part of MathJax that a page can load is installed, by its path in the site."""
    marker = "/static/mathjax/"
    found = {}
    for file in importlib.metadata.files(PACKAGE) or []:
        _, _, part = file.as_posix().partition(marker)
        if part.startswith(MATHJAX_PARTS):
            found[part] = Path(str(file.locate()))
    if "tex-chtml.js" not in found:
        raise ExtensionError(f"{PACKAGE} is installed without tex-chtml.js: reinstall it from requirements.txt")
    return found


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    for part, source in mathjax_files().items():
        target = Path(app.outdir) / "_static" / "mathjax" / part
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def keep_local(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Remove from a page what another host would serve, thebe (it needs a kernel) and repeated scripts."""
    context["css_files"] = [
        sheet
        for sheet in context.get("css_files", [])
        if "://" not in _address(sheet) and "thebe" not in _address(sheet)
    ]
    scripts, seen = [], set()
    for script in context.get("script_files", []):
        address, body = _address(script), (getattr(script, "attributes", {}) or {}).get("body") or ""
        if "://" in address or "thebe" in address.lower() or "thebe" in body.lower():
            continue
        if (address, body) not in seen:
            seen.add((address, body))
            scripts.append(script)
    context["script_files"] = scripts


def linked_to_pages(page: str) -> str:
    """The page, on which the next exercise that progress() names is a page, too, where Jupyter has a notebook."""
    return re.sub(r'(<a class="unrolled-next" href="[\w-]+)\.ipynb"', r'\1.html"', page)


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Take out of the built pages what the theme's templates write into them and no reader needs."""
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for path in site.rglob("*.html"):
        before = path.read_text(encoding="utf-8")
        # 1.5 MB that draws the icons a second time: the style sheet draws them with the icon font
        after = re.sub(r"\s*<(script|link)\b[^>]*fontawesome\.js[^>]*>(</script>)?", "", before)
        if path.name != "search.html":  # 300 kB that would search while one types, which this book does not
            after = re.sub(
                r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>', "", after
            )
        # docutils calls the bibliography a list, but its entries are no list items and hold links between them
        after = after.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
        # the arrow that opens a section of the contents has no name for who cannot see it
        after = after.replace("<summary><span", '<summary aria-label="Pages of this section"><span')
        after = linked_to_pages(after)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="\n")
    for path in {*site.glob("_static/scripts/fontawesome.js*"), *site.glob("_static/**/*.map")}:
        path.unlink()


def _address(asset: Any) -> str:
    return str(getattr(asset, "filename", asset) or "")


class PredictedResults(SphinxPostTransform):
    """What a folded result is called, and its drawing code (tagged hide-input too) folded once more inside."""

    default_priority = 198  # before myst-nb folds the cells
    formats = ("html",)

    def run(self, **options: Any) -> None:
        for cell in self.document.findall(nodes.container):
            if cell.get("hide_mode") != "all":
                continue
            if "tag_hide-input" in cell["classes"] and len(cell.children) > 1:
                code = cell.children[0]
                inner = HideCodeCellNode(prompt_show=cell["prompt_show"], prompt_hide=cell["prompt_hide"])
                inner["classes"].append("above-input")
                cell.replace(code, inner)
                inner.append(code)
                inner["nb_element"] = code["nb_element"]  # by which myst-nb knows that the cell has code
            cell["prompt_show"], cell["prompt_hide"] = "Show what happens", "Fold it again"


def set_widths(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give each picture that a notebook made the width at which it was drawn."""
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"]
        if "jupyter_execute" in path.parts and path.suffix == ".png" and "width" not in image:
            image["width"] = f"{round(png_width(path) / STORED_PIXELS_PER_PIXEL)}px"


def png_width(path: Path) -> int:
    with path.open("rb") as file:
        (width,) = struct.unpack(">I", file.read(24)[16:20])
    return int(width)


def setup(app: Sphinx) -> dict[str, Any]:
    sphinxcontrib.bibtex.plugin.register_plugin(
        "sphinxcontrib.bibtex.style.referencing", "author_year_round", AuthorYearRound
    )
    app.add_css_file("unrolled.css", priority=900)
    app.add_js_file("unrolled.js", loading_method="defer")
    app.add_post_transform(PredictedResults)
    app.connect("html-page-context", keep_local, priority=900)
    app.connect("doctree-resolved", set_widths)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
