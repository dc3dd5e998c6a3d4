"""Wrong slopes on the way back through a step of an LSTM: at the output, of the gates and of the candidate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, Activation
from companion.exercises.gates import GATES
from companion.exercises.model import Misconception

PSI_SLIPS: dict[str, tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = {  # of each function's slope at c
    SOFTSIGN.name: (
        "the square in the slope of softsign is missing",
        "You have 1/(1 + |c|). Differentiate c/(1 + |c|) once more, for a positive c: what is the power of 1 + |c|?",
        lambda c: 1 / (1 + np.abs(c)),
    ),
    ARCTAN.name: (
        "the slope of arctan at its own value",
        "The slope is 1/(1 + c²). You have put arctan(c) in the place of c.",
        lambda c: 1 / (1 + np.arctan(c) ** 2),
    ),
    LOGISTIC.name: (
        "the slope of σ at its own value",
        "The slope is σ(c)(1 − σ(c)). You send σ(c) through σ once more.",
        lambda c: sigmoid(sigmoid(c)) * (1 - sigmoid(sigmoid(c))),
    ),
}


WITHOUT_SIZE: tuple[tuple[str, Callable[[np.ndarray], np.ndarray] | None, Callable | None], ...] = (
    (
        "softsign and its slope",
        lambda c: c / (1 + c),
        lambda c: 1 / (1 + c) ** 2,
    ),  # its value and its slope; None: right
    ("softsign", lambda c: c / (1 + c), None),
    ("the slope of softsign", None, lambda c: 1 / (1 + c) ** 2),
)


def wrong_outputs(
    psi: Activation, with_psi: Callable[[Callable | None, Callable | None], Callable]
) -> tuple[Misconception, ...]:
    """The mistakes in the function at the output alone.

    Args:
        psi: that function.
        with_psi: the step with another value or slope of it, each a function of c; None where it is right.
    """
    slip_name, slip_hint, slip = PSI_SLIPS[psi.name]
    return (
        Misconception(slip_name, slip_hint, with_psi(None, slip)),
        *(
            Misconception(
                f"{which} without | |",
                "For a negative c the size |c| is −c: with 1 + c in its place you would divide by zero at c = −1. "
                "Where do the bars stand?",
                with_psi(value, slope),
            )
            for which, value, slope in (WITHOUT_SIZE if psi is SOFTSIGN else ())
        ),
        Misconception(
            "the cell itself for the squashed cell",
            "The slope is right. What does the output gate multiply: the cell, or a function of it?",
            with_psi(lambda c: c, None),
        ),
    )


def wrong_slopes(psi: Activation, with_deltas: Callable[[Callable], Callable]) -> tuple[Misconception, ...]:
    """The mistakes in the slopes of gates and candidate.

    Args:
        psi: the function at the output.
        with_deltas: the step with other δ, from (deltas, dh, dc_t, i, f, g, o, c) -> those that differ.
    """
    return (
        Misconception(
            "the candidate has the slope of σ",
            "Which function made g_t from its pre-activation, and what is that function's slope, written with g_t?",
            with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"g": dc_t * i * g * (1 - g)}),
        ),
        Misconception(
            "the candidate goes through tanh twice",
            "g is the candidate's *value*: it is tanh of its pre-activation already. What is the slope of tanh, "
            "written with its value?",
            with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"g": dc_t * i * (1 - np.tanh(g) ** 2)}),
        ),
        Misconception(
            "the gates go through σ twice",
            "i, f and o are *values*: each is σ of a pre-activation already. What is the slope of σ, written with its "
            "value?",
            with_deltas(
                lambda d, dh, dc_t, i, f, g, o, c: {
                    k: d[k] / (value * (1 - value)) * sigmoid(value) * (1 - sigmoid(value))
                    for k, value in (("i", i), ("f", f), ("o", o))
                }
            ),
        ),
        Misconception(
            "the slopes of the three gates are missing",
            "The candidate has its slope. What lies between a gate's value and its pre-activation, and what is the "
            "slope of that?",
            with_deltas(
                lambda d, dh, dc_t, i, f, g, o, c: {
                    "i": dc_t * g,
                    "f": d["f"] / (f * (1 - f)),
                    "o": dh * psi.apply(c),
                }
            ),
        ),
        Misconception(
            "all four slopes are missing",
            "Asked for are gradients at the pre-activations. What lies between a gate's value and its pre-activation?",
            with_deltas(
                lambda d, dh, dc_t, i, f, g, o, c: {
                    "i": d["i"] / (i * (1 - i)),
                    "f": d["f"] / (f * (1 - f)),
                    "g": dc_t * i,
                    "o": d["o"] / (o * (1 - o)),
                }
            ),
        ),
        *(
            Misconception(
                f"the slope of the {GATES[k]} is missing",
                "Three of the four are right. Asked for are gradients at pre-activations: what lies between this "
                "one and its value?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c, k=k: {
                        k: {
                            "i": dc_t * g,
                            "f": d["f"] / (f * (1 - f)),
                            "g": dc_t * i,
                            "o": dh * psi.apply(c),
                        }[k]
                    }
                ),
            )
            for k in "ifgo"
        ),
        Misconception(
            "the gates have the slope of tanh",
            "1 − (value)² belongs to tanh. Which function makes i, f and o, and what is its slope?",
            with_deltas(
                lambda d, dh, dc_t, i, f, g, o, c: {
                    "i": dc_t * g * (1 - i**2),
                    "f": d["f"] / (f * (1 - f)) * (1 - f**2),
                    "o": dh * psi.apply(c) * (1 - o**2),
                }
            ),
        ),
    )
