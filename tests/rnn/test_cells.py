"""The cells' equations: equal to the same equations in PyTorch, whose gradients autograd finds."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.core.functions import IDENTITY, SIGMOID, SOFTMAX, TANH

PARITY = 1e-10  # float64, as promised in the book
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def largest(ours, theirs):
    return float(np.max(np.abs(ours - theirs.detach().numpy()), initial=0))


@pytest.mark.parametrize(("T", "B", "I", "H"), [(1, 1, 1, 1), (4, 2, 3, 5), (3, 3, 2, 2)])
def test_elman_equals_its_equation_differentiated_by_autograd(T, B, I, H):
    """For other activations and random shapes see test_recurrent.py."""
    rng = np.random.default_rng(0)
    w = initial_weights(weight_shapes(Elman(I, H)), rng, bound=1.0)
    x, h_0, dh = rng.normal(size=(T, B, I)), rng.normal(size=(B, H)), rng.normal(size=(T + 1, B, H))
    h, tape = forward(Elman(I, H), w, x, h_0)

    t, states = {name: leaf(value) for name, value in w.items()}, [leaf(h_0)]
    for x_t in torch.tensor(x):
        states.append(torch.tanh(x_t @ t["W_xh"].T + states[-1] @ t["W_hh"].T + t["b_h"]))
    (torch.stack(states) * torch.tensor(dh)).sum().backward()

    assert largest(h, torch.stack(states)) <= PARITY
    gradients = backward(tape, {"h": dh})
    for name, theirs in (t | {"h_0": states[0]}).items():
        assert largest(gradients[name if name in t else "dh_0"], theirs.grad) <= PARITY, name


TORCH_FUNCTIONS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": lambda a: a,
    "softmax": lambda a: torch.softmax(a, dim=-1),
}


@settings(max_examples=60)
@given(
    T=st.integers(1, 6),
    B=st.integers(1, 3),
    I=sizes,
    H=sizes,
    O=sizes,
    out=st.sampled_from([SOFTMAX, SIGMOID, IDENTITY, TANH]),
    seed=seeds,
)
@example(T=1, B=1, I=1, H=1, O=1, out=SOFTMAX, seed=0)
@example(T=5, B=1, I=2, H=4, O=3, out=SOFTMAX, seed=1)
def test_jordan_equals_its_equations_differentiated_by_autograd(T, B, I, H, O, out, seed):
    rng = np.random.default_rng(seed)
    cell = Jordan(I, H, O, output_activation=out)
    w = initial_weights(weight_shapes(cell), rng, bound=1.0)
    x, y_0 = rng.normal(size=(T, B, I)), rng.normal(size=(B, O))
    dy, dlogits, dh = (rng.normal(size=(T + 1, B, n)) for n in (O, O, H))

    y, tape = forward(cell, w, x, y_0)
    gradients = backward(tape, {"y": dy, "logits": dlogits, "h": dh})

    t = {name: leaf(value) for name, value in w.items()}
    tx, ty_0 = leaf(x), leaf(y_0)
    feedback, loss = ty_0, (ty_0 * torch.tensor(dy[0])).sum()
    for step in range(T):
        state = torch.tanh(tx[step] @ t["W_xh"].T + feedback @ t["W_yh"].T + t["b_h"])
        logits = state @ t["W_hy"].T + t["b_y"]
        feedback = TORCH_FUNCTIONS[out.name](logits)
        assert largest(y[step + 1], feedback) <= PARITY
        for value, weight in ((feedback, dy), (logits, dlogits), (state, dh)):
            loss = loss + (value * torch.tensor(weight[step + 1])).sum()
    loss.backward()

    for name in w:
        assert largest(gradients[name], t[name].grad) <= PARITY, name
    assert largest(gradients["dx"], tx.grad) <= PARITY
    assert largest(gradients["dy_0"], ty_0.grad) <= PARITY


def test_sizes_must_be_positive_whole_numbers():
    with pytest.raises(ValueError, match="hidden: expected a whole number of at least 1, got 0"):
        Elman(3, 0)
    with pytest.raises(ValueError, match="classes: expected a whole number of at least 1, got 2.5"):
        Jordan(3, 2, 2.5)
