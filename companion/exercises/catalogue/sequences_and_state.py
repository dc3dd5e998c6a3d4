"""The shapes of a state-space model, one step of it, and a run over a sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Case, Drawn, Key, exercise
from companion.exercises.shapes import shapes_by_name


def _draw_sizes(rng: np.random.Generator) -> tuple[int, ...]:
    """T, B, I, H and O: odd, so that neither T + 1 nor I + H is one of them."""
    return tuple(int(n) for n in rng.choice([3, 5, 7, 9, 11], 5, replace=False))


@exercise("state-shapes", "shapes", "The shapes of a batch", "predict", sizes=Drawn((6, 4, 3, 5, 2), _draw_sizes))
def shapes(rng: np.random.Generator, sizes: tuple[int, ...]) -> Key:
    return Key(
        view=shapes_by_name(["W", "rows", "b_h", "h", "y"]),
        words=dict(zip("TBIHO", map(str, sizes), strict=True)),
    )


@dataclass(frozen=True)
class _Reply:
    """What a machine puts out, as formula and code, and what that says, as the end of a sentence."""

    formula: str
    code: str
    says: str


_REPLIES = (
    _Reply("x_t - h_{t-1}", "x_t - h_before", "how much busier this minute is than those before it"),
    _Reply("(x_t - h_{t-1})^2", "(x_t - h_before) ** 2", "how unusual this minute is, be it busy or quiet"),
    _Reply("h_t - h_{t-1}", "h_t - h_before", "by how much this minute has moved the mean"),
)


@exercise(
    "state-machine",
    "machine",
    "A fading mean as a state-space model",
    "implement",
    keep=(0.9, 0.8, 0.75, 0.6),
    reply=_REPLIES,
)
def machine(rng: np.random.Generator, keep: float, reply: _Reply) -> Key:
    def averaged(h_before, x_t):
        h_t = np.average(np.stack([h_before, x_t]), axis=0, weights=[keep, 1 - keep])
        return h_t, eval(reply.code)

    return Key(
        cases=(
            Case("two numbers", {"h_before": 1.0, "x_t": 3.0}),
            Case("nothing read so far", {"h_before": 0.0, "x_t": 2.0}),
            Case("an input of zero", {"h_before": 2.0, "x_t": 0.0}),
            Case("negative numbers", {"h_before": -1.0, "x_t": -0.25}),
            Case("three units", {"h_before": normal(rng, 3), "x_t": normal(rng, 3)}),
        ),
        also_right=(averaged,),
        returns=("h_t", "y_t"),
        axes={"h_t": "H", "y_t": "H"},
        words={"keep": f"{keep:g}", "new": f"{1 - keep:g}"},
    )


@exercise(
    "state-run",
    "simulate",
    "A linear state-space model over a sequence",
    "implement",
    reads=("h_t", "h_{t-1}"),
    rule=("replace", "add"),
)
def simulate(rng: np.random.Generator, reads: str, rule: str) -> Key:
    late, adds = reads == "h_{t-1}", rule == "add"

    def filled(W_xh, W_hh, W_hy, x, h_0):
        h, y = np.empty((len(x) + 1, len(h_0))), np.empty((len(x), len(W_hy)))
        h[0] = h_0
        for t in range(len(x)):
            h[t + 1] = x[t] @ W_xh.T + h[t] @ W_hh.T + (h[t] if adds else 0)
            y[t] = W_hy @ h[t if late else t + 1]
        return h, y

    return Key(
        cases=each_size(
            lambda s: {
                "W_xh": normal(rng, s.H, s.I),
                "W_hh": normal(rng, s.H, s.H, scale=0.4),
                "W_hy": normal(rng, s.O, s.H),
                "x": normal(rng, s.T, s.I),
                "h_0": normal(rng, s.H),
            }
        )[:5],
        also_right=(filled,),
        returns=("h", "y"),
        axes={"h": "T+1 H", "y": "T O"},
        words={
            "old": "h_{t-1} + " if adds else "",
            "before": "before + " if adds else "",
            "rows": "h[:-1]" if late else "h[1:]",
            "which": "the state that the step started from" if late else "the state that the step has just made",
        },
    )
