"""Optimisers: equal to PyTorch's step by step; clipping keeps the direction."""

import numpy as np
import pytest
import torch

from companion.core.optimisers import SGD, Adagrad, Adam, Momentum, clip_by_norm, clip_by_value, norm

PAIRS = {
    "Adam": (Adam(rate=0.01), lambda w: torch.optim.Adam(w, lr=0.01)),
    "Adagrad": (Adagrad(rate=0.1, epsilon=1e-3), lambda w: torch.optim.Adagrad(w, lr=0.1, eps=1e-3)),
    "SGD": (SGD(rate=0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    "momentum": (Momentum(rate=0.1, momentum=0.8), lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.8)),
    "no momentum": (Momentum(rate=0.1, momentum=0), lambda w: torch.optim.SGD(w, lr=0.1)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_optimisers_equal_pytorch_step_by_step(name):
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    theirs = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    ours, make = PAIRS[name]
    optimiser = make(theirs.values())
    for _ in range(20):
        gradients = {name: rng.normal(size=w.shape) for name, w in weights.items()}
        weights, ours = ours.step(weights, gradients)
        for name, w in theirs.items():
            w.grad = torch.tensor(gradients[name])
        optimiser.step()
        for name in weights:
            np.testing.assert_allclose(weights[name], theirs[name].detach().numpy(), atol=1e-12)


def test_clipping_by_norm_scales_everything_by_one_factor():
    gradients = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert norm(gradients) == 5
    clipped = clip_by_norm(gradients, 1)
    assert norm(clipped) == pytest.approx(1) and clipped["a"] / clipped["b"] == pytest.approx(0.75)
    assert clip_by_norm(gradients, 10)["a"] == 3
    with pytest.raises(ValueError, match="limit: expected a positive number"):
        clip_by_norm(gradients, 0)
    with pytest.raises(ValueError, match="gradients: expected a finite norm, got inf"), np.errstate(over="ignore"):
        clip_by_norm({"a": np.array([1e200])}, 1)


@pytest.mark.parametrize("limit", [0.3, 1.0, 2.5, 100.0])
def test_clipping_equals_pytorch(limit):
    rng = np.random.default_rng(1)
    gradients = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    for ours, theirs in (
        (clip_by_norm, torch.nn.utils.clip_grad_norm_),
        (clip_by_value, torch.nn.utils.clip_grad_value_),
    ):
        weights = {name: torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for name, g in gradients.items()}
        for name, w in weights.items():
            w.grad = torch.tensor(gradients[name])
        theirs(weights.values(), limit)
        clipped = ours(gradients, limit)
        for name, w in weights.items():
            # PyTorch divides by (norm + 1e-6), which shows in the seventh digit
            np.testing.assert_allclose(clipped[name], w.grad.numpy(), rtol=3e-6 if ours is clip_by_norm else 1e-15)


def test_clipping_by_value_cuts_each_entry_for_itself():
    gradients = {"a": np.array([3.0, -0.5]), "b": np.array([[-4.0]], np.float32)}
    clipped = clip_by_value(gradients, 1)
    assert clipped["a"].tolist() == [1, -0.5] and clipped["b"].tolist() == [[-1]]
    assert clipped["b"].dtype == np.float32 and gradients["a"][0] == 3
    with pytest.raises(ValueError, match="limit: expected a positive number, got 0"):
        clip_by_value(gradients, 0)
    for bad in (np.nan, np.inf):
        with pytest.raises(
            ValueError, match=r"gradients\['a'\]: expected finite numbers, got (nan|inf) at index \(0,\)"
        ):
            clip_by_value({"a": np.array([bad])}, 1)


@pytest.mark.parametrize("make", [SGD, Momentum, Adam, Adagrad])
def test_the_precision_of_the_weights_stays_and_nothing_given_changes(make):
    weights, gradients = {"W": np.ones(2, np.float32)}, {"W": np.full(2, 0.5, np.float32), "dx": np.ones(3)}
    before = make(rate=0.1)
    new, after = before.step(weights, gradients)
    assert new["W"].dtype == np.float32 and list(new) == ["W"]
    again, _ = after.step(new, gradients)
    assert again["W"].dtype == np.float32
    assert weights["W"].tolist() == [1, 1] and before == make(rate=0.1)


@pytest.mark.parametrize("make", [SGD, Momentum, Adam, Adagrad])
def test_bad_input_is_named(make):
    for rate in (0, -1, np.nan):
        with pytest.raises(ValueError, match=f"rate: expected a positive number, got {rate}"):
            make(rate=rate)
    with pytest.raises(ValueError, match="gradients: expected the entries W; missing W"):
        make(rate=1).step({"W": np.zeros(2)}, {})
    with pytest.raises(ValueError, match=r"gradients\['W'\]: expected shape \(2, 2\), got \(2,\)"):
        make(rate=1).step({"W": np.zeros((2, 2))}, {"W": np.zeros(2)})


def test_momentum_lies_below_one():
    for momentum in (-0.1, 1, np.nan):
        with pytest.raises(ValueError, match=f"momentum: expected a number from 0 to below 1, got {momentum}"):
            Momentum(rate=1, momentum=momentum)
