"""Elman's network with a second way back, s steps long: equal to its equation written out in PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import backward, deltas, forward, weight_shapes
from companion.bptt.skip_elman import SkipElman
from companion.core.functions import RELU, TANH


def drawn(cell, rng, T, B):
    w = {name: rng.normal(size=shape) for name, shape in weight_shapes(cell).items()}
    initial = {name: rng.normal(size=(B, cell.hidden)) for name in cell.state}
    return w, rng.normal(size=(T, B, cell.inputs)), initial, rng.normal(size=(T + 1, B, cell.hidden))


@settings(max_examples=60)
@given(
    T=st.integers(1, 9),
    B=st.integers(1, 3),
    H=st.integers(1, 4),
    skip=st.integers(2, 5),
    kind=st.sampled_from([TANH, RELU]),
    seed=st.integers(0, 2**32 - 1),
)
@example(T=1, B=1, H=1, skip=2, kind=TANH, seed=0)
@example(T=9, B=2, H=3, skip=2, kind=TANH, seed=1)
@example(T=9, B=2, H=3, skip=4, kind=RELU, seed=2)
@example(T=2, B=2, H=3, skip=5, kind=TANH, seed=3)
def test_forwards_and_backwards(T, B, H, skip, kind, seed):
    """The states before h_0 are what d1 … and s hold at the start: h_{-1}, h_{-2}, …"""
    cell = SkipElman(2, H, skip, kind)
    w, x, initial, dh = drawn(cell, np.random.default_rng(seed), T, B)
    h, tape = forward(cell, w, x, initial)
    gradients = backward(tape, {"h": dh})

    def leaf(array):
        return torch.tensor(array, requires_grad=True)

    tw, tx = {name: leaf(a) for name, a in w.items()}, leaf(x)
    past = [leaf(initial[name]) for name in reversed(cell.state)]  # h_{1-s} … h_0
    states = list(past)
    for x_t in tx:
        a = x_t @ tw["W_xh"].T + states[-1] @ tw["W_hh"].T + states[-skip] @ tw["W_sh"].T + tw["b_h"]
        states.append(torch.tanh(a) if kind is TANH else torch.relu(a))
    theirs = torch.stack(states[skip - 1 :])
    (theirs * torch.tensor(dh)).sum().backward()

    np.testing.assert_allclose(h, theirs.detach().numpy(), atol=1e-10)
    expected = {name: a.grad for name, a in tw.items()} | {"dx": tx.grad}
    expected |= {f"d{name}_0": p.grad for name, p in zip(reversed(cell.state), past, strict=True)}
    assert set(gradients) == set(expected)
    for name, grad in expected.items():
        grad = np.zeros_like(gradients[name]) if grad is None else grad.numpy()
        np.testing.assert_allclose(gradients[name], grad, atol=1e-10 * max(1, np.abs(grad).max()), err_msg=name)


def test_one_step_back_in_time_skips_s_steps():
    """Without W_hh the gradient reaches the steps s, 2s, … before the last, and no other."""
    cell, T = SkipElman(1, 3, 4), 12
    w, x, _, _ = drawn(cell, np.random.default_rng(0), T, 1)
    _, tape = forward(cell, w | {"W_hh": np.zeros((3, 3))}, x)
    dh = np.zeros((T + 1, 1, 3))
    dh[-1] = 1
    da, _ = deltas(tape, {"h": dh})
    assert [t for t in range(T + 1) if da["h"][t].any()] == [4, 8, 12]


def test_the_shapes_and_names():
    cell = SkipElman(2, 3, 4)
    assert cell.state == ("h", "d1", "d2", "s") and SkipElman(2, 3, 2).state == ("h", "s")
    assert weight_shapes(cell) == {"W_xh": (3, 2), "W_hh": (3, 3), "W_sh": (3, 3), "b_h": (3,)}
    for values, name in (((0, 3, 2), "inputs"), ((2, 0, 2), "hidden"), ((2, 3, 1), "skip")):
        with pytest.raises(ValueError, match=f"{name}: expected a whole number of at least"):
            SkipElman(*values)
