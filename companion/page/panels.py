"""The panels of a moving figure as SVG: what stands still, and for each mark what moves, in whole numbers.

Lengths are tenths of a pixel of a figure that is 480 pixels wide, so that whole numbers are fine enough. A phone shows
it 361 pixels wide: there text of 125 has 9.4 pixels.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.page.drawing import BLUE, GREY, INK, KIND_COLOURS, VERMILLION, Edge, Node
from companion.page.marks import Arrows, Axis, Curve, Dots, Heat, Network, Panel

WIDTH, LEFT, RIGHT, TEXT, ROW, LETTER = 4800, 560, 120, 125, 190, 72
MARGIN = 40  # around the axes, in which a line or a dot on the edge is whole
HEAD = 150  # length of an arrow's head
NEGATIVE, POSITIVE = BLUE, VERMILLION

Values = Sequence[Mapping[str, Any]]  # for each frame, what each mark is given
Whole = Sequence[int | None]


@dataclass(frozen=True)
class Moving:
    """What of an element moves: for each frame x and y of a path, or for its children texts or shares of a paint."""

    frames: Mapping[str, Sequence[list[Any]]]
    paint: str = ""


def draw_panel(panel: Panel, values: Values, start: int) -> tuple[int, str, list[Moving]]:
    """Height, drawing of frame `start`, and what moves, in the order of the elements that are marked data-mark."""
    if isinstance(network := panel.marks[0], Network):
        return 10 * panel.height, *_network(
            network, 10 * panel.height, [frame[network.name] for frame in values], start
        )
    return _axes(panel, values, start)


def _axes(panel: Panel, values: Values, start: int) -> tuple[int, str, list[Moving]]:
    x, y = panel.x, panel.y
    assert x is not None and y is not None
    wide, high = WIDTH - LEFT - RIGHT, 10 * panel.height
    keys = _keys(panel)
    top = ROW * (len({row for row, _, _ in keys}) + bool(y.label)) + MARGIN
    bottom = top + high
    ticks = {LEFT + _whole(wide * x.share(value)): words for value, words in x.words.items()}
    # the label stands in the row of the ticks where it has the room
    room = WIDTH - RIGHT - LETTER * len(x.label) - LETTER > max(ticks, default=0)
    below = bottom + 175 + (0 if room else ROW)
    parts = [_key(mark, at, ROW * row + 80) for row, at, mark in keys]
    parts.append(_text(LEFT, top - 70, y.label))
    for value, words in y.words.items():
        height = bottom - _whole(high * y.share(value))
        parts.append(f'<path d="M{LEFT} {height}h{wide}" stroke="currentColor" stroke-opacity=".2" stroke-width="8"/>')
        parts.append(_text(LEFT - 60, height + 45, words, "end"))
    for place, words in ticks.items():
        parts.append(f'<path d="M{place} {bottom}v45" stroke="currentColor" stroke-width="10"/>')
        parts.append(_text(place, bottom + 175, words, "middle"))
    parts.append(f'<path d="M{LEFT} {bottom}h{wide}" stroke="currentColor" stroke-width="10"/>')
    parts.append(_text(WIDTH - RIGHT, below, x.label, "end"))
    box = f"{-MARGIN} {-MARGIN} {wide + 2 * MARGIN} {high + 2 * MARGIN}"
    inner = f'x="{LEFT - MARGIN}" y="{top - MARGIN}" width="{wide + 2 * MARGIN}" height="{high + 2 * MARGIN}"'
    parts.append(f'<svg {inner} viewBox="{box}">')
    moving = []
    for mark in panel.marks:
        given = [frame[mark.name] for frame in values]
        if isinstance(mark, Heat):
            svg, moves = _heat(mark, given, start, wide, high)
        else:
            assert isinstance(mark, Curve)
            svg, moves = _curve(mark, given, start, (x, y), (wide, high))
        parts.append(svg)
        moving.append(moves)
    return below + 60, "".join([*parts, "</svg>"]), moving


def _curve(
    mark: Curve, given: Sequence[Any], start: int, axes: tuple[Axis, Axis], size: tuple[int, int]
) -> tuple[str, Moving]:
    frames = [_pixels(mark, mark.points(values), axes, size) for values in given]
    x, y = [x for x, _ in frames], [y for _, y in frames]
    return f'<path data-mark="" d="{_path(x[start], y[start])}" {_pen(mark)}/>', Moving({"x": x, "y": y})


def _heat(mark: Heat, given: Sequence[Any], start: int, wide: int, high: int) -> tuple[str, Moving]:
    rows, columns = np.shape(given[0])
    frames = [_shares(mark.name, values) for values in given]
    across, up = [wide * c // columns for c in range(columns + 1)], [high * r // rows for r in range(rows + 1)]
    boxes = [
        f'<rect x="{left}" y="{high - above}" width="{right - left}" height="{above - below}" '
        f"{_painted('fill', share)}/>"
        for share, ((below, above), (left, right)) in zip(
            frames[start], itertools.product(itertools.pairwise(up), itertools.pairwise(across)), strict=True
        )
    ]
    svg = f'<g data-mark="" opacity=".5" shape-rendering="crispEdges">{"".join(boxes)}</g>'
    return svg, Moving({"share": frames}, "fill")


def _network(mark: Network, height: int, given: Sequence[Any], start: int) -> tuple[str, list[Moving]]:
    nodes, edges = mark.diagram.nodes, mark.diagram.edges
    for frame in given:
        if strange := set(frame) - {node.name for node in nodes}:
            raise ValueError(f"{mark.name}: expected names of nodes, got {sorted(strange)}")
    frames = [[frame.get(node.name, (0, "")) for node in nodes] for frame in given]
    shares = [_shares(mark.name, [share for share, _ in frame]) for frame in frames]
    said = [[words.split("\n") for _, words in frame] for frame in frames]
    lines = max(len(words) for frame in said for words in frame)
    longest = max(len(line) for frame in said for words in frame for line in words)
    texts = [[line for words in frame for line in [*words, *[""] * (lines - len(words))]] for frame in said]
    half = max(310, LETTER * longest // 2 + 80), 110 + 70 * lines  # half of a box's width and height
    place = _places(nodes, half, height)
    arrows = [_arrow_between(place[e.source], place[e.target], half) for e in edges]
    lit = [_lit(edges, frame) for frame in given]
    thick = [
        f'<path d="{arrow}" {_painted("stroke", share)} stroke-width="34" fill="none"/>'
        for arrow, share in zip(arrows, lit[start], strict=True)
    ]
    boxes, filled, names, words = [], [], [], []
    for node, share in zip(nodes, shares[start], strict=True):
        x, y = place[node.name]
        box = f'x="{x - half[0]}" y="{y - half[1]}" width="{2 * half[0]}" height="{2 * half[1]}" rx="110"'
        filled.append(f"<rect {box} {_painted('fill', share)}/>")
        boxes.append(f'<rect {box} fill="none" stroke="{KIND_COLOURS[node.kind]}" stroke-width="22"/>')
        names.append(f'<text x="{x}" y="{y - half[1] + 155}" text-anchor="middle">{label(node.text)}</text>')
        words += [(x, y - half[1] + 310 + 140 * line) for line in range(lines)]
    written = [_text(*at, line, "middle") for at, line in zip(words, texts[start], strict=True)]
    parts = [
        *(f'<path d="{arrow}" stroke="{GREY}" stroke-width="12" fill="none"/>' for arrow in arrows),
        f'<svg width="{WIDTH}" height="{height}">',
        f'<g data-mark="">{"".join(thick)}</g><g data-mark="" opacity=".6">{"".join(filled)}</g>{"".join(boxes)}</svg>',
        *names,
        f'<g data-mark="">{"".join(written)}</g>',
    ]
    moving = [Moving({"share": lit}, "stroke"), Moving({"share": shares}, "fill"), Moving({"text": texts})]
    return "".join(parts), moving


def _lit(edges: Sequence[Edge], frame: Mapping[str, tuple[float, str]]) -> list[int]:
    filled = {name for name, (share, _) in frame.items() if share}
    return [100 if {edge.source, edge.target} <= filled else 0 for edge in edges]


def _places(nodes: Sequence[Node], half: tuple[int, int], height: int) -> dict[str, tuple[int, int]]:
    """The middle of each node's box; the outermost boxes touch the edges of the panel."""
    x, y = np.array([node.x for node in nodes]), np.array([node.y for node in nodes])
    across = (WIDTH - 2 * half[0] - 40) / max(np.ptp(x), 1e-9) * (x - x.min())
    down = (height - 2 * half[1] - 40) / max(np.ptp(y), 1e-9) * (y.max() - y)
    return {
        node.name: (_whole(half[0] + 20 + a), _whole(half[1] + 20 + b))
        for node, a, b in zip(nodes, across, down, strict=True)
    }


