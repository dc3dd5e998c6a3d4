"""Exercises on the LSTM backwards: one step derived, the walk through time, and a given pass with a fault in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, Activation
from companion.exercises.gates import (
    GATES,
    each_step_size,
    exchanged,
    exchanges,
    listed,
    parts,
    stacked,
    weights,
    written,
)
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Key, Misconception, exercise
from companion.functions import sigmoid
from companion.gated import LSTM

CHAPTER = "lstm-backwards"


def _walk(rng: np.random.Generator, s: Size) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
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


PSI_SLIPS: dict[str, tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = {  # of each function's slope at c
    SOFTSIGN.name: (
        "the square in the slope of softsign is missing",
        "You have 1/(1 + |c|). Differentiate c/(1 + |c|) once more, for a positive c: what is the power of 1 + |c|?",
        lambda c: 1 / (1 + np.abs(c)),
    ),
    ARCTAN.name: (
        "the slope of arctan at its own value",
        "The slope is 1/(1 + c²). You have put arctan(c) in the place of c.",
        lambda c: 1 / (1 + np.arctan(c) ** 2),
    ),
    LOGISTIC.name: (
        "the slope of σ at its own value",
        "The slope is σ(c)(1 − σ(c)). You send σ(c) through σ once more.",
        lambda c: sigmoid(sigmoid(c)) * (1 - sigmoid(sigmoid(c))),
    ),
}


@exercise(
    "lstm-backward-step",
    chapter=CHAPTER,
    name="step_back",
    title="One step back",
    kind="derive",
    ask={"psi": (SOFTSIGN, ARCTAN, LOGISTIC), "order": ("ifgo", "ifog", "ofig", "figo")},
)
def backward_step(rng: np.random.Generator, psi: Activation, order: str) -> Key:
    def slope_at(c):
        return psi.slope(psi.apply(c))

    def whole(dh, dc, o, c):
        return dc + dh * o * slope_at(c)

    def joined(by_gate, order=order):
        return np.concatenate([by_gate[k] for k in order], axis=-1)

    def deltas(dh, dc_t, i, f, g, o, c, c_before):
        return {
            "i": dc_t * g * i * (1 - i),
            "f": dc_t * c_before * f * (1 - f),
            "g": dc_t * i * (1 - g**2),
            "o": dh * psi.apply(c) * o * (1 - o),
        }

    def answer(dh, dc, i, f, g, o, c, c_before):
        dc_t = whole(dh, dc, o, c)
        return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t

    def with_cell(cell):
        """The step with another dc_t: cell(dh, dc, o, c)."""

        def wrong(dh, dc, i, f, g, o, c, c_before):
            dc_t = cell(dh, dc, o, c)
            return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t

        return wrong

    def with_deltas(change, order=order):
        """The step with other δ: change(deltas, dh, dc_t, i, f, g, o, c) gives those that differ."""

        def wrong(dh, dc, i, f, g, o, c, c_before):
            dc_t = whole(dh, dc, o, c)
            found = deltas(dh, dc_t, i, f, g, o, c, c_before)
            return joined(found | change(found, dh, dc_t, i, f, g, o, c), order), f * dc_t

        return wrong

    def all_tanh(dh, dc, i, f, g, o, c, c_before):
        dc_t = dc + dh * o * (1 - np.tanh(c) ** 2)
        found = deltas(dh, dc_t, i, f, g, o, c, c_before)
        return joined(found | {"o": dh * np.tanh(c) * o * (1 - o)}), f * dc_t

    def arriving_forget(dh, dc, i, f, g, o, c, c_before, handed=True):
        dc_t = f * dc + dh * o * slope_at(c)
        return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t if handed else dc_t

    def in_turns(dh, dc, i, f, g, o, c, c_before):
        da, dc_before = answer(dh, dc, i, f, g, o, c, c_before)
        return da.reshape(len(da), 4, -1).swapaxes(1, 2).reshape(da.shape), dc_before

    slip_name, slip_hint, slip = PSI_SLIPS[psi.name]

    def by_loops(dh, dc, i, f, g, o, c, c_before):
        B, H = dh.shape
        da, dc_before = np.zeros((B, 4, H)), np.zeros((B, H))
        for n in range(B):
            for u in range(H):
                at = n, u
                total = dc[at] + dh[at] * o[at] * float(slope_at(c[at]))
                entries = {
                    "i": total * g[at] * i[at] * (1 - i[at]),
                    "f": total * c_before[at] * f[at] * (1 - f[at]),
                    "g": total * i[at] * (1 - g[at]) * (1 + g[at]),
                    "o": dh[at] * float(psi.apply(c[at])) * o[at] * (1 - o[at]),
                }
                da[n, :, u] = [entries[k] for k in order]
                dc_before[at] = f[at] * total
        return da.reshape(B, 4 * H), dc_before

    def by_jacobians(dh, dc, i, f, g, o, c, c_before):
        """The Jacobian of (c_t, h_t), as rows, by the four pre-activations and c_{t-1}, entry by entry."""
        of_c = {
            "i": g * i * (1 - i),
            "f": c_before * f * (1 - f),
            "g": i * (1 - g * g),
            "o": np.zeros_like(o),
            "c_before": f,
        }
        of_h = {k: o * slope_at(c) * slope for k, slope in of_c.items()}
        of_h["o"] = psi.apply(c) * o * (1 - o)
        back = {k: dc * of_c[k] + dh * of_h[k] for k in of_c}
        return joined(back), back["c_before"]

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
        answer=answer,
        also_right=(by_loops, by_jacobians),
        returns=("da", "dc_before"),
        axes={"da": "B column", "dc_before": "B H"},
        words={
            "psi": psi.formula,
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
        cases=each_step_size(case),
        hints=(
            "Write down where c_t is used, and where each gate is. A gradient comes back along every use.",
            "The cell is used twice: by the state of the same step and by the next cell. Form its whole gradient "
            "first: what you are given is one of the two parts.",
            "Each gate gets the gradient of what it helped to make, times what it was multiplied with, times the slope "
            "of its own function. Only the output gate helped to make the state.",
            "dc_{t-1} is the whole dc_t times what multiplies c_{t-1} in the equation of the cell.",
        ),
        misconceptions=(
            Misconception(
                "the gradient that comes along the cell is left out",
                "c_t is used by the next cell too. Where has the argument dc gone?",
                with_cell(lambda dh, dc, o, c: dh * o * slope_at(c)),
            ),
            Misconception(
                "the state's share of the cell's gradient is left out",
                "c_t is used by h_t of the same step. What comes back to the cell from dh?",
                with_cell(lambda dh, dc, o, c: dc),
            ),
            Misconception(
                "the output gate is missing on the way from the state to the cell",
                "Look at the last equation: with what is the squashed cell multiplied, before it is the state?",
                with_cell(lambda dh, dc, o, c: dc + dh * slope_at(c)),
            ),
            Misconception(
                "the slope of the output function is missing",
                "Between the cell and the state lies a function. Its slope is a factor on the way back.",
                with_cell(lambda dh, dc, o, c: dc + dh * o),
            ),
            Misconception(
                "tanh at the output, as in the chapter",
                "Read the statement's last equation again. Here another function squashes the cell, and both its value "
                "and its slope are needed.",
                all_tanh,
            ),
            Misconception(
                "the slope of tanh for that of the output function",
                "1 − tanh² is the slope of tanh. Which function does this network have at its output?",
                with_cell(lambda dh, dc, o, c: dc + dh * o * (1 - np.tanh(c) ** 2)),
            ),
            Misconception(
                "the value of tanh for that of the output function",
                "The slope is right. The output gate's gradient has the squashed cell as a factor: through which "
                "function?",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"o": dh * np.tanh(c) * o * (1 - o)}),
            ),
            Misconception(
                "one minus the square of the value",
                "1 − s², with the value s, is the slope of tanh. Differentiate the function that stands here.",
                with_cell(lambda dh, dc, o, c: dc + dh * o * (1 - psi.apply(c) ** 2)),
            ),
            Misconception(slip_name, slip_hint, with_cell(lambda dh, dc, o, c: dc + dh * o * slip(c))),
            Misconception(
                "the forget gate is multiplied in twice",
                "dc has its forget gate already, that of step t + 1. By f_t only what is handed on to c_{t-1} is "
                "multiplied.",
                arriving_forget,
            ),
            Misconception(
                "the forget gate at the wrong end of the step",
                "You multiply what arrives along the cell by f_t, and not what you hand on. f_t stands between c_{t-1} "
                "and c_t: which of the two gradients has passed it?",
                lambda dh, dc, i, f, g, o, c, c_before: arriving_forget(dh, dc, i, f, g, o, c, c_before, handed=False),
            ),
            Misconception(
                "the new cell in the gradient of the forget gate",
                "What does f_t multiply in the equation of the cell: the cell before the step, or after it?",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"f": dc_t * c * f * (1 - f)}),
            ),
            Misconception(
                "the output gate gets its gradient from the cell",
                "In which equation does o_t stand? Its gradient comes from what that equation makes.",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"o": dc_t * psi.apply(c) * o * (1 - o)}),
            ),
            Misconception(
                "the candidate has the slope of σ",
                "Which function made g_t from its pre-activation, and what is that function's slope, written with g_t?",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"g": dc_t * i * g * (1 - g)}),
            ),
            Misconception(
                "the slopes of the three gates are missing",
                "The candidate has its slope. What lies between a gate's value and its pre-activation, and what is the "
                "slope of that?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c: {
                        "i": dc_t * g,
                        "f": d["f"] / (f * (1 - f)),
                        "o": dh * psi.apply(c),
                    }
                ),
            ),
            Misconception(
                "all four slopes are missing",
                "Asked for are gradients at the pre-activations. What lies between a gate's value and its "
                "pre-activation?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c: {
                        "i": d["i"] / (i * (1 - i)),
                        "f": d["f"] / (f * (1 - f)),
                        "g": dc_t * i,
                        "o": d["o"] / (o * (1 - o)),
                    }
                ),
            ),
            *(
                Misconception(
                    f"the slope of the {GATES[k]} is missing",
                    "Three of the four are right. Asked for are gradients at pre-activations: what lies between this "
                    "one and its value?",
                    with_deltas(
                        lambda d, dh, dc_t, i, f, g, o, c, k=k: {
                            k: {
                                "i": dc_t * g,
                                "f": d["f"] / (f * (1 - f)),
                                "g": dc_t * i,
                                "o": dh * psi.apply(c),
                            }[k]
                        }
                    ),
                )
                for k in "ifgo"
            ),
            Misconception(
                "the gates have the slope of tanh",
                "1 − (value)² belongs to tanh. Which function makes i, f and o, and what is its slope?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c: {
                        "i": dc_t * g * (1 - i**2),
                        "f": d["f"] / (f * (1 - f)) * (1 - f**2),
                        "o": dh * psi.apply(c) * (1 - o**2),
                    }
                ),
            ),
            Misconception(
                "gate and candidate have each other's partner",
                "In i ⊙ g each of the two is multiplied by the other. So which of them does the gradient of i get as "
                "a factor, and which that of g?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c: {
                        "i": dc_t * i * i * (1 - i),
                        "g": dc_t * g * (1 - g**2),
                    }
                ),
            ),
            *exchanges(order, lambda joined_as: with_deltas(lambda *_: {}, joined_as), joined=True),
            Misconception(
                "the four parts in turns",
                "Unit by unit, the four alternate in your rows. Asked for are all H columns of one gate side by side.",
                in_turns,
            ),
            Misconception(
                "the cell's gradient is handed on without the forget gate",
                "c_{t-1} is multiplied by something before it is part of c_t.",
                lambda dh, dc, i, f, g, o, c, c_before: (
                    answer(dh, dc, i, f, g, o, c, c_before)[0],
                    whole(dh, dc, o, c),
                ),
            ),
            Misconception(
                "what is handed on leaves out what came through the state",
                "The earlier cell gets its share of the whole gradient at c_t, not only of what came along the cell.",
                lambda dh, dc, i, f, g, o, c, c_before: (answer(dh, dc, i, f, g, o, c, c_before)[0], f * dc),
            ),
        ),
    )


@exercise(
    "lstm-backward",
    chapter=CHAPTER,
    name="lstm_backward",
    title="The whole backward pass",
    kind="implement",
    ask={"order": ("ifgo", "ifog", "figo", "igfo", "ofgi"), "side": ("rows", "columns")},
)
def backward_pass(rng: np.random.Generator, order: str, side: str) -> Key:
    rows = side == "rows"

    def upright(array):
        """A matrix as its weights are stored: (4H, ·) for rows, (·, 4H) for columns; and back."""
        return array if rows else array.T

    def run(dh, gates, h, c, x, W_h, **twist):
        """The gradients; ``twist`` says what is done wrongly."""
        T, B, H = dh.shape
        dW_x, dW_h, db = 0.0, 0.0, 0.0
        dh_later, dc_later, f_later = np.zeros((B, H)), np.zeros((B, H)), np.zeros((B, H))
        for t in range(T, 0, -1):
            s = parts(gates[t - 1], order)
            i, f, g, o = (s[k] for k in "ifgo")
            tanh_c = np.tanh(c[t - 1 if twist.get("old_tanh") else t])
            dh_t = dh_later if twist.get("last_loss") and t < T else dh[t - 1] + dh_later
            slope = 1.0 if twist.get("no_slope") else 1 - tanh_c**2
            dc_t = (dh[t - 1] if twist.get("incomplete") else dh_t) * slope * (1.0 if twist.get("no_output") else o)
            along = f if twist.get("own_forget") else f * f_later if twist.get("twice") else f_later
            dc_t = dc_t + (1.0 if twist.get("no_forget") else along) * dc_later
            slopes = {k: 1.0 if twist.get("bare") else s[k] * (1 - s[k]) for k in "ifo"}
            da = {
                "i": dc_t * g * slopes["i"],
                "f": dc_t * c[t if twist.get("new_cell") else t - 1] * slopes["f"],
                "g": dc_t * i * (1.0 if twist.get("bare") else 1 - g**2),
                "o": (dc_t if twist.get("o_from_cell") else dh_t) * tanh_c * slopes["o"],
            }
            delta = np.concatenate([da[k] for k in order], axis=-1)
            read = h[t] if twist.get("new_state") else h[t - 1]
            fresh = delta.T @ x[t - 1], delta.T @ read, delta.sum(axis=0)
            if twist.get("no_sum"):
                dW_x, dW_h, db = fresh
            else:
                dW_x, dW_h, db = dW_x + fresh[0], dW_h + fresh[1], db + fresh[2]
            if twist.get("not_transposed"):
                blocks = np.split(upright(W_h), 4)
                dh_later = sum(da[k] @ block.T for k, block in zip(order, blocks, strict=True))
            else:
                dh_later = delta @ upright(W_h) + (dh_later if twist.get("piled") else 0.0)
            if twist.get("no_gates"):
                dh_later = np.zeros((B, H))
            dc_later, f_later = dc_t, f
            if twist.get("no_cell"):
                dc_later = np.zeros((B, H))
        return upright(dW_x), upright(dW_h), db

    def answer(dh, gates, h, c, x, W_h):
        return run(dh, gates, h, c, x, W_h)

    def twisted(name):
        return lambda dh, gates, h, c, x, W_h: run(dh, gates, h, c, x, W_h, **{name: True})

    def by_slopes(dh, gates, h, c, x, W_h):
        """In two halves, as the package has it: slopes of all steps at once, then the recursion, then the sums."""
        cell = LSTM(x.shape[-1], h.shape[-1])
        slopes = cell.slopes({}, parts(gates, order) | {"tanh_c": np.tanh(c[1:])}, {"c": c[:-1]})
        d = {"h": np.zeros_like(h[0]), "c": np.zeros_like(h[0])}
        delta = np.zeros_like(gates)
        for t in reversed(range(len(x))):
            da, along = cell.back({}, {k: rows[t] for k, rows in slopes.items()}, {"h": d["h"] + dh[t], "c": d["c"]})
            delta[t] = np.concatenate([da[k] for k in order], axis=-1)
            d = {"h": delta[t] @ upright(W_h), "c": along["c"]}
        return (
            upright(np.einsum("tbk,tbi->ki", delta, x)),
            upright(np.einsum("tbk,tbh->kh", delta, h[:-1])),
            delta.sum(axis=(0, 1)),
        )

    def one_by_one(dh, gates, h, c, x, W_h):
        """Sequence by sequence and gate by gate, as the chapter has it."""
        (T, B, H), W = dh.shape, dict(zip(order, np.split(upright(W_h), 4), strict=True))
        found = {k: [np.zeros((H, x.shape[-1])), np.zeros((H, H)), np.zeros(H)] for k in order}
        for n in range(B):
            s = {k: rows[:, n] for k, rows in parts(gates, order).items()}
            delta = {k: np.zeros((T + 2, H)) for k in order}
            dc = np.zeros((T + 2, H))
            for t in range(T, 0, -1):
                i, f, g, o = (s[k][t - 1] for k in "ifgo")
                at_h = dh[t - 1, n] + sum(W[k].T @ delta[k][t + 1] for k in order)
                dc[t] = at_h * o * (1 - np.tanh(c[t, n]) ** 2) + (s["f"][t] * dc[t + 1] if t < T else 0)
                delta["i"][t] = dc[t] * g * i * (1 - i)
                delta["f"][t] = dc[t] * c[t - 1, n] * f * (1 - f)
                delta["g"][t] = dc[t] * i * (1 - g**2)
                delta["o"][t] = at_h * np.tanh(c[t, n]) * o * (1 - o)
                for k in order:
                    found[k][0] += np.outer(delta[k][t], x[t - 1, n])
                    found[k][1] += np.outer(delta[k][t], h[t - 1, n])
                    found[k][2] += delta[k][t]
        dW_x, dW_h, db = (np.concatenate([found[k][part] for k in order]) for part in range(3))
        return upright(dW_x), upright(dW_h), db

    def mean(dh, gates, h, c, x, W_h):
        return tuple(part / x.shape[1] for part in answer(dh, gates, h, c, x, W_h))

    def in_order(other):
        def wrong(dh, gates, h, c, x, W_h):
            found = []
            for array, axis in zip(answer(dh, gates, h, c, x, W_h), (0, 0, 0) if rows else (1, 1, 0), strict=True):
                by_gate = dict(zip(order, np.split(array, 4, axis=axis), strict=True))
                found.append(np.concatenate([by_gate[k] for k in other], axis=axis))
            return tuple(found)

        return wrong

    def case(s):
        w, kept = _walk(rng, s)
        return {
            "dh": normal(rng, s.T, s.B, s.H),
            "gates": np.concatenate([kept[k] for k in order], axis=-1),
            "h": kept["h"],
            "c": kept["c"],
            "x": kept["x"],
            "W_h": upright(stacked(w, order)[1]).copy(),
        }

    return Key(
        answer=answer,
        also_right=(by_slopes, one_by_one),
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
            "for_h": "da.T @ h[t - 1]" if rows else "h[t - 1].T @ da",
            "W_back": "W_h" if rows else "W_h.T",
        },
        cases=each_size(case),
        hints=(
            "Walk from the last step to the first, and carry two arrays: what comes to h_t from the gates of the next "
            "step, and what comes to c_t along the cell.",
            "At each step: complete dh_t, then dc_t, then the four δ, then what is handed on.",
            "Put the four δ side by side in the order of the gates. One product gives what h_{t-1} gets from all four, "
            "one the share of dW_x and one that of dW_h.",
            "The gradient of a weight is a sum over steps and over sequences; a product of two matrices does the sum "
            "over sequences.",
        ),
        misconceptions=(
            Misconception(
                "nothing comes back from the gates of the next step",
                "h_t is read by four gates of step t + 1. What do they send back?",
                twisted("no_gates"),
            ),
            Misconception(
                "nothing comes back along the cell",
                "c_t is used by c_{t+1}. Which term of dc_t is that?",
                twisted("no_cell"),
            ),
            Misconception(
                "only the last step has a loss",
                "dh has a row for every step. Is the row of each step added when the walk gets there?",
                twisted("last_loss"),
            ),
            Misconception(
                "the forget gate of the wrong step",
                "From c_{t+1} to c_t the gradient passes the gate that multiplied c_t. Of which step is that gate?",
                twisted("own_forget"),
            ),
            Misconception(
                "the new state for the old one",
                "Which state did the gates of step t read? That is what the recurrent weights multiplied.",
                twisted("new_state"),
            ),
            Misconception(
                "the new cell for the old one",
                "What did the forget gate of step t multiply: row t of c, or the row before?",
                twisted("new_cell"),
            ),
            Misconception(
                "each step overwrites the gradient of the one before",
                "One weight acts at all steps. What happens to the gradients of the single steps?",
                twisted("no_sum"),
            ),
            Misconception(
                "a mean over the sequences",
                "The loss is a sum over sequences; nothing divides it by their number.",
                mean,
            ),
            Misconception(
                "the recurrent weights are not transposed on the way back",
                "Forwards W_hk multiplies a column from the left. What does the gradient of that column get?",
                twisted("not_transposed"),
            ),
            Misconception(
                "the output gate gets its gradient from the cell",
                "Which of dh_t and dc_t belongs to the equation in which o_t stands?",
                twisted("o_from_cell"),
            ),
            Misconception(
                "the slope of tanh between cell and state is missing",
                "The state shows tanh(c_t). What is the slope of tanh, written with tanh(c_t)?",
                twisted("no_slope"),
            ),
            Misconception(
                "the cell of the step before between cell and state",
                "h_t shows c_t, and c has c_0 in row 0: which row is c_t?",
                twisted("old_tanh"),
            ),
            Misconception(
                "the output gate is missing on the way from the state to the cell",
                "With what is tanh(c_t) multiplied, before it is the state?",
                twisted("no_output"),
            ),
            Misconception(
                "the forget gate is missing on the way to the earlier cell",
                "c_{t-1} is multiplied by something before it is part of c_t.",
                twisted("no_forget"),
            ),
            Misconception(
                "the forget gate is multiplied in twice",
                "It is enough to multiply by f where a step hands on, or where the next one receives: once on the way "
                "from one cell to the one before.",
                twisted("twice"),
            ),
            Misconception(
                "the cell gets its share of dh before dh is complete",
                "Part of what arrives at the state passes through to the cell. Of how many parts is dh_t made?",
                twisted("incomplete"),
            ),
            Misconception(
                "what comes back to the state is added up over the steps",
                "h_{t-1} is read by the gates of step t alone. The contributions of which steps are in the array that "
                "you hand on?",
                twisted("piled"),
            ),
            Misconception(
                "the gates' own slopes are missing",
                "δ is the gradient at a *pre-activation*. What lies between a gate's value and its pre-activation?",
                twisted("bare"),
            ),
            *exchanges(order, in_order, joined=True),
        ),
    )


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted in the given pass: one line of it, and what its lack of repair looks like.

    Attributes:
        name: what is wrong.
        line: which of RIGHT is replaced.
        wrong: by what.
        hint: for someone who brought this fault in.
        symptom: for someone to whom it was given, and who has not found it.
    """

    name: str
    line: str
    wrong: str
    hint: str
    symptom: str


