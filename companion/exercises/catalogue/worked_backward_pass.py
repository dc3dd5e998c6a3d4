"""The worked backward pass: once with a pencil, once for a whole network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from companion.bptt.equations import bp4w, delta_recursion, gradients
from companion.core.functions import Activation as CompanionActivation
from companion.exercises.activations import ACTIVATIONS, Activation, other_slopes
from companion.exercises.inputs import SIZES, each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise
from companion.exercises.totals import TOTALS, Total, other_totals
from companion.exercises.worked import key

PENCIL = 3e-3  # what rounding to three decimals on the way may add up to


@dataclass(frozen=True)
class Pencil:
    """One unit, three steps: its weights, its states h_0 … h_3, and the gradients at its output at the steps 1 to 3."""

    w_hh: float
    w_hy: float
    h: tuple[float, ...]
    dlogits: tuple[float, ...]


def _draw(rng: np.random.Generator) -> Pencil:
    """Numbers of one decimal with which every mistake gives something clearly different."""
    while True:
        sizes, signs = rng.integers(2, 9, size=4) / 10, rng.choice([-1.0, 1.0], size=4)
        errors = rng.choice([-0.6, -0.5, -0.4, -0.3, 0.3, 0.4, 0.5, 0.6], size=3)
        numbers = Pencil(
            float(rng.choice([-0.8, -0.6, -0.5, 0.4, 0.6, 0.8])),
            float(rng.choice([-2.0, -1.5, 1.5, 3.0])),
            tuple(np.round(sizes * signs, 1).tolist()),
            tuple(errors.tolist()),
        )
        if len(set(sizes)) < 4 or min(numbers.h[1:]) > 0:  # a negative state shows that 1 − h is no slope
            continue
        asked = key(by_hand, numbers=numbers)
        right = np.array(asked.answer)
        rough = np.abs(np.round(right, 2) - right) > 1.3 * PENCIL * np.maximum(1, np.abs(right))  # two decimals
        results = np.array([right, *(m.wrong for m in asked.misconceptions if "rounded" not in m.name)])
        apart = np.abs(results[:, None] - results).max(axis=-1) + np.eye(len(results))
        if rough.any() and np.abs(right).max() < 3 and apart.min() > 0.04:
            return numbers


@exercise(
    "backward-by-hand",
    "by_hand",
    "Three steps with a pencil",
    "predict",
    numbers=Drawn(Pencil(0.5, 2.0, (0.5, 0.8, -0.4, 0.6), (0.3, -0.2, 0.1)), _draw),
)
def by_hand(rng: np.random.Generator, numbers: Pencil) -> Key:
    h, dlogits = np.reshape(numbers.h, (4, 1, 1)), np.reshape(numbers.dlogits, (3, 1, 1))
    da = delta_recursion({"W_hh": np.array([[numbers.w_hh]]), "W_hy": np.array([[numbers.w_hy]])}, h, dlogits)
    words = {f"h_{t}": h_t for t, h_t in enumerate(numbers.h)}
    words |= {f"e_{t}": e_t for t, e_t in enumerate(numbers.dlogits, start=1)}
    words |= {f"s_{t}": 1 - h_t**2 for t, h_t in enumerate(numbers.h)}
    return Key(
        also_right=([*da[1:, 0, 0], bp4w(da, h)[0, 0]],),
        returns=("delta_1", "delta_2", "delta_3", "dw_hh"),
        words={name: f"{value:g}" for name, value in {**words, "w_hh": numbers.w_hh, "w_hy": numbers.w_hy}.items()},
        tolerance=PENCIL,
    )


@exercise("bptt-full", "all_gradients", "All gradients of a network", "implement", f=ACTIVATIONS, total=TOTALS)
def full(rng: np.random.Generator, f: Activation, total: Total) -> Key:
    def states(weights, x, h_0):
        """All states, the initial one first."""
        h = [h_0]
        for x_t in x:
            h.append(f.apply(x_t @ weights["W_xh"].T + h[-1] @ weights["W_hh"].T + weights["b_h"]))
        return np.array(h)

    def by_companion(weights, x, targets, h_0):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        found = gradients(weights, states(weights, x, h_0), x, targets, activation)
        share = total.divisor(*x.shape[:2])
        return {f"d{name}": found[name] / share for name in weights} | {"dh_0": found["dh_0"] / share}

    def case(s, level=0.0):
        shapes = {"W_xh": (s.H, s.I), "W_hh": (s.H, s.H), "b_h": (s.H,), "W_hy": (s.O, s.H), "b_y": (s.O,)}
        weights = {name: normal(rng, *shape) for name, shape in shapes.items()}
        return {
            "weights": weights | {"b_y": weights["b_y"] + level},
            "x": normal(rng, s.T, s.B, s.I),
            "targets": rng.integers(s.O, size=(s.T, s.B)),
            "h_0": normal(rng, s.B, s.H),
        }

    def far_apart(s):
        """All logits near 800 or above at some steps, near −800 or below at the others."""
        given = case(s)
        weights = given["weights"]
        levels = np.sort(states(weights, given["x"], given["h_0"])[1:].sum(axis=-1), axis=None)
        widest = np.diff(levels).argmax()
        steep = 1600 / (levels[widest + 1] - levels[widest])
        middle = (levels[widest + 1] + levels[widest]) / 2
        other = {"W_hy": weights["W_hy"] + steep, "b_y": weights["b_y"] - steep * middle}
        return given | {"weights": weights | other}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        given = case(s, level=np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0))
        return given | {"targets": given["targets"] % (s.O - 1)}

    def right_one_far_below(s):
        """The last logit 3000 below the others, and the right one in every sequence of the first step."""
        given = case(s, level=np.where(np.arange(s.O) == s.O - 1, -1500.0, 1500.0))
        given["targets"][0] = s.O - 1
        return given

    hint = f"A factor is off. L is {total.words}; " + (
        "where does that enter, and does it reach every gradient?"
        if total.code
        else "nothing divides it. Where do you divide, or take a mean?"
    )
    return Key(
        cases=(
            *each_size(case),
            Case("logits around 800", case(SIZES[0], level=800.0)),
            Case("logits around 800 and −800", far_apart(SIZES[0])),
            Case("one logit far below the others", one_far_below(SIZES[0])),
            Case("the right logit far below the others", right_one_far_below(SIZES[0])),
        ),
        also_right=(by_companion,),
        misconceptions=(*other_slopes(f), *(replace(one, hint=hint) for one in other_totals(total))),
        axes={"dW_xh": "H I", "dW_hh": "H H", "db_h": "H", "dW_hy": "O H", "db_y": "O", "dh_0": "B H"},
        words={
            "error": f"(y - d){total.code}" if total.code else "y - d",
            "sizes": "T, B, _ = x.shape" if "B" in total.code else "T = len(x)",
            "factor": "The factor in front of the sums of $L$ is put into the gradient at the logits; everything after "
            "it is linear in that gradient, so the factor reaches every array."
            if total.code
            else "The gradient at the logits is known for all steps at once, and everything after it is made of it.",
        },
    )
