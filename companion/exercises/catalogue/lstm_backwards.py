"""The LSTM backwards: one step derived, the walk through time, and a given pass with a fault in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, Activation, written
from companion.exercises.edits import Edit, Piece
from companion.exercises.gates import (
    each_step_size,
    exchanged,
    exchanges,
    listed,
    parts,
    stacked,
    weights,
)
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.gates.cells import LSTM

Arrays = Mapping[str, np.ndarray]
TWENTY = Size("twenty steps", T=20, B=2, I=2, H=2, O=1)


@exercise(
    "lstm-backward-step",
    "step_back",
    "One step back",
    "derive",
    psi=(SOFTSIGN, ARCTAN, LOGISTIC),
    order=("ifgo", "ifog", "ofig", "figo"),
)
def backward_step(rng: np.random.Generator, psi: Activation, order: str) -> Key:
    def by_jacobians(dh, dc, i, f, g, o, c, c_before):
        """The Jacobian of (c_t, h_t), as rows, by the four pre-activations and c_{t-1}, entry by entry."""
        of_c = {"i": g * i * (1 - i), "f": c_before * f * (1 - f), "g": i * (1 - g * g), "o": 0 * o, "c_before": f}
        of_h = {k: o * psi.slope(psi.apply(c)) * slope for k, slope in of_c.items()}
        of_h["o"] = psi.apply(c) * o * (1 - o)
        back = {k: dc * of_c[k] + dh * of_h[k] for k in of_c}
        return np.concatenate([back[k] for k in order], axis=-1), back["c_before"]

    def case(s):
        by_gate = parts(normal(rng, s.B, 4 * s.H, scale=1.0), "ifgo")
        gates = {k: np.tanh(a) if k == "g" else sigmoid(a) for k, a in by_gate.items()}
        c_before = normal(rng, s.B, s.H, scale=1.0)
        return {
            "dh": normal(rng, s.B, s.H, scale=1.0),
            "dc": normal(rng, s.B, s.H, scale=1.0),
            **gates,
            "c": gates["f"] * c_before + gates["i"] * gates["g"],
            "c_before": c_before,
        }

    return Key(
        cases=each_step_size(case),
        also_right=(by_jacobians,),
        misconceptions=exchanges(order, joined=True),
        returns=("da", "dc_before"),
        axes={"da": "B column", "dc_before": "B H"},
        words={
            "psi_is": {
                SOFTSIGN: r"the function $\operatorname{softsign}(c) = c / (1 + |c|)$",
                ARCTAN: "the arcus tangent, `np.arctan`",
                LOGISTIC: "the logistic function",
            }[psi],
            "shown": written(psi.code, "a", "c"),
            "slope": written(psi.slope_code, "h", "shown"),
            "why_slope": {
                SOFTSIGN: r"$\operatorname{softsign}'(c) = 1/(1 + |c|)^2 = (1 - |\operatorname{softsign}(c)|)^2$",
                ARCTAN: r"$\arctan'(c) = 1/(1 + c^2) = \cos^2(\arctan c)$",
                LOGISTIC: r"$\sigma'(c) = \sigma(c)(1 - \sigma(c))$",
            }[psi],
            "order": listed(order),
            "deltas": listed(order, "da_"),
        },
    )


def _forward_pass(rng: np.random.Generator, s: Size) -> tuple[Arrays, Arrays]:
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


def _by_companion(
    dh: np.ndarray, gates: Arrays, c: np.ndarray, W_h: np.ndarray, order: str
) -> tuple[np.ndarray, Arrays]:
    """δ of all steps, (T, B, 4H), and what arrives at h_0 and c_0: slopes first, then the recursion."""
    cell = LSTM(1, dh.shape[-1])
    slopes = cell.slopes({}, {**gates, "tanh_c": np.tanh(c[1:])}, {"c": c[:-1]})
    d = {"h": np.zeros_like(c[0]), "c": np.zeros_like(c[0])}
    deltas = []
    for t in reversed(range(len(dh))):
        da, along = cell.back({}, {k: rows[t] for k, rows in slopes.items()}, {"h": d["h"] + dh[t], "c": d["c"]})
        deltas.append(np.concatenate([da[k] for k in order], axis=-1))
        d = {"h": deltas[-1] @ W_h, "c": along["c"]}
    return np.stack(deltas[::-1]), d


@exercise(
    "lstm-backward",
    "lstm_backward",
    "The whole backward pass",
    "implement",
    order=("ifgo", "ifog", "figo", "igfo", "ofgi"),
    side=("rows", "columns"),
)
def backward_pass(rng: np.random.Generator, order: str, side: str) -> Key:
    rows = side == "rows"

    def upright(array):
        """A matrix as its weights are stored: (4H, ·) for rows, (·, 4H) for columns; and back."""
        return array if rows else array.T

    def by_companion(dh, gates, h, c, x, W_h):
        delta, _ = _by_companion(dh, parts(gates, order), c, upright(W_h), order)
        dW_x, dW_h = np.einsum("tbk,tbi->ki", delta, x), np.einsum("tbk,tbh->kh", delta, h[:-1])
        return upright(dW_x), upright(dW_h), delta.sum(axis=(0, 1))

    def joined(other):
        """The right gradients, joined in another order."""
        axis, places = 0 if rows else -1, [order.index(k) for k in other]
        pieces = f"[np.split(part, 4, {axis})[k] for k in {places}]"
        return Edit(result=f"tuple(np.concatenate({pieces}, {axis}) for part in result)")

    def case(s):
        w, kept = _forward_pass(rng, s)
        return {
            "dh": normal(rng, s.T, s.B, s.H),
            "gates": np.concatenate([kept[k] for k in order], axis=-1),
            "h": kept["h"],
            "c": kept["c"],
            "x": kept["x"],
            "W_h": upright(stacked(w, order)[1]).copy(),
        }

    for_h = "da.T @ h[t - 1]" if rows else "h[t - 1].T @ da"
    return Key(
        cases=(*each_size(case), Case("twenty steps", case(TWENTY))),
        also_right=(by_companion,),
        misconceptions=tuple(replace(m, wrong=joined(m.wrong.options["order"])) for m in exchanges(order, joined=True)),
        returns=("dW_x", "dW_h", "db"),
        axes={"dW_x": "row I", "dW_h": "row H", "db": "row"}
        if rows
        else {"dW_x": "I column", "dW_h": "H column", "db": "column"},
        words={
            "order": listed(order),
            "deltas": listed(order, "da_"),
            "shape_x": "(4H, I)" if rows else "(I, 4H)",
            "shape_h": "(4H, H)" if rows else "(H, 4H)",
            "stacked": "one below the other, as PyTorch has them"
            if rows
            else "transposed and side by side, as Keras has them",
            "forwards": "a = x @ W_x.T + h @ W_h.T + b" if rows else "a = x @ W_x + h @ W_h + b",
            "for_x": "da.T @ x[t - 1]" if rows else "x[t - 1].T @ da",
            "for_h": for_h,
            "for_new_h": for_h.replace("t - 1", "t"),
            "W_back": "W_h" if rows else "W_h.T",
        },
    )


RIGHT = {
    "cell": "dc_t = dc_later + dh_t * o * (1 - tanh_c**2)",
    "delta_f": "da_f = dc_t * c[t - 1] * f * (1 - f)",
    "delta_o": "da_o = dh_t * tanh_c * o * (1 - o)",
    "back": "dh_later = da @ W_h",
}
PLACES = {
    "cell": "It is the one that forms dc_t.",
    "delta_f": "It is one of the four δ.",
    "delta_o": "It is one of the four δ.",
    "back": "It is one of the last three of the loop.",
}
_FROM_TWO_ON = (
    "With T = 1 all three results are right, and with T = 2 so is the last row of dx. What arrives at step 1 that does "
    "not arrive at the last step?"
)
_FROM_ONE_ON = (
    "With T = 1 dc_0 is right already, and dx and dh_0 are not. Which lines lead to dx and dh_0, and not to dc_0? "
    "Compare each with its equation."
)


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted in the given pass, for a class whose gates have an order.

    Attributes:
        order: of the gates.
        name: what is wrong.
        line: which of RIGHT is replaced.
        wrong: by what.
        hint: for someone who brought this fault in.
        symptom: for someone to whom it was given, and who has not found it.
    """

    order: str
    name: str
    line: str
    wrong: str
    hint: str
    symptom: str


