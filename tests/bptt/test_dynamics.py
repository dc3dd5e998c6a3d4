"""Jacobians over time: equal to autograd for every cell, right beyond the range of floats, bounded as theory says."""

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.bptt.dynamics import (
    NormBounds,
    jacobian_products,
    jacobians,
    largest_singular_value,
    linear_state_gradients,
    linear_states,
    log_gradient_norms,
    log_singular_values,
    modes,
    norm_bounds,
    slope_limit,
    spectral_radius,
    vanishing_factor,
)
from companion.core.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
ACTIVATIONS = [TANH, SIGMOID, RELU, IDENTITY]
TORCH = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "identity": lambda a: a,
    "softmax": lambda a: torch.softmax(a, dim=-1),
}


def run(cell, rng, T, B, bound=1.0, w=None):
    w = initial_weights(weight_shapes(cell), rng, bound) if w is None else w
    initial = {name: rng.normal(size=(B, cell.sizes[name])) for name in cell.state}
    x = rng.normal(size=(T, B, cell.sizes["x"]))
    return w, x, initial, forward(cell, w, x, initial)[1]


def random_jacobians(rng, T, B, n, scale=1.0):
    return scale * rng.normal(size=(T, B, n, n)) / np.sqrt(n)


# --- Jacobians -------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(T=st.integers(1, 5), B=st.integers(1, 3), I=sizes, H=sizes, g=st.sampled_from(ACTIVATIONS), seed=seeds)
@example(T=1, B=1, I=1, H=1, g=TANH, seed=0)
@example(T=4, B=2, I=2, H=3, g=RELU, seed=1)
def test_jacobians_of_elman_equal_autograd_and_the_formula(T, B, I, H, g, seed):
    w, x, initial, tape = run(Elman(I, H, g), np.random.default_rng(seed), T, B)
    J = jacobians(tape)
    assert J.shape == (T, B, H, H)
    W_xh, W_hh, b_h = (torch.tensor(w[name]) for name in ("W_xh", "W_hh", "b_h"))
    for t in range(1, T + 1):
        for b in range(B):

            def step(h, t=t, b=b):
                return TORCH[g.name](W_xh @ torch.tensor(x[t - 1, b]) + W_hh @ h + b_h)

            theirs = torch.autograd.functional.jacobian(step, torch.tensor(tape["h"][t - 1, b]))
            np.testing.assert_allclose(J[t - 1, b], theirs.numpy(), rtol=0, atol=1e-12)
            formula = np.diag(g.slopes(tape["h"][t, b])) @ w["W_hh"]
            np.testing.assert_allclose(J[t - 1, b], formula, rtol=0, atol=1e-14)


@settings(max_examples=40)
@given(
    T=st.integers(1, 4),
    B=st.integers(1, 3),
    H=sizes,
    O=sizes,
    out=st.sampled_from([SOFTMAX, SIGMOID, IDENTITY]),
    seed=seeds,
)
@example(T=3, B=2, H=4, O=3, out=SOFTMAX, seed=0)
def test_jacobians_of_jordan_equal_autograd(T, B, H, O, out, seed):
    w, x, _, tape = run(Jordan(2, H, O, output_activation=out), np.random.default_rng(seed), T, B)
    J = jacobians(tape)
    assert J.shape == (T, B, O, O)
    W_xh, W_yh, b_h, W_hy, b_y = (torch.tensor(w[name]) for name in ("W_xh", "W_yh", "b_h", "W_hy", "b_y"))
    for t in range(1, T + 1):
        for b in range(B):

            def step(y, t=t, b=b):
                h = torch.tanh(W_xh @ torch.tensor(x[t - 1, b]) + W_yh @ y + b_h)
                return TORCH[out.name](W_hy @ h + b_y)

            theirs = torch.autograd.functional.jacobian(step, torch.tensor(tape["y"][t - 1, b]))
            np.testing.assert_allclose(J[t - 1, b], theirs.numpy(), rtol=0, atol=1e-12)


