"""What a language model is, how well it predicts, and how far recognised sentences are from the spoken ones.

All logarithms are natural unless a name says bits. Every token that a model must predict counts, `<EOS>` included.
Chapter "Language models".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, Protocol

import numpy as np

from companion.core.validation import (
    Array,
    as_array,
    require_array,
    require_number,
    require_probabilities,
    require_size,
    require_tokens,
)

Word = str | int  # a word, or its token number


class LanguageModel(Protocol):
    """Anything that gives probabilities to sequences of token numbers ending with `<EOS>` (number 0)."""

    @property
    def vocabulary_size(self) -> int: ...

    def log_probabilities(self, sequences: Sequence[Array]) -> list[Array]:
        """log p(w_t | w_1 … w_{t−1}) of every token of every sequence: arrays (T,) like the sequences."""

    def distribution(self, context: Sequence[int] | Array) -> Array:
        """p(· | context), shape (V,): the context is everything before the next token in its sequence, or nothing."""


def cross_entropy(model: LanguageModel, sequences: Sequence[Array]) -> float:
    """Mean of −log p(w_t | …) over all tokens of a text, in nats a token. +∞ when the model excludes one of them.

    sequences  token numbers (T,), each ending with `<EOS>`. Raises ValueError for a text that the model refuses, as do
    the measures below.
    """
    logarithms = np.concatenate(model.log_probabilities(sequences))
    return float(-logarithms.mean(dtype=np.float64))


def perplexity(model: LanguageModel, sequences: Sequence[Array]) -> float:
    """exp of the cross-entropy: as uncertain as a free choice among so many. +∞ when a token has probability 0."""
    return float(np.exp(cross_entropy(model, sequences)))


def perplexity_of(probabilities: Sequence[float] | Array) -> float:
    """Perplexity from the probabilities (N,) that a model gave to the N tokens that came: exp(−1/N Σ log p).

    Raises ValueError for an empty list or an entry outside 0 … 1.
    """
    p = require_array("probabilities", probabilities, ("N",)).astype(np.float64)
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
    Raises ValueError for less than one character.
    """
    characters, sequences = require_size("characters", characters), list(sequences)
    tokens = sum(len(sequence) for sequence in sequences)
    return bits_per_token(model, sequences) * tokens / characters


