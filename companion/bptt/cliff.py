"""The cliff of one logistic unit, and a walk down its loss (chapters "Cliffs and long lags" and "Clipping").

The unit h_t = σ(w h_{t-1} + b) starts at one half and reads nothing; its loss is E = (h_T − target)², a surface over
the two weights w and b (Pascanu, Mikolov and Bengio 2013).
"""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.optimisers import clip_by_norm
from companion.core.validation import Array, require_size


def loss_and_slope(w: float | Array, b: float | Array, steps: int = 50, target: float = 0.7) -> tuple[Array, ...]:
    """E, ∂E/∂w and ∂E/∂b, each of the shape that w and b have together; derivatives walk forwards beside the state."""
    h, dw, db = np.array(0.5), np.array(0.0), np.array(0.0)
    for _ in range(require_size("steps", steps)):
        before, h = h, sigmoid(w * h + b)
        slope = h * (1 - h)
        dw, db = slope * (before + w * dw), slope * (1 + w * db)
    return (h - target) ** 2, 2 * (h - target) * dw, 2 * (h - target) * db


def descend(w: float, b: float, rate: float, steps: int, limit: float = np.inf) -> Array:
    """Gradient descent, the gradient clipped by its norm: rows of w, b, loss and gradient norm before each step.

    Weights are rounded to nine decimals, for the same walk on every processor: where one crosses the wall often, a
    difference in the last bit grows a billionfold in eighty steps.
    """
    rows = []
    for _ in range(require_size("steps", steps)):
        E, dw, db = (float(value) for value in loss_and_slope(w, b))
        rows.append((w, b, E, np.hypot(dw, db)))
        g = clip_by_norm({"w": np.array(dw), "b": np.array(db)}, limit)
        w, b = round(w - rate * float(g["w"]), 9), round(b - rate * float(g["b"]), 9)
    return np.array(rows)