@dataclass(frozen=True)
class TwoStates:
    """A made-up cell whose state is two vectors of different sizes, p (2,) and q (3,), each reading both.

    Each is multiplied by its bias, p = b_p ⊙ tanh(a_p), so that its slopes depend on a weight too.
    """

    sizes = {"x": 1, "p": 2, "q": 3}
    wiring = {"p": ("x", "p_before", "q_before"), "q": ("x", "p_before", "q_before")}
    gates = MappingProxyType({})
    state = ("q", "p")  # not the alphabet's order
    outputs = ("p",)  # q is no output

    def step(self, w, now, before):
        return {k: w[f"b_{k}"] * np.tanh(now[f"a_{k}"]) for k in "pq"}

    def slopes(self, w, now, before):
        return {k: w[f"b_{k}"] * (1 - (now[k] / w[f"b_{k}"]) ** 2) for k in "pq"}

    def back(self, w, s, d):
        return {k: s[k] * d[k] for k in "pq"}, {}


def test_a_state_of_several_vectors_is_laid_out_in_the_cells_order():
    cell, rng = TwoStates(), np.random.default_rng(3)
    w, x, initial, tape = run(cell, rng, T=4, B=2)
    J = jacobians(tape)
    assert J.shape == (4, 2, 5, 5)
    for t in range(1, 5):
        before = np.concatenate([tape[name][t - 1] for name in cell.state], axis=-1)  # (B, 5), q first
        for j in range(5):
            moved = []
            for sign in (1, -1):
                nudged = before.copy()
                nudged[:, j] += sign * 1e-6
                _, after = forward(cell, w, x[t - 1 : t], {"q": nudged[:, :3], "p": nudged[:, 3:]})
                moved.append(np.concatenate([after["q"][1], after["p"][1]], axis=-1))
            np.testing.assert_allclose(J[t - 1, :, :, j], (moved[0] - moved[1]) / 2e-6, atol=1e-9)


# --- products --------------------------------------------------------------------------------------------------------


