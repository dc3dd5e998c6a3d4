"""Exercises on sequences and state: the shapes of a state-space model, one step of it, and a run over a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise


def _draw_sizes(rng: np.random.Generator) -> Size:
    T, B, I, H, O = (int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))
    return Size("a cohort's", T=T, B=B, I=I, H=H, O=O)  # odd, so that neither T + 1 nor I + H is one of them


def shape_text(value: Any) -> str:
    """A shape as NumPy writes it, however it was handed in: as tuple, list or array."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        numbers = [shape_text(item) for item in value]
        return f"({numbers[0]},)" if len(numbers) == 1 else f"({', '.join(numbers)})"
    is_number = isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "if"
    )
    return f"{float(value):g}" if is_number else "no number"


def shapes_by_name(names: Sequence[str]) -> Callable[[Any, Any], dict[str, str | int]]:
    """A view for answers that are a tuple of shapes: a wrong shape is wrong as a whole, not number by number."""

    def view(arguments: Any, returned: Any) -> dict[str, str | int]:
        given = (
            list(returned)
            if isinstance(returned, list | tuple) or (isinstance(returned, np.ndarray) and returned.ndim)
            else []
        )
        shapes = [shape_text(item) for item in given[: len(names)]]
        missing = ["missing"] * (len(names) - len(shapes))
        return {"the number of shapes": len(given), **dict(zip(names, shapes + missing, strict=True))}

    return view


@exercise(
    "state-shapes",
    chapter="sequences-and-state",
    name="shapes",
    title="The shapes of a batch",
    kind="predict",
    ask={"sizes": Drawn(Size("the book's", T=6, B=4, I=3, H=5, O=2), _draw_sizes)},
)
def shapes(rng: np.random.Generator, sizes: Size) -> Key:
    T, B, I, H, O = sizes.T, sizes.B, sizes.I, sizes.H, sizes.O
    right = {"W": (H, I + H), "rows": (B, I + H), "b_h": (H,), "h": (T + 1, B, H), "y": (T, B, O)}

    def but(**wrong):
        return tuple((right | wrong).values())

    return Key(
        answer=but(),
        also_right=(
            [list(shape) for shape in right.values()],
            tuple(np.array(shape) for shape in right.values()),
        ),
        view=shapes_by_name(list(right)),
        words={"T": str(T), "B": str(B), "I": str(I), "H": str(H), "O": str(O)},
        hints=(
            "Write down the shape of everything that is used to make an array before you write its own.",
            "Side by side means that the columns are added up: what stays is the number of rows.",
            "A product (m, n) @ (n, k) is (m, k). In rows @ W.T the n must be what a row holds: input and state.",
            "The state exists before the first step; an output does not.",
        ),
        misconceptions=(
            Misconception(
                "the weights lie the other way round",
                "A weight matrix has a row for each unit it feeds and a column for each number it reads. Look at W, "
                "and at the transpose in rows @ W.T.",
                but(W=(I + H, H)),
            ),
            Misconception(
                "the sequences stand in columns",
                "In a batch each sequence is a row. How many rows has x_t, and does putting h_{t-1} beside it add any?",
                but(rows=(I + H, B)),
            ),
            Misconception(
                "the initial state has no row",
                "The array h holds the state after every step, and one more: the notes before anything was read.",
                but(h=(T, B, H)),
            ),
            Misconception(
                "outputs counted like states",
                "Is there an output before the first input? Count the rows of y again.",
                but(y=(T + 1, B, O)),
            ),
            Misconception(
                "the sequences come before time",
                "The statement puts time on the first axis of h and y, the sequences on the second.",
                but(h=(B, T + 1, H), y=(B, T, O)),
            ),
            Misconception(
                "one state for all sequences",
                "Two sequences read different inputs. Can they share their notes? Look at the axes of h.",
                but(h=(T + 1, H)),
            ),
            Misconception(
                "a bias for every sequence",
                "Weights and biases belong to the network. Do they grow when it reads more sequences? Look at b_h.",
                but(b_h=(B, H)),
            ),
            Misconception(
                "a bias for every number that is read",
                "The bias is added to rows @ W.T. What does a row hold after the product?",
                but(b_h=(I + H,)),
            ),
            Misconception(
                "the bias as a column",
                "The statement says what shape a vector of 8 numbers has. Is b_h more than a vector of H numbers?",
                but(b_h=(H, 1)),
            ),
            Misconception(
                "the bias as a row",
                "The statement says what shape a vector of 8 numbers has. Is b_h more than a vector of H numbers?",
                but(b_h=(1, H)),
            ),
            Misconception(
                "a number in place of a shape",
                "(8) is the number 8; a tuple of one number has a comma, (8,). Look at the shape of b_h.",
                but(b_h=H),
            ),
            Misconception(
                "W holds the recurrent weights alone",
                "W is made of two matrices that stand side by side. How many columns have they together?",
                but(W=(H, H)),
            ),
            Misconception(
                "outputs as long as states",
                "An output of one step holds O numbers. What is the last axis of y?",
                but(y=(T, B, H)),
            ),
        ),
    )


