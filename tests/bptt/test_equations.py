"""The equations BP1 … BP4U: each against an independent way to the same number, and together against the core."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import (
    Elman,
    Jordan,
    backward,
    deltas,
    forward,
    initial_weights,
    loss_and_gradients,
    readout_shapes,
    weight_shapes,
)
from companion.bptt.equations import bp1, bp2, bp2t, bp3, bp4u, bp4v, bp4w, contributions, delta_recursion, gradients
from companion.core.functions import RELU, SIGMOID, TANH
from companion.core.networks import without_readout

sizes = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)
SHAPES = {"T": st.integers(1, 6), "B": st.integers(1, 3), "I": sizes, "H": sizes, "O": st.integers(2, 4)}


def example_network(T, B, I, H, O, seed, activation=TANH):
    rng = np.random.default_rng(seed)
    cell = Elman(I, H, activation)
    weights = initial_weights(weight_shapes(cell) | readout_shapes(H, O), rng, 1.0)
    x, h_0, targets = rng.normal(size=(T, B, I)), rng.normal(size=(B, H)), rng.integers(0, O, (T, B))
    return cell, weights, x, h_0, targets


@settings(max_examples=50)
@given(**SHAPES, seed=seeds, activation=st.sampled_from([TANH, SIGMOID, RELU]))
@example(T=1, B=1, I=1, H=1, O=2, seed=0, activation=TANH)
def test_the_equations_together_give_the_gradients_of_the_core(T, B, I, H, O, seed, activation):
    cell, weights, x, h_0, targets = example_network(T, B, I, H, O, seed, activation)
    h, _ = forward(cell, without_readout(cell, weights), x, h_0)
    _, expected, _ = loss_and_gradients(cell, weights, x, targets, h_0)
    found = gradients(weights, h, x, targets, activation)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-12, err_msg=name)


def traced(T=4, B=2, I=3, H=3, O=4):
    """The same network in PyTorch, with the gradient of everything computed kept by autograd."""
    _, weights, x, h_0, targets = example_network(T, B, I, H, O, seed=3)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    h, a, u = [torch.tensor(h_0)], [], []
    for t in range(T):
        a.append(torch.tensor(x[t]) @ w["W_xh"].T + h[-1] @ w["W_hh"].T + w["b_h"])
        h.append(torch.tanh(a[-1]))
        u.append(h[-1] @ w["W_hy"].T + w["b_y"])
    for value in (*a, *u):
        value.retain_grad()
    logits = torch.stack(u)
    torch.nn.functional.cross_entropy(logits.reshape(-1, O), torch.tensor(targets.ravel()), reduction="sum").backward()
    states = np.array([state.detach().numpy() for state in h])
    da = np.concatenate([np.zeros((1, B, H)), [step.grad.numpy() for step in a]])
    return weights, x, targets, states, logits.detach().numpy(), da, np.array([s.grad.numpy() for s in u]), w


def test_each_equation_alone_against_autograd():
    """Every equation gets autograd's arrays as its input, so that a wrong one cannot hide behind another."""
    weights, x, targets, h, logits, da, dlogits, w = traced()
    T, slopes, close = len(x), 1 - h * h, {"atol": 1e-13}
    np.testing.assert_allclose(bp1(logits, targets), dlogits, **close)
    np.testing.assert_allclose(bp2(weights, dlogits[-1], slopes[-1]), da[-1], **close)
    for t in range(1, T):
        np.testing.assert_allclose(bp2t(weights, da[t + 1], dlogits[t - 1], slopes[t]), da[t], **close)
    np.testing.assert_allclose(delta_recursion(weights, h, dlogits), da, **close)
    np.testing.assert_allclose(bp3(da), w["b_h"].grad, **close)
    np.testing.assert_allclose(bp3(dlogits), w["b_y"].grad, **close)
    np.testing.assert_allclose(bp4v(dlogits, h), w["W_hy"].grad, **close)
    np.testing.assert_allclose(bp4w(da, h), w["W_hh"].grad, **close)
    np.testing.assert_allclose(bp4u(da, x), w["W_xh"].grad, **close)


@settings(max_examples=25)
@given(**SHAPES, seed=seeds, jordan=st.booleans())
def test_the_contributions_of_all_steps_sum_to_the_gradient(T, B, I, H, O, seed, jordan):
    rng = np.random.default_rng(seed)
    cell = Jordan(I, H, O) if jordan else Elman(I, H)
    weights = initial_weights(weight_shapes(cell), rng, 1.0)
    outputs, tape = forward(cell, weights, rng.normal(size=(T, B, I)))
    d_outputs = {cell.outputs[0]: rng.normal(size=outputs.shape)}
    parts = contributions(tape, deltas(tape, d_outputs)[0])
    assert parts.keys() == weights.keys()
    for name, gradient in backward(tape, d_outputs).items():
        if name in parts:
            assert parts[name].shape == (T, *gradient.shape)
            np.testing.assert_allclose(parts[name].sum(axis=0), gradient, atol=1e-12, err_msg=name)


