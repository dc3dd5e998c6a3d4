"""Two values are the same exactly when they should be, whatever they are made of."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from companion.exercises.attempts import Foreign, plain
from companion.exercises.comparing import (
    FLOAT32,
    LONGEST_TEXT,
    close,
    described,
    difference,
    differences,
    entry,
    fitted,
    parts,
    same,
)

TOLERANCE = 1e-7
floats = st.floats(allow_nan=True, allow_infinity=True)
arrays = st.one_of(
    npst.arrays(np.float64, npst.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3), elements=floats),
    npst.arrays(np.int64, npst.array_shapes(min_dims=1, min_side=0, max_dims=2, max_side=3)),
    npst.arrays(np.bool_, npst.array_shapes(max_dims=2, max_side=3)),
    npst.arrays("U3", npst.array_shapes(max_dims=1, max_side=3)),
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), floats, st.complex_numbers(), st.text(max_size=3), arrays)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["dW", "db", "h"]), inner, max_size=3),
    ),
    max_leaves=5,
).map(plain)


@given(values)
def test_a_value_is_the_same_as_itself(value):
    assert same(value, value, 0.0)
    assert not differences(fitted(value, value)[0], value, 0.0)
    assert fitted(value, value)[1] == []


@given(values, values)
def test_any_two_values_can_be_compared_and_told_apart_in_words(left, right):
    """Nothing that a student hands in makes the comparison fail; where values differ, it says how."""
    alike = same(left, right, TOLERANCE)
    brought, misfits = fitted(left, right)
    hard = [misfit for misfit in misfits if not misfit.only_kind]
    found = [] if hard else differences(brought, right, TOLERANCE)
    assert alike == (not hard and not found)
    for item in found:
        assert item.yours and item.right and 1 <= item.count <= item.size
    for item in misfits:
        assert item.where and item.problem


@given(npst.arrays(np.float64, (3,), elements=floats), npst.arrays(np.float64, (3,), elements=floats))
def test_for_tolerance_zero_it_does_not_matter_which_is_the_right_one(left, right):
    assert same(left, right, 0.0) == same(right, left, 0.0)


@given(st.floats(-1e300, 1e300), st.floats(-3, 3))
def test_the_tolerance_is_beside_the_largest_right_entry_or_one(largest, step):
    assume(abs(abs(step) - 1) > 1e-3)
    right = np.array([0.0, largest])
    moved = right + np.array([step * TOLERANCE * max(1.0, abs(largest)), 0.0])
    assert same(moved, right, TOLERANCE) == (abs(step) < 1)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e300])
def test_a_factor_is_seen_at_any_size_above_the_tolerance(scale):
    right = scale * np.array([1.0, 0.5])
    assert same(1.01 * right, right, TOLERANCE) == (scale < 1e-6)
    assert same((1 + 1e-9) * right, right, TOLERANCE)


def test_nan_is_nan_and_infinity_has_a_sign():
    right = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert same(right.copy(), right, TOLERANCE)
    for position, other in ((0, 1.0), (1, -np.inf), (1, 1e308), (2, np.nan), (3, np.nan), (3, np.inf)):
        wrong = right.copy()
        wrong[position] = other
        assert not same(wrong, right, TOLERANCE)
        assert difference("h", wrong, right, TOLERANCE).index == (position,)
    assert same(np.nan, np.nan, TOLERANCE) and not same(0.0, np.nan, TOLERANCE) and not same(np.nan, 0.0, TOLERANCE)


def test_whole_numbers_are_right_or_wrong_however_large():
    assert not same(10**9 + 1, 10**9, 1e-7) and same(10**9, 10**9, 1e-7)
    assert not same(np.array([10**9 + 1]), np.array([10**9]), 1e-7)
    assert same(10**9, np.int32(10**9), 0.0)
    assert not same(2**70, 2**70 + 1, 0.0)


def test_any_kind_of_single_number_passes_for_any_other_but_float32():
    for value in (2, 2.0, 2 + 0j, np.int8(2), np.float64(2), np.array(2), np.array(2.0)):
        assert fitted(plain(value), 2.0)[1] == []
        assert same(plain(value), 2.0, TOLERANCE) and same(plain(value), plain(np.array(2)), TOLERANCE)
    (misfit,) = fitted(plain(np.float32(2)), 2.0)[1]
    assert misfit.only_kind and "float32" in misfit.problem


def test_arrays_of_another_kind_are_named_and_their_numbers_compared():
    right = np.array([1.0, 2.0])
    for kind in ("i8", "f4", "f2", "c16", "?"):
        value = np.ones(2).astype(kind)
        value[1:] = 2
        (misfit,) = fitted(value, right)[1]
        assert misfit.only_kind and str(value.dtype) in misfit.problem
        assert same(value, right, TOLERANCE) == (kind != "?")


def test_how_long_whole_numbers_and_texts_are_does_not_matter():
    """The default is 32 bits in a browser, and 64 elsewhere."""
    for kind in ("i4", "i8", "u1", ">i8"):
        assert fitted(np.array([1, 2], kind), np.array([1, 2]))[1] == []
    assert fitted(np.array(["a"], "U9"), np.array(["a"]))[1] == []
    assert fitted(np.array([1.0], ">f8"), np.array([1.0]))[1] == []


def test_float32_has_a_tolerance_of_its_own_in_both_directions():
    right = np.array([1.0, 1 / 3])
    short = right.astype(np.float32)
    assert same(short, right, TOLERANCE)
    assert not same(short * np.float32(1 + 3 * FLOAT32), right, TOLERANCE)
    assert not same(short.astype(float), right, 1e-9), "of float64 more is expected"
    assert same(short + np.float32(0.05), right, 0.1) and same(right + 0.05, right, 0.1)


@pytest.mark.parametrize("right", [0.5, np.array(0.5)])
@pytest.mark.parametrize("value", [[0.5], (0.5,), [[0.5]], np.array([0.5]), np.array([[0.5]]), [np.array([0.5])]])
def test_a_single_number_in_a_collection_is_named_and_brought_out(value, right):
    brought, (misfit,) = fitted(plain(value), plain(right))
    assert misfit.only_kind and not misfit.as_good and "where a single number should be" in misfit.problem
    assert differences(brought, right, TOLERANCE) == []
    assert same(plain(value), right, TOLERANCE), "it can be compared"


RAGGED = [[[1], [2, 3]], [1, [2]], [np.ones(2), 1], [np.ones(2), np.ones(3)], [None, 1.0], ["a", 1], [{"a": 1}], [[]]]


@pytest.mark.parametrize("value", RAGGED, ids=repr)
@pytest.mark.parametrize("right", [0.5, "text", None, np.ones(2), np.ones((2, 1)), (0.5, 1.5), {"a": 1}], ids=repr)
def test_odd_lists_are_no_obstacle(value, right):
    assert not same(plain(value), right, TOLERANCE)
    brought, misfits = fitted(plain(value), right)
    assert misfits or differences(brought, right, TOLERANCE)


def test_lists_pass_for_tuples_and_are_named_in_place_of_arrays():
    right = (np.ones(2), 3.0)
    assert fitted([np.ones(2), 3.0], right)[1] == []
    (misfit,) = fitted([[1.0, 1.0], 3.0], right)[1]
    assert misfit.only_kind and (misfit.where, misfit.problem) == ("result[0]", "is a list, where an array should be")
    assert same([[1.0, 1.0], 3], right, TOLERANCE)


def test_a_row_passes_for_a_tuple_of_numbers_with_its_kind():
    right = (0.1, 0.2)
    assert fitted(np.array(right), right) == (right, [])
    assert [m.problem for m in fitted(np.array(right, "f4"), right)[1]] == [
        "is a float32, where a float64 should be"
    ] * 2
    assert not same(np.array([right]), right, TOLERANCE)
    assert same(np.array(["a", "b"]), ("a", "b"), TOLERANCE)
    assert not same(np.ones(2), (np.ones(1), 1.0), TOLERANCE)


def test_the_parts_of_a_tuple_have_the_names_that_the_key_gives_them():
    right = (np.zeros((2, 3)), np.zeros(2))
    assert list(parts(right, ("dW", "db"))) == ["dW", "db"]
    assert list(parts(right)) == ["result[0]", "result[1]"]
    (misfit,) = fitted((np.zeros((3, 2)), np.zeros(2)), right, ("dW", "db"))[1]
    assert misfit.where == "dW"
    (found,) = differences((np.zeros((2, 3)), np.ones(2)), right, TOLERANCE, ("dW", "db"))
    assert (found.part, found.index, found.count, found.size) == ("db", (0,), 2, 2)


def test_nested_parts_have_long_names():
    value = {"a": {"b": [1, (2, 3)]}}
    assert parts(value) == {"a.b[0]": 1, "a.b[1][0]": 2, "a.b[1][1]": 3}
    assert parts(((1, 2), 3), ("x", "y")) == {"x[0]": 1, "x[1]": 2, "y": 3}
    assert parts(5) == {"result": 5} and parts([]) == {}


def test_dictionaries_are_compared_by_key_in_any_order():
    right = {"dW": np.ones(2), "db": 1.0}
    turned = {"db": 1.0, "dW": np.ones(2)}
    assert same(turned, right, TOLERANCE) and list(fitted(turned, right)[0]) == list(right)
    (misfit,) = fitted({"dW": np.ones(2), "extra": 1, "more": 2}, right)[1]
    assert misfit.problem == "lacks db and has extra, more, which nobody asked for"
    assert fitted({}, right)[1][0].problem == "lacks dW, db"
    assert fitted({**right, "x": 1}, right)[1][0].problem == "has x, which nobody asked for"
    assert "where a dictionary with dW, db should be" in fitted(3.0, right)[1][0].problem


def test_texts_and_none():
    assert same("a", "a", TOLERANCE) and not same("a", "A", TOLERANCE) and not same("1", 1, TOLERANCE)
    assert same(None, None, TOLERANCE) and not same(None, 1.0, TOLERANCE) and not same(0.0, None, TOLERANCE)
    assert fitted(None, 1.0)[1][0].problem == "is None: is a return missing?"
    assert fitted(1.0, None)[1][0].problem == "is a single number, where None should be"
    assert fitted(1.0, "a")[1][0].problem == "is a single number, where a text should be"
    assert fitted(np.ones(2), "a")[1][0].problem == "is an array of shape (2,), where a text should be"
    assert not same("a", None, TOLERANCE) and differences("a", None, TOLERANCE)


def test_other_objects_are_like_nothing_but_their_own_kind():
    tensor = Foreign("an object of type Tensor")
    (misfit,) = fitted(tensor, np.ones(2))[1]
    assert misfit.problem == "is an object of type Tensor, where an array of shape (2,) should be"
    assert same(tensor, tensor, TOLERANCE) and not same(tensor, Foreign("another"), TOLERANCE)
    assert not same({"a": tensor}, {"a": 1.0}, TOLERANCE)


def test_empty_arrays():
    assert same(np.zeros((0, 3)), np.zeros((0, 3)), TOLERANCE) and same([], np.zeros(0), TOLERANCE)
    assert not same(np.zeros((0, 3)), np.zeros((3, 0)), TOLERANCE)
    assert fitted(np.zeros((0, 3)), np.zeros((1, 3)))[1][0].problem == "has shape (0, 3), where (1, 3) should be"


def test_the_first_difference_counts_all():
    right = np.zeros((2, 3))
    wrong = right.copy()
    wrong[0, 2], wrong[1, 0] = 0.25, 7
    found = difference("dW", wrong, right, TOLERANCE)
    assert (found.index, found.yours, found.right, found.count, found.size) == ((0, 2), "0.25", "0", 2, 6)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.1234567, "0.12346"),
        (-0.0, "0"),
        (1e-9, "1e-09"),
        (np.float32(0.1), "0.1"),
        (3, "3"),
        (np.int8(-3), "-3"),
        (True, "True"),
        (np.bool_(False), "False"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
        (1 + 2j, "1+2j"),
        ("it's", '"it\'s"'),
        (np.str_("a"), "'a'"),
        (None, "None"),
        (..., "three dots"),
        (Foreign("a set"), "a set"),
        ((1, 2), "a tuple of 2"),
    ],
)
def test_one_entry_as_text(value, told):
    assert entry(value) == told


def test_a_long_text_is_cut():
    assert len(entry("x" * 1000)) == LONGEST_TEXT
    assert entry("x" * (LONGEST_TEXT - 2)).endswith("x'")


def test_what_a_value_is_called():
    told = {"an array of shape (2, 1)": np.ones((2, 1)), "a list of 2": [1, 2], "a dict of 0": {}, "a text": ""}
    told |= {"None": None, "a single number": 1.5, "a tensor": Foreign("a tensor")}
    assert [described(value) for value in told.values()] == list(told)
    assert described(np.array(1.0)) == "a single number"


def test_close_works_entry_by_entry():
    found = close(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, np.nan]), TOLERANCE)
    assert found.tolist() == [True, False, True]
    assert close(np.array(["a", "b"]), np.array(["a", "c"]), TOLERANCE).tolist() == [True, False]
    turned = np.array([1.0 + 2j, 1.0 - 2j])
    assert close(turned, turned.conj(), TOLERANCE).tolist() == [False, False]
    assert close(turned.real, turned, TOLERANCE).tolist() == [False, False]
