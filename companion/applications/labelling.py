"""From texts to numbers and back: what training text holds decides which words and labels a network knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from companion.applications.corpora import Classified, Labelled
from companion.applications.fitting import Example, examples
from companion.applications.spans import Scores, Span, runs, span_scores
from companion.applications.words import WORD, Feature, Numbering, numbering
from companion.core.validation import Array


@dataclass(frozen=True)
class Codebook:
    """Words and labels as numbers. Made by `classes` or `labels_of_words`, from training text alone."""

    numbering: Numbering
    labels: tuple[str, ...]

    def words(self, part: Iterable[Classified | Labelled]) -> list[Array]:
        """Each sentence as numbers (T, F)."""
        return [self.numbering.encode(sentence.words) for sentence in part]

    def examples(self, part: Sequence[Classified] | Sequence[Labelled]) -> list[Example]:
        """Each sentence with its class, or its labels, as numbers. Raises ValueError for one that is not known."""
        targets = [
            self._number(s.label) if isinstance(s, Classified) else [self._number(label) for label in s.labels]
            for s in part
        ]
        return examples(self.words(part), targets)

    def named(self, answers: Iterable[Array]) -> list[tuple[str, ...]]:
        """Answers as labels: one for each sentence, in a tuple, or one for each of its words."""
        return [tuple(self.labels[i] for i in np.atleast_1d(numbers)) for numbers in answers]

    def _number(self, label: str) -> int:
        if label not in self.labels:
            raise ValueError(f"label: expected one of {', '.join(self.labels)}, got {label!r}")
        return self.labels.index(label)


def classes(training: Sequence[Classified], features: Sequence[Feature] = (WORD,), least: int = 2) -> Codebook:
    """One class for a sentence. Raises ValueError as `numbering` does."""
    return _codebook(training, {s.label for s in training}, features, least)


def labels_of_words(training: Sequence[Labelled], features: Sequence[Feature] = (WORD,), least: int = 2) -> Codebook:
    """One label for a word. Raises ValueError as `numbering` does."""
    return _codebook(training, {label for s in training for label in s.labels}, features, least)


def _codebook(
    training: Sequence[Classified] | Sequence[Labelled], labels: set[str], features: Sequence[Feature], least: int
) -> Codebook:
    return Codebook(numbering([s.words for s in training], features, least), tuple(sorted(labels)))


@dataclass(frozen=True)
class TagScores:
    """How well words were labelled.

    words      share of right labels among all words
    unseen     the same among words that training text does not hold, in small letters; 0 where there are none
    spans      precision, recall and F1
    sentences  share of sentences in which every label is right
    """

    words: float
    unseen: float
    spans: Scores
    sentences: float


def tag_scores(
    wanted: Sequence[Labelled],
    found: Sequence[Sequence[str]],
    seen: Callable[[str], bool],
    spans_of: Callable[[Sequence[str]], list[Span]] = runs,
) -> TagScores:
    """Compare labels, sentence by sentence; `seen` says of a word whether training text holds it.

    Raises ValueError for other numbers of sentences or of labels.
    """
    if len(wanted) != len(found) or not wanted:
        raise ValueError(f"found: expected labels of {len(wanted)} sentences, at least one, got {len(found)}")
    marks: list[tuple[bool, bool]] = []  # of each word: whether its label is right, whether it was seen
    for sentence, labels in zip(wanted, found, strict=True):
        if len(sentence.labels) != len(labels):
            raise ValueError(f"found: expected {len(sentence.labels)} labels for {sentence.words}, got {len(labels)}")
        words = zip(sentence.words, sentence.labels, labels, strict=True)
        marks += [(right == given, seen(word)) for word, right, given in words]
    of_unseen = [right for right, known in marks if not known]
    whole = [tuple(s.labels) == tuple(labels) for s, labels in zip(wanted, found, strict=True)]
    return TagScores(
        sum(right for right, _ in marks) / len(marks),
        sum(of_unseen) / max(len(of_unseen), 1),
        span_scores([spans_of(s.labels) for s in wanted], [spans_of(labels) for labels in found]),
        sum(whole) / len(whole),
    )


def words_of(training: Iterable[Classified | Labelled]) -> Callable[[str], bool]:
    """Whether a word stands in these sentences, in small or capital letters, for `tag_scores`."""
    words = {WORD.of(word) for sentence in training for word in sentence.words}
    return lambda word: WORD.of(word) in words


def commonest(training: Sequence[Labelled]) -> Callable[[str], str]:
    """The baseline that looks at nothing but the word: its commonest label; for an unseen word the commonest of all.

    Among equals the first in the alphabet. Raises ValueError for no training sentences.
    """
    if not training:
        raise ValueError("training: expected at least one sentence, got none")
    counts: dict[str, dict[str, int]] = {}
    every: dict[str, int] = {}
    for sentence in training:
        for word, label in zip(sentence.words, sentence.labels, strict=True):
            own = counts.setdefault(WORD.of(word), {})
            own[label], every[label] = own.get(label, 0) + 1, every.get(label, 0) + 1
    best = {word: max(sorted(own), key=own.__getitem__) for word, own in counts.items()}
    otherwise = max(sorted(every), key=every.__getitem__)
    return lambda word: best.get(WORD.of(word), otherwise)
