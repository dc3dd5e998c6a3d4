"""Two steps by hand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from companion.exercises.model import Drawn, Key, Misconception
from companion.exercises.model import old_exercise as exercise


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
