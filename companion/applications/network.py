"""Networks that read words and answer: tables, layers that read, and a head that answers.

    words (T, B, F) → tables → x (T, B, I) → layers → h (T, B, H) → head → one answer a sentence, or one a word

A *head* says what is asked and how an answer is scored; everything before it is the same for all. Sentences are filled
up to the longest with number 0; `lengths` (B,) says where each ends, and what stands beyond is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from companion.applications.crf import NAMES, best_labels, chain_loss, chain_shapes
from companion.applications.pooling import Pooling
from companion.core.cell import Arrays
from companion.core.functions import cross_entropy, log_softmax, sums_by_token
from companion.core.layers import (
    Layer,
    LayerTape,
    backward_stack,
    by_layer,
    d_steps,
    forward_stack,
    input_gradient,
    joined,
    masked,
    stack_shapes,
)
from companion.core.networks import initial_weights, output_size, readout, readout_gradients, readout_shapes
from companion.core.validation import (
    Array,
    as_array,
    require_array,
    require_lengths,
    require_names,
    require_shape,
    require_tokens,
)


class Head(Protocol):
    """What is asked of the states h (T, B, H) of sentences with these lengths, (B,): three kinds are below."""

    def shapes(self, hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the head's weights."""

    def answers(self, lengths: Array) -> int:
        """How many answers are given: a loss is a sum over them."""

    def loss(self, weights: Arrays, h: Array, lengths: Array, targets: Array) -> tuple[float, dict[str, Array], Array]:
        """Loss in nats, gradients of the head's weights, and dh (T, B, H), which is 0 beyond the lengths."""

    def best(self, weights: Arrays, h: Array, lengths: Array) -> Array:
        """The answers themselves: (B,), or (T, B) with 0 beyond the lengths."""


