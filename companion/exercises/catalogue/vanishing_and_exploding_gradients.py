"""Exercises on vanishing and exploding gradients: one factor a step, as a matrix, as a length and as a number."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from companion.dynamics import jacobian_products
from companion.exercises.activations import ACTIVATIONS, ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise

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


NORMS = {  # of a vector: its name, and as code of the variable d_k
    "Euclidean": ("the Euclidean length, the root of the sum of squares", "np.linalg.norm(d_k)"),
    "largest": ("the size of the largest entry, whatever its sign", "np.abs(d_k).max()"),
    "sum": ("the sum of the sizes of all entries", "np.abs(d_k).sum()"),
}


@exercise(
    "gradient-norms",
    chapter="vanishing-and-exploding-gradients",
    name="gradient_norms",
    title="The gradient at every distance",
    kind="implement",
    ask={"norm": tuple(NORMS), "rows": ("steps", "distances")},
)
def gradient_norms(rng: np.random.Generator, norm: str, rows: str) -> Key:
    def length(d):
        return {"Euclidean": np.linalg.norm(d), "largest": np.abs(d).max(), "sum": np.abs(d).sum()}[norm]

    def slip(d):  # the norm that is taken for the one asked for
        return d @ d if norm == "Euclidean" else np.linalg.norm(d)

    def ordered(from_the_end):
        return np.array(from_the_end[::-1] if rows == "steps" else from_the_end)

    def walk(J, d, size=length):
        found = [size(d)]
        for J_t in J[::-1]:
            d = J_t.T @ d
            found.append(size(d))
        return found

    def answer(J, d):
        return ordered(walk(J, d))

    def by_products(J, d):
        products = jacobian_products(J[:, None])[:, 0]  # (T + 1, H, H), row k is ∂h_T/∂h_k
        return ordered([length(d @ product) for product in products[::-1]])

    def by_rows(J, d):
        found = np.empty(len(J) + 1)
        carried = d
        for k in range(len(J), -1, -1):
            found[k if rows == "steps" else len(J) - k] = length(carried)
            carried = carried @ J[k - 1] if k else carried
        return found

    def matrix_norms(J, d):
        product, found = np.eye(len(d)), [length(d)]
        for J_t in J[::-1]:
            product = product @ J_t
            found.append(np.linalg.norm(product, 2) * length(d))
        return ordered(found)

    def frobenius(J, d):
        product, found = np.eye(len(d)), [length(d)]
        for J_t in J[::-1]:
            product = product @ J_t
            found.append(np.linalg.norm(product))
        return ordered(found)

    def turned_product(J, d):
        product, found = np.eye(len(d)), [length(d)]
        for J_t in J[::-1]:
            product = J_t @ product
            found.append(length(product.T @ d))
        return ordered(found)

    def forwards(J, d):
        product, found = np.eye(len(d)), [length(d)]
        for J_t in J[::-1]:
            product = product @ J_t
            found.append(length(product @ d))
        return ordered(found)

    def made_of(T, H):
        return {"J": normal(rng, T, H, H, scale=0.9), "d": normal(rng, H, scale=1.0)}

    return Key(
        answer=answer,
        also_right=(by_products, by_rows),
        axes={"result": "T+1" if rows == "steps" else "distance"},
        words={
            "norm": NORMS[norm][0],
            "code": NORMS[norm][1],
            "layout": (
                r"row $k$ belongs to the gradient at $h_k$, so that row 0 is what is left at $h_0$ and the last row is "
                r"the "
                "norm of `d` itself"
                if rows == "steps"
                else r"row $n$ belongs to the gradient $n$ steps back, at $h_{T-n}$, so that row 0 is the norm of `d` "
                "itself and the last row is what is left at $h_0$"
            ),
            "order": "[::-1]" if rows == "steps" else "",
            "turned": "turned round at the end" if rows == "steps" else "left in the order in which they are met",
        },
        cases=tuple(
            Case(name, made_of(T, H))
            for name, T, H in (
                ("two steps", 2, 2),
                ("T = 1", 1, 3),
                ("H = 1", 4, 1),
                ("T = H", 3, 3),
                ("ten steps", 10, 4),
            )
        ),
        hints=(
            "A gradient comes from the end. Which Jacobian does it meet first, and which last?",
            "Carry one vector back in a loop, and note its norm before the first step and after each.",
            "∂ℓ/∂h_{t−1} is J_tᵀ times ∂ℓ/∂h_t. In the layout of the course J_t is J[t − 1].",
        ),
        misconceptions=(
            Misconception(
                "the Jacobians are not transposed",
                "J_t carries a *change of the state* forwards. A gradient goes back, and meets what of J_t?",
                lambda J, d: ordered(walk(J.transpose(0, 2, 1), d)),
            ),
            Misconception(
                "the first step is passed first",
                "The gradient starts at h_T. Your first product is with the Jacobian between h_0 and h_1, which it "
                "meets last. Matrices do not commute.",
                lambda J, d: ordered(walk(J[::-1], d)),
            ),
            Misconception(
                "each gradient passes one step only",
                "From h_T to h_k the gradient passes T − k Jacobians one after the other. You start anew from d at "
                "each step: what has been carried so far has to go on.",
                lambda J, d: ordered([length(d), *(length(J_t.T @ d) for J_t in J[::-1])]),
            ),
            Misconception(
                "the rows stand the other way round",
                "The numbers are right. Read again what row 0 belongs to: the beginning of the sequence, or no "
                "distance.",
                lambda J, d: answer(J, d)[::-1],
            ),
            Misconception(
                "the last state is missing",
                "There are T + 1 states. The gradient at h_T, which has passed no step, also has its row.",
                lambda J, d: ordered(walk(J, d)[1:]),
            ),
            Misconception(
                "the root is missing" if norm == "Euclidean" else "another norm",
                "These are the squares of the lengths."
                if norm == "Euclidean"
                else "These are Euclidean lengths. The statement asks for another norm.",
                lambda J, d: ordered(walk(J, d, slip)),
            ),
            Misconception(
                "the norm of the matrix for the norm of the gradient",
                "The norm of the product says how much it can stretch a vector at most. This gradient has a direction "
                "of its own: multiply first, and then take the norm.",
                matrix_norms,
            ),
            Misconception(
                "the norm of the product of the Jacobians",
                "You measure a matrix (np.linalg.norm of a matrix is the root of the sum of squares). Asked for is the "
                "length of a vector: where does d come in?",
                frobenius,
            ),
            Misconception(
                "d meets the Jacobians in the wrong order",
                "Each row passes the right steps, but the first of them first: d meets J_{k+1} before J_T. Either the "
                "factors of your product stand in the wrong order, or an inner loop runs from step k + 1 up. The "
                "gradient comes from the end.",
                turned_product,
            ),
            Misconception(
                "d is sent through the product forwards",
                "J_T ⋯ J_{k+1} times a vector is what a *change* of h_k makes of h_T. d is a gradient at h_T: on which "
                "side of the product does it stand?",
                forwards,
            ),
            Misconception(
                "the gradients themselves",
                "These are the vectors, one a row. Each is right; what is asked for is one number for each.",
                lambda J, d: ordered(walk(J, d, lambda vector: vector)),
            ),
        ),
    )


def _counts(w: float, h: float, threshold: float) -> dict[str, float]:
    """The number of steps that is asked for, and what mistakes make of it."""

    def first(factor: float) -> float:
        return math.ceil(math.log(threshold) / math.log(factor))

    exact = math.log(threshold) / math.log(w * (1 - h**2))
    return {
        "right": math.ceil(exact),
        "one early": math.ceil(exact) - 1,
        "not whole": exact,
        "slope alone": first(1 - h**2),
        "not squared": first(w * (1 - h)),
        "logistic": first(w * h * (1 - h)),
        "one late": math.ceil(exact) + 1,
        "state squashed": first(w * (1 - math.tanh(h) ** 2)),
        "two logarithms": math.ceil(math.log10(threshold) / math.log(w * (1 - h**2))),
    }


def _draw_unit(rng: np.random.Generator) -> tuple[float, float, float]:
    while True:  # until no two counts agree, and the threshold is not met by a hair
        w, h = round(float(rng.uniform(1.05, 1.5)), 2), round(float(rng.uniform(0.45, 0.7)), 2)
        threshold = 10.0 ** -int(rng.integers(2, 5))
        if not 0.6 < w * (1 - h**2) < 0.93:
            continue
        counts = _counts(w, h, threshold)
        if 0.1 < counts["not whole"] % 1 < 0.9 and len({round(n, 6) for n in counts.values()}) == len(counts):
            return w, h, threshold


@exercise(
    "predict-decay",
    chapter="vanishing-and-exploding-gradients",
    name="steps",
    title="How far does it reach?",
    kind="predict",
    ask={"unit": Drawn((1.2, 0.6, 0.001), _draw_unit)},
)
def predict_decay(rng: np.random.Generator, unit: tuple[float, float, float]) -> Key:
    w, h, threshold = unit
    n = _counts(w, h, threshold)

    return Key(
        answer=n["right"],
        also_right=(float(n["right"]), np.array(n["right"]), np.float64(n["right"])),
        words={"w": f"{w:g}", "h": f"{h:g}", "threshold": f"{threshold:g}"},
        hints=(
            "Which factor does a gradient get on one step back through this unit? It is the same at every step.",
            "The factor is w times the slope of tanh. The slope of tanh follows from the state.",
            "Multiply until the product is below the threshold, in a loop. Or solve factor^n = threshold for n, and "
            "take the next whole number.",
        ),
        misconceptions=(
            Misconception(
                "one step too early",
                "After this many steps the gradient is still a little above the threshold. Check with a power.",
                n["one early"],
            ),
            Misconception(
                "one step too late",
                "One step earlier the gradient is below the threshold already. Which power of the factor belongs to "
                "no step? Or have you counted the states in place of the steps?",
                n["one late"],
            ),
            Misconception(
                "not a whole number",
                "At this length the power equals the threshold. Steps are whole: which is the first one below?",
                n["not whole"],
            ),
            Misconception(
                "the weight is missing",
                "The slope is one part of the factor a step. Through what else does h_{t−1} reach h_t?",
                n["slope alone"],
            ),
            Misconception(
                "1 − h for 1 − h²",
                "The slope of tanh, from its state h, has a square in it.",
                n["not squared"],
            ),
            Misconception(
                "the slope of the logistic function",
                "h(1 − h) belongs to the logistic function. This unit has a tanh.",
                n["logistic"],
            ),
            Misconception(
                "tanh of the state",
                "The given h is the state, which is tanh(a) already. You send it through tanh once more.",
                n["state squashed"],
            ),
            Misconception(
                "two kinds of logarithm in one quotient",
                "One of your logarithms is natural and the other has the base 10. Any base will do, if it is one.",
                n["two logarithms"],
            ),
        ),
    )
