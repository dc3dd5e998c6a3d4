"""The recurrent core: equal to PyTorch forwards and backwards, free of hidden state, plain about bad input."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, Elman, Jordan, backward, deltas, forward, initial_weights, weight_shapes
from companion.core.functions import IDENTITY, RELU, TANH
from companion.gates.cells import CoupledLSTM, GRUResetBefore, PeepholeLSTM

PARITY = 1e-10  # float64, as promised in the book
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def random_weights(cell, rng):
    return initial_weights(weight_shapes(cell), rng, bound=1.0)


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def largest(ours, theirs):
    return float(np.max(np.abs(ours - theirs.detach().numpy()), initial=0))


@settings(max_examples=60)
@given(T=st.integers(1, 7), B=st.integers(1, 4), I=sizes, H=sizes, kind=st.sampled_from(["tanh", "relu"]), seed=seeds)
@example(T=1, B=1, I=1, H=1, kind="tanh", seed=0)
@example(T=1, B=3, I=2, H=4, kind="tanh", seed=1)
@example(T=5, B=1, I=2, H=4, kind="relu", seed=2)
def test_elman_equals_pytorch_forwards_and_backwards(T, B, I, H, kind, seed):
    rng = np.random.default_rng(seed)
    cell = Elman(I, H, {"tanh": TANH, "relu": RELU}[kind])
    w = random_weights(cell, rng)
    x, h_0, dh = rng.normal(size=(T, B, I)), rng.normal(size=(B, H)), rng.normal(size=(T + 1, B, H))

    h, tape = forward(cell, w, x, h_0)
    gradients = backward(tape, {"h": dh})

    layer = torch.nn.RNN(I, H, nonlinearity=kind, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(w["W_xh"]))
        layer.weight_hh_l0.copy_(torch.tensor(w["W_hh"]))
        layer.bias_ih_l0.copy_(torch.tensor(w["b_h"]))
        layer.bias_hh_l0.zero_()
    tx, th_0 = leaf(x), leaf(h_0[None])
    output, last = layer(tx, th_0)
    ((output * torch.tensor(dh[1:])).sum() + (th_0[0] * torch.tensor(dh[0])).sum()).backward()

    assert largest(h[1:], output) <= PARITY
    assert largest(h[-1], last[0]) <= PARITY
    for name, theirs in {
        "W_xh": layer.weight_ih_l0.grad,
        "W_hh": layer.weight_hh_l0.grad,
        "b_h": layer.bias_ih_l0.grad,
        "dx": tx.grad,
        "dh_0": th_0.grad[0],
    }.items():
        assert largest(gradients[name], theirs) <= PARITY, name


def test_an_output_whose_gradient_is_not_given_does_not_matter_to_the_loss():
    rng = np.random.default_rng(6)
    cell = Jordan(2, 3, 4)
    y, tape = forward(cell, random_weights(cell, rng), rng.normal(size=(5, 2, 2)))
    given_alone, zeros = rng.normal(size=y.shape), {"y": np.zeros_like(y), "h": np.zeros((6, 2, 3))}
    alone, full = backward(tape, {"logits": given_alone}), backward(tape, {**zeros, "logits": given_alone})
    for name, gradient in full.items():
        np.testing.assert_array_equal(alone[name], gradient, err_msg=name)


class Returning(Elman):
    """Elman's network whose slopes hold W_hh too, so that its backward step takes nothing from the weights."""

    def slopes(self, w, now, before):
        return {"h": 1 - now["h"] ** 2, "W_hh": np.broadcast_to(w["W_hh"], (len(now["h"]), *w["W_hh"].shape))}

    def back(self, w, s, d):
        da_h = s["h"] * d["h"]
        return {"h": da_h}, {"h": da_h @ s["W_hh"] - da_h @ w["W_hh"]}  # the core adds the last again


def test_slopes_may_depend_on_the_weights():
    rng = np.random.default_rng(7)
    w, x, dh = random_weights(Elman(2, 3), rng), rng.normal(size=(4, 2, 2)), rng.normal(size=(5, 2, 3))
    ours, expected = (backward(forward(cell, w, x)[1], {"h": dh}) for cell in (Returning(2, 3), Elman(2, 3)))
    for name, gradient in expected.items():
        np.testing.assert_allclose(ours[name], gradient, atol=1e-14, err_msg=name)


