"""How far does it reach?"""

from __future__ import annotations

import math

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise

BOOK = (1.2, 0.6, 0.001)


def _counts(w: float, h: float, threshold: float) -> dict[str, float]:
    """The number of steps that is asked for, and what mistakes make of it."""

    def first(factor: float) -> float:
        return math.ceil(math.log(threshold) / math.log(factor))

    exact = math.log(threshold) / math.log(w * (1 - h**2))
    return {
        "right": math.ceil(exact),
        "one early": math.ceil(exact) - 1,
        "not whole": exact,
        "slope alone": first(1 - h**2),
        "not squared": first(w * (1 - h)),
        "logistic": first(w * h * (1 - h)),
        "one late": math.ceil(exact) + 1,
        "state squashed": first(w * (1 - math.tanh(h) ** 2)),
        "two logarithms": math.ceil(math.log10(threshold) / math.log(w * (1 - h**2))),
    }


def _draw_unit(rng: np.random.Generator) -> tuple[float, float, float]:
    while True:  # until no two counts agree, the threshold is not met by a hair, and the answer is not the book's
        w, h = round(float(rng.uniform(1.05, 1.5)), 2), round(float(rng.uniform(0.45, 0.7)), 2)
        threshold = 10.0 ** -int(rng.integers(2, 5))
        if not 0.6 < w * (1 - h**2) < 0.93:
            continue
        counts = _counts(w, h, threshold)
        if counts["right"] == _counts(*BOOK)["right"]:
            continue
        if 0.1 < counts["not whole"] % 1 < 0.9 and len({round(n, 6) for n in counts.values()}) == len(counts):
            return w, h, threshold


@exercise(
    "predict-decay",
    chapter="vanishing-and-exploding-gradients",
    name="steps",
    title="How far does it reach?",
    kind="predict",
    ask={"unit": Drawn(BOOK, _draw_unit)},
)
def predict_decay(rng: np.random.Generator, unit: tuple[float, float, float]) -> Key:
    w, h, threshold = unit
    n = _counts(w, h, threshold)

    return Key(
        answer=n["right"],
        also_right=(float(n["right"]), np.array(n["right"]), np.float64(n["right"])),
        words={"w": f"{w:g}", "h": f"{h:g}", "threshold": f"{threshold:g}"},
        hints=(
            "Which factor does a gradient get on one step back through this unit? It is the same at every step.",
            "The factor is w times the slope of tanh. The slope of tanh follows from the state.",
            "Multiply until the product is below the threshold, in a loop. Or solve factor^n = threshold for n, and "
            "take the next whole number.",
        ),
        misconceptions=(
            Misconception(
                "one step too early",
                "After this many steps the gradient is still a little above the threshold. Check with a power.",
                n["one early"],
            ),
            Misconception(
                "one step too late",
                "One step earlier the gradient is below the threshold already. Which power of the factor belongs to "
                "no step? Or have you counted the states in place of the steps?",
                n["one late"],
            ),
            Misconception(
                "not a whole number",
                "At this length the power equals the threshold. Steps are whole: which is the first one below?",
                n["not whole"],
            ),
            Misconception(
                "the weight is missing",
                "The slope is one part of the factor a step. Through what else does h_{t−1} reach h_t?",
                n["slope alone"],
            ),
            Misconception(
                "1 − h for 1 − h²",
                "The slope of tanh, from its state h, has a square in it.",
                n["not squared"],
            ),
            Misconception(
                "the slope of the logistic function",
                "h(1 − h) belongs to the logistic function. This unit has a tanh.",
                n["logistic"],
            ),
            Misconception(
                "tanh of the state",
                "The given h is the state, which is tanh(a) already. You send it through tanh once more.",
                n["state squashed"],
            ),
            Misconception(
                "two kinds of logarithm in one quotient",
                "One of your logarithms is natural and the other has the base 10. Any base will do, if it is one.",
                n["two logarithms"],
            ),
        ),
    )
