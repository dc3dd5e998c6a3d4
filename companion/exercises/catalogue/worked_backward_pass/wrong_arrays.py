"""One gradient of a network is wrong, and all others are right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from companion.exercises.activations import Activation
from companion.exercises.model import Misconception


def wrong_arrays(f: Activation, replaced: Callable[[str, Callable], Callable]) -> tuple[Misconception, ...]:
    """A weight paired with the state of another step, and the initial state not treated as what it is.

    Args:
        f: the activation.
        replaced: the answer with the array of this name computed otherwise, from (weights, h, dlogits, da).
    """
    return (
        Misconception(
            "the recurrent weights are paired with h_t",
            "Look at dW_hh. Which state stood beside W_hh when a_t was made?",
            replaced("dW_hh", lambda weights, h, dlogits, da: np.einsum("tbi,tbj->ij", da, h)),
        ),
        Misconception(
            "the term with h_0 is missing from dW_hh",
            "Look at dW_hh. At step 1 the weight multiplied h_0, which is not zero.",
            replaced("dW_hh", lambda weights, h, dlogits, da: np.einsum("tbi,tbj->ij", da[2:], h[1:-1])),
        ),
        Misconception(
            "the output weights are paired with the state before",
            "Look at dW_hy. Row 0 of the states is h_0; which state made the first logits?",
            replaced("dW_hy", lambda weights, h, dlogits, da: np.einsum("tbo,tbh->oh", dlogits, h[:-1])),
        ),
        Misconception(
            "the initial state gets δ_1 itself",
            "Look at dh_0. δ_1 is the gradient at a_1; what did h_0 pass on its way there?",
            replaced("dh_0", lambda weights, h, dlogits, da: da[1]),
        ),
        Misconception(
            "the initial state is treated like the others, slope and all",
            "Look at dh_0. h_0 is given: no activation made it, so there is none to go back through.",
            replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]) * f.slope(h[0])),
        ),
        Misconception(
            "the gradient of the initial state is summed over the sequences",
            "Look at dh_0. A weight is shared by all sequences; is the initial state?",
            replaced("dh_0", lambda weights, h, dlogits, da: (da[1] @ weights["W_hh"]).sum(axis=0)),
        ),
    )
