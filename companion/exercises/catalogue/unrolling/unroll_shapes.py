"""The shapes of slices, products and sums."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import Size
from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.exercises.shapes import shapes_by_name


def _draw_sizes(rng: np.random.Generator) -> Size:
    T, B, I, H, O = (int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))
    return Size("a cohort's", T=T, B=B, I=I, H=H, O=O)  # odd, so that none of them is T + 1


@exercise(
    "unroll-shapes",
    chapter="unrolling",
    name="shapes",
    title="The shapes of slices, products and sums",
    kind="predict",
    ask={"sizes": Drawn(Size("the book's", T=8, B=4, I=5, H=6, O=3), _draw_sizes)},
)
def shapes(rng: np.random.Generator, sizes: Size) -> Key:
    T, B, I, H, O = sizes.T, sizes.B, sizes.I, sizes.H, sizes.O
    right = {"1": (B, H), "2": (T, I), "3": (T, B, H), "4": (T, B, O), "5": (T, B)}

    def but(**wrong):
        return tuple((right | {name.removeprefix("line_"): shape for name, shape in wrong.items()}).values())

    return Key(
        answer=but(),
        also_right=(
            [list(shape) for shape in right.values()],
            tuple(np.array(shape) for shape in right.values()),
        ),
        view=shapes_by_name([f"shape {name}" for name in right]),
        words={"T": str(T), "B": str(B), "I": str(I), "H": str(H), "O": str(O)},
        hints=(
            "Write the shape of the array before the brackets, axis by axis. A single index removes its axis, a slice "
            "with a colon keeps it.",
            "h has one row more than x. A slice that leaves out one of its rows, at either end, has as many rows as x.",
            "A product with (H, H) or (O, H) transposed acts on the last axis alone; the axes before it stay.",
            "A sum over an axis removes that axis. Axis −1 is the last.",
        ),
        misconceptions=(
            Misconception(
                "a single index keeps its axis",
                "Compare h[-1] with h[-1:]. Which of the two still has an axis for time?",
                but(line_1=(1, B, H), line_2=(T, 1, I)),
            ),
            Misconception(
                "h has no row for h_0",
                "h has T + 1 rows. How many are left when the first or the last one is left out?",
                but(line_3=(T - 1, B, H), line_4=(T - 1, B, O)),
            ),
            Misconception(
                "a slice keeps all the rows",
                "h[1:] starts at row 1 and h[:-1] stops before the last. Is each of them as long as h?",
                but(line_3=(T + 1, B, H), line_4=(T + 1, B, O)),
            ),
            Misconception(
                "step and sequence exchanged",
                "In x[:, 0] the colon stands for all of the first axis. Is that axis time, or the batch?",
                but(line_2=(B, I)),
            ),
            Misconception(
                "the last state of one sequence",
                "h[-1] takes one row of the first axis, and leaves the others as they are. Which axes has it?",
                but(line_1=(H,)),
            ),
            Misconception(
                "the last sequence in place of the last state",
                "In h[-1] the index stands on the first axis. Is that axis time, or the batch?",
                but(line_1=(T + 1, H)),
            ),
            Misconception(
                "the sum runs over the sequences",
                "Which axis has the number −1? That one is summed away, and the others stay.",
                but(line_5=(T, O)),
            ),
            Misconception(
                "the sum runs over time",
                "Which axis has the number −1? That one is summed away, and the others stay.",
                but(line_5=(B, O)),
            ),
            Misconception(
                "the summed axis is kept",
                "Without keepdims=True, a sum over an axis leaves no axis of length 1 behind.",
                but(line_5=(T, B, 1)),
            ),
            Misconception(
                "the output layer changes nothing",
                "W_hy.T is (H, O). What does a product with it make of a last axis of length H?",
                but(line_4=(T, B, H)),
            ),
        ),
    )
