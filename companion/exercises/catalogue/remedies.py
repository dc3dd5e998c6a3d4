"""A connection that shortens the gradient's way, and a first matrix that keeps its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.bptt.skip_elman import SkipElman
from companion.core.functions import Activation as Function
from companion.core.recurrent import forward
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.comparing import described, fitted
from companion.exercises.inputs import SIZES, Size, normal
from companion.exercises.model import Case, Key, Unfit, exercise

_SHORT = (  # shorter than some of the skips
    Size("T = 1, one sequence", T=1, B=1, I=3, H=2, O=1),
    Size("T = 2", T=2, B=3, I=2, H=2, O=1),
    Size("T = 4", T=4, B=2, I=2, H=3, O=1),
)


@exercise(
    "skip-step",
    "skip_states",
    "States with a skip in time",
    "implement",
    s=(3, 2, 4),
    f=ACTIVATIONS,
    before=("zeros", "h_0"),
)
def skip_step(rng: np.random.Generator, s: int, f: Activation, before: str) -> Key:
    def by_companion(x, h_0, w):
        function = Function(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        cell = SkipElman(x.shape[2], h_0.shape[1], s, function)
        earlier = np.zeros_like(h_0) if before == "zeros" else h_0
        return forward(cell, w, x, dict.fromkeys(cell.state, earlier) | {"h": h_0})[0]

    def case(size):
        x, h_0 = normal(rng, size.T, size.B, size.I), f.apply(normal(rng, size.B, size.H))
        shapes = {"W_xh": (size.H, size.I), "W_hh": (size.H, size.H), "W_sh": (size.H, size.H), "b_h": (size.H,)}
        return Case(size.name, {"x": x, "h_0": h_0, "w": {name: normal(rng, *shapes[name]) for name in shapes}})

    return Key(
        cases=tuple(map(case, (*SIZES, *_SHORT))),
        also_right=(by_companion,),
        axes={"result": "T+1 B H"},
        words={
            "before": "zero" if before == "zeros" else r"equal to $h_0$",
            "first": "np.zeros_like(h_0)" if before == "zeros" else "h_0",
            "shorter": str(s - 1),
            "longer": str(s + 1),
        },
    )


LAG = 60
_DIVIDES, _EXPLODES = "divides by the slope", "above 10"
_RING, _SAME = "np.roll(np.eye(H), 1, axis=0)", "np.eye(H)"


@dataclass(frozen=True)
class _Form:
    """A further condition on W_hh.

    Attributes:
        prose: as the statement has it.
        fact, right: what a report says of it: "the diagonal of W_hh is 'not zero' and should be 'zero'".
        hint: for a matrix that lacks it.
        passes: where the units pass their states in the solution.
        code, another, off: matrices that keep lengths, two of this form and one of another, of the variable H.
        mean: a matrix of entries that are all equal, where this form allows it.
    """

    prose: str
    fact: str
    right: str
    hint: str
    passes: str
    code: str
    another: str
    off: str
    mean: str = "np.ones((H, H)) / H"


_FORMS = {
    "no own state": _Form(
        "no unit reads its own state: the diagonal of $W_{hh}$ is zero",
        "the diagonal of W_hh",
        "zero",
        "Look at the diagonal of W_hh: some unit reads its own state. Is there a matrix that keeps lengths in which "
        "each unit passes its state to another?",
        "it only passes states from unit to unit, once round the ring in $H$ steps",
        code=_RING,
        another="np.roll(np.eye(H), -1, axis=0)",
        off=_SAME,
        mean="(1 - np.eye(H)) / (H - 1)",
    ),
    "own state only": _Form(
        "each unit reads its own state and no other: off the diagonal $W_{hh}$ is zero",
        "W_hh off its diagonal",
        "zero",
        "Look at the entries off the diagonal of W_hh: some unit reads another's state.",
        "on the diagonal it passes each state back to its own unit",
        code=_SAME,
        another="np.diag(np.linspace(0.99, 1.01, H))",
        off=_RING,
    ),
    "symmetric": _Form(
        "any two units read each other with the same weight: $W_{hh}$ is symmetric",
        "W_hh",
        "symmetric",
        "Compare W_hh with its transpose: where one unit reads another, is it read by that one with the same weight?",
        "the identity, which is symmetric, passes each state back to its own unit",
        code=_SAME,
        another="np.eye(H)[::-1]",
        off=_RING,
    ),
}


@exercise(
    "init-that-learns",
    "start",
    "A start whose gradient survives",
    "open",
    gain=("0.5", "0.25", "0.8", "0.4"),
    form=tuple(_FORMS),
)
def init_that_learns(rng: np.random.Generator, gain: str, form: str) -> Key:
    asked, slope = _FORMS[form], float(gain)

    def view(arguments: Any, returned: Any) -> dict[str, str]:
        """One fact alone differs from the right one, and has in it all that is known."""
        W = _matrix(returned, arguments["H"])
        number, make = _trouble(W, slope), _make_of(W, slope)
        told = f"{number} (W_hh {make})"
        largest = f"the largest singular value after {LAG} steps"
        kept = f"the number of singular values of 0.1 or more after {LAG} steps"
        facts = {asked.fact: asked.right, largest: "at most 10", kept: "at least half"}
        off_form = {"no own state": np.diag(W), "own state only": W - np.diag(np.diag(W)), "symmetric": W - W.T}[form]
        if np.allclose(off_form, 0, rtol=0, atol=1e-12):
            return facts | ({largest: number} if number == _EXPLODES else {kept: told} if number else {})
        if make.startswith(_DIVIDES) and (W < 0).any():  # how many units fall silent is a matter of chance
            beside = "; there are negative entries"
        else:
            beside = {"": "", _EXPLODES: "; the gradient explodes"}.get(number, f"; singular values: {told}")
        return facts | {asked.fact: f"not {asked.right}{beside}"}

    return Key(
        cases=tuple(Case(f"H = {H}", {"H": H}) for H in (3, 2, *(int(rng.integers(n, 2 * n)) for n in (4, 8, 16, 32)))),
        view=view,
        words={**vars(asked), "LAG": str(LAG), "further": f" {asked.hint}" if form == "own state only" else ""},
    )


def _matrix(returned: Any, H: int) -> np.ndarray:
    """The matrix (H, H) of finite numbers that was handed in, as an array or as a list of its rows."""
    W, misfits = fitted(returned, np.zeros((H, H)))
    if not all(misfit.as_good for misfit in misfits):
        came = described(returned)
    elif W.dtype.kind not in "fiu":
        came = f"one of {W.dtype}"
    elif not np.isfinite(W).all():
        came = "one with entries that are no finite numbers"
    else:
        return np.asarray(W, float)
    raise Unfit(f"for H = {H} a matrix of shape {(H, H)} should be returned; this is {came}")


def _trouble(W: np.ndarray, slope: float) -> str:
    """How many singular values are left, or that they are too large; '' where the gradient survives."""
    h, product = np.zeros(len(W)), np.eye(len(W))
    for _ in range(LAG):
        a = W @ h + 1
        h = np.maximum(0, slope * a)
        product = (slope * (a > 0))[:, None] * (W @ product)
        if not np.abs(product).max() < 1e100:  # or not a number
            return _EXPLODES
    stretches = np.linalg.svd(product, compute_uv=False)
    kept = (stretches >= 0.1).sum()
    if stretches[0] > 10:
        return _EXPLODES
    if 2 * kept >= len(W):
        return ""
    return "one" if kept == 1 and not _make_of(W, slope).startswith(_DIVIDES) else "too few"


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
    for length, told in ((1, "keeps lengths"), (slope, "multiplies by the slope"), (1 / slope, _DIVIDES)):
        if np.isclose(stretch, length):
            return told + signs
    change = "grow" if stretch * slope > 1 else "shrink a little" if stretch * slope > 0.85 else "shrink"
    return f"lets lengths {change}{signs}"
