"""The walk through time without any arrangement for speed: step after step, one weight after another.

What companion/core/walk.py must give, for every cell.
"""

from __future__ import annotations

import numpy as np

from companion.bptt.dynamics import step_back
from companion.core.cell import PEEPHOLE, Arrays, Cell, parsed, weight_name
from companion.core.validation import Array


def forward(cell: Cell, w: Arrays, x: Array, initial: Arrays) -> dict[str, Array]:
    """All that the steps compute, name → (T + 1, B, ·) with the initial state in row 0."""
    before, kept = dict(initial), {}
    for t, x_t in enumerate(x, start=1):
        a = {k: _known(cell, w, k, x_t, before) for k in cell.wiring}
        now = {
            k if k in cell.gates else f"a_{k}": cell.gates[k](a_k) if k in cell.gates else a_k
            for k, a_k in a.items()
            if a_k is not None
        }
        now = {k: now[k] for k in cell.gates} | cell.step(w, now, before)
        for name, value in now.items():
            if t == 1:
                kept[name] = np.zeros((len(x) + 1, *value.shape), value.dtype)
                kept[name][0] = initial.get(name, 0)
            kept[name][t] = value
        before = {name: now[name] for name in cell.state}
    return kept


def _known(cell: Cell, w: Arrays, k: str, x_t: Array, before: Arrays) -> Array | None:
    """b_k and the terms of a_k that are known before the step, (B, n); None when there are none."""
    terms = []
    for source in cell.wiring[k]:
        s, W = parsed(source), w[weight_name(source, k)]
        if not s.known:
            continue
        value = x_t if s.vector == "x" else before[s.vector]  # (B, ·), or (B,) tokens
        if s.factor == PEEPHOLE:
            terms.append(W * value)
        else:
            terms.append(W.T[value] if value.ndim == 1 else value @ W.T)  # a one-hot x_t picks a column of W
    return sum(terms[1:], terms[0]) + w[f"b_{k}"] if terms else None


def deltas(cell: Cell, w: Arrays, kept: Arrays, d_outputs: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """δ of every pre-activation, k → (T + 1, B, n) with row 0 zero, and the gradient of the initial state."""
    rows = kept[cell.outputs[0]]
    now = {name: value[1:] for name, value in kept.items()}
    slopes = cell.slopes(w, now, {name: kept[name][:-1] for name in cell.state})
    zero = {name: np.zeros_like(kept[name][0]) for name in {*cell.state, *cell.outputs}}
    da = {k: np.zeros((*rows.shape[:2], cell.sizes[k]), rows.dtype) for k in cell.wiring}
    carried = {name: zero[name] for name in cell.state}
    for t in range(len(rows) - 1, 0, -1):
        d = {name: d_outputs[name][t] if name in d_outputs else zero[name] for name in zero}
        d |= {name: d[name] + carried[name] for name in cell.state}
        da_t, carried = step_back(cell, w, {name: s[t - 1] for name, s in slopes.items()}, d)
        for k, value in da_t.items():
            da[k][t] = value
    return da, {name: carried[name] + (d_outputs[name][0] if name in d_outputs else 0) for name in cell.state}
