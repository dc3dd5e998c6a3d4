"""The LSTM's variants and the GRU: peepholes, coupled gates, both places of the reset, and weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.activations import ARCTAN, SOFTSIGN, TANH, Activation, written
from companion.exercises.edits import Edit
from companion.exercises.gates import GATES, each_step_size, exchanges, listed, stacked, weights
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise
from companion.gates.cells import GRU, LSTM
from companion.gates.convert import other_update_gate

TWENTY = Size("twenty steps", T=20, B=2, I=2, H=2, O=1)


def _by_name(order: str, **stacks: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of the gates, in this order, of stacked weights: W_xr of W_x, b_r of b_."""
    return {
        f"{name}{k}": part
        for name, stack in stacks.items()
        for k, part in zip(order, np.split(stack, len(order)), strict=True)
    }


_Z_DOES = {"keeps": "keeps the old state where it is 1", "writes": "writes the candidate where it is 1"}
_MIX_CODE = {"keeps": "z * h + (1 - z) * n", "writes": "(1 - z) * h + z * n"}


def _draw_sizes(rng: np.random.Generator) -> tuple[int, int]:
    """Inputs and units; with a difference of two, two of the mistakes would agree."""
    inputs = int(rng.integers(3, 9))
    return inputs, inputs + int(rng.integers(3, 10))


@exercise(
    "parameters-gated",
    "counts",
    "How many weights do four networks have?",
    "predict",
    sizes=Drawn((4, 10), _draw_sizes),
)
def parameters(rng: np.random.Generator, sizes: tuple[int, int]) -> Key:
    I, H = sizes

    def count(inputs, gates, vectors):
        """The weights of these gates with one bias each, and of so many vectors more."""
        return sum(part.size for part in weights(rng, inputs, H, gates).values()) + vectors * H

    return Key(
        also_right=(
            [count(I, "ifgo", 3), count(I, "fgo", 2), count(I, "rzn", 3), count(I, "ifgo", 4) + count(H, "ifgo", 4)],
        ),
        returns=("peepholes", "coupled", "gru", "stack"),
        words={"I": str(I), "H": str(H)},
    )


@exercise(
    "peephole-step",
    "peephole_step",
    "One step with peepholes",
    "implement",
    gates=("ifo", "fo", "io"),
    seen=("new", "old"),
)
def peephole_step(rng: np.random.Generator, gates: str, seen: str) -> Key:
    early = gates.replace("o", "")

    def by_loops(x, h, c, w):
        h_new, c_new = np.empty_like(h), np.empty_like(c)
        for n, u in np.ndindex(h.shape):
            a = {k: w[f"W_x{k}"][u] @ x[n] + w[f"W_h{k}"][u] @ h[n] + w[f"b_{k}"][u] for k in "ifgo"}
            a |= {k: a[k] + w[f"p_{k}"][u] * c[n, u] for k in early}
            c_new[n, u] = sigmoid(a["f"]) * c[n, u] + sigmoid(a["i"]) * np.tanh(a["g"])
            a["o"] += w["p_o"][u] * (c_new if seen == "new" else c)[n, u]
            h_new[n, u] = sigmoid(a["o"]) * np.tanh(c_new[n, u])
        return h_new, c_new

    return Key(
        cases=each_step_size(
            lambda s: {
                "x": normal(rng, s.B, s.I, scale=1.0),
                "h": np.tanh(normal(rng, s.B, s.H)),
                "c": normal(rng, s.B, s.H, scale=1.2),
                "w": weights(rng, s.I, s.H, "ifgo") | {f"p_{k}": normal(rng, s.H, scale=1.0) for k in gates},
            }
        ),
        also_right=(by_loops,),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "which": "All three gates have peepholes"
            if gates == "ifo"
            else f"Only the {GATES[gates[0]]} and the output gate have peepholes",
            "early": early,
            "p_early": " and ".join(f"$p_{k}$" for k in early),
            "see": "see" if len(early) == 2 else "sees",
            "late": "the new cell $c_t$" if seen == "new" else "the old cell $c_{t-1}$ too (not what the chapter has)",
            "p": ", ".join(f"`p_{k}`" for k in gates),
            "cell": "c_new" if seen == "new" else "c",
            "other_cell": "c" if seen == "new" else "c_new",
            "wait": "The output gate has to wait for the new cell, which it sees."
            if seen == "new"
            else "Here the output gate need not wait for the new cell, as it has to in the chapter.",
            **{f"k{n}": k for n, k in enumerate(gates)},
            **{f"gate{n}": GATES[k] for n, k in enumerate(gates)},
        },
    )


