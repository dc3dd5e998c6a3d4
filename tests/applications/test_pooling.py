"""Pooling: backwards is the gradient of forwards, and a sequence is pooled as if it were alone."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, Elman, initial_weights, weight_shapes
from companion.applications.pooling import ENDS, LAST, MAX, MEAN, largest
from companion.bptt.gradients import check_gradients
from companion.core.layers import Directions, d_last_states, forward_both, last_states

POOLINGS = (LAST, ENDS, MEAN, MAX)
every_pooling = pytest.mark.parametrize("pool", POOLINGS, ids=lambda pool: pool.name)
seeds = st.integers(0, 2**32 - 1)
sizes = {"T": st.integers(1, 6), "B": st.integers(1, 4), "half": st.integers(1, 3), "seed": seeds}


def drawn(T, B, H, seed):
    """States, lengths, and a gradient of what is pooled."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(T, B, H)), rng.integers(1, T + 1, B), rng.normal(size=(B, H))


def with_torch(pool, h):
    """One sequence h (T, H), in PyTorch."""
    half = h.shape[-1] // 2
    return {
        LAST: lambda: h[-1],
        ENDS: lambda: torch.cat([h[-1, :half], h[0, half:]]),
        MEAN: lambda: h.mean(dim=0),
        MAX: lambda: h.max(dim=0).values,
    }[pool]()


