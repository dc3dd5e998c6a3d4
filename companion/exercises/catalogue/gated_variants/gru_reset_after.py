"""The GRU with the reset after the product."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.gates import each_step_size, listed, parts, stacked, weights
from companion.exercises.gates import old_exchanges as exchanges
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.cells import GRU
from companion.gates.convert import other_update_gate


@exercise(
    "gru-reset-after",
    chapter="gated-variants",
    name="gru_step",
    title="The GRU with the reset after the product",
    kind="implement",
    ask={"z": ("keeps", "writes"), "order": ("rzn", "zrn", "nrz")},
)
def reset_after(rng: np.random.Generator, z: str, order: str) -> Key:
    def mixed(gate, old, new):
        return gate * old + (1 - gate) * new if z == "keeps" else (1 - gate) * old + gate * new

    def both(x, h, W_x, W_h, b_x, b_h, order=order):
        """What the input gives to r, z and n, and what the state does."""
        return parts(x @ W_x.T + b_x, order), parts(h @ W_h.T + b_h, order)

    def answer(x, h, W_x, W_h, b_x, b_h):
        return finished(h, *both(x, h, W_x, W_h, b_x, b_h))

    def finished(h, of_x, of_h):
        r, gate = sigmoid(of_x["r"] + of_h["r"]), sigmoid(of_x["z"] + of_h["z"])
        return mixed(gate, h, np.tanh(of_x["n"] + r * of_h["n"]))

    def by_name(W_x, W_h, b_x, b_h):
        cut = {
            name: dict(zip(order, np.split(whole, 3), strict=True))
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b_x", b_x), ("b_h", b_h))
        }
        w = {f"{name}{k}": cut[name][k] for name in ("W_x", "W_h") for k in order}
        return (
            w
            | {f"b_{k}": cut["b_x"][k] + cut["b_h"][k] for k in "rz"}
            | {"b_n": cut["b_x"]["n"], "b_hn": cut["b_h"]["n"]}
        )

    def by_companion(x, h, W_x, W_h, b_x, b_h):
        w = by_name(W_x, W_h, b_x, b_h)
        w = w if z == "keeps" else other_update_gate(w)
        return forward(GRU(x.shape[1], h.shape[1]), w, x[None], h)[0][1]

    def one_by_one(x, h, W_x, W_h, b_x, b_h):
        w, rows = by_name(W_x, W_h, b_x, b_h), []
        for x_t, old in zip(x, h, strict=True):
            r, gate = (sigmoid(w[f"W_x{k}"] @ x_t + w[f"W_h{k}"] @ old + w[f"b_{k}"]) for k in "rz")
            n = np.tanh(w["W_xn"] @ x_t + w["b_n"] + r * (w["W_hn"] @ old + w["b_hn"]))
            rows.append(mixed(gate, old, n))
        return np.array(rows)

    def candidate(make, old=lambda r, h: h):
        """The step with another candidate, make(r, of_x, of_h, h, W, b), or another old state."""

        def wrong(x, h, W_x, W_h, b_x, b_h):
            of_x, of_h = both(x, h, W_x, W_h, b_x, b_h)
            r, gate = sigmoid(of_x["r"] + of_h["r"]), sigmoid(of_x["z"] + of_h["z"])
            w = by_name(W_x, W_h, b_x, b_h)
            return mixed(gate, old(r, h), make(r, of_x["n"], of_h["n"], h, w["W_hn"], w["b_hn"]))

        return wrong

    def with_update(x, h, W_x, W_h, b_x, b_h):
        of_x, of_h = both(x, h, W_x, W_h, b_x, b_h)
        gate = sigmoid(of_x["z"] + of_h["z"])
        return mixed(gate, h, np.tanh(of_x["n"] + gate * of_h["n"]))

    def with_reset(x, h, W_x, W_h, b_x, b_h):
        of_x, of_h = both(x, h, W_x, W_h, b_x, b_h)
        r = sigmoid(of_x["r"] + of_h["r"])
        return mixed(r, h, np.tanh(of_x["n"] + r * of_h["n"]))

    def turned(x, h, W_x, W_h, b_x, b_h):
        of_x, of_h = both(x, h, W_x, W_h, b_x, b_h)
        return finished(h, *({**part, "z": -part["z"]} for part in (of_x, of_h)))

    def case(s):
        w = weights(rng, s.I, s.H, order)
        W_x, W_h, b_x = stacked(w, order)
        return {
            "x": normal(rng, s.B, s.I, scale=1.0),
            "h": np.tanh(normal(rng, s.B, s.H, scale=1.0)),
            "W_x": W_x,
            "W_h": W_h,
            "b_x": b_x,
            "b_h": normal(rng, 3 * s.H),
        }

    return Key(
        answer=answer,
        also_right=(by_companion, one_by_one),
        axes={"result": "B H"},
        words={
            "order": listed(order),
            "x_parts": listed(order, "x_"),
            "h_parts": listed(order, "h_"),
            "z_does": "keeps the old state where it is 1" if z == "keeps" else "writes the candidate where it is 1",
            "left": "the old state" if z == "keeps" else "the candidate",
            "mix_code": "z * h + (1 - z) * n" if z == "keeps" else "(1 - z) * h + z * n",
        },
        cases=each_step_size(case),
        hints=(
            "Form two arrays (B, 3H), one from the input and one from the state, each with its own bias, and cut both.",
            "For r and z the two parts are added. For the candidate they are not: r stands between them.",
            f"z {z}: try z = 1 in your last line. What is left?",
        ),
        misconceptions=(
            Misconception(
                "z the other way round",
                f"Here z {z}. What does your last line give when z = 1?",
                turned,
            ),
            Misconception(
                "the reset before the product",
                "r weighs what a unit receives, after the product with the weights, and not what it sends.",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + (r * h) @ W.T + b)),
            ),
            Misconception(
                "the state's bias outside the reset",
                "Of the candidate's two biases one stands beside the product with the state. What multiplies both?",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + r * (h @ W.T) + b)),
            ),
            Misconception(
                "no reset",
                "Where does r_t act? In this candidate it does nothing.",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + of_h)),
            ),
            Misconception(
                "the reset weighs the input too",
                "r decides how much of the old state the candidate sees. The input is always seen whole.",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(r * (of_x + of_h))),
            ),
            Misconception(
                "the old state is reset in the mixture as well",
                "r is for the candidate alone. What does z mix?",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + r * of_h), old=lambda r, h: r * h),
            ),
            Misconception(
                "the candidate goes through σ",
                "A state may be negative. Which function does the candidate have?",
                candidate(lambda r, of_x, of_h, h, W, b: sigmoid(of_x + r * of_h)),
            ),
            Misconception(
                "the candidate has no function",
                "Two of the three parts go through σ. What happens to the third?",
                candidate(lambda r, of_x, of_h, h, W, b: of_x + r * of_h),
            ),
            Misconception(
                "the bias of the candidate's state part is left out",
                "b_hn stands inside the brackets that r multiplies. All else is right.",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + r * (h @ W.T))),
            ),
            Misconception(
                "b_h is left out",
                "There are two biases for each of the three, one beside each product. You use one of them.",
                lambda x, h, W_x, W_h, b_x, b_h: answer(x, h, W_x, W_h, b_x, np.zeros_like(b_h)),
            ),
            Misconception(
                "b_x is left out",
                "There are two biases for each of the three, one beside each product. You use one of them.",
                lambda x, h, W_x, W_h, b_x, b_h: answer(x, h, W_x, W_h, np.zeros_like(b_x), b_h),
            ),
            Misconception(
                "a reset that resets where it is 1",
                "Look at what r_t multiplies in the equation. What does the candidate see of the state with r_t = 1?",
                candidate(lambda r, of_x, of_h, h, W, b: np.tanh(of_x + (1 - r) * of_h)),
            ),
            Misconception(
                "the update gate resets as well",
                "Two gates, two tasks: which of them stands in the equation of the candidate?",
                with_update,
            ),
            Misconception(
                "the reset gate mixes as well",
                "Two gates, two tasks: which of them mixes the old state and the candidate?",
                with_reset,
            ),
            *exchanges(
                order,
                lambda cut: lambda x, h, W_x, W_h, b_x, b_h: finished(h, *both(x, h, W_x, W_h, b_x, b_h, cut)),
            ),
        ),
    )
