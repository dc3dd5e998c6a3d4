"""How many weights four networks have."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise


def _two_sizes(rng: np.random.Generator) -> tuple[int, int]:
    """Inputs and units; with a difference of two, two of the mistakes would agree."""
    inputs = int(rng.integers(3, 9))
    return inputs, inputs + int(rng.integers(3, 10))


@exercise(
    "parameters-gated",
    chapter="gated-variants",
    name="counts",
    title="How many weights do four networks have?",
    kind="predict",
    ask={"sizes": Drawn((4, 10), _two_sizes)},
)
def parameters(rng: np.random.Generator, sizes: tuple[int, int]) -> Key:
    I, H = sizes
    N, N_2 = H * I + H * H + H, 2 * H * H + H  # weights a gate, in the first layer and in the second
    right = {"peepholes": 4 * N + 3 * H, "coupled": 3 * N + 2 * H, "gru": 3 * N + 3 * H, "stack": 4 * (N + N_2 + 2 * H)}

    def instead(**others):
        return tuple((right | others).values())

    return Key(
        answer=tuple(right.values()),
        also_right=(list(right.values()), np.array(list(right.values()))),
        returns=tuple(right),
        words={"I": str(I), "H": str(H)},
        hints=(
            "Count the weights of one gate first: N. Candidates are counted as gates here.",
            "How many gates has each network, how many peepholes of what shape, and how many biases a gate?",
            "PyTorch keeps two biases a gate, so that each gate has H more. The second layer reads the states of "
            "the first.",
        ),
        misconceptions=(
            Misconception(
                "peepholes as matrices",
                "A peephole leads from a unit's cell to the same unit's gate. What shape has p_k?",
                instead(peepholes=4 * N + 3 * H * H),
            ),
            Misconception(
                "the candidate has a peephole",
                "Which pre-activations see the cell?",
                instead(peepholes=4 * N + 4 * H),
            ),
            Misconception(
                "the coupled network has weights for its input gate",
                "What is i_t computed from, when the gates are coupled?",
                instead(coupled=4 * N + 2 * H),
            ),
            Misconception(
                "a peephole for a gate that is not there",
                "Which gates of the coupled network have a pre-activation of their own?",
                instead(coupled=3 * N + 3 * H),
            ),
            Misconception(
                "one bias a gate in PyTorch's GRU",
                "Beside which products does PyTorch keep a bias?",
                instead(gru=3 * N),
            ),
            Misconception(
                "the course's GRU for PyTorch's",
                "The course has a second bias for the candidate alone. PyTorch has it for which gates?",
                instead(gru=3 * N + H),
            ),
            Misconception(
                "one bias a gate in PyTorch's LSTM",
                "Beside which products does PyTorch keep a bias?",
                instead(stack=4 * (N + N_2)),
            ),
            Misconception(
                "the second layer counted as a copy of the first",
                "What does the second layer read, and how long is that vector?",
                instead(stack=2 * 4 * (N + H)),
            ),
        ),
    )
