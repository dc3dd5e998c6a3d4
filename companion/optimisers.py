"""Small optimisers. Weights and gradients are mappings from names to arrays; every function returns new ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from companion.recurrent import Arrays
from companion.validation import Array, require_names, require_shape


def norm(gradients: Arrays) -> float:
    """Euclidean norm of all entries of all arrays together."""
    return float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values())))


def clip_by_norm(gradients: Arrays, limit: float) -> dict[str, Array]:
    """Scale all gradients by one factor so that their common norm is at most `limit`; the direction stays.

    Raises ValueError for a limit that is not positive and for a norm that is NaN or overflows.
    """
    if not limit > 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    length = norm(gradients)
    if not np.isfinite(length):
        raise ValueError(f"gradients: expected a finite norm, got {length}")
    factor = min(1.0, limit / max(length, np.finfo(np.float64).tiny))
    return {name: g * g.dtype.type(factor) for name, g in gradients.items()}


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015): the step, and the running means m of the gradient and v of its square."""

    rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    steps: int = 0
    m: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"rate: expected a positive number, got {self.rate}")

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Adam]:
        """New weights, and the optimiser for the next step; gradients that have no weight of their name are ignored.

        Raises ValueError when a weight has no gradient, or one of another shape.
        """
        require_names("gradients", {name: gradients[name] for name in weights if name in gradients}, list(weights))
        n = self.steps + 1
        new, m, v = {}, {}, {}
        for name, w in weights.items():
            g, kind = gradients[name], w.dtype.type
            require_shape(f"gradients[{name!r}]", g, w.shape)
            m[name] = kind(self.beta_1) * self.m.get(name, kind(0)) + kind(1 - self.beta_1) * g
            v[name] = kind(self.beta_2) * self.v.get(name, kind(0)) + kind(1 - self.beta_2) * g * g
            m_hat, v_hat = m[name] / kind(1 - self.beta_1**n), v[name] / kind(1 - self.beta_2**n)
            new[name] = w - kind(self.rate) * m_hat / (np.sqrt(v_hat) + kind(self.epsilon))
        return new, Adam(self.rate, self.beta_1, self.beta_2, self.epsilon, n, m, v)
