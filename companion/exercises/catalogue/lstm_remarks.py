"""Exercises on the remarks about the LSTM: how far the direct path reaches, by the bias and by the gates."""

from __future__ import annotations

import math

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Drawn, Key, Misconception, exercise
from companion.functions import sigmoid

PARTS = {"half": 0.5, "a tenth": 0.1, "a quarter": 0.25, "one percent": 0.01}


@exercise(
    "forget-half-life",
    chapter="lstm-remarks",
    name="gate_and_steps",
    title="From a bias to a memory",
    kind="predict",
    ask={
        "bias": Drawn(0.8, lambda rng: round(float(rng.uniform(0.9, 2.0)), 1)),
        "biases": ("two", "one"),
        "left": tuple(PARTS),
    },
)
def forget_half_life(rng: np.random.Generator, bias: float, biases: str, left: str) -> Key:
    part = PARTS[left]

    def gate(times):
        return 1 / (1 + math.exp(-times * bias))

    def reach(f):
        return math.log(part) / math.log(f)

    f = gate(2 if biases == "two" else 1)
    other = gate(1 if biases == "two" else 2)
    squashed = math.tanh((2 if biases == "two" else 1) * bias)

    return Key(
        answer=(f, reach(f)),
        also_right=(np.array([f, reach(f)]), [f, reach(f)], (round(f, 3), round(reach(f), 3))),
        returns=("gate", "steps"),
        tolerance=1e-3,
        words={
            "bias": f"{bias:g}",
            "part": f"{part:g}",
            "library": (
                f"A library keeps two biases for each gate, which it adds up. Someone sets both biases of the forget "
                f"gate to {bias:g}, for all units"
                if biases == "two"
                else f"Someone sets the one bias of the forget gate to {bias:g}, for all units"
            ),
            "total": f"2 * {bias:g}" if biases == "two" else f"{bias:g}",
            "reason": (
                f"The two biases add up, so that the gate stands at $\\sigma({2 * bias:g})$."
                if biases == "two"
                else f"The gate stands at $\\sigma({bias:g})$."
            ),
        },
        hints=(
            "What is the pre-activation of the gate when the input and the state say nothing?",
            "The gate is the logistic function of that. Each step multiplies what is left by the gate.",
            f"Solve gate^n = {part:g} for n, with logarithms.",
        ),
        misconceptions=(
            Misconception(
                "one bias for two" if biases == "two" else "two biases for one",
                "The gate's pre-activation is the sum of both biases. You have counted one."
                if biases == "two"
                else "This cell has one bias a gate. You have counted it twice.",
                (other, reach(other)),
            ),
            Misconception(
                "tanh for the logistic function",
                "A gate lies between 0 and 1, and is 0.5 for a bias of 0. Which function does that?",
                (squashed, reach(squashed)),
            ),
            Misconception(
                "what is let go for what is kept",
                "You have raised 1 − f to the power n: the forget gate says how much is *kept*.",
                (f, reach(1 - f)),
            ),
            Misconception(
                "losses added up in place of factors",
                "You take away the same amount at each step. But each step loses its share of what is *left*, so that "
                "the losses become smaller.",
                (f, (1 - part) / (1 - f)),
            ),
            *(
                ()
                if part == 0.5  # where they are the same
                else (
                    Misconception(
                        "what is lost for what is left",
                        f"After your number of steps {1 - part:g} of the content are left, and {part:g} are lost.",
                        (f, math.log(1 - part) / math.log(f)),
                    ),
                )
            ),
            Misconception(
                "a formula for gates near 1",
                "You divide by 1 − f, which is close to −ln f only where f is close to 1. Solve without it.",
                (f, -math.log(part) / (1 - f)),
            ),
            Misconception(
                "the sign of the bias",
                "A positive bias opens the gate: it should be above one half. Look at the sign in the exponent.",
                (1 - f, reach(1 - f)),
            ),
            Misconception(
                "the rule of thumb 1 / (1 − f)",
                "After that many steps about 37 % are left, whatever the gate. The question is about another part.",
                (f, 1 / (1 - f)),
            ),
            Misconception(
                "two kinds of logarithm in one quotient",
                "One of your logarithms is natural and the other has the base 10. Any base will do, if it is one.",
                (f, math.log10(part) / math.log(f)),
            ),
        ),
    )


GATES = {  # what is given: as prose has it, and the forget gates as code of the variable gates
    "forget gates": ("the forget gates $f_1 \\dots f_T$ themselves", "gates"),
    "pre-activations": (
        "the pre-activations of the forget gates: $f_t = \\sigma(a_{f,t})$, and what you get is $a_{f,1} \\dots "
        "a_{f,T}$",
        "1 / (1 + np.exp(-gates))",
    ),
    "input gates": (
        "the input gates $i_1 \\dots i_T$ of a cell whose gates are coupled, $f_t = 1 - i_t$",
        "1 - gates",
    ),
}


