"""The diagrams of the part on backpropagation through time: paths of a gradient, and the two orders to sum them.

A function that returns a `Diagram` leaves the drawing to `companion.page.drawing.draw`; one named draw_… draws as well,
because its picture holds more than boxes and arrows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from companion.core.validation import require_array, require_size
from companion.page.drawing import GREY, Diagram, Edge, Node, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP = 1.1  # distance between two steps
WIDE = 2.2  # the same, where numbers stand between the boxes


def two_paths_from_one_weight() -> Diagram:
    """A weight w that acts at two steps: one path to the loss L through h1 and h2, one through h2 alone."""
    return Diagram(
        (
            Node("w", "$w$", 0, 0, "input"),
            Node("h1", "$h_1$", 1.5, 0.75, "state"),
            Node("h2", "$h_2$", 3.2, 0.75, "state"),
            Node("L", "$L$", 4.9, 0.75, "output"),
        ),
        (
            Edge("w", "h1", "times $h_0$"),
            Edge("w", "h2", "times $h_1$", 0.22),
            Edge("h1", "h2", "times $w$"),
            Edge("h2", "L"),
        ),
    )


def there_and_back(steps: int) -> Diagram:
    """BPTT: the states h0 … hT go forwards and are kept, the gradients gT … g1 come back."""
    require_size("steps", steps)
    gradients = tuple(Node(f"g{t}", rf"$\delta_{{{t}}}$", STEP * t, 1, "output") for t in range(1, steps + 1))
    back = tuple(Edge(f"g{t}", f"g{t - 1}") for t in range(2, steps + 1))
    return _above_the_states(steps, gradients, back)


def only_forwards(steps: int) -> Diagram:
    """RTRL: the sensitivities g0 … gT, written P, go along with the states h0 … hT."""
    require_size("steps", steps)
    sensitivities = tuple(Node(f"g{t}", f"$P_{{{t}}}$", STEP * t, 1, "input") for t in range(steps + 1))
    along = tuple(Edge(f"g{t - 1}", f"g{t}") for t in range(1, steps + 1))
    return _above_the_states(steps, sensitivities, along)


def _above_the_states(steps: int, upper: tuple[Node, ...], between: tuple[Edge, ...]) -> Diagram:
    """A chain of states, and above it the nodes g, each with an arrow from its state."""
    states = tuple(Node(f"h{t}", f"$h_{{{t}}}$", STEP * t, 0, "state") for t in range(steps + 1))
    chain = tuple(Edge(f"h{t - 1}", f"h{t}") for t in range(1, steps + 1))
    up = tuple(Edge(f"h{t}", f"g{t}") for t in range(1, steps + 1))
    return Diagram(states + upper, chain + up + between)


def backward_flow(steps: int) -> Diagram:
    """The way of the gradients: from each output's error yt down to its state's δ, ht, and from there to ht−1."""
    times = range(1, require_size("steps", steps) + 1)
    nodes = [Node(f"y{t}", rf"$\delta^y_{{{t}}}$", WIDE * t, 1.15, "output") for t in times]
    nodes += [Node(f"h{t}", rf"$\delta_{{{t}}}$", WIDE * t, 0, "state") for t in times]
    edges = [Edge(f"y{t}", f"h{t}", r"$W_{hy}^\top$") for t in times]
    edges += [Edge(f"h{t + 1}", f"h{t}", r"$W_{hh}^\top$") for t in times[:-1]]
    return Diagram(tuple(nodes), tuple(edges))


def draw_backward_values(axes: Axes, dlogits: np.ndarray, da: np.ndarray, slopes: np.ndarray) -> Diagram:
    """Draw a backward pass with its numbers beside the boxes, and return its diagram: yt above ht, from T down to 1.

    dlogits  (T, O), left of the outputs
    da       (T + 1, H), below the states; row 0, h_0's, is not shown
    slopes   (T + 1, H), in brackets beside them; row 0 is not shown

    Raises ValueError for other shapes.
    """
    dlogits = require_array("dlogits", dlogits, ("T", "O"))
    da = require_array("da", da, (len(dlogits) + 1, "H"))
    slopes = require_array("slopes", slopes, da.shape)
    flow = backward_flow(len(dlogits))
    draw(flow, axes)
    for t in range(1, len(dlogits) + 1):
        x = WIDE * t
        axes.text(x - 0.36, 1.15, _column(dlogits[t - 1]), ha="right", va="center")
        axes.text(x - 0.05, -0.45, _column(da[t]), ha="right", va="center")
        bracketed = "\n".join(f"({slope:.4f})" for slope in slopes[t])
        axes.text(x + 0.05, -0.45, bracketed, va="center", color=GREY)
    axes.set_xlim(WIDE - 1.15, WIDE * len(dlogits) + 0.6)
    axes.set_ylim(-0.75, 1.6)
    return flow


def _column(values: np.ndarray) -> str:
    return "\n".join(f"{value:.4f}".replace("-0.0000", "0.0000") for value in values)
