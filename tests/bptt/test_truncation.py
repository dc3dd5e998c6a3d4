"""Truncated backpropagation through time: windows that count every loss once, and a gradient cut at their starts."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, forward, initial_weights, loss_and_gradients, readout, readout_shapes, weight_shapes
from companion.bptt.truncation import Window, truncated_gradients, truncated_training, windows
from companion.core.functions import cross_entropy, squared_error
from companion.core.networks import without_readout

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 30)


@st.composite
def plans(draw, longest=9):
    """T, k1 and k2 with 1 ≤ k1 ≤ k2; both may be larger than T."""
    k1, more = draw(st.integers(1, longest)), draw(st.integers(0, longest))
    return draw(st.integers(1, longest)), k1, k1 + more


def problem(T, B=2, I=3, H=4, O=3, seed=0, loss=cross_entropy):
    rng = np.random.default_rng(seed)
    cell = Elman(I, H)
    weights = initial_weights(weight_shapes(cell) | readout_shapes(H, O), rng, bound=0.9)
    targets = rng.integers(0, O, (T, B)) if loss is cross_entropy else rng.normal(size=(T, B, O))
    return cell, weights, rng.normal(size=(T, B, I)), targets, rng.normal(size=(B, H))


def near(ours, theirs, weights, rtol=1e-10):
    for name in weights:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=1e-12, err_msg=name)


# --- windows --------------------------------------------------------------------------------------------------------


@given(plans(longest=40))
def test_every_loss_is_sent_back_once_and_no_window_is_longer_than_k2(plan):
    T, k1, k2 = plan
    found = windows(T, k1, k2)
    answered = [t for w in found for t in range(1, T + 1)[w.answering]]
    assert answered == list(range(1, T + 1))
    for w in found:
        read = list(range(1, T + 1)[w.steps])
        assert read == list(range(w.first, w.last + 1))
        assert len(read) == min(k2, w.last)
        assert w.answers <= len(read)
    assert [w.last for w in found] == [*range(k1, T, k1), T]


def test_windows_by_hand():
    assert windows(7, 3, 3) == [Window(1, 3, 3), Window(4, 6, 3), Window(7 - 2, 7, 1)]
    assert windows(4, 1, 3) == [Window(1, 1, 1), Window(1, 2, 1), Window(1, 3, 1), Window(2, 4, 1)]
    assert windows(3, 5, 9) == [Window(1, 3, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 3, 2), "k2: expected at least k1 = 3, so that every loss is sent back, got 2"),
        ((5, 0, 2), "k1: expected a whole number of at least 1, got 0"),
        ((5, 1, 2.0), "k2: expected a whole number of at least 1, got 2.0"),
        ((0, 1, 2), "T: expected a whole number of at least 1, got 0"),
    ],
)
def test_impossible_windows_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        windows(*arguments)


# --- weights held fixed ---------------------------------------------------------------------------------------------


@given(plans(), seeds, st.sampled_from([cross_entropy, squared_error]))
def test_windows_as_long_as_the_sequence_give_the_full_gradient(plan, seed, loss):
    T, k1, k2 = plan
    cell, weights, x, targets, h_0 = problem(T, seed=seed, loss=loss)
    value, ours = truncated_gradients(cell, weights, x, targets, k1, max(k2, T), h_0, loss)
    expected, theirs, _ = loss_and_gradients(cell, weights, x, targets, h_0, loss=loss)
    assert value == pytest.approx(expected, rel=1e-12)
    near(ours, theirs, weights)


@given(plans(), seeds)
def test_states_are_carried_whole_so_the_loss_and_the_readout_gradient_are_never_truncated(plan, seed):
    T, k1, k2 = plan
    cell, weights, x, targets, h_0 = problem(T, seed=seed)
    value, ours = truncated_gradients(cell, weights, x, targets, k1, k2, h_0)
    expected, theirs, _ = loss_and_gradients(cell, weights, x, targets, h_0)
    assert value == pytest.approx(expected, rel=1e-12)
    assert set(ours) == set(weights)
    near(ours, theirs, ["W_hy", "b_y"])


def test_one_step_windows_give_immediate_derivatives_only():
    cell, weights, x, targets, h_0 = problem(T=6, seed=3)
    _, ours = truncated_gradients(cell, weights, x, targets, 1, 1, h_0)
    h, _ = forward(cell, without_readout(cell, weights), x, h_0)
    dlogits = cross_entropy(readout(weights, h[1:]), targets)[1]
    da = (1 - h[1:] ** 2) * (dlogits @ weights["W_hy"])
    expected = {
        "W_hh": np.einsum("tbi,tbj->ij", da, h[:-1]),
        "W_xh": np.einsum("tbi,tbj->ij", da, x),
        "b_h": da.sum(axis=(0, 1)),
    }
    near(ours, expected, expected)


def torch_step(w, x_t, h):
    return torch.tanh(x_t @ w["W_xh"].T + h @ w["W_hh"].T + w["b_h"])


def torch_loss(w, h, d_t):
    return torch.nn.functional.cross_entropy(h @ w["W_hy"].T + w["b_y"], d_t, reduction="sum")


@settings(max_examples=60)
@given(plans(), seeds)
@example((9, 1, 1), 0)
@example((9, 1, 4), 1)
@example((9, 4, 6), 2)
@example((9, 3, 3), 3)
def test_each_loss_by_itself_through_a_state_that_pytorch_detaches(plan, seed):
    """The definition loss by loss: ℓ_τ belongs to the first t ≥ τ that is a multiple of k1 (or T), and its gradient is
    that of PyTorch with the state h_{t-k2} detached."""
    T, k1, k2 = plan
    cell, weights, x, targets, h_0 = problem(T, seed=seed)
    _, ours = truncated_gradients(cell, weights, x, targets, k1, k2, h_0)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    xs, ds = torch.tensor(x), torch.tensor(targets)
    for tau in range(1, T + 1):
        end = next(t for t in range(tau, T + 1) if t % k1 == 0 or t == T)
        h = torch.tensor(h_0)
        for t in range(1, tau + 1):
            if t == end - k2 + 1:
                h = h.detach()
            h = torch_step(w, xs[t - 1], h)
        torch_loss(w, h, ds[tau - 1]).backward()
    near(ours, {name: w[name].grad.numpy() for name in w}, weights)


@dataclass(frozen=True)
class Fading:
    """A cell with two state vectors: s_t = tanh(W_xs x_t + W_ss s_{t-1} + b_s), h_t = s_t + h_{t-1}/2."""

    inputs: int = 3
    hidden: int = 4

    sizes = property(lambda self: {"x": self.inputs, "s": self.hidden, "h": self.hidden})
    wiring = property(lambda self: {"s": ("x", "s_before")})
    gates = MappingProxyType({})
    state = ("h", "s")
    outputs = ("h",)

    def step(self, w, now, before):
        s = np.tanh(now["a_s"])
        return {"s": s, "h": s + before["h"] / 2}

    def slopes(self, w, now, before):
        return {"s": 1 - now["s"] ** 2}

    def back(self, w, s, d):
        return {"s": s["s"] * (d["s"] + d["h"])}, {"h": d["h"] / 2}


def fading_problem(T):
    rng = np.random.default_rng(20)
    cell = Fading()
    weights = initial_weights(weight_shapes(cell) | readout_shapes(4, 3), rng, bound=0.9)
    initial = {"h": rng.normal(size=(2, 4)), "s": rng.normal(size=(2, 4))}
    return cell, weights, rng.normal(size=(T, 2, 3)), rng.integers(0, 3, (T, 2)), initial


def test_all_state_vectors_of_a_cell_are_carried():
    cell, weights, x, targets, initial = fading_problem(T=7)
    expected, theirs, _ = loss_and_gradients(cell, weights, x, targets, initial)
    for k1, k2 in ((1, 1), (2, 3), (3, 7)):
        value, ours = truncated_gradients(cell, weights, x, targets, k1, k2, initial)
        assert value == pytest.approx(expected, rel=1e-12)
    near(ours, theirs, weights)
    updates = list(truncated_training(cell, weights, x, targets, 2, 3, Still(), initial))
    assert sum(u.loss for u in updates) == pytest.approx(expected, rel=1e-12)


# --- training -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Descent:
    rate: float
    steps: int = 0

    def step(self, weights, gradients):
        return {n: w - self.rate * gradients[n] for n, w in weights.items()}, Descent(self.rate, self.steps + 1)


class Still:
    def step(self, weights, gradients):
        return dict(weights), self


@given(plans(), seeds)
def test_training_that_does_not_move_the_weights_adds_up_to_the_truncated_gradient(plan, seed):
    T, k1, k2 = plan
    cell, weights, x, targets, h_0 = problem(T, seed=seed)
    updates = list(truncated_training(cell, weights, x, targets, k1, k2, Still(), h_0))
    value, sums = truncated_gradients(cell, weights, x, targets, k1, k2, h_0)
    assert [u.window for u in updates] == windows(T, k1, k2)
    assert sum(u.loss for u in updates) == pytest.approx(value, rel=1e-12)
    near({name: sum(u.gradients[name] for u in updates) for name in weights}, sums, weights)


@settings(max_examples=40)
@given(plans(), seeds)
@example((9, 2, 5), 0)
@example((9, 3, 3), 1)
@example((8, 1, 3), 2)
def test_training_runs_a_window_with_the_present_weights_from_a_state_left_by_an_earlier_one(plan, seed):
    T, k1, k2 = plan
    cell, weights, x, targets, h_0 = problem(T, seed=seed)
    updates = list(truncated_training(cell, weights, x, targets, k1, k2, Descent(0.2), h_0))
    xs, ds = torch.tensor(x), torch.tensor(targets)
    left = {0: torch.tensor(h_0)}  # the states as the last window that ran them left them
    values = weights
    for end in [*range(k1, T, k1), T]:
        w = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
        before = max(0, end - k2)
        h, loss = left[before], 0
        for t in range(before + 1, end + 1):
            h = torch_step(w, xs[t - 1], h)
            left[t] = h.detach()
            if t > (end - 1) // k1 * k1:
                loss = loss + torch_loss(w, h, ds[t - 1])
        loss.backward()
        values = {name: (w[name] - 0.2 * w[name].grad).detach().numpy() for name in w}
    near(updates[-1].weights, values, weights)
    assert updates[-1].optimiser.steps == len(updates)


def test_training_leaves_the_weights_it_was_given():
    cell, weights, x, targets, h_0 = problem(T=4)
    kept = {name: w.copy() for name, w in weights.items()}
    first = next(iter(truncated_training(cell, weights, x, targets, 2, 2, Descent(0.5), h_0)))
    assert not np.array_equal(first.weights["W_hh"], weights["W_hh"])
    near(weights, kept, weights)


def test_token_input_is_read_too():
    rng = np.random.default_rng(4)
    cell, weights, _, targets, h_0 = problem(T=6)
    tokens = rng.integers(0, 3, (6, 2))
    _, ours = truncated_gradients(cell, weights, tokens, targets, 2, 4, h_0)
    _, theirs = truncated_gradients(cell, weights, np.eye(3)[tokens], targets, 2, 4, h_0)
    near(ours, theirs, weights)


def test_targets_need_a_row_a_step():
    cell, weights, x, targets, h_0 = problem(T=4)
    for run in (
        lambda d: truncated_gradients(cell, weights, x, d, 2, 2, h_0),
        lambda d: next(truncated_training(cell, weights, x, d, 2, 2, Still(), h_0)),
    ):
        with pytest.raises(ValueError, match=r"targets: expected shape \(4, B\), got \(3, 2\)"):
            run(targets[:3])


def test_a_window_is_within_the_sequence():
    with pytest.raises(ValueError, match="first: expected a whole number of at least 1, got 0"):
        Window(0, 2, 1)
    with pytest.raises(ValueError, match="last: expected a whole number of at least 3, got 2"):
        Window(3, 2, 1)
    with pytest.raises(ValueError, match="answers: expected a whole number of at least 1, got 0"):
        Window(1, 2, 0)


def test_inputs_without_a_batch_are_refused():
    cell, weights, _, targets, _ = problem(3, seed=0)
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, I\), or \(T, B\) for tokens, got \(3,\)"):
        truncated_gradients(cell, weights, np.zeros(3), targets, 1, 2)