def entropy(probabilities: Sequence[float] | Array) -> float:
    """−Σ p log p of one distribution (V,), in nats. Raises ValueError when the entries do not sum to 1."""
    p = require_probabilities("probabilities", probabilities, ("V",)).astype(np.float64)
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def sharpen(probabilities: Sequence[float] | Array, temperature: float) -> Array:
    """The distributions ∝ p^(1/τ), (..., V): the softmax of logits/τ. τ < 1 sharpens, τ > 1 flattens, τ = 0 is greedy.

    The limit τ → 0 puts all probability on the most probable token, the first one among equals.
    Raises ValueError for a negative temperature and for probabilities that do not sum to 1.
    """
    p = as_array("probabilities", probabilities)
    p = require_probabilities("probabilities", p, (*p.shape[:-1], "V")).astype(np.float64)
    tau = require_number("temperature", temperature)
    if tau < 0:
        raise ValueError(f"temperature: expected a number of at least 0, got {temperature}")
    if tau == 0:
        return np.eye(p.shape[-1])[p.argmax(axis=-1)]
    with np.errstate(divide="ignore", over="ignore"):  # log 0 = −∞; a tiny τ makes all but the largest −∞
        powers = np.exp((np.log(p) - np.log(p.max(axis=-1, keepdims=True))) / tau)
    return powers / powers.sum(axis=-1, keepdims=True)


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
    Raises ValueError for a temperature below 0, tokens outside the vocabulary, and when all that has a probability
    is barred.
    """
    most, never = require_size("most", most), as_array("barred", barred)
    written: list[int] = []
    while len(written) < most:
        p = require_probabilities("distribution", model.distribution(written), ("V",)).astype(np.float64)
        if never.size:
            p[require_tokens("barred", never, ("N",), len(p))] = 0
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

    pairs: tuple[tuple[Word | None, Word | None], ...]

    @property
    def substitutions(self) -> int:
        """How many words stand opposite another one."""
        return sum(r is not None and h is not None and r != h for r, h in self.pairs)

    @property
    def deletions(self) -> int:
        """How many words of the reference stand opposite a gap."""
        return sum(h is None for _, h in self.pairs)

    @property
    def insertions(self) -> int:
        """How many words of the hypothesis stand opposite a gap."""
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


def align(reference: Iterable[Word], hypothesis: Iterable[Word]) -> Alignment:
    """Align two sequences of words with the fewest substitutions, deletions and insertions (each costs 1).

    Words are strings without spaces, or token numbers. Where several alignments are as short, the one is taken that,
    read from the end, prefers a match or substitution to a deletion and a deletion to an insertion.
    Raises ValueError for an empty reference (the rate divides by its length), for a string, which would be compared
    letter by letter, and for strings with spaces, which are sentences.
    """
    said, heard = _words("reference", reference), _words("hypothesis", hypothesis)
    if not said:
        raise ValueError("reference: expected at least one word, got none; the error rate divides by its length")
    r, h = _numbered(said, heard)
    cost = np.empty((len(r) + 1, len(h) + 1), np.int32)  # cost[i, j]: edits between the first i and the first j words
    for i, row in enumerate(_cost_rows(r, h)):
        cost[i] = row
    pairs: list[tuple[Word | None, Word | None]] = []
    i, j = len(r), len(h)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (r[i - 1] != h[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((said[i], heard[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((said[i], None))
        else:
            j -= 1
            pairs.append((None, heard[j]))
    return Alignment(tuple(reversed(pairs)))


Sentences = Iterable[Word] | Iterable[Iterable[Word]]


def word_error_rate(reference: Sentences, hypothesis: Sentences) -> float:
    """(substitutions + deletions + insertions) / words of the reference, of one sentence or of a corpus.

    A sentence is a list of words, as for `align`. A corpus is a list of sentences, each a list of words, the same
    number in both: all errors are divided by all words of the reference, so that long sentences count for more than
    short ones. In a corpus some sentences may be empty.
    Raises ValueError for a reference without words, another number of sentences, and strings that are not split.
    """
    said, heard = _listed("reference", reference), _listed("hypothesis", hypothesis)
    if not any(_is_sentence(part) for part in (*said, *heard)):
        pairs = [(_words("reference", said), _words("hypothesis", heard))]
    elif len(said) != len(heard):
        raise ValueError(f"hypothesis: expected as many sentences as the reference, {len(said)}, got {len(heard)}")
    else:
        pairs = [
            (_words(f"reference[{i}]", r), _words(f"hypothesis[{i}]", h))
            for i, (r, h) in enumerate(zip(said, heard, strict=True))
        ]
    words = sum(len(r) for r, _ in pairs)
    if not words:
        raise ValueError("reference: expected at least one word, got none; the error rate divides by their number")
    return sum(_edits(*_numbered(r, h)) for r, h in pairs) / words


def _listed(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        raise ValueError(f"{name}: expected a sequence of words, got one string; split it: {shortened(value)}.split()")
    if hasattr(value, "__array__"):
        value = as_array(name, value).tolist()
    if isinstance(value, Set | Mapping) or not hasattr(value, "__iter__"):
        raise ValueError(f"{name}: expected a sequence of words, got {shortened(value)}")
    return tuple(value)


def _is_sentence(part: object) -> bool:
    return hasattr(part, "__iter__") and not isinstance(part, str | bytes)


def _words(name: str, value: Iterable[Word]) -> tuple[Word, ...]:
    """The words of one sentence; ValueError for whatever is no word."""
    words = _listed(name, value)
    for word in words:
        if isinstance(word, str):
            if word.split() != [word] and not (len(word) == 1 and word.isspace()):  # a space among single letters
                raise ValueError(
                    f"{name}: expected words without spaces, got {word!r}; pass s.split() for a sentence s"
                )
        elif word is None:
            raise ValueError(f"{name}: expected words, got None, which stands for a gap in an alignment")
        elif not isinstance(word, int | np.integer) or isinstance(word, bool):
            raise ValueError(f"{name}: expected words or token numbers, got {shortened(word)}")
    return words


def _numbered(reference: tuple[Word, ...], hypothesis: tuple[Word, ...]) -> tuple[Array, Array]:
    """A number for each different word, so that NumPy can compare them."""
    numbers: dict[Word, int] = {}
    r, h = ([numbers.setdefault(word, len(numbers)) for word in words] for words in (reference, hypothesis))
    return np.array(r, np.int32), np.array(h, np.int32)


def _cost_rows(r: Array, h: Array) -> Iterable[Array]:
    """cost[i, :] for i = 0 … R: the fewest edits between the first i words of one and the first j of the other.

    A whole row at a time: cost[i, j] is the smallest of from_above[k] + (j − k) over k ≤ j, since from the best entry
    that comes from the row above all further words are inserted; it is the running minimum of from_above − k, plus j.
    """
    j = np.arange(len(h) + 1, dtype=np.int32)
    row = j
    yield row
    for word in r:
        from_above = row + 1  # deleted
        np.minimum(from_above[1:], row[:-1] + (h != word), out=from_above[1:])  # substituted, or the same
        row = np.minimum.accumulate(from_above - j) + j
        yield row


def _edits(r: Array, h: Array) -> int:
    """Levenshtein's distance (1966): the fewest edits between two arrays of numbers."""
    for row in _cost_rows(r, h):
        last = row
    return int(last[-1])
