"""Which definitions a piece of code reaches by name, and a hash of them that comments and docstrings do not change.

Stored results are those of the code that computed them. The hash covers the functions, classes and constants that are
reached, in the file itself and in `companion`, and nothing else of these modules: adding a function beside them makes
no result stale.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "companion"

Found = dict[tuple[str, str], ast.stmt]


def digest(path: Path, *names: str) -> str:
    """SHA-256 of the definitions that `names`, defined at the top of the file at `path`, reach."""
    found = reached(path, *names)
    text = "\n".join(f"{module}.{name} {normal(found[module, name])}" for module, name in sorted(found))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def reached(path: Path, *names: str) -> Found:
    """(module, name) → definition, for `names` and all that they use, directly or through others.

    A name is followed to the top of its module and through `from companion.… import`, and so is `walk.forward` after
    `from companion.core import walk`; methods belong to their class.
    Raises ValueError for a name that the file does not define.
    """
    found: Found = {}
    todo = [(path, name) for name in names]
    for name in names:
        if name not in _defined(path):
            raise ValueError(f"names: expected one defined in {path.name}, got {name}")
    while todo:
        path, name = todo.pop()
        if (_module(path), name) in found:
            continue
        definition = _defined(path).get(name)
        if definition is not None:
            found[_module(path), name] = definition
            todo += [(path, used) for used in _names(definition)]
        elif name in _imported(path):
            todo.append(_imported(path)[name])
        elif name.partition(".")[0] in _modules(path):
            todo.append((_modules(path)[name.partition(".")[0]], name.partition(".")[2]))
    return found


def _module(path: Path) -> str:
    """core.walk for a file of the package, the file's own name for a script."""
    inside = ROOT / PACKAGE
    return ".".join(path.relative_to(inside).with_suffix("").parts) if path.is_relative_to(inside) else path.stem


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _defined(path: Path) -> dict[str, ast.stmt]:
    definitions: dict[str, ast.stmt] = {}
    for statement in _tree(path).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            definitions |= {
                node.id: statement for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
            }
    return definitions


def _imported(path: Path) -> dict[str, tuple[Path, str]]:
    sources: dict[str, tuple[Path, str]] = {}
    for statement in _tree(path).body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == PACKAGE:
            source = ROOT / f"{str(statement.module).replace('.', '/')}.py"
            if source.exists():
                sources |= {alias.asname or alias.name: (source, alias.name) for alias in statement.names}
    return sources


def _modules(path: Path) -> dict[str, Path]:
    """Modules that `from companion.… import …` gives, by the name they have here."""
    modules: dict[str, Path] = {}
    for statement in _tree(path).body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == PACKAGE:
            folder = ROOT / str(statement.module).replace(".", "/")
            files = {alias.asname or alias.name: folder / f"{alias.name}.py" for alias in statement.names}
            modules |= {name: file for name, file in files.items() if file.exists()}
    return modules


def _names(definition: ast.stmt) -> set[str]:
    """Names, and names with an attribute, as far as a module's may be meant."""
    nodes = list(ast.walk(definition))
    dotted = {f"{n.value.id}.{n.attr}" for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    return {node.id for node in nodes if isinstance(node, ast.Name)} | dotted


def normal(node: object) -> str:
    """The syntax tree as text, the same for every Python version: no docstrings, no places, no empty fields."""
    if isinstance(node, list):
        return f"[{', '.join(map(normal, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    kept = {
        name: value for name, value in fields.items() if value not in (None, [], "") and name not in ("ctx", "kind")
    }
    return f"{type(node).__name__}({', '.join(f'{name}={normal(value)}' for name, value in kept.items())})"
