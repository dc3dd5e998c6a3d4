"""Encoder and decoder: shifted targets, the bridge, reversed sources, and a measure of translations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation, other_slopes
from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise


@dataclass(frozen=True)
class Axes:
    """Which axis of an array of tokens comes first.

    Attributes:
        words: as prose has it.
        shape: in LaTeX.
        axis: along which the steps stand, and ``other`` the sequences.
        within: True within the lengths, in NumPy, of an array targets or sources.
        later: the index of all steps but the first; ``earlier`` of all but the last.
        words_of: the index of the words of sequence b, of length n; ``later_words`` without the first.
        with_end: sources turned with their end, as an expression.
    """

    words: str
    shape: str
    axis: int
    other: int
    within: str
    later: str
    earlier: str
    words_of: str
    later_words: str
    with_end: str


TIME = Axes(
    "one in each column",
    "$(T, B)$",
    0,
    1,
    "np.arange(len(tokens))[:, None] < lengths",
    "[1:]",
    "[:-1]",
    "[: n - 1, b]",
    "[1 : n - 1, b]",
    "np.array([[*column[:n][::-1], *column[n:]] for column, n in zip(sources.T, lengths)]).T",
)
BATCH = Axes(
    "one in each row",
    "$(B, T)$",
    1,
    0,
    "np.arange(tokens.shape[1]) < lengths[:, None]",
    "[:, 1:]",
    "[:, :-1]",
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


@exercise("shift-target", "shift", "What a decoder reads, and what counts", "implement", axes=(TIME, BATCH))
def shift_target(rng: np.random.Generator, axes: Axes) -> Key:
    def one_by_one(targets, lengths):
        d = targets if axes is TIME else targets.T
        inputs, counted = np.zeros_like(d), np.zeros(d.shape, bool)
        for b, n in enumerate(lengths):
            for t in range(n):
                inputs[t, b], counted[t, b] = d[t - 1, b] if t else 0, True
        return (inputs, counted) if axes is TIME else (inputs.T, counted.T)

    return Key(
        cases=tuple(
            Case(name, {"targets": _tokens(rng, axes, T, lengths), "lengths": np.array(lengths)})
            for name, T, lengths in SIZES
        ),
        also_right=(one_by_one,),
        returns=("inputs", "counted"),
        axes=dict.fromkeys(("inputs", "counted"), "T B" if axes is TIME else "B T"),
        words={"shape": axes.shape, "within": axes.within.replace("tokens", "targets")},
    )


@exercise("bridge-gradient", "bridge_gradients", "The gradient through the bridge", "derive", f=ACTIVATIONS)
def bridge_gradient(rng: np.random.Generator, f: Activation) -> Key:
    def one_by_one(dh, h, e, W_eh):
        dW, db, de = np.zeros_like(W_eh), np.zeros(len(W_eh)), np.zeros_like(e)
        for b in range(len(e)):
            for i in range(len(W_eh)):
                da = dh[b, i] * f.slope(h[b, i])
                dW[i] += da * e[b]
                db[i] += da
                de[b] += da * W_eh[i]
        return dW, db, de

    def case(name, B, H, M):
        e, W, b = normal(rng, B, M), normal(rng, H, M), normal(rng, H)
        return Case(name, {"dh": normal(rng, B, H), "h": f.apply(e @ W.T + b), "e": e, "W_eh": W})

    return Key(
        cases=(
            case("two sequences", 2, 3, 4),
            case("B = 1", 1, 2, 3),
            case("H = 1", 3, 1, 2),
            case("M = 1", 2, 3, 1),
            case("everything square", 3, 3, 3),
            case("more sequences", 6, 4, 5),
        ),
        also_right=(one_by_one,),
        misconceptions=other_slopes(f),
        returns=("dW_eh", "db_eh", "de"),
        axes={"dW_eh": "H M", "db_eh": "H", "de": "B M"},
    )


@exercise("reverse-source", "reverse", "Sources read backwards", "implement", axes=(TIME, BATCH))
def reverse_source(rng: np.random.Generator, axes: Axes) -> Key:
    def by_index(sources, lengths):
        columns = sources if axes is TIME else sources.T
        t, last = np.arange(len(columns))[:, None], lengths - 2
        turned = np.take_along_axis(columns, np.where(t <= last, last - t, t), axis=0)
        return turned if axes is TIME else turned.T

    return Key(
        cases=tuple(
            Case(name, {"sources": _tokens(rng, axes, T, lengths), "lengths": np.array(lengths)})
            for name, T, lengths in SIZES
        ),
        also_right=(by_index,),
        axes={"result": "S B" if axes is TIME else "B S"},
        words={"shape": axes.shape.replace("T", "S"), "within": axes.within.replace("tokens", "sources")},
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


@exercise("bleu", "score", "How close to the reference?", "implement", penalty=(EXPONENTIAL, LINEAR, SQUARE))
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
        beta = {EXPONENTIAL: np.exp(1 - r / c), LINEAR: c / r, SQUARE: (c / r) ** 2}[penalty]
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
