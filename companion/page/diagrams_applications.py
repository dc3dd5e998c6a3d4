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


def prefixes(letters: str, longest: int) -> Diagram:
    """The tree of all beginnings of up to `longest` letters, from the empty one on the left; "·" ends a sequence.

    A node is named by its letters, "" for the root; those of a sequence that has ended end in "·".
    """
    require_size("longest", longest)
    require_size("the number of letters", len(letters))
    columns = [[""]]
    for _ in range(longest):
        columns.append([p + letter for p in columns[-1] if not p.endswith("·") for letter in "·" + letters])
    height = len(columns[-1])
    nodes = (
        Node(name, name or "start", STEP * t, LINE * height * (len(column) - i - 0.5) / len(column), _kind(name))
        for t, column in enumerate(columns)
        for i, name in enumerate(column)
    )
    edges = (Edge(name[:-1], name) for column in columns[1:] for name in column)
    return Diagram(tuple(nodes), tuple(edges))


def _kind(name: str) -> str:
    return "output" if name.endswith("·") else "state"


def encoder_decoder(S: int, T: int) -> Diagram:
    """An encoder over S tokens and a decoder over T, side by side; the words are left to the figure.

    The tokens read are named x1 … xS and w0 … w(T − 1), the states m1 … mS and h1 … hT, the answers y1 … yT.
    """
    require_size("S", S)
    require_size("T", T)
    reads = (Node(f"x{t}", f"$x_{{{t}}}$", STEP * t, 0, "input") for t in range(1, S + 1))
    again = (Node(f"w{t}", f"$d_{{{t}}}$", STEP * (S + t + 1), 0, "input") for t in range(T))
    memory = (Node(f"m{t}", f"$m_{{{t}}}$", STEP * t, 1, "state") for t in range(1, S + 1))
    states = (Node(f"h{t}", f"$h_{{{t}}}$", STEP * (S + t), 1, "state") for t in range(1, T + 1))
    answers = (Node(f"y{t}", f"$y_{{{t}}}$", STEP * (S + t), 2, "output") for t in range(1, T + 1))
    edges = [Edge(f"x{t}", f"m{t}") for t in range(1, S + 1)] + [Edge(f"m{t}", f"m{t + 1}") for t in range(1, S)]
    edges += [Edge(f"m{S}", "h1")] + [Edge(f"h{t}", f"h{t + 1}") for t in range(1, T)]
    edges += [Edge(f"w{t - 1}", f"h{t}") for t in range(1, T + 1)] + [Edge(f"h{t}", f"y{t}") for t in range(1, T + 1)]
    return Diagram((*reads, *again, *memory, *states, *answers), tuple(edges))
