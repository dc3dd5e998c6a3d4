"""What a stored notebook must be, as functions that give the reasons why one is not.

nbval compares outputs, but passes a notebook that was never executed, never compares pictures, and takes any text for a
good one. These rules close that gap; tests/project/test_notebooks.py applies each to every notebook, and to a
notebook made to break it.
"""

from __future__ import annotations

import ast
import base64
import html
import io
import re
import tokenize
from collections.abc import Callable, Iterator

from alternatives import problems_of_alternative
from nbformat import NotebookNode
from notebooks import SETUP_TAG

LARGEST_PICTURE = 250_000  # bytes
LARGEST_NOTEBOOK = 1_500_000
LONGEST_TEXT = 12_000  # characters, in one output; progress() has a row for each of 92 exercises
LARGEST_MOVING_FIGURE = 130_000
KINDS = {"image/png", "text/plain"}
# what companion.exercises and moving figures show; any other HTML comes from a library that may change it
OWN_MARKUP = {
    "text/html": re.compile(r'<div class="unrolled-(check|progress)"|<unrolled-figure>'),
    "text/markdown": re.compile(r"\*\*(Hint \d|The worked solution)"),
}

UNWANTED = {
    "a path": re.compile(r"(?<![\w/.])~?/[A-Za-z_][\w.-]*/[\w./-]+|\b[A-Za-z]:\\|site-packages"),
    "a time": re.compile(
        r"\b\d+(\.\d+)?\s?(ns|µs|us|ms|s|sec|seconds?|minutes?)\b|\b\d{1,2}:\d{2}:\d{2}\b|\b20\d\d-\d\d-\d\d\b"
    ),
    "an address": re.compile(r"\b0x[0-9a-fA-F]{4,}"),
    "a warning": re.compile(r"\b\w*Warning\b"),
    "a traceback": re.compile(r"Traceback \(most recent call last\)"),
}


