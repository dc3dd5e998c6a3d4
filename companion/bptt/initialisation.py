"""First values: recurrent weights W_hh that neither shrink nor stretch what passes through them, biases of gates."""

from __future__ import annotations

import numpy as np

from companion.core.cell import Arrays
from companion.core.validation import Array, as_array, require_array, require_number, require_size


def identity(hidden: int, scale: float = 1.0) -> Array:
    """scale · I, (H, H), float64: every singular value and every eigenvalue is `scale`.

    With scale 1 and rectified linear units it starts the IRNN (Le et al. 2015). Raises ValueError for H < 1 and for a
    scale that is not finite.
    """
    return require_number("scale", scale) * np.eye(require_size("hidden", hidden))


def orthogonal(hidden: int, rng: np.random.Generator) -> Array:
    """A random orthogonal matrix Q, Qᵀ Q = I, (H, H), float64, all rotations and reflections being equally likely.

    The Q factor of a Gaussian matrix would do, but for its signs: they follow the QR routine's habit. Multiplying the
    columns by the signs of R's diagonal removes it (Mezzadri 2007). Saxe et al. (2014) start deep linear networks so;
    equation eq-orthogonal-power. Raises ValueError for H < 1.
    """
    H = require_size("hidden", hidden)
    Q, R = np.linalg.qr(rng.normal(size=(H, H)))
    return Q * np.sign(np.diag(R))


def with_spectral_radius(W: Array, radius: float) -> Array:
    """W (H, H) scaled so that its largest eigenvalue in modulus has modulus `radius`; its directions stay.

    Raises ValueError when the radius is negative or W has no eigenvalue but 0, which no factor can scale.
    """
    W = as_array("W", W)
    W, radius = require_array("W", W, ("H", W.shape[0] if W.ndim else "H")), require_number("radius", radius)
    if radius < 0:
        raise ValueError(f"radius: expected a number of at least 0, got {radius:g}")
    present = float(np.abs(np.linalg.eigvals(W.astype(np.float64))).max())
    if present <= float(np.finfo(W.dtype).eps) * float(np.abs(W).max()):
        raise ValueError(f"W: expected an eigenvalue other than 0, got a spectral radius of {present}")
    return W * W.dtype.type(radius / present)


def with_forget_bias(weights: Arrays, bias: float = 1.0) -> dict[str, Array]:
    """The weights with b_f = bias: a gate of σ(1) = 0.73 or more remembers from the start (Gers et al. 2000).

    Raises ValueError for a cell without forget gate, and for a bias that is not finite.
    """
    if "b_f" not in weights:
        raise ValueError(f"weights: expected those of a cell with a forget gate (b_f), got {', '.join(weights)}")
    b_f = require_array("b_f", weights["b_f"], ("H",))
    return dict(weights) | {"b_f": np.full_like(b_f, require_number("bias", bias))}


def chrono(weights: Arrays, longest: float, rng: np.random.Generator) -> dict[str, Array]:
    """Chrono initialisation: biases that spread the units' memories over 1 … longest steps (Tallec & Ollivier 2018).

        LSTM: b_f = log u, b_i = −b_f        GRU: b_z = log u (z keeps)        u uniform in [1, longest − 1]

    Each unit has its own u; all other biases become 0. A gate that stays at σ(log u) = u/(1 + u) keeps what it holds
    for about u steps (equation eq-chrono). Raises ValueError for longest < 2 and for a cell with neither gate.
    """
    longest = require_number("longest", longest)
    if longest < 2:
        raise ValueError(f"longest: expected at least 2 steps, got {longest:g}")
    keeps = next((name for name in ("b_f", "b_z") if name in weights), None)
    if keeps is None:
        raise ValueError(
            f"weights: expected those of a cell with a gate that keeps (b_f or b_z), got {', '.join(weights)}"
        )
    bias = require_array(keeps, weights[keeps], ("H",))
    new = {name: np.zeros_like(w) if name.startswith("b_") else w for name, w in weights.items()}
    new[keeps] = np.log(rng.uniform(1, longest - 1, bias.shape)).astype(bias.dtype)
    if "b_i" in weights:
        new["b_i"] = -new[keeps]
    return new
