"""Answers that are shapes: how they are compared, and written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def shape_text(value: Any) -> str:
    """A shape as NumPy writes it, however it was handed in: as tuple, list or array."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        numbers = [shape_text(item) for item in value]
        return f"({numbers[0]},)" if len(numbers) == 1 else f"({', '.join(numbers)})"
    is_number = isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "if"
    )
    return f"{float(value):g}" if is_number else "no number"


def shapes_by_name(names: Sequence[str]) -> Callable[[Any, Any], dict[str, str | int]]:
    """A view for answers that are a tuple of shapes: a wrong shape is wrong as a whole, not number by number."""

    def view(arguments: Any, returned: Any) -> dict[str, str | int]:
        given = (
            list(returned)
            if isinstance(returned, list | tuple) or (isinstance(returned, np.ndarray) and returned.ndim)
            else []
        )
        shapes = [shape_text(item) for item in given[: len(names)]]
        missing = ["missing"] * (len(names) - len(shapes))
        return {"the number of shapes": len(given), **dict(zip(names, shapes + missing, strict=True))}

    return view
