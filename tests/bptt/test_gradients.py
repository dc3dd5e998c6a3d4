"""The gradient checker: passes right gradients, catches wrong ones and says where."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import (
    Difference,
    central_differences,
    check_gradients,
    check_layer,
    check_vjp,
    complex_step,
)

seeds = st.integers(0, 2**32 - 1)


@given(st.integers(0, 10**6))
def test_central_differences_of_a_quadratic_form(seed):
    rng = np.random.default_rng(seed)
    A, x = rng.normal(size=(3, 3)), rng.normal(size=3)
    np.testing.assert_allclose(central_differences(lambda v: float(v @ A @ v), x), (A + A.T) @ x, atol=1e-8)


def test_the_argument_is_left_alone():
    x = np.ones(2)
    central_differences(lambda v: float(v.sum()), x)
    np.testing.assert_array_equal(x, 1)


def test_a_difference_is_absolute_below_one_and_relative_above():
    assert Difference("W", (0,), 0.1, 0.3).size == pytest.approx(0.2)
    assert Difference("W", (0,), 1000, -3000).size == pytest.approx(4000 / 3000)
    assert Difference("W", (0,), -3000, 1000).size == pytest.approx(4000 / 3000)


def test_the_largest_difference_leads_and_is_returned():
    w = {"a": np.array([50.0]), "b": np.array([0.1]), "c": np.array([3.0])}
    wrong = {"a": np.array([101.0]), "b": np.array([0.9]), "c": np.array([6.3])}  # by 1/101, 0.7 and 0.3/6.3

    def loss(w):
        return sum(float((v**2).sum()) for v in w.values())

    assert check_gradients(loss, w, wrong, bound=1) == pytest.approx(0.7)
    with pytest.raises(AssertionError, match=r"(?s)by up to 0\.7, .*:\s*db.*\s*dc.*\s*da"):
        check_gradients(loss, w, wrong)


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


def analytic_loss(w):
    """Elman's equations in plain NumPy, which compute with complex numbers as well as with real ones."""
    h = 0
    for t in range(3):
        h = np.tanh(w["W_xh"] @ w["x"][t] + w["W_hh"] @ (h * np.ones(2)) + w["b_h"])
    return (h * h).sum()


@given(seeds)
def test_a_complex_step_is_exact_to_the_last_digits(seed):
    rng = np.random.default_rng(seed)
    w = {"W_xh": rng.normal(size=(2, 3)), "W_hh": rng.normal(size=(2, 2)), "b_h": rng.normal(size=2)}
    w["x"] = rng.normal(size=(3, 3))
    h, tape = forward(Elman(3, 2), {k: w[k] for k in ("W_xh", "W_hh", "b_h")}, w["x"][:, None])
    dh = np.zeros_like(h)
    dh[-1] = 2 * h[-1]
    exact = backward(tape, {"h": dh})
    for name in ("W_xh", "W_hh", "b_h"):
        measured = complex_step(lambda moved, name=name: analytic_loss({**w, name: moved}), w[name])
        np.testing.assert_allclose(measured, exact[name], atol=1e-14, rtol=1e-13)


def test_a_function_that_loses_the_imaginary_part_is_refused():
    with pytest.raises(ValueError, match="f: expected a function that keeps complex numbers complex, got 1.0"):
        complex_step(lambda v: float(np.abs(v).sum()), np.ones(1))


@pytest.mark.parametrize(("T", "B", "I", "H"), [(1, 1, 1, 1), (4, 3, 2, 5), (6, 1, 3, 2)])
@pytest.mark.parametrize("make", [lambda I, H: Elman(I, H), lambda I, H: Jordan(I, H, 3)])
def test_one_call_checks_a_whole_layer(make, T, B, I, H):
    rng = np.random.default_rng(T)
    cell = make(I, H)
    weights = initial_weights(weight_shapes(cell), rng, 1.0)
    first = {name: rng.normal(size=(B, cell.sizes[name])) for name in cell.state}
    assert check_layer(cell, weights, rng.normal(size=(T, B, I)), rng, first, bound=1e-7) < 1e-7
    assert check_layer(cell, weights, rng.normal(size=(T, B, I)), rng, bound=1e-7) < 1e-7  # from a state of zeros