@given(T=st.integers(1, 6), B=st.integers(1, 3), n=sizes, seed=seeds, data=st.data())
def test_products_have_the_latest_jacobian_on_the_left(T, B, n, seed, data):
    J = random_jacobians(np.random.default_rng(seed), T, B, n)
    t = data.draw(st.integers(1, T))
    products = jacobian_products(J, t)
    assert products.shape == (t + 1, B, n, n)
    for k in range(t + 1):
        for b in range(B):
            by_hand = np.eye(n)
            for j in range(k + 1, t + 1):  # from the oldest step to the latest, each multiplied from the left
                by_hand = J[j - 1, b] @ by_hand
            np.testing.assert_allclose(products[k, b], by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("t", [1, 3, 6])
@pytest.mark.parametrize("cell", [Elman(2, 4), Jordan(2, 4, 3)], ids=["elman", "jordan"])
def test_a_gradient_carried_through_the_products_is_that_of_backward(cell, t):
    w, x, initial, tape = run(cell, np.random.default_rng(4), T=6, B=3)
    name = cell.state[0]
    d_outputs = np.zeros_like(tape[name])
    d_outputs[t] = np.random.default_rng(5).normal(size=d_outputs[t].shape)
    d_0 = backward(tape, {name: d_outputs})[f"d{name}_0"]
    J = jacobians(tape)
    carried = np.einsum("bi,bij->bj", d_outputs[t], jacobian_products(J, t)[0])
    np.testing.assert_allclose(carried, d_0, rtol=0, atol=1e-13)
    logs = log_gradient_norms(J, d_outputs[t], t)
    np.testing.assert_allclose(logs[0], np.log(np.linalg.norm(d_0, axis=-1)), atol=1e-11)
    np.testing.assert_allclose(logs[t], np.log(np.linalg.norm(d_outputs[t], axis=-1)), atol=1e-14)


def test_the_last_step_is_the_default():
    J = random_jacobians(np.random.default_rng(6), 4, 2, 3)
    np.testing.assert_array_equal(jacobian_products(J), jacobian_products(J, 4))
    np.testing.assert_array_equal(log_singular_values(J), log_singular_values(J, 4))
    d = np.ones((2, 3))
    np.testing.assert_array_equal(log_gradient_norms(J, d), log_gradient_norms(J, d, 4))


@given(T=st.integers(1, 6), B=st.integers(1, 3), n=sizes, seed=seeds)
def test_logarithms_of_singular_values_equal_those_of_the_plain_product(T, B, n, seed):
    J = random_jacobians(np.random.default_rng(seed), T, B, n)
    logs = log_singular_values(J)
    plain = np.linalg.svd(jacobian_products(J), compute_uv=False)
    assert logs.shape == (T + 1, B, n) and (np.diff(logs, axis=-1) <= 0).all()
    np.testing.assert_allclose(np.exp(logs), plain, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(logs[T], 0)


@given(
    n=st.integers(1, 5),
    scales=st.lists(st.floats(-300, 300), min_size=1, max_size=12),
    seed=seeds,
)
@example(n=2, scales=[-300.0] * 12, seed=0)
@example(n=2, scales=[300.0] * 12, seed=0)
@example(n=3, scales=[-308.0, -308.0], seed=0)
def test_logarithms_are_right_where_the_product_leaves_the_range_of_floats(n, scales, seed):
    """Orthogonal matrices times 10^s: every singular value of the product is 10^(sum of s), exactly known."""
    rng = np.random.default_rng(seed)
    turns = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in scales]
    J = np.array([10.0**s * turn for s, turn in zip(scales, turns, strict=True)])[:, None]
    from_step = np.concatenate([np.cumsum(scales[::-1])[::-1], [0]]) * math.log(10)
    logs = log_singular_values(J)
    np.testing.assert_allclose(logs, np.broadcast_to(from_step[:, None, None], logs.shape), rtol=1e-12, atol=1e-9)
    norms = log_gradient_norms(J, np.full((1, n), 3.0))
    np.testing.assert_allclose(norms[:, 0], from_step + math.log(3 * math.sqrt(n)), rtol=1e-12, atol=1e-9)


def test_sequences_of_a_batch_are_scaled_each_for_itself():
    J = np.array([1e-200, 1.0, 1e200])[None, :, None, None] * np.ones((40, 3, 1, 1))
    logs = log_singular_values(J)[0, :, 0]
    np.testing.assert_allclose(logs, np.array([-8000, 0, 8000]) * math.log(10))
    np.testing.assert_allclose(log_gradient_norms(J, np.ones((3, 1)))[0], logs)


def test_the_largest_entry_may_be_negative():
    J = np.diag([-1e200, 1e-200])[None, None].repeat(3, axis=0)
    np.testing.assert_allclose(log_singular_values(J)[:, 0, 0], np.array([600, 400, 200, 0]) * math.log(10))
    norms = log_gradient_norms(J, np.array([[-1.0, 0.0]]))[:, 0]
    np.testing.assert_allclose(norms, np.array([600, 400, 200, 0]) * math.log(10))


def test_what_is_zero_has_the_logarithm_minus_infinity():
    J = np.zeros((2, 1, 2, 2))
    J[1, 0] = np.diag([3.0, 0.0])
    logs = log_singular_values(J)[:, 0]
    np.testing.assert_array_equal(logs[2], [0, 0])
    assert logs[1, 0] == pytest.approx(math.log(3)) and logs[1, 1] == -np.inf
    np.testing.assert_array_equal(logs[0], [-np.inf, -np.inf])
    np.testing.assert_array_equal(log_gradient_norms(J, np.array([[0.0, 1.0]]))[:, 0], [-np.inf, -np.inf, 0])


def test_a_singular_value_that_round_off_hides_is_not_made_up():
    graded = np.diag([1.0, 1e-6])[None, None].repeat(4, axis=0)
    logs = log_singular_values(graded)[:, 0, 1] / math.log(10)
    np.testing.assert_allclose(logs[2:], [-12, -6, 0], atol=1e-9)
    assert logs[0] == logs[1] == -np.inf  # 10^-24 and 10^-18 beside 1

    n, eps = 4, np.finfo(np.float64).eps  # the limit is n · eps of the largest singular value, not of 1
    for largest in (0.5, 0.75):
        beside = [largest, 1.1 * n * eps * largest, 0.9 * n * eps * largest, 0]
        told = log_singular_values(np.diag(beside)[None, None])[0, 0]
        np.testing.assert_allclose(told, [np.log(beside[0]), np.log(beside[1]), -np.inf, -np.inf])


def test_a_gradient_may_be_given_as_a_list():
    np.testing.assert_allclose(log_gradient_norms(np.eye(2)[None, None], [[3, 4]]), np.log([[5], [5]]))


def test_a_product_that_overflows_is_refused_with_its_steps():
    J = np.full((5, 1, 1, 1), 1e100)
    with pytest.raises(ValueError, match=r"J: expected products within the range .* ∂state_5/∂state_1;"):
        jacobian_products(J)
    assert jacobian_products(J, 3)[0, 0, 0, 0] == pytest.approx(1e300)


@pytest.mark.parametrize("f", [jacobian_products, log_singular_values, lambda J, t=None: log_gradient_norms(J, 0, t)])
def test_wrong_jacobians_and_steps_are_refused(f):
    with pytest.raises(ValueError, match=r"J: expected shape \(T, B, 3, 3\), got \(2, 1, 2, 3\)"):
        f(np.ones((2, 1, 2, 3)))
    with pytest.raises(ValueError, match=r"J: expected shape \(T, B, n, n\), got \(2, 2\)"):
        f(np.ones((2, 2)))
    with pytest.raises(ValueError, match="t: expected a step from 1 to 2, got 3"):
        f(np.ones((2, 1, 1, 1)), 3)
    with pytest.raises(ValueError, match="t: expected a whole number of at least 1, got 0"):
        f(np.ones((2, 1, 1, 1)), 0)


def test_a_gradient_of_another_shape_than_the_state_is_refused():
    with pytest.raises(ValueError, match=r"d_state: expected shape \(2, 3\), got \(3,\)"):
        log_gradient_norms(np.ones((4, 2, 3, 3)), np.ones(3))


# --- radius and norm -------------------------------------------------------------------------------------------------


def test_the_spectral_radius_is_the_largest_modulus_also_of_negative_and_complex_eigenvalues():
    assert spectral_radius(np.diag([0.5, -2.0])) == pytest.approx(2)
    assert spectral_radius(np.array([[0.0, -3.0], [3.0, 0.0]])) == pytest.approx(3)  # ±3i
    assert spectral_radius(np.array([[0.9, 50.0], [0.0, 0.8]])) == pytest.approx(0.9)
    with pytest.raises(ValueError, match=r"W: expected shape \(2, 2\), got \(2, 3\)"):
        spectral_radius(np.ones((2, 3)))


@given(n=sizes, seed=seeds)
def test_the_radius_is_at_most_the_largest_singular_value(n, seed):
    W = np.random.default_rng(seed).normal(size=(n, n))
    assert spectral_radius(W) <= largest_singular_value(W) * (1 + 1e-12)
    assert largest_singular_value(W) == pytest.approx(np.linalg.svd(W, compute_uv=False)[0])
    symmetric = W + W.T
    assert spectral_radius(symmetric) == pytest.approx(largest_singular_value(symmetric))


# --- the linear network ----------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(T=st.integers(1, 12), B=st.integers(1, 3), I=sizes, H=sizes, seed=seeds)
@example(T=1, B=1, I=1, H=1, seed=0)
@example(T=12, B=2, I=2, H=5, seed=1)
def test_the_solution_equals_the_walk_and_its_gradient_the_backward_pass(T, B, I, H, seed):
    rng = np.random.default_rng(seed)
    cell = Elman(I, H, IDENTITY)
    W_hh, W_xh = rng.normal(size=(H, H)) / np.sqrt(H), rng.normal(size=(H, I))
    assume(np.linalg.cond(np.linalg.eig(W_hh)[1]) < 1e3)
    x, h_0, dh = rng.normal(size=(T, B, I)), rng.normal(size=(B, H)), rng.normal(size=(T + 1, B, H))
    h, tape = forward(cell, {"W_xh": W_xh, "W_hh": W_hh, "b_h": np.zeros(H)}, x, h_0)
    scale = max(1.0, np.abs(h).max())
    np.testing.assert_allclose(linear_states(W_hh, W_xh, x, h_0), h, rtol=0, atol=1e-10 * scale)

    gradients = linear_state_gradients(W_hh, dh)
    for k in range(T + 1):  # ∂L/∂h_k is the initial state's gradient of what is left from step k on
        rest = dh[k:]
        if k == T:
            expected = rest[0]
        else:
            _, later = forward(cell, {"W_xh": W_xh, "W_hh": W_hh, "b_h": np.zeros(H)}, x[k:], h[k])
            expected = backward(later, {"h": rest})["dh_0"]
        np.testing.assert_allclose(gradients[k], expected, rtol=0, atol=1e-10 * max(1.0, np.abs(expected).max()))


@given(n=sizes, steps=st.integers(0, 20), seed=seeds)
def test_powers_by_eigenvalues_equal_powers_by_multiplication(n, steps, seed):
    W = np.random.default_rng(seed).normal(size=(n, n)) / np.sqrt(n)
    assume(np.linalg.cond(np.linalg.eig(W)[1]) < 1e3)
    expected = np.linalg.matrix_power(W, steps)
    np.testing.assert_allclose(modes(W).power(steps), expected, atol=1e-9 * max(1.0, np.abs(expected).max()))


DEFECTIVE = np.array([[1.0, 1.0], [0.0, 1.0]])


def test_a_defective_matrix_is_refused_by_name_and_condition_number():
    with pytest.raises(ValueError, match=r"W_hh: expected independent eigenvectors, .* at most 1e\+08, got"):
        linear_states(DEFECTIVE, np.ones((2, 1)), np.ones((3, 1, 1)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="W_hh: expected independent eigenvectors"):
        linear_state_gradients(DEFECTIVE, np.ones((3, 1, 2)))
    with pytest.raises(ValueError, match="W: expected independent eigenvectors"):
        modes(DEFECTIVE)
    nearly = np.array([[1.0, 1.0], [0.0, 1.0 + 1e-9]])
    with pytest.raises(ValueError, match="nearly so"):
        modes(nearly)
    assert modes(nearly, largest_condition=1e12).power(1) == pytest.approx(nearly, abs=1e-5)


def test_wrong_shapes_and_overflow_are_refused_without_a_warning():
    W, W_xh, x, h_0 = np.diag([0.5, 0.6]), np.ones((2, 1)), np.ones((3, 1, 1)), np.ones((1, 2))
    with pytest.raises(ValueError, match=r"W_hh: expected shape \(2, 2\), got \(2, 3\)"):
        linear_states(np.ones((2, 3)), W_xh, x, h_0)
    with pytest.raises(ValueError, match=r"W_xh: expected shape \(2, I\), got \(3, 1\)"):
        linear_states(W, np.ones((3, 1)), x, h_0)
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, 1\), got \(3, 1, 2\)"):
        linear_states(W, W_xh, np.ones((3, 1, 2)), h_0)
    with pytest.raises(ValueError, match=r"h_0: expected shape \(1, 2\), got \(2, 2\)"):
        linear_states(W, W_xh, x, np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"dh: expected shape \(T \+ 1, B, 2\), got \(3, 1, 1\)"):
        linear_state_gradients(W, np.ones((3, 1, 1)))
    with pytest.raises(ValueError, match="the states: expected finite numbers"):
        linear_states(W * 1e200, W_xh, x, h_0)
    with pytest.raises(ValueError, match="the gradients: expected finite numbers"):
        linear_state_gradients(W * 1e200, np.ones((4, 1, 2)))
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 0, got -1"):
        modes(W).power(-1)


# --- bounds ----------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    T=st.integers(1, 12),
    B=st.integers(1, 3),
    H=sizes,
    g=st.sampled_from(ACTIVATIONS),
    bound=st.sampled_from([0.1, 1.0, 4.0]),
    seed=seeds,
)
@example(T=1, B=1, H=1, g=TANH, bound=1.0, seed=0)
def test_no_network_breaks_the_bounds_at_any_step(T, B, H, g, bound, seed):
    w, _, _, tape = run(Elman(2, H, g), np.random.default_rng(seed), T, B, bound)
    bounds = norm_bounds(tape)
    bounds.check()
    assert bounds.norm.shape == bounds.stepwise.shape == (T + 1, B) and bounds.uniform.shape == (T + 1,)
    products = jacobian_products(jacobians(tape))
    np.testing.assert_allclose(np.exp(bounds.norm), np.linalg.norm(products, 2, axis=(-2, -1)), rtol=1e-9)
    sigma_1 = np.linalg.svd(w["W_hh"], compute_uv=False)[0]
    stepwise, uniform = np.ones(B), 1.0
    for k in range(T, -1, -1):  # both bounds afresh, factor by factor
        np.testing.assert_allclose(np.exp(bounds.stepwise[k]), stepwise, rtol=1e-9)
        np.testing.assert_allclose(np.exp(bounds.uniform[k]), uniform, rtol=1e-9)
        stepwise = stepwise * np.abs(g.slopes(tape["h"][k])).max(axis=-1) * sigma_1
        uniform = uniform * {"tanh": 1, "sigmoid": 0.25, "relu": 1, "identity": 1}[g.name] * sigma_1


