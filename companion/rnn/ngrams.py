"""n-gram language models: relative frequencies of the last n − 1 tokens, and two ways to smooth them.

A text is a list of sequences of token numbers, each ending with `<EOS>` (number 0). A sequence begins as if another had
just ended: its first context consists of `<EOS>` only, so that no further token is needed for "beginning".

An n-gram is kept as one integer, its token numbers read as the digits of a number in base V. Counting a text is then
sorting one array, and the continuations of a context lie next to each other. Chapter "Language models".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from reprlib import repr as shortened

import numpy as np

from companion.core.validation import (
    Array,
    as_array,
    require_array,
    require_number,
    require_shape,
    require_size,
    require_tokens,
)

MOST_KEYS = 2**63


@dataclass(frozen=True)
class Counts:
    """How often each m-gram of a text occurs, for m = 1 … n, and each context of m − 1 tokens.

    grams     m → keys of the m-grams that occur, ascending (row m − 1 of the tuple)
    times     how often each occurs
    contexts  keys of the contexts that occur, ascending; for m = 1 the one empty context
    totals    how often each context occurs as the beginning of an m-gram
    """

    order: int
    vocabulary_size: int
    grams: tuple[Array, ...]
    times: tuple[Array, ...]
    contexts: tuple[Array, ...]
    totals: tuple[Array, ...]

    def of_grams(self, m: int, keys: Array) -> Array:
        """Counts c(context, token) of m-grams, any shape of keys; 0 for one that never occurs.

        Raises ValueError for an m outside 1 … n and for keys that are no integers.
        """
        m = self._length(m)
        return _look_up(self.grams[m - 1], self.times[m - 1], _integers("keys", keys))

    def of_contexts(self, m: int, keys: Array) -> Array:
        """Counts c(context) of the contexts of m-grams, any shape of keys; errors as for `of_grams`."""
        m = self._length(m)
        return _look_up(self.contexts[m - 1], self.totals[m - 1], _integers("keys", keys))

    def continuations(self, m: int, context: int) -> Array:
        """Counts (V,) of every token after one context of m − 1 tokens, given by its key.

        Raises ValueError for an m outside 1 … n and for a key outside 0 … V^(m−1) − 1.
        """
        m, V, context = self._length(m), self.vocabulary_size, require_size("context", context, least=0)
        if context >= V ** (m - 1):
            raise ValueError(f"context: expected the key of {m - 1} tokens, below {V ** (m - 1)}, got {context}")
        first, last = np.searchsorted(self.grams[m - 1], [context * V, (context + 1) * V])
        row = np.zeros(V)
        row[self.grams[m - 1][first:last] - context * V] = self.times[m - 1][first:last]
        return row

    def _length(self, m: int) -> int:
        if require_size("m", m) > self.order:
            raise ValueError(f"m: expected a length from 1 to {self.order}, got {m}")
        return int(m)


def count(sequences: Iterable[Array], order: int, vocabulary_size: int) -> Counts:
    """Count the 1-, 2-, … n-grams of a text (n = order).

    Raises ValueError for an empty text, tokens outside the vocabulary, and when V**n keys do not fit 64 bits.
    """
    n, V = require_size("order", order), require_size("vocabulary_size", vocabulary_size)
    if V**n >= MOST_KEYS:
        raise ValueError(f"order: expected n-grams that fit one integer, V**n < 2**63, got {n}-grams over {V} tokens")
    text = require_text("sequences", sequences, V)
    grams, times, contexts, totals = [], [], [], []
    for m in range(1, n + 1):
        keys, occurrences = np.unique(_keys(text, m, V), return_counts=True)
        before, first = np.unique(keys // V, return_index=True)
        grams.append(keys)
        times.append(occurrences)
        contexts.append(before)
        totals.append(np.add.reduceat(occurrences, first))
    return Counts(n, V, tuple(grams), tuple(times), tuple(contexts), tuple(totals))


@dataclass(frozen=True)
class NGramModel:
    """What n-gram models share: they differ only in how they combine counts into a probability."""

    counts: Counts

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return self.counts.vocabulary_size

    @property
    def orders(self) -> Sequence[int]:
        """The orders m whose counts the probability depends on."""
        return (self.counts.order,)

    def combine(self, c: Array, total: Array) -> Array:
        """Probability of tokens from the counts of their m-grams and contexts, (orders, …) each."""
        raise NotImplementedError

    def log_probabilities(self, sequences: Iterable[Array]) -> list[Array]:
        """log p(w_t | context) of every token of every sequence: arrays (T,) like the sequences.

        Raises ValueError as `count` does.
        """
        text = require_text("sequences", sequences, self.vocabulary_size)
        c, total = _tally(self.counts, text, self.orders)
        with np.errstate(divide="ignore"):  # log 0 = −∞ is the right answer for a token that the model excludes
            logarithms = np.log(self.combine(c, total))
        return np.split(logarithms, np.cumsum([len(sequence) for sequence in text])[:-1])

    def distribution(self, context: Sequence[int] | Array) -> Array:
        """p(· | context), shape (V,); of a longer context only the last n − 1 tokens count.

        context  token numbers (T,), or nothing. Raises ValueError for other numbers.
        """
        return _distribution(self, context)


@dataclass(frozen=True)
class MaximumLikelihood(NGramModel):
    """Relative frequencies: p(w | context) = c(context, w) / c(context).

    After a context that never occurred this is 0/0; such a context gets the uniform distribution, 1/V.
    """

    def combine(self, c: Array, total: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total[-1] > 0, c[-1] / total[-1], 1 / self.vocabulary_size)


@dataclass(frozen=True)
class AddK(NGramModel):
    """Every n-gram is counted k times more than it occurred: p = (c(context, w) + k) / (c(context) + k V), k > 0."""

    k: float

    def __post_init__(self) -> None:
        if require_number("k", self.k) <= 0:
            raise ValueError(f"k: expected a positive number, got {self.k}")
        object.__setattr__(self, "k", float(self.k))

    def combine(self, c: Array, total: Array) -> Array:
        return (c[-1] + self.k) / (total[-1] + self.k * self.vocabulary_size)


@dataclass(frozen=True)
class Interpolated(NGramModel):
    """Each order mixed with the next lower one (Jelinek & Mercer 1980):

        p_m(w | context) = λ_m c(context, w) / c(context) + (1 − λ_m) p_{m−1}(w | shorter context),   p_0 = 1/V

    lambdas holds λ_1 … λ_n, each from 0 to 1. After a context that never occurred p_m is p_{m−1}.
    """

    lambdas: tuple[float, ...]

    def __post_init__(self) -> None:
        lambdas = require_array("lambdas", self.lambdas, (self.counts.order,))
        if not ((lambdas >= 0) & (lambdas <= 1)).all():
            raise ValueError(f"lambdas: expected numbers from 0 to 1, got {self.lambdas}")
        object.__setattr__(self, "lambdas", tuple(lambdas.tolist()))

    @property
    def orders(self) -> Sequence[int]:
        return range(1, self.counts.order + 1)

    def combine(self, c: Array, total: Array) -> Array:
        p = np.full(c.shape[1:], 1 / self.vocabulary_size)
        for weight, frequency, seen in zip(self.lambdas, _frequencies(c, total), total > 0, strict=True):
            p = np.where(seen, weight * frequency + (1 - weight) * p, p)
        return p


def add_k(counts: Counts, development: Iterable[Array], candidates: Iterable[float]) -> AddK:
    """The candidate k under which the development text is most probable; the first one among equals.

    Raises ValueError when there is no candidate or one of them is not positive.
    """
    models = [AddK(counts, k) for k in candidates]
    if not models:
        raise ValueError("candidates: expected at least one number, got none")
    text = require_text("development", development, counts.vocabulary_size)
    c, total = _tally(counts, text, models[0].orders)
    return max(models, key=lambda model: float(np.log(model.combine(c, total)).sum()))


def interpolate(counts: Counts, development: Iterable[Array], rounds: int = 40) -> Interpolated:
    """Choose λ_1 … λ_n on development text by expectation–maximisation (Jelinek & Mercer 1980).

    Picture each token as drawn by walking down from order n: with probability λ_m it comes from the m-gram, otherwise
    the walk goes on to m − 1. Each round sets λ_m to the share of the tokens whose walk reached order m that stopped
    there, which never makes the development text less probable. Raises ValueError for less than one round and for
    text that `count` would refuse.
    """
    require_size("rounds", rounds)
    text = require_text("development", development, counts.vocabulary_size)
    c, total = _tally(counts, text, range(1, counts.order + 1))
    frequencies, seen = _frequencies(c, total), total > 0
    lambdas = np.full(counts.order, 0.5)
    for _ in range(rounds):
        p = [np.full(c.shape[1], 1 / counts.vocabulary_size)]
        for m in range(counts.order):
            p.append(np.where(seen[m], lambdas[m] * frequencies[m] + (1 - lambdas[m]) * p[m], p[m]))
        reached = np.ones(c.shape[1])  # probability, given the token, that its walk comes down to order m
        for m in reversed(range(counts.order)):
            stopped = np.where(seen[m], reached * lambdas[m] * frequencies[m] / p[m + 1], 0)
            able = (reached * seen[m]).sum()
            lambdas[m] = min(1.0, stopped.sum() / able) if able > 0 else 0.5  # round-off may leave a share above 1
            reached = reached - stopped
    return Interpolated(counts, tuple(float(weight) for weight in lambdas))


def require_text(name: str, sequences: Iterable[Array], vocabulary_size: int) -> list[Array]:
    """The sequences as int64 arrays (T,); ValueError for none, tokens outside, and where `<EOS>` (0) is not last."""
    if isinstance(sequences, str | bytes | Set | Mapping) or not hasattr(sequences, "__iter__"):
        raise ValueError(f"{name}: expected sequences of token numbers, in their order, got {shortened(sequences)}")
    every = [_integers(f"{name}[{i}]", sequence) for i, sequence in enumerate(sequences)]
    if not every:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    for i, sequence in enumerate(every):
        require_shape(f"{name}[{i}]", sequence, ("T",))
        if sequence[-1] != 0:
            raise ValueError(f"{name}[{i}]: expected <EOS> (number 0) as its last token, got {sequence[-1]}")
    together = np.concatenate(every)
    if together.min() < 0 or together.max() >= vocabulary_size:
        for i, sequence in enumerate(every):  # to say in which
            require_tokens(f"{name}[{i}]", sequence, ("T",), vocabulary_size)
    return every


def _integers(name: str, value: object) -> Array:
    """Integers of any width and shape as int64, in which keys do not wrap around; ValueError for other numbers."""
    array = as_array(name, value)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, got dtype {array.dtype}")
    return array.astype(np.int64, copy=False)


def _keys(text: Sequence[Array], m: int, V: int) -> Array:
    """The key of the m-gram that ends at each token of the text, (tokens,)."""
    padded = np.concatenate([part for sequence in text for part in (np.zeros(m - 1, np.int64), sequence)])
    keys = np.zeros(len(padded) - m + 1, np.int64)
    for j in range(m):
        keys = keys * V + padded[j : len(padded) - m + 1 + j]
    lengths = np.array([len(sequence) for sequence in text])
    # the windows that end inside the padding of the next sequence are no m-grams of the text
    inside = np.arange(lengths.sum()) + np.repeat((m - 1) * np.arange(len(text)), lengths)
    return keys[inside]


def _look_up(keys: Array, values: Array, wanted: Array) -> Array:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)


def _tally(counts: Counts, text: Sequence[Array], orders: Sequence[int]) -> tuple[Array, Array]:
    """For each token of the text: counts of its m-grams and of their contexts, both (orders, tokens)."""
    keys = [_keys(text, m, counts.vocabulary_size) for m in orders]
    c = np.stack([counts.of_grams(m, key) for m, key in zip(orders, keys, strict=True)])
    before = [key // counts.vocabulary_size for key in keys]
    total = np.stack([counts.of_contexts(m, key) for m, key in zip(orders, before, strict=True)])
    return c, total


def _frequencies(c: Array, total: Array) -> Array:
    return c / np.maximum(total, 1)  # 0 where the context never occurred


def _distribution(model: NGramModel, context: Sequence[int] | Array) -> Array:
    counts = model.counts
    V, n = counts.vocabulary_size, counts.order
    context = as_array("context", context)
    tokens = require_tokens("context", context, ("T",), V) if context.shape != (0,) else context
    last = [0] * (n - 1) + tokens.tolist()
    key = [0]  # of the last m − 1 tokens, m = 1 … n
    for m in range(1, n):
        key.append(key[-1] + last[-m] * V ** (m - 1))
    c = np.stack([counts.continuations(m, key[m - 1]) for m in model.orders])  # (orders, V)
    total = np.stack([np.full(V, counts.of_contexts(m, np.array(key[m - 1]))) for m in model.orders])
    return require_array("distribution", model.combine(c, total), (V,))