@exercise(
    "coupled-step",
    "coupled_step",
    "One step with coupled gates",
    "implement",
    free=("f", "i"),
    order=("kgo", "gko", "okg"),
)
def coupled_step(rng: np.random.Generator, free: str, order: str) -> Key:
    order = order.replace("k", free)
    bound = "i" if free == "f" else "f"

    def as_lstm(x, h, c, W_x, W_h, b):
        """An LSTM whose second gate has the first one's weights with the sign turned."""
        w = _by_name(order, W_x=W_x, W_h=W_h, b_=b)
        w |= {name[:-1] + bound: -part for name, part in w.items() if name[-1] == free}
        _, tape = forward(LSTM(x.shape[1], h.shape[1]), w, x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, order), order)
        x, h, c = normal(rng, s.B, s.I, scale=1.0), np.tanh(normal(rng, s.B, s.H)), normal(rng, s.B, s.H, scale=1.0)
        return {"x": x, "h": h, "c": c, "W_x": W_x, "W_h": W_h, "b": b}

    return Key(
        cases=each_step_size(case),
        also_right=(as_lstm,),
        misconceptions=exchanges(order),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "bound": bound,
            "has": GATES[free],
            "lacks": GATES[bound],
            "order": listed(order),
            "gates": listed(order, "a_"),
        },
    )


@exercise(
    "gru-reset-after",
    "gru_step",
    "The GRU with the reset after the product",
    "implement",
    z=("keeps", "writes"),
    order=("rzn", "zrn", "nrz"),
)
def reset_after(rng: np.random.Generator, z: str, order: str) -> Key:
    def by_companion(x, h, W_x, W_h, b_x, b_h):
        w = _by_name(order, W_x=W_x, W_h=W_h, b_=b_x, b_h=b_h)
        w |= {f"b_{k}": w[f"b_{k}"] + w.pop(f"b_h{k}") for k in "rz"}
        w = w if z == "keeps" else other_update_gate(w)
        return forward(GRU(x.shape[1], h.shape[1]), w, x[None], h)[0][1]

    def case(s):
        W_x, W_h, b_x = stacked(weights(rng, s.I, s.H, order), order)
        x, h, b_h = normal(rng, s.B, s.I, scale=1.0), np.tanh(normal(rng, s.B, s.H, scale=1.0)), normal(rng, 3 * s.H)
        return {"x": x, "h": h, "W_x": W_x, "W_h": W_h, "b_x": b_x, "b_h": b_h}

    return Key(
        cases=each_step_size(case),
        also_right=(by_companion,),
        misconceptions=exchanges(order),
        axes={"result": "B H"},
        words={
            "order": listed(order),
            "x_parts": listed(order, "x_"),
            "h_parts": listed(order, "h_"),
            "place_of_n": str(order.index("n")),
            "z_does": _Z_DOES[z],
            "left": "the old state" if z == "keeps" else "the candidate",
            "mix_code": _MIX_CODE[z],
        },
    )


@exercise(
    "gru-reset-before",
    "gru_states",
    "The GRU with the reset before the product",
    "implement",
    z=("writes", "keeps"),
    f=(TANH, SOFTSIGN, ARCTAN),
)
def reset_before(rng: np.random.Generator, z: str, f: Activation) -> Key:
    def one_by_one(w, x, h_0):
        """Sequence by sequence, the reset as a diagonal matrix."""
        sequences = []
        for h, xs in zip(h_0, np.moveaxis(x, 1, 0), strict=True):
            states = [h]
            for x_t in xs:
                r, gate = (sigmoid(w[f"W_x{k}"] @ x_t + w[f"W_h{k}"] @ h + w[f"b_{k}"]) for k in "rz")
                n = f.apply(w["W_xn"] @ x_t + w["W_hn"] @ np.diag(r) @ h + w["b_n"])
                h = n + gate * (h - n) if z == "keeps" else h + gate * (n - h)
                states.append(h)
            sequences.append(states)
        return np.stack(sequences, axis=1)

    def case(s):
        return {
            "w": weights(rng, s.I, s.H, "rzn"),
            "x": normal(rng, s.T, s.B, s.I, scale=1.0),
            "h_0": np.tanh(normal(rng, s.B, s.H, scale=1.0)),
        }

    return Key(
        cases=(*each_size(case), Case("twenty steps", case(TWENTY))),
        also_right=(one_by_one,),
        axes={"result": "T+1 B H"},
        words={
            "z_does": _Z_DOES[z],
            "f_is": {
                TANH: "",
                SOFTSIGN: r"Here $\operatorname{softsign}(a) = a / (1 + |a|)$ stands where the chapter has tanh. ",
                ARCTAN: "Here `np.arctan` stands where the chapter has tanh. ",
            }[f],
            "f_code": written(f.code, "a", "a_n"),
            "mix_code": _MIX_CODE[z],
        },
    )


