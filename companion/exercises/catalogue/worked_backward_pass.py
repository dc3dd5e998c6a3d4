"""Exercises on the worked backward pass: once with a pencil, once for a whole network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from companion.bptt import gradients
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.catalogue.backpropagation_through_time import TOTALS, Total
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Drawn, Key, Misconception, exercise
from companion.functions import Activation as CompanionActivation
from companion.functions import softmax

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
        arriving = own.copy()  # ∂L/∂h_t carried back without the later slope
        arriving[1] += self.w_hh * arriving[2]
        arriving[0] += self.w_hh * arriving[1]
        forwards = own * slopes[1:]
        forwards[1] += self.w_hh * forwards[0] * slopes[2]
        forwards[2] += self.w_hh * forwards[1] * slopes[3]
        one_back = own * slopes[1:]
        one_back[:2] += self.w_hh * one_back[1:] * slopes[1:3]
        return {
            "future": self.result(own * slopes[1:]),
            "slopes": self.result(self.deltas(np.ones(3))),
            "root": self.result(self.deltas(1 - h[1:])),
            "before": self.result(self.deltas(slopes[:3])),
            "output": self.result(self.deltas(slopes[1:]) / self.w_hy),
            "later": self.result(arriving * slopes[1:]),
            "forwards": self.result(forwards),
            "one back": self.result(one_back),
            "pairs": self.result(right, self.h[1:]),
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
        results = [numbers.result(numbers.deltas(1 - np.array(numbers.h[1:]) ** 2)), *numbers.wrong().values()]
        apart = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(results) for b in results[:i]]
        negative = min(numbers.h[1:]) < 0  # so that 1 − h is seen to be no slope
        if negative and min(apart) > 0.03 and len(set(np.abs(numbers.h))) == 4 and np.abs(results[0]).max() < 3:
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
                "δ_3 is all right. h_2 and h_1 were used twice each: in their own output, and where else?",
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
                "the weight's gradient with h_t in the place of the state before",
                "All δ are right. In a_t = … + w_hh h_{t−1}: which state did the weight multiply at step 1?",
                wrong["pairs"],
            ),
            Misconception(
                "the δ in the order in which they are computed",
                "The numbers are right. Asked for is the order of time: step 1 first.",
                wrong["order"],
            ),
        ),
    )


@exercise(
    "bptt-full",
    chapter="worked-backward-pass",
    name="all_gradients",
    title="All gradients of a network",
    kind="implement",
    ask={"f": ACTIVATIONS, "total": TOTALS},
)
def full(rng: np.random.Generator, f: Activation, total: Total) -> Key:
    def run(weights, x, h_0):
        h = [h_0]
        for x_t in x:
            h.append(f.apply(x_t @ weights["W_xh"].T + h[-1] @ weights["W_hh"].T + weights["b_h"]))
        return np.array(h)

    def errors(weights, h, targets, axis=-1):
        logits = h[1:] @ weights["W_hy"].T + weights["b_y"]
        e = np.exp(logits)
        return e / e.sum(axis=axis, keepdims=True) - np.eye(logits.shape[-1])[targets]

    def walk(weights, h, dlogits, back=None, slope=f.slope, future=True):
        back = weights["W_hh"] if back is None else back
        da, slopes = np.zeros_like(h), slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + 1] @ back if future and t + 1 < len(h) else 0
            da[t] = (dlogits[t - 1] @ weights["W_hy"] + later) * slopes[t]
        return da

    def sums(weights, x, h, dlogits, da, total=total):
        found = {
            "dW_xh": np.einsum("tbh,tbi->hi", da[1:], x),
            "dW_hh": np.einsum("tbi,tbj->ij", da[1:], h[:-1]),
            "db_h": da.sum(axis=(0, 1)),
            "dW_hy": np.einsum("tbo,tbh->oh", dlogits, h[1:]),
            "db_y": dlogits.sum(axis=(0, 1)),
            "dh_0": da[1] @ weights["W_hh"],
        }
        return {name: value / total.divisor(*x.shape[:2]) for name, value in found.items()}

    def answer(weights, x, targets, h_0):
        h = run(weights, x, h_0)
        dlogits = errors(weights, h, targets)
        return sums(weights, x, h, dlogits, walk(weights, h, dlogits))

    def by_companion(weights, x, targets, h_0):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        found = gradients(weights, run(weights, x, h_0), x, targets, activation)
        named = {name if name.startswith("d") else f"d{name}": value for name, value in found.items() if name != "dx"}
        return {name: value / total.divisor(*x.shape[:2]) for name, value in named.items()}

    def sequence_by_sequence(weights, x, targets, h_0):
        W_xh, W_hh, b_h, W_hy, b_y = (weights[name] for name in ("W_xh", "W_hh", "b_h", "W_hy", "b_y"))
        found = {f"d{name}": np.zeros_like(value) for name, value in weights.items()} | {"dh_0": np.zeros_like(h_0)}
        share = total.divisor(*x.shape[:2])
        for b in range(x.shape[1]):
            h = [h_0[b]]
            for t in range(len(x)):
                h.append(f.apply(W_xh @ x[t, b] + W_hh @ h[-1] + b_h))
            carried = np.zeros(len(b_h))
            for t in range(len(x), 0, -1):
                e = softmax(W_hy @ h[t] + b_y)
                e[targets[t - 1, b]] -= 1
                e /= share
                delta = (W_hy.T @ e + carried) * f.slope(h[t])
                carried = W_hh.T @ delta
                found["dW_xh"] += np.outer(delta, x[t - 1, b])
                found["dW_hh"] += np.outer(delta, h[t - 1])
                found["db_h"] += delta
                found["dW_hy"] += np.outer(e, h[t])
                found["db_y"] += e
            found["dh_0"][b] = carried
        return found

    def changed(**changes):
        """The answer with one thing done otherwise in the walk back."""

        def wrong(weights, x, targets, h_0):
            h = run(weights, x, h_0)
            dlogits = errors(weights, h, targets, changes.get("axis", -1))
            passed = {name: value for name, value in changes.items() if name in ("slope", "future")}
            if "transposed" in changes:
                passed["back"] = weights["W_hh"].T
            return sums(weights, x, h, dlogits, walk(weights, h, dlogits, **passed))

        return wrong

    def replaced(name, other):
        """The answer with one of its arrays computed otherwise, from (weights, h, dlogits, da)."""

        def wrong(weights, x, targets, h_0):
            h = run(weights, x, h_0)
            dlogits = errors(weights, h, targets)
            da = walk(weights, h, dlogits)
            return sums(weights, x, h, dlogits, da) | {
                name: other(weights, h, dlogits, da) / total.divisor(*x.shape[:2])
            }

        return wrong

    def as_if(other):
        def wrong(weights, x, targets, h_0):
            h = run(weights, x, h_0)
            dlogits = errors(weights, h, targets)
            return sums(weights, x, h, dlogits, walk(weights, h, dlogits), other)

        return wrong

    def case(s) -> Mapping[str, object]:
        shapes = {"W_xh": (s.H, s.I), "W_hh": (s.H, s.H), "b_h": (s.H,), "W_hy": (s.O, s.H), "b_y": (s.O,)}
        return {
            "weights": {name: normal(rng, *shape) for name, shape in shapes.items()},
            "x": normal(rng, s.T, s.B, s.I),
            "targets": rng.integers(s.O, size=(s.T, s.B)),
            "h_0": normal(rng, s.B, s.H),
        }

    return Key(
        answer=answer,
        also_right=(by_companion, sequence_by_sequence),
        axes={
            "dW_xh": "H I",
            "dW_hh": "H H",
            "db_h": "H",
            "dW_hy": "O H",
            "db_y": "O",
            "dh_0": "B H",
        },
        words={
            "f": f.formula,
            "activation": f.code,
            "slope": f.slope_code,
            "total": total.formula,
            "error": f"{'(y - d)' if total.code else 'y - d'}{total.code}",
        },
        cases=each_size(case),
        hints=(
            "Three parts: run the network forwards and keep all states; get the gradient at the logits of all steps; "
            "walk back from the last step to the first.",
            "At each step two things arrive at the state: from its own logits, through W_hy, and from the next δ, "
            "through W_hh. The slope multiplies their sum.",
            "Then every weight gets the sum of δ times what the weight multiplied: x_t, h_{t−1}, h_t or 1. The initial "
            "state gets what δ_1 sends back through W_hh, and nothing else.",
        ),
        misconceptions=(
            Misconception(
                "the gradient from the future is forgotten",
                "The output weights are right, all others are not; for T = 1 all would be. What does h_t do besides "
                "making its own logits?",
                changed(future=False),
            ),
            Misconception(
                "W_hh where its transpose belongs",
                "All is right but what passes through W_hh from step to step. On paper it is W_hhᵀ δ; your vectors are "
                "rows.",
                changed(transposed=True),
            ),
            Misconception(
                "the slope is missing",
                "What arrives at h_t is not yet δ_t. What lies between a_t and h_t?",
                changed(slope=np.ones_like),
            ),
            Misconception(
                "the slope f′ taken at h_t instead of a_t",
                "f′(a_t) can be written with the state, but it is not f′ applied to the state. At which number is "
                "your slope taken?",
                changed(slope=lambda h: f.slope(f.apply(h))),
            ),
            Misconception(
                "softmax over the sequences instead of the classes",
                "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                changed(axis=1),
            ),
            Misconception(
                "the recurrent weights are paired with h_t",
                "Only dW_hh is wrong. Which state stood beside W_hh when a_t was made?",
                replaced("dW_hh", lambda weights, h, dlogits, da: np.einsum("tbi,tbj->ij", da, h)),
            ),
            Misconception(
                "the output weights are paired with the state before",
                "Only dW_hy is wrong. Row 0 of the states is h_0; which state made the first logits?",
                replaced("dW_hy", lambda weights, h, dlogits, da: np.einsum("tbo,tbh->oh", dlogits, h[:-1])),
            ),
            Misconception(
                "the initial state gets δ_1 itself",
                "Only dh_0 is wrong. δ_1 is the gradient at a_1; what did h_0 pass on its way there?",
                replaced("dh_0", lambda weights, h, dlogits, da: da[1]),
            ),
            Misconception(
                "the initial state is treated like the others, slope and all",
                "Only dh_0 is wrong. h_0 is given: no activation made it, so there is none to go back through.",
                replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]) * f.slope(h[0])),
            ),
            Misconception(
                "the gradient of the initial state is summed over the sequences",
                "Only dh_0 is wrong. A weight is shared by all sequences; is the initial state?",
                replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]).sum(axis=0)),
            ),
            *(
                Misconception(
                    f"as if L were {other.words}",
                    f"Everything is off by a factor. L is {total.words}; where does that enter, and does it reach "
                    "every gradient?",
                    as_if(other),
                )
                for other in TOTALS
                if other is not total
            ),
        ),
    )
