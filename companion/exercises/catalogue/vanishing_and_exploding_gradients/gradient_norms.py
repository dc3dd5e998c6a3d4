"""The gradient at every distance."""

from __future__ import annotations

import numpy as np

from companion.bptt.dynamics import jacobian_products
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

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

    def slip(d):  # the norm that is taken for the one asked for
        return d @ d if norm == "Euclidean" else np.linalg.norm(d)

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
