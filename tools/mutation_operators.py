"""What tools/mutants.py breaks, and how: operators, and all places of a module's syntax tree where they apply.

Left alone, because it only validates or words a message: `raise`, `assert` and an `if` that does nothing but raise;
arguments of require_*, as_array and _checked*, functions of these names; __str__, __repr__; docstrings, annotations.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

COUNT, SIZE, KEY, MAPPING, VALUE = "count", "size", "key", "mapping", "value"  # kinds of names
LEFT_ALONE = ("annotation", "returns", "decorator_list", "bases")
VALIDATION = re.compile(r"_?(require|checked)(_|$)|as_array$|__(str|repr)__$")


@dataclass(frozen=True)
class Scope:
    """A function, and what may be swapped for what in it."""

    name: str
    names: Mapping[str, str] = field(default_factory=dict)  # name → kind, in order of binding
    lines: Mapping[str, int] = field(default_factory=dict)  # name → line where it is bound first
    keys: tuple[str, ...] = ()  # strings used as an index, those of the function before those of its class
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # attribute → those of its class and annotation


def sign(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.AugAssign(target, ast.Add(), value):
            yield ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target, ast.Sub(), value):
            yield ast.AugAssign(target, ast.Add(), value)


def dropped_term(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """A summand or a factor is left out."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.MatMult(), right):
            yield from (left, right)
        case ast.BinOp(left, ast.Sub(), right):
            yield from (left, ast.UnaryOp(ast.USub(), right))
        case ast.BinOp(left, ast.Div() | ast.Pow(), right):
            yield left
        case ast.AugAssign(target, ast.Add() | ast.Sub() | ast.Mult(), value):
            yield ast.Assign([target], value, lineno=node.lineno)
            yield ast.Pass()


def transpose(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value, "T"):
            yield value
        case ast.Call(ast.Attribute(value, "swapaxes" | "transpose")) if not is_library(value):
            yield value
        case ast.Call(ast.Attribute(_, "outer") as function, [a, b]):
            yield ast.Call(function, [b, a], [])
        case ast.Call(ast.Attribute(_, "einsum") as function, [ast.Constant(str(letters)), *rest]):
            for term in re.finditer(r"[A-Za-z]{2,}", letters):
                swapped = letters[: term.end() - 2] + letters[term.end() - 1] + letters[term.end() - 2]
                yield ast.Call(function, [ast.Constant(swapped + letters[term.end() :]), *rest], node.keywords)
        case ast.BinOp(left, ast.MatMult(), right):
            if can_turn(left):
                yield ast.BinOp(ast.Attribute(left, "T"), ast.MatMult(), right)
            if can_turn(right):
                yield ast.BinOp(left, ast.MatMult(), ast.Attribute(right, "T"))


def is_library(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


def can_turn(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr != "T")


def index(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """One step earlier or later: an index, the end of a slice or of a range; a loop that runs the other way."""
    match node:
        case ast.Subscript(value, slice):
            parts = slice.elts if isinstance(slice, ast.Tuple) else [slice]
            for i, part in enumerate(parts):
                for moved in moved_index(part, scope):
                    new = [*parts[:i], moved, *parts[i + 1 :]]
                    yield ast.Subscript(value, ast.Tuple(new) if isinstance(slice, ast.Tuple) else new[0])
        case ast.Call(ast.Name("range") as function, arguments):
            for i, argument in enumerate(arguments[:2]):
                for moved in (bumped(argument, -1), bumped(argument, 1)):
                    yield ast.Call(function, [*arguments[:i], moved, *arguments[i + 1 :]], [])
        case ast.Call(ast.Name("reversed"), [argument]):
            yield argument


def moved_index(part: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    match part:
        case ast.Slice(ast.Constant(1), None):
            yield ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1)))
        case ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1))):
            yield ast.Slice(ast.Constant(1), None)
        case ast.Slice(lower, upper, step):
            if lower:
                yield from (ast.Slice(bumped(lower, by), upper, step) for by in (-1, 1))
            if upper:
                yield from (ast.Slice(lower, bumped(upper, by), step) for by in (-1, 1))
        case _ if is_whole(part, scope):
            yield from (bumped(part, -1), bumped(part, 1))


def is_whole(node: ast.AST, scope: Scope) -> bool:
    match node:
        case ast.Constant(int(value)):
            return not isinstance(value, bool)
        case ast.Name(name):
            return scope.names.get(name) in (COUNT, SIZE)
        case ast.UnaryOp(ast.USub(), operand):
            return is_whole(operand, scope)
        case ast.BinOp(left, ast.Add() | ast.Sub(), right):
            return is_whole(left, scope) and is_whole(right, scope)
    return False


