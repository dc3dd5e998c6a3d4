"""The gradient of the output weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.totals import TOTALS, Total
from companion.exercises.totals import old_other_totals as other_totals


@dataclass(frozen=True)
class Read:
    """What the output weights multiply at step t: LaTeX, NumPy of all states h, and the function of h."""

    formula: str
    code: str
    apply: Callable[[np.ndarray], np.ndarray]


READS = (
    Read("h_t", "h[1:]", lambda h: h[1:]),
    Read(r"\tfrac12 (h_t + h_{t-1})", "(h[1:] + h[:-1]) / 2", lambda h: (h[1:] + h[:-1]) / 2),
    Read("(h_t - h_{t-1})", "h[1:] - h[:-1]", lambda h: h[1:] - h[:-1]),
    Read(r"(h_t \odot h_t)", "h[1:] ** 2", lambda h: h[1:] ** 2),
)


@exercise(
    "bptt-dV",
    chapter="backpropagation-through-time",
    name="dW_hy",
    title="The gradient of the output weights",
    kind="derive",
    ask={"read": READS, "total": TOTALS},
)
def output_weights(rng: np.random.Generator, read: Read, total: Total) -> Key:
    def answer(dlogits, h, read=read, total=total):
        return np.einsum("tbo,tbh->oh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])

    def by_loops(dlogits, h):
        T, B, O = dlogits.shape
        result, z = np.zeros((O, h.shape[-1])), read.apply(h)
        for t in range(T):
            for b in range(B):
                result += np.outer(dlogits[t, b], z[t, b])
        return result / total.divisor(T, B)

    def by_matrices(dlogits, h):
        T, B, O = dlogits.shape
        z = read.apply(h).reshape(T * B, -1)
        return dlogits.reshape(T * B, O).T @ z / total.divisor(T, B)

    def of_sums(dlogits, h):
        z = read.apply(h)
        return np.outer(dlogits.sum(axis=(0, 1)), z.sum(axis=(0, 1))) / total.divisor(*dlogits.shape[:2])

    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "O H"},
        words={
            "read": read.formula,
            "read_code": read.code,
            "total": total.formula,
            "share": total.code_of("dlogits"),
            "factor": "What $L$ divides its sum by divides the gradient too. " if total.code else "",
        },
        cases=each_size(
            lambda s: {"dlogits": normal(rng, s.T, s.B, s.O), "h": np.tanh(normal(rng, s.T + 1, s.B, s.H))}
        ),
        hints=(
            "Take one step of one sequence first. What does W_hy multiply there, and what is the gradient at the "
            "result?",
            "That gives an outer product: the gradient at the logits as a column, what W_hy multiplied as a row.",
            "The same matrix is used at every step and in every sequence, so the products are added"
            + ("; then comes what L divides its sum by." if total.code else "."),
        ),
        misconceptions=(
            Misconception(
                "transposed",
                "Each gradient has the shape of its weight: rows of W_hy belong to outputs, columns to hidden units.",
                lambda dlogits, h: answer(dlogits, h).T,
            ),
            Misconception(
                "paired with the state before",
                "Row 0 of h is h_0. What did W_hy multiply at step 1, when the logits u_1 were made?",
                lambda dlogits, h: np.einsum("tbo,tbh->oh", dlogits, h[:-1]) / total.divisor(*dlogits.shape[:2]),
            ),
            Misconception(
                "only the last step counts",
                "Every step has a loss of its own here, and W_hy is used at each of them.",
                lambda dlogits, h: (
                    np.einsum("bo,bh->oh", dlogits[-1], read.apply(h)[-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "every step is paired with the last state",
                "The logits of step t were made of the state of step t. Which state do you multiply at step 1?",
                lambda dlogits, h: (
                    np.einsum("tbo,bh->oh", dlogits, read.apply(h)[-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "a slope where there is no activation",
                "Between W_hy and the logits lies no activation. Which factor is too many?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits, read.apply(h) * (1 - h[1:] ** 2))
                    / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "Step 1's gradient has nothing to do with step 2's state. Multiply within a step and a sequence, "
                "then add.",
                of_sums,
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->toh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->boh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda dlogits, h: (
                    np.einsum("to,th->oh", dlogits.sum(axis=1), read.apply(h).sum(axis=1))
                    / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the last one has a loss too. Where does your range or slice end?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits[:-1], read.apply(h)[:-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the first step is left out",
                "Row 0 of dlogits belongs to step 1, and row 1 of h is h_1. Where does your range or slice begin?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits[1:], read.apply(h)[1:]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            *(
                (
                    Misconception(
                        "as if W_hy multiplied the state itself",
                        "Look at the equation of the logits again: what stands to the right of W_hy?",
                        lambda dlogits, h: answer(dlogits, h, READS[0]),
                    ),
                )
                if read is not READS[0]
                else ()
            ),
            *other_totals(total, lambda other: lambda dlogits, h: answer(dlogits, h, read, other)),
        ),
    )
