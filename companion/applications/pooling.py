"""Pooling: T states become the one vector that answers for a sentence (chapter "One answer for a sentence").

Each way states both its halves. `apply(h, lengths)` takes the states of a layer, h (T, B, H), and the steps of each
sequence, (B,), to z (B, H); `pull(h, lengths, dz)` takes ∂loss/∂z back to ∂loss/∂h (T, B, H), which is 0 in every row
beyond a sequence's length. What stands in those rows of h is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.validation import (
    Array,
    as_numbers,
    require_array,
    require_finite,
    require_lengths,
    require_shape,
)


@dataclass(frozen=True)
class Pooling:
    """A way from the states of a sequence to one vector: its name, forwards and backwards.

    Raises ValueError, in both directions, for states that are not (T, B, H), lengths that are not (B,) from 1 to T, and
    NaN within the lengths.
    """

    name: str
    apply: Callable[[Array, Array], Array]
    pull: Callable[[Array, Array, Array], Array]

    def __call__(self, h: Array, lengths: Array) -> Array:
        return self.apply(h, lengths)


def _checked(h: Array, lengths: Array) -> tuple[Array, Array, Array]:
    """h with 0 beyond the lengths, the lengths, and True where h is within them, (T, B)."""
    h = as_numbers("h", h)
    require_shape("h", h, ("T", "B", "H"))
    lengths = require_lengths(lengths, h)
    if lengths.min() < 1:
        raise ValueError(f"lengths: expected at least one step in each sequence, got {lengths.min()}")
    within = np.arange(len(h))[:, None] < lengths
    h = np.where(within[..., None], h, np.zeros((), h.dtype))
    require_finite("h", h)
    return h, lengths, within


def _last(h: Array, lengths: Array) -> Array:
    h, lengths, _ = _checked(h, lengths)
    return h[lengths - 1, np.arange(len(lengths))]


def _last_pull(h: Array, lengths: Array, dz: Array) -> Array:
    h, lengths, _ = _checked(h, lengths)
    dh = np.zeros_like(h)
    dh[lengths - 1, np.arange(len(lengths))] = require_array("dz", dz, h.shape[1:])
    return dh


def _ends(h: Array, lengths: Array) -> Array:
    h, lengths, _ = _checked(h, lengths)
    ahead, back = _halves(h)
    return np.concatenate([ahead[lengths - 1, np.arange(len(lengths))], back[0]], axis=-1)


def _ends_pull(h: Array, lengths: Array, dz: Array) -> Array:
    h, lengths, _ = _checked(h, lengths)
    d_ahead, d_back = _halves(require_array("dz", dz, h.shape[1:]))
    dh = np.zeros_like(h)
    ahead, back = _halves(dh)  # views
    ahead[lengths - 1, np.arange(len(lengths))] = d_ahead
    back[0] = d_back
    return dh


def _halves(h: Array) -> tuple[Array, Array]:
    if h.shape[-1] % 2:
        raise ValueError(f"h: expected the states of both directions, an even number, got {h.shape[-1]}")
    return h[..., : h.shape[-1] // 2], h[..., h.shape[-1] // 2 :]


def _mean(h: Array, lengths: Array) -> Array:
    h, lengths, _ = _checked(h, lengths)
    return h.sum(axis=0) / lengths[:, None].astype(h.dtype)


def _mean_pull(h: Array, lengths: Array, dz: Array) -> Array:
    h, lengths, within = _checked(h, lengths)
    dz = require_array("dz", dz, h.shape[1:]).astype(h.dtype, copy=False)
    return np.where(within[..., None], dz / lengths[:, None].astype(h.dtype), np.zeros((), h.dtype))


def _max(h: Array, lengths: Array) -> Array:
    return np.take_along_axis(as_numbers("h", h), largest(h, lengths)[None], axis=0)[0]


def _max_pull(h: Array, lengths: Array, dz: Array) -> Array:
    dh = np.zeros_like(as_numbers("h", h))
    np.put_along_axis(dh, largest(h, lengths)[None], require_array("dz", dz, dh.shape[1:])[None], axis=0)
    return dh


def largest(h: Array, lengths: Array) -> Array:
    """The row, from 0, in which each unit is largest within its sequence, the first among equals: h (T, B, H) → (B, H).

    Raises ValueError as `Pooling` says.
    """
    h, _, within = _checked(h, lengths)
    return np.where(within[..., None], h, -np.inf).argmax(axis=0)


LAST = Pooling("last", _last, _last_pull)  # the state of each sequence's own end
ENDS = Pooling("ends", _ends, _ends_pull)  # [h→_n ; h←_1], of two directions of one size (equation eq-last-states)
MEAN = Pooling("mean", _mean, _mean_pull)
MAX = Pooling("max", _max, _max_pull)  # each unit at the step where it is largest
