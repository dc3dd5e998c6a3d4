"""Vocabularies: the finite set of tokens that a language model can predict, each with its number.

A *token* is a word, a punctuation mark or a character. `<EOS>` (end of sequence) ends every sequence, so that a model
also predicts where a sentence or a name stops; its number is 0. `<UNK>` (unknown) stands for every word outside the
vocabulary. A vocabulary is built from training text only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from companion.core.validation import Array, require_size, require_tokens

EOS = "<EOS>"
UNK = "<UNK>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers. `<EOS>` is number 0; `<UNK>`, where there is one, is number 1.

    Raises ValueError when `<EOS>` is not first, `<UNK>` is not second, or a token stands twice.
    """

    tokens: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.tokens or self.tokens[0] != EOS:
            raise ValueError(f"tokens: expected {EOS} as the first token, got {self.tokens[:1]}")
        if UNK in self.tokens and self.tokens[1] != UNK:
            raise ValueError(f"tokens: expected {UNK} as the second token, got it at {self.tokens.index(UNK)}")
        numbers = {token: number for number, token in enumerate(self.tokens)}
        if len(numbers) != len(self.tokens):
            twice = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise ValueError(f"tokens: expected every token once, got {twice!r} more than once")
        object.__setattr__(self, "_numbers", numbers)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._numbers

    def number(self, token: str) -> int:
        """The token's number; that of `<UNK>` for a token outside. Without `<UNK>` such a token raises ValueError."""
        number = self._numbers.get(token, self._numbers.get(UNK))
        if number is None:
            raise ValueError(f"token: expected one of the {len(self)} tokens of the vocabulary, got {token!r}")
        return number

    def encode(self, tokens: Iterable[str]) -> Array:
        """A sentence or name as token numbers with `<EOS>` appended: T − 1 tokens → integers (T,).

        A string is taken character by character. Raises ValueError for a token outside a vocabulary without `<UNK>`,
        and for `<EOS>` among the tokens.
        """
        tokens = tuple(tokens)
        if EOS in tokens:
            raise ValueError(f"tokens: expected a sequence without {EOS}, which is appended here, got {tokens}")
        return np.array([*map(self.number, tokens), 0], dtype=np.int64)

    def decode(self, numbers: Sequence[int] | Array) -> tuple[str, ...]:
        """Token numbers (T,) back to tokens, `<EOS>` included. Raises ValueError for a number outside."""
        if len(numbers) == 0:
            return ()
        return tuple(self.tokens[n] for n in require_tokens("numbers", numbers, ("T",), len(self)))


def _tokens_of(text: Iterable[str]) -> Iterable[str]:
    if isinstance(text, str):
        raise ValueError(f"texts: expected sequences of tokens, got the string {text!r}; split it first")
    return text


def most_frequent(texts: Iterable[Iterable[str]], size: int) -> tuple[str, ...]:
    """The `size` most frequent tokens of the texts, most frequent first; among equals, in alphabetical order."""
    require_size("size", size)
    counts = Counter(token for text in texts for token in _tokens_of(text))
    return tuple(sorted(counts, key=lambda token: (-counts[token], token))[:size])


def word_vocabulary(training: Iterable[Iterable[str]], size: int) -> Vocabulary:
    """`<EOS>`, `<UNK>` and the most frequent words of the training sentences: at most `size` tokens in all."""
    require_size("size", size, least=3)
    return Vocabulary((EOS, UNK, *most_frequent(training, size - 2)))


def character_vocabulary(training: Iterable[str]) -> Vocabulary:
    """`<EOS>` and every character of the training text, in alphabetical order. There is no `<UNK>`."""
    return Vocabulary((EOS, *sorted(set().union(*training))))
