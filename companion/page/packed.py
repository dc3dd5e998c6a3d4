"""Weights as text, to be stored beside a chapter and read without training: half precision, base64.

A chapter that reads them computes the same on every machine: nothing hangs on how a training rounded.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np

from companion.core.validation import Array

HALF = np.dtype("<f2")


def packed(weights: Mapping[str, Array]) -> str:
    """The weights one after another, two bytes a number. Raises ValueError for what half precision cannot hold."""
    flat = np.concatenate([np.ravel(w) for w in weights.values()])
    with np.errstate(over="ignore"):
        halves = flat.astype(HALF)
    if not np.isfinite(halves).all():
        raise ValueError(
            f"weights: expected finite numbers up to {np.finfo(HALF).max}, got {flat[~np.isfinite(halves)][0]}"
        )
    return base64.b64encode(halves.tobytes()).decode()


def unpacked(text: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """The weights again, float64, under the names of their shapes, in the order in which they were packed.

    Raises ValueError for a text of another length.
    """
    flat = np.frombuffer(base64.b64decode(text), HALF).astype(np.float64)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    if len(flat) != sum(sizes):
        raise ValueError(f"text: expected {sum(sizes)} numbers, got {len(flat)}")
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
