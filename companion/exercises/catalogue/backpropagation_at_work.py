"""Exercises on backpropagation at work: what each step contributes, a gradient check, and a backward pass to repair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, TANH, Activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.gradients import central_differences


@dataclass(frozen=True)
class Measure:
    """The size of a matrix C: in words, in LaTeX, as code, and as a function of matrices (..., H, H)."""

    words: str
    formula: str
    code: str
    apply: Callable[[np.ndarray], np.ndarray]


MEASURES = (
    Measure(
        "the root of the sum of its squared entries (the Frobenius norm)",
        r"\sqrt{\textstyle\sum_{ij} C_{ij}^2}",
        "np.sqrt(({C} ** 2).sum(axis=(1, 2)))",
        lambda C: np.sqrt((C**2).sum(axis=(-1, -2))),
    ),
    Measure(
        "the sum of the absolute values of its entries",
        r"\textstyle\sum_{ij} |C_{ij}|",
        "np.abs({C}).sum(axis=(1, 2))",
        lambda C: np.abs(C).sum(axis=(-1, -2)),
    ),
    Measure(
        "the largest absolute value among its entries",
        r"\max_{ij} |C_{ij}|",
        "np.abs({C}).max(axis=(1, 2))",
        lambda C: np.abs(C).max(axis=(-1, -2)),
    ),
)


@dataclass(frozen=True)
class Together:
    """Which steps are taken together at step k: in words, in LaTeX, as code, as a function of all C_k, as steps."""

    words: str
    formula: str
    code: str
    apply: Callable[[np.ndarray], np.ndarray]
    steps: Callable[[int, int], range]


TOGETHER = (
    Together("the use of $W_{hh}$ at step $k$ alone", "C_k", "C", lambda C: C, lambda k, T: range(k, k + 1)),
    Together(
        "all uses of $W_{hh}$ from step $k$ to the last one together, which is what the walk back has collected when "
        "it is done with step $k$",
        r"\textstyle\sum_{s=k}^{T} C_s",
        "C[::-1].cumsum(axis=0)[::-1]",
        lambda C: np.cumsum(C[::-1], axis=0)[::-1],
        lambda k, T: range(k, T + 1),
    ),
    Together(
        "all uses of $W_{hh}$ from the first step to step $k$ together, which is what a walk back that begins at "
        "step $k$ would collect",
        r"\textstyle\sum_{s=1}^{k} C_s",
        "C.cumsum(axis=0)",
        lambda C: np.cumsum(C, axis=0),
        lambda k, T: range(1, k + 1),
    ),
)


@exercise(
    "contributions",
    chapter="backpropagation-at-work",
    name="sizes",
    title="How much each step contributes",
    kind="implement",
    ask={"measure": MEASURES, "together": TOGETHER},
)
def contributions(rng: np.random.Generator, measure: Measure, together: Together) -> Key:
    def each(da, h):
        return np.einsum("tbi,tbj->tij", da[1:], h[:-1])

    def answer(da, h):
        return measure.apply(together.apply(each(da, h)))

    def by_loops(da, h):
        T, B, H = da[1:].shape
        sizes = []
        for k in range(1, T + 1):
            C = np.zeros((H, H))
            for s in together.steps(k, T):
                for b in range(B):
                    C += np.outer(da[s, b], h[s - 1, b])
            sizes.append(float(measure.apply(C)))
        return np.array(sizes)

    def by_products(da, h):
        C = np.swapaxes(da[1:], 1, 2) @ h[:-1]
        return measure.apply(together.apply(C))

    def one_by_one(da, h):
        """The size for each sequence alone, added."""
        alone = [together.apply(each(da[:, b : b + 1], h[:, b : b + 1])) for b in range(h.shape[1])]
        return sum(measure.apply(C) for C in alone)

    def each_sequence(da, h):
        return measure.apply(together.apply(np.einsum("tbi,tbj->tbij", da[1:], h[:-1])))

    def over_all_sequences(da, h):
        """The sequences side by side, as one wide matrix a step."""
        C = np.einsum("tbi,tbj->tibj", da[1:], h[:-1])
        return measure.apply(together.apply(C.reshape(len(C), h.shape[-1], -1)))

    def batch_first(da, h):
        return measure.apply(together.apply(each(da.sum(axis=1, keepdims=True), h.sum(axis=1, keepdims=True))))

    def of_everything(da, h):
        """The size of all contributions in a row, as one long matrix."""
        return float(measure.apply(each(da, h).reshape(-1, h.shape[-1])))

    def sizes_multiplied(da, h):
        return measure.apply(da[1:]) * measure.apply(h[:-1])

    def of_sizes(da, h):
        """Sizes first, then together: what the triangle inequality forbids."""
        return together.apply(measure.apply(each(da, h)))

    def others(da, h, which):
        return measure.apply(which.apply(each(da, h)))

    root = measure is MEASURES[0]
    return Key(
        answer=answer,
        also_right=(by_loops, by_products),
        axes={"result": "T"},
        words={
            "measure": measure.words,
            "size": measure.formula,
            "size_code": measure.code.format(C=together.code).replace("(C ** 2)", "(C**2)"),
            "together": together.words,
            "what": together.formula,
            "order": "Only then comes the size"
            if together is TOGETHER[0]
            else "The steps are taken together before the size as well: contributions may cancel each other, sizes "
            "cannot. Only then comes the size",
        },
        cases=each_size(
            lambda s: {
                "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                "h": np.tanh(normal(rng, s.T + 1, s.B, s.H)),
            }
        ),
        hints=(
            "First the contributions themselves, an array with one matrix a step. What is one term of BP4W?",
            "C_k is δ_k times the row h_{k−1}, summed over the sequences: of the shape of W_hh for each k, and the "
            "axis of time stays.",
            "Take together what is asked for, still as matrices. The size comes last, over the two axes of a matrix.",
        ),
        misconceptions=(
            Misconception(
                "paired with the state of the same step",
                "At step k the weight multiplied a state. Was h_k there already?",
                lambda da, h: measure.apply(together.apply(np.einsum("tbi,tbj->tij", da[1:], h[1:]))),
            ),
            Misconception(
                "the size of each sequence's contribution, added",
                "The contribution of a step is one matrix, summed over the batch; sequences may cancel each other "
                "there. At which moment do you take the size?",
                one_by_one,
            ),
            Misconception(
                "one size for each row of the matrices",
                "A matrix has two axes, and the size is one number for both. Which axis is left in your result?",
                lambda da, h: _by_rows(measure, together.apply(each(da, h))),
            ),
            Misconception(
                "one size for each sequence",
                "A contribution is one matrix a step: its sequences are added before the size is taken. Which axis of "
                "your result should not be there?",
                each_sequence,
            ),
            Misconception(
                "one size for the whole array",
                "You have one number for the whole array. The size is taken over the two axes of a matrix, and the "
                "axis of the steps stays.",
                of_everything,
            ),
            Misconception(
                "one size for each column of the matrices",
                "A matrix has two axes, and the size is one number for both. Which axis is left in your result?",
                lambda da, h: measure.apply(together.apply(each(da, h)).swapaxes(1, 2)[..., None, :]),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. δ of one sequence has nothing to do with another one's state: "
                "multiply within each sequence, then add.",
                batch_first,
            ),
            *(
                ()
                if measure is MEASURES[1]  # for which it is the same as adding the sizes
                else (
                    Misconception(
                        "the size is taken over the sequences too",
                        "The contribution of a step is one matrix, summed over the batch; sequences may cancel each "
                        "other there. At which moment do you add them?",
                        over_all_sequences,
                    ),
                )
            ),
            Misconception(
                "one size for all steps",
                "You add the steps first and are left with the size of the whole gradient. Asked for is a number for "
                "each step.",
                lambda da, h: float(measure.apply(each(da, h).sum(axis=0))),
            ),
            Misconception(
                "shares of the total",
                "Nothing is divided here: the sizes as they are, not what part of all they make up.",
                lambda da, h: answer(da, h) / answer(da, h).sum(),
            ),
            Misconception(
                "the first step is left out",
                "The use at step 1 multiplies h_0, which here is not zero. How many uses has the weight in T steps?",
                lambda da, h: answer(da, h)[1:],
            ),
            *(
                (
                    Misconception(
                        "the root is missing",
                        "These are sums of squares, which are not sizes yet: a contribution twice as large must have "
                        "twice the size.",
                        lambda da, h: answer(da, h) ** 2,
                    ),
                    Misconception(
                        "another size: the sum of the absolute values",
                        f"The size asked for is {measure.words}.",
                        lambda da, h: MEASURES[1].apply(together.apply(each(da, h))),
                    ),
                    Misconception(
                        "the spectral norm",
                        "For a matrix, NumPy's norm with ord=2 is its largest singular value. Asked for is the root of "
                        "the sum of all squared entries.",
                        lambda da, h: np.linalg.norm(together.apply(each(da, h)), ord=2, axis=(1, 2)),
                    ),
                )
                if root
                else (
                    Misconception(
                        "another size: the root of the sum of squares",
                        f"The size asked for is {measure.words}.",
                        lambda da, h: MEASURES[0].apply(together.apply(each(da, h))),
                    ),
                )
            ),
            *(
                (
                    Misconception(
                        "the size of δ times the size of the state",
                        "With one sequence yours is right. With more, the contribution is a sum of products, and the "
                        "size comes after the sum.",
                        sizes_multiplied,
                    ),
                )
                if together is TOGETHER[0]
                else ()
            ),
            *(
                (
                    Misconception(
                        "each use alone",
                        f"Asked for is {together.words.replace('$W_{hh}$', 'W_hh').replace('$k$', 'k')}.",
                        lambda da, h: others(da, h, TOGETHER[0]),
                    ),
                    Misconception(
                        "sizes added instead of matrices",
                        "Contributions of two steps can point against each other; added sizes do not know that. "
                        "Which comes first?",
                        of_sizes,
                    ),
                    Misconception(
                        "taken together from the wrong end",
                        "At which step does your last entry begin to collect, and at which should it?",
                        lambda da, h: others(da, h, TOGETHER[2 if together is TOGETHER[1] else 1]),
                    ),
                )
                if together is not TOGETHER[0]
                else ()
            ),
        ),
    )


def _by_rows(measure: Measure, C: np.ndarray) -> np.ndarray:
    """The size of each row of each matrix, (T, H)."""
    return measure.apply(C[..., None, :])


@dataclass(frozen=True)
class Formula:
    """A way to measure a derivative: in LaTeX, and the moves with their factors, to be divided by ``divisor`` ε."""

    words: str
    latex: str
    moves: tuple[tuple[int, int], ...]
    divisor: int
    code: str
    error: str


FORMULAS = (
    Formula(
        "central differences",
        r"\frac{L(w + \varepsilon) - L(w - \varepsilon)}{2\varepsilon}",
        ((1, 1), (-1, -1)),
        2,
        "(L[1] - L[-1]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "the five-point formula, which is more exact",
        r"\frac{8 L(w + \varepsilon) - 8 L(w - \varepsilon) - L(w + 2\varepsilon) + L(w - 2\varepsilon)}"
        r"{12\varepsilon}",
        ((8, 1), (-8, -1), (-1, 2), (1, -2)),
        12,
        "(8 * L[1] - 8 * L[-1] - L[2] + L[-2]) / (12 * eps)",
        r"$\varepsilon^4$: half the step, a sixteenth of the error",
    ),
    Formula(
        "a formula from one side, for a weight that may not become smaller",
        r"\frac{4 L(w + \varepsilon) - 3 L(w) - L(w + 2\varepsilon)}{2\varepsilon}",
        ((4, 1), (-3, 0), (-1, 2)),
        2,
        "(4 * L[1] - 3 * L[0] - L[2]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
    Formula(
        "a formula from the other side, for a weight that may not become larger",
        r"\frac{3 L(w) - 4 L(w - \varepsilon) + L(w - 2\varepsilon)}{2\varepsilon}",
        ((3, 0), (-4, -1), (1, -2)),
        2,
        "(3 * L[0] - 4 * L[-1] + L[-2]) / (2 * eps)",
        r"$\varepsilon^2$: half the step, a quarter of the error",
    ),
)


def _loss(W_hh, W_xh, x, h_0):
    """½ Σ h_T²: the loss that the text gives."""
    h = h_0
    for x_t in x:
        h = np.tanh(x_t @ W_xh.T + h @ W_hh.T)
    return 0.5 * (h**2).sum()


@exercise(
    "central-difference",
    chapter="backpropagation-at-work",
    name="measured",
    title="A gradient, measured",
    kind="implement",
    ask={"formula": FORMULAS},
)
def central_difference(rng: np.random.Generator, formula: Formula) -> Key:
    def entrywise(quotient):
        """A function that fills the gradient with ``quotient``, called with L along one entry and eps."""

        def measured(W_hh, W_xh, x, h_0, eps):
            found = np.zeros_like(W_hh)
            for index in np.ndindex(W_hh.shape):

                def at(steps, index=index):
                    moved = W_hh.copy()
                    moved[index] += steps * eps
                    return _loss(moved, W_xh, x, h_0)

                found[index] = quotient(at, eps)
            return found

        return measured

    def weighted(at):
        return sum(factor * at(steps) for factor, steps in formula.moves)

    answer = entrywise(lambda at, eps: weighted(at) / (formula.divisor * eps))

    def by_directions(W_hh, W_xh, x, h_0, eps):
        directions = np.eye(W_hh.size).reshape(-1, *W_hh.shape)
        values = [
            sum(factor * _loss(W_hh + steps * eps * D, W_xh, x, h_0) for factor, steps in formula.moves)
            for D in directions
        ]
        return np.array(values).reshape(W_hh.shape) / (formula.divisor * eps)

    def by_companion(W_hh, W_xh, x, h_0, eps):
        def wide(step):
            return central_differences(lambda W: _loss(W, W_xh, x, h_0), W_hh, step)

        if formula is FORMULAS[0]:
            return wide(eps)
        if formula is FORMULAS[1]:
            return (4 * wide(eps) - wide(2 * eps)) / 3
        sign = 1 if formula is FORMULAS[2] else -1  # each from one side, twice

        def one_sided(step):
            zero = _loss(W_hh, W_xh, x, h_0)
            return entrywise(lambda at, eps: sign * (at(sign * step / eps) - zero) / step)(W_hh, W_xh, x, h_0, eps)

        return 2 * one_sided(eps) - one_sided(2 * eps)

    def not_restored(W_hh, W_xh, x, h_0, eps):
        moved, found = W_hh.copy(), np.zeros_like(W_hh)
        for index in np.ndindex(W_hh.shape):
            value, place = 0.0, 0
            for factor, steps in formula.moves:
                moved[index] += (steps - place) * eps
                place = steps
                value += factor * _loss(moved, W_xh, x, h_0)
            found[index] = value / (formula.divisor * eps)
        return found

    def whole_rows(W_hh, W_xh, x, h_0, eps):
        found = np.zeros_like(W_hh)
        for i in range(len(W_hh)):
            row = (np.arange(len(W_hh)) == i)[:, None]
            value = sum(factor * _loss(W_hh + row * steps * eps, W_xh, x, h_0) for factor, steps in formula.moves)
            found[i] = value / (formula.divisor * eps)
        return found

    def all_at_once(W_hh, W_xh, x, h_0, eps):
        value = sum(factor * _loss(W_hh + steps * eps, W_xh, x, h_0) for factor, steps in formula.moves)
        return np.full_like(W_hh, value / (formula.divisor * eps))

    central = formula is FORMULAS[0]
    largest = max(abs(steps) for _, steps in formula.moves)
    sizes = (
        ("one unit, one step", 1, 1, 1, 1),
        ("a small case", 3, 2, 1, 2),
        ("B = 1", 4, 1, 2, 3),
        ("H = 1", 3, 2, 2, 1),
        ("a longer sequence", 6, 3, 2, 3),
    )
    return Key(
        answer=answer,
        also_right=(by_directions, by_companion),
        axes={"result": "H H"},
        words={
            "words": formula.words,
            "latex": formula.latex,
            "quotient": formula.code,
            "error": formula.error,
            "steps": str(tuple(steps for _, steps in formula.moves)),
            "passes": str(len(formula.moves)),
        },
        cases=tuple(
            Case(
                name,
                {
                    "W_hh": normal(rng, H, H),
                    "W_xh": normal(rng, H, I),
                    "x": normal(rng, T, B, I),
                    "h_0": normal(rng, B, H),
                    "eps": eps,
                },
            )
            for (name, T, B, I, H), eps in zip(sizes, (0.5, 0.25, 0.1, 0.2, 0.1), strict=True)
        ),
        hints=(
            "One entry at a time: all others keep their values while it moves. So the network is run anew for each "
            "entry and each value of L in the formula.",
            "Write a small function that gives L with one entry moved by so many steps ε. On what array does it work?",
            "Move an entry of a copy, ask the loss, and begin with a fresh copy for the next value.",
        ),
        misconceptions=(
            Misconception(
                "the moved entry is not put back",
                "The first entry is right, the later ones are not. When the second entry moves, where is the first?",
                not_restored,
            ),
            Misconception(
                "all entries are zero",
                "Is the result filled, and from values of L that differ? The loss must be called with the moved "
                "matrix; and after `ahead = W_hh`, without a copy, a change of `ahead` reaches W_hh and every other "
                "name that it has.",
                lambda W_hh, W_xh, x, h_0, eps: np.zeros_like(W_hh),
            ),
            Misconception(
                "all entries move together",
                "All your entries are the same number: how L changes when the whole matrix moves. How do you find out "
                "what one entry did?",
                all_at_once,
            ),
            Misconception(
                "all entries move together, and one number comes out",
                "That is how L changes when the whole matrix moves. Asked for is a number for each entry of it.",
                lambda W_hh, W_xh, x, h_0, eps: float(all_at_once(W_hh, W_xh, x, h_0, eps)[0, 0]),
            ),
            Misconception(
                "multiplied by ε instead of divided",
                "In Python a / 2 * eps is (a / 2) * eps. Where do brackets belong?",
                entrywise(lambda at, eps: weighted(at) / formula.divisor * eps),
            ),
            Misconception(
                "a whole row moves",
                "All entries of a row are the same number in your result. W[i] is a row, and an entry has two indices.",
                whole_rows,
            ),
            Misconception(
                "the divisor without its number" if not central else "divided by ε instead of 2 ε",
                "Compare how far the values of L lie apart with what you divide by. Try it on L(w) = w, whose slope "
                "is 1.",
                entrywise(lambda at, eps: weighted(at) / eps),
            ),
            Misconception(
                "not divided by ε",
                "This is a change of L, not yet a change for each unit of w. Here ε is not small, so that it shows.",
                entrywise(lambda at, eps: weighted(at) / formula.divisor),
            ),
            Misconception(
                "the plain difference to one side",
                f"(L(w + ε) − L(w)) / ε also tends to the derivative, but with a larger error. Asked for is "
                f"{formula.words}.",
                entrywise(lambda at, eps: (at(1) - at(0)) / eps),
            ),
            Misconception(
                "the plain difference to the other side",
                f"(L(w) − L(w − ε)) / ε also tends to the derivative, but with a larger error. Asked for is "
                f"{formula.words}.",
                entrywise(lambda at, eps: (at(0) - at(-1)) / eps),
            ),
            Misconception(
                "the sign of ε turned round",
                "With L(w) = w, what does your quotient give? Do your values of L lie on the sides of w that the "
                "formula says, and are they subtracted in its order?",
                entrywise(lambda at, eps: weighted(lambda steps: at(-steps)) / (formula.divisor * eps)),
            ),
            *(
                (
                    Misconception(
                        "central differences",
                        f"The formula here is another: it asks for {len(formula.moves)} values of L, as far as "
                        f"{largest} ε away.",
                        entrywise(lambda at, eps: (at(1) - at(-1)) / (2 * eps)),
                    ),
                )
                if not central
                else ()
            ),
        ),
    )


Rows = np.ndarray


def _delta(own: Rows, carried: Rows, slope: Rows) -> Rows:
    return (own + carried) * slope


def _carried(own: Rows, carried: Rows, slope: Rows, delta: Rows, W_hh: Rows) -> Rows:
    return delta @ W_hh


@dataclass(frozen=True)
class Bug:
    """A wrong walk back, with the activation of its network.

    Attributes:
        name, hint: as of a misconception.
        why: what the repair changes, for the worked solution.
        f: the activation.
        code: the lines that the text gives, by the names that they have there: order, delta, carried.
        forwards: whether the steps are visited from the first to the last.
        delta: (own, carried, slope) -> δ_t.
        carried: (own, carried, slope, δ_t, W_hh) -> what goes on to the next step visited.
    """

    name: str
    hint: str
    why: str = ""
    f: Activation = TANH
    code: Mapping[str, str] = field(default_factory=dict)
    forwards: bool = False
    delta: Callable[[Rows, Rows, Rows], Rows] = _delta
    carried: Callable[[Rows, Rows, Rows, Rows, Rows], Rows] = _carried

    def deltas(self, dh: Rows, h: Rows, W_hh: Rows, slope: Callable[[Rows], Rows]) -> Rows:
        """The walk of the text, right where nothing above says otherwise: δ_t in row t."""
        da, slopes, carried = np.zeros_like(h), slope(h), np.zeros_like(h[0])
        steps = range(1, len(h)) if self.forwards else range(len(h) - 1, 0, -1)
        for t in steps:
            da[t] = self.delta(dh[t - 1], carried, slopes[t])
            carried = self.carried(dh[t - 1], carried, slopes[t], da[t], W_hh)
        return da


RIGHT_CODE = {"order": "range(T, 0, -1)", "delta": "(dh[t - 1] + carried) * slopes[t]", "carried": "da[t] @ W_hh"}
BUGS = (
    Bug(
        "what is carried back has not passed the later slope",
        "From h_{t+1} the gradient goes back to a_{t+1} first, and from there through W_hh to h_t. Which of your lines "
        "leaves out the first half of that way?",
        "The program sent $\\partial L/\\partial h_{t+1}$ through $W_{hh}$. But $h_t$ acts on $a_{t+1}$, and only "
        "through it on $h_{t+1}$: what goes back is $\\delta_{t+1}$, with the slope in it.",
        TANH,
        {"carried": "(dh[t - 1] + carried) @ W_hh"},
        carried=lambda own, carried, slope, delta, W_hh: (own + carried) @ W_hh,
    ),
    Bug(
        "the future reaches one step back only",
        "Follow a gradient that enters at step T. Is anything of it left when your loop comes to step T − 2?",
        "The program carried only what came from the step's own loss. What arrived from later steps must go on too; "
        "both are in $\\delta_t$.",
        LOGISTIC,
        {"carried": "(dh[t - 1] * slopes[t]) @ W_hh"},
        carried=lambda own, carried, slope, delta, W_hh: (own * slope) @ W_hh,
    ),
    Bug(
        "the walk goes forwards in time",
        "At the last step nothing can have come back yet. What does `carried` hold there, and what does it hold in "
        "the first round of the loop?",
        "The program visited the steps in the order of time, so that each got what *earlier* steps sent. A loss is "
        "moved only by what came before it, so the walk begins at the last step.",
        SOFTSIGN,
        {"order": "range(1, T + 1)"},
        forwards=True,
    ),
    Bug(
        "the slope multiplies the step's own gradient only",
        "What is carried and what comes from the step's own loss arrive at the same state. Do both go through the "
        "activation?",
        "The program added what comes from the future after the slope. Both parts arrive at $h_t$, and both pass the "
        "activation on the way to $a_t$.",
        ARCTAN,
        {"delta": "dh[t - 1] * slopes[t] + carried"},
        delta=lambda own, carried, slope: own * slope + carried,
    ),
)
OTHER_BUGS = (
    Bug(
        "W_hh goes back without being transposed",
        "With one unit all is right, with more it is not. On paper it is W_hhᵀ δ; your vectors are rows.",
        carried=lambda own, carried, slope, delta, W_hh: delta @ W_hh.T,
    ),
    Bug(
        "nothing is carried back any more",
        "δ_t should contain what the later steps send. What does `carried` hold when step t is visited: is it set to "
        "zero in the loop, or not used?",
        carried=lambda own, carried, slope, delta, W_hh: np.zeros_like(delta),
    ),
    Bug(
        "the slope multiplies what is carried once more",
        "δ_t is the gradient at a_t: the slope there is in it already. What lies between a_t and the state before?",
        carried=lambda own, carried, slope, delta, W_hh: (delta * slope) @ W_hh,
    ),
    Bug(
        "what is carried piles up",
        "δ_t has in it all that came from later steps. What is added to it when you carry on?",
        carried=lambda own, carried, slope, delta, W_hh: carried + delta @ W_hh,
    ),
    Bug(
        "what is carried back does not pass W_hh",
        "δ_{t+1} stands at a_{t+1}. Through what does it come to h_t?",
        carried=lambda own, carried, slope, delta, W_hh: delta,
    ),
    Bug(
        "W_hh multiplies what is carried twice",
        "One step back, one product with W_hh. How many are there from a_{t+1} to h_t in your program?",
        carried=lambda own, carried, slope, delta, W_hh: delta @ W_hh @ W_hh,
    ),
)


@exercise(
    "bug-future",
    chapter="backpropagation-at-work",
    name="backward",
    title="Find the bug: what comes from the future",
    kind="repair",
    ask={"bug": BUGS},
)
def bug_future(rng: np.random.Generator, bug: Bug) -> Key:
    f = bug.f

    def sums(da, h, x, before=None):
        before = h[:-1] if before is None else before
        return (
            np.einsum("tbh,tbi->hi", da[1:], x),
            np.einsum("tbi,tbj->ij", da[1:], before),
            da.sum(axis=(0, 1)),
        )

    def walk(bug, slope=f.slope):
        return lambda dh, h, x, W_hh: sums(bug.deltas(dh, h, W_hh, slope), h, x)

    right = Bug("", "")

    def each_loss_alone(dh, h, x, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(1, len(h)):
            arriving = dh[t - 1]
            for k in range(t, 0, -1):
                da[k] += arriving * slopes[k]
                arriving = (arriving * slopes[k]) @ W_hh
        return sums(da, h, x)

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
        answer=walk(right),
        also_right=(each_loss_alone, in_columns),
        returns=("dW_xh", "dW_hh", "db_h"),
        axes={"dW_xh": "H I", "dW_hh": "H H", "db_h": "H"},
        words={"f": f.formula, "slope": f.slope_code, "why": bug.why, **RIGHT_CODE, **bug.code},
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        hints=(
            "The check says for which cases the program is right. What is missing in a sequence of one step?",
            "So look at what passes from one step to the next. Write BP2T beside the loop, and say for each factor of "
            "the equation where it stands in the program.",
            "Go through T = 3 with a pencil: which products does the program's δ_1 hold, and which should it?",
        ),
        misconceptions=(
            Misconception(
                "the bug is still in it",
                "These are the numbers of the program as it was given. For T = 1 they are right, for longer sequences "
                "they are not: what goes from one round of the loop to the next, and what should?",
                walk(bug),
            ),
            *(Misconception(other.name, other.hint, walk(other)) for other in (*BUGS, *OTHER_BUGS) if other is not bug),
            Misconception(
                "the recurrent weights are paired with h_t now",
                "The walk back is right, but the sums were right as they stood: W_hh multiplied the state before.",
                lambda dh, h, x, W_hh: sums(right.deltas(dh, h, W_hh, f.slope), h, x, h[1:]),
            ),
            Misconception(
                "the slope is gone",
                "δ is the gradient at a_t. Where does the activation appear in your loop?",
                walk(right, np.ones_like),
            ),
        ),
    )
