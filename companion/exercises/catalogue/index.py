"""The exercise with which the first page shows how a check goes. It counts nowhere, and no class is asked it."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise


@exercise("running-mean", "running_mean", "A running mean", "implement")
def running_mean(rng: np.random.Generator) -> Key:
    def by_loop(x):
        m = np.empty(x.shape)
        for t in range(len(x)):
            m[t] = x[: t + 1].mean(axis=0)
        return m

    def step_by_step(x):
        """As a network would: the new mean from the last one and the new row."""
        m = [x[0]]
        for t in range(1, len(x)):
            m.append(m[-1] + (x[t] - m[-1]) / (t + 1))
        return np.stack(m)

    sizes = {"a small case": (3, 2), "T = 1": (1, 2), "B = 1": (4, 1), "a longer sequence": (9, 4)}
    return Key(
        cases=tuple(Case(name, {"x": normal(rng, *size, scale=1.0)}) for name, size in sizes.items()),
        also_right=(by_loop, step_by_step),
        axes={"result": "T B"},
    )