@dataclass(frozen=True)
class _Reply:
    """What a machine puts out, from the state before, the input and the state after; and how people get it wrong.

    ``says`` is what the output tells, as the end of a sentence.
    """

    formula: str
    code: str
    says: str
    of: Callable[[Any, Any, Any], Any]
    slip: str
    hint: str
    wrongly: Callable[[Any, Any, Any], Any]


_REPLIES = (
    _Reply(
        "x_t - h_{t-1}",
        "x_t - h_before",
        "how much busier this minute is than those before it",
        lambda before, x, after: x - before,
        "compared with the new state",
        "The output compares the input with the notes from before it was read. Which state do you subtract?",
        lambda before, x, after: x - after,
    ),
    _Reply(
        "(x_t - h_{t-1})^2",
        "(x_t - h_before) ** 2",
        "how unusual this minute is, be it busy or quiet",
        lambda before, x, after: (x - before) ** 2,
        "compared with the new state",
        "The output compares the input with the notes from before it was read. Which state do you subtract?",
        lambda before, x, after: (x - after) ** 2,
    ),
    _Reply(
        "h_t - h_{t-1}",
        "h_t - h_before",
        "by how much this minute has moved the mean",
        lambda before, x, after: after - before,
        "the change has the wrong sign",
        "When the state grows, the output is positive. Which of the two states is subtracted from which?",
        lambda before, x, after: before - after,
    ),
)


@exercise(
    "state-machine",
    chapter="sequences-and-state",
    name="machine",
    title="A fading mean as a state-space model",
    kind="implement",
    ask={"keep": (0.9, 0.8, 0.75, 0.6), "reply": _REPLIES},
)
def machine(rng: np.random.Generator, keep: float, reply: _Reply) -> Key:
    def with_state(update):
        def step(h_before, x_t):
            h_t = update(h_before, x_t)
            return h_t, reply.of(h_before, x_t, h_t)

        return step

    def answer(h_before, x_t):
        h_t = keep * h_before + (1 - keep) * x_t
        return h_t, reply.of(h_before, x_t, h_t)

    def moved_towards(h_before, x_t):
        h_t = h_before + (1 - keep) * (x_t - h_before)
        return h_t, reply.of(h_before, x_t, h_t)

    def averaged(h_before, x_t):
        h_t = np.average(np.stack([h_before, x_t]), axis=0, weights=[keep, 1 - keep])
        return h_t, reply.of(h_before, x_t, h_t)

    def misread(h_before, x_t):
        h_t = answer(h_before, x_t)[0]
        return h_t, reply.wrongly(h_before, x_t, h_t)

    return Key(
        answer=answer,
        also_right=(moved_towards, averaged),
        returns=("h_t", "y_t"),
        axes={"h_t": "H", "y_t": "H"},
        words={
            "keep": f"{keep:g}",
            "new": f"{1 - keep:g}",
            "formula": reply.formula,
            "reply": reply.code,
            "says": reply.says,
        },
        cases=(
            Case("two numbers", {"h_before": 1.0, "x_t": 3.0}),
            Case("nothing read so far", {"h_before": 0.0, "x_t": 2.0}),
            Case("an input of zero", {"h_before": 2.0, "x_t": 0.0}),
            Case("negative numbers", {"h_before": -1.0, "x_t": -0.25}),
            Case("three units", {"h_before": normal(rng, 3), "x_t": normal(rng, 3)}),
        ),
        hints=(
            "Two things are returned: what the next step will need, and what is answered now.",
            "The new state mixes the state before with the input. The two shares add up to 1.",
            "Compute h_t and give it a name. For the output, go through its formula symbol by symbol: x_t and h_before "
            "are the arguments, and h_t has just been computed.",
        ),
        misconceptions=(
            Misconception(
                "the two shares are exchanged",
                "Which of the two, old state or input, has the larger share in the statement?",
                with_state(lambda h, x: (1 - keep) * h + keep * x),
            ),
            Misconception(
                "a plain sum, nothing fades",
                "Feed the input 1 a hundred times: a mean stays near 1. Where does your state go?",
                with_state(lambda h, x: h + x),
            ),
            Misconception(
                "the input has no share of its own",
                "Look at the factor before x_t. Do the two factors add up to 1?",
                with_state(lambda h, x: keep * h + x),
            ),
            Misconception(
                "the old state does not fade",
                "Look at the factor before h_{t-1}. Do the two factors add up to 1?",
                with_state(lambda h, x: h + (1 - keep) * x),
            ),
            Misconception(
                "the old state is handed on",
                "The first returned value is what the next step receives. Is it the state after x_t?",
                lambda h_before, x_t: (h_before, answer(h_before, x_t)[1]),
            ),
            Misconception(
                "the state is returned as the output too",
                "The first value is right. The second is another number: what does the formula of y_t say?",
                lambda h_before, x_t: (answer(h_before, x_t)[0],) * 2,
            ),
            Misconception(reply.slip, reply.hint, misread),
        ),
    )


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
