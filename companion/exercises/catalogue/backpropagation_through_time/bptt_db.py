"""The gradients of the biases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class Bias:
    """Who shares the bias of the hidden units: what the text says, its shape, and the gradient from da as code."""

    words: str
    shape: str
    code: str
    why: str
    gradient: Callable[[np.ndarray], np.ndarray]


BIASES = (
    Bias(
        r"$b_h$ $(H,)$ is the same at all steps and in all sequences, as in the chapter",
        "(H,)",
        "da[1:].sum(axis=(0, 1))",
        "steps and sequences share it, so it gets the sum over both",
        lambda da: da[1:].sum(axis=(0, 1)),
    ),
    Bias(
        r"every step has a bias of its own: in $a_t$ stands $b_{h,t}$, row $t - 1$ of `b_h` $(T, H)$, the same in all "
        "sequences. Such a network knows what time it is",
        "(T, H)",
        "da[1:].sum(axis=1)",
        "only the sequences share it, so the sum runs over them and each step keeps a row",
        lambda da: da[1:].sum(axis=1),
    ),
    Bias(
        r"every sequence has a bias of its own, the same at all its steps: in the pre-activations of sequence $b$ "
        "stands row $b$ of `b_h` $(B, H)$. Such a network knows who is speaking",
        "(B, H)",
        "da[1:].sum(axis=0)",
        "only the steps of one sequence share it, so the sum runs over them and each sequence keeps a row",
        lambda da: da[1:].sum(axis=0),
    ),
    Bias(
        r"$b_h$ is one single number, added to all units at all steps and in all sequences; it moves all thresholds "
        "together",
        "()",
        "da[1:].sum()",
        "all units share it too, so it gets the sum over everything",
        lambda da: da[1:].sum(),
    ),
)


@exercise(
    "bptt-db",
    chapter="backpropagation-through-time",
    name="db",
    title="The gradients of the biases",
    kind="complete",
    ask={"bias": BIASES},
)
def biases(rng: np.random.Generator, bias: Bias) -> Key:
    def of_output(dlogits):
        return dlogits.sum(axis=(0, 1))

    def answer(da, dlogits):
        return bias.gradient(da), of_output(dlogits)

    def by_loops(da, dlogits):
        db_h, db_y = np.zeros_like(bias.gradient(da)), np.zeros(dlogits.shape[-1])
        for t in range(1, len(da)):
            for b in range(da.shape[1]):
                if bias is BIASES[1]:
                    db_h[t - 1] += da[t, b]
                elif bias is BIASES[2]:
                    db_h[b] += da[t, b]
                else:
                    db_h = db_h + (da[t, b].sum() if bias is BIASES[3] else da[t, b])
                db_y += dlogits[t - 1, b]
        return db_h, db_y

    def by_ones(da, dlogits):
        steps, sequences, units = (np.ones(n) for n in da[1:].shape)
        sums = {"(H,)": (steps, sequences), "(T, H)": (sequences,), "(B, H)": (steps,), "()": (steps, sequences, units)}
        letters = {"(H,)": "tbh,t,b->h", "(T, H)": "tbh,b->th", "(B, H)": "tbh,t->bh", "()": "tbh,t,b,h->"}
        ones = np.ones(dlogits.shape[0] * dlogits.shape[1])
        db_h = np.einsum(letters[bias.shape], da[1:], *sums[bias.shape])
        return db_h, ones @ dlogits.reshape(len(ones), -1)

    summed = ("steps and sequences", "sequences only", "steps only", "steps, sequences and units")
    others = tuple(
        Misconception(
            f"the bias b_h is summed over {over}",
            "Over which axes a gradient is summed says who shares the value. Who shares b_h here, and who has one of "
            "their own?",
            lambda da, dlogits, other=other: (other.gradient(da), of_output(dlogits)),
        )
        for over, other in zip(summed, BIASES, strict=True)
        if other is not bias
    )
    return Key(
        answer=answer,
        also_right=(by_loops, by_ones),
        returns=("db_h", "db_y"),
        axes={"db_h": bias.shape.strip("(),").replace(",", ""), "db_y": "O"},
        words={"bias": bias.words, "shape": bias.shape, "db_h": bias.code, "why": bias.why},
        cases=each_size(
            lambda s: {
                "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                "dlogits": normal(rng, s.T, s.B, s.O),
            }
        ),
        hints=(
            "A bias is a weight that multiplies 1. What is the gradient of one use of it?",
            "A value used in several places gets the sum of what comes back from each place. Who uses b_h, and who "
            "uses b_y?",
            "So each is a plain sum of δ over some axes. Name the axes; row 0 of da belongs to no step.",
        ),
        misconceptions=(
            *others,
            Misconception(
                "the bias b_y is summed over steps only",
                "All sequences of the batch use the same b_y. Which axis of your db_y should not be there?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum(axis=0)),
            ),
            Misconception(
                "the bias b_y is summed over sequences only",
                "All steps use the same b_y. Which axis of your db_y should not be there?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum(axis=1)),
            ),
            Misconception(
                "the last step is missing from b_h",
                "Rows 1 to T of da belong to the steps, row 0 to none. Which of its rows do you add?",
                lambda da, dlogits: (bias.gradient(np.concatenate([da[:1], da[:-1]])), of_output(dlogits)),
            ),
            Misconception(
                "the first step is missing from b_y",
                "Unlike da, dlogits has no row for step 0: which step stands in its first row?",
                lambda da, dlogits: (bias.gradient(da), of_output(dlogits[1:])),
            ),
            Misconception(
                "b_y is taken for one number",
                "Each output has an entry of its own in b_y. Which axis must stay?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum()),
            ),
            *(
                (
                    Misconception(
                        "the bias b_h gets the last step only",
                        "b_h is added at every step, and every step has a gradient.",
                        lambda da, dlogits: (bias.gradient(da[[0, -1]]), of_output(dlogits)),
                    ),
                    Misconception(
                        "the bias b_h is summed over sequences only, and has a row for step 0",
                        "Which axes of da have become places where the same bias is used? They should not be in your "
                        "result.",
                        lambda da, dlogits: (da.sum(axis=1), of_output(dlogits)),
                    ),
                )
                if bias is not BIASES[1]
                else ()
            ),
            Misconception(
                "the bias b_y gets the last step only",
                "b_y is added at every step, and every step has a loss.",
                lambda da, dlogits: (bias.gradient(da), dlogits[-1].sum(axis=0)),
            ),
            Misconception(
                "means instead of sums",
                "The losses are added, not averaged: nothing divides by the number of steps or sequences.",
                lambda da, dlogits: (
                    bias.gradient(da) * np.size(bias.gradient(da)) / da[1:].size,
                    dlogits.mean(axis=(0, 1)),
                ),
            ),
        ),
    )
