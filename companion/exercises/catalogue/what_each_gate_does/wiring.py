"""Weights that a student gives for an LSTM of one unit: their form, its states, and what its gates do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from companion.core.cell import weight_shapes
from companion.core.functions import sigmoid
from companion.gates.cells import LSTM

SHAPES = weight_shapes(LSTM(2, 1))
KIND, NAMES = "The answer", "The list of names"
FORM = {KIND: "a dictionary", NAMES: "complete"} | {
    f"{what} of {name}": right
    for name in SHAPES
    for what, right in (("The shape", "as asked"), ("The content", "numbers"))
}

_LEVELS = (0.0005, 0.1, 0.9, 0.9995)  # of a gate: what leaks adds up
_GATE = ("shut", "leaks", "half", "leaks", "open")
_CANDIDATE = ("−1", "−½", "0", "½", "1")


def misfit(value: Any) -> dict[str, str]:
    """What is wrong with the form of the weights, as a fact of FORM; empty where nothing is."""
    if not isinstance(value, dict):
        return {KIND: "no dictionary"}
    for name, shape in SHAPES.items():
        if name not in value:
            return {NAMES: f"one without {name}"}
        try:
            array = np.asarray(value[name])
        except ValueError:
            return {f"The content of {name}": "rows that differ in length"}
        if array.dtype.kind not in "biuf":
            return {f"The content of {name}": "no array of numbers"}
        if array.shape != shape:
            return {f"The shape of {name}": f"{array.shape} in the place of {shape}"}
        if not np.isfinite(array).all():
            return {f"The content of {name}": "not finite"}
    strange = set(value) - set(SHAPES)
    return {NAMES: f"one with {min(strange)}, which is none of the twelve"} if strange else {}


def run(w: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """The states of a one-unit LSTM, (T + 1, B), from x (T, B, 2)."""
    W_x, W_h, b = (np.stack([np.asarray(w[name + k], float)[0] for k in "ifog"]) for name in ("W_x", "W_h", "b_"))
    h = [np.zeros(x.shape[1])]
    c = h[0]
    for of_x in x @ W_x.T + b:  # (B, 4)
        a = of_x.T + W_h * h[-1]
        i, f, o = sigmoid(a[:3])
        c = f * c + i * np.tanh(a[3])
        h.append(o * np.tanh(c))
    return np.stack(h)


def _levels(w: Mapping[str, Any], x: np.ndarray) -> dict[str, np.ndarray]:
    """How far i, f and o are open, and where g is, from 0 to 4, for each row of x, while the state is zero.

    The first half of the rows is without a mark.
    """
    a = {k: (x @ np.asarray(w[f"W_x{k}"], float).T + np.asarray(w[f"b_{k}"], float))[:, 0] for k in "ifgo"}
    levels = {k: np.searchsorted(_LEVELS, sigmoid(a[k])) for k in "ifo"}
    for k, fine in (("i", 1), ("f", 3), ("o", -1)):  # what leaks at every step without a mark adds up, nothing else
        coarse = np.array([0, 0, 2, 4, 4])[levels[k]]
        levels[k] = np.where((levels[k] == fine) & (np.arange(len(x)) < len(x) // 2), fine, coarse)
    return levels | {"g": np.searchsorted((-0.7, -0.1, 0.1, 0.7), np.tanh(a["g"]))}


def _reads(w: Mapping[str, Any]) -> bool:
    return any(np.asarray(w[f"W_h{k}"]).any() for k in "ifgo")


def wiring(w: Mapping[str, Any], marked: Sequence, unmarked: Sequence) -> str:
    """All that is compared of what gates and candidate do, for both bits, without and with a mark.

    Args:
        w: the weights.
        marked, unmarked: the two inputs with a mark, and the two without, that of the smaller bit first.
    """
    levels = _levels(w, np.array([*unmarked, *marked], float))
    return ", ".join(k + "".join(map(str, levels[k])) for k in "ifgo") + ", h" * _reads(w)


def told(w: Mapping[str, Any], marked: Sequence, unmarked: Sequence) -> str:
    """The same in a few words: 'i open/shut, f shut/open, o open/open, g −1/1'."""
    levels = _levels(w, np.array([*unmarked, *marked], float))

    words = []
    for k in "ifo":
        low, high = ([_GATE[levels[k][n + 2]], _GATE[levels[k][n]]] for n in (0, 1))
        words.append(f"{k} {'/'.join(low) if low == high else 'by bit'}")
    g = levels["g"]
    words.append(f"g {_CANDIDATE[g[0]]}/{_CANDIDATE[g[1]]}" if (g[:2] == g[2:]).all() else "g by mark")
    return ", ".join(words) + ", h read" * _reads(w)
