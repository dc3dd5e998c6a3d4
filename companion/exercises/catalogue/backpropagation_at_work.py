"""What each step contributes to a gradient, a gradient measured, and a walk back to repair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, TANH
from companion.exercises.edits import Edit
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.exercises.repairs import Bug, unrepaired


@dataclass(frozen=True)
class Measure:
    """The size of a matrix C: its name, in words, in LaTeX, and as code over some axes."""

    name: str
    words: str
    formula: str
    code: str

    def of(self, C: str, axes: str = "(1, 2)") -> str:
        return self.code.format(C=C, axes=axes).replace("(C ** 2)", "(C**2)")


MEASURES = (
    Measure(
        "root",
        "the root of the sum of its squared entries (the Frobenius norm)",
        r"\sqrt{\textstyle\sum_{ij} C_{ij}^2}",
        "np.sqrt(({C} ** 2).sum(axis={axes}))",
    ),
    Measure(
        "sum",
        "the sum of the absolute values of its entries",
        r"\textstyle\sum_{ij} |C_{ij}|",
        "np.abs({C}).sum(axis={axes})",
    ),
    Measure(
        "largest",
        "the largest absolute value among its entries",
        r"\max_{ij} |C_{ij}|",
        "np.abs({C}).max(axis={axes})",
    ),
)


@dataclass(frozen=True)
class Together:
    """Which steps are taken together at step k: its name, in words, in LaTeX, and as code."""

    name: str
    words: str
    formula: str
    code: str


TOGETHER = (
    Together("alone", "the use of $W_{hh}$ at step $k$ alone", "C_k", "C"),
    Together(
        "from k",
        "all uses of $W_{hh}$ from step $k$ to the last one together, which is what the walk back has collected when "
        "it is done with step $k$",
        r"\textstyle\sum_{s=k}^{T} C_s",
        "C[::-1].cumsum(axis=0)[::-1]",
    ),
    Together(
        "to k",
        "all uses of $W_{hh}$ from the first step to step $k$ together, which is what a walk back that begins at "
        "step $k$ would collect",
        r"\textstyle\sum_{s=1}^{k} C_s",
        "C.cumsum(axis=0)",
    ),
)
ALONE, FROM, TO = TOGETHER


@exercise(
    "contributions",
    "sizes",
    "How much each step contributes",
    "implement",
    measure=MEASURES,
    together=TOGETHER,
)
def contributions(rng: np.random.Generator, measure: Measure, together: Together) -> Key:
    def by_loops(da, h):
        T, B, _ = da[1:].shape
        steps = {"alone": lambda k: [k], "from k": lambda k: range(k, T + 1), "to k": lambda k: range(1, k + 1)}
        products = [sum(np.outer(da[s, b], h[s - 1, b]) for b in range(B)) for s in range(1, T + 1)]
        sums = [sum(products[s - 1] for s in steps[together.name](k)) for k in range(1, T + 1)]
        return np.array(
            [np.linalg.norm(C.ravel(), {"root": 2, "sum": 1, "largest": np.inf}[measure.name]) for C in sums]
        )

    def other_measure(name, other):
        return Misconception(f"another size: {name}", f"The size asked for is {measure.words}.", Edit(options=other))

    def other_together(name, hint, other):
        return Misconception(name, hint, Edit(options={"together": other}))

    root, alone = measure is MEASURES[0], together is ALONE
    asked = together.words.replace("$W_{hh}$", "W_hh").replace("$k$", "k")
    return Key(
        cases=each_size(
            lambda s: {
                "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                "h": np.tanh(normal(rng, s.T + 1, s.B, s.H)),
            }
        ),
        also_right=(by_loops,),
        misconceptions=(
            other_measure("the sum of the absolute values", {"measure": MEASURES[1]})
            if root
            else other_measure("the root of the sum of squares", {"measure": MEASURES[0]}),
            *(
                (
                    other_together(
                        "a running sum of the contributions",
                        "Entry k − 1 is the size of C_k alone. Is something kept from one step to the next?",
                        TO,
                    ),
                )
                if alone
                else (
                    other_together("each use alone", f"Asked for is {asked}.", ALONE),
                    other_together(
                        "taken together from the wrong end",
                        "At which step does your last entry begin to collect, and at which should it?",
                        TO if together is FROM else FROM,
                    ),
                )
            ),
        ),
        axes={"result": "T"},
        words={
            "size": measure.of(together.code),
            "of_each": measure.of("C"),
            "of_rows": measure.of(together.code, "2"),
            "of_columns": measure.of(together.code, "1"),
            "of_sequences": measure.of(together.code, "(2, 3)"),
            "of_batch": measure.of(together.code, "(1, 2, 3)"),
            "of_array": measure.of("C", "None"),
            "of_sum": measure.of("C.sum(axis=0)", "None"),
            "of_delta": measure.of("da[1:]"),
            "of_state": measure.of("h[:-1]"),
            "order": "Only then comes the size"
            if alone
            else "The steps are taken together before the size as well: contributions may cancel each other, sizes "
            "cannot. Only then comes the size",
        },
    )


@dataclass(frozen=True)
class Formula:
    """A way to measure a derivative: in words, in LaTeX, the moves with their factors, and as code, over divisor ε."""

    words: str
    latex: str
    moves: tuple[tuple[int, int], ...]
    code: str
    divisor: int
    error: str


FORMULAS = (
    Formula(
        "central differences",
        r"\frac{L(w + \varepsilon) - L(w - \varepsilon)}{2\varepsilon}",
        ((1, 1), (-1, -1)),
        "(L[1] - L[-1])",
        2,
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "the five-point formula, which is more exact",
        r"\frac{8 L(w + \varepsilon) - 8 L(w - \varepsilon) - L(w + 2\varepsilon) + L(w - 2\varepsilon)}"
        r"{12\varepsilon}",
        ((8, 1), (-8, -1), (-1, 2), (1, -2)),
        "(8 * L[1] - 8 * L[-1] - L[2] + L[-2])",
        12,
        r"$\varepsilon^4$: half the step, a sixteenth of the error",
    ),
    Formula(
        "a formula from one side, for a weight that may not become smaller",
        r"\frac{4 L(w + \varepsilon) - 3 L(w) - L(w + 2\varepsilon)}{2\varepsilon}",
        ((4, 1), (-3, 0), (-1, 2)),
        "(4 * L[1] - 3 * L[0] - L[2])",
        2,
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "a formula from the other side, for a weight that may not become larger",
        r"\frac{3 L(w) - 4 L(w - \varepsilon) + L(w - 2\varepsilon)}{2\varepsilon}",
        ((3, 0), (-4, -1), (1, -2)),
        "(3 * L[0] - 4 * L[-1] + L[-2])",
        2,
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
)


@exercise("central-difference", "measured", "A gradient, measured", "implement", formula=FORMULAS)
def central_difference(rng: np.random.Generator, formula: Formula) -> Key:
    def by_directions(W_hh, W_xh, x, h_0, eps):
        def loss(W):
            h = h_0
            for x_t in x:
                h = np.tanh(x_t @ W_xh.T + h @ W.T)
            return np.sum(h * h) / 2

        directions = np.eye(W_hh.size).reshape(-1, *W_hh.shape)
        sums = [sum(factor * loss(W_hh + steps * eps * D) for factor, steps in formula.moves) for D in directions]
        return np.reshape(sums, W_hh.shape) / (formula.divisor * eps)

    def case(name, T, B, I, H, eps):
        given = {"W_hh": normal(rng, H, H), "W_xh": normal(rng, H, I), "x": normal(rng, T, B, I)}
        return Case(name, given | {"h_0": normal(rng, B, H), "eps": eps})

    return Key(
        cases=(
            case("one unit, one step", 1, 1, 1, 1, 0.5),
            case("a small case", 3, 2, 1, 2, 0.25),
            case("B = 1", 4, 1, 2, 3, 0.1),
            case("H = 1", 3, 2, 2, 1, 0.2),
            case("a longer sequence", 6, 3, 2, 3, 0.1),
        ),
        also_right=(by_directions,),
        axes={"result": "H H"},
        words={
            "steps": str(tuple(steps for _, steps in formula.moves)),
            "passes": str(len(formula.moves)),
            "largest": str(max(abs(steps) for _, steps in formula.moves)),
        },
    )


RIGHT = {"order": "range(T, 0, -1)", "delta": "(dh[t - 1] + carried) * slopes[t]", "carried": "da[t] @ W_hh"}
BUGS = (
    Bug(
        "what is carried back has not passed the later slope",
        "From h_{t+1} the gradient goes back to a_{t+1} first, and from there through W_hh to h_t. Which of your lines "
        "leaves out the first half of that way?",
        "The program sent $\\partial L/\\partial h_{t+1}$ through $W_{hh}$. But $h_t$ acts on $a_{t+1}$, and only "
        "through it on $h_{t+1}$: what goes back is $\\delta_{t+1}$, with the slope in it.",
        TANH,
        "carried",
        "(dh[t - 1] + carried) @ W_hh",
    ),
    Bug(
        "the future reaches one step back only",
        "Follow a gradient that enters at step T. Is anything of it left when your loop comes to step T − 2?",
        "The program carried only what came from the step's own loss. What arrived from later steps must go on too; "
        "both are in $\\delta_t$.",
        LOGISTIC,
        "carried",
        "(dh[t - 1] * slopes[t]) @ W_hh",
    ),
    Bug(
        "the walk goes forwards in time",
        "At the last step nothing can have come back yet. What does `carried` hold there, and what does it hold in "
        "the first round of the loop?",
        "The program visited the steps in the order of time, so that each got what *earlier* steps sent. A loss is "
        "moved only by what came before it, so the walk begins at the last step.",
        SOFTSIGN,
        "order",
        "range(1, T + 1)",
    ),
    Bug(
        "the slope multiplies the step's own gradient only",
        "What is carried and what comes from the step's own loss arrive at the same state. Do both go through the "
        "activation?",
        "The program added what comes from the future after the slope. Both parts arrive at $h_t$, and both pass the "
        "activation on the way to $a_t$.",
        ARCTAN,
        "delta",
        "dh[t - 1] * slopes[t] + carried",
    ),
)


@exercise("bug-future", "backward", "Find the bug: what comes from the future", "repair", bug=BUGS)
def bug_future(rng: np.random.Generator, bug: Bug) -> Key:
    f = bug.f

    def in_columns(dh, h, x, W_hh):
        T, B, I = x.shape
        dW_xh, dW_hh, db_h = np.zeros((len(W_hh), I)), np.zeros_like(W_hh), np.zeros(len(W_hh))
        for b in range(B):
            delta = np.zeros(len(W_hh))
            for t in range(T, 0, -1):
                delta = (W_hh.T @ delta + dh[t - 1, b]) * f.slope(h[t, b])
                dW_xh += np.outer(delta, x[t - 1, b])
                dW_hh += np.outer(delta, h[t - 1, b])
                db_h += delta
        return dW_xh, dW_hh, db_h

    return Key(
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        also_right=(in_columns,),
        misconceptions=unrepaired(
            bug,
            BUGS,
            RIGHT,
            "These are the numbers of the program as it was given. For T = 1 they are right, for longer sequences "
            "they are not: what goes from one round of the loop to the next, and what should?",
        ),
        returns=("dW_xh", "dW_hh", "db_h"),
        axes={"dW_xh": "H I", "dW_hh": "H H", "db_h": "H"},
        words={"f": f.formula, "slope": f.slope_code, **RIGHT, bug.place: bug.code},
    )
