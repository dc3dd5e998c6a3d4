"""All gradients of a network."""

from __future__ import annotations

import numpy as np

from companion.bptt.equations import gradients
from companion.core.functions import Activation as CompanionActivation
from companion.core.functions import softmax
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.catalogue.worked_backward_pass.network import Network, cases
from companion.exercises.catalogue.worked_backward_pass.wrong_arrays import wrong_arrays
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.overflow import LARGEST
from companion.exercises.overflow import old_also_overflowing as also_overflowing
from companion.exercises.totals import TOTALS, Total


@exercise(
    "bptt-full",
    chapter="worked-backward-pass",
    name="all_gradients",
    title="All gradients of a network",
    kind="implement",
    ask={"f": ACTIVATIONS, "total": TOTALS},
)
def full(rng: np.random.Generator, f: Activation, total: Total) -> Key:
    network = Network(f, total)

    def answer(weights, x, targets, h_0):
        h = network.run(weights, x, h_0)
        dlogits = network.errors(weights, h, targets)
        return network.sums(weights, x, h, dlogits, network.walk(weights, h, dlogits))

    def by_companion(weights, x, targets, h_0):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        found = gradients(weights, network.run(weights, x, h_0), x, targets, activation)
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

    def later_slope_missing(weights, h, dlogits):
        """The whole gradient at the states carried back, and the slopes put on at the end."""
        return network.walk(weights, h, dlogits, slope=np.ones_like) * f.slope(h)

    def changed(target=None, zero=False, back=network.walk, axis=-1, **changes):
        """The answer with one thing done otherwise; ``target``: (targets, O) -> d, ``back``: the walk."""

        def wrong(weights, x, targets, h_0):
            h = network.run(weights, x, 0 * h_0 if zero else h_0)
            dlogits = network.errors(weights, h, targets, axis)
            if target:
                dlogits = dlogits + np.eye(dlogits.shape[-1])[targets] - target(targets, dlogits.shape[-1])
            return network.sums(weights, x, h, dlogits, back(weights, h, dlogits, **changes))

        return wrong

    def transposed(at_h_0, within=True):
        """W_hh.T in the walk back, at the initial state, or in both."""

        def wrong(weights, x, targets, h_0):
            h = network.run(weights, x, h_0)
            dlogits = network.errors(weights, h, targets)
            da = network.walk(weights, h, dlogits, weights["W_hh"].T if within else None)
            found = network.sums(weights, x, h, dlogits, da)
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
            h = network.run(weights, x, h_0)
            dlogits = network.errors(weights, h, targets)
            da = network.walk(weights, h, dlogits)
            return network.sums(weights, x, h, dlogits, da) | {
                name: other(weights, h, dlogits, da) / total.divisor(*x.shape[:2])
            }

        return wrong

    def as_if(other):
        def wrong(weights, x, targets, h_0):
            h = network.run(weights, x, h_0)
            dlogits = network.errors(weights, h, targets)
            return network.sums(weights, x, h, dlogits, network.walk(weights, h, dlogits), other)

        return wrong

    def overflowing(wrong):
        """What ``wrong`` becomes where no logit is subtracted: nan everywhere, where the powers overflow."""

        def unsafe(weights, x, targets, h_0):
            logits = network.run(weights, x, h_0)[1:] @ weights["W_hy"].T + weights["b_y"]
            share = np.nan if np.abs(logits).max() > LARGEST else 1.0
            return {name: value * share for name, value in wrong(weights, x, targets, h_0).items()}

        return unsafe

    def one_shift_for_all(weights, x, targets, h_0):
        h = network.run(weights, x, h_0)
        dlogits = network.errors(weights, h, targets, shifted_along=(0, 1, 2))
        return network.sums(weights, x, h, dlogits, network.walk(weights, h, dlogits))

    def nothing_back(weights, x, targets, h_0):
        found = alone(weights, x, targets, h_0)
        return found | {"dh_0": np.zeros_like(h_0)}

    alone = changed(rule=lambda own, later, slope, W_hh: own * slope)

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
        cases=cases(rng, network),
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
                    *other_slopes(f, lambda slope: changed(slope=slope)),
                    Misconception(
                        "softmax over the sequences instead of the classes",
                        "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                        changed(axis=1),
                    ),
                    *wrong_arrays(f, replaced),
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
