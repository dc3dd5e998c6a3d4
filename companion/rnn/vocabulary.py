"""Vocabularies: the finite set of tokens that a language model can predict, each with its number.

A *token* is a word, a punctuation mark or a character. `<EOS>` (end of sequence) ends every sequence, so that a model
also predicts where a sentence or a name stops; its number is 0. `<UNK>` (unknown) stands for every word outside the
vocabulary. A vocabulary is built from training text only. Chapter "Language models".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from reprlib import repr as shortened

import numpy as np

from companion.core.validation import Array, as_array, require_size, require_tokens

EOS = "<EOS>"
UNK = "<UNK>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers. `<EOS>` is number 0; `<UNK>`, where there is one, is number 1.

    Raises ValueError when `<EOS>` is not first, `<UNK>` is not second, a token stands twice or is no string.
    """

    tokens: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)
    _of_characters: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(_strings("tokens", self.tokens)))
        if not self.tokens or self.tokens[0] != EOS:
            raise ValueError(f"tokens: expected {EOS} as the first token, got {self.tokens[:1]}")
        if UNK in self.tokens and self.tokens[1] != UNK:
            raise ValueError(f"tokens: expected {UNK} as the second token, got it at {self.tokens.index(UNK)}")
        numbers = {token: number for number, token in enumerate(self.tokens)}
        if len(numbers) != len(self.tokens):
            twice = next(token for token, count in Counter(self.tokens).items() if count > 1)
            raise ValueError(f"tokens: expected every token once, got {twice!r} more than once")
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_of_characters", all(len(t) == 1 for t in numbers if t not in (EOS, UNK)))

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._numbers

    def number(self, token: str) -> int:
        """The token's number; that of `<UNK>` for a token outside. Without `<UNK>` such a token raises ValueError.

        What is no string, such as bytes or NaN, is no token and raises ValueError in any case.
        """
        number = self._numbers.get(token, self._numbers.get(UNK)) if isinstance(token, str) else None
        if number is None:
            raise ValueError(f"token: expected one of the {len(self)} tokens of the vocabulary, got {token!r}")
        return number

    def encode(self, tokens: Iterable[str]) -> Array:
        """A sentence or name as token numbers with `<EOS>` appended: T − 1 tokens → integers (T,).

        A string is taken character by character by a vocabulary of characters.
        Raises ValueError for a token outside a vocabulary without `<UNK>`, for `<EOS>` among the tokens, and for a
        string where tokens are words.
        """
        if isinstance(tokens, str) and not self._of_characters:
            raise ValueError(f"tokens: expected a sequence of words, got one string; split it: {tokens!r}.split()")
        tokens = tuple(tokens)
        numbers = [self.number(token) for token in tokens]
        if 0 in numbers:
            raise ValueError(f"tokens: expected a sequence without {EOS}, which is appended here, got {tokens}")
        return np.array([*numbers, 0], dtype=np.int64)

    def decode(self, numbers: Sequence[int] | Array) -> tuple[str, ...]:
        """Token numbers (T,) back to tokens, `<EOS>` included. Raises ValueError for a number outside."""
        numbers = as_array("numbers", numbers)
        if numbers.shape == (0,):
            return ()
        return tuple(self.tokens[n] for n in require_tokens("numbers", numbers, ("T",), len(self)))


def _tokens_of(text: Iterable[str]) -> Iterable[str]:
    if isinstance(text, str | bytes):
        raise ValueError(f"texts: expected sequences of tokens, got the string {text!r}; split it first")
    return text


def _strings(name: str, values: Iterable[str]) -> list[str]:
    """The values as a list; ValueError where one is no string, and for one string, whose letters would be taken."""
    if isinstance(values, str | bytes):
        raise ValueError(f"{name}: expected several strings, got one: {shortened(values)}")
    strings = list(values)
    for value in strings:
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected strings, got {shortened(value)}")
    return strings


def most_frequent(texts: Iterable[Iterable[str]], size: int) -> tuple[str, ...]:
    """The `size` most frequent tokens of the texts, most frequent first; among equals, in alphabetical order.

    Raises ValueError for texts without a token, such as an iterator that was read before, and for texts that are not
    split into tokens.
    """
    require_size("size", size)
    counts = Counter(token for text in texts for token in _tokens_of(text))
    if not counts:
        raise ValueError("texts: expected at least one token, got none")
    return tuple(sorted(_strings("texts", counts), key=lambda token: (-counts[token], token))[:size])


def word_vocabulary(training: Iterable[Iterable[str]], size: int) -> Vocabulary:
    """`<EOS>`, `<UNK>` and the most frequent words of the training sentences: at most `size` tokens in all.

    Raises ValueError for a size below 3, and as `most_frequent` does.
    """
    return Vocabulary((EOS, UNK, *most_frequent(training, require_size("size", size, least=3) - 2)))


def character_vocabulary(training: Iterable[str]) -> Vocabulary:
    """`<EOS>` and every character of the training texts, or of one text, in alphabetical order. There is no `<UNK>`.

    Raises ValueError for texts without a character, such as an iterator that was read before, and for what is no text.
    """
    characters = set("".join(training if isinstance(training, str) else _strings("training", training)))
    if not characters:
        raise ValueError("training: expected at least one character, got none")
    return Vocabulary((EOS, *sorted(characters)))
