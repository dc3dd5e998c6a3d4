"""The gated cells: equal to their page's equations, written again in PyTorch and differentiated by autograd."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_layer
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM

PARITY = 1e-10  # float64, as promised in the book
CELLS = (LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore)
σ, tanh = torch.sigmoid, torch.tanh


def affine(t, k, x, h):
    """W_xk x_t + W_hk h_{t-1} + b_k for a batch."""
    return x @ t[f"W_x{k}"].T + h @ t[f"W_h{k}"].T + t[f"b_{k}"]


def lstm(t, x, h, c):
    i, f, o = (σ(affine(t, k, x, h)) for k in "ifo")
    c = f * c + i * tanh(affine(t, "g", x, h))
    return o * tanh(c), c


def peephole(t, x, h, c):
    i, f = (σ(affine(t, k, x, h) + t[f"p_{k}"] * c) for k in "if")
    c = f * c + i * tanh(affine(t, "g", x, h))
    return σ(affine(t, "o", x, h) + t["p_o"] * c) * tanh(c), c


def coupled(t, x, h, c):
    f, o = (σ(affine(t, k, x, h)) for k in "fo")
    c = f * c + (1 - f) * tanh(affine(t, "g", x, h))
    return o * tanh(c), c


def gru(t, x, h):
    r, z = (σ(affine(t, k, x, h)) for k in "rz")
    n = tanh(x @ t["W_xn"].T + t["b_n"] + r * (h @ t["W_hn"].T + t["b_hn"]))
    return ((1 - z) * n + z * h,)


def gru_reset_before(t, x, h):
    r, z = (σ(affine(t, k, x, h)) for k in "rz")
    return ((1 - z) * tanh(affine(t, "n", x, r * h)) + z * h,)


PAGES = dict(zip(CELLS, (lstm, peephole, coupled, gru, gru_reset_before), strict=True))


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def near(ours, theirs, what):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=PARITY, err_msg=what)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(CELLS),
    T=st.integers(1, 6),
    B=st.integers(1, 4),
    I=st.integers(1, 5),
    H=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
@example(kind=PeepholeLSTM, T=1, B=1, I=1, H=1, seed=0)
@example(kind=GRU, T=5, B=1, I=2, H=3, seed=1)
def test_a_cell_is_its_page_forwards_and_backwards(kind, T, B, I, H, seed):
    rng, cell = np.random.default_rng(seed), kind(I, H)
    w = initial_weights(weight_shapes(cell), rng, bound=1.0)
    x = rng.normal(size=(T, B, I))
    initial = {name: rng.normal(size=(B, H)) for name in cell.state}
    d = {name: rng.normal(size=(T + 1, B, H)) for name in cell.outputs}
    _, tape = forward(cell, w, x, initial)
    gradients = backward(tape, d)

    t, tx = {name: leaf(value) for name, value in w.items()}, leaf(x)
    first = {name: leaf(value) for name, value in initial.items()}
    state = tuple(first.values())
    loss = sum((s * torch.tensor(d[name][0])).sum() for name, s in first.items())
    for step in range(T):
        state = PAGES[kind](t, tx[step], *state)
        for name, s in zip(first, state, strict=True):
            near(tape[name][step + 1], s, name)
            loss = loss + (s * torch.tensor(d[name][step + 1])).sum()
    loss.backward()

    assert set(gradients) == {*w, "dx", *(f"d{name}_0" for name in initial)}
    for name, theirs in (t | {"dx": tx} | {f"d{name}_0": s for name, s in first.items()}).items():
        near(gradients[name], theirs.grad, name)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_agrees_with_central_differences(kind):
    rng, cell = np.random.default_rng(0), kind(3, 4)
    initial = {name: rng.normal(size=(2, 4)) for name in cell.state}
    check_layer(cell, initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(5, 2, 3)), rng, initial)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (LSTM, lambda I, H: 4 * (H * I + H * H + H)),
        (PeepholeLSTM, lambda I, H: 4 * (H * I + H * H + H) + 3 * H),
        (CoupledLSTM, lambda I, H: 3 * (H * I + H * H + H)),
        (GRU, lambda I, H: 3 * (H * I + H * H + H) + H),
        (GRUResetBefore, lambda I, H: 3 * (H * I + H * H + H)),
    ],
)
def test_the_number_of_parameters_follows_the_formula(kind, count):
    for I, H in ((1, 1), (3, 5), (7, 2)):
        assert sum(np.prod(shape) for shape in weight_shapes(kind(I, H)).values()) == count(I, H)


def test_the_weights_have_the_names_of_the_page():
    assert set(weight_shapes(LSTM(1, 1))) == {f"{p}{k}" for p in ("W_x", "W_h", "b_") for k in "ifgo"}
    assert set(weight_shapes(PeepholeLSTM(1, 1))) - set(weight_shapes(LSTM(1, 1))) == {"p_i", "p_f", "p_o"}
    assert weight_shapes(PeepholeLSTM(2, 3))["p_o"] == (3,)
    rz = {f"{p}{k}" for p in ("W_x", "W_h", "b_") for k in "rz"}
    assert set(weight_shapes(GRU(1, 1))) == rz | {"W_xn", "b_n", "W_hn", "b_hn"}
    assert set(weight_shapes(GRUResetBefore(1, 1))) == rz | {"W_xn", "W_hn", "b_n"}


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (LSTM, "i f g o"),
        (PeepholeLSTM, "i f g o"),
        (CoupledLSTM, "f g o"),
        (GRU, "r z n hn"),
        (GRUResetBefore, "r z n"),
    ],
)
def test_weights_come_in_the_order_in_which_a_seed_draws_them(kind, order):
    assert [name.removeprefix("b_") for name in weight_shapes(kind(1, 1)) if name.startswith("b_")] == order.split()


def test_sizes_must_be_positive_whole_numbers():
    with pytest.raises(ValueError, match="inputs: expected a whole number of at least 1, got 0"):
        LSTM(0, 3)
    with pytest.raises(ValueError, match="hidden: expected a whole number of at least 1, got -1"):
        GRU(3, -1)


def test_an_unknown_weight_or_state_is_named():
    cell = LSTM(2, 3)
    w = initial_weights(weight_shapes(cell), np.random.default_rng(0), 1.0)
    x = np.zeros((4, 1, 2))
    with pytest.raises(ValueError, match="missing b_f; not expected: b_forget"):
        forward(cell, {("b_forget" if name == "b_f" else name): value for name, value in w.items()}, x)
    with pytest.raises(ValueError, match="initial: expected the entries h, c; missing c"):
        forward(cell, w, x, {"h": np.zeros((1, 3))})
    with pytest.raises(ValueError, match="d_outputs: expected gradients of h, c, got one of i"):
        backward(forward(cell, w, x)[1], {"i": np.zeros((5, 1, 3))})
