"""What learners get wrong: how tools/exercise_mutants.py breaks a solution, beside what mutation_operators.py knows.

An axis, a comparison, a function left out or another one taken, a number, the order of parts, operands exchanged, an
elementwise product for a matrix product, a sum that is not taken, a line left out, an array changed in place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from mutation_operators import OPERATORS, Scope, bumped, is_library, number

_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_PRODUCTS = {ast.Mult: (ast.MatMult, ast.Add), ast.MatMult: (ast.Mult,), ast.Add: (ast.Mult,), ast.Div: (ast.Mult,)}
_ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow)  # operators of which the operands cannot be exchanged
_TAKEN_FOR = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "argmin": "argmax",
    "cumsum": "cumprod",
    "cumprod": "cumsum",
    "log": "log2",
    "log2": "log",
    "exp": "exp2",
    "tanh": "arctan",
    "arctan": "tanh",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
}


def axis(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Another axis, one of several axes, or none; an axis kept or lost."""
    match node:
        case ast.Call(function, arguments, keywords):
            for i, keyword in enumerate(keywords):
                rest = [*keywords[:i], *keywords[i + 1 :]]
                if keyword.arg in ("axis", "keepdims"):
                    yield ast.Call(function, arguments, rest)
                if keyword.arg == "axis":
                    for other in _other_axes(keyword.value):
                        changed = [*keywords[:i], ast.keyword("axis", other), *keywords[i + 1 :]]
                        yield ast.Call(function, arguments, changed)


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
            for i in range(len(word) - 1):
                yield ast.Constant(word[:i] + word[i + 1] + word[i] + word[i + 2 :])


def order(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Neighbours in a tuple or list exchanged, also where values are unpacked; rows not turned round."""
    match node:
        case ast.Tuple(parts, context) if not all(isinstance(part, ast.Constant) for part in parts):  # axis=(0, 1)
            yield from (ast.Tuple(exchanged, context) for exchanged in _exchanged(parts))
        case ast.List(parts, context):
            yield from (ast.List(exchanged, context) for exchanged in _exchanged(parts))
        case ast.Subscript(value, ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))):
            yield value


def _exchanged(parts: Sequence[ast.expr]) -> Iterator[list[ast.expr]]:
    for i in range(len(parts) - 1):
        yield [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]


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


LEARNERS: Mapping[str, Callable[[ast.AST, Scope], Iterator[ast.AST]]] = {
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
