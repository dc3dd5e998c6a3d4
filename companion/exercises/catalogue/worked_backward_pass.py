"""Exercises on the worked backward pass: once with a pencil, once for a whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.bptt import gradients
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.catalogue.backpropagation_through_time import (
    LARGEST,
    TOTALS,
    Total,
    also_overflowing,
    other_slopes,
)
from companion.exercises.inputs import SIZES, each_size, normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise
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

    def errors(weights, h, targets, axis=-1, shifted_along=None):
        logits = h[1:] @ weights["W_hy"].T + weights["b_y"]
        e = np.exp(logits - logits.max(axis=shifted_along or axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True) - np.eye(logits.shape[-1])[targets]

    def step_back(own, later, slope, W_hh):
        """δ_t from its own gradient at the state, the δ of the next step (None at the last) and the slope."""
        return (own + (0 if later is None else later @ W_hh)) * slope

    def walk(weights, h, dlogits, back=None, slope=f.slope, rule=step_back, shift=0):
        back = weights["W_hh"] if back is None else back
        da, slopes = np.zeros_like(h), slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + 1] if t + 1 < len(h) else None
            da[t] = rule(dlogits[t - 1] @ weights["W_hy"], later, slopes[t - shift], back)
        return da

    def later_slope_missing(weights, h, dlogits):
        """The whole gradient at the states carried back, and the slopes put on at the end."""
        return walk(weights, h, dlogits, slope=np.ones_like) * f.slope(h)

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

    def changed(target=None, zero=False, back=walk, axis=-1, **changes):
        """The answer with one thing done otherwise; ``target``: (targets, O) -> d, ``back``: the walk."""

        def wrong(weights, x, targets, h_0):
            h = run(weights, x, 0 * h_0 if zero else h_0)
            dlogits = errors(weights, h, targets, axis)
            if target:
                dlogits = dlogits + np.eye(dlogits.shape[-1])[targets] - target(targets, dlogits.shape[-1])
            return sums(weights, x, h, dlogits, back(weights, h, dlogits, **changes))

        return wrong

    def transposed(at_h_0, within=True):
        """W_hh.T in the walk back, at the initial state, or in both."""

        def wrong(weights, x, targets, h_0):
            h = run(weights, x, h_0)
            dlogits = errors(weights, h, targets)
            da = walk(weights, h, dlogits, weights["W_hh"].T if within else None)
            found = sums(weights, x, h, dlogits, da)
            if at_h_0:
                found["dh_0"] = da[1] @ weights["W_hh"].T / total.divisor(*x.shape[:2])
            return found

        return wrong

    def all_targets_everywhere(targets, O):
        d = np.zeros((*targets.shape, O))
        d[:, :, targets] = 1
        return d

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

    def overflowing(wrong):
        """What ``wrong`` becomes where no logit is subtracted: nan everywhere, where the powers overflow."""

        def unsafe(weights, x, targets, h_0):
            logits = run(weights, x, h_0)[1:] @ weights["W_hy"].T + weights["b_y"]
            share = np.nan if np.abs(logits).max() > LARGEST else 1.0
            return {name: value * share for name, value in wrong(weights, x, targets, h_0).items()}

        return unsafe

    def one_shift_for_all(weights, x, targets, h_0):
        h = run(weights, x, h_0)
        dlogits = errors(weights, h, targets, shifted_along=(0, 1, 2))
        return sums(weights, x, h, dlogits, walk(weights, h, dlogits))

    def nothing_back(weights, x, targets, h_0):
        found = alone(weights, x, targets, h_0)
        return found | {"dh_0": np.zeros_like(h_0)}

    alone = changed(rule=lambda own, later, slope, W_hh: own * slope)

    def case(s, level: Any = 0.0) -> dict[str, Any]:
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
        levels = np.sort(run(weights, given["x"], given["h_0"])[1:].sum(axis=-1), axis=None)
        widest = np.diff(levels).argmax()
        steep = 1600 / (levels[widest + 1] - levels[widest])
        middle = (levels[widest + 1] + levels[widest]) / 2
        other = {"W_hy": weights["W_hy"] + steep, "b_y": weights["b_y"] - steep * middle}
        return given | {"weights": weights | other}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        given = case(s, level=np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0))
        return given | {"targets": given["targets"] % (s.O - 1)}

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
            "sizes": "T, B, _ = x.shape" if "B" in total.code else "T = len(x)",
            "factor": "The factor in front of the sums of $L$ is put into the gradient at the logits; everything after "
            "it is linear in that gradient, so the factor reaches every array."
            if total.code
            else "The gradient at the logits is known for all steps at once, and everything after it is made of it.",
        },
        cases=(
            *each_size(case),
            Case("logits around 800", case(SIZES[0], level=800.0)),
            Case("logits around 800 and −800", far_apart(SIZES[0])),
            Case("one logit far below the others", one_far_below(SIZES[0])),
        ),
        hints=(
            "Three parts: run the network forwards and keep all states; get the gradient at the logits of all steps; "
            "walk back from the last step to the first.",
            "At each step two things arrive at the state: from its own logits, through W_hy, and from the next δ, "
            "through W_hh. The slope multiplies their sum.",
            "Then every weight gets the sum of δ times what the weight multiplied: x_t, h_{t−1}, h_t or 1. The initial "
            "state gets what δ_1 sends back through W_hh, and nothing else.",
        ),
        misconceptions=(
            *also_overflowing(
                (
                    Misconception(
                        "nothing arrives from the future",
                        "dW_hy and db_y are right; the rest is right for T = 1 only. Is the term that comes back from "
                        "the next step missing, or is δ_{t+1} not yet computed when you read it?",
                        alone,
                    ),
                    Misconception(
                        "nothing is carried back, to no state and not to h_0",
                        "dW_hy and db_y are right; the rest would be right for T = 1, but for dh_0. What is in the "
                        "array that is carried from step to step: is it set, and never set back to zero within the "
                        "loop?",
                        nothing_back,
                    ),
                    Misconception(
                        "the initial state gets nothing",
                        "dh_0 is zero. What does δ_1 send back through W_hh?",
                        replaced("dh_0", lambda weights, h, dlogits, da: 0 * da[1]),
                    ),
                    Misconception(
                        "W_hh where its transpose belongs",
                        "dW_hy and db_y are right. All that passes through W_hh is wrong, from step to step and to "
                        "h_0. On paper it is W_hhᵀ δ; your vectors are rows.",
                        transposed(at_h_0=True),
                    ),
                    Misconception(
                        "W_hh where its transpose belongs, between the steps",
                        "What h_0 gets from δ_1 passes W_hh as it should; what passes it from step to step does not. "
                        "On paper it is W_hhᵀ δ; your vectors are rows.",
                        transposed(at_h_0=False),
                    ),
                    Misconception(
                        "W_hh where its transpose belongs, at the initial state",
                        "Look at dh_0. On paper it is W_hhᵀ δ_1; your vectors are rows.",
                        transposed(at_h_0=True, within=False),
                    ),
                    Misconception(
                        "the initial state is taken as zero",
                        "h_0 is an argument, and not zero. Where does your forward pass begin?",
                        changed(zero=True),
                    ),
                    Misconception(
                        "the slope of the state before",
                        "Row t of the states holds h_t = f(a_t). Which row gives the slope at a_t?",
                        changed(shift=1),
                    ),
                    Misconception(
                        "the slope multiplies the step's own gradient only",
                        "What is carried and what comes from the step's own logits arrive at the same state. Do both "
                        "go through the activation?",
                        changed(
                            rule=lambda own, later, slope, W_hh: own * slope + (0 if later is None else later @ W_hh),
                        ),
                    ),
                    Misconception(
                        "what is carried back has not passed the later slope",
                        "From h_{t+1} the gradient goes back to a_{t+1} first, and from there through W_hh to h_t. "
                        "Where in your loop is the first half of that way?",
                        changed(back=later_slope_missing),
                    ),
                    Misconception(
                        "every step has all the targets",
                        "Add up a row of your d: it should be 1. Each step and sequence has one right class; `targets` "
                        "as an index of the last axis alone sets the classes of all of them, everywhere.",
                        changed(target=all_targets_everywhere),
                    ),
                    Misconception(
                        "the slope is missing",
                        "What arrives at h_t is not yet δ_t. What lies between a_t and h_t?",
                        changed(slope=np.ones_like),
                    ),
                    Misconception(
                        "the slope f′ taken at h_t instead of a_t",
                        "f′(a_t) can be written with the state, but it is not f′ applied to the state. At which number "
                        "is your slope taken?",
                        changed(slope=lambda h: f.slope(f.apply(h))),
                    ),
                    *other_slopes(f, lambda slope: changed(slope=slope)),
                    Misconception(
                        "softmax over the sequences instead of the classes",
                        "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                        changed(axis=1),
                    ),
                    Misconception(
                        "the recurrent weights are paired with h_t",
                        "Look at dW_hh. Which state stood beside W_hh when a_t was made?",
                        replaced("dW_hh", lambda weights, h, dlogits, da: np.einsum("tbi,tbj->ij", da, h)),
                    ),
                    Misconception(
                        "the term with h_0 is missing from dW_hh",
                        "Look at dW_hh. At step 1 the weight multiplied h_0, which is not zero.",
                        replaced("dW_hh", lambda weights, h, dlogits, da: np.einsum("tbi,tbj->ij", da[2:], h[1:-1])),
                    ),
                    Misconception(
                        "the output weights are paired with the state before",
                        "Look at dW_hy. Row 0 of the states is h_0; which state made the first logits?",
                        replaced("dW_hy", lambda weights, h, dlogits, da: np.einsum("tbo,tbh->oh", dlogits, h[:-1])),
                    ),
                    Misconception(
                        "the initial state gets δ_1 itself",
                        "Look at dh_0. δ_1 is the gradient at a_1; what did h_0 pass on its way there?",
                        replaced("dh_0", lambda weights, h, dlogits, da: da[1]),
                    ),
                    Misconception(
                        "the initial state is treated like the others, slope and all",
                        "Look at dh_0. h_0 is given: no activation made it, so there is none to go back through.",
                        replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]) * f.slope(h[0])),
                    ),
                    Misconception(
                        "the gradient of the initial state is summed over the sequences",
                        "Look at dh_0. A weight is shared by all sequences; is the initial state?",
                        replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]).sum(axis=0)),
                    ),
                    *(
                        Misconception(
                            f"as if L were {other.words}",
                            (
                                f"A factor is off. L is {total.words}; "
                                + (
                                    "where does that enter, and does it reach every gradient?"
                                    if total.code
                                    else "nothing divides it. Where do you divide, or take a mean?"
                                )
                            ),
                            as_if(other),
                        )
                        for other in TOTALS
                        if other is not total
                    ),
                ),
                overflowing,
            ),
            Misconception(
                "the powers overflow",
                "Small logits come out right. What is the exponential of 800 in NumPy? Which shift changes no "
                "probability?",
                overflowing(answer),
            ),
            Misconception(
                "one shift for all logits",
                "Look at the case with logits around 800 and −800: after your shift, where are those around −800? "
                "Which logits share one softmax?",
                one_shift_for_all,
            ),
        ),
    )
