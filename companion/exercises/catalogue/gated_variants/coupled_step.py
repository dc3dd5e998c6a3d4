"""One step with coupled gates."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.gates import each_step_size, listed, parts, stacked, weights
from companion.exercises.gates import old_exchanges as exchanges
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.cells import LSTM


@exercise(
    "coupled-step",
    chapter="gated-variants",
    name="coupled_step",
    title="One step with coupled gates",
    kind="implement",
    ask={"free": ("f", "i"), "order": ("kgo", "gko", "okg")},
)
def coupled_step(rng: np.random.Generator, free: str, order: str) -> Key:
    order = order.replace("k", free)

    def values(x, h, W_x, W_h, b, order=order):
        return parts(x @ W_x.T + h @ W_h.T + b, order)

    def step(x, h, c, W_x, W_h, b, share=lambda gate, a: 1 - gate, squash=np.tanh, show=np.tanh, order=order):
        """The step; what is wrong is said by the last four arguments."""
        a = values(x, h, W_x, W_h, b, order)
        gate = sigmoid(a[free])
        other = share(gate, a[free])
        f, i = (gate, other) if free == "f" else (other, gate)
        c_new = f * c + i * squash(a["g"])
        return sigmoid(a["o"]) * show(c_new), c_new

    def answer(x, h, c, W_x, W_h, b):
        return step(x, h, c, W_x, W_h, b)

    bound = "i" if free == "f" else "f"

    def by_name(W_x, W_h, b):
        return {
            f"{name}{k}": part
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b_", b))
            for k, part in zip(order, np.split(whole, 3), strict=True)
        }

    def as_lstm(x, h, c, W_x, W_h, b):
        """An LSTM whose second gate has the first one's weights with the sign turned."""
        w = by_name(W_x, W_h, b)
        w |= {name: -w[name.replace(bound, free)] for name in (f"W_x{bound}", f"W_h{bound}", f"b_{bound}")}
        _, tape = forward(LSTM(x.shape[1], h.shape[1]), w, x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    def as_mean(x, h, c, W_x, W_h, b):
        """The cell moved towards the candidate, one sequence at a time."""
        w, rows = by_name(W_x, W_h, b), []
        for x_t, h_t, c_t in zip(x, h, c, strict=True):
            a = {k: w[f"W_x{k}"] @ x_t + w[f"W_h{k}"] @ h_t + w[f"b_{k}"] for k in order}
            written_share = sigmoid(a["i"]) if free == "i" else sigmoid(-a["f"])
            c_new = c_t + written_share * (np.tanh(a["g"]) - c_t)
            rows.append((sigmoid(a["o"]) * np.tanh(c_new), c_new))
        h_new, c_new = zip(*rows, strict=True)
        return np.array(h_new), np.array(c_new)

    def exchanged_shares(x, h, c, W_x, W_h, b):
        a = values(x, h, W_x, W_h, b)
        gate = sigmoid(a[free])
        f, i = (1 - gate, gate) if free == "f" else (gate, 1 - gate)
        c_new = f * c + i * np.tanh(a["g"])
        return sigmoid(a["o"]) * np.tanh(c_new), c_new

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, order), order)
        return {
            "x": normal(rng, s.B, s.I, scale=1.0),
            "h": np.tanh(normal(rng, s.B, s.H)),
            "c": normal(rng, s.B, s.H, scale=1.0),
            "W_x": W_x,
            "W_h": W_h,
            "b": b,
        }

    kept = "f" if free == "f" else "(1 - i)"
    new = "(1 - f)" if free == "f" else "i"
    return Key(
        answer=answer,
        also_right=(as_lstm, as_mean),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "k": free,
            "bound": bound,
            "has": {"f": "forget gate", "i": "input gate"}[free],
            "lacks": {"f": "input gate", "i": "forget gate"}[free],
            "order": listed(order),
            "gates": listed(order, "a_"),
            "gate": f"{free} = sigmoid(a_{free})",
            "kept": kept,
            "new": new,
        },
        cases=each_step_size(case),
        hints=(
            "There are three pre-activations. Which of the gates has none of its own, and what is it then?",
            f"The {bound} of the LSTM's equation of the cell becomes 1 − {free}; all else stays.",
            "The two shares of the cell add up to 1: the new cell lies between the old one and the candidate.",
        ),
        misconceptions=(
            Misconception(
                "the shares of old and new exchanged",
                f"Which of the two does the {free} of the LSTM multiply, the old cell or the candidate?",
                exchanged_shares,
            ),
            Misconception(
                "the second gate is left fully open",
                f"Without a gate of its own the other part is not let through whole: what is {bound} coupled to?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, share=lambda gate, a: np.ones_like(gate)),
            ),
            Misconception(
                "both gates are the same",
                "With equal gates the cell would keep much when it writes much. What should the two shares add up to?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, share=lambda gate, a: gate),
            ),
            Misconception(
                "the pre-activation is turned, before σ",
                "1 − σ(a) is not σ(1 − a). On which side of σ does the 1 belong?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, share=lambda gate, a: sigmoid(1 - a)),
            ),
            Misconception(
                "the candidate goes through σ",
                "Something that could be written may be negative. Which function does the LSTM's candidate have?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, squash=sigmoid),
            ),
            Misconception(
                "σ for all three, and tanh after it",
                "Your candidate goes through two functions, and is never negative. σ belongs to the gates alone.",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, squash=lambda a: np.tanh(sigmoid(a))),
            ),
            Misconception(
                "the bias is left out",
                "Each pre-activation has three terms. Which one is not there?",
                lambda x, h, c, W_x, W_h, b: answer(x, h, c, W_x, W_h, np.zeros_like(b)),
            ),
            Misconception(
                "the candidate is not squashed",
                "g_t is as in the LSTM. Which function does it have there?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, squash=lambda a: a),
            ),
            Misconception(
                "the cell is shown without tanh",
                "The cell may be given outside −1 to 1. What lies between it and the state?",
                lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, show=lambda c_new: c_new),
            ),
            *exchanges(order, lambda cut: lambda x, h, c, W_x, W_h, b: step(x, h, c, W_x, W_h, b, order=cut)),
        ),
    )
