"""The fast walk computes what the plain one does, for every cell, and nothing of it is left behind."""

from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_layer
from companion.bptt.skip_elman import SkipElman
from companion.core import reference, walk
from companion.core.cell import weight_name
from companion.core.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH, Activation
from companion.core.order import layout
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM

KINDS = {kind.__name__: kind for kind in (LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore)}
KINDS |= {g.name: lambda I, H, g=g: Elman(I, H, g) for g in (TANH, SIGMOID, RELU, IDENTITY)}
KINDS |= {"skip": lambda I, H: SkipElman(I, H, 3), "Jordan": lambda I, H: Jordan(I, H, 3)}
KINDS |= {"Jordan, softmax": lambda I, H: Jordan(I, H, H, TANH, SOFTMAX)}


SOFTPLUS = Activation("softplus", lambda a: np.log(1 + np.exp(a)), lambda y: 1 - np.exp(-y), lambda s, dy: s * dy)


class Crossed:
    """A made-up cell that uses what no other does: gates with ReLU and softplus, a peephole to a gate of the same step,
    a state that is sent nothing (n), one by peepholes alone (l), one by a product and a peephole (m), weights in its
    slopes. What a source feeds does not lie side by side: s and l feed g and v, and q lies between.
    """

    wiring = MappingProxyType(
        {
            "u": ("x",),
            "q": ("x", "m_before", "p*m_before"),
            "v": ("s_before", "p*l_before"),
            "g": ("x", "s_before", "p*l_before"),
            "r": ("p*u",),
        }
    )
    gates = MappingProxyType({"u": RELU, "v": SOFTPLUS, "q": SIGMOID, "g": TANH})
    state = ("s", "m", "n", "l")
    outputs = ("m", "s")

    def __init__(self, inputs, hidden):
        self.sizes = {"x": inputs} | dict.fromkeys((*"uqvgrsmnl",), hidden)

    def step(self, w, now, before):
        r = w["p_r"] * now["u"] + w["b_r"]
        s = now["g"] * now["q"] + r * now["v"]
        return {"r": r, "s": s, "m": before["s"], "n": s, "l": -s}

    def slopes(self, w, now, before):
        return {
            "u": now["v"] * w["p_r"] * (now["u"] > 0),
            "q": now["g"] * now["q"] * (1 - now["q"]),
            "v": now["r"] * SOFTPLUS.slopes(now["v"]),
            "g": now["q"] * (1 - now["g"] ** 2),
            "r": now["v"],
        }

    def back(self, w, s, d):
        ds = d["s"] + d["n"] - d["l"]
        return {k: s[k] * ds for k in "uqvgr"}, {"s": d["m"]}


class Deaf(Elman):
    """An Elman network that reads no input."""

    wiring = MappingProxyType({"h": ("h_before",)})


KINDS |= {"crossed": Crossed, "deaf": Deaf}


def drawn(cell, T, B, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    w = initial_weights(weight_shapes(cell), rng, 0.9, dtype)
    initial = {name: rng.normal(size=(B, cell.sizes[name])).astype(dtype) for name in cell.state}
    return rng, w, rng.normal(size=(T, B, cell.sizes["x"])).astype(dtype), initial


def assert_the_same(cell, rng, w, x, initial):
    """States, δ and gradients of the fast walk are those of the plain one, whichever outputs the loss sees."""
    plain, fast = reference.forward(cell, w, x, initial), walk.forward(cell, w, x, initial)
    assert set(plain) == set(fast)
    for name, rows in plain.items():
        np.testing.assert_allclose(fast[name][1:], rows[1:], rtol=0, atol=1e-12, err_msg=name)
    for name in cell.state:
        np.testing.assert_array_equal(fast[name][0], initial[name])
    assert_the_same_backwards(cell, rng, w, x, fast)


def assert_the_same_backwards(cell, rng, w, x, kept):
    given_to = [name for name in cell.outputs if rng.random() < 0.7]
    d = {name: rng.normal(size=kept[name].shape) for name in given_to}
    da, d_initial = reference.deltas(cell, w, kept, d)
    stacked, d_initial_fast = walk.deltas(cell, w, kept, d)
    place = layout(cell)
    for k, columns in place.columns.items():
        np.testing.assert_allclose(stacked[..., columns], da[k], rtol=0, atol=1e-11, err_msg=k)
    for name in cell.state:
        np.testing.assert_allclose(d_initial_fast[name], d_initial[name], rtol=0, atol=1e-11, err_msg=name)
    if x.ndim == 3:
        dx = walk.input_gradient(w, place, stacked[1:].reshape(-1, place.width), np.full_like(x, np.nan))
        sent = [da[k][1:] @ w[weight_name("x", k)] for k, sources in cell.wiring.items() if "x" in sources]
        np.testing.assert_allclose(dx, sum(sent, np.zeros_like(x)), rtol=0, atol=1e-11)


kinds, few, seeds = st.sampled_from(sorted(KINDS)), st.integers(1, 4), st.integers(0, 2**32 - 1)


@settings(max_examples=120)
@given(kind=kinds, T=st.integers(1, 7), B=few, I=few, H=few, tokens=st.booleans(), seed=seeds)
@example(kind="PeepholeLSTM", T=1, B=1, I=1, H=1, tokens=False, seed=0)
@example(kind="crossed", T=4, B=2, I=2, H=3, tokens=False, seed=0)
def test_the_fast_walk_is_the_plain_walk(kind, T, B, I, H, tokens, seed):
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, seed)
    assert_the_same(cell, rng, w, rng.integers(0, I, (T, B)) if tokens else x, initial)


