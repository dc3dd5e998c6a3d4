"""From one sequence to another: what is read, what a first state passes back, and how translations are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation, other_activation, other_slopes, written
from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise

JUNK = 900  # the size of numbers in padding

# Sources in a batch, and the sizes of e and of the decoder's state.
BRIDGES = (
    ("a small case", 2, 3, 2),
    ("B = 1", 1, 2, 3),
    ("M = 1", 3, 1, 2),
    ("H = 1", 2, 3, 1),
    ("everything square", 3, 3, 3),
    ("a batch of ten", 10, 6, 4),
)

# Lengths in a number of rows.
COLUMNS = (
    ("two columns", 4, [4, 2]),
    ("T = 1", 1, [1, 1]),
    ("B = 1", 5, [3]),
    ("one token each", 3, [1, 1, 1]),
    ("all full", 4, [4, 4, 4]),
    ("everything square", 3, [2, 3, 1]),
    ("rows that no column needs", 6, [2, 4, 1, 3]),
    ("twenty rows", 20, [4, 20, 1, 13, 19]),
)


def _padded(rng: np.random.Generator, T: int, lengths: list[int]) -> np.ndarray:
    """Tokens (T, B) from 2 on, each column ended by 0 = <EOS>; below it large numbers, and 0 now and then."""
    tokens = rng.integers(2, 9, (T, len(lengths)))
    junk = rng.integers(-JUNK, JUNK, tokens.shape) * (rng.random(tokens.shape) < 0.7)
    for b, n in enumerate(lengths):
        tokens[n - 1, b] = 0
        tokens[n:, b] = junk[n:, b]
    return tokens


@exercise(
    "shift-target",
    "shift_targets",
    "One step late",
    "implement",
    start=(0, 1),
    mask=("counts", "padding"),
)
def shift_target(rng: np.random.Generator, start: int, mask: str) -> Key:
    counts = mask == "counts"

    def by_loops(targets, lengths):
        inputs = np.zeros(targets.shape, int)
        found = np.full(targets.shape, not counts)
        for b, n in enumerate(lengths):
            inputs[:n, b] = [start, *targets[: n - 1, b]]
            found[:n, b] = counts
        return inputs, found

    return Key(
        cases=tuple(
            Case(name, {"targets": _padded(rng, T, lengths), "lengths": np.array(lengths)})
            for name, T, lengths in COLUMNS
        ),
        also_right=(by_loops,),
        returns=("inputs", mask),
        axes={"inputs": "T B", mask: "T B"},
        words={
            "start_words": "`<EOS>`" if start == 0 else "`<BOS>` (number 1, which no target holds)",
            "mask_words": "an answer of the decoder counts, which is in all rows of a target"
            if counts
            else "there is padding, so that no answer of the decoder counts",
            "own": "own" if counts else "~own",
            "not": "" if counts else "~",
        },
    )


@exercise("bridge-gradient", "bridge_gradients", "Back over the bridge", "derive", f=ACTIVATIONS)
def bridge_gradient(rng: np.random.Generator, f: Activation) -> Key:
    def by_loops(e, W_eh, b_eh, dh_0):
        dW_eh, db_eh, de = np.zeros(W_eh.shape), np.zeros(len(b_eh)), np.zeros(e.shape)
        for b, i in np.ndindex(*dh_0.shape):
            delta = dh_0[b, i] * f.slope(f.apply(W_eh[i] @ e[b] + b_eh[i]))
            dW_eh[i] += delta * e[b]
            db_eh[i] += delta
            de[b] += delta * W_eh[i]
        return dW_eh, db_eh, de

    at_a = Misconception(
        "the slope written with a, where the state belongs",
        "Your formula gives the slope when it gets the state. Which number do you put in?",
        Edit(words={"f.slope_code": written(f.slope_code, "h", "a")}),
    )
    return Key(
        cases=tuple(
            Case(
                name,
                {
                    "e": normal(rng, B, M),
                    "W_eh": normal(rng, H, M),
                    "b_eh": normal(rng, H),
                    "dh_0": normal(rng, B, H),
                },
            )
            for name, B, M, H in BRIDGES
        ),
        also_right=(by_loops,),
        misconceptions=(*other_slopes(f), at_a, other_activation(f)),
        returns=("dW_eh", "db_eh", "de"),
        axes={"dW_eh": "H M", "db_eh": "H", "de": "B M"},
        words={"f.of_dh": written(f.code, "a", "dh_0")},
    )


@dataclass(frozen=True)
class Axes:
    """Which axis of an array of tokens comes first.

    Attributes:
        words: as prose has it.
        shape: in LaTeX.
        axis: along which the steps stand, and ``other`` the sequences.
        within: True within the lengths, in NumPy.
        words_of: the index of the words of sequence b, of length n; ``later_words`` without the first.
        with_end: sources turned with their end, as an expression.
    """

    words: str
    shape: str
    axis: int
    other: int
    within: str
    words_of: str
    later_words: str
    with_end: str


TIME = Axes(
    "one in each column",
    "$(T, B)$",
    0,
    1,
    "np.arange(len(sources))[:, None] < lengths",
    "[: n - 1, b]",
    "[1 : n - 1, b]",
    "np.array([[*column[:n][::-1], *column[n:]] for column, n in zip(sources.T, lengths)]).T",
)
BATCH = Axes(
    "one in each row",
    "$(B, T)$",
    1,
    0,
    "np.arange(sources.shape[1]) < lengths[:, None]",
    "[b, : n - 1]",
    "[b, 1 : n - 1]",
    "np.array([[*row[:n][::-1], *row[n:]] for row, n in zip(sources, lengths)])",
)


def _tokens(rng: np.random.Generator, axes: Axes, T: int, lengths: Sequence[int]) -> np.ndarray:
    """Sequences that end with 0 at their lengths, all their words different, then junk, 0 among it."""
    columns = np.stack([rng.permutation(np.arange(1, T + 9))[:T] for _ in lengths], axis=1)
    for b, n in enumerate(lengths):
        columns[n:, b] = rng.integers(0, 99, T - n)
        columns[n - 1, b] = 0
    return columns if axes is TIME else columns.T.copy()


SIZES = (
    ("three sequences", 5, (5, 3, 4)),
    ("one sequence", 4, (3,)),
    ("nothing but the end", 3, (1, 3)),
    ("all full", 4, (4, 4)),
    ("as many steps as sequences", 4, (2, 4, 3, 4)),
    ("T = 1", 1, (1, 1)),
    ("many", 8, (8, 2, 5, 7, 6, 8)),
)


@exercise(
    "reverse-source",
    "reverse",
    "Sources read backwards",
    "implement",
    axes=(TIME, BATCH),
    padding=("stays", "becomes 0"),
)
def reverse_source(rng: np.random.Generator, axes: Axes, padding: str) -> Key:
    stays = padding == "stays"

    def by_index(sources, lengths):
        columns = sources if axes is TIME else sources.T
        t, last = np.arange(len(columns))[:, None], lengths - 2
        turned = np.take_along_axis(columns, np.where(t <= last, last - t, t), axis=0)
        turned = turned if stays else np.where(t <= last, turned, 0)
        return turned if axes is TIME else turned.T

    return Key(
        cases=tuple(
            Case(name, {"sources": _tokens(rng, axes, T, lengths), "lengths": np.array(lengths)})
            for name, T, lengths in SIZES
        ),
        also_right=(by_index,),
        axes={"result": "S B" if axes is TIME else "B S"},
        words={
            "shape": axes.shape.replace("T", "S"),
            "rest": "and so does the padding" if stays else "and the padding becomes 0, whatever it was",
            "begun": "sources.copy()" if stays else "np.zeros_like(sources)",
        },
    )


@dataclass(frozen=True)
class Brevity:
    """How translations that are too short are punished: ``formula`` in LaTeX, ``code`` in NumPy, of c and r."""

    Intro: str
    formula: str
    code: str


EXPONENTIAL = Brevity(
    "Compute BLEU (Papineni et al. 2002) of a corpus of translations, each with one reference:",
    r"\min\bigl(1,\ e^{1 - r/c}\bigr)",
    "min(1, np.exp(1 - r / c))",
)
LINEAR = Brevity(
    "Compute a cousin of BLEU (Papineni et al. 2002), with another penalty, of translations with one reference each:",
    r"\min\bigl(1,\ c/r\bigr)",
    "min(1, c / r)",
)
SQUARE = Brevity(
    "Compute a cousin of BLEU (Papineni et al. 2002), with another penalty, of translations with one reference each:",
    r"\min\bigl(1,\ (c/r)^2\bigr)",
    "min(1, (c / r) ** 2)",
)
ROOT = Brevity(
    "Compute a cousin of BLEU (Papineni et al. 2002), with another penalty, of translations with one reference each:",
    r"\min\bigl(1,\ \sqrt{c/r}\bigr)",
    "min(1, np.sqrt(c / r))",
)


@exercise("bleu", "score", "How close to the reference?", "implement", penalty=(EXPONENTIAL, LINEAR, SQUARE, ROOT))
def bleu(rng: np.random.Generator, penalty: Brevity) -> Key:
    def by_lists(translations, references, N):
        product = 1.0
        for n in range(1, N + 1):
            matches = total = 0
            for words, reference in zip(translations, references, strict=True):
                left = [reference[i : i + n] for i in range(len(reference) - n + 1)]
                for i in range(len(words) - n + 1):
                    total += 1
                    if words[i : i + n] in left:
                        left.remove(words[i : i + n])
                        matches += 1
            product *= matches / total
        c, r = sum(map(len, translations)), sum(map(len, references))
        beta = {EXPONENTIAL: np.exp(1 - r / c), LINEAR: c / r, SQUARE: (c / r) ** 2, ROOT: (c / r) ** 0.5}[penalty]
        return min(1, beta) * product ** (1 / N)

    def drawn(lengths, letters="abc"):
        return [[letters[i] for i in rng.integers(len(letters), size=n)] for n in lengths]

    def case(name, translations, references, N):
        return Case(name, {"translations": translations, "references": references, "N": N})

    def split(*texts):
        return [text.split() for text in texts]

    confused = LINEAR if penalty is EXPONENTIAL else EXPONENTIAL
    hint = "There is more than one penalty for brevity. What does the statement's give for c = r / 2?"
    return Key(
        cases=(
            case("one translation", split("the cat the cat on the mat"), split("the cat sat on the mat"), 3),
            case("too short", split("the cat sat"), split("the cat sat on the old mat"), 2),
            case("single words", split("the the the the", "a dog"), split("the cat sat here", "the dog was big"), 1),
            case("perfect", split("a b c a b", "c c a b"), split("a b c a b", "c c a b"), 4),
            case("nothing in common", split("a b c"), split("d e f g"), 2),
            case("no pair in common", split("a b c d"), split("b a d c e"), 2),
            case("twice in both", split("a b a b c"), split("a b a b d d"), 2),
            case("a corpus", drawn((6, 9, 7, 8)), drawn((8, 9, 9, 7)), 2),
            case("a larger corpus", drawn((9, 8, 12, 7, 10), "ab"), drawn((11, 9, 10, 9, 12), "ab"), 3),
        ),
        also_right=(by_lists,),
        misconceptions=(Misconception("another penalty", hint, Edit(options={"penalty": confused})),),
    )
