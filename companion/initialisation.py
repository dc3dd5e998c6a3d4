"""First values for recurrent weights W_hh that neither shrink nor stretch what passes through them."""

from __future__ import annotations

import numpy as np

from companion.validation import Array, require_array, require_size


def identity(hidden: int, scale: float = 1.0) -> Array:
    """scale · I, (H, H), float64: every singular value and every eigenvalue is `scale`.

    With scale 1 and rectified linear units it starts the IRNN (Le et al. 2015). Raises ValueError for H < 1 and for a
    scale that is not finite.
    """
    return _finite("scale", scale) * np.eye(require_size("hidden", hidden))


def orthogonal(hidden: int, rng: np.random.Generator) -> Array:
    """A random orthogonal matrix Q, Qᵀ Q = I, (H, H), float64, all rotations and reflections being equally likely.

    The Q factor of a Gaussian matrix would do, but for its signs: they follow the QR routine's habit. Multiplying the
    columns by the signs of R's diagonal removes it (Mezzadri 2007). Saxe et al. (2014) start deep linear networks so;
    equation eq-orthogonal-power.
    """
    H = require_size("hidden", hidden)
    Q, R = np.linalg.qr(rng.normal(size=(H, H)))
    return Q * np.sign(np.diag(R))


def with_spectral_radius(W: Array, radius: float) -> Array:
    """W (H, H) scaled so that its largest eigenvalue in modulus has modulus `radius`; its directions stay.

    Raises ValueError when the radius is negative or W has no eigenvalue but 0, which no factor can scale.
    """
    W = require_array("W", W, ("H", np.shape(W)[0] if np.ndim(W) else "H"))
    if not 0 <= _finite("radius", radius):
        raise ValueError(f"radius: expected a number of at least 0, got {radius}")
    present = float(np.abs(np.linalg.eigvals(W)).max())
    if present <= np.finfo(W.dtype).eps * np.abs(W).max():
        raise ValueError(f"W: expected an eigenvalue other than 0, got a spectral radius of {present}")
    return W * W.dtype.type(radius / present)


def _finite(name: str, value: float) -> float:
    if not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return value