def test_the_bounds_are_attained_by_a_scaled_orthogonal_linear_network():
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
    w = {"W_xh": np.ones((3, 1)), "W_hh": 0.9 * turn, "b_h": np.zeros(3)}
    _, tape = forward(Elman(1, 3, IDENTITY), w, np.ones((30, 1, 1)))
    bounds = norm_bounds(tape)
    bounds.check()
    np.testing.assert_allclose(bounds.norm[:, 0], bounds.uniform, rtol=0, atol=1e-12)
    np.testing.assert_allclose(bounds.uniform, np.arange(30, -1, -1) * math.log(0.9), atol=1e-12)


def test_bounds_end_at_the_step_asked_for():
    _, _, _, tape = run(Elman(2, 3), np.random.default_rng(8), T=6, B=2)
    _, _, _, shorter = run(Elman(2, 3), np.random.default_rng(8), T=6, B=2)
    bounds = norm_bounds(shorter, 4)
    assert bounds.norm.shape == (5, 2)
    np.testing.assert_allclose(bounds.norm, log_singular_values(jacobians(tape), 4)[..., 0])
    slopes = np.abs(1 - tape["h"][1:5] ** 2).max(axis=-1)
    expected = np.log(slopes).sum(axis=0) + 4 * math.log(largest_singular_value(tape.weights["W_hh"]))
    np.testing.assert_allclose(bounds.stepwise[0], expected)


