"""Exercises on the LSTM's variants and the GRU: peepholes, coupled gates, both places of the reset, and weights."""

from __future__ import annotations

import numpy as np

from companion.convert import other_update_gate
from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation
from companion.exercises.gates import each_step_size, exchanges, listed, parts, stacked, weights, written
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Drawn, Key, Misconception, exercise
from companion.functions import sigmoid
from companion.gated import GRU, LSTM
from companion.recurrent import forward

CHAPTER = "gated-variants"


def _two_sizes(rng: np.random.Generator) -> tuple[int, int]:
    """Inputs and units; with a difference of two, two of the mistakes would agree."""
    inputs = int(rng.integers(3, 9))
    return inputs, inputs + int(rng.integers(3, 10))


@exercise(
    "parameters-gated",
    chapter=CHAPTER,
    name="counts",
    title="How many weights have four networks?",
    kind="predict",
    ask={"sizes": Drawn((4, 10), _two_sizes)},
)
def parameters(rng: np.random.Generator, sizes: tuple[int, int]) -> Key:
    I, H = sizes
    N, N_2 = H * I + H * H + H, 2 * H * H + H  # weights a gate, in the first layer and in the second
    right = {"peepholes": 4 * N + 3 * H, "coupled": 3 * N + 2 * H, "gru": 3 * N + 3 * H, "stack": 4 * (N + N_2 + 2 * H)}

    def instead(**others):
        return tuple((right | others).values())

    return Key(
        answer=tuple(right.values()),
        also_right=(list(right.values()), np.array(list(right.values()))),
        returns=tuple(right),
        words={"I": str(I), "H": str(H)},
        hints=(
            "Count the weights of one gate first: N. Candidates are counted as gates here.",
            "How many gates has each network, how many peepholes of what shape, and how many biases a gate?",
            "PyTorch keeps two biases a gate, so that each gate has H more. The second layer reads the states of "
            "the first.",
        ),
        misconceptions=(
            Misconception(
                "peepholes as matrices",
                "A peephole leads from a unit's cell to the same unit's gate. What shape has p_k?",
                instead(peepholes=4 * N + 3 * H * H),
            ),
            Misconception(
                "the candidate has a peephole",
                "Which pre-activations see the cell?",
                instead(peepholes=4 * N + 4 * H),
            ),
            Misconception(
                "the coupled network has weights for its input gate",
                "What is i_t computed from, when the gates are coupled?",
                instead(coupled=4 * N + 2 * H),
            ),
            Misconception(
                "a peephole for a gate that is not there",
                "Which gates of the coupled network have a pre-activation of their own?",
                instead(coupled=3 * N + 3 * H),
            ),
            Misconception(
                "one bias a gate in PyTorch's GRU",
                "Beside which products does PyTorch keep a bias?",
                instead(gru=3 * N),
            ),
            Misconception(
                "the course's GRU for PyTorch's",
                "The course has a second bias for the candidate alone. PyTorch has it for which gates?",
                instead(gru=3 * N + H),
            ),
            Misconception(
                "one bias a gate in PyTorch's LSTM",
                "Beside which products does PyTorch keep a bias?",
                instead(stack=4 * (N + N_2)),
            ),
            Misconception(
                "the second layer counted as a copy of the first",
                "What does the second layer read, and how long is that vector?",
                instead(stack=2 * 4 * (N + H)),
            ),
        ),
    )


@exercise(
    "peephole-step",
    chapter=CHAPTER,
    name="peephole_step",
    title="One step with peepholes",
    kind="implement",
    ask={"gates": ("ifo", "fo", "io"), "seen": ("new", "old")},
)
def peephole_step(rng: np.random.Generator, gates: str, seen: str) -> Key:
    def step(x, h, c, w, glimpse=lambda k, p, cell: p * cell, other=False, show=lambda old, new: np.tanh(new)):
        """The step; what is wrong is said by the last three arguments."""
        a = {k: x @ w[f"W_x{k}"].T + h @ w[f"W_h{k}"].T + w[f"b_{k}"] for k in "ifgo"}
        through = {k: glimpse(k, w[f"p_{k}"], c) for k in gates if k != "o"}
        i, f = (sigmoid(a[k] + through.get(k, 0)) for k in "if")
        c_new = f * c + i * np.tanh(a["g"])
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


@exercise(
    "coupled-step",
    chapter=CHAPTER,
    name="coupled_step",
    title="One step with coupled gates",
    kind="implement",
    ask={"free": ("f", "i"), "order": ("kgo", "gko", "okg")},
)
def coupled_step(rng: np.random.Generator, free: str, order: str) -> Key:
    order = order.replace("k", free)
    bound = "i" if free == "f" else "f"

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


