"""A recurrent network as a language model: what it reads, how it is trained, and how it is asked for probabilities.

The network reads the token that came before, x_t = w_{t−1}, and predicts w_t. Before the first token it reads `<EOS>`,
as if another sequence had just ended, and its state is h_0 = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from companion.core.functions import log_softmax, softmax
from companion.core.networks import initial_weights, loss_and_gradients, readout, readout_shapes, without_readout
from companion.core.optimisers import Adam, clip_by_norm
from companion.core.recurrent import Arrays, Cell, forward, weight_shapes
from companion.core.validation import Array, require_array, require_size, require_tokens
from companion.rnn.cells import Elman
from companion.rnn.ngrams import require_text

WIDTH = 64  # sequences evaluated at once
ENTRIES = 1_000_000  # logits held at once while evaluating


@dataclass(frozen=True)
class RecurrentLanguageModel:
    """A recurrent cell with a softmax readout over the vocabulary; the state starts at zero in every sequence.

    To carry the state through a whole document, pass the document as one sequence (`<EOS>` inside it ends sentences).
    weights: the cell's, whose inputs are one-hot vectors of length V, with W_hy (V, H) and b_y (V,).
    """

    cell: Cell
    weights: Arrays

    def __post_init__(self) -> None:
        without_readout(self.cell, self.weights)
        for name, shape in shapes(self.cell).items():
            require_array(name, self.weights[name], shape)

    @property
    def vocabulary_size(self) -> int:
        return self.cell.sizes["x"]

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
        h, _ = forward(self.cell, without_readout(self.cell, self.weights), x)
        return softmax(readout(self.weights, h[-1, 0]).astype(np.float64))

    def _side_by_side(self, block: Sequence[Array]) -> list[Array]:
        """Log probabilities of sequences, longest first, a chunk of steps at a time with the state carried on."""
        lengths = np.array([len(sequence) for sequence in block])
        # filled up with <EOS> at the end: what comes later cannot change the probability of what came before
        targets = np.zeros((lengths[0], len(block)), np.int64)  # (T, B)
        for column, sequence in enumerate(block):
            targets[: len(sequence), column] = sequence
        inputs, logarithms = shifted(targets), np.zeros(targets.shape)
        own, first, state = without_readout(self.cell, self.weights), 0, None
        while first < lengths[0]:
            running = int((lengths > first).sum())  # the sequences that have not ended
            chunk = slice(first, first + max(1, ENTRIES // (running * self.vocabulary_size))), slice(0, running)
            h, tape = forward(self.cell, own, inputs[chunk], state and {k: s[:running] for k, s in state.items()})
            of_all = log_softmax(readout(self.weights, h[1:]))
            logarithms[chunk] = np.take_along_axis(of_all, targets[chunk][..., None], axis=-1)[..., 0]
            state = {name: tape[name][-1] for name in self.cell.state}
            first += len(h) - 1
        return [logarithms[:length, column] for column, length in enumerate(lengths)]


def shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a language model over this cell."""
    return weight_shapes(cell) | readout_shapes(cell.sizes[cell.outputs[0]], cell.sizes["x"])


def shifted(targets: Array) -> Array:
    """Inputs (T, B) for targets (T, B): x_t = w_{t−1}, with `<EOS>` (0) as x_1."""
    inputs = np.zeros_like(targets)
    inputs[1:] = targets[:-1]
    return inputs


@dataclass(frozen=True)
class Batch:
    """What one step of training sees: inputs and targets (T, B), and whether it continues the batch before it."""

    inputs: Array
    targets: Array
    continues: bool


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
    """How a network is trained: steps of Adam whose rate falls linearly to zero, gradients clipped to a common norm."""

    hidden: int
    rate: float
    steps: int
    clip: float = 1.0
    checks: int = 10  # how often development text is looked at

    def __post_init__(self) -> None:
        for name in ("hidden", "steps", "checks"):
            require_size(name, getattr(self, name))
        for name in ("rate", "clip"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")


@dataclass(frozen=True)
class Check:
    """A look at development text: after how many steps, the mean training loss since the last look, and the score."""

    step: int
    training: float
    development: float


def train(
    vocabulary_size: int,
    settings: Settings,
    rng: np.random.Generator,
    passes: Callable[[np.random.Generator], Iterator[Batch]],
    development: Callable[[RecurrentLanguageModel], float],
    dtype: type = np.float32,
) -> tuple[RecurrentLanguageModel, list[Check]]:
    """Train an Elman network as a language model and return the weights that did best on development text.

    passes       makes one pass over the training text, for example lambda rng: equal_lengths(names, 64, rng)
    development  scores a model, smaller is better, for example its cross-entropy on development text
    Returns the best of the models looked at (early stopping) and all checks. Losses are in nats a token.
    """
    cell = Elman(vocabulary_size, settings.hidden)
    weights = initial_weights(shapes(cell), rng, settings.hidden**-0.5, dtype)
    optimiser = Adam(settings.rate)
    best, best_score = RecurrentLanguageModel(cell, weights), np.inf
    checks, recent, state = [], [], None
    due = {round(settings.steps * part / settings.checks) for part in range(1, settings.checks + 1)}
    batches = _again_and_again(passes, rng)
    for step in range(1, settings.steps + 1):
        batch = next(batches)
        loss, gradients, tape = loss_and_gradients(
            cell, weights, batch.inputs, batch.targets, state if batch.continues else None
        )
        state = tape["h"][-1]
        recent.append(loss / batch.targets.size)
        mean = {name: gradients[name] / batch.targets.size for name in weights}
        optimiser = replace(optimiser, rate=settings.rate * (1 - (step - 1) / settings.steps))
        weights, optimiser = optimiser.step(weights, clip_by_norm(mean, settings.clip))
        if step in due:
            model = RecurrentLanguageModel(cell, weights)
            score = development(model)
            if np.isnan(score):
                raise ValueError(f"development: expected a score that can be compared, got {score} at step {step}")
            checks.append(Check(step, float(np.mean(recent)), score))
            recent = []
            if checks[-1].development < best_score:
                best, best_score = model, checks[-1].development
    return best, checks


def _again_and_again(
    passes: Callable[[np.random.Generator], Iterator[Batch]], rng: np.random.Generator
) -> Iterator[Batch]:
    while True:
        yield from passes(rng)