@given(T=st.integers(1, 5), B=st.integers(1, 3), seed=seeds)
@settings(max_examples=25)
def test_a_token_is_its_one_hot_vector(T, B, seed):
    rng = np.random.default_rng(seed)
    cell = Elman(inputs=4, hidden=3)
    w, tokens, dh = random_weights(cell, rng), rng.integers(0, 4, (T, B)), rng.normal(size=(T + 1, B, 3))
    h, tape = forward(cell, w, tokens)
    h_dense, tape_dense = forward(cell, w, np.eye(4)[tokens])
    np.testing.assert_allclose(h, h_dense, atol=1e-14)
    sparse, dense = backward(tape, {"h": dh}), backward(tape_dense, {"h": dh})
    for name in w:
        np.testing.assert_allclose(sparse[name], dense[name], atol=1e-13, err_msg=name)
    assert "dx" not in sparse


def test_splitting_a_sequence_and_carrying_the_state_changes_nothing():
    rng = np.random.default_rng(1)
    cell = Elman(3, 4)
    w, x = random_weights(cell, rng), rng.normal(size=(9, 2, 3))
    whole, _ = forward(cell, w, x)
    first, _ = forward(cell, w, x[:4])
    second, _ = forward(cell, w, x[4:], first[-1])
    np.testing.assert_allclose(np.concatenate([first, second[1:]]), whole, atol=1e-15)


def test_one_cell_runs_two_sequences_at_once():
    rng = np.random.default_rng(2)
    cell = Elman(2, 3)
    w, x_a, x_b = random_weights(cell, rng), rng.normal(size=(4, 1, 2)), rng.normal(size=(6, 1, 2))
    h_a, tape_a = forward(cell, w, x_a)
    before = backward(tape_a, {"h": np.ones_like(h_a)})
    forward(cell, w, x_b)
    after = backward(tape_a, {"h": np.ones_like(h_a)})
    for name, gradient in before.items():
        np.testing.assert_array_equal(gradient, after[name])


def test_deltas_are_the_gradients_of_the_pre_activations():
    """δ_t is ∂loss/∂a_t: adding a small constant to one pre-activation acts as a bias of that step alone."""
    rng = np.random.default_rng(3)
    cell, T, epsilon = Elman(2, 3), 4, 1e-6
    w, x = random_weights(cell, rng), rng.normal(size=(T, 1, 2))
    dh = rng.normal(size=(T + 1, 1, 3))
    W_as_input = np.linalg.pinv(w["W_xh"])  # reach a_t through the input: only entries in its range can be moved
    _, tape = forward(cell, w, x)
    da, d_initial = deltas(tape, {"h": dh})
    np.testing.assert_allclose(d_initial["h"], da["h"][1] @ w["W_hh"] + dh[0], atol=1e-14)
    for t in range(1, T + 1):
        direction = w["W_xh"] @ (W_as_input @ rng.normal(size=3))
        losses = []
        for sign in (1, -1):
            moved = x.copy()
            moved[t - 1, 0] += sign * epsilon * (W_as_input @ direction)
            losses.append(float((forward(cell, w, moved)[0] * dh).sum()))
        assert (losses[0] - losses[1]) / (2 * epsilon) == pytest.approx(da["h"][t, 0] @ direction, rel=1e-6)
    assert not da["h"][0].any()


