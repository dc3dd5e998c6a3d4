"""What is broken, and how: an operator takes a node of a syntax tree and yields what may stand there instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from mutation import COUNT, SIZE, Operators, Scope

Part = TypeVar("Part")

_OPPOSITE = {ast.Add: ast.Sub, ast.Sub: ast.Add}
_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_PRODUCTS = {ast.Mult: (ast.MatMult, ast.Add), ast.MatMult: (ast.Mult,), ast.Add: (ast.Mult,), ast.Div: (ast.Mult,)}
_ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow)  # operators of which the operands cannot be exchanged
_PAIRS = ("sum mean", "max min", "argmax argmin", "cumsum cumprod", "log log2", "tanh arctan", "zeros ones")
_TAKEN_FOR = {"exp": "exp2", "zeros_like": "ones_like", "ones_like": "zeros_like"}
_TAKEN_FOR |= {a: b for pair in map(str.split, _PAIRS) for a, b in (pair, pair[::-1])}


def _with(parts: Sequence[Part], i: int, part: Part) -> list[Part]:
    return [*parts[:i], part, *parts[i + 1 :]]


def _exchanged(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Each two neighbours, one pair at a time."""
    for i in range(len(parts) - 1):
        yield [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]


# --- in every code ---------------------------------------------------------------------------------------------------


def sign(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, right):
            yield ast.BinOp(left, _OPPOSITE[type(operator)](), right)
        case ast.AugAssign(target, ast.Add() | ast.Sub() as operator, value):
            yield ast.AugAssign(target, _OPPOSITE[type(operator)](), value)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand


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
        case ast.Subscript(value, ast.Tuple(parts)):
            for i, part in enumerate(parts):
                yield from (ast.Subscript(value, ast.Tuple(_with(parts, i, new))) for new in moved_index(part, scope))
        case ast.Subscript(value, part):
            yield from (ast.Subscript(value, new) for new in moved_index(part, scope))
        case ast.Call(ast.Name("range") as function, arguments):
            for i, argument in enumerate(arguments[:2]):
                yield from (ast.Call(function, _with(arguments, i, bumped(argument, by)), []) for by in (-1, 1))
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
        case ast.Dict(keys, values) if all(isinstance(key, ast.Constant) for key in keys):
            yield from (ast.Dict(exchanged, values) for exchanged in _exchanged(keys))
        case ast.Attribute(base, name, ast.Load()):
            yield from (ast.Attribute(base, other) for other in neighbour(scope.fields.get(name, ()), name))


def neighbour(group: Sequence[str], name: str) -> Sequence[str]:
    """The one before it; for the first, the one after; none when it is alone."""
    i = group.index(name) if name in group else 0
    return group[i - 1 : i] if i else group[1:2] if name in group else ()


def kind_of_key(key: str) -> str:
    return key[:2] if key[1:2] == "_" else "vector"


# --- what learners get wrong, too ------------------------------------------------------------------------------------


def axis(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Another axis, one of several axes, or none; an axis kept or lost."""
    match node:
        case ast.Call(function, arguments, keywords):
            for i, keyword in enumerate(keywords):
                if keyword.arg in ("axis", "keepdims"):
                    yield ast.Call(function, arguments, [*keywords[:i], *keywords[i + 1 :]])
                if keyword.arg == "axis":
                    for other in _other_axes(keyword.value):
                        yield ast.Call(function, arguments, _with(keywords, i, ast.keyword("axis", other)))


def _other_axes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Tuple(axes):
            yield from axes
        case ast.Constant(int(value)):
            yield number(0 if value else 1)
        case ast.UnaryOp(ast.USub(), ast.Constant(int())):
            yield from (number(0), number(1))


def comparison(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, [operator], [right]):
            if type(operator) in _COMPARED:
                yield ast.Compare(left, [_COMPARED[type(operator)]()], [right])
            yield from (ast.Constant(True), ast.Constant(False))
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand


def function(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """A function is left out, or another one taken."""
    match node:
        case ast.Call(ast.Name("min" | "max" as name), arguments, keywords):
            yield ast.Call(ast.Name(_TAKEN_FOR[name]), arguments, keywords)
        case ast.Call(ast.Attribute(value, name), arguments, keywords):
            if name in _TAKEN_FOR:
                yield ast.Call(ast.Attribute(value, _TAKEN_FOR[name]), arguments, keywords)
            if not is_library(value):
                yield value
            elif len(arguments) == 1:
                yield arguments[0]
        case ast.Call(ast.Name(), [argument], []):
            yield argument


def constant(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """A number one larger or smaller, or doubled; two letters of a word, such as the gates "ifgo", exchanged."""
    match node:
        case ast.Constant(int(value)) if not isinstance(value, bool):
            yield from (bumped(node, by) for by in (-1, 1))
        case ast.Constant(float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(2 * value))
        case ast.Constant(str(word)) if 2 <= len(word) <= 6 and word.isalpha():
            yield from (ast.Constant("".join(letters)) for letters in _exchanged(word))


def order(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Neighbours in a tuple or list exchanged, also where values are unpacked; rows not turned round."""
    match node:
        case ast.Tuple(parts) if all(isinstance(part, ast.Constant) for part in parts):
            return  # axis=(0, 1)
        case ast.Tuple(parts, context) | ast.List(parts, context):
            yield from (type(node)(exchanged, context) for exchanged in _exchanged(parts))
        case ast.Subscript(value, ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))):
            yield value


def operands(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Operands exchanged, or another operator between them."""
    match node:
        case ast.BinOp(left, operator, right):
            if isinstance(operator, _ORDERED):
                yield ast.BinOp(right, operator, left)
            yield from (ast.BinOp(left, other(), right) for other in _PRODUCTS.get(type(operator), ()))


def summed(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """An index of einsum over which is not summed, or over which is summed too."""
    match node:
        case ast.Call(ast.Attribute(_, "einsum") as function, [ast.Constant(str(letters)), *rest]):
            given, _, out = letters.partition("->")
            kept = [f"{letter}{out}" for letter in dict.fromkeys(given) if letter.isalpha() and letter not in out]
            lost = [out.replace(letter, "") for letter in out]
            yield from (ast.Call(function, [ast.Constant(f"{given}->{new}"), *rest], []) for new in (*kept, *lost))


def lost_line(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    match node:
        case ast.Assign() | ast.AugAssign() | ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.Return(ast.expr() as value):
            yield ast.Expr(value)


def in_place(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """a = a + b becomes a += b, which changes what else is called a."""
    match node:
        case ast.Assign([ast.Name(name) as target], ast.BinOp(ast.Name(first), operator, right)) if name == first:
            yield ast.AugAssign(target, operator, right)
        case ast.Assign(targets, ast.Call(ast.Attribute(value, "copy"), [])):
            yield ast.Assign(targets, value, lineno=node.lineno)


OPERATORS: Operators = {
    "sign": sign,
    "dropped term": dropped_term,
    "transpose": transpose,
    "index": index,
    "swapped name": swapped_name,
}
LEARNERS: Operators = {
    **OPERATORS,
    "axis": axis,
    "comparison": comparison,
    "function": function,
    "constant": constant,
    "order": order,
    "operands": operands,
    "summed": summed,
    "lost line": lost_line,
    "in place": in_place,
}
