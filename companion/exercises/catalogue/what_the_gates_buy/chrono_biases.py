"""Biases for a longest lag."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

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

    def fused(b_f, b_i, order=order, b_o=0.0):
        b = {"f": b_f, "i": b_i, "g": np.zeros_like(b_f), "o": np.full_like(b_f, b_o)}
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
    habit = "i f g o" if order.index("g") < 2 else "i g f o"  # an order that moves more than forget and input gate

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
            "Then the logarithms, (H,), one for each of the two gates. A test: σ(b_f) should be u/(1 + u), and "
            "σ(b_i) what is missing to 1.",
            "Four pieces of H entries each, in the order that is asked; two of them are zero.",
        ),
        misconceptions=(
            Misconception(
                "the gates stand in another order",
                "Each piece is right, but not in its place. Read again in which order the gates stand, and compare "
                "with the order in which you write them down by habit.",
                lambda r, longest: fused(np.log(lags(r, longest)), -np.log(lags(r, longest)), habit.split()),
            ),
            Misconception(
                "forget gate and input gate have each other's bias",
                f"Either they stand in another order than {', '.join(order)}, or their signs are exchanged.",
                lambda r, longest: with_forget(-np.log(lags(r, longest))),
            ),
            Misconception(
                "the pieces are interleaved",
                "Unit by unit, the four gates alternate in your array. Asked for are all H entries of one gate side "
                "by side.",
                lambda r, longest: answer(r, longest).reshape(4, -1).T.ravel(),
            ),
            Misconception(
                "the input gate has the sign of the forget gate",
                "A unit that keeps for long must write little. Where the forget gate is near 1, the input gate has to "
                "be near 0.",
                lambda r, longest: fused(np.log(lags(r, longest)), np.log(lags(r, longest))),
            ),
            *(
                Misconception(
                    name,
                    f"For r = 0 your u would be 0, and ln u has no bottom; for r = 1 it would be {end}. The range of u "
                    "begins at 1 and ends at T − 1.",
                    lambda r, longest, less=less: with_forget(np.log((longest - less) * r)),
                )
                for name, end, less in (
                    ("the shortest lag is 0", "T − 1", 1),
                    ("both ends of the range are one too low", "T − 2", 2),
                    ("the range goes from 0 to T", "T", 0),
                )
                if spread == "lags"
            ),
            Misconception(
                "the input gate is left at zero",
                "The forget gate is right. Chrono initialisation gives a second gate a bias too, so that the two "
                "*gates*, σ(b_i) + σ(b_f), add up to 1.",
                lambda r, longest: fused(np.log(lags(r, longest)), np.zeros_like(r)),
            ),
            Misconception(
                "the lag itself for its logarithm",
                "σ(u) is 1 for all practical purposes as soon as u is 40. Which bias gives a gate of u/(1 + u)?",
                lambda r, longest: with_forget(lags(r, longest)),
            ),
            Misconception(
                "ln(1 + u) for ln u",
                "For u = 1 your forget gate is 2/3, and it should be u/(1 + u) = 1/2. The 1 in this fraction comes "
                "from σ, and not from the bias.",
                lambda r, longest: with_forget(np.log(1 + lags(r, longest))),
            ),
            Misconception(
                "the biases add up to 1",
                "It is the *gates* that add up to 1, σ(b_i) + σ(b_f), not their biases. Which bias makes a gate of "
                "1 − σ(b_f)?",
                lambda r, longest: fused(np.log(lags(r, longest)), 1 - np.log(lags(r, longest))),
            ),
            Misconception(
                "the output gate has a bias of 1",
                "Forget gate and input gate are right. What does the statement say of the other two?",
                lambda r, longest: fused(np.log(lags(r, longest)), -np.log(lags(r, longest)), b_o=1.0),
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
                "the lag falls as r grows",
                "Your u is T − 1 for r = 0 and 1 for r = 1. Which end belongs to which?",
                lambda r, longest: with_forget(np.log(lags(1 - r, longest))),
            ),
            *(
                Misconception(
                    f"the lags are {done} whole numbers",
                    "No u has to be whole. Leave it as it comes, or units with different r get the same bias.",
                    lambda r, longest, to_whole=to_whole: with_forget(np.log(to_whole(lags(r, longest)))),
                )
                for done, to_whole in (("cut off to", np.floor), ("rounded to", np.round))
            ),
            *(
                Misconception(
                    f"{which} lag for all units",
                    "All your units have the same bias. Each has its own r, and from it its own u.",
                    lambda r, longest, shared=shared: with_forget(np.log(lags(np.full_like(r, shared(r)), longest))),
                )
                for which, shared in (("the longest", np.ones_like), ("a mean", np.mean))
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
