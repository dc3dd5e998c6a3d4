"""The states of all steps."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation
from companion.exercises.gates import stacked, weights, written
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception, exercise


@exercise(
    "lstm-sequence",
    chapter="long-short-term-memory",
    name="lstm_states",
    title="The states of all steps",
    kind="implement",
    ask={"f": (TANH, SOFTSIGN, ARCTAN), "layout": ("time first", "batch first")},
)
def sequence(rng: np.random.Generator, f: Activation, layout: str) -> Key:
    time = 0 if layout == "time first" else 1

    def run(
        w,
        x,
        h_0,
        c_0,
        carry_h=True,
        carry_c=True,
        read=lambda h, c: h,
        show=lambda old, new: new,
        write=f.apply,
        squash=f.apply,
        missing="",
    ):
        """h and c with T + 1 rows; what is wrong is said by the last seven arguments."""
        h, c = [h_0], [c_0]
        for x_t in np.moveaxis(x, time, 0):
            seen, old = read(h[-1] if carry_h else h_0, c[-1]), c[-1] if carry_c else c_0
            a = {k: x_t @ w[f"W_x{k}"].T + seen @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}
            s = {k: 1.0 if k == missing else sigmoid(a[k]) for k in "if"}
            c.append(s["f"] * old + s["i"] * write(a["g"]))
            h.append(sigmoid(a["o"]) * squash(show(old, c[-1])))
        return np.stack(h, axis=time), np.stack(c, axis=time)

    def answer(w, x, h_0, c_0):
        return run(w, x, h_0, c_0)

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

    def without_first(w, x, h_0, c_0):
        h, c = run(w, x, h_0, c_0)
        return np.delete(h, 0, axis=time), np.delete(c, 0, axis=time)

    shape = "T, B" if time == 0 else "B, T"
    return Key(
        answer=answer,
        also_right=(from_stacked, one_by_one),
        returns=("h", "c"),
        axes=dict.fromkeys("hc", "T+1 B H" if time == 0 else "B T+1 H"),
        words={
            "f": f.formula,
            "f_is": {
                TANH: "",
                SOFTSIGN: r"Here $\operatorname{softsign}(a) = a / (1 + |a|)$ stands where the page has tanh. ",
                ARCTAN: "Here `np.arctan` stands where the page has tanh. ",
            }[f],
            "f_g": written(f.code, "a", 'a["g"]'),
            "f_c": written(f.code, "a", "c[-1]"),
            "layout": "time as their first axis, as always in the course"
            if time == 0
            else "the batch as their first axis and time as their second, as some libraries want it",
            "shape": shape,
            "rows": shape.replace("T", "T + 1"),
            "x_t": "x[t - 1]" if time == 0 else "x[:, t - 1]",
            "steps": "len(x)" if time == 0 else "x.shape[1]",
            "axis": str(time),
        },
        cases=each_size(
            lambda s: {
                "w": weights(rng, s.I, s.H, "ifgo"),
                "x": normal(rng, *((s.T, s.B) if time == 0 else (s.B, s.T)), s.I, scale=1.0),
                "h_0": np.tanh(normal(rng, s.B, s.H)),
                "c_0": normal(rng, s.B, s.H, scale=1.0),
            }
        ),
        hints=(
            "Two vectors are carried from step to step. Keep a list of each, and begin the lists with what is given.",
            "Each step reads its input, the last entry of the list of states and the last entry of the list of cells.",
            "At the end the lists have T + 1 entries each. Along which axis are they to be stacked?",
        ),
        misconceptions=(
            Misconception(
                "the rows of h_0 and c_0 are missing",
                "What is returned has a row for time 0 as well, before the first input.",
                without_first,
            ),
            Misconception(
                "starts from zero",
                "The states before the first step are given. What are they for?",
                lambda w, x, h_0, c_0: run(w, x, np.zeros_like(h_0), np.zeros_like(c_0)),
            ),
            Misconception(
                "the cell is not carried on",
                "From the second step on the old cell is that of the step before, no longer c_0.",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, carry_c=False),
            ),
            Misconception(
                "the state is not carried on",
                "From the second step on the gates read the state of the step before, no longer h_0.",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, carry_h=False),
            ),
            Misconception(
                "the gates read the cell",
                "Which of the two vectors does W_h· multiply? The gates see what was shown, not what is remembered.",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, read=lambda h, c: c),
            ),
            Misconception(
                "the state shows the old cell",
                "h_t shows the cell of the same step. What is computed first?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, show=lambda old, new: old),
            ),
            Misconception(
                "the candidate goes through σ",
                "Something that could be written may be negative. Which function does the candidate have?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, write=sigmoid),
            ),
            Misconception(
                "the candidate is written whole",
                "What decides how much of the candidate is let in?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, missing="i"),
            ),
            Misconception(
                "no forget gate",
                "The old cell comes in whole. By what is it multiplied in the equation of the cell?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, missing="f"),
            ),
            Misconception(
                "the cell is shown as it is",
                "Between the cell and the output gate lies a function. Which one?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0, squash=lambda c: c),
            ),
            *(
                ()
                if f is TANH
                else (
                    Misconception(
                        "tanh at both places, as in the chapter",
                        f"In this network both places have another function: {f.name}.",
                        lambda w, x, h_0, c_0: run(w, x, h_0, c_0, write=np.tanh, squash=np.tanh),
                    ),
                    Misconception(
                        "tanh for the candidate",
                        f"The candidate has another function here: {f.name}.",
                        lambda w, x, h_0, c_0: run(w, x, h_0, c_0, write=np.tanh),
                    ),
                    Misconception(
                        "tanh of the cell",
                        f"What the output gate multiplies is another function of the cell here: {f.name}.",
                        lambda w, x, h_0, c_0: run(w, x, h_0, c_0, squash=np.tanh),
                    ),
                )
            ),
            Misconception(
                "the recurrent weights transposed",
                "On paper W_hk multiplies a column; here each sequence is a row. Its rows belong to the unit that is "
                "computed.",
                lambda w, x, h_0, c_0: run({k: v.T if k[:3] == "W_h" else v for k, v in w.items()}, x, h_0, c_0),
            ),
            Misconception(
                "the biases are left out",
                "Each pre-activation has three terms. Which one is not there?",
                lambda w, x, h_0, c_0: run({k: v * (k[:2] != "b_") for k, v in w.items()}, x, h_0, c_0),
            ),
            Misconception(
                "the inputs one step late, the last one first",
                "Which input does the first step read? The index −1 is no error in Python: it is the end of the array.",
                lambda w, x, h_0, c_0: run(w, np.roll(x, 1, axis=time), h_0, c_0),
            ),
            Misconception(
                "cells and states mixed up",
                "The states come first, the cells second. What stands in each place?",
                lambda w, x, h_0, c_0: run(w, x, h_0, c_0)[::-1],
            ),
        ),
    )