@dataclass(frozen=True)
class Forgetful(Elman):
    """An Elman network whose backward pass forgets the future."""

    def back(self, w, s, d):
        da, _ = super().back(w, s, d)
        return da, {"h": -da["h"] @ w["W_hh"]}  # takes away what the core sends back


def test_a_layer_with_a_wrong_backward_pass_is_caught_with_numbers_and_places():
    rng = np.random.default_rng(0)
    cell = Forgetful(2, 3)
    weights = initial_weights(weight_shapes(cell), rng, 1.0)
    with pytest.raises(AssertionError, match=r"dW_hh\[\d, \d\]: given -?\d\.\d+, measured -?\d\.\d+") as caught:
        check_layer(cell, weights, rng.normal(size=(4, 2, 2)), rng)
    for name in ("W_xh", "b_h", "h_0", "x"):
        assert f"d{name}[" in str(caught.value), name


def test_a_vector_jacobian_product_of_any_shape():
    rng = np.random.default_rng(1)
    arguments = {"A": rng.normal(size=(3, 2)), "B": rng.normal(size=(2, 4, 5))}

    def product(w):
        return np.einsum("ij,jkl->ikl", w["A"], w["B"])

    def pull(v):
        return {"A": np.einsum("ikl,jkl->ij", v, arguments["B"]), "B": np.einsum("ij,ikl->jkl", arguments["A"], v)}

    assert check_vjp(product, pull, arguments, rng) < 1e-7
    with pytest.raises(AssertionError, match=r"most in dB\[\d, \d, \d\]: given .*, measured "):
        check_vjp(product, lambda v: pull(v) | {"B": -pull(v)["B"]}, arguments, rng)
    with pytest.raises(ValueError, match=r"gradients\['A'\]: expected shape \(3, 2\), got \(2, 3\)"):
        check_vjp(product, lambda v: pull(v) | {"A": pull(v)["A"].T}, arguments, rng)
    with pytest.raises(ValueError, match="gradients: expected an entry B, got A"):
        check_vjp(product, lambda v: {"A": pull(v)["A"]}, arguments, rng)


def test_as_many_directions_are_tried_as_asked_for_and_the_worst_is_told():
    w, tried = {"a": np.arange(1.0, 4.0)}, []

    def wrong(v):
        tried.append(v)
        return {"a": 2 * w["a"] * v + 0.1 * v**2}

    def sizes(trials, rng):
        with pytest.raises(AssertionError) as caught:
            check_vjp(lambda w: w["a"] ** 2, wrong, w, rng, trials=trials)
        return float(str(caught.value).split()[3].rstrip(","))

    one_by_one, rng = [], np.random.default_rng(8)
    for _ in range(5):
        one_by_one.append(sizes(1, rng))
    assert len(tried) == 5 and len(set(one_by_one)) > 1 and max(one_by_one) not in (one_by_one[0], one_by_one[-1])
    assert sizes(5, np.random.default_rng(8)) == max(one_by_one) and len(tried) == 10


def test_every_argument_that_fails_is_named():
    w = {"a": np.ones(2), "b": np.ones(1), "c": np.ones(1)}
    right = {name: 2 * value for name, value in w.items()}
    wrong = right | {"a": np.array([2.0, 2.5]), "c": np.array([3.0])}
    with pytest.raises(AssertionError) as caught:
        check_gradients(lambda w: sum(float((v**2).sum()) for v in w.values()), w, wrong)
    assert "dc[0]: given 3, measured 2" in str(caught.value) and "da[1]: given 2.5, measured 2" in str(caught.value)
    assert "db" not in str(caught.value)
    with pytest.raises(ValueError, match="arguments: expected at least one array, got none"):
        check_gradients(lambda w: 0.0, {}, {})


@given(seeds)
@settings(max_examples=10)
def test_a_right_backward_pass_of_many_entries_is_no_false_alarm(seed):
    rng = np.random.default_rng(seed)
    cell = Elman(20, 60)
    weights = initial_weights(weight_shapes(cell), rng, 0.3)
    assert check_layer(cell, weights, rng.normal(size=(8, 4, 20)), rng, {"h": rng.normal(size=(4, 60))}) < 1e-7
