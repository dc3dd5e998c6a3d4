"""Encoder and decoder: a network reads a sequence, another writes one (chapter "From one sequence to another").

    x_1 … x_S = <EOS> → encoder → e → bridge → first state → decoder, a language model → d_1 … d_T = <EOS>

(Sutskever et al. 2014; Cho et al. 2014.) Both read tokens, whose one-hot vectors pick columns of W_x·: these are the
tables of word vectors. What the encoder hands on is one vector e for each sequence, however long that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from companion.applications.fitting import Descent, Epoch, descend
from companion.applications.search import greedy
from companion.core.cell import Arrays, Cell
from companion.core.layers import (
    Layer,
    LayerTape,
    backward_stack,
    by_layer,
    d_last_states,
    forward_stack,
    joined,
    last_states,
    stack_shapes,
)
from companion.core.networks import initial_weights, input_size, loss_and_gradients, output_size
from companion.core.validation import (
    Array,
    as_array,
    require_array,
    require_names,
    require_shape,
    require_size,
    require_tokens,
)
from companion.rnn.language_model import RecurrentLanguageModel, State, shapes, shifted, side_by_side
from companion.rnn.ngrams import require_text

Pair = tuple[Array, Array]  # a source and what it is to become, token numbers (S,) and (T,), `<EOS>` the last of each
Value = TypeVar("Value")
ENCODER, DECODER = "encoder.", "decoder."


@dataclass(frozen=True)
class Translator:
    """Layers that read the source, and a cell that writes.

    encoder  the lowest first: cells, or pairs of cells that read both ways; the lowest reads V_s different tokens
    decoder  a cell over V_t tokens, which it reads and writes
    Raises ValueError where these are no list and no single cell.
    """

    encoder: list[Layer]
    decoder: Cell

    def __post_init__(self) -> None:
        if not isinstance(self.encoder, list):
            raise ValueError(f"encoder: expected a list of layers such as [cell], got {self.encoder!r}")
        if isinstance(self.decoder, list | tuple):
            raise ValueError(f"decoder: expected one cell, got {self.decoder!r}")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights: encoder.1.W_xh …, W_eh, b_eh of the bridge, decoder.W_xh …, decoder.W_hy.

        The bridge has W_es (H, M) and b_es (H,) for each vector s of the decoder's state, M of the encoder's top.
        """
        M, bridge = output_size(self.encoder), dict[str, tuple[int, ...]]()
        for s in self.decoder.state:
            n = self.decoder.sizes[s]
            bridge |= {f"W_e{s}": (n, M), f"b_e{s}": (n,)}
        return _under(ENCODER, stack_shapes(self.encoder)) | bridge | _under(DECODER, shapes(self.decoder))


def first_weights(translator: Translator, rng: np.random.Generator, dtype: type = np.float32) -> dict[str, Array]:
    """Weights to begin with: uniform in ±1/√H, H of the decoder."""
    return initial_weights(translator.shapes(), rng, output_size(translator.decoder) ** -0.5, dtype)


@dataclass(frozen=True)
class Encoding:
    """What has been read: e (B, M), and the decoder's first state, name → (B, H)."""

    e: Array
    state: dict[str, Array]
    tapes: list[LayerTape]


def encode(translator: Translator, weights: Arrays, sources: Array, lengths: Array) -> Encoding:
    """Read sources and cross the bridge, s_0 = tanh(W_es e + b_es) (equation eq-bridge).

    sources  tokens (S, B); what stands beyond a sequence's length is not looked at
    lengths  tokens of each, (B,), from 1 to S
    Raises ValueError for other weights, tokens that the encoder does not know, and lengths out of range.
    """
    wanted = translator.shapes()
    require_names("weights", weights, list(wanted))
    weights = {name: require_array(name, weights[name], shape) for name, shape in wanted.items()}
    V_s = input_size(translator.encoder)
    sources, lengths = _filled_up("sources", sources, ("S", "B"), V_s, "lengths", lengths)
    per_layer = by_layer(translator.encoder, _own(weights, ENCODER))
    _, tapes = forward_stack(translator.encoder, per_layer, sources, None, lengths)
    e = last_states(tapes[-1])
    state = {s: np.tanh(e @ weights[f"W_e{s}"].T + weights[f"b_e{s}"]) for s in translator.decoder.state}
    return Encoding(e, state, tapes)


