"""A layer that sees one word at a time: its gradients, and that no other word counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from companion import Elman, backward, forward, initial_weights, weight_shapes
from companion.applications.per_word import PerWord
from companion.bptt.gradients import check_layer

seeds = st.integers(0, 1000)


@given(I=st.integers(1, 4), H=st.integers(1, 4), T=st.integers(1, 5), B=st.integers(1, 3), seed=seeds)
def test_gradients_are_those_of_central_differences(I, H, T, B, seed):
    rng, cell = np.random.default_rng(seed), PerWord(I, H)
    weights = initial_weights(weight_shapes(cell), rng, 0.8)
    assert check_layer(cell, weights, rng.normal(size=(T, B, I)), rng) < 1e-7


@given(seed=seeds)
def test_it_is_elmans_network_with_recurrent_weights_of_zero(seed):
    rng, cell, elman = np.random.default_rng(seed), PerWord(3, 2), Elman(3, 2)
    weights = initial_weights(weight_shapes(cell), rng, 0.8)
    with_zeros = weights | {"W_hh": np.zeros((2, 2))}
    x, dh = rng.normal(size=(4, 2, 3)), rng.normal(size=(5, 2, 2))
    (h, tape), (h_elman, tape_elman) = forward(cell, weights, x), forward(elman, with_zeros, x)
    np.testing.assert_allclose(h, h_elman, atol=1e-15)
    ours, theirs = backward(tape, {"h": dh}), backward(tape_elman, {"h": dh})
    for name in (*weights, "dx"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-14)


def test_no_other_step_counts():
    rng, cell = np.random.default_rng(0), PerWord(3, 2)
    weights = initial_weights(weight_shapes(cell), rng, 0.8)
    x = rng.normal(size=(4, 1, 3))
    h, _ = forward(cell, weights, x)
    alone, _ = forward(cell, weights, x[2:3])
    np.testing.assert_array_equal(h[3], alone[1])
