"""States with a skip in time."""

from __future__ import annotations

import numpy as np

from companion.bptt.skip_elman import SkipElman
from companion.core.functions import Activation as Function
from companion.core.recurrent import forward
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.inputs import SIZES, Size, normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

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
