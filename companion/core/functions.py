"""Activation functions, softmax and cross-entropy, forwards and backwards.

Each activation states its two halves as the course does: `slopes(y)` depends only on what the forward pass produced;
`pull(slopes, dy)` carries a gradient back through the function and is linear in dy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.validation import (
    Array,
    as_array,
    as_numbers,
    require_array,
    require_probabilities,
    require_shape,
    require_size,
    require_tokens,
)


@dataclass(frozen=True)
class Activation:
    """A function y = g(a) of a pre-activation a, with its derivative written in terms of y."""

    name: str
    apply: Callable[[Array], Array]
    slopes: Callable[[Array], Array]
    pull: Callable[[Array, Array], Array]

    def __call__(self, a: Array) -> Array:
        return self.apply(a)

    def __reduce__(self) -> str | tuple[type, tuple[object, ...]]:
        """The course's own come back from a pickle or a copy as the same object, so that `is TANH` still holds."""
        own = self.name.upper()
        return own if globals().get(own) is self else (Activation, (self.name, self.apply, self.slopes, self.pull))


def sigmoid(a: Array) -> Array:
    """Logistic function σ(a) = 1 / (1 + e^−a), any shape; written with tanh, so that no a overflows."""
    y = np.tanh(np.multiply(0.5, a))
    y += 1
    y *= 0.5
    return y


def relu(a: Array) -> Array:
    """max(a, 0), any shape."""
    return np.maximum(a, 0)


def _nonempty(logits: Array) -> Array:
    logits = as_numbers("logits", logits)
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits: expected at least one along the last axis, got shape {logits.shape}")
    return logits


def softmax(logits: Array) -> Array:
    """exp(logits) normalised to sum 1 along the last axis; safe for logits of ±1000 because the largest becomes 0."""
    return _softmax(_nonempty(logits))


def _softmax(logits: Array) -> Array:
    e = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    return e / np.add.reduce(e, axis=-1, keepdims=True)


def log_softmax(logits: Array) -> Array:
    """log softmax(logits) along the last axis, without ever taking the logarithm of 0."""
    logits = _nonempty(logits)
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _same(a: Array) -> Array:
    return a


def _tanh_slopes(y: Array) -> Array:
    return 1 - y * y


def _sigmoid_slopes(y: Array) -> Array:
    return y * (1 - y)


def _relu_slopes(y: Array) -> Array:
    return (y > 0).astype(y.dtype)


def _times(slopes: Array, dy: Array) -> Array:
    return slopes * dy


def _softmax_pull(y: Array, dy: Array) -> Array:
    # J = diag(y) − y yᵀ: softmax mixes its entries, so its Jacobian is not diagonal
    return y * (dy - np.add.reduce(y * dy, axis=-1, keepdims=True))


TANH = Activation("tanh", np.tanh, _tanh_slopes, _times)
SIGMOID = Activation("sigmoid", sigmoid, _sigmoid_slopes, _times)
RELU = Activation("relu", relu, _relu_slopes, _times)
IDENTITY = Activation("identity", _same, np.ones_like, _times)
SOFTMAX = Activation("softmax", _softmax, _same, _softmax_pull)


