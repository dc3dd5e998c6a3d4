"""Every place of a syntax tree where an operator of mutation_operators.py applies, and the mutants that it gives there.

Left alone, because it only validates or words a message: `raise`, `assert` and an `if` that does nothing but raise;
arguments of require_*, as_array and _checked*, functions of these names; __str__, __repr__; docstrings, annotations.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

COUNT, SIZE, KEY, MAPPING, VALUE = "count", "size", "key", "mapping", "value"  # kinds of names
LEFT_ALONE = ("annotation", "returns", "decorator_list", "bases")
VALIDATION = re.compile(r"_?(require|checked)(_|$)|as_array$|__(str|repr)__$")


@dataclass(frozen=True)
class Scope:
    """A function, and what may be swapped for what in it."""

    name: str  # core.functions.softmax
    names: Mapping[str, str] = field(default_factory=dict)  # name → kind, in order of binding
    lines: Mapping[str, int] = field(default_factory=dict)  # name → line where it is bound first
    keys: tuple[str, ...] = ()  # strings used as an index, those of the function before those of its class
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # attribute → those of its class and annotation


Operators = Mapping[str, Callable[[ast.AST, Scope], Iterator[ast.AST]]]


@dataclass(frozen=True)
class Place:
    """A node that may be replaced, and what it hangs on."""

    parent: ast.AST
    field: str
    number: int | None  # where the field is a list
    node: ast.AST
    statement: ast.stmt
    scope: Scope

    def put(self, node: ast.AST) -> None:
        if self.number is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.number] = node

    def text(self) -> str:
        """What stands there now; a lone name or number with the expression around it."""
        now = getattr(self.parent, self.field)
        if isinstance(self.node, ast.Name | ast.Constant | ast.UnaryOp) and not hasattr(self.parent, "body"):
            now = self.parent
        elif self.number is not None:
            now = now[self.number]
        return ast.unparse(now).strip()


@dataclass(frozen=True)
class Mutant:
    module: str  # of companion: core.functions, or a worked solution: solutions.clip-norm
    function: str  # with the names before it: core.functions.softmax
    operator: str
    change: str  # "T + 1 → T - 1"
    occurrence: int
    source: Callable[[], str]  # of the whole mutated module
    question: str = ""  # that a solution answers

    @property
    def id(self) -> str:
        return f"{self.function} | {self.operator} | {self.change} | {self.occurrence}"

    def __str__(self) -> str:
        return f"{self.id} ({self.question})" if self.question else self.id


# what became of a mutant: of any; of one that tests met; of one that an exercise's check met
SURVIVED, SAME, ERROR, ENDLESS = "survived", "same", "error", "endless"
WRONG = "wrong"
MISTAKE, FORM, SIDE, NEUTRAL, UNTOUCHED = "misconception", "form", "side effect", "neutral", "not attempted"
VERDICTS = (SURVIVED, SAME, ERROR, ENDLESS, WRONG, MISTAKE, FORM, SIDE, NEUTRAL, UNTOUCHED)


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    verdict: str
    said: str = ""  # by what noticed it


def mutants_of(
    module: str, source: str, operators: Operators, fields: Mapping[str, tuple[str, ...]] | None = None
) -> list[Mutant]:
    """All mutants of a module, each once, in the order of its text; `fields` as of `fields_of`, by default its own."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    count: Counter[tuple[str, str, str]] = Counter()
    seen = {(id(statement), ast.unparse(statement)) for statement in ast.walk(tree) if isinstance(statement, ast.stmt)}
    outermost = Scope(module, fields=fields_of([source]) if fields is None else fields)
    for place in places(tree, outermost, tree.body[0]):
        before = place.text()
        for operator, variants in operators.items():
            for node in variants(place.node, place.scope):
                place.put(node)
                statement = node if place.node is place.statement else place.statement
                after, whole = place.text(), (id(place.statement), ast.unparse(statement))
                place.put(place.node)
                if whole not in seen:
                    seen.add(whole)
                    key = (place.scope.name, operator, f"{before} → {after}")
                    count[key] += 1
                    found.append(Mutant(module, *key, count[key], partial(written, tree, place, node)))
    return found


def written(tree: ast.Module, place: Place, node: ast.AST) -> str:
    place.put(node)
    text = ast.unparse(tree)
    place.put(place.node)
    return text


def places(node: ast.AST, scope: Scope, statement: ast.stmt) -> Iterator[Place]:
    for name, value in ast.iter_fields(node):
        if name in LEFT_ALONE or (name in ("body", "test") and only_raises(node)):
            continue
        if name in ("args", "keywords") and isinstance(node, ast.Call) and VALIDATION.match(called(node)):
            continue
        for number, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.Assert):
                continue
            if isinstance(child, ast.FunctionDef) and VALIDATION.match(child.name):
                continue
            at = child if isinstance(child, ast.stmt) else statement
            inner = scope_of(child, scope, top=isinstance(node, ast.Module))
            if not (isinstance(child, ast.Name) and isinstance(node, ast.Attribute) and node.attr != "T"):
                yield Place(node, name, number, child, at, inner)  # another thing has no attribute of that name
            yield from places(child, inner, at)


