"""Exercises on remedies: a first matrix that keeps the gradient's length, and a connection that shortens its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.cells import SkipElman
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.comparing import described
from companion.exercises.inputs import SIZES, Size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.functions import Activation as Function
from companion.recurrent import forward

LAG = 60
RETURNED = "what start(H) returns"
LARGEST = f"the largest singular value after {LAG} steps"
KEPT = f"the number of singular values of 0.1 or more after {LAG} steps"
EXPLODES = "above 10"
DIVIDES = "divides by the slope"


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


@dataclass(frozen=True)
class Survival:
    """What LAG steps of rectified units that read a one at each step make of gradients.

    Attributes:
        explodes: whether the largest singular value of the product of all Jacobians is above 10.
        kept: how many singular values are at least 0.1, of those of a product that does not explode.
    """

    explodes: bool
    kept: int


def _survival(W: np.ndarray, slope: float) -> Survival:
    H = len(W)
    h, product = np.zeros(H), np.eye(H)
    for _ in range(LAG):
        a = W @ h + 1
        h = np.maximum(0, slope * a)
        product = (slope * (a > 0))[:, None] * (W @ product)
        if not np.isfinite(product).all() or np.abs(product).max() > 1e100:
            return Survival(True, 0)
    stretches = np.linalg.svd(product, compute_uv=False)
    return Survival(bool(stretches[0] > 10), int((stretches >= 0.1).sum()))


def _make_of(W: np.ndarray, slope: float) -> str:
    """What W_hh does, for one with which gradients do not survive; in few words, that are true of it."""
    H, size = len(W), float(np.abs(W).max())
    signs = ", with negative entries" if (W < 0).any() else ""
    if not size:
        return "is zero"
    if not np.linalg.matrix_power((W != 0).astype(float), H).any():  # however large its entries are
        return "passes nothing on for H steps"
    gram = W.T @ W
    square = float(np.trace(gram) / H)
    stretch = square**0.5
    if not np.allclose(gram, square * np.eye(H), rtol=0, atol=1e-9 * square):
        return "has entries within ±1/√H" if size <= H**-0.5 else f"does not keep lengths{signs}"
    if np.isclose(stretch, 1):
        return f"keeps lengths{signs}"
    if np.isclose(stretch, slope):
        return f"multiplies by the slope{signs}"
    if np.isclose(stretch * slope, 1):
        return f"{DIVIDES}{signs}"
    change = "grow" if stretch * slope > 1 else "shrink a little" if stretch * slope > 0.85 else "shrink"
    return f"lets lengths {change}{signs}"


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

    def formed(W):
        if form == "no own state":
            return W * (1 - np.eye(len(W)))
        return np.diag(np.diag(W)) if form == "own state only" else (W + W.T) / 2

    def has_form(W):
        return bool(np.allclose(W, formed(W), rtol=0, atol=1e-12))

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

    def trouble(W):
        """How many singular values are left, or whether they are too large; '' where the gradient survives."""
        found = _survival(W, slope)
        if found.explodes:
            return EXPLODES
        if 2 * found.kept >= len(W):
            return ""
        return "one" if found.kept == 1 and not _make_of(W, slope).startswith(DIVIDES) else "too few"

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
        number, make = trouble(W), _make_of(W, slope)
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


SHORT_SIZES = (  # shorter than some of the skips
    Size("T = 1, one sequence", T=1, B=1, I=3, H=2, O=1),
    Size("T = 2", T=2, B=3, I=2, H=2, O=1),
    Size("T = 4", T=4, B=2, I=2, H=3, O=1),
)


@exercise(
    "skip-step",
    chapter="remedies",
    name="skip_states",
    title="States with a skip in time",
    kind="implement",
    ask={"s": (3, 2, 4), "f": ACTIVATIONS, "before": ("zeros", "h_0")},
)
def skip_step(rng: np.random.Generator, s: int, f: Activation, before: str) -> Key:
    def walk(x, h_0, w, skip, outside=0.0):
        """States, where skip(h, t) is what arrives from the past, of the states h so far."""
        h = [h_0]
        for t in range(1, len(x) + 1):
            far = skip(h, t) @ w["W_sh"].T
            a = x[t - 1] @ w["W_xh"].T + h[-1] @ w["W_hh"].T + w["b_h"]
            h.append(f.apply(a + (1 - outside) * far) + outside * far)
        return np.array(h)

    def first(h_0, how=before):
        return np.zeros_like(h_0) if how == "zeros" else h_0

    def back(steps):
        return lambda h, t: h[t - steps] if t >= steps else first(h[0])

    def answer(x, h_0, w):
        return walk(x, h_0, w, back(s))

    def by_buffer(x, h_0, w):
        past = [first(h_0)] * (s - 1) + [h_0]  # h_{1−s} … h_0
        for x_t in x:
            a = np.einsum("bi,hi->bh", x_t, w["W_xh"]) + np.einsum("bj,hj->bh", past[-1], w["W_hh"])
            past.append(f.apply(a + np.einsum("bj,hj->bh", past[-s], w["W_sh"]) + w["b_h"]))
        return np.stack(past[s - 1 :])

    def by_companion(x, h_0, w):
        cell = SkipElman(
            x.shape[2], h_0.shape[1], s, Function(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        )
        initial = {name: h_0 if name == "h" else first(h_0) for name in cell.state}
        return forward(cell, w, x, initial)[0]

    def at_multiples(h, t):
        return h[t - s] if t % s == 0 else np.zeros_like(h[0])

    def no_previous(x, h_0, w):
        return walk(x, h_0, w | {"W_hh": np.zeros_like(w["W_hh"])}, back(s))

    def without(name):
        return lambda x, h_0, w: answer(x, h_0, w | {name: np.zeros_like(w[name])})

    def in_place_of(x, h_0, w):
        """The skip in the place of the step before, as soon as it has a state to lead to."""
        h = [h_0]
        for t in range(1, len(x) + 1):
            past = h[t - s] @ w["W_sh"].T if t >= s else h[-1] @ w["W_hh"].T
            h.append(f.apply(x[t - 1] @ w["W_xh"].T + past + w["b_h"]))
        return np.array(h)

    def from_the_end(x, h_0, w):
        """Rows of an array of zeros, looked up with negative numbers too."""
        h = np.zeros((len(x) + 1, *h_0.shape))
        h[0] = h_0
        for t in range(1, len(x) + 1):
            a = x[t - 1] @ w["W_xh"].T + h[t - 1] @ w["W_hh"].T + w["b_h"]
            h[t] = f.apply(a + h[t - s] @ w["W_sh"].T)
        return h

    def made_of(size):
        return {
            "x": normal(rng, size.T, size.B, size.I),
            "h_0": f.apply(normal(rng, size.B, size.H)),
            "w": {
                "W_xh": normal(rng, size.H, size.I),
                "W_hh": normal(rng, size.H, size.H),
                "W_sh": normal(rng, size.H, size.H),
                "b_h": normal(rng, size.H),
            },
        }

    return Key(
        answer=answer,
        also_right=(by_buffer, by_companion),
        axes={"result": "T+1 B H"},
        words={
            "f": f.name,
            "code": f.code,
            "before": "zero" if before == "zeros" else r"equal to $h_0$",
            "first": "np.zeros_like(h_0)" if before == "zeros" else "h_0",
        },
        cases=tuple(Case(size.name, made_of(size)) for size in (*SIZES, *SHORT_SIZES)),
        hints=(
            "Keep all states in a list or an array whose row t is h_t. Row 0 is there from the beginning.",
            f"Step t needs row t − 1 and row t − {s}. For the first steps the second one does not exist.",
            "All four terms are added up inside the activation.",
            "A negative row number does not raise an error: it counts from the end. Ask with if whether the row "
            "exists.",
        ),
        misconceptions=(
            Misconception(
                "the skip is one step too short",
                f"Your skip leads from step t back to step t − {s - 1}. In an array with h_0 in row 0, which row holds "
                f"h_{{t−{s}}}?",
                lambda x, h_0, w: walk(x, h_0, w, back(s - 1)),
            ),
            Misconception(
                "the skip is one step too long",
                f"Your skip leads from step t back to step t − {s + 1}. In an array with h_0 in row 0, which row holds "
                f"h_{{t−{s}}}?",
                lambda x, h_0, w: walk(x, h_0, w, back(s + 1)),
            ),
            Misconception(
                "other states before the beginning",
                "All is right once the skip has a state to lead to. Before that, read what the statement says about "
                "the states before h_0. Or do you read a row that does not exist? A negative number of a row counts "
                "from the end, and is no error.",
                lambda x, h_0, w: walk(
                    x, h_0, w, lambda h, t: h[t - s] if t >= s else first(h_0, "h_0" if before == "zeros" else "zeros")
                ),
            ),
            Misconception(
                "the step before is missing",
                "There is nothing of W_hh h_{t−1} in your states. The skip is a *second* way: the first one stays.",
                no_previous,
            ),
            Misconception(
                "the skip in place of the step before",
                f"From step {s} on, where the skip has a state to lead to, W_hh h_{{t−1}} is missing. The skip is a "
                "*second* way: both terms are added.",
                in_place_of,
            ),
            Misconception(
                "no skip",
                "These are Elman's states. Where does W_sh come in?",
                without("W_sh"),
            ),
            *(
                (
                    Misconception(
                        "the skip does not reach h_0",
                        f"At step {s} the skip leads to h_0, which is given. Does your condition take that step in?",
                        lambda x, h_0, w: walk(x, h_0, w, lambda h, t: h[t - s] if t > s else np.zeros_like(h_0)),
                    ),
                )
                if before == "zeros"
                else ()
            ),
            *(
                (
                    Misconception(
                        "a row number below zero",
                        f"Where T is smaller than s, t − {s} is a negative number that counts from the end of the "
                        "array, and finds a row which is filled already. In longer sequences it finds a row that is "
                        "still zero, by luck. Ask whether the row exists.",
                        from_the_end,
                    ),
                )
                if (before, s) == ("zeros", 3)  # with 2 it never does harm, with 4 it is an error for T = 1
                else ()
            ),
            Misconception(
                "W_hh and W_sh exchanged",
                f"Which of the two matrices belongs to the step before, and which to the state of {s} steps ago?",
                lambda x, h_0, w: answer(x, h_0, w | {"W_hh": w["W_sh"], "W_sh": w["W_hh"]}),
            ),
            Misconception(
                "the bias is missing",
                "Four terms are added up inside the activation. Which one is not there?",
                without("b_h"),
            ),
            Misconception(
                "starts from zero",
                "h_0 is given, and not zero. It stands in row 0, and step 1 reads it.",
                lambda x, h_0, w: answer(x, np.zeros_like(h_0), w),
            ),
            Misconception(
                "the skip is added outside of the activation",
                "What arrives over the skip goes through the activation together with the other terms.",
                lambda x, h_0, w: walk(x, h_0, w, back(s), outside=1.0),
            ),
            Misconception(
                f"a skip at every {s}th step only",
                "The connection is there at every step, and each has its own state to look back to.",
                lambda x, h_0, w: walk(x, h_0, w, at_multiples),
            ),
            Misconception(
                "W_sh transposed",
                "Rows of W_sh belong to the unit that is computed. On paper it multiplies a column; here each sequence "
                "is a row.",
                lambda x, h_0, w: answer(x, h_0, w | {"W_sh": w["W_sh"].T}),
            ),
            Misconception(
                "W_hh transposed",
                "Rows of W_hh belong to the unit that is computed. On paper it multiplies a column; here each sequence "
                "is a row.",
                lambda x, h_0, w: answer(x, h_0, w | {"W_hh": w["W_hh"].T}),
            ),
            Misconception(
                "both recurrent matrices transposed",
                "Rows of W_hh and W_sh belong to the unit that is computed. On paper they multiply a column; here each "
                "sequence is a row.",
                lambda x, h_0, w: answer(x, h_0, w | {name: w[name].T for name in ("W_hh", "W_sh")}),
            ),
        ),
    )
