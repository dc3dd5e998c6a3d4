"""The diagrams of the part on applications: one answer for a sentence, and the labels of a sentence as paths.

A function that returns a `Diagram` leaves the drawing to `companion.page.drawing.draw`.
"""

from __future__ import annotations

from collections.abc import Sequence

from companion.core.validation import require_size
from companion.page.drawing import Diagram, Edge, Node

STEP, LINE = 1.35, 1.0  # distances between two steps, and between two labels


def pooled(words: Sequence[str]) -> Diagram:
    """States h1, h2, … over words, all of which enter z, from which the one answer y is read."""
    T = require_size("the number of words", len(words))
    inputs = (Node(f"x{t}", word, STEP * t, 0, "input") for t, word in enumerate(words, 1))
    states = (Node(f"h{t}", f"$h_{{{t}}}$", STEP * t, 1, "state") for t in range(1, T + 1))
    middle = STEP * (T + 1) / 2
    above = (Node("z", "$z$", middle, 2.3, "state"), Node("y", "$y$", middle, 3.3, "output"))
    edges = [Edge(f"x{t}", f"h{t}") for t in range(1, T + 1)]
    edges += [Edge(f"h{t}", f"h{t + 1}") for t in range(1, T)]
    edges += [Edge(f"h{t}", "z") for t in range(1, T + 1)]
    return Diagram((*inputs, *states, *above), (*edges, Edge("z", "y")))


def lattice(steps: int, labels: Sequence[str]) -> Diagram:
    """Every label at every step, with an arrow from each to each of the next step: a labelling is a path through it.

    The first label stands on top; the node of label k, from 0, at step t, from 1, is named "k,t".
    """
    require_size("steps", steps)
    require_size("the number of labels", len(labels))
    nodes = (
        Node(f"{k},{t}", label, STEP * t, LINE * (len(labels) - k), "state")
        for t in range(1, steps + 1)
        for k, label in enumerate(labels)
    )
    every = range(len(labels))
    edges = (Edge(f"{j},{t}", f"{k},{t + 1}") for t in range(1, steps) for j in every for k in every)
    return Diagram(tuple(nodes), tuple(edges))
