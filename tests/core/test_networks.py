"""Readout, arities and stacks: the worked example's numbers, gradients against finite differences and PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import (
    GRU,
    LSTM,
    MANY_TO_MANY,
    MANY_TO_ONE,
    ONE_TO_MANY,
    ONE_TO_ONE,
    Directions,
    Elman,
    Jordan,
    backward_stack,
    cross_entropy,
    forward_stack,
    initial_weights,
    loss_and_gradients,
    readout,
    readout_shapes,
    weight_shapes,
)
from companion.bptt.gradients import check_gradients
from companion.core.functions import squared_error
from companion.core.networks import final_state, network_shapes, run_network, spread_inputs


def test_the_worked_example_gives_its_loss_and_gradients():
    """Numbers recomputed from the example's weights (chapter "Unrolling"), five decimals."""
    w = {
        "W_xh": np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
        "W_hh": np.array([[0.1, 0.2], [0.3, 0.4]]),
        "b_h": np.zeros(2),
        "W_hy": np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        "b_y": np.zeros(3),
    }
    x = np.array([[[1.0, 2, 3]], [[2, 3, 4]], [[3, 4, 5]]])
    loss, gradients, tape = loss_and_gradients(Elman(3, 2), w, x, np.array([[0], [2], [1]]))
    expected = {
        "W_hy": [[-0.27229, -0.35369], [-0.08774, -0.05002], [0.36003, 0.40372]],
        "W_hh": [[-0.00469, -0.00535], [-0.00001, -0.00001]],
        "W_xh": [[0.04359, 0.09193, 0.14026], [0.00162, 0.00325, 0.00487]],
    }
    assert loss == pytest.approx(3.42692, abs=5e-6)
    np.testing.assert_allclose(tape["h"][1:, 0], [[0.88535, 0.99668], [0.97961, 0.99996], [0.99394, 1]], atol=5e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(gradients[name], value, atol=5e-6, err_msg=name)


@pytest.mark.parametrize("arity", [ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE, MANY_TO_MANY], ids=lambda a: a.name)
def test_every_arity_has_the_gradients_that_finite_differences_measure(arity):
    rng = np.random.default_rng(4)
    T = 1 if arity is ONE_TO_ONE else 4
    cell = Elman(2, 3)
    w = initial_weights(weight_shapes(cell) | readout_shapes(3, 5), rng, 0.8)
    x = spread_inputs(arity, rng.normal(size=(len(range(T)[arity.reads]), 2, 2)), T)
    targets = rng.integers(0, 5, (len(range(T)[arity.answers]), 2))
    h_0 = rng.normal(size=(2, 3))

    def loss(arguments):
        own = {name: arguments[name] for name in w}
        return loss_and_gradients(cell, own, arguments["x"], targets, arguments["h_0"], arity)[0]

    _, gradients, _ = loss_and_gradients(cell, w, x, targets, h_0, arity)
    claimed = {**{name: gradients[name] for name in w}, "x": gradients["dx"], "h_0": gradients["dh_0"]}
    check_gradients(loss, {**w, "x": x, "h_0": h_0}, claimed, bound=1e-8)


@settings(max_examples=30)
@given(K=st.integers(1, 3), T=st.integers(1, 5), B=st.integers(1, 3), H=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_a_stack_of_k_layers_equals_pytorch(K, T, B, H, seed):
    rng = np.random.default_rng(seed)
    cells = [Elman(3 if k == 0 else H, H) for k in range(K)]
    weights = [initial_weights(weight_shapes(cell), rng, 1.0) for cell in cells]
    x, states, dh = rng.normal(size=(T, B, 3)), rng.normal(size=(K, B, H)), rng.normal(size=(T + 1, B, H))
    dh[0] = 0
    h, tapes = forward_stack(cells, weights, x, list(states))
    gradients = backward_stack(tapes, {"h": dh})

    layer = torch.nn.RNN(3, H, num_layers=K, dtype=torch.float64)
    with torch.no_grad():
        for k, w in enumerate(weights):
            getattr(layer, f"weight_ih_l{k}").copy_(torch.tensor(w["W_xh"]))
            getattr(layer, f"weight_hh_l{k}").copy_(torch.tensor(w["W_hh"]))
            getattr(layer, f"bias_ih_l{k}").copy_(torch.tensor(w["b_h"]))
            getattr(layer, f"bias_hh_l{k}").zero_()
    tx = torch.tensor(x, requires_grad=True)
    ts = torch.tensor(states, requires_grad=True)
    output, _ = layer(tx, ts)
    (output * torch.tensor(dh[1:])).sum().backward()

    np.testing.assert_allclose(h[1:], output.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(gradients[0]["dx"], tx.grad.numpy(), atol=1e-10)
    for k in range(K):
        np.testing.assert_allclose(gradients[k]["W_xh"], getattr(layer, f"weight_ih_l{k}").grad.numpy(), atol=1e-10)
        np.testing.assert_allclose(gradients[k]["W_hh"], getattr(layer, f"weight_hh_l{k}").grad.numpy(), atol=1e-10)
        np.testing.assert_allclose(gradients[k]["b_h"], getattr(layer, f"bias_ih_l{k}").grad.numpy(), atol=1e-10)
        np.testing.assert_allclose(gradients[k]["dh_0"], ts.grad[k].numpy(), atol=1e-10)


def test_a_jordan_layer_may_lie_below_another():
    rng = np.random.default_rng(0)
    cells = [Jordan(2, 3, 4), Elman(4, 2)]
    weights = [initial_weights(weight_shapes(cell), rng, 1.0) for cell in cells]
    x, dh = rng.normal(size=(3, 2, 2)), rng.normal(size=(4, 2, 2))
    _, tapes = forward_stack(cells, weights, x)

    def loss(w):
        return float((forward_stack(cells, [w, weights[1]], x)[0] * dh).sum())

    check_gradients(loss, weights[0], backward_stack(tapes, {"h": dh})[0], bound=1e-8)


def test_steps_that_read_nothing_get_zeros_and_first_weights_fill_their_range():
    x = np.ones((1, 2, 3))
    np.testing.assert_array_equal(spread_inputs(ONE_TO_MANY, x, 3), [x[0], 0 * x[0], 0 * x[0]])
    np.testing.assert_array_equal(spread_inputs(MANY_TO_MANY, x, 1), x)
    W = initial_weights({"W": (100, 100)}, np.random.default_rng(0), 0.5)["W"]
    assert W.min() == pytest.approx(-0.5, abs=0.01) and W.max() == pytest.approx(0.5, abs=0.01)


class Watched(Elman):
    """Elman's network that shows its pre-activation too, as an output of its own."""

    outputs = ("h", "u")

    def step(self, w, now, before):
        return {"h": np.tanh(now["a_h"]), "u": now["a_h"]}

    def back(self, w, s, d):
        return {"h": s["h"] * d["h"] + d["u"]}, {}


def test_the_readout_reads_the_main_output():
    rng = np.random.default_rng(5)
    weights = initial_weights(weight_shapes(Elman(2, 3)) | readout_shapes(3, 4), rng, 1.0)
    x, targets = rng.normal(size=(5, 2, 2)), rng.integers(0, 4, (5, 2))
    loss, gradients, _ = loss_and_gradients(Elman(2, 3), weights, x, targets)
    watched_loss, watched, _ = loss_and_gradients(Watched(2, 3), weights, x, targets)
    assert watched_loss == loss
    for name in weights:
        np.testing.assert_allclose(watched[name], gradients[name], atol=1e-14, err_msg=name)


def test_a_cell_with_output_weights_of_its_own_takes_no_readout():
    jordan = Jordan(3, 4, 4)
    weights = initial_weights(weight_shapes(jordan), np.random.default_rng(0), 1.0)
    with pytest.raises(ValueError, match="layers: expected a cell without the output weights W_hy, b_y, got Jordan"):
        loss_and_gradients(jordan, weights, np.zeros((2, 1, 3)), np.zeros((2, 1), int))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="weights: expected the entries W_hy, b_y; missing b_y"):
        readout({"W_hy": np.zeros((3, 2))}, np.zeros((4, 1, 2)))
    with pytest.raises(ValueError, match="cells: expected as many as weights and initial states, at least one; got 0"):
        forward_stack([], [], np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match=r"x: expected shape \(1, B, I\), got \(2, 1, 3\)"):
        spread_inputs(ONE_TO_MANY, np.zeros((2, 1, 3)), 4)
    with pytest.raises(ValueError, match=r"b_y: expected shape \(3,\), got \(2,\)"):
        readout({"W_hy": np.zeros((3, 2)), "b_y": np.zeros(2)}, np.zeros((4, 1, 2)))
    with pytest.raises(ValueError, match=r"W_hy: expected shape \(O, 2\), got \(3, 4\)"):
        readout({"W_hy": np.zeros((3, 4)), "b_y": np.zeros(3)}, np.zeros((4, 1, 2)))
    with pytest.raises(ValueError, match="weights: expected the entries W_xh, W_hh, b_h, W_hy, b_y; missing W_hy, b_y"):
        loss_and_gradients(
            Elman(1, 1),
            initial_weights(weight_shapes(Elman(1, 1)), np.random.default_rng(0), 1),
            np.zeros((1, 1, 1)),
            np.zeros((1, 1), int),
        )
    with pytest.raises(ValueError, match="bound: expected a positive number, got 0"):
        initial_weights({"b": (1,)}, np.random.default_rng(0), 0)


def padded_batch(rng, T, B, I, O, arity, tokens, numbers):
    """A batch of different lengths (0 among them), its targets, and True for the answers that count."""
    lengths = rng.integers(0, T + 1, B)
    x = rng.integers(0, I, (T, B)) if tokens else rng.normal(size=(T, B, I))
    n = 1 if arity is MANY_TO_ONE else T
    targets = rng.normal(size=(n, B, O)) if numbers else rng.integers(0, O, (n, B))
    counted = np.ones((1, B), bool) if arity is MANY_TO_ONE else np.arange(T)[:, None] < lengths
    return lengths, x, targets, counted


NETWORKS = {
    "Elman": lambda I: Elman(I, 3),
    "GRU": lambda I: GRU(I, 3),
    "layers": lambda I: [LSTM(I, 2), Elman(2, 3)],
    "both directions": lambda I: [Directions(GRU(I, 2), LSTM(I, 1)), Directions(Elman(3, 2), GRU(3, 1))],
}


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    arity=st.sampled_from([MANY_TO_ONE, MANY_TO_MANY]),
    T=st.integers(1, 6),
    B=st.integers(1, 4),
    tokens=st.booleans(),
    numbers=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_padding_of_any_content_changes_no_loss_and_no_gradient(name, arity, T, B, tokens, numbers, seed):
    """Other tokens or numbers, NaN, or what is no token and no class at all, in inputs and in targets."""
    rng, I, O = np.random.default_rng(seed), 3, 4
    layers = NETWORKS[name](I)
    weights = initial_weights(network_shapes(layers, O), rng, 1.0)
    lengths, x, targets, counted = padded_batch(rng, T, B, I, O, arity, tokens, numbers)
    loss = squared_error if numbers else cross_entropy

    def found(x, targets):
        return loss_and_gradients(layers, weights, x, targets, arity=arity, loss=loss, lengths=lengths)[:2]

    expected, gradients = found(x, targets)
    beyond = np.arange(T)[:, None] >= lengths
    other_x, other_targets = x.copy(), targets.copy()
    other_x[beyond] = -7 if tokens else np.nan
    other_targets[~counted] = np.nan if numbers else -100
    total, others = found(other_x, other_targets)
    assert total == expected
    for key, gradient in gradients.items():
        np.testing.assert_array_equal(others[key], gradient, err_msg=key)


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    arity=st.sampled_from([MANY_TO_ONE, MANY_TO_MANY]),
    tokens=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_padded_batch_has_the_loss_and_gradients_of_its_sequences_alone(name, arity, tokens, seed):
    rng, T, B, I, O = np.random.default_rng(seed), 5, 3, 3, 4
    layers = NETWORKS[name](I)
    weights = initial_weights(network_shapes(layers, O), rng, 1.0)
    lengths, x, targets, _ = padded_batch(rng, T, B, I, O, arity, tokens, numbers=False)
    lengths = np.maximum(lengths, 1)
    total, gradients, _ = loss_and_gradients(layers, weights, x, targets, arity=arity, lengths=lengths)
    alone = [
        loss_and_gradients(layers, weights, x[:n, [b]], targets[:n, [b]], arity=arity)[:2]
        for b, n in enumerate(lengths)
    ]
    assert total == pytest.approx(sum(loss for loss, _ in alone))
    for key in weights:
        np.testing.assert_allclose(gradients[key], sum(g[key] for _, g in alone), atol=1e-12, err_msg=key)


@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_what_does_not_count_is_left_out_of_a_loss_and_has_no_gradient(loss):
    rng = np.random.default_rng(3)
    logits, counted = rng.normal(size=(4, 3, 5)), rng.random((4, 3)) < 0.5
    targets = np.abs(rng.normal(size=(4, 3, 5)))
    targets /= targets.sum(axis=-1, keepdims=True)
    total, d = loss(logits, targets, counted)
    kept_total, kept = loss(logits[counted], targets[counted])
    assert total == pytest.approx(kept_total) and not d[~counted].any()
    np.testing.assert_allclose(d[counted], kept, atol=1e-15)
    logits[~counted], targets[~counted] = np.nan, np.inf
    assert loss(logits, targets, counted)[0] == total
    with pytest.raises(ValueError, match=r"counted: expected shape \(4, 3\), got \(4,\)"):
        loss(logits, targets, counted[:, 0])
    with pytest.raises(ValueError, match="counted: expected booleans, True where an answer counts, got dtype int64"):
        loss(logits, targets, counted.astype(int))


@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_targets_do_not_change_the_precision(loss):
    logits = np.ones((4, 3, 5), np.float32)
    targets = np.full((4, 3, 5), 0.2)
    assert loss(logits, targets)[1].dtype == np.float32
    cell = LSTM(2, 3)
    weights = initial_weights(network_shapes(cell, 5), np.random.default_rng(0), 0.5, np.float32)
    _, gradients, _ = loss_and_gradients(cell, weights, np.ones((4, 3, 2), np.float32), targets, loss=loss)
    assert {gradient.dtype for gradient in gradients.values()} == {np.dtype(np.float32)}


def test_a_network_goes_on_where_it_ended():
    rng = np.random.default_rng(5)
    for layers in (LSTM(2, 3), [GRU(2, 3), LSTM(3, 2)]):
        weights, x = initial_weights(network_shapes(layers, 4), rng, 1.0), rng.normal(size=(7, 2, 2))
        whole = run_network(layers, weights, x).logits
        first = run_network(layers, weights, x[:3])
        second = run_network(layers, weights, x[3:], final_state(first.tape))
        np.testing.assert_allclose(np.concatenate([first.logits, second.logits]), whole, atol=1e-14)
    pair = [Directions(GRU(2, 3), GRU(2, 3))]
    ended = run_network(pair, initial_weights(network_shapes(pair, 4), rng, 1.0), x)
    with pytest.raises(ValueError, match="tape: expected one of layers that read forwards alone"):
        final_state(ended.tape)


def test_layers_that_are_none_are_refused():
    for layers in ((GRU(2, 3), GRU(2, 3)), []):
        with pytest.raises(ValueError, match=r"layers: expected a cell, or a list of cells and pairs such as \[pair\]"):
            network_shapes(layers, 4)


def test_weights_may_be_lists():
    rng, cell = np.random.default_rng(6), Elman(2, 3)
    weights, x, targets = initial_weights(network_shapes(cell, 4), rng, 1.0), rng.normal(size=(3, 2, 2)), [[1, 0]] * 3
    expected = loss_and_gradients(cell, weights, x, targets)
    found = loss_and_gradients(cell, {name: value.tolist() for name, value in weights.items()}, x.tolist(), targets)
    assert found[0] == expected[0]
    for name, gradient in expected[1].items():
        np.testing.assert_array_equal(found[1][name], gradient, err_msg=name)
