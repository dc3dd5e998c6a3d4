"""Answers that are shapes: how they are compared, and written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion.exercises.comparing import described
from companion.exercises.model import Unfit


def shape_text(value: Any) -> str:
    """A shape as NumPy writes it, however it was handed in: as tuple, list or array."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        numbers = [shape_text(item) for item in value]
        return f"({numbers[0]},)" if len(numbers) == 1 else f"({', '.join(numbers)})"
    is_number = isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "if"
    )
    return f"{float(value):g}" if is_number else described(value)


def shapes_by_name(names: Sequence[str]) -> Callable[[Any, Any], dict[str, str]]:
    """A view for answers that are a tuple of shapes: a wrong shape is wrong as a whole, not number by number."""
    asked = f"a tuple of {len(names)} shapes is asked for: {', '.join(names)}"

    def view(arguments: Any, returned: Any) -> dict[str, str]:
        if not isinstance(returned, list | tuple) and not (isinstance(returned, np.ndarray) and returned.ndim):
            raise Unfit(f"{asked}; this is {described(returned)}")
        if len(returned) != len(names):
            raise Unfit(f"{asked}; these are {len(returned)}")
        return {name: shape_text(item) for name, item in zip(names, returned, strict=True)}

    return view
