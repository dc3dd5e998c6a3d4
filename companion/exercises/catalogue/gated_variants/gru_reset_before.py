"""The GRU with the reset before the product."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation
from companion.exercises.gates import stacked, weights, written
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "gru-reset-before",
    chapter="gated-variants",
    name="gru_states",
    title="The GRU with the reset before the product",
    kind="implement",
    ask={"z": ("writes", "keeps"), "f": (TANH, SOFTSIGN, ARCTAN)},
)
def reset_before(rng: np.random.Generator, z: str, f: Activation) -> Key:
    def mixed(gate, old, new):
        return gate * old + (1 - gate) * new if z == "keeps" else (1 - gate) * old + gate * new

    def run(w, x, h_0, candidate=None, mix=mixed, old=lambda r, h: h, gates="rz", read=lambda r, h: h):
        """All states; what is wrong is said by the arguments after h_0."""
        h = [h_0]
        for x_t in x:
            a = {k: x_t @ w[f"W_x{k}"].T + w[f"b_{k}"] for k in "rzn"}
            r = sigmoid(a[gates[0]] + h[-1] @ w[f"W_h{gates[0]}"].T)
            gate = sigmoid(a[gates[1]] + read(r, h[-1]) @ w[f"W_h{gates[1]}"].T)
            if candidate is None:
                n = f.apply(a["n"] + (r * h[-1]) @ w["W_hn"].T)
            else:
                n = candidate(r, a["n"], h[-1], w["W_hn"])
            h.append(mix(gate, old(r, h[-1]), n))
        return np.stack(h)

    def answer(w, x, h_0):
        return run(w, x, h_0)

    def projected(w, x, h_0):
        """The products with the input for all steps at once, those with the state for both gates at once."""
        W_x, W_h, b = stacked(w, "rzn")
        of_x, H = x @ W_x.T + b, h_0.shape[1]
        h = np.empty((len(x) + 1, *h_0.shape))
        h[0] = h_0
        for t in range(len(x)):
            r, gate = np.split(sigmoid(of_x[t, :, : 2 * H] + h[t] @ W_h[: 2 * H].T), 2, axis=1)
            h[t + 1] = mixed(gate, h[t], f.apply(of_x[t, :, 2 * H :] + (r * h[t]) @ W_h[2 * H :].T))
        return h

    def one_by_one(w, x, h_0):
        """Sequence by sequence, the reset as a diagonal matrix."""
        sequences = []
        for n in range(len(h_0)):
            rows = [h_0[n]]
            for x_t in x[:, n]:
                r, gate = (sigmoid(w[f"W_x{k}"] @ x_t + w[f"W_h{k}"] @ rows[-1] + w[f"b_{k}"]) for k in "rz")
                new = f.apply(w["W_xn"] @ x_t + w["W_hn"] @ np.diag(r) @ rows[-1] + w["b_n"])
                rows.append(mixed(gate, rows[-1], new))
            sequences.append(rows)
        return np.swapaxes(np.array(sequences), 0, 1)

    return Key(
        answer=answer,
        also_right=(projected, one_by_one),
        axes={"result": "T+1 B H"},
        words={
            "z_does": "keeps the old state where it is 1" if z == "keeps" else "writes the candidate where it is 1",
            "f": f.formula,
            "f_is": {
                TANH: "",
                SOFTSIGN: r"Here $\operatorname{softsign}(a) = a / (1 + |a|)$ stands where the chapter has tanh. ",
                ARCTAN: "Here `np.arctan` stands where the chapter has tanh. ",
            }[f],
            "f_code": written(f.code, "a", "a_n"),
            "mix_code": "z * h[-1] + (1 - z) * n" if z == "keeps" else "(1 - z) * h[-1] + z * n",
        },
        cases=each_size(
            lambda s: {
                "w": weights(rng, s.I, s.H, "rzn"),
                "x": normal(rng, s.T, s.B, s.I, scale=1.0),
                "h_0": np.tanh(normal(rng, s.B, s.H, scale=1.0)),
            }
        ),
        hints=(
            "Write one step first. Both gates come before the candidate, because the candidate needs r.",
            "The reset weighs the old state, entry by entry; what is left of it goes through W_hn.",
            f"z {z}: try z = 1 in your last line. Which state goes into the mixture, the reset one or the whole?",
        ),
        misconceptions=(
            Misconception(
                "z the other way round",
                f"Here z {z}. What does your last line give when z = 1?",
                lambda w, x, h_0: run(w, x, h_0, mix=lambda gate, old, new: mixed(1 - gate, old, new)),
            ),
            Misconception(
                "the reset after the product",
                "Here r weighs what a unit sends: the state before it is multiplied with W_hn.",
                lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: f.apply(a + r * (h @ W.T))),
            ),
            Misconception(
                "no reset",
                "Where does r_t act? In this candidate it does nothing.",
                lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: f.apply(a + h @ W.T)),
            ),
            Misconception(
                "the old state is reset in the mixture as well",
                "r is for the candidate alone. Which state does z mix with it?",
                lambda w, x, h_0: run(w, x, h_0, old=lambda r, h: r * h),
            ),
            Misconception(
                "the update gate reads the reset state",
                "Both gates read the same two vectors. Only the candidate sees the state after the reset.",
                lambda w, x, h_0: run(w, x, h_0, read=lambda r, h: r * h),
            ),
            Misconception(
                "the two gates exchanged",
                "Which gate resets, and which one mixes? Follow the names of the weights.",
                lambda w, x, h_0: run(w, x, h_0, gates="zr"),
            ),
            Misconception(
                "the update gate resets as well",
                "Two gates, two tasks: which of them stands in the equation of the candidate?",
                lambda w, x, h_0: run(w, x, h_0, gates="zz"),
            ),
            Misconception(
                "a reset that resets where it is 1",
                "Look at what r_t multiplies in the equation. What does the candidate see of the state with r_t = 1?",
                lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: f.apply(a + ((1 - r) * h) @ W.T)),
            ),
            Misconception(
                "the candidate has no function",
                "The two gates have σ. What squashes the candidate?",
                lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: a + (r * h) @ W.T),
            ),
            *(
                ()
                if f is TANH
                else (
                    Misconception(
                        "tanh for the candidate, as in the chapter",
                        f"Here the candidate has another function: {f.name}.",
                        lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: np.tanh(a + (r * h) @ W.T)),
                    ),
                )
            ),
            Misconception(
                "the reset weighs the input too",
                "r decides how much of the old state the candidate sees. The input is always seen whole. And r stands "
                "before the product with W_hn.",
                lambda w, x, h_0: run(w, x, h_0, lambda r, a, h, W: f.apply(r * (a + h @ W.T))),
            ),
            Misconception(
                "the state is not carried on",
                "Step 1 is right. From the second step on the state before is no longer h_0.",
                lambda w, x, h_0: np.stack([h_0, *(run(w, x_t[None], h_0)[1] for x_t in x)]),
            ),
            Misconception(
                "the weights W_hn transposed",
                "On paper W_hn multiplies a column; here each sequence is a row. Its rows belong to the unit that is "
                "computed.",
                lambda w, x, h_0: run(w | {"W_hn": w["W_hn"].T}, x, h_0),
            ),
            Misconception(
                "all recurrent weights transposed",
                "On paper W_hk multiplies a column; here each sequence is a row. Its rows belong to the unit that is "
                "computed.",
                lambda w, x, h_0: run({k: v.T if k[:3] == "W_h" else v for k, v in w.items()}, x, h_0),
            ),
            Misconception(
                "the biases are left out",
                "Each pre-activation has three terms. Which one is not there?",
                lambda w, x, h_0: run({k: v * (k[:2] != "b_") for k, v in w.items()}, x, h_0),
            ),
            Misconception(
                "starts from zero",
                "The state before the first step is given. What is it for?",
                lambda w, x, h_0: run(w, x, np.zeros_like(h_0)),
            ),
            Misconception(
                "the row of h_0 is missing",
                "What is returned has a row for time 0 as well, before the first input.",
                lambda w, x, h_0: run(w, x, h_0)[1:],
            ),
        ),
    )