@settings(max_examples=80)
@given(
    kind=kinds,
    T=st.integers(1, 9),
    B=st.integers(1, 9),
    I=few,
    H=st.integers(1, 6),
    product=st.sampled_from([1, 30, 300, 3000]),
    part=st.integers(1, 3),
    slopes=st.sampled_from([1, 500]),
    seed=seeds,
)
@example(kind="LSTM", T=5, B=3, I=2, H=6, product=30, part=1, slopes=1, seed=0)
@example(kind="GRU", T=7, B=2, I=3, H=4, product=1, part=2, slopes=500, seed=1)
def test_however_products_and_steps_are_cut_the_results_are_the_same(kind, T, B, I, H, product, part, slopes, seed):
    cell = KINDS[kind](I, H)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SMALL_PRODUCT": product, "LEAST_PART": part, "SLOPES": slopes}.items():
            patch.setattr(walk, name, value)
        assert_the_same(cell, *drawn(cell, T, B, seed))


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU", "PeepholeLSTM", "GRUResetBefore"])
@pytest.mark.parametrize("shape", [(3, 40, 5, 96), (30, 20, 3, 64), (2, 64, 20, 512)])
def test_large_products_cut_into_blocks_are_the_same_products(kind, shape):
    """Shapes at which products are cut, slopes come in several blocks, and sums over k are split (the last)."""
    T, B, I, H = shape
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, 0)
    assert_the_same(cell, rng, {name: value / H**0.5 for name, value in w.items()}, x, initial)


class Uneven(Elman):
    """Two states of different sizes, each fed by both; their pre-activations cannot lie in one stack."""

    wiring = MappingProxyType(dict.fromkeys("uv", ("x", "h_before", "c_before")))
    gates = MappingProxyType(dict.fromkeys("uv", TANH))
    state = outputs = ("h", "c")

    @property
    def sizes(self):
        return {"x": self.inputs} | dict.fromkeys("uh", self.hidden) | dict.fromkeys("vc", self.hidden + 2)

    def step(self, w, now, before):
        return {"h": now["u"], "c": now["v"]}

    def slopes(self, w, now, before):
        return {k: TANH.slopes(now[k]) for k in "uv"}

    def back(self, w, s, d):
        return {"u": s["u"] * d["h"], "v": s["v"] * d["c"]}, {}


@settings(max_examples=30)
@given(T=st.integers(1, 5), B=st.integers(1, 9), I=few, H=few, product=st.sampled_from([1, 100, 10**6]), seed=seeds)
def test_sizes_may_differ_and_are_then_walked_plainly_forwards_only(T, B, I, H, product, seed):
    cell = Uneven(I, H)
    rng, w, x, initial = drawn(cell, T, B, seed)
    with pytest.raises(TypeError, match=f"of one size can be stacked, not of .{H}, {H + 2}"):
        walk.forward(cell, w, x, initial)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "SMALL_PRODUCT", product)
        assert_the_same_backwards(cell, rng, w, x, reference.forward(cell, w, x, initial))


@pytest.mark.parametrize("kind", [Crossed, Deaf, Uneven])
def test_the_core_has_the_gradients_of_made_up_cells_and_no_others(kind):
    cell = kind(2, 3)
    rng, w, x, initial = drawn(cell, 5, 2, 3)
    check_layer(cell, w, x, rng, initial)
    h, tape = forward(cell, w, x, initial)
    assert set(backward(tape, {cell.outputs[0]: h})) == {*w, "dx", *(f"d{name}_0" for name in cell.state)}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_depends_on_what_memory_held_before(monkeypatch, kind):
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype))
    monkeypatch.setattr(np, "empty_like", lambda array: np.full_like(array, np.nan))
    cell = KINDS[kind](2, 3)
    for B in (1, 4):
        assert_the_same(cell, *drawn(cell, 5, B, 0))