FAULTS = (
    Fault(
        "ifgo",
        "what comes along the cell is left out of the cell's gradient",
        "cell",
        "dc_t = dh_t * o * (1 - tanh_c**2)",
        "c_t is used twice in the forward pass: by the state of its step, and where? dc_t has as many parts.",
        _FROM_TWO_ON,
    ),
    Fault(
        "ofig",
        "the cell gets its share of dh before dh is complete",
        "cell",
        "dc_t = dc_later + dh[t - 1] * o * (1 - tanh_c**2)",
        "Part of what arrives at the state passes through to the cell. Of how many parts is dh_t made?",
        _FROM_TWO_ON,
    ),
    Fault(
        "ifog",
        "the output gate gets its gradient from the cell",
        "delta_o",
        "da_o = dc_t * tanh_c * o * (1 - o)",
        "In which equation of the forward pass does o_t stand, and what does that equation make?",
        _FROM_ONE_ON,
    ),
    Fault(
        "figo",
        "what comes back to the state is added up over the steps",
        "back",
        "dh_later = dh_later + da @ W_h",
        "Which step's gates have read h_{t-1}? And the contributions of which steps are in the array that is handed "
        "on?",
        "With T = 1 all three results are right. With T = 2 only dh_0 is wrong, from T = 3 on the early rows of dx and "
        "dc_0 are too. What is handed from step to step, and what is left in it?",
    ),
    Fault(
        "igfo",
        "the new cell in the gradient of the forget gate",
        "delta_f",
        "da_f = dc_t * c[t] * f * (1 - f)",
        "With what was f_t multiplied in the forward pass: with the cell before the step, or after it?",
        _FROM_ONE_ON,
    ),
)


