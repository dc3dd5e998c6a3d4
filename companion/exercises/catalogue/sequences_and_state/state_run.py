"""A linear state-space model over a sequence."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "state-run",
    chapter="sequences-and-state",
    name="simulate",
    title="A linear state-space model over a sequence",
    kind="implement",
    ask={"reads": ("h_t", "h_{t-1}"), "rule": ("replace", "add")},
)
def simulate(rng: np.random.Generator, reads: str, rule: str) -> Key:
    late, adds = reads == "h_{t-1}", rule == "add"

    def walk(W_xh, W_hh, W_hy, x, h_0, before=lambda h, t: h[t - 1], given=lambda x, t: x[t - 1]):
        h = [h_0]
        for t in range(1, len(x) + 1):
            update = W_xh @ given(x, t) + W_hh @ before(h, t)
            h.append(before(h, t) + update if adds else update)
        return np.array(h)

    def read_out(W_hy, h):
        return (h[:-1] if late else h[1:]) @ W_hy.T

    def answer(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0)
        return h, read_out(W_hy, h)

    def filled(W_xh, W_hh, W_hy, x, h_0):
        h, y = np.empty((len(x) + 1, len(h_0))), np.empty((len(x), len(W_hy)))
        h[0] = h_0
        for t in range(len(x)):
            h[t + 1] = x[t] @ W_xh.T + h[t] @ W_hh.T + (h[t] if adds else 0)
            y[t] = W_hy @ h[t if late else t + 1]
        return h, y

    def by_powers(W_xh, W_hh, W_hy, x, h_0):
        A = W_hh + np.eye(len(h_0)) * adds
        power = np.linalg.matrix_power
        h = np.array(
            [
                power(A, t) @ h_0 + sum((power(A, t - s) @ W_xh @ x[s - 1] for s in range(1, t + 1)), 0 * h_0)
                for t in range(len(x) + 1)
            ]
        )
        return h, read_out(W_hy, h)

    def from_zero(W_xh, W_hh, W_hy, x, h_0):
        return answer(W_xh, W_hh, W_hy, x, np.zeros_like(h_0))

    def not_carried(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0, before=lambda h, t: h[0])
        return h, read_out(W_hy, h)

    def inputs_late(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0, given=lambda x, t: x[t - 2] if t > 1 else 0 * x[0])
        return h, read_out(W_hy, h)

    def other_read_out(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0)
        return h, (h[1:] if late else h[:-1]) @ W_hy.T

    def other_rule(W_xh, W_hh, W_hy, x, h_0):
        unit = np.eye(len(h_0))
        return answer(W_xh, W_hh - unit if adds else W_hh + unit, W_hy, x, h_0)

    def bent(W_xh, W_hh, W_hy, x, h_0):
        h = [h_0]
        for x_t in x:
            update = np.tanh(W_xh @ x_t + W_hh @ h[-1])
            h.append(h[-1] + update if adds else update)
        return np.array(h), read_out(W_hy, np.array(h))

    def last_row_empty(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0)
        h[-1] = 0
        return h, read_out(W_hy, h)

    def row_0_empty(W_xh, W_hh, W_hy, x, h_0):
        h = walk(W_xh, W_hh, W_hy, x, h_0)
        h[0] = 0
        return h, read_out(W_hy, h)

    def inputs_in_a_ring(W_xh, W_hh, W_hy, x, h_0):
        return answer(W_xh, W_hh, W_hy, np.roll(x, 1, axis=0), h_0)

    def without_row_0(W_xh, W_hh, W_hy, x, h_0):
        h, y = answer(W_xh, W_hh, W_hy, x, h_0)
        return h[1:], y

    return Key(
        answer=answer,
        also_right=(filled, by_powers),
        returns=("h", "y"),
        axes={"h": "T+1 H", "y": "T O"},
        words={
            "update": r"W_{xh}\, x_t + W_{hh}\, h_{t-1}" if not adds else r"h_{t-1} + W_{xh}\, x_t + W_{hh}\, h_{t-1}",
            "code": "W_xh @ x[t - 1] + W_hh @ h[t - 1]" + (" + h[t - 1]" if adds else ""),
            "rows": "h[:-1]" if late else "h[1:]",
            "which": "the state that the step started from" if late else "the state that the step has just made",
        },
        cases=each_size(
            lambda s: {
                "W_xh": normal(rng, s.H, s.I),
                "W_hh": normal(rng, s.H, s.H, scale=0.4),
                "W_hy": normal(rng, s.O, s.H),
                "x": normal(rng, s.T, s.I),
                "h_0": normal(rng, s.H),
            }
        )[:5],
        hints=(
            "Keep the states in a list that begins with h_0; then h[t - 1] is there when you need it.",
            "The inputs have T rows and the states T + 1: x_t is row t − 1 of x, h_t is row t of h.",
            "The outputs need no loop: all rows of h that are read at once, times the transpose of W_hy.",
        ),
        misconceptions=(
            Misconception(
                "h_0 is not used",
                "The argument h_0 is the state before the first step. Is it zero? With what does your array or list "
                "begin?",
                from_zero,
            ),
            Misconception(
                "the state is not carried on",
                "Step 2 starts from the state that step 1 made. What does your step 2 start from?",
                not_carried,
            ),
            Misconception(
                "W_hh is transposed",
                "W_hh is square, so no shape complains. Rows belong to the units that are computed. Check one entry.",
                lambda W_xh, W_hh, W_hy, x, h_0: answer(W_xh, W_hh.T, W_hy, x, h_0),
            ),
            Misconception(
                "the inputs come one step late",
                "Step 1 reads x_1, which is row 0 of x. Which row does your first step read?",
                inputs_late,
            ),
            Misconception(
                "the inputs come one step late, and the last one comes first",
                "Step 1 reads x_1, which is row 0 of x. Row −1, which your first step reads, is the last.",
                inputs_in_a_ring,
            ),
            Misconception(
                "a tanh, where nothing is bent",
                "This model is linear. Look at the formula of h_t: is there an activation in it?",
                bent,
            ),
            Misconception(
                "the last row of the states is never filled",
                "T steps fill the rows 1 to T. Where does your range end?",
                last_row_empty,
            ),
            Misconception(
                "row 0 of the states is left empty",
                "The steps are right, but row 0 is not h_0. Where do you put it?",
                row_0_empty,
            ),
            Misconception(
                "the outputs read the wrong state",
                "Compare the index of h in the formula of y_t with the rows that you read.",
                other_read_out,
            ),
            Misconception(
                "the old state is missing from the sum" if adds else "the old state is added once more",
                "Count how often h_{t-1} stands in the formula of h_t: with W_hh before it, and without.",
                other_rule,
            ),
            Misconception(
                "row 0 is left out of the states",
                "h is returned with T + 1 rows, and row 0 is h_0.",
                without_row_0,
            ),
        ),
    )