@pytest.mark.parametrize("kind", ["tanh", "relu", "LSTM", "GRU", "PeepholeLSTM", "CoupledLSTM", "GRUResetBefore"])
def test_float32_differs_by_rounding_only(kind):
    cell = KINDS[kind](5, 8)
    rng, w, x, initial = drawn(cell, 20, 17, 1)
    d = {"h": rng.normal(size=(21, 17, 8))}
    h, tape = forward(cell, w, x, initial)
    small = [{name: value.astype(np.float32) for name, value in arrays.items()} for arrays in (w, initial, d)]
    h_32, tape_32 = forward(cell, small[0], x.astype(np.float32), small[1])
    assert h_32.dtype == np.float32
    np.testing.assert_allclose(h_32, h, atol=1e-4)
    ours, theirs = backward(tape_32, small[2]), backward(tape, d)
    for name, gradient in theirs.items():
        assert ours[name].dtype == np.float32
        np.testing.assert_allclose(ours[name], gradient, atol=1e-4 * max(1, np.abs(gradient).max()), err_msg=name)


class Branching(LSTM):
    """An LSTM whose equations choose between arrays: nothing that leaves a record."""

    def step(self, w, now, before):
        return {name: np.where(True, value, 0) for name, value in super().step(w, now, before).items()}

    def back(self, w, s, d):
        da, direct = super().back(w, s, d)
        return {k: np.where(True, da_k, 0) for k, da_k in da.items()}, direct


def test_a_cell_that_leaves_no_record_is_walked_plainly():
    cell = Branching(2, 3)
    rng, w, x, initial = drawn(cell, 5, 2, 3)
    with pytest.raises(TypeError, match="where is no ufunc"):
        walk.forward(cell, w, x, initial)
    h, tape = forward(cell, w, x, initial)
    with pytest.raises(TypeError, match="where is no ufunc"):
        walk.deltas(cell, w, tape.kept, {"h": h})
    np.testing.assert_array_equal(h, reference.forward(cell, w, x, initial)["h"])
    check_layer(cell, w, x, rng, initial)


def test_results_do_not_change_when_the_same_memory_is_used_again():
    cell = LSTM(20, 40)
    rng, w, x, initial = drawn(cell, 30, 8, 4)
    h, tape = forward(cell, w, x, initial)
    gradients = backward(tape, {"h": np.ones_like(h)})
    kept = {name: value.copy() for name, value in (tape.kept | gradients).items()}
    for _ in range(3):
        other, other_tape = forward(cell, w, -x, initial)
        backward(other_tape, {"h": np.ones_like(other)})
        del other, other_tape
    for name, value in (tape.kept | gradients).items():
        np.testing.assert_array_equal(value, kept[name], err_msg=name)
    again = backward(tape, {"h": np.ones_like(h)})
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, again[name], err_msg=name)


@pytest.mark.parametrize(
    ("size", "rest", "number"),
    [
        (128, 32 * 128, 1),
        (128, 32 * 512, 4),
        (256, 64 * 256, 8),
        (512, 64 * 512, 32),
        (512, 64 * 2048, 1),
        (17, 10**6, 1),
        (30, 60_000, 1),
        (128, 32 * 512 + 1, 4),
    ],
)
def test_parts_are_small_products_and_not_too_narrow(size, rest, number):
    assert walk.parts(size, rest) == number
    if number > 1:
        assert size // number * rest <= walk.SMALL_PRODUCT < size * rest


def test_blocks_of_columns_are_small_products_that_make_up_the_whole():
    rng = np.random.default_rng(5)
    rows, factors = rng.normal(size=(32, 512)), rng.normal(size=(2, 512, 128))
    blocks = walk.in_blocks(factors, len(rows))
    assert blocks.shape == (2, 4, 512, 32) and len(rows) * blocks[0, 0].size <= walk.SMALL_PRODUCT
    out = np.empty((2, 32, 128))
    np.matmul(rows, blocks, out=walk.in_blocks_view(out, blocks))
    np.testing.assert_allclose(out, rows @ factors, rtol=0, atol=1e-11)


