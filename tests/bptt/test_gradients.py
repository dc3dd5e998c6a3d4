"""The gradient checker: passes right gradients, also at kinks, catches wrong ones and says where."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import (
    STEP,
    AtKink,
    Difference,
    central_differences,
    check_gradients,
    check_layer,
    check_vjp,
    complex_step,
)
from companion.bptt.skip_elman import SkipElman
from companion.core.functions import RELU
from companion.gates.cells import GRU, LSTM

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


def test_arguments_that_cannot_be_moved_are_refused():
    def total(v):
        return float(v.sum())

    assert central_differences(total, [1, 2]).tolist() == pytest.approx([1, 1])
    for measure in (central_differences, complex_step):
        for step in (0, -1e-5, np.nan, np.inf):
            with pytest.raises(ValueError, match=f"^step: expected a positive number, got {step}$"):
                measure(total, np.ones(2), step)
    with pytest.raises(ValueError, match="^at: expected finite numbers, got nan at index"):
        central_differences(total, np.array([1, np.nan]))
    with pytest.raises(ValueError, match="^at: expected real numbers, got dtype complex128"):
        central_differences(total, np.array([1j]))
    for value in (np.ones(2), np.ones(1), 1j, np.complex128(1j)):
        with pytest.raises(ValueError, match="^f: expected a function whose value is one real number, got a change of"):
            central_differences(lambda v, value=value: value * v[0], np.ones(2))


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
    with pytest.raises(ValueError, match="^gradients: expected a mapping from names to arrays, got ndarray$"):
        check_gradients(lambda w: 0.0, {"W": np.zeros(2)}, np.zeros(2))


def test_arguments_of_low_precision_are_moved_in_float64():
    w = {"a": np.float32([0.5, 0.25]), "b": [3]}

    def loss(w):
        return float((w["a"] ** 2).sum() * w["b"][0])

    assert check_gradients(loss, w, {"a": [3.0, 1.5], "b": [0.3125]}) < 1e-7
    assert (
        check_vjp(lambda w: w["a"] * w["b"], lambda v: {"a": 3 * v, "b": [v @ w["a"]]}, w, np.random.default_rng(0))
        < 1e-7
    )
    with pytest.raises(ValueError, match=r"^arguments\['a'\]: expected finite numbers, got nan at index"):
        check_gradients(loss, {"a": np.array([np.nan])}, w)


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


def test_a_layer_is_checked_in_float64_and_what_does_not_fit_it_is_named():
    rng, cell = np.random.default_rng(0), Elman(2, 3)
    weights, x = initial_weights(weight_shapes(cell), rng, 1.0, np.float32), rng.normal(size=(4, 2, 2))
    h_0 = rng.normal(size=(2, 3)).astype(np.float32)
    assert check_layer(cell, weights, x.astype(np.float32), rng, h_0) < 1e-7  # h_0 without its name, as in `forward`
    with pytest.raises(ValueError, match=r"^W_hh: expected shape \(3, 3\), got \(3,\)"):
        check_layer(cell, weights | {"W_hh": np.ones(3, np.float32)}, x, rng)
    with pytest.raises(ValueError, match="^initial: expected the entries h; missing h; not expected: c"):
        check_layer(cell, weights, x.astype(np.float32), rng, {"c": h_0})
    with pytest.raises(ValueError, match="^x: expected vectors .*, got token numbers"):
        check_layer(cell, weights, np.zeros((4, 2), int), rng)
    with pytest.raises(ValueError, match="^trials: expected a whole number of at least 1, got 0"):
        check_vjp(lambda w: w["a"], lambda v: {"a": v}, {"a": np.ones(2)}, rng, trials=0)


@given(seeds)
@settings(max_examples=10)
def test_a_right_backward_pass_of_many_entries_is_no_false_alarm(seed):
    rng = np.random.default_rng(seed)
    cell = Elman(20, 60)
    weights = initial_weights(weight_shapes(cell), rng, 0.3)
    assert check_layer(cell, weights, rng.normal(size=(8, 4, 20)), rng, {"h": rng.normal(size=(4, 60))}) < 1e-7


# --- kinks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Elman, lambda I, H: Jordan(I, H, 3), LSTM, GRU, lambda I, H: Elman(I, H, RELU)])
@given(seed=seeds)
@settings(max_examples=5)
def test_away_from_kinks_three_directions_an_argument_are_drawn_and_no_more(make, seed):
    rng, cell = np.random.default_rng(seed), make(2, 3)
    weights, x = initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(4, 2, 2))
    arguments = weights | {f"{name}_0": rng.normal(size=(2, cell.sizes[name])) for name in cell.state} | {"x": x}

    def outputs(w):
        states = {name: w[f"{name}_0"] for name in cell.state}
        _, tape = forward(cell, {name: w[name] for name in weights}, w["x"], states)
        return [tape[name] for name in cell.outputs], tape

    ours, plain, worst = np.random.default_rng(1), np.random.default_rng(1), 0.0
    for _ in range(3):
        values, tape = outputs(arguments)
        v = plain.normal(size=sum(value.size for value in values))
        v /= np.linalg.norm(v)
        parts = np.split(v, np.cumsum([value.size for value in values])[:-1])
        gradients = backward(
            tape, {n: part.reshape(y.shape) for n, part, y in zip(cell.outputs, parts, values, strict=True)}
        )
        gradients |= {name.removeprefix("d"): g for name, g in gradients.items()}
        for name, value in arguments.items():
            u = plain.normal(size=value.shape)
            s = STEP / float(np.linalg.norm(u))
            ahead, behind = (
                np.vdot(v, np.concatenate([y.ravel() for y in outputs(arguments | {name: value + sign * u})[0]]))
                for sign in (s, -s)
            )
            given, measured = np.vdot(gradients[name], u), (ahead - behind) / (2 * s)
            worst = max(worst, Difference(name, None, given, measured).size)
    states = {name: arguments[f"{name}_0"] for name in cell.state}
    assert check_layer(cell, weights, x, ours, states) == worst


def at_a_kink(cell, rng, T=4, B=2, how="all", near=0.0):
    """Weights and input with all pre-activations at 0, or one of them `near` steps of the differences away from 0."""
    weights = initial_weights(weight_shapes(cell), rng, 1.0)
    x = rng.normal(size=(T, B, cell.inputs))
    if how == "all":
        return weights | {"b_h": np.zeros(cell.hidden)}, np.zeros_like(x)
    h, _ = forward(Elman(cell.inputs, cell.hidden, RELU), {k: weights[k] for k in ("W_xh", "W_hh", "b_h")}, x)
    t, b, k = 0, rng.integers(B), rng.integers(cell.hidden)
    a = weights["W_xh"][k] @ x[t, b] + weights["W_hh"][k] @ h[t, b] + weights["b_h"][k]
    weights["b_h"][k] -= a - near * STEP
    return weights, x


KINKS = [("all", 0.0), *(("one", near) for near in (0.0, 1e-3, -0.1))]
RELUS = [lambda I, H: Elman(I, H, RELU), lambda I, H: SkipElman(I, H, 2, RELU)]


@pytest.mark.filterwarnings("ignore:.*expected a point away from kinks")
@pytest.mark.parametrize(("how", "near"), KINKS)
@pytest.mark.parametrize("make", RELUS)
@given(seed=seeds)
@settings(max_examples=10)
def test_a_right_gradient_at_a_kink_is_no_false_alarm(make, how, near, seed):
    rng, cell = np.random.default_rng(seed), make(2, 3)
    assert check_layer(cell, *at_a_kink(cell, rng, 4, 2, how, near), rng) < 1e-7


@pytest.mark.filterwarnings("ignore:.*expected a point away from kinks")
def test_a_network_of_zeros_is_checked_near_by():
    cell, rng = Elman(2, 3, RELU), np.random.default_rng(0)
    zero = {name: np.zeros(shape) for name, shape in weight_shapes(cell).items()}
    assert check_layer(cell, zero, np.zeros((4, 2, 2)), rng) < 1e-7


@dataclass(frozen=True)
class RectifiedLSTM(LSTM):
    """The candidate with a ReLU."""

    gates = LSTM.gates | {"g": RELU}

    def slopes(self, w, now, before):
        return LSTM.slopes(self, w, now, before) | {"g": now["i"] * (now["g"] > 0)}


def test_a_relu_that_is_no_output_is_seen_on_the_tape():
    for seed in range(5):
        rng, cell = np.random.default_rng(seed), RectifiedLSTM(2, 3)
        weights = initial_weights(weight_shapes(cell), rng, 1.0) | {"b_g": np.zeros(3)}
        first = {"h": np.zeros((2, 3)), "c": rng.normal(size=(2, 3))}
        assert check_layer(cell, weights, rng.normal(size=(4, 2, 2)), rng, first) < 1e-7
        with pytest.warns(UserWarning, match=r"^b_g: .* switches g\[1, 0, 0\] and 5 more; checked with biases, inputs"):
            assert check_layer(cell, weights, np.zeros((4, 2, 2)), rng, first) < 1e-7


def test_without_the_care_these_points_do_give_false_alarms():
    # the same projections where nobody says which ReLUs are off
    alarms = 0
    for how, near in KINKS:
        rng, cell = np.random.default_rng(0), Elman(2, 3, RELU)
        weights, x = at_a_kink(cell, rng, 4, 2, how, near)

        def outputs(w, cell=cell, weights=weights):
            return forward(cell, {name: w[name] for name in weights}, w["x"])[0]

        def pull(v, cell=cell, weights=weights, x=x):
            gradients = backward(forward(cell, weights, x)[1], {"h": v})
            return {name: gradients[name] for name in weights} | {"x": gradients["dx"]}

        try:
            check_vjp(outputs, pull, weights | {"x": x}, rng, values=lambda w: {})
        except AssertionError:
            alarms += 1
    assert alarms == len(KINKS)


def test_a_check_beside_the_kink_says_so_and_names_the_relu():
    rng, cell = np.random.default_rng(0), Elman(2, 3, RELU)
    weights, x = at_a_kink(cell, rng)
    before = {name: w.copy() for name, w in weights.items()}
    said = r"^b_h: .* kinks, got one where moving it switches h\[1, 0, 0\] and 23 more; checked with biases, inputs and"
    with pytest.warns(UserWarning, match=said) as caught:
        check_layer(cell, weights, x, rng)
    assert caught[0].filename == __file__ and all((before[name] == weights[name]).all() for name in weights)
    weights, x = at_a_kink(cell, np.random.default_rng(3), how="one")
    with pytest.warns(UserWarning, match=r"switches h\[1, \d, \d\]; checked with biases, inputs and states moved"):
        check_layer(cell, weights, x, rng)


@given(seeds)
@settings(max_examples=20)
def test_away_from_kinks_nothing_is_said(seed):
    rng, cell = np.random.default_rng(seed), Elman(2, 3, RELU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_layer(cell, initial_weights(weight_shapes(cell), rng, 1.0), rng.normal(size=(4, 2, 2)), rng)


@dataclass(frozen=True)
class WrongSign(Elman):
    def back(self, w, s, d):
        da, before = super().back(w, s, d)
        return {"h": -da["h"]}, before


@dataclass(frozen=True)
class NoSlope(Elman):
    """Its backward pass forgets that a unit may be off."""

    def slopes(self, w, now, before):
        return {"h": np.ones_like(now["h"])}


@dataclass(frozen=True)
class AlwaysOn(Elman):
    """≥ for >: every unit's output is at least 0."""

    def slopes(self, w, now, before):
        return {"h": (now["h"] >= 0).astype(float)}


