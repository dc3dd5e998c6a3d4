"""Networks set by hand do what their docstrings say, for all n up to 1000 and over 10,000 steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import backward, forward, readout
from companion.bptt.dynamics import jacobian_products, jacobians
from companion.core.networks import without_readout
from companion.gates.anbn import S, generalises_to, sequence, solved, solved_each
from companion.gates.weights_by_hand import (
    FULL,
    LOOP,
    OPEN,
    counter,
    counter_error_bound,
    elman_latch,
    latch_input,
    loop_slope,
    lstm_latch,
)

LONG = 10_000
latches = pytest.mark.parametrize("latch", [lstm_latch, elman_latch], ids=["lstm", "elman"])


def exact_counts(n):
    return np.concatenate([np.arange(n + 1), np.arange(n - 1, -1, -1)]) - 0.5  # after S, each a, each b


# --- the counter -----------------------------------------------------------------------------------------------------


def test_the_counter_solves_every_n_from_1_to_1000():
    cell, w = counter()
    assert cell.hidden == 1
    assert solved_each(cell, w, 1000).all() and generalises_to(cell, w, 1000) == 1000
    assert solved(cell, w, 1000)  # the longest once more as one sequence


@settings(deadline=None)
@given(n=st.integers(1, 60))
def test_the_cell_holds_the_count_within_the_bound(n):
    cell, w = counter()
    h, tape = forward(cell, without_readout(cell, w), sequence(n)[:-1, None])
    error = np.abs(tape["c"][1:, 0, 0] - exact_counts(n))
    assert error.max() <= counter_error_bound(n)
    np.testing.assert_allclose(h[1:, 0, 0], np.r_[0, np.tanh(exact_counts(n)[1:])], atol=1e-9)


def test_the_bound_at_1000_is_tight_enough_and_far_below_what_flips_a_decision():
    cell, w = counter()
    _, tape = forward(cell, without_readout(cell, w), sequence(1000)[:-1, None])
    error = np.abs(tape["c"][1:, 0, 0] - exact_counts(1000)).max()
    bound, room = counter_error_bound(1000), 0.5 - np.arctanh(1 / 4)
    assert bound / 10 < error <= bound < 2e-7 < 1e-6 * room
    # and the room is right: a cell off by a little less decides as before, by a little more otherwise
    for off, same in ((0.99 * room, True), (1.01 * room, False)):
        due, over = (readout(w, np.tanh([c])) for c in (0.5 - off, -0.5 + off))
        assert [bool(due.argmax() == 2), bool(over.argmax() == 0)] == [same, same]


def test_each_symbol_sets_the_gates_as_the_table_says():
    cell, w = counter()
    _, tape = forward(cell, without_readout(cell, w), np.arange(3)[None, :])  # one step: S, a, b side by side
    for gate, values in {"i": [0.5, 1, 1], "f": [0, 1, 1], "g": [-1, 1, -1], "o": [0, 1, 1]}.items():
        np.testing.assert_allclose(tape[gate][1, :, 0], values, atol=1e-12)
    assert all(not w[name].any() for name in w if name.startswith("W_h") and name != "W_hy")
    assert all(not w[f"b_{k}"].any() for k in "ifgo")


def test_the_gaps_in_the_bound_are_what_saturation_lacks():
    """1 − σ(30) = e^−30 / (1 + e^−30) and 1 − tanh(20) = 2 e^−40 / (1 + e^−40), each below what the bound takes."""
    assert np.exp(-OPEN) / (1 + np.exp(-OPEN)) < np.exp(-OPEN) == pytest.approx(9.4e-14, rel=0.01)
    assert 2 * np.exp(-2 * FULL) / (1 + np.exp(-2 * FULL)) <= 2 * np.exp(-2 * FULL)  # equal when rounded
    assert 2 * np.exp(-2 * FULL) == pytest.approx(8.5e-18, rel=0.01)


def test_s_forgets_so_that_sequences_may_follow_each_other():
    cell, w = counter()
    numbers = [3, 1, 7, 2]
    stream = np.concatenate([sequence(n)[:-1] for n in numbers])
    h, tape = forward(cell, without_readout(cell, w), stream[:, None])
    expected = np.concatenate([exact_counts(n) for n in numbers])
    np.testing.assert_allclose(tape["c"][1:, 0, 0], expected, atol=1e-9)
    ends = np.cumsum([2 * n + 1 for n in numbers])
    predicted = readout(w, h[1:, 0]).argmax(axis=1)
    assert np.flatnonzero(predicted == S).tolist() == (ends - 1).tolist()


# --- the latches -----------------------------------------------------------------------------------------------------


@latches
@pytest.mark.parametrize("seed", range(4))
def test_a_latch_holds_its_bit_for_10000_steps_of_distractors(latch, seed):
    rng, (cell, w) = np.random.default_rng(seed), latch()
    bits = np.array([-1.0, 1.0, -1.0, 1.0])
    distractors = rng.uniform(-1, 1, (LONG - 1, 4))
    distractors[:, 2:] = rng.choice([-1.0, 1.0], (LONG - 1, 2))  # as large as the bit itself
    h, _ = forward(cell, w, latch_input(bits, distractors))
    assert np.array_equal(np.sign(h[2:, :, -1]), np.tile(bits, (LONG - 1, 1)))
    rest = np.tanh(np.tanh(1)) if cell.hidden == 1 else np.sqrt(1 - loop_slope() / LOOP)
    np.testing.assert_allclose(np.abs(h[60:, :, -1]), rest, atol=1e-8)


@latches
@pytest.mark.parametrize("bit", [-1.0, 1.0])
def test_a_latch_ignores_distractors_that_all_speak_against_its_bit(latch, bit):
    cell, w = latch()
    h, _ = forward(cell, w, latch_input(np.array([bit]), np.full((LONG - 1, 1), -bit)))
    assert np.sign(h[-1, 0, -1]) == bit


@latches
def test_a_latch_takes_a_new_bit_when_told_to(latch):
    cell, w = latch()
    rng, bits = np.random.default_rng(5), [1.0, -1.0, -1.0, 1.0]
    x = np.concatenate([latch_input(np.array([bit]), rng.uniform(-1, 1, (30, 1))) for bit in bits])
    h, _ = forward(cell, w, x)
    assert [np.sign(h[31 * k, 0, -1]) for k in range(1, 5)] == bits


def test_the_loop_of_the_lstm_has_slope_1_and_that_of_the_elman_network_003():
    """The numbers of the docstrings, from the cells' own Jacobians: one step, and a hundred."""
    x = latch_input(np.array([1.0]), np.random.default_rng(6).uniform(-1, 1, (150, 1)))
    products = {}
    for latch in (lstm_latch, elman_latch):
        cell, w = latch()
        J = jacobians(forward(cell, w, x)[1])[50:, 0]  # at rest
        kept = -1  # the last state vector's last entry: c of the LSTM, unit 2 of the Elman network
        products[latch] = J[:, kept, kept], jacobian_products(J[:, None], 100)[0, 0, kept, kept]
    slopes, product = products[lstm_latch]
    np.testing.assert_allclose(slopes, 1, atol=1e-13)
    assert 1 - product == pytest.approx(100 * np.exp(-OPEN), rel=0.05)
    slopes, product = products[elman_latch]
    np.testing.assert_allclose(slopes, loop_slope(), rtol=1e-6)
    assert loop_slope() == pytest.approx(0.0305, abs=5e-5)
    assert np.log10(product) == pytest.approx(100 * np.log10(loop_slope()), rel=1e-3) and product < 1e-150


