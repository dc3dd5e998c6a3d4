"""A forward pass of an LSTM, for the exercises that go back through it."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.gates import (
    weights,
)
from companion.exercises.inputs import Size, normal


def forward_pass(rng: np.random.Generator, s: Size) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """An LSTM's weights, and all it computes on random input, by name: gates (T, B, H), states (T + 1, B, H)."""
    w = weights(rng, s.I, s.H, "ifgo")
    x = normal(rng, s.T, s.B, s.I, scale=1.0)
    h, c = [np.tanh(normal(rng, s.B, s.H))], [normal(rng, s.B, s.H, scale=1.0)]
    gates = []
    for x_t in x:
        a = {k: x_t @ w[f"W_x{k}"].T + h[-1] @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}
        gates.append({k: np.tanh(a[k]) if k == "g" else sigmoid(a[k]) for k in "ifgo"})
        c.append(gates[-1]["f"] * c[-1] + gates[-1]["i"] * gates[-1]["g"])
        h.append(gates[-1]["o"] * np.tanh(c[-1]))
    kept = {k: np.stack([step[k] for step in gates]) for k in "ifgo"}
    return w, kept | {"x": x, "h": np.stack(h), "c": np.stack(c)}
