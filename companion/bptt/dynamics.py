"""What gradients do over time: Jacobians of the state, their products, and what bounds them.

Chapter "Vanishing and exploding gradients". The state of a cell with several state vectors is the vector of n numbers
that has them one after another, in the order of ``cell.state``. J_t = ∂state_t/∂state_{t−1} has [i, j] =
∂state_{t,i}/∂state_{t−1,j}; over several steps Jacobians multiply with the latest on the left,

    ∂state_t/∂state_k = J_t J_{t−1} … J_{k+1},

and a gradient passes this product by its transpose. Like states, results over time have t + 1 rows: row k belongs to
step k, row t to no step back at all. Products that shrink or grow without limit leave the range of floating-point
numbers, so lengths are given as natural logarithms, computed on numbers rescaled by powers of two (which rounds
nothing) with the exponents added up beside them. Shapes that do not fit, NaN and steps outside 1 … T raise ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.cell import PEEPHOLE, Arrays, Cell, parsed, weight_name
from companion.core.functions import Activation
from companion.core.recurrent import Tape
from companion.core.validation import Array, require_array, require_finite, require_shape, require_size
from companion.rnn.cells import Elman

SLOPE_LIMITS = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "identity": 1.0}  # γ, the largest |g′(a)| of an activation


def jacobians(tape: Tape) -> Array:
    """J_t of every step of any cell, (T, B, n, n): J[t − 1] is ∂state_t/∂state_{t−1} (equation eq-jacobian).

    Row i is what the cell's δ recursion carries to t − 1 when the gradient at t is the i-th unit vector. The recursion
    is linear and its slopes are known for all steps, so that one call of it serves every step and every sequence.
    """
    cell, w = tape.cell, tape.weights
    T, B = tape.x.shape[:2]
    now, before = {n: rows[1:] for n, rows in tape.kept.items()}, {n: tape[n][:-1] for n in cell.state}
    slopes = {name: s.reshape(T * B, -1) for name, s in cell.slopes(w, now, before).items()}  # a step is a batch row
    widths = {name: tape[name].shape[-1] for name in {*cell.state, *cell.outputs}}
    dtype = tape[cell.outputs[0]].dtype
    rows = []
    for name in cell.state:
        for i in range(widths[name]):
            d = {other: np.zeros((T * B, width), dtype) for other, width in widths.items()}
            d[name][:, i] = 1
            _, earlier = step_back(cell, w, slopes, d)
            rows.append(np.concatenate([earlier[other] for other in cell.state], axis=-1))  # (T B, n)
    return np.stack(rows, axis=-2).reshape(T, B, len(rows), len(rows))


def step_back(cell: Cell, w: Arrays, s: Arrays, d: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """One whole step of the δ recursion: the cell's own part, and what δ sends to t − 1 through the wiring."""
    da, before = cell.back(w, s, d)
    sent = {name: [before[name]] if name in before else [] for name in cell.state}
    for k, sources in cell.wiring.items():
        for source in sources:
            if (known := parsed(source)).known and known.vector != "x":
                W = w[weight_name(source, k)]
                sent[known.vector].append(da[k] * W if known.factor == PEEPHOLE else da[k] @ W)
    return da, {name: sum(terms, np.zeros_like(d[name])) for name, terms in sent.items()}