def test_float32_stays_float32():
    cell = Elman(2, 3)
    w = initial_weights(weight_shapes(cell), np.random.default_rng(0), 0.5, np.float32)
    h, tape = forward(cell, w, np.ones((3, 2, 2), np.float32))
    gradients = backward(tape, {"h": np.ones_like(h)})
    assert h.dtype == np.float32 and {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("B", [1, 2, 20])
def test_the_order_of_x_in_memory_does_not_matter(B):
    """Batch first and turned, as other libraries have it; Fortran order; reversed in time."""
    rng = np.random.default_rng(8)
    cell = Elman(4, 3)
    w, x = random_weights(cell, rng), rng.normal(size=(B, 5, 4)).swapaxes(0, 1)
    orders = (np.ascontiguousarray, np.asfortranarray, np.asarray, lambda x: x[::-1].copy()[::-1])
    first, *others = (backward(tape, {"h": h}) for h, tape in (forward(cell, w, order(x)) for order in orders))
    for name, expected in first.items():
        for other in others:
            np.testing.assert_allclose(other[name], expected, atol=1e-14, err_msg=name)


CELL = Elman(inputs=3, hidden=2)
W = random_weights(CELL, np.random.default_rng(0))
X = np.zeros((4, 1, 3))


@pytest.mark.parametrize(
    ("x", "initial", "message"),
    [
        (np.zeros((4, 3)), None, r"x: expected shape \(T, B, 3\), got \(4, 3\)"),
        (np.zeros((4, 1, 2)), None, r"x: expected shape \(T, B, 3\), got \(4, 1, 2\)"),
        (np.zeros((0, 1, 3)), None, r"x: expected at least one entry along every axis, got shape \(0, 1, 3\)"),
        (np.zeros((4, 1, 3), np.float32), None, "x: expected dtype float64 like the weights, got float32"),
        (np.full((4, 1, 3), np.nan), None, r"x: expected finite numbers, got nan at index \(0, 0, 0\)"),
        (np.full((4, 1), 3), None, r"x: expected token numbers from 0 to 2, got 3 at index \(0, 0\)"),
        (np.zeros((4, 1, 3), complex), None, "x: expected real numbers, got dtype complex128"),
        (np.full((4, 1, 3), np.inf), None, r"x: expected finite numbers, got inf at index \(0, 0, 0\)"),
        (X, np.full((1, 2), np.nan), r"h_0: expected finite numbers, got nan at index \(0, 0\)"),
        ([[1.0, 2.0], [3.0]], None, "x: expected rows of one length"),
        (X, np.zeros((1, 3)), r"h_0: expected shape \(1, 2\), got \(1, 3\)"),
        (X, {"c": np.zeros((1, 2))}, "initial: expected the entries h; missing h; not expected: c"),
    ],
)
def test_bad_input_is_named(x, initial, message):
    with pytest.raises(ValueError, match=message):
        forward(CELL, W, x, initial)


def test_bad_weights_are_named():
    with pytest.raises(ValueError, match="weights: expected the entries W_xh, W_hh, b_h; missing b_h"):
        forward(CELL, {"W_xh": W["W_xh"], "W_hh": W["W_hh"]}, X)
    with pytest.raises(ValueError, match=r"W_hh: expected shape \(2, 2\), got \(2, 3\)"):
        forward(CELL, {**W, "W_hh": np.zeros((2, 3))}, X)
    with pytest.raises(ValueError, match="W_hh: expected finite numbers, got nan"):
        forward(CELL, {**W, "W_hh": np.full((2, 2), np.nan)}, X)
    with pytest.raises(ValueError, match="weights: expected a mapping with the entries W_xh, W_hh, b_h, got"):
        forward(CELL, list(W.values()), X)
    with pytest.raises(ValueError, match="weights: expected one dtype"):
        forward(CELL, {**W, "b_h": np.zeros(2, np.float32)}, X)


def test_overflow_is_reported_at_the_step_where_it_happens():
    cell = Elman(1, 1, IDENTITY)
    w = {"W_xh": np.ones((1, 1)), "W_hh": np.full((1, 1), 1e200), "b_h": np.zeros(1)}
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match=r"h: expected finite states, got inf at step 3 \(sequence 0, entry 0\)"),
    ):
        forward(cell, w, np.ones((5, 1, 1)))


def test_a_gradient_that_overflows_is_reported_at_the_step_where_it_happens_going_back():
    """W_hh = 1e200 for the second of two units, which starts at 0 and stays there, so that no state overflows."""
    cell = Elman(1, 2, IDENTITY)
    w = {"W_xh": np.zeros((2, 1)), "W_hh": np.diag([1, 1e200]), "b_h": np.zeros(2)}
    h, tape = forward(cell, w, np.ones((5, 2, 1)))
    dh = np.zeros_like(h)
    dh[5, 1, 1] = 1
    message = r"da_h: expected finite gradients, got inf at step 3 \(sequence 1, entry 1\)"
    for way in (backward, deltas):
        with pytest.raises(ValueError, match=message):
            way(tape, {"h": dh})
    with pytest.raises(ValueError, match=r"dh_0: expected finite numbers, got inf at index \(1, 1\)"):
        backward(forward(cell, w, np.ones((2, 2, 1)))[1], {"h": dh[3:]})


