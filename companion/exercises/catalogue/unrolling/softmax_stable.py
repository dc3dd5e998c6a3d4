"""A softmax for large logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.functions import softmax as softmax_of_the_course
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class _Base:
    """The base of the powers in a softmax: its number, its power as code and as formula."""

    number: float
    code: str
    formula: str


@exercise(
    "softmax-stable",
    chapter="unrolling",
    name="softmax",
    title="A softmax for large logits",
    kind="implement",
    ask={
        "base": (_Base(np.e, "np.exp(shifted)", "e"), _Base(2, "2.0**shifted", "2"), _Base(10, "10.0**shifted", "10")),
        "axis": (-1, 0),
    },
)
def softmax(rng: np.random.Generator, base: _Base, axis: int) -> Key:
    b, other = base.number, -1 - axis

    def answer(u, along=axis):
        e = b ** (u - u.max(axis=along, keepdims=True))
        return e / e.sum(axis=along, keepdims=True)

    def through_logarithms(u):
        v = u * np.log(b)
        return np.exp(v - np.logaddexp.reduce(v, axis=axis, keepdims=True))

    def of_the_course(u):
        return np.moveaxis(softmax_of_the_course(np.moveaxis(u * np.log(b), axis, -1)), -1, axis)

    def one_by_one(u):
        return np.apply_along_axis(lambda v: b ** (v - max(v)) / sum(b ** (v - max(v))), axis, u)

    def without_warnings(function):
        def quiet(u):
            with np.errstate(all="ignore"):
                return function(u)

        return quiet

    def naive(u):
        e = b**u
        return e / e.sum(axis=axis, keepdims=True)

    def with_epsilon(u):
        e = b**u
        return e / (e.sum(axis=axis, keepdims=True) + 1e-8)

    def clipped(u):
        return naive(np.clip(u, -300, 300))

    def one_largest(u):
        e = b ** (u - u.max())
        return e / e.sum(axis=axis, keepdims=True)

    def one_sum(u):
        e = b ** (u - u.max(axis=axis, keepdims=True))
        return e / e.sum()

    def mean_subtracted(u):
        return naive(u - u.mean(axis=axis, keepdims=True))

    def shifted_across(u):
        return naive(u - u.max(axis=other, keepdims=True))

    def smallest(u):
        return naive(u - u.min(axis=axis, keepdims=True))

    def largest_size(u):
        return naive(u - np.abs(u).max(axis=axis, keepdims=True))

    def one_of_each(u):
        e = b ** (u - u.max())
        return e / e.sum()

    def naive_with_one_sum(u):
        e = b**u
        return e / e.sum()

    def shifted_above_alone(u):
        return b ** (u - u.max(axis=axis, keepdims=True)) / (b**u).sum(axis=axis, keepdims=True)

    def turned_round(u):
        return naive(u.max(axis=axis, keepdims=True) - u)

    def logarithms(u):
        shifted = u - u.max(axis=axis, keepdims=True)
        return shifted - np.log((b**shifted).sum(axis=axis, keepdims=True)) / np.log(b)

    def nan_hidden(u):
        return np.nan_to_num(naive(u))

    def not_normalised(u):
        return b ** (u - u.max(axis=axis, keepdims=True))

    def laid(rows):
        return np.ascontiguousarray(np.moveaxis(np.array(rows, float), -1, axis))

    return Key(
        answer=answer,
        also_right=(through_logarithms, of_the_course, one_by_one),
        axes={"result": "O B" if axis == 0 else "B O"},
        words={
            "power": f"{base.formula}^{{u_k}}",
            "powers": f"{base.formula}^{{u_j}}",
            "shifted": f"{base.formula}^{{u_k - c}}",
            "factor": f"{base.formula}^{{-c}}",
            "name": "The softmax" if b == np.e else f"A softmax to base {base.formula}",
            "code": base.code,
            "base": base.formula,
            "which": "last" if axis == -1 else "first",
            "example": "(T, B, O)" if axis == -1 else "(O, T, B)",
        },
        cases=(
            Case("one vector", {"u": np.array([1.0, 2.0, 0.0])}),
            Case("a batch", {"u": laid([[0.5, -1.0, 2.0], [1.5, 0.0, 0.25]])}),
            Case("logits of ±2000", {"u": laid([[2000.0, 1999.0, 0.0], [-2000.0, -2001.0, -2003.0]])}),
            Case("a single class", {"u": laid([[3.0], [-2000.0], [0.0]])}),
            Case("a tie", {"u": np.array([2000.0, 2000.0, -2000.0])}),
            Case("all logits around −2000", {"u": np.array([-2000.0, -2001.0, -2003.0])}),
            Case("three axes", {"u": laid(normal(rng, 4, 3, 2, scale=2.0))}),
        ),
        hints=(
            "Adding the same number to all the logits of one distribution does not change it. Which number keeps every "
            "power finite, and at least one of them away from 0?",
            "After the largest logit is subtracted, the largest power is 1. Nothing overflows, and no sum is 0.",
            "Each distribution has a largest logit of its own. keepdims=True keeps an axis of length 1, so that shapes "
            "still fit when you subtract and divide.",
        ),
        misconceptions=tuple(
            Misconception(name, hint, without_warnings(wrong))
            for name, hint, wrong in (
                (
                    "the powers overflow",
                    f"Small logits come out right. What are {base.formula}^2000 and {base.formula}^−2000 in NumPy?",
                    naive,
                ),
                (
                    "a small number saves the sum from zero, not from infinity",
                    "Adding a small number to the sum hides 0/0 and changes the probabilities. Which shift of the "
                    "logits makes the sum at least 1?",
                    with_epsilon,
                ),
                (
                    "a number replaces nan",
                    "The powers overflow, and nan says so; to replace it afterwards hides that. Do the probabilities "
                    "of large logits still add up to 1?",
                    nan_hidden,
                ),
                (
                    "the shift is in the numerator only",
                    "A shift cancels only where it stands above and below the line. Of which logits do you add up the "
                    "powers?",
                    shifted_above_alone,
                ),
                (
                    "the logits are subtracted from the largest",
                    "The largest logit should get the largest probability. What is subtracted from what?",
                    turned_round,
                ),
                (
                    "the logarithms of the probabilities",
                    "None of your numbers is above 0. Which function turns the logarithm of a probability into the "
                    "probability?",
                    logarithms,
                ),
                (
                    "the logits are clipped",
                    "Two large logits that differ become equal when they are clipped, and so do their probabilities.",
                    clipped,
                ),
                (
                    "one largest logit for the whole array",
                    "Look at the second distribution of the case with ±2000: after your shift, where are its logits?",
                    one_largest,
                ),
                (
                    "the largest absolute value is subtracted",
                    "Where all logits are negative, your shift makes them smaller still, and every power is 0. After "
                    "the right shift the largest of them is 0.",
                    largest_size,
                ),
                (
                    "one largest and one sum for the whole array",
                    "Your whole array adds up to 1. Each distribution in it should, and each has a largest logit of "
                    "its own.",
                    one_of_each,
                ),
                (
                    "one sum for the whole array, and the powers overflow",
                    "Your whole array adds up to 1; each distribution in it should. And what are "
                    f"{base.formula}^2000 and {base.formula}^−2000 in NumPy?",
                    naive_with_one_sum,
                ),
                *(
                    (
                        (
                            "the smallest is subtracted, not the largest",
                            "After your shift no logit is negative. How large may the others be?",
                            smallest,
                        ),
                        (
                            "the mean is subtracted, not the largest",
                            "A logit may still lie a thousand above the mean. Which shift leaves none above zero?",
                            mean_subtracted,
                        ),
                    )
                    if b < 10
                    else (
                        (
                            "the mean or the smallest is subtracted, not the largest",
                            "A logit may lie a thousand above what you subtract. Which shift leaves none above zero?",
                            smallest,
                        ),
                    )
                ),
                (
                    "the largest is taken along the wrong axis",
                    "A shift cancels only where it is the same for all the logits of one distribution. Along which "
                    "axis do you look for the largest?",
                    shifted_across,
                ),
                (
                    "largest and sum are taken along the wrong axis",
                    "Add up your result along the axis of the classes. Is it 1 everywhere?",
                    lambda u: answer(u, other),
                ),
                (
                    "one sum for the whole array",
                    "Your whole array adds up to 1. Each distribution in it should.",
                    one_sum,
                ),
                (
                    "not divided by the sum",
                    "The largest entry of each distribution is 1 in your result. What should all of them add up to?",
                    not_normalised,
                ),
            )
        ),
    )