@pytest.mark.parametrize("B", [3, 20])
def test_products_of_all_steps_are_those_of_each_step(B):
    rng = np.random.default_rng(6)
    rows, factors, out = rng.normal(size=(5, B, 7)), rng.normal(size=(2, 7, 4)), np.empty((5, 2, B, 4))
    walk.multiply_steps(rows.reshape(-1, 7), factors, out)
    np.testing.assert_allclose(out, rows[:, None] @ factors, rtol=0, atol=1e-13)


def test_a_long_product_cut_into_blocks_of_rows_is_the_same_product():
    rng = np.random.default_rng(7)
    rows, factors, out = rng.normal(size=(640, 40)), rng.normal(size=(40, 50)), np.empty((640, 50))
    assert walk.parts(640, 40 * 50) == 2
    walk.multiply_rows(rows, factors, out)
    np.testing.assert_allclose(out, rows @ factors, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "small", "forwards", "backwards", "fed_by_x"),
    [
        ("tanh", 36, [6], [6], 6),
        ("LSTM", 144, [6], [24], 24),
        ("LSTM", 143, [6], [6], 24),
        ("crossed", 108, [6, 6], [6, 18], 18),  # of the two states that are multiplied by matrices
        ("crossed", 107, [6, 6], [6, 6], 18),
    ],
)
def test_products_are_cut_by_the_multiplications_they_take(monkeypatch, kind, small, forwards, backwards, fed_by_x):
    """Backwards the sum over all gates is one product as long as two columns of that (LEAST_PART) are a small one."""
    T, B, I, H = 5, 3, 7, 6
    asked, parts = [], walk.parts
    monkeypatch.setattr(walk, "parts", lambda size, rest: asked.append((size, rest)) or parts(size, rest))
    monkeypatch.setattr(walk, "SMALL_PRODUCT", small)
    monkeypatch.setattr(walk, "LEAST_PART", 2)
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, 0)
    _, tape = forward(cell, w, x, initial)
    assert asked == [(H, B * (I + 1)), *((H, B * n) for n in forwards)]  # of x_t and a one, and of h_{t-1}
    asked.clear()
    backward(tape, {})
    assert asked == [*((H, B * n) for n in backwards), (T * B, fed_by_x * I)]  # to h_{t-1}, and to x of all steps


@pytest.mark.parametrize(("T", "spans"), [(1, [(1, 2)]), (4, [(3, 5), (1, 3)]), (5, [(4, 6), (2, 4), (1, 2)])])
def test_slopes_come_block_by_block_from_the_last_each_step_once(monkeypatch, T, spans):
    """Here two steps of the main output fill a block."""
    cell = LSTM(2, 3)
    _, w, x, initial = drawn(cell, T, 4, 0)
    kept = walk.forward(cell, w, x, initial)
    monkeypatch.setattr(walk, "SLOPES", 2 * initial["h"].nbytes)
    slopes = walk._Slopes(cell, w, kept)
    assert slopes.spans == spans
    for number, (first, end) in reversed(list(enumerate(spans))):  # a block is computed whenever it is asked for
        np.testing.assert_array_equal(slopes.block(number)["c_before"], kept["f"][first:end])
    jordan = Jordan(2, 5, 3)  # its main output is y (B, 3), like h above
    _, w, x, initial = drawn(jordan, T, 4, 0)
    assert walk._Slopes(jordan, w, walk.forward(jordan, w, x, initial)).spans == spans


def test_what_a_step_returns_as_it_was_given_is_kept_where_it_lies():
    cell = GRU(2, 3)
    _, w, x, initial = drawn(cell, 4, 5, 0)
    kept = walk.forward(cell, w, x, initial)
    assert kept["a_hn"].base is kept["r"].base and kept["n"].base is not kept["r"].base


def test_a_tape_keeps_what_the_backward_pass_needs_and_no_more():
    """Gates, what a step computes, and a pre-activation only where the slopes need it."""
    expected = {
        "tanh": {"h"},
        "LSTM": {*"ifgo", "c", "tanh_c", "h"},
        "PeepholeLSTM": {*"ifgo", "c", "tanh_c", "h"},
        "GRU": {"r", "z", "n", "a_hn", "h"},
        "GRUResetBefore": {"r", "z", "n", "h"},
    }
    for kind, names in expected.items():
        cell = KINDS[kind](2, 3)
        _, w, x, initial = drawn(cell, 4, 2, 5)
        assert set(forward(cell, w, x, initial)[1].kept) == names, kind
    h = forward(KINDS["tanh"](2, 3), *drawn(KINDS["tanh"](2, 3), 4, 2, 5)[1:])[0]
    assert h.base is None or h.base.size == h.size  # no view of a larger array that would stay alive with it