@pytest.mark.filterwarnings("ignore:.*expected a point away from kinks")
@pytest.mark.parametrize(("how", "near"), [*KINKS, ("one", 1e4)])
@pytest.mark.parametrize("wrong", [Forgetful, WrongSign, NoSlope, AlwaysOn])
def test_a_wrong_gradient_is_found_at_a_kink_as_elsewhere(wrong, how, near):
    for seed in range(3):
        rng, cell = np.random.default_rng(seed), wrong(2, 3, RELU)
        weights, x = at_a_kink(cell, rng, 3, 3, how, near)
        with pytest.raises(AssertionError, match=r"(?s)^gradients differ by .*d\w+\[.*: given .*, measured "):
            check_layer(cell, weights, x, rng)


@dataclass(frozen=True)
class OutOfReach(Elman):
    """A ReLU of a weight that is 0."""

    def step(self, w, now, before):
        return {"h": RELU(0 * now["a_h"] + np.diag(w["W_hh"]))}

    def slopes(self, w, now, before):
        return {"h": np.zeros_like(now["h"])}


def test_where_no_point_near_by_helps_the_check_does_not_pass():
    rng, cell = np.random.default_rng(0), OutOfReach(2, 3, RELU)
    weights, x = at_a_kink(cell, rng)
    np.fill_diagonal(weights["W_hh"], 0)
    with (
        pytest.warns(UserWarning, match="checked with biases, inputs and states moved"),
        pytest.raises(AtKink, match=r"^W_hh: expected a point away from kinks, got one where moving it switches h\["),
    ):
        check_layer(cell, weights, x, rng)


