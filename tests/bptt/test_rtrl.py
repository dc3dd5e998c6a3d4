"""Real-time recurrent learning: the gradient of backpropagation through time, without a past; its cost, counted."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, forward, initial_weights, loss_and_gradients, readout_shapes, weight_shapes
from companion.bptt.multiplications import count_multiplications
from companion.bptt.rtrl import Running, advance, gradients, learn_online, rtrl, start
from companion.core.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH, cross_entropy, squared_error
from companion.core.networks import without_readout

EQUAL = 1e-12  # relative to the largest entry of the gradient, as promised in the book
TORCH = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "identity": lambda a: a}
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def problem(T, B, I, H, O, seed, activation=TANH, loss=cross_entropy):
    rng = np.random.default_rng(seed)
    cell = Elman(I, H, activation)
    weights = initial_weights(weight_shapes(cell) | readout_shapes(H, O), rng, bound=0.7)
    targets = rng.integers(0, O, (T, B)) if loss is cross_entropy else rng.normal(size=(T, B, O))
    return cell, weights, rng.normal(size=(T, B, I)), targets, rng.normal(size=(B, H))


def differs(ours, theirs):
    """Largest difference of any entry of any gradient, as a part of the largest entry."""
    scale = max(np.abs(g).max() for g in theirs.values())
    return max(np.abs(ours[name] - g).max() for name, g in theirs.items()) / (scale or 1.0)


@settings(max_examples=150)
@given(
    T=st.integers(1, 7), B=st.integers(1, 3), I=sizes, H=sizes, O=st.integers(2, 5), seed=seeds,
    activation=st.sampled_from([TANH, SIGMOID, RELU, IDENTITY]), loss=st.sampled_from([cross_entropy, squared_error]),
)  # fmt: skip
@example(T=1, B=1, I=1, H=1, O=2, seed=0, activation=TANH, loss=cross_entropy)
@example(T=1, B=2, I=3, H=4, O=2, seed=1, activation=SIGMOID, loss=squared_error)
@example(T=7, B=1, I=2, H=1, O=3, seed=2, activation=TANH, loss=cross_entropy)
@example(T=7, B=3, I=2, H=5, O=3, seed=3, activation=IDENTITY, loss=cross_entropy)
def test_rtrl_is_the_gradient_of_backpropagation_through_time(T, B, I, H, O, seed, activation, loss):
    cell, weights, x, targets, h_0 = problem(T, B, I, H, O, seed, activation, loss)
    value, ours = rtrl(cell, weights, x, targets, h_0, loss)
    expected, theirs, _ = loss_and_gradients(cell, weights, x, targets, h_0, loss=loss)
    assert value == pytest.approx(expected, rel=EQUAL)
    assert {name: g.dtype for name, g in ours.items()} == dict.fromkeys(weights, np.dtype(np.float64))
    assert differs(ours, {name: theirs[name] for name in weights}) <= EQUAL


def test_a_long_sequence_too():
    cell, weights, x, targets, h_0 = problem(T=200, B=2, I=3, H=12, O=4, seed=5)
    _, ours = rtrl(cell, weights, x, targets, h_0)
    _, theirs, _ = loss_and_gradients(cell, weights, x, targets, h_0)
    assert differs(ours, {name: theirs[name] for name in weights}) <= EQUAL


def test_without_an_initial_state_it_is_zero():
    cell, weights, x, targets, h_0 = problem(T=4, B=2, I=2, H=3, O=3, seed=6)
    value, ours = rtrl(cell, weights, x, targets)
    again, theirs = rtrl(cell, weights, x, targets, np.zeros_like(h_0))
    assert value == again and differs(ours, theirs) == 0


@settings(max_examples=25)
@given(T=st.integers(1, 5), I=st.integers(1, 3), H=st.integers(1, 4), seed=seeds, kind=st.sampled_from(sorted(TORCH)))
def test_sensitivities_are_the_derivatives_of_the_state_that_pytorch_finds(T, I, H, seed, kind):
    activation = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU, "identity": IDENTITY}[kind]
    cell, weights, x, _, h_0 = problem(T, 2, I, H, 2, seed, activation)
    running = start(cell, h_0)
    for x_t in x:
        running = advance(cell, weights, running, x_t)

    def last_state(W_xh, W_hh, b_h):
        h = torch.tensor(h_0)
        for x_t in torch.tensor(x):
            h = TORCH[kind](x_t @ W_xh.T + h @ W_hh.T + b_h)
        return h

    names = ("W_xh", "W_hh", "b_h")
    w = tuple(torch.tensor(weights[name]) for name in names)
    np.testing.assert_allclose(running.h, last_state(*w).numpy(), rtol=1e-12, atol=1e-12)
    for name, theirs in zip(names, torch.autograd.functional.jacobian(last_state, w), strict=True):
        np.testing.assert_allclose(running.P[name], theirs.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


def test_after_one_step_a_weight_moves_only_the_unit_it_feeds():
    """P_1[i, j, k] = tanh′(a_1[i]) δ_ij source[k]: everything else is exactly zero."""
    cell, weights, x, _, h_0 = problem(T=1, B=1, I=2, H=3, O=2, seed=8)
    running = advance(cell, weights, start(cell, h_0), x[0])
    slope = 1 - running.h[0] ** 2
    for i in range(3):
        for j in range(3):
            for k in range(3):
                expected = slope[i] * h_0[0, k] if i == j else 0
                assert running.P["W_hh"][0, i, j, k] == pytest.approx(expected, rel=1e-14)
            for k in range(2):
                expected = slope[i] * x[0, 0, k] if i == j else 0
                assert running.P["W_xh"][0, i, j, k] == pytest.approx(expected, rel=1e-14)
            assert running.P["b_h"][0, i, j] == pytest.approx(slope[i] if i == j else 0, rel=1e-14)


def test_one_unit_obeys_the_scalar_recursion():
    """dh_t/dw = tanh′(a_t) (h_{t-1} + w dh_{t-1}/dw), the form without indices that some texts print for matrices."""
    cell, weights, x, _, h_0 = problem(T=6, B=1, I=1, H=1, O=2, seed=9)
    running, h, p = start(cell, h_0), h_0[0, 0], 0.0
    w, u, b = (weights[name].item() for name in ("W_hh", "W_xh", "b_h"))
    for x_t in x:
        running = advance(cell, weights, running, x_t)
        now = np.tanh(w * h + u * x_t.item() + b)
        p = (1 - now**2) * (h + w * p)
        h = now
        assert running.P["W_hh"].item() == pytest.approx(p, rel=1e-12)


def test_what_is_kept_does_not_grow_with_time_and_nothing_given_is_changed():
    cell, weights, x, _, h_0 = problem(T=5, B=2, I=3, H=4, O=2, seed=10)
    before = start(cell, h_0)
    after = advance(cell, weights, before, x[0])
    assert not any(P.any() for P in before.P.values())
    np.testing.assert_array_equal(before.h, h_0)
    shapes = {"W_xh": (2, 4, 4, 3), "W_hh": (2, 4, 4, 4), "b_h": (2, 4, 4)}
    for x_t in x[1:]:
        assert {name: P.shape for name, P in after.P.items()} == shapes
        after = advance(cell, weights, after, x_t)
    h, _ = forward(cell, without_readout(cell, weights), x, h_0)
    np.testing.assert_allclose(after.h, h[-1], rtol=1e-12)


# --- online ---------------------------------------------------------------------------------------------------------


def torch_online(cell, weights, x, targets, h_0, rate):
    """Online RTRL by automatic differentiation: step s runs with W + c_s; the constant c_s is how far W has moved.

    The derivative by W is then that by a common shift of the weights of all steps, at the weights each step had.
    """
    base = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    moved = {name: torch.zeros_like(w) for name, w in base.items()}
    h = torch.tensor(h_0)
    for x_t, d_t in zip(torch.tensor(x), torch.tensor(targets), strict=True):
        w = {name: base[name] + moved[name] for name in base}
        h = torch.tanh(x_t @ w["W_xh"].T + h @ w["W_hh"].T + w["b_h"])
        loss = torch.nn.functional.cross_entropy(h @ w["W_hy"].T + w["b_y"], d_t, reduction="sum")
        now = torch.autograd.grad(loss, [*base.values()], retain_graph=True, allow_unused=True)
        moved = {name: moved[name] - rate * g for name, g in zip(base, now, strict=True)}
    return {name: (base[name] + moved[name]).detach().numpy() for name in base}


@settings(max_examples=25)
@given(T=st.integers(1, 6), B=st.integers(1, 2), H=st.integers(1, 4), seed=seeds, rate=st.sampled_from([0.01, 0.3]))
def test_online_learning_differentiates_by_a_common_shift_of_all_weights_so_far(T, B, H, seed, rate):
    cell, weights, x, targets, h_0 = problem(T, B, 2, H, 3, seed)
    ours, _ = learn_online(cell, weights, x, targets, rate, h_0)
    theirs = torch_online(cell, weights, x, targets, h_0, rate)
    for name in weights:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_online_differs_from_the_gradient_of_the_sequence_in_proportion_to_the_rate(seed):
    cell, weights, x, targets, h_0 = problem(T=20, B=1, I=3, H=6, O=4, seed=seed)
    _, exact, _ = loss_and_gradients(cell, weights, x, targets, h_0)

    def discrepancy(rate):
        last, _ = learn_online(cell, weights, x, targets, rate, h_0)
        return differs({name: (weights[name] - last[name]) / rate for name in weights}, {n: exact[n] for n in weights})

    rates = (1e-2, 1e-3, 1e-4, 1e-5)
    measured = [discrepancy(rate) for rate in rates]
    assert measured[0] > 1e-2
    for coarse, fine in list(pairwise(measured))[1:]:
        assert coarse / fine == pytest.approx(10, rel=0.15)


def test_one_step_online_is_one_step_of_gradient_descent():
    cell, weights, x, targets, h_0 = problem(T=1, B=2, I=2, H=3, O=3, seed=12)
    last, losses = learn_online(cell, weights, x, targets, 0.5, h_0)
    value, exact, _ = loss_and_gradients(cell, weights, x, targets, h_0)
    assert losses.shape == (1,) and losses[0] == pytest.approx(value, rel=1e-12)
    for name, w in weights.items():
        np.testing.assert_allclose(last[name], w - 0.5 * exact[name], rtol=1e-12, atol=1e-14)


def test_online_losses_stand_in_the_order_of_the_steps():
    cell, weights, x, targets, h_0 = problem(T=4, B=2, I=2, H=3, O=3, seed=13)
    _, losses = learn_online(cell, weights, x, targets, 0.5, h_0)
    for t in range(1, 5):
        np.testing.assert_allclose(learn_online(cell, weights, x[:t], targets[:t], 0.5, h_0)[1], losses[:t], rtol=1e-12)


# --- cost -----------------------------------------------------------------------------------------------------------


def test_multiplications_of_one_step():
    """H (H + I + 1) (H² + H + 1) to advance, H² (H + I + 1) for the gradient: together H (H + 1)² (H + I + 1)."""
    for H, I in [(1, 1), (2, 3), (4, 1), (5, 2), (8, 3)]:
        cell, weights, x, _, h_0 = problem(T=1, B=1, I=I, H=H, O=2, seed=H)
        running = start(cell, h_0)
        dh = np.ones((1, H))
        n = H + I + 1
        advancing = count_multiplications(
            lambda w, h, P, x_t, cell=cell: advance(cell, w, Running(h, P), x_t), weights, h_0, running.P, x[0]
        )
        gathering = count_multiplications(lambda h, P, dh: gradients(Running(h, P), dh), h_0, running.P, dh)
        assert advancing == H * n * (H * H + H + 1)
        assert gathering == H * H * n
        assert advancing + gathering == H * (H + 1) ** 2 * n


# --- refusals -------------------------------------------------------------------------------------------------------


def test_refusals_name_the_argument():
    cell, weights, x, targets, h_0 = problem(T=4, B=2, I=3, H=5, O=2, seed=13)
    with pytest.raises(ValueError, match=r"h_0: expected shape \(2, 5\), got \(3, 5\)"):
        rtrl(cell, weights, x, targets, np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"h_0: expected shape \(B, 5\), got \(2, 4\)"):
        start(cell, np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, 3\), got \(4, 2, 2\)"):
        rtrl(cell, weights, x[..., :2], targets)
    with pytest.raises(ValueError, match=r"targets: expected shape \(4, 2\), got \(3, 2\)"):
        rtrl(cell, weights, x, targets[:3])
    with pytest.raises(ValueError, match="weights: expected the entries .*missing b_y"):
        rtrl(cell, {name: w for name, w in weights.items() if name != "b_y"}, x, targets)
    with pytest.raises(ValueError, match=r"W_hh: expected shape \(5, 5\), got \(5, 3\)"):
        rtrl(cell, weights | {"W_hh": weights["W_xh"]}, x, targets)
    with pytest.raises(ValueError, match="rate: expected a positive number, got 0"):
        learn_online(cell, weights, x, targets, 0, h_0)
    with pytest.raises(ValueError, match="cell: expected an activation of each unit by itself, got softmax"):
        rtrl(Elman(3, 5, SOFTMAX), weights, x, targets)
    with pytest.raises(ValueError, match=r"x_t: expected shape \(2, 3\), got \(3,\)"):
        advance(cell, weights, start(cell, h_0), x[0, 0])
    for name, shape in (("b_h", (1,)), ("W_xh", (1, 3)), ("W_hh", (5, 1))):  # what a sum would stretch
        with pytest.raises(ValueError, match=rf"{name}: expected shape .*, got \({shape[0]},"):
            advance(cell, weights | {name: np.zeros(shape)}, start(cell, h_0), x[0])
    with pytest.raises(ValueError, match="weights: expected the entries W_xh, W_hh, b_h; missing b_h, got W_xh, W_hh"):
        advance(cell, {name: weights[name] for name in ("W_xh", "W_hh")}, start(cell, h_0), x[0])
    with pytest.raises(ValueError, match=r"dh: expected shape \(2, 5\), got \(5,\)"):
        gradients(start(cell, h_0), h_0[0])
