"""Clipping: one norm for all gradients, and what comes before what in a step of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.optimisers import clip_by_norm
from companion.core.optimisers import norm as euclidean
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise


@dataclass(frozen=True)
class Norm:
    """A norm of all entries: as prose has it, as code of the variable ``entries``, and what is easily taken for it."""

    name: str
    words: str
    code: str
    apply: Callable[[np.ndarray], float]
    slip_name: str
    slip_hint: str
    slip: str


NORMS = (
    Norm(
        "Euclidean",
        "their Euclidean length, the root of the sum of squares",
        "np.linalg.norm(entries)",
        lambda entries: np.sum(entries**2) ** 0.5,
        "the root is missing",
        "You have the sum of squares. What makes a length of it?",
        "entries @ entries",
    ),
    Norm(
        "root mean square",
        "their root mean square",
        "np.sqrt(np.mean(entries**2))",
        lambda entries: np.linalg.norm(entries) / len(entries) ** 0.5,
        "a sum of squares for their mean",
        "This is the Euclidean length, which grows with the number of entries. A root *mean* square does not.",
        "np.linalg.norm(entries)",
    ),
    Norm(
        "largest",
        "the size of the largest of them, whatever its sign",
        "np.abs(entries).max()",
        lambda entries: max(entries.max(), -entries.min()),
        "the largest entry with its sign",
        "An entry of −100 is large too. Compare sizes.",
        "entries.max()",
    ),
    Norm(
        "sum",
        "the sum of their sizes",
        "np.abs(entries).sum()",
        lambda entries: entries @ np.sign(entries),
        "a Euclidean length for the sum of sizes",
        "You square the entries. The statement asks for the sum of their sizes.",
        "np.linalg.norm(entries)",
    ),
)
OTHER_NAMES = ("W_hy", "W_ff", "bias")


@exercise("clip-norm", "clipped", "Clip by a common norm", "implement", norm=NORMS)
def clip_norm(rng: np.random.Generator, norm: Norm) -> Key:
    def length(gradients):
        return float(norm.apply(np.concatenate([g.ravel() for g in gradients.values()])))

    def by_companion(gradients, limit):
        """Clipped by the Euclidean norm, at a limit that stands to it as the given one to the norm asked for."""
        own = length(gradients)
        return clip_by_norm(gradients, limit * euclidean(gradients) / own if own else limit)

    def made_of(I, H, size, part, names=("W_xh", "W_hh", "b_h")):
        """Gradients of an Elman layer, with a limit of so large a part of their norm."""
        arrays = [normal(rng, H, I, scale=size), normal(rng, H, H, scale=3 * size), normal(rng, H, scale=size)]
        if arrays[1].max() > -arrays[1].min():  # the largest entry is negative
            arrays[1] = -arrays[1]
        gradients = dict(zip(names, arrays, strict=True))
        return {"gradients": gradients, "limit": round(part * length(gradients), 3)}

    one_each = {"W_xh": np.array([[3.0]]), "W_hh": np.array([[-6.0]]), "b_h": np.array([2.0])}
    zeros = {"W_xh": np.zeros((2, 3)), "W_hh": np.zeros((2, 2)), "b_h": np.zeros(2)}
    five = {f"W_{layer}": np.array([[1.0, -2.0, float(layer)]]) for layer in range(1, 5)} | {"b": np.zeros(3)}
    return Key(
        cases=(
            Case("one number each", {"gradients": one_each, "limit": 1.0}),
            Case("longer than the limit", made_of(2, 3, 1.0, 0.4)),
            Case("shorter than the limit", made_of(3, 2, 1.0, 2.5)),
            Case("other names", made_of(3, 2, 1.0, 0.6, OTHER_NAMES)),
            Case("other names, shorter", made_of(2, 3, 1.0, 3.0, OTHER_NAMES)),
            Case("an explosion", made_of(2, 4, 1e4, 1e-4, OTHER_NAMES)),
            Case("zeros", {"gradients": zeros, "limit": 1.0}),
            Case("a little longer than the limit", made_of(2, 3, 1.0, 0.98)),
            Case("one array alone, below 1", {"gradients": {"W": np.array([[0.3, -0.5]])}, "limit": 0.1}),
            Case("five arrays, one of them zeros", {"gradients": five, "limit": 1.5}),
        ),
        also_right=(by_companion,),
        axes={"W_xh": "H I", "W_hh": "H H", "b_h": "H"},
    )


@dataclass(frozen=True)
class Rule:
    """Momentum as one place or another has it: a formula, and two lines of code."""

    name: str
    formula: str
    v: str
    W: str


RULES = (
    Rule(
        "rate outside",
        r"v \leftarrow \mu v + \hat g, \qquad W \leftarrow W - \eta\, v",
        "mu * v + clipped",
        "W - rate * v",
    ),
    Rule(
        "rate inside",
        r"v \leftarrow \mu v - \eta\, \hat g, \qquad W \leftarrow W + v",
        "mu * v - rate * clipped",
        "W + v",
    ),
    Rule(
        "running mean",
        r"v \leftarrow \mu v + (1 - \mu)\, \hat g, \qquad W \leftarrow W - \eta\, v",
        "mu * v + (1 - mu) * clipped",
        "W - rate * v",
    ),
    Rule(
        "Nesterov",
        r"v \leftarrow \mu v + \hat g, \qquad W \leftarrow W - \eta\, (\hat g + \mu v)",
        "mu * v + clipped",
        "W - rate * (clipped + mu * v)",
    ),
)


@exercise("bug-clip", "momentum_step", "Repair a step with a clip", "repair", total=("mean", "sum"), rule=RULES)
def bug_clip(rng: np.random.Generator, total: str, rule: Rule) -> Key:
    def by_companion(W, v, g, limit, rate, mu):
        whole = np.einsum("bij->ij", g) / (len(g) if total == "mean" else 1)
        clipped = clip_by_norm({"W": whole}, limit)["W"]
        v = mu * v + {"rate inside": -rate, "running mean": 1 - mu}.get(rule.name, 1) * clipped
        step = {"rate inside": v, "Nesterov": -rate * (clipped + mu * v)}.get(rule.name, -rate * v)
        return W + step, v

    def made_of(B, H, size, part):
        """Gradients of B sequences, two of different lengths at least, and a limit beside their sum or mean."""
        g = size * normal(rng, B, H, H) * rng.uniform(0.2, 3, (B, 1, 1))
        return {
            "W": normal(rng, H, H),
            "v": normal(rng, H, H, scale=0.3),
            "g": g,
            "limit": round(part * float(np.linalg.norm(getattr(g, total)(axis=0))), 4),
            "rate": 0.1,
            "mu": 0.9,
        }

    return Key(
        cases=(
            Case("two sequences", made_of(2, 2, 1.0, 0.5)),
            Case("B = 1", made_of(1, 3, 1.0, 0.5)),
            Case("H = 1", made_of(3, 1, 1.0, 0.4)),
            Case("shorter than the limit", made_of(3, 2, 0.3, 1.3)),
            Case("far shorter than the limit", made_of(3, 3, 0.3, 40.0)),
            Case("an explosion", made_of(4, 3, 1e4, 1e-4)),
            Case("another rate and mu", made_of(3, 2, 1.0, 0.5) | {"rate": 0.3, "mu": 0.6}),
        ),
        also_right=(by_companion,),
        returns=("W", "v"),
        axes={"W": "H H", "v": "H H"},
        words={"other": "sum" if total == "mean" else "mean"},
    )
