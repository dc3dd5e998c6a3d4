"""One factor a step: as a number, as a matrix and as a length."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.bptt.dynamics import jacobian_products
from companion.exercises.activations import ACTIVATIONS, ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Drawn, Key, Misconception, exercise
from companion.exercises.worked import key


def _draw_unit(rng: np.random.Generator) -> tuple[float, float, float]:
    """Weight, state and threshold: no two mistakes agree, nothing is met by a hair, the answer is not the book's 27."""
    while True:
        w, h = round(float(rng.uniform(1.05, 1.5)), 2), round(float(rng.uniform(0.45, 0.7)), 2)
        threshold = 10.0 ** -int(rng.integers(2, 5))
        factor = w * (1 - h**2)
        if not 0.6 < factor < 0.93:
            continue
        wrong = (1 - h**2, w * (1 - h), w * h * (1 - h), w * (1 - math.tanh(h) ** 2))
        exact = math.log(threshold) / math.log(factor)
        counts = {exact - 1, exact, exact + 1, exact / math.log(10)}
        counts |= {math.log(threshold) / math.log(other) for other in wrong}
        if 0.1 < exact % 1 < 0.9 and math.ceil(exact) != 27 and len(set(map(math.ceil, counts))) == 8:
            asked = key(predict_decay, unit=(w, h, threshold))
            if {m.wrong for m in asked.misconceptions}.isdisjoint(asked.otherwise):  # nor do two give what one does
                return w, h, threshold


@exercise("predict-decay", "steps", "How far does it reach?", "predict", unit=Drawn((1.2, 0.6, 0.001), _draw_unit))
def predict_decay(rng: np.random.Generator, unit: tuple[float, float, float]) -> Key:
    return Key(words={name: f"{number:g}" for name, number in zip(("w", "h", "threshold"), unit, strict=True)})


_SLOPE_SLIPS = {  # what is left out of each slope: name, hint, and the wrong slope
    TANH: ("1 − h for 1 − h²", "The slope of tanh, written with its state h, has a square in it.", "1 - h"),
    LOGISTIC: (
        "the slope of the logistic function is incomplete",
        "You have 1 − h. The slope of the logistic function, written with its state h, is a product of two factors.",
        "1 - h",
    ),
    SOFTSIGN: (
        "the square in the slope of softsign is missing",
        "You have 1 − |h|, which is 1/(1 + |a|). Differentiate a/(1 + |a|) once more: what is the power of 1 + |a|?",
        "1 - np.abs(h)",
    ),
    ARCTAN: (
        "the square in the slope of arctan is missing",
        "You have cos h. The slope of arctan is 1/(1 + a²), with a = tan h: what is that, written with the cosine?",
        "np.cos(h)",
    ),
}


_WORDS = {  # where states are asked for, and where pre-activations are
    "p": ("a", "h"),
    "at": ("a_t", "a_{t−1}"),
    "quantity": ("state", "pre-activation"),
    "other": ("pre-activation", "state"),
    "state": ("h_after", "h_before"),
    "mistaken": ("h_before", "h_after"),
    "product": ("slope[:, None] * W_hh", "W_hh * slope"),
    "turned": ("W_hh * slope", "slope[:, None] * W_hh"),
    "reason": (
        r"A change of $h_{t-1}$ first meets $W_{hh}$ and then the slope at $a_t$, which belongs to the unit that is "
        r"changed: $J = \operatorname{diag}(f'(a_t))\, W_{hh}$. The diagonal matrix stands on the left, so that each "
        "*row* gets a slope. The slope can be had from $h_t$; $h_{t-1}$ is not needed.",
        r"A change of $a_{t-1}$ first meets the slope at $a_{t-1}$, unit by unit, and then $W_{hh}$: "
        r"$J = W_{hh} \operatorname{diag}(f'(a_{t-1}))$. The diagonal matrix stands on the right, so that each "
        "*column* gets a slope. The slope can be had from $h_{t-1}$; $h_t$ is not needed.",
    ),
}


