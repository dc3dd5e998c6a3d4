"""A step without one of the gates."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.gates import each_step_size, weights
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.cells import LSTM


@exercise(
    "ablate-gate",
    chapter="what-each-gate-does",
    name="ablated_step",
    title="A step without one of the gates",
    kind="implement",
    ask={"without": ("f", "i", "o"), "value": (1.0, 0.9, 0.8)},
)
def ablate(rng: np.random.Generator, without: str, value: float) -> Key:
    def sums(x, h, w):
        return {k: x @ w[f"W_x{k}"].T + h @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}

    def step(x, h, c, w, held=without, at=value, squash=np.tanh, show=lambda old, new: np.tanh(new)):
        """The step with a gate held at a value; what is wrong is said by the last four arguments."""
        a = sums(x, h, w)
        i, f, o = (np.full_like(c, at) if k == held else sigmoid(a[k]) for k in "ifo")
        c_new = f * c + i * squash(a["g"])
        return o * show(c, c_new), c_new

    def answer(x, h, c, w):
        return step(x, h, c, w)

    def as_lstm(x, h, c, w):
        """The whole LSTM, its gate held by a bias: no weights, and the pre-activation that gives the value."""
        shut = {name: np.zeros_like(w[name]) for name in (f"W_x{without}", f"W_h{without}")}
        bias = 40.0 if value == 1 else float(np.log(value / (1 - value)))
        w = {**w, **shut, f"b_{without}": np.full_like(w[f"b_{without}"], bias)}
        _, tape = forward(LSTM(x.shape[1], h.shape[1]), w, x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    def by_loops(x, h, c, w):
        h_new, c_new = np.empty_like(h), np.empty_like(c)
        for n in range(len(h)):
            for u in range(h.shape[1]):
                a = {
                    k: w[f"W_x{k}"][u] @ x[n] + w[f"W_h{k}"][u] @ h[n] + w[f"b_{k}"][u] for k in "ifgo" if k != without
                }
                s = {k: np.tanh(a[k]) if k == "g" else sigmoid(a[k]) for k in a} | {without: value}
                c_new[n, u] = s["f"] * c[n, u] + s["i"] * s["g"]
                h_new[n, u] = s["o"] * np.tanh(c_new[n, u])
        return h_new, c_new

    names = {"i": "input gate", "f": "forget gate", "o": "output gate"}

    def beside(x, h, c, w):
        s = {k: sigmoid(a) * (value if k == without else 1) for k, a in sums(x, h, w).items() if k != "g"}
        c_new = s["f"] * c + s["i"] * np.tanh(sums(x, h, w)["g"])
        return s["o"] * np.tanh(c_new), c_new

    shown = f"{value:g}"
    code = {k: shown if k == without else f'sigmoid(a["{k}"])' for k in "ifo"}
    return Key(
        answer=answer,
        also_right=(as_lstm, by_loops),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "gate": names[without],
            "k": without,
            "value": shown,
            "rest": "".join(k for k in "ifgo" if k != without),
            **{f"code_{k}": code[k] for k in "ifo"},
            "means": {
                "f": "keeps the same share of its content at every step, whatever is read",
                "i": "lets the same share of every candidate in, whatever is read",
                "o": "is shown to the same share at every step, whatever is read",
            }[without],
        },
        cases=each_step_size(
            lambda s: {
                "x": normal(rng, s.B, s.I, scale=1.0),
                "h": np.tanh(normal(rng, s.B, s.H)),
                "c": normal(rng, s.B, s.H, scale=1.0),
                "w": weights(rng, s.I, s.H, "ifgo"),
            }
        ),
        hints=(
            "Write the LSTM's step as always. Which one line is another?",
            f"The gate's value is {shown} in all units and all sequences. Its pre-activation is not needed at all.",
        ),
        misconceptions=(
            Misconception(
                "no gate is removed",
                f"These are the whole LSTM's numbers. What is the {names[without]} here?",
                lambda x, h, c, w: step(x, h, c, w, held=""),
            ),
            *(
                Misconception(
                    f"the {names[held]} is held in the place of the {names[without]}",
                    "Which of the three letters i, f, o belongs to the gate that is taken away?",
                    lambda x, h, c, w, held=held: step(x, h, c, w, held=held),
                )
                for held in names
                if held != without
            ),
            Misconception(
                "the gate is shut",
                "To take a gate away is to let things pass, not to stop them: which value has it now?",
                lambda x, h, c, w: step(x, h, c, w, at=0.0),
            ),
            Misconception(
                "the pre-activation is held, not the gate",
                "Does your constant go through σ? What is σ of it?",
                lambda x, h, c, w: step(x, h, c, w, at=float(sigmoid(np.array(value)))),
            ),
            Misconception(
                "the gate's weights are zero, and the gate one half",
                "Without weights a gate stands at σ(0). That is another value than the one asked for.",
                lambda x, h, c, w: step(x, h, c, w, at=0.5),
            ),
            *(
                ()
                if value == 1  # with which nothing would change
                else (
                    Misconception(
                        "the gate is still there, and multiplied by the constant",
                        f"The constant stands in the place of the {names[without]}, and not beside it.",
                        beside,
                    ),
                    Misconception(
                        "the gate is fully open",
                        f"Taken out here means held at a constant, which is not 1: all units have the value {shown}.",
                        lambda x, h, c, w: step(x, h, c, w, at=1.0),
                    ),
                )
            ),
            Misconception(
                "the candidate goes through σ",
                "Something that could be written may be negative. Which function does the candidate have?",
                lambda x, h, c, w: step(x, h, c, w, squash=sigmoid),
            ),
            Misconception(
                "the biases are left out",
                "Each pre-activation that is needed has three terms. Which one is not there?",
                lambda x, h, c, w: step(x, h, c, {k: v * (k[:2] != "b_") for k, v in w.items()}),
            ),
            Misconception(
                "the tanh before the cell has gone too",
                "Only a gate is taken away. The candidate is squashed as before.",
                lambda x, h, c, w: step(x, h, c, w, squash=lambda a: a),
            ),
            Misconception(
                "the tanh after the cell has gone too",
                "Only a gate is taken away. The state shows the squashed cell as before.",
                lambda x, h, c, w: step(x, h, c, w, show=lambda old, new: new),
            ),
            Misconception(
                "the state shows the old cell",
                "Which cell stands in the last equation, that of this step or that of the step before?",
                lambda x, h, c, w: step(x, h, c, w, show=lambda old, new: np.tanh(old)),
            ),
        ),
    )
