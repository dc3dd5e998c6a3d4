"""Sphinx extension of this book: the docstrings of companion on the pages of the API.

A docstring is plain text. Its first lines are prose; then each argument may have a row, its name and after two spaces
what it is; what is indented further, an equation or a table, keeps its columns:

    x        (T, B, I); or integers (T, B), each standing for a one-hot vector
    lengths  steps of each sequence; a row goes on in lines
             that are indented
"""

from __future__ import annotations

import ast
import dataclasses
import inspect as python
import re
import sys
import textwrap
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc.preserve_defaults import DefaultValue
from sphinx.util import inspect

ROW = re.compile(r"(?P<name>\S+(?: \S+)*)(?P<gap> {2,})(?P<text>\S.*)")
ITEM = re.compile(r"(?P<mark>\d+\. |- )(?P<text>.*)")
KEPT = re.compile(r"(`+[^`]+`+|(?<![\w*])\*\w+\*(?![\w*]))")  # code, and a word that is stressed
MARKUP = re.compile(r"""[\\`*_|"']|\.(?=\.\.)""")  # quotes and dots too: they are to stay as they are
SHAPE = re.compile(r"\([^()]{,20}\)")
PARAGRAPH = ("Returns ", "Raises ")  # a line that starts so starts a paragraph


def as_rst(lines: list[str]) -> list[str]:
    """A docstring's lines, without their common indentation, as reStructuredText."""
    found: list[str] = []
    rest = list(lines)
    while rest:
        line = rest[0]
        if not line.strip():
            rest.pop(0)
        elif line.startswith(" "):
            block, rest = _split(rest, lambda line: line.startswith(" ") or not line.strip())
            found += [".. code-block:: text", "", *_indented(block), ""]
        elif ROW.fullmatch(line):
            block, rest = _split(rest, lambda line: line.startswith(" ") or bool(ROW.fullmatch(line)))
            found += _rows(block)
        elif match := ITEM.match(line):
            item, rest = _split(rest[1:], lambda line: line.startswith(" "))
            text = " ".join([match["text"], *map(str.strip, item)])
            found += [f"{match['mark']}{prose(text)}", ""]
        else:
            more, rest = _split(rest[1:], _goes_on)
            found += [prose(" ".join([line, *more])), ""]
    return found


def prose(text: str) -> str:
    """Text in which nothing but code and a stressed word has a meaning; a shape stays on one line."""
    parts = KEPT.split(SHAPE.sub(lambda shape: shape[0].replace(", ", ",\N{NO-BREAK SPACE}"), text))
    parts[0::2] = [MARKUP.sub(r"\\\g<0>", part) for part in parts[0::2]]
    parts[1::2] = [f"``{part.strip('`')}``" if part[0] == "`" else part for part in parts[1::2]]
    return "".join(parts)


def _goes_on(line: str) -> bool:
    """Whether a line belongs to the paragraph of the line before it."""
    special = not line.strip() or line.startswith((" ", *PARAGRAPH)) or ROW.fullmatch(line) or ITEM.match(line)
    return not special


def _rows(block: list[str]) -> list[str]:
    """Rows as a list of names and what they are; as they stand where they have more than two columns."""
    starts = [number for number, line in enumerate(block) if not line.startswith(" ")]
    matches = [ROW.fullmatch(block[start]) for start in starts]
    if any(match and "  " in match["text"] for match in matches):
        return [".. code-block:: text", "", *_indented(block), ""]
    found = []
    for match, start, end in zip(matches, starts, [*starts[1:], len(block)], strict=True):
        assert match
        column = len(match["name"] + match["gap"])
        more = [line[min(column, len(line) - len(line.lstrip())) :] for line in block[start + 1 : end]]
        found += [f"``{match['name']}``", *_indented(as_rst([match["text"], *more]))]
    return [".. container:: rows", "", *_indented(found), ""]


def _split(lines: list[str], belongs: Any) -> tuple[list[str], list[str]]:
    first = list(takewhile(belongs, lines))
    return first, lines[len(first) :]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}".rstrip() for line in lines]


def constants(source: str) -> list[str]:
    """Public names that a module gives to values and types, in order."""
    targets: list[ast.expr] = []
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign):
            targets += line.targets
        elif isinstance(line, ast.AnnAssign):
            targets.append(line.target)
    names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return [name for name in names if not name.startswith("_")]


# --- what autodoc asks -----------------------------------------------------------------------------------------------


def rewrite(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)
    if what == "module" and (named := constants(Path(found.__file__).read_text(encoding="utf-8"))):
        lines += ["Values and types: " + ", ".join(f"``{constant}``" for constant in named), ""]


def plain_signature(
    app: Sphinx, what: str, name: str, found: Any, options: Any, given: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """A protocol is not made by calling it, and a dataclass shows the defaults that its code has."""
    if getattr(found, "_is_protocol", False):
        return "", None
    if what != "class" or not dataclasses.is_dataclass(found):
        return None
    written = defaults(found)
    signature = inspect.signature(found, type_aliases=app.config.autodoc_type_aliases)
    parameters = [
        parameter.replace(default=DefaultValue(written[parameter.name])) if parameter.name in written else parameter
        for parameter in signature.parameters.values()
    ]
    return inspect.stringify_signature(signature.replace(parameters=parameters), show_return_annotation=False), None


def defaults(made: type) -> dict[str, str]:
    """The defaults of a dataclass's fields as its code writes them, those of the classes it is made from included."""
    written: dict[str, str] = {}
    for part in filter(dataclasses.is_dataclass, reversed(made.__mro__)):
        (definition,) = ast.parse(textwrap.dedent(python.getsource(part))).body
        for line in definition.body:
            match line:
                case ast.AnnAssign(
                    ast.Name(name), value=ast.Call(ast.Name("field"), keywords=[ast.keyword("default_factory", value)])
                ):
                    written[name] = f"{ast.unparse(value)}()"
                case ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                    written[name] = ast.unparse(value)
    return written


def left_out(app: Sphinx, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """A field of a named tuple says no more than its name."""
    return True if (getattr(found, "__doc__", None) or "").startswith("Alias for field number") else None


def without_link(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.TextElement | None:
    """Types in signatures are named, not linked, where they are not companion's or stand for any type."""
    if node.get("refdomain") != "py":
        return None
    module, _, name = node["reftarget"].rpartition(".")
    variable = isinstance(getattr(sys.modules.get(module), name, None), TypeVar)
    return content if variable or not module.startswith("companion") else None


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.autosummary")
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("autodoc-skip-member", left_out)
    app.connect("missing-reference", without_link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