@exercise(
    "direct-path",
    chapter="lstm-remarks",
    name="direct_path",
    title="The direct path, from every step",
    kind="complete",
    ask={"given": tuple(GATES), "ends": ("at the end", "at the start")},
)
def direct_path(rng: np.random.Generator, given: str, ends: str) -> Key:
    to_the_end = ends == "at the end"

    def forget(gates):
        return {"forget gates": gates, "pre-activations": sigmoid(gates), "input gates": 1 - gates}[given]

    def products(f, to_the_end=to_the_end):
        one = np.ones_like(f[:1])
        if to_the_end:
            return np.concatenate([np.cumprod(f[::-1], axis=0)[::-1], one])
        return np.concatenate([one, np.cumprod(f, axis=0)])

    def answer(gates):
        return products(forget(gates))

    def by_loops(gates):
        f = forget(gates)
        T = len(f)
        rows = [f[k:].prod(axis=0) if to_the_end else f[:k].prod(axis=0) for k in range(T + 1)]
        return np.array(rows)

    def by_logarithms(gates):
        logs = np.log(forget(gates))
        sums = np.zeros((len(logs) + 1, *logs.shape[1:]))
        for t in range(len(logs)):
            if to_the_end:
                sums[: t + 1] = sums[: t + 1] + logs[t]
            else:
                sums[t + 1 :] = sums[t + 1 :] + logs[t]
        return np.exp(sums)

    def one_factor_more(gates):
        f = forget(gates)
        late = np.concatenate([f[:1], f]) if to_the_end else np.concatenate([f, f[-1:]])  # a gate for each state
        return np.cumprod(late[::-1], axis=0)[::-1] if to_the_end else np.cumprod(late, axis=0)

    def sums(gates):
        f = forget(gates)
        zero = np.zeros_like(f[:1])
        if to_the_end:
            return np.concatenate([np.cumsum(f[::-1], axis=0)[::-1], zero])
        return np.concatenate([zero, np.cumsum(f, axis=0)])

    return Key(
        answer=answer,
        also_right=(by_loops, by_logarithms),
        axes={"result": "T+1 B H"},
        words={
            "given": GATES[given][0],
            "forget": GATES[given][1],
            "what": (
                r"from every step $k$ to the last: row $k$ holds $\prod_{j=k+1}^{T} f_j$, what a gradient at $c_T$ "
                r"becomes on its way to $c_k$"
                if to_the_end
                else r"from the start to every step $t$: row $t$ holds $\prod_{j=1}^{t} f_j$, what is left at $c_t$ of "
                r"$c_0$"
            ),
            "last": "row $T$, the path of no step," if to_the_end else "row 0, the path of no step,",
            "loop": "for k in range(len(f), 0, -1):" if to_the_end else "for k in range(1, len(f) + 1):",
            "row": "path[k - 1]" if to_the_end else "path[k]",
            "line": "path[k] * f[k - 1]" if to_the_end else "path[k - 1] * f[k - 1]",
            "reason": (
                "The path from $k - 1$ has one factor more than that from $k$"
                if to_the_end
                else "The path to $k$ has one factor more than that to $k - 1$"
            ),
        },
        cases=each_size(
            lambda s: {
                "gates": normal(rng, s.T, s.B, s.H, scale=1.5)
                if given == "pre-activations"
                else sigmoid(normal(rng, s.T, s.B, s.H, scale=1.5))
            }
        ),
        hints=(
            "Which gates lie on the path from c_{T−1} to c_T? Which on that from c_T to c_T?",
            "Neighbouring rows differ by one factor. Which gate is it?",
            "The gate of step t is in row t − 1 of what is given, and the result has one row more.",
        ),
        misconceptions=(
            *(
                ()
                if given == "forget gates"
                else (
                    Misconception(
                        "what is given is taken for the forget gates",
                        f"You multiply the {given} as they come. First make forget gates of them.",
                        lambda gates: products(gates),
                    ),
                )
            ),
            Misconception(
                "one factor too many",
                "Your path of no step is not 1. A gate belongs to the step *between* two states: from c_{k} on, the "
                "first one that is met is f_{k+1}.",
                one_factor_more,
            ),
            Misconception(
                "the path of no step is missing",
                "There are T + 1 states and as many rows. One of the paths has no step at all; what is an empty "
                "product?",
                lambda gates: answer(gates)[:-1] if to_the_end else answer(gates)[1:],
            ),
            Misconception(
                "the other end is held fast",
                f"All your paths {'begin at step 0' if to_the_end else 'end at step T'}. Read again which end is the "
                f"same "
                "for all rows.",
                lambda gates: products(forget(gates), not to_the_end),
            ),
            Misconception(
                "the gate of the step before",
                "The gate of step k stands in row k − 1. You read one row earlier, and for the first step row −1, "
                "which is the last one and no error.",
                lambda gates: products(np.roll(forget(gates), 1, axis=0)),
            ),
            *(
                (
                    Misconception(
                        "the products run from the wrong end",
                        "Row k holds the gates of steps 1 to k + 1. Which gates lie between c_k and c_T? For the last "
                        "rows they are few.",
                        lambda gates: np.concatenate([np.cumprod(forget(gates), axis=0), np.ones_like(gates[:1])]),
                    ),
                )
                if to_the_end
                else ()
            ),
            Misconception(
                "gates are added",
                "One after the other, gates multiply: half of a half is a quarter.",
                sums,
            ),
            Misconception(
                "units are mixed",
                "You also multiply over the units. The direct path goes from a cell to the same cell, entry by entry.",
                lambda gates: answer(gates).prod(axis=-1),
            ),
            Misconception(
                "each row its own gate",
                "Each row holds one gate. A path over n steps is a product of n.",
                lambda gates: np.concatenate(
                    [forget(gates), np.ones_like(gates[:1])] if to_the_end else [np.ones_like(gates[:1]), forget(gates)]
                ),
            ),
        ),
    )
