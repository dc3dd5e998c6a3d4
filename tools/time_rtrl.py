"""Seconds for one sequence's gradient by backpropagation through time and by real-time recurrent learning.

    python tools/time_rtrl.py [H …]     best of five runs each; T = 20 steps, one sequence, I = 10 inputs, O = 5 classes

Chapter "Learning while running" counts multiplications, which are the same on every machine; these times are not.
"""

import os
import sys
from collections.abc import Callable
from time import perf_counter

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported

import numpy as np  # noqa: E402

from companion import Elman, initial_weights, loss_and_gradients, readout_shapes, weight_shapes  # noqa: E402
from companion.bptt.rtrl import rtrl  # noqa: E402

T, I, O, RUNS = 20, 10, 5, 5
WIDTHS = (4, 8, 16, 32, 48, 64, 96, 128)


def best(f: Callable[..., object], *arguments: object) -> float:
    """Shortest of RUNS runs, in seconds."""
    times = []
    for _ in range(RUNS):
        begin = perf_counter()
        f(*arguments)
        times.append(perf_counter() - begin)
    return min(times)


def main(widths: list[int]) -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(T, 1, I)), rng.integers(0, O, (T, 1))
    print(f"milliseconds a step (T = {T}, I = {I}, O = {O}, one thread)\n   H      BPTT      RTRL   ratio")
    for H in widths:
        cell = Elman(I, H)
        weights = initial_weights(weight_shapes(cell) | readout_shapes(H, O), rng, H**-0.5)
        there_and_back, forwards = (1000 / T * best(f, cell, weights, x, targets) for f in (loss_and_gradients, rtrl))
        print(f"{H:4} {there_and_back:9.4f} {forwards:9.3f} {forwards / there_and_back:7.0f}")


if __name__ == "__main__":
    main([int(width) for width in sys.argv[1:]] or list(WIDTHS))
