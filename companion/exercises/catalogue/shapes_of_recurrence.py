"""Shapes of recurrence: Jordan's step, the weights of a stack, and two layers walked through time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core import functions
from companion.core.cell import weight_shapes
from companion.core.networks import readout_shapes
from companion.exercises.activations import ACTIVATIONS, Activation, other_activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise
from companion.exercises.worked import key
from companion.rnn.cells import Elman


@dataclass(frozen=True)
class Output:
    """What an output layer does with its logits u: as function, as code and as formula."""

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    code: str
    formula: str


OUTPUTS = (
    Output(
        "softmax", functions.softmax, "np.exp(u) / np.exp(u).sum(axis=-1, keepdims=True)", r"\operatorname{softmax}"
    ),
    Output("the logistic function", functions.sigmoid, "1 / (1 + np.exp(-u))", r"\sigma"),
    Output("tanh", np.tanh, "np.tanh(u)", r"\tanh"),
)


@exercise("jordan-step", "jordan_step", "One step of Jordan's network", "implement", f=ACTIVATIONS, g=OUTPUTS)
def jordan(rng: np.random.Generator, f: Activation, g: Output) -> Key:
    def one_by_one(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t = [f.apply(W_xh @ x + W_yh @ y + b_h) for x, y in zip(x_t, y_before, strict=True)]
        return np.array(h_t), np.array([g.apply(W_hy @ h + b_y) for h in h_t])

    def case(B, I, H, O):
        return {
            "W_xh": normal(rng, H, I),
            "W_yh": normal(rng, H, O),
            "b_h": normal(rng, H),
            "W_hy": normal(rng, O, H),
            "b_y": normal(rng, O),
            "x_t": normal(rng, B, I),
            "y_before": g.apply(normal(rng, B, O)),
        }

    return Key(
        cases=(
            Case("a small case", case(B=2, I=1, H=2, O=3)),
            Case("B = 1", case(B=1, I=3, H=2, O=2)),
            Case("H = 1", case(B=2, I=2, H=1, O=3)),
            Case("everything square", case(B=3, I=3, H=3, O=3)),
            Case("more of everything", case(B=5, I=2, H=4, O=3)),
        ),
        also_right=(one_by_one,),
        misconceptions=(other_activation(f),),
        returns=("h_t", "y_t"),
        axes={"h_t": "B H", "y_t": "B O"},
        words={"classes": "probabilities" if g.name == "softmax" else "outputs"},
    )


def _draw_sizes(rng: np.random.Generator) -> dict[str, int]:
    """Small sizes for which all the ways to miscount, and any two of them together, give other numbers."""
    book = key(parameters).answer
    while True:
        T, I, H_1, H_2, O = (int(n) for n in rng.choice(np.arange(3, 13), 5, replace=False))
        sizes = {"T": T, "B": int(rng.integers(13, 20)), "I": I, "H_1": H_1, "H_2": H_2, "O": O}
        asked = key(parameters, sizes=sizes)
        numbers = [book, asked.answer, *(m.wrong for m in asked.misconceptions)]
        if len(set(numbers)) == len(numbers) and set(numbers).isdisjoint(asked.otherwise):
            return sizes


@exercise(
    "parameters-elman",
    "weights",
    "How many weights",
    "predict",
    sizes=Drawn({"T": 20, "B": 16, "I": 4, "H_1": 6, "H_2": 5, "O": 3}, _draw_sizes),
)
def parameters(rng: np.random.Generator, sizes: dict[str, int]) -> Key:
    I, H_1, H_2, O = (sizes[name] for name in ("I", "H_1", "H_2", "O"))
    shapes = {
        "lower": weight_shapes(Elman(I, H_1)),
        "upper": weight_shapes(Elman(H_1, H_2)),
        "output": readout_shapes(H_2, O),
    }
    counts = {layer: sum(map(math.prod, of.values())) for layer, of in shapes.items()}
    return Key(
        also_right=(sum(counts.values()),),
        words={name: str(number) for name, number in {**sizes, **counts}.items()},
    )


@exercise(
    "deep-forward",
    "deep_forward",
    "Two layers through time",
    "implement",
    f=ACTIVATIONS,
    reads=("this step", "the step before"),
)
def deep(rng: np.random.Generator, f: Activation, reads: str) -> Key:
    late = reads == "the step before"

    def step(w, x_t, h_before):
        return f.apply(x_t @ w["W_xh"].T + h_before @ w["W_hh"].T + w["b_h"])

    def at_once(below, above):
        """Both layers in one loop; their recurrences read what these take of the lower and upper states so far."""

        def walk(lower, upper, x, h_0):
            down, up = [h_0[0]], [h_0[1]]
            for x_t in x:
                down.append(step(lower, x_t, below(down, up)))
                up.append(step(upper, down[-2 if late else -1], above(down, up)))
            return np.array(down), np.array(up)

        return walk

    def last_of_lower(down, up):
        return down[-1]

    def last_of_upper(down, up):
        return up[-1]

    def last_left_over(down, up):
        """What the upper layer has left in the one variable, which begins with the lower one's state."""
        return up[-1] if len(up) > 1 else down[0]

    return Key(
        cases=each_size(
            lambda s: {
                "lower": {"W_xh": normal(rng, s.H, s.I), "W_hh": normal(rng, s.H, s.H), "b_h": normal(rng, s.H)},
                "upper": {"W_xh": normal(rng, s.H, s.H), "W_hh": normal(rng, s.H, s.H), "b_h": normal(rng, s.H)},
                "x": normal(rng, s.T, s.B, s.I),
                "h_0": normal(rng, 2, s.B, s.H),
            }
        ),
        also_right=(at_once(last_of_lower, last_of_upper),),
        misconceptions=(
            other_activation(f),
            Misconception(
                "one variable for the states of both layers",
                "Step 1 is right, in step 2 the lower layer goes wrong: the state that it reads there is the upper "
                "layer's. Is one name used for both? Keep a state for each layer.",
                at_once(last_left_over, last_of_upper),
            ),
            Misconception(
                "one variable for the states of both layers, and no state of the upper one's own",
                "In step 1 the lower layer is right, but the upper one does not read h_0[1]; from step 2 on both read "
                "what the other has left. Keep a state for each layer.",
                at_once(last_left_over, last_of_lower),
            ),
            Misconception(
                "the lower layer's recurrence takes the upper state",
                "The lower layer is wrong from step 1 on. W_hh of the lower layer multiplies a state of step t − 1: of "
                "which layer?",
                at_once(last_of_upper, last_of_upper),
            ),
        ),
        returns=("h_lower", "h_upper"),
        axes={"h_lower": "T+1 B H", "h_upper": "T+1 B H"},
        words={
            "read": "h^{(1)}_{t-1}",
            "rows": "[:-1]",
            "how": "This stack is a *pipeline*: in step $t$ the upper layer reads what the lower one made in the step "
            "*before*, so that the two layers of a step could be computed at the same time. In step 1 it reads "
            "$h^{(1)}_0$.",
        }
        if late
        else {
            "read": "h^{(1)}_t",
            "rows": "[1:]",
            "how": "In step $t$ the upper layer reads what the lower one has just made.",
        },
    )
