"""A gradient, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.bptt.gradients import central_differences
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class Formula:
    """A way to measure a derivative: in LaTeX, and the moves with their factors, to be divided by ``divisor`` ε."""

    words: str
    latex: str
    moves: tuple[tuple[int, int], ...]
    divisor: int
    code: str
    error: str


FORMULAS = (
    Formula(
        "central differences",
        r"\frac{L(w + \varepsilon) - L(w - \varepsilon)}{2\varepsilon}",
        ((1, 1), (-1, -1)),
        2,
        "(L[1] - L[-1]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "the five-point formula, which is more exact",
        r"\frac{8 L(w + \varepsilon) - 8 L(w - \varepsilon) - L(w + 2\varepsilon) + L(w - 2\varepsilon)}"
        r"{12\varepsilon}",
        ((8, 1), (-8, -1), (-1, 2), (1, -2)),
        12,
        "(8 * L[1] - 8 * L[-1] - L[2] + L[-2]) / (12 * eps)",
        r"$\varepsilon^4$: half the step, a sixteenth of the error",
    ),
    Formula(
        "a formula from one side, for a weight that may not become smaller",
        r"\frac{4 L(w + \varepsilon) - 3 L(w) - L(w + 2\varepsilon)}{2\varepsilon}",
        ((4, 1), (-3, 0), (-1, 2)),
        2,
        "(4 * L[1] - 3 * L[0] - L[2]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "a formula from the other side, for a weight that may not become larger",
        r"\frac{3 L(w) - 4 L(w - \varepsilon) + L(w - 2\varepsilon)}{2\varepsilon}",
        ((3, 0), (-4, -1), (1, -2)),
        2,
        "(3 * L[0] - 4 * L[-1] + L[-2]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
)


def _loss(W_hh, W_xh, x, h_0):
    """½ Σ h_T²: the loss that the text gives."""
    h = h_0
    for x_t in x:
        h = np.tanh(x_t @ W_xh.T + h @ W_hh.T)
    return 0.5 * (h**2).sum()


@exercise(
    "central-difference",
    chapter="backpropagation-at-work",
    name="measured",
    title="A gradient, measured",
    kind="implement",
    ask={"formula": FORMULAS},
)
def central_difference(rng: np.random.Generator, formula: Formula) -> Key:
    def entrywise(quotient):
        """A function that fills the gradient with ``quotient``, called with L along one entry and eps."""

        def measured(W_hh, W_xh, x, h_0, eps):
            found = np.zeros_like(W_hh)
            for index in np.ndindex(W_hh.shape):

                def at(steps, index=index):
                    moved = W_hh.copy()
                    moved[index] += steps * eps
                    return _loss(moved, W_xh, x, h_0)

                found[index] = quotient(at, eps)
            return found

        return measured

    def weighted(at):
        return sum(factor * at(steps) for factor, steps in formula.moves)

    answer = entrywise(lambda at, eps: weighted(at) / (formula.divisor * eps))

    def by_directions(W_hh, W_xh, x, h_0, eps):
        directions = np.eye(W_hh.size).reshape(-1, *W_hh.shape)
        values = [
            sum(factor * _loss(W_hh + steps * eps * D, W_xh, x, h_0) for factor, steps in formula.moves)
            for D in directions
        ]
        return np.array(values).reshape(W_hh.shape) / (formula.divisor * eps)

    def by_companion(W_hh, W_xh, x, h_0, eps):
        def wide(step):
            return central_differences(lambda W: _loss(W, W_xh, x, h_0), W_hh, step)

        if formula is FORMULAS[0]:
            return wide(eps)
        if formula is FORMULAS[1]:
            return (4 * wide(eps) - wide(2 * eps)) / 3
        sign = 1 if formula is FORMULAS[2] else -1  # each from one side, twice

        def one_sided(step):
            zero = _loss(W_hh, W_xh, x, h_0)
            return entrywise(lambda at, eps: sign * (at(sign * step / eps) - zero) / step)(W_hh, W_xh, x, h_0, eps)

        return 2 * one_sided(eps) - one_sided(2 * eps)

    def not_restored(W_hh, W_xh, x, h_0, eps):
        moved, found = W_hh.copy(), np.zeros_like(W_hh)
        for index in np.ndindex(W_hh.shape):
            value, place = 0.0, 0
            for factor, steps in formula.moves:
                moved[index] += (steps - place) * eps
                place = steps
                value += factor * _loss(moved, W_xh, x, h_0)
            found[index] = value / (formula.divisor * eps)
        return found

    def whole_rows(W_hh, W_xh, x, h_0, eps):
        found = np.zeros_like(W_hh)
        for i in range(len(W_hh)):
            row = (np.arange(len(W_hh)) == i)[:, None]
            value = sum(factor * _loss(W_hh + row * steps * eps, W_xh, x, h_0) for factor, steps in formula.moves)
            found[i] = value / (formula.divisor * eps)
        return found

    def all_at_once(W_hh, W_xh, x, h_0, eps):
        value = sum(factor * _loss(W_hh + steps * eps, W_xh, x, h_0) for factor, steps in formula.moves)
        return np.full_like(W_hh, value / (formula.divisor * eps))

    central = formula is FORMULAS[0]
    largest = max(abs(steps) for _, steps in formula.moves)
    sizes = (
        ("one unit, one step", 1, 1, 1, 1),
        ("a small case", 3, 2, 1, 2),
        ("B = 1", 4, 1, 2, 3),
        ("H = 1", 3, 2, 2, 1),
        ("a longer sequence", 6, 3, 2, 3),
    )
    return Key(
        answer=answer,
        also_right=(by_directions, by_companion),
        axes={"result": "H H"},
        words={
            "words": formula.words,
            "latex": formula.latex,
            "quotient": formula.code,
            "error": formula.error,
            "steps": str(tuple(steps for _, steps in formula.moves)),
            "passes": str(len(formula.moves)),
        },
        cases=tuple(
            Case(
                name,
                {
                    "W_hh": normal(rng, H, H),
                    "W_xh": normal(rng, H, I),
                    "x": normal(rng, T, B, I),
                    "h_0": normal(rng, B, H),
                    "eps": eps,
                },
            )
            for (name, T, B, I, H), eps in zip(sizes, (0.5, 0.25, 0.1, 0.2, 0.1), strict=True)
        ),
        hints=(
            "One entry at a time: all others keep their values while it moves. So the network is run anew for each "
            "entry and each value of L in the formula.",
            "Write a small function that gives L with one entry moved by so many steps ε. On what array does it work?",
            "Move an entry of a copy, ask the loss, and begin with a fresh copy for the next value.",
        ),
        misconceptions=(
            Misconception(
                "the moved entry is not put back",
                "The first entry is right, the later ones are not. When the second entry moves, where is the first?",
                not_restored,
            ),
            Misconception(
                "all entries are zero",
                "Is the result filled, and from values of L that differ? The loss must be called with the moved "
                "matrix; and after `ahead = W_hh`, without a copy, a change of `ahead` reaches W_hh and every other "
                "name that it has.",
                lambda W_hh, W_xh, x, h_0, eps: np.zeros_like(W_hh),
            ),
            Misconception(
                "all entries move together",
                "All your entries are the same number: how L changes when the whole matrix moves. How do you find out "
                "what one entry did?",
                all_at_once,
            ),
            Misconception(
                "all entries move together, and one number comes out",
                "That is how L changes when the whole matrix moves. Asked for is a number for each entry of it.",
                lambda W_hh, W_xh, x, h_0, eps: float(all_at_once(W_hh, W_xh, x, h_0, eps)[0, 0]),
            ),
            Misconception(
                "multiplied by ε instead of divided",
                "In Python a / 2 * eps is (a / 2) * eps. Where do brackets belong?",
                entrywise(lambda at, eps: weighted(at) / formula.divisor * eps),
            ),
            Misconception(
                "a whole row moves",
                "All entries of a row are the same number in your result. W[i] is a row, and an entry has two indices.",
                whole_rows,
            ),
            Misconception(
                "the divisor without its number" if not central else "divided by ε instead of 2 ε",
                "Compare how far the values of L lie apart with what you divide by. Try it on L(w) = w, whose slope "
                "is 1.",
                entrywise(lambda at, eps: weighted(at) / eps),
            ),
            Misconception(
                "not divided by ε",
                "This is a change of L, not yet a change for each unit of w. Here ε is not small, so that it shows.",
                entrywise(lambda at, eps: weighted(at) / formula.divisor),
            ),
            Misconception(
                "the plain difference to one side",
                f"(L(w + ε) − L(w)) / ε also tends to the derivative, but with a larger error. Asked for is "
                f"{formula.words}.",
                entrywise(lambda at, eps: (at(1) - at(0)) / eps),
            ),
            Misconception(
                "the plain difference to the other side",
                f"(L(w) − L(w − ε)) / ε also tends to the derivative, but with a larger error. Asked for is "
                f"{formula.words}.",
                entrywise(lambda at, eps: (at(0) - at(-1)) / eps),
            ),
            Misconception(
                "the sign of ε turned round",
                "With L(w) = w, what does your quotient give? Do your values of L lie on the sides of w that the "
                "formula says, and are they subtracted in its order?",
                entrywise(lambda at, eps: weighted(lambda steps: at(-steps)) / (formula.divisor * eps)),
            ),
            *(
                (
                    Misconception(
                        "central differences",
                        f"The formula here is another: it asks for {len(formula.moves)} values of L, as far as "
                        f"{largest} ε away.",
                        entrywise(lambda at, eps: (at(1) - at(-1)) / (2 * eps)),
                    ),
                )
                if not central
                else ()
            ),
        ),
    )
