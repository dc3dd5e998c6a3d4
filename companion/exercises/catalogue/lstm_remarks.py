"""How far an LSTM's direct path reaches, by the bias of its forget gate and by the gates themselves."""

from __future__ import annotations

import math

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise

PARTS = {"half": 0.5, "a tenth": 0.1, "a quarter": 0.25, "one percent": 0.01}

# one bias of 1.6 would ask what the book asks with two of 0.8
BIASES = (0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 1.8, 1.9, 2.0)


@exercise(
    "forget-half-life",
    "gate_and_steps",
    "From a bias to a memory",
    "predict",
    bias=Drawn(0.8, lambda rng: float(rng.choice(BIASES))),
    biases=("two", "one"),
    left=tuple(PARTS),
)
def forget_half_life(rng: np.random.Generator, bias: float, biases: str, left: str) -> Key:
    part, two = PARTS[left], biases == "two"
    f = 1 / (1 + math.exp(-2 * bias if two else -bias))
    return Key(
        also_right=([round(f, 3), round(math.log(part, f), 3)],),
        returns=("gate", "steps"),
        tolerance=1e-3,
        words={
            "bias": f"{bias:g}",
            "part": f"{part:g}",
            "lost": f"{1 - part:g}",
            "set": "A library keeps two biases for each gate, which it adds up. Someone sets both biases"
            if two
            else "Someone sets the one bias",
            "total": f"2 * {bias:g}" if two else f"{bias:g}",
            "sum": f"{2 * bias:g}" if two else f"{bias:g}",
            "so": "The two biases add up, so that the" if two else "The",
        },
    )


GIVEN = {  # what is given -> the argument's name, the forget gates as code of it, and what the statement says
    "forget gates": ("f", "f", r"the *values* of the forget gates $f_1 \dots f_T$, after $\sigma$, and nothing else"),
    "pre-activations": (
        "a_f",
        "1 / (1 + np.exp(-a_f))",
        r"the pre-activations of the forget gates: $f_t = \sigma(a_{f,t})$, and what you get is "
        r"$a_{f,1} \dots a_{f,T}$",
    ),
    "input gates": (
        "i",
        "1 - i",
        r"the input gates $i_1 \dots i_T$ of a cell whose gates are coupled, $f_t = 1 - i_t$",
    ),
}


@exercise(
    "direct-path",
    "direct_path",
    "The direct path, from every step",
    "complete",
    given=tuple(GIVEN),
    ends=("at the end", "at the start"),
)
def direct_path(rng: np.random.Generator, given: str, ends: str) -> Key:
    to_the_end = ends == "at the end"
    argument, forget, says = GIVEN[given]

    def by_products(gates):
        f = {"f": gates, "a_f": sigmoid(gates), "i": 1 - gates}[argument]
        return np.array([(f[k:] if to_the_end else f[:k]).prod(axis=0) for k in range(len(f) + 1)])

    def gates(s):
        a = normal(rng, s.T, s.B, s.H, scale=1.5)
        return {argument: a if argument == "a_f" else sigmoid(a)}

    return Key(
        cases=(*each_size(gates), Case("twenty steps", gates(Size("", T=20, B=2, I=1, H=2, O=1)))),
        also_right=(by_products,),
        axes={"result": "T+1 B H"},
        words={
            "argument": argument,
            "forget": forget,
            "says": says,
            "what": r"from every step $k$ to the last: row $k$ holds $\prod_{j=k+1}^{T} f_j$, what a gradient at $c_T$ "
            "becomes on its way to $c_k$"
            if to_the_end
            else r"from the start to every step $t$: row $t$ holds $\prod_{j=1}^{t} f_j$, what is left at $c_t$ of "
            "$c_0$",
            "last": "row $T$" if to_the_end else "row 0",
            "steps": "range(T, 0, -1)" if to_the_end else "range(1, T + 1)",
            "row": "path[k - 1]" if to_the_end else "path[k]",
            "next": "path[k]" if to_the_end else "path[k - 1]",
            "reason": "from $k - 1$ has one factor more than that from $k$"
            if to_the_end
            else "to $k$ has one factor more than that to $k - 1$",
            "wrongly": "begin at step 0" if to_the_end else "end at step T",
        },
    )