def loss_of_batch(
    translator: Translator, weights: Arrays, sources: Array, lengths: Array, targets: Array, target_lengths: Array
) -> tuple[float, dict[str, Array]]:
    """−log p of the targets given their sources, in nats, summed over all tokens, and the gradient of every weight.

    targets         tokens (T, B), the last of each `<EOS>`; the decoder reads them one step later (teacher forcing);
                    what stands beyond a sequence's length is not looked at
    target_lengths  tokens of each, (B,), from 1 to T. The rest as for `encode`.
    Raises ValueError as `encode` does, and for another number of targets than of sources.
    """
    encoding = encode(translator, weights, sources, lengths)
    V, B = translator.decoder.sizes["x"], len(encoding.e)
    targets, target_lengths = _filled_up("targets", targets, ("T", B), V, "target_lengths", target_lengths)
    loss, of_decoder, _ = loss_and_gradients(
        translator.decoder, _own(weights, DECODER), shifted(targets), targets, encoding.state, lengths=target_lengths
    )
    gradients = _under(DECODER, {name: of_decoder[name] for name in shapes(translator.decoder)})
    de = np.zeros_like(encoding.e)
    for s, s_0 in encoding.state.items():
        da = of_decoder[f"d{s}_0"] * (1 - s_0 * s_0)  # through tanh
        gradients |= {f"W_e{s}": da.T @ encoding.e, f"b_e{s}": da.sum(axis=0)}
        de += da @ weights[f"W_e{s}"]
    of_encoder = joined(backward_stack(encoding.tapes, d_last_states(encoding.tapes[-1], de)))
    return loss, gradients | _under(ENCODER, {name: of_encoder[name] for name in stack_shapes(translator.encoder)})


def decoder_of(translator: Translator, weights: Arrays) -> RecurrentLanguageModel:
    """The decoder: a language model, whose first state an encoding has."""
    return RecurrentLanguageModel(translator.decoder, _own(weights, DECODER))


def first_state(translator: Translator, weights: Arrays, sources: Sequence[Array]) -> State:
    """The decoder's state before it writes, of sources (S,) that end with `<EOS>`: what a search begins with."""
    text = require_text("sources", sources, input_size(translator.encoder))
    return encode(translator, weights, *side_by_side(text)).state


def translate(
    translator: Translator, weights: Arrays, sources: Sequence[Array], most: int = 100, size: int = 250
) -> list[Array]:
    """What the decoder writes for each source, greedily, `size` at a time: (T,) up to `<EOS>` or to `most` tokens."""
    writer, found = decoder_of(translator, weights), list[Array]()
    size = require_size("size", size)
    for first in range(0, len(sources), size):
        found += greedy(writer, first_state(translator, weights, sources[first : first + size]), most)
    return found


def fit(
    translator: Translator,
    training: Sequence[Pair],
    settings: Descent,
    rng: np.random.Generator,
    dtype: type = np.float32,
) -> Iterator[Epoch]:
    """Train from fresh weights, and say after each pass how it went; losses are nats a token.

    Raises ValueError as `loss_of_batch` does, and for sequences that do not end with `<EOS>`.
    """
    V_s, V_t = input_size(translator.encoder), translator.decoder.sizes["x"]
    for name, side, V in (("sources", 0, V_s), ("targets", 1, V_t)):
        require_text(name, [pair[side] for pair in training], V)

    def loss(weights: Arrays, chosen: list[Pair]) -> tuple[float, int, Arrays]:
        sources, targets = (side_by_side(side) for side in zip(*chosen, strict=True))
        total, gradients = loss_of_batch(translator, weights, *sources, *targets)
        return total, int(targets[1].sum()), gradients

    return descend(first_weights(translator, rng, dtype), training, settings, rng, loss)


def _filled_up(
    name: str, tokens: object, shape: tuple[int | str, ...], V: int, of_lengths: str, lengths: object
) -> tuple[Array, Array]:
    """Tokens with 0 beyond each length, and the lengths; ValueError for those that are not from 1 to all steps."""
    tokens, n = as_array(name, tokens), as_array(of_lengths, lengths)
    require_shape(name, tokens, shape)
    require_shape(of_lengths, n, tokens.shape[1:])
    if n.dtype.kind not in "iu" or n.min() < 1 or n.max() > len(tokens):
        raise ValueError(f"{of_lengths}: expected whole numbers from 1 to {len(tokens)}, got {n}")
    within = np.arange(len(tokens))[:, None] < n
    return require_tokens(name, np.where(within, tokens, np.zeros((), tokens.dtype)), shape, V), n


def _under(prefix: str, named: Mapping[str, Value]) -> dict[str, Value]:
    return {prefix + name: value for name, value in named.items()}


def _own(weights: Arrays, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
