"""Drawings of networks. A drawing is data first (a `Diagram` that tests can ask questions), then a picture.

Figures have a white ground and dark text; the book's style sheet turns them dark in the dark theme. Text is as large as
a phone needs it, which shows the figure as wide as its page.
Colours are from Okabe and Ito's palette, which survives colour blindness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from companion.core.networks import MANY_TO_MANY, Arity
from companion.core.validation import require_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666",
)  # fmt: skip
INK = "#222222"
PHONE_COLUMN = 360  # pixels of text on a phone of 390
SMALLEST_ON_PHONE = 9.2  # pixels; a tenth and a bit more than the 9 that are promised, since pictures are cut tight
PIXELS_PER_INCH, POINTS_PER_INCH = 100, 72  # as the book shows a figure, and of a font's size
COLUMN = 1.35  # distance between two steps; rows are 1 apart
KIND_COLOURS = {"input": BLUE, "state": VERMILLION, "output": GREEN, "other": GREY}


@dataclass(frozen=True)
class Node:
    """A box: its name, the text in it (matplotlib mathtext), its place, and what it is (a key of KIND_COLOURS)."""

    name: str
    text: str
    x: float
    y: float
    kind: str


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, with the weight's name beside it; `bend` curves it (0 is straight)."""

    source: str
    target: str
    label: str = ""
    bend: float = 0.0


@dataclass(frozen=True)
class Diagram:
    """Nodes and arrows. Raises ValueError when an arrow names a node that does not exist."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        names = {node.name for node in self.nodes}
        for edge in self.edges:
            if not {edge.source, edge.target} <= names:
                raise ValueError(f"edges: expected ends among the nodes, got {edge.source} → {edge.target}")

    def reaches(self, name: str) -> set[str]:
        """All nodes that can be reached from `name` along the arrows: what depends on it."""
        found: set[str] = set()
        frontier = {name}
        while frontier:
            frontier = {e.target for e in self.edges if e.source in frontier} - found
            found |= frontier
        return found


def unrolled(
    steps: int, arity: Arity = MANY_TO_MANY, layers: int = 1, feedback: str = "h", first: int = 1, weights: bool = True
) -> Diagram:
    """A recurrent network unrolled over `steps` steps: one column a step, time from left to right.

    layers    hidden layers on top of each other
    feedback  "h": states feed the next step (Elman); "y": outputs do (Jordan)
    weights   write each weight's name beside its arrow
    """
    require_size("steps", steps)
    require_size("layers", layers)
    if feedback not in ("h", "y"):
        raise ValueError(f"feedback: expected 'h' or 'y', got {feedback!r}")
    reading, answering = set(range(steps)[arity.reads]), set(range(steps)[arity.answers])
    top = layers + 1

    def mark(k: int, t: int) -> tuple[str, str]:
        return (f"h{t}", f"$h_{{{t}}}$") if layers == 1 else (f"h{k}_{t}", f"$h^{{({k})}}_{{{t}}}$")

    def label(text: str) -> str:
        return text if weights else ""

    nodes, edges = [], []
    if feedback == "y":
        nodes.append(Node(f"y{first - 1}", f"$y_{{{first - 1}}}$", -COLUMN, top, "other"))
    for column in range(-1 if feedback == "h" else 0, steps):
        t, x = column + first, COLUMN * column
        for k in range(1, layers + 1):
            name, text = mark(k, t)
            nodes.append(Node(name, text, x, k, "state" if column >= 0 else "other"))
            below = f"x{t}" if k == 1 else mark(k - 1, t)[0]
            between = "$W_{xh}$" if layers == 1 else f"$W^{{({k})}}_{{xh}}$"
            if column >= 0 and (k > 1 or column in reading):
                edges.append(Edge(below, name, label(between)))
            if column >= 0 and feedback == "h":
                recurrent = "$W_{hh}$" if layers == 1 else f"$W^{{({k})}}_{{hh}}$"
                edges.append(Edge(mark(k, t - 1)[0], name, label(recurrent)))
        if column in reading:
            nodes.append(Node(f"x{t}", f"$x_{{{t}}}$", x, 0, "input"))
        if column in answering or (feedback == "y" and column >= 0):
            nodes.append(Node(f"y{t}", f"$y_{{{t}}}$", x, top, "output"))
            edges.append(Edge(mark(layers, t)[0], f"y{t}", label("$W_{hy}$")))
        if feedback == "y":
            edges.append(Edge(f"y{t - 1}", mark(1, t)[0], label("$W_{yh}$")))
    return Diagram(tuple(nodes), tuple(edges))


def folded(feedback: str = "h") -> Diagram:
    """The same network drawn once, with the arrow that returns: from h to itself (Elman) or from y to h (Jordan)."""
    if feedback not in ("h", "y"):
        raise ValueError(f"feedback: expected 'h' or 'y', got {feedback!r}")
    nodes = (
        Node("x", "$x_t$", 0, 0, "input"),
        Node("h", "$h_t$", 0, 1, "state"),
        Node("y", "$y_t$", 0, 2, "output"),
        Node("copy", "$h_{t-1}$" if feedback == "h" else "$y_{t-1}$", COLUMN, 0, "other"),
    )
    back = Edge("copy", "h", "$W_{hh}$" if feedback == "h" else "$W_{yh}$")
    copy = Edge(feedback, "copy", "copy", -0.45 if feedback == "h" else -0.4)
    return Diagram(nodes, (Edge("x", "h", "$W_{xh}$"), Edge("h", "y", "$W_{hy}$"), copy, back))


def feedforward(layer_sizes: Sequence[int], names: Sequence[str]) -> Diagram:
    """A fully connected network, one column of units a layer, left to right; names are the layers' letters."""
    if len(layer_sizes) != len(names) or not names:
        raise ValueError(f"names: expected one a layer ({len(layer_sizes)}), got {len(names)}")
    kinds = ["input"] + ["state"] * (len(names) - 2) + ["output"]
    nodes = [
        Node(f"{name}{i + 1}", f"${name}_{{{i + 1}}}$", 1.6 * column, (size - 1) / 2 - i, kinds[column])
        for column, (name, size) in enumerate(zip(names, layer_sizes, strict=True))
        for i in range(require_size("layer_sizes", size))
    ]
    edges = [
        Edge(f"{a}{i + 1}", f"{b}{j + 1}")
        for (a, m), (b, n) in zip(
            list(zip(names, layer_sizes, strict=True))[:-1], list(zip(names, layer_sizes, strict=True))[1:], strict=True
        )
        for i in range(m)
        for j in range(n)
    ]
    return Diagram(tuple(nodes), tuple(edges))


