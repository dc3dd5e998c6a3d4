"""Memory used again: never while somebody looks at it, and never more than the limit waits."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import memory

F32 = np.dtype(np.float32)
LARGE = (100, 200)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def nothing_waits():
    gc.collect()
    memory._waiting.clear()


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64, np.int64]),
)
def test_an_array_has_the_shape_and_dtype_that_were_asked_for(shape, dtype):
    array = memory.empty(tuple(shape), np.dtype(dtype))
    assert array.shape == tuple(shape) and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable


def test_the_memory_of_an_array_that_is_gone_is_used_again():
    first = memory.empty(LARGE, F32)
    place = address(first)
    del first
    assert address(memory.empty((200, 100), F32)) == place


def test_a_view_keeps_the_memory():
    first = memory.empty(LARGE, F32)
    view = first[10:20, ::2].T
    view[...] = 7
    del first
    others = [memory.empty(LARGE, F32) for _ in range(3)]
    for other in others:
        other[...] = -1
    assert (view == 7).all()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(8_000, 60_000), st.booleans()), max_size=30))
def test_arrays_in_use_never_overlap(requests):
    kept = []
    for number, (size, keep) in enumerate(requests):
        array = memory.empty((size,), F32)
        array[...] = number
        if keep:
            kept.append((number, array))
    assert all((array == number).all() for number, array in kept)


def test_no_more_waits_than_the_limit(monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 3 * 4 * 100 * 200)
    arrays = [memory.empty(LARGE, F32) for _ in range(8)]
    assert memory.waiting_bytes() == 0
    while arrays:
        arrays.pop()
        assert memory.waiting_bytes() <= memory.LIMIT


def test_small_arrays_are_left_to_numpy():
    place = memory.empty((10, 10), F32)
    assert place.base is None
    del place
    assert memory.waiting_bytes() == 0
