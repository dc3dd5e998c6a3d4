"""Probabilities at a temperature."""

from __future__ import annotations

import numpy as np

from companion.core.functions import softmax as softmax_of_the_course
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.measures import sharpen


@exercise(
    "sample-temperature",
    chapter="recurrent-language-models",
    name="at_temperature",
    title="Probabilities at a temperature",
    kind="implement",
    ask={"given": ("logits", "probabilities"), "knob": ("τ", "β")},
)
def temperature(rng: np.random.Generator, given: str, knob: str) -> Key:
    from_p, inverse = given == "probabilities", knob == "β"
    limit = np.inf if inverse else 0.0

    def logits_of(given):
        return np.log(given) if from_p else given

    def factor(number):
        return number if inverse else 1 / number

    def greedy(given):
        return np.eye(len(given))[np.argmax(given)]

    def scaled(scale):
        """The limit by itself; otherwise ``scale`` (given, what the logits are multiplied with)."""

        def function(given, number):
            if number == limit:
                return greedy(given)
            with np.errstate(all="ignore"):
                return scale(given, factor(number))

        return function

    def through_logarithms(given, by):
        v = logits_of(given) * by
        return np.exp(v - np.logaddexp.reduce(v))

    def against_the_largest(given, by):
        ratios = given / given.max() if from_p else np.exp(given - given.max())
        powers = ratios**by
        return powers / powers.sum()

    def of_the_course(given, by):
        return sharpen(given if from_p else softmax_of_the_course(given), 1 / by if by else 1e300)

    def unstable(given, by):
        powers = given**by if from_p else np.exp(given * by)
        return powers / powers.sum()

    def powers_of(p, by):
        powers = p**by
        return powers / powers.sum()

    def unnormalised(given, by):
        v = logits_of(given) * by
        return np.exp(v - v.max())

    def too_late(given, by):
        p = given if from_p else softmax_of_the_course(given)
        return p * by / (p * by).sum() if by else np.full(len(p), 1 / len(p))

    def confused(given, by):
        return softmax_of_the_course((given if from_p else softmax_of_the_course(given)) * by)

    def limit_forgotten(given, number):
        with np.errstate(all="ignore"):
            return softmax_of_the_course(logits_of(given) * np.divide(1.0, number) if not inverse else given * number)

    def shared(given, number):
        if number == limit:
            best = given == np.max(given)
            return best / best.sum()
        return scaled(through_logarithms)(given, number)

    cold, zero = ("β = 10000", "β infinite") if inverse else ("τ = 0.0001", "τ = 0")

    def case(name, values, tau):
        values = np.array(values, float)
        number = tau if not inverse else np.inf if tau == 0 else 1 / tau
        return Case(
            name,
            {
                "p" if from_p else "u": softmax_of_the_course(values) if from_p else values,
                "beta" if inverse else "tau": float(number),
            },
        )

    half, one, two = ("β = 2", "β = 1", "β = 1/2") if inverse else ("τ = 1/2", "τ = 1", "τ = 2")
    return Key(
        answer=scaled(lambda given, by: softmax_of_the_course(logits_of(given) * by)),
        also_right=(scaled(through_logarithms), scaled(against_the_largest), scaled(of_the_course)),
        axes={"result": "V"},
        words={
            "argument": "p" if from_p else "u",
            "number": "beta" if inverse else "tau",
            "scaled": "beta * u" if inverse else "u / tau",
            "logits": "np.log(p)" if from_p else "u",
            "limit": "beta == np.inf" if inverse else "tau == 0",
            "asked": r"\operatorname{softmax}(\beta\, u)" if inverse else r"\operatorname{softmax}(u / \tau)",
            "have": "the probabilities `p` $(V,)$ at temperature 1, all larger than 0 and together 1, instead of the "
            "logits $u$"
            if from_p
            else "the logits `u` $(V,)$",
            "turn": r"the **inverse temperature** $\beta = 1/\tau$, a number `beta` from 0 to infinity"
            if inverse
            else r"the **temperature** $\tau$, a number `tau` of at least 0",
            "cold": r"$\beta = \infty$ (`np.inf`)" if inverse else r"$\tau = 0$",
            "very": r"$\beta = 10000$" if inverse else r"$\tau = 0.0001$",
            "why": "Only $p$ is known, but the logarithm of a probability is as good as its logit: the two differ by a "
            "number that is the same for all tokens and cancels in the softmax."
            if from_p
            else "The logits are scaled *before* the softmax. Probabilities that are divided by a number and "
            "normalised again are the same probabilities.",
        },
        cases=(
            case(half, [2.0, 1.0, 0.0], 0.5),
            case(two, normal(rng, 5, scale=1.5), 2.0),
            case(one, normal(rng, 4), 1.0),
            case(zero, [0.5, 2.0, -1.0, 1.5], 0.0),
            case(f"{zero}, with a tie", [1.0, 2.0, 2.0], 0.0),
            case(cold, [0.3, -0.2, 0.1, 0.25], 1e-4),
            case("a single token", [0.7], 0.5),
        ),
        hints=(
            "A temperature acts on logits. Which logits belong to what you are given?"
            if from_p
            else "A temperature acts on the logits, and the softmax comes after it.",
            "Treat the limit by itself: all the probability goes to one token.",
            "Otherwise scale the logits, subtract the largest, take the exponential and divide by the sum.",
        ),
        misconceptions=(
            Misconception(
                "the scale is upside down",
                "High temperatures flatten a distribution, low ones sharpen it. Which way does yours go?",
                scaled(lambda given, by: softmax_of_the_course(logits_of(given) / by)),
            ),
            Misconception(
                "the temperature cancels",
                "Your result does not depend on the temperature. When you normalise, what happens to a factor of all "
                "probabilities, or to a number that is added to all logits?",
                scaled(too_late),
            ),
            Misconception(
                "probabilities are taken for logits",
                "At temperature 1 the distribution should not change. How many exponentials stand between p and your "
                "result?"
                if from_p
                else "At temperature 1 your result should be softmax(u). How often do you apply the softmax?",
                scaled(confused),
            ),
            Misconception(
                "not normalised",
                "Add up your result. After the exponential, what makes it 1?",
                scaled(unnormalised),
            ),
            Misconception(
                "very low temperatures overflow or underflow",
                f"Look at the case {cold}: which powers become infinite, or all of them 0? Which shift helps?",
                scaled(unstable),
            ),
            Misconception(
                "the limit is not treated by itself",
                f"Look at the case {zero}: the formula has no value there. What does the statement ask for?",
                limit_forgotten,
            ),
            *(
                ()
                if from_p
                else (
                    Misconception(
                        "all powers are 0, or all infinite, at very low temperatures",
                        f"Look at the case {cold}: all is nan there. To a high power every probability becomes 0; and "
                        f"a shift to the wrong side makes every power infinite, or 0. Scale the logits, and make the "
                        f"largest power 1.",
                        scaled(lambda given, by: powers_of(softmax_of_the_course(given), by)),
                    ),
                )
            ),
            Misconception(
                "in the limit the token, not its distribution",
                f"Look at the case {zero}: asked for are the probabilities of all tokens there too.",
                lambda given, number: (
                    int(np.argmax(given)) if number == limit else scaled(through_logarithms)(given, number)
                ),
            ),
            Misconception(
                "in the limit all tokens are equal",
                f"Look at the case {zero}: a low temperature sharpens the distribution. Which token is left at last?",
                lambda given, number: (
                    np.full(len(given), 1 / len(given))
                    if number == limit
                    else scaled(through_logarithms)(given, number)
                ),
            ),
            Misconception(
                "the distribution of temperature 1 in the limit",
                f"Look at the case {zero}: there the formula cannot be computed, but it has a limit. What does the "
                "statement ask for?",
                lambda given, number: scaled(through_logarithms)(given, 1.0 if number == limit else number),
            ),
            Misconception(
                "equals share the probability in the limit",
                "In the limit one token gets everything, the first among equals. What do you do with a tie?",
                shared,
            ),
        ),
    )