@exercise("bug-lstm", "input_gradients", "Find the bug: a backward pass to the inputs", "repair", version=FAULTS)
def bug(rng: np.random.Generator, version: Fault) -> Key:
    order = version.order

    def by_companion(dh, s, c, W_x, W_h):
        delta, d = _by_companion(dh, s, c, W_h, order)
        return delta @ W_x, d["h"], d["c"]

    def case(s):
        w, kept = _forward_pass(rng, s)
        W_x, W_h, _ = stacked(w, order)
        dh = normal(rng, s.T, s.B, s.H)
        return {"dh": dh, "s": {k: kept[k] for k in "ifgo"}, "c": kept["c"], "W_x": W_x, "W_h": W_h}

    given = RIGHT | {version.line: version.wrong}
    return Key(
        cases=(*each_size(case), Case("twenty steps", case(TWENTY))),
        also_right=(by_companion,),
        misconceptions=tuple(
            Misconception(
                "the fault is still there" if fault is version else fault.name,
                fault.symptom if fault is version else fault.hint,
                Edit((Piece(RIGHT[fault.line], fault.wrong),)),
            )
            for fault in FAULTS
        ),
        returns=("dx", "dh_0", "dc_0"),
        axes={"dx": "T B I", "dh_0": "B H", "dc_0": "B H"},
        words={
            "order": listed(order),
            "deltas": listed(order, "da_"),
            "exchanged": listed(exchanged(order, "g", "o"), "da_"),
            **{f"given_{line}": code for line, code in given.items()},
            "mended": RIGHT[version.line],
            "place": PLACES[version.line],
        },
    )
