"""From a bias to a memory."""

from __future__ import annotations

import math

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise

PARTS = {"half": 0.5, "a tenth": 0.1, "a quarter": 0.25, "one percent": 0.01}

# one bias of 1.6 would ask what the book asks with two of 0.8
BIASES = (0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 1.8, 1.9, 2.0)


@exercise(
    "forget-half-life",
    chapter="lstm-remarks",
    name="gate_and_steps",
    title="From a bias to a memory",
    kind="predict",
    ask={
        "bias": Drawn(0.8, lambda rng: float(rng.choice(BIASES))),
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
