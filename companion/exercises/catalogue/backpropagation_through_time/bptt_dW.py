"""The gradient of the recurrent weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class Connection:
    """How the states feed the pre-activation: LaTeX, how many steps later, and whether by one weight for each unit."""

    formula: str
    delay: int = 1
    diagonal: bool = False


CONNECTIONS = (
    Connection("W_{hh} h_{t-1}"),
    Connection("W_{hh} h_{t-2}", delay=2),
    Connection("W_{hh} h_{t-3}", delay=3),
    Connection(r"W_{hh} \odot h_{t-1}", diagonal=True),
)


@exercise(
    "bptt-dW",
    chapter="backpropagation-through-time",
    name="dW_hh",
    title="The gradient of the recurrent weights",
    kind="derive",
    ask={"connection": CONNECTIONS},
)
def recurrent_weights(rng: np.random.Generator, connection: Connection) -> Key:
    delay = connection.delay
    entries = "tbi,tbi->i" if connection.diagonal else "tbi,tbj->ij"

    def pairs(da, h, delay=delay):
        return da[delay:], h[: len(h) - delay]

    def answer(da, h):
        return np.einsum(entries, *pairs(da, h))

    def by_loops(da, h):
        H = h.shape[-1]
        result = np.zeros((H, H))
        for t in range(delay, len(h)):
            for b in range(h.shape[1]):
                for i in range(H):
                    for j in range(H):
                        result[i, j] += da[t, b, i] * h[t - delay, b, j]
        return np.diag(result).copy() if connection.diagonal else result

    def by_matrices(da, h):
        later, earlier = (part.reshape(-1, h.shape[-1]) for part in pairs(da, h))
        return (later * earlier).sum(axis=0) if connection.diagonal else later.T @ earlier

    def of_sums(da, h):
        later, earlier = (part.sum(axis=(0, 1)) for part in pairs(da, h))
        return later * earlier if connection.diagonal else np.outer(later, earlier)

    shaped = (
        Misconception(
            "a whole matrix",
            "Each unit has one recurrent weight, and it feeds that unit only. How many entries has W_hh?",
            lambda da, h: np.einsum("tbi,tbj->ij", *pairs(da, h)),
        )
        if connection.diagonal
        else Misconception(
            "transposed",
            "Rows of W_hh belong to the unit that is fed, columns to the unit that feeds. Which of your factors "
            "belongs to the unit that is fed?",
            lambda da, h: answer(da, h).T,
        )
    )
    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "H" if connection.diagonal else "H H"},
        words={
            "connection": connection.formula,
            "shape": "(H,)" if connection.diagonal else "(H, H)",
            "entries": entries,
            "delay": str(delay),
            "feeding": f"h[:-{delay}]",
            "product": r"\delta_t \odot h_{t-1}" if connection.diagonal else rf"\delta_t\, h_{{t-{delay}}}^\top",
            "before": "" if delay == 1 else "; states before $h_0$ are zero",
            "kind": "an entry-by-entry product, because the weight multiplies entry by entry"
            if connection.diagonal
            else "an outer product, with a row for each unit that is fed and a column for each unit that feeds",
        },
        cases=tuple(
            case
            for case in each_size(
                lambda s: {
                    "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                    "h": np.tanh(normal(rng, s.T + 1, s.B, s.H)),
                }
            )
            if len(case.arguments["h"]) >= delay  # in shorter sequences the connection never acts
        ),
        hints=(
            "δ_t is the gradient at a_t. Which state does the weight multiply inside a_t?",
            f"δ_t pairs with h_{{t−{delay}}}. Write down the pairs of rows of da and h for T = 4.",
            "Cut both arrays so that the rows of a pair stand at the same place; then multiply and sum over steps and "
            "sequences.",
        ),
        misconceptions=(
            shaped,
            Misconception(
                "the state of the same step: δ_t paired with h_t",
                "The weight made h_t; it did not multiply it. Which state stood beside the weight in a_t?",
                lambda da, h: np.einsum(entries, da, h),
            ),
            Misconception(
                "shifted the wrong way: δ_t paired with h_{t+1}",
                "You pair δ_t with a state that did not exist yet. In which direction must the rows be shifted?",
                lambda da, h: np.einsum(entries, da[:-1], h[1:]),
            ),
            Misconception(
                "the term with h_0 is left out",
                "h_0 is multiplied by the weight too, and here it is not zero. In which δ does it appear?",
                lambda da, h: np.einsum(entries, da[delay + 1 :], h[1 : max(1, len(h) - delay)]),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the weight acts at the last one too. Where does your range or slice end?",
                lambda da, h: np.einsum(entries, *(part[:-1] for part in pairs(da, h))),
            ),
            Misconception(
                "the slope is applied once more",
                "da holds δ, the gradient at a_t: the slope is in it already. What stands between a_t and the weight?",
                lambda da, h: np.einsum(entries, *pairs(da * (1 - h**2), h)),
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda da, h: np.einsum(entries.replace("->", "->t"), *pairs(da, h)),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda da, h: np.einsum(entries.replace("->", "->b"), *pairs(da, h)),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda da, h: np.einsum(entries, *(part.sum(axis=1, keepdims=True) for part in pairs(da, h))),
            ),
            Misconception(
                "only the last step counts",
                "The weight is the same at all steps, and its gradient is a sum over them.",
                lambda da, h: np.einsum(entries, *(part[-1:] for part in pairs(da, h))),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "δ of one step has nothing to do with the state beside another step's weight. Multiply first, then "
                "add.",
                of_sums,
            ),
            Misconception(
                "a mean over the sequences instead of a sum",
                "L is a sum over sequences, and da is its gradient; nothing divides by their number.",
                lambda da, h: answer(da, h) / h.shape[1],
            ),
            *(
                (
                    Misconception(
                        "the state one step before, as in the chapter",
                        "This connection reaches further back. Which state does the weight multiply inside a_t?",
                        lambda da, h: np.einsum(entries, da[1:], h[:-1]),
                    ),
                )
                if delay > 1
                else ()
            ),
        ),
    )
