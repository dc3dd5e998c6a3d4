"""Backpropagation through time as chapter "Backpropagation through time" derives it: its equations under their names.

The names BP1 … BP4U are those of the lecture notes that the course grew from. They are written here for a network whose
output is softmax and whose loss is cross-entropy; `recurrent.deltas` is the same recursion for every cell. Arrays over
time: dlogits (T, B, O), da and h (T + 1, B, H) with row t for step t, x (T, B, I). In all functions, shapes that do not
fit together, NaN and what is no number raise ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from companion.core.cell import PEEPHOLE, Arrays, parsed, rows_of, weight_name
from companion.core.functions import TANH, Activation, cross_entropy, one_hot
from companion.core.networks import readout
from companion.core.recurrent import Tape
from companion.core.validation import Array, require_array, require_entries, require_names, require_shape


def bp1(logits: Array, targets: Array) -> Array:
    """BP1: δ^y_t = y_t − d_t, the gradient at the output; logits (..., O), targets classes (...) or (..., O)."""
    return cross_entropy(logits, targets)[1]


def bp2(weights: Arrays, dlogits_T: Array, slopes_T: Array) -> Array:
    """BP2: δ_T = (W_hyᵀ δ^y_T) ⊙ g′(a_T), where no later step sends anything back; (B, O), (B, H) → (B, H)."""
    W_hy, dlogits_T, slopes_T = _fitting(W_hy=(weights, "OH"), dlogits_T=(dlogits_T, "BO"), slopes_T=(slopes_T, "BH"))
    return (dlogits_T @ W_hy) * slopes_T


def bp2t(weights: Arrays, da_next: Array, dlogits_t: Array, slopes_t: Array) -> Array:
    """BP2T: δ_t = (W_hhᵀ δ_{t+1} + W_hyᵀ δ^y_t) ⊙ g′(a_t); (B, H), (B, O), (B, H) → (B, H)."""
    W_hh, W_hy, da_next, dlogits_t, slopes_t = _fitting(
        W_hh=(weights, "HH"), W_hy=(weights, "OH"),
        da_next=(da_next, "BH"), dlogits_t=(dlogits_t, "BO"), slopes_t=(slopes_t, "BH"),
    )  # fmt: skip
    return (da_next @ W_hh + dlogits_t @ W_hy) * slopes_t


def bp3(deltas: Array) -> Array:
    """BP3: ∂L/∂b = Σ_t δ_t, for b_h from da and for b_y from dlogits; (·, B, n) → (n,)."""
    return require_array("deltas", deltas, ("T", "B", "n")).sum(axis=(0, 1))


def bp4v(dlogits: Array, h: Array) -> Array:
    """BP4V: ∂L/∂W_hy = Σ_t δ^y_t h_tᵀ; (T, B, O), (T + 1, B, H) → (O, H)."""
    dlogits, h = _fitting(dlogits=(dlogits, "TBO"), h=(h, "SBH"))
    return np.einsum("tbo,tbh->oh", dlogits, h[1:])


def bp4w(da: Array, h: Array) -> Array:
    """BP4W: ∂L/∂W_hh = Σ_t δ_t h_{t-1}ᵀ; (T + 1, B, H), (T + 1, B, H) → (H, H)."""
    da, h = _fitting(da=(da, "SBH"), h=(h, "SBH"))
    return np.einsum("tbi,tbj->ij", da[1:], h[:-1])


def bp4u(da: Array, x: Array) -> Array:
    """BP4U: ∂L/∂W_xh = Σ_t δ_t x_tᵀ; (T + 1, B, H), (T, B, I) → (H, I)."""
    da, x = _fitting(da=(da, "SBH"), x=(x, "TBI"))
    return np.einsum("tbi,tbj->ij", da[1:], x)


def delta_recursion(weights: Arrays, h: Array, dlogits: Array, activation: Activation = TANH) -> Array:
    """BP2 at the last step, then BP2T down to the first. h (T + 1, B, H), dlogits (T, B, O) → da (T + 1, B, H).

    Row 0 is zero: no pre-activation stands before the first step.
    """
    h, dlogits = _fitting(h=(h, "SBH"), dlogits=(dlogits, "TBO"))
    slopes, da = activation.slopes(h), np.zeros_like(h)
    da[-1] = bp2(weights, dlogits[-1], slopes[-1])
    for t in range(len(h) - 2, 0, -1):
        da[t] = bp2t(weights, da[t + 1], dlogits[t - 1], slopes[t])
    return da


def gradients(weights: Arrays, h: Array, x: Array, targets: Array, activation: Activation = TANH) -> dict[str, Array]:
    """All gradients of an Elman network's summed cross-entropy, equation by equation, from the states h (T + 1, B, H).

    x (T, B, I); targets as in `bp1`, for all T steps. Returns them under the weights' names, with "dx" and "dh_0".
    """
    h, x = _fitting(h=(h, "SBH"), x=(x, "TBI"))
    W_xh, W_hh = _fitting(W_xh=(weights, "HI"), W_hh=(weights, "HH"))
    dlogits = bp1(readout(weights, h[1:]), targets)
    da = delta_recursion(weights, h, dlogits, activation)
    return {
        "W_hy": bp4v(dlogits, h), "b_y": bp3(dlogits),
        "W_hh": bp4w(da, h), "W_xh": bp4u(da, x), "b_h": bp3(da),
        "dx": da[1:] @ W_xh, "dh_0": da[1] @ W_hh,
    }  # fmt: skip


def contributions(tape: Tape, da: Arrays) -> dict[str, Array]:
    """What each step adds to each weight's gradient, for any cell: name → (T, *shape of the weight).

    tape and da (k → (T + 1, B, ·)) come from `recurrent.forward` and `recurrent.deltas`. Entry t − 1 of W_hh's is
    δ_t h_{t-1}ᵀ, summed over the batch; the sum over all entries is the gradient. Needs T times the memory of the
    weights: for looking, not for training.
    """
    cell = tape.cell
    require_names("da", da, list(cell.wiring))
    T, B = tape.x.shape[:2]
    parts = {}
    for k, sources in cell.wiring.items():
        da_k = require_array(f"da[{k!r}]", da[k], (T + 1, B, cell.sizes[k]))[1:]
        for s in sources:
            rows = rows_of(s, tape.x, tape.kept)
            vectors = one_hot(rows, cell.sizes["x"]) if rows.ndim == 2 else rows  # tokens stand for one-hot vectors
            entries = "tbi,tbi->ti" if parsed(s).factor == PEEPHOLE else "tbi,tbj->tij"
            parts[weight_name(s, k)] = np.einsum(entries, da_k, vectors)
        parts[f"b_{k}"] = da_k.sum(axis=1)
    return parts


def _fitting(**given: tuple[Array | Arrays, str]) -> Iterator[Array]:
    """Arrays, each with a letter for each axis (S for T + 1); ValueError where a letter has two sizes.

    Einsum and the like would stretch an axis of size 1. A weight is given by the mapping that it is in.
    """
    sizes: dict[str, int | str] = {"S": "T + 1"}
    for name, (value, axes) in given.items():
        if isinstance(value, Mapping):
            require_entries("weights", value, (name,))
            value = value[name]
        array = require_array(name, value, tuple(sizes.get(axis, axis) for axis in axes))
        sizes |= zip(axes, array.shape, strict=True)
        require_shape(name, array, tuple(sizes[axis] for axis in axes))  # of "HH", both
        if "T" in axes or "S" in axes:
            steps = len(array) - ("S" in axes)
            sizes |= {"T": steps, "S": steps + 1}
        yield array
