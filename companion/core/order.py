"""The order in which a cell's pre-activations lie in memory, for the walk through time.

Those that share a factor or a function are neighbours: one product makes the terms of all, one tanh their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from companion.core.cell import Cell, parsed, shapes_of
from companion.core.functions import SIGMOID, TANH

Names = tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """How a cell's pre-activations lie one after another.

    names    all of them, in order; those of which the core knows terms before the step come first
    known    these first ones
    columns  where each lies in the array of all δ_t, (T + 1, B, width)
    fed      for each source in the wiring the runs that it feeds: neighbours of one size
    sizes    length of each vector; `shapes` those of the weights
    """

    names: Names
    known: Names
    columns: Mapping[str, slice]
    fed: Mapping[str, tuple[Names, ...]]
    sizes: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]

    def span(self, run: Names, B: int = 1) -> slice:
        """Where neighbours lie among the columns, or in a row that holds (B, n) of each, one after another."""
        return slice(B * self.columns[run[0]].start, B * self.columns[run[-1]].stop)


def order(cell: Cell) -> Order:
    """Pre-activations fed by x alone, by x and the state, by the state alone, then those that the cell sums itself."""
    gates = {k: 1 if g is TANH else 2 if g is SIGMOID else 0 for k, g in cell.gates.items()}
    wires = tuple((k, sources, gates.get(k)) for k, sources in cell.wiring.items())
    return _order(wires, tuple(cell.sizes.items()))


@cache  # of what a cell is, not of the cell: one that is made for a batch may hold its arrays
def _order(wires: tuple[tuple[str, Names, int | None], ...], vectors: tuple[tuple[str, int], ...]) -> Order:
    wiring, sizes, places = {k: sources for k, sources, _ in wires}, {v: int(size) for v, size in vectors}, {}
    for k, sources, gate in wires:
        known = [parsed(source) for source in sources if parsed(source).known]
        if gate is not None and len(known) < len(sources):
            raise ValueError(f"gates: expected what is known before the step, got {k}, fed by {', '.join(sources)}")
        from_x, from_state = any(s.vector == "x" for s in known), any(s.vector != "x" for s in known)
        places[k] = (3 if sources and not known else 0 if not from_state else 1 if from_x else 2, gate or 0)
    names = tuple(sorted(places, key=places.__getitem__))
    ends = [sum(sizes[k] for k in names[: i + 1]) for i in range(len(names))]

    def runs(source: str) -> tuple[Names, ...]:
        groups = groupby(names, key=lambda k: (source in wiring[k], sizes[k]))
        return tuple(tuple(run) for (fed, _), run in groups if fed)

    return Order(
        names,
        known=tuple(k for k in names if places[k][0] < 3),
        columns={k: slice(end - sizes[k], end) for k, end in zip(names, ends, strict=True)},
        fed={source: runs(source) for sources in wiring.values() for source in sources},
        sizes=sizes,
        shapes=shapes_of(wiring, sizes),
    )
