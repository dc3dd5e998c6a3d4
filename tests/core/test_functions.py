"""Activations, softmax and cross-entropy: right, differentiable, and safe far from zero."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from companion.bptt.gradients import central_differences
from companion.core import functions
from companion.core.functions import (
    IDENTITY,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
    cross_entropy,
    log_softmax,
    one_hot,
    sigmoid,
    softmax,
)

logits = arrays(np.float64, array_shapes(min_dims=1, max_dims=3), elements=st.floats(-1000, 1000))


@given(logits)
def test_softmax_is_a_distribution_even_for_huge_logits(a):
    y = softmax(a)
    assert np.isfinite(y).all() and (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=-1), 1, atol=1e-12)
    assert np.isfinite(log_softmax(a)).all()


@given(logits, st.floats(-100, 100))
def test_softmax_ignores_a_shift(a, shift):
    np.testing.assert_allclose(softmax(a + shift), softmax(a), atol=1e-12)


@given(logits)
def test_log_softmax_equals_pytorch(a):
    np.testing.assert_allclose(log_softmax(a), torch.log_softmax(torch.tensor(a), dim=-1).numpy(), atol=1e-10)


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        np.testing.assert_allclose(sigmoid(np.array([-1000.0, 0, 1000])), [0, 0.5, 1])


@pytest.mark.parametrize("g", [TANH, SIGMOID, RELU, IDENTITY, SOFTMAX], ids=lambda g: g.name)
def test_slopes_and_pull_give_the_derivative(g):
    rng = np.random.default_rng(0)
    a, dy = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 4))  # all steps at once: the last axis is the vector's
    da = g.pull(g.slopes(g(a)), dy)
    np.testing.assert_allclose(da, central_differences(lambda moved: float((g(moved) * dy).sum()), a), atol=1e-9)


def test_cross_entropy_of_extreme_logits_is_finite_and_its_gradient_is_y_minus_d():
    extreme = np.array([[1000.0, -1000, 0], [-1000, 1000, 1000]])
    loss, dlogits = cross_entropy(extreme, np.array([1, 1]))
    assert loss == pytest.approx(2000 + np.log(2))
    np.testing.assert_allclose(dlogits, softmax(extreme) - np.eye(3)[[1, 1]], atol=1e-15)


@given(st.integers(0, 10**6))
def test_cross_entropy_agrees_for_classes_and_distributions_and_with_pytorch(seed):
    rng = np.random.default_rng(seed)
    a, classes = rng.normal(size=(3, 2, 4)), rng.integers(0, 4, (3, 2))
    loss, dlogits = cross_entropy(a, classes)
    loss_d, dlogits_d = cross_entropy(a, np.eye(4)[classes])
    t = torch.tensor(a, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(t.reshape(-1, 4), torch.tensor(classes).reshape(-1), reduction="sum")
    theirs.backward()
    assert loss == pytest.approx(loss_d, abs=1e-12) and loss == pytest.approx(theirs.item(), abs=1e-10)
    np.testing.assert_allclose(dlogits, dlogits_d, atol=1e-15)
    np.testing.assert_allclose(dlogits, t.grad.numpy(), atol=1e-12)

    soft = softmax(rng.normal(size=(3, 2, 4)))
    t = torch.tensor(a, requires_grad=True)
    theirs = -(torch.tensor(soft) * torch.log_softmax(t, dim=-1)).sum()
    theirs.backward()
    loss, dlogits = cross_entropy(a, soft)
    assert loss == pytest.approx(theirs.item(), abs=1e-10)
    np.testing.assert_allclose(dlogits, t.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("a", "targets", "message"),
    [
        (np.zeros((2, 3)), np.array([0, 3]), r"targets: expected token numbers from 0 to 2, got 3 at index \(1,\)"),
        (np.zeros((2, 3)), np.full((2, 3), 0.5), "targets: expected entries that sum to 1"),
        (np.zeros((1, 2)), np.array([[0.5, 0.501]]), "targets: expected entries that sum to 1 .* a sum of 1.001"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "targets: expected integers"),
        (np.zeros((2, 3)), np.array([0, 1, 2]), r"targets: expected shape \(2,\), got \(3,\)"),
        (np.zeros((2, 3)), np.array([[1.5, -0.5, 0], [1, 0, 0]]), r"targets: expected probabilities, got -0.5"),
        (np.zeros((2, 3)), np.zeros((2, 4)), r"targets: expected shape \(2, 3\), got \(2, 4\)"),
        (np.full((2, 3), np.nan), np.array([0, 1]), "logits: expected finite numbers, got nan"),
        (np.zeros((0, 3)), np.zeros(0, int), r"logits: expected at least one entry .*, got shape \(0, 3\)"),
    ],
)
def test_bad_input_is_named(a, targets, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy(a, targets)


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_no_logits_at_all_are_refused(function):
    with pytest.raises(ValueError, match="logits: expected at least one along the last axis"):
        function(np.zeros((2, 0)))


def test_one_hot_has_a_single_one():
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="tokens: expected integers from 0 to 2"):
        one_hot(np.array([3]), 3)


def test_cross_entropy_does_not_depend_on_how_the_logits_lie_in_memory():
    rng = np.random.default_rng(8)
    logits, targets = rng.normal(size=(4, 3, 5)), rng.integers(0, 5, (4, 3))
    loss, gradient = cross_entropy(logits, targets)
    other_loss, other = cross_entropy(np.asfortranarray(logits), targets)
    assert other_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(other, gradient, atol=1e-15)
    assert gradient.sum() == pytest.approx(0, abs=1e-12)  # softmax sums to 1, from which 1 was taken


@settings(max_examples=60)
@given(
    size=st.sampled_from([1, 5, 65, 300]),
    N=st.integers(1, 200),
    n=st.integers(1, 5),
    few=st.sampled_from([0, 100_000]),
    often=st.sampled_from([1, 3, 32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_by_token_are_the_product_of_one_hot_vectors_with_the_rows(size, N, n, few, often, seed):
    """By a product, one number after another, token by token and round by round: the vocabulary and N decide."""
    rng = np.random.default_rng(seed)
    rows, tokens = rng.normal(size=(N, n)), np.minimum(rng.geometric(0.05, N) - 1, size - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functions, "FEW", few)
        patch.setattr(functions, "OFTEN", often)
        found = functions.sums_by_token(rows, tokens, size)
    np.testing.assert_allclose(found, np.eye(size)[tokens].T @ rows, atol=1e-12)
    assert functions.sums_by_token(rows.astype(np.float32), tokens, size).dtype == np.float32


@pytest.mark.parametrize(
    ("loss", "answers", "targets"),
    [
        (cross_entropy, np.array([[3e38, -3e38]], np.float32), np.array([1])),
        (cross_entropy, np.array([[1.7e308, -1.7e308]]), np.array([[1.0, 0.0]])),
        (functions.squared_error, np.array([[1e200]]), np.array([[0.0]])),
        (functions.squared_error, np.array([[1.7e308]]), np.array([[-1.7e308]])),
    ],
)
def test_a_loss_that_overflows_is_told(loss, answers, targets):
    with pytest.raises(ValueError, match=r"(logits|outputs): expected answers with a finite loss, got (inf|nan)"):
        loss(answers, targets)