@dataclass(frozen=True)
class Broken:
    """What a class gets to repair: the order of the gates, and the fault that is planted."""

    order: str
    fault: Fault


RIGHT = {
    "cell": "dc_t = dc_later + dh_t * o * (1 - tanh_c**2)",
    "delta_f": "da_f = dc_t * c[t - 1] * f * (1 - f)",
    "delta_o": "da_o = dh_t * tanh_c * o * (1 - o)",
    "back": "dh_later = da @ W_h",
}
_FROM_TWO_ON = (
    "With T = 1 all three results are right, and with T = 2 so is the last row of dx. What arrives at step 1 that does "
    "not arrive at the last step?"
)
_FROM_ONE_ON = (
    "With T = 1 dc_0 is right already, and dx and dh_0 are not. Which lines lead to dx and dh_0, and not to dc_0? "
    "Compare each with its equation."
)
LEFT_OUT = Fault(
    "what comes along the cell is left out of the cell's gradient",
    "cell",
    "dc_t = dh_t * o * (1 - tanh_c**2)",
    "c_t is used twice in the forward pass: by the state of its step, and where? dc_t has as many parts.",
    _FROM_TWO_ON,
)
INCOMPLETE = Fault(
    "the cell gets its share of dh before dh is complete",
    "cell",
    "dc_t = dc_later + dh[t - 1] * o * (1 - tanh_c**2)",
    "Part of what arrives at the state passes through to the cell. Of how many parts is dh_t made?",
    _FROM_TWO_ON,
)
FROM_CELL = Fault(
    "the output gate gets its gradient from the cell",
    "delta_o",
    "da_o = dc_t * tanh_c * o * (1 - o)",
    "In which equation of the forward pass does o_t stand, and what does that equation make?",
    _FROM_ONE_ON,
)
PILED_UP = Fault(
    "what comes back to the state is added up over the steps",
    "back",
    "dh_later = dh_later + da @ W_h",
    "Which step's gates have read h_{t-1}? And the contributions of which steps are in the array that is handed on?",
    "With T = 1 all three results are right. With T = 2 only dh_0 is wrong, from T = 3 on the early rows of dx and "
    "dc_0 are too. What is handed from step to step, and what is left in it?",
)
NEW_CELL = Fault(
    "the new cell in the gradient of the forget gate",
    "delta_f",
    "da_f = dc_t * c[t] * f * (1 - f)",
    "With what was f_t multiplied in the forward pass: with the cell before the step, or after it?",
    _FROM_ONE_ON,
)
FAULTS = (LEFT_OUT, INCOMPLETE, FROM_CELL, PILED_UP, NEW_CELL)


