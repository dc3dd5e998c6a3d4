"""Models that write: token after token, each drawn from a distribution, with the state carried along.

A *writer* gives log p of the next token from a state in which all that came before is held. A recurrent language model
is one, and the decoder of a translator is such a model with another first state. Chapter "What a trained model writes".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as shortened
from typing import Protocol

import numpy as np

from companion.core.validation import (
    Array,
    as_array,
    require_number,
    require_probabilities,
    require_size,
    require_tokens,
)
from companion.rnn.language_model import State
from companion.rnn.measures import LanguageModel
from companion.rnn.ngrams import require_text

Choose = Callable[[Array], Array]  # distributions (N, V) → those that are drawn from, (N, V)


class Writer(Protocol):
    """Anything that says, token by token, what may come next. A state has a row for each of N sequences."""

    @property
    def vocabulary_size(self) -> int: ...

    def step(self, tokens: Array, state: State) -> tuple[Array, State]:
        """Read a token more of each sequence, (N,): log p of the next one, (N, V), and the state after it."""


@dataclass(frozen=True)
class Rereading:
    """Any language model as a writer, with all that it has read as its state, (N, t): it reads that again each time."""

    model: LanguageModel

    @property
    def vocabulary_size(self) -> int:
        return self.model.vocabulary_size

    def begin(self, number: int) -> State:
        """So many sequences before their first token."""
        return np.zeros((require_size("number", number), 0), np.int64)

    def step(self, tokens: Array, state: State) -> tuple[Array, State]:
        """As for a `Writer`. An `<EOS>` ends what is read: the next token begins another sequence."""
        tokens = require_tokens("tokens", tokens, (len(state),), self.vocabulary_size)
        read = np.column_stack([state, tokens])  # (N, t + 1)
        p = [self.model.distribution(row[np.flatnonzero(row == 0)[-1] + 1 :] if 0 in row else row) for row in read]
        with np.errstate(divide="ignore"):
            return np.log(np.array(p)), read


def rows(state: State, chosen: Sequence[int] | Array) -> State:
    """The state of the chosen sequences, in this order; one that is chosen twice stands there twice.

    Raises ValueError for anything but numbers of rows.
    """
    numbers, N = as_array("chosen", chosen), number_of(state)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not ((numbers >= 0) & (numbers < N)).all():
        raise ValueError(f"chosen: expected numbers of rows from 0 to {N - 1}, got {shortened(chosen)}")
    return _rows(state, numbers)


def _rows(state: State, chosen: Array) -> State:
    if isinstance(state, list):
        return [_rows(part, chosen) for part in state]
    if isinstance(state, Mapping):
        return {name: _rows(part, chosen) for name, part in state.items()}
    return state[chosen]


def unchanged(p: Array) -> Array:
    """p itself: each token is drawn with the probability that the model gives it."""
    return p


def top_k(p: Array, k: int) -> Array:
    """The k most probable tokens share all probability in proportion, (..., V); among equals the first ones are kept.

    Equation eq-top-k. Raises ValueError for probabilities that do not sum to 1, and for a k outside 1 … V.
    """
    p = _distributions(p)
    if require_size("k", k) > p.shape[-1]:
        raise ValueError(f"k: expected at most {p.shape[-1]}, the number of tokens, got {k}")
    return _kept(p, _ranks(p) < k)


def nucleus(p: Array, mass: float) -> Array:
    """The fewest most probable tokens that together have at least `mass` share all probability (Holtzman et al. 2020).

    p (..., V); the token with which the mass is reached, to within 1e-12, is kept. Equation eq-nucleus.
    Raises ValueError for probabilities that do not sum to 1, and for a mass that is not above 0 and at most 1.
    """
    p, mass = _distributions(p), require_number("mass", mass)
    if not 0 < mass <= 1:
        raise ValueError(f"mass: expected a number above 0 and at most 1, got {mass}")
    falling = -np.sort(-p, axis=-1)
    before = np.cumsum(falling, axis=-1) - falling  # of all that are more probable
    wanted = np.maximum((before < mass - 1e-12).sum(axis=-1, keepdims=True), 1)
    return _kept(p, _ranks(p) < wanted)


def barred(p: Array, tokens: Sequence[int] | Array) -> Array:
    """The others share the probability of these tokens in proportion, (..., V): `<UNK>` is never written, for example.

    Raises ValueError for tokens outside the vocabulary, and where no other has a probability.
    """
    p = _distributions(p)
    allowed = np.ones(p.shape[-1], bool)
    allowed[require_tokens("tokens", tokens, ("N",), p.shape[-1])] = False
    if not (p[..., allowed].sum(axis=-1) > 0).all():
        raise ValueError(f"tokens: expected another one with a probability everywhere, got {shortened(tokens)}")
    return _kept(p, np.broadcast_to(allowed, p.shape))


def _distributions(p: Array) -> Array:
    p = as_array("p", p)
    return require_probabilities("p", p, (*p.shape[:-1], "V")).astype(np.float64)


def _ranks(p: Array) -> Array:
    """0 for the most probable token, 1 for the next, (..., V); among equals in the order of their numbers."""
    return np.argsort(np.argsort(-p, axis=-1, kind="stable"), axis=-1, kind="stable")


def _kept(p: Array, keep: Array) -> Array:
    left = np.where(keep, p, 0)
    return left / left.sum(axis=-1, keepdims=True)


def endless(
    writer: Writer, state: State, tokens: Array, rng: np.random.Generator, choose: Choose = unchanged
) -> Iterator[Array]:
    """What N sequences write, one token of each at a time, (N,), without an end: an `<EOS>` is read like any token.

    tokens  (N,), read first: `<EOS>` (0), or the last one of a beginning whose others are in the state
    choose  which distributions the next tokens are drawn from, given the model's own, (N, V)
    Raises ValueError as the writer's `step` does, and when `choose` returns no distributions.
    """
    while True:
        logarithms, state = writer.step(tokens, state)
        tokens = _drawn(require_probabilities("choose", choose(np.exp(logarithms)), logarithms.shape), rng)
        yield tokens


def write(
    writer: Writer, state: State, rng: np.random.Generator, choose: Choose = unchanged, most: int = 100
) -> list[Array]:
    """A sequence for each of the state's rows, (T,), up to its `<EOS>` or to `most` tokens.

    Each reads `<EOS>` first, as a language model does before a first token. Raises ValueError as `endless` does, and
    for a `most` below 1.
    """
    number, most = number_of(state), require_size("most", most)
    columns, ended = list[Array](), np.zeros(number, bool)
    for tokens in endless(writer, state, np.zeros(number, np.int64), rng, choose):
        columns.append(tokens)
        ended |= tokens == 0
        if ended.all() or len(columns) == most:
            break
    return [until_end(row) for row in np.array(columns).T]


def until_end(tokens: Sequence[int] | Array) -> Array:
    """Tokens (T,) up to the first `<EOS>`, with it; all of them where there is none.

    Raises ValueError for anything but a sequence of token numbers.
    """
    tokens = require_tokens("tokens", tokens, ("T",), 2**63)
    ends = np.flatnonzero(tokens == 0)
    return tokens[: ends[0] + 1] if len(ends) else tokens


def read_on(writer: Writer, state: State, tokens: Sequence[int] | Array) -> State:
    """The state after N sequences have read the same tokens (t,), for example a beginning; none change nothing.

    Raises ValueError for tokens outside the vocabulary.
    """
    tokens = as_array("tokens", tokens)
    if tokens.shape == (0,):
        return state
    for token in require_tokens("tokens", tokens, ("T",), writer.vocabulary_size):
        _, state = writer.step(np.full(number_of(state), token), state)
    return state


def log_probabilities(writer: Writer, state: State, sequences: Sequence[Array]) -> Array:
    """log p of N whole sequences, (N,), one for each row of the state: the sum over its tokens, `<EOS>` included.

    Raises ValueError for an empty sequence, tokens outside the vocabulary, and another number than the state has.
    """
    text = require_text("sequences", sequences, writer.vocabulary_size)
    if len(text) != number_of(state):
        raise ValueError(f"sequences: expected {number_of(state)}, one for each row of the state, got {len(text)}")
    lengths = np.array([len(sequence) for sequence in text])
    total, tokens = np.zeros(len(text)), np.zeros(len(text), np.int64)
    for t in range(lengths.max()):
        logarithms, state = writer.step(tokens, state)
        tokens = np.array([sequence[min(t, len(sequence) - 1)] for sequence in text])
        total += np.where(t < lengths, np.take_along_axis(logarithms, tokens[:, None], axis=1)[:, 0], 0)
    return total


def number_of(state: State) -> int:
    """How many sequences a state holds: its rows, of whichever layer."""
    while isinstance(state, list | Mapping):
        state = state[0] if isinstance(state, list) else next(iter(state.values()))
    return len(state)


def _drawn(p: Array, rng: np.random.Generator) -> Array:
    """A token for each of p (N, V): the first at which the running sum passes a number drawn from [0, 1)."""
    sums = np.cumsum(p, axis=-1)
    return (sums / sums[:, -1:] > rng.random((len(p), 1))).argmax(axis=-1)


@dataclass(frozen=True)
class Copied:
    """A text, token numbers (T,) a sequence, in which runs of tokens are looked up.

    Raises ValueError for what are no token numbers, as `longest` does.
    """

    text: Sequence[Array]
    _signs: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = (_signs(f"text[{i}]", sequence) for i, sequence in enumerate(self.text))
        object.__setattr__(self, "_signs", "\0".join(every))

    def longest(self, tokens: Sequence[int] | Array) -> int:
        """How many tokens the longest run of `tokens` (T,) has that stands, in its order, in one sequence of the text.

        0 when no token occurs there. `<EOS>` counts like any token, where the text holds it.
        """
        signs, most = _signs("tokens", tokens), 0
        for end in range(1, len(signs) + 1):  # a run that ends here is one longer at most than any before
            if signs[end - most - 1 : end] in self._signs:
                most += 1
        return most


def _signs(name: str, tokens: Sequence[int] | Array) -> str:
    """A character for each token; "\\0" stands for none."""
    numbers = as_array(name, tokens)
    if numbers.shape == (0,):
        return ""
    return "".join(chr(token + 1) for token in require_tokens(name, numbers, ("T",), sys.maxunicode).tolist())