def test_a_function_with_its_own_kinks():
    w, rng = {"a": np.array([0.0, 2.0, -1.0]), "c": np.ones(3)}, np.random.default_rng(0)

    def rectified(w):
        return RELU(w["a"]) * w["c"]

    def pull(v):
        return {"a": v * w["c"] * (w["a"] > 0), "c": v * RELU(w["a"])}

    with pytest.raises(AtKink, match=r"^a: expected a point away from kinks, got one where moving it switches f\[0\]$"):
        check_vjp(rectified, pull, w, rng)
    with pytest.raises(AtKink, match=r"switches hidden\[0\]$"):
        check_vjp(lambda w: 1 + rectified(w), pull, w, rng, values=lambda w: {"hidden": rectified(w)})
    with pytest.raises(AssertionError, match=r"da\[0\]: given -?0, measured"):
        check_vjp(lambda w: 1 + rectified(w), pull, w, rng)  # nothing shows the ReLU
    with pytest.raises(AssertionError, match=r"da\[0\]: given"):  # what only passes through 0 has no kink
        check_vjp(lambda w: w["a"], lambda v: {"a": v * [2, 1, 1]}, {"a": w["a"]}, rng)
    w["a"][0] = 1e-3
    assert check_vjp(rectified, pull, w, rng) < 1e-7
    with pytest.raises(AssertionError, match=r"dc\[1\]: given"):
        check_vjp(rectified, lambda v: pull(v) | {"c": v * RELU(w["a"]) * [1, 2, 1]}, w, rng)
