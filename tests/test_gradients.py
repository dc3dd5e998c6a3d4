"""The gradient checker: passes right gradients, catches wrong ones and says where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.gradients import central_differences, check_gradients


@given(st.integers(0, 10**6))
def test_central_differences_of_a_quadratic_form(seed):
    rng = np.random.default_rng(seed)
    A, x = rng.normal(size=(3, 3)), rng.normal(size=3)
    np.testing.assert_allclose(central_differences(lambda v: float(v @ A @ v), x), (A + A.T) @ x, atol=1e-8)


def test_the_argument_is_left_alone():
    x = np.ones(2)
    central_differences(lambda v: float(v.sum()), x)
    np.testing.assert_array_equal(x, 1)


def test_a_wrong_entry_is_named_with_both_numbers():
    weights = {"W": np.array([[1.0, 2.0], [3.0, 4.0]])}
    wrong = {"W": 2 * weights["W"] + [[0, 0], [0.5, 0]]}
    with pytest.raises(AssertionError, match=r"dW\[1, 0\]: given 6.5, measured (6$|6\.0|5\.9999)"):
        check_gradients(lambda w: float((w["W"] ** 2).sum()), weights, wrong)


def test_a_loss_that_is_not_a_number_is_no_agreement():
    arguments = {"a": np.ones(1), "b": np.ones(1)}
    with pytest.raises(ValueError, match="the loss's change with b: expected finite numbers, got nan"):
        check_gradients(
            lambda w: float(w["a"][0]) if w["b"][0] == 1 else np.nan, arguments, {"a": np.ones(1), "b": np.ones(1)}
        )


def test_shapes_must_match():
    with pytest.raises(ValueError, match=r"gradients\['W'\]: expected shape \(2,\), got \(3,\)"):
        check_gradients(lambda w: 0.0, {"W": np.zeros(2)}, {"W": np.zeros(3)})
    with pytest.raises(ValueError, match="gradients: expected an entry W, got b"):
        check_gradients(lambda w: 0.0, {"W": np.zeros(2)}, {"b": np.zeros(2)})
