"""Training on a task: the steps are the optimiser's on the mean gradient, and truncation cuts what it says."""

from itertools import islice

import numpy as np
import pytest
import torch

from companion import MANY_TO_ONE, Elman, deltas, forward, loss_and_gradients
from companion.bptt.equations import contributions
from companion.bptt.initialisation import identity
from companion.bptt.long_lags import AddingProblem, CopyMemory, TemporalOrder
from companion.bptt.skip_elman import SkipElman
from companion.bptt.training import evaluate, mean_gradients, network_weights, training
from companion.core.networks import without_readout
from companion.core.optimisers import SGD, Adam, clip_by_norm, norm

TASKS = [AddingProblem(6), CopyMemory(3), TemporalOrder()]


def start(task, hidden=5, seed=0, **given):
    cell = Elman(task.inputs, hidden)
    return cell, network_weights(cell, task, np.random.default_rng(seed), **given)


class TwoOutputs:
    """What network_weights looks at in a cell; its second output z is wider than its first."""

    sizes = {"x": 2, "h": 3, "z": 5}
    wiring = {"h": ("x", "h_before"), "z": ("h",)}
    state, outputs = ("h",), ("h", "z")


def test_the_readout_fits_the_main_output():
    weights = network_weights(TwoOutputs(), AddingProblem(6), np.random.default_rng(0))
    assert weights["W_hy"].shape == (1, 3) and weights["W_hz"].shape == (5, 3)
    assert 0.9 * 3**-0.5 < max(np.abs(w).max() for w in weights.values()) <= 3**-0.5


def torch_loss(task, cell, weights, x, targets):
    """The mean loss of a batch, by PyTorch; weights that ask for gradients."""
    layer = torch.nn.RNN(cell.inputs, cell.hidden, dtype=torch.float64)
    given = {
        "weight_ih_l0": weights["W_xh"],
        "weight_hh_l0": weights["W_hh"],
        "bias_ih_l0": weights["b_h"],
        "bias_hh_l0": torch.zeros(cell.hidden, dtype=torch.float64),
    }
    if x.ndim == 2:
        x = np.eye(task.inputs)[x]
    h, _ = torch.func.functional_call(layer, given, (torch.tensor(x),))
    outputs = (h @ weights["W_hy"].T + weights["b_y"])[task.arity.answers]
    targets = torch.tensor(targets)
    if targets.ndim == 2:
        return torch.nn.functional.cross_entropy(outputs.reshape(-1, task.outputs), targets.reshape(-1))
    return torch.nn.functional.mse_loss(outputs, targets)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_steps_equal_a_training_loop_in_pytorch(task):
    cell, weights = start(task)
    theirs = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    optimiser, rng = torch.optim.Adam(theirs.values(), lr=0.01), np.random.default_rng(7)
    steps = training(task, cell, weights, Adam(0.01), np.random.default_rng(7), 4, lambda g: clip_by_norm(g, 0.1))
    for step in islice(steps, 5):
        optimiser.zero_grad()
        loss = torch_loss(task, cell, theirs, *task.batch(rng, 4))
        loss.backward()
        length = torch.nn.utils.get_total_norm([w.grad for w in theirs.values()])
        for w in theirs.values():
            w.grad *= min(1.0, 0.1 / length.item())
        optimiser.step()
        assert step.loss == pytest.approx(loss.item(), abs=1e-10)
        assert step.norm == pytest.approx(length.item(), abs=1e-10)
        for name, w in theirs.items():
            np.testing.assert_allclose(step.weights[name], w.detach().numpy(), atol=1e-9)
    assert step.number == 5


def test_without_a_clip_the_optimiser_gets_the_mean_gradient_itself():
    task = AddingProblem(6)
    cell, weights = start(task)
    _, gradients = mean_gradients(task, cell, weights, *task.batch(np.random.default_rng(3), 4))
    step = next(training(task, cell, weights, SGD(0.5), np.random.default_rng(3), 4))
    assert step.norm == pytest.approx(norm(gradients), abs=1e-14)
    for name, w in weights.items():
        np.testing.assert_allclose(step.weights[name], w - 0.5 * gradients[name], atol=1e-14)


