"""Biases for a longest lag."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Case, Key, Misconception, exercise
from companion.functions import sigmoid

SPREADS = {  # of the lags u, for r uniform in [0, 1): as prose has it, and as code
    "lags": ("$u$ itself is spread evenly over $[1, T - 1]$", "1 + (longest - 2) * r"),
    "logarithms": (
        r"$\ln u$ is spread evenly over $[0, \ln (T - 1)]$, so that short lags get as many units as long ones",
        "(longest - 1) ** r",
    ),
}


@exercise(
    "chrono-biases",
    chapter="what-the-gates-buy",
    name="chrono_biases",
    title="Biases for a longest lag",
    kind="implement",
    ask={"gates": ("i f g o", "f i g o", "i g f o", "g i f o"), "spread": tuple(SPREADS)},
)
def chrono_biases(rng: np.random.Generator, gates: str, spread: str) -> Key:
    order = gates.split()

    def lags(r, longest, spread=spread):
        return 1 + (longest - 2) * r if spread == "lags" else (longest - 1) ** r

    def fused(b_f, b_i, order=order):
        b = {"f": b_f, "i": b_i, "g": np.zeros_like(b_f), "o": np.zeros_like(b_f)}
        return np.concatenate([b[gate] for gate in order])

    def answer(r, longest):
        b_f = np.log(lags(r, longest))
        return fused(b_f, -b_f)

    def by_slices(r, longest):
        H = len(r)
        b = np.zeros(4 * H)
        for k, gate in enumerate(order):
            if gate in "fi":
                b[k * H : (k + 1) * H] = (1 if gate == "f" else -1) * np.log(lags(r, longest))
        return b

    def by_gates(r, longest):
        kept = 1 - 1 / (1 + lags(r, longest))  # the value of the forget gate
        return fused(np.log(kept / (1 - kept)), np.log((1 - kept) / kept))

    def with_forget(b_f):
        return fused(b_f, -b_f)

    other = "logarithms" if spread == "lags" else "lags"
    begins_with_both = set(order[:2]) == {"i", "f"}

    def made_of(H, longest):
        return {"r": rng.uniform(0.02, 0.98, H), "longest": longest}

    return Key(
        answer=answer,
        also_right=(by_slices, by_gates),
        axes={"result": "bias"},
        words={
            "order": ", ".join(order),
            "letters": "".join(order),
            "spread": SPREADS[spread][0],
            "u": SPREADS[spread][1],
        },
        cases=(
            Case("two units", {"r": np.array([0.25, 0.5]), "longest": 10}),
            Case("H = 1", made_of(1, 20)),
            Case("longest = 3", made_of(3, 3)),
            Case("a long lag", made_of(5, 1000)),
        ),
        hints=(
            "First the lags: stretch r, which goes from 0 to 1, to the range that u should have.",
            "A gate that keeps a share of u/(1 + u) has the bias ln u. What does the input gate get?",
            "Four pieces of H entries each, in the order that is asked; two of them are zero.",
        ),
        misconceptions=(
            Misconception(
                "the gates stand in another order",
                "Each piece is right, but not in its place. Read again in which order the gates stand, and compare "
                "with the order in which you write them down by habit."
                + (" Or have forget gate and input gate each other's sign?" if begins_with_both else ""),
                lambda r, longest: fused(
                    np.log(lags(r, longest)),
                    -np.log(lags(r, longest)),
                    ["f", "i", "o", "g"] if gates == "i f g o" else ["i", "f", "g", "o"],
                ),
            ),
            Misconception(
                "the input gate has the sign of the forget gate",
                "A unit that keeps for long must write little. Where the forget gate is near 1, the input gate has to "
                "be near 0.",
                lambda r, longest: fused(np.log(lags(r, longest)), np.log(lags(r, longest))),
            ),
            *(
                ()
                if begins_with_both  # the same as another order
                else (
                    Misconception(
                        "forget gate and input gate exchanged",
                        "Which of the two gets ln u, and which −ln u? Or does each piece stand in the other's place? "
                        f"The order is {', '.join(order)}.",
                        lambda r, longest: with_forget(-np.log(lags(r, longest))),
                    ),
                )
            ),
            *(
                (
                    Misconception(
                        "the shortest lag is 0",
                        "For r = 0 your u would be 0, and ln u has no bottom. The range of u begins at 1.",
                        lambda r, longest: with_forget(np.log((longest - 1) * r)),
                    ),
                )
                if spread == "lags"
                else ()
            ),
            Misconception(
                "the input gate is left at zero",
                "The forget gate is right. Chrono initialisation gives a second gate a bias too, so that the two add "
                "up to 1.",
                lambda r, longest: fused(np.log(lags(r, longest)), np.zeros_like(r)),
            ),
            Misconception(
                "the lag itself for its logarithm",
                "σ(u) is 1 for all practical purposes as soon as u is 40. Which bias gives a gate of u/(1 + u)?",
                lambda r, longest: with_forget(lags(r, longest)),
            ),
            Misconception(
                "the value of the gate for its bias",
                "This is what the gate should be, between 0 and 1. Which pre-activation leads there?",
                lambda r, longest: fused(sigmoid(np.log(lags(r, longest))), sigmoid(-np.log(lags(r, longest)))),
            ),
            Misconception(
                "the longest lag is one too long",
                "For r = 1 your u would be T. The range of u ends at T − 1.",
                lambda r, longest: with_forget(np.log(lags(r, longest + 1))),
            ),
            Misconception(
                "spread in another way",
                "Begin and end of the range are right. Between them, "
                + ("u" if spread == "lags" else "ln u")
                + " should grow in proportion to r.",
                lambda r, longest: with_forget(np.log(lags(r, longest, other))),
            ),
        ),
    )
