"""The Jacobian of a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from companion.exercises.activations import ACTIVATIONS, ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

SLOPE_SLIPS: dict[str, tuple[str, str, Callable[[np.ndarray], np.ndarray]]] = {  # what is left out of each slope
    TANH.name: (
        "1 − h for 1 − h²",
        "The slope of tanh, written with its state h, has a square in it.",
        lambda h: 1 - h,
    ),
    LOGISTIC.name: (
        "the slope of the logistic function is incomplete",
        "You have 1 − h. The slope of the logistic function, written with its state h, is a product of two factors.",
        lambda h: 1 - h,
    ),
    SOFTSIGN.name: (
        "the square in the slope of softsign is missing",
        "You have 1 − |h|, which is 1/(1 + |a|). Differentiate a/(1 + |a|) once more: what is the power of 1 + |a|?",
        lambda h: 1 - np.abs(h),
    ),
    ARCTAN.name: (
        "the square in the slope of arctan is missing",
        "You have cos h. The slope of arctan is 1/(1 + a²), with a = tan h: what is that, written with the cosine?",
        np.cos,
    ),
}


@exercise(
    "jacobian",
    chapter="vanishing-and-exploding-gradients",
    name="jacobian",
    title="The Jacobian of a step",
    kind="derive",
    ask={"f": ACTIVATIONS, "q": ("h", "a")},
)
def jacobian(rng: np.random.Generator, f: Activation, q: str) -> Key:
    of_states = q == "h"

    def answer(W_hh, h_before, h_after):
        if of_states:
            return f.slope(h_after)[:, None] * W_hh
        return W_hh * f.slope(h_before)

    def by_diagonals(W_hh, h_before, h_after):
        if of_states:
            return np.diag(f.slope(h_after)) @ W_hh
        return W_hh @ np.diag(f.slope(h_before))

    def by_entries(W_hh, h_before, h_after):
        J = np.empty_like(W_hh)
        for i, j in np.ndindex(*W_hh.shape):
            J[i, j] = W_hh[i, j] * (f.slope(h_after)[i] if of_states else f.slope(h_before)[j])
        return J

    def other_step(W_hh, h_before, h_after):
        return answer(W_hh, h_after, h_before)

    def other_side(W_hh, h_before, h_after):
        return W_hh * f.slope(h_after) if of_states else f.slope(h_before)[:, None] * W_hh

    def other_quantity(W_hh, h_before, h_after):
        return W_hh * f.slope(h_before) if of_states else f.slope(h_after)[:, None] * W_hh

    def with_slope(slope):
        """The right form, with another slope: slope(W_hh, h), of the state from which the slope can be had."""

        def wrong(W_hh, h_before, h_after):
            s = slope(W_hh, h_after if of_states else h_before)
            return s[:, None] * W_hh if of_states else W_hh * s

        return wrong

    def from_product(W_hh, h_before, h_after):
        return f.slope(f.apply(W_hh @ h_before))[:, None] * W_hh

    def diagonal_left(W_hh, h_before, h_after):
        return W_hh * np.diag(f.slope(h_after if of_states else h_before))

    slip_name, slip_hint, slip = SLOPE_SLIPS[f.name]

    def made_of(H):
        states = f.apply(normal(rng, 2, H))
        return {"W_hh": normal(rng, H, H), "h_before": states[0], "h_after": states[1]}

    return Key(
        answer=answer,
        also_right=(by_diagonals, by_entries),
        axes={"result": "H H"},
        words={
            "f": f.name,
            "slope": f.slope_code,
            "quantity": "state" if of_states else "pre-activation",
            "state": "h_after" if of_states else "h_before",
            "product": "slope[:, None] * W_hh" if of_states else "W_hh * slope",
            "reason": (
                r"A change of $h_{t-1}$ first meets $W_{hh}$ and then the slope at $a_t$, which belongs to the unit "
                r"that is changed: $J = \operatorname{diag}(f'(a_t))\, W_{hh}$. The diagonal matrix stands on the "
                r"left, so "
                "that each *row* gets a slope. The slope can be had from $h_t$; $h_{t-1}$ is not needed."
                if of_states
                else r"A change of $a_{t-1}$ first meets the slope at $a_{t-1}$, unit by unit, and then $W_{hh}$: "
                r"$J = W_{hh} \operatorname{diag}(f'(a_{t-1}))$. The diagonal matrix stands on the right, so that each "
                "*column* gets a slope. The slope can be had from $h_{t-1}$; $h_t$ is not needed."
            ),
        },
        cases=tuple(
            Case(name, made_of(H)) for name, H in (("two units", 2), ("H = 1", 1), ("three units", 3), ("six units", 6))
        ),
        hints=(
            f"Follow a small change of {q}_{{t−1}} on its way to {q}_t. Which two things does it meet, and in which "
            f"order?",
            "An activation works unit by unit: its Jacobian is a diagonal matrix. W_hh mixes the units.",
            "A diagonal matrix on the left scales rows, on the right columns. Which of the two is met last?",
            f"The slope is that of f at a_{'t' if of_states else '{t−1}'}. Which of the two states is f of just that?",
        ),
        misconceptions=(
            Misconception(
                "the slope of the wrong step",
                "You take the slope from the other of the two states. Write the step down, from one "
                f"{'state' if of_states else 'pre-activation'} to the next: at which pre-activation is f applied?",
                other_step,
            ),
            Misconception(
                "the slope on the wrong side of the matrix",
                "Rows and columns: the slope belongs to a unit. Is that the unit which is changed (i, the row) or the "
                "one that causes the change (j, the column)? The one that you scaled is the other.",
                other_side,
            ),
            Misconception(
                f"the Jacobian of the {'pre-activations' if of_states else 'states'}",
                f"This is how {'a_t depends on a_{t−1}' if of_states else 'h_t depends on h_{t−1}'}. Here the question "
                f"is how {'h_t depends on h_{t−1}' if of_states else 'a_t depends on a_{t−1}'}. Both meet W_hh and one "
                "slope, and not in the same order.",
                other_quantity,
            ),
            Misconception(
                "the slope is missing",
                "W_hh alone is the Jacobian of a linear network. On the way there is also an activation.",
                lambda W_hh, h_before, h_after: W_hh.copy(),
            ),
            Misconception(
                "transposed",
                "Row i belongs to what is changed, column j to what causes it. Yours has them the other way round; "
                "that is what a gradient on its way back is multiplied by.",
                lambda W_hh, h_before, h_after: answer(W_hh, h_before, h_after).T,
            ),
            Misconception(
                "matrix times slopes, summed up",
                "W_hh @ slope adds up over the columns, and one number a unit is left. Nothing is summed here: each "
                "entry of W_hh is multiplied by one slope.",
                lambda W_hh, h_before, h_after: W_hh @ f.slope(h_after if of_states else h_before),
            ),
            Misconception(
                "the slope at the state in place of the pre-activation",
                "The state is f(a) already, and you send it through f once more, or put it into a formula that wants "
                "a. The slope at a can be written with h = f(a), without a: how?",
                with_slope(lambda W_hh, h: f.slope(f.apply(h))),
            ),
            *(
                (
                    Misconception(
                        "the input is left out of the pre-activation",
                        "You form a_t anew, from W_hh h_{t−1} alone. In a_t there are the input and the bias too; but "
                        "one of the two states already knows all of a_t.",
                        from_product,
                    ),
                )
                if of_states
                else ()
            ),
            Misconception(
                "entry by entry with a diagonal matrix",
                "`*` multiplies entry by entry, and np.diag(…) is zero off its diagonal, so that nothing else of W_hh "
                "is left. Which product does the equation mean?",
                diagonal_left,
            ),
            Misconception(slip_name, slip_hint, with_slope(lambda W_hh, h: slip(h))),
            *(
                ()
                if f is TANH
                else (
                    Misconception(
                        "the slope of tanh",
                        f"1 − h² is the slope of tanh. Here f is {f.name}.",
                        with_slope(lambda W_hh, h: 1 - h**2),
                    ),
                )
            ),
            Misconception(
                "W_hh transposed",
                "The slope is on the right axis, and W_hh is turned over. Row i of W_hh belongs to the unit that is "
                "computed, as row i of J does. Transposed it is what a gradient meets, on its way back.",
                lambda W_hh, h_before, h_after: answer(W_hh.T, h_before, h_after),
            ),
        ),
    )
