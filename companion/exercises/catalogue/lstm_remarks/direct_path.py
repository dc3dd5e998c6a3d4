"""The direct path, from every step."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise

GATES = {  # what is given: as prose has it, the argument's name, and the forget gates as code of it
    "forget gates": (
        "the *values* of the forget gates $f_1 \\dots f_T$, after $\\sigma$, and nothing else",
        "f",
        "f",
    ),
    "pre-activations": (
        "the pre-activations of the forget gates: $f_t = \\sigma(a_{f,t})$, and what you get is $a_{f,1} \\dots "
        "a_{f,T}$",
        "a_f",
        "1 / (1 + np.exp(-a_f))",
    ),
    "input gates": (
        "the input gates $i_1 \\dots i_T$ of a cell whose gates are coupled, $f_t = 1 - i_t$",
        "i",
        "1 - i",
    ),
}


@exercise(
    "direct-path",
    chapter="lstm-remarks",
    name="direct_path",
    title="The direct path, from every step",
    kind="complete",
    ask={"given": tuple(GATES), "ends": ("at the end", "at the start")},
)
def direct_path(rng: np.random.Generator, given: str, ends: str) -> Key:
    to_the_end = ends == "at the end"

    def forget(gates):
        return {"forget gates": gates, "pre-activations": sigmoid(gates), "input gates": 1 - gates}[given]

    def products(f, to_the_end=to_the_end):
        one = np.ones_like(f[:1])
        if to_the_end:
            return np.concatenate([np.cumprod(f[::-1], axis=0)[::-1], one])
        return np.concatenate([one, np.cumprod(f, axis=0)])

    def answer(gates):
        return products(forget(gates))

    def by_loops(gates):
        f = forget(gates)
        T = len(f)
        rows = [f[k:].prod(axis=0) if to_the_end else f[:k].prod(axis=0) for k in range(T + 1)]
        return np.array(rows)

    def by_logarithms(gates):
        logs = np.log(forget(gates))
        sums = np.zeros((len(logs) + 1, *logs.shape[1:]))
        for t in range(len(logs)):
            if to_the_end:
                sums[: t + 1] = sums[: t + 1] + logs[t]
            else:
                sums[t + 1 :] = sums[t + 1 :] + logs[t]
        return np.exp(sums)

    def sums(gates):
        f = forget(gates)
        one = np.ones_like(f[:1])
        return np.cumsum(np.concatenate([f, one])[::-1], axis=0)[::-1] if to_the_end else np.cumsum([*one, *f], axis=0)

    def one_factor_more(gates):
        f = forget(gates)
        late = np.concatenate([f[:1], f]) if to_the_end else np.concatenate([f, f[-1:]])  # a gate for each state
        return np.cumprod(late[::-1], axis=0)[::-1] if to_the_end else np.cumprod(late, axis=0)

    def one_factor_less(gates):
        path, one = answer(gates), np.ones_like(gates[:1])
        return np.concatenate([path[1:], one] if to_the_end else [one, path[:-1]])

    def whole_product(gates):
        path, one = answer(gates), np.ones_like(gates[:1])
        rows = [path[0] if to_the_end else path[-1]] * len(gates)
        return np.concatenate([rows, one] if to_the_end else [one, rows])

    argument = GATES[given][1]
    return Key(
        answer=answer,
        also_right=(by_loops, by_logarithms),
        axes={"result": "T+1 B H"},
        words={
            "given": GATES[given][0],
            "argument": argument,
            "forget": GATES[given][2],
            "what": (
                r"from every step $k$ to the last: row $k$ holds $\prod_{j=k+1}^{T} f_j$, what a gradient at $c_T$ "
                r"becomes on its way to $c_k$"
                if to_the_end
                else r"from the start to every step $t$: row $t$ holds $\prod_{j=1}^{t} f_j$, what is left at $c_t$ of "
                r"$c_0$"
            ),
            "last": "row $T$, the path of no step," if to_the_end else "row 0, the path of no step,",
            "loop": "for k in range(T, 0, -1):" if to_the_end else "for k in range(1, T + 1):",
            "row": "path[k - 1]" if to_the_end else "path[k]",
            "line": "path[k] * forget[k - 1]" if to_the_end else "path[k - 1] * forget[k - 1]",
            "reason": (
                "The path from $k - 1$ has one factor more than that from $k$"
                if to_the_end
                else "The path to $k$ has one factor more than that to $k - 1$"
            ),
        },
        cases=each_size(
            lambda s: {
                argument: normal(rng, s.T, s.B, s.H, scale=1.5)
                if given == "pre-activations"
                else sigmoid(normal(rng, s.T, s.B, s.H, scale=1.5))
            }
        ),
        hints=(
            "Which gates lie on the path from c_{T−1} to c_T? Which on that from c_T to c_T?",
            "Neighbouring rows differ by one factor. Which gate is it?",
            "The gate of step t is in row t − 1 of what is given, and the result has one row more.",
        ),
        misconceptions=(
            *(
                ()
                if given == "forget gates"
                else (
                    Misconception(
                        "what is given is taken for the forget gates",
                        f"You multiply the {given} as they come. First make forget gates of them.",
                        lambda gates: products(gates),
                    ),
                )
            ),
            *(
                ()
                if given == "pre-activations"
                else (
                    Misconception(
                        "σ is applied to values",
                        "What you get are values of gates, which have been through σ already: it makes a gate of 0.5 "
                        "one of 0.62.",
                        lambda gates: products(sigmoid(gates) if given == "forget gates" else 1 - sigmoid(gates)),
                    ),
                )
            ),
            *(
                ()
                if given == "input gates"  # the same as taking them for the forget gates
                else (
                    Misconception(
                        "1 − f for f",
                        "You multiply what the gates take away, 1 − f. What does a forget gate of 0.9 leave?"
                        if given == "forget gates"
                        else "Your gates are 1 − f. Either you subtract them from 1, or a sign in σ is missing: "
                        "σ(a) = 1/(1 + exp(−a)).",
                        lambda gates: products(1 - forget(gates)),
                    ),
                )
            ),
            Misconception(
                "the slope of the gate for its value",
                "f (1 − f) is how f changes with its pre-activation. On the direct path the cell is multiplied by the "
                "gate itself.",
                lambda gates: products(forget(gates) * (1 - forget(gates))),
            ),
            Misconception(
                "the whole product in every row",
                "You have the path over all T steps, T times. Each row has its own part of it.",
                whole_product,
            ),
            Misconception(
                "one factor too few",
                "Two of your paths have no step: that from c_T to c_T, and that from c_{T−1} to c_T. Which gate lies "
                "on the second?"
                if to_the_end
                else "Two of your paths have no step: that from c_0 to c_0, and that from c_0 to c_1. Which gate lies "
                "on the second?",
                one_factor_less,
            ),
            Misconception(
                "the gates are turned over",
                "Each path has as many factors as it should, but the gates are read from the wrong end. Row t − 1 "
                "belongs to step t.",
                lambda gates: products(forget(gates)[::-1]),
            ),
            Misconception(
                "one factor too many",
                "Your path of no step is not 1. A gate belongs to the step *between* two states: from c_{k} on, the "
                "first one that is met is f_{k+1}.",
                one_factor_more,
            ),
            Misconception(
                "the path of no step is missing",
                "There are T + 1 states and as many rows. One of the paths has no step at all; what is an empty "
                "product?",
                lambda gates: answer(gates)[:-1] if to_the_end else answer(gates)[1:],
            ),
            Misconception(
                "the other end is held fast",
                f"All your paths {'begin at step 0' if to_the_end else 'end at step T'}. Read again which end is the "
                f"same "
                "for all rows.",
                lambda gates: products(forget(gates), not to_the_end),
            ),
            Misconception(
                "the gate of the step before",
                "The gate of step k stands in row k − 1. You read one row earlier, and for the first step row −1, "
                "which is the last one and no error.",
                lambda gates: products(np.roll(forget(gates), 1, axis=0)),
            ),
            *(
                (
                    Misconception(
                        "the products run from the wrong end",
                        "Row k holds the gates of steps 1 to k + 1. Which gates lie between c_k and c_T? For the last "
                        "rows they are few.",
                        lambda gates: np.concatenate([np.cumprod(forget(gates), axis=0), np.ones_like(gates[:1])]),
                    ),
                )
                if to_the_end
                else ()
            ),
            Misconception(
                "gates are added",
                "One after the other, gates multiply: half of a half is a quarter.",
                sums,
            ),
            Misconception(
                "units are mixed",
                "You also multiply over the units. The direct path goes from a cell to the same cell, entry by entry.",
                lambda gates: answer(gates).prod(axis=-1),
            ),
            Misconception(
                "each row its own gate",
                "Each row holds one gate. A path over n steps is a product of n.",
                lambda gates: np.concatenate(
                    [forget(gates), np.ones_like(gates[:1])] if to_the_end else [np.ones_like(gates[:1]), forget(gates)]
                ),
            ),
        ),
    )
