"""The checks on arguments: what they let through, as what, and what they say of the rest.

`tests/project/test_odd_input.py` asks the same of the functions that use them.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from companion.core.validation import (
    all_finite,
    as_array,
    as_numbers,
    keep_sizes,
    require_array,
    require_entries,
    require_finite,
    require_lengths,
    require_names,
    require_number,
    require_probabilities,
    require_shape,
    require_size,
    require_tokens,
)

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i2", ">u8")
FLOATS = ("float32", "float64", ">f4", ">f8")


# --- what comes out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool", "complex64", "<U2", "float16", "object"])
def test_an_array_keeps_its_numbers_and_its_kind_in_the_machines_byte_order(dtype):
    given_array = np.array([[1, 0], [1, 1]]).astype(dtype)
    array = as_array("a", given_array)
    assert array.dtype.isnative and array.dtype == given_array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(array, given_array)


def test_what_is_an_array_already_is_not_copied():
    for dtype in ("float32", "float64"):
        array = np.ones((2, 3), dtype)
        assert require_array("a", array, ("T", 3)) is array
    tokens = np.ones(3, np.int64)
    assert require_tokens("t", tokens, ("T",), 2) is tokens


@pytest.mark.parametrize("value", [[[1, 2]], ((1, 2),), range(2), bytearray(b"ab"), memoryview(b"ab")])
def test_lists_and_buffers_are_arrays(value):
    assert type(as_array("a", value)) is np.ndarray
    np.testing.assert_array_equal(as_array("a", value), np.array(value))


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", ">f8"])
def test_numbers_are_float64_unless_they_are_float32(dtype):
    values = np.array([[0, 1], [1, 0]])
    for check in (as_numbers, lambda name, a: require_array(name, a, (2, "I"))):
        array = check("a", values.astype(dtype))
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, values)
        assert check("a", values.astype("float32")).dtype == check("a", values.astype(">f4")).dtype == np.float32


@pytest.mark.parametrize("dtype", INTEGERS)
def test_tokens_are_int64_and_lengths_indices(dtype):
    tokens = require_tokens("t", np.array([0, 100], dtype), ("T",), 101)
    assert tokens.dtype == np.int64 and tokens.tolist() == [0, 100]
    assert (tokens * 101 + 100).tolist() == [100, 10_200]  # where int8 would wrap around
    lengths = require_lengths(np.array([0, 3], dtype), np.zeros((3, 2)))
    assert lengths.dtype == np.intp and lengths.tolist() == [0, 3]


@pytest.mark.parametrize("kind", [int, np.int8, np.uint8, np.int16, np.uint64])
def test_sizes_are_pythons_integers_and_numbers_floats(kind):
    assert type(require_size("n", kind(100))) is int
    assert type(require_number("x", kind(100))) is float


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, np.float64, np.longdouble])
def test_every_kind_of_float_is_a_number(kind):
    assert type(require_number("x", kind(0.5))) is float
    assert require_number("x", kind(0.5)) == 0.5


def test_a_frozen_dataclass_keeps_pythons_integers():
    @dataclass(frozen=True)
    class Range:
        least: int
        most: int

        def __post_init__(self):
            keep_sizes(self, least=0)
            keep_sizes(self, most=self.least)

    found = Range(np.int8(100), np.uint8(200))
    assert found == Range(100, 200) and found.least + found.least == 200
    with pytest.raises(ValueError, match="most: expected a whole number of at least 3, got 2"):
        Range(3, 2)


# --- finite ----------------------------------------------------------------------------------------------------------


@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.longdouble]),
        array_shapes(min_dims=0, max_dims=3, min_side=0),
        elements=st.floats(width=16) | st.sampled_from([0.0, 6e4, -6e4]),
    ),
    st.booleans(),
)
def test_all_finite_is_what_looking_at_each_entry_finds(array, largest):
    if largest:  # whose square overflows
        array = np.where(array > 1, np.finfo(array.dtype).max, array)
    with warnings.catch_warnings(action="error"):
        assert all_finite(array) == np.isfinite(array).all()
        assert all_finite(array.T) == np.isfinite(array).all()


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_whole_numbers_are_finite(dtype):
    with warnings.catch_warnings(action="error"):
        assert all_finite(np.full((3, 2), 100, dtype)) and all_finite(np.zeros(0, dtype))


def test_complex_numbers_are_finite_where_both_parts_are():
    assert all_finite(np.array([1 + 1j, 0]))
    assert not all_finite(np.array([1 + 1j, complex(0, np.nan)])) and not all_finite(np.array([complex(np.inf, 0)]))


def test_the_first_of_several_is_named():
    array = np.ones((2, 3))
    array[1, 0], array[1, 2] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"x: expected finite numbers, got inf at index \(1, 0\) \(2 in all\)"):
        require_finite("x", array)


# --- what is refused -------------------------------------------------------------------------------------------------


NO_ARRAYS = [
    (np.ma.array([1.0, 2.0], mask=[False, True]), "a: expected an array without a mask, got a masked array"),
    (np.ma.array([1.0, 2.0]), "a: expected an array without a mask, got a masked array; pass its .filled"),
    ([np.ma.array([1.0], mask=[True])], "a: expected an array without a mask, got a masked array"),
    ((x for x in [1.0]), r"a: expected an array or a list, got a generator; pass list\(…\) of it"),
    (iter([1.0]), r"a: expected an array or a list, got a list_iterator; pass list\(…\) of it"),
    ({1.0}, "a: expected an array or a list, got a set$"),
    ({"W": 1.0}, "a: expected an array or a list, got a dict$"),
    (None, "a: expected an array or a list, got a NoneType$"),
    ("1.0", "a: expected an array or a list, got the text '1.0'"),
    (b"12", "a: expected an array or a list, got the text b'12'"),
    ([[1.0], [1.0, 2.0]], r"a: expected rows of one length, got \[\[1.0\], \[1.0, 2.0\]\]"),
    (
        torch.zeros(2, dtype=torch.bfloat16),
        r"a: expected what NumPy can read, got a Tensor \(.*; pass float32 or float64",
    ),
    (torch.zeros(2, requires_grad=True), r"a: expected what NumPy can read, got a Tensor \(.*detach\(\)"),
    (torch.zeros(2, device="meta"), r"a: expected what NumPy can read, got a Tensor \(.*cpu\(\)"),
]


@pytest.mark.parametrize(("value", "message"), NO_ARRAYS)
def test_what_numpy_would_take_for_something_else_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        as_array("a", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones(2, np.float16), "expected single or double precision, got float16; pass float32 or float64"),
        (torch.ones(2, dtype=torch.half), "expected single or double precision, got float16; pass float32 or float64"),
        (np.ones(2, complex), "expected real numbers, got dtype complex128"),
        (["1", "2"], "expected real numbers, got dtype <U1"),
        ([1.0, None], "expected real numbers, got dtype object"),
        ([2**70, 1], "expected real numbers, got dtype object"),
        (np.array([1, 2], "m8[s]"), r"expected real numbers, got dtype timedelta64\[s\]"),
        (np.ones((2, 1)), r"expected shape \(I,\), got \(2, 1\)"),
        ([], r"expected at least one entry along every axis, got shape \(0,\)"),
        ([1.0, -np.inf], r"expected finite numbers, got -inf at index \(1,\) \(1 in all\)"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(value, message):
    with pytest.raises(ValueError, match="^a: " + message):
        require_array("a", value, ("I",))


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="longdouble is float64 here")
def test_longdouble_is_refused():
    with pytest.raises(ValueError, match="a: expected single or double precision, got .*; pass float32 or float64"):
        require_array("a", np.ones(2, np.longdouble), ("I",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0.0, 1.0], r"expected integers \(token numbers\), got dtype float64"),
        ([True, False], r"expected integers \(token numbers\), got dtype bool"),
        ([], r"expected at least one entry along every axis, got shape \(0,\)"),
        (np.array([0, 200], np.uint8), r"expected token numbers from 0 to 99, got 200 at index \(1,\)"),
        (np.array([-1, 0], np.int8), r"expected token numbers from 0 to 99, got -1 at index \(0,\)"),
        (np.array([0, 2**64 - 1], np.uint64), r"expected token numbers from 0 to 99, got 18446744073709551615"),
    ],
)
def test_what_is_no_token_number_is_refused(value, message):
    with pytest.raises(ValueError, match="^t: " + message):
        require_tokens("t", value, ("T",), 100)


@pytest.mark.parametrize("lengths", [[4, 0], [-1, 1], [1.0, 2.0], [True, False], np.array([0, 200], np.uint8)])
def test_lengths_run_from_0_to_t(lengths):
    with pytest.raises(ValueError, match="lengths: expected whole numbers from 0 to 3, got "):
        require_lengths(lengths, np.zeros((3, 2)))


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None, True, np.True_, [2], np.array(2), np.nan])
def test_what_is_no_size_is_refused(value):
    with pytest.raises(ValueError, match=r"^n: expected a whole number of at least 1, got "):
        require_size("n", value)


@pytest.mark.parametrize("value", ["2", None, True, np.True_, [2.0], np.array(2.0), 2j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^x: expected a number, got "):
        require_number("x", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float16("inf")])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match=r"^x: expected a finite number, got -?(nan|inf)"):
        require_number("x", value)


def test_probabilities_are_not_negative_and_sum_to_one():
    assert require_probabilities("p", [1, 0], ("V",)).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match=r"p: expected probabilities, got -0.5 at index \(1,\)"):
        require_probabilities("p", [1.5, -0.5], ("V",))
    with pytest.raises(
        ValueError, match="p: expected entries that sum to 1 along the last axis, got a sum of 0.900000"
    ):
        require_probabilities("p", [[0.5, 0.5], [0.5, 0.4]], ("B", "V"))


def test_names_are_compared_whatever_they_are():
    require_names("w", {"a": 1, "b": 2}, ["b", "a"])
    with pytest.raises(ValueError, match="w: expected the entries a, b; missing b; not expected: 1, c, got a, c, 1"):
        require_names("w", {"a": 0, "c": 0, 1: 0}, ["a", "b"])
    with pytest.raises(ValueError, match=r"w: expected a mapping with the entries a, got \[1\]"):
        require_names("w", [1], ["a"])
    require_entries("w", {"a": 1, "c": 2}, ["a"])
    with pytest.raises(ValueError, match="w: expected the entries a, b; missing b, got a"):
        require_entries("w", {"a": 1, "c": 2}, ["a", "b"])
    with pytest.raises(ValueError, match="w: expected a mapping with the entries a, got None"):
        require_entries("w", None, ["a"])


def test_a_letter_stands_for_any_size_but_none():
    require_shape("x", np.zeros((2, 3)), ("T", 3))
    for shape in [("T",), ("T", 4), ("T", "B", 3)]:
        with pytest.raises(ValueError, match=r"x: expected shape \(T,.*\), got \(2, 3\)"):
            require_shape("x", np.zeros((2, 3)), shape)
    with pytest.raises(ValueError, match=r"x: expected at least one entry along every axis, got shape \(0, 3\)"):
        require_shape("x", np.zeros((0, 3)), (0, 3))
