"""A recurrent network as a language model: what it reads, how it is trained, and how it is asked for probabilities.

The network reads the token that came before, x_t = w_{t−1}, and predicts w_t. Before the first token it reads `<EOS>`,
as if another sequence had just ended, and its state is h_0 = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from companion.core.cell import Arrays
from companion.core.dropout import dropout_mask
from companion.core.functions import log_softmax, softmax
from companion.core.networks import (
    Layers,
    final_state,
    initial_weights,
    input_size,
    loss_and_gradients,
    network_shapes,
    output_size,
    run_network,
)
from companion.core.optimisers import Adam, clip_by_norm
from companion.core.validation import (
    Array,
    require_array,
    require_below_one,
    require_names,
    require_positive_finite,
    require_size,
    require_tokens,
)
from companion.rnn.ngrams import require_text

WIDTH = 64  # sequences evaluated at once
ENTRIES = 1_000_000  # logits held at once while evaluating

State = Any  # what a model holds of N sequences: arrays with a row for each, in mappings or lists


@dataclass(frozen=True)
class RecurrentLanguageModel:
    """Recurrent layers with a softmax readout over the vocabulary; the state starts at zero in every sequence.

    layers   a cell, or a list of cells on top of each other, the lowest of which reads one-hot vectors of length V
    weights  theirs, with W_hy (V, H) and b_y (V,), named as by `shapes`
    To carry the state through a whole document, pass the document as one sequence (`<EOS>` inside it ends sentences).
    Raises ValueError for other names or shapes, and for layers that read in both directions: such a layer has seen what
    is to be predicted.
    """

    layers: Layers
    weights: Arrays

    def __post_init__(self) -> None:
        require_names("weights", self.weights, list(shapes(self.layers)))
        for name, shape in shapes(self.layers).items():
            require_array(name, self.weights[name], shape)

    @property
    def vocabulary_size(self) -> int:
        return input_size(self.layers)

    def log_probabilities(self, sequences: Sequence[Array]) -> list[Array]:
        """log p(w_t | w_1 … w_{t−1}) of every token, arrays (T,) like the sequences."""
        text = require_text("sequences", sequences, self.vocabulary_size)
        found: list[Array] = [np.zeros(0)] * len(text)
        longest_first = sorted(range(len(text)), key=lambda i: -len(text[i]))
        for first in range(0, len(text), WIDTH):
            block = longest_first[first : first + WIDTH]
            for i, logarithms in zip(block, self._side_by_side([text[i] for i in block]), strict=True):
                found[i] = logarithms
        return found

    def distribution(self, context: Sequence[int] | Array) -> Array:
        """p(· | context), shape (V,): softmax of the logits after reading `<EOS>` and then the context."""
        if len(context):
            context = require_tokens("context", context, ("T",), self.vocabulary_size)
        x = np.array([0, *context], np.int64)[:, None]  # (T, 1)
        return softmax(run_network(self.layers, self.weights, x).logits[-1, 0].astype(np.float64))

    def begin(self, number: int) -> State:
        """The state h_0 = 0 of so many sequences, as `step` takes it."""
        layers = self.layers if isinstance(self.layers, list) else [self.layers]
        number = require_size("number", number)
        zeros = [{name: np.zeros((number, cell.sizes[name])) for name in cell.state} for cell in layers]  # type: ignore[union-attr]  # no pairs here
        return zeros if isinstance(self.layers, list) else zeros[0]

    def step(self, tokens: Array, state: State) -> tuple[Array, State]:
        """Read one token more of N sequences, (N,): log p(· | all read so far), (N, V), and the state after it.

        Nothing is read again: what came before is in the state, and an `<EOS>` is read like any other token. Raises
        ValueError for tokens outside the vocabulary, and for a state of other cells or of another number of sequences.
        """
        tokens = require_tokens("tokens", tokens, ("N",), self.vocabulary_size)
        done = run_network(self.layers, self.weights, tokens[None], state)
        return log_softmax(done.logits[0].astype(np.float64)), final_state(done.tape)

    def _side_by_side(self, block: Sequence[Array]) -> list[Array]:
        """Log probabilities of sequences, longest first, a chunk of steps at a time with the state carried on."""
        targets, lengths = side_by_side(block)  # what comes later cannot change the probability of what came before
        inputs, logarithms = shifted(targets), np.zeros(targets.shape)
        first, state = 0, None
        while first < lengths[0]:
            running = int((lengths > first).sum())  # the sequences that have not ended
            chunk = slice(first, first + max(1, ENTRIES // (running * self.vocabulary_size))), slice(0, running)
            done = run_network(self.layers, self.weights, inputs[chunk], _of_first(state, running))
            of_all = log_softmax(done.logits)
            logarithms[chunk] = np.take_along_axis(of_all, targets[chunk][..., None], axis=-1)[..., 0]
            state = final_state(done.tape)
            first += len(done.logits)
        return [logarithms[:length, column] for column, length in enumerate(lengths)]


def _of_first(state: Any, number: int) -> Any:
    """The state of a batch's first sequences, of a cell or of each layer; None stays None."""
    if isinstance(state, list):
        return [_of_first(of_layer, number) for of_layer in state]
    return state and {name: rows[:number] for name, rows in state.items()}