def test_only_the_lstm_latch_tells_the_step_that_stored_what_a_late_loss_wants():
    """∂h_T/∂(the stored value) over 10,000 steps: as if there were none in between, and exactly 0."""
    x = latch_input(np.array([1.0]), np.random.default_rng(7).uniform(-1, 1, (LONG - 1, 1)))
    gradients = {}
    for latch in (lstm_latch, elman_latch):
        cell, w = latch()
        h, tape = forward(cell, w, x)
        dh = np.zeros_like(h)
        dh[-1, 0, -1] = 1
        gradients[latch] = backward(tape, {"h": dh})["dx"][0, 0, 1]
    g = np.tanh(1)
    assert gradients[lstm_latch] == pytest.approx((1 - np.tanh(g) ** 2) * (1 - g**2), rel=1e-8)
    assert gradients[elman_latch] == 0


def test_the_elman_latch_rests_at_a_fixed_point_and_a_self_weight_below_1_forgets():
    h = np.sqrt(1 - loop_slope() / LOOP)
    assert np.tanh(LOOP * h) == pytest.approx(h, abs=1e-15) and h == pytest.approx(0.995, abs=5e-4)
    cell, w = elman_latch()
    weak = w | {"W_hh": w["W_hh"] * [[1, 1, 1], [1, 1, 1], [1, 1, 0.9 / LOOP]]}
    h, _ = forward(cell, weak, latch_input(np.array([1.0]), np.zeros((200, 1))))
    assert abs(h[-1, 0, -1]) < 1e-6


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"bits: expected −1 or 1, got \[0.5\]"):
        latch_input(np.array([0.5]), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="distractors: expected values from −1 to 1, got one of size 1.5"):
        latch_input(np.array([1.0]), np.full((3, 1), -1.5))
    with pytest.raises(ValueError, match=r"distractors: expected shape \(T − 1, 1\), got \(3, 2\)"):
        latch_input(np.array([1.0]), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="n: expected a whole number of at least 1, got 0"):
        counter_error_bound(0)