@exercise(
    "gru-backward-step",
    "gru_step_back",
    "One step back through a GRU",
    "derive",
    z=("keeps", "writes"),
    order=("rzn", "zrn", "nrz"),
)
def gru_backward_step(rng: np.random.Generator, z: str, order: str) -> Key:
    keeps = z == "keeps"

    def by_companion(dh, r, gate, n, v, h_before, W_h):
        """The GRU of companion, whose gate keeps: where this one writes, its gate is 1 - z, and δ^z turns its sign."""
        cell, w = GRU(1, dh.shape[1]), _by_name(order, W_h=W_h)
        now = {"r": r, "z": gate if keeps else 1 - gate, "n": n, "a_hn": v}
        da, along = cell.back(w, cell.slopes(w, now, {"h": h_before}), {"h": dh})
        da["z"] = da["z"] if keeps else -da["z"]
        back = along["h"] + sum(da[k] @ w[f"W_h{k[-1]}"] for k in ("r", "z", "hn"))
        return np.concatenate([da[k] for k in order], axis=1), back

    def case(s):
        w = weights(rng, s.I, s.H, order)
        h_before = np.tanh(normal(rng, s.B, s.H, scale=1.0))
        return {
            "dh": normal(rng, s.B, s.H, scale=1.0),
            "r": sigmoid(normal(rng, s.B, s.H, scale=1.0)),
            "z": sigmoid(normal(rng, s.B, s.H, scale=1.0)),
            "n": np.tanh(normal(rng, s.B, s.H, scale=1.0)),
            "v": h_before @ w["W_hn"].T + w["b_n"],
            "h_before": h_before,
            "W_h": stacked(w, order)[1],
        }

    return Key(
        cases=each_step_size(case),
        also_right=(by_companion,),
        misconceptions=(
            *(replace(m, name=f"{m.name} throughout") for m in exchanges(order)),
            *(
                replace(m, wrong=Edit(words={"deltas": listed(m.wrong.options["order"], "da_")}))
                for m in exchanges(order, joined=True)
            ),
        ),
        returns=("da", "dh_before"),
        axes={"da": "B column", "dh_before": "B H"},
        words={
            "order": listed(order),
            "matrices": listed(order, "W_h"),
            "deltas": listed(order, "da_"),
            "z_does": _Z_DOES[z],
            "mix_formula": r"z_t \odot h_{t-1} + (1 - z_t) \odot n_t"
            if keeps
            else r"(1 - z_t) \odot h_{t-1} + z_t \odot n_t",
            "keeps": "z" if keeps else "(1 - z)",
            "writes": "(1 - z)" if keeps else "z",
            "gain": "h_before - n" if keeps else "n - h_before",
            "gain_of_one": "h_before" if keeps else "n",
            "gain_formula": "h_{t-1} - n_t" if keeps else "n_t - h_{t-1}",
        },
    )


@exercise(
    "gru-convert",
    "convert",
    "Carry a GRU over",
    "implement",
    source=("rzn", "nrz", "rnz"),
    target=("zrn", "nzr", "znr"),
    side=("columns", "rows"),
)
def convert(rng: np.random.Generator, source: str, target: str, side: str) -> Key:
    columns = side == "columns"

    def by_companion(W_x, W_h, b):
        w = other_update_gate(_by_name(source, W_x=W_x, W_h=W_h, b_=b))
        return tuple(stack.T if columns else stack for stack in stacked(w, target))

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, source), source)
        return {"W_x": W_x, "W_h": W_h, "b": b}

    return Key(
        cases=each_step_size(case),
        also_right=(by_companion,),
        returns=("W_x", "W_h", "b"),
        axes={"W_x": "I column", "W_h": "H column", "b": "column"}
        if columns
        else {"W_x": "row I", "W_h": "row H", "b": "row"},
        words={
            "source": listed(source),
            "target": listed(target),
            **{f"source_{v}": listed(source, f"{v}_") for v in "xhb"},
            **{f"target_{v}": listed(target, f"{v}_") for v in "xhb"},
            "stored": "transposed, the gates side by side: `W_x` $(I, 3H)$, `W_h` $(H, 3H)$ and `b` $(3H,)$"
            if columns
            else "one below the other too: `W_x` $(3H, I)$, `W_h` $(3H, H)$ and `b` $(3H,)$",
            "T": ".T" if columns else "",
            "wrongly": "not transposed" if columns else "transposed",
            "shape_x": "(I, 3H)" if columns else "(3H, I)",
            "shape_h": "(H, 3H)" if columns else "(3H, H)",
        },
    )
