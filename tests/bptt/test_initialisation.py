"""First values: orthogonal means orthogonal, a radius a radius, and a gate starts where it was told to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion import initial_weights, readout_shapes, weight_shapes
from companion.bptt.initialisation import chrono, identity, orthogonal, with_forget_bias, with_spectral_radius
from companion.gates.cells import GRU, LSTM, CoupledLSTM, PeepholeLSTM

sizes, seeds = st.integers(1, 12), st.integers(0, 2**32 - 1)


@given(H=sizes, scale=st.floats(-3, 3))
def test_identity_passes_every_vector_on_scaled(H, scale):
    v = np.arange(1.0, H + 1)
    np.testing.assert_allclose(identity(H, scale) @ v, scale * v, atol=1e-15)
    assert identity(H).dtype == np.float64


@given(H=sizes, seed=seeds)
def test_orthogonal_keeps_every_length(H, seed):
    Q = orthogonal(H, np.random.default_rng(seed))
    np.testing.assert_allclose(Q.T @ Q, np.eye(H), atol=1e-12)
    np.testing.assert_array_equal(Q, orthogonal(H, np.random.default_rng(seed)))


@given(H=sizes, seed=seeds)
def test_orthogonal_is_the_one_factor_of_a_gaussian_matrix_that_leaves_a_positive_diagonal(H, seed):
    """G = QR with R upper triangular and its diagonal positive determines Q; with these signs it is unbiased."""
    R = orthogonal(H, np.random.default_rng(seed)).T @ np.random.default_rng(seed).normal(size=(H, H))
    assert (np.diag(R) > 0).all()
    np.testing.assert_allclose(R, np.triu(R), atol=1e-12)


def test_orthogonal_prefers_no_direction():
    """Haar: each entry has mean 0 and variance 1/H, and Q is a reflection as often as a rotation.

    Without the correction of signs LAPACK's Q has a diagonal with a sign of its own, whose mean is far from 0.
    """
    rng = np.random.default_rng(0)
    H, n = 3, 6000
    drawn = np.stack([orthogonal(H, rng) for _ in range(n)])
    error = 1 / np.sqrt(H * n)  # standard error of a mean of n entries of variance 1/H
    assert np.abs(drawn.mean(axis=0)).max() < 4.5 * error
    assert (drawn**2).mean(axis=0) == pytest.approx(np.full((H, H), 1 / H), abs=0.02)
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)


@given(H=sizes, seed=seeds, radius=st.floats(0, 3))
def test_spectral_radius_is_met_and_directions_stay(H, seed, radius):
    W = np.random.default_rng(seed).normal(size=(H, H))
    scaled = with_spectral_radius(W, radius)
    assert np.abs(np.linalg.eigvals(scaled)).max() == pytest.approx(radius, abs=1e-9)
    np.testing.assert_allclose(scaled * np.abs(np.linalg.eigvals(W)).max(), W * radius, atol=1e-9)


def test_the_dtype_of_w_stays_and_its_range_is_enough():
    large = with_spectral_radius(np.full((2, 2), 3e38, np.float32), 1)  # whose radius, 6e38, is no float32
    assert large.dtype == np.float32 and large == pytest.approx(np.full((2, 2), 0.5))
    assert with_spectral_radius(np.eye(2, dtype=np.float32), 0.5).dtype == np.float32


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="hidden: expected a whole number of at least 1, got 0"):
        identity(0)
    with pytest.raises(ValueError, match="hidden: expected a whole number of at least 1, got 0"):
        orthogonal(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="scale: expected a finite number, got nan"):
        identity(2, np.nan)
    with pytest.raises(ValueError, match=r"W: expected shape \(H, 2\), got \(2, 3\)"):
        with_spectral_radius(np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="radius: expected a number of at least 0, got -1"):
        with_spectral_radius(np.eye(2), -1)
    with pytest.raises(ValueError, match="W: expected an eigenvalue other than 0, got a spectral radius of 0"):
        with_spectral_radius(np.array([[0.0, 1.0], [0.0, 0.0]]), 1)
    with pytest.raises(ValueError, match="W: expected an eigenvalue other than 0"):
        with_spectral_radius(np.zeros((2, 2)), 1)


# --- gates -----------------------------------------------------------------------------------------------------------


def gated_weights(kind, dtype=np.float64):
    cell = kind(3, 50)
    shapes = weight_shapes(cell) | readout_shapes(50, 2)
    return initial_weights(shapes, np.random.default_rng(0), 0.5, dtype)


@pytest.mark.parametrize("kind", [LSTM, PeepholeLSTM, CoupledLSTM])
def test_a_forget_bias_changes_b_f_and_nothing_else(kind):
    before = gated_weights(kind, np.float32)
    after = with_forget_bias(before, 2.5)
    assert (after["b_f"] == 2.5).all() and after["b_f"].dtype == np.float32
    for name in set(before) - {"b_f"}:
        assert after[name] is before[name]
    assert not (before["b_f"] == 2.5).any()


@pytest.mark.parametrize(("kind", "keeps"), [(LSTM, "b_f"), (PeepholeLSTM, "b_f"), (CoupledLSTM, "b_f"), (GRU, "b_z")])
def test_chrono_spreads_the_memories_over_the_lags(kind, keeps):
    before = gated_weights(kind)
    after = chrono(before, 100, np.random.default_rng(1))
    u = np.exp(after[keeps])
    assert u.min() >= 1 and u.max() <= 99
    assert u.min() < 15 and u.max() > 85 and 40 < u.mean() < 60  # uniform, 50 units
    np.testing.assert_allclose(u / (1 + u), 1 / (1 + np.exp(-after[keeps])), rtol=1e-12)
    if "b_i" in before:
        np.testing.assert_array_equal(after["b_i"], -after["b_f"])
    for name, value in after.items():
        if not name.startswith("b_"):
            assert value is before[name]
        elif name not in (keeps, "b_i"):
            assert value.shape == before[name].shape and not value.any(), name


def test_chrono_of_the_shortest_lag_is_a_half_open_gate():
    after = chrono(gated_weights(LSTM, np.float32), 2, np.random.default_rng(0))
    assert not after["b_f"].any() and after["b_f"].dtype == np.float32


def test_what_has_no_such_gate_is_named():
    elman = {"W_xh": np.zeros((2, 2)), "W_hh": np.zeros((2, 2)), "b_h": np.zeros(2)}
    with pytest.raises(ValueError, match=r"weights: expected those of a cell with a forget gate \(b_f\), got W_xh"):
        with_forget_bias(elman)
    with pytest.raises(ValueError, match=r"expected those of a cell with a gate that keeps \(b_f or b_z\), got W_xh"):
        chrono(elman, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="longest: expected at least 2 steps, got 1"):
        chrono(gated_weights(LSTM), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="bias: expected a finite number, got nan"):
        with_forget_bias(gated_weights(LSTM), np.nan)


def test_whole_numbers_as_biases_do_not_cut_what_is_set():
    assert with_forget_bias({"b_f": np.zeros(2, np.int8)}, 2.5)["b_f"].tolist() == [2.5, 2.5]
    rng = np.random.default_rng(0)
    drawn = chrono({"b_f": np.zeros(50, np.int8), "b_i": np.zeros(50, np.int8)}, 100, rng)
    assert drawn["b_f"].dtype == np.float64 and (drawn["b_f"] % 1 != 0).any()
    np.testing.assert_array_equal(drawn["b_i"], -drawn["b_f"])
