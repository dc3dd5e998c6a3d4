"""First recurrent weights: orthogonal means orthogonal, a radius means a radius."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.initialisation import identity, orthogonal, with_spectral_radius

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


def test_the_dtype_of_w_stays():
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
