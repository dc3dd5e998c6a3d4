import contextlib
import io
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from companion.page.report import LARGEST_BOUND, NOISE, agree, show

finite = st.floats(-1e3, 1e3, allow_subnormal=True)


def test_a_number_prints_rounded_with_its_name(capsys):
    show("h_1", 0.46211715726)
    assert capsys.readouterr().out == "h_1 = 0.46212\n"


def test_a_matrix_prints_with_its_columns_aligned(capsys):
    show("W_hh", np.array([[0.5, -12.25], [100.0, 3.0]]), digits=3)
    assert capsys.readouterr().out == "W_hh = [[  0.500 -12.250]\n        [100.000   3.000]]\n"


def test_integers_booleans_and_shapes_are_left_alone(capsys):
    show("T", 12345678901)
    show("counts", np.array([7, 1234567]))
    show("stable", np.bool_(True))
    show("shape", (4, 2))
    assert capsys.readouterr().out == "T = 12345678901\ncounts = [      7 1234567]\nstable = True\nshape = (4, 2)\n"


def test_long_and_wide_arrays_are_printed_whole(capsys):
    show("h", np.zeros((2, 700)), digits=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(line.count("0.0") == 700 for line in lines)


def test_an_infinite_perplexity_prints_as_such(capsys):
    show("perplexity", np.array([np.inf, 7.5]), digits=1)
    assert capsys.readouterr().out == "perplexity = [inf 7.5]\n"


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=finite), st.integers(0, 8))
def test_printed_numbers_are_the_nearest_with_so_many_digits(array, digits):
    try:
        text = shown("a", array, digits)
    except ValueError as error:
        assume("rounding tie" not in str(error))
        raise
    printed = np.array([float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text.partition("=")[2])])
    assert printed.shape == (array.size,)
    assert np.max(np.abs(printed - array.ravel())) <= 0.5 * 10.0**-digits
    assert not re.search(r"-0(\.0*)?(?![\d.])", text), "negative zero"


@given(finite, st.integers(0, 8), st.floats(-1, 1))
def test_noise_within_the_stated_bound_never_changes_what_is_printed(value, digits, push):
    """What two processors may disagree on is either invisible or refused."""
    try:
        first = shown("a", value, digits)
    except ValueError as error:
        assume("rounding tie" not in str(error))
        raise
    moved = value + 0.99 * push * NOISE * max(1.0, abs(value))
    try:
        assert shown("a", moved, digits) == first
    except ValueError as error:
        assert "rounding tie" in str(error)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("value", "digits"), [(0.5, 0), (0.125, 2), (1 / 64, 5), (2.675, 2), (0.15 + 5e-10, 1)])
def test_a_number_at_a_rounding_tie_is_refused_and_shown_with_more_digits(sign, value, digits, capsys):
    with pytest.raises(ValueError, match=rf"^p = {sign * value!r} lies within .* rounding tie at {digits} digits"):
        show("p", sign * value, digits)
    show("p", sign * value, digits + 1 if value == 2.675 else digits + 2)
    assert capsys.readouterr().out.startswith("p = ")


def test_the_refusal_names_the_element():
    with pytest.raises(ValueError, match=r"W\[1, 0\] = 0\.25 lies within"):
        show("W", np.array([[0.1, 0.2], [0.25, 0.4]]), digits=1)
    with pytest.raises(ValueError, match=r"h\[2\] should be a number, but it is NaN"):
        show("h", [0.0, 1.0, np.nan])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((0, 3)), r"at least one number, but its shape is \(0, 3\)"),
        (np.float32(0.1), "float64 .* but it is float32"),
        (1j, "float64 .* but it is complex128"),
        ("0.5", "float64 .* but it is <U3"),
        ([[1.0], [1.0, 2.0]], "rows differ in length"),
    ],
)
def test_show_refuses_what_it_cannot_print(value, message):
    with pytest.raises(ValueError, match="^a should .*" + message):
        show("a", value)