def test_a_contribution_belongs_to_its_step():
    """If every step had weights of its own, its contribution would be their gradient: PyTorch gives them some."""
    cell, weights, x, h_0, _ = example_network(T=4, B=2, I=3, H=3, O=2, seed=5)
    own = without_readout(cell, weights)
    h, tape = forward(cell, own, x, h_0)
    dh = np.random.default_rng(0).normal(size=h.shape)
    parts = contributions(tape, deltas(tape, {"h": dh})[0])
    copies = [{name: torch.tensor(value, requires_grad=True) for name, value in own.items()} for _ in range(4)]
    state, loss = torch.tensor(h_0), torch.zeros((), dtype=torch.float64)
    for t, w in enumerate(copies):
        state = torch.tanh(torch.tensor(x[t]) @ w["W_xh"].T + state @ w["W_hh"].T + w["b_h"])
        loss = loss + (state * torch.tensor(dh[t + 1])).sum()
    loss.backward()
    for t, w in enumerate(copies):
        for name, part in parts.items():
            np.testing.assert_allclose(part[t], w[name].grad, atol=1e-12, err_msg=f"{name}, step {t + 1}")


def test_contributions_of_tokens_are_those_of_their_one_hot_vectors():
    rng = np.random.default_rng(2)
    cell = Elman(4, 3)
    weights, tokens = initial_weights(weight_shapes(cell), rng, 1.0), rng.integers(0, 4, (5, 2))
    h, tape = forward(cell, weights, tokens)
    _, dense = forward(cell, weights, np.eye(4)[tokens])
    da, _ = deltas(tape, {"h": rng.normal(size=h.shape)})
    for name, part in contributions(tape, da).items():
        np.testing.assert_allclose(part, contributions(dense, da)[name], atol=1e-14, err_msg=name)


def test_bad_input_is_named():
    cell, weights, x, h_0, targets = example_network(T=3, B=2, I=2, H=3, O=2, seed=0)
    h, tape = forward(cell, without_readout(cell, weights), x, h_0)
    with pytest.raises(ValueError, match=r"dlogits: expected shape \(3, 2, O\), got \(2, 2, 2\)"):
        delta_recursion(weights, h, np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"h: expected shape \(T \+ 1, B, H\), got \(4, 3\)"):
        delta_recursion(weights, h[:, 0], np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match=r"x: expected shape \(3, 2, I\), got \(4, 2, 3\)"):
        gradients(weights, h, h, targets)
    with pytest.raises(ValueError, match=r"da\['h'\]: expected shape \(4, 2, 3\), got \(3, 2, 3\)"):
        contributions(tape, {"h": np.zeros((3, 2, 3))})
    with pytest.raises(ValueError, match="da: expected the entries h; missing h"):
        contributions(tape, {})


def test_what_einsum_would_stretch_is_refused():
    """One step or one sequence is not all of them."""
    h, x, d = np.ones((4, 2, 3)), np.ones((3, 2, 2)), np.ones((3, 2, 5))
    for call, message in (
        (lambda: bp4v(d[:, :1], h), r"h: expected shape \(4, 1, H\), got \(4, 2, 3\)"),
        (lambda: bp4v(d[:1], h), r"h: expected shape \(2, 1, H\)|h: expected shape \(2, 2, H\), got \(4, 2, 3\)"),
        (lambda: bp4v(d, h[1:]), r"h: expected shape \(4, 2, H\), got \(3, 2, 3\)"),
        (lambda: bp4w(h[:, :1], h), r"h: expected shape \(4, 1, 3\), got \(4, 2, 3\)"),
        (lambda: bp4u(h, x[:, :1]), r"x: expected shape \(3, 2, I\), got \(3, 1, 2\)"),
        (lambda: bp2({"W_hy": np.ones((5, 3))}, d[0], h[1, :1]), r"slopes_T: expected shape \(2, 3\), got \(1, 3\)"),
        (lambda: bp2({}, d[0], h[1]), "weights: expected the entries W_hy; missing W_hy, got none"),
        (lambda: bp2({"W_hy": np.ones((3, 5))}, d[0], h[1]), r"dlogits_T: expected shape \(B, 3\), got \(2, 5\)"),
        (
            lambda: bp2t({"W_hh": np.ones((3, 2)), "W_hy": np.ones((5, 3))}, h[2], d[0], h[1]),
            r"W_hh: expected shape \(2, 2\), got \(3, 2\)",
        ),
        (lambda: bp3(h[0]), r"deltas: expected shape \(T, B, n\), got \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
