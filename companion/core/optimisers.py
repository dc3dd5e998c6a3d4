"""Small optimisers. Weights and gradients are mappings from names to arrays; every function returns new ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from companion.core.cell import Arrays
from companion.core.validation import Array, require_finite, require_names, require_shape


def norm(gradients: Arrays) -> float:
    """Euclidean norm of all entries of all arrays together."""
    return float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values())))


def clip_by_norm(gradients: Arrays, limit: float) -> dict[str, Array]:
    """Scale all gradients by one factor so that their common norm is at most `limit`; the direction stays.

    Pascanu, Mikolov & Bengio (2013); equation eq-clip-norm.

    Raises ValueError for a limit that is not positive and for a norm that is NaN or overflows.
    """
    _require_positive("limit", limit)
    length = norm(gradients)
    if not np.isfinite(length):
        raise ValueError(f"gradients: expected a finite norm, got {length}")
    factor = min(1.0, limit / max(length, np.finfo(np.float64).tiny))
    return {name: g * g.dtype.type(factor) for name, g in gradients.items()}


def clip_by_value(gradients: Arrays, limit: float) -> dict[str, Array]:
    """Cut every entry to at most `limit` in size, each for itself; the direction changes where some are cut.

    Equation eq-clip-value.

    Raises ValueError for a limit that is not positive and for entries that are NaN or infinite.
    """
    _require_positive("limit", limit)
    for name, g in gradients.items():
        require_finite(f"gradients[{name!r}]", g)
    bound = {name: g.dtype.type(limit) for name, g in gradients.items()}
    return {name: np.minimum(np.maximum(g, -bound[name]), bound[name]) for name, g in gradients.items()}


class Optimiser(Protocol):
    """What training needs of an optimiser; each of the following is one."""

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Optimiser]: ...


@dataclass(frozen=True)
class SGD:
    """Gradient descent: W − rate · ∂L/∂W (equation eq-sgd); stochastic, with the gradient of a random batch."""

    rate: float

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], SGD]:
        """New weights, and the optimiser for the next step; names and errors as in `Adam.step`."""
        _require_gradients(weights, gradients)
        return {name: w - w.dtype.type(self.rate) * gradients[name] for name, w in weights.items()}, self


@dataclass(frozen=True)
class Momentum:
    """Gradient descent along a velocity, v ← momentum · v + ∂L/∂W, W ← W − rate · v, as in PyTorch's SGD.

    Polyak (1964), as written by Sutskever et al. (2013) but with the rate outside the velocity; equation eq-momentum.
    """

    rate: float
    momentum: float = 0.9
    v: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected a number from 0 to below 1, got {self.momentum}")

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Momentum]:
        """New weights, and the optimiser for the next step; names and errors as in `Adam.step`."""
        _require_gradients(weights, gradients)
        v = {
            name: w.dtype.type(self.momentum) * self.v.get(name, w.dtype.type(0)) + gradients[name]
            for name, w in weights.items()
        }
        new = {name: w - w.dtype.type(self.rate) * v[name] for name, w in weights.items()}
        return new, Momentum(self.rate, self.momentum, v)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015): running means m of the gradient and v of its square; equation eq-adam."""

    rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    steps: int = 0
    m: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Adam]:
        """New weights, and the optimiser for the next step; gradients that have no weight of their name are ignored.

        Raises ValueError when a weight has no gradient, or one of another shape.
        """
        _require_gradients(weights, gradients)
        n = self.steps + 1
        new, m, v = {}, {}, {}
        for name, w in weights.items():
            g, kind = gradients[name], w.dtype.type
            m[name] = kind(self.beta_1) * self.m.get(name, kind(0)) + kind(1 - self.beta_1) * g
            v[name] = kind(self.beta_2) * self.v.get(name, kind(0)) + kind(1 - self.beta_2) * g * g
            m_hat, v_hat = m[name] / kind(1 - self.beta_1**n), v[name] / kind(1 - self.beta_2**n)
            new[name] = w - kind(self.rate) * m_hat / (np.sqrt(v_hat) + kind(self.epsilon))
        return new, Adam(self.rate, self.beta_1, self.beta_2, self.epsilon, n, m, v)


@dataclass(frozen=True)
class Adagrad:
    """Adagrad (Duchi et al. 2011): W ← W − rate · ∂L/∂W / (√G + ε), G the sum of all squared gradients so far."""

    rate: float
    epsilon: float = 1e-8
    G: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Adagrad]:
        """New weights, and the optimiser for the next step; names and errors as in `Adam.step`."""
        _require_gradients(weights, gradients)
        new, G = {}, {}
        for name, w in weights.items():
            g, kind = gradients[name], w.dtype.type
            G[name] = self.G.get(name, kind(0)) + g * g
            new[name] = w - kind(self.rate) * g / (np.sqrt(G[name]) + kind(self.epsilon))
        return new, Adagrad(self.rate, self.epsilon, G)


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name}: expected a positive number, got {value}")


def _require_gradients(weights: Arrays, gradients: Arrays) -> None:
    require_names("gradients", {name: gradients[name] for name in weights if name in gradients}, list(weights))
    for name, w in weights.items():
        require_shape(f"gradients[{name!r}]", gradients[name], w.shape)