def test_a_horizon_keeps_the_loss_and_drops_what_lies_further_back():
    """Against the full gradient of the last steps alone, started from the state that the first steps lead to."""
    task = AddingProblem(12)
    cell, weights = start(task)
    x, targets = task.batch(np.random.default_rng(1), 3)
    full_loss, full = mean_gradients(task, cell, weights, x, targets)
    h = np.zeros((3, cell.hidden))
    for x_t in x[:-4]:
        h = np.tanh(x_t @ weights["W_xh"].T + h @ weights["W_hh"].T + weights["b_h"])
    total, last, _ = loss_and_gradients(cell, weights, x[-4:], targets, h, MANY_TO_ONE, task.loss)
    loss, cut = mean_gradients(task, cell, weights, x, targets, horizon=4)
    assert loss == pytest.approx(full_loss, abs=1e-12) == pytest.approx(total / 3, abs=1e-12)
    for name in weights:
        np.testing.assert_allclose(cut[name], last[name] / 3, atol=1e-12)
    assert np.abs(cut["W_hh"] - full["W_hh"]).max() > 1e-4
    np.testing.assert_allclose(cut["W_hy"], full["W_hy"], atol=1e-12)
    for horizon in (12, 13, 1000):
        for name, g in mean_gradients(task, cell, weights, x, targets, horizon)[1].items():
            np.testing.assert_array_equal(g, full[name])
    step = next(training(task, cell, weights, SGD(1.0), np.random.default_rng(1), 3, horizon=4))
    np.testing.assert_allclose(step.weights["W_hh"], weights["W_hh"] - cut["W_hh"], atol=1e-12)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_evaluation_is_the_mean_loss_on_fresh_sequences(task):
    cell, weights = start(task)
    theirs = {name: torch.tensor(w) for name, w in weights.items()}
    expected = torch_loss(task, cell, theirs, *task.batch(np.random.default_rng(5), 6)).item()
    assert evaluate(task, cell, weights, np.random.default_rng(5), 6) == pytest.approx(expected, abs=1e-12)


def test_a_recurrent_matrix_given_takes_its_place_and_all_is_in_one_precision():
    task = AddingProblem(6)
    cell, weights = start(task, recurrent=identity(5, 0.5), dtype=np.float32)
    np.testing.assert_array_equal(weights["W_hh"], 0.5 * np.eye(5))
    assert not weights["b_h"].any() and weights["W_xh"].any() and weights["W_hy"].shape == (1, 5)
    step = next(training(task, cell, weights, SGD(0.1), np.random.default_rng(0), 2))
    assert {w.dtype for w in [*weights.values(), *step.weights.values()]} == {np.dtype(np.float32)}
    _, usual = start(task)
    assert max(np.abs(w).max() for w in usual.values()) <= 5**-0.5 and usual["b_h"].any()


def test_a_network_learns_to_add_over_four_steps():
    """Below a tenth of what the constant answer costs, for each of three seeds."""
    task = AddingProblem(4)
    for seed in range(3):
        cell, weights = start(task, hidden=24, seed=seed)
        rng = np.random.default_rng([seed, 1])
        *_, last = islice(training(task, cell, weights, Adam(0.01), rng, 32, lambda g: clip_by_norm(g, 1.0)), 600)
        assert evaluate(task, cell, last.weights, np.random.default_rng(99), 500) < task.baseline / 10


def test_bad_input_is_named():
    cell, weights = start(CopyMemory(3))
    x, targets = CopyMemory(3).batch(np.random.default_rng(0), 2)
    with pytest.raises(ValueError, match="horizon: expected a task that answers at the end, got one of many to many"):
        mean_gradients(CopyMemory(3), cell, weights, x, targets, horizon=2)
    with pytest.raises(ValueError, match="horizon: expected a whole number of at least 1, got 0"):
        mean_gradients(CopyMemory(3), cell, weights, x, targets, horizon=0)


def test_a_horizon_carries_every_state_vector():
    """SkipElman's state is several vectors: within the horizon they start from what the steps before left."""
    task, cell, rng = AddingProblem(8), SkipElman(2, 3, 2), np.random.default_rng(0)
    weights = network_weights(cell, task, rng)
    x, targets = task.batch(rng, 4)
    loss, _ = mean_gradients(task, cell, weights, x, targets)
    cut, gradients = mean_gradients(task, cell, weights, x, targets, horizon=3)
    assert cut == pytest.approx(loss, abs=1e-14)
    h, tape = forward(cell, without_readout(cell, weights), x)
    dh = np.zeros_like(h)
    dh[-1] = 2 * (h[-1] @ weights["W_hy"].T + weights["b_y"] - targets[0]) @ weights["W_hy"] / 4
    parts = contributions(tape, deltas(tape, {"h": dh})[0])
    for name, part in parts.items():
        np.testing.assert_allclose(gradients[name], part[-3:].sum(axis=0), atol=1e-14, err_msg=name)
