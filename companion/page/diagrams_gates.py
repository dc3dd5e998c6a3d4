"""The diagrams of the part on LSTM, GRU and their variants: cells, who uses what, and both directions.

A function that returns a `Diagram` leaves the drawing to `companion.page.drawing.draw`; one named draw_… draws as well,
because its picture holds more than boxes and arrows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from companion.core.validation import require_size
from companion.page.drawing import COLUMN, GREY, KIND_COLOURS, VERMILLION, Diagram, Edge, Node, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# --- four cells, side by side ----------------------------------------------------------------------------------------

LSTM_PLACES = {
    "f": (0.0, 0.0, "input"),
    "i": (0.72, 0.0, "input"),
    "g": (1.44, 0.0, "output"),
    "o": (2.16, 0.0, "input"),
    "c_before": (0.0, 1.3, "other"),
    "c": (1.08, 1.3, "state"),
    "h": (2.16, 1.3, "state"),
}
GRU_PLACES = {
    "r": (0.0, 0.0, "input"),
    "n": (1.08, 0.0, "output"),
    "z": (2.16, 0.0, "input"),
    "h_before": (0.0, 1.3, "other"),
    "h": (2.16, 1.3, "state"),
}
KEEPING, READING = Edge("c_before", "c"), (Edge("c", "h"), Edge("o", "h"))


def lstm_cell() -> Diagram:
    """The gates f, i, o and the candidate g of an LSTM, its cell before and after, and its state."""
    return _cell(LSTM_PLACES, KEEPING, Edge("f", "c"), Edge("g", "c"), *READING, Edge("i", "c"))


def peephole_cell() -> Diagram:
    """An LSTM whose gates look at the cell: f and i at the old one, o at the new one."""
    peepholes = (Edge("c_before", "f", "$p_f$"), Edge("c_before", "i", "$p_i$"), Edge("c", "o", "$p_o$"))
    return _cell(LSTM_PLACES, *lstm_cell().edges, *peepholes)


def coupled_cell() -> Diagram:
    """An LSTM without the gate i, in whose place 1 − f stands."""
    places = {name: place for name, place in LSTM_PLACES.items() if name != "i"}
    return _cell(places, KEEPING, Edge("f", "c", "$f,1-f$"), Edge("g", "c"), *READING)


def gru_cell() -> Diagram:
    """The gates r and z and the candidate n of a GRU, and its state before and after."""
    into_state = (Edge("h_before", "h"), Edge("z", "h"), Edge("n", "h"))
    return _cell(GRU_PLACES, *into_state, Edge("r", "n"), Edge("h_before", "n"))


def _cell(places: Mapping[str, tuple[float, float, str]], *edges: Edge) -> Diagram:
    """Each name with its place and kind; one that ends in _before belongs to the step before."""

    def text(name: str) -> str:
        letter, _, before = name.partition("_")
        return f"${letter}_{{t-1}}$" if before else f"${letter}_t$"

    return Diagram(tuple(Node(name, text(name), *place) for name, place in places.items()), edges)


# --- one step of an LSTM, with its operations ------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    """A line through `points` with a head at the last, from one part to another; it may leave another wire half way."""

    source: str
    target: str
    points: tuple[tuple[float, float], ...]


RADIUS = 0.34
CIRCLES = (
    *(Node(gate, f"${gate}_t$", x, 1.2, "input") for gate, x in (("f", 1.0), ("i", 2.4), ("o", 6.0))),
    Node("g", "$g_t$", 3.8, 1.2, "output"),
    Node("keep", r"$\odot$", 1.0, 3.8, "state"),
    Node("sum", "$+$", 3.1, 3.8, "state"),
    Node("write", r"$\odot$", 3.1, 2.4, "state"),
    Node("read", r"$\odot$", 7.2, 1.2, "state"),
    Node("tanh", "tanh", 7.2, 2.8, "other"),
)
ENDS = (  # what comes in and what leaves: a text without a circle, beside its wire
    Node("c_before", "$c_{t-1}$", -0.3, 4.05, "other"),
    Node("c", "$c_t$", 8.2, 4.05, "other"),
    Node("h", "$h_t$", 8.2, 1.45, "other"),
    Node("inputs", "$x_t, h_{t-1}$", -0.1, -0.1, "other"),
)
INPUT_LINE = ((-0.5, 0.2), (6.0, 0.2))  # from which all gates read
CELL_LINE = (
    Wire("c_before", "keep", ((-0.5, 3.8), (0.66, 3.8))),
    Wire("keep", "sum", ((1.34, 3.8), (2.76, 3.8))),
    Wire("sum", "c", ((3.44, 3.8), (8.5, 3.8))),
)
WIRES = (
    *(Wire("inputs", gate, ((x, 0.2), (x, 0.86))) for gate, x in (("f", 1.0), ("i", 2.4), ("g", 3.8), ("o", 6.0))),
    Wire("f", "keep", ((1.0, 1.54), (1.0, 3.46))),
    Wire("i", "write", ((2.4, 1.54), (2.4, 2.4), (2.78, 2.4))),
    Wire("g", "write", ((3.8, 1.54), (3.8, 2.4), (3.42, 2.4))),
    Wire("write", "sum", ((3.1, 2.74), (3.1, 3.46))),
    Wire("c", "tanh", ((7.2, 3.8), (7.2, 3.14))),
    Wire("tanh", "read", ((7.2, 2.46), (7.2, 1.54))),
    Wire("o", "read", ((6.34, 1.2), (6.86, 1.2))),
    Wire("read", "h", ((7.54, 1.2), (8.5, 1.2))),
)


def draw_lstm_step(axes: Axes) -> Diagram:
    """Draw one step of an LSTM as a circuit, the cell along the top, and return what leads to what as a diagram."""
    from matplotlib.patches import Circle

    axes.set(xlim=(-0.6, 8.6), ylim=(-0.5, 4.3))
    axes.axis("off")
    for wire in CELL_LINE:
        _draw_wire(axes, wire, width=3, colour=VERMILLION)
    axes.plot(*zip(*INPUT_LINE, strict=True), color=GREY, lw=1.2, zorder=1)
    for wire in WIRES:
        _draw_wire(axes, wire, width=1.2, colour=GREY)
    for node in CIRCLES:
        axes.add_patch(Circle((node.x, node.y), RADIUS, fc="white", ec=KIND_COLOURS[node.kind], lw=1.8, zorder=3))
        axes.text(node.x, node.y, node.text, ha="center", va="center", zorder=4)
    for node in ENDS:
        axes.text(node.x, node.y, node.text, ha="center", va="center", fontsize="large")
    return Diagram(CIRCLES + ENDS, tuple(Edge(wire.source, wire.target) for wire in CELL_LINE + WIRES))


def _draw_wire(axes: Axes, wire: Wire, width: float, colour: str) -> None:
    xs, ys = zip(*wire.points[:-1], strict=True)
    axes.plot(xs, ys, color=colour, lw=width, zorder=1)
    axes.annotate(
        "", wire.points[-1], wire.points[-2], arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width}, zorder=1
    )


# --- who uses what, and both directions ------------------------------------------------------------------------------


def draw_lstm_uses(axes: Axes) -> Diagram:
    """Draw which quantity uses which in the steps t and t+1 of an LSTM, and return the diagram.

    Names end in their step: at (the gates i, f and the candidate g), ot, ct, ht, lt (the loss), and at+1 … lt+1.
    """
    steps = (("t", 0.0), ("t+1", 3.6))
    nodes: list[Node] = []
    edges: list[Edge] = []
    for t, x in steps:
        nodes += [
            Node(f"a{t}", "$ifg$", x, 3.0, "input"),
            Node(f"o{t}", "$o$", x, 0.0, "input"),
            Node(f"c{t}", "$c$", x + 1.2, 2.4, "state"),
            Node(f"h{t}", "$h$", x + 1.2, 0.9, "state"),
            Node(f"l{t}", r"$\ell$", x + 1.2, -0.4, "output"),
        ]
        edges += [Edge(f"a{t}", f"c{t}"), Edge(f"o{t}", f"h{t}"), Edge(f"c{t}", f"h{t}"), Edge(f"h{t}", f"l{t}")]
    edges += [Edge("ct", "ct+1"), Edge("ht", "at+1"), Edge("ht", "ot+1")]
    uses = Diagram(tuple(nodes), tuple(edges))
    draw(uses, axes)
    for t, x in steps:
        axes.text(x + 0.6, -1.0, f"step ${t}$", ha="center")
    axes.set_ylim(-1.2, 3.4)
    return uses


def both_directions(steps: int) -> Diagram:
    """A bidirectional network: states f0 … fT run forwards, bT+1 … b1 backwards; xt enters both, and both give yt."""
    require_size("steps", steps)
    shift, end = 0.3, steps + 1  # the two states of a step stand a little apart

    def ahead(t: int, kind: str = "state") -> Node:
        return Node(f"f{t}", rf"$\overrightarrow{{h}}_{{{t}}}$", COLUMN * t - shift, 1, kind)

    def back(t: int, kind: str = "state") -> Node:
        return Node(f"b{t}", rf"$\overleftarrow{{h}}_{{{t}}}$", COLUMN * t + shift, 2, kind)

    nodes, edges = [ahead(0, "other"), back(end, "other")], []
    for t in range(1, end):
        x, y = (
            Node(f"x{t}", f"$x_{{{t}}}$", COLUMN * t, 0, "input"),
            Node(f"y{t}", f"$y_{{{t}}}$", COLUMN * t, 3, "output"),
        )
        nodes += [x, y, ahead(t), back(t)]
        edges += [Edge(f"x{t}", f"f{t}"), Edge(f"x{t}", f"b{t}"), Edge(f"f{t}", f"y{t}"), Edge(f"b{t}", f"y{t}")]
        edges += [Edge(f"f{t - 1}", f"f{t}"), Edge(f"b{t + 1}", f"b{t}")]
    return Diagram(tuple(nodes), tuple(edges))
