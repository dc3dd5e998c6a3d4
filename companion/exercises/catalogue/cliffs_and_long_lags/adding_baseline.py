"""What a guess costs."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}


def _draw_range(rng: np.random.Generator) -> tuple[int, int]:
    low = int(rng.integers(2, 6))
    return low, low + int(rng.choice([5, 7, 8]))  # widths for which no two of the answers below agree


@exercise(
    "adding-baseline",
    chapter="cliffs-and-long-lags",
    name="baseline",
    title="What a guess costs",
    kind="predict",
    ask={"ends": Drawn((1, 6), _draw_range), "count": (3, 2, 4, 5), "target": ("mean", "sum")},
)
def adding_baseline(rng: np.random.Generator, ends: tuple[int, int], count: int, target: str) -> Key:
    low, high = ends
    middle, one = (low + high) / 2, (high - low) ** 2 / 12  # of one number

    def best(target, one=one, middle=middle):
        return (middle, one / count) if target == "mean" else (count * middle, count * one)

    guess, cost = best(target)
    miscounted = one / count**2 if target == "mean" else one
    other = "sum" if target == "mean" else "mean"

    return Key(
        answer=(guess, cost),
        also_right=(np.array([guess, cost]), [guess, cost], (round(guess, 3), round(cost, 3))),
        returns=("guess", "cost"),
        tolerance=6e-4,
        words={
            "low": str(low),
            "high": str(high),
            "many": COUNTS[count],
            "middle": f"{low} + {high}",
            "guess": "middle" if target == "mean" else f"{count} * middle",
            "cost": f"one / {count}" if target == "mean" else f"{count} * one",
            "reason": (
                f"Dividing the sum by {count} divides its variance by {count}², so that the mean has 1/{count} of the "
                "variance of one number."
                if target == "mean"
                else f"So the sum has {count} times the variance of one number."
            ),
        },
        hints=(
            "Which constant has the smallest mean squared error? And what is that error called in statistics?",
            "The best constant is the mean of the target, and it pays the target's variance. One number from [0, 1] "
            "has the variance 1/12.",
            "Stretching a number by a factor multiplies its variance by the square of the factor. Variances of "
            "independent numbers add up.",
        ),
        misconceptions=(
            Misconception(
                f"the {other} for the {target}",
                f"These are guess and cost for the {other} of the marked numbers. The target is their {target}.",
                best(other),
            ),
            Misconception(
                "the marked numbers treated as one",
                "The cost is that of numbers which rise and fall together. Independent ones partly "
                "make up for each other: their variances add up, their deviations do not.",
                (guess, one if target == "mean" else count**2 * one),
            ),
            Misconception(
                "the width of the range is not squared",
                "A number that varies over twice the width has four times the variance: 1/12 belongs to the width 1.",
                best(target, one=(high - low) / 12),
            ),
            Misconception(
                "a standard deviation for a variance",
                "The cost is a mean *squared* error. You have taken a root.",
                (guess, cost**0.5),
            ),
            *(
                ()
                if high - low == count  # then a width that is not squared gives the same
                else (
                    Misconception(
                        "the variance of the sum is taken for that of one number",
                        f"Dividing by {count} does divide a variance by {count}². But the variance of which quantity "
                        "is divided?"
                        if target == "mean"
                        else f"This cost is the variance of one number: what is that of a sum of {COUNTS[count]}?",
                        (guess, miscounted),
                    ),
                )
            ),
            Misconception(
                "whole numbers only",
                "This is the variance of a whole number drawn from the range. The numbers here can be anything between "
                "the ends.",
                best(target, one=((high - low + 1) ** 2 - 1) / 12),
            ),
            Misconception(
                "the constant 0",
                "Zero is a constant, and not the best one: this cost is the mean square of the target itself.",
                (0.0, cost + guess**2),
            ),
            Misconception(
                "numbers from 0 to 1",
                "So it is in the chapter. Here the range is another one, and both the guess and the cost change with "
                "it.",
                best(target, one=1 / 12, middle=0.5),
            ),
        ),
    )
