"""How long a training step of a network that reads words takes here and in PyTorch: float32, one thread each.

    python tools/bench_readers.py [--rounds 15]

A step is: look the words up, read them both ways with LSTMs, answer, the loss, all gradients, clipping, Adam. The last
network translates number words: it reads them both ways with GRUs, and another GRU writes pieces. Batches are drawn
before. The sides take turns as in bench.py. PyTorch's side is given twice: with packed sequences, which stop
at each sentence's end as ours do, and without, where the second direction begins in the padding.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import Call, Worker, compare

ROUNDS = 7


@dataclass(frozen=True)
class Shape:
    """A batch and a network: T words at most, B sentences, V words, I inputs, H units a direction, O answers."""

    name: str
    T: int
    B: int
    V: int
    I: int
    H: int
    O: int
    kind: str  # "class", "words", "chain" or "translator"


SHAPES = (
    Shape("one answer a sentence", 30, 32, 5000, 32, 32, 2, "class"),
    Shape("one answer, short", 10, 16, 5000, 32, 32, 2, "class"),
    Shape("one label a word", 14, 32, 1500, 72, 48, 29, "words"),
    Shape("one label, short", 7, 16, 1500, 72, 48, 29, "words"),
    Shape("labels in a chain", 14, 32, 1500, 72, 48, 29, "chain"),
)
TRANSLATOR = Shape("numbers, translated", 7, 32, 31, 31, 48, 28, "translator")  # a decoder of 64 units
DECODER = 64


def _batch(s: Shape) -> tuple[Any, Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    lengths = rng.integers(max(s.T // 3, 1), s.T + 1, s.B)
    lengths[0] = s.T
    targets = rng.integers(0, s.O, s.B if s.kind == "class" else (s.T, s.B))
    return rng.integers(2, s.V, (s.T, s.B, 1)), lengths, targets


def ours(s: Shape) -> Call:
    import numpy as np

    from companion.applications.network import Chain, EachWord, Network, OneAnswer, first_weights, loss_and_gradients
    from companion.applications.pooling import MEAN
    from companion.core.layers import Directions
    from companion.core.optimisers import Adam, clip_by_norm
    from companion.gates.cells import LSTM

    head: Any = {"class": OneAnswer(MEAN), "words": EachWord(), "chain": Chain()}[s.kind]
    network = Network({"word": (s.V, s.I)}, [Directions(LSTM(s.I, s.H), LSTM(s.I, s.H))], head, s.O)
    weights: Any = first_weights(network, np.random.default_rng(1))
    optimiser = Adam(1e-3)
    words, lengths, targets = _batch(s)

    def call() -> float:
        nonlocal weights, optimiser
        loss, gradients = loss_and_gradients(network, weights, words, lengths, targets)
        n = network.head.answers(lengths)
        mean = {name: gradients[name] / np.float32(n) for name in weights}
        weights, optimiser = optimiser.step(weights, clip_by_norm(mean, 1.0))
        return loss

    return call


def pytorch(s: Shape, packed: bool) -> Call:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
    from torchcrf import CRF  # type: ignore[import-untyped]

    torch.set_num_threads(1)
    torch.manual_seed(0)
    table, lstm = torch.nn.Embedding(s.V, s.I), torch.nn.LSTM(s.I, s.H, bidirectional=True)
    readout, chain = torch.nn.Linear(2 * s.H, s.O), CRF(s.O)
    parameters = [p for m in (table, lstm, readout) for p in m.parameters()]
    parameters += chain.parameters() if s.kind == "chain" else []
    optimiser = torch.optim.Adam(parameters, 1e-3)
    words, lengths, targets = (torch.tensor(a) for a in _batch(s))
    mask = torch.arange(s.T)[:, None] < lengths

    def loss(h: torch.Tensor) -> torch.Tensor:
        if s.kind == "class":
            z = (h * mask[..., None]).sum(0) / lengths[:, None]
            return torch.nn.functional.cross_entropy(readout(z), targets)
        logits = readout(h)
        if s.kind == "words":
            return torch.nn.functional.cross_entropy(logits[mask], targets[mask])
        return -chain(logits, targets, mask, reduction="token_mean")

    def call() -> float:
        optimiser.zero_grad()
        x = table(words[..., 0])
        if packed:
            output, _ = lstm(pack_padded_sequence(x, lengths, enforce_sorted=False))
            h, _ = pad_packed_sequence(output)
        else:
            h, _ = lstm(x)
        value = loss(h)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        return value.item()

    return call


def _numbers(s: Shape) -> tuple[Any, ...]:
    """Sources (S, B), their lengths, targets (T, B), theirs: the first number words that the course trains on."""
    from companion.applications.parallel import bilingual, number_words
    from companion.rnn.language_model import side_by_side

    training = number_words().training
    both = bilingual(training)
    sources, targets = zip(*both.encode(training[: s.B]), strict=True)
    batch = (*side_by_side(sources), *side_by_side(targets))
    if (len(both.source), len(both.target), len(batch[0])) != (s.V, s.O, s.T):
        raise ValueError(f"s: expected V, O, T of {s}, got {len(both.source)}, {len(both.target)}, {len(batch[0])}")
    return batch


def our_translator(s: Shape) -> Call:
    import numpy as np

    from companion.applications.translator import Translator, first_weights, loss_of_batch
    from companion.core.layers import Directions
    from companion.core.optimisers import Adam, clip_by_norm
    from companion.gates.cells import GRU

    translator = Translator([Directions(GRU(s.V, s.H), GRU(s.V, s.H))], GRU(s.O, DECODER))
    weights: Any = first_weights(translator, np.random.default_rng(1))
    optimiser, batch = Adam(1e-3), _numbers(s)
    n = np.float32(batch[3].sum())

    def call() -> float:
        nonlocal weights, optimiser
        loss, gradients = loss_of_batch(translator, weights, *batch)
        mean = {name: gradients[name] / n for name in weights}
        weights, optimiser = optimiser.step(weights, clip_by_norm(mean, 1.0))
        return loss

    return call


def pytorch_translator(s: Shape, packed: bool) -> Call:
    import torch
    from torch.nn.functional import cross_entropy, one_hot
    from torch.nn.utils.rnn import pack_padded_sequence

    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder, decoder = torch.nn.GRU(s.V, s.H, bidirectional=True), torch.nn.GRU(s.O, DECODER)
    bridge, readout = torch.nn.Linear(2 * s.H, DECODER), torch.nn.Linear(DECODER, s.O)
    parameters = [p for m in (encoder, decoder, bridge, readout) for p in m.parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-3)
    sources, lengths, targets, target_lengths = (torch.tensor(a) for a in _numbers(s))
    inputs = torch.zeros_like(targets)
    inputs[1:] = targets[:-1]
    mask = torch.arange(len(targets))[:, None] < target_lengths

    def call() -> float:
        optimiser.zero_grad()
        x: Any = one_hot(sources, s.V).float()
        _, ends = encoder(pack_padded_sequence(x, lengths, enforce_sorted=False) if packed else x)
        first = torch.tanh(bridge(torch.cat([ends[0], ends[1]], dim=-1)))
        h, _ = decoder(one_hot(inputs, s.O).float(), first[None])
        value = cross_entropy(readout(h)[mask], targets[mask])
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        return value.item()

    return call


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args(arguments).rounds
    print(f"load average before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}; one thread a side")
    head = f"{'training step':<24}{'T':>4}{'B':>4}{'ours ms':>9}"
    print(f"{head}{'packed ms':>11}{'ratio':>7}{'plain ms':>10}{'ratio':>7}")
    for s in (*SHAPES, TRANSLATOR):
        own, theirs = (our_translator, pytorch_translator) if s is TRANSLATOR else (ours, pytorch)
        sides: list[tuple[Callable[..., Call], tuple[Any, ...]]] = [
            (own, (s,)),
            (theirs, (s, True)),
            (theirs, (s, False)),
        ]
        done = compare([Worker(make, *given) for make, given in sides], rounds)
        ms = [seconds * 1e3 for seconds in done.seconds]
        line = f"{s.name:<24}{s.T:4}{s.B:4}{ms[0]:9.2f}{ms[1]:11.2f}{done.ratios[1]:7.2f}{ms[2]:10.2f}"
        print(f"{line}{done.ratios[2]:7.2f}", flush=True)
    print(f"load average after: {', '.join(f'{load:.2f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
