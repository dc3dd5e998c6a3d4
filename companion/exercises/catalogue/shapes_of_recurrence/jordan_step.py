"""One step of Jordan's network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.functions import sigmoid
from companion.core.functions import softmax as softmax_of_the_course
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_activation as other_activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class _Output:
    """What an output layer does with its logits u: as function, as code and as formula."""

    name: str
    apply: Callable[[np.ndarray], np.ndarray]
    code: str
    formula: str


_SOFTMAX = _Output(
    "softmax", softmax_of_the_course, "np.exp(u) / np.exp(u).sum(axis=-1, keepdims=True)", r"\operatorname{softmax}"
)


_OUTPUTS = (
    _SOFTMAX,
    _Output("the logistic function", sigmoid, "1 / (1 + np.exp(-u))", r"\sigma"),
    _Output("tanh", np.tanh, "np.tanh(u)", r"\tanh"),
)


@exercise(
    "jordan-step",
    chapter="shapes-of-recurrence",
    name="jordan_step",
    title="One step of Jordan's network",
    kind="implement",
    ask={"f": ACTIVATIONS, "g": _OUTPUTS},
)
def jordan(rng: np.random.Generator, f: Activation, g: _Output) -> Key:
    def pre_activation(W_xh, W_yh, b_h, x_t, y_before):
        return x_t @ W_xh.T + y_before @ W_yh.T + b_h

    def answer(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t = f.apply(pre_activation(W_xh, W_yh, b_h, x_t, y_before))
        return h_t, g.apply(h_t @ W_hy.T + b_y)

    def stacked(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        one = np.ones((len(x_t), 1))
        h_t = f.apply(np.hstack([x_t, y_before, one]) @ np.hstack([W_xh, W_yh, b_h[:, None]]).T)
        return h_t, g.apply(np.hstack([h_t, one]) @ np.hstack([W_hy, b_y[:, None]]).T)

    def one_by_one(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t = [f.apply(W_xh @ x + W_yh @ y + b_h) for x, y in zip(x_t, y_before, strict=True)]
        return np.array(h_t), np.array([g.apply(W_hy @ h + b_y) for h in h_t])

    def without_feedback(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        return answer(W_xh, W_yh, b_h, W_hy, b_y, x_t, 0 * y_before)

    def through_W_hy(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        return answer(W_xh, W_hy.T, b_h, W_hy, b_y, x_t, y_before)

    def to_the_logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t = f.apply(pre_activation(W_xh, W_yh, b_h, x_t, 0 * y_before))
        return h_t, g.apply(h_t @ W_hy.T + b_y + y_before)

    def without_f(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        a = pre_activation(W_xh, W_yh, b_h, x_t, y_before)
        return a, g.apply(a @ W_hy.T + b_y)

    def output_of_a(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        a = pre_activation(W_xh, W_yh, b_h, x_t, y_before)
        return f.apply(a), g.apply(a @ W_hy.T + b_y)

    def logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t, _ = answer(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before)
        return h_t, h_t @ W_hy.T + b_y

    def along_the_batch(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t, u = logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before)
        return h_t, softmax_of_the_course(u.T).T

    def with_f(other):
        def wrong(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
            h_t = other.apply(pre_activation(W_xh, W_yh, b_h, x_t, y_before))
            return h_t, g.apply(h_t @ W_hy.T + b_y)

        return wrong

    def decided(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        choice = np.eye(y_before.shape[1])[y_before.argmax(axis=1)]
        return answer(W_xh, W_yh, b_h, W_hy, b_y, x_t, choice)

    def one_for_all(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t, u = logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before)
        return h_t, softmax_of_the_course(u.ravel()).reshape(u.shape)

    def bias_outside(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t = f.apply(pre_activation(W_xh, W_yh, 0 * b_h, x_t, y_before)) + b_h
        return h_t, g.apply(h_t @ W_hy.T + b_y)

    def without_biases(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        return answer(W_xh, W_yh, 0 * b_h, W_hy, 0 * b_y, x_t, y_before)

    other_g = _OUTPUTS[1] if g is _SOFTMAX else _SOFTMAX

    def with_other_g(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t, u = logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before)
        return h_t, other_g.apply(u)

    def f_at_the_output(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before):
        h_t, u = logits(W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before)
        return h_t, f.apply(u)

    only_softmax = (
        Misconception(
            "one softmax for the whole batch",
            "h_t is right. All of your y_t add up to 1 together; each row of it should. Over which axis do you sum?",
            one_for_all,
        ),
        Misconception(
            "the softmax runs along the batch",
            "h_t is right. Add up each row of your y_t: is it 1? A row is one sequence.",
            along_the_batch,
        ),
        Misconception(
            "the most probable class is fed back",
            "Jordan's network feeds back y_{t-1} as it is, all the probabilities. Where do you choose one?",
            decided,
        ),
    )

    def make(B, I, H, O):
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
        answer=answer,
        also_right=(stacked, one_by_one),
        returns=("h_t", "y_t"),
        axes={"h_t": "B H", "y_t": "B O"},
        words={
            "f": f.formula,
            "f_code": f.code,
            "g": g.formula,
            "g_code": g.code,
            "classes": "probabilities" if g is _SOFTMAX else "outputs",
        },
        cases=(
            Case("a small case", make(B=2, I=1, H=2, O=3)),
            Case("B = 1", make(B=1, I=3, H=2, O=2)),
            Case("H = 1", make(B=2, I=2, H=1, O=3)),
            Case("everything square", make(B=3, I=3, H=3, O=3)),
            Case("more of everything", make(B=5, I=2, H=4, O=3)),
        ),
        hints=(
            "Two layers, one after the other. What does the first one read besides x_t, and through which matrix?",
            "y_before is (B, O) and W_yh is (H, O). Which product of the two has the shape (B, H)?",
            "h_t is the activation of a sum of three terms. The logits come from h_t, and y_t from them, row by row.",
        ),
        misconceptions=(
            Misconception(
                "nothing is fed back",
                "Your result does not move when y_before is changed. Which term is missing from a_t?",
                without_feedback,
            ),
            Misconception(
                "fed back through the output weights",
                "W_hy leads from the state to the output. Which matrix leads from the output back to the state?",
                through_W_hy,
            ),
            Misconception(
                "fed back to the output",
                "y_{t-1} acts on the hidden layer, and reaches y_t through h_t only.",
                to_the_logits,
            ),
            Misconception(
                "the activation of the hidden layer is missing",
                "The first value that you return is a_t. What turns a pre-activation into a state?",
                without_f,
            ),
            other_activation(f, with_f),
            Misconception(
                "the bias of the hidden layer is missing",
                "With x_t and y_before zero, h_t should be the activation of something. Of what?",
                lambda W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before: answer(W_xh, W_yh, 0 * b_h, W_hy, b_y, x_t, y_before),
            ),
            Misconception(
                "the bias of the output layer is missing",
                "h_t is right. Besides the product with h_t, what is there in the logits?",
                lambda W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before: answer(W_xh, W_yh, b_h, W_hy, 0 * b_y, x_t, y_before),
            ),
            Misconception(
                "both biases are missing",
                "With x_t and y_before zero, h_t should be the activation of something. And besides the product with "
                "h_t, what is there in the logits?",
                without_biases,
            ),
            Misconception(
                "the bias of the hidden layer is added after the activation",
                "b_h is a term of a_t. Where do the brackets of your activation close?",
                bias_outside,
            ),
            Misconception(
                "the input is left out",
                "Your result does not move when x_t is changed. Which term is missing from a_t?",
                lambda W_xh, W_yh, b_h, W_hy, b_y, x_t, y_before: answer(W_xh, W_yh, b_h, W_hy, b_y, 0 * x_t, y_before),
            ),
            Misconception(
                "the output layer reads a_t",
                "h_t is right. What is multiplied by W_hy: the numbers before the activation, or those after it?",
                output_of_a,
            ),
            Misconception(
                "the logits are returned",
                "h_t is right. One function still stands between the logits and y_t.",
                logits,
            ),
            *(only_softmax if g is _SOFTMAX else ()),
            *(
                (
                    Misconception(
                        "the hidden layer's activation at the output too",
                        "h_t is right. The output layer has a function of its own: which?",
                        f_at_the_output,
                    ),
                )
                if g.code.replace("u", "a") != f.code.replace("u", "a")
                else ()
            ),
            *(
                (
                    Misconception(
                        f"another function at the output: {other_g.name}",
                        "h_t is right. The statement says which function g the output layer has, as a formula and as "
                        "code.",
                        with_other_g,
                    ),
                )
                if other_g.code.replace("u", "a") != f.code
                else ()
            ),
        ),
    )
