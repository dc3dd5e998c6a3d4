"""The linear-chain conditional random field (chapter "Labels that know each other"; Lafferty, McCallum & Pereira 2001).

A labelling d_1 … d_T of a sentence has the score

    S(d) = b_start[d_1] + Σ_t u_t[d_t] + Σ_{t ≥ 2} W_yy[d_t, d_{t-1}] + b_end[d_T]

and the probability exp S(d) / Z, where Z sums exp S over all labellings. u_t are the logits of a network, (T, B, O).
W_yy (O, O) leads from the label before to the label after, as W_hh leads from state to state: row "to", column "from".
`lengths` (B,), from 1 to T, says how many steps each sentence has, all T by default; what stands beyond does not count.

`log_partition` is a walk through time like that of a recurrent network, and its gradient is had in the same two halves:
local slopes of all steps at once, then a linear recursion backwards. The gradients are the marginals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.core.cell import Arrays
from companion.core.validation import (
    Array,
    as_array,
    as_numbers,
    require_array,
    require_entries,
    require_lengths,
    require_tokens,
)

NAMES = ("W_yy", "b_start", "b_end")


def chain_shapes(outputs: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the chain's weights: W_yy (O, O), b_start (O,), b_end (O,)."""
    return {"W_yy": (outputs, outputs), "b_start": (outputs,), "b_end": (outputs,)}


@dataclass(frozen=True)
class Walk:
    """What the forward recursion leaves.

    log_Z    of each sentence, (B,)
    s        (T, B, O): log of the sum of exp(score) over all beginnings that end with this label (eq-crf-forward)
    through  (T − 1, B, O, O): row t − 1 is log of what each way from a label of step t to one of t + 1 adds
    """

    weights: Arrays
    logits: Array
    lengths: Array
    log_Z: Array
    s: Array
    through: Array


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
def log_partition(weights: Arrays, logits: Array, lengths: Array | None = None) -> Walk:
    """log Z of each sentence by the forward recursion (equation eq-crf-forward), and what it computed on the way.

    Raises ValueError for wrong names or shapes, lengths that are not from 1 to T, NaN or infinite numbers, and
    when a score overflows.
    """
    w, u, lengths, _ = _checked(weights, logits, lengths)
    T, B, O = u.shape
    s, through = np.empty_like(u), np.empty((T - 1, B, O, O), u.dtype)
    s[0] = w["b_start"] + u[0]
    for t in range(1, T):
        through[t - 1] = w["W_yy"] + s[t - 1][:, None, :]  # (B, to, from)
        s[t] = u[t] + _log_sum_exp(through[t - 1])
    at_the_end = s[lengths - 1, np.arange(B)] + w["b_end"]  # (B, O)
    return Walk(w, u, lengths, _finite(_log_sum_exp(at_the_end)), s, through)


@dataclass(frozen=True)
class Marginals:
    """Probabilities under the chain: ∂ log Z / ∂(each score).

    of_labels  (T, B, O): p(d_t = k)
    of_pairs   (T − 1, B, O, O): row t − 1, [k, j], is p(d_{t+1} = k, d_t = j)
    Both are 0 beyond a sentence's length.
    """

    of_labels: Array
    of_pairs: Array


def marginals(walk: Walk) -> Marginals:
    """Backpropagation through the forward recursion (equation eq-crf-delta): slopes at once, then δ from the end."""
    T, B, _ = walk.logits.shape
    slopes = _softmax(walk.through)  # ∂s_{t+1}[k] / ∂s_t[j], of all steps; rows sum to 1
    delta = np.zeros_like(walk.logits)  # δ_t = ∂ log Z / ∂s_t
    ends = walk.lengths - 1, np.arange(B)
    delta[ends] = _softmax(walk.s[ends] + walk.weights["b_end"])
    for t in range(T - 1, 0, -1):
        delta[t - 1] += np.matmul(delta[t][:, None, :], slopes[t - 1])[:, 0]  # J_tᵀ δ_t
    return Marginals(delta, delta[1:, :, :, None] * slopes)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
def score(weights: Arrays, logits: Array, labels: Array, lengths: Array | None = None) -> Array:
    """S(d) of one labelling of each sentence (equation eq-crf-score): labels (T, B) → (B,).

    Raises ValueError as `log_partition` does, and for a label that is none.
    """
    w, u, lengths, within = _checked(weights, logits, lengths)
    d = _labels(labels, u, within)
    every = np.arange(u.shape[1])
    emitted = np.take_along_axis(u, d[..., None], axis=-1)[..., 0]  # (T, B)
    passed = np.where(within[1:], w["W_yy"][d[1:], d[:-1]], np.zeros((), u.dtype))
    ends = w["b_start"][d[0]] + w["b_end"][d[lengths - 1, every]]
    return _finite(np.where(within, emitted, np.zeros((), u.dtype)).sum(axis=0) + passed.sum(axis=0) + ends)


