"""Exercises on the LSTM forwards: its weights counted, one step from stacked weights, and a whole sequence."""

from __future__ import annotations

import numpy as np

from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation
from companion.exercises.gates import each_step_size, exchanges, listed, parts, stacked, weights, written
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Drawn, Key, Misconception, exercise
from companion.functions import sigmoid
from companion.gated import LSTM
from companion.recurrent import forward

CHAPTER = "long-short-term-memory"
STEPS = 40  # of the sequences whose length must not matter


def _draw_sizes(rng: np.random.Generator) -> tuple[int, int, int]:
    """Inputs, units and outputs, all different. With four outputs two of the mistakes would agree."""
    inputs = int(rng.integers(6, 16))
    return inputs, inputs + int(rng.integers(3, 12)), int(rng.choice([2, 3, 5]))


@exercise(
    "lstm-parameters",
    chapter=CHAPTER,
    name="n_weights",
    title="How many weights?",
    kind="predict",
    ask={"sizes": Drawn((5, 8, 3), _draw_sizes)},
)
def parameters(rng: np.random.Generator, sizes: tuple[int, int, int]) -> Key:
    I, H, O = sizes
    gate, readout = H * I + H * H + H, O * H + O
    right = 4 * gate + readout
    return Key(
        answer=right,
        also_right=(float(right), np.array(right)),
        words={"I": str(I), "H": str(H), "O": str(O), "T": str(STEPS)},
        hints=(
            "Write down the names of all weights of the network, with their shapes, and add up.",
            "How many of W_x·, W_h· and b_· are there? The candidate has its own, as each gate has.",
            "The output layer has a matrix of H columns and a bias of one number an output.",
        ),
        misconceptions=(
            Misconception(
                "the candidate is not counted",
                "Three gates are switches, but a fourth vector is computed from the input and the last state too.",
                3 * gate + readout,
            ),
            Misconception(
                "the gates' biases are not counted",
                "Look at the end of each line of the gates' equations: something is added that no input multiplies.",
                4 * (gate - H) + readout,
            ),
            Misconception(
                "the weights of the last state are not counted",
                "A gate reads two vectors, the input and the last state, each through a matrix of its own.",
                4 * (gate - H * H) + readout,
            ),
            Misconception(
                "one recurrent weight a unit",
                "Each unit of a gate reads the states of all units, not its own alone.",
                4 * (H * I + H + H) + readout,
            ),
            Misconception(
                "the output layer is not counted",
                "The network does not end with h_t. Which weights lead from there to y_t?",
                4 * gate,
            ),
            Misconception(
                "the output layer's bias is not counted",
                "What is added to the product in the last equation?",
                right - O,
            ),
            *(
                ()
                if O == 2  # with two outputs, the same number as for the next mistake
                else (
                    Misconception(
                        "the initial states are counted",
                        "Here h_0 and c_0 are zero and stay so: training does not adjust them.",
                        right + 2 * H,
                    ),
                )
            ),
            Misconception(
                "the output layer reads the cell as well",
                "What does the output layer multiply? The cell is not shown to it.",
                4 * gate + O * 2 * H + O,
            ),
            Misconception(
                "two biases a gate",
                "One library keeps two biases, one beside each product. The page's equations have one a gate.",
                4 * gate + 4 * H + readout,
            ),
            Misconception(
                "counted once for each step",
                "All steps use the same weights. Does the number of steps matter?",
                STEPS * right,
            ),
        ),
    )