def cross_entropy(logits: Array, targets: Array, counted: Array | None = None) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits) against targets, summed over all but the last axis, and its gradient.

    logits   (..., O)
    targets  the distributions d, (..., O), or the numbers of the correct classes, integers (...)
    counted  True where an answer counts, (...); all by default. What stands elsewhere, in logits and in targets, is not
             looked at, and its gradient is 0
    Returns the loss in nats and dlogits = y − d, (..., O), in the dtype of the logits.
    Raises ValueError when the shapes differ, a class number is out of range, a distribution does not sum to 1, or the
    loss overflows.
    """
    logits, targets, counted = _answers("logits", logits, targets, counted)
    O = logits.shape[-1]
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        shifted = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=-1, keepdims=True)
    y = np.ascontiguousarray(e / total)
    if targets.ndim == logits.ndim - 1:
        chosen = require_tokens("targets", _filled(targets, counted, 0), logits.shape[:-1], O).ravel()
        answers, flat = np.arange(chosen.size), y.reshape(-1, O)
        losses = np.log(total).ravel() - shifted.reshape(-1, O)[answers, chosen]
        flat[answers, chosen] -= 1  # flat is a view of y
        loss = _filled(losses, None if counted is None else counted.ravel(), 0).sum()
        return _finite("logits", loss), _filled(y, counted, 0)
    d = require_probabilities("targets", _filled(targets, counted, np.eye(O)[0]), logits.shape)
    d = d.astype(logits.dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = _filled(d * (np.log(total) - shifted), counted, 0)
    return _finite("logits", losses.sum()), _filled(y - d, counted, 0)


def squared_error(outputs: Array, targets: Array, counted: Array | None = None) -> tuple[float, Array]:
    """Sum of the squared errors of outputs against targets of the same shape (..., O), and its gradient.

    counted  True where an answer counts, (...), as for `cross_entropy`; all by default
    Returns the loss and d_outputs = 2 (outputs − targets), in the dtype of the outputs.
    Raises ValueError when the shapes differ, for NaN, or when the loss overflows.
    """
    outputs, targets, counted = _answers("outputs", outputs, targets, counted)
    targets = require_array("targets", _filled(targets, counted, 0), outputs.shape).astype(outputs.dtype, copy=False)
    with np.errstate(over="ignore"):  # what overflows is refused
        error = outputs - targets
        return _finite("outputs", np.vdot(error, error)), 2 * error


def _finite(name: str, loss: float) -> float:
    if not np.isfinite(loss):
        raise ValueError(f"{name}: expected answers with a finite loss, got {loss}")
    return float(loss)


def _answers(name: str, answers: Array, targets: Array, counted: Array | None) -> tuple[Array, Array, Array | None]:
    """What a loss is given, as arrays; 0 for answers that do not count."""
    raw, targets = as_array(name, answers), as_array("targets", targets)
    if counted is not None:
        counted = as_array("counted", counted)
        require_shape("counted", counted, raw.shape[:-1])
        if counted.dtype != bool:
            raise ValueError(f"counted: expected booleans, True where an answer counts, got dtype {counted.dtype}")
        if targets.shape[: counted.ndim] != counted.shape:
            raise ValueError(f"targets: expected shape {counted.shape} or {raw.shape}, got {targets.shape}")
    return require_array(name, _filled(raw, counted, 0), (*"ABCDEFG"[: max(raw.ndim - 1, 0)], "O")), targets, counted


def _filled(rows: Array, counted: Array | None, value: object) -> Array:
    """`value` in the place of what does not count; rows (...) or (..., O)."""
    if counted is None:
        return rows
    return np.where(counted if rows.ndim == counted.ndim else counted[..., None], rows, np.asarray(value, rows.dtype))


def one_hot(tokens: Array, size: int) -> Array:
    """Vectors with a single 1: integers (...) in 0 … size − 1 → (..., size), float64.

    Raises ValueError for other tokens and for a size below 1.
    """
    tokens, size = as_array("tokens", tokens), require_size("size", size)
    if tokens.dtype.kind not in "iu" or (tokens.size and (tokens.min() < 0 or tokens.max() >= size)):
        raise ValueError(f"tokens: expected integers from 0 to {size - 1}, got {tokens!r}")
    return np.eye(size)[tokens]


ONE_HOT, FEW, OFTEN = 64, 100_000, 32  # tokens in a vocabulary, numbers in all rows, rows of one token


def sums_by_token(rows: Array, tokens: Array, size: int) -> Array:
    """The sum of the rows that belong to each token: rows (N, n), tokens (N,) below `size` → (size, n).

    It is the product of one-hot vectors with the rows, and the gradient of looking up rows of a table.
    """
    N, n = rows.shape
    if size <= ONE_HOT:
        return np.eye(size, dtype=rows.dtype)[tokens].T @ rows
    sums = np.zeros((size, n), rows.dtype)
    if rows.size <= FEW:
        np.add.at(sums.reshape(-1), (tokens[:, None] * n + np.arange(n)).ravel(), rows.ravel())
        return sums
    by_token = np.argsort(tokens, kind="stable")
    first = np.flatnonzero(np.diff(tokens[by_token], prepend=-1))  # where another token begins
    count = np.diff(first, append=N)
    for begin, number in zip(first[count > OFTEN], count[count > OFTEN], strict=True):
        sums[tokens[by_token[begin]]] = rows[by_token[begin : begin + number]].sum(axis=0)
    first, count = first[count <= OFTEN], count[count <= OFTEN]
    for k in range(count.max(initial=0)):  # the k-th row of every token that has one: no token twice
        kth = by_token[first[count > k] + k]
        sums[tokens[kth]] += rows[kth]
    return sums
