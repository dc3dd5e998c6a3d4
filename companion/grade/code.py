"""The code of a cell: Python without what IPython adds, and what it is there for."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection

_PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands under them is Python
_ASSIGNED = re.compile(r"(\s*[A-Za-z_]\w*\s*=\s*)[%!]\s*[\w(.~/{$\"']")  # files = !ls, r = %timeit -o f()


_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_TAKES_TIME = (ast.For, ast.While, ast.AsyncFor, ast.comprehension, ast.Call, ast.BinOp)


def without_magics(source: str) -> str:
    """The cell without lines for IPython (%matplotlib inline, !pip install, f?); the numbers of lines stay.

    What such a line would assign is None. A cell that is not Python at all (%%bash, %%html) becomes empty.
    """
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "").strip()
    if first.startswith("%%") and first.split()[0] not in _PYTHON_MAGICS:
        return ""
    return "\n".join(map(_python, lines))


def _python(line: str) -> str:
    text = line.strip()
    if assigned := _ASSIGNED.match(line):
        return f"{assigned[1]}None"
    if not text.startswith(("%", "!", "?")) and not text.endswith("?"):
        return line
    return f"{line[: len(line) - len(line.lstrip())]}pass"  # keeps a block from being empty


def parsed(source: str) -> ast.Module | None:
    """The tree of a cell; None where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in (source, without_magics(source)):
            try:
                return ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass
    return None


def needed(source: str, names: Collection[str]) -> bool:
    """Whether to run the cell though time is short.

    Answers may depend on it: it defines a function or a class, imports, checks, or assigns one of the names. Or it
    takes no time: it has no loop, and calls nothing.
    """
    tree = parsed(source)
    if tree is None:
        return False
    nodes = list(ast.walk(tree))
    if any(isinstance(node, _DEFINES) for node in nodes) or not any(isinstance(node, _TAKES_TIME) for node in nodes):
        return True
    wanted = {"check", *names}
    return any(isinstance(n, ast.Name) and n.id in wanted and (n.id == "check" or _is_stored(n)) for n in nodes)


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def would_define(source: str, name: str) -> bool:
    """Whether the cell, which may be no Python, is meant to define the name."""
    definition = rf"^\s*(?:def\s+{name}\s*\(|class\s+{name}\b|{name}\s*=(?!=))"
    return bool(re.search(definition, source, re.MULTILINE))
