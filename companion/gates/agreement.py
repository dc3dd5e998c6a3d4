"""Agreement at a distance, in a small made-up language: "the cats near the dog … ⟨was/were⟩".

Sentences of this language are drawn, so that everything about them is known: how many words stand between subject and
verb, and that nothing but the subject tells the verb's number. `companion.rnn.agreement_in_text` asks the same of
models that have read real text. Chapter "What each gate does"; the question is that of Linzen, Dupoux and Goldberg
(2016).

    sentence    the SUBJECT between VERB             the cats near the dog at night were
    between     modifier … modifier adverbial        k words in all
    modifier    near the NOUN, that saw the NOUN     3 or 4 words, as long as one fits
    adverbial   nothing, again, at night             0, 1 or 2 words, what is left

Subject and nouns are singular or plural, independently and with equal probability. A noun between subject and verb is
called an attractor: one that has the other number attracts the wrong verb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb

import numpy as np

from companion.core.functions import cross_entropy
from companion.core.networks import MANY_TO_MANY, Loss
from companion.core.validation import Array, keep_sizes, require_size, require_tokens
from companion.rnn.language_model import shifted
from companion.rnn.measures import LanguageModel
from companion.rnn.vocabulary import EOS, Vocabulary

NOUNS = tuple("cat cats dog dogs bird birds boy boys girl girls horse horses".split())  # each beside its plural
PREPOSITIONS = ("near", "behind", "with")
CLAUSE_VERBS = ("saw", "chased", "followed")  # the same after one and after many
ADVERBIALS = (("again",), ("today",), ("often",), ("at", "night"), ("in", "town"))
VERBS = ("was", "were")
VOCABULARY = Vocabulary(
    (EOS, "the", "that", *NOUNS, *PREPOSITIONS, *CLAUSE_VERBS, *(w for words in ADVERBIALS for w in words), *VERBS)
)
MODIFIERS = (3, 4)  # words of a modifier


def _numbers(words: Sequence[str]) -> Array:
    return np.array([VOCABULARY.number(word) for word in words])


_THE, _THAT = _numbers(["the", "that"])
_NOUNS, _PREPOSITIONS, _CLAUSE_VERBS, _VERBS = map(_numbers, (NOUNS, PREPOSITIONS, CLAUSE_VERBS, VERBS))


@dataclass(frozen=True)
class Agreement:
    """A task: read a text of this language word by word and predict the next word, verbs included.

    A sequence has `sentences` sentences. In each, the number k of words between subject and verb is drawn from
    `least` … `most`, the same for a whole batch, so that all its sequences have the same length.
    """

    least: int
    most: int
    sentences: int = 2

    inputs = outputs = len(VOCABULARY)
    arity = MANY_TO_MANY

    def __post_init__(self) -> None:
        keep_sizes(self, least=0, sentences=1)
        keep_sizes(self, most=self.least)

    @property
    def loss(self) -> Loss:
        """Cross-entropy in nats, summed over the answers."""
        return cross_entropy

    @property
    def baseline(self) -> float:
        """Nats a token of who knows how frequent each word is and no more: the entropy of these frequencies."""
        counts = np.sum([word_counts(k) for k in range(self.least, self.most + 1)], axis=0)
        q = counts[counts > 0] / counts.sum()
        return float(-(q * np.log(q)).sum())

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Input tokens x_t = w_{t−1}, `<EOS>` first, and target tokens w_t, both (T, B)."""
        distances = rng.integers(self.least, self.most + 1, self.sentences)
        targets = np.concatenate([whole(*beginnings(rng, int(k), size)) for k in distances])
        return shifted(targets), targets

    def questions(self, rng: np.random.Generator, k: int, pairs: int) -> tuple[Array, Array]:
        """Texts that stop before the last sentence's verb, k words after its subject, and the verb that must follow.

        Each comes with its twin, the same text but for the number of the last subject. Who no longer sees that
        subject answers both alike, and is right about exactly one of them. Other sentences are drawn as in `batch`.
        Returns tokens (T, 2 · pairs), twins side by side, and numbers in `VERBS`, (2 · pairs,).
        Raises ValueError for k < 0 and for less than one pair.
        """
        require_size("pairs", pairs)
        distances = rng.integers(self.least, self.most + 1, self.sentences - 1)
        earlier = [whole(*beginnings(rng, int(distance), pairs)) for distance in distances]
        last, verbs = beginnings(rng, k, pairs)
        twin = last.copy()
        twin[1] = _NOUNS[(last[1] - _NOUNS[0]) ^ 1]  # a noun stands beside its plural
        texts = np.stack([np.concatenate([*earlier, one]) for one in (last, twin)], axis=-1)  # (T, pairs, 2)
        return texts.reshape(len(texts), -1), np.stack([verbs, 1 - verbs], axis=-1).reshape(-1)


