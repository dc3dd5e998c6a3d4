"""How long a recurrent layer takes here and in PyTorch: forwards and backwards, float32, one thread each, on the CPU.

    python tools/bench.py                        all shapes, then the training step of a character network
    python tools/bench.py --rounds 15            more rounds (7 by default and at least)
    python tools/bench.py LSTM "64,32,64,128"    some cells, some shapes (T,B,I,H)

Each layer has a process of its own. The two take turns, ours and PyTorch's first by turns, and each turn is measured in
that process's CPU time, so that other load on the machine disturbs both alike. What is printed is the median over the
rounds of each side's time for one call, and the median of the rounds' ratios. Memory is what the calls add to the
process at their peak. "of peak" is the share of the speed at which NumPy multiplies two 512 x 512 matrices.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
for variable in THREADS:
    os.environ[variable] = "1"

Call = Callable[[], Any]
Shape = tuple[int, int, int, int]  # T, B, I, H

SHAPES: tuple[Shape, ...] = (
    (25, 1, 64, 100),
    (32, 16, 64, 64),
    (64, 32, 64, 128),
    (200, 50, 2, 100),
    (64, 64, 128, 256),
    (128, 64, 256, 512),
)
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
TURN = 0.25  # seconds of one turn; a longer call makes a turn alone


# --- what is measured: each function runs in a process of its own, and returns the call to be timed ------------------


def ours(cell: str, shape: Shape) -> Call:
    import numpy as np

    from companion import backward, forward, initial_weights, weight_shapes
    from companion.gates.cells import GRU, LSTM
    from companion.rnn.cells import Elman

    T, B, I, H = shape
    rng = np.random.default_rng(0)
    layer = {"RNN": Elman, "LSTM": LSTM, "GRU": GRU}[cell](I, H)
    weights = initial_weights(weight_shapes(layer), rng, H**-0.5, np.float32)
    x = rng.normal(size=(T, B, I)).astype(np.float32)
    dh = rng.normal(size=(T + 1, B, H)).astype(np.float32)
    dh[0] = 0

    def call() -> Any:
        h, tape = forward(layer, weights, x)
        return backward(tape, {"h": dh})

    return call


def pytorch(cell: str, shape: Shape) -> Call:
    import torch

    torch.set_num_threads(1)
    T, B, I, H = shape
    torch.manual_seed(0)
    layer = getattr(torch.nn, cell)(I, H)
    x = torch.randn(T, B, I, requires_grad=True)
    h_0 = torch.zeros(1, B, H, requires_grad=True)
    dh = torch.randn(T, B, H)
    initial = (h_0, torch.zeros(1, B, H, requires_grad=True)) if cell == "LSTM" else h_0
    wanted = [x, *layer.parameters(), *(initial if cell == "LSTM" else (h_0,))]

    def call() -> Any:
        output, _ = layer(x, initial)
        return torch.autograd.grad(output, wanted, dh)

    return call


def multiplication(n: int = 512) -> Call:
    import numpy as np

    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    return lambda: a @ a


# --- the training step of a character network ------------------------------------------------------------------------

CHARACTERS, VOCABULARY, UNITS, RATE, LIMIT = 25, 64, 100, 0.1, 5.0


def step_of_ours() -> Call:
    import numpy as np

    from companion import Elman, initial_weights, loss_and_gradients, readout_shapes, weight_shapes
    from companion.core.optimisers import Adagrad, clip_by_value

    rng = np.random.default_rng(0)
    cell = Elman(VOCABULARY, UNITS)
    shapes = weight_shapes(cell) | readout_shapes(UNITS, VOCABULARY)
    weights: Any = initial_weights(shapes, rng, 0.02, np.float32)
    text = rng.integers(0, VOCABULARY, (CHARACTERS + 1, 1))
    optimiser = Adagrad(RATE)
    state = None

    def call() -> float:
        nonlocal weights, optimiser, state
        loss, gradients, tape = loss_and_gradients(cell, weights, text[:-1], text[1:], state)
        state = tape["h"][-1]
        weights, optimiser = optimiser.step(weights, clip_by_value({n: gradients[n] for n in weights}, LIMIT))
        return loss

    return call


def step_of_a_loop() -> Call:
    """One character at a time, one vector at a time, float64: how such a network is first written."""
    import numpy as np

    rng = np.random.default_rng(0)
    H, V = UNITS, VOCABULARY
    W_xh, W_hh, W_hy = (rng.uniform(-0.02, 0.02, shape) for shape in ((H, V), (H, H), (V, H)))
    b_h, b_y = np.zeros((H, 1)), np.zeros((V, 1))
    weights = [W_xh, W_hh, W_hy, b_h, b_y]
    squares = [np.zeros_like(W) for W in weights]
    text = rng.integers(0, V, CHARACTERS + 1)
    last = np.zeros((H, 1))

    def call() -> float:
        nonlocal last
        xs, hs, ys, loss = {}, {-1: last}, {}, 0.0
        for t in range(CHARACTERS):
            xs[t] = np.zeros((V, 1))
            xs[t][text[t]] = 1
            hs[t] = np.tanh(W_xh @ xs[t] + W_hh @ hs[t - 1] + b_h)
            e = np.exp(W_hy @ hs[t] + b_y)
            ys[t] = e / e.sum()
            loss -= float(np.log(ys[t][text[t + 1], 0]))
        gradients = [np.zeros_like(W) for W in weights]
        dW_xh, dW_hh, dW_hy, db_h, db_y = gradients
        carried = np.zeros((H, 1))
        for t in reversed(range(CHARACTERS)):
            dy = ys[t].copy()
            dy[text[t + 1]] -= 1
            dW_hy += dy @ hs[t].T
            db_y += dy
            da = (1 - hs[t] ** 2) * (W_hy.T @ dy + carried)
            db_h += da
            dW_xh += da @ xs[t].T
            dW_hh += da @ hs[t - 1].T
            carried = W_hh.T @ da
        for W, d, square in zip(weights, gradients, squares, strict=True):
            np.clip(d, -LIMIT, LIMIT, out=d)
            square += d * d
            W -= RATE * d / np.sqrt(square + 1e-8)
        last = hs[CHARACTERS - 1]
        return loss

    return call


def step_of_pytorch() -> Call:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer, readout = torch.nn.RNN(VOCABULARY, UNITS), torch.nn.Linear(UNITS, VOCABULARY)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimiser = torch.optim.Adagrad(parameters, RATE)
    text = torch.randint(0, VOCABULARY, (CHARACTERS + 1,))
    x = torch.nn.functional.one_hot(text[:-1], VOCABULARY).float()
    state = torch.zeros(1, UNITS)

    def call() -> float:
        nonlocal state
        optimiser.zero_grad()
        h, last = layer(x, state)
        loss = torch.nn.functional.cross_entropy(readout(h), text[1:], reduction="sum")
        loss.backward()
        torch.nn.utils.clip_grad_value_(parameters, LIMIT)
        optimiser.step()
        state = last.detach()
        return loss.item()

    return call


# --- workers ---------------------------------------------------------------------------------------------------------


def work(pipe: Connection, make: Callable[..., Call], arguments: tuple[Any, ...]) -> None:
    """Prepare the call, then answer each number received by the CPU seconds of so many calls; 0 ends it."""
    call = make(*arguments)
    before = resident()
    forget_peak()
    call()
    added = resident(peak=True) - before
    pipe.send(added)
    while number := pipe.recv():
        begin = time.process_time()
        for _ in range(number):
            call()
        pipe.send(time.process_time() - begin)


def resident(peak: bool = False) -> float:
    """Memory of this process in MB, now or at its peak; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    name = "VmHWM:" if peak else "VmRSS:"
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        pass