def shapes(layers: Layers) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a language model over these layers. Raises ValueError for two directions."""
    if isinstance(layers, list) and any(isinstance(layer, tuple) for layer in layers):
        raise ValueError("layers: expected layers that read forwards alone, got a pair of cells")
    return network_shapes(layers, input_size(layers))


def side_by_side(sequences: Sequence[Array]) -> tuple[Array, Array]:
    """Sequences (T,) as columns (T, B), filled up with `<EOS>` to the longest, and their lengths (B,).

    Raises ValueError for no sequence, for an empty one, and for anything but token numbers.
    """
    if not len(sequences):
        raise ValueError("sequences: expected at least one, got none")
    sequences = [require_tokens(f"sequences[{i}]", tokens, ("T",), 2**63) for i, tokens in enumerate(sequences)]
    lengths = np.array([len(sequence) for sequence in sequences])
    columns = np.zeros((lengths.max(), len(sequences)), np.int64)
    for b, sequence in enumerate(sequences):
        columns[: lengths[b], b] = sequence
    return columns, lengths


def shifted(targets: Array) -> Array:
    """Inputs (T, B) for targets (T, B): x_t = w_{t−1}, with `<EOS>` (0) as x_1."""
    inputs = np.zeros_like(targets)
    inputs[1:] = targets[:-1]
    return inputs


@dataclass(frozen=True)
class Batch:
    """What one step of training sees: inputs and targets (T, B), and whether it continues the batch before it.

    lengths  tokens of each sequence, (B,); what stands beyond is not looked at. None when all have T
    """

    inputs: Array
    targets: Array
    continues: bool
    lengths: Array | None = None

    @property
    def tokens(self) -> int:
        """How many are predicted."""
        return int(self.targets.size if self.lengths is None else self.lengths.sum())


def equal_lengths(sequences: Sequence[Array], size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One pass over the sequences in random order, each batch up to `size` sequences of one length: no padding.

    The state is reset for every sequence.
    """
    require_size("size", size)
    groups: dict[int, list[Array]] = {}
    for sequence in sequences:
        groups.setdefault(len(sequence), []).append(sequence)
    blocks = []
    for group in groups.values():
        order = rng.permutation(len(group))
        blocks += [[group[i] for i in order[first : first + size]] for first in range(0, len(group), size)]
    for i in rng.permutation(len(blocks)):
        targets = np.stack(blocks[i], axis=1)  # (T, B)
        yield Batch(shifted(targets), targets, continues=False)


