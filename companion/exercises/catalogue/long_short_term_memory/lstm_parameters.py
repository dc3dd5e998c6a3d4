"""How many weights?"""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception, exercise

STEPS = 40  # of the sequences whose length must not matter


def _draw_sizes(rng: np.random.Generator) -> tuple[int, int, int]:
    """Inputs, units and outputs, all different. With four outputs two of the mistakes would agree."""
    inputs = int(rng.integers(6, 16))
    return inputs, inputs + int(rng.integers(3, 12)), int(rng.choice([2, 3, 5]))


@exercise(
    "lstm-parameters",
    chapter="long-short-term-memory",
    name="n_weights",
    title="How many weights?",
    kind="predict",
    ask={"sizes": Drawn((5, 8, 3), _draw_sizes)},
)
def parameters(rng: np.random.Generator, sizes: tuple[int, int, int]) -> Key:
    I, H, O = sizes
    gate, readout = H * I + H * H + H, O * H + O
    right = 4 * gate + readout
    return Key(
        answer=right,
        also_right=(float(right), np.array(right)),
        words={"I": str(I), "H": str(H), "O": str(O), "T": str(STEPS)},
        hints=(
            "Write down the names of all weights of the network, with their shapes, and add up.",
            "How many of W_x·, W_h· and b_· are there? The candidate has its own, as each gate has.",
            "The output layer has a matrix of H columns and a bias of one number an output.",
        ),
        misconceptions=(
            Misconception(
                "the candidate is not counted",
                "Three gates are switches, but a fourth vector is computed from the input and the last state too.",
                3 * gate + readout,
            ),
            Misconception(
                "the gates' biases are not counted",
                "Look at the end of each line of the gates' equations: something is added that no input multiplies.",
                4 * (gate - H) + readout,
            ),
            Misconception(
                "the weights of the last state are not counted",
                "A gate reads two vectors, the input and the last state, each through a matrix of its own.",
                4 * (gate - H * H) + readout,
            ),
            Misconception(
                "one recurrent weight a unit",
                "Each unit of a gate reads the states of all units, not its own alone.",
                4 * (H * I + H + H) + readout,
            ),
            Misconception(
                "the output layer is not counted",
                "The network does not end with h_t. Which weights lead from there to y_t?",
                4 * gate,
            ),
            Misconception(
                "the output layer's bias is not counted",
                "What is added to the product in the last equation?",
                right - O,
            ),
            *(
                ()
                if O == 2  # with two outputs, the same number as for the next mistake
                else (
                    Misconception(
                        "the initial states are counted",
                        "Here h_0 and c_0 are zero and stay so: training does not adjust them.",
                        right + 2 * H,
                    ),
                )
            ),
            Misconception(
                "the output layer reads the cell as well",
                "What does the output layer multiply? The cell is not shown to it.",
                4 * gate + O * 2 * H + O,
            ),
            Misconception(
                "two biases a gate",
                "One library keeps two biases, one beside each product. The page's equations have one a gate.",
                4 * gate + 4 * H + readout,
            ),
            Misconception(
                "counted once for each step",
                "All steps use the same weights. Does the number of steps matter?",
                STEPS * right,
            ),
        ),
    )
