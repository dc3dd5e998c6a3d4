"""Activations that a cohort may be asked to use instead of tanh, and the mistakes of taking one for another."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.edits import Edit
from companion.exercises.model import Misconception


@dataclass(frozen=True)
class Activation:
    """An activation f of pre-activations a with states h = f(a).

    Attributes:
        name: as prose has it.
        apply: f(a).
        slope: f′ from the state h, of the same shape.
        code: f(a) as a line of NumPy, of the variable a.
        slope_code: f′ as a line of NumPy, of the variable h.
        formula: f in LaTeX, to stand before an argument.
    """

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    code: str
    slope_code: str
    formula: str


TANH = Activation("tanh", np.tanh, lambda h: 1 - h**2, "np.tanh(a)", "1 - h**2", r"\tanh")
LOGISTIC = Activation(
    "the logistic function", sigmoid, lambda h: h * (1 - h), "1 / (1 + np.exp(-a))", "h * (1 - h)", r"\sigma"
)
SOFTSIGN = Activation(
    "softsign, f(a) = a / (1 + |a|)",
    lambda a: a / (1 + np.abs(a)),
    lambda h: (1 - np.abs(h)) ** 2,
    "a / (1 + np.abs(a))",
    "(1 - np.abs(h)) ** 2",
    r"\operatorname{softsign}",
)
ARCTAN = Activation(
    "the arcus tangent", np.arctan, lambda h: np.cos(h) ** 2, "np.arctan(a)", "np.cos(h) ** 2", r"\arctan"
)

ACTIVATIONS = (TANH, LOGISTIC, SOFTSIGN, ARCTAN)


def written(code: str, old: str, new: str) -> str:
    """A line of code with another variable: `written("np.tanh(a)", "a", "c")` is "np.tanh(c)"."""
    return re.sub(rf"\b{old}\b", new, code)


def other_activation(f: Activation) -> Misconception:
    """The mistake of using another activation than ``f``, which is asked for as ``f``."""
    confused = TANH if f is not TANH else LOGISTIC
    return Misconception(
        f"another activation: {confused.name}",
        "The statement says which activation this network has, as a formula and as code.",
        Edit(options={"f": confused}),
    )


def other_slopes(f: Activation) -> tuple[Misconception, ...]:
    """The likeliest wrong formulas for the slope of ``f``, which the solution has as «f.slope_code»."""
    at = written(f.slope_code, "h", f"({written(f.code, 'a', 'h')})")
    at_the_state = Misconception(
        "the slope f′ taken at h_t instead of a_t",
        "f′(a_t) can be written with the state, but it is not f′ applied to the state. At which number is your slope "
        "taken?",
        Edit(words={"f.slope_code": at}),
    )
    if f is not TANH:
        return (
            at_the_state,
            Misconception(
                "the slope is that of tanh",
                "1 − h² is the slope of tanh, written with its state. This network has another activation: what is its "
                "slope?",
                Edit(words={"f.slope_code": TANH.slope_code}),
            ),
        )
    return (
        at_the_state,
        Misconception(
            "the slope as 1 − h instead of 1 − h²",
            "For a negative state your slope is larger than 1. Can tanh be that steep?",
            Edit(words={"f.slope_code": "1 - h"}),
        ),
        Misconception(
            "the slope is that of the logistic function",
            "h (1 − h) is the slope of the logistic function, written with its state. What is that of tanh?",
            Edit(words={"f.slope_code": LOGISTIC.slope_code}),
        ),
    )