def only_raises(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and all(isinstance(statement, ast.Raise) for statement in node.body)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def scope_of(node: ast.AST, outside: Scope, top: bool) -> Scope:
    """The scope inside this node: a function has its own; a comprehension or a lambda adds names to it."""
    match node:
        case ast.Assign([ast.Name(name)]) if top:
            return replace(outside, name=f"{outside.name}.{name}")
        case ast.FunctionDef(name) | ast.ClassDef(name):
            names = kinds_of_names(node) if isinstance(node, ast.FunctionDef) else {}
            lines = dict.fromkeys(names, 0) | {n.id: n.lineno for n in reversed(stored(node))}
            keys = tuple(dict.fromkeys((*keys_in(node), *outside.keys)))
            return replace(outside, name=f"{outside.name}.{name}", names=names, lines=lines, keys=keys)
        case ast.Lambda(arguments):
            inner = {argument.arg: VALUE for argument in arguments.args}
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inner = {name: kind for loop in node.generators for name, kind in bound_by(loop.target, loop.iter)}
        case _:
            return outside
    lines = {**outside.lines, **dict.fromkeys(inner, 0)}
    return replace(outside, names={**outside.names, **inner}, lines=lines)


def keys_in(holder: ast.AST) -> Iterator[str]:
    for node in ast.walk(holder):
        match node:
            case ast.Subscript(_, ast.Constant(str(key))):
                yield key


def stored(function: ast.AST) -> list[ast.Name]:
    """Names in the order in which they are bound."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return sorted(names, key=lambda name: (name.lineno, name.col_offset))


def kinds_of_names(function: ast.FunctionDef) -> dict[str, str]:
    """Parameters by their annotation, locals by what binds them."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    kinds = {a.arg: kind_of_annotation(a.annotation) for a in given if a.arg != "self"}
    local: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.For(target, value) | ast.Assign([target], value):
                local |= dict(bound_by(target, value, loop=isinstance(node, ast.For)))
            case ast.AnnAssign(ast.Name(name), annotation):
                local[name] = kind_of_annotation(annotation)
    return kinds | {name.id: local[name.id] for name in stored(function) if name.id in local and name.id not in kinds}


def kind_of_annotation(annotation: ast.expr | None) -> str:
    text = ast.unparse(annotation) if annotation else "unknown"
    if text.startswith(("dict", "Mapping", "Arrays")):
        return MAPPING
    return {"int": COUNT, "Array": VALUE, "float": VALUE}.get(text, text)


def bound_by(target: ast.AST, value: ast.expr, loop: bool = True) -> Iterator[tuple[str, str]]:
    """The names in a target, with the kinds that the value gives them; a loop binds the entries of its value."""
    names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    text = ast.unparse(value)
    if not loop and isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for part, its_value in zip(target.elts, value.elts, strict=True):
            yield from bound_by(part, its_value, loop)
    elif loop and text.startswith(("range(", "reversed(range(", "enumerate(")):
        yield from ((name, VALUE if i else COUNT) for i, name in enumerate(names))
    elif loop and text.endswith(".items()"):
        yield from ((name, VALUE if i else KEY) for i, name in enumerate(names))
    elif loop:
        yield from ((name, VALUE if text.startswith("zip(") else KEY) for name in names)
    elif re.fullmatch(r"[\w.]+\.(shape(\[.*\])?|ndim|steps)|len\(.*\)", text):
        yield from ((name, SIZE) for name in names)
    else:
        other = {ast.Dict: MAPPING, ast.DictComp: MAPPING, ast.List: "list", ast.ListComp: "list"}
        yield from ((name, other.get(type(value), VALUE)) for name in names)


def fields_of(sources: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each field and property, those with the same annotation in every class that has it."""
    alike: dict[str, tuple[str, ...]] = {}
    for node in (node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)):
        groups: dict[str, list[str]] = {}
        for member in node.body:
            match member:
                case ast.AnnAssign(ast.Name(name), annotation):
                    groups.setdefault(ast.unparse(annotation), []).append(name)
                case ast.FunctionDef(name, decorator_list=[ast.Name("property")], returns=ast.expr() as returns):
                    groups.setdefault(ast.unparse(returns), []).append(name)
                case ast.FunctionDef(name):
                    alike[name] = ()  # a method somewhere: which one an attribute means is not known
        for group in groups.values():
            alike |= {name: tuple(n for n in alike.get(name, group) if n in group) for name in group}
    return alike