def padded(sequences: Sequence[Array], size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One pass over the sequences in random order, `size` to a batch, filled up with `<EOS>` to the longest.

    The state is reset for every sequence; what it was filled up with changes no loss and no gradient.
    """
    require_size("size", size)
    order = rng.permutation(len(sequences))
    for first in range(0, len(order), size):
        chosen = [sequences[i] for i in order[first : first + size]]
        targets, lengths = side_by_side(chosen)
        yield Batch(shifted(targets), targets, continues=False, lengths=lengths)


def streams(text: Array, size: int, steps: int) -> Iterator[Batch]:
    """One pass over a long text, cut into `size` parallel streams that are read in chunks of `steps` tokens.

    The state is carried from chunk to chunk, the gradient is not: truncated backpropagation through time.
    Raises ValueError when the text is too short for one chunk.
    """
    require_size("size", size)
    require_size("steps", steps)
    length = len(text) // size
    if length < steps:
        least = size * steps
        raise ValueError(f"text: expected at least {least} tokens for {size} streams of {steps}, got {len(text)}")
    inputs = np.concatenate([[0], text[:-1]])[: length * size].reshape(size, length).T  # (length, B)
    targets = text[: length * size].reshape(size, length).T
    for first in range(0, length - steps + 1, steps):
        chunk = slice(first, first + steps)
        yield Batch(inputs[chunk], targets[chunk], continues=first > 0)


@dataclass(frozen=True)
class Settings:
    """How a network is trained: steps of Adam whose rate falls linearly to zero, gradients clipped to a common norm.

    checks   how often development text is looked at
    dropout  rate at which what a layer above or the readout reads is left out, drawn anew at each step of a sequence
    """

    rate: float
    steps: int
    clip: float = 1.0
    checks: int = 10
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "checks"):
            require_size(name, getattr(self, name))
        for name in ("rate", "clip"):
            require_positive_finite(name, getattr(self, name))
        require_below_one("dropout", self.dropout)


@dataclass(frozen=True)
class Check:
    """A look at development text: after how many steps, the mean training loss since the last look, and the score."""

    step: int
    training: float
    development: float


def train(
    layers: Layers,
    settings: Settings,
    rng: np.random.Generator,
    passes: Callable[[np.random.Generator], Iterator[Batch]],
    development: Callable[[RecurrentLanguageModel], float],
    dtype: type = np.float32,
) -> tuple[RecurrentLanguageModel, list[Check]]:
    """Train a language model and return the weights that did best on development text.

    layers       a cell, or a list of cells on top of each other, as for `RecurrentLanguageModel`
    passes       makes one pass over the training text, for example lambda rng: equal_lengths(names, 64, rng)
    development  scores a model, smaller is better, for example its cross-entropy on development text
    Returns the best of the models looked at (early stopping) and all checks. Losses are in nats a token.
    Raises ValueError for layers that read in both directions, and for a development score that is no number.
    """
    weights = initial_weights(shapes(layers), rng, output_size(layers) ** -0.5, dtype)
    optimiser = Adam(settings.rate)
    best, best_score = RecurrentLanguageModel(layers, weights), np.inf
    checks, recent, state = [], [], None
    due = {round(settings.steps * part / settings.checks) for part in range(1, settings.checks + 1)}
    batches = _again_and_again(passes, rng)
    for step in range(1, settings.steps + 1):
        batch = next(batches)
        masks = _masks(layers, settings.dropout, batch.inputs.shape, rng, dtype) if settings.dropout else None
        loss, gradients, tape = loss_and_gradients(
            layers,
            weights,
            batch.inputs,
            batch.targets,
            state if batch.continues else None,
            lengths=batch.lengths,
            masks=masks,
        )
        state = final_state(tape)
        recent.append(loss / batch.tokens)
        mean = {name: gradients[name] / batch.tokens for name in weights}
        optimiser = replace(optimiser, rate=settings.rate * (1 - (step - 1) / settings.steps))
        weights, optimiser = optimiser.step(weights, clip_by_norm(mean, settings.clip))
        if step in due:
            model = RecurrentLanguageModel(layers, weights)
            score = development(model)
            if not np.isfinite(score):
                raise ValueError(f"development: expected a score that can be compared, got {score} at step {step}")
            checks.append(Check(step, float(np.mean(recent)), score))
            recent = []
            if checks[-1].development < best_score:
                best, best_score = model, checks[-1].development
    return best, checks


def _masks(
    layers: Layers, rate: float, shape: tuple[int, ...], rng: np.random.Generator, dtype: type
) -> list[Array | None]:
    """Dropout's masks of one batch (T, B): none for the tokens, one for what each layer above and the readout read."""
    sizes = [output_size([layer]) for layer in (layers if isinstance(layers, list) else [layers])]
    return [None, *(dropout_mask(rng, (*shape, size), rate, dtype) for size in sizes)]


def _again_and_again(
    passes: Callable[[np.random.Generator], Iterator[Batch]], rng: np.random.Generator
) -> Iterator[Batch]:
    while True:
        some = False
        for batch in passes(rng):
            some = True
            yield batch
        if not some:
            raise ValueError("passes: expected at least one batch in each pass over the text, got none")