def smallest_text(width: float) -> float:
    """The size in points that text in a figure of so many inches must have to be read on a phone."""
    on_a_phone = min(1.0, PHONE_COLUMN / (width * PIXELS_PER_INCH))
    return SMALLEST_ON_PHONE / on_a_phone * POINTS_PER_INCH / PIXELS_PER_INCH


def figure(
    width: float = 7.0, height: float = 3.2, columns: int = 1, rows: int = 1, widths: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure in the book's style, with rows × columns of axes.

    Sizes are in inches; `widths` are the columns' proportions. The wider the figure, the larger its text, so that a
    phone shows it legibly: leave font sizes alone. Returns the figure and its axes, row by row.
    """
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class Measured(Figure):
        """A figure whose text form says how small its text gets, which a test compares with a phone's width."""

        def __repr__(self) -> str:
            self.draw_without_rendering()  # tick labels have no text before
            sizes = [t.get_fontsize() for t in self.findobj(Text) if t.get_visible() and t.get_text().strip()]
            across, up = self.get_size_inches()
            return f"<Figure of {across:.1f} x {up:.1f} inches, text from {min(sizes, default=0):.1f} points>"

    style = {
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.prop_cycle": plt.cycler(color=[BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "font.size": max(10.5, smallest_text(width)),
        "font.family": "DejaVu Sans",
        "legend.frameon": False,
        "lines.linewidth": 2,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    plt.rcParams.update(style)  # type: ignore[arg-type]  # its stub lists every key as a literal
    fig, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, height),
        squeeze=False,
        width_ratios=widths,
        layout="constrained",
        FigureClass=Measured,
    )
    return fig, list(axes.flat)


def draw(diagram: Diagram, axes: Axes, highlight: Iterable[str] = (), title: str = "") -> None:
    """Draw a diagram into axes. Highlighted nodes are filled, and so are the arrows between them."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    marked = set(highlight)
    place = {node.name: node for node in diagram.nodes}
    boxes = {}
    for node in diagram.nodes:
        colour, full = KIND_COLOURS[node.kind], node.name in marked
        boxes[node.name] = axes.add_patch(
            FancyBboxPatch(
                (node.x - 0.2, node.y - 0.17), 0.4, 0.34, boxstyle="round,pad=0.05,rounding_size=0.14",
                linewidth=1.8, linestyle="--" if node.kind == "other" else "-",
                edgecolor=colour, facecolor=colour if full else "white",
                zorder=3,
            )
        )  # fmt: skip
        axes.text(
            node.x,
            node.y,
            node.text,
            ha="center",
            va="center",
            color="white" if full else INK,
            fontsize="large",
            zorder=4,
        )
    for edge in diagram.edges:
        a, b = place[edge.source], place[edge.target]
        both = {edge.source, edge.target} <= marked
        axes.add_patch(
            FancyArrowPatch(
                (a.x, a.y), (b.x, b.y), patchA=boxes[edge.source], patchB=boxes[edge.target],
                connectionstyle=f"arc3,rad={edge.bend}", arrowstyle="-|>", mutation_scale=12, shrinkA=1, shrinkB=1,
                linewidth=2.2 if both else 1.2, color=INK if both else GREY, zorder=2,
            )
        )  # fmt: skip
        if edge.label:
            dx, dy = b.x - a.x, b.y - a.y
            upright = abs(dx) < 0.3
            axes.text(  # the middle of the curve is half its bend away from the middle of the chord
                (a.x + b.x + edge.bend * dy) / 2 + (0.06 if upright else 0), (a.y + b.y - edge.bend * dx) / 2,
                edge.label, color=INK, ha="left" if upright else "center", va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, zorder=2.5,
            )  # fmt: skip
    xs, ys = [node.x for node in diagram.nodes], [node.y for node in diagram.nodes]
    axes.set_xlim(min(xs) - 0.5, max(xs) + 0.75)
    axes.set_ylim(min(ys) - 0.4, max(ys) + 0.4)
    axes.set_aspect("equal")
    axes.axis("off")
    if title:
        axes.set_title(title)
