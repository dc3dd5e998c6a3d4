"""Find the bug: at the boundary of two chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

Rows = np.ndarray


@dataclass(frozen=True)
class Bug:
    """A wrong program in chunks, with the activation of its network.

    Attributes:
        name, hint: as of a misconception.
        why: what the repair changes, for the worked solution.
        f: the activation.
        code: the lines that the text gives, by the names that they have there.
        begin: (h_0, states of the chunk before, what its walk back has left) -> the state in which a chunk begins.
        length: (k) -> how many steps a chunk runs and sends back; it is always k steps to the next chunk's start.
        keep_carried: whether a walk back begins with what the walk before has left.
        only_last: whether the gradient of the last chunk replaces those before.
        before: whether δ_t is paired with the state before.
        cut: whether nothing is carried from step to step within a chunk.
    """

    name: str
    hint: str
    why: str = ""
    f: Activation = TANH
    code: Mapping[str, str] = field(default_factory=dict)
    begin: Callable[[Rows, list[Rows], Rows], Rows] = lambda h_0, states, carried: states[-1]
    length: Callable[[int], int] = lambda k: k
    keep_carried: bool = False
    only_last: bool = False
    before: bool = True
    cut: bool = False

    def run(self, f: Activation, x, d, W_xh, W_hh, h_0, k):
        """(loss, ∂L/∂W_hh) by the program of the text, right where nothing above says otherwise."""
        loss, dW_hh, states = 0.0, np.zeros_like(W_hh), [h_0]
        carried = np.zeros_like(h_0)
        for start in range(0, len(x), k):
            states = [self.begin(h_0, states, carried) if start else h_0]
            for x_t in x[start : start + self.length(k)]:
                states.append(f.apply(x_t @ W_xh.T + states[-1] @ W_hh.T))
            if not self.keep_carried:
                carried = np.zeros_like(h_0)
            if self.only_last:
                dW_hh = np.zeros_like(W_hh)
            for t in range(len(states) - 1, 0, -1):
                error = states[t] - d[start + t - 1]
                loss += 0.5 * float((error**2).sum())
                da = (error + carried) * f.slope(states[t])
                dW_hh = dW_hh + da.T @ states[t - 1 if self.before else t]
                carried = np.zeros_like(h_0) if self.cut else da @ W_hh
        return loss, dW_hh


RIGHT_CODE = {
    "end": "start + k",
    "reset": "carried = np.zeros(h_0.shape)",
    "next": "states[-1]",
}
BUGS = (
    Bug(
        "every chunk begins with h_0",
        "The loss is wrong too, and it needs no gradient. Follow the state: what does the first step of the second "
        "chunk get?",
        "The program cut the state together with the gradient. Every chunk has to begin with the state in which the "
        "one before ended; only the gradient stops there.",
        TANH,
        {"next": "h_0"},
        begin=lambda h_0, states, carried: h_0,
    ),
    Bug(
        "a chunk begins with what the walk back of the chunk before has left",
        "The loss is right, so the states are. What does `carried` hold when the walk back through the second chunk "
        "begins?",
        "The program let the gradient that left the first step of one chunk arrive at the last step of the next. That "
        "is the wrong way round in time, and a truncated gradient crosses no boundary at all: each walk begins with "
        "nothing.",
        LOGISTIC,
        {"reset": "# the walk back"},
        keep_carried=True,
    ),
    Bug(
        "the step at the boundary belongs to two chunks",
        "Your loss adds up more than T steps. Which step is run by two chunks?",
        "The program's chunks were one step longer than the distance from one start to the next, so that the first "
        "step of each chunk was also the last of the one before, and its loss counted twice.",
        SOFTSIGN,
        {"end": "start + k + 1"},
        length=lambda k: k + 1,
    ),
    Bug(
        "the state is carried from one step too early",
        "The first chunk is right, the second is not, and neither is its loss. Which state does it begin with?",
        "The program carried the last state but one, so that the last step of a chunk had no part in what follows.",
        ARCTAN,
        {"next": "states[-2]"},
        begin=lambda h_0, states, carried: states[-2],
    ),
)
OTHER_BUGS = (
    Bug(
        "a chunk begins with the first state of the chunk before",
        "With k = 1 yours is right. Which state does `h` hold when the walk back has ended: that of the chunk's last "
        "step, or of its first?",
        begin=lambda h_0, states, carried: states[1],
    ),
    Bug(
        "the gradient is handed on as a state",
        "`carried` is a gradient, and goes back in time; nothing of it should enter the next chunk. Which state does "
        "the next chunk begin with?",
        begin=lambda h_0, states, carried: carried,
    ),
    Bug(
        "every chunk begins with zeros",
        "The loss is wrong too, and it needs no gradient. With which state does the second chunk begin?",
        begin=lambda h_0, states, carried: np.zeros_like(h_0),
    ),
    Bug(
        "only the last chunk counts",
        "The loss is right. Which chunks have added something to dW_hh when the program ends?",
        only_last=True,
    ),
    Bug(
        "nothing is carried back within a chunk",
        "Inside a chunk the walk back is the whole BPTT. With k = 1 yours is right; what is missing when k is larger?",
        cut=True,
    ),
    Bug(
        "the weight is paired with the state of the same step",
        "W_hh at a step multiplied a state. Which of the states of the chunk is that?",
        before=False,
    ),
)


@exercise(
    "bug-truncation",
    chapter="truncated-backpropagation",
    name="chunked",
    title="Find the bug: at the boundary of two chunks",
    kind="repair",
    ask={"bug": BUGS},
)
def bug_truncation(rng: np.random.Generator, bug: Bug) -> Key:
    f = bug.f

    def runs(bug):
        return lambda x, d, W_xh, W_hh, h_0, k: bug.run(f, x, d, W_xh, W_hh, h_0, k)

    def states_of(x, W_xh, W_hh, h_0):
        h = [h_0]
        for x_t in x:
            h.append(f.apply(x_t @ W_xh.T + h[-1] @ W_hh.T))
        return np.array(h)

    def all_states_first(x, d, W_xh, W_hh, h_0, k):
        """The whole sequence forwards, then one walk back that forgets what it carries at each boundary."""
        T, h = len(x), states_of(x, W_xh, W_hh, h_0)
        error, slope, dW_hh = h[1:] - d, f.slope(h), np.zeros_like(W_hh)
        carried = np.zeros_like(h_0)
        for t in range(T, 0, -1):
            if t % k == 0:
                carried = np.zeros_like(h_0)
            da = (error[t - 1] + carried) * slope[t]
            dW_hh += np.einsum("bi,bj->ij", da, h[t - 1])
            carried = da @ W_hh
        return 0.5 * (error**2).sum(), dW_hh

    def by_pairs(x, d, W_xh, W_hh, h_0, k):
        """The sum over paths, of which the pairs within a chunk are kept."""
        T, h = len(x), states_of(x, W_xh, W_hh, h_0)
        error, slope, dW_hh = h[1:] - d, f.slope(h), np.zeros_like(W_hh)
        for t in range(1, T + 1):
            arriving = error[t - 1]
            for step in range(t, 0, -1):
                if (step - 1) // k == (t - 1) // k:
                    dW_hh += (arriving * slope[step]).T @ h[step - 1]
                arriving = (arriving * slope[step]) @ W_hh
        return float((error**2).sum() / 2), dW_hh

    def uncut(x, d, W_xh, W_hh, h_0, k):
        return by_pairs(x, d, W_xh, W_hh, h_0, len(x))

    sizes = (
        ("two chunks of two steps", 4, 1, 1, 2, 2),
        ("T = 1", 1, 2, 2, 3, 2),
        ("k = 1", 3, 2, 1, 2, 1),
        ("H = 1", 6, 2, 2, 1, 3),
        ("the last chunk is shorter", 8, 3, 2, 3, 3),
        ("one chunk for all", 4, 2, 2, 2, 6),
    )
    return Key(
        answer=runs(Bug("", "")),
        also_right=(all_states_first, by_pairs),
        returns=("loss", "dW_hh"),
        axes={"dW_hh": "H H"},
        words={
            "f": f.formula,
            "activation": f.code,
            "slope": f.slope_code,
            "why": bug.why,
            **RIGHT_CODE,
            **bug.code,
        },
        cases=tuple(
            Case(
                name,
                {
                    "x": normal(rng, T, B, I),
                    "d": normal(rng, T, B, H),
                    "W_xh": normal(rng, H, I),
                    "W_hh": normal(rng, H, H),
                    "h_0": normal(rng, B, H),
                    "k": k,
                },
            )
            for name, T, B, I, H, k in sizes
        ),
        hints=(
            "Is the loss right? If it is, the states are, and the bug is in the walk back. If it is not, do not look "
            "at the gradient yet.",
            "With one chunk for all the program is right. So look at what goes from one chunk to the next, and at "
            "what should: the state goes on, the gradient does not, and each step belongs to one chunk.",
            "Take T = 4 and k = 2, and write down for each chunk: the state it begins with, the steps it runs, and "
            "what `carried` is when its walk back begins.",
        ),
        misconceptions=(
            Misconception(
                "the bug is still in it",
                "These are the numbers of the program as it was given. Where all is one chunk they are right. What "
                "goes from one chunk to the next, and what should?",
                runs(bug),
            ),
            *(Misconception(other.name, other.hint, runs(other)) for other in (*BUGS, *OTHER_BUGS) if other is not bug),
            Misconception(
                "the gradient is not cut",
                "This is the gradient of the whole sequence. What a chunk's first step sends back must not reach the "
                "chunk before.",
                uncut,
            ),
        ),
    )
