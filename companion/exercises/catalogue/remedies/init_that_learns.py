"""A start whose gradient survives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.catalogue.remedies.survival import DIVIDES, LAG, make_of, survival
from companion.exercises.comparing import described
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

RETURNED = "what start(H) returns"
LARGEST = f"the largest singular value after {LAG} steps"
KEPT = f"the number of singular values of 0.1 or more after {LAG} steps"
EXPLODES = "above 10"


@dataclass(frozen=True)
class Form:
    """A further condition on W_hh.

    Attributes:
        prose: as the statement has it.
        code: a matrix of this form that keeps lengths, as NumPy, of the variable H.
        fact, right, wrong: what a report says of it: "the diagonal of W_hh is 'not zero' and should be 'zero'".
        hint: for a matrix that lacks it.
        passes: where the units pass their states in the solution.
    """

    prose: str
    code: str
    fact: str
    right: str
    wrong: str
    hint: str
    passes: str


FORMS = {
    "no own state": Form(
        "no unit reads its own state: the diagonal of $W_{hh}$ is zero",
        "np.roll(np.eye(H), 1, axis=0)",
        "the diagonal of W_hh",
        "zero",
        "not zero",
        "Look at the diagonal of W_hh: some unit reads its own state. Is there a matrix that keeps lengths in which "
        "each unit passes its state to another?",
        "it only passes states from unit to unit, once round the ring in $H$ steps",
    ),
    "own state only": Form(
        "each unit reads its own state and no other: off the diagonal $W_{hh}$ is zero",
        "np.eye(H)",
        "W_hh off its diagonal",
        "zero",
        "not zero",
        "Look at the entries off the diagonal of W_hh: some unit reads another's state.",
        "on the diagonal it passes each state back to its own unit",
    ),
    "symmetric": Form(
        "any two units read each other with the same weight: $W_{hh}$ is symmetric",
        "np.eye(H)",
        "W_hh",
        "symmetric",
        "not symmetric",
        "Compare W_hh with its transpose: where one unit reads another, is it read by that one with the same weight?",
        "the identity, which is symmetric, passes each state back to its own unit",
    ),
}


@exercise(
    "init-that-learns",
    chapter="remedies",
    name="start",
    title="A start whose gradient survives",
    kind="open",
    ask={"gain": ("0.5", "0.25", "0.8", "0.4"), "form": tuple(FORMS)},
)
def init_that_learns(rng: np.random.Generator, gain: str, form: str) -> Key:
    slope = float(gain)

    def ring(H, shift=1):
        return np.roll(np.eye(H), shift, axis=0)

    def keeps(H):
        return ring(H) if form == "no own state" else np.eye(H)

    def answer(H):
        return keeps(H) / slope

    def other(H):
        if form == "no own state":
            return ring(H, -1) / slope
        return np.diag(np.linspace(0.99, 1.01, H)) / slope if form == "own state only" else np.eye(H)[::-1] / slope

    def a_little_more(H):
        return 1.02 * keeps(H) / slope

    def formed(W):
        if form == "no own state":
            return W * (1 - np.eye(len(W)))
        return np.diag(np.diag(W)) if form == "own state only" else (W + W.T) / 2

    def uniform(H):
        return np.random.default_rng(H).uniform(-(H**-0.5), H**-0.5, (H, H))

    def averaging(H):
        W = formed(np.ones((H, H)))
        return W / W.sum(axis=1, keepdims=True) / slope if form != "own state only" else np.ones((H, H)) / H / slope

    def off_form(H):
        return np.eye(H) if form == "no own state" else ring(H)

    def with_signs(H):
        W = keeps(H) / slope
        return W * np.where(np.arange(H) == 0, -1, 1) if form == "no own state" else -W

    def random_signs(H):
        return np.linalg.qr(np.random.default_rng(H).normal(size=(H, H)))[0] / slope

    def has_form(W):
        return bool(np.allclose(W, formed(W), rtol=0, atol=1e-12))

    def trouble(W):
        """How many singular values are left, or whether they are too large; '' where the gradient survives."""
        found = survival(W, slope)
        if found.explodes:
            return EXPLODES
        if 2 * found.kept >= len(W):
            return ""
        return "one" if found.kept == 1 and not make_of(W, slope).startswith(DIVIDES) else "too few"

    def view(arguments: Any, W: Any) -> dict[str, Any]:
        """One fact alone differs from the right one, and has in it all that is known."""
        H = arguments["H"]
        facts = {
            RETURNED: f"an array of shape {(H, H)}",
            FORMS[form].fact: FORMS[form].right,
            LARGEST: "at most 10",
            KEPT: "at least half",
        }
        if not isinstance(W, np.ndarray) or W.shape != (H, H):
            return facts | {RETURNED: described(W)}
        if W.dtype.kind not in "fiu":
            return facts | {RETURNED: f"an array of {W.dtype}"}
        if not np.isfinite(W).all():
            return facts | {RETURNED: "an array with entries that are no finite numbers"}
        W = W.astype(float)
        number, make = trouble(W), make_of(W, slope)
        told = f"{number} (W_hh {make})"
        if has_form(W):
            return facts | ({LARGEST: number} if number == EXPLODES else {KEPT: told} if number else {})
        if make.startswith(DIVIDES) and (W < 0).any():  # how many units fall silent is a matter of chance
            beside = "; there are negative entries"
        else:
            beside = {"": "", EXPLODES: "; the gradient explodes"}.get(number, f"; singular values: {told}")
        return facts | {FORMS[form].fact: FORMS[form].wrong + beside}

    return Key(
        answer=answer,
        also_right=(other, a_little_more),
        view=view,
        words={
            "form": FORMS[form].prose,
            "code": FORMS[form].code,
            "passes": FORMS[form].passes,
            "LAG": str(LAG),
        },
        cases=tuple(Case(f"H = {H}", {"H": H}) for H in (3, 2, *(int(rng.integers(n, 2 * n)) for n in (4, 8, 16)))),
        hints=(
            "What is the Jacobian of one step, while all units are active? What should it do to lengths?",
            "An orthogonal matrix keeps lengths. The slope of the unit is multiplied in at each step: what makes up "
            "for it?",
            "Some orthogonal matrices have no negative entry: one 1 in each row and in each column. With those, and an "
            "input of 1, all units stay active. Which of them has the form that is asked?",
        ),
        misconceptions=(
            Misconception(
                "all weights zero",
                "With recurrent weights of zero no state reaches the next one, and no gradient comes back. Try "
                "far_gradient on a matrix that keeps lengths.",
                lambda H: np.zeros((H, H)),
            ),
            Misconception(
                "the slope of the unit is forgotten",
                "The form is right, and W_hh keeps lengths. But each step back also multiplies by the slope of the "
                f"unit, which is not 1 here. Print the singular values after {LAG} steps: the factor a step is their "
                f"{LAG}th root.",
                lambda H: keeps(H).astype(float),
            ),
            Misconception(
                "the slope is multiplied in a second time",
                "W_hh makes lengths smaller by the slope, and the unit does so again. Which matrix makes up for a "
                "factor?",
                lambda H: keeps(H) * slope,
            ),
            Misconception(
                "the gradient explodes",
                f"After {LAG} steps the largest singular value is above 10. A factor of 1.1 a step would already be "
                "300 at the end; the factor has to be 1, within a few percent.",
                lambda H: 1.5 * keeps(H) / slope,
            ),
            Misconception(
                "a little too small",
                f"The factor a step is near 1, and below it; but 0.95 to the power of {LAG} is 0.05 already. Which "
                "factor does not change with its power?",
                lambda H: 0.93 * keeps(H) / slope,
            ),
            Misconception(
                "the form is not as asked",
                f"The gradient survives: well done. Now the further condition. {FORMS[form].hint}",
                lambda H: off_form(H) / slope,
            ),
            Misconception(
                "neither the form nor the slope",
                "W_hh keeps lengths. Two things are left: the unit's slope is multiplied in at each step, and the "
                f"further condition does not hold. {FORMS[form].hint}",
                lambda H: off_form(H).astype(float),
            ),
            Misconception(
                "negative entries silence units",
                "W_hh makes up for the slope, and has the form. But where a unit's pre-activation is negative, its "
                "slope is zero, and what should pass there is lost. Print h after a few steps. What can make a "
                "pre-activation negative, when each input is 1?",
                with_signs,
            ),
            Misconception(
                "an orthogonal matrix with negative entries",
                "W_hh keeps lengths and makes up for the slope. But negative entries can make a pre-activation "
                "negative, and that unit's slope is zero then: it is a matter of chance how many survive. The further "
                f"condition does not hold either. {FORMS[form].hint}",
                random_signs,
            ),
            Misconception(
                "small weights",
                "All entries lie within ±1/√H, as a library draws them. Such a matrix is not made to keep lengths, and "
                f"the slope of the unit shortens them again. The further condition does not hold either. "
                f"{FORMS[form].hint}",
                uniform,
            ),
            *(
                (
                    Misconception(
                        "the way from unit to unit comes to an end",
                        "Follow the state of one unit from unit to unit: after H − 1 steps at the latest it reaches "
                        "one that passes nothing on. Where should that one send it?",
                        lambda H: np.eye(H, k=-1) / slope,
                    ),
                )
                if form == "no own state"
                else ()
            ),
            Misconception(
                "one direction only",
                "One direction keeps its length. What is in the others is lost after a few steps: where all entries "
                "are equal, for example, all units do the same, and only their mean survives. At least half of the "
                "singular values have to stay." + (f" {FORMS[form].hint}" if form == "own state only" else ""),
                averaging,
            ),
        ),
    )
