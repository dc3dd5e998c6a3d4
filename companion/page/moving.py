"""Figures with knobs for a page without a kernel: Python computes every frame, and the reader's knobs choose one.

A `MovingFigure` that ends a cell is shown as HTML that needs no library and asks for nothing: a drawing of the first
frame, the numbers of all of them, and a short script (moving.js) that exchanges numbers and words. Where scripts do not
run, and on paper, the first frame stays. Text and axes take the page's colour, light or dark.

    def memory(f, c_0):
        c = c_0 * f ** np.arange(21)
        return {"cell c": c}, f"After 20 steps {c[20]:.3f} is left."

    MovingFigure(
        alt="What is left of a cell's first value over twenty steps, for a forget gate f.",
        knobs=[Knob("f", [0, 0.5, 0.9, 1], start=0.9), Knob("c_0", [-1, 1], start=1)],
        panels=[Panel([Line("cell c", VERMILLION)], x=Axis("step", 0, 20, (0, 10)), y=Axis("", -1, 1, (-1, 0, 1)))],
        frame=memory,
    )
"""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from companion.page.marks import Arrows, Axis, Curve, Dots, Heat, Line, Network, Panel, Trace
from companion.page.panels import TEXT, WIDTH, draw_panel

__all__ = [
    "Arrows", "Axis", "Curve", "Dots", "Frame", "Heat", "Knob", "Line", "MovingFigure", "Network", "Panel", "Trace",
    "power_of_ten",
]  # fmt: skip

SCRIPT = Path(__file__).with_name("moving.js")
MOST_NUMBERS = 12_000  # in one figure: some 70 kB
GAP = 60  # between two panels
STYLE = (
    "unrolled-figure{display:block;max-width:40rem;margin:1.2rem auto}"
    f"unrolled-figure svg{{display:block;width:100%;height:auto;color:inherit;font:{TEXT}px sans-serif}}"
    "unrolled-figure svg svg{width:auto}"
    "unrolled-figure text{fill:currentColor}"
    "unrolled-figure .knobs{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:0 1.5rem}"
    "unrolled-figure .knobs[hidden]{display:none}"
    "unrolled-figure label{display:grid;grid-template-columns:8rem 1fr 3.6em;align-items:center;gap:.7rem;"
    "min-height:44px;font-size:.95em;line-height:1.2}"
    "unrolled-figure input{width:100%;min-width:0;height:30px;margin:0;accent-color:#0072b2}"
    "unrolled-figure output{text-align:right;font-variant-numeric:tabular-nums}"
    "unrolled-figure p.told{margin:.3rem 0 0;min-height:3em}"
    ":is([data-theme=dark],[data-jp-theme-light=false]) unrolled-figure>svg>svg{filter:brightness(1.3)}"
    "@media print{unrolled-figure .knobs{display:none}}"
)

Frame = tuple[Mapping[str, Any], str]  # the values of each mark by its name, and a sentence about them


@dataclass(frozen=True)
class Knob:
    """A slider: the argument of the frame function that it sets, its values, and the one at which it starts.

    `label` says what it is (its name, if left out); the values are written as `shown`, or with `digits` decimals.
    """

    name: str
    values: Sequence[Any]
    start: Any
    label: str = ""
    digits: int = 2
    shown: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.start not in list(self.values):
            raise ValueError(f"start: expected one of the values of {self.name}, got {self.start!r}")
        if self.shown and len(self.shown) != len(self.values):
            raise ValueError(f"shown: expected {len(self.values)} texts, one a value, got {len(self.shown)}")

    @property
    def first(self) -> int:
        """The index of the value at which it starts."""
        return list(self.values).index(self.start)

    @property
    def written(self) -> list[str]:
        return list(self.shown) or [f"{value:.{self.digits}f}".replace("-", "−") for value in self.values]


@dataclass(frozen=True)
class MovingFigure:
    """Panels one below the other, and the knobs that move them.

    frame(**values of the knobs) gives, for every combination of them, the values of each mark and a sentence.

    Raises ValueError, when it is shown, if that function gives other marks than the panels have, or values that do not
    fit a mark, and when the frames hold more than MOST_NUMBERS numbers.
    """

    alt: str
    knobs: Sequence[Knob]
    panels: Sequence[Panel]
    frame: Callable[..., Frame]

    def _repr_html_(self) -> str:
        sizes = [len(knob.values) for knob in self.knobs]
        start = int(np.ravel_multi_index([knob.first for knob in self.knobs], sizes))
        frames = self._frames()
        drawn, marks, top = [], [], 0
        for panel in self.panels:
            height, svg, moving = draw_panel(panel, [values for values, _ in frames], start)
            box = f'y="{top}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
            drawn.append(f"<svg {box}>{svg}</svg>")
            marks += [{"paint": m.paint} | {k: _table(v, sizes) for k, v in m.frames.items()} for m in moving]
            top += height + GAP
        knobs = [{"label": k.label or k.name, "shown": k.written, "start": k.first} for k in self.knobs]
        data = {"knobs": knobs, "marks": marks, "told": _table([[told] for _, told in frames], sizes)}
        if (numbers := _count(marks)) > MOST_NUMBERS:
            raise ValueError(f"frame: expected at most {MOST_NUMBERS} numbers in all frames, got {numbers}")
        said = f'role="img" aria-label="{html.escape(self.alt)}"'
        return (
            f"<unrolled-figure><style>{STYLE}</style>"
            f'<svg viewBox="0 0 {WIDTH} {top - GAP}" {said}>{"".join(drawn)}</svg>'
            f'<div class="knobs" hidden></div><p class="told" aria-live="polite">{html.escape(frames[start][1])}</p>'
            f'<script type="application/json">{_json(data)}</script>'
            f"<script>{SCRIPT.read_text(encoding='utf-8')}</script></unrolled-figure>"
        )

    def __repr__(self) -> str:
        return f"<figure with the knobs {', '.join(knob.name for knob in self.knobs)}: {self.alt}>"

    def _frames(self) -> list[Frame]:
        """Every frame, the last knob turning fastest."""
        names = [knob.name for knob in self.knobs]
        settings = itertools.product(*(knob.values for knob in self.knobs))
        frames = [self.frame(**dict(zip(names, setting, strict=True))) for setting in settings]
        wanted = sorted(mark.name for panel in self.panels for mark in panel.marks)
        for values, _ in frames:
            if sorted(values) != wanted:
                raise ValueError(f"frame: expected values for {wanted}, got {sorted(values)}")
        return frames


def power_of_ten(exponent: int) -> str:
    """10⁻³ for −3, in signs that a label and a sentence can hold."""
    return "10" + f"{exponent:d}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _table(frames: Sequence[Any], sizes: Sequence[int]) -> dict[str, Any]:
    """The frames for those knobs alone on which they depend: `over` names them, the last turns fastest."""
    grid = np.empty(len(frames), dtype=object)
    for k, frame in enumerate(frames):
        grid[k] = frame
    grid, over = grid.reshape(tuple(sizes)), []
    for axis in range(len(sizes)):
        first = np.take(grid, [0], axis=axis)
        if all(a == b for a, b in zip(np.broadcast_to(first, grid.shape).flat, grid.flat, strict=True)):
            grid = first
        else:
            over.append(axis)
    return {"over": over, "frames": list(grid.flat)}


def _count(marks: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(f) for mark in marks for table in mark.values() if isinstance(table, dict) for f in table["frames"])


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
