"""The network whose gradients are asked for: its passes, and cases with small and with large logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.activations import Activation
from companion.exercises.inputs import SIZES, each_size, normal
from companion.exercises.model import Case
from companion.exercises.totals import Total


def step_back(own, later, slope, W_hh):
    """δ_t from its own gradient at the state, the δ of the next step (None at the last) and the slope."""
    return (own + (0 if later is None else later @ W_hh)) * slope


@dataclass(frozen=True)
class Network:
    """An Elman network with softmax, forwards and backwards; arguments with defaults are what people do otherwise.

    Attributes:
        f: the activation.
        total: how its loss is made of those of all steps and sequences.
    """

    f: Activation
    total: Total

    def run(self, weights, x, h_0):
        """All states, the initial one first."""
        h = [h_0]
        for x_t in x:
            h.append(self.f.apply(x_t @ weights["W_xh"].T + h[-1] @ weights["W_hh"].T + weights["b_h"]))
        return np.array(h)

    def errors(self, weights, h, targets, axis=-1, shifted_along=None):
        """The gradient at the logits of every step, of the plain sum of losses."""
        logits = h[1:] @ weights["W_hy"].T + weights["b_y"]
        e = np.exp(logits - logits.max(axis=shifted_along or axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True) - np.eye(logits.shape[-1])[targets]

    def walk(self, weights, h, dlogits, back=None, slope=None, rule=step_back, shift=0):
        """All δ, from the gradient at the logits; row 0 is zero."""
        back = weights["W_hh"] if back is None else back
        da, slopes = np.zeros_like(h), (slope or self.f.slope)(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + 1] if t + 1 < len(h) else None
            da[t] = rule(dlogits[t - 1] @ weights["W_hy"], later, slopes[t - shift], back)
        return da

    def sums(self, weights, x, h, dlogits, da, total=None):
        """All gradients, of L, by name."""
        found = {
            "dW_xh": np.einsum("tbh,tbi->hi", da[1:], x),
            "dW_hh": np.einsum("tbi,tbj->ij", da[1:], h[:-1]),
            "db_h": da.sum(axis=(0, 1)),
            "dW_hy": np.einsum("tbo,tbh->oh", dlogits, h[1:]),
            "db_y": dlogits.sum(axis=(0, 1)),
            "dh_0": da[1] @ weights["W_hh"],
        }
        return {name: value / (total or self.total).divisor(*x.shape[:2]) for name, value in found.items()}


def cases(rng: np.random.Generator, network: Network) -> tuple[Case, ...]:
    """Weights, inputs, targets and initial states of all sizes, and three times with logits whose powers overflow."""

    def case(s, level: Any = 0.0) -> dict[str, Any]:
        shapes = {"W_xh": (s.H, s.I), "W_hh": (s.H, s.H), "b_h": (s.H,), "W_hy": (s.O, s.H), "b_y": (s.O,)}
        weights = {name: normal(rng, *shape) for name, shape in shapes.items()}
        return {
            "weights": weights | {"b_y": weights["b_y"] + level},
            "x": normal(rng, s.T, s.B, s.I),
            "targets": rng.integers(s.O, size=(s.T, s.B)),
            "h_0": normal(rng, s.B, s.H),
        }

    def far_apart(s):
        """All logits near 800 or above at some steps, near −800 or below at the others."""
        given = case(s)
        weights = given["weights"]
        levels = np.sort(network.run(weights, given["x"], given["h_0"])[1:].sum(axis=-1), axis=None)
        widest = np.diff(levels).argmax()
        steep = 1600 / (levels[widest + 1] - levels[widest])
        middle = (levels[widest + 1] + levels[widest]) / 2
        other = {"W_hy": weights["W_hy"] + steep, "b_y": weights["b_y"] - steep * middle}
        return given | {"weights": weights | other}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        given = case(s, level=np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0))
        return given | {"targets": given["targets"] % (s.O - 1)}

    return (
        *each_size(case),
        Case("logits around 800", case(SIZES[0], level=800.0)),
        Case("logits around 800 and −800", far_apart(SIZES[0])),
        Case("one logit far below the others", one_far_below(SIZES[0])),
    )