@pytest.mark.parametrize("digits", [-1, 9, 2.0, True])
def test_show_refuses_impossible_digits(digits):
    with pytest.raises(ValueError, match=r"^digits should be a whole number from 0 to 8"):
        show("a", 1.0, digits)


@pytest.mark.parametrize("name", ["", "  ", 3])
def test_show_refuses_a_missing_name(name):
    with pytest.raises(ValueError, match=r"^name should be the text"):
        show(name, 1.0)


def test_agree_prints_the_bound_and_not_the_difference(capsys):
    agree("dW_hh", np.array([1.0, 2.0]), np.array([1.0, 2.0 + 3e-11]), 1e-10)
    assert capsys.readouterr().out == "dW_hh: largest difference below 1e-10\n"


def test_agree_reports_the_measured_difference_where_asked(tmp_path, monkeypatch, capsys):
    report = tmp_path / "differences.tsv"
    monkeypatch.setenv("UNROLLED_REPORT", str(report))
    agree("dW_hh", 1.0, 1.25, 1)
    agree("db_h", 1.0, 1.0, 1e-10)
    assert report.read_text(encoding="utf-8") == "dW_hh\t2.50e-01\t1\ndb_h\t0.00e+00\t1e-10\n"
    assert "2.5" not in capsys.readouterr().out


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=finite), st.data())
def test_agree_names_the_element_that_differs_and_both_numbers(array, data):
    index = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    other = array.copy()
    other[index] += 0.5
    agree_quietly(array, array.copy(), 1e-12)
    with pytest.raises(AssertionError) as failure:
        agree("grad", array, other, 1e-3)
    where = ", ".join(map(str, index))
    assert f"ours[{where}] = {float(array[index])!r} but other[{where}] = {float(other[index])!r}" in str(failure.value)
    assert "5.00e-01" in str(failure.value) and "0.001" in str(failure.value)


def test_a_difference_equal_to_the_bound_is_not_below_it():
    with pytest.raises(AssertionError, match=r"not below 0\.5"):
        agree("y", 1.0, 1.5, 0.5)


def test_agree_does_not_broadcast():
    with pytest.raises(ValueError, match=r"^h: .* ours is \(3, 1\) and other \(3,\)"):
        agree("h", np.zeros((3, 1)), np.zeros(3), 1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_agree_refuses_values_that_are_not_finite(bad):
    with pytest.raises(ValueError, match=r"^y: other\[1\] should be a finite number, but it is"):
        agree("y", [0.0, 1.0], [0.0, bad], 1.0)


@pytest.mark.parametrize("bound", [0, -1e-9, np.nan, np.inf])
def test_agree_refuses_a_bound_that_bounds_nothing(bound):
    with pytest.raises(ValueError, match=r"^bound should be a positive number"):
        agree("y", 1.0, 1.0, bound)


def test_agree_refuses_to_compare_nothing():
    with pytest.raises(ValueError, match=r"at least one number, but their shape is \(0,\)"):
        agree("y", [], [], 1.0)


nonzero = st.floats(1e-6, 1e3) | st.floats(-1e3, -1e-6)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=nonzero),
    st.floats(1e-12, 0.999),
    st.floats(-0.999, 0.999),
    st.data(),
)
def test_the_check_of_an_equation_fails_when_any_entry_of_either_side_moves_by_a_percent_of_the_largest(
    ours, share, distance, data
):
    """For every bound that agree accepts and every two results that it lets pass."""
    bound = share * LARGEST_BOUND * np.abs(ours).max()
    signs = data.draw(hnp.arrays(np.int8, ours.shape, elements=st.sampled_from([-1, 1])))
    other = ours + 0.9 * distance * bound * signs
    assume(np.all(np.abs(other - ours) < bound))  # not so where the bound is smaller than the last bit
    try:
        agree_quietly(ours, other, bound, "eq-a")
    except ValueError as error:
        assume("should be below" not in str(error))  # other may be the smaller one, and its largest entry too small
        raise
    index = data.draw(st.sampled_from(list(np.ndindex(ours.shape))))
    step = data.draw(st.sampled_from([-0.01, 0.01]))
    for side in (ours, other):
        moved = side.copy()
        moved[index] += step * np.abs(side).max()
        with pytest.raises(AssertionError, match="which is not below"):
            agree("grad", *((moved, other) if side is ours else (ours, moved)), bound, equation="eq-a")


