"""The order in which a cell's pre-activations lie in memory, for walk.py.

Those that share a factor or a function are neighbours: one product makes the terms of all, and one tanh their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from companion.core.cell import Cell, parsed
from companion.core.functions import SIGMOID, TANH


@dataclass(frozen=True)
class Fed:
    """The pre-activations that have one source in their wiring: their names, and where the first to the last lie."""

    names: tuple[str, ...]
    span: slice  # in the order
    columns: slice  # among the columns of δ
    group: tuple[str, ...]  # all in the span, those in between included


@dataclass(frozen=True)
class Layout:
    """The order in which pre-activations lie in memory: those that share a factor or a function are neighbours.

    order    all pre-activations; those with terms known before the step come first
    stacked  the names of these, which forward keeps in one array
    columns  where each lies in the array of all δ_t
    fed      for each source in the wiring, what it feeds
    sizes    length of each vector
    """

    order: tuple[str, ...]
    stacked: tuple[str, ...]
    columns: Mapping[str, slice]
    fed: Mapping[str, Fed]
    sizes: Mapping[str, int]

    @property
    def width(self) -> int:
        return self.columns[self.order[-1]].stop


@cache  # of what a cell is, which never changes
def layout(cell: Cell) -> Layout:
    """Pre-activations fed by x alone, by x and the state, by the state alone, and those that the cell sums itself."""
    wiring, gates, sizes = cell.wiring, cell.gates, cell.sizes

    def place(k: str) -> tuple[int, int]:
        known = [parsed(source) for source in wiring[k] if parsed(source).known]
        if not known:
            return 3, 0
        from_x, from_state = any(s.vector == "x" for s in known), any(s.vector != "x" for s in known)
        return (1 if from_x else 2) if from_state else 0, {TANH: 1, SIGMOID: 2}.get(gates[k], 0) if k in gates else 0

    order = tuple(sorted(wiring, key=place))
    ends = np.cumsum([sizes[k] for k in order]).tolist()
    columns = {k: slice(end - sizes[k], end) for k, end in zip(order, ends, strict=True)}

    def fed(source: str) -> Fed:
        names = tuple(k for k in order if source in wiring[k])
        first, last = order.index(names[0]), order.index(names[-1])
        among = slice(columns[names[0]].start, columns[names[-1]].stop)
        return Fed(names, slice(first, last + 1), among, order[first : last + 1])

    return Layout(
        order,
        stacked=tuple(k for k in order if place(k)[0] < 3),
        columns=columns,
        fed={source: fed(source) for sources in wiring.values() for source in sources},
        sizes=sizes,
    )
