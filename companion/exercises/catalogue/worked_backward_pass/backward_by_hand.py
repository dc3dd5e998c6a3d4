"""Three steps with a pencil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise

PENCIL = 3e-3  # what rounding to three decimals on the way may add up to


@dataclass(frozen=True)
class Pencil:
    """One unit, three steps: its weights, its states h_0 … h_3, and the gradients at its output at the steps 1 to 3."""

    w_hh: float
    w_hy: float
    h: tuple[float, float, float, float]
    dlogits: tuple[float, float, float]

    def result(self, deltas: np.ndarray, states: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """(δ_1, δ_2, δ_3, ∂L/∂w_hh), δ paired with the three states given, else with h_0, h_1, h_2."""
        pairs = zip(deltas, states or self.h[:3], strict=True)
        return (*(float(d) for d in deltas), float(sum(d * h for d, h in pairs)))

    def deltas(self, slopes: np.ndarray) -> np.ndarray:
        """δ_1, δ_2, δ_3 with these slopes."""
        own = self.w_hy * np.array(self.dlogits)
        d_3 = own[2] * slopes[2]
        d_2 = (self.w_hh * d_3 + own[1]) * slopes[1]
        d_1 = (self.w_hh * d_2 + own[0]) * slopes[0]
        return np.array([d_1, d_2, d_3])

    def wrong(self) -> dict[str, tuple[float, ...]]:
        """What each mistake gives, by its name."""
        h = np.array(self.h)
        slopes = 1 - h**2
        own = self.w_hy * np.array(self.dlogits)
        right = self.deltas(slopes[1:])
        terms = right * h[:3]
        at_states = own + self.w_hh * np.append(right[1:], 0.0)
        arriving = own.copy()  # ∂L/∂h_t carried back without the later slope
        arriving[1] += self.w_hh * arriving[2]
        arriving[0] += self.w_hh * arriving[1]
        forwards = own * slopes[1:]
        forwards[1] += self.w_hh * forwards[0] * slopes[2]
        forwards[2] += self.w_hh * forwards[1] * slopes[3]
        one_back = own * slopes[1:]
        one_back[:2] += self.w_hh * one_back[1:] * slopes[1:3]
        outside = own * slopes[1:]  # what is carried back is added after the slope
        outside[1] += self.w_hh * outside[2]
        outside[0] += self.w_hh * outside[1]
        both = own * slopes[1:]  # what is carried back passes the output weight as well
        both[1] += self.w_hy * self.w_hh * both[2] * slopes[2]
        both[0] += self.w_hy * self.w_hh * both[1] * slopes[1]
        return {
            "future": self.result(own * slopes[1:]),
            "slopes": self.result(self.deltas(np.ones(3))),
            "root": self.result(self.deltas(1 - h[1:])),
            "sigma": self.result(self.deltas(h[1:] - h[1:] ** 2)),
            "before": self.result(self.deltas(slopes[:3])),
            "output": self.result(self.deltas(slopes[1:]) / self.w_hy),
            "later": self.result(arriving * slopes[1:]),
            "forwards": self.result(forwards),
            "one back": self.result(one_back),
            "outside": self.result(outside),
            "both": self.result(both),
            "no h_0": self.result(right, (0.0, *self.h[1:3])),
            "last": self.result(right, (0.0, 0.0, self.h[2])),
            "pairs": self.result(right, self.h[1:]),
            **{f"sign {k + 1}": (*self.result(right)[:3], float(terms.sum() - 2 * terms[k])) for k in range(3)},
            "states": (*(float(d) for d in at_states), float(terms.sum())),
            "order": (*self.result(right)[2::-1], self.result(right)[3]),
        }


def _draw(rng: np.random.Generator) -> Pencil:
    """Numbers of one decimal with which every mistake gives something clearly different."""
    while True:
        sizes, signs = rng.integers(2, 9, size=4) / 10, rng.choice([-1.0, 1.0], size=4)
        errors = rng.choice([-0.6, -0.5, -0.4, -0.3, 0.3, 0.4, 0.5, 0.6], size=3)
        numbers = Pencil(
            float(rng.choice([-0.8, -0.6, -0.5, 0.4, 0.6, 0.8])),
            float(rng.choice([-2.0, -1.5, 1.5, 3.0])),
            tuple(float(h) for h in np.round(sizes * signs, 1)),  # type: ignore[arg-type]
            tuple(float(e) for e in errors),  # type: ignore[arg-type]
        )
        right = np.array(numbers.result(numbers.deltas(1 - np.array(numbers.h[1:]) ** 2)))
        rough = np.abs(np.round(right, 2) - right) > 1.3 * PENCIL * np.maximum(1, np.abs(right))  # two decimals
        negative = min(numbers.h[1:]) < 0  # so that 1 − h is seen to be no slope
        if not (negative and rough.any() and len(set(np.abs(numbers.h))) == 4 and np.abs(right).max() < 3):
            continue
        results = np.array([right, *numbers.wrong().values()])
        apart = np.abs(results[:, None] - results).max(axis=-1) + np.eye(len(results))
        if apart.min() > 0.04:
            return numbers


@exercise(
    "backward-by-hand",
    chapter="worked-backward-pass",
    name="by_hand",
    title="Three steps with a pencil",
    kind="predict",
    ask={"numbers": Drawn(Pencil(0.5, 2.0, (0.5, 0.8, -0.4, 0.6), (0.3, -0.2, 0.1)), _draw)},
)
def by_hand(rng: np.random.Generator, numbers: Pencil) -> Key:
    slopes = 1 - np.array(numbers.h[1:]) ** 2
    right = numbers.result(numbers.deltas(slopes))
    wrong = numbers.wrong()
    named = {f"h_{t}": f"{h:g}" for t, h in enumerate(numbers.h)}
    named |= {f"e_{t}": f"{e:g}" for t, e in enumerate(numbers.dlogits, start=1)}
    named |= {f"s_{t}": f"{s:g}" for t, s in enumerate(slopes, start=1)}
    return Key(
        answer=right,
        also_right=(np.array(right), tuple(round(value, 3) for value in right), [round(value, 4) for value in right]),
        returns=("delta_1", "delta_2", "delta_3", "dw_hh"),
        words=named | {"w_hh": f"{numbers.w_hh:g}", "w_hy": f"{numbers.w_hy:g}", "example": f"{numbers.h[3]:g}"},
        tolerance=PENCIL,
        hints=(
            "Begin at step 3: only its own output sends something there. What stands between the logit and the "
            "state, and what between the state and the pre-activation?",
            "At steps 2 and 1 two things arrive at the state, and they are added before the slope multiplies them: "
            "w_hy times the gradient at the output, and w_hh times the δ that you have just computed.",
            "The slope at step t is 1 − h_t². For the weight: each δ_t times the state that w_hh multiplied at "
            "step t; the first of these states is h_0.",
        ),
        misconceptions=(
            Misconception(
                "the gradient from the future is forgotten",
                "δ_3 is right. h_2 and h_1 were used twice each: in their own output, and where else?",
                wrong["future"],
            ),
            Misconception(
                "the slopes are missing",
                "δ is the gradient at a_t, before tanh. What does tanh do to a gradient on its way back?",
                wrong["slopes"],
            ),
            Misconception(
                "the slope as 1 − h instead of 1 − h²",
                "Look at your slopes: for a negative state one of them is larger than 1. Can tanh be that steep?",
                wrong["root"],
            ),
            Misconception(
                "the slope is that of the logistic function",
                "h (1 − h) is the slope of the logistic function, written with its state. What is that of tanh?",
                wrong["sigma"],
            ),
            Misconception(
                "∂L/∂h_t in the place of δ_t",
                "∂L/∂w_hh is right. Your first three numbers are gradients at the states; δ_t = ∂L/∂a_t is asked for. "
                "What lies between the two?",
                wrong["states"],
            ),
            Misconception(
                "the slopes of the states one step before",
                "δ_3 is the gradient at a_3. Which state did tanh make of a_3?",
                wrong["before"],
            ),
            Misconception(
                "the output weight is missing",
                "The given errors stand at the logits. What do they pass on the way to the state?",
                wrong["output"],
            ),
            Misconception(
                "the later slope is missing in what is carried back",
                "δ_3 is right, δ_2 is not: from a later state the gradient must first pass that state's own tanh, "
                "and only then w_hh.",
                wrong["later"],
            ),
            Misconception(
                "the gradient runs forwards in time",
                "A loss is moved by what came before it. At which of the three steps is δ complete without the others?",
                wrong["forwards"],
            ),
            Misconception(
                "the future reaches one step back only",
                "δ_3 and δ_2 are right. What step 2 sends to step 1 is its whole δ, not only its own output's share.",
                wrong["one back"],
            ),
            Misconception(
                "the slope multiplies the step's own gradient only",
                "δ_3 is right, δ_2 is not: what step 3 sends arrives at h_2 too, and goes on to a_2. Through what?",
                wrong["outside"],
            ),
            Misconception(
                "the output weight multiplies what is carried back as well",
                "δ_3 is right, δ_2 is not: w_hy lies between a state and its own logit. Does the way from a_3 to h_2 "
                "pass it?",
                wrong["both"],
            ),
            Misconception(
                "the term with h_0 is left out of the weight's gradient",
                "All δ are right. The weight acts at three steps; at step 1 it multiplies h_0, which is not zero.",
                wrong["no h_0"],
            ),
            Misconception(
                "only the last step counts in the weight's gradient",
                "All δ are right. The weight acts at three steps, and its gradient is a sum over them.",
                wrong["last"],
            ),
            Misconception(
                "the weight's gradient with h_t in the place of the state before",
                "All δ are right. In a_t = … + w_hh h_{t−1}: which state did the weight multiply at step 1?",
                wrong["pairs"],
            ),
            *(
                Misconception(
                    f"a sign in the weight's gradient, in the term of step {k}",
                    f"All δ are right. Look at the term δ_{k} h_{k - 1} of the sum: which sign has each of the two "
                    "numbers, and which has their product?",
                    wrong[f"sign {k}"],
                )
                for k in (1, 2, 3)
            ),
            Misconception(
                "rounded to two decimals, at the end or on the way",
                "The numbers are right as far as they go. Three decimals are asked for, and one more on the way.",
                tuple(round(value, 2) for value in right),
            ),
            Misconception(
                "the δ in the order in which they are computed",
                "The numbers are right. Asked for is the order of time: step 1 first.",
                wrong["order"],
            ),
        ),
    )
