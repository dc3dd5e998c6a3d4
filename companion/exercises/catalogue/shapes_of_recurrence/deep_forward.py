"""Two layers through time."""

from __future__ import annotations

import itertools

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_activation as other_activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "deep-forward",
    chapter="shapes-of-recurrence",
    name="deep_forward",
    title="Two layers through time",
    kind="implement",
    ask={"f": ACTIVATIONS, "reads": ("this step", "the step before")},
)
def deep(rng: np.random.Generator, f: Activation, reads: str) -> Key:
    late = reads == "the step before"

    def step(w, x_t, h_before):
        return f.apply(x_t @ w["W_xh"].T + h_before @ w["W_hh"].T + w["b_h"])

    def layer(w, inputs, start):
        return np.array(list(itertools.accumulate(inputs, lambda h, x_t: step(w, x_t, h), initial=start)))

    def read(h):
        return h[:-1] if late else h[1:]

    def answer(lower, upper, x, h_0):
        h_lower = layer(lower, x, h_0[0])
        return h_lower, layer(upper, read(h_lower), h_0[1])

    def both_at_once(lower, upper, x, h_0):
        down, up = [h_0[0]], [h_0[1]]
        for x_t in x:
            down.append(step(lower, x_t, down[-1]))
            up.append(step(upper, down[-2] if late else down[-1], up[-1]))
        return np.array(down), np.array(up)

    def filled(lower, upper, x, h_0):
        h = np.empty((2, len(x) + 1, *h_0.shape[1:]))
        h[:, 0] = h_0
        for k, w in enumerate((lower, upper)):
            given = (x if k == 0 else read(h[0])) @ w["W_xh"].T + w["b_h"]
            for t in range(len(x)):
                h[k, t + 1] = f.apply(given[t] + h[k, t] @ w["W_hh"].T)
        return h[0], h[1]

    def one_start(lower, upper, x, h_0):
        return answer(lower, upper, x, np.stack([h_0[0], h_0[0]]))

    def starts_exchanged(lower, upper, x, h_0):
        return answer(lower, upper, x, h_0[::-1])

    def upper_from_zero(lower, upper, x, h_0):
        return answer(lower, upper, x, np.stack([h_0[0], 0 * h_0[1]]))

    def other_step(lower, upper, x, h_0):
        h_lower = layer(lower, x, h_0[0])
        return h_lower, layer(upper, h_lower[1:] if late else h_lower[:-1], h_0[1])

    def fed_from_below(lower, upper, x, h_0):
        h_lower = layer(lower, x, h_0[0])
        above = [
            step(upper, given, before) for given, before in zip(read(h_lower), [h_0[1], *h_lower[1:-1]], strict=True)
        ]
        return h_lower, np.array([h_0[1], *above])

    def lower_reads_upper(start):
        """The lower layer with the upper one's state in its recurrence; ``start`` is the layer it begins with."""

        def wrong(lower, upper, x, h_0):
            h, down, up = h_0[start], [h_0[0]], [h_0[1]]
            for x_t in x:
                down.append(step(lower, x_t, h))
                up.append(step(upper, down[-2] if late else down[-1], up[-1]))
                h = up[-1]
            return np.array(down), np.array(up)

        return wrong

    def fed_by_this_step(lower, upper, x, h_0):
        h_lower = layer(lower, x, h_0[0])
        above = [step(upper, given, now) for given, now in zip(read(h_lower), h_lower[1:], strict=True)]
        return h_lower, np.array([h_0[1], *above])

    def one_state(lower, upper, x, h_0):
        h, down, up = h_0[0], [h_0[0]], [h_0[1]]
        for x_t in x:
            h = step(lower, x_t, h)
            down.append(h)
            h = step(upper, down[-2] if late else h, h)
            up.append(h)
        return np.array(down), np.array(up)

    def with_weights(below=lambda lower, upper: lower, above=lambda lower, upper: upper):
        return lambda lower, upper, x, h_0: answer(below(lower, upper), above(lower, upper), x, h_0)

    def turned(w):
        return w | {"W_hh": w["W_hh"].T}

    def with_f(other):
        def wrong(lower, upper, x, h_0):
            found: list[np.ndarray] = []
            for w, start in zip((lower, upper), h_0, strict=True):
                h = [start]
                for x_t in read(found[0]) if found else x:
                    h.append(other.apply(x_t @ w["W_xh"].T + h[-1] @ w["W_hh"].T + w["b_h"]))
                found.append(np.array(h))
            return tuple(found)

        return wrong

    def reads_pre_activations(lower, upper, x, h_0):
        h_lower = layer(lower, x, h_0[0])
        a = x @ lower["W_xh"].T + h_lower[:-1] @ lower["W_hh"].T + lower["b_h"]
        return h_lower, layer(upper, read(np.concatenate([h_0[:1], a])), h_0[1])

    def make(s):
        return {
            "lower": {"W_xh": normal(rng, s.H, s.I), "W_hh": normal(rng, s.H, s.H), "b_h": normal(rng, s.H)},
            "upper": {"W_xh": normal(rng, s.H, s.H), "W_hh": normal(rng, s.H, s.H), "b_h": normal(rng, s.H)},
            "x": normal(rng, s.T, s.B, s.I),
            "h_0": normal(rng, 2, s.B, s.H),
        }

    return Key(
        answer=answer,
        also_right=(both_at_once, filled),
        returns=("h_lower", "h_upper"),
        axes={"h_lower": "T+1 B H", "h_upper": "T+1 B H"},
        words={
            "f": f.formula,
            "code": f.code,
            "read": "h^{(1)}_{t-1}" if late else "h^{(1)}_t",
            "slice": "h_lower[:-1]" if late else "h_lower[1:]",
            "how": "This stack is a *pipeline*: in step $t$ the upper layer reads what the lower one made in the step "
            "*before*, so that the two layers of a step could be computed at the same time. In step 1 it reads "
            "$h^{(1)}_0$."
            if late
            else "In step $t$ the upper layer reads what the lower one has just made.",
        },
        cases=each_size(make),
        hints=(
            "Both layers do the same thing with other weights, inputs and initial states. A helper that walks one "
            "layer through time can be called twice.",
            "The lower layer does not need the upper one: all of its states can be computed first. They are then the "
            "inputs of the upper layer.",
            "The lower layer has T + 1 states and the upper layer reads T inputs. Which row of the states is left out?",
        ),
        misconceptions=(
            Misconception(
                "one initial state for both layers",
                "h_0 holds an initial state for each layer. From which row of it does the upper layer start?",
                one_start,
            ),
            Misconception(
                "the initial states are exchanged",
                "h_0[0] belongs to the lower layer, the one that reads x.",
                starts_exchanged,
            ),
            Misconception(
                "the upper layer starts from zero",
                "The lower layer is right. What is the upper layer's state before step 1?",
                upper_from_zero,
            ),
            Misconception(
                "the upper layer reads another step of the lower one",
                "The lower layer is right. Compare the index t in the upper layer's input with the row that you read.",
                other_step,
            ),
            Misconception(
                "the upper layer's recurrence takes the lower state",
                "The lower layer is right. W_hh of the upper layer multiplies a state of step t − 1: of which layer?",
                fed_from_below,
            ),
            Misconception(
                "the upper layer's recurrence takes the lower state of the same step",
                "The lower layer is right. W_hh of the upper layer multiplies a state of step t − 1: of which layer?",
                fed_by_this_step,
            ),
            Misconception(
                "one variable for the states of both layers",
                "Step 1 is right, in step 2 the lower layer goes wrong: the state that it reads there is the upper "
                "layer's. Is one name used for both? Keep a state for each layer.",
                lower_reads_upper(0),
            ),
            Misconception(
                "one variable for the states of both layers, and no state of the upper one's own",
                "In step 1 the lower layer is right, but the upper one does not read h_0[1]; from step 2 on both read "
                "what the other has left. Keep a state for each layer.",
                one_state,
            ),
            Misconception(
                "the lower layer's recurrence takes the upper state",
                "The lower layer is wrong from step 1 on. W_hh of the lower layer multiplies a state of step t − 1: of "
                "which layer?",
                lower_reads_upper(1),
            ),
            Misconception(
                "W_hh is transposed in both layers",
                "W_hh is square, so no shape complains. Row j of W_hh makes unit j: check one entry by hand.",
                with_weights(lambda lower, upper: turned(lower), lambda lower, upper: turned(upper)),
            ),
            Misconception(
                "W_hh is transposed in the upper layer",
                "The lower layer is right. What is done with W_hh there, and what here?",
                with_weights(above=lambda lower, upper: turned(upper)),
            ),
            Misconception(
                "W_hh is transposed in the lower layer",
                "What is done with W_hh in the upper layer, and what in the lower one? The upper layer is wrong only "
                "because it reads wrong states.",
                with_weights(lambda lower, upper: turned(lower)),
            ),
            Misconception(
                "the upper layer's W_xh is transposed",
                "The lower layer is right. The upper W_xh is square, so no shape complains: check one entry by hand.",
                with_weights(above=lambda lower, upper: upper | {"W_xh": upper["W_xh"].T}),
            ),
            Misconception(
                "the upper layer has no bias",
                "The lower layer is right. How many terms are added in each layer?",
                with_weights(above=lambda lower, upper: upper | {"b_h": 0 * upper["b_h"]}),
            ),
            Misconception(
                "no layer has its bias",
                "How many terms are added in each layer before the activation?",
                with_weights(
                    lambda lower, upper: lower | {"b_h": 0 * lower["b_h"]},
                    lambda lower, upper: upper | {"b_h": 0 * upper["b_h"]},
                ),
            ),
            Misconception(
                "the lower layer's bias in both layers",
                "The lower layer is right. Which dictionary does the upper layer's bias come from?",
                with_weights(above=lambda lower, upper: upper | {"b_h": lower["b_h"]}),
            ),
            Misconception(
                "the lower layer's W_hh in both layers",
                "The lower layer is right. Which dictionary does the upper layer's W_hh come from?",
                with_weights(above=lambda lower, upper: upper | {"W_hh": lower["W_hh"]}),
            ),
            Misconception(
                "the lower layer's W_hh and bias in both layers",
                "The lower layer is right. Which dictionary do the upper layer's W_hh and b_h come from?",
                with_weights(above=lambda lower, upper: lower | {"W_xh": upper["W_xh"]}),
            ),
            other_activation(f, with_f),
            Misconception(
                "the upper layer reads pre-activations",
                "The lower layer is right. What is handed upwards: the numbers before the activation, or the states?",
                reads_pre_activations,
            ),
        ),
    )
