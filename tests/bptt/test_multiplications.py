"""Counting multiplications: every one that is made, and no other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.bptt.multiplications import count_multiplications

sizes = st.integers(1, 5)


@given(n=sizes, m=sizes, p=sizes)
def test_a_matrix_product_takes_one_for_each_row_column_and_pair(n, m, p):
    A, B = np.ones((n, m)), np.ones((m, p))
    assert count_multiplications(lambda A, B: A @ B, A, B) == n * m * p
    assert count_multiplications(lambda A, B: np.einsum("ij,jk->ik", A, B), A, B) == n * m * p


@given(n=sizes, m=sizes)
def test_elementwise_products_and_outer_products(n, m):
    u, v = np.ones(n), np.ones(m)
    assert count_multiplications(np.outer, u, v) == n * m
    assert count_multiplications(lambda u: 1 - u * u, u) == n
    assert count_multiplications(lambda w: w["u"] * w["u"] * 2.0, {"u": u}) == 2 * n


def test_sums_differences_signs_and_tanh_are_free():
    assert count_multiplications(lambda u: np.tanh(-u + u - u + 1).sum() - (2 - u).sum(), np.ones(3)) == 0


def test_the_counted_computation_gives_the_right_numbers():
    rng = np.random.default_rng(0)
    W, h = rng.normal(size=(3, 3)), rng.normal(size=3)
    seen = []
    count_multiplications(lambda W, h: seen.append((1 - h) * np.tanh(-(W @ h)) - 2.0 * h + 1), W, h)
    expected = (1 - h) * np.tanh(-(W @ h)) - 2.0 * h + 1
    np.testing.assert_allclose([number.value for number in seen[0]], expected, atol=1e-15)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(TypeError):
        count_multiplications(lambda u: u / 2, np.ones(2))


def test_arguments_are_numbers():
    for strange in (["1.5"], np.ma.array([1.0, 2.0], mask=[True, False]), (x for x in [1.0]), np.ones(2, np.float16)):
        with pytest.raises(ValueError, match=r"^arguments\[1\]: expected "):
            count_multiplications(np.outer, np.ones(2), strange)
        with pytest.raises(ValueError, match=r"^arguments\[0\]\['W'\]: expected "):
            count_multiplications(lambda w: w, {"W": strange})
