"""Small optimisers. Weights and gradients are mappings from names to arrays; every function returns new ones.

Arrays are float32 or float64. Weights keep their dtype; what an optimiser remembers of them has the same, and gradients
are converted to it. What would not stay finite is refused, so that no weight becomes NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from companion.core.cell import Arrays
from companion.core.validation import (
    Array,
    all_finite,
    as_array,
    require_below_one,
    require_finite,
    require_names,
    require_positive,
    require_positive_finite,
    require_shape,
    require_size,
)

T = TypeVar("T")

# The dtypes that are computed in, each with a number so small that what is below it may have lost digits. In float16,
# Adam's 1 − β₂ⁿ and ε would be 0.
SMALL = {np.dtype(kind): float(np.finfo(kind).tiny / np.finfo(kind).eps) for kind in (np.float32, np.float64)}


def norm(gradients: Arrays) -> float:
    """Euclidean norm of all entries of all arrays together; NaN or infinite only where an entry or the norm itself is.

    Raises ValueError for arrays that are not float32 or float64.
    """
    arrays = _checked("gradients", gradients).values()
    squares = sum(float(np.vdot(g, g)) for g in arrays)
    if all(SMALL[g.dtype] < squares < math.inf for g in arrays):
        return math.sqrt(squares)
    # squares have overflowed or lost digits: take those of the entries' ratios to the largest
    largest = float(np.max([np.max(np.abs(g), initial=0) for g in arrays]))
    if not 0 < largest < math.inf:
        return largest
    ratios = [g / np.float64(largest) for g in arrays]
    return largest * math.sqrt(sum(float(np.vdot(r, r)) for r in ratios))


def clip_by_norm(gradients: Arrays, limit: float) -> dict[str, Array]:
    """Scale all gradients by one factor so that their common norm is at most `limit`; the direction stays.

    Pascanu, Mikolov & Bengio (2013); equation eq-clip-norm. Short gradients are copied.
    Raises ValueError for a limit that is not positive, a norm that is NaN or infinite, and arrays that are not float32
    or float64.
    """
    limit, gradients = require_positive("limit", limit), _checked("gradients", gradients)
    length = norm(gradients)
    if not math.isfinite(length):
        raise ValueError(f"gradients: expected a finite norm, got {length}")
    if length <= limit:
        return {name: g * g.dtype.type(1) for name, g in gradients.items()}
    factor, root = limit / length, math.sqrt(limit) / math.sqrt(length)
    return {  # a factor that would lose digits is applied in two halves
        name: g * g.dtype.type(factor) if factor > SMALL[g.dtype] else g * g.dtype.type(root) * g.dtype.type(root)
        for name, g in gradients.items()
    }


def clip_by_value(gradients: Arrays, limit: float) -> dict[str, Array]:
    """Cut every entry to at most `limit` in size, each for itself; the direction changes where some are cut.

    Equation eq-clip-value.
    Raises ValueError for a limit that is not positive, for entries that are NaN or infinite, and for arrays that are
    not float32 or float64.
    """
    limit, gradients = require_positive("limit", limit), _checked("gradients", gradients)
    for name, g in gradients.items():
        require_finite(f"gradients[{name!r}]", g)
    with np.errstate(over="ignore"):  # a limit beyond float32 is none
        bound = {name: g.dtype.type(limit) for name, g in gradients.items()}
    return {name: np.minimum(np.maximum(g, -bound[name]), bound[name]) for name, g in gradients.items()}


class Optimiser(Protocol):
    """What training needs of an optimiser; each of the following is one.

    What it remembers of the weights has their names, and is read-only and apart from whatever was handed to it.
    """

    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Optimiser]:
        """New weights, and the optimiser for the next step; gradients that have no weight of their name are ignored.

        Raises ValueError when a weight has no gradient or one of another shape; for arrays that are not float32 or
        float64; when a gradient is NaN or infinite, or a result would be; and for other weights than in the last step.
        """


@dataclass(frozen=True)
class SGD:
    """Gradient descent: W − rate · ∂L/∂W (equation eq-sgd); stochastic, with the gradient of a random batch.

    Raises ValueError for a rate that is not positive and finite.
    """

    rate: float

    def __post_init__(self) -> None:
        _with(self, rate=require_positive_finite("rate", self.rate))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], SGD]:
        """Names and errors as in `Optimiser.step`."""
        weights, gradients = _paired(weights, gradients)
        new = {}
        for name, w in weights.items():
            g, kind = gradients[name].astype(w.dtype, copy=False), w.dtype.type
            new[name] = w - kind(self.rate) * g
            _require_finite_step(name, w, gradients[name], new[name])
        return new, self


@dataclass(frozen=True)
class Momentum:
    """Gradient descent along a velocity, v ← momentum · v + ∂L/∂W, W ← W − rate · v, as in PyTorch's SGD.

    Polyak (1964), as written by Sutskever et al. (2013) but with the rate outside the velocity; equation eq-momentum.
    Raises ValueError for a rate that is not positive and finite and a momentum outside [0, 1).
    """

    rate: float
    momentum: float = 0.9
    v: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _with(
            self, rate=require_positive_finite("rate", self.rate), momentum=require_below_one("momentum", self.momentum)
        )
        _with(self, v=_owned("v", self.v))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Momentum]:
        """Names and errors as in `Optimiser.step`."""
        weights, gradients = _paired(weights, gradients)
        before, v, new = _remembered("v", self.v, weights), {}, {}
        for name, w in weights.items():
            g, kind = gradients[name].astype(w.dtype, copy=False), w.dtype.type
            v[name] = _read_only(kind(self.momentum) * before[name] + g)
            new[name] = w - kind(self.rate) * v[name]
            _require_finite_step(name, w, gradients[name], new[name])
        return new, _with(copy(self), v=v)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015): running means m of the gradient and v of its square; equation eq-adam.

    Raises ValueError for a rate or an epsilon that is not positive and finite and betas outside [0, 1).
    """

    rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    steps: int = 0
    m: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _with(
            self,
            rate=require_positive_finite("rate", self.rate),
            epsilon=require_positive_finite("epsilon", self.epsilon),
        )
        _with(self, beta_1=require_below_one("beta_1", self.beta_1), beta_2=require_below_one("beta_2", self.beta_2))
        _with(self, steps=require_size("steps", self.steps, 0), m=_owned("m", self.m), v=_owned("v", self.v))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Adam]:
        """Names and errors as in `Optimiser.step`."""
        weights, gradients = _paired(weights, gradients)
        m_before, v_before = _remembered("m", self.m, weights), _remembered("v", self.v, weights)
        n, m, v, new = self.steps + 1, {}, {}, {}
        for name, w in weights.items():
            g, kind = gradients[name].astype(w.dtype, copy=False), w.dtype.type
            m[name], v[name], part, moved = (np.empty_like(w) for _ in range(4))  # written over: tables are large
            np.multiply(kind(1 - self.beta_1), g, out=part)
            np.multiply(kind(self.beta_1), m_before[name], out=m[name])
            m[name] += part
            np.multiply(kind(1 - self.beta_2), g, out=part)
            part *= g
            np.multiply(kind(self.beta_2), v_before[name], out=v[name])
            v[name] += part
            root = np.sqrt(np.divide(v[name], kind(1 - self.beta_2**n), out=part), out=part)
            root += kind(self.epsilon)
            np.divide(m[name], kind(1 - self.beta_1**n), out=moved)
            moved *= kind(self.rate)
            moved /= root
            new[name] = np.subtract(w, moved, out=moved)
            m[name], v[name] = _read_only(m[name]), _read_only(v[name])
            _require_finite_step(name, w, gradients[name], new[name], root)
        return new, _with(copy(self), steps=n, m=m, v=v)


