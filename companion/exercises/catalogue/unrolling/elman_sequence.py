"""An Elman network over a batch of sequences."""

from __future__ import annotations

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_activation as other_activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "elman-sequence",
    chapter="unrolling",
    name="elman",
    title="An Elman network over a batch of sequences",
    kind="implement",
    ask={"f": ACTIVATIONS, "first": ("time", "batch")},
)
def sequence(rng: np.random.Generator, f: Activation, first: str) -> Key:
    turned = first == "batch"

    def laid(function):
        """A function with time first, for this layout."""

        def batch_first(W_xh, W_hh, b_h, x, h_0):
            return np.ascontiguousarray(function(W_xh, W_hh, b_h, x.swapaxes(0, 1), h_0).swapaxes(0, 1))

        return batch_first if turned else function

    def walk(W_xh, W_hh, b_h, x, h_0, before=lambda h, a: h[-1], apply=f.apply):
        h, a = [h_0], [h_0]
        for x_t in x:
            a.append(x_t @ W_xh.T + before(h, a) @ W_hh.T + b_h)
            h.append(apply(a[-1]))
        return np.array(h)

    def projected_first(W_xh, W_hh, b_h, x, h_0):
        h = np.concatenate([h_0[None], np.einsum("tbi,hi->tbh", x, W_xh)])
        for t in range(1, len(h)):
            h[t] = f.apply(h[t] + h[t - 1] @ W_hh.T + b_h)
        return h

    def one_by_one(W_xh, W_hh, b_h, x, h_0):
        h = np.empty((len(x) + 1, *h_0.shape))
        for b in range(len(h_0)):
            h[0, b] = h_0[b]
            for t in range(1, len(x) + 1):
                h[t, b] = f.apply(W_xh @ x[t - 1, b] + W_hh @ h[t - 1, b] + b_h)
        return h

    def bias_once(W_xh, W_hh, b_h, x, h_0):
        start = walk(W_xh, W_hh, b_h, x[:1], h_0)
        return np.concatenate([start, walk(W_xh, W_hh, 0 * b_h, x[1:], start[1])[1:]])

    def inputs_late(W_xh, W_hh, b_h, x, h_0):
        return walk(W_xh, W_hh, b_h, np.concatenate([0 * x[:1], x[:-1]]), h_0)

    def inputs_in_a_ring(W_xh, W_hh, b_h, x, h_0):
        return walk(W_xh, W_hh, b_h, np.roll(x, 1, axis=0), h_0)

    def inputs_early(W_xh, W_hh, b_h, x, h_0):
        """for t in range(1, T): h[t] = … x[t] …"""
        return np.concatenate([walk(W_xh, W_hh, b_h, x[1:], h_0), 0 * h_0[None]])

    def with_row(row, value):
        def wrong(W_xh, W_hh, b_h, x, h_0):
            h = walk(W_xh, W_hh, b_h, x, h_0)
            h[row] = value
            return h

        return wrong

    def first_step_from_zero(W_xh, W_hh, b_h, x, h_0):
        return np.concatenate([h_0[None], walk(W_xh, W_hh, b_h, x, 0 * h_0)[1:]])

    def one_for_all(W_xh, W_hh, b_h, x, h_0):
        return walk(W_xh, W_hh, b_h, x, np.broadcast_to(h_0[:1], h_0.shape))

    def make(s):
        x = normal(rng, s.T, s.B, s.I)
        return {
            "W_xh": normal(rng, s.H, s.I),
            "W_hh": normal(rng, s.H, s.H),
            "b_h": normal(rng, s.H),
            "x": x.swapaxes(0, 1).copy() if turned else x,
            "h_0": normal(rng, s.B, s.H),
        }

    return Key(
        answer=laid(walk),
        also_right=(laid(projected_first), laid(one_by_one)),
        axes={"result": "B T+1 H" if turned else "T+1 B H"},
        words={
            "f": f.formula,
            "code": f.code,
            "x": "(B, T, I)" if turned else "(T, B, I)",
            "h": "(B, T + 1, H)" if turned else "(T + 1, B, H)",
            "order": "the batch on the first axis and time on the second, as `nn.RNN` of PyTorch has it with "
            "`batch_first=True`"
            if turned
            else "time on the first axis and the batch on the second, as everywhere in this course",
            "x_t": "x[:, t - 1]" if turned else "x[t - 1]",
            "h_t": "h[:, t]" if turned else "h[t]",
            "steps": "x.shape[1]" if turned else "x.shape[0]",
            "axis": "1" if turned else "0",
        },
        cases=each_size(make),
        hints=(
            "Begin a list of states with h_0. Each step reads the last entry of the list and appends a new one.",
            f"x_t is {'x[:, t - 1]' if turned else 'x[t - 1]'}, of shape (B, I). The step itself is that of "
            "elman-step, with one sequence a row.",
            f"The list holds T + 1 arrays (B, H); np.stack with axis={int(turned)} puts them into one array.",
        ),
        misconceptions=(
            Misconception(
                "the initial state is taken as zero",
                "Row 0 of the result is h_0, and step 1 reads it. Where does h_0 enter your code?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, 0 * h_0)),
            ),
            Misconception(
                "the row of h_0 is left empty",
                "All steps are right. The result begins with h_0: where do you put it?",
                laid(with_row(0, 0)),
            ),
            Misconception(
                "step 1 does not read h_0",
                "h_0 stands in the result, but step 1 starts from zero. Which state does it read?",
                laid(first_step_from_zero),
            ),
            Misconception(
                "the last row is never filled",
                "T steps make the states 1 to T. Where does your range end?",
                laid(with_row(-1, 0)),
            ),
            Misconception(
                "the bias is missing",
                "With inputs and states zero, a state should be the activation of something. Of what?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, 0 * b_h, x, h_0)),
            ),
            Misconception(
                "the activation is missing",
                "Your states are pre-activations. What turns one into a state, before the next step reads it?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, apply=np.copy)),
            ),
            other_activation(
                f, lambda g: laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, apply=g.apply))
            ),
            Misconception(
                "h_0 is left out of the result",
                "T steps make T states, and one more was there before. The result holds them all.",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0)[1:]),
            ),
            Misconception(
                "every step starts from h_0",
                "Step 1 is right. Which state does step 2 read in your loop?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, lambda h, a: h[0])),
            ),
            Misconception(
                "the state of two steps ago",
                "Step 1 is right, and step 2 reads what step 1 read. When is the old state replaced by the new one?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, lambda h, a: h[max(len(h) - 2, 0)])),
            ),
            Misconception(
                "W_hh is transposed",
                "W_hh is square, so no shape complains. Row j of W_hh makes unit j: check one entry by hand.",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh.T, b_h, x, h_0)),
            ),
            Misconception(
                "the pre-activation is handed on",
                "Step 1 is right. Which of the two goes into step 2: the number before the activation, or after it?",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, lambda h, a: a[-1])),
            ),
            Misconception(
                "the bias is added in the first step only",
                "Step 1 is right. Which weights does step 2 use? All the steps share all of them.",
                laid(bias_once),
            ),
            Misconception(
                "the inputs come one step late",
                f"Step 1 reads x_1, and that is {'x[:, 0]' if turned else 'x[0]'}.",
                laid(inputs_late),
            ),
            Misconception(
                "the inputs come one step late, and the last one comes first",
                f"Step 1 reads x_1, and that is {'x[:, 0]' if turned else 'x[0]'}. The index −1, which your first step "
                "uses, is the last.",
                laid(inputs_in_a_ring),
            ),
            Misconception(
                "the inputs come one step early",
                f"Step 1 reads x_1, and that is {'x[:, 0]' if turned else 'x[0]'}. The last row is not filled either: "
                "how many steps does your loop make?",
                laid(inputs_early),
            ),
            Misconception(
                "all sequences start from the first one's state",
                "h_0 has a row for every sequence. Look at what the second sequence starts from.",
                laid(one_for_all),
            ),
        ),
    )
