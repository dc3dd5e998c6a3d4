"""How a loss is made of the losses of all steps and sequences, and the mistakes of making it otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from companion.exercises.edits import Edit
from companion.exercises.model import Misconception


@dataclass(frozen=True)
class Total:
    """How a loss L is made of the losses ℓ of all steps and sequences.

    Attributes:
        words: what L is, after 'L is'.
        formula: L = … in LaTeX.
        code: what follows a gradient of the sum, in NumPy, to make it one of L.
        divisor: (steps, sequences) -> what the sum is divided by.
    """

    words: str
    formula: str
    code: str
    divisor: Callable[[int, int], int]

    def code_of(self, array: str) -> str:
        """``code`` where T and B have no names: of an array with steps and sequences first."""
        return self.code.replace("B", f"{array}.shape[1]").replace("T", f"len({array})")


TOTALS = (
    Total("the plain sum of all losses", r"L = \sum_t \sum_b \ell_{t,b}", "", lambda T, B: 1),
    Total(
        "the sum of all losses divided by the B sequences",
        r"L = \frac1B \sum_t \sum_b \ell_{t,b}",
        " / B",
        lambda T, B: B,
    ),
    Total(
        "the sum of all losses divided by the T steps", r"L = \frac1T \sum_t \sum_b \ell_{t,b}", " / T", lambda T, B: T
    ),
    Total("the mean over all T·B losses", r"L = \frac{1}{TB} \sum_t \sum_b \ell_{t,b}", " / T / B", lambda T, B: T * B),
)


def other_totals(total: Total) -> tuple[Misconception, ...]:
    """The mistakes of dividing the gradient by something else than ``total`` says, where that is an option."""
    hint = (
        f"L is {total.words}, and nothing divides it. Where do you divide, or take a mean?"
        if total is TOTALS[0]
        else f"Look at the factor in front of the sums: L is {total.words}. What does that factor do to a gradient?"
    )
    return tuple(
        Misconception(f"as if L were {other.words}", hint, Edit(options={"total": other}))
        for other in TOTALS
        if other is not total
    )
