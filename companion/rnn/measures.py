"""What a language model is, how well it predicts, and how far a recognised sentence is from the spoken one.

All logarithms are natural unless a name says bits. Every token that a model must predict counts, `<EOS>` included.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from companion.core.validation import Array, require_probabilities, require_size, require_tokens


class LanguageModel(Protocol):
    """Anything that gives probabilities to sequences of token numbers ending with `<EOS>` (number 0)."""

    @property
    def vocabulary_size(self) -> int: ...

    def log_probabilities(self, sequences: Sequence[Array]) -> list[Array]:
        """log p(w_t | w_1 … w_{t−1}) of every token of every sequence: arrays (T,) like the sequences."""

    def distribution(self, context: Sequence[int] | Array) -> Array:
        """p(· | context), shape (V,): the context is everything before the next token in its sequence, or nothing."""


def cross_entropy(model: LanguageModel, sequences: Sequence[Array]) -> float:
    """Mean of −log p(w_t | …) over all tokens of a text, in nats a token. +∞ when the model excludes one of them."""
    logarithms = np.concatenate(model.log_probabilities(sequences))
    return float(-logarithms.mean(dtype=np.float64))


def perplexity(model: LanguageModel, sequences: Sequence[Array]) -> float:
    """exp of the cross-entropy: as uncertain as a free choice among so many. +∞ when a token has probability 0."""
    return float(np.exp(cross_entropy(model, sequences)))


def perplexity_of(probabilities: Sequence[float] | Array) -> float:
    """Perplexity from the probabilities (N,) that a model gave to the N tokens that came: exp(−1/N Σ log p).

    Raises ValueError for an empty list or an entry outside 0 … 1.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"probabilities: expected at least one, in shape (N,), got shape {p.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"probabilities: expected numbers from 0 to 1, got {p[~((p >= 0) & (p <= 1))][0]}")
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(p).mean()))


def bits_per_token(model: LanguageModel, sequences: Sequence[Array]) -> float:
    """The cross-entropy in bits: log2 of the perplexity. For a model of characters these are bits per character."""
    return cross_entropy(model, sequences) / float(np.log(2))


def bits_per_character(model: LanguageModel, sequences: Sequence[Array], characters: int) -> float:
    """All bits that a model needs for a text, divided by the text's number of characters.

    The one unit in which models of words and of characters can be compared, as long as both predict the same text.
    """
    require_size("characters", characters)
    tokens = sum(len(sequence) for sequence in sequences)
    return bits_per_token(model, sequences) * tokens / characters


def entropy(probabilities: Sequence[float] | Array) -> float:
    """−Σ p log p of one distribution (V,), in nats. Raises ValueError when the entries do not sum to 1."""
    p = require_probabilities("probabilities", probabilities, ("V",))
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def sharpen(probabilities: Sequence[float] | Array, temperature: float) -> Array:
    """The distribution ∝ p^(1/τ), (V,): the softmax of logits/τ. τ < 1 sharpens, τ > 1 flattens, τ = 0 is greedy.

    The limit τ → 0 puts all probability on the most probable token, the first one among equals.
    Raises ValueError for a negative temperature and for probabilities that do not sum to 1.
    """
    p = require_probabilities("probabilities", probabilities, ("V",)).astype(np.float64)
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature: expected a number of at least 0, got {temperature}")
    if temperature == 0:
        return np.eye(len(p))[p.argmax()]
    with np.errstate(divide="ignore"):
        logits = np.log(p) / temperature
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def sample(
    model: LanguageModel,
    rng: np.random.Generator,
    temperature: float = 1.0,
    most: int = 100,
    barred: Sequence[int] = (),
) -> Array:
    """Let a model write: draw each token from p(· | what it wrote so far) until `<EOS>`, or `most` tokens.

    Tokens in `barred` are never written, for example `<UNK>`: the others share their probability in proportion.
    Returns the token numbers (T,), `<EOS>` included unless `most` came first.
    """
    require_size("most", most)
    written: list[int] = []
    while len(written) < most:
        p = require_probabilities("distribution", model.distribution(written), ("V",)).astype(np.float64)
        if len(barred):
            p[require_tokens("barred", barred, ("N",), len(p))] = 0
        if not p.any():
            raise ValueError(f"barred: expected a token with a probability to be left over, got {tuple(barred)}")
        written.append(int(rng.choice(len(p), p=sharpen(p / p.sum(), temperature))))
        if written[-1] == 0:
            break
    return np.array(written, np.int64)


@dataclass(frozen=True)
class Alignment:
    """Two sequences of words side by side, as the fewest edits turn the reference into the hypothesis.

    Each pair holds a word of the reference and one of the hypothesis; None stands opposite a deleted or inserted word.
    """

    pairs: tuple[tuple[Hashable | None, Hashable | None], ...]

    @property
    def substitutions(self) -> int:
        return sum(r is not None and h is not None and r != h for r, h in self.pairs)

    @property
    def deletions(self) -> int:
        return sum(h is None for _, h in self.pairs)

    @property
    def insertions(self) -> int:
        return sum(r is None for r, _ in self.pairs)

    @property
    def words(self) -> int:
        """Length N of the reference."""
        return sum(r is not None for r, _ in self.pairs)

    @property
    def error_rate(self) -> float:
        """Word error rate (S + D + I) / N. More than 1 when there are more edits than words."""
        return (self.substitutions + self.deletions + self.insertions) / self.words

    def __str__(self) -> str:
        rows: tuple[list[str], ...] = ([], [], [])
        for r, h in self.pairs:
            top, bottom = "***" if r is None else str(r), "***" if h is None else str(h)
            mark = "I" if r is None else "D" if h is None else "" if r == h else "S"
            width = max(len(top), len(bottom))
            for row, cell in zip(rows, (top, bottom, mark), strict=True):
                row.append(cell.ljust(width))
        names = ("reference  ", "hypothesis ", "           ")
        return "\n".join((name + " ".join(row)).rstrip() for name, row in zip(names, rows, strict=True))


def align(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> Alignment:
    """Align two sequences of words with the fewest substitutions, deletions and insertions (each costs 1).

    Where several alignments are as short, the one is taken that, read from the end, prefers a match or substitution to
    a deletion and a deletion to an insertion. Raises ValueError for an empty reference (the rate divides by its length)
    and for a string, which would be compared letter by letter.
    """
    for name, words in (("reference", reference), ("hypothesis", hypothesis)):
        if isinstance(words, str):
            raise ValueError(f"{name}: expected a sequence of words, got one string; split it: {words!r}.split()")
        if None in words:
            raise ValueError(f"{name}: expected words, got None, which stands for a gap in an alignment")
    if len(reference) == 0:
        raise ValueError("reference: expected at least one word, got none; the error rate divides by its length")
    R, H = len(reference), len(hypothesis)
    cost = np.zeros((R + 1, H + 1), np.int64)  # cost[i, j]: fewest edits between the first i and the first j words
    cost[:, 0], cost[0, :] = np.arange(R + 1), np.arange(H + 1)
    for i in range(1, R + 1):
        for j in range(1, H + 1):
            differ = reference[i - 1] != hypothesis[j - 1]
            cost[i, j] = min(cost[i - 1, j - 1] + differ, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs: list[tuple[Hashable | None, Hashable | None]] = []
    i, j = R, H
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return Alignment(tuple(reversed(pairs)))


def word_error_rate(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> float:
    """(substitutions + deletions + insertions) / length of the reference. See `align`."""
    return align(reference, hypothesis).error_rate