@dataclass(frozen=True)
class OneAnswer:
    """One class for a sentence: its states pooled, a readout, softmax and cross-entropy; targets (B,)."""

    pool: Pooling

    def shapes(self, hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return readout_shapes(hidden, outputs)

    def answers(self, lengths: Array) -> int:
        return len(lengths)

    def loss(self, weights: Arrays, h: Array, lengths: Array, targets: Array) -> tuple[float, dict[str, Array], Array]:
        z = self.pool(h, lengths)  # (B, H)
        total, dlogits = cross_entropy(readout(weights, z), targets)
        gradients, dz = readout_gradients(weights, z, dlogits)
        return total, gradients, self.pool.pull(h, lengths, dz)

    def best(self, weights: Arrays, h: Array, lengths: Array) -> Array:
        return self.log_probabilities(weights, h, lengths).argmax(axis=-1)

    def log_probabilities(self, weights: Arrays, h: Array, lengths: Array) -> Array:
        """log y of each sentence, (B, O)."""
        return log_softmax(readout(weights, self.pool(h, lengths)))


@dataclass(frozen=True)
class EachWord:
    """One label for each word, every one for itself: a readout, softmax and cross-entropy; targets (T, B)."""

    def shapes(self, hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return readout_shapes(hidden, outputs)

    def answers(self, lengths: Array) -> int:
        return int(lengths.sum())

    def loss(self, weights: Arrays, h: Array, lengths: Array, targets: Array) -> tuple[float, dict[str, Array], Array]:
        within = np.arange(len(h))[:, None] < lengths
        total, dlogits = cross_entropy(readout(weights, h), targets, within)
        return total, *readout_gradients(weights, h, dlogits)

    def best(self, weights: Arrays, h: Array, lengths: Array) -> Array:
        within = np.arange(len(h))[:, None] < lengths
        return np.where(within, readout(weights, h).argmax(axis=-1), 0)


@dataclass(frozen=True)
class Chain:
    """One label a word, a sentence's all together: a linear-chain CRF over the logits (crf.py); targets (T, B)."""

    def shapes(self, hidden: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return readout_shapes(hidden, outputs) | chain_shapes(outputs)

    def answers(self, lengths: Array) -> int:
        return int(lengths.sum())

    def loss(self, weights: Arrays, h: Array, lengths: Array, targets: Array) -> tuple[float, dict[str, Array], Array]:
        total, gradients, dlogits = chain_loss(weights, readout(weights, h), targets, lengths)
        more, dh = readout_gradients(weights, h, dlogits)
        return total, gradients | more, dh

    def best(self, weights: Arrays, h: Array, lengths: Array) -> Array:
        return best_labels(weights, readout(weights, h), lengths)[0]


@dataclass(frozen=True)
class Network:
    """Tables, layers and a head.

    tables   for each feature of a word, in order, how many numbers it has and how long its rows are: {"word": (V, D)}
    layers   what reads x, the lowest first: cells, or pairs of cells that read both ways
    outputs  O, the number of classes or labels
    """

    tables: Mapping[str, tuple[int, int]]
    layers: list[Layer]
    head: Head
    outputs: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights: E_word (V, D) and so on, 1.forwards.W_xi …, and the head's."""
        hidden = output_size(self.layers)
        of_tables = {f"E_{name}": size for name, size in self.tables.items()}
        return of_tables | stack_shapes(self.layers) | self.head.shapes(hidden, self.outputs)


def first_weights(network: Network, rng: np.random.Generator, dtype: type = np.float32) -> dict[str, Array]:
    """Weights to begin with: of tables normal with deviation 0.3, of a chain 0, of all else uniform in ±1/√H; b_f + 1.

    The one added to the biases of forget gates keeps an LSTM's memory at first (chapter "What the gates buy").
    """
    weights = initial_weights(network.shapes(), rng, output_size(network.layers) ** -0.5, dtype)
    for name, w in weights.items():
        if name.startswith("E_"):
            weights[name] = (0.3 * rng.normal(size=w.shape)).astype(dtype)
        elif name in NAMES:
            weights[name] = np.zeros_like(w)
        elif name.endswith(".b_f"):
            weights[name] = w + dtype(1)
    return weights


@dataclass(frozen=True)
class Reading:
    """What a network has read: states h (T, B, H), with what the way back needs."""

    network: Network
    weights: Arrays
    words: Array
    lengths: Array
    x: Array  # (T, B, I), the rows of the tables side by side
    h: Array
    tapes: list[LayerTape]
    masks: tuple[Array | None, Array | None]


def read(
    network: Network,
    weights: Arrays,
    words: Array,
    lengths: Array,
    masks: tuple[Array | None, Array | None] = (None, None),
) -> Reading:
    """Look the words up and let the layers read them.

    words    numbers (T, B, F), of each feature in the order of the tables
    lengths  words of each sentence, (B,), from 1 to T
    masks    dropout: what x and h are multiplied by, each (T, B, ·) or (B, ·); None for nothing, as in use
    Raises ValueError for wrong names, shapes and lengths, numbers that a table does not have, and as `forward_stack`.
    """
    shapes = network.shapes()
    require_names("weights", weights, list(shapes))
    weights = {name: require_array(name, weights[name], shape) for name, shape in shapes.items()}
    words = as_array("words", words)
    require_shape("words", words, ("T", "B", len(network.tables)))
    lengths = require_lengths(lengths, words)
    if lengths.min() < 1:
        raise ValueError(f"lengths: expected at least one word in each sentence, got {lengths.min()}")
    within = np.arange(len(words))[:, None] < lengths
    words = np.where(within[..., None], words, np.zeros((), words.dtype))
    numbers = [
        require_tokens(f"words of {name!r}", words[..., k], within.shape, size)
        for k, (name, (size, _)) in enumerate(network.tables.items())
    ]
    x = np.concatenate([weights[f"E_{name}"][n] for name, n in zip(network.tables, numbers, strict=True)], axis=-1)
    own = by_layer(network.layers, {name: weights[name] for name in stack_shapes(network.layers)})
    h, tapes = forward_stack(network.layers, own, masked(x, masks[0]), lengths=lengths)
    h = h if isinstance(tapes[-1], tuple) else h[1:]
    return Reading(network, weights, np.stack(numbers, axis=-1), lengths, x, masked(h, masks[1]), tapes, masks)


def gradients_of(reading: Reading, dh: Array) -> tuple[dict[str, Array], Array]:
    """Gradients of tables and layers, under the weights' names, and dx (T, B, I), from dh (T, B, H).

    A row of a table gets the sum of dx over all places where it was looked up (equation eq-look-up).
    Raises ValueError as `backward_stack` does.
    """
    tapes = reading.tapes
    per_layer = backward_stack(tapes, d_steps(tapes[-1], masked(dh, reading.masks[1])))
    dx = masked(input_gradient(per_layer[0]), reading.masks[0])
    wanted = reading.network.shapes()
    gradients = {name: g for name, g in joined(per_layer).items() if name in wanted}
    first = 0
    for k, (name, (size, width)) in enumerate(reading.network.tables.items()):
        rows = dx[..., first : first + width].reshape(-1, width)
        gradients[f"E_{name}"] = sums_by_token(rows, reading.words[..., k].ravel(), size)
        first += width
    return gradients, dx


def loss_and_gradients(
    network: Network,
    weights: Arrays,
    words: Array,
    lengths: Array,
    targets: Array,
    masks: tuple[Array | None, Array | None] = (None, None),
) -> tuple[float, dict[str, Array]]:
    """Loss, summed over the head's answers, and the gradient of every weight. Arguments as for `read`, and

    targets  classes (B,), or labels (T, B), of which those beyond a sentence's length are not looked at
    Raises ValueError as `read` and the head do.
    """
    reading = read(network, weights, words, lengths, masks)
    total, gradients, dh = network.head.loss(_of_head(network, weights), reading.h, reading.lengths, targets)
    return total, gradients | gradients_of(reading, dh)[0]


def answer(network: Network, weights: Arrays, words: Array, lengths: Array) -> Array:
    """The network's answers: classes (B,), or labels (T, B) with 0 beyond the lengths. Raises ValueError as `read`."""
    reading = read(network, weights, words, lengths)
    return network.head.best(_of_head(network, weights), reading.h, reading.lengths)


def _of_head(network: Network, weights: Arrays) -> dict[str, Array]:
    return {name: weights[name] for name in network.head.shapes(output_size(network.layers), network.outputs)}
