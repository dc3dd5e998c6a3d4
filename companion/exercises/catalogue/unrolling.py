"""Exercises on unrolling: shapes and numbers of a forward pass, softmax, one step, and the walk over a sequence."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, LOGISTIC, TANH, Activation
from companion.exercises.catalogue.sequences_and_state import shapes_by_name
from companion.exercises.inputs import Size, each_size, normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise
from companion.functions import softmax as softmax_of_the_course


def _draw_sizes(rng: np.random.Generator) -> Size:
    T, B, I, H, O = (int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))
    return Size("a cohort's", T=T, B=B, I=I, H=H, O=O)  # odd, so that none of them is T + 1


@exercise(
    "unroll-shapes",
    chapter="unrolling",
    name="shapes",
    title="The shapes of slices, products and sums",
    kind="predict",
    ask={"sizes": Drawn(Size("the book's", T=8, B=4, I=5, H=6, O=3), _draw_sizes)},
)
def shapes(rng: np.random.Generator, sizes: Size) -> Key:
    T, B, I, H, O = sizes.T, sizes.B, sizes.I, sizes.H, sizes.O
    right = {"1": (B, H), "2": (T, I), "3": (T, B, H), "4": (T, B, O), "5": (T, B)}

    def but(**wrong):
        return tuple((right | {name.removeprefix("line_"): shape for name, shape in wrong.items()}).values())

    return Key(
        answer=but(),
        also_right=(
            [list(shape) for shape in right.values()],
            tuple(np.array(shape) for shape in right.values()),
        ),
        view=shapes_by_name([f"shape {name}" for name in right]),
        words={"T": str(T), "B": str(B), "I": str(I), "H": str(H), "O": str(O)},
        hints=(
            "Write the shape of the array before the brackets, axis by axis. A single index removes its axis, a slice "
            "with a colon keeps it.",
            "h has one row more than x. A slice that leaves out one of its rows, at either end, has as many rows as x.",
            "A product with (H, H) or (O, H) transposed acts on the last axis alone; the axes before it stay.",
            "A sum over an axis removes that axis. Axis −1 is the last.",
        ),
        misconceptions=(
            Misconception(
                "a single index keeps its axis",
                "Compare h[-1] with h[-1:]. Which of the two still has an axis for time?",
                but(line_1=(1, B, H), line_2=(T, 1, I)),
            ),
            Misconception(
                "h has no row for h_0",
                "h has T + 1 rows. How many are left when the first or the last one is left out?",
                but(line_3=(T - 1, B, H), line_4=(T - 1, B, O)),
            ),
            Misconception(
                "a slice keeps all the rows",
                "h[1:] starts at row 1 and h[:-1] stops before the last. Is each of them as long as h?",
                but(line_3=(T + 1, B, H), line_4=(T + 1, B, O)),
            ),
            Misconception(
                "step and sequence exchanged",
                "In x[:, 0] the colon stands for all of the first axis. Is that axis time, or the batch?",
                but(line_2=(B, I)),
            ),
            Misconception(
                "the last state of one sequence",
                "h[-1] takes one row of the first axis, and leaves the others as they are. Which axes has it?",
                but(line_1=(H,)),
            ),
            Misconception(
                "the last sequence in place of the last state",
                "In h[-1] the index stands on the first axis. Is that axis time, or the batch?",
                but(line_1=(T + 1, H)),
            ),
            Misconception(
                "the sum runs over the sequences",
                "Which axis has the number −1? That one is summed away, and the others stay.",
                but(line_5=(T, O)),
            ),
            Misconception(
                "the sum runs over time",
                "Which axis has the number −1? That one is summed away, and the others stay.",
                but(line_5=(B, O)),
            ),
            Misconception(
                "the summed axis is kept",
                "Without keepdims=True, a sum over an axis leaves no axis of length 1 behind.",
                but(line_5=(T, B, 1)),
            ),
            Misconception(
                "the output layer changes nothing",
                "W_hy.T is (H, O). What does a product with it make of a last axis of length H?",
                but(line_4=(T, B, H)),
            ),
        ),
    )


@dataclass(frozen=True)
class _Tiny:
    """A network of two units and one input, with two inputs to read."""

    W_xh: tuple[float, ...]  # its only column
    W_hh: tuple[tuple[float, ...], ...]
    b_h: tuple[float, ...]
    x: tuple[float, ...]
    h_0: tuple[float, ...]

    def run(
        self,
        *,
        own=False,
        transposed=False,
        memory=1,
        zero=False,
        bent=True,
        bias=1,
        bias_once=False,
        stale=False,
        raw=False,
        late=1,
    ):
        """a_1, h_1, a_2 and h_2; the options are mistakes that can be made."""
        W_hh = np.array(self.W_hh).T if transposed else np.array(self.W_hh)
        W_hh = W_hh * np.eye(2) if own else W_hh
        W_xh, b_h, h_0 = np.array(self.W_xh), np.array(self.b_h) * bias, np.array(self.h_0) * (not zero)
        g = np.tanh if bent else np.copy
        a_1 = W_xh * self.x[0] + memory * W_hh @ h_0 + b_h
        h_1 = g(a_1)
        read = h_0 if stale else a_1 if raw else h_1
        a_2 = W_xh * self.x[late] + memory * W_hh @ read + b_h * (not bias_once)
        return a_1, h_1, a_2, g(a_2)

    def states(self, **mistake):
        _, h_1, _, h_2 = self.run(**mistake)
        return (tuple(h_1.tolist()), tuple(h_2.tolist()))


_SLIPS = (
    (
        "W_hh is transposed",
        "The first row of W_hh belongs to the first unit: it multiplies h_{t-1} entry by entry, and the products are "
        "added. Did you go down a column?",
        {"transposed": True},
    ),
    (
        "each unit hears only itself",
        "A row of W_hh holds a weight for each unit of the state before. How many products are there in a row?",
        {"own": True},
    ),
    (
        "the state before is left out",
        "Each pre-activation is a sum of three terms. Which of them brings in h_{t-1}?",
        {"memory": 0},
    ),
    (
        "h_0 is taken as zero",
        "Look at h_0 in the statement. What does W_hh make of it in step 1?",
        {"zero": True},
    ),
    (
        "the tanh is missing",
        "A state lies between −1 and 1. You have the pre-activations; what comes after them?",
        {"bent": False},
    ),
    (
        "the bias is missing",
        "Each pre-activation is a sum of three terms. Which of them does not depend on the input or the state?",
        {"bias": 0},
    ),
    (
        "x_1 is read twice",
        "h_1 is right. Which input does step 2 read?",
        {"late": 0},
    ),
    (
        "the bias is added in step 1 only",
        "The bias is a weight like the others: shared by all steps. Look at the sum of step 2.",
        {"bias_once": True},
    ),
    (
        "step 2 starts from h_0",
        "h_1 is right. Which state does step 2 multiply by W_hh?",
        {"stale": True},
    ),
    (
        "step 2 reads a_1 in place of h_1",
        "h_1 is right. What is handed on to step 2: the number before the tanh, or the one after it?",
        {"raw": True},
    ),
)


def _draw_tiny(rng: np.random.Generator) -> _Tiny:
    """Numbers of one decimal for which no unit is saturated and all the slips can be told apart."""
    while True:
        W = rng.integers(1, 10, 6) * rng.choice([-1, 1], 6) / 10
        b = rng.permutation([-0.3, -0.2, -0.1, 0.1, 0.2, 0.3])[:2]
        x = rng.permutation([-2.0, -1.0, 1.0, 2.0])[:2]
        h_0 = rng.permutation([-1.0, -0.5, 0.5, 1.0])[:2]
        W_hh = (tuple(W[2:4].tolist()), tuple(W[4:].tolist()))
        tiny = _Tiny(tuple(W[:2].tolist()), W_hh, tuple(b.tolist()), tuple(x.tolist()), tuple(h_0.tolist()))
        found = np.array([tiny.states(), *(tiny.states(**mistake) for _, _, mistake in _SLIPS)])
        apart = all(np.abs(p - q).max() > 0.03 for p, q in itertools.combinations(found, 2))
        if apart and 0.1 < np.abs(found[0]).min() and np.abs(found[0]).max() < 0.93:
            return tiny


@exercise(
    "unroll-by-hand",
    chapter="unrolling",
    name="states",
    title="Two steps by hand",
    kind="predict",
    ask={
        "tiny": Drawn(
            _Tiny((0.5, -0.4), ((0.3, -0.6), (0.8, 0.2)), (0.1, -0.2), (1.0, 2.0), (0.5, -1.0)),
            _draw_tiny,
        )
    },
)
def by_hand(rng: np.random.Generator, tiny: _Tiny) -> Key:
    a_1, h_1, a_2, h_2 = tiny.run()

    def column(numbers):
        return r"\begin{bmatrix} " + r" \\ ".join(f"{number:g}" for number in numbers) + r" \end{bmatrix}"

    def rounded(numbers):
        return "(" + ", ".join(f"{number:.3f}" for number in numbers) + ")"

    return Key(
        answer=tiny.states(),
        also_right=(
            (tuple(h_1.round(3).tolist()), tuple(h_2.round(3).tolist())),
            [h_1, h_2],
            [h_1.tolist(), np.tanh(a_2.round(3)).round(3).tolist()],
        ),
        returns=("h_1", "h_2"),
        axes={"h_1": "H", "h_2": "H"},
        tolerance=2e-3,
        words={
            "W_xh": column(tiny.W_xh),
            "W_hh": r"\begin{bmatrix} "
            + r" \\ ".join(" & ".join(f"{number:g}" for number in row) for row in tiny.W_hh)
            + r" \end{bmatrix}",
            "b_h": column(tiny.b_h),
            "h_0": column(tiny.h_0),
            "x_1": f"{tiny.x[0]:g}",
            "x_2": f"{tiny.x[1]:g}",
            "a_1": rounded(a_1),
            "h_1": rounded(h_1),
            "a_2": rounded(a_2),
            "h_2": rounded(h_2),
        },
        hints=(
            "There is one input, so W_xh x_t is a column of two products: each weight times the same number.",
            "An entry of W_hh h_{t-1}: a row of W_hh times the state, entry by entry, added up.",
            "Work in the order a_1, h_1, a_2, h_2. Each a_t is a sum of three terms, and h_t is its tanh.",
        ),
        misconceptions=tuple(Misconception(name, hint, tiny.states(**mistake)) for name, hint, mistake in _SLIPS),
    )


@dataclass(frozen=True)
class _Base:
    """The base of the powers in a softmax: its number, its power as code and as formula."""

    number: float
    code: str
    formula: str


@exercise(
    "softmax-stable",
    chapter="unrolling",
    name="softmax",
    title="A softmax for large logits",
    kind="implement",
    ask={
        "base": (_Base(np.e, "np.exp(shifted)", "e"), _Base(2, "2.0**shifted", "2"), _Base(10, "10.0**shifted", "10")),
        "axis": (-1, 0),
    },
)
def softmax(rng: np.random.Generator, base: _Base, axis: int) -> Key:
    b, other = base.number, -1 - axis

    def without_warnings(function):
        def quiet(u):
            with np.errstate(all="ignore"):
                return function(u)

        return quiet

    def naive(u):
        e = b**u
        return e / e.sum(axis=axis, keepdims=True)

    def with_epsilon(u):
        e = b**u
        return e / (e.sum(axis=axis, keepdims=True) + 1e-8)

    def clipped(u):
        return naive(np.clip(u, -300, 300))

    def answer(u, along=axis):
        e = b ** (u - u.max(axis=along, keepdims=True))
        return e / e.sum(axis=along, keepdims=True)

    def through_logarithms(u):
        v = u * np.log(b)
        return np.exp(v - np.logaddexp.reduce(v, axis=axis, keepdims=True))

    def of_the_course(u):
        return np.moveaxis(softmax_of_the_course(np.moveaxis(u * np.log(b), axis, -1)), -1, axis)

    def one_by_one(u):
        return np.apply_along_axis(lambda v: b ** (v - max(v)) / sum(b ** (v - max(v))), axis, u)

    def one_largest(u):
        e = b ** (u - u.max())
        return e / e.sum(axis=axis, keepdims=True)

    def one_sum(u):
        e = b ** (u - u.max(axis=axis, keepdims=True))
        return e / e.sum()

    def mean_subtracted(u):
        return naive(u - u.mean(axis=axis, keepdims=True))

    def shifted_across(u):
        return naive(u - u.max(axis=other, keepdims=True))

    def smallest(u):
        return naive(u - u.min(axis=axis, keepdims=True))

    def largest_size(u):
        return naive(u - np.abs(u).max(axis=axis, keepdims=True))

    def one_of_each(u):
        e = b ** (u - u.max())
        return e / e.sum()

    def naive_with_one_sum(u):
        e = b**u
        return e / e.sum()

    def not_normalised(u):
        return b ** (u - u.max(axis=axis, keepdims=True))

    def laid(rows):
        return np.ascontiguousarray(np.moveaxis(np.array(rows, float), -1, axis))

    return Key(
        answer=answer,
        also_right=(through_logarithms, of_the_course, one_by_one),
        axes={"result": "O B" if axis == 0 else "B O"},
        words={
            "power": f"{base.formula}^{{u_k}}",
            "powers": f"{base.formula}^{{u_j}}",
            "shifted": f"{base.formula}^{{u_k - c}}",
            "factor": f"{base.formula}^{{-c}}",
            "name": "The softmax" if b == np.e else f"A softmax to base {base.formula}",
            "code": base.code,
            "base": base.formula,
            "which": "last" if axis == -1 else "first",
            "example": "(T, B, O)" if axis == -1 else "(O, T, B)",
        },
        cases=(
            Case("one vector", {"u": np.array([1.0, 2.0, 0.0])}),
            Case("a batch", {"u": laid([[0.5, -1.0, 2.0], [1.5, 0.0, 0.25]])}),
            Case("logits of ±2000", {"u": laid([[2000.0, 1999.0, 0.0], [-2000.0, -2001.0, -2003.0]])}),
            Case("a single class", {"u": laid([[3.0], [-2000.0], [0.0]])}),
            Case("a tie", {"u": np.array([2000.0, 2000.0, -2000.0])}),
            Case("all logits around −2000", {"u": np.array([-2000.0, -2001.0, -2003.0])}),
            Case("three axes", {"u": laid(normal(rng, 4, 3, 2, scale=2.0))}),
        ),
        hints=(
            "Adding the same number to all the logits of one distribution does not change it. Which number keeps every "
            "power finite, and at least one of them away from 0?",
            "After the largest logit is subtracted, the largest power is 1. Nothing overflows, and no sum is 0.",
            "Each distribution has a largest logit of its own. keepdims=True keeps an axis of length 1, so that shapes "
            "still fit when you subtract and divide.",
        ),
        misconceptions=tuple(
            Misconception(name, hint, without_warnings(wrong))
            for name, hint, wrong in (
                (
                    "the powers overflow",
                    f"Small logits come out right. What are {base.formula}^2000 and {base.formula}^−2000 in NumPy?",
                    naive,
                ),
                (
                    "a small number saves the sum from zero, not from infinity",
                    "Adding a small number to the sum hides 0/0 and changes the probabilities. Which shift of the "
                    "logits makes the sum at least 1?",
                    with_epsilon,
                ),
                (
                    "the logits are clipped",
                    "Two large logits that differ become equal when they are clipped, and so do their probabilities.",
                    clipped,
                ),
                (
                    "one largest logit for the whole array",
                    "Look at the second distribution of the case with ±2000: after your shift, where are its logits?",
                    one_largest,
                ),
                (
                    "the largest absolute value is subtracted",
                    "Where all logits are negative, your shift makes them smaller still, and every power is 0. After "
                    "the right shift the largest of them is 0.",
                    largest_size,
                ),
                (
                    "one largest and one sum for the whole array",
                    "Your whole array adds up to 1. Each distribution in it should, and each has a largest logit of "
                    "its own.",
                    one_of_each,
                ),
                (
                    "one sum for the whole array, and the powers overflow",
                    "Your whole array adds up to 1; each distribution in it should. And what are "
                    f"{base.formula}^2000 and {base.formula}^−2000 in NumPy?",
                    naive_with_one_sum,
                ),
                *(
                    (
                        (
                            "the smallest is subtracted, not the largest",
                            "After your shift no logit is negative. How large may the others be?",
                            smallest,
                        ),
                        (
                            "the mean is subtracted, not the largest",
                            "A logit may still lie a thousand above the mean. Which shift leaves none above zero?",
                            mean_subtracted,
                        ),
                    )
                    if b < 10
                    else (
                        (
                            "the mean or the smallest is subtracted, not the largest",
                            "A logit may lie a thousand above what you subtract. Which shift leaves none above zero?",
                            smallest,
                        ),
                    )
                ),
                (
                    "the largest is taken along the wrong axis",
                    "A shift cancels only where it is the same for all the logits of one distribution. Along which "
                    "axis do you look for the largest?",
                    shifted_across,
                ),
                (
                    "largest and sum are taken along the wrong axis",
                    "Add up your result along the axis of the classes. Is it 1 everywhere?",
                    lambda u: answer(u, other),
                ),
                (
                    "one sum for the whole array",
                    "Your whole array adds up to 1. Each distribution in it should.",
                    one_sum,
                ),
                (
                    "not divided by the sum",
                    "The largest entry of each distribution is 1 in your result. What should all of them add up to?",
                    not_normalised,
                ),
            )
        ),
    )


def _confused_with(f: Activation) -> Activation:
    return TANH if f is not TANH else LOGISTIC


@exercise(
    "elman-step",
    chapter="unrolling",
    name="elman_step",
    title="One step of an Elman network",
    kind="complete",
    ask={"f": ACTIVATIONS, "batch": ("rows", "columns")},
)
def step(rng: np.random.Generator, f: Activation, batch: str) -> Key:
    columns, confused = batch == "columns", _confused_with(f)

    def laid(function):
        """A function of rows, for this layout."""

        def of_columns(W_xh, W_hh, b_h, x_t, h_before):
            return function(W_xh, W_hh, b_h, x_t.T, h_before.T).T

        return of_columns if columns else function

    def by_rows(W_xh, W_hh, b_h, x_t, h_before):
        return f.apply(x_t @ W_xh.T + h_before @ W_hh.T + b_h)

    def stacked(W_xh, W_hh, b_h, x_t, h_before):
        both = np.hstack([W_xh, W_hh]) @ np.vstack([x_t.T, h_before.T])
        return f.apply(both.T + b_h)

    def by_loops(W_xh, W_hh, b_h, x_t, h_before):
        return np.array(
            [
                [f.apply(np.sum(W_xh[j] * x) + np.sum(W_hh[j] * h) + b_h[j]) for j in range(len(b_h))]
                for x, h in zip(x_t, h_before, strict=True)
            ]
        )

    def without_f(W_xh, W_hh, b_h, x_t, h_before):
        return x_t @ W_xh.T + h_before @ W_hh.T + b_h

    def other_activation(W_xh, W_hh, b_h, x_t, h_before):
        return confused.apply(without_f(W_xh, W_hh, b_h, x_t, h_before))

    def separately(W_xh, W_hh, b_h, x_t, h_before):
        return f.apply(x_t @ W_xh.T + b_h) + f.apply(h_before @ W_hh.T)

    def make(B, I, H):
        x_t, h_before = normal(rng, B, I), f.apply(normal(rng, B, H))
        return {
            "W_xh": normal(rng, H, I),
            "W_hh": normal(rng, H, H),
            "b_h": normal(rng, H),
            "x_t": x_t.T.copy() if columns else x_t,
            "h_before": h_before.T.copy() if columns else h_before,
        }

    return Key(
        answer=laid(by_rows),
        also_right=(laid(stacked), laid(by_loops)),
        axes={"result": "H B" if columns else "B H"},
        words={
            "f": f.formula,
            "code": f.code,
            "one": "column" if columns else "row",
            "x_t": "(I, B)" if columns else "(B, I)",
            "h_t": "(H, B)" if columns else "(B, H)",
            "sum": "W_xh @ x_t + W_hh @ h_before + b_h[:, None]"
            if columns
            else "x_t @ W_xh.T + h_before @ W_hh.T + b_h",
            "why": "With one sequence a column the products stand as on paper, because a matrix times an array of "
            "columns treats each column by itself. The bias has to be turned into a column, $(H, 1)$, so that it is "
            "added to each of them; as a plain $(H,)$ it would be spread along the rows, one entry a sequence."
            if columns
            else "With one sequence a row, the product of a weight with a column turns into a product with the "
            "transpose from the right: entry $j$ of the new row is row $j$ of the weight times the old row. The bias "
            "$(H,)$ is laid along the last axis, and so is added to each row.",
        },
        cases=(
            Case("a small case", make(B=2, I=1, H=2)),
            Case("B = 1", make(B=1, I=3, H=2)),
            Case("H = 1", make(B=2, I=3, H=1)),
            Case("everything square", make(B=3, I=3, H=3)),
            Case("more of everything", make(B=5, I=2, H=4)),
        ),
        hints=(
            "Write the pre-activation of one sequence on paper first; then ask what changes when the batch is laid out "
            f"with one sequence a {'column' if columns else 'row'}.",
            f"The result is {'(H, B)' if columns else '(B, H)'}. Which order of the two factors, and which of them "
            "transposed, gives that shape, from each of the two products?",
            "Three terms are added, then the activation is applied once. "
            + ("b_h[:, None] is a column." if columns else "A vector (H,) is added to every row."),
        ),
        misconceptions=(
            Misconception(
                "W_hh is transposed",
                "W_hh is square, so no shape complains. Row j of W_hh makes unit j: check one entry by hand.",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh.T, b_h, x_t, h_before)),
            ),
            Misconception(
                "the state before is left out",
                "Your result does not move when h_before is changed. Which term is missing?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, 0 * h_before)),
            ),
            Misconception(
                "the bias is missing",
                "With x_t and h_before zero, the state should be the activation of something. Of what?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, 0 * b_h, x_t, h_before)),
            ),
            Misconception(
                "the bias is added twice",
                "If the sum is split into a part for the input and a part for the state, one of them has the bias.",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, 2 * b_h, x_t, h_before)),
            ),
            Misconception(
                "the activation is missing",
                "You return a_t. What turns a pre-activation into a state?",
                laid(without_f),
            ),
            Misconception(
                f"another activation: {confused.name}",
                "The statement says which activation this network has, as a formula and as code.",
                laid(other_activation),
            ),
            Misconception(
                "the activation is applied to each part",
                "The two products are added first, and the activation bends their sum. How often do you apply it?",
                laid(separately),
            ),
            Misconception(
                "the input is left out",
                "Your result does not move when x_t is changed. Which term is missing?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, 0 * x_t, h_before)),
            ),
            Misconception(
                "the activation is applied to the old state once more",
                "h_before is a state already. To what is the activation applied in the formula?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, f.apply(h_before))),
            ),
            Misconception(
                "the old state is added",
                "h_{t-1} enters through W_hh only. Is there another place where you add it?",
                laid(lambda W_xh, W_hh, b_h, x_t, h_before: by_rows(W_xh, W_hh, b_h, x_t, h_before) + h_before),
            ),
        ),
    )


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
            Misconception(
                f"another activation: {_confused_with(f).name}",
                "The statement says which activation this network has, as a formula and as code.",
                laid(lambda W_xh, W_hh, b_h, x, h_0: walk(W_xh, W_hh, b_h, x, h_0, apply=_confused_with(f).apply)),
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
