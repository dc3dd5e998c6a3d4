"""The fast walk computes what the plain one does, for every cell, and nothing of it is left behind."""

from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, reference, walk, weight_shapes
from companion.cells import SkipElman
from companion.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH
from companion.gated import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM

KINDS = {kind.__name__: kind for kind in (LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore)}
KINDS |= {g.name: lambda I, H, g=g: Elman(I, H, g) for g in (TANH, SIGMOID, RELU, IDENTITY)}
KINDS |= {"skip": lambda I, H: SkipElman(I, H, 3), "Jordan": lambda I, H: Jordan(I, H, 3)}
KINDS |= {"Jordan, softmax": lambda I, H: Jordan(I, H, H, TANH, SOFTMAX)}


class Crossed:
    """A made-up cell that uses what no other does: a gate with ReLU, a peephole alone, a state nothing is sent to.

    The sources of its pre-activations do not lie side by side: u reads x, v reads s, and q reads x and s by a peephole.
    """

    wiring = MappingProxyType({"u": ("x",), "v": ("s_before",), "q": ("x", "p*s_before"), "g": ("x", "s_before")})
    gates = MappingProxyType({"u": RELU, "q": SIGMOID, "g": TANH})
    state = ("s", "m", "n")
    outputs = ("m", "s")

    def __init__(self, inputs, hidden):
        self.sizes = {"x": inputs} | dict.fromkeys((*"uvqgsmn",), hidden)

    def step(self, w, now, before):
        s = now["g"] * now["q"] + now["u"] * now["a_v"]
        return {"s": s, "m": before["s"], "n": s}

    def slopes(self, w, now, before):
        return {
            "g": now["q"] * (1 - now["g"] ** 2),
            "q": now["g"] * now["q"] * (1 - now["q"]),
            "u": now["a_v"] * (now["u"] > 0),
            "v": now["u"],
        }

    def back(self, w, s, d):
        ds = d["s"] + d["n"]
        return {k: s[k] * ds for k in "gquv"}, {"s": d["m"]}


KINDS |= {"crossed": Crossed}


def drawn(cell, T, B, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    w = initial_weights(weight_shapes(cell), rng, 0.9, dtype)
    initial = {name: rng.normal(size=(B, cell.sizes[name])).astype(dtype) for name in cell.state}
    return rng, w, rng.normal(size=(T, B, cell.sizes["x"])).astype(dtype), initial


@settings(max_examples=120)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    T=st.integers(1, 7),
    B=st.integers(1, 4),
    I=st.integers(1, 4),
    H=st.integers(1, 4),
    tokens=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@example(kind="PeepholeLSTM", T=1, B=1, I=1, H=1, tokens=False, seed=0)
@example(kind="crossed", T=4, B=2, I=2, H=3, tokens=False, seed=0)
def test_the_fast_walk_is_the_plain_walk(kind, T, B, I, H, tokens, seed):
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, seed)
    x = rng.integers(0, I, (T, B)) if tokens else x
    plain, fast = reference.forward(cell, w, x, initial), walk.forward(cell, w, x, initial)
    assert set(plain) == set(fast)
    for name, rows in plain.items():
        np.testing.assert_allclose(fast[name][1:], rows[1:], rtol=0, atol=1e-12, err_msg=name)
    for name in cell.state:
        np.testing.assert_array_equal(fast[name][0], initial[name])
    given_to = [name for name in cell.outputs if rng.random() < 0.7]
    d = {name: rng.normal(size=plain[name].shape) for name in given_to}
    da, d_initial = reference.deltas(cell, w, plain, d)
    stacked, d_initial_fast = walk.deltas(cell, w, fast, d)
    for k, columns in walk.layout(cell).columns.items():
        np.testing.assert_allclose(stacked[..., columns], da[k], rtol=0, atol=1e-11, err_msg=k)
    for name in cell.state:
        np.testing.assert_allclose(d_initial_fast[name], d_initial[name], rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU", "PeepholeLSTM", "GRUResetBefore"])
@pytest.mark.parametrize("shape", [(3, 40, 5, 96), (30, 20, 3, 64), (2, 64, 20, 512)])
def test_large_products_cut_into_blocks_are_the_same_products(kind, shape):
    """Shapes at which products are cut, slopes come in several blocks, and sums over k are split (the last)."""
    T, B, I, H = shape
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, 0)
    w = {name: value / H**0.5 for name, value in w.items()}
    plain, fast = reference.forward(cell, w, x, initial), walk.forward(cell, w, x, initial)
    for name, rows in plain.items():
        np.testing.assert_allclose(fast[name][1:], rows[1:], rtol=0, atol=1e-12, err_msg=name)
    d = {"h": rng.normal(size=plain["h"].shape)}
    da, d_initial = reference.deltas(cell, w, plain, d)
    stacked, d_initial_fast = walk.deltas(cell, w, fast, d)
    for k, columns in walk.layout(cell).columns.items():
        np.testing.assert_allclose(stacked[..., columns], da[k], rtol=0, atol=1e-11, err_msg=k)
    np.testing.assert_allclose(d_initial_fast["h"], d_initial["h"], rtol=0, atol=1e-11)


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


class Branching(Elman):
    """An Elman network whose equations choose between arrays: nothing that leaves a record."""

    def step(self, w, now, before):
        return {"h": np.where(now["a_h"] > 0, np.tanh(now["a_h"]), 0.5 * np.tanh(now["a_h"]))}

    def slopes(self, w, now, before):
        return {"h": np.where(now["h"] > 0, 1 - now["h"] ** 2, 0.5 - 2 * now["h"] ** 2)}

    def back(self, w, s, d):
        return {"h": np.where(True, s["h"] * d["h"], 0)}, {}


def test_a_cell_that_leaves_no_record_is_walked_plainly():
    from companion.gradients import check_layer

    cell = Branching(2, 3)
    rng, w, x, initial = drawn(cell, 5, 2, 3)
    with pytest.raises(TypeError, match="where is no ufunc"):
        walk.forward(cell, w, x, initial)
    h, _ = forward(cell, w, x, initial)
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
    ],
)
def test_parts_are_small_products_and_not_too_narrow(size, rest, number):
    assert walk.parts(size, rest) == number
    if number > 1:
        assert size // number * rest <= walk.SMALL_PRODUCT < size * rest


def test_neighbours_in_memory():
    """What shares a factor lies side by side, and among it the gates with tanh before those with σ."""
    assert walk.layout(LSTM(2, 3)).order == ("g", "i", "f", "o")
    assert walk.layout(GRU(2, 3)).order == ("n", "r", "z", "hn")
    assert walk.layout(PeepholeLSTM(2, 3)).order == ("o", "g", "i", "f")
    assert walk.layout(Jordan(2, 3, 4)).order == ("h", "y") and walk.layout(Jordan(2, 3, 4)).stacked == ("h",)
    gru = walk.layout(GRU(2, 3))
    assert gru.fed["x"].group == ("n", "r", "z") and gru.fed["h_before"].group == ("r", "z", "hn")
    assert gru.fed["h_before"].columns == slice(3, 12) and gru.width == 12