def test_a_dead_network_keeps_its_bounds():
    w = {"W_xh": np.zeros((2, 1)), "W_hh": np.zeros((2, 2)), "b_h": np.zeros(2)}
    _, tape = forward(Elman(1, 2), w, np.ones((4, 1, 1)))
    bounds = norm_bounds(tape)
    bounds.check()
    assert (bounds.norm[:-1] == -np.inf).all() and (bounds.uniform[:-1] == -np.inf).all()
    assert bounds.norm[-1] == bounds.uniform[-1] == 0


def test_a_broken_bound_is_reported_with_both_numbers_and_the_step():
    _, _, _, tape = run(Elman(2, 3), np.random.default_rng(9), T=6, B=2)
    good = norm_bounds(tape)
    too_long = good.norm.copy()
    too_long[4, 1] = good.stepwise[4, 1] + math.log(10)
    with pytest.raises(AssertionError) as caught:
        NormBounds(too_long, good.stepwise, good.uniform).check()
    both = [f"10^{value / math.log(10):.6g}" for value in (too_long[4, 1], good.stepwise[4, 1])]
    assert str(caught.value) == (
        f"‖∂h_6/∂h_4‖ = {both[0]} exceeds the step-by-step bound = {both[1]} "
        "at k = 4, 2 steps back from t = 6 (sequence 1)"
    )
    too_low = good.uniform - 5 * np.arange(6, -1, -1)
    with pytest.raises(AssertionError, match=r"the step-by-step bound of ‖∂h_6/∂h_5‖ = .* exceeds \(γ σ_1\)\^1 = "):
        NormBounds(good.norm, good.stepwise, too_low).check()
    with pytest.raises(AssertionError, match="exceeds"):
        NormBounds(np.full_like(good.norm, np.nan), good.stepwise, good.uniform).check()
    slightly = good.norm.copy()
    slightly[3] = good.stepwise[3] + 1e-6
    with pytest.raises(AssertionError, match="at k = 3, 3 steps back"):
        NormBounds(slightly, good.stepwise, good.uniform).check()
    NormBounds(slightly, good.stepwise, good.uniform + 1).check(slack=1e-6)


