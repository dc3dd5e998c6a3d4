"""How close translations come to one reference each: exact match and BLEU (chapter "From one sequence to another").

Words are compared as they are: neither letters nor punctuation are changed first, and two BLEU of differently cut
words are two measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from reprlib import repr as shortened

import numpy as np

from companion.core.validation import require_size

Sentence = Sequence[str] | Sequence[int]


@dataclass(frozen=True)
class Bleu:
    """BLEU of a corpus, from 0 to 1, and what it is made of (Papineni et al. 2002; equation eq-bleu).

    matches   n-grams of the hypotheses that stand in their reference, each counted at most as often as it does there
    totals    n-grams of the hypotheses, for n = 1 … N as in `matches`
    words     of the hypotheses, and of the references
    """

    matches: tuple[int, ...]
    totals: tuple[int, ...]
    words: tuple[int, int]

    @property
    def precisions(self) -> tuple[float, ...]:
        """p_n for n = 1 … N; 0 where the hypotheses hold no n-gram."""
        return tuple(m / t if t else 0.0 for m, t in zip(self.matches, self.totals, strict=True))

    @property
    def brevity(self) -> float:
        """1 when the hypotheses hold more words than the references, else exp(1 − reference words / words)."""
        ours, theirs = self.words
        return 1.0 if ours > theirs else float(np.exp(1 - theirs / ours)) if ours else 0.0

    @property
    def score(self) -> float:
        """The brevity times the geometric mean of the precisions: 0 as soon as one of them is 0."""
        if 0 in self.matches:
            return 0.0
        return self.brevity * float(np.exp(np.mean(np.log(self.precisions))))


def bleu(hypotheses: Sequence[Sentence], references: Sequence[Sentence], longest: int = 4) -> Bleu:
    """BLEU of hypotheses against one reference each, both split into words; counts are of the corpus as a whole.

    longest  N, of the longest n-grams
    Raises ValueError for no hypotheses, another number of references, an empty reference, texts that are not split, and
    where some words are strings and others numbers: they would never match.
    """
    N = require_size("longest", longest)
    pairs = _pairs(hypotheses, references)
    matches, totals = np.zeros(N, int), np.zeros(N, int)
    for hypothesis, reference in pairs:
        for n in range(1, N + 1):
            found, there = _ngrams(hypothesis, n), _ngrams(reference, n)
            matches[n - 1] += sum((found & there).values())  # clipped: the smaller of the two counts
            totals[n - 1] += sum(found.values())
    ours, theirs = (sum(map(len, side)) for side in zip(*pairs, strict=True))
    return Bleu(tuple(matches.tolist()), tuple(totals.tolist()), (ours, theirs))


def exact_match(hypotheses: Sequence[Sentence], references: Sequence[Sentence]) -> float:
    """The share of hypotheses that equal their reference word by word. Raises ValueError as `bleu` does."""
    return float(np.mean([h == r for h, r in _pairs(hypotheses, references)]))


Words = tuple[str | int, ...]


def _pairs(hypotheses: Sequence[Sentence], references: Sequence[Sentence]) -> list[tuple[Words, Words]]:
    ours, theirs = _split("hypotheses", hypotheses), _split("references", references)
    if len(ours) != len(theirs):
        raise ValueError(f"references: expected {len(ours)}, one for each hypothesis, got {len(theirs)}")
    for i, sentence in enumerate(theirs):
        if not sentence:
            raise ValueError(f"references[{i}]: expected at least one word, got none")
    if len({isinstance(word, str) for sentence in ours + theirs for word in sentence}) > 1:
        raise ValueError("hypotheses: expected words like the references', all strings or all numbers, got both")
    return list(zip(ours, theirs, strict=True))


def _split(name: str, sentences: Sequence[Sentence]) -> list[Words]:
    if not _is_in_order(sentences) or not len(sentences):
        raise ValueError(f"{name}: expected at least one sentence, split into words, got {shortened(sentences)}")
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, str | bytes):
            raise ValueError(f"{name}[{i}]: expected a sequence of words, got one string: {sentence!r}; split it")
        if not _is_in_order(sentence) or not all(isinstance(word, str | int | np.integer) for word in sentence):
            raise ValueError(f"{name}[{i}]: expected a sequence of words or of numbers, got {shortened(sentence)}")
    return [tuple(sentence) for sentence in sentences]


def _is_in_order(value: object) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes | np.ma.MaskedArray)


def _ngrams(sentence: Words, n: int) -> Counter[Words]:
    return Counter(sentence[i : i + n] for i in range(len(sentence) - n + 1))
