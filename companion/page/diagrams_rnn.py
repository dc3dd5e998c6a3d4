"""The diagrams of the part on recurrent networks: what is read, what is predicted, and a forward pass with its numbers.

A function that returns a `Diagram` leaves the drawing to `companion.page.drawing.draw`; one named draw_… draws as well,
because its picture holds more than boxes and arrows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from companion.core.validation import require_array, require_size
from companion.page.drawing import Diagram, Edge, Node, draw, unrolled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORD = 0.8  # distance between two words
END = "⏎"  # what is predicted after the last letter


def spelling(word: str) -> Diagram:
    """A network over the letters of `word`: it reads x1 … xT and predicts the letter after each, END after the last."""
    if not isinstance(word, str) or not word:
        raise ValueError(f"word: expected at least one letter, got {word!r}")
    chain = unrolled(len(word), weights=False)
    letters = {f"x{t}": letter for t, letter in enumerate(word, 1)}
    letters |= {f"y{t}": letter for t, letter in enumerate(word[1:] + END, 1)}
    return replace(chain, nodes=tuple(replace(node, text=letters.get(node.name, node.text)) for node in chain.nodes))


def ngram_prediction(n: int, words: int) -> Diagram:
    """What an n-gram model reads: of the words w1, w2, … only the last n − 1 point to the prediction p."""
    require_size("n", n)
    require_size("words", words, least=max(1, n - 1))
    return Diagram(
        (*_words(words), _prediction(words)), tuple(Edge(f"w{t}", "p") for t in range(words - n + 2, words + 1))
    )


def recurrent_prediction(words: int) -> Diagram:
    """What a recurrent network reads: every word wt enters its state ht, and the last state gives the prediction p."""
    require_size("words", words)
    states = (Node(f"h{t}", f"$h_{{{t}}}$", WORD * t, 1, "state") for t in range(1, words + 1))
    reading = (Edge(f"w{t}", f"h{t}") for t in range(1, words + 1))
    remembering = (Edge(f"h{t}", f"h{t + 1}") for t in range(1, words))
    return Diagram((*_words(words), *states, _prediction(words)), (*reading, *remembering, Edge(f"h{words}", "p")))


def _words(count: int) -> list[Node]:
    return [Node(f"w{t}", f"$w_{{{t}}}$", WORD * t, 0, "input") for t in range(1, count + 1)]


def _prediction(words: int) -> Node:
    return Node("p", f"$p_{{{words + 1}}}$", WORD * words, 2, "output")


def draw_forward_values(
    axes: Axes, x: Sequence[np.ndarray], h: Sequence[np.ndarray], y: Sequence[np.ndarray]
) -> Diagram:
    """Draw an unrolled network with the numbers of a forward pass beside its boxes, and return its diagram.

    x        (T, I), whole numbers as they are
    h        (T + 1, H), row 0 is h_0; three decimals
    y        (T, O), three decimals

    Raises ValueError for other shapes.
    """
    inputs = require_array("x", x, ("T", "I"))
    steps = len(inputs)
    states, outputs = require_array("h", h, (steps + 1, "H")), require_array("y", y, (steps, "O"))
    chain = unrolled(steps)
    draw(chain, axes)
    numbers = {f"x{t}": (row, 0) for t, row in enumerate(inputs, 1)}
    numbers |= {f"h{t}": (row, 3) for t, row in enumerate(states)}
    numbers |= {f"y{t}": (row, 3) for t, row in enumerate(outputs, 1)}
    for node in chain.nodes:
        row, digits = numbers[node.name]
        left, up = (0.3, 0.36) if node.name[0] == "h" else (0.34, 0)  # above the arrow that enters a state
        axes.text(
            node.x - left, node.y + up, "\n".join(f"{entry:.{digits}f}" for entry in row),
            ha="right", va="center", linespacing=1.1,
        )  # fmt: skip
    return chain
