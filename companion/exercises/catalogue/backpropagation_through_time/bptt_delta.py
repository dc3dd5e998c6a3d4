"""The δ recursion."""

from __future__ import annotations

import numpy as np

from companion.bptt.equations import delta_recursion
from companion.core.functions import Activation as CompanionActivation
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "bptt-delta",
    chapter="backpropagation-through-time",
    name="deltas",
    title="The δ recursion",
    kind="implement",
    ask={"f": ACTIVATIONS, "delay": (1, 2, 3)},
)
def delta(rng: np.random.Generator, f: Activation, delay: int) -> Key:
    def walk(dh_out, h, W_hh, slope=f.slope, delay=delay):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * slope(h[t])
        return da

    def answer(dh_out, h, W_hh):
        return walk(dh_out, h, W_hh)

    def each_loss_alone(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(1, len(h)):
            arriving = dh_out[t - 1]
            for k in range(t, 0, -delay):
                da[k] += arriving * slopes[k]
                arriving = (arriving * slopes[k]) @ W_hh
        return da

    def by_one_system(dh_out, h, W_hh):
        """δ = slopes ⊙ (own + later δ through W_hh), solved for all steps at once, one sequence after the other."""
        T, B, H = dh_out.shape
        da, shift = np.zeros_like(h), np.eye(T, k=delay)
        for b in range(B):
            slopes = f.slope(h[1:, b]).ravel()
            system = np.eye(T * H) - slopes[:, None] * np.kron(shift, W_hh.T)
            da[1:, b] = np.linalg.solve(system, slopes * dh_out[:, b].ravel()).reshape(T, H)
        return da

    def by_companion(dh_out, h, W_hh):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        return delta_recursion({"W_hh": W_hh, "W_hy": np.eye(len(W_hh))}, h, dh_out, activation)

    def no_future(dh_out, h, W_hh):
        da = np.zeros_like(h)
        da[1:] = dh_out * f.slope(h[1:])
        return da

    def one_step_of_future(dh_out, h, W_hh):
        own = no_future(dh_out, h, W_hh)
        later = np.zeros_like(h)
        later[1:-delay] = own[1 + delay :] @ W_hh
        return own + later * f.slope(h)

    def forwards(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(1, len(h)):
            earlier = da[t - delay] @ W_hh if t > delay else 0
            da[t] = (dh_out[t - 1] + earlier) * f.slope(h[t])
        return da

    def slope_of_own_only(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] * f.slope(h[t]) + later
        return da

    def slope_once(dh_out, h, W_hh):
        da = walk(dh_out, h, W_hh, slope=np.ones_like)
        return da * f.slope(h)

    def slope_of_the_state_before(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * f.slope(h[t - 1])
        return da

    def slope_of_the_future_only(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] + later * f.slope(h[t])
        return da

    def slope_before_the_weights(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = (da[t + delay] * slopes[t]) @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] * slopes[t] + later
        return da

    def later_slope_twice(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = (da[t + delay] * slopes[t + delay]) @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * slopes[t]
        return da

    def with_row_0(row):
        """The answer with another row 0, from (what h_0 gets through the weights, dh_out, slope at h_0)."""

        def wrong(dh_out, h, W_hh):
            da = walk(dh_out, h, W_hh)
            arriving = da[delay] @ W_hh if delay < len(h) else np.zeros_like(h[0])
            da[0] = row(arriving, dh_out, f.slope(h[0]))
            return da

        return wrong

    return Key(
        answer=answer,
        also_right=(each_loss_alone, by_one_system, *((by_companion,) if delay == 1 else ())),
        axes={"result": "T+1 B H"},
        words={
            "f": f.formula,
            "slope": f.slope_code,
            "before": "" if delay == 1 else "; states before $h_0$ are zero",
        },
        cases=each_size(
            lambda s: {
                "dh_out": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        hints=(
            "In how many places is h_t used? Each of them sends something back, and what comes back is added.",
            f"h_t is used in the logits u_t and in the pre-activation a_{{t+{delay}}}. The first is dh_out; the second "
            f"sends δ_{{t+{delay}}} back through W_hh, where there is such a step.",
            "Begin at the last step and go down to the first. At each step: add up what arrives at h_t, then multiply "
            "all of it by the slope there. In rows, Wᵀδ is written delta @ W.",
        ),
        misconceptions=(
            Misconception(
                "nothing arrives from the future",
                f"The last step is right, the earlier ones are not. Is the term that comes back from a later state "
                f"missing, or is δ_{{t+{delay}}} not yet computed when you read it?",
                no_future,
            ),
            Misconception(
                "the future reaches one step back only",
                "What a later step sends back is its whole δ, and that includes what it got itself from still later "
                "steps.",
                one_step_of_future,
            ),
            Misconception(
                "the gradient runs forwards in time",
                "A loss can only be changed by what came before it. From which side does δ reach step t, and in which "
                "order must the steps be visited?",
                forwards,
            ),
            Misconception(
                "W_hh where its transpose belongs",
                "On paper the gradient goes back through W_hhᵀ. Your vectors are rows; what becomes of the transpose?",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh.T),
            ),
            Misconception(
                "the slope is missing",
                "Your rows are not gradients at a_t. What lies between a_t and h_t?",
                lambda dh_out, h, W_hh: (
                    walk(dh_out, h, W_hh, slope=np.ones_like) * (np.arange(len(h)) > 0)[:, None, None]
                ),
            ),
            Misconception(
                "the slope multiplies the step's own gradient only",
                "Both parts arrive at the same h_t, and both go on to a_t. Through what?",
                slope_of_own_only,
            ),
            Misconception(
                "the slope multiplies what comes from the future only",
                "Both parts arrive at the same h_t, and both go on to a_t. Through what?",
                slope_of_the_future_only,
            ),
            Misconception(
                "the slope stands on the wrong side of W_hh",
                "The way back from a later pre-activation leads through W_hh to h_t first, and from there through the "
                "slope to a_t. Which of the two is applied first in yours?",
                slope_before_the_weights,
            ),
            Misconception(
                "the later slope multiplies twice",
                f"δ_{{t+{delay}}} is the gradient at the later pre-activation: the slope there is in it already.",
                later_slope_twice,
            ),
            Misconception(
                "what is carried back is ∂L/∂h, not δ",
                "Follow the gradient from a later state to this one: it passes the later activation first, then W_hh. "
                "Which slope is missing on that way?",
                slope_once,
            ),
            Misconception(
                "the slope of the state before",
                "Row t of h holds h_t = f(a_t). Which row gives the slope at a_t?",
                slope_of_the_state_before,
            ),
            *other_slopes(f, lambda slope: lambda dh_out, h, W_hh: walk(dh_out, h, W_hh, slope=slope)),
            Misconception(
                "row 0 is filled too",
                "h_0 is given, no pre-activation made it. What belongs in row 0?",
                with_row_0(lambda arriving, dh_out, slope: arriving * slope),
            ),
            Misconception(
                "row 0 holds the gradient at h_0",
                "What arrives at h_0 is a gradient, but not one at a pre-activation: there is no a_0. What belongs in "
                "row 0?",
                with_row_0(lambda arriving, dh_out, slope: arriving),
            ),
            Misconception(
                "row 0 is filled from the last step's loss",
                "Your loop visits t = 0 too. There is no a_0, and which row is dh_out[t − 1] for t = 0?",
                with_row_0(lambda arriving, dh_out, slope: (dh_out[-1] + arriving) * slope),
            ),
            Misconception(
                "the steps stand in the order of the walk",
                "All rows are right, but after row 0 comes the last step first. What has to be turned round?",
                lambda dh_out, h, W_hh: np.concatenate([np.zeros((1, *h[0].shape)), walk(dh_out, h, W_hh)[:0:-1]]),
            ),
            Misconception(
                "the steps stand in the order of the walk, and there is no row for step 0",
                "The numbers are right. Row t belongs to step t, so the first row is zero and step 1 comes after it.",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh)[:0:-1],
            ),
            Misconception(
                "no row for step 0",
                "The result has as many rows as h, so that row t belongs to step t. What do you have in row 0?",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh)[1:],
            ),
            *(
                (
                    Misconception(
                        "the future is one step away, as in the chapter",
                        f"Here h_t acts on the state {delay} steps later. Whose δ comes back to it?",
                        lambda dh_out, h, W_hh: walk(dh_out, h, W_hh, delay=1),
                    ),
                )
                if delay > 1
                else ()
            ),
        ),
    )