@exercise(
    "bug-lstm",
    chapter=CHAPTER,
    name="input_gradients",
    title="Find the bug: a backward pass to the inputs",
    kind="repair",
    ask={
        "version": (
            Broken("ifgo", LEFT_OUT),
            Broken("ofig", INCOMPLETE),
            Broken("ifog", FROM_CELL),
            Broken("figo", PILED_UP),
            Broken("igfo", NEW_CELL),
        )
    },
)
def bug(rng: np.random.Generator, version: Broken) -> Key:
    order = version.order

    def run(dh, s, c, W_x, W_h, fault=None, order=order, keep_forget=True, **twist):
        """The gradients; what is wrong is said by the arguments after W_h."""
        T, B, H = dh.shape
        dx = np.zeros((T, B, W_x.shape[1]))
        dh_later, dc_later = np.zeros((B, H)), np.zeros((B, H))
        for t in range(T, 0, -1):
            i, f, g, o = (s[k][t - 1] for k in "ifgo")
            tanh_c = np.tanh(c[t])
            dh_t = dh[t - 1] + (0 if twist.get("no_gates") else dh_later)
            through = (dh[t - 1] if fault is INCOMPLETE else dh_t) * o * (1 if twist.get("no_slope") else 1 - tanh_c**2)
            arrived = f * dc_later if twist.get("twice") else dc_later
            dc_t = through if fault is LEFT_OUT or twist.get("late") else arrived + through
            da = {
                "i": dc_t * g * i * (1 - i),
                "f": dc_t * c[t if fault is NEW_CELL else t - 1] * f * (1 - f),
                "g": dc_t * i * (1 - g**2),
                "o": (dc_t if fault is FROM_CELL else dh_t) * tanh_c * o * (1 - o),
            }
            delta = np.concatenate([da[k] for k in order], axis=-1)
            dx[t - 1] = delta @ W_x
            dh_later = delta @ W_h + (dh_later if fault is PILED_UP else 0)
            dc_later = (f if keep_forget else 1) * (dc_t + dc_later if twist.get("late") else dc_t)
        return dx, dh_later, dc_later

    def answer(dh, s, c, W_x, W_h):
        return run(dh, s, c, W_x, W_h)

    def by_slopes(dh, s, c, W_x, W_h):
        """In two halves, as the package has it: slopes of all steps at once, then the recursion."""
        cell = LSTM(W_x.shape[1], W_h.shape[1])
        slopes = cell.slopes({}, {**s, "tanh_c": np.tanh(c[1:])}, {"c": c[:-1]})
        d = {"h": np.zeros_like(c[0]), "c": np.zeros_like(c[0])}
        delta = []
        for t in reversed(range(len(dh))):
            da, along = cell.back({}, {k: rows[t] for k, rows in slopes.items()}, {"h": d["h"] + dh[t], "c": d["c"]})
            delta.append(np.concatenate([da[k] for k in order], axis=-1))
            d = {"h": delta[-1] @ W_h, "c": along["c"]}
        return np.stack(delta[::-1]) @ W_x, d["h"], d["c"]

    def gate_by_gate(dh, s, c, W_x, W_h):
        """Sequence by sequence, with one product for each gate."""
        T, B, H = dh.shape
        U, W = (dict(zip(order, np.split(whole, 4), strict=True)) for whole in (W_x, W_h))
        dx, dh_0, dc_0 = np.zeros((T, B, W_x.shape[1])), np.zeros((B, H)), np.zeros((B, H))
        for n in range(B):
            at_h, at_c = np.zeros(H), np.zeros(H)
            for t in range(T, 0, -1):
                i, f, g, o = (s[k][t - 1, n] for k in "ifgo")
                at_h = at_h + dh[t - 1, n]
                at_c = at_c + at_h * o / np.cosh(c[t, n]) ** 2
                delta = {
                    "i": at_c * g * i * (1 - i),
                    "f": at_c * c[t - 1, n] * f * (1 - f),
                    "g": at_c * i * (1 - g**2),
                    "o": at_h * np.tanh(c[t, n]) * o * (1 - o),
                }
                dx[t - 1, n] = sum(U[k].T @ delta[k] for k in order)
                at_h, at_c = sum(W[k].T @ delta[k] for k in order), f * at_c
            dh_0[n], dc_0[n] = at_h, at_c
        return dx, dh_0, dc_0

    def case(s):
        w, kept = _walk(rng, s)
        W_x, W_h, _ = stacked(w, order)
        return {
            "dh": normal(rng, s.T, s.B, s.H),
            "s": {k: kept[k] for k in "ifgo"},
            "c": kept["c"],
            "W_x": W_x,
            "W_h": W_h,
        }

    def of_fault(fault):
        return lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, fault)

    given = RIGHT | {version.fault.line: version.fault.wrong}
    return Key(
        answer=answer,
        also_right=(by_slopes, gate_by_gate),
        returns=("dx", "dh_0", "dc_0"),
        axes={"dx": "T B I", "dh_0": "B H", "dc_0": "B H"},
        words={
            "order": listed(order),
            "deltas": listed(order, "da_"),
            **{f"given_{line}": code for line, code in given.items()},
            "fault": version.fault.name,
            "given": version.fault.wrong,
            "mended": RIGHT[version.fault.line],
        },
        cases=each_size(case),
        hints=(
            "Where is each result wrong first? Look at the case T = 1, and then at the last row of dx in longer ones: "
            "it has nothing from the future in it.",
            "Write the equations of the backward pass beside the code, and tick off term by term.",
            "One line is at fault. "
            + {
                "cell": "It is the one that forms dc_t.",
                "delta_f": "It is one of the four δ.",
                "delta_o": "It is one of the four δ.",
                "back": "It is one of the last three of the loop.",
            }[version.fault.line],
        ),
        misconceptions=(
            *(
                Misconception("the fault is still there", fault.symptom, of_fault(fault))
                if fault is version.fault
                else Misconception(fault.name, fault.hint, of_fault(fault))
                for fault in FAULTS
            ),
            Misconception(
                "the forget gate is multiplied in twice",
                "What comes along the cell has its forget gate already, from the last line of the loop. That line was "
                "right as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, twice=True),
            ),
            Misconception(
                "nothing comes back from the gates of the next step",
                "h_t is read by the gates of step t + 1. Where is what they send back added?",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, no_gates=True),
            ),
            Misconception(
                "the slope of tanh between cell and state is missing",
                "The state shows tanh(c_t). The slope of tanh was there in the code as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, no_slope=True),
            ),
            *(
                (
                    Misconception(
                        "added where it is handed on, and not where it is needed",
                        "dc_0 gets what comes along the cell, but the four δ of each step are formed without it. In "
                        "which line should it be added, so that they have it?",
                        lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, late=True),
                    ),
                )
                if version.fault is LEFT_OUT
                else ()
            ),
            Misconception(
                "the forget gate is missing on the way to the earlier cell",
                "The earlier cell is multiplied by something before it is part of the later one.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, keep_forget=False),
            ),
            Misconception(
                "candidate and output gate exchanged where the four δ are joined",
                f"The rows of both matrices belong to the gates in the order {listed(order)}; that was right as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, order=exchanged(order, "g", "o")),
            ),
        ),
    )
