"""Only the last steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from companion.bptt.truncation import windows
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

Kept = Callable[[int, int], np.ndarray]  # (T, k2) -> (T, T): how often the loss of step t (row) counts at entry k

_HOW = {
    1: r"After every step, its loss is sent back through the last $k_2$ steps: $e(t) = t$.",
    2: r"After every second step, and at the end, the losses that are new since the last time are sent back together "
    r"through the last $k_2$ steps: $e(t) = \min(2\,\lceil t/2 \rceil, T)$.",
    3: r"After every third step, and at the end, the losses that are new since the last time are sent back together "
    r"through the last $k_2$ steps: $e(t) = \min(3\,\lceil t/3 \rceil, T)$.",
}


@exercise(
    "truncated-gradient",
    chapter="truncated-backpropagation",
    name="truncated",
    title="Only the last steps",
    kind="implement",
    ask={"k1": (1, 2, 3), "f": ACTIVATIONS},
)
def truncated_gradient(rng: np.random.Generator, k1: int, f: Activation) -> Key:
    def pairs(T, k2, k1=k1):
        """Which pairs TBPTT(k1, k2) keeps, by the chapter's formula."""
        t, k = np.arange(1, T + 1)[:, None], np.arange(1, T + 1)
        end = np.minimum(k1 * -(-t // k1), T)
        return ((k <= t) & (k > end - k2)).astype(float)

    def counted(kept: Kept, slopes=f.slope, through=lambda delta, W_hh: delta @ W_hh, before=True):
        """∂L/∂W_hh with each pair as often as ``kept`` says, loss by loss."""

        def gradient(dh, h, W_hh, k2):
            T, slope, dW_hh = len(dh), slopes(h), np.zeros_like(W_hh)
            often = kept(T, k2)
            for t in range(1, T + 1):
                arriving = dh[t - 1]
                for k in range(t, 0, -1):
                    delta = arriving * slope[k]
                    dW_hh += often[t - 1, k - 1] * np.einsum("bi,bj->ij", delta, h[k - 1 if before else k])
                    arriving = through(delta, W_hh)
            return dW_hh

        return gradient

    def by_windows(dh, h, W_hh, k2, reset=True, cut=False, wrap=False):
        dW_hh, slope, carried = np.zeros_like(W_hh), f.slope(h), np.zeros_like(h[0])
        for window in windows(len(dh), k1, k2):
            carried = np.zeros_like(h[0]) if reset else carried
            first = window.last - k2 + 1 if wrap else window.first
            for t in range(window.last, first - 1, -1):
                own = dh[t - 1] if t > window.last - window.answers else 0
                delta = (own + carried) * slope[t]
                dW_hh += delta.T @ h[t - 1]
                carried = np.zeros_like(h[0]) if cut else delta @ W_hh
        return dW_hh

    def by_rounds(dh, h, W_hh, k2):
        """All losses step back together, one step a round; a loss drops out when it leaves its window."""
        T, slope, dW_hh = len(dh), f.slope(h), np.zeros_like(W_hh)
        kept, t = pairs(T, k2), np.arange(T)
        arriving = dh.copy()
        for back in range(T):
            alive = t[t >= back]
            delta = arriving[alive] * slope[alive - back + 1] * kept[alive, alive - back][:, None, None]
            dW_hh += np.einsum("tbi,tbj->ij", delta, h[alive - back])
            arriving[alive] = delta @ W_hh
        return dW_hh

    def full_windows(T, k2):
        """Only windows of k2 steps, none of the shorter ones at the beginning."""
        ends = np.minimum(k1 * -(-np.arange(1, T + 1) // k1), T)
        return pairs(T, k2) * (ends >= k2)[:, None]

    def again(T, k2):
        """Every window sends back all the losses in it."""
        often = np.zeros((T, T))
        for window in windows(T, k1, k2):
            inside = slice(window.first - 1, window.last)
            often[inside, inside] += np.tril(np.ones((T, T)))[inside, inside]
        return often

    def of_window_ends(T, k2):
        """Only the loss of the last step of each window is sent back."""
        often = np.zeros((T, T))
        for window in windows(T, k1, k2):
            often[window.last - 1, window.first - 1 : window.last] = 1
        return often

    def chunks(T, k2):
        t, k = np.arange(T)[:, None], np.arange(T)
        return ((k <= t) & (k // k2 == t // k2)).astype(float)

    def last_steps(T, k2):
        return np.tril(np.ones((T, T))) * (np.arange(1, T + 1) > T - k2)

    others = {
        1: Misconception(
            "each chunk of k2 steps by itself",
            "These are chunks: the first loss of each reaches one step only. Here every loss reaches k2 steps, as soon "
            "as there are so many.",
            counted(chunks),
        ),
        2: Misconception(
            "each loss has a window of its own",
            "Losses that are sent back together share one window, which ends at the last of them. How many steps does "
            "the first of them reach?",
            counted(lambda T, k2: pairs(T, k2, k1=1)),
        ),
    }
    sizes = (
        ("five steps, one unit, k2 = 3", 5, 1, 1, 3),
        ("T = 1", 1, 2, 2, 3),
        ("k2 longer than the sequence", 4, 2, 3, 6),
        ("B = 1, k2 = 4", 7, 1, 2, 4),
        ("a longer sequence, k2 = 3", 11, 3, 3, 3),
        ("a longer sequence, k2 = 5", 12, 2, 2, 5),
    )
    return Key(
        answer=counted(pairs),
        also_right=(by_windows, by_rounds),
        axes={"result": "H H"},
        words={"f": f.formula, "slope": f.slope_code, "how": _HOW[k1], "table": _table(pairs(5, 3))},
        cases=tuple(
            Case(
                name,
                {
                    "dh": normal(rng, T, B, H),
                    "h": f.apply(normal(rng, T + 1, B, H)),
                    "W_hh": normal(rng, H, H, scale=1.0),
                    "k2": k2,
                },
            )
            for name, T, B, H, k2 in sizes
        ),
        hints=(
            "Draw the table of pairs for T = 7 and k2 = 4: losses down, entries across. Mark the windows; every loss "
            "stands in one of them, once.",
            "For each window: where does it begin, where does it end, and which of its losses are new? Only these are "
            "put in on the way back.",
            "One walk for each window, from its last step to its first. Begin it with nothing carried, and add δ_t "
            "times the state before at each of its steps.",
        ),
        misconceptions=(
            Misconception(
                "nothing is cut",
                "This is the full gradient, right only where k2 reaches the beginning. Where does a walk back end?",
                counted(lambda T, k2: np.tril(np.ones((T, T)))),
            ),
            Misconception(
                "one step too far",
                "The window holds k2 steps, that of its last loss among them. Count the entries that your first full "
                "window reaches.",
                counted(lambda T, k2: pairs(T, k2 + 1)),
            ),
            Misconception(
                "one step too short",
                "The window holds k2 steps, that of its last loss among them. Count the entries that your first full "
                "window reaches.",
                counted(lambda T, k2: pairs(T, k2 - 1)),
            ),
            Misconception(
                "losses are sent back again in later windows",
                "Windows overlap, losses must not: each is sent back once. Which losses of a window are new?",
                counted(again),
            ),
            Misconception(
                "a window begins with what the one before has left",
                "What a walk carries when it leaves its window is dropped. With what does your next walk begin?",
                lambda dh, h, W_hh, k2: by_windows(dh, h, W_hh, k2, reset=False),
            ),
            Misconception(
                "nothing is carried back within a window",
                "Each loss reaches its own step only. What comes back to a step from the later steps of the window?",
                lambda dh, h, W_hh, k2: by_windows(dh, h, W_hh, k2, cut=True),
            ),
            Misconception(
                "only the last k2 steps of the sequence",
                "The sequence is not cut off; each loss is. What about the losses in the middle?",
                counted(last_steps),
            ),
            Misconception(
                "the gradient goes back through the wrong one of W_hh and W_hhᵀ",
                "Inside the window all is as in BPTT. On paper δ is a column, and W_hhᵀ δ goes back. In code each "
                "sequence is a row: what becomes of a transpose when the whole product is transposed?",
                counted(pairs, through=lambda delta, W_hh: delta @ W_hh.T),
            ),
            Misconception(
                "the gradient goes back without W_hh",
                "What is carried back to a step is the gradient at its state h_{t−1}. By what is that state multiplied "
                "in a_t?",
                counted(pairs, through=lambda delta, W_hh: delta),
            ),
            Misconception(
                "the slope of the state before",
                "The slope belongs to a_t, and is had from the state that a_t became. Which row of h is that? Row 0 "
                "is h_0, which no step has made.",
                counted(pairs, slopes=lambda h: f.slope(np.roll(h, 1, axis=0))),
            ),
            Misconception(
                "the slope multiplies twice",
                "The gradient passes the activation of each step once. Is the slope already in what you carry?",
                counted(pairs, slopes=lambda h: f.slope(h) ** 2),
            ),
            Misconception(
                "the first windows reach back behind step 1",
                "Near the beginning a window has fewer than k2 steps. What does NumPy give for row −1, and at which "
                "step does your walk end?",
                lambda dh, h, W_hh, k2: by_windows(dh, h, W_hh, k2, wrap=True),
            ),
            Misconception(
                "the first windows are left out",
                "Near the beginning a window has fewer than k2 steps, and its losses count too. What is sent back "
                "where T is smaller than k2?",
                counted(full_windows),
            ),
            Misconception(
                "the slope is missing",
                "dh is the gradient at the state. What lies between the state and the weight?",
                counted(pairs, slopes=np.ones_like),
            ),
            *other_slopes(f, lambda slope: counted(pairs, slopes=slope)),
            Misconception(
                "paired with the state of the same step",
                "The weight at step k multiplied a state. Was h_k there already?",
                counted(pairs, before=False),
            ),
            others[min(k1, 2)],
            *(
                (
                    Misconception(
                        "only the last loss of each window",
                        "Losses between two walks must not get lost: all that are new go back, not only the one at "
                        "which the window ends.",
                        counted(of_window_ends),
                    ),
                )
                if k1 > 1
                else ()
            ),
        ),
    )


def _table(kept: np.ndarray) -> str:
    """A line for each loss: which steps it reaches."""
    reached = (", ".join(str(k + 1) for k in np.flatnonzero(row)) for row in kept)
    return "\n".join(
        f"the loss of step {t} reaches {'steps' if ',' in steps else 'step'} {steps}"
        for t, steps in enumerate(reached, start=1)
    )
