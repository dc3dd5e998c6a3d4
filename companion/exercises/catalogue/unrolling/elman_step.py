"""One step of an Elman network."""

from __future__ import annotations

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_activation as other_activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "elman-step",
    chapter="unrolling",
    name="elman_step",
    title="One step of an Elman network",
    kind="complete",
    ask={"f": ACTIVATIONS, "batch": ("rows", "columns")},
)
def step(rng: np.random.Generator, f: Activation, batch: str) -> Key:
    columns = batch == "columns"

    def laid(function):
        """A function of rows, for this layout."""

        def of_columns(W_xh, W_hh, b_h, x_t, h_before):
            return function(W_xh, W_hh, b_h, x_t.T, h_before.T).T

        return of_columns if columns else function

    def by_rows(W_xh, W_hh, b_h, x_t, h_before):
        return f.apply(x_t @ W_xh.T + h_before @ W_hh.T + b_h)

    def stacked(W_xh, W_hh, b_h, x_t, h_before):
        both = np.hstack([W_xh, W_hh]) @ np.vstack([x_t.T, h_before.T])
        return f.apply(both.T + b_h)

    def by_loops(W_xh, W_hh, b_h, x_t, h_before):
        return np.array(
            [
                [f.apply(np.sum(W_xh[j] * x) + np.sum(W_hh[j] * h) + b_h[j]) for j in range(len(b_h))]
                for x, h in zip(x_t, h_before, strict=True)
            ]
        )

    def without_f(W_xh, W_hh, b_h, x_t, h_before):
        return x_t @ W_xh.T + h_before @ W_hh.T + b_h

    def separately(W_xh, W_hh, b_h, x_t, h_before):
        return f.apply(x_t @ W_xh.T + b_h) + f.apply(h_before @ W_hh.T)

    def make(B, I, H):
        x_t, h_before = normal(rng, B, I), f.apply(normal(rng, B, H))
        return {
            "W_xh": normal(rng, H, I),
            "W_hh": normal(rng, H, H),
            "b_h": normal(rng, H),
            "x_t": x_t.T.copy() if columns else x_t,
            "h_before": h_before.T.copy() if columns else h_before,
        }

    return Key(
        answer=laid(by_rows),
        also_right=(laid(stacked), laid(by_loops)),
        axes={"result": "H B" if columns else "B H"},
        words={
            "f": f.formula,
            "code": f.code,
            "one": "column" if columns else "row",
            "x_t": "(I, B)" if columns else "(B, I)",
            "h_t": "(H, B)" if columns else "(B, H)",
            "sum": "W_xh @ x_t + W_hh @ h_before + b_h[:, None]"
            if columns
            else "x_t @ W_xh.T + h_before @ W_hh.T + b_h",
            "why": "With one sequence a column the products stand as on paper, because a matrix times an array of "
            "columns treats each column by itself. The bias has to be turned into a column, $(H, 1)$, so that it is "
            "added to each of them; as a plain $(H,)$ it would be spread along the rows, one entry a sequence."
            if columns
            else "With one sequence a row, the product of a weight with a column turns into a product with the "
            "transpose from the right: entry $j$ of the new row is row $j$ of the weight times the old row. The bias "
            "$(H,)$ is laid along the last axis, and so is added to each row.",
        },
        cases=(
            Case("a small case", make(B=2, I=1, H=2)),
            Case("B = 1", make(B=1, I=3, H=2)),
            Case("H = 1", make(B=2, I=3, H=1)),
            Case("everything square", make(B=3, I=3, H=3)),
            Case("more of everything", make(B=5, I=2, H=4)),
        ),
        hints=(
            "Write the pre-activation of one sequence on paper first; then ask what changes when the batch is laid out "
            f"with one sequence a {'column' if columns else 'row'}.",
            f"The result is {'(H, B)' if columns else '(B, H)'}. Which order of the two factors, and which of them "
            "transposed, gives that shape, from each of the two products?",
            "Three terms are added, then the activation is applied once. "
            + ("b_h[:, None] is a column." if columns else "A vector (H,) is added to every row."),
        ),
        misconceptions=(
            Misconception(
                "W_hh is transposed",
                "W_hh is square, so no shape complains. Row j of W_hh makes unit j: check one entry by hand.",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh.T, b_h, x_t, h_before)),
            ),
            Misconception(
                "the state before is left out",
                "Your result does not move when h_before is changed. Which term is missing?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, 0 * h_before)),
            ),
            Misconception(
                "the bias is missing",
                "With x_t and h_before zero, the state should be the activation of something. Of what?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, 0 * b_h, x_t, h_before)),
            ),
            Misconception(
                "the bias is added twice",
                "If the sum is split into a part for the input and a part for the state, one of them has the bias.",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, 2 * b_h, x_t, h_before)),
            ),
            Misconception(
                "the activation is missing",
                "You return a_t. What turns a pre-activation into a state?",
                laid(without_f),
            ),
            other_activation(f, lambda g: laid(lambda *given: g.apply(without_f(*given)))),
            Misconception(
                "the activation is applied to each part",
                "The two products are added first, and the activation bends their sum. How often do you apply it?",
                laid(separately),
            ),
            Misconception(
                "the input is left out",
                "Your result does not move when x_t is changed. Which term is missing?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, 0 * x_t, h_before)),
            ),
            Misconception(
                "the activation is applied to the old state once more",
                "h_before is a state already. To what is the activation applied in the formula?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, f.apply(h_before))),
            ),
            Misconception(
                "the old state is added",
                "h_{t-1} enters through W_hh only. Is there another place where you add it?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, h_before) + h_before),
            ),
        ),
    )