@dataclass(frozen=True)
class Adagrad:
    """Adagrad (Duchi et al. 2011): W ← W − rate · ∂L/∂W / (√G + ε), G the sum of all squared gradients so far.

    Raises ValueError for a rate or an epsilon that is not positive and finite.
    """

    rate: float
    epsilon: float = 1e-8
    G: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        _with(
            self,
            rate=require_positive_finite("rate", self.rate),
            epsilon=require_positive_finite("epsilon", self.epsilon),
        )
        _with(self, G=_owned("G", self.G))

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
    def step(self, weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], Adagrad]:
        """Names and errors as in `Optimiser.step`."""
        weights, gradients = _paired(weights, gradients)
        before, G, new = _remembered("G", self.G, weights), {}, {}
        for name, w in weights.items():
            g, kind = gradients[name].astype(w.dtype, copy=False), w.dtype.type
            G[name] = _read_only(before[name] + g * g)
            new[name] = w - kind(self.rate) * g / (np.sqrt(G[name]) + kind(self.epsilon))
            _require_finite_step(name, w, gradients[name], new[name], G[name])
        return new, _with(copy(self), G=G)


def _with(optimiser: T, **values: object) -> T:
    """The optimiser with other values, which are checked already; only for one that nobody else holds yet."""
    for name, value in values.items():
        object.__setattr__(optimiser, name, value)
    return optimiser


