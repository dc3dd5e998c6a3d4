"""The gradient of the input weights."""

from __future__ import annotations

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "bptt-dU",
    chapter="backpropagation-through-time",
    name="dW_xh",
    title="The gradient of the input weights",
    kind="derive",
    ask={"f": ACTIVATIONS},
)
def input_weights(rng: np.random.Generator, f: Activation) -> Key:
    def answer(dh, h, x):
        da = dh * f.slope(h[1:])
        return np.einsum("tbh,tbi->hi", da, x)

    def by_loops(dh, h, x):
        return sum(np.outer((dh * f.slope(h[1:]))[t, b], x[t, b]) for t in range(len(x)) for b in range(x.shape[1]))

    def by_matrices(dh, h, x):
        da = (dh * f.slope(h[1:])).reshape(-1, h.shape[-1])
        return da.T @ x.reshape(len(da), -1)

    def with_slope(slope):
        return lambda dh, h, x: np.einsum("tbh,tbi->hi", dh * slope(h[1:]), x)

    def of(steps, of_x=None):
        """The answer from some of the steps (or steps and sequences) alone, and from other ones of x."""
        return lambda dh, h, x: np.einsum("tbh,tbi->hi", (dh * f.slope(h[1:]))[steps], x[of_x or steps])

    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "H I"},
        words={"f": f.formula, "slope": f.slope_code},
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
            }
        ),
        hints=(
            "The weight W_xh acts at every step and in every sequence. What does a value used many times get?",
            "At one step and in one sequence the gradient is an outer product: of what is at the weight's upper end, "
            "δ_t, with what it multiplies.",
            "δ_t is dh[t − 1], times the slope of f at a_t; the slope can be had from h[t].",
        ),
        misconceptions=(
            Misconception(
                "transposed",
                "Each gradient has the shape of its weight: rows belong to hidden units, columns to inputs.",
                lambda dh, h, x: answer(dh, h, x).T,
            ),
            Misconception(
                "the slope of the activation is missing",
                "dh is the gradient at the state. What lies between the state and the weight?",
                lambda dh, h, x: np.einsum("tbh,tbi->hi", dh, x),
            ),
            Misconception(
                "the slope is taken one step early",
                "Row 0 of h is h_0, which no weight made. Which row holds the state that x_t helped to make?",
                lambda dh, h, x: np.einsum("tbh,tbi->hi", dh * f.slope(h[:-1]), x),
            ),
            *other_slopes(f, with_slope),
            Misconception(
                "only the last step counts",
                "The weight is the same at all steps, and its gradient is a sum over them.",
                lambda dh, h, x: np.einsum("bh,bi->hi", (dh * f.slope(h[1:]))[-1], x[-1]),
            ),
            Misconception(
                "only the first step counts",
                "The gradient is a sum over all steps. Where does return stand: inside the loop over them, or behind "
                "it?",
                of(slice(1)),
            ),
            Misconception(
                "only the first sequence counts",
                "With one sequence yours is right. One weight serves all sequences of the batch: what becomes of the "
                "others?",
                of((slice(None), slice(1))),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the weight acts at the last one too. Where does your range or slice end?",
                of(slice(-1)),
            ),
            Misconception(
                "the first step is left out",
                "Row 0 of dh and of x belongs to step 1. Where does your range or slice begin?",
                of(slice(1, None)),
            ),
            Misconception(
                "paired with the input before",
                "It is W_hh that multiplies something from the step before. Which input is in a_t?",
                of(slice(1, None), slice(-1)),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda dh, h, x: np.einsum("tbh,tbi->bhi", dh * f.slope(h[1:]), x),
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda dh, h, x: np.einsum("tbh,tbi->thi", dh * f.slope(h[1:]), x),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda dh, h, x: np.einsum("th,ti->hi", (dh * f.slope(h[1:])).sum(axis=1), x.sum(axis=1)),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "δ of one step has nothing to do with another step's input. Multiply first, then add.",
                lambda dh, h, x: np.outer((dh * f.slope(h[1:])).sum(axis=(0, 1)), x.sum(axis=(0, 1))),
            ),
            Misconception(
                "a mean over the sequences instead of a sum",
                "The loss here is a sum over sequences; nothing divides it by their number.",
                lambda dh, h, x: answer(dh, h, x) / x.shape[1],
            ),
        ),
    )
