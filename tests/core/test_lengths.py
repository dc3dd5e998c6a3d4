"""Batches of sequences of different lengths: each computes, and learns, as if it were alone."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, deltas, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_gradients
from companion.bptt.skip_elman import SkipElman
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM

EVERY_CELL = {
    "Elman": Elman,
    "SkipElman": lambda I, H: SkipElman(I, H, 3),
    "Jordan": lambda I, H: Jordan(I, H, 2),
    "LSTM": LSTM,
    "PeepholeLSTM": PeepholeLSTM,
    "CoupledLSTM": CoupledLSTM,
    "GRU": GRU,
    "GRUResetBefore": GRUResetBefore,
}


@pytest.mark.parametrize("name", EVERY_CELL)
@settings(max_examples=15)
@given(T=st.integers(1, 6), B=st.integers(1, 4), tokens=st.booleans(), seed=st.integers(0, 2**32 - 1))
@example(T=6, B=4, tokens=False, seed=0)
@example(T=6, B=4, tokens=True, seed=1)
def test_a_sequence_in_a_padded_batch_is_a_sequence_alone(name, T, B, tokens, seed):
    """States and gradients, for every output; what stands in the padding, NaN or no token at all, is not looked at.

    A loss that sees rows beyond a sequence's length sees its last row repeated.
    """
    rng, I = np.random.default_rng(seed), 3
    cell = EVERY_CELL[name](I, 2)
    w = initial_weights(weight_shapes(cell), rng, 1.0)
    lengths = rng.integers(0, T + 1, B)
    x = rng.integers(0, I, (T, B)) if tokens else rng.normal(size=(T, B, I))
    x[np.arange(T)[:, None] >= lengths] = -1 if tokens else np.nan
    given_x = x.copy()
    initial = {state: rng.normal(size=(B, cell.sizes[state])) for state in cell.state}

    h, tape = forward(cell, w, x, initial, lengths)
    d = {output: rng.normal(size=tape[output].shape) for output in cell.outputs}
    gradients = backward(tape, d)
    np.testing.assert_array_equal(x, given_x)  # the batch is the caller's
    assert h is tape[cell.outputs[0]]

    summed = {weight: np.zeros_like(value) for weight, value in w.items()}
    for b, n in enumerate(lengths):
        own = {state: value[b : b + 1] for state, value in initial.items()}
        if n == 0:  # nothing happens: its initial state stays, and gets all gradients of its states
            for state in cell.state:
                np.testing.assert_array_equal(tape[state][:, b], np.tile(initial[state][b], (T + 1, 1)))
                expected = d[state][:, b].sum(axis=0) if state in d else 0
                np.testing.assert_allclose(gradients[f"d{state}_0"][b], expected, atol=1e-12, err_msg=state)
            continue
        _, alone = forward(cell, w, x[:n, b : b + 1], own)
        for kept, rows in alone.kept.items():
            if kept in (*cell.state, *cell.outputs):
                np.testing.assert_allclose(tape[kept][: n + 1, b], rows[:, 0], atol=1e-13, err_msg=kept)
                np.testing.assert_array_equal(tape[kept][n:, b], np.tile(tape[kept][n, b], (T - n + 1, 1)))
        d_own = {output: rows[: n + 1, b : b + 1].copy() for output, rows in d.items()}
        for output, rows in d.items():
            d_own[output][n, 0] += rows[n + 1 :, b].sum(axis=0)
        for gradient, value in backward(alone, d_own).items():
            if gradient in summed:
                summed[gradient] += value
            elif gradient == "dx":
                np.testing.assert_allclose(gradients["dx"][:n, b], value[:, 0], atol=1e-12)
                assert not gradients["dx"][n:, b].any()
            else:
                np.testing.assert_allclose(gradients[gradient][b], value[0], atol=1e-12, err_msg=gradient)
    for weight, value in summed.items():
        np.testing.assert_allclose(gradients[weight], value, atol=1e-12, err_msg=weight)


@pytest.mark.parametrize("name", EVERY_CELL)
def test_gradients_with_lengths_are_those_that_central_differences_measure(name):
    """All rows carry a gradient, those of the padding too."""
    rng = np.random.default_rng(1)
    cell = EVERY_CELL[name](2, 2)
    w, x = initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(4, 3, 2))
    lengths, initial = np.array([3, 0, 4]), {s: rng.normal(size=(3, cell.sizes[s])) for s in cell.state}
    h, tape = forward(cell, w, x, initial, lengths)
    dh = rng.normal(size=h.shape)

    def loss(a):
        own = {weight: a[weight] for weight in w}, a["x"], {s: a[f"{s}_0"] for s in cell.state}
        return float((forward(cell, *own, lengths)[0] * dh).sum())

    gradients = backward(tape, {cell.outputs[0]: dh})
    arguments = {**w, "x": x} | {f"{s}_0": value for s, value in initial.items()}
    claimed = {a: gradients[a] if a in w else gradients[f"d{a}"] for a in arguments}
    check_gradients(loss, arguments, claimed, bound=1e-8)


@pytest.mark.parametrize("name", EVERY_CELL)
def test_a_sequence_without_steps_keeps_its_initial_state(name):
    """What a loss sees of it is the initial state, and no weight learns from it."""
    rng = np.random.default_rng(4)
    cell = EVERY_CELL[name](3, 2)
    w, x = initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(4, 2, 3))
    initial = {state: rng.normal(size=(2, cell.sizes[state])) for state in cell.state}
    h, tape = forward(cell, w, x, initial, lengths=[4, 0])
    _, alone = forward(cell, w, x[:, :1], {state: value[:1] for state, value in initial.items()})
    d = {output: rng.normal(size=tape[output].shape) for output in cell.outputs if output in cell.state}
    gradients, expected = backward(tape, d), backward(alone, {state: rows[:, :1] for state, rows in d.items()})
    for state in cell.state:
        np.testing.assert_array_equal(tape[state][:, 1], np.tile(initial[state][1], (5, 1)))
        np.testing.assert_allclose(tape[state][:, 0], alone[state][:, 0], atol=1e-13)
        seen = d[state][:, 1].sum(axis=0) if state in d else 0
        np.testing.assert_allclose(gradients[f"d{state}_0"][1], seen, atol=1e-13)
    for weight in w:
        np.testing.assert_allclose(gradients[weight], expected[weight], atol=1e-12, err_msg=weight)


def test_full_lengths_are_no_lengths():
    rng = np.random.default_rng(2)
    cell = LSTM(3, 2)
    w, x, dh = initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(5, 2, 3)), rng.normal(size=(6, 2, 2))
    plain, full = (backward(forward(cell, w, x, None, n)[1], {"h": dh}) for n in (None, [5, 5]))
    for name, gradient in plain.items():
        np.testing.assert_array_equal(full[name], gradient, err_msg=name)


def test_no_delta_arises_in_the_padding():
    rng = np.random.default_rng(3)
    cell = GRU(3, 2)
    w, x = initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(5, 2, 3))
    h, tape = forward(cell, w, x, lengths=[2, 5])
    da, _ = deltas(tape, {"h": np.ones_like(h)})
    for k, rows in da.items():
        assert not rows[3:, 0].any() and rows[1:3, 0].any() and rows[1:, 1].any(), k


def test_an_overflow_in_the_padding_is_none():
    """With huge weights the state would become infinite, had the sequence not ended before."""
    from companion.core.functions import IDENTITY

    cell = Elman(1, 1, IDENTITY)
    w = {"W_xh": np.ones((1, 1)), "W_hh": np.full((1, 1), 1e200), "b_h": np.zeros(1)}
    h, _ = forward(cell, w, np.ones((5, 1, 1)), lengths=[2])
    np.testing.assert_array_equal(h[2:, 0, 0], np.full(4, 1e200))
    with pytest.raises(ValueError, match="h: expected finite states, got inf at step 3"):
        forward(cell, w, np.ones((5, 1, 1)), lengths=[3])


CELL = Elman(3, 2)
W = initial_weights(weight_shapes(CELL), np.random.default_rng(0), 1.0)
X = np.zeros((4, 2, 3))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([4], r"lengths: expected shape \(2,\), got \(1,\)"),
        ([[4, 4]], r"lengths: expected shape \(2,\), got \(1, 2\)"),
        (4, r"lengths: expected shape \(2,\), got \(\)"),
        ([5, 4], r"lengths: expected whole numbers from 0 to 4, got \[5 4\]"),
        ([-1, 4], r"lengths: expected whole numbers from 0 to 4, got \[-1  ?4\]"),
        ([4.0, 2.0], r"lengths: expected whole numbers from 0 to 4, got \[4\. 2\.\]"),
        ([True, True], "lengths: expected whole numbers from 0 to 4"),
    ],
)
def test_bad_lengths_are_named(lengths, message):
    with pytest.raises(ValueError, match=message):
        forward(CELL, W, X, lengths=lengths)


@pytest.mark.parametrize("lengths", [[2, 1], np.array([2, 1], np.uint8)], ids=["list", "uint8"])
def test_what_holds_whole_numbers_is_good(lengths):
    h, _ = forward(CELL, W, X, lengths=lengths)
    np.testing.assert_array_equal(h[2:, 0], h[[2, 2, 2], 0])


def test_within_a_length_input_must_be_finite():
    x = X.copy()
    x[1, 1, 0] = np.nan
    with pytest.raises(ValueError, match=r"x: expected finite numbers, got nan at index \(1, 1, 0\)"):
        forward(CELL, W, x, lengths=[4, 2])
    forward(CELL, W, x, lengths=[4, 1])
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, …\), got \(4,\)"):
        forward(CELL, W, np.zeros(4), lengths=[4])
