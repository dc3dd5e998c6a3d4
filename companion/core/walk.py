"""The walk through time, fast: what recurrent.py calls. reference.py says the same in fewer lines and takes longer.

Where the speed comes from:

1. The inputs of all steps meet their weights in one matrix product before the walk, and each weight's gradient is one
   product after it. What stays in the loop is what waits for the step before.
2. The pre-activations of a step lie in one array, one after another. One product makes their recurrent terms and one
   tanh their values, for σ(a) = (1 + tanh(a/2)) / 2; the half is in a copy of the weights.
3. The cell's own equations are recorded once (recording.py) and then run into arrays that exist already.
4. Local slopes are computed for as many steps at once as fit the processor's cache.
5. A product of large matrices is cut into blocks that OpenBLAS multiplies without copying them first.
6. Memory that was freed is used again instead of being fetched anew from the system, page by page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from companion.core.cell import PEEPHOLE, Arrays, Cell, parsed, weight_name
from companion.core.functions import SIGMOID, TANH, Activation
from companion.core.order import Layout, layout
from companion.core.recording import NotRecordable, Operation, Rows, record, run, with_operands, written_to
from companion.core.validation import Array

SMALL_PRODUCT = 1_000_000  # multiplications: up to here OpenBLAS (0.3.31, x86-64) does not copy its operands first
LEAST_PART = 16  # rows or columns of a block; narrower ones leave vector registers half empty
SLOPES = 1 << 17  # bytes of one state vector in a block of steps whose slopes are computed together


# What the GNU C library does with freed memory it decides by the largest block freed so far, up to 32 MB (mallopt(3),
# "dynamic adjustment"): twice as much is kept for the next request, the rest goes back to the system, and costs more to
# get again than many a computation. One such block, freed unused, settles it. Elsewhere the line does nothing.
np.empty((1 << 25) - (1 << 13), np.uint8)


# --- forwards --------------------------------------------------------------------------------------------------------


def forward(cell: Cell, w: Arrays, x: Array, initial: Arrays) -> dict[str, Array]:
    """All that the steps compute, name → (T + 1, B, ·) with the initial state in row 0; arguments are checked already.

    Raises NotRecordable for a cell that only reference.py can walk.
    """
    place = layout(cell)
    T, dtype = len(x), initial[cell.state[0]].dtype
    half = {k: dtype.type(0.5 if cell.gates.get(k) is SIGMOID else 1) for k in place.stacked}
    a = _projected(cell, w, x, place, half)  # (T + 1, G, B, n)
    stacked = {k if k in cell.gates else f"a_{k}": a[:, i] for i, k in enumerate(place.stacked)}
    now = {name: rows[1] for name, rows in stacked.items()}
    before = {name: np.zeros_like(initial[name]) for name in cell.state}
    recorded, results = record(partial(cell.step, w), now, before)
    kept = {name: rows for name, rows in stacked.items() if name in cell.gates or _is(results.get(name), now[name])}
    made = {name: result for name, result in results.items() if name not in kept}
    kept |= {name: np.empty((T + 1, *result.shape), dtype) for name, result in made.items()}
    for name, rows in kept.items():
        rows[0] = initial.get(name, 0)
    places = {id(array): Rows(stacked[name][1:]) for name, array in now.items()}
    places |= {id(array): Rows(kept[name][:-1]) for name, array in before.items()}
    targets = {name: Rows(kept[name][1:]) for name in made}
    operations = [
        *_recurrent_terms(cell, w, place, half, a, kept),
        *_gate_values(cell, place, a),
        *with_operands(written_to(recorded, made, targets), places),
    ]
    run(operations, T)
    return kept


def _is(result: object, array: Array) -> bool:
    """Whether a step returned this array as it was given."""
    return getattr(result, "array", result) is array


def _projected(cell: Cell, w: Arrays, x: Array, place: Layout, half: Arrays) -> Array:
    """W_xk x_t + b_k of all steps, (T + 1, G, B, n); row 0 belongs to no step, a gate with σ has the half."""
    T, B = x.shape[:2]
    sizes = {place.sizes[k] for k in place.stacked}
    if len(sizes) != 1:
        raise NotRecordable(f"pre-activations of one size can be stacked, not of {sorted(sizes)}")
    bias = np.stack([w[f"b_{k}"] * half[k] for k in place.stacked])  # (G, n)
    a = np.empty((T + 1, len(bias), B, sizes.pop()), bias.dtype)
    span = place.fed["x"].span if "x" in place.fed else slice(0, 0)  # from 0, without a gap: see `layout`
    a[1:, span.stop :] = bias[span.stop :, None]
    if "x" not in place.fed:
        return a
    if x.ndim == 3 and B == 1:  # a step's pre-activations are one row
        W = np.concatenate([_rows_of_weights(w, place, "x", half), bias[span].reshape(-1, 1)], axis=1)
        n = a.shape[-1]
        np.matmul(with_ones(x), W.T, out=a[1:].reshape(T, -1)[:, : span.stop * n])
        return a
    if x.ndim == 2:
        for i, k in enumerate(place.fed["x"].names):
            np.multiply(w[f"W_x{k}"].T[x], half[k], out=a[1:, i])  # a one-hot x_t picks a column of W
            a[1:, i] += bias[i]
        return a
    W = _columns_of_weights(w, place, half, "x")  # (g, I, n)
    with_bias = np.concatenate([W, bias[span, None]], axis=1)  # its last row meets the ones
    multiply_steps(with_ones(x), with_bias, a[1:, span])
    return a


def _recurrent_terms(cell: Cell, w: Arrays, place: Layout, half: Arrays, a: Array, kept: Arrays) -> Iterator[Operation]:
    """a_k += W_hk h_{t-1} and a_k += p_k ⊙ c_{t-1}, for all k at once."""
    for source, fed in place.fed.items():
        s = parsed(source)
        if not (s.known and s.before):
            continue
        a_t, before = Rows(a[1:, fed.span]), Rows(kept[s.vector][:-1])
        terms = np.empty_like(a[0, fed.span])  # (g, B, n)
        if s.factor == PEEPHOLE:
            yield Operation(np.multiply, (before, _columns_of_weights(w, place, half, source)), terms)
        elif terms.shape[1] == 1:  # (g, 1, n) lies in memory like one row
            yield Operation(np.dot, (before, _rows_of_weights(w, place, source, half).T), terms.reshape(1, -1))
        else:
            blocks = in_blocks(_columns_of_weights(w, place, half, source), a.shape[2])
            yield Operation(np.matmul, (before, blocks), in_blocks_view(terms, blocks))
        yield Operation(np.add, (a_t, terms), a_t)


def _columns_of_weights(w: Arrays, place: Layout, half: Arrays, source: str) -> Array:
    """Transposed weights of the pre-activations that a source feeds, (g, m, n) or, of peepholes, (g, 1, n)."""
    fed = place.fed[source]
    transposed = {k: w[weight_name(source, k)].T for k in fed.names}
    example = transposed[fed.names[0]]
    factors = np.empty((len(fed.group), example.size // example.shape[-1], example.shape[-1]), example.dtype)
    for factor, k in zip(factors, fed.group, strict=True):
        np.multiply(transposed[k] if k in transposed else 0, half[k], out=factor)
    return factors


def _gate_values(cell: Cell, place: Layout, a: Array) -> Iterator[Operation]:
    """k_t = activation(a_k), in place."""
    gates = [cell.gates.get(k) for k in place.stacked]

    def runs(key: Callable[[int], Activation | None]) -> Iterator[tuple[Activation | None, Rows, Array]]:
        """Neighbours with the same key: the key, their rows, and those of one step."""
        for function, positions in groupby(range(len(gates)), key=key):
            first, *others = positions
            span = slice(first, first + 1 + len(others))
            yield function, Rows(a[1:, span]), a[1, span]

    for function, a_t, example in runs(lambda i: TANH if gates[i] is SIGMOID else gates[i]):
        if function is TANH:
            yield Operation(np.tanh, (a_t,), a_t)
        elif function is not None:
            recorded, values = record(lambda now, g=function: {"value": g(now["a"])}, {"a": example})
            yield from with_operands(written_to(recorded, values, {"value": a_t}), {id(example): a_t})
    half = a.dtype.type(0.5)
    for function, a_t, _ in runs(lambda i: gates[i]):
        if function is SIGMOID:
            yield Operation(np.multiply, (a_t, half), a_t)
            yield Operation(np.add, (a_t, half), a_t)


# --- backwards -------------------------------------------------------------------------------------------------------


def deltas(cell: Cell, w: Arrays, kept: Arrays, d_outputs: Arrays) -> tuple[Array, dict[str, Array]]:
    """The δ recursion: δ of all pre-activations, (T + 1, B, columns of the layout), and the initial state's gradient.

    d_outputs as for `recurrent.deltas`, checked already. Raises NotRecordable as `forward` does.
    """
    place, main = layout(cell), kept[cell.outputs[0]]
    T, B = len(main) - 1, main.shape[1]
    da = np.empty((T + 1, B, place.width), main.dtype)
    da[0] = 0
    carried = {name: np.zeros((2, *kept[name].shape[1:]), main.dtype) for name in cell.state}  # row t mod 2: of step t
    d = {name: np.zeros_like(kept[name][0]) for name in dict.fromkeys((*cell.state, *cell.outputs))}
    slopes = _Slopes(cell, w, kept)
    example = {name: rows[0] for name, rows in slopes.block(0).items()}  # any step's: only shapes count
    recorded, results = record(partial(_back, cell, w), example, d)
    places: dict[int, object] = {id(array): Rows(_OfSteps(slopes, name)) for name, array in example.items()}
    arriving, leaving = ({name: _alternating(pair, T + late, T) for name, pair in carried.items()} for late in (0, 1))
    sums = []
    for name, array in d.items():
        given = Rows(d_outputs[name][:0:-1]) if name in d_outputs else None
        if name in carried and given is not None:
            sums.append(Operation(np.add, (arriving[name], given), array))
        else:
            places[id(array)] = arriving.get(name) or given or array
    targets = {f"a_{k}": Rows(da[:0:-1, :, columns]) for k, columns in place.columns.items()} | leaving
    own = with_operands(written_to(recorded, results, targets), places)
    run([*sums, *own, *_sent_back(w, place, da, carried, results)], T)
    return da, {name: pair[0] + (d_outputs[name][0] if name in d_outputs else 0) for name, pair in carried.items()}


def _alternating(pair: Array, first: int, steps: int) -> Rows:
    """What is carried, step after step: the two rows of a pair by turns, from row `first` mod 2."""
    return Rows([pair[first % 2], pair[1 - first % 2]] * (steps // 2) + [pair[first % 2]] * (steps % 2))


def _back(cell: Cell, w: Arrays, s: Arrays, d: Arrays) -> dict[str, Array]:
    da, direct = cell.back(w, s, d)
    return {f"a_{k}": da_k for k, da_k in da.items()} | direct


class _Slopes:
    """The local slopes, block of steps by block of steps from the last, each computed when it is first asked for."""

    def __init__(self, cell: Cell, w: Arrays, kept: Arrays) -> None:
        main = kept[cell.outputs[0]]
        together = max(1, SLOPES // main[0].nbytes)
        self.spans = [(max(1, last - together + 1), last + 1) for last in range(len(main) - 1, 0, -together)]
        self.cell, self.w, self.kept, self.number, self.current = cell, w, kept, -1, dict[str, Array]()

    def block(self, number: int) -> dict[str, Array]:
        """The slopes of a block, name → (steps, B, ·) in the order of time."""
        if number != self.number:
            first, end = self.spans[number]
            now = {name: rows[first:end] for name, rows in self.kept.items()}
            before = {name: self.kept[name][first - 1 : end - 1] for name in self.cell.state}
            self.number, self.current = number, self.cell.slopes(self.w, now, before)
        return self.current


@dataclass(frozen=True)
class _OfSteps:
    """One slope, step after step from the last."""

    slopes: _Slopes
    name: str

    def __iter__(self) -> Iterator[Array]:
        for number in range(len(self.slopes.spans)):
            yield from self.slopes.block(number)[self.name][::-1]


def _sent_back(
    w: Arrays, place: Layout, da: Array, carried: Arrays, direct: Mapping[str, object]
) -> Iterator[Operation]:
    """What δ_t sends to the state of t − 1: Σ_k W_hkᵀ δ_k and p_k ⊙ δ_k, beside what the cell sends directly."""
    T, B = len(da) - 1, da.shape[1]
    written = set(direct)
    for source, fed in place.fed.items():
        s = parsed(source)
        if not (s.known and s.before):
            continue
        pair = carried[s.vector]
        leaving = _alternating(pair, T + 1, T)
        if s.factor == PEEPHOLE:
            for k in fed.names:
                da_k, terms = Rows(da[:0:-1, :, place.columns[k]]), np.empty_like(pair[0])
                target = terms if s.vector in written else leaving
                yield Operation(np.multiply, (da_k, w[weight_name(source, k)]), target)
                if s.vector in written:
                    yield Operation(np.add, (leaving, terms), leaving)
                written.add(s.vector)
            continue
        W, da_t = _rows_of_weights(w, place, source), da[:0:-1, :, fed.columns]
        G, n = len(fed.group), place.sizes[fed.group[0]]
        if B * len(W) * LEAST_PART <= SMALL_PRODUCT or len(W) != G * n:
            terms = np.empty_like(pair[:1]) if s.vector in written else pair
            blocks = in_blocks(W[None], B)[0]
            rows = terms if len(blocks) == 1 else in_blocks_view(terms, blocks)
            target = rows[0] if s.vector in written else _alternating(rows, T + 1, T)
            # np.dot is a little quicker than np.matmul, and takes plain matrices only
            function, factor = (np.dot, W) if len(blocks) == 1 else (np.matmul, blocks)
            yield Operation(function, (Rows(da_t), factor), target)
        else:  # too long a sum for a small product: one for each k, and their sum
            terms = np.empty((G, *pair.shape[1:]), pair.dtype)
            blocks = in_blocks(W.reshape(G, n, -1), B)
            da_k = Rows(da_t.reshape(T, B, G, 1, n).transpose(0, 2, 3, 1, 4))
            yield Operation(np.matmul, (da_k, blocks), in_blocks_view(terms, blocks))
            yield Operation(np.add.reduce, (terms, 0, None), terms[0] if s.vector in written else leaving)
        if s.vector in written:
            yield Operation(np.add, (leaving, terms[0]), leaving)
        written.add(s.vector)


def _rows_of_weights(w: Arrays, place: Layout, source: str, half: Arrays | None = None) -> Array:
    """The weights between a source and all it feeds, one under another, times `half`; zeros for what lies between."""
    fed = place.fed[source]
    first = w[weight_name(source, fed.names[0])]
    W = np.empty((fed.columns.stop - fed.columns.start, first.shape[1]), first.dtype)
    for k in fed.group:
        rows = slice(place.columns[k].start - fed.columns.start, place.columns[k].stop - fed.columns.start)
        if k in fed.names:
            np.multiply(w[weight_name(source, k)], half[k] if half else first.dtype.type(1), out=W[rows])
        else:
            W[rows] = 0
    return W


# --- products --------------------------------------------------------------------------------------------------------


def parts(size: int, rest: int) -> int:
    """Into how many equal parts to cut an axis of this size, when a product takes size · rest multiplications.

    The fewest that make each part a small product; 1 when none does without becoming too narrow.
    """
    for number in range(1, size // LEAST_PART + 1):
        if size % number == 0 and size // number * rest <= SMALL_PRODUCT:
            return number
    return 1


def in_blocks(factors: Array, rows: int) -> Array:
    """(g, m, n) → (g, c, m, n/c): blocks of columns that products with (rows, m) arrays take one by one."""
    g, m, n = factors.shape
    c = parts(n, rows * m)
    return np.ascontiguousarray(factors.reshape(g, m, c, n // c).swapaxes(1, 2))


def in_blocks_view(out: Array, blocks: Array) -> Array:
    """Where the products with blocks go: (g, B, n) seen as (g, c, B, n/c)."""
    c = blocks.shape[-3]
    return out.reshape(*out.shape[:-1], c, out.shape[-1] // c).swapaxes(-3, -2)


def multiply_steps(rows: Array, factors: Array, out: Array) -> None:
    """rows (T · B, m) times factors (g, m, n) into out (T, g, B, n)."""
    T, g, B, n = out.shape
    if B < LEAST_PART:  # too few rows for products of their own
        out[...] = np.matmul(rows, factors).reshape(g, T, B, n).swapaxes(0, 1)
    else:
        blocks = in_blocks(factors, B)
        np.matmul(rows.reshape(T, 1, 1, B, -1), blocks, out=in_blocks_view(out, blocks))


def multiply_rows(rows: Array, factors: Array, out: Array) -> None:
    """rows (N, m) times factors (m, n) into out, C-contiguous with N · n entries, a block of rows at a time."""
    (N, m), n = rows.shape, factors.shape[1]
    c = parts(N, m * n)
    np.matmul(rows.reshape(c, N // c, m), factors, out=out.reshape(c, N // c, n))


def with_ones(x: Array) -> Array:
    """x (T, B, I) as rows (T · B, I + 1) that end in a one, which meets the biases."""
    rows = np.empty((x.shape[0] * x.shape[1], x.shape[2] + 1), x.dtype)
    rows[:, :-1] = x.reshape(rows.shape[0], -1)
    rows[:, -1] = 1
    return rows


def input_gradient(w: Arrays, place: Layout, da: Array, dx: Array) -> Array:
    """∂loss/∂x_t = Σ_k W_xkᵀ δ_k of all steps, from da (T · B, all pre-activations) into dx (T, B, I)."""
    if "x" in place.fed:
        multiply_rows(da[:, place.fed["x"].columns], _rows_of_weights(w, place, "x"), dx)
    else:
        dx[...] = 0
    return dx