def jacobian_products(J: Array, t: int | None = None) -> Array:
    """∂state_t/∂state_k = J_t J_{t−1} … J_{k+1} for k = 0 … t, (t + 1, B, n, n); row t is the identity matrix.

    J  (T, B, n, n) from `jacobians`; t is 1 … T, the last step by default (equation eq-chain).
    Raises ValueError where a product overflows; `log_singular_values` has no such limit.
    """
    J, t = _checked_jacobians(J, t)
    products = np.empty((t + 1, *J.shape[1:]), J.dtype)
    products[t] = np.eye(J.shape[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(t, 0, -1):
            products[k - 1] = products[k] @ J[k - 1]
            if not np.isfinite(products[k - 1]).all():
                raise ValueError(
                    f"J: expected products within the range of floating-point numbers, got an overflow in "
                    f"∂state_{t}/∂state_{k - 1}; log_singular_values has no such limit"
                )
    return products


def log_singular_values(J: Array, t: int | None = None) -> Array:
    """Natural logarithms of the singular values of ∂state_t/∂state_k, largest first, (t + 1, B, n), k = 0 … t.

    They are right however small or large the product is. Within one product only values above about n · 10⁻¹⁶ of the
    largest can be told from 0; those below are given as −∞, like the logarithm of an exact 0.
    """
    J, t = _checked_jacobians(J, t)
    n = J.shape[-1]
    logs = np.zeros((t + 1, *J.shape[1:-1]))
    product = np.broadcast_to(np.eye(n), J.shape[1:])
    exponent = np.zeros(J.shape[1], np.int64)
    for k in range(t, 0, -1):
        factor, shift = _rescaled(J[k - 1])
        product, more = _rescaled(product @ factor)
        exponent = exponent + shift + more
        values = np.linalg.svd(product, compute_uv=False)  # (B, n)
        values[values <= n * np.finfo(values.dtype).eps * values[:, :1]] = 0
        logs[k - 1] = _log(values) + exponent[:, None] * np.log(2)
    return logs


def log_gradient_norms(J: Array, d_state: Array, t: int | None = None) -> Array:
    """Natural logarithm of ‖∂L/∂state_k‖ for k = 0 … t, (t + 1, B), where L depends on state_t alone.

    d_state  ∂L/∂state_t, (B, n). A gradient that is exactly 0 has the logarithm −∞.
    """
    J, t = _checked_jacobians(J, t)
    d = require_array("d_state", d_state, J.shape[1:-1])
    logs = np.empty((t + 1, len(d)))
    d, exponent = _rescaled(d[:, None])  # (B, 1, n): a row vector a sequence
    logs[t] = _log(np.linalg.norm(d[:, 0], axis=-1)) + exponent * np.log(2)
    for k in range(t, 0, -1):
        factor, shift = _rescaled(J[k - 1])
        d, more = _rescaled(d @ factor)
        exponent = exponent + shift + more
        logs[k - 1] = _log(np.linalg.norm(d[:, 0], axis=-1)) + exponent * np.log(2)
    return logs


def spectral_radius(W: Array) -> float:
    """ρ(W), the largest modulus among the eigenvalues of a square matrix. Raises ValueError for any other array."""
    return float(np.abs(np.linalg.eigvals(_square("W", W).astype(np.float64))).max())


def largest_singular_value(W: Array) -> float:
    """σ_1(W) = ‖W‖: the most by which a matrix (m, n) stretches a vector. Raises ValueError for any other array."""
    return float(np.linalg.norm(require_array("W", W, ("m", "n")).astype(np.float64), 2))


# --- the linear network ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Modes:
    """W = Q diag(λ) Q⁻¹: eigenvalues λ (n,), eigenvectors as the columns of Q (n, n), and Q⁻¹; complex in general."""

    values: Array
    vectors: Array
    inverse: Array

    def power(self, steps: int) -> Array:
        """W^steps = Q diag(λ^steps) Q⁻¹, real, (n, n). Raises ValueError for steps < 0 and where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            power = ((self.vectors * self.values ** require_size("steps", steps, 0)) @ self.inverse).real
        require_finite(f"W^{steps}", power)
        return power


def modes(W: Array, largest_condition: float = 1e8) -> Modes:
    """Eigendecomposition of a real square matrix.

    The condition number of Q says how many digits W = Q diag(λ) Q⁻¹ costs; without enough independent eigenvectors
    (a defective matrix) it is infinite.
    Raises ValueError when it is above `largest_condition`, and for an array that is not a square matrix.
    """
    return _modes("W", W, largest_condition)


def linear_states(W_hh: Array, W_xh: Array, x: Array, h_0: Array, largest_condition: float = 1e8) -> Array:
    """All states of h_t = W_hh h_{t−1} + W_xh x_t, not by walking but by the solution (equation eq-linear-solution),

        h_t = W_hh^t h_0 + Σ_{k=1…t} W_hh^{t−k} W_xh x_k,

    whose powers are those of the eigenvalues. x (T, B, I), h_0 (B, H) → (T + 1, B, H).
    Raises ValueError for wrong shapes, when W_hh is defective or nearly so (see `modes`), and for states that overflow.
    """
    solved = _modes("W_hh", W_hh, largest_condition)
    H = len(solved.values)
    W_xh = require_array("W_xh", W_xh, (H, "I"))
    x = require_array("x", x, ("T", "B", W_xh.shape[1]))
    h_0 = require_array("h_0", h_0, (x.shape[1], H))
    entering = np.concatenate([h_0[None], x @ W_xh.T]) @ solved.inverse.T  # (T + 1, B, H): row k enters at step k
    with np.errstate(over="ignore", invalid="ignore"):
        powers = _powers_between(solved.values, len(entering))
        h = (np.einsum("tkn,kbn->tbn", powers, entering) @ solved.vectors.T).real
    require_finite("the states", h)
    return h


def linear_state_gradients(W_hh: Array, dh: Array, largest_condition: float = 1e8) -> Array:
    """∂L/∂h_k = Σ_{t≥k} (W_hhᵀ)^{t−k} dh_t for all k, of the same linear network, by eigendecomposition.

    dh  ∂L/∂h_t through everything but later states, (T + 1, B, H). Returns the same shape. Raises as `linear_states`.
    """
    solved = _modes("W_hh", W_hh, largest_condition)
    dh = require_array("dh", dh, ("T + 1", "B", len(solved.values)))
    leaving = dh @ solved.vectors  # (T + 1, B, H): rows times Q
    with np.errstate(over="ignore", invalid="ignore"):
        powers = _powers_between(solved.values, len(dh))
        gradients = (np.einsum("tkn,tbn->kbn", powers, leaving) @ solved.inverse).real
    require_finite("the gradients", gradients)
    return gradients


def _powers_between(values: Array, rows: int) -> Array:
    """λ_n^(t − k) at [t, k, n] for k ≤ t, and 0 where k > t: what enters later does not act earlier."""
    distance = np.subtract.outer(np.arange(rows), np.arange(rows))[..., None]
    return np.where(distance >= 0, values ** np.maximum(distance, 0), 0)


# --- bounds ----------------------------------------------------------------------------------------------------------


def slope_limit(activation: Activation) -> float:
    """γ, the largest slope of an activation: 1 for tanh, ReLU and identity, 1/4 for the logistic function.

    Raises ValueError for other activations.
    """
    if activation.name not in SLOPE_LIMITS:
        raise ValueError(f"activation: expected one of {', '.join(SLOPE_LIMITS)}, got {activation.name}")
    return SLOPE_LIMITS[activation.name]


def vanishing_factor(W_hh: Array, activation: Activation) -> float:
    """γ σ_1(W_hh), which no step can exceed: ‖J_t‖ ≤ γ σ_1 (Pascanu, Mikolov & Bengio 2013).

    Below 1, every gradient vanishes with distance at least as fast as its powers: sufficient. Above 1, a gradient may
    explode: necessary, not sufficient. For one logistic unit it is |w|/4 (Hochreiter 1991).
    """
    return slope_limit(activation) * largest_singular_value(_square("W_hh", W_hh))


@dataclass(frozen=True)
class NormBounds:
    """‖∂h_t/∂h_k‖ and two bounds on it for k = 0 … t, as natural logarithms (equation eq-pascanu-bound).

    norm      ‖J_t … J_{k+1}‖, (t + 1, B)
    stepwise  Π_{j=k+1…t} max_i |g′(a_{j,i})| · σ_1(W_hh), (t + 1, B): uses the slopes that the sequence met
    uniform   (γ σ_1(W_hh))^(t−k), (t + 1,): uses nothing but the weights
    """

    norm: Array
    stepwise: Array
    uniform: Array

    def check(self, slack: float = 1e-9) -> None:
        """Raise AssertionError, with both numbers, step and sequence, unless norm ≤ stepwise ≤ uniform everywhere.

        `slack` allows for round-off, which may put a norm that equals its bound above it: so much in the logarithm.
        """
        uniform = np.broadcast_to(self.uniform[:, None], self.stepwise.shape)
        _require_below("‖∂h_{t}/∂h_{k}‖", self.norm, "the step-by-step bound", self.stepwise, slack)
        _require_below("the step-by-step bound of ‖∂h_{t}/∂h_{k}‖", self.stepwise, "(γ σ_1)^{steps}", uniform, slack)


def norm_bounds(tape: Tape, t: int | None = None) -> NormBounds:
    """The norm of ∂h_t/∂h_k and its bounds, for a tape of Elman's network.

    Raises ValueError for another cell, and for an activation whose slope limit is not known.
    """
    cell = tape.cell
    if not isinstance(cell, Elman):
        raise ValueError(f"tape: expected one of Elman's network, got one of {cell!r}")
    logs = log_singular_values(jacobians(tape), t)[..., 0]
    last = len(logs) - 1
    W_hh = tape.weights["W_hh"]
    slopes = np.abs(cell.activation.slopes(tape["h"][1 : last + 1])).max(axis=-1)  # (t, B), the largest of each step
    steps = _log(slopes * largest_singular_value(W_hh))
    stepwise = np.zeros(logs.shape)
    stepwise[:-1] = np.cumsum(steps[::-1], axis=0)[::-1]  # row k sums the steps k + 1 … t
    distance = np.arange(last, -1, -1)
    uniform = np.zeros(last + 1)
    uniform[:-1] = distance[:-1] * _log(np.array(vanishing_factor(W_hh, cell.activation)))
    return NormBounds(logs, stepwise, uniform)


def _require_below(what: str, values: Array, bound_name: str, bounds: Array, slack: float) -> None:
    t = len(values) - 1
    broken = ~(values <= bounds + slack)  # a NaN is no agreement
    if broken.any():
        k, b = (int(i) for i in np.argwhere(broken)[-1])  # the shortest distance at which it breaks
        what, bound_name = (text.format(t=t, k=k, steps=t - k) for text in (what, bound_name))
        raise AssertionError(
            f"{what} = {_power_of_ten(values[k, b])} exceeds {bound_name} = {_power_of_ten(bounds[k, b])} "
            f"at k = {k}, {t - k} steps back from t = {t} (sequence {b})"
        )


def _power_of_ten(log: float) -> str:
    return f"10^{log / np.log(10):.6g}"


# --- checks and arithmetic -------------------------------------------------------------------------------------------


def _checked_jacobians(J: Array, t: int | None) -> tuple[Array, int]:
    J = require_array("J", J, ("T", "B", "n", "n"))
    require_shape("J", J, ("T", "B", J.shape[-1], J.shape[-1]))
    t = len(J) if t is None else require_size("t", t)
    if t > len(J):
        raise ValueError(f"t: expected a step from 1 to {len(J)}, got {t}")
    return J, t


def _square(name: str, W: Array) -> Array:
    W = require_array(name, W, ("n", "n"))
    require_shape(name, W, (len(W), len(W)))
    return W


def _modes(name: str, W: Array, largest_condition: float) -> Modes:
    values, vectors = np.linalg.eig(_square(name, W))
    condition = float(np.linalg.cond(vectors))
    if not condition <= largest_condition:
        raise ValueError(
            f"{name}: expected independent eigenvectors, whose matrix has a condition number of at most "
            f"{largest_condition:.3g}, got {condition:.3g}: a defective matrix, or nearly so"
        )
    return Modes(values, vectors, np.linalg.inv(vectors))


def _rescaled(matrices: Array) -> tuple[Array, Array]:
    """Matrices (B, m, n) divided, exactly, by powers of two: largest entries in [1/2, 1), and the exponents (B,)."""
    _, exponents = np.frexp(np.abs(matrices).max(axis=(-2, -1)))
    return np.ldexp(matrices, -exponents[:, None, None]), exponents.astype(np.int64)


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(values)
