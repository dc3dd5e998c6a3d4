"""One step with peepholes."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.gates import each_step_size, parts, weights
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "peephole-step",
    chapter="gated-variants",
    name="peephole_step",
    title="One step with peepholes",
    kind="implement",
    ask={"gates": ("ifo", "fo", "io"), "seen": ("new", "old")},
)
def peephole_step(rng: np.random.Generator, gates: str, seen: str) -> Key:
    def step(
        x,
        h,
        c,
        w,
        glimpse=lambda k, p, cell: p * cell,
        other=False,
        show=lambda old, new: np.tanh(new),
        candidate=np.tanh,
        kept="f",
    ):
        """The step; what is wrong is said by the last five arguments."""
        a = {k: x @ w[f"W_x{k}"].T + h @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}
        through = {k: glimpse(k, w[f"p_{k}"], c) for k in gates if k != "o"}
        i, f = (sigmoid(a[k] + through.get(k, 0)) for k in ("if" if kept == "f" else "fi"))
        c_new = f * c + i * candidate(a["g"])
        o = sigmoid(a["o"] + glimpse("o", w["p_o"], c_new if (seen == "new") != other else c))
        return o * show(c, c_new), c_new

    def answer(x, h, c, w):
        return step(x, h, c, w)

    def by_matrices(x, h, c, w):
        """Everything that is known before the step in one product: peepholes as diagonal matrices."""
        B, H = h.shape
        early = [k for k in gates if k != "o" or seen == "old"]
        W = {
            k: np.hstack([w[f"W_x{k}"], w[f"W_h{k}"], np.diag(w[f"p_{k}"]) if k in early else np.eye(H) * 0])
            for k in "ifgo"
        }
        a = np.hstack([x, h, c]) @ np.vstack([W[k] for k in "ifgo"]).T
        a = {k: part + w[f"b_{k}"] for k, part in parts(a, "ifgo").items()}
        c_new = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["g"])
        late = np.einsum("h,bh->bh", w["p_o"], c_new) if seen == "new" else np.zeros((B, H))
        return sigmoid(a["o"] + late) * np.tanh(c_new), c_new

    def by_loops(x, h, c, w):
        h_new, c_new = np.empty_like(h), np.empty_like(c)
        for n in range(len(h)):
            for u in range(h.shape[1]):
                a = {k: w[f"W_x{k}"][u] @ x[n] + w[f"W_h{k}"][u] @ h[n] + w[f"b_{k}"][u] for k in "ifgo"}
                for k in gates.replace("o", ""):
                    a[k] += w[f"p_{k}"][u] * c[n, u]
                c_new[n, u] = sigmoid(a["f"]) * c[n, u] + sigmoid(a["i"]) * np.tanh(a["g"])
                a["o"] += w["p_o"][u] * (c_new if seen == "new" else c)[n, u]
                h_new[n, u] = sigmoid(a["o"]) * np.tanh(c_new[n, u])
        return h_new, c_new

    def outside(x, h, c, w):
        a = {k: x @ w[f"W_x{k}"].T + h @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}
        i, f = (sigmoid(a[k]) + (w[f"p_{k}"] * c if k in gates else 0) for k in "if")
        c_new = f * c + i * np.tanh(a["g"])
        o = sigmoid(a["o"]) + w["p_o"] * (c_new if seen == "new" else c)
        return o * np.tanh(c_new), c_new

    with_peepholes = [k for k in "if" if k in gates]
    names = {"i": "input gate", "f": "forget gate", "o": "output gate"}
    copied, pasted = gates[0], gates[1]  # neighbours in the code

    return Key(
        answer=answer,
        also_right=(by_matrices, by_loops),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "which": "All three gates have peepholes"
            if gates == "ifo"
            else f"Only the {names[gates[0]]} and the output gate have peepholes",
            "early": " and ".join(f"$p_{k}$" for k in with_peepholes),
            "see": "see" if len(with_peepholes) == 2 else "sees",
            "late": "the new cell $c_t$" if seen == "new" else "the old cell $c_{t-1}$ too (not what the chapter has)",
            "p": ", ".join(f"`p_{k}`" for k in gates),
            "peep_i": ' + w["p_i"] * c' if "i" in gates else "",
            "peep_f": ' + w["p_f"] * c' if "f" in gates else "",
            "peep_o": ' + w["p_o"] * c_new' if seen == "new" else ' + w["p_o"] * c',
            "wait": "The output gate has to wait for the new cell, which it sees."
            if seen == "new"
            else "Here the output gate need not wait for the new cell, as it has to in the chapter.",
        },
        cases=each_step_size(
            lambda s: {
                "x": normal(rng, s.B, s.I, scale=1.0),
                "h": np.tanh(normal(rng, s.B, s.H)),
                "c": normal(rng, s.B, s.H, scale=1.2),
                "w": weights(rng, s.I, s.H, "ifgo") | {f"p_{k}": normal(rng, s.H, scale=1.0) for k in gates},
            }
        ),
        hints=(
            "Start from the LSTM's step. A peephole is one more term inside the brackets of a gate.",
            "The term is a product entry by entry: unit u's gate sees unit u's cell, and no other.",
            "In which order must cell and output gate be computed, when you look at what the output gate sees?",
        ),
        misconceptions=(
            Misconception(
                "the output gate sees the wrong cell",
                "Two cells are at hand when the output gate is computed, an old one and a new one. Which is asked for?",
                lambda x, h, c, w: step(x, h, c, w, other=True),
            ),
            Misconception(
                "no peepholes at all",
                "These are the LSTM's numbers. Where do the vectors p_k come in?",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: 0),
            ),
            Misconception(
                "the output gate has no peephole",
                "One of the gates with a peephole got none.",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: 0 if k == "o" else p * cell),
            ),
            Misconception(
                "the output gate's peephole alone",
                "Which gates have a peephole, beside the output gate?",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: p * cell if k == "o" else 0),
            ),
            Misconception(
                "the biases are left out",
                "A peephole is one more term; the other three stay.",
                lambda x, h, c, w: step(x, h, c, {k: v * (k[:2] != "b_") for k, v in w.items()}),
            ),
            Misconception(
                "a peephole that adds up the cells of all units",
                "p_k ⊙ c is a product entry by entry and gives a vector. What does @ give instead?",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: (cell @ p)[:, None]),
            ),
            Misconception(
                "the peepholes look at the state",
                "Gates see the state already. What do peepholes let them see that the state may hide?",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: p * h),
            ),
            Misconception(
                "the peepholes look at the squashed cell",
                "Between the cell and the gate the equation has a weight, and nothing else.",
                lambda x, h, c, w: step(x, h, c, w, glimpse=lambda k, p, cell: p * np.tanh(cell)),
            ),
            Misconception(
                "the output gate's peephole looks at the squashed cell",
                "tanh(c_t) is what the output gate multiplies. What does its peephole see?",
                lambda x, h, c, w: step(
                    x, h, c, w, glimpse=lambda k, p, cell: p * (np.tanh(cell) if k == "o" else cell)
                ),
            ),
            *(
                Misconception(
                    f"the {names[k]} has no peephole",
                    "One of the gates with a peephole got none.",
                    lambda x, h, c, w, k=k: step(
                        x, h, c, w, glimpse=lambda gate, p, cell: 0 if gate == k else p * cell
                    ),
                )
                for k in (with_peepholes if len(with_peepholes) == 2 else [])
            ),
            Misconception(
                f"the {names[pasted]} has the peephole of the {names[copied]}",
                "Each gate has a weight of its own. Is a line copied, and one letter not changed?",
                lambda x, h, c, w: step(x, h, c, {**w, f"p_{pasted}": w[f"p_{copied}"]}),
            ),
            Misconception(
                "input gate and forget gate exchanged",
                "Which of the two multiplies the old cell, and which the candidate? Either the equation of the cell "
                "has one for the other, or each is computed as if it were the other.",
                lambda x, h, c, w: step(x, h, c, w, kept="i"),
            ),
            Misconception(
                "the candidate has σ",
                "Three of the four are gates. The candidate is what is written, and may be negative.",
                lambda x, h, c, w: step(x, h, c, w, candidate=sigmoid),
            ),
            Misconception(
                "the recurrent weights are not transposed",
                "W_hk is (H, H), so that no shape tells. h has its units in columns: what do rows and columns of W_hk "
                "stand for? Compare with W_xk.",
                lambda x, h, c, w: step(
                    x, h, c, {k: v.T if k[:2] == "W_" and k[2] == "h" else v for k, v in w.items()}
                ),
            ),
            Misconception(
                "the peepholes are added outside σ",
                "A gate lies between 0 and 1, whatever it sees. Where does the term stand, then?",
                outside,
            ),
            Misconception(
                "the state shows the old cell",
                "What the output gate sees and what it shows are two things. Which cell does the state show?",
                lambda x, h, c, w: step(x, h, c, w, show=lambda old, new: np.tanh(old)),
            ),
            Misconception(
                "the cell is shown without tanh",
                "A peephole sees the cell as it is. What the state shows of it lies between −1 and 1.",
                lambda x, h, c, w: step(x, h, c, w, show=lambda old, new: new),
            ),
        ),
    )
