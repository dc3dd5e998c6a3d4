"""Real-time recurrent learning: sensitivities carried forwards, for one unit and for a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation, other_slopes
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise


@dataclass(frozen=True)
class By:
    """By which number of the unit its state is differentiated.

    Attributes:
        formula: LaTeX of it, which is its name in code too.
        what: it in words, at the end of a sentence.
        source: what stands beside the number in a_t, as code before the other term.
        first: p_0.
        why: the two terms, for the worked solution.
    """

    formula: str
    what: str
    source: str
    first: str
    why: str


BYS = (
    By(
        "w",
        "the recurrent weight",
        "h + ",
        "0.0",
        "In $a_t$ the weight $w$ stands in front of $h_{t-1}$, and $h_{t-1}$ depends on $w$ itself: by the product "
        "rule $a_t$ moves by $h_{t-1} + w\\,p_{t-1}$. $h_0$ is given, whatever $w$ is, so $p_0 = 0$.",
    ),
    By(
        "v",
        "the input weight",
        "x_t + ",
        "0.0",
        "In $a_t$ the weight $v$ multiplies $x_t$, which does not depend on it; but it has moved $h_{t-1}$ too, "
        "which $w$ multiplies. So $a_t$ moves by $x_t + w\\,p_{t-1}$. $h_0$ is given, so $p_0 = 0$.",
    ),
    By(
        "b",
        "the bias",
        "1 + ",
        "0.0",
        "In $a_t$ the bias stands alone, as if it multiplied 1; but it has moved $h_{t-1}$ too, which $w$ multiplies. "
        "So $a_t$ moves by $1 + w\\,p_{t-1}$. $h_0$ is given, so $p_0 = 0$.",
    ),
    By(
        "h_0",
        "the initial state",
        "",
        "1.0",
        "$h_0$ appears in no $a_t$ but the first, and there as the state before: it reaches step $t$ only through "
        "$h_{t-1}$, so $a_t$ moves by $w\\,p_{t-1}$. $h_0$ itself moves as much as it is moved: $p_0 = 1$.",
    ),
)


@exercise("rtrl-unit", "sensitivity", "Sensitivities of one unit", "derive", by=BYS, f=ACTIVATIONS)
def unit(rng: np.random.Generator, by: By, f: Activation) -> Key:
    def by_differences(x, v, w, b, h_0):
        def states(move):
            n = {"v": v, "w": w, "b": b, "h_0": h_0}
            n[by.formula] += move
            h = [n["h_0"]]
            for x_t in x:
                h.append(f.apply(n["v"] * x_t + n["w"] * h[-1] + n["b"]))
            return np.array(h)

        return (states(1e-5) - states(-1e-5)) / 2e-5

    def case(name, T):
        return Case(
            name,
            {
                "x": normal(rng, T, scale=1.0),
                "v": float(rng.uniform(0.4, 0.9)),
                "w": float(rng.uniform(0.6, 1.2)),
                "b": float(rng.uniform(-0.3, 0.3)),
                "h_0": float(rng.uniform(0.2, 0.7)),
            },
        )

    def below_zero(name, w):
        """Weights, bias and initial state are the negative ones of a case, the recurrent weight is w."""
        given = case(name, 5).arguments
        return Case(name, {key: value if key == "x" else -value for key, value in given.items()} | {"w": w})

    return Key(
        cases=(
            case("two steps", 2),
            case("T = 1", 1),
            case("T = 4", 4),
            case("a longer sequence", 12),
            below_zero("negative weights", w=-0.8),
            below_zero("w = 0", w=0.0),
        ),
        also_right=(by_differences,),
        misconceptions=other_slopes(f),
        axes={"result": "T+1"},
        words={"same": f"${by.formula}$ is one and the same number at all steps and " if by.source else ""},
    )


@dataclass(frozen=True)
class Of:
    """Of which weight the sensitivities are: its name, its indices, and what it multiplies in a_t."""

    name: str
    formula: str
    indices: str
    shape: str
    arguments: str
    source: str
    source_formula: str


OFS = (
    Of("W_hh", "W_{hh,jm}", "jm", "(T + 1, H, H, H)", "h, W_hh", "h[t - 1]", "h_{t-1,m}"),
    Of("W_xh", "W_{xh,jm}", "jm", "(T + 1, H, H, I)", "h, W_hh, x", "x[t - 1]", "x_{t,m}"),
    Of("b_h", "b_{h,j}", "j", "(T + 1, H, H)", "h, W_hh", "1", "1"),
)


@exercise("rtrl-matrix", "sensitivities", "Sensitivities of a layer", "implement", of=OFS, f=ACTIVATIONS)
def matrix(rng: np.random.Generator, of: Of, f: Activation) -> Key:
    def flat(h, W_hh, x=None):
        """With the sensitivities of a unit in one row, whatever the weight."""
        H, slope = h.shape[1], f.slope(h)
        source = {"W_hh": h[:-1], "W_xh": x, "b_h": np.ones((len(h) - 1, 1))}[of.name]
        P = [np.zeros((H, H * source.shape[1]))]
        for t in range(1, len(h)):
            P.append(slope[t][:, None] * (W_hh @ P[-1] + np.kron(np.eye(H), source[t - 1])))
        tensors = np.array(P).reshape(-1, H, H, source.shape[1])
        return tensors[..., 0] if of.name == "b_h" else tensors

    def case(name, T, I, H):
        given = {"h": f.apply(normal(rng, T + 1, H)), "W_hh": normal(rng, H, H, scale=1.0)}
        return Case(name, given | ({"x": normal(rng, T, I)} if of.name == "W_xh" else {}))

    return Key(
        cases=(
            case("two steps, two units", 2, 3, 2),
            case("T = 1", 1, 2, 3),
            case("H = 1", 3, 2, 1),
            case("everything square", 3, 3, 3),
            case("a longer sequence", 7, 2, 4),
        ),
        also_right=(flat,),
        misconceptions=other_slopes(f),
        axes={"result": f"T+1 i {' '.join(of.indices)}"},
        words={
            "behind": of.indices[1:],
            "zeros": of.shape.replace("T + 1", "len(h)").replace("I)", "x.shape[1])"),
            "inputs": ", the inputs `x` $(T, I)$" if of.name == "W_xh" else "",
        },
    )
