"""What knowing nothing costs."""

from __future__ import annotations

import math

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise

COUNTS = {3: "three", 2: "two", 4: "four"}


@exercise(
    "order-baseline",
    chapter="what-the-gates-buy",
    name="baseline",
    title="What knowing nothing costs",
    kind="predict",
    ask={
        "p": Drawn(0.7, lambda rng: round(float(rng.choice([0.6, 0.62, 0.64, 0.66, 0.75, 0.76, 0.88])), 2)),
        "count": tuple(COUNTS),
        "unit": ("nats", "bits"),
    },
)
def order_baseline(rng: np.random.Generator, p: float, count: int, unit: str) -> Key:
    base = 1 if unit == "nats" else math.log(2)
    one = -(p * math.log(p) + (1 - p) * math.log(1 - p)) / base  # the entropy of one symbol
    loss, wrong = count * one, 1 - p**count

    return Key(
        answer=(loss, wrong),
        also_right=(np.array([loss, wrong]), [loss, wrong], (round(loss, 4), round(wrong, 4))),
        returns=("loss", "wrong"),
        tolerance=1e-4,
        words={
            "p": f"{p:g}",
            "q": f"{1 - p:g}",
            "many": COUNTS[count],
            "classes": str(2**count),
            "example": "X" * (count - 1) + "Y",
            "log": "np.log" if unit == "nats" else "np.log2",
        },
        hints=(
            "Without looking at the input, which probability would you give to each class? Their own, it turns out.",
            "The cross-entropy of that answer is the entropy of the class. The symbols are independent: what does that "
            "mean for the entropy of all of them?",
            "For the second number one class has to be named. Which is the most frequent, and how often is it not the "
            "one?",
        ),
        misconceptions=(
            Misconception(
                "all classes equally likely",
                "That would be right for p = 1/2. Here an X is likelier than a Y, and the answer may use that.",
                (count * math.log(2) / base, 1 - 2.0**-count),
            ),
            Misconception(
                "the other unit",
                f"The loss is in {'bits' if unit == 'nats' else 'nats'}. Which logarithm belongs to {unit}?",
                (loss * (1 / math.log(2) if unit == "nats" else math.log(2)), wrong),
            ),
            Misconception(
                "one symbol only",
                f"This is what one symbol costs. A class is the sequence of all {COUNTS[count]}.",
                (one, 1 - p),
            ),
            Misconception(
                "guessing at random in place of the best class",
                "For the second number you draw classes with their probabilities; naming the most "
                "frequent one every time is wrong less often.",
                (loss, 1 - (p**2 + (1 - p) ** 2) ** count),
            ),
            Misconception(
                "the cost of the most frequent class",
                "−log of the largest probability is the cost when that class comes. The expected cost is a mean over "
                "all classes.",
                (-count * math.log(p) / base, wrong),
            ),
            Misconception(
                "one term of the entropy is missing",
                "A symbol can be an X or a Y. Both have a term −p log p, each with its own probability.",
                (-count * p * math.log(p) / base, wrong),
            ),
            Misconception(
                "all symbols wrong",
                f"The second number is the share of sequences in which all {COUNTS[count]} symbols "
                "are Y. When is an answer wrong already?",
                (loss, (1 - p) ** count),
            ),
            Misconception(
                "right for wrong",
                "The second number is the share of answers that are *wrong*.",
                (loss, p**count),
            ),
        ),
    )