def beginnings(rng: np.random.Generator, k: int, size: int) -> tuple[Array, Array]:
    """Sentences up to their verb, tokens (2 + k, B), and the verb that each must have, (B,), a number in `VERBS`.

    Raises ValueError for k < 0 and for less than one sentence.
    """
    k, size = require_size("k", k, least=0), require_size("size", size)
    subjects = rng.integers(0, len(NOUNS), size)
    x = np.full((2 + k, size), _THE)
    x[1] = _NOUNS[subjects]
    at = np.full(size, 2)  # the first place that is still free
    while (long := np.flatnonzero(len(x) - at >= min(MODIFIERS))).size:
        first, n = at[long], len(long)
        length = np.minimum(rng.choice(MODIFIERS, n), len(x) - first)
        clause = length == 4
        x[first, long] = np.where(clause, _THAT, rng.choice(_PREPOSITIONS, n))
        x[first + 1, long] = np.where(clause, rng.choice(_CLAUSE_VERBS, n), _THE)
        x[first + length - 1, long] = rng.choice(_NOUNS, n)
        at[long] += length
    for left in (1, 2):
        short = np.flatnonzero(len(x) - at == left)
        choices = np.array([_numbers(words) for words in ADVERBIALS if len(words) == left])
        x[-left:, short] = choices[rng.integers(0, len(choices), len(short))].T
    return x, subjects % 2


def whole(x: Array, verbs: Array) -> Array:
    """Whole sentences from their beginnings (2 + k, B) and verbs (B,): tokens (k + 4, B), `<EOS>` last.

    Raises ValueError for other shapes, tokens outside the vocabulary, and verbs that are not 0 or 1.
    """
    x = require_tokens("x", x, ("T", "B"), len(VOCABULARY))
    verbs = require_tokens("verbs", verbs, x.shape[1:], len(VERBS))
    return np.concatenate([x, _VERBS[verbs][None], np.zeros((1, x.shape[1]), np.int64)])


def accuracy(model: LanguageModel, texts: Array, verbs: Array) -> float:
    """Share of `questions` after which the model finds the right verb more probable; equal probabilities count half.

    Raises ValueError as `whole` does, and for a model with another vocabulary.
    """
    if model.vocabulary_size != len(VOCABULARY):
        raise ValueError(f"model: expected one of {len(VOCABULARY)} tokens, got one of {model.vocabulary_size}")
    verbs = require_tokens("verbs", verbs, ("B",), len(VERBS))
    right, wrong = (
        np.array([logarithms[-2] for logarithms in model.log_probabilities(list(whole(texts, given).T))])
        for given in (verbs, 1 - verbs)
    )
    return float(((right > wrong) + (right == wrong) / 2).mean())


def patterns(k: int) -> dict[tuple[int, int, int], Fraction]:
    """What k words between subject and verb may consist of, with exact probabilities.

    Keys: how many modifiers of three words, how many of four, and the length of the adverbial.
    Raises ValueError for k < 0, as all functions below do.
    """
    return dict(_patterns(require_size("k", k, least=0)))


@cache
def _patterns(k: int) -> Mapping[tuple[int, int, int], Fraction]:
    lengths = [length for length in MODIFIERS if length <= k]
    found = {} if lengths else {(0, 0, k): Fraction(1)}
    for length in lengths:
        for (short, clauses, left), p in _patterns(k - length).items():
            key = (short + (length == 3), clauses + (length == 4), left)
            found[key] = found.get(key, Fraction(0)) + p / len(lengths)
    return found


def word_counts(k: int) -> Array:
    """How often each token stands, on average, in a sentence with k words between subject and verb: (V,)."""
    counts = np.zeros(len(VOCABULARY))
    counts[0], counts[_VERBS] = 1, 1 / len(VERBS)
    for (short, clauses, left), p in patterns(k).items():
        nouns = float(p) * (1 + short + clauses)  # the subject and the attractors, each with its "the"
        counts[_THE] += nouns
        counts[_NOUNS] += nouns / len(NOUNS)
        counts[_PREPOSITIONS] += float(p) * short / len(PREPOSITIONS)
        counts[_THAT] += float(p) * clauses
        counts[_CLAUSE_VERBS] += float(p) * clauses / len(CLAUSE_VERBS)
        choices = [_numbers(words) for words in ADVERBIALS if len(words) == left]
        for words in choices:
            counts[words] += float(p) / len(choices)
    return counts


def last_noun_accuracy(k: int) -> Fraction:
    """Accuracy of agreeing with the last noun before the verb: 1 where it is the subject, else 1/2."""
    return sum((p if short + clauses == 0 else p / 2 for (short, clauses, _), p in patterns(k).items()), Fraction(0))


def majority_accuracy(k: int) -> Fraction:
    """Accuracy of agreeing with the majority of all nouns, subject included, and of tossing a coin where they tie."""
    accuracy = Fraction(0)
    for (short, clauses, _), p in patterns(k).items():
        m = short + clauses
        for agreeing in range(m + 1):  # attractors with the subject's number
            margin = 1 + agreeing - (m - agreeing)
            right = Fraction(1, 2) if margin == 0 else Fraction(margin > 0)
            accuracy += p * Fraction(comb(m, agreeing), 2**m) * right
    return accuracy