@exercise(
    "lstm-step",
    chapter=CHAPTER,
    name="lstm_step",
    title="One step, from stacked weights",
    kind="implement",
    ask={"order": ("ifgo", "ifog", "igfo", "figo", "ofgi"), "first": ("x", "h")},
)
def step(rng: np.random.Generator, order: str, first: str) -> Key:
    second = "h" if first == "x" else "x"

    def values(x, h, W, b, order=order, first=first):
        a = np.concatenate([x, h] if first == "x" else [h, x], axis=-1) @ W.T + b
        return parts(a, order)

    def new(a, c):
        c_new = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["g"])
        return sigmoid(a["o"]) * np.tanh(c_new), c_new

    def answer(x, h, c, W, b):
        return new(values(x, h, W, b), c)

    def by_name(W, b, I):
        """The weights taken apart, by name."""
        x_columns, h_columns = (W[:, :I], W[:, I:]) if first == "x" else (W[:, -I:], W[:, :-I])
        return {
            f"{name}{k}": part
            for name, whole in (("W_x", x_columns), ("W_h", h_columns), ("b_", b))
            for k, part in zip(order, np.split(whole, 4), strict=True)
        }

    def by_loops(x, h, c, W, b):
        w = by_name(W, b, x.shape[1])
        h_new, c_new = np.empty_like(h), np.empty_like(c)
        for n in range(len(x)):
            a = {k: w[f"W_x{k}"] @ x[n] + w[f"W_h{k}"] @ h[n] + w[f"b_{k}"] for k in "ifgo"}
            h_new[n], c_new[n] = new(a, c[n])
        return h_new, c_new

    def by_companion(x, h, c, W, b):
        cell = LSTM(x.shape[1], h.shape[1])
        _, tape = forward(cell, by_name(W, b, x.shape[1]), x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    def changed(change):
        """The step with something else in the place of its equations: change(i, f, g, o, c)."""

        def wrong(x, h, c, W, b):
            a = values(x, h, W, b)
            return change(sigmoid(a["i"]), sigmoid(a["f"]), np.tanh(a["g"]), sigmoid(a["o"]), c)

        return wrong

    def with_candidate(function):
        """The step with another function of the candidate's pre-activation."""

        def wrong(x, h, c, W, b):
            a = values(x, h, W, b)
            return shown(sigmoid(a["o"]), sigmoid(a["f"]) * c + sigmoid(a["i"]) * function(a["g"]))

        return wrong

    def tanh_gates(x, h, c, W, b):
        a = {k: np.tanh(part) for k, part in values(x, h, W, b).items()}
        return shown(a["o"], a["f"] * c + a["i"] * a["g"])

    def in_turns(x, h, c, W, b):
        """Unit by unit, the four parts in turns."""
        a = np.concatenate([x, h] if first == "x" else [h, x], axis=-1) @ W.T + b
        return new({k: a[:, n::4] for n, k in enumerate(order)}, c)

    def shown(o, c):
        return o * np.tanh(c), c

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, order), order)
        return {
            "x": normal(rng, s.B, s.I, scale=1.0),
            "h": np.tanh(normal(rng, s.B, s.H)),
            "c": normal(rng, s.B, s.H, scale=1.0),
            "W": np.concatenate([W_x, W_h] if first == "x" else [W_h, W_x], axis=1),
            "b": b,
        }

    return Key(
        answer=answer,
        also_right=(by_loops, by_companion),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "order": listed(order),
            "gates": listed(order, "a_"),
            **{f"k{n}": k for n, k in enumerate(order)},
            "first": first,
            "second": second,
            "above": f"{first}_{'t' if first == 'x' else '{t-1}'}",
            "below": f"{second}_{'t' if second == 'x' else '{t-1}'}",
            "columns": "I" if first == "x" else "H",
        },
        cases=each_step_size(case),
        hints=(
            "Get all pre-activations with one product and cut the result into four parts of H columns. Then use the "
            "three equations of the page.",
            f"The parts come in the order {listed(order)}. Three of them go through σ and one through tanh.",
            "The new cell first: the old one times the forget gate, and the candidate times the input gate. The state "
            "shows the new cell.",
        ),
        misconceptions=(
            *exchanges(order, lambda cut: lambda x, h, c, W, b: new(values(x, h, W, b, cut), c)),
            Misconception(
                "input and state stacked the other way round",
                f"Of the columns of W the first belong to {first}, the last to {second}.",
                lambda x, h, c, W, b: new(values(x, h, W, b, first=second), c),
            ),
            Misconception(
                "the candidate goes through σ",
                "Something that could be written may be negative. Which function does the candidate have on the page?",
                with_candidate(sigmoid),
            ),
            Misconception(
                "σ for all four, and tanh after it",
                "Your candidate goes through two functions, and is never negative. σ belongs to the three gates alone.",
                with_candidate(lambda a: np.tanh(sigmoid(a))),
            ),
            Misconception(
                "the candidate has no function",
                "Three of the four parts go through σ. What happens to the fourth, before it is written?",
                with_candidate(lambda a: a),
            ),
            Misconception(
                "no forget gate",
                "The old cell comes in whole. By what is it multiplied in the equation of the cell?",
                changed(lambda i, f, g, o, c: shown(o, c + i * g)),
            ),
            Misconception(
                "the old cell is left out",
                "The new cell is a sum of two terms. What is left of the old one?",
                changed(lambda i, f, g, o, c: shown(o, i * g)),
            ),
            Misconception(
                "the gates go through tanh",
                "A gate lies between 0 and 1, and lets nothing through or all. Which function does that?",
                tanh_gates,
            ),
            Misconception(
                "σ with the wrong sign",
                "Your gates shut where they should open. What is the sign in the exponent of σ(a)?",
                changed(lambda i, f, g, o, c: shown(1 - o, (1 - f) * c + (1 - i) * g)),
            ),
            Misconception(
                "the biases are left out",
                "What is added to the product with W?",
                lambda x, h, c, W, b: answer(x, h, c, W, np.zeros_like(b)),
            ),
            Misconception(
                "the last state is left out",
                "A gate reads two vectors. Which columns of W have you not used?",
                lambda x, h, c, W, b: answer(x, np.zeros_like(h), c, W, b),
            ),
            Misconception(
                "a forget gate that forgets when it is 1",
                "Look at what f_t multiplies in the equation of the cell. What happens with f_t = 1?",
                changed(lambda i, f, g, o, c: shown(o, (1 - f) * c + i * g)),
            ),
            Misconception(
                "the candidate is written whole",
                "What decides how much of the candidate is let in?",
                changed(lambda i, f, g, o, c: shown(o, f * c + g)),
            ),
            Misconception(
                "the cell is shown through σ",
                "σ belongs to the gates. Which function squashes the cell, so that a state can be negative?",
                changed(lambda i, f, g, o, c: (o * sigmoid(f * c + i * g), f * c + i * g)),
            ),
            Misconception(
                "every fourth column",
                "You take the columns in turns. The H columns of one gate stand side by side.",
                in_turns,
            ),
            Misconception(
                "the state shows the old cell",
                "Which cell stands in the last equation, that of this step or that of the step before?",
                changed(lambda i, f, g, o, c: (o * np.tanh(c), f * c + i * g)),
            ),
            Misconception(
                "the cell is shown without tanh",
                "The cell has no bound and the state has: each entry lies between −1 and 1. What makes it so?",
                changed(lambda i, f, g, o, c: (o * (f * c + i * g), f * c + i * g)),
            ),
            Misconception(
                "cell and state mixed up",
                "The state comes first, the cell second. What stands in each place?",
                lambda x, h, c, W, b: answer(x, h, c, W, b)[::-1],
            ),
        ),
    )


@exercise(
    "lstm-sequence",
    chapter=CHAPTER,
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
