"""The whole backward pass."""

from __future__ import annotations

import numpy as np

from companion.exercises.catalogue.lstm_backwards.forward_pass import forward_pass
from companion.exercises.gates import (
    listed,
    parts,
    stacked,
)
from companion.exercises.gates import (
    old_exchanges as exchanges,
)
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.cells import LSTM


@exercise(
    "lstm-backward",
    chapter="lstm-backwards",
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

    def twisted(name):
        return lambda dh, gates, h, c, x, W_h: run(dh, gates, h, c, x, W_h, **{name: True})

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
        w, kept = forward_pass(rng, s)
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
