"""Exercises on shapes of recurrence: Jordan's step, the weights of a stack, and two layers walked through time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.cells import Elman
from companion.exercises.activations import ACTIVATIONS, LOGISTIC, TANH, Activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise
from companion.functions import sigmoid
from companion.functions import softmax as softmax_of_the_course
from companion.networks import readout_shapes
from companion.recurrent import weight_shapes


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


def _other_activation(f: Activation, wrong: Callable[[Activation], Callable]) -> Misconception:
    """The mistake of using another activation than ``f``."""
    confused = TANH if f is not TANH else LOGISTIC
    return Misconception(
        f"another activation: {confused.name}",
        "The statement says which activation this network has, as a formula and as code.",
        wrong(confused),
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
            _other_activation(f, with_f),
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
        ),
    )


@dataclass(frozen=True)
class _Stack:
    """Sizes of a network with two layers, and of what it reads."""

    T: int
    B: int
    I: int
    H_1: int
    H_2: int
    O: int

    def weights(self, *, biases=1, recurrent=2, upper_reads=None, output_reads=None, output=True):
        """Their number; the options are ways to miscount."""
        upper_reads, output_reads = upper_reads or self.H_1, output_reads or self.H_2
        lower = self.H_1 * self.I + recurrent // 2 * self.H_1**2 + recurrent % 2 * self.H_1 + biases * self.H_1
        upper = self.H_2 * upper_reads + recurrent // 2 * self.H_2**2 + recurrent % 2 * self.H_2 + biases * self.H_2
        return lower + upper + output * (self.O * output_reads + min(biases, 1) * self.O)

    def slips(self):
        """What the misconceptions give, in their order."""
        return (
            self.weights() * self.T,
            self.weights(biases=0),
            self.weights(recurrent=0),
            self.weights(recurrent=1),
            self.weights(upper_reads=self.I),
            self.weights(biases=2),
            self.weights(output_reads=self.H_1 + self.H_2),
            self.weights(output=False),
            self.weights() - self.O,
            self.weights() - self.H_1 - self.H_2,
        )


def _draw_stack(rng: np.random.Generator) -> _Stack:
    """Small sizes for which all the ways to miscount give other numbers."""
    while True:
        T, I, H_1, H_2, O = (int(n) for n in rng.choice(np.arange(3, 13), 5, replace=False))
        stack = _Stack(T=T, B=int(rng.integers(13, 20)), I=I, H_1=H_1, H_2=H_2, O=O)
        numbers = (stack.weights(), *stack.slips(), _BOOKS_STACK.weights())
        if len(set(numbers)) == len(numbers):
            return stack


_BOOKS_STACK = _Stack(T=20, B=16, I=4, H_1=6, H_2=5, O=3)


@exercise(
    "parameters-elman",
    chapter="shapes-of-recurrence",
    name="weights",
    title="How many weights",
    kind="predict",
    ask={"stack": Drawn(_BOOKS_STACK, _draw_stack)},
)
def parameters(rng: np.random.Generator, stack: _Stack) -> Key:
    I, H_1, H_2, O = stack.I, stack.H_1, stack.H_2, stack.O
    shapes = [
        *weight_shapes(Elman(I, H_1)).values(),
        *weight_shapes(Elman(H_1, H_2)).values(),
        *readout_shapes(H_2, O).values(),
    ]
    names_and_hints = (
        (
            "new weights for every step",
            "All the steps share one set of weights. Does the number of steps belong in the count?",
        ),
        (
            "the biases are missing",
            "Each of the three layers adds a vector after its products. Count those entries too.",
        ),
        (
            "the recurrent weights are missing",
            "Each recurrent layer reads two things. Which matrix multiplies its own state of the step before?",
        ),
        (
            "each unit reads only itself",
            "A unit of a recurrent layer hears from all units of its layer, itself included. How large is W_hh?",
        ),
        (
            "the second layer reads the input",
            "The upper layer never sees x_t. What does it read, and how many numbers is that?",
        ),
        (
            "two biases a layer",
            "PyTorch splits the bias of a recurrent layer in two; only the sum matters, and the chapter has one.",
        ),
        (
            "the output reads both layers",
            "Look at the output equation of a stack: which state is multiplied by W_hy?",
        ),
        ("the output layer is missing", "The network ends with an output layer. It has a matrix and a bias as well."),
        (
            "the bias of the output layer is missing",
            "The recurrent layers are right. What is added to the product with W_hy?",
        ),
        (
            "the biases of the recurrent layers are missing",
            "The output layer is right. What is added in a_t after the two products?",
        ),
    )
    return Key(
        answer=stack.weights(),
        also_right=(float(stack.weights()), int(sum(np.prod(shape) for shape in shapes)), np.array(stack.weights())),
        words={
            "T": str(stack.T),
            "B": str(stack.B),
            "I": str(I),
            "H_1": str(H_1),
            "H_2": str(H_2),
            "O": str(O),
            "lower": str(H_1 * I + H_1**2 + H_1),
            "upper": str(H_2 * H_1 + H_2**2 + H_2),
            "output": str(O * H_2 + O),
        },
        hints=(
            "Make a list of the matrices and vectors, layer by layer: three in each recurrent layer, two in the output "
            "layer.",
            "A matrix has a row for each unit of its layer and a column for each number that it reads.",
            "Weights are shared over the steps and by the sequences.",
        ),
        misconceptions=tuple(
            Misconception(name, hint, wrong) for (name, hint), wrong in zip(names_and_hints, stack.slips(), strict=True)
        ),
    )


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
            _other_activation(f, with_f),
            Misconception(
                "the upper layer reads pre-activations",
                "The lower layer is right. What is handed upwards: the numbers before the activation, or the states?",
                reads_pre_activations,
            ),
        ),
    )
