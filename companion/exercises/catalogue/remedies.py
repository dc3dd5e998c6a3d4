"""Exercises on remedies: a first matrix that keeps the gradient's length, and a connection that shortens its way."""

from __future__ import annotations

from typing import Any

import numpy as np

from companion.cells import SkipElman
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.functions import Activation as Function
from companion.recurrent import forward

LAG = 60
FORMS = {  # as prose has it, and right code for a matrix that keeps lengths, of the variable H
    "no own state": ("no unit reads its own state: the diagonal of $W_{hh}$ is zero", "np.roll(np.eye(H), 1, axis=0)"),
    "own state only": (
        "each unit reads its own state and no other: off the diagonal $W_{hh}$ is zero",
        "np.eye(H)",
    ),
    "symmetric": (
        "any two units read each other with the same weight: $W_{hh}$ is symmetric",
        "np.eye(H)",
    ),
}


def _far_gradient(W: np.ndarray, gain: str) -> str:
    """What becomes of gradients on their way back over LAG steps of rectified units that read a one at each step."""
    H, slope = len(W), float(gain)
    h, product = np.zeros(H), np.eye(H)
    for _ in range(LAG):
        a = W @ h + 1
        h = np.maximum(0, slope * a)
        product = (slope * (a > 0))[:, None] * (W @ product)
        if not np.isfinite(product).all() or np.abs(product).max() > 1e100:
            return "explodes"
    if not product.any():
        return "is exactly zero"
    stretches = np.linalg.svd(product, compute_uv=False)
    if stretches[0] > 10:
        return "explodes"
    kept = int((stretches >= 0.1).sum())
    return "vanishes" if kept == 0 else "survives" if 2 * kept >= H else "survives in too few directions"


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

    def view(arguments: Any, W: Any) -> dict[str, Any]:
        H = arguments["H"]
        if not isinstance(W, np.ndarray) or W.dtype.kind not in "fiu" or W.shape != (H, H):
            shape = (
                f"shape {W.shape}" if isinstance(W, np.ndarray) and W.dtype.kind in "fiub" else "no array of numbers"
            )
            return {"shape": shape, "has the form asked for": False, "far gradient": "cannot be measured"}
        if not np.isfinite(W).all():
            return {"shape": f"shape {W.shape}", "has the form asked for": False, "far gradient": "is not a number"}
        W = W.astype(float)
        return {
            "shape": f"shape {W.shape}",
            "has the form asked for": has_form(W),
            "far gradient": _far_gradient(W, gain),
        }

    return Key(
        answer=answer,
        also_right=(other, a_little_more),
        view=view,
        words={"form": FORMS[form][0], "code": FORMS[form][1], "LAG": str(LAG)},
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
                "Biases may start at zero. With recurrent weights of zero no state reaches the next one, and no "
                "gradient comes back.",
                lambda H: np.zeros((H, H)),
            ),
            Misconception(
                "the slope of the unit is forgotten",
                "The form is right, but each step back also multiplies by the slope of the unit, which is not 1 here. "
                f"Print the singular values after {LAG} steps: the factor a step is their {LAG}th root.",
                lambda H: keeps(H).astype(float),
            ),
            Misconception(
                "above the border",
                f"Over {LAG} steps the gradient explodes. A factor of 1.1 a step would already be 300 at the end; the "
                "factor has to be 1, within a few percent.",
                lambda H: 1.5 * keeps(H) / slope,
            ),
            Misconception(
                "the form is not as asked",
                "The gradient survives: well done. Read again which entries of W_hh may differ from zero, or have to "
                "agree.",
                lambda H: (np.eye(H) if form == "no own state" else ring(H)) / slope,
            ),
            Misconception(
                "a library's usual start",
                "Uniform in ±1/√H: small random weights of both signs. About half of the units fall silent, and what "
                "the others pass on shrinks at each step.",
                uniform,
            ),
            Misconception(
                "all units do the same",
                "One direction keeps its length, in which all units move together; the differences between them are "
                "lost after a few steps. At least half of the singular values have to stay.",
                averaging,
            ),
        ),
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
        cases=each_size(made_of),
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
                "the states before h_0.",
                lambda x, h_0, w: walk(
                    x, h_0, w, lambda h, t: h[t - s] if t >= s else first(h_0, "h_0" if before == "zeros" else "zeros")
                ),
            ),
            Misconception(
                "the skip in place of the last state",
                "The state of the step before is missing. The skip is a *second* way: W_hh h_{t−1} stays.",
                no_previous,
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
                "a recurrent matrix transposed",
                "Rows of W_sh belong to the unit that is computed. For a batch whose rows are sequences that means "
                "h @ W_sh.T.",
                lambda x, h_0, w: answer(x, h_0, w | {"W_sh": w["W_sh"].T}),
            ),
        ),
    )