def _arrow_between(a: tuple[int, int], b: tuple[int, int], half: tuple[int, int]) -> str:
    """An arrow from the edge of one box to the edge of another."""
    tail, head = np.array(a, float), np.array(b, float)
    along = head - tail
    inside = min(0.45, 1 / max(abs(along[0]) / (half[0] + 30), abs(along[1]) / (half[1] + 30), 1e-9))
    place = _with_heads(np.stack([tail + inside * along, head - inside * along]))
    return _path([_whole(x) for x in place[:, 0]], [_whole(y) for y in place[:, 1]])


def _pixels(
    mark: Curve, points: np.ndarray, axes: tuple[Axis, Axis], size: tuple[int, int]
) -> tuple[list[int | None], list[int | None]]:
    """The places of points on the panel, None where the pen is up."""
    (x, y), (wide, high) = axes, size
    place = np.stack([wide * x.share(points[:, 0]), high * (1 - y.share(points[:, 1]))], axis=-1)
    if isinstance(mark, Arrows):
        place = _with_heads(place)
    up = np.isnan(place).any(axis=1)
    far = 10 * max(wide, high)  # so far outside that it may as well be nearer
    place = np.clip(np.nan_to_num(place, nan=0.0), -far, far)
    a, b = ([None if gap else _whole(v) for v, gap in zip(column, up, strict=True)] for column in place.T)
    return a, b


