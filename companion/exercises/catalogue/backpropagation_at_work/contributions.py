"""How much each step contributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


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

    def each_sequence(da, h):
        return measure.apply(together.apply(np.einsum("tbi,tbj->tbij", da[1:], h[:-1])))

    def one_by_one(da, h):
        """The size for each sequence alone, added."""
        return each_sequence(da, h).sum(axis=1)

    def over_all_sequences(da, h):
        """The sequences side by side, as one wide matrix a step."""
        C = np.einsum("tbi,tbj->tibj", da[1:], h[:-1])
        return measure.apply(together.apply(C.reshape(len(C), h.shape[-1], -1)))

    def batch_first(da, h):
        return measure.apply(together.apply(each(da.sum(axis=1, keepdims=True), h.sum(axis=1, keepdims=True))))

    def of_rows(delta, states):
        """The sizes, with other rows of δ and of the states."""
        return measure.apply(together.apply(np.einsum("tbi,tbj->tij", delta, states)))

    def of_pairs_of_sequences(da, h):
        """The sizes of δ_k h_{k-1}ᵀ as products of whole arrays, which are (B, B)."""
        return measure.apply(together.apply(np.einsum("tai,tbi->tab", da[1:], h[:-1])))

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
                lambda da, h: of_rows(da[1:], h[1:]),
            ),
            Misconception(
                "δ of the step before",
                "The two rows differ by one: at step k the weight has made a_k of h_{k−1}. At which of the two steps "
                "is δ taken?",
                lambda da, h: of_rows(da[:-1], h[:-1]),
            ),
            Misconception(
                "the slope multiplies once more",
                "δ_k is the gradient at a_k, before the activation. Which slope is in it already?",
                lambda da, h: of_rows(da[1:] * (1 - h[1:] ** 2), h[:-1]),
            ),
            Misconception(
                "products of sequences instead of units",
                "C_k is (H, H), and the sequences are summed away. Which axis of da[k] and h[k − 1] does your product "
                "sum over?",
                of_pairs_of_sequences,
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
                lambda da, h: measure.apply(together.apply(each(da, h))[..., None, :]),
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
                "Step 1 multiplies h_0, which here is not zero. How many uses has the weight in T steps?",
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
                    Misconception(
                        "a running sum of the contributions",
                        "Entry k − 1 is the size of C_k alone. Is something kept from one step to the next?",
                        lambda da, h: others(da, h, TOGETHER[2]),
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
