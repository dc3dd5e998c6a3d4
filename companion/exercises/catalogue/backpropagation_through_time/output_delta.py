"""The gradient at the logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.functions import cross_entropy, log_softmax, softmax
from companion.exercises.inputs import SIZES, each_size, normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.overflow import LARGEST
from companion.exercises.overflow import old_also_overflowing as also_overflowing
from companion.exercises.totals import TOTALS, Total
from companion.exercises.totals import old_other_totals as other_totals


@dataclass(frozen=True)
class Unit:
    """A unit of the loss: its logarithm in LaTeX, and what the gradient in nats is divided by, as number and code."""

    name: str
    log: str
    divisor: float
    code: str


UNITS = (
    Unit("nats", r"\ln", 1.0, ""),
    Unit("bits", r"\log_2", float(np.log(2)), " / np.log(2)"),
    Unit("decimal digits", r"\log_{10}", float(np.log(10)), " / np.log(10)"),
)


@exercise(
    "output-delta",
    chapter="backpropagation-through-time",
    name="dlogits",
    title="The gradient at the logits",
    kind="derive",
    ask={"unit": UNITS, "total": TOTALS},
)
def output_delta(rng: np.random.Generator, unit: Unit, total: Total) -> Key:
    def scale(logits, total=total):
        return 1 / unit.divisor / total.divisor(*logits.shape[:2])

    def answer(logits, d):
        return (softmax(logits) - d) * scale(logits)

    def by_jacobian(logits, d):
        y = softmax(logits)
        jacobian = y[..., :, None] * (np.eye(y.shape[-1]) - y[..., None, :])
        return np.einsum("tbi,tbij->tbj", -d / y, jacobian) * scale(logits)

    def by_companion(logits, d):
        return cross_entropy(logits, d)[1] * scale(logits)

    def by_log_softmax(logits, d):
        return (np.exp(log_softmax(logits)) * d.sum(axis=-1, keepdims=True) - d) * scale(logits)

    def softmax_along(axis):
        def wrong(logits, d):
            e = np.exp(logits - logits.max(axis=axis, keepdims=True))
            return (e / e.sum(axis=axis, keepdims=True) - d) * scale(logits)

        return wrong

    def one_shift_for_all(logits, d):
        with np.errstate(all="ignore"):
            e = np.exp(logits - logits.max())
            return (e / e.sum(axis=-1, keepdims=True) - d) * scale(logits)

    def one_sum_for_all(logits, d):
        e = np.exp(logits - logits.max())
        return (e / e.sum() - d) * scale(logits)

    def overflowing(wrong):
        """What ``wrong`` becomes where no logit is subtracted: nan where the powers of a distribution overflow."""
        return lambda logits, d: np.where(np.abs(logits) > LARGEST, np.nan, wrong(logits, d))

    def hard(logits, d):
        return (softmax(logits) - np.eye(d.shape[-1])[d.argmax(axis=-1)]) * scale(logits)

    base = (
        Misconception(
            "a gradient of nats",
            f"The loss is in {unit.name}. How does its logarithm differ from the natural one, whose derivative is 1/y?",
            lambda logits, d: answer(logits, d) * unit.divisor,
        ),
        Misconception(
            "the factor of the logarithm upside down",
            f"Is the same loss a larger or a smaller number in {unit.name} than in nats? Its gradient goes with it.",
            lambda logits, d: answer(logits, d) * unit.divisor**2,
        ),
    )
    levels = 800.0 * (-1.0) ** np.arange(SIZES[0].T)[:, None, None]

    def case(s, level=0, soft=False):
        d = softmax(normal(rng, s.T, s.B, s.O)) if soft else np.eye(s.O)[rng.integers(s.O, size=(s.T, s.B))]
        return {"logits": normal(rng, s.T, s.B, s.O, scale=1.0) + level, "d": d}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        below = np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0)
        return case(s, level=below) | {"d": np.eye(s.O)[rng.integers(s.O - 1, size=(s.T, s.B))]}

    return Key(
        answer=answer,
        also_right=(by_jacobian, by_companion, by_log_softmax),
        axes={"result": "T B O"},
        words={
            "unit": unit.name,
            "log": unit.log,
            "total": total.formula,
            "gradient": f"{'(y - d)' if unit.code or total.code else 'y - d'}{unit.code}{total.code_of('logits')}",
            "factor": (f"A loss in {unit.name} is that in nats, divided by a constant. " if unit.code else "")
            + ("What $L$ divides its sum by divides the gradient too. " if total.code else ""),
        },
        cases=(
            *each_size(case),
            Case("soft targets", case(SIZES[0], soft=True)),
            Case("logits around 800 and −800", case(SIZES[0], level=levels)),
            Case("one logit far below the others", one_far_below(SIZES[0])),
        ),
        hints=(
            "Every logit moves every probability, because they share a denominator. So first the derivative of y_i by "
            "the logit u_j, for i = j and for i ≠ j.",
            "Send ∂ℓ/∂y_i, which is −d_i/y_i, back through that matrix: a sum over i. The y_i cancel.",
            "Use that the entries of d sum to 1: what is left is a difference of two distributions."
            + (" Then ask what the base of the logarithm does to it." if unit.code else "")
            + (" And what becomes of that by which L divides its sum?" if total.code else ""),
        ),
        misconceptions=(
            *also_overflowing(
                (
                    Misconception(
                        "the sign is turned round",
                        "Where the answer is right, raising its logit must lower the loss. Which sign has that "
                        "entry in yours?",
                        lambda logits, d: -answer(logits, d),
                    ),
                    Misconception(
                        "the gradient at the probabilities",
                        "−d/y is the gradient at y. The logits lie one function further back; send it through "
                        "softmax too.",
                        lambda logits, d: -d / softmax(logits) * scale(logits),
                    ),
                    Misconception(
                        "only the diagonal of softmax's Jacobian",
                        "A logit also moves the probabilities of the other classes, through the denominator. "
                        "What is ∂y_i/∂u_j for i ≠ j?",
                        lambda logits, d: -d * (1 - softmax(logits)) * scale(logits),
                    ),
                    Misconception(
                        "the difference y − d multiplied by the slope y (1 − y) once more",
                        "The Jacobian of softmax is in y − d already. That difference stands at the logits.",
                        lambda logits, d: answer(logits, d) * softmax(logits) * (1 - softmax(logits)),
                    ),
                    Misconception(
                        "softmax over the sequences instead of the classes",
                        "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                        softmax_along(1),
                    ),
                    Misconception(
                        "the target is missing",
                        "You have the probabilities alone. At the right answer the gradient must be negative: what is "
                        "subtracted?",
                        lambda logits, d: softmax(logits) * scale(logits),
                    ),
                    Misconception(
                        "the target as its largest entry alone",
                        "Look at the case with soft targets: there d is a distribution, not one class. Is all of it in "
                        "your result?",
                        hard,
                    ),
                    *(base if unit.code else ()),
                    *other_totals(total, lambda other: lambda logits, d: (softmax(logits) - d) * scale(logits, other)),
                ),
                overflowing,
            ),
            Misconception(
                "the logits themselves in the place of probabilities",
                "The difference is one of two distributions. Which function turns logits into one?",
                lambda logits, d: (logits - d) * scale(logits),
            ),
            Misconception(
                "softmax over the steps instead of the classes",
                "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                softmax_along(0),
            ),
            Misconception(
                "the powers overflow",
                "Small logits come out right. What are the exponentials of 800 and of −800 in NumPy? Which shift "
                "changes no probability?",
                overflowing(answer),
            ),
            Misconception(
                "one shift for all distributions",
                "Look at the case with logits around 800 and −800: after your shift, where are those around −800? "
                "Which logits share one softmax?",
                one_shift_for_all,
            ),
            Misconception(
                "one sum for the whole array",
                "Your probabilities add up to 1 all together. Those of each step and sequence should.",
                one_sum_for_all,
            ),
        ),
    )