def _with_heads(place: np.ndarray) -> np.ndarray:
    """Arrows (tail, head, pen up, tail, …) with two strokes at each head."""
    rows = []
    for tail, head in zip(place[::3], place[1::3], strict=True):
        way = head - tail
        length = float(np.hypot(*way))
        along = way / length if length else way
        side = 0.45 * np.array([-along[1], along[0]])
        size = min(HEAD, 0.6 * length)
        rows += [tail, head, head - size * (along - side), head, head - size * (along + side), np.full(2, np.nan)]
    return np.array(rows[:-1])


def _path(x: Whole, y: Whole) -> str:
    """As moving.js writes it."""
    pens = ["L" if k and y[k - 1] is not None else "M" for k in range(len(y))]
    return "".join(f"{pen}{a} {b}" for pen, a, b in zip(pens, x, y, strict=True) if b is not None)


def _whole(value: Any) -> int:
    """The nearest whole number; the nudge keeps what lies half-way between two on one side, whatever the processor."""
    return int(np.floor(float(value) + 0.5 + 1e-6))


def _shares(name: str, values: Any) -> list[int]:
    """Shares from −1 to 1 in hundredths."""
    shares = np.asarray(values, float).ravel()
    if not (np.isfinite(shares).all() and np.abs(shares).max(initial=0) <= 1 + 1e-9):
        raise ValueError(f"{name}: expected shares from −1 to 1, got {shares.min():.3g} to {shares.max():.3g}")
    return [_whole(100 * share) for share in shares]


def _painted(paint: str, share: int) -> str:
    return f'opacity="{abs(share) / 100:g}" {paint}="{NEGATIVE if share < 0 else POSITIVE}"'


def _pen(mark: Curve) -> str:
    colour = "currentColor" if mark.colour == INK else mark.colour
    dash = f' stroke-dasharray="{mark.dash}"' if mark.dash else ""
    faint = f' stroke-opacity="{mark.opacity}"' if mark.opacity < 1 else ""
    ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'fill="none" stroke="{colour}" stroke-width="{mark.width}" {ends}{dash}{faint}'


def _keys(panel: Panel) -> list[tuple[int, int, Curve]]:
    """Row and place of each name in the key, from left to right, then below."""
    places, row, x = [], 0, LEFT
    for mark in panel.marks:
        if not isinstance(mark, Curve):
            continue
        size = 330 + LETTER * len(mark.name)
        if x > LEFT and x + size > WIDTH:
            row, x = row + 1, LEFT
        places.append((row, x, mark))
        x += size + 120
    return places


def _key(mark: Curve, x: int, y: int) -> str:
    stroke = f"M{x + 120} {y}h0" if isinstance(mark, Dots) else f"M{x} {y}h240"
    return f'<path d="{stroke}" {_pen(mark)}/>{_text(x + 300, y + 45, mark.name)}'


def _text(x: int, y: int, words: str, anchor: str = "start") -> str:
    place = f'x="{x}" y="{y}"' + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    return f"<text {place}>{html.escape(words)}</text>"


def label(words: str) -> str:
    r"""A diagram's label, such as `$\delta^y_{1}$`, as SVG, its indices moved up and down."""
    words = html.escape(words.strip("$").replace(r"\delta", "δ"))
    written, offset = "", 0
    for place, group, sign, plain in re.findall(r"([\^_])(?:\{([^}]*)\}|(.))|([^\^_]+)", words):
        wanted = {"^": -45, "_": 30, "": 0}[place]
        size = ' font-size="95"' if place else ""
        written += f'<tspan dy="{wanted - offset}"{size}>{group or sign or plain}</tspan>'
        offset = wanted
    return written
