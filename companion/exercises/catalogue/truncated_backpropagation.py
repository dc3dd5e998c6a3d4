"""What a window keeps of a gradient, and a program in chunks to repair."""

from __future__ import annotations

import numpy as np

from companion.exercises.activations import ACTIVATIONS, ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation, other_slopes
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise
from companion.exercises.repairs import Bug, unrepaired

_EVERY = {2: "second", 3: "third"}


def _pairs(T: int, k1: int, k2: int) -> np.ndarray:
    """Which pairs TBPTT(k1, k2) keeps, (T, T): of the loss of step t (row) and entry k, by the chapter's formula."""
    t, k = np.arange(1, T + 1)[:, None], np.arange(1, T + 1)
    end = np.minimum(k1 * -(-t // k1), T)
    return (k <= t) & (k > end - k2)


def _table(kept: np.ndarray) -> str:
    """A line for each loss: which steps it reaches."""
    reached = (", ".join(str(k + 1) for k in np.flatnonzero(row)) for row in kept)
    return "\n".join(
        f"the loss of step {t} reaches {'steps' if ',' in steps else 'step'} {steps}"
        for t, steps in enumerate(reached, start=1)
    )


@exercise("truncated-gradient", "truncated", "Only the last steps", "implement", k1=(1, 2, 3), f=ACTIVATIONS)
def truncated_gradient(rng: np.random.Generator, k1: int, f: Activation) -> Key:
    def loss_by_loss(dh, h, W_hh, k2):
        T, slope, dW_hh = len(dh), f.slope(h), np.zeros_like(W_hh)
        kept = _pairs(T, k1, k2)
        for t in range(1, T + 1):
            arriving = dh[t - 1]
            for k in range(t, 0, -1):
                delta = arriving * slope[k]
                dW_hh += kept[t - 1, k - 1] * np.einsum("bi,bj->ij", delta, h[k - 1])
                arriving = delta @ W_hh
        return dW_hh

    def case(name, T, B, H, k2):
        given = {"dh": normal(rng, T, B, H), "h": f.apply(normal(rng, T + 1, B, H))}
        return Case(name, given | {"W_hh": normal(rng, H, H, scale=1.0), "k2": k2})

    return Key(
        cases=(
            case("five steps, one unit, k2 = 3", 5, 1, 1, 3),
            case("T = 1", 1, 2, 2, 3),
            case("k2 longer than the sequence", 4, 2, 3, 6),
            case("B = 1, k2 = 4", 7, 1, 2, 4),
            case("a longer sequence, k2 = 3", 11, 3, 3, 3),
            case("a longer sequence, k2 = 5", 12, 2, 2, 5),
            case(f"k2 = {k1}, as small as it may be", 7, 2, 2, k1),
            case("twenty steps, k2 = 9", 20, 2, 2, 9),
        ),
        also_right=(loss_by_loss,),
        misconceptions=other_slopes(f),
        axes={"result": "H H"},
        words={
            "how": "After every step, its loss is sent back through the last $k_2$ steps: $e(t) = t$."
            if k1 == 1
            else f"After every {_EVERY[k1]} step, and at the end, the losses that are new since the last time are sent "
            rf"back together through the last $k_2$ steps: $e(t) = \min({k1}\,\lceil t/{k1} \rceil, T)$.",
            "table": _table(_pairs(5, k1, 3)),
        },
    )


RIGHT = {"inputs": "x[start : start + k]", "reset": "carried = np.zeros(h_0.shape)", "next": "state = states[-1]"}
BUGS = (
    Bug(
        "every chunk begins with h_0",
        "The loss is wrong too, and it needs no gradient. Follow the state: what does the first step of the second "
        "chunk get?",
        "The program cut the state together with the gradient. Every chunk has to begin with the state in which the "
        "one before ended; only the gradient stops there.",
        TANH,
        "next",
        "state = h_0",
    ),
    Bug(
        "a chunk begins with what the walk back of the chunk before has left",
        "The loss is right, so the states are. What does `carried` hold when the walk back through the second chunk "
        "begins?",
        "The program let the gradient that left the first step of one chunk arrive at the last step of the next. That "
        "is the wrong way round in time, and a truncated gradient crosses no boundary at all: each walk begins with "
        "nothing.",
        LOGISTIC,
        "reset",
        "# the walk back",
    ),
    Bug(
        "the step at the boundary belongs to two chunks",
        "Your loss adds up more than T steps. Which step is run by two chunks?",
        "The program's chunks were one step longer than the distance from one start to the next, so that the first "
        "step of each chunk was also the last of the one before, and its loss counted twice.",
        SOFTSIGN,
        "inputs",
        "x[start : start + k + 1]",
    ),
    Bug(
        "the state is carried from one step too early",
        "The first chunk is right, the second is not, and neither is its loss. Which state does it begin with?",
        "The program carried the last state but one, so that the last step of a chunk had no part in what follows.",
        ARCTAN,
        "next",
        "state = states[-2]",
    ),
)


@exercise("bug-truncation", "chunked", "Find the bug: at the boundary of two chunks", "repair", bug=BUGS)
def bug_truncation(rng: np.random.Generator, bug: Bug) -> Key:
    f = bug.f

    def by_pairs(x, d, W_xh, W_hh, h_0, k):
        """The sum over paths, of which the pairs within a chunk are kept."""
        T, h = len(x), [h_0]
        for x_t in x:
            h.append(f.apply(x_t @ W_xh.T + h[-1] @ W_hh.T))
        error, slope, dW_hh = np.array(h[1:]) - d, f.slope(np.array(h)), np.zeros_like(W_hh)
        for t in range(1, T + 1):
            arriving = error[t - 1]
            for step in range(t, 0, -1):
                if (step - 1) // k == (t - 1) // k:
                    dW_hh += (arriving * slope[step]).T @ h[step - 1]
                arriving = (arriving * slope[step]) @ W_hh
        return float((error**2).sum() / 2), dW_hh

    def case(name, T, B, I, H, k):
        given = {"x": normal(rng, T, B, I), "d": normal(rng, T, B, H), "W_xh": normal(rng, H, I)}
        return Case(name, given | {"W_hh": normal(rng, H, H), "h_0": normal(rng, B, H), "k": k})

    return Key(
        cases=(
            case("two chunks of two steps", 4, 1, 1, 2, 2),
            case("T = 1", 1, 2, 2, 3, 2),
            case("k = 1", 3, 2, 1, 2, 1),
            case("H = 1", 6, 2, 2, 1, 3),
            case("the last chunk is shorter", 8, 3, 2, 3, 3),
            case("one chunk for all", 4, 2, 2, 2, 6),
            case("four chunks", 14, 2, 2, 2, 4),
        ),
        also_right=(by_pairs,),
        misconceptions=unrepaired(
            bug,
            BUGS,
            RIGHT,
            "These are the numbers of the program as it was given. Where all is one chunk they are right. What "
            "goes from one chunk to the next, and what should?",
        ),
        returns=("loss", "dW_hh"),
        axes={"dW_hh": "H H"},
        words={"f": f.formula, "activation": f.code, "slope": f.slope_code, **RIGHT, bug.place: bug.code},
    )