class Worker:
    """A process that makes calls when told."""

    def __init__(self, make: Callable[..., Call], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, make, arguments), daemon=True)
        self.process.start()
        self.memory: float = self.pipe.recv()

    def seconds(self, number: int) -> float:
        """CPU seconds a call, over `number` calls."""
        self.pipe.send(number)
        return float(self.pipe.recv()) / number

    def close(self) -> None:
        self.pipe.send(0)
        self.process.join()


@dataclass(frozen=True)
class Comparison:
    """Median seconds of one call on each side, the median of the rounds' ratios, and MB added."""

    seconds: tuple[float, ...]
    ratios: tuple[float, ...]  # of the first to each
    memory: tuple[float, ...]


def compare(workers: list[Worker], rounds: int) -> Comparison:
    calls = [max(1, round(TURN / min(w.seconds(1) for _ in range(3)))) for w in workers]
    times: list[list[float]] = [[] for _ in workers]
    for turn in range(rounds):
        order = range(len(workers)) if turn % 2 else reversed(range(len(workers)))
        for i in order:
            times[i].append(workers[i].seconds(calls[i]))
    for worker in workers:
        worker.close()
    return Comparison(
        tuple(statistics.median(t) for t in times),
        tuple(statistics.median(a / b for a, b in zip(times[0], t, strict=True)) for t in times),
        tuple(worker.memory for worker in workers),
    )


