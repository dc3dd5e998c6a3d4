"""Whether gradients survive many steps of rectified units, and what is told of recurrent weights where they do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LAG = 60
DIVIDES = "divides by the slope"


@dataclass(frozen=True)
class Survival:
    """What LAG steps of rectified units that read a one at each step make of gradients.

    Attributes:
        explodes: whether the largest singular value of the product of all Jacobians is above 10.
        kept: how many singular values are at least 0.1, of those of a product that does not explode.
    """

    explodes: bool
    kept: int


def survival(W: np.ndarray, slope: float) -> Survival:
    H = len(W)
    h, product = np.zeros(H), np.eye(H)
    for _ in range(LAG):
        a = W @ h + 1
        h = np.maximum(0, slope * a)
        product = (slope * (a > 0))[:, None] * (W @ product)
        if not np.isfinite(product).all() or np.abs(product).max() > 1e100:
            return Survival(True, 0)
    stretches = np.linalg.svd(product, compute_uv=False)
    return Survival(bool(stretches[0] > 10), int((stretches >= 0.1).sum()))


def make_of(W: np.ndarray, slope: float) -> str:
    """What W_hh does, for one with which gradients do not survive; in few words, that are true of it."""
    H, size = len(W), float(np.abs(W).max())
    signs = ", with negative entries" if (W < 0).any() else ""
    if not size:
        return "is zero"
    if not np.linalg.matrix_power((W != 0).astype(float), H).any():  # however large its entries are
        return "passes nothing on for H steps"
    gram = W.T @ W
    square = float(np.trace(gram) / H)
    stretch = square**0.5
    if not np.allclose(gram, square * np.eye(H), rtol=0, atol=1e-9 * square):
        return "has entries within ±1/√H" if size <= H**-0.5 else f"does not keep lengths{signs}"
    if np.isclose(stretch, 1):
        return f"keeps lengths{signs}"
    if np.isclose(stretch, slope):
        return f"multiplies by the slope{signs}"
    if np.isclose(stretch * slope, 1):
        return f"{DIVIDES}{signs}"
    change = "grow" if stretch * slope > 1 else "shrink a little" if stretch * slope > 0.85 else "shrink"
    return f"lets lengths {change}{signs}"