@exercise(
    "gru-reset-after",
    chapter=CHAPTER,
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


@exercise(
    "gru-reset-before",
    chapter=CHAPTER,
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


@exercise(
    "gru-convert",
    chapter=CHAPTER,
    name="convert",
    title="Carry a GRU over",
    kind="implement",
    ask={"source": ("rzn", "nrz", "rnz"), "target": ("zrn", "nzr", "znr"), "side": ("columns", "rows")},
)
def convert(rng: np.random.Generator, source: str, target: str, side: str) -> Key:
    def stored(W_x, W_h, b):
        return (W_x.T, W_h.T, b) if side == "columns" else (W_x, W_h, b)

    def moved(W_x, W_h, b, sign=lambda name, k, part: -part if k == "z" else part, target=target):
        """The three arrays, one gate below the other in the order of the target; ``sign`` turns a gate's part."""
        return tuple(
            np.concatenate([sign(name, k, dict(zip(source, np.split(whole, 3), strict=True))[k]) for k in target])
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b", b))
        )

    def answer(W_x, W_h, b):
        return stored(*moved(W_x, W_h, b))

    def by_rows(W_x, W_h, b):
        """With numbers of rows and a vector of signs."""
        H = len(b) // 3
        rows = np.concatenate([np.arange(H) + H * source.index(k) for k in target])
        signs = np.repeat([-1.0 if k == "z" else 1.0 for k in target], H)
        return stored(signs[:, None] * W_x[rows], signs[:, None] * W_h[rows], signs * b[rows])

    def by_names(W_x, W_h, b):
        """By way of the course's names and the course's own function."""
        w = {
            f"{name}{k}": part
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b_", b))
            for k, part in zip(source, np.split(whole, 3), strict=True)
        }
        return stored(*stacked(other_update_gate(w), target))

    def signed(sign):
        return lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, sign))

    def in_blocks(W_x, W_h, b):
        """W_h cut into its (H, H) blocks, which fit either way: transposed where they should not be, or not."""
        W_x_new, W_h_new, b_new = moved(W_x, W_h, b)
        H = len(b) // 3
        blocks = np.split(W_h_new, 3)
        wrong = np.concatenate(blocks, axis=1) if side == "columns" else np.concatenate([block.T for block in blocks])
        return stored(W_x_new, W_h_new, b_new)[0], wrong.reshape((H, 3 * H) if side == "columns" else (3 * H, H)), b_new

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, source), source)
        return {"W_x": W_x, "W_h": W_h, "b": b}

    return Key(
        answer=answer,
        also_right=(by_rows, by_names),
        returns=("W_x", "W_h", "b"),
        axes={"W_x": "I column", "W_h": "H column", "b": "column"}
        if side == "columns"
        else {"W_x": "row I", "W_h": "row H", "b": "row"},
        words={
            "source": listed(source),
            "target": listed(target),
            **{f"source_{v}": listed(source, f"{v}_") for v in "xhb"},
            **{f"target_{v}": ", ".join(("-" if k == "z" else "") + f"{v}_{k}" for k in target) for v in "xhb"},
            "stored": "transposed, the gates side by side: `W_x` $(I, 3H)$, `W_h` $(H, 3H)$ and `b` $(3H,)$"
            if side == "columns"
            else "one below the other too: `W_x` $(3H, I)$, `W_h` $(3H, H)$ and `b` $(3H,)$",
            "T": ".T" if side == "columns" else "",
            "shape_x": "(I, 3H)" if side == "columns" else "(3H, I)",
            "shape_h": "(H, 3H)" if side == "columns" else "(3H, H)",
        },
        cases=each_step_size(case),
        hints=(
            "Cut all three arrays into the parts of the gates, and give the parts names.",
            "1 − σ(a) = σ(−a). Which weights make the a of the update gate?",
            "Join the parts in the new order; look at the shapes that are asked for.",
        ),
        misconceptions=(
            Misconception(
                "z is not turned",
                "The order is right, but a gate that kept now writes. What turns a gate from σ(a) into 1 − σ(a)?",
                signed(lambda name, k, part: part),
            ),
            Misconception(
                "1 − W for the weights of z",
                "It is the gate that becomes 1 − z. Write 1 − σ(a) as σ of something: what happens to a?",
                signed(lambda name, k, part: 1 - part if k == "z" else part),
            ),
            Misconception(
                "the bias of z is not turned",
                "The whole pre-activation of z has to turn its sign. Of which terms does it consist?",
                signed(lambda name, k, part: -part if k == "z" and name != "b" else part),
            ),
            Misconception(
                "all gates are turned",
                "Only one gate has another meaning in the other program.",
                signed(lambda name, k, part: -part),
            ),
            Misconception(
                "r is turned in the place of z",
                f"In the given arrays the gates stand in the order {listed(source)}. Which part did you turn?",
                signed(lambda name, k, part: -part if k == "r" else part),
            ),
            Misconception(
                "the order is not changed",
                f"The parts should come out in the order {listed(target)}.",
                lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, target=source)),
            ),
            Misconception(
                "neither the order nor z is changed",
                f"The parts should come out in the order {listed(target)}. And a gate that kept has to write: what "
                "turns a gate from σ(a) into 1 − σ(a)?",
                lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, lambda name, k, part: part, source)),
            ),
            Misconception(
                "the matrices are not transposed" if side == "columns" else "the matrices are transposed",
                "Compare the shapes with those asked for, also where they happen to be square.",
                lambda W_x, W_h, b: (
                    moved(W_x, W_h, b) if side == "columns" else tuple(part.T.copy() for part in moved(W_x, W_h, b))
                ),
            ),
            Misconception(
                "the recurrent weights of each gate, (H, H), are "
                + ("not transposed" if side == "columns" else "transposed"),
                "A block (H, H) fits either way, so that no shape tells. Compare it with what happens to W_x.",
                in_blocks,
            ),
        ),
    )