def _require_mapping(name: str, arrays: Arrays) -> None:
    if not isinstance(arrays, Mapping):
        raise ValueError(f"{name}: expected a mapping from names to arrays, got {type(arrays).__name__}")


def _checked(name: str, arrays: Arrays) -> dict[str, Array]:
    """All arrays of a mapping, as `_float_array` has them."""
    _require_mapping(name, arrays)
    return {key: _float_array(name, key, value) for key, value in arrays.items()}


def _float_array(name: str, key: str, value: object) -> Array:
    """The value as an array of float32 or float64; ValueError for other dtypes."""
    if type(value) is np.ndarray and value.dtype in SMALL:  # the usual case, and the quick one
        return value
    array = as_array(f"{name}[{key!r}]", value)
    if array.dtype not in SMALL:
        advice = f"; pass np.asarray({key}, np.float64)" if array.dtype.kind in "iubf" else ""
        raise ValueError(f"{name}[{key!r}]: expected float32 or float64, got {array.dtype}{advice}")
    return array


def _paired(weights: Arrays, gradients: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights and their gradients; ValueError where one is missing or has another shape."""
    weights = _checked("weights", weights)
    _require_mapping("gradients", gradients)
    if not weights.keys() <= gradients.keys():
        require_names("gradients", {name: gradients[name] for name in weights if name in gradients}, list(weights))
    g = {name: _float_array("gradients", name, gradients[name]) for name in weights}
    for name, w in weights.items():
        if g[name].shape != w.shape:
            require_shape(f"gradients[{name!r}]", g[name], w.shape)
    return weights, g


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _owned(name: str, remembered: Arrays) -> dict[str, Array]:
    """The same arrays, copied where somebody could change them."""
    return {
        key: array if array.flags.owndata and not array.flags.writeable else _read_only(array.copy())
        for key, array in _checked(name, remembered).items()
    }


def _remembered(name: str, arrays: Arrays, weights: Arrays) -> Arrays:
    """What is remembered of these weights, and 0 before the first step; ValueError for that of other weights."""
    if not arrays:
        return {key: w.dtype.type(0) for key, w in weights.items()}
    if arrays.keys() != weights.keys():
        require_names(name, arrays, list(weights))
    for key, w in weights.items():
        if arrays[key].shape != w.shape or arrays[key].dtype != w.dtype:
            found = f"{arrays[key].dtype} {arrays[key].shape}"
            raise ValueError(f"{name}[{key!r}]: expected {w.dtype} {w.shape} like weights[{key!r}], got {found}")
    return arrays


def _require_finite_step(name: str, w: Array, gradient: Array, *results: Array) -> None:
    """Raise ValueError unless the results are finite: a new weight, and what a step is divided by, lest it become 0."""
    if all(map(all_finite, results)):
        return
    require_finite(f"weights[{name!r}]", w)
    require_finite(f"gradients[{name!r}]", gradient)
    raise ValueError(
        f"gradients[{name!r}]: expected entries that keep the step finite in {w.dtype}, "
        f"got one of size {np.max(np.abs(gradient)):.3g}; clip them or lower the rate"
    )
