"""Unrolling: shapes and numbers of a forward pass, softmax, one step, and the walk over a sequence."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from itertools import accumulate

import numpy as np

from companion.core.functions import softmax as softmax_of_the_course
from companion.core.recurrent import forward
from companion.exercises.activations import ACTIVATIONS, Activation, other_activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise
from companion.exercises.shapes import shapes_by_name
from companion.exercises.worked import key
from companion.rnn.cells import Elman


def _draw_sizes(rng: np.random.Generator) -> tuple[int, ...]:
    """T, B, I, H and O: odd, so that none of them is T + 1."""
    return tuple(int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))


@exercise(
    "unroll-shapes",
    "shapes",
    "The shapes of slices, products and sums",
    "predict",
    sizes=Drawn((8, 4, 5, 6, 3), _draw_sizes),
)
def shapes(rng: np.random.Generator, sizes: tuple[int, ...]) -> Key:
    T, B, I, H, O = sizes
    x, h, y = np.zeros((T, B, I)), np.zeros((T + 1, B, H)), np.zeros((T, B, O))
    computed = (h[-1], x[:, 0], h[:-1] @ np.zeros((H, H)), h[1:] @ np.zeros((H, O)), y.sum(axis=-1))
    return Key(
        also_right=(tuple(np.array(array.shape) for array in computed),),
        view=shapes_by_name([f"shape {number}" for number in range(1, 6)]),
        words=dict(zip("TBIHO", map(str, sizes), strict=True)),
    )


@dataclass(frozen=True)
class Tiny:
    """A network of two units and one input, with two inputs to read."""

    W_xh: tuple[float, ...]  # its only column
    W_hh: tuple[tuple[float, ...], ...]
    b_h: tuple[float, ...]
    h_0: tuple[float, ...]
    x: tuple[float, ...]


def _draw_tiny(rng: np.random.Generator) -> Tiny:
    """Numbers of one decimal for which no unit is saturated and all the mistakes can be told apart."""
    while True:
        W = (rng.integers(1, 10, 6) * rng.choice([-1, 1], 6) / 10).tolist()
        b_h = rng.permutation([-0.3, -0.2, -0.1, 0.1, 0.2, 0.3])[:2].tolist()
        x = rng.permutation([-2.0, -1.0, 1.0, 2.0])[:2].tolist()
        h_0 = rng.permutation([-1.0, -0.5, 0.5, 1.0])[:2].tolist()
        tiny = Tiny(tuple(W[:2]), (tuple(W[2:4]), tuple(W[4:])), tuple(b_h), tuple(h_0), tuple(x))
        asked = key(by_hand, tiny=tiny)
        found = np.array([asked.answer, *(m.wrong for m in asked.misconceptions)])
        apart = np.abs(found[:, None] - found).max(axis=(-2, -1)) + np.eye(len(found))
        if apart.min() > 0.03 and 0.1 < np.abs(found[0]).min() and np.abs(found[0]).max() < 0.93:
            return tiny


def _matrix(numbers: tuple[float, ...] | tuple[tuple[float, ...], ...]) -> str:
    """A column or a matrix in LaTeX."""
    rows = (" & ".join(f"{number:g}" for number in np.atleast_1d(row)) for row in numbers)
    return r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}"


def _rounded(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.3f}" for number in numbers) + ")"


@exercise(
    "unroll-by-hand",
    "states",
    "Two steps by hand",
    "predict",
    tiny=Drawn(Tiny((0.5, -0.4), ((0.3, -0.6), (0.8, 0.2)), (0.1, -0.2), (0.5, -1.0), (1.0, 2.0)), _draw_tiny),
)
def by_hand(rng: np.random.Generator, tiny: Tiny) -> Key:
    W_xh, W_hh, b_h, h_0, x = map(np.array, astuple(tiny))
    weights = {"W_xh": W_xh[:, None], "W_hh": W_hh, "b_h": b_h}
    h = forward(Elman(1, 2), weights, x[:, None, None], h_0[None])[0][1:, 0]
    arrays = {name: value for name, value in vars(tiny).items() if name != "x"}
    words = {name: _matrix(value) for name, value in arrays.items()}
    words |= {f"{name}_code": str(value) for name, value in arrays.items()}
    for t, (x_t, h_t) in enumerate(zip(x, h, strict=True), start=1):
        words |= {f"x_{t}": f"{x_t:g}", f"a_{t}": _rounded(np.arctanh(h_t)), f"h_{t}": _rounded(h_t)}
    return Key(
        also_right=(tuple(map(tuple, h.round(3).tolist())),),
        returns=("h_1", "h_2"),
        axes={"h_1": "H", "h_2": "H"},
        tolerance=2e-3,
        words=words,
    )


@dataclass(frozen=True)
class Base:
    """The base of the powers in a softmax: its number, what has it, its powers and logarithm as code, its formula."""

    number: float
    name: str
    code: str
    log: str
    formula: str


BASES = (
    Base(np.e, "The softmax", "np.exp(shifted)", "np.log", "e"),
    Base(2, "A softmax to base 2", "2.0**shifted", "np.log2", "2"),
    Base(10, "A softmax to base 10", "10.0**shifted", "np.log10", "10"),
)


_LEVELS = 2000.0 * np.array([[1, -1], [-1, 1]])


@exercise("softmax-stable", "softmax", "A softmax for large logits", "implement", base=BASES, axis=(-1, 0))
def softmax(rng: np.random.Generator, base: Base, axis: int) -> Key:
    def by_companion(u):
        return np.moveaxis(softmax_of_the_course(np.moveaxis(u * np.log(base.number), axis, -1)), -1, axis)

    def laid(rows):
        return np.ascontiguousarray(np.moveaxis(np.array(rows, float), -1, axis))

    unshifted = -300.0 if base.number == 10 else -600.0  # whose power is no 0, while that of twice as much is
    return Key(
        cases=(
            Case("one vector", {"u": np.array([1.0, 2.0, 0.0])}),
            Case("a batch", {"u": laid([[0.5, -1.0, 2.0], [1.5, 0.0, 0.25]])}),
            Case("logits of ±2000", {"u": laid([[2000.0, 1999.0, 0.0], [-2000.0, -2001.0, -2003.0]])}),
            Case("a single class", {"u": laid([[3.0], [-2000.0], [0.0]])}),
            Case("a tie", {"u": np.array([2000.0, 2000.0, -2000.0])}),
            Case("all logits around −2000", {"u": np.array([-2000.0, -2001.0, -2003.0])}),
            Case("three axes", {"u": laid(normal(rng, 4, 3, 2, scale=2.0))}),
            Case(f"logits around {unshifted:.0f}".replace("-", "−"), {"u": unshifted + np.array([1.0, 0.0, -2.0])}),
            Case("three axes, logits of ±2000", {"u": laid(normal(rng, 2, 2, 3) + _LEVELS[..., None])}),
        ),
        tolerance=1e-9,
        also_right=(by_companion,),
        axes={"result": "B O" if axis else "O B"},
        words={"which": "last", "example": "(T, B, O)"} if axis else {"which": "first", "example": "(O, T, B)"},
    )


@exercise(
    "elman-step",
    "elman_step",
    "One step of an Elman network",
    "complete",
    f=ACTIVATIONS,
    batch=("rows", "columns"),
)
def step(rng: np.random.Generator, f: Activation, batch: str) -> Key:
    columns = batch == "columns"

    def laid(rows):
        return rows.T.copy() if columns else rows

    def one_by_one(W_xh, W_hh, b_h, x_t, h_before):
        pairs = zip(laid(x_t), laid(h_before), strict=True)
        return laid(np.array([f.apply(W_xh @ x + W_hh @ h + b_h) for x, h in pairs]))

    def case(B, I, H):
        x_t, h_before = normal(rng, B, I), f.apply(normal(rng, B, H))
        W_xh, W_hh, b_h = normal(rng, H, I), normal(rng, H, H), normal(rng, H)
        return {"W_xh": W_xh, "W_hh": W_hh, "b_h": b_h, "x_t": laid(x_t), "h_before": laid(h_before)}

    return Key(
        cases=(
            Case("a small case", case(B=2, I=1, H=2)),
            Case("B = 1", case(B=1, I=3, H=2)),
            Case("H = 1", case(B=2, I=3, H=1)),
            Case("everything square", case(B=3, I=3, H=3)),
            Case("more of everything", case(B=5, I=2, H=4)),
        ),
        also_right=(one_by_one,),
        misconceptions=(other_activation(f),),
        axes={"result": "H B" if columns else "B H"},
        words={
            "one": "column",
            "x_t": "(I, B)",
            "h_t": "(H, B)",
            "sum": "W_xh @ x_t + W_hh @ h_before + b_h[:, None]",
            "b": "b_h[:, None]",
            "bias": "b_h[:, None] is a column.",
            "why": "With one sequence a column the products stand as on paper, because a matrix times an array of "
            "columns treats each column by itself. The bias has to be turned into a column, $(H, 1)$, so that it is "
            "added to each of them; as a plain $(H,)$ it would be spread along the rows, one entry a sequence.",
        }
        if columns
        else {
            "one": "row",
            "x_t": "(B, I)",
            "h_t": "(B, H)",
            "sum": "x_t @ W_xh.T + h_before @ W_hh.T + b_h",
            "b": "b_h",
            "bias": "A vector (H,) is added to every row.",
            "why": "With one sequence a row, the product of a weight with a column turns into a product with the "
            "transpose from the right: entry $j$ of the new row is row $j$ of the weight times the old row. The bias "
            "$(H,)$ is laid along the last axis, and so is added to each row.",
        },
    )


@exercise(
    "elman-sequence",
    "elman",
    "An Elman network over a batch of sequences",
    "implement",
    f=ACTIVATIONS,
    first=("time", "batch"),
)
def sequence(rng: np.random.Generator, f: Activation, first: str) -> Key:
    batch_first = first == "batch"

    def one_by_one(W_xh, W_hh, b_h, x, h_0):
        def after(h, x_t):
            return f.apply(W_xh @ x_t + W_hh @ h + b_h)

        inputs = x if batch_first else x.swapaxes(0, 1)
        walks = [list(accumulate(inputs[n], after, initial=start)) for n, start in enumerate(h_0)]
        return np.stack(walks, axis=0 if batch_first else 1)

    def case(s):
        x = normal(rng, s.T, s.B, s.I)
        return {
            "W_xh": normal(rng, s.H, s.I),
            "W_hh": normal(rng, s.H, s.H),
            "b_h": normal(rng, s.H),
            "x": x.swapaxes(0, 1).copy() if batch_first else x,
            "h_0": normal(rng, s.B, s.H),
        }

    return Key(
        cases=each_size(case),
        also_right=(one_by_one,),
        misconceptions=(other_activation(f),),
        axes={"result": "B T+1 H" if batch_first else "T+1 B H"},
        words={
            "x": "(B, T, I)",
            "h": "(B, T + 1, H)",
            "order": "the batch on the first axis and time on the second, as `nn.RNN` of PyTorch has it with "
            "`batch_first=True`",
            "colon": ":, ",
            "axis": "1",
        }
        if batch_first
        else {
            "x": "(T, B, I)",
            "h": "(T + 1, B, H)",
            "order": "time on the first axis and the batch on the second, as everywhere in this course",
            "colon": "",
            "axis": "0",
        },
    )
