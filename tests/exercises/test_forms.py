"""Mistakes of form are recognised where they are, and nowhere else."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from companion.exercises.forms import advice, one_of_several, swapped
from companion.exercises.forms import explain as explain_parts

TOLERANCE = 1e-7
SHAPES = {
    "cube": ((3, 2, 4), (1, 2, 2), (4, 1, 3), (3, 3, 3)),
    "matrix": ((2, 3), (1, 2), (4, 1), (3, 3)),
    "row": ((4,), (1,), (2,), (7,)),
}
every_shape = pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)


def explain(pairs, axes=""):
    """What is said of a part, and what to look at; twice None where nothing is."""
    found = explain_parts(pairs, TOLERANCE, axes)
    assert found is None or all(found)
    return found or (None, None)


def rights(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def told(change, shapes, seed=0, axes=""):
    """What is said of the right arrays, each changed in this way."""
    return explain([(change(right), right) for right in rights(shapes, seed)], axes)[0]


@every_shape
def test_factors(shapes):
    assert told(lambda a: -a, shapes) == "has the wrong sign"
    assert told(lambda a: 2 * a, shapes) == "is twice what it should be"
    assert told(lambda a: a / 2, shapes) == "is half what it should be"
    assert told(lambda a: -3 * a, shapes) == "is -3 times what it should be"
    assert told(lambda a: a / len(a), shapes).startswith("is divided by a number that changes with the case (")


def test_a_factor_of_another_sort_in_each_case_is_none():
    assert told(lambda a: a * (1 + len(a)), SHAPES["matrix"]) is None
    assert told(lambda a: a * 0, SHAPES["matrix"]) is None
    assert told(lambda a: a + 0.1, SHAPES["matrix"]) is None


def test_one_number_alone_is_no_factor_of_another_and_several_cases_are():
    assert explain([(6.0, 3.0)])[0] is None
    assert explain([(np.array([6.0, 0.0]), np.array([3.0, 0.0]))])[0] is None
    assert explain([(6.0, 3.0), (8.2, 4.1), (3.4, 1.7)])[0] == "is twice what it should be"
    assert explain([(-3, 3), (-4, 4)])[0] == "has the wrong sign"
    assert explain([(3, 6), (1, 4), (1, 3)])[0] is None, "whole numbers are shares of others by chance"


def test_a_case_that_is_all_zero_says_nothing_about_a_factor():
    first, second = rights([(2, 2), (3, 2)])
    zero = np.zeros((2, 2))
    assert explain([(zero, zero), (-first, first), (-second, second)])[0] == "has the wrong sign"
    assert explain([(zero + 1, zero), (-first, first)])[0] is None


def test_axes():
    assert told(np.transpose, SHAPES["matrix"]) == "is transposed"
    assert told(lambda a: a.transpose(1, 0, 2), SHAPES["cube"]) == "has its axes in another order"
    assert told(lambda a: a.transpose(2, 0, 1), SHAPES["cube"]) == "has its axes in another order"


def test_the_order_of_the_axes_is_told_by_their_names():
    pairs = [(right.transpose(1, 2, 0), right) for right in rights(SHAPES["cube"])]
    assert explain(pairs, "T B H")[1] == "Yours are B, H, T; asked for are T, B, H."
    assert explain(pairs)[1] == "Yours are axis 1, axis 2, axis 0; asked for are axis 0, axis 1, axis 2."


@every_shape
def test_shapes(shapes):
    if len(shapes[0]) > 1:
        title = f"has the right numbers, but its shape is ({np.prod(shapes[0])},) where {shapes[0]} should be"
        assert told(np.ravel, shapes) == title
    for change in (lambda a: a[None], lambda a: a[..., None]):
        assert "has the right numbers, but its shape is" in told(change, shapes)


def test_a_single_number_as_an_array_of_one():
    finding, _ = explain([(np.array([3.0]), 3.0), (np.array([4.0]), 4.0)])
    assert finding == "has the right numbers, but its shape is (1,) where () should be"


@every_shape
def test_rows(shapes):
    def with_row(a, place):
        return np.insert(a, place, 0.25, axis=0)

    assert told(lambda a: with_row(a, 0), shapes) == "has one row too many, at the start"
    assert told(lambda a: with_row(a, len(a)), shapes) == "has one row too many, at the end"
    assert told(lambda a: with_row(a, len(a) // 2), shapes[:1]) is None
    assert told(lambda a: a[1:], shapes) == "has one row too few: the first is missing"
    assert told(lambda a: a[:-1], shapes) == "has one row too few: the last is missing"
    assert told(lambda a: a[2:], shapes) is None
    assert told(lambda a: a[::-1], shapes) == "has its rows in reverse order"


@every_shape
@pytest.mark.parametrize("fill", [0.0, 0.25])
def test_shifted_rows(shapes, fill):
    def late(a):
        return np.concatenate([np.full_like(a[:1], fill), a[:-1]])

    def early(a):
        return np.concatenate([a[1:], np.full_like(a[:1], fill)])

    assert told(late, shapes) == "has its rows one place too late"
    assert told(early, shapes) == "has its rows one place too early"
    assert told(lambda a: np.roll(a, 1, axis=0), shapes) == "has its rows one place too late"


def test_a_wrong_first_row_among_equal_ones_is_no_shift():
    right = np.ones((4, 2))
    first, last = right.copy(), right.copy()
    first[0] = last[-1] = 7
    assert explain([(first, right)])[0] is None
    assert explain([(last, right)])[0] is None


@every_shape
@pytest.mark.parametrize("where", range(4))
def test_one_case_that_does_not_fit_is_enough_to_say_nothing(shapes, where):
    changes = [
        lambda a: -a,
        lambda a: 2 * a,
        lambda a: a / len(a),
        lambda a: a[None],
        lambda a: a[::-1],
        lambda a: a[1:],
        lambda a: np.insert(a, 0, 0, axis=0),
        lambda a: np.roll(a, 1, axis=0),
        np.transpose,
    ]
    if shapes[where][0] == 1:
        del changes[-2]  # a row that has no other before it may be anything when rows are late
    for change in changes:
        pairs = [(change(right), right) for right in rights(shapes)]
        value, right = pairs[where]
        pairs[where] = (value + np.linspace(0.1, 0.3, value.size).reshape(value.shape), right)
        if value.size:
            assert explain(pairs)[0] is None


# --- several fit


def test_the_more_telling_of_two_that_fit_is_told():
    lean = rights([(1, 3), (1, 4)])
    assert explain([(a.T, a) for a in lean])[0] == "is transposed", "not: another shape"
    one = rights([(1, 1), (2, 3)])
    assert explain([(a.T, a) for a in one])[0] == "is transposed"
    turned = np.array([[0.0, 2.0], [-2.0, 0.0]])
    assert explain([(turned.T, turned)])[0] == "has the wrong sign", "not: transposed"
    constant = np.full((3, 2), 0.7)
    assert explain([(2 * constant, constant)])[0] == "is twice what it should be"
    two = rights([(2, 3), (2, 1)])
    assert explain([(a[::-1], a) for a in two])[0] == "has its rows in reverse order", "not: a shift"
    assert explain([(np.ones((4, 2)), np.ones((3, 2)))])[0] == "has one row too many, at the start"


def test_symmetric_and_constant_arrays_that_are_right_are_not_explained_away():
    symmetric = np.array([[1.0, 2.0], [2.0, 5.0]])
    wrong = symmetric + np.array([[0.0, 0.3], [0.0, 0.0]])
    assert explain([(wrong, symmetric)])[0] is None


# --- never by chance

values = st.integers(0, 2**32 - 1)


@given(
    values, st.sampled_from(list(SHAPES.values())), st.sampled_from(["new", "noise", "one entry", "one row", "square"])
)
def test_another_wrong_value_is_not_explained(seed, shapes, sort):
    rng = np.random.default_rng(seed)
    pairs = []
    for right in rights(shapes, seed + 1):
        wrong = {
            "new": lambda r: rng.normal(size=r.shape),
            "noise": lambda r: r + rng.normal(scale=0.01, size=r.shape),
            "one entry": lambda r: np.where(
                np.arange(r.size).reshape(r.shape) == rng.integers(r.size), rng.normal(), r
            ),
            "one row": lambda r: np.where((np.arange(len(r)) == 0).reshape(-1, *[1] * (r.ndim - 1)), rng.normal(), r),
            "square": lambda r: r**2 + 0.1,
        }[sort](right)
        pairs.append((wrong, right))
    assert explain(pairs)[0] is None


@given(values, st.integers(2, 5), st.integers(2, 5))
def test_another_shape_is_not_explained(seed, rows, columns):
    assume(rows != columns)
    rng = np.random.default_rng(seed)
    pairs = [
        (rng.normal(size=(columns, rows)), rng.normal(size=(rows, columns))),
        (rng.normal(), rng.normal(size=(1, 1))),
    ]
    assert explain(pairs)[0] is None


@pytest.mark.parametrize("value", ["text", None, [1, 2], {"a": 1}, np.array(["a"])], ids=repr)
def test_what_is_no_number_is_not_explained(value):
    assert explain([(value, np.ones(2))])[0] is None
    assert explain([(np.ones(2), value)])[0] is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_no_factor(bad):
    right = np.array([1.0, 2.0, 3.0])
    wrong = -right
    wrong[1] = bad
    assert explain([(wrong, right)])[0] is None
    assert explain([(right, wrong)])[0] is None


# --- parts


def test_parts_in_another_order():
    h, c, x = rights([(2, 3), (2, 3), (2, 3)])
    names = ("h", "c", "x")
    finding = swapped([(c, h, x), (x, c, h)], [(h, c, x), (c, x, h)], TOLERANCE, names)
    assert finding.title == "The parts are right, but in another order"
    assert finding.text == "Yours are c, h, x; asked for are h, c, x."
    rotated = swapped([[x, h, c]], [(h, c, x)], TOLERANCE, names)
    assert rotated.text == "Yours are x, h, c; asked for are h, c, x."


def test_parts_that_are_not_the_right_ones_are_not_swapped():
    h, c, x = rights([(2, 3), (2, 3), (2, 3)])
    assert swapped([(c, h + 1)], [(h, c)], TOLERANCE, ("h", "c")) is None
    assert swapped([(c, h), (h, c)], [(h, c), (h, c)], TOLERANCE, ("h", "c")) is None, "in one case only"
    assert swapped([(c, h, x)], [(h, c)], TOLERANCE, ("h", "c")) is None
    assert swapped([c], [(h, c)], TOLERANCE, ("h", "c")) is None
    assert swapped([(c, h)], [(h, c)], TOLERANCE) is None, "parts without names"


def test_advice_fits_what_is_said():
    assert "astype" in advice("is an array of float32, where one of float64 should be")
    assert "np.array" in advice("is a list, where an array should be")
    assert "decimals" in advice("is an array of int64, where one of float64 should be")
    assert "True and False" in advice("is an array of bool, where one of float64 should be")
    assert "detach" in advice("is an object of type Tensor, where an array of shape (2,) should be")
    assert "list(…)" in advice("is a generator, where a list of 3 should be")
    assert "return a, b" in advice("is an array of shape (2, 3), where a tuple of 2 should be: h, c")
    assert ".item()" in advice("is an array of shape (1,), where a single number should be")
    assert (
        advice("is an array of complex128, where one of float64 should be") == "Which step made numbers of this kind?"
    )


# --- nearly


@every_shape
def test_rounded_numbers(shapes):
    for decimals in (1, 2, 5):
        text = f"is right so far, rounded to {decimals} decimal{'s' * (decimals > 1)}"
        assert told(lambda a, d=decimals: a.round(d), shapes) == text
    assert told(lambda a: a + 1e-5, shapes) == "is almost right"
    assert told(lambda a: (a + 0.06).round(1), shapes) is None, "rounded, and wrong besides"


def test_a_count_that_is_off_by_one_is_not_almost_right():
    assert explain([(1771, 1770)])[0] is None and explain([(1771.0, 1770)])[0] is None
    assert explain([(1771.0, 1770.0)])[0] == "is almost right"


def test_a_list_that_holds_one_array_several_times():
    def last(a):
        return np.broadcast_to(a[-1], a.shape)

    assert told(last, SHAPES["matrix"]) == told(last, SHAPES["cube"]) == "holds the last row in the place of all rows"
    assert told(lambda a: np.broadcast_to(a[0], a.shape), SHAPES["matrix"]) is None


def test_what_divides_has_a_name_where_something_given_has_this_length():
    pairs = [(right / len(right), right) for right in rights(SHAPES["cube"])]
    lengths = {"x.shape[1]": [2, 2, 1, 3], "x.shape[0]": [3, 1, 4, 3]}
    assert explain_parts(pairs, TOLERANCE, "", lengths)[0] == "is divided by x.shape[0]"
    assert explain_parts(pairs, TOLERANCE, "", {"x.shape[1]": [2, 2, 1, 3]})[0].endswith("with the case (3, 4)")


def test_the_right_one_of_several_returned_values():
    one, other = rights(SHAPES["matrix"]), rights(SHAPES["matrix"], seed=1)
    found = one_of_several(list(zip(other, one, strict=True)), one, TOLERANCE)
    assert found.title == "The right one is number 2 of the 2 values that you return"
    assert one_of_several(list(zip(other, other, strict=True)), one, TOLERANCE) is None
    assert one_of_several(one, one, TOLERANCE) is None


def test_truth_values_are_no_obstacle():
    yes, no = np.array([True, False, True, True]), np.array([False, False, False, True])
    assert explain([(no, yes)])[0] is None
    assert explain([(np.append(yes, True), yes)])[0] == "has one row too many, at the end"