@np.errstate(over="ignore")  # what overflows is refused
def chain_loss(
    weights: Arrays, logits: Array, labels: Array, lengths: Array | None = None
) -> tuple[float, dict[str, Array], Array]:
    """−log p(labels), summed over the sentences, and its gradient: expected counts minus observed ones (eq-crf-grad).

    Returns the loss in nats, the gradients of W_yy, b_start and b_end under these names, and dlogits (T, B, O).
    Raises ValueError as `score` does.
    """
    walk = log_partition(weights, logits, lengths)
    _, u, lengths, within = _checked(weights, logits, lengths)
    d = _labels(labels, u, within)
    every, expected = np.arange(u.shape[1]), marginals(walk)
    dlogits, dW = expected.of_labels.copy(), expected.of_pairs.sum(axis=(0, 1))
    t, b = np.nonzero(within)
    dlogits[t, b, d[t, b]] -= 1
    t, b = np.nonzero(within[1:])
    np.subtract.at(dW, (d[t + 1, b], d[t, b]), 1)
    gradients = {"W_yy": dW, "b_start": dlogits[0].sum(axis=0), "b_end": dlogits[lengths - 1, every].sum(axis=0)}
    loss = _finite((walk.log_Z - score(weights, logits, labels, lengths)).sum())
    return float(loss), gradients, dlogits


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
def best_labels(weights: Arrays, logits: Array, lengths: Array | None = None) -> tuple[Array, Array]:
    """The labelling with the highest score, by the algorithm of Viterbi (1967): the forward recursion with max for Σ.

    Returns labels (T, B), 0 beyond a sentence's length, and their scores (B,). Among labellings that score the same,
    the lower label wins, looked at from the end. Raises ValueError as `log_partition` does.
    """
    w, u, lengths, _ = _checked(weights, logits, lengths)
    T, B, O = u.shape
    best, came_from = np.empty_like(u), np.zeros((T, B, O), np.int64)
    best[0] = w["b_start"] + u[0]
    for t in range(1, T):
        through = w["W_yy"] + best[t - 1][:, None, :]  # (B, to, from)
        came_from[t] = through.argmax(axis=-1)
        best[t] = u[t] + through.max(axis=-1)
    every = np.arange(B)
    at_the_end = best[lengths - 1, every] + w["b_end"]
    labels = np.zeros((T, B), np.int64)
    label = at_the_end.argmax(axis=-1)  # of the step looked at, or of the end that is still to come
    for t in range(T - 1, -1, -1):
        labels[t] = np.where(t < lengths, label, 0)
        label = np.where(t < lengths, came_from[t, every, label], label)
    return labels, _finite(at_the_end.max(axis=-1))


def _finite(scores: Array) -> Array:
    if not np.isfinite(scores).all():
        raise ValueError(f"logits: expected scores that stay finite, got {scores}")
    return scores


def _log_sum_exp(a: Array) -> Array:
    """log Σ exp over the last axis, (…, n) → (…): the largest becomes 0, so that no exponential overflows."""
    largest = a.max(axis=-1, keepdims=True)
    return largest[..., 0] + np.log(np.exp(a - largest).sum(axis=-1))


def _softmax(a: Array) -> Array:
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _checked(weights: Arrays, logits: Array, lengths: Array | None) -> tuple[dict[str, Array], Array, Array, Array]:
    """The chain's weights, the logits with 0 beyond the lengths, the lengths, and True within them, (T, B)."""
    u = as_numbers("logits", logits)
    if u.ndim != 3 or 0 in u.shape:
        raise ValueError(f"logits: expected shape (T, B, O), none of them 0, got {u.shape}")
    T, B, O = u.shape
    lengths = np.full(B, T) if lengths is None else require_lengths(lengths, u)
    if lengths.min() < 1:
        raise ValueError(f"lengths: expected at least one step in each sentence, got {lengths.min()}")
    within = np.arange(T)[:, None] < lengths
    u = require_array("logits", np.where(within[..., None], u, np.zeros((), u.dtype)), u.shape)
    require_entries("weights", weights, NAMES)
    w = {name: require_array(name, weights[name], shape) for name, shape in chain_shapes(O).items()}
    return {name: array.astype(u.dtype, copy=False) for name, array in w.items()}, u, lengths, within


def _labels(labels: Array, logits: Array, within: Array) -> Array:
    labels = as_array("labels", labels)
    if labels.shape != within.shape:
        raise ValueError(f"labels: expected shape {within.shape}, got {labels.shape}")
    return require_tokens(
        "labels", np.where(within, labels, np.zeros((), labels.dtype)), within.shape, logits.shape[-1]
    )
