"""The cliff's own derivatives against backpropagation through time, and the walk down it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion import Elman, backward, forward
from companion.bptt.cliff import descend, loss_and_slope
from companion.core.functions import SIGMOID

WEIGHTS = {"w": st.floats(-6, 6), "b": st.floats(-4, 4)}


@given(**WEIGHTS, steps=st.integers(1, 60), target=st.floats(-1, 1))
def test_the_slopes_are_those_of_backpropagation(w, b, steps, target):
    weights = {"W_xh": np.zeros((1, 1)), "W_hh": np.array([[w]]), "b_h": np.array([b])}
    h, tape = forward(Elman(1, 1, SIGMOID), weights, np.zeros((steps, 1, 1)), np.array([[0.5]]))
    dh = np.zeros_like(h)
    dh[-1] = 2 * (h[-1] - target)
    gradients = backward(tape, {"h": dh})
    E, dw, db = loss_and_slope(w, b, steps, target)
    assert pytest.approx((h[-1, 0, 0] - target) ** 2, rel=1e-9, abs=1e-12) == E
    assert gradients["W_hh"][0, 0] == pytest.approx(dw, rel=1e-7, abs=1e-9)
    assert gradients["b_h"][0] == pytest.approx(db, rel=1e-7, abs=1e-9)


def test_a_whole_grid_at_once_is_its_points_one_by_one():
    w, b = np.array([[3.0], [5.0]]), np.array([[-2.0, -1.0, 0.5]])
    grid = loss_and_slope(w, b)
    for i in range(2):
        for j in range(3):
            assert np.array_equal([v[i, j] for v in grid], loss_and_slope(w[i, 0], b[0, j]))


def test_a_step_goes_against_the_gradient_and_no_further_than_the_limit():
    free, clipped = descend(4.75, -1.8, 0.1, 2), descend(4.75, -1.8, 0.1, 2, limit=0.05)
    E, dw, db = loss_and_slope(4.75, -1.8)
    assert free[0] == pytest.approx([4.75, -1.8, E, np.hypot(dw, db)])
    assert free[1, :2] == pytest.approx([4.75 - 0.1 * dw, -1.8 - 0.1 * db], abs=1e-9)
    assert np.hypot(*(clipped[1, :2] - clipped[0, :2])) == pytest.approx(0.005, abs=1e-8)


@given(st.floats(-1e-14, 1e-14))
def test_the_last_bits_of_the_start_change_nothing(error):
    """This walk crosses the wall four times, where differences grow: not rounded, to a millionth."""
    assert np.array_equal(descend(4.75 + error, -1.8, 0.2, 80)[1:], descend(4.75, -1.8, 0.2, 80)[1:])


@pytest.mark.parametrize("steps", [0, 1.5])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(ValueError, match="steps"):
        loss_and_slope(3.0, -1.5, steps)
    with pytest.raises(ValueError, match="steps"):
        descend(3.0, -1.5, 0.1, steps)
