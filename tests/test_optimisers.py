"""Optimisers: equal to PyTorch's step by step; clipping keeps the direction."""

import numpy as np
import pytest
import torch

from companion.optimisers import Adam, clip_by_norm, norm


def test_adam_equals_pytorch_over_many_steps():
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    theirs = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    ours, optimiser = Adam(rate=0.01), torch.optim.Adam(theirs.values(), lr=0.01)
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


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="rate: expected a positive number, got 0"):
        Adam(rate=0)
    with pytest.raises(ValueError, match="gradients: expected the entries W; missing W"):
        Adam(rate=1).step({"W": np.zeros(2)}, {})
    with pytest.raises(ValueError, match=r"gradients\['W'\]: expected shape \(2, 2\), got \(2,\)"):
        Adam(rate=1).step({"W": np.zeros((2, 2))}, {"W": np.zeros(2)})
