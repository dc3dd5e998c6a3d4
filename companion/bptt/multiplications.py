"""Count the scalar multiplications that a computation makes: by making it with numbers that count."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.core.cell import Arrays
from companion.core.validation import Array, as_numbers


@dataclass
class _Tally:
    multiplications: int = 0


class _Number:
    """A real number that adds one to its tally whenever it is multiplied."""

    __slots__ = ("tally", "value")

    def __init__(self, value: float, tally: _Tally) -> None:
        self.value, self.tally = value, tally

    def __mul__(self, other: object) -> _Number:
        self.tally.multiplications += 1
        return _Number(self.value * _value(other), self.tally)

    def __add__(self, other: object) -> _Number:
        return _Number(self.value + _value(other), self.tally)

    def __sub__(self, other: object) -> _Number:
        return _Number(self.value - _value(other), self.tally)

    def __rsub__(self, other: object) -> _Number:
        return _Number(_value(other) - self.value, self.tally)

    def __neg__(self) -> _Number:
        return _Number(-self.value, self.tally)

    def tanh(self) -> _Number:  # np.tanh calls it
        return _Number(math.tanh(self.value), self.tally)

    __rmul__, __radd__ = __mul__, __add__


def _value(number: Any) -> float:
    return number.value if isinstance(number, _Number) else float(number)


def count_multiplications(f: Callable[..., object], *arguments: Array | Arrays) -> int:
    """How many scalar multiplications f(*arguments) makes.

    Each argument is an array, or a mapping of arrays; f sees arrays of the same shapes whose entries count. f may use
    sums, differences, products (`*`, `@`, np.outer, np.einsum) and tanh; another operation raises TypeError.
    Raises ValueError for arguments that are no real numbers.
    """
    tally = _Tally()

    def counting(name: str, argument: Array | Arrays) -> Array | dict[str, Array]:
        if isinstance(argument, Mapping):
            return {key: entries(f"{name}[{key!r}]", array) for key, array in argument.items()}
        return entries(name, argument)

    def entries(name: str, array: Array) -> Array:
        array = as_numbers(name, array)
        numbers = np.empty(array.shape, dtype=object)
        for index in np.ndindex(array.shape):
            numbers[index] = _Number(float(array[index]), tally)
        return numbers

    f(*(counting(f"arguments[{i}]", argument) for i, argument in enumerate(arguments)))
    return tally.multiplications
