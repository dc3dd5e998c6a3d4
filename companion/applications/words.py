"""What a network is told of a word: itself, its beginning, its end, its shape (chapter "A label for every word").

A *feature* is a text that is read off a word. Each has a vocabulary, made from training words alone; a text that is not
in it is `<UNK>`. A word becomes as many numbers as there are features, a sentence an array (T, F).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from companion.core.validation import Array, require_size
from companion.rnn.vocabulary import EOS, UNK, Vocabulary

Sentence = Sequence[str]


@dataclass(frozen=True)
class Feature:
    """What is read off a word, under a name."""

    name: str
    of: Callable[[str], str]


def shape(word: str) -> str:
    """Capitals become X, small letters x, digits 9; of equal ones side by side one is kept: "McDonald's" → "XxXx'x"."""
    signs = ("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word)
    return re.sub(r"(.)\1+", r"\1", "".join(signs))


def _beginning(word: str) -> str:
    return word[:2].lower()


def _end(word: str) -> str:
    return word[-3:].lower()


WORD = Feature("word", str.lower)
PREFIX = Feature("prefix", _beginning)  # the first two letters
SUFFIX = Feature("suffix", _end)  # the last three
SHAPE = Feature("shape", shape)
AFFIXES = (WORD, PREFIX, SUFFIX, SHAPE)


@dataclass(frozen=True)
class Numbering:
    """Features of words as numbers: one vocabulary for each feature.

    Made by `numbering`. Number 0 fills sentences up, number 1 is what was not seen often enough in training.
    """

    features: tuple[Feature, ...]
    vocabularies: tuple[Vocabulary, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """How many numbers each feature has."""
        return {f.name: len(v) for f, v in zip(self.features, self.vocabularies, strict=True)}

    def encode(self, sentence: Sentence) -> Array:
        """A sentence of T words as numbers (T, F). Raises ValueError for one without words, and for what is no word."""
        if isinstance(sentence, str) or not len(sentence):
            raise ValueError(f"sentence: expected a sequence of at least one word, got {sentence!r}")
        words, read = _strings("sentence", sentence), zip(self.features, self.vocabularies, strict=True)
        return np.array([[v.number(f.of(word)) for word in words] for f, v in read], np.int64).T


def numbering(training: Iterable[Sentence], features: Sequence[Feature] = (WORD,), least: int = 2) -> Numbering:
    """Vocabularies of the features of training sentences, of what occurs at least `least` times.

    Only words that are rare in training teach a network what to do with an unknown one, hence `least` = 2.
    Raises ValueError for no training sentences, for what is no word in them, for no features, and for `least` below 1.
    """
    require_size("least", least)
    if not features:
        raise ValueError("features: expected at least one, got none")
    words = Counter(word for sentence in training for word in _words(sentence))
    if not words:
        raise ValueError("training: expected at least one word, got none")
    return Numbering(tuple(features), tuple(_vocabulary(words, feature, least) for feature in features))


def _vocabulary(words: Mapping[str, int], feature: Feature, least: int) -> Vocabulary:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        counts[feature.of(word)] += count
    return Vocabulary((EOS, UNK, *sorted(text for text, count in counts.items() if count >= least)))


def _words(sentence: Sentence) -> Sentence:
    if isinstance(sentence, str):
        raise ValueError(f"training: expected sequences of words, got the string {sentence!r}; split it first")
    return _strings("training", sentence)


def _strings(name: str, words: Sentence) -> Sentence:
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"{name}: expected strings, got {word!r}")
    return words
