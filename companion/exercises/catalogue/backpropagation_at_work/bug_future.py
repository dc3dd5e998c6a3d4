"""Find the bug: what comes from the future."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise

Rows = np.ndarray


def _delta(own: Rows, carried: Rows, slope: Rows) -> Rows:
    return (own + carried) * slope


def _carried(own: Rows, carried: Rows, slope: Rows, delta: Rows, W_hh: Rows) -> Rows:
    return delta @ W_hh


@dataclass(frozen=True)
class Bug:
    """A wrong walk back, with the activation of its network.

    Attributes:
        name, hint: as of a misconception.
        why: what the repair changes, for the worked solution.
        f: the activation.
        code: the lines that the text gives, by the names that they have there: order, delta, carried.
        forwards: whether the steps are visited from the first to the last.
        delta: (own, carried, slope) -> δ_t.
        carried: (own, carried, slope, δ_t, W_hh) -> what goes on to the next step visited.
    """

    name: str
    hint: str
    why: str = ""
    f: Activation = TANH
    code: Mapping[str, str] = field(default_factory=dict)
    forwards: bool = False
    delta: Callable[[Rows, Rows, Rows], Rows] = _delta
    carried: Callable[[Rows, Rows, Rows, Rows, Rows], Rows] = _carried

    def deltas(self, dh: Rows, h: Rows, W_hh: Rows, slope: Callable[[Rows], Rows]) -> Rows:
        """The walk of the text, right where nothing above says otherwise: δ_t in row t."""
        da, slopes, carried = np.zeros_like(h), slope(h), np.zeros_like(h[0])
        steps = range(1, len(h)) if self.forwards else range(len(h) - 1, 0, -1)
        for t in steps:
            da[t] = self.delta(dh[t - 1], carried, slopes[t])
            carried = self.carried(dh[t - 1], carried, slopes[t], da[t], W_hh)
        return da


RIGHT_CODE = {"order": "range(T, 0, -1)", "delta": "(dh[t - 1] + carried) * slopes[t]", "carried": "da[t] @ W_hh"}
BUGS = (
    Bug(
        "what is carried back has not passed the later slope",
        "From h_{t+1} the gradient goes back to a_{t+1} first, and from there through W_hh to h_t. Which of your lines "
        "leaves out the first half of that way?",
        "The program sent $\\partial L/\\partial h_{t+1}$ through $W_{hh}$. But $h_t$ acts on $a_{t+1}$, and only "
        "through it on $h_{t+1}$: what goes back is $\\delta_{t+1}$, with the slope in it.",
        TANH,
        {"carried": "(dh[t - 1] + carried) @ W_hh"},
        carried=lambda own, carried, slope, delta, W_hh: (own + carried) @ W_hh,
    ),
    Bug(
        "the future reaches one step back only",
        "Follow a gradient that enters at step T. Is anything of it left when your loop comes to step T − 2?",
        "The program carried only what came from the step's own loss. What arrived from later steps must go on too; "
        "both are in $\\delta_t$.",
        LOGISTIC,
        {"carried": "(dh[t - 1] * slopes[t]) @ W_hh"},
        carried=lambda own, carried, slope, delta, W_hh: (own * slope) @ W_hh,
    ),
    Bug(
        "the walk goes forwards in time",
        "At the last step nothing can have come back yet. What does `carried` hold there, and what does it hold in "
        "the first round of the loop?",
        "The program visited the steps in the order of time, so that each got what *earlier* steps sent. A loss is "
        "moved only by what came before it, so the walk begins at the last step.",
        SOFTSIGN,
        {"order": "range(1, T + 1)"},
        forwards=True,
    ),
    Bug(
        "the slope multiplies the step's own gradient only",
        "What is carried and what comes from the step's own loss arrive at the same state. Do both go through the "
        "activation?",
        "The program added what comes from the future after the slope. Both parts arrive at $h_t$, and both pass the "
        "activation on the way to $a_t$.",
        ARCTAN,
        {"delta": "dh[t - 1] * slopes[t] + carried"},
        delta=lambda own, carried, slope: own * slope + carried,
    ),
)
OTHER_BUGS = (
    Bug(
        "W_hh goes back without being transposed",
        "With one unit all is right, with more it is not. On paper it is W_hhᵀ δ; your vectors are rows.",
        carried=lambda own, carried, slope, delta, W_hh: delta @ W_hh.T,
    ),
    Bug(
        "nothing is carried back any more",
        "δ_t should contain what the later steps send. What does `carried` hold when step t is visited: is it set to "
        "zero in the loop, or not used?",
        carried=lambda own, carried, slope, delta, W_hh: np.zeros_like(delta),
    ),
    Bug(
        "the slope multiplies what is carried once more",
        "δ_t is the gradient at a_t: the slope there is in it already. What lies between a_t and the state before?",
        carried=lambda own, carried, slope, delta, W_hh: (delta * slope) @ W_hh,
    ),
    Bug(
        "what is carried piles up",
        "δ_t has in it all that came from later steps. What is added to it when you carry on?",
        carried=lambda own, carried, slope, delta, W_hh: carried + delta @ W_hh,
    ),
    Bug(
        "what is carried back does not pass W_hh",
        "δ_{t+1} stands at a_{t+1}. Through what does it come to h_t?",
        carried=lambda own, carried, slope, delta, W_hh: delta,
    ),
    Bug(
        "W_hh multiplies what is carried twice",
        "One step back, one product with W_hh. How many are there from a_{t+1} to h_t in your program?",
        carried=lambda own, carried, slope, delta, W_hh: delta @ W_hh @ W_hh,
    ),
)


@exercise(
    "bug-future",
    chapter="backpropagation-at-work",
    name="backward",
    title="Find the bug: what comes from the future",
    kind="repair",
    ask={"bug": BUGS},
)
def bug_future(rng: np.random.Generator, bug: Bug) -> Key:
    f = bug.f

    def sums(da, h, x, before=None):
        before = h[:-1] if before is None else before
        return (
            np.einsum("tbh,tbi->hi", da[1:], x),
            np.einsum("tbi,tbj->ij", da[1:], before),
            da.sum(axis=(0, 1)),
        )

    def walk(bug, slope=f.slope):
        return lambda dh, h, x, W_hh: sums(bug.deltas(dh, h, W_hh, slope), h, x)

    right = Bug("", "")

    def each_loss_alone(dh, h, x, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(1, len(h)):
            arriving = dh[t - 1]
            for k in range(t, 0, -1):
                da[k] += arriving * slopes[k]
                arriving = (arriving * slopes[k]) @ W_hh
        return sums(da, h, x)

    def in_columns(dh, h, x, W_hh):
        T, B, I = x.shape
        dW_xh, dW_hh, db_h = np.zeros((len(W_hh), I)), np.zeros_like(W_hh), np.zeros(len(W_hh))
        for b in range(B):
            delta = np.zeros(len(W_hh))
            for t in range(T, 0, -1):
                delta = (W_hh.T @ delta + dh[t - 1, b]) * f.slope(h[t, b])
                dW_xh += np.outer(delta, x[t - 1, b])
                dW_hh += np.outer(delta, h[t - 1, b])
                db_h += delta
        return dW_xh, dW_hh, db_h

    return Key(
        answer=walk(right),
        also_right=(each_loss_alone, in_columns),
        returns=("dW_xh", "dW_hh", "db_h"),
        axes={"dW_xh": "H I", "dW_hh": "H H", "db_h": "H"},
        words={"f": f.formula, "slope": f.slope_code, "why": bug.why, **RIGHT_CODE, **bug.code},
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        hints=(
            "The check says for which cases the program is right. What is missing in a sequence of one step?",
            "So look at what passes from one step to the next. Write BP2T beside the loop, and say for each factor of "
            "the equation where it stands in the program.",
            "Go through T = 3 with a pencil: which products does the program's δ_1 hold, and which should it?",
        ),
        misconceptions=(
            Misconception(
                "the bug is still in it",
                "These are the numbers of the program as it was given. For T = 1 they are right, for longer sequences "
                "they are not: what goes from one round of the loop to the next, and what should?",
                walk(bug),
            ),
            *(Misconception(other.name, other.hint, walk(other)) for other in (*BUGS, *OTHER_BUGS) if other is not bug),
            Misconception(
                "the recurrent weights are paired with h_t now",
                "The walk back is right, but the sums were right as they stood: W_hh multiplied the state before.",
                lambda dh, h, x, W_hh: sums(right.deltas(dh, h, W_hh, f.slope), h, x, h[1:]),
            ),
            Misconception(
                "the slope is gone",
                "δ is the gradient at a_t. Where does the activation appear in your loop?",
                walk(right, np.ones_like),
            ),
        ),
    )
