"""How close translations come to one reference each: exact match and BLEU (chapter "From one sequence to another").

Words are compared as they are: neither letters nor punctuation are changed first, and two BLEU of differently cut
words are two measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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
    Raises ValueError for no hypotheses, another number of references, an empty reference, and texts that are not split.
    """
    N = require_size("longest", longest)
    _require_pairs(hypotheses, references)
    matches, totals = np.zeros(N, int), np.zeros(N, int)
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        for n in range(1, N + 1):
            found, there = _ngrams(hypothesis, n), _ngrams(reference, n)
            matches[n - 1] += sum((found & there).values())  # clipped: the smaller of the two counts
            totals[n - 1] += sum(found.values())
    words = sum(map(len, hypotheses)), sum(map(len, references))
    return Bleu(tuple(matches.tolist()), tuple(totals.tolist()), words)


def exact_match(hypotheses: Sequence[Sentence], references: Sequence[Sentence]) -> float:
    """The share of hypotheses that equal their reference word by word. Raises ValueError as `bleu` does."""
    _require_pairs(hypotheses, references)
    return float(np.mean([tuple(h) == tuple(r) for h, r in zip(hypotheses, references, strict=True)]))


def _require_pairs(hypotheses: Sequence[Sentence], references: Sequence[Sentence]) -> None:
    if isinstance(hypotheses, str) or isinstance(references, str) or not len(hypotheses):
        raise ValueError(f"hypotheses: expected at least one, and as many references, got {hypotheses!r}")
    if len(hypotheses) != len(references):
        raise ValueError(f"references: expected {len(hypotheses)}, one for each hypothesis, got {len(references)}")
    for name, sentences in (("hypotheses", hypotheses), ("references", references)):
        for i, sentence in enumerate(sentences):
            if isinstance(sentence, str | bytes):
                raise ValueError(f"{name}[{i}]: expected a sequence of words, got one string: {sentence!r}; split it")
    for i, sentence in enumerate(references):
        if not len(sentence):
            raise ValueError(f"references[{i}]: expected at least one word, got none")


def _ngrams(sentence: Sentence, n: int) -> Counter[tuple[str | int, ...]]:
    return Counter(tuple(sentence[i : i + n]) for i in range(len(sentence) - n + 1))
