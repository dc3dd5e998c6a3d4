"""The shapes of a batch."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import Size
from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.shapes import shapes_by_name


def _draw_sizes(rng: np.random.Generator) -> Size:
    T, B, I, H, O = (int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))
    return Size("a cohort's", T=T, B=B, I=I, H=H, O=O)  # odd, so that neither T + 1 nor I + H is one of them


@exercise(
    "state-shapes",
    chapter="sequences-and-state",
    name="shapes",
    title="The shapes of a batch",
    kind="predict",
    ask={"sizes": Drawn(Size("the book's", T=6, B=4, I=3, H=5, O=2), _draw_sizes)},
)
def shapes(rng: np.random.Generator, sizes: Size) -> Key:
    T, B, I, H, O = sizes.T, sizes.B, sizes.I, sizes.H, sizes.O
    right = {"W": (H, I + H), "rows": (B, I + H), "b_h": (H,), "h": (T + 1, B, H), "y": (T, B, O)}

    def but(**wrong):
        return tuple((right | wrong).values())

    return Key(
        answer=but(),
        also_right=(
            [list(shape) for shape in right.values()],
            tuple(np.array(shape) for shape in right.values()),
        ),
        view=shapes_by_name(list(right)),
        words={"T": str(T), "B": str(B), "I": str(I), "H": str(H), "O": str(O)},
        hints=(
            "Write down the shape of everything that is used to make an array before you write its own.",
            "Side by side means that the columns are added up: what stays is the number of rows.",
            "A product (m, n) @ (n, k) is (m, k). In rows @ W.T the n must be what a row holds: input and state.",
            "The state exists before the first step; an output does not.",
        ),
        misconceptions=(
            Misconception(
                "the weights lie the other way round",
                "A weight matrix has a row for each unit it feeds and a column for each number it reads. Look at W, "
                "and at the transpose in rows @ W.T.",
                but(W=(I + H, H)),
            ),
            Misconception(
                "the sequences stand in columns",
                "In a batch each sequence is a row. How many rows has x_t, and does putting h_{t-1} beside it add any?",
                but(rows=(I + H, B)),
            ),
            Misconception(
                "the initial state has no row",
                "The array h holds the state after every step, and one more: the notes before anything was read.",
                but(h=(T, B, H)),
            ),
            Misconception(
                "outputs counted like states",
                "Is there an output before the first input? Count the rows of y again.",
                but(y=(T + 1, B, O)),
            ),
            Misconception(
                "the sequences come before time",
                "The statement puts time on the first axis of h and y, the sequences on the second.",
                but(h=(B, T + 1, H), y=(B, T, O)),
            ),
            Misconception(
                "one state for all sequences",
                "Two sequences read different inputs. Can they share their notes? Look at the axes of h.",
                but(h=(T + 1, H)),
            ),
            Misconception(
                "a bias for every sequence",
                "Weights and biases belong to the network. Do they grow when it reads more sequences? Look at b_h.",
                but(b_h=(B, H)),
            ),
            Misconception(
                "a bias for every number that is read",
                "The bias is added to rows @ W.T. What does a row hold after the product?",
                but(b_h=(I + H,)),
            ),
            Misconception(
                "the bias as a column",
                "The statement says what shape a vector of 8 numbers has. Is b_h more than a vector of H numbers?",
                but(b_h=(H, 1)),
            ),
            Misconception(
                "the bias as a row",
                "The statement says what shape a vector of 8 numbers has. Is b_h more than a vector of H numbers?",
                but(b_h=(1, H)),
            ),
            Misconception(
                "a number in place of a shape",
                "(8) is the number 8; a tuple of one number has a comma, (8,). Look at the shape of b_h.",
                but(b_h=H),
            ),
            Misconception(
                "W holds the recurrent weights alone",
                "W is made of two matrices that stand side by side. How many columns have they together?",
                but(W=(H, H)),
            ),
            Misconception(
                "outputs as long as states",
                "An output of one step holds O numbers. What is the last axis of y?",
                but(y=(T, B, H)),
            ),
        ),
    )