@exercise("jacobian", "jacobian", "The Jacobian of a step", "derive", f=ACTIVATIONS, q=("h", "a"))
def jacobian(rng: np.random.Generator, f: Activation, q: str) -> Key:
    of_states = q == "h"

    def by_entries(W_hh, h_before, h_after):
        J = np.empty_like(W_hh)
        for i, j in np.ndindex(*W_hh.shape):
            J[i, j] = W_hh[i, j] * (f.slope(h_after)[i] if of_states else f.slope(h_before)[j])
        return J

    def case(name, H):
        h_before, h_after = f.apply(normal(rng, 2, H))
        return Case(name, {"W_hh": normal(rng, H, H), "h_before": h_before, "h_after": h_after})

    name, hint, slip = _SLOPE_SLIPS[f]
    return Key(
        cases=(case("two units", 2), case("H = 1", 1), case("three units", 3), case("six units", 6)),
        also_right=(by_entries,),
        misconceptions=(Misconception(name, hint, Edit(words={"f.slope_code": slip})),),
        axes={"result": "H H"},
        words={place: both[not of_states] for place, both in _WORDS.items()},
    )


@dataclass(frozen=True)
class _Norm:
    """A norm of a vector d_k; and, from ``slip`` on, what is taken for it."""

    words: str
    code: str
    of: Callable[[np.ndarray], float]
    slip: str
    hint: str
    wrongly: str


_EUCLIDEAN = "np.linalg.norm(d_k)"
_TAKEN = ("another norm", "These are Euclidean lengths. The statement asks for another norm.", _EUCLIDEAN)
_NORMS = (
    _Norm(
        "the Euclidean length, the root of the sum of squares",
        _EUCLIDEAN,
        lambda d: d.dot(d) ** 0.5,
        "the root is missing",
        "These are the squares of the lengths.",
        "d_k @ d_k",
    ),
    _Norm(
        "the size of the largest entry, whatever its sign",
        "np.abs(d_k).max()",
        lambda d: max(d.max(), -d.min()),
        *_TAKEN,
    ),
    _Norm("the sum of the sizes of all entries", "np.abs(d_k).sum()", lambda d: sum(map(abs, d)), *_TAKEN),
)


@exercise(
    "gradient-norms",
    "gradient_norms",
    "The gradient at every distance",
    "implement",
    norm=_NORMS,
    rows=("steps", "distances"),
)
def gradient_norms(rng: np.random.Generator, norm: _Norm, rows: str) -> Key:
    by_step = rows == "steps"

    def by_products(J, d):
        products = jacobian_products(J[:, None])[:, 0]  # (T + 1, H, H), row k is ∂h_T/∂h_k
        return np.array([norm.of(d @ product) for product in (products if by_step else products[::-1])])

    def case(name, T, H):
        return Case(name, {"J": normal(rng, T, H, H, scale=0.9), "d": normal(rng, H, scale=1.0)})

    return Key(
        cases=(
            case("two steps", 2, 2),
            case("T = 1", 1, 3),
            case("H = 1", 4, 1),
            case("T = H", 3, 3),
            case("ten steps", 10, 4),
            case("thirty steps", 30, 2),
        ),
        also_right=(by_products,),
        axes={"result": "T+1" if by_step else "distance"},
        words={
            "layout": r"row $k$ belongs to the gradient at $h_k$, so that row 0 is what is left at $h_0$ and the last "
            "row is the norm of `d` itself"
            if by_step
            else r"row $n$ belongs to the gradient $n$ steps back, at $h_{T-n}$, so that row 0 is the norm of `d` "
            "itself and the last row is what is left at $h_0$",
            "order": "[::-1]" if by_step else "",
            "turned": "turned round at the end" if by_step else "left in the order in which they are met",
        },
    )