def every_cell_was_executed(notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts should run from 1 to {len(counts)}, but they are {counts}"


SPEAKS = {"print", "show", "agree", "plt.show", "check", "hint", "progress"}


def what_prints_stores_its_output(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        speaks = any(_name(call.func) in SPEAKS for call in _calls_made(cell))
        if speaks and not cell.outputs and not {"widget", "setup"} & set(_tags(cell)):
            yield f"stores no output: {_start(cell)}"


def outputs_are_the_same_everywhere(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"stores {output.get('name') or 'an error'}: {_start(cell)}"
            for kind, text in _texts(output):
                for what, pattern in UNWANTED.items():
                    if match := pattern.search(text):
                        yield f"stores {what}, {match[0]!r} in {kind}: {_start(cell)}"


def nothing_ends_in_a_semicolon(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        tokens = [t for t in _tokens(cell) if t.type not in (tokenize.COMMENT, tokenize.NL)]
        for token, after in zip(tokens, tokens[1:], strict=False):
            if token.string == ";" and after.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                yield f"line {token.start[0]} ends in a semicolon, which nbval does not honour: {_start(cell)}"


def pictures_are_png_and_shown(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        pictures = 0
        for output in cell.outputs:
            for kind, content in output.get("data", {}).items():
                pictures += kind.startswith("image/")
                if kind not in KINDS and not (kind in OWN_MARKUP and OWN_MARKUP[kind].match(content)):
                    yield f"stores {kind}, which is none of {sorted(KINDS)}: {_start(cell)}"
        last = _tree(cell).body[-1:] if pictures else []
        if last and not (
            isinstance(last[0], ast.Expr)
            and isinstance(last[0].value, ast.Call)
            and _name(last[0].value.func) == "plt.show"
        ):
            yield f"draws, but does not end in plt.show(): {_start(cell)}"
        if pictures > 1:
            yield f"draws {pictures} figures, which would share one alternative text: {_start(cell)}"


def figures_say_what_they_show(notebook: NotebookNode) -> Iterator[str]:
    for cell in _figures(notebook):
        for problem in problems_of_alternative(alternative(cell)):
            yield f"{problem}: {_start(cell)}"


def the_data_of_figures_is_asserted(notebook: NotebookNode) -> Iterator[str]:
    """An assert in the figure's cell, in a code cell since the figure before it, or in the code cell after it.

    A picture is never compared, so that this is the only place where wrong data in it turns a test red.
    """
    since_last_figure: list[NotebookNode] = []
    cells = _code(notebook)
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        since_last_figure.append(cell)
        if not _draws(cell):
            continue
        after = [following] if following is not None and not _draws(following) else []
        if not any(_asserts(candidate) for candidate in [*since_last_figure, *after]):
            yield f"no assert stands near this figure: {_start(cell)}"
        since_last_figure = []


# What a phone of 390 pixels shows a figure in, and how many pixels of a stored picture are one of the page.
PHONE_COLUMN, STORED_PIXELS = 361, 1.44
SMALLEST_TEXT = 9  # pixels
MEASURED = re.compile(r"<Figure of [\d.]+ x [\d.]+ inches, text from ([\d.]+) points>")


def figures_are_legible_on_a_phone(notebook: NotebookNode) -> Iterator[str]:
    """Text scales with its picture, which is as wide there as its column. Indices are smaller, as in formulas."""
    for cell in _figures(notebook):
        for output in cell.outputs:
            if picture := output.get("data", {}).get("image/png"):
                width = int.from_bytes(base64.b64decode(picture)[16:20], "big") / STORED_PIXELS
                measured = MEASURED.search(output.data.get("text/plain", ""))
                if measured is None:
                    yield f"is not drawn with companion.page.drawing.figure: {_start(cell)}"
                    continue
                pixels = float(measured[1]) * 100 / 72 * min(1, PHONE_COLUMN / width)
                if 0 < pixels < SMALLEST_TEXT:
                    yield f"has text of {pixels:.1f} pixels on a phone ({width:.0f} pixels wide): {_start(cell)}"


MOVING = re.compile(r'<unrolled-figure>.*?<svg [^>]*aria-label="([^"]*)"', re.DOTALL)
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell", SETUP_TAG}


def what_only_imports_or_draws_is_folded(notebook: NotebookNode) -> Iterator[str]:
    for cell in _code(notebook):
        folded = HIDDEN & set(_tags(cell))
        if not folded and all(isinstance(part, ast.Import | ast.ImportFrom) for part in _tree(cell).body):
            yield f"only imports, and is not folded: {_start(cell)}"
        if not folded and _draws(cell):
            yield f"draws, and its code is not folded: {_start(cell)}"


QUESTION_OR_ANSWER = re.compile(r"\{admonition\} (Predict|Answer)")


def results_of_predictions_are_folded(notebook: NotebookNode) -> Iterator[str]:
    """From a question to its answer: cell and output open when the reader has made up their mind."""
    asked = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for found in QUESTION_OR_ANSWER.finditer(cell.source):
                if found[1] == "Predict" and asked:
                    yield f"a prediction has no answer before the next one: {asked!r}"
                asked = cell.source[found.end() :].split(":class:")[-1].strip()[:60] if found[1] == "Predict" else ""
        elif asked and not {"hide-cell", "remove-cell"} & set(_tags(cell)):
            yield f"stands open under a prediction: {_start(cell)}"
    if asked:
        yield f"a prediction has no answer: {asked!r}"


def torch_is_imported_where_it_is_used(notebook: NotebookNode) -> Iterator[str]:
    """Without PyTorch the other cells run: what a cell with it makes, no cell without it uses."""
    made: dict[str, str] = {}
    for cell in _code(notebook):
        names = [node for node in ast.walk(_tree(cell)) if isinstance(node, ast.Name)]
        imports = "torch" in {
            alias.name.partition(".")[0]
            for node in ast.walk(_tree(cell))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        }
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)} | {
            node.name for node in _tree(cell).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        if imports:
            made |= dict.fromkeys(stored - made.keys(), _start(cell))
            continue
        if "torch" in read:
            yield f"uses torch without importing it: {_start(cell)}"
        for name in sorted((read - stored) & made.keys()):
            yield f"uses {name}, which a cell with PyTorch made ({made[name]}): {_start(cell)}"
        for name in stored:
            made.pop(name, None)


def widgets_have_a_static_counterpart(notebook: NotebookNode) -> Iterator[str]:
    cells = _code(notebook)
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        if "interact" in {_name(call.func) for call in _calls_made(cell)} and "widget" not in _tags(cell):
            yield f"runs a widget without the tag widget: {_start(cell)}"
        if "widget" in _tags(cell):
            if cell.outputs or "widgets" in notebook.metadata:
                yield f"stores the state of a widget: {_start(cell)}"
            if absent := {"nbval-ignore-output", "remove-output"} - set(_tags(cell)):
                yield f"a widget's cell also needs {sorted(absent)}: {_start(cell)}"
            if following is None or not following.outputs:
                yield f"no cell with an output follows this widget: {_start(cell)}"


def nothing_is_too_large(notebook: NotebookNode) -> Iterator[str]:
    total = 0
    for cell in _code(notebook):
        for output in cell.outputs:
            for kind, text in _texts(output):
                total += len(text)
                if len(text) > (LARGEST_MOVING_FIGURE if MOVING.match(text) else LONGEST_TEXT):
                    yield f"stores {len(text)} characters of {kind}: {_start(cell)}"
            picture = output.get("data", {}).get("image/png", "")
            total += len(picture)
            if len(base64.b64decode(picture)) > LARGEST_PICTURE:
                yield f"stores a picture of {len(base64.b64decode(picture))} bytes: {_start(cell)}"
    if total > LARGEST_NOTEBOOK:
        yield f"its outputs hold {total} characters"


RULES: list[Callable[[NotebookNode], Iterator[str]]] = [
    every_cell_was_executed,
    what_prints_stores_its_output,
    outputs_are_the_same_everywhere,
    nothing_ends_in_a_semicolon,
    pictures_are_png_and_shown,
    figures_say_what_they_show,
    the_data_of_figures_is_asserted,
    figures_are_legible_on_a_phone,
    widgets_have_a_static_counterpart,
    nothing_is_too_large,
]

CHAPTER_RULES: list[Callable[[NotebookNode], Iterator[str]]] = [
    what_only_imports_or_draws_is_folded,
    results_of_predictions_are_folded,
    torch_is_imported_where_it_is_used,
]


def alternative(cell: NotebookNode) -> str | None:
    """The alternative text of the cell's figure."""
    for output in cell.outputs:
        if moving := MOVING.match(output.get("data", {}).get("text/html", "")):
            return html.unescape(moving[1])
    text: str | None = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
    return text


def figures(notebook: NotebookNode) -> list[str]:
    """The alternative texts of the notebook's figures."""
    return [alternative(cell) or "" for cell in _figures(notebook)]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _figures(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in _code(notebook) if _draws(cell)]


def _draws(cell: NotebookNode) -> bool:
    shown = [output.get("data", {}) for output in cell.outputs]
    return any(kind.startswith("image/") or MOVING.match(data.get("text/html", "")) for data in shown for kind in data)


def _tags(cell: NotebookNode) -> list[str]:
    tags: list[str] = cell.metadata.get("tags", [])
    return tags


def _start(cell: NotebookNode) -> str:
    return repr(cell.source.strip()[:60])


def _texts(output: NotebookNode) -> Iterator[tuple[str, str]]:
    if "text" in output:
        yield output.name, output.text
    for kind, data in output.get("data", {}).items():
        if not kind.startswith("image/") or kind == "image/svg+xml":
            yield kind, data if isinstance(data, str) else str(data)


def _tree(cell: NotebookNode) -> ast.Module:
    # lines of IPython's own (%pip) become names, so that the rest can be read as Python
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))


def _tokens(cell: NotebookNode) -> Iterator[tokenize.TokenInfo]:
    source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE)
    return tokenize.generate_tokens(io.StringIO(source + "\n").readline)


def _calls_made(cell: NotebookNode) -> Iterator[ast.Call]:
    """The calls that running the cell makes itself, not those inside the functions it defines."""
    waiting: list[ast.AST] = [_tree(cell)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _asserts(cell: NotebookNode) -> bool:
    tree = _tree(cell)
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree)) or any(
        _name(call.func) == "agree" for call in _calls_made(cell)
    )


def _name(function: ast.expr) -> str:
    return ast.unparse(function) if isinstance(function, ast.Name | ast.Attribute) else ""