def operations(cell: str, shape: Shape) -> float:
    """Floating-point operations of the matrix products, forwards and twice as many backwards."""
    T, B, I, H = shape
    return 3 * 2 * T * B * GATES[cell] * H * (I + H)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("chosen", nargs="*", metavar="CELL or T,B,I,H")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    if options.rounds < 7:
        parser.error(f"--rounds: expected at least 7, got {options.rounds}")
    cells = [name for name in GATES if name in options.chosen] or list(GATES)
    shapes = [shape for shape in SHAPES if ",".join(map(str, shape)) in options.chosen] or list(SHAPES)
    print(f"load average before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}; one thread a side")
    worker = Worker(multiplication)
    peak = 2 * 512**3 / min(worker.seconds(20) for _ in range(options.rounds))
    worker.close()
    print(f"sgemm peak (NumPy, n = 512): {peak / 1e9:.0f} GFLOP/s\n")
    head = f"{'(T, B, I, H)':<20}{'cell':<6}{'ours ms':>9}{'torch ms':>10}{'ratio':>7}"
    print(f"{head}{'of peak':>9}{'torch':>7}{'ours MB':>9}{'torch MB':>10}")
    ratios = []
    for shape in shapes:
        for cell in cells:
            done = compare([Worker(ours, cell, shape), Worker(pytorch, cell, shape)], options.rounds)
            share = [operations(cell, shape) / seconds / peak for seconds in done.seconds]
            ratios.append(done.ratios[1])
            line = f"{shape!s:<20}{cell:<6}{done.seconds[0] * 1e3:9.2f}{done.seconds[1] * 1e3:10.2f}{ratios[-1]:7.2f}"
            print(f"{line}{share[0]:9.0%}{share[1]:7.0%}{done.memory[0]:9.1f}{done.memory[1]:10.1f}", flush=True)
    print(
        f"\ngeometric mean of {len(ratios)} ratios: {statistics.geometric_mean(ratios):.2f}, largest {max(ratios):.2f}"
    )
    if not options.chosen:
        sides = (step_of_ours, step_of_a_loop, step_of_pytorch)
        done = compare([Worker(side) for side in sides], options.rounds)
        ms = [f"{seconds * 1e3:.2f}" for seconds in done.seconds]
        print(f"\none training step, {CHARACTERS} characters, V = {VOCABULARY}, H = {UNITS}, clipped, Adagrad (ms)")
        print(f"ours {ms[0]}; a loop over characters {ms[1]}, ratio {done.ratios[1]:.2f}; ", end="")
        print(f"nn.RNN {ms[2]}, ratio {done.ratios[2]:.2f}")
    print(f"load average after: {', '.join(f'{load:.2f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
