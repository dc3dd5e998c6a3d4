"""The walk through time, written once for every cell: forwards the states, backwards δ.

Only what waits for the step before stands in a loop. The inputs of all steps meet their weights before it, the weights'
gradients are formed after it (recurrent.py), local slopes are computed for many steps at once. The pre-activations of a
step lie one after another in memory, each (B, n), so that one product sends the state to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from companion.core import validation
from companion.core.cell import PEEPHOLE, Arrays, Cell, Source, parsed, weight_name
from companion.core.order import Names, Order
from companion.core.validation import Array

SLOPES = 1 << 17  # bytes of one state vector in a block of steps whose slopes are computed together

# a state vector's name, weights, how the two are multiplied, and the rows over time that this leads to or comes from
Term = tuple[str, Array, Callable[[Array, Array], Array], Array]

# The GNU C library keeps freed memory for the next request, up to twice the largest block freed so far of up to 32 MB
# (mallopt(3), "dynamic adjustment"); the rest it hands back to the system, page by page. One block settles it.
np.empty((1 << 25) - (1 << 13), np.uint8)


def forward(cell: Cell, place: Order, w: Arrays, x: Array, initial: Arrays) -> dict[str, Array]:
    """All that the steps compute, name → (T + 1, B, ·), with the initial state, or 0, in row 0; all is checked already.

    x is (T, B, I + 1) and ends in ones, which meet the biases; or it holds tokens, (T, B).
    Raises ValueError when a step does not return what the cell declares.
    """
    T, B = x.shape[:2]
    a = np.empty((T + 1, B * sum(place.sizes[k] for k in place.known)), initial[cell.state[0]].dtype)
    rows = {k: a[:, place.span((k,), B)].reshape(T + 1, B, -1) for k in place.known}  # row t is a_k of step t
    for k, a_k in rows.items():
        _write_inputs(a_k[1:], cell, w, k, x)
    terms = list(_terms(w, place, a, B))
    runs = groupby(place.known, lambda k: (cell.gates.get(k), place.sizes[k]))
    gates = [(g, a[:, place.span(tuple(run), B)].reshape(T + 1, -1, B, n)) for (g, n), run in runs if g]
    known = {k if k in cell.gates else f"a_{k}": a_k for k, a_k in rows.items()}
    kept, before, names, states = {k: rows[k] for k in cell.gates}, initial, list[str](), dict[str, Array]()
    for t in range(1, T + 1):
        for h, W_hk, times, a_k in terms:
            a_t = a_k[t]
            a_t += times(before[h], W_hk)  # W_hk h_{t-1} for all k that h feeds, or p_k ⊙ c_{t-1}
        for g, gate in gates:
            gate[t] = g(gate[t])
        now = {name: a_k[t] for name, a_k in known.items()}
        step = cell.step(w, now, before).items()  # views of the a_k, which are overwritten now, are copied
        made = {name: v.copy() if v.base is a and v is not now.get(name) else v for name, v in step}
        if t == 1:
            validation.require_made(made, (*cell.state, *cell.outputs), cell.gates, place.sizes, B)
            kept |= _rooms(made, known, a)
            states = {name: validation.read_only(kept[name]) for name in cell.state}
            names = list(made)
        for name in names:
            kept[name][t] = made[name]
        before = {name: rows[t] for name, rows in states.items()}
    for name, values in kept.items():
        values[0] = initial.get(name, 0)
    return kept


def _write_inputs(a_k: Array, cell: Cell, w: Arrays, k: str, x: Array) -> None:
    """W_xk x_t + b_k of all steps into a_k (T, B, n)."""
    b = w[f"b_{k}"]
    if "x" not in cell.wiring[k]:
        a_k[...] = b
    elif x.ndim == 2:
        W = w[weight_name("x", k)]  # a one-hot x_t picks a column; b is added first where columns are few
        a_k[...] = np.take(W.T + b, x, axis=0) if 2 * W.shape[1] <= x.size else W.T[x] + b
    else:
        W_and_b = np.empty((x.shape[2], len(b)), b.dtype)  # row after row in memory, which multiplies fastest
        W_and_b[:-1], W_and_b[-1] = w[weight_name("x", k)].T, b
        if x.shape[1] == 1:
            np.matmul(x[:, 0], W_and_b, out=a_k[:, 0])
        else:
            np.matmul(x, W_and_b, out=a_k)


def _from_before(place: Order) -> Iterator[tuple[Source, str, Names]]:
    """What comes from t − 1 and is known before the step: the source, its name, and each run that it feeds."""
    for name, runs in place.fed.items():
        source = parsed(name)
        if source.known and source.before:
            yield from ((source, name, run) for run in runs)


def _terms(w: Arrays, place: Order, a: Array, B: int) -> Iterator[Term]:
    """What the state of t − 1 adds to pre-activations, in row t of an array."""
    for source, name, run in _from_before(place):
        W = np.array([w[weight_name(name, k)].T for k in run])  # (g, m, n), or (g, n); row after row in memory
        a_k = a[:, place.span(run, B)].reshape(len(a), len(run), B, -1)
        if source.factor == PEEPHOLE:
            yield source.vector, W[:, None], np.multiply, a_k
        elif B == 1 or len(run) == 1:  # (g, 1, n) lies in memory like one row
            yield source.vector, W.swapaxes(0, 1).reshape(W.shape[1], -1), np.dot, a_k.reshape(len(a), B, -1)
        else:
            yield source.vector, W, np.matmul, a_k


def _rooms(made: Arrays, known: Arrays, a: Array) -> dict[str, Array]:
    """Where to keep what steps make: k in the place of its a_k, unless the step hands that on, the rest for itself."""
    rooms = {}
    for name, value in made.items():
        own = known.get(name if name in known or f"a_{name}" in made else f"a_{name}")
        rooms[name] = np.empty((len(a), *np.shape(value)), a.dtype) if own is None else own
    return rooms


def deltas(cell: Cell, place: Order, w: Arrays, kept: Arrays, d_outputs: Arrays) -> tuple[Array, dict[str, Array]]:
    """δ of all pre-activations, (T + 1, B, columns of the order), and the gradient of the initial state.

    Raises ValueError when `back` does not return what the cell declares.
    """
    main = kept[cell.outputs[0]]
    da = np.empty((*main.shape[:2], place.span(place.names).stop), main.dtype)
    da[0] = 0
    rows = {k: da[..., columns] for k, columns in place.columns.items()}
    terms = list(_terms_back(w, place, da))
    zero = {name: validation.read_only(np.zeros_like(kept[name][0])) for name in (*cell.state, *cell.outputs)}
    carried = {name: zero[name] for name in cell.state}
    for t, slopes in _slopes(cell, w, kept):
        d = zero | carried
        for name, given in d_outputs.items():
            d[name] = given[t] + carried[name] if name in carried else given[t]
        da_t, direct = cell.back(w, slopes, d)
        if t == len(main) - 1:
            validation.require_sent(da_t, {k: a_k[t] for k, a_k in rows.items()}, direct, carried)
        for k, value in da_t.items():
            rows[k][t] = value
        carried = dict(direct)
        for h, W_hk, times, da_k in terms:
            dh = times(da_k[t], W_hk)  # Σ_k W_hkᵀ δ_k, or p_k ⊙ δ_k
            if h in carried:
                dh += carried[h]
            carried[h] = dh
        carried = {name: carried.get(name, zero[name]) for name in cell.state}
    return da, {name: carried[name] + (d_outputs[name][0] if name in d_outputs else 0) for name in cell.state}


def _terms_back(w: Arrays, place: Order, da: Array) -> Iterator[Term]:
    """What δ_t sends to the state of t − 1."""
    for source, name, run in _from_before(place):
        if source.factor == PEEPHOLE:
            for k in run:
                yield source.vector, w[weight_name(name, k)], np.multiply, da[..., place.columns[k]]
        else:
            W = np.concatenate([w[weight_name(name, k)] for k in run])
            yield source.vector, W, np.dot, da[..., place.span(run)]


def _slopes(cell: Cell, w: Arrays, kept: Arrays) -> Iterator[tuple[int, dict[str, Array]]]:
    """t = T, …, 1 with the local slopes of the step, computed for as many steps together as fit the cache."""
    main = kept[cell.outputs[0]]
    together = max(1, SLOPES // main[0].nbytes)
    for last in range(len(main) - 1, 0, -together):
        first = max(1, last - together + 1)
        now = {name: rows[first : last + 1] for name, rows in kept.items()}
        block = cell.slopes(w, now, {name: kept[name][first - 1 : last] for name in cell.state})
        validation.require_steps(block, last - first + 1)
        for t in range(last, first - 1, -1):
            yield t, {name: slopes[t - first] for name, slopes in block.items()}
