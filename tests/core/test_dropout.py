"""Dropout: masks that keep the mean, the same network where nothing is left out, and gradients with masks in place."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, Elman, Jordan, backward, forward, initial_weights, loss_and_gradients, weight_shapes
from companion.bptt.gradients import check_gradients, check_layer
from companion.bptt.skip_elman import SkipElman
from companion.core.dropout import MaskedState, dropout_mask
from companion.core.layers import Directions, masked
from companion.core.networks import MANY_TO_MANY, MANY_TO_ONE, network_shapes, run_network
from companion.gates.cells import CoupledLSTM, GRUResetBefore, PeepholeLSTM

CELLS = {
    "Elman": Elman,
    "Jordan": lambda I, H: Jordan(I, 2, H),  # y, of length H, is its state
    "SkipElman": lambda I, H: SkipElman(I, H, 3),
    "LSTM": LSTM,
    "PeepholeLSTM": PeepholeLSTM,
    "CoupledLSTM": CoupledLSTM,
    "GRU": GRU,
}


@given(rate=st.floats(0, 0.9), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_a_mask_leaves_out_its_share_and_keeps_the_mean(rate, seed):
    mask = dropout_mask(np.random.default_rng(seed), (40, 50, 10), rate)
    assert set(np.unique(mask)) <= {0, 1 / (1 - rate)}
    spread = np.sqrt(rate / (1 - rate) / mask.size)
    assert abs(mask.mean() - 1) <= 6 * spread + 1e-12


def test_a_mask_has_the_precision_asked_for():
    assert dropout_mask(np.random.default_rng(0), (2, 3), 0.5, np.float32).dtype == np.float32


@pytest.mark.parametrize("rate", [-0.1, 1, np.nan, "a half", True])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate: expected a (number|finite number)( from 0 to below 1)?, got"):
        dropout_mask(np.random.default_rng(0), (2, 3), rate)


@pytest.mark.parametrize("dtype", [np.float16, int])
def test_a_mask_of_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match="dtype: expected float32 or float64, got"):
        dropout_mask(np.random.default_rng(0), (2, 3), 0.5, dtype)


def drawn(cell, T=5, B=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng, initial_weights(weight_shapes(cell), rng, 0.9), rng.normal(size=(T, B, cell.sizes["x"]))


@pytest.mark.parametrize("name", CELLS)
def test_a_mask_of_ones_changes_nothing(name):
    cell = CELLS[name](2, 4)
    rng, w, x = drawn(cell)
    h, tape = forward(cell, w, x)
    open_h, open_tape = forward(MaskedState(cell, np.ones((3, 4))), w, x)
    np.testing.assert_allclose(open_h, h, atol=1e-14)
    d = {cell.outputs[0]: rng.normal(size=h.shape)}
    gradients = backward(open_tape, d)
    for key, gradient in backward(tape, d).items():
        np.testing.assert_allclose(gradients[key], gradient, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_behind_a_mask_are_right(name):
    cell = CELLS[name](2, 4)
    rng, w, x = drawn(cell)
    check_layer(MaskedState(cell, dropout_mask(rng, (3, 4), 0.5)), w, x, rng)


def test_a_masked_lstm_is_the_one_of_the_paper():
    """Gal and Ghahramani (2016), written out with PyTorch: h_{t-1} ⊙ m goes to all gates, at every step the same m."""
    rng, w, x = drawn(LSTM(2, 4))
    mask, dh = dropout_mask(rng, (3, 4), 0.4), rng.normal(size=(6, 3, 4))
    h, tape = forward(MaskedState(LSTM(2, 4), mask), w, x)
    W = {name: torch.tensor(value, requires_grad=True) for name, value in w.items()}
    s, c, states = torch.zeros(3, 4), torch.zeros(3, 4), [torch.zeros(3, 4)]
    for x_t in torch.tensor(x):
        a = {k: x_t @ W[f"W_x{k}"].T + (s * torch.tensor(mask)) @ W[f"W_h{k}"].T + W[f"b_{k}"] for k in "ifgo"}
        c = torch.sigmoid(a["f"]) * c + torch.sigmoid(a["i"]) * torch.tanh(a["g"])
        s = torch.sigmoid(a["o"]) * torch.tanh(c)
        states.append(s)
    np.testing.assert_allclose(h, torch.stack(states).detach(), atol=1e-14)
    (torch.stack(states) * torch.tensor(dh)).sum().backward()
    gradients = backward(tape, {"h": dh})
    for name, value in W.items():
        np.testing.assert_allclose(gradients[name], value.grad, atol=1e-12, err_msg=name)


def test_a_cell_with_a_factor_of_its_own_and_a_mask_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"cell: expected one that multiplies no state by a factor, got r\*h_before"):
        MaskedState(GRUResetBefore(2, 4), np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"mask: expected shape \(B, 4\), got \(3, 5\)"):
        MaskedState(GRU(2, 4), np.ones((3, 5)))
    cell = MaskedState(GRU(2, 4), np.ones((3, 4)))
    _, w, x = drawn(cell.cell, B=2)
    with pytest.raises(ValueError, match=r"mask: expected shape \(2, 4\), got \(3, 4\)"):
        forward(cell, w, x)


STACKS = {
    "cell": LSTM(2, 2),
    "layers": [Elman(2, 3), GRU(3, 2)],
    "both directions": [Directions(Elman(2, 2), Elman(2, 1)), Directions(Elman(3, 1), GRU(3, 1))],
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("arity", [MANY_TO_ONE, MANY_TO_MANY], ids=lambda arity: arity.name)
@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("lengths", [None, np.array([3, 1, 0])], ids=["equal", "padded"])
def test_gradients_of_a_network_with_dropout_are_those_that_central_differences_measure(
    name, arity, variational, lengths
):
    """Masks for what each layer and the readout read, one a step or one for all; x among the arguments."""
    layers, rng, T, B = STACKS[name], np.random.default_rng(1), 3, 3
    weights = initial_weights(network_shapes(layers, 3), rng, 0.9)
    x, targets = rng.normal(size=(T, B, 2)), rng.integers(0, 3, (1 if arity is MANY_TO_ONE else T, B))
    read = [2, *([] if name == "cell" else [3]), 2]  # sizes of what is read
    top = (1 if arity is MANY_TO_ONE else T,)
    masks = [
        dropout_mask(rng, (() if variational else top if k == len(read) - 1 else (T,)) + (B, size), 0.4)
        for k, size in enumerate(read)
    ]

    def loss(a):
        own = {weight: a[weight] for weight in weights}
        return loss_and_gradients(layers, own, a["x"], targets, arity=arity, lengths=lengths, masks=masks)[0]

    _, gradients, _ = loss_and_gradients(layers, weights, x, targets, arity=arity, lengths=lengths, masks=masks)
    if name == "cell":
        dx = gradients["dx"]
    else:
        dx = sum(gradients[key] for key in gradients if key.startswith("1.") and key.endswith(".dx"))
    check_gradients(loss, weights | {"x": x}, {w: gradients[w] for w in weights} | {"x": dx}, bound=1e-7)


def test_without_masks_nothing_is_left_out():
    layers, rng = STACKS["layers"], np.random.default_rng(2)
    weights, x = initial_weights(network_shapes(layers, 3), rng, 0.9), rng.normal(size=(5, 2, 2))
    whole = run_network(layers, weights, x).logits
    np.testing.assert_array_equal(run_network(layers, weights, x, masks=[None, None, None]).logits, whole)
    shut = run_network(layers, weights, x, masks=[None, None, np.zeros((2, 2))]).logits
    np.testing.assert_array_equal(shut, np.broadcast_to(weights["b_y"], shut.shape))


@pytest.mark.parametrize(
    ("mask", "rows", "message"),
    [
        (np.ones((3, 4)), np.zeros((5, 2, 4)), r"mask: expected \(5, 2, 4\) or \(2, 4\), got shape \(3, 4\)"),
        (np.ones(4), np.zeros((5, 2, 4)), r"mask: expected \(5, 2, 4\) or \(2, 4\), got shape \(4,\)"),
        (np.ones((5, 2)), np.zeros((5, 2), int), r"mask: expected None for tokens, got shape \(5, 2\)"),
    ],
)
def test_a_mask_of_another_shape_is_named(mask, rows, message):
    with pytest.raises(ValueError, match=message):
        masked(rows, mask)


def test_as_many_masks_as_are_read_are_asked_for():
    layers, x = STACKS["layers"], np.zeros((5, 2, 2))
    weights = initial_weights(network_shapes(layers, 3), np.random.default_rng(0), 0.9)
    with pytest.raises(ValueError, match="masks: expected 3, one for each layer and one for the readout, got 2"):
        run_network(layers, weights, x, masks=[None, None])


def test_a_mask_keeps_the_precision_of_what_it_multiplies():
    assert masked(np.ones((5, 2, 4), np.float32), np.ones((2, 4))).dtype == np.float32


def test_whole_numbers_are_masked_by_the_mask_and_not_by_its_whole_part():
    rows, mask = np.arange(24).reshape(3, 2, 4), np.full((2, 4), 1.25)
    np.testing.assert_array_equal(masked(rows, mask), rows * 1.25)
    np.testing.assert_array_equal(masked(rows > 3, mask), (rows > 3) * 1.25)


def test_a_mask_of_the_state_is_the_cells_own():
    cell = GRU(2, 4)
    rng, w, x = drawn(cell)
    mask = dropout_mask(rng, (3, 4), 0.5)
    h, tape = forward(MaskedState(cell, mask), w, x)
    expected = backward(tape, {"h": h})
    mask *= 3
    for name, gradient in backward(tape, {"h": h}).items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


def test_a_mask_of_the_state_keeps_the_precision():
    rng, w, x = drawn(LSTM(2, 4))
    single = {name: value.astype(np.float32) for name, value in w.items()}
    h, tape = forward(MaskedState(LSTM(2, 4), np.ones((3, 4))), single, x.astype(np.float32))
    assert {gradient.dtype for gradient in backward(tape, {"h": h}).values()} == {np.dtype(np.float32)}
