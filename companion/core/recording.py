"""Record what a cell's equations do to arrays, and do it again, step after step, without making new arrays.

The equations of a cell are ordinary NumPy. Called once with recorded arrays they leave a list of operations: every
function that NumPy applies entry by entry (a *ufunc*) and every matrix product tells a `Recorded` array that it is
called (NumPy's protocol ``__array_ufunc__``). The list is then run for all steps, each operation writing into an array
that exists already: what costs time is left, what Python adds around it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from companion.core.validation import Array

OUT_BY_NAME = (np.maximum, np.minimum)  # the other ufuncs take `out` as their last argument, which is quicker


class NotRecordable(TypeError):
    """The equations use something else than ufuncs and matrix products."""


@dataclass(frozen=True)
class Rows:
    """An operand that is another array at each step, in the order of the walk."""

    each: Iterable[Array]


@dataclass(frozen=True)
class Operation:
    """function(*inputs, out); operands are arrays, numbers or `Rows`."""

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    out: Any


class Recorded(NDArrayOperatorsMixin):
    """An array that writes down what is done with it."""

    def __init__(self, array: Array, log: list[Operation]) -> None:
        self.array, self.log = array, log

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Recorded:
        if "out" in options:
            raise NotRecordable(f"{ufunc.__name__}: equations make new arrays and write into none")
        plain = tuple(value.array if isinstance(value, Recorded) else value for value in inputs)
        function: Callable[..., Any] = ufunc if method == "__call__" else getattr(ufunc, method)
        result = np.asarray(function(*plain, **options))
        if options or ufunc in OUT_BY_NAME:
            function = _into(function, options)
        self.log.append(Operation(function, plain, result))
        return Recorded(result, self.log)

    def __array_function__(self, function: Callable[..., Any], *_: object) -> Any:
        raise NotRecordable(f"{function.__name__} is no ufunc")

    def __array__(self, *_: object, **__: object) -> Any:
        raise NotRecordable("a recorded array has no values to copy")


def _into(function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    return lambda *operands: function(*operands[:-1], out=operands[-1], **options)


def record(equations: Callable[..., Any], *groups: Mapping[str, Array]) -> tuple[list[Operation], Any]:
    """Call equations(*groups), every array of the groups recorded; returns the operations in order, and the result.

    Shapes and dtypes of the arrays matter, values do not. The result holds `Recorded` arrays.
    Raises NotRecordable when the equations use what leaves no record, such as np.where.
    """
    log: list[Operation] = []
    with np.errstate(all="ignore"):
        try:
            result = equations(*({name: Recorded(array, log) for name, array in group.items()} for group in groups))
        except (AttributeError, TypeError) as error:
            raise NotRecordable(str(error)) from error
    return log, result


def written_to(
    operations: Sequence[Operation], results: Mapping[str, Any], targets: Mapping[str, Any]
) -> list[Operation]:
    """The same operations with the results, by name, written to their targets.

    What is no result of an operation of its own, an argument handed on or a result under two names, is copied.
    """
    made = {id(operation.out): operation.out for operation in operations}
    places: dict[int, Any] = {}
    copies = []
    for name, result in results.items():
        array = result.array if isinstance(result, Recorded) else result
        if id(array) in made and id(array) not in places:
            places[id(array)] = targets[name]
        else:
            copies.append(Operation(np.positive, (array,), targets[name]))
    return with_operands([*operations, *copies], places)


def with_operands(operations: Sequence[Operation], places: Mapping[int, Any]) -> list[Operation]:
    """The same operations with other operands; `places` has the new one for the id of the old one."""
    return [
        Operation(o.function, tuple(places.get(id(i), i) for i in o.inputs), places.get(id(o.out), o.out))
        for o in operations
    ]


def run(operations: Sequence[Operation], steps: int) -> None:
    """All operations in order, `steps` times, with the next entry of each `Rows` every time."""
    rows: dict[int, Rows] = {}
    fixed: dict[int, Any] = {}

    def word(operand: Any) -> str:
        known = rows if isinstance(operand, Rows) else fixed
        known.setdefault(id(operand), operand)
        return f"{'row' if known is rows else 'fixed'}{list(known).index(id(operand))}"

    calls = tuple(tuple(map(word, (o.function, *o.inputs, o.out))) for o in operations)
    _loop(calls, len(rows), len(fixed))(
        fixed.values(), zip(range(steps), *(r.each for r in rows.values()), strict=True)
    )


@cache
def _loop(calls: tuple[tuple[str, ...], ...], rows: int, fixed: int) -> Callable[..., None]:
    """The operations as a loop of Python: "fixed0(row0, fixed1, row1)" and so on, for every step.

    Written out, a call costs what NumPy takes and little else; a loop over a list of operations, each with a tuple of
    operands, takes half as much again where the arrays are small.
    """
    body = "\n".join(f"        {function}({', '.join(operands)})" for function, *operands in calls)
    source = f"def loop(fixed, steps):\n    [{', '.join(f'fixed{i}' for i in range(fixed))}] = fixed\n"
    source += f"    for [_, {', '.join(f'row{i}' for i in range(rows))}] in steps:\n{body}\n"
    names: dict[str, Any] = {}
    exec(source, names)
    loop: Callable[..., None] = names["loop"]
    return loop