@every_pooling
@settings(max_examples=25)
@given(**sizes)
@example(T=6, B=4, half=3, seed=0)
def test_pooling_equals_pytorch_forwards_and_backwards(pool, T, B, half, seed):
    h, lengths, dz = drawn(T, B, 2 * half, seed)
    theirs = torch.tensor(h, requires_grad=True)
    z = torch.stack([with_torch(pool, theirs[:n, b]) for b, n in enumerate(lengths)])
    (z * torch.tensor(dz)).sum().backward()
    np.testing.assert_allclose(pool(h, lengths), z.detach().numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(pool.pull(h, lengths, dz), theirs.grad.numpy(), rtol=0, atol=1e-14)


@every_pooling
def test_its_gradient_is_the_one_that_central_differences_measure(pool):
    h, lengths, dz = drawn(5, 3, 4, 0)
    gradient = pool.pull(h, lengths, dz)
    check_gradients(lambda a: float((pool(a["h"], lengths) * dz).sum()), {"h": h}, {"h": gradient}, bound=1e-9)


@every_pooling
@settings(max_examples=25)
@given(**sizes)
@example(T=6, B=4, half=3, seed=0)
def test_what_stands_beyond_a_sequence_changes_no_bit_and_has_no_gradient(pool, T, B, half, seed):
    h, lengths, dz = drawn(T, B, 2 * half, seed)
    beyond = np.arange(T)[:, None] >= lengths
    junk = h.copy()
    junk[beyond] = np.random.default_rng(seed).choice([np.nan, np.inf, -np.inf, 1e30], (beyond.sum(), 2 * half))
    np.testing.assert_array_equal(pool(junk, lengths), pool(h, lengths))
    np.testing.assert_array_equal(pool.pull(junk, lengths, dz), pool.pull(h, lengths, dz))
    assert not pool.pull(junk, lengths, dz)[beyond].any()
    np.testing.assert_array_equal(largest(junk, lengths), largest(h, lengths))


@every_pooling
@settings(max_examples=25)
@given(**sizes)
def test_a_sequence_in_a_batch_is_pooled_as_if_it_were_alone(pool, T, B, half, seed):
    h, lengths, dz = drawn(T, B, 2 * half, seed)
    for b, n in enumerate(lengths):
        alone = (h[:n, b : b + 1], [n])
        np.testing.assert_array_equal(pool(h, lengths)[b : b + 1], pool(*alone))
        np.testing.assert_array_equal(
            pool.pull(h, lengths, dz)[:n, b : b + 1], pool.pull(*alone, dz[b : b + 1]), err_msg=pool.name
        )


@settings(max_examples=25)
@given(B=st.integers(1, 4), half=st.integers(1, 3), seed=seeds)
def test_of_a_single_step_all_poolings_are_that_step(B, half, seed):
    h, lengths, dz = drawn(1, B, 2 * half, seed)
    for pool in POOLINGS:
        np.testing.assert_array_equal(pool(h, lengths), h[0])
        np.testing.assert_array_equal(pool.pull(h, lengths, dz), dz[None])


@settings(max_examples=30)
@given(kind=st.sampled_from([Elman, GRU, LSTM]), T=st.integers(1, 6), B=st.integers(1, 4), seed=seeds)
def test_the_ends_are_the_last_states_of_a_layer_in_both_directions(kind, T, B, seed):
    rng = np.random.default_rng(seed)
    cells = Directions(kind(2, 3), kind(2, 3))
    weights = Directions(*(initial_weights(weight_shapes(cell), rng, 1.0) for cell in cells))
    x, lengths, dz = rng.normal(size=(T, B, 2)), rng.integers(1, T + 1, B), rng.normal(size=(B, 6))
    h, tapes = forward_both(cells, weights, x, lengths=lengths)
    np.testing.assert_array_equal(ENDS(h, lengths), last_states(tapes))
    # the tapes repeat each sequence's end in the last row, and take the gradient there
    theirs, ours = d_last_states(tapes, dz), ENDS.pull(h, lengths, dz)
    np.testing.assert_array_equal(ours[0, :, 3:], theirs[0, :, 3:])
    np.testing.assert_array_equal(ours[lengths - 1, np.arange(B), :3], theirs[-1, :, :3])
    np.testing.assert_array_equal(ours.sum(axis=0), theirs.sum(axis=0))
    assert np.count_nonzero(ours) == np.count_nonzero(dz)


def test_among_equals_the_first_step_is_the_largest():
    h = np.array([[[0.0, 2.0]], [[3.0, 2.0]], [[3.0, 1.0]], [[9.0, 9.0]]])
    assert largest(h, [3]).tolist() == [[1, 0]]
    assert MAX(h, [3]).tolist() == [[3, 2]]
    assert MAX.pull(h, [3], [[10, 20]])[:, 0].tolist() == [[0, 20], [10, 0], [0, 0], [0, 0]]


def test_the_largest_of_negative_states_is_none_of_the_padding():
    h = np.full((3, 1, 2), -1.0)
    assert MAX(h, [2]).tolist() == [[-1, -1]] and largest(h, [2]).tolist() == [[0, 0]]


@every_pooling
def test_float32_stays_float32_whatever_the_gradient_is(pool):
    h, lengths, dz = drawn(4, 3, 2, 0)
    single = h.astype(np.float32)
    assert pool(single, lengths).dtype == pool.pull(single, lengths, dz.astype(np.float32)).dtype == np.float32
    assert pool.pull(single, lengths, dz).dtype == np.float32
    assert pool.pull(h, lengths, dz.astype(np.float32)).dtype == np.float64


@every_pooling
def test_nothing_that_was_handed_in_is_written_over(pool):
    h, lengths, dz = drawn(4, 3, 2, 0)
    kept = h.copy(), lengths.copy(), dz.copy()
    pool(h, lengths)[:] = 7
    pool.pull(h, lengths, dz)[:] = 7
    for before, after in zip(kept, (h, lengths, dz), strict=True):
        np.testing.assert_array_equal(before, after)


@every_pooling
def test_it_is_equal_to_itself_after_a_pickle_or_a_copy(pool):
    for again in (pickle.loads(pickle.dumps(pool)), copy.copy(pool), copy.deepcopy(pool)):
        assert again == pool


STATES, LENGTHS, DZ = drawn(3, 2, 4, 0)
INFINITE = np.where(STATES == STATES[1, 0, 2], np.inf, STATES)


@every_pooling
@pytest.mark.parametrize(
    ("h", "lengths", "message"),
    [
        (STATES[0], LENGTHS, r"h: expected shape \(T, B, H\), got \(2, 4\)"),
        (STATES[:0], LENGTHS, r"h: expected at least one entry along every axis, got shape \(0, 2, 4\)"),
        (STATES.astype(str), LENGTHS, r"h: expected real numbers, got dtype <U"),
        (STATES * np.nan, [1, 2], r"h: expected finite numbers, got nan at index \(0, 0, 0\)"),
        (INFINITE, [2, 1], r"h: expected finite numbers, got inf at index \(1, 0, 2\) \(1 in all\)"),
        (STATES, [1, 0], r"lengths: expected at least one step in each sequence, got 0"),
        (STATES, [1, 4], r"lengths: expected whole numbers from 0 to 3, got \[1 4\]"),
        (STATES, [1], r"lengths: expected shape \(2,\), got \(1,\)"),
    ],
)
def test_both_directions_name_what_does_not_fit(pool, h, lengths, message):
    with pytest.raises(ValueError, match=message):
        pool(h, lengths)
    with pytest.raises(ValueError, match=message):
        pool.pull(h, lengths, DZ)
    with pytest.raises(ValueError, match=message):
        largest(h, lengths)


@every_pooling
@pytest.mark.parametrize(
    ("dz", "message"),
    [
        (DZ[0], r"dz: expected shape \(2, 4\), got \(4,\)"),
        (DZ[:, :3], r"dz: expected shape \(2, 4\), got \(2, 3\)"),
        (DZ * np.nan, r"dz: expected finite numbers, got nan at index \(0, 0\)"),
    ],
)
def test_a_gradient_of_another_shape_is_named(pool, dz, message):
    with pytest.raises(ValueError, match=message):
        pool.pull(STATES, [1, 3], dz)


def test_an_odd_number_of_states_is_not_that_of_two_directions():
    for call in (
        lambda: ENDS(np.ones((3, 2, 5)), [1, 3]),
        lambda: ENDS.pull(np.ones((3, 2, 5)), [1, 3], np.ones((2, 5))),
    ):
        with pytest.raises(ValueError, match=r"h: expected the states of both directions, an even number, got 5"):
            call()
