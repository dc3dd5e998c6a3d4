"""The LSTM without one part: the page's equations, their gradients, and the weights that are left."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_layer
from companion.gates.ablation import PARTS, AblatedLSTM
from companion.gates.cells import LSTM

PARITY = 1e-10  # float64, as promised in the book
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
parts = st.sampled_from(PARTS)


def drawn(cell, T, B, seed):
    rng = np.random.default_rng(seed)
    weights = initial_weights(weight_shapes(cell), rng, 1.0)
    x, first = rng.normal(size=(T, B, cell.inputs)), {name: rng.normal(size=(B, cell.hidden)) for name in "hc"}
    return weights, x, first, {name: rng.normal(size=(T + 1, B, cell.hidden)) for name in "hc"}


def on_the_page(without, w, x, h, c):
    """The equations, in PyTorch: rows h_0 … h_T and c_0 … c_T."""

    def a(k, x_t, h):
        return x_t @ w[f"W_x{k}"].T + h @ w[f"W_h{k}"].T + w[f"b_{k}"]

    def gate(k, x_t, h):
        return torch.ones_like(h) if without == k else torch.sigmoid(a(k, x_t, h))

    rows = [(h, c)]
    for x_t in x:
        i, f, o = gate("i", x_t, h), gate("f", x_t, h), gate("o", x_t, h)
        g = a("g", x_t, h) if without == "input activation" else torch.tanh(a("g", x_t, h))
        c = f * c + i * g
        h = o * c if without == "output activation" else o * torch.tanh(c)
        rows.append((h, c))
    return torch.stack([h for h, _ in rows]), torch.stack([c for _, c in rows])


@settings(max_examples=80)
@given(without=parts, T=st.integers(1, 6), B=st.integers(1, 3), I=sizes, H=sizes, seed=seeds)
def test_it_equals_its_equations_differentiated_by_autograd(without, T, B, I, H, seed):
    cell = AblatedLSTM(I, H, without)
    weights, x, first, d = drawn(cell, T, B, seed)
    h, tape = forward(cell, weights, x, first)
    gradients = backward(tape, d)

    t = {
        name: torch.tensor(value, requires_grad=True)
        for name, value in {**weights, "x": x, "h_0": first["h"], "c_0": first["c"]}.items()
    }
    h_page, c_page = on_the_page(without, t, t["x"], t["h_0"], t["c_0"])
    ((h_page * torch.tensor(d["h"])).sum() + (c_page * torch.tensor(d["c"])).sum()).backward()

    np.testing.assert_allclose(h, h_page.detach(), atol=PARITY)
    np.testing.assert_allclose(tape["c"], c_page.detach(), atol=PARITY)
    assert set(gradients) == {f"d{name}" if name in ("x", "h_0", "c_0") else name for name in t}
    for name, value in t.items():
        ours = gradients[name if name in weights else f"d{name}"]
        np.testing.assert_allclose(ours, value.grad, atol=PARITY, rtol=PARITY, err_msg=name)


@pytest.mark.parametrize("without", PARTS)
def test_one_call_checks_the_whole_layer(without):
    cell = AblatedLSTM(3, 4, without)
    weights, x, first, _ = drawn(cell, 5, 2, 0)
    assert check_layer(cell, weights, x, np.random.default_rng(1), first) < 1e-7


@given(I=sizes, H=sizes)
def test_a_gate_takes_its_weights_along_and_an_activation_has_none(I, H):
    def count(cell):
        return sum(int(np.prod(shape)) for shape in weight_shapes(cell).values())

    block = H * (I + H + 1)
    assert count(LSTM(I, H)) == 4 * block
    for part in PARTS:
        left = weight_shapes(AblatedLSTM(I, H, part))
        assert count(AblatedLSTM(I, H, part)) == (3 if part in "ifo" else 4) * block
        assert {name[-1] for name in left} == set("ifgo") - {part}


@pytest.mark.parametrize("part", ["i", "f", "o"])
def test_a_gate_that_is_pinned_open_is_a_gate_that_is_gone(part):
    """The plain LSTM with W_xk = W_hk = 0 and b_k = 40, so that σ(b_k) = 1 to the last bit."""
    cell, ablated = LSTM(3, 4), AblatedLSTM(3, 4, part)
    weights, x, first, d = drawn(cell, 6, 2, 3)
    pinned = {name: np.zeros_like(value) if name[-1] == part else value for name, value in weights.items()}
    pinned[f"b_{part}"] += 40
    left = {name: weights[name] for name in weight_shapes(ablated)}
    h, tape = forward(cell, pinned, x, first)
    h_ablated, tape_ablated = forward(ablated, left, x, first)
    np.testing.assert_allclose(h_ablated, h, atol=1e-14)
    ours, expected = backward(tape_ablated, d), backward(tape, d)
    for name, gradient in ours.items():
        np.testing.assert_allclose(gradient, expected[name], atol=1e-12, err_msg=name)


def test_float32_stays_float32():
    for without in PARTS:
        cell = AblatedLSTM(2, 3, without)
        weights = initial_weights(weight_shapes(cell), np.random.default_rng(0), 0.5, np.float32)
        h, tape = forward(cell, weights, np.ones((3, 2, 2), np.float32))
        gradients = backward(tape, {"h": np.ones_like(h)})
        assert h.dtype == np.float32 and {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}


def test_bad_input_is_named():
    message = "without: expected one of i, f, o, input activation, output activation, got 'g'"
    with pytest.raises(ValueError, match=message):
        AblatedLSTM(2, 3, "g")
    with pytest.raises(ValueError, match="hidden: expected a whole number of at least 1, got 0"):
        AblatedLSTM(2, 0, "i")
    with pytest.raises(ValueError, match="inputs: expected a whole number of at least 1, got 2.5"):
        AblatedLSTM(2.5, 3, "i")