def shared():
    array, number = np.arange(6.0), np.float64(2.5)
    return {
        "the same array": (array, array),
        "a view": (array, array.reshape(6)),
        "overlapping parts": (array[1:4], array[2:5]),
        "the transpose": (array.reshape(2, 3)[:, :2], array.reshape(2, 3)[:, :2].T),
        "the same number": (number, number),
        "the same list": (both := [1.0, 2.0], both),
    }


@pytest.mark.parametrize("how", shared())
def test_the_check_of_an_equation_refuses_two_names_of_one_result(how):
    with pytest.raises(ValueError, match=r"^h: other should be computed apart from ours, but the two share"):
        agree("h", *shared()[how], 1e-12, equation="eq-a")


def test_a_tensor_made_from_the_array_shares_its_memory():
    torch = pytest.importorskip("torch")
    h = np.array([0.5, 0.25])
    with pytest.raises(ValueError, match=r"^h: other should be computed apart"):
        agree("h", h, torch.from_numpy(h), 1e-12, equation="eq-a")
    agree_quietly(h, torch.tensor([0.5, 0.25], dtype=torch.float64), 1e-12, "eq-a")


def test_interleaved_parts_of_one_array_and_equal_counts_do_not_share():
    h = np.array([[1.0, 1.0], [2.0, 2.0]])
    agree_quietly(h[:, 0], h[:, 1], 1e-12, "eq-a")
    agree_quietly(24, 24, 1e-9, "eq-a")  # Python keeps one object for each small whole number


@pytest.mark.parametrize("bound", [1e-3, 2e-3, 1.0])
def test_the_check_of_an_equation_refuses_a_bound_that_is_not_small_beside_what_it_compares(bound):
    with pytest.raises(
        ValueError, match=r"^h: bound should be below 0\.001 of the largest entry compared, 1e-10, .*eq-a"
    ):
        agree("h", [1e-10, 0.0], [1e-10, 0.0], bound * 1e-10, equation="eq-a")
    agree_quietly([1e-10, 0.0], [1e-10, 0.0], bound * 1e-10, "")
    agree_quietly([1e-10, 0.0], [1e-10, 0.0], 0.99e-13, "eq-a")


def test_the_check_of_an_equation_refuses_zeros():
    with pytest.raises(ValueError, match="largest entry compared, 0,"):
        agree("h", [0.0], [0.0], 1e-300, equation="eq-a")


def test_what_is_large_in_one_of_the_two_only_is_a_difference_and_no_vacuous_check():
    for ours, other in ((0.0, -1.0), (-1.0, 0.0)):
        with pytest.raises(AssertionError, match="a difference of 1.00e"):
            agree("h", ours, other, 1e-9, equation="eq-a")


@pytest.mark.parametrize("equation", ["bp1", " eq-bp1", 1, True])
def test_agree_refuses_what_is_no_label(equation):
    with pytest.raises(ValueError, match=r"^h: equation should be a label such as 'eq-bp1'"):
        agree("h", 1.0, 1.5, 1.0, equation=equation)


def test_a_torch_tensor_with_history_is_accepted(capsys):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([0.25], dtype=torch.float64, requires_grad=True)
    agree("y", np.array([0.25]), tensor, 1e-12)
    show("y", tensor)
    assert capsys.readouterr().out == "y: largest difference below 1e-12\ny = [0.25000]\n"


def shown(name, value, digits):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        show(name, value, digits)
    return out.getvalue()


def agree_quietly(ours, other, bound, equation=""):
    with contextlib.redirect_stdout(io.StringIO()):
        agree("grad", ours, other, bound, equation=equation)
