"""One step, from stacked weights."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.gates import each_step_size, exchanges, listed, parts, stacked, weights
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception, exercise
from companion.gates.cells import LSTM


@exercise(
    "lstm-step",
    chapter="long-short-term-memory",
    name="lstm_step",
    title="One step, from stacked weights",
    kind="implement",
    ask={"order": ("ifgo", "ifog", "igfo", "figo", "ofgi"), "first": ("x", "h")},
)
def step(rng: np.random.Generator, order: str, first: str) -> Key:
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

    second = "h" if first == "x" else "x"

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
