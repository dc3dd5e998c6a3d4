"""How long a training step of a network that reads words takes here and in PyTorch: float32, one thread each.

    python tools/bench_readers.py [--rounds 15]

A step is: look the words up, read them both ways with LSTMs, answer, the loss, all gradients, clipping, Adam. Batches
are drawn before. The sides take turns as in bench.py. PyTorch's side is given twice: with packed sequences, which stop
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
    kind: str  # "class", "words" or "chain"


SHAPES = (
    Shape("one answer a sentence", 30, 32, 5000, 32, 32, 2, "class"),
    Shape("one answer, short", 10, 16, 5000, 32, 32, 2, "class"),
    Shape("one label a word", 14, 32, 1500, 72, 48, 29, "words"),
    Shape("one label, short", 7, 16, 1500, 72, 48, 29, "words"),
    Shape("labels in a chain", 14, 32, 1500, 72, 48, 29, "chain"),
)


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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args(arguments).rounds
    print(f"load average before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}; one thread a side")
    head = f"{'training step':<24}{'T':>4}{'B':>4}{'ours ms':>9}"
    print(f"{head}{'packed ms':>11}{'ratio':>7}{'plain ms':>10}{'ratio':>7}")
    for s in SHAPES:
        sides: list[tuple[Callable[..., Call], tuple[Any, ...]]] = [
            (ours, (s,)),
            (pytorch, (s, True)),
            (pytorch, (s, False)),
        ]
        done = compare([Worker(make, *given) for make, given in sides], rounds)
        ms = [seconds * 1e3 for seconds in done.seconds]
        line = f"{s.name:<24}{s.T:4}{s.B:4}{ms[0]:9.2f}{ms[1]:11.2f}{done.ratios[1]:7.2f}{ms[2]:10.2f}"
        print(f"{line}{done.ratios[2]:7.2f}", flush=True)
    print(f"load average after: {', '.join(f'{load:.2f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
