"""How many weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.cell import weight_shapes
from companion.core.networks import readout_shapes
from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.cells import Elman


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