def bumped(node: ast.expr, by: int) -> ast.expr:
    """The expression plus `by`, constants added up: t - 1 becomes t, or t - 2."""
    match node:
        case ast.Constant(int(value)):
            return number(value + by)
        case ast.UnaryOp(ast.USub(), ast.Constant(int(value))):
            return number(-value + by)
        case ast.BinOp(left, ast.Add() | ast.Sub() as op, ast.Constant(int(value))):
            total = (value if isinstance(op, ast.Add) else -value) + by
            return bumped(left, total) if total else left
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))


def number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def swapped_name(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """The nearest other name of the same kind: a variable, a string key, a field of the same class."""
    match node:
        case ast.Name(name, ast.Load()) if name in scope.names:
            alike = [other for other, kind in scope.names.items() if kind == scope.names[name]]
            bound = [other for other in alike if scope.lines[other] < node.lineno or other == name]
            yield from (ast.Name(other) for other in neighbour(bound, name))
        case ast.Subscript(value, ast.Constant(str(key))):
            alike = [other for other in scope.keys if kind_of_key(other) == kind_of_key(key)]
            yield from (ast.Subscript(value, ast.Constant(other)) for other in neighbour(alike, key))
        case ast.Dict(keys, values):
            for i in range(len(keys) - 1):
                if isinstance(keys[i], ast.Constant) and isinstance(keys[i + 1], ast.Constant):
                    yield ast.Dict([*keys[:i], keys[i + 1], keys[i], *keys[i + 2 :]], values)
        case ast.Attribute(base, name, ast.Load()):
            yield from (ast.Attribute(base, other) for other in neighbour(scope.fields.get(name, ()), name))


def neighbour(group: Sequence[str], name: str) -> Sequence[str]:
    """The one before it; for the first, the one after; none when it is alone."""
    i = group.index(name) if name in group else 0
    return group[i - 1 : i] if i else group[1:2] if name in group else ()


def kind_of_key(key: str) -> str:
    return key[:2] if key[1:2] == "_" else "vector"


OPERATORS: Mapping[str, Callable[[ast.AST, Scope], Iterator[ast.AST]]] = {
    "sign": sign,
    "dropped term": dropped_term,
    "transpose": transpose,
    "index": index,
    "swapped name": swapped_name,
}


# --- where they apply ------------------------------------------------------------------------------------------------


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
    module: str
    function: str
    operator: str
    change: str  # "T + 1 → T - 1"
    occurrence: int
    source: Callable[[], str]  # of the whole mutated module

    @property
    def id(self) -> str:
        return f"{self.module}.{self.function} | {self.operator} | {self.change} | {self.occurrence}"


def mutants_of(
    module: str,
    source: str,
    fields: Mapping[str, tuple[str, ...]] | None = None,
    operators: Mapping[str, Callable[[ast.AST, Scope], Iterator[ast.AST]]] = OPERATORS,
) -> list[Mutant]:
    """All mutants of a module, each once, in the order of its text; `fields` as of `fields_of`, by default its own."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    count: Counter[tuple[str, str, str]] = Counter()
    seen = {(id(statement), ast.unparse(statement)) for statement in ast.walk(tree) if isinstance(statement, ast.stmt)}
    outermost = Scope(module, fields=fields_of([source]) if fields is None else fields)
    for place in places(tree, outermost, tree.body[0], ()):
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


def places(node: ast.AST, scope: Scope, statement: ast.stmt, outer: tuple[ast.AST, ...]) -> Iterator[Place]:
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
            inner = scope_of(child, scope, outer)
            if not (isinstance(child, ast.Name) and isinstance(node, ast.Attribute) and node.attr != "T"):
                yield Place(node, name, number, child, at, inner)  # another thing has no attribute of that name
            yield from places(child, inner, at, (*outer, child))


def only_raises(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and all(isinstance(statement, ast.Raise) for statement in node.body)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def scope_of(node: ast.AST, outside: Scope, outer: tuple[ast.AST, ...]) -> Scope:
    """The scope inside this node: a function has its own; a comprehension or a lambda adds names to it."""
    holders = [parent for parent in outer if isinstance(parent, ast.FunctionDef | ast.ClassDef)]
    match node:
        case ast.Assign([ast.Name(name)]) if not holders:
            return replace(outside, name=name)
        case ast.FunctionDef(name) | ast.ClassDef(name):
            names = kinds_of_names(node) if isinstance(node, ast.FunctionDef) else {}
            lines = dict.fromkeys(names, 0) | {n.id: n.lineno for n in reversed(stored(node))}
            keys = [key for holder in (node, *reversed(holders)) for key in keys_in(holder)]
            path = ".".join([*(holder.name for holder in holders), name])
            return replace(outside, name=path, names=names, lines=lines, keys=tuple(dict.fromkeys(keys)))
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
