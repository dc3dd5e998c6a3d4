"""How many weights an LSTM has, one step of it, and the states of all steps."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation, written
from companion.exercises.gates import each_step_size, exchanges, listed, stacked, weights
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise
from companion.gates.cells import LSTM

TWENTY = Size("twenty steps", T=20, B=2, I=2, H=2, O=1)


def _draw_sizes(rng: np.random.Generator) -> tuple[int, int, int]:
    """Inputs, units and outputs, so that no mistake gives the number of another, or of two others together."""
    inputs = int(rng.integers(6, 14))
    return inputs, inputs + int(rng.integers(8, 14)), int(rng.choice([9, 10, 11]))


@exercise("lstm-parameters", "n_weights", "How many weights?", "predict", sizes=Drawn((8, 16, 10), _draw_sizes))
def parameters(rng: np.random.Generator, sizes: tuple[int, int, int]) -> Key:
    return Key(words=dict(zip("IHO", map(str, sizes), strict=True)))


@exercise(
    "lstm-step",
    "lstm_step",
    "One step, from stacked weights",
    "implement",
    order=("ifgo", "ifog", "igfo", "figo", "ofgi"),
    first=("x", "h"),
)
def step(rng: np.random.Generator, order: str, first: str) -> Key:
    def by_name(W, b, I):
        """The weights taken apart, by name."""
        W_x, W_h = (W[:, :I], W[:, I:]) if first == "x" else (W[:, -I:], W[:, :-I])
        return {
            f"{name}{k}": part
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b_", b))
            for k, part in zip(order, np.split(whole, 4), strict=True)
        }

    def by_loops(x, h, c, W, b):
        w = by_name(W, b, x.shape[1])
        h_new, c_new = np.empty_like(h), np.empty_like(c)
        for n in range(len(x)):
            a = {k: w[f"W_x{k}"] @ x[n] + w[f"W_h{k}"] @ h[n] + w[f"b_{k}"] for k in "ifgo"}
            c_new[n] = sigmoid(a["f"]) * c[n] + sigmoid(a["i"]) * np.tanh(a["g"])
            h_new[n] = sigmoid(a["o"]) * np.tanh(c_new[n])
        return h_new, c_new

    def by_companion(x, h, c, W, b):
        cell = LSTM(x.shape[1], h.shape[1])
        _, tape = forward(cell, by_name(W, b, x.shape[1]), x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, order), order)
        return {
            "x": normal(rng, s.B, s.I, scale=1.0),
            "h": np.tanh(normal(rng, s.B, s.H)),
            "c": normal(rng, s.B, s.H, scale=1.0),
            "W": np.concatenate([W_x, W_h] if first == "x" else [W_h, W_x], axis=1),
            "b": b,
        }

    second = "h" if first == "x" else "x"
    above, below = ("x_t", "h_{t-1}") if first == "x" else ("h_{t-1}", "x_t")
    return Key(
        cases=each_step_size(case),
        also_right=(by_loops, by_companion),
        misconceptions=exchanges(order),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "order": listed(order),
            "gates": listed(order, "a_"),
            **{f"k{n}": k for n, k in enumerate(order)},
            "second": second,
            "above": above,
            "below": below,
            "columns": "I" if first == "x" else "H",
        },
    )


@exercise(
    "lstm-sequence",
    "lstm_states",
    "The states of all steps",
    "implement",
    f=(TANH, SOFTSIGN, ARCTAN),
    layout=("time first", "batch first"),
)
def sequence(rng: np.random.Generator, f: Activation, layout: str) -> Key:
    time = 0 if layout == "time first" else 1

    def from_stacked(w, x, h_0, c_0):
        W_x, W_h, b = stacked(w, "ifog")
        x = np.moveaxis(x, time, 0)
        T, (B, H) = len(x), h_0.shape
        h, c = np.empty((T + 1, B, H)), np.empty((T + 1, B, H))
        h[0], c[0] = h_0, c_0
        projected = x @ W_x.T + b  # of all steps at once
        for t in range(1, T + 1):
            a = projected[t - 1] + h[t - 1] @ W_h.T
            i, keep, o = np.split(sigmoid(a[:, : 3 * H]), 3, axis=1)
            c[t] = keep * c[t - 1] + i * f.apply(a[:, 3 * H :])
            h[t] = o * f.apply(c[t])
        return np.moveaxis(h, 0, time), np.moveaxis(c, 0, time)

    def one_by_one(w, x, h_0, c_0):
        """Sequence by sequence, with column vectors as on paper."""
        both = []
        for n in range(len(h_0)):
            rows, h, c = [(h_0[n], c_0[n])], h_0[n], c_0[n]
            for x_t in x[:, n] if time == 0 else x[n]:
                a = {k: w[f"W_x{k}"] @ x_t + w[f"W_h{k}"] @ h + w[f"b_{k}"] for k in "ifgo"}
                c = sigmoid(a["f"]) * c + sigmoid(a["i"]) * f.apply(a["g"])
                h = sigmoid(a["o"]) * f.apply(c)
                rows.append((h, c))
            both.append(rows)
        h, c = np.moveaxis(np.array(both), 2, 0)  # (B, T + 1, H) each
        return np.moveaxis(h, 1, time), np.moveaxis(c, 1, time)

    shape = "T, B" if time == 0 else "B, T"

    def case(s):
        return {
            "w": weights(rng, s.I, s.H, "ifgo"),
            "x": normal(rng, *((s.T, s.B) if time == 0 else (s.B, s.T)), s.I, scale=1.0),
            "h_0": np.tanh(normal(rng, s.B, s.H)),
            "c_0": normal(rng, s.B, s.H, scale=1.0),
        }

    return Key(
        cases=(*each_size(case), Case("twenty steps", case(TWENTY))),
        also_right=(from_stacked, one_by_one),
        returns=("h", "c"),
        axes=dict.fromkeys("hc", "T+1 B H" if time == 0 else "B T+1 H"),
        words={
            "f_is": {
                TANH: "",
                SOFTSIGN: r"Here $\operatorname{softsign}(a) = a / (1 + |a|)$ stands where the page has tanh. ",
                ARCTAN: "Here `np.arctan` stands where the page has tanh. ",
            }[f],
            "f_g": written(f.code, "a", 'a["g"]'),
            "f_c": written(f.code, "a", "c[-1]"),
            "f_old": written(f.code, "a", "old"),
            "layout": "time as their first axis, as always in the course"
            if time == 0
            else "the batch as their first axis and time as their second, as some libraries want it",
            "shape": shape,
            "rows": shape.replace("T", "T + 1"),
            "x_t": "x[t - 1]" if time == 0 else "x[:, t - 1]",
            "steps": "len(x)" if time == 0 else "x.shape[1]",
            "axis": str(time),
        },
    )