@given(w=st.floats(-20, 20), a=st.floats(-30, 30))
def test_hochreiters_factor_of_a_logistic_unit(w, a):
    """|w σ′(a)| ≤ |w|/4, so that a weight below 4 makes every factor smaller than 1."""
    factor = vanishing_factor(np.array([[w]]), SIGMOID)
    assert factor == pytest.approx(abs(w) / 4)
    y = SIGMOID(np.array(a))
    assert abs(w * SIGMOID.slopes(y)) <= factor * (1 + 1e-12)
    assert abs(w) >= 4 or factor < 1


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda g: g.name)
def test_slope_limits_are_limits_and_are_reached(activation):
    a = np.linspace(-6, 6, 100_001)
    slopes = activation.slopes(activation(a))
    measured = np.gradient(activation(a), a)
    assert np.abs(slopes).max() == pytest.approx(slope_limit(activation), rel=1e-12)
    assert measured.max() <= slope_limit(activation) + 1e-9


def test_what_has_no_known_bound_is_refused():
    with pytest.raises(ValueError, match="activation: expected one of tanh, sigmoid, relu, identity, got softmax"):
        slope_limit(SOFTMAX)
    _, _, _, tape = run(Jordan(2, 3, 2), np.random.default_rng(10), T=2, B=1)
    with pytest.raises(ValueError, match=r"tape: expected one of Elman's network, got one of Jordan\("):
        norm_bounds(tape)
    with pytest.raises(ValueError, match=r"W_hh: expected shape \(2, 2\), got \(2, 3\)"):
        vanishing_factor(np.ones((2, 3)), TANH)


def test_a_power_that_overflows_is_named():
    with pytest.raises(ValueError, match=r"W\^2000: expected finite numbers, got inf"):
        modes(np.diag([2.0, 0.5])).power(2000)