def test_a_sum_of_gradients_that_overflows_is_named():
    """Every δ is finite, and what they add up to is not."""
    cell = Elman(1, 1, IDENTITY)
    w = {"W_xh": np.ones((1, 1)), "W_hh": np.zeros((1, 1)), "b_h": np.zeros(1)}
    w = {name: W.astype(np.float32) for name, W in w.items()}
    h, tape = forward(cell, w, np.ones((4, 1, 1), np.float32))
    with pytest.raises(ValueError, match=r"db_h: expected finite numbers, got inf at index \(0,\)"):
        backward(tape, {"h": np.full_like(h, 2e38)})


def test_what_happens_to_the_callers_arrays_changes_no_gradient():
    rng = np.random.default_rng(4)
    cell = Elman(2, 3)
    w, x, h_0, dh = random_weights(cell, rng), rng.normal(size=(4, 2, 2)), rng.normal(size=(2, 3)), np.ones((5, 2, 3))
    expected = backward(forward(cell, w, x, h_0)[1], {"h": dh})
    _, tape = forward(cell, w, x, h_0)
    for array in (*w.values(), x, h_0):
        array *= 2
    for name, gradient in backward(tape, {"h": dh}).items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


@pytest.mark.parametrize("lengths", [None, [2, 4]])
@pytest.mark.parametrize("tokens", [False, True])
def test_what_a_tape_holds_can_be_read_only(lengths, tokens):
    x = np.zeros((4, 2), int) if tokens else np.zeros((4, 2, 3))
    h, tape = forward(CELL, W, x, lengths=lengths)
    own = () if lengths is None else (tape.lengths,)
    for array in (h, tape.x, *own, *tape.kept.values(), *tape.weights.values()):
        with pytest.raises(ValueError, match="read-only"):
            array *= 2


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("V", [5, 100])
def test_tokens_and_lengths_of_every_integer_type_are_the_same_tokens(kind, V):
    """Numbers whose products with H do not fit the narrow types; vocabularies on either side of ONE_HOT."""
    rng = np.random.default_rng(5)
    cell = Elman(V, 7)
    w, dh = random_weights(cell, rng), rng.normal(size=(7, 3, 7))
    tokens, lengths = rng.integers(0, V, (6, 3)), np.array([6, 0, 4])
    tokens[0] = V - 1
    expected = backward(forward(cell, w, tokens, lengths=lengths)[1], {"h": dh})
    given = forward(cell, w, tokens.astype(kind), lengths=lengths.astype(kind))[1]
    for name, gradient in backward(given, {"h": dh}).items():
        np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int64])
def test_sizes_of_every_integer_type_are_the_same_sizes(kind):
    """100 + 100 and 3 · 100 do not fit into one byte."""
    plain, sized = LSTM(100, 100), LSTM(kind(100), kind(100))
    assert plain == sized and {type(size) for size in sized.sizes.values()} == {int}
    w = random_weights(sized, np.random.default_rng(6))
    h, tape = forward(sized, w, np.ones((2, 3, 100)))
    expected, expected_tape = forward(plain, w, np.ones((2, 3, 100)))
    np.testing.assert_array_equal(h, expected)
    gradients = backward(tape, {"h": h})
    for name, gradient in backward(expected_tape, {"h": h}).items():
        np.testing.assert_array_equal(gradients[name], gradient, err_msg=name)


@pytest.mark.parametrize("kind", [Elman, LSTM, GRU, CoupledLSTM, PeepholeLSTM, GRUResetBefore])
def test_cells_and_tapes_are_pickled_and_copied_whole(kind):
    rng, cell = np.random.default_rng(7), kind(2, 3)
    h, tape = forward(cell, random_weights(cell, rng), rng.normal(size=(4, 2, 2)), lengths=[4, 2])
    expected = backward(tape, {"h": h})
    for copied in (pickle.loads(pickle.dumps(tape)), copy.deepcopy(tape)):
        assert copied.cell == cell
        for name, gradient in backward(copied, {"h": h}).items():
            np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


def test_bad_output_gradients_are_named():
    h, tape = forward(CELL, W, X)
    with pytest.raises(ValueError, match="d_outputs: expected gradients of h, got one of y"):
        backward(tape, {"y": h})
    with pytest.raises(ValueError, match=r"dh: expected shape \(5, 1, 2\), got \(4, 1, 2\)"):
        backward(tape, {"h": h[1:]})
    with pytest.raises(ValueError, match="dh: expected finite numbers, got nan"):
        backward(tape, {"h": np.full_like(h, np.nan)})
    with pytest.raises(ValueError, match="d_outputs: expected a mapping such as"):
        backward(tape, h)
