"""Training a network on labelled sentences, and asking it: batches, epochs, answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from companion.applications.network import Network, answer, first_weights, loss_and_gradients
from companion.core.cell import Arrays
from companion.core.dropout import dropout_mask
from companion.core.networks import output_size
from companion.core.optimisers import Adam, clip_by_norm
from companion.core.validation import (
    Array,
    as_array,
    keep_sizes,
    require_below_one,
    require_positive_finite,
    require_size,
)

UNKNOWN = 1  # the number of `<UNK>` in every vocabulary of a numbering


@dataclass(frozen=True)
class Example:
    """A sentence as numbers (T, F), and what is to be said of it: a class, or labels (T,)."""

    words: Array
    target: Array

    def __post_init__(self) -> None:
        for name in ("words", "target"):
            numbers = as_array(name, getattr(self, name))
            if numbers.dtype.kind not in "iu":
                raise ValueError(f"{name}: expected whole numbers, got dtype {numbers.dtype}")
            object.__setattr__(self, name, numbers)
        if self.words.ndim != 2 or 0 in self.words.shape:
            raise ValueError(f"words: expected shape (T, F) with at least one word, got {self.words.shape}")
        if self.target.shape not in ((), self.words.shape[:1]):
            raise ValueError(f"target: expected a class, or labels of {len(self.words)} words, got {self.target.shape}")


def examples(sentences: Sequence[Array], targets: Sequence[object]) -> list[Example]:
    """One for each sentence; ValueError for different numbers of the two, and as `Example` says."""
    if len(sentences) != len(targets):
        raise ValueError(f"targets: expected {len(sentences)}, one for each sentence, got {len(targets)}")
    return [Example(words, as_array("target", target)) for words, target in zip(sentences, targets, strict=True)]


def batch(chosen: Sequence[Example]) -> tuple[Array, Array, Array]:
    """Sentences side by side, filled up with 0: words (T, B, F), lengths (B,), targets (B,) or (T, B).

    Raises ValueError for no sentence, and where some have other features than the rest, or a class and others labels.
    """
    if not chosen:
        raise ValueError("examples: expected at least one, got none")
    kinds = {(example.words.shape[1], "labels" if example.target.ndim else "a class") for example in chosen}
    if len(kinds) > 1:
        raise ValueError(f"examples: expected the same number of features and kind of target, got {sorted(kinds)}")
    lengths = np.array([len(example.words) for example in chosen])
    words = np.zeros((lengths.max(), len(chosen), chosen[0].words.shape[1]), np.int64)
    labels = np.zeros(words.shape[:2], np.int64)
    for b, example in enumerate(chosen):
        words[: lengths[b], b] = example.words
        labels[: lengths[b], b] = example.target
    return words, lengths, labels if chosen[0].target.ndim else labels[0]


@dataclass(frozen=True)
class Descent:
    """Passes over the examples in random order, steps of Adam whose rate falls linearly to 0.

    size  examples to a batch
    clip  largest length of a mean gradient
    """

    epochs: int
    rate: float
    size: int = 32
    clip: float = 1.0

    def __post_init__(self) -> None:
        keep_sizes(self, epochs=1, size=1)
        for name in ("rate", "clip"):
            object.__setattr__(self, name, require_positive_finite(name, getattr(self, name)))


@dataclass(frozen=True)
class Settings(Descent):
    """How a network is trained: a descent, and what is done to its inputs meanwhile.

    dropout  rate at which entries of x and h are left out, the same at all words of a sentence (dropout.py)
    unknown  share of words whose first feature is taken for unknown, drawn anew for each batch: a network that never
             meets an unknown word does not learn to do without
    """

    dropout: float = 0.0
    unknown: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dropout", "unknown"):
            object.__setattr__(self, name, require_below_one(name, getattr(self, name)))


@dataclass(frozen=True)
class Epoch:
    """One pass over the examples: its number from 1, the mean loss of an answer during it, and the weights after it."""

    number: int
    loss: float
    weights: dict[str, Array]


Item = TypeVar("Item")
Loss = Callable[[Arrays, list[Item]], tuple[float, int, Arrays]]  # of a batch: its sum, of how many answers, gradients


def descend(
    weights: dict[str, Array], training: Sequence[Item], settings: Descent, rng: np.random.Generator, loss: Loss[Item]
) -> Iterator[Epoch]:
    """Walk down the mean loss from these weights, and say after each pass how it went.

    loss  of weights and of the items of a batch: summed over its answers, their number, and the sum's gradients
    Raises ValueError for no items, and as the loss does.
    """
    if not len(training):  # it may be an array
        raise ValueError("training: expected at least one example, got none")
    optimiser = Adam(settings.rate)
    steps = settings.epochs * -(-len(training) // settings.size)
    step = 0
    for number in range(1, settings.epochs + 1):
        order, losses, answers = rng.permutation(len(training)), 0.0, 0
        for first in range(0, len(order), settings.size):
            total, n, gradients = loss(weights, [training[i] for i in order[first : first + settings.size]])
            losses, answers = losses + total, answers + n
            mean = {name: gradients[name] / weights[name].dtype.type(n) for name in weights}
            optimiser = replace(optimiser, rate=settings.rate * (1 - step / steps))
            weights, optimiser = optimiser.step(weights, clip_by_norm(mean, settings.clip))
            step += 1
        yield Epoch(number, losses / answers, weights)


def fit(
    network: Network,
    training: Sequence[Example],
    settings: Settings,
    rng: np.random.Generator,
    dtype: type = np.float32,
) -> Iterator[Epoch]:
    """Train from fresh weights, and say after each pass how it went. Raises ValueError as `loss_and_gradients`."""

    def loss(weights: Arrays, chosen: list[Example]) -> tuple[float, int, Arrays]:
        words, lengths, targets = batch(chosen)
        if settings.unknown:
            words[rng.random(words.shape[:2]) < settings.unknown, 0] = UNKNOWN
        masks = _masks(network, settings.dropout, words.shape[1], rng, dtype)
        total, gradients = loss_and_gradients(network, weights, words, lengths, targets, masks)
        return total, network.head.answers(lengths), gradients

    return descend(first_weights(network, rng, dtype), training, settings, rng, loss)


def _masks(
    network: Network, rate: float, size: int, rng: np.random.Generator, dtype: type
) -> tuple[Array | None, Array | None]:
    if not rate:
        return None, None
    inputs = sum(width for _, width in network.tables.values())
    drawn = (dropout_mask(rng, (size, n), rate, dtype) for n in (inputs, output_size(network.layers)))
    return next(drawn), next(drawn)


def answers(network: Network, weights: Arrays, sentences: Sequence[Array], size: int = 128) -> list[Array]:
    """The network's answer to each sentence, given as numbers (T, F), `size` at a time: a class (), or labels (T,)."""
    found: list[Array] = []
    size = require_size("size", size)
    for first in range(0, len(sentences), size):
        words, lengths, _ = batch([Example(words, np.zeros((), int)) for words in sentences[first : first + size]])
        given = answer(network, weights, words, lengths)
        found += list(given) if given.ndim == 1 else [given[:n, b] for b, n in enumerate(lengths)]
    return found
