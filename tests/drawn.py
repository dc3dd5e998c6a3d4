"""What is drawn into axes, for the tests of drawings."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from companion.page.drawing import Diagram

HALF_BOX = np.array([0.25, 0.22])


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_text()]


def crossed(diagram: Diagram) -> list[str]:
    """Boxes that a straight arrow between two others crosses, or that another box overlaps."""
    place = {node.name: np.array([node.x, node.y]) for node in diagram.nodes}
    along = np.linspace(0, 1, 201)[:, None]
    straight = [(edge.source, edge.target) for edge in diagram.edges if not edge.bend]
    lines = {(a, b): (1 - along) * place[a] + along * place[b] for a, b in straight}
    lines |= {(name, name): np.array([at - HALF_BOX, at, at + HALF_BOX]) for name, at in place.items()}
    return [
        f"{a} → {b} crosses {name}"
        for name, at in place.items()
        for (a, b), points in lines.items()
        if name not in (a, b) and (np.abs(points - at) < HALF_BOX).all(axis=1).any()
    ]


def sticking_out(axes: Axes) -> list[str]:
    """Boxes, arrows and lines that the axes cut off, and texts that the figure does."""
    axes.figure.canvas.draw()
    shapes = [(type(shape).__name__, shape.get_window_extent()) for shape in (*axes.patches, *axes.lines)]
    words = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    return [*_beyond(axes.bbox, shapes), *_beyond(axes.figure.bbox, words)]


def _beyond(frame: Bbox, extents: list[tuple[str, Bbox]]) -> Iterator[str]:
    room = frame.padded(0.5)  # half a pixel, for the rounding of a line's width
    for name, extent in extents:
        if not (room.x0 <= extent.x0 and extent.x1 <= room.x1 and room.y0 <= extent.y0 and extent.y1 <= room.y1):
            yield name
