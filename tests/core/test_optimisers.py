"""Optimisers: the page's formulas and PyTorch's steps. Clipping keeps the direction. What would be wrong is refused."""

import copy
import math
import pickle
import re
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from companion.core.optimisers import SGD, Adagrad, Adam, Momentum, clip_by_norm, clip_by_value, norm

OPTIMISERS = (SGD, Momentum, Adam, Adagrad)
PAIRS = {
    "Adam": (Adam(rate=0.01), lambda w: torch.optim.Adam(w, lr=0.01)),
    "Adam, other betas": (Adam(0.01, 0.5, 0.9, 1e-4), lambda w: torch.optim.Adam(w, 0.01, (0.5, 0.9), 1e-4)),
    "Adagrad": (Adagrad(rate=0.1, epsilon=1e-3), lambda w: torch.optim.Adagrad(w, lr=0.1, eps=1e-3)),
    "SGD": (SGD(rate=0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    "momentum": (Momentum(rate=0.1, momentum=0.8), lambda w: torch.optim.SGD(w, lr=0.1, momentum=0.8)),
    "no momentum": (Momentum(rate=0.1, momentum=0), lambda w: torch.optim.SGD(w, lr=0.1)),
}
dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


# --- one step after another ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("name", PAIRS)
@given(seed=seeds)
@settings(max_examples=5)
def test_optimisers_equal_pytorch_step_by_step(name, dtype, bound, seed):
    rng = np.random.default_rng(seed)
    weights = {"W": rng.normal(size=(3, 2)).astype(dtype), "b": rng.normal(size=2).astype(dtype)}
    theirs = {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}
    ours, make = PAIRS[name]
    optimiser = make(theirs.values())
    for _ in range(20):
        gradients = {name: rng.normal(size=w.shape).astype(dtype) for name, w in weights.items()}
        weights, ours = ours.step(weights, gradients)
        for name, w in theirs.items():
            w.grad = torch.tensor(gradients[name])
        optimiser.step()
        for name in weights:
            np.testing.assert_allclose(weights[name], theirs[name].detach().numpy(), atol=bound, rtol=bound)


class Plain:
    """The formulas as the page has them, a new array for each term; one array of weights."""

    def __init__(self, optimiser, dtype):
        self.o, self.kind, self.n = optimiser, dtype, 0
        self.m = self.v = dtype(0)

    def step(self, w, g):
        o, kind = self.o, self.kind
        self.n += 1
        if isinstance(o, SGD):
            return w - kind(o.rate) * g
        if isinstance(o, Momentum):
            self.v = kind(o.momentum) * self.v + g
            return w - kind(o.rate) * self.v
        if isinstance(o, Adagrad):
            self.v = self.v + g * g
            return w - kind(o.rate) * g / (np.sqrt(self.v) + kind(o.epsilon))
        self.m = kind(o.beta_1) * self.m + kind(1 - o.beta_1) * g
        self.v = kind(o.beta_2) * self.v + kind(1 - o.beta_2) * g * g
        m_hat, v_hat = self.m / kind(1 - o.beta_1**self.n), self.v / kind(1 - o.beta_2**self.n)
        return w - kind(o.rate) * m_hat / (np.sqrt(v_hat) + kind(o.epsilon))


shapes = arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)


@st.composite
def courses(draw, dtype):
    """Weights and the gradients of three steps, of any size up to 1e9, with zeros of both signs."""
    numbers = st.floats(-1e9, 1e9, width=8 * np.dtype(dtype).itemsize)
    shape = draw(shapes)
    w, *gradients = (draw(arrays.arrays(dtype, shape, elements=numbers)) for _ in range(4))
    return w, gradients


@given(st.data(), dtypes, st.sampled_from(sorted(PAIRS)))
@settings(max_examples=40)
def test_every_bit_is_that_of_the_plain_formulas(data, dtype, name):
    w, gradients = data.draw(courses(dtype))
    ours, _ = PAIRS[name]
    plain, weights = Plain(ours, dtype), {"W": w}
    for g in gradients:
        weights, ours = ours.step(weights, {"W": g})
        w = plain.step(w, g)
        assert weights["W"].dtype == dtype and weights["W"].tobytes() == np.asarray(w).tobytes()


@pytest.mark.parametrize("name", PAIRS)
def test_every_bit_is_that_of_the_plain_formulas_for_large_weights(name):
    # temporary arrays of 256 KB and more NumPy handles in another way
    rng, (ours, _) = np.random.default_rng(0), PAIRS[name]
    w = rng.normal(size=(200, 300))
    plain, weights = Plain(ours, np.float64), {"W": w}
    for _ in range(3):
        g = rng.normal(size=w.shape)
        weights, ours = ours.step(weights, {"W": g})
        w = plain.step(w, g)
        np.testing.assert_array_equal(weights["W"], w)


@given(st.data(), st.sampled_from(sorted(PAIRS)))
@settings(max_examples=40)
def test_float32_is_float64_up_to_its_own_digits(data, name):
    shape, numbers = data.draw(shapes), st.floats(-10, 10, width=32)
    draws = [data.draw(arrays.arrays(np.float32, shape, elements=numbers)) for _ in range(4)]
    (single, double), results = (PAIRS[name][0],) * 2, []
    low, high = ({"W": draws[0].astype(dtype)} for dtype in (np.float32, np.float64))
    for g in draws[1:]:
        low, single = single.step(low, {"W": g})
        high, double = double.step(high, {"W": g})
        results.append(np.abs(low["W"] - high["W"]).max(initial=0))
    assert max(results) < 1e-5


# --- dtypes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", OPTIMISERS)
@given(weights_of=dtypes, gradients_of=dtypes, seed=seeds)
@settings(max_examples=40)
def test_weights_and_what_is_remembered_keep_their_dtype(make, weights_of, gradients_of, seed):
    rng = np.random.default_rng(seed)
    weights, optimiser = {"W": rng.normal(size=(2, 3)).astype(weights_of)}, make(np.float64(0.1))
    same, other = weights, make(0.1)
    for _ in range(3):
        g = rng.normal(size=(2, 3)).astype(gradients_of)
        weights, optimiser = optimiser.step(weights, {"W": g, "dx": np.ones(3)})
        same, other = other.step(same, {"W": g.astype(weights_of)})
        assert list(weights) == ["W"] and weights["W"].dtype == weights_of
        np.testing.assert_array_equal(weights["W"], same["W"])
        remembered = [value for value in vars(optimiser).values() if isinstance(value, dict)]
        assert all(array["W"].dtype == weights_of for array in remembered)
        assert len(remembered) == {SGD: 0, Momentum: 1, Adam: 2, Adagrad: 1}[make]


NOT_REAL = {
    "int64": np.array([3, 4]),
    "bool": np.array([True, False]),
    "float16": np.array([3, 4], np.float16),
    "complex128": np.array([3j, 4]),
    "object": np.array([3.0, None]),
    "<U1": np.array(["3", "4"]),
}


@pytest.mark.parametrize("make", OPTIMISERS)
def test_the_other_byte_order_is_the_same_numbers(make):
    big = {"W": np.array([3.0, 4.0], ">f8")}
    plain = {"W": np.array([3.0, 4.0])}
    np.testing.assert_array_equal(make(0.1).step(big, big)[0]["W"], make(0.1).step(plain, plain)[0]["W"])
    assert norm(big) == 5 and make(0.1).step(big, plain)[0]["W"].dtype.isnative


@pytest.mark.parametrize("dtype", NOT_REAL)
def test_other_dtypes_are_refused_with_what_to_pass(dtype):
    bad, right = {"W": NOT_REAL[dtype]}, {"W": np.ones(2)}
    advice = "; pass np.asarray(W, np.float64)" if dtype in ("int64", "bool", "float16") else ""
    expected = re.escape(f"['W']: expected float32 or float64, got {dtype}{advice}") + "$"
    for make in OPTIMISERS:
        with pytest.raises(ValueError, match="^weights" + expected):
            make(0.1).step(bad, right)
        with pytest.raises(ValueError, match="^gradients" + expected):
            make(0.1).step(right, bad)
    for act in (norm, lambda g: clip_by_norm(g, 1), lambda g: clip_by_value(g, 1)):
        with pytest.raises(ValueError, match="^gradients" + expected):
            act(bad)
    for make, name in ((Momentum, "v"), (Adam, "m"), (Adam, "v"), (Adagrad, "G")):
        with pytest.raises(ValueError, match=f"^{name}" + expected):
            make(0.1, **{name: bad})
    if advice:
        assert norm({"W": eval(advice.removeprefix("; pass "), {"np": np, "W": bad["W"]})}) > 0


def test_masks_are_refused_and_not_forgotten():
    masked = {"W": np.ma.array([3.0, 4.0], mask=[False, True])}
    for act in (norm, lambda g: clip_by_norm(g, 1), lambda g: clip_by_value(g, 1), lambda g: Adam(1).step(g, g)):
        with pytest.raises(ValueError, match=r"\['W'\]: expected an array without a mask"):
            act(masked)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_lists_matrices_and_single_numbers_are_arrays():
    assert norm({"W": [3.0, 4.0]}) == norm({"W": np.matrix([[3.0, 4.0]])}) == 5
    assert clip_by_norm({"W": [3.0, 4.0]}, 1)["W"].tolist() == pytest.approx([0.6, 0.8])
    assert clip_by_value({"W": np.matrix([[3.0, 4.0]])}, 3.5)["W"].tolist() == [[3, 3.5]]
    with pytest.raises(ValueError, match=r"gradients\['W'\]: expected rows of one length"):
        norm({"W": [[1.0], [1.0, 2.0]]})
    for make in OPTIMISERS:
        right, _ = make(0.5).step({"W": np.array([[1.0, 2.0]])}, {"W": np.array([[3.0, 4.0]])})
        for form in (list, np.matrix):
            new, _ = make(0.5).step({"W": form([[1.0, 2.0]])}, {"W": form([[3.0, 4.0]])})
            np.testing.assert_array_equal(new["W"], right["W"])
        one, optimiser = make(0.5).step({"a": np.float32(1)}, {"a": np.array(2.0)})
        one, _ = optimiser.step(one, {"a": 2.0})
        assert one["a"].dtype == np.float32 and one["a"].shape == ()


# --- lengths and clipping --------------------------------------------------------------------------------------------


def exact_norm(gradients):
    """In whole numbers and fractions, the root to 60 digits or so."""
    squares = sum(Fraction(float(entry)) ** 2 for g in gradients.values() for entry in g.ravel())
    return Fraction(math.isqrt(int(squares * 10**800)), 10**400)


@st.composite
def gradient_sets(draw, dtype):
    """Two arrays of finite entries of one magnitude, any that the dtype has."""
    info = np.finfo(dtype)
    exponent = draw(st.integers(info.minexp - 20, info.maxexp - 5))
    numbers = st.floats(-4, 4, width=8 * np.dtype(dtype).itemsize)
    return {name: np.ldexp(draw(arrays.arrays(dtype, shapes, elements=numbers)), exponent) for name in "ab"}


@given(st.data(), dtypes)
@settings(max_examples=40)
def test_the_norm_of_any_finite_gradients(data, dtype):
    gradients = data.draw(gradient_sets(dtype))
    exact = float(exact_norm(gradients))
    assert norm(gradients) == pytest.approx(exact, rel=16 * float(np.finfo(dtype).eps), abs=5e-324)


@pytest.mark.filterwarnings("error")
def test_the_norm_where_squares_overflow_or_vanish():
    assert norm({"W": np.full(4, 1e20, np.float32)}) == pytest.approx(2e20, rel=1e-7)
    assert norm({"W": np.full(4, 1e-30, np.float32)}) == pytest.approx(2e-30, rel=1e-7)
    assert norm({"W": np.full(4, 3e38, np.float32)}) == pytest.approx(6e38, rel=1e-7)  # beyond float32
    assert norm({"W": np.full(4, 1e200)}) == pytest.approx(2e200, rel=1e-15)
    assert norm({"W": np.full(4, 5e-324)}) == 1e-323
    assert norm({"W": np.full(4, 1e-30, np.float32), "b": np.full(4, 1e200)}) == pytest.approx(2e200, rel=1e-15)
    assert norm({"W": np.full(4, 1.5e308)}) == math.inf
    assert norm({"W": np.zeros(3)}) == norm({}) == norm({"W": np.zeros((0, 2))}) == 0
    assert norm({"W": np.array([1, -np.inf])}) == math.inf
    assert math.isnan(norm({"a": np.array([np.inf, np.nan]), "b": np.array([np.inf])}))


@given(seeds, dtypes)
def test_the_norm_has_the_bits_of_the_plain_formula(seed, dtype):
    rng = np.random.default_rng(seed)
    gradients = {"W": rng.normal(size=(7, 5)).astype(dtype), "b": rng.normal(size=3).astype(dtype)}
    assert norm(gradients) == np.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))


@given(seeds, dtypes, st.floats(0.01, 20))
def test_clipping_by_norm_has_the_bits_of_the_plain_formula(seed, dtype, limit):
    rng = np.random.default_rng(seed)
    gradients = {"W": rng.normal(size=(7, 5)).astype(dtype), "b": rng.normal(size=3).astype(dtype)}
    clipped = clip_by_norm(gradients, limit)
    for name, g in gradients.items():
        np.testing.assert_array_equal(clipped[name], g * dtype(min(1.0, limit / norm(gradients))))
        assert clipped[name].dtype == dtype


@given(st.data(), dtypes)
@settings(max_examples=40)
def test_any_finite_gradients_are_clipped_to_the_limit(data, dtype):
    gradients, info = data.draw(gradient_sets(dtype)), np.finfo(dtype)
    limit = math.ldexp(data.draw(st.floats(1, 2)), data.draw(st.integers(info.minexp, info.maxexp - 2)))
    length = exact_norm(gradients)
    factor = min(Fraction(1), Fraction(limit) / length) if length else Fraction(1)
    for name, clipped in clip_by_norm(gradients, limit).items():
        assert clipped.dtype == dtype
        for ours, g in zip(clipped.ravel(), gradients[name].ravel(), strict=True):
            exact, digits = float(factor * Fraction(float(g))), 20 * float(info.eps)
            assert float(ours) == pytest.approx(exact, rel=digits, abs=2 * float(info.smallest_subnormal))


def test_clipping_by_norm_scales_everything_by_one_factor():
    gradients = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert norm(gradients) == 5
    clipped = clip_by_norm(gradients, 1)
    assert norm(clipped) == pytest.approx(1) and clipped["a"] / clipped["b"] == pytest.approx(0.75)
    assert clip_by_norm(gradients, 10)["a"] == 3 and clip_by_norm(gradients, np.inf)["a"] == 3
    assert clip_by_norm({"a": np.array([1e200])}, 1)["a"] == 1
    assert clip_by_norm({"a": np.array([1e300])}, 1e-300)["a"] == pytest.approx(1e-300, rel=1e-14, abs=0)
    for bad, got in ((np.inf, "inf"), (np.nan, "nan"), (-np.inf, "inf")):
        with pytest.raises(ValueError, match=f"^gradients: expected a finite norm, got {got}$"):
            clip_by_norm({"a": np.array([bad, 1])}, 1)


@pytest.mark.parametrize("limit", [0.3, 1.0, 2.5, 100.0])
def test_clipping_equals_pytorch(limit):
    rng = np.random.default_rng(1)
    gradients = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    for ours, theirs in (
        (clip_by_norm, torch.nn.utils.clip_grad_norm_),
        (clip_by_value, torch.nn.utils.clip_grad_value_),
    ):
        weights = {name: torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for name, g in gradients.items()}
        for name, w in weights.items():
            w.grad = torch.tensor(gradients[name])
        theirs(weights.values(), limit)
        clipped = ours(gradients, limit)
        for name, w in weights.items():
            # PyTorch divides by (norm + 1e-6), which shows in the seventh digit
            np.testing.assert_allclose(clipped[name], w.grad.numpy(), rtol=3e-6 if ours is clip_by_norm else 1e-15)


@pytest.mark.filterwarnings("error")
def test_clipping_by_value_cuts_each_entry_for_itself():
    gradients = {"a": np.array([3.0, -0.5]), "b": np.array([[-4.0]], np.float32)}
    clipped = clip_by_value(gradients, 1)
    assert clipped["a"].tolist() == [1, -0.5] and clipped["b"].tolist() == [[-1]]
    assert clipped["b"].dtype == np.float32 and gradients["a"][0] == 3
    assert clip_by_value(gradients, 1e300)["b"] == clip_by_value(gradients, np.inf)["b"] == -4
    for bad in (np.nan, np.inf):
        with pytest.raises(
            ValueError, match=r"gradients\['a'\]: expected finite numbers, got (nan|inf) at index \(0,\)"
        ):
            clip_by_value({"a": np.array([bad])}, 1)


@given(st.data(), dtypes, st.floats(1e-3, 10))
@settings(max_examples=40)
def test_clipping_by_value_is_the_nearest_entry_within_the_limit(data, dtype, limit):
    gradients = data.draw(gradient_sets(dtype))
    for name, clipped in clip_by_value(gradients, limit).items():
        np.testing.assert_array_equal(clipped, np.clip(gradients[name], -dtype(limit), dtype(limit)))
        assert clipped.dtype == dtype


# --- nothing is shared -----------------------------------------------------------------------------------------------


def remembered(optimiser):
    return [array for value in vars(optimiser).values() if isinstance(value, dict) for array in value.values()]


@pytest.mark.parametrize("make", OPTIMISERS)
def test_nothing_given_changes_and_nothing_returned_shares_its_memory(make):
    weights, gradients = {"W": np.ones(2), "b": np.zeros(1)}, {"W": np.full(2, 0.5), "b": np.ones(1)}
    held = [*weights.values(), *gradients.values()]
    before = copy.deepcopy(held)
    first, optimiser = make(0.1).step(weights, gradients)
    second, later = optimiser.step(first, gradients)
    everything = [*held, *first.values(), *second.values(), *remembered(optimiser), *remembered(later)]
    for i, array in enumerate(everything):
        assert not any(np.shares_memory(array, other) for other in everything[:i])
    for array, old in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert make(0.1) == make(rate=0.1)


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
@pytest.mark.parametrize("limit", [0.1, 100])
def test_clipped_gradients_are_copies(clip, limit):
    gradients = {"a": np.ones(3), "b": np.array(2.0)}
    clipped = clip(gradients, limit)
    assert not np.shares_memory(clipped["a"], gradients["a"])
    clipped["a"][0] = 7
    assert gradients["a"].tolist() == [1, 1, 1] and gradients["b"] == 2


@pytest.mark.parametrize("make", [Momentum, Adam, Adagrad])
def test_what_an_optimiser_remembers_nobody_else_changes(make):
    _, optimiser = make(0.1).step({"W": np.ones(2)}, {"W": np.ones(2)})
    for array in remembered(optimiser):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    assert all(
        np.shares_memory(a, b)
        for a, b in zip(remembered(optimiser), remembered(replace(optimiser, rate=1)), strict=True)
    )
    names = [name for name, value in vars(optimiser).items() if isinstance(value, dict)]
    given = {name: {"W": np.full(2, 0.5)} for name in names}
    ours = make(0.1, **given)
    for name in names:
        given[name]["W"][:] = 7
        given[name]["b"] = np.ones(1)
        assert getattr(ours, name)["W"].tolist() == [0.5, 0.5] and list(getattr(ours, name)) == ["W"]
    view = np.ones(2)[:]
    view.setflags(write=False)
    assert not np.shares_memory(remembered(make(0.1, **dict.fromkeys(names, {"W": view})))[0], view)


@pytest.mark.parametrize("make", OPTIMISERS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o)), replace])
def test_a_copy_of_an_optimiser_goes_on_as_it_would(make, copied):
    rng = np.random.default_rng(0)
    weights, optimiser = {"W": rng.normal(size=3)}, make(0.1)
    for _ in range(3):
        g = {"W": rng.normal(size=3)}
        one, after_one = optimiser.step(weights, g)
        two, after_two = copied(optimiser).step(weights, g)
        np.testing.assert_array_equal(one["W"], two["W"])
        for a, b in zip(remembered(after_one), remembered(after_two), strict=True):
            np.testing.assert_array_equal(a, b)
        weights, optimiser = one, after_two
    with pytest.raises(FrozenInstanceError):
        optimiser.rate = 1


# --- what is refused -------------------------------------------------------------------------------------------------

NO_NUMBERS = (np.nan, True, "0.1", None, [0.1], 1j)


def numbers_refused(act, name, expected, values):
    for value in values:
        with pytest.raises(ValueError, match="^" + re.escape(f"{name}: expected {expected}, got {value!r}") + "$"):
            act(value)


@pytest.mark.parametrize("make", OPTIMISERS)
def test_rates_out_of_range_are_refused(make):
    numbers_refused(make, "rate", "a positive number", (0, -1, 0.0, *NO_NUMBERS))
    numbers_refused(make, "rate", "a finite number", (np.inf,))
    if make in (Adam, Adagrad):
        numbers_refused(lambda e: make(1, epsilon=e), "epsilon", "a positive number", (0, -1e-8, *NO_NUMBERS))
        numbers_refused(lambda e: make(1, epsilon=e), "epsilon", "a finite number", (np.inf,))


def test_decays_lie_from_zero_to_below_one():
    for name, make in (("momentum", Momentum), ("beta_1", Adam), ("beta_2", Adam)):
        numbers_refused(
            lambda value, make=make, name=name: make(1, **{name: value}),
            name,
            "a number from 0 to below 1",
            (-0.1, 1, 1.5, -np.inf, *NO_NUMBERS),
        )
        assert getattr(make(1, **{name: 0}), name) == 0
    numbers_refused(lambda n: Adam(1, steps=n), "steps", "a whole number of at least 0", (-1, 1.0, True))


def test_limits_out_of_range_are_refused():
    for clip in (clip_by_norm, clip_by_value):
        numbers_refused(
            lambda limit, clip=clip: clip({"W": np.ones(2)}, limit),
            "limit",
            "a positive number",
            (0, -1, -np.inf, *NO_NUMBERS),
        )


@given(st.floats(0.0625, 0.5, width=32))
def test_a_number_of_low_precision_is_computed_with_in_full(value):
    single, weights, g = np.float32(value), {"W": np.array([1.0, 2.0])}, {"W": np.array([3.0, 0.1])}
    for low, full in (
        (Adam(single, 1 - single, 1 - single, single), Adam(value, float(1 - single), float(1 - single), value)),
        (Adagrad(single, single), Adagrad(value, value)),
        (Momentum(single, single), Momentum(value, value)),
    ):
        for _ in range(2):
            (ours, low), (theirs, full) = low.step(weights, g), full.step(weights, g)
            np.testing.assert_array_equal(ours["W"], theirs["W"])
    np.testing.assert_array_equal(clip_by_norm(g, single)["W"], clip_by_norm(g, value)["W"])


@pytest.mark.parametrize("make", OPTIMISERS)
def test_gradients_that_do_not_fit_are_refused(make):
    with pytest.raises(ValueError, match="^gradients: expected the entries W, b; missing W, got b$"):
        make(rate=1).step({"W": np.zeros(2), "b": np.zeros(1)}, {"b": np.zeros(1), "dx": np.zeros(3)})
    with pytest.raises(ValueError, match=r"gradients\['W'\]: expected shape \(2, 2\), got \(2,\)"):
        make(rate=1).step({"W": np.zeros((2, 2))}, {"W": np.zeros(2)})
    with pytest.raises(ValueError, match="^weights: expected a mapping from names to arrays, got list$"):
        make(rate=1).step([np.zeros(2)], {"W": np.zeros(2)})
    with pytest.raises(ValueError, match="^gradients: expected a mapping from names to arrays, got list$"):
        make(rate=1).step({"W": np.zeros(2)}, [np.zeros(2)])


def test_only_mappings_have_a_norm():
    for act in (norm, lambda g: clip_by_norm(g, 1), lambda g: clip_by_value(g, 1)):
        with pytest.raises(ValueError, match="^gradients: expected a mapping from names to arrays, got ndarray$"):
            act(np.ones(3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", OPTIMISERS)
def test_no_weight_becomes_nan_or_infinite(make, dtype):
    weights = {"W": np.ones(2, dtype), "b": np.ones(1, dtype)}
    for bad, got in ((np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")):
        expected = rf"expected finite numbers, got {got} at index \(1,\)"
        with pytest.raises(ValueError, match=rf"^gradients\['W'\]: {expected}"):
            make(0.1).step(weights, {"W": np.array([1, bad], dtype), "b": np.ones(1, dtype)})
        with pytest.raises(ValueError, match=rf"^weights\['W'\]: {expected}"):
            make(0.1).step({"W": np.array([1, bad], dtype)}, {"W": np.ones(2, dtype)})
    huge = np.finfo(dtype).max
    with pytest.raises(
        ValueError,
        match=rf"^gradients\['b'\]: expected entries that keep the step finite in {np.dtype(dtype)}, got one of size "
        + re.escape(f"{huge:.3g}; clip them or lower the rate"),
    ):
        make(10).step(weights, {"W": np.ones(2, dtype), "b": np.array([huge])})
    new, _ = make(0.1).step(weights, clip_by_norm({"W": np.ones(2, dtype), "b": np.array([huge])}, 1))
    assert np.isfinite(new["b"]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", OPTIMISERS)
def test_a_gradient_too_large_for_the_weights_dtype_is_refused(make):
    with pytest.raises(ValueError, match=r"step finite in float32, got one of size 1e\+300; clip"):
        make(0.1).step({"W": np.ones(1, np.float32)}, {"W": np.array([1e300])})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [Adam, Adagrad])
def test_a_square_that_overflows_does_not_stall_a_weight(make):
    # √∞ below the line: the step would be 0 from here on, without a NaN to show it
    for dtype, size in ((np.float32, 1e20), (np.float64, 1e200)):
        weights, g = {"W": np.ones(1, dtype)}, np.array([size], dtype)
        with pytest.raises(ValueError, match=r"^gradients\['W'\]: expected entries that keep the step finite"):
            make(0.1).step(weights, {"W": g})
    G = np.array([np.finfo(np.float64).max])
    with pytest.raises(ValueError, match=r"^gradients\['W'\]: expected entries that keep the step finite"):
        Adagrad(0.1, G={"W": G}).step({"W": np.ones(1)}, {"W": np.array([1e153])})


def test_an_optimiser_stays_with_the_weights_it_began_with():
    w = {"W": np.ones(2)}
    for make, name in ((Momentum, "v"), (Adam, "m"), (Adagrad, "G")):
        _, optimiser = make(0.1).step(w, w)
        for other, expected in (
            (np.ones(2, np.float32), r"expected float32 \(2,\) like weights\['W'\], got float64 \(2,\)"),
            (np.ones((3, 2)), r"expected float64 \(3, 2\) like weights\['W'\], got float64 \(2,\)"),
        ):
            with pytest.raises(ValueError, match=rf"^{name}\['W'\]: {expected}$"):
                optimiser.step({"W": other}, {"W": other})
        with pytest.raises(ValueError, match=f"^{name}: expected the entries W, b; missing b, got W$"):
            optimiser.step(w | {"b": np.ones(1)}, w | {"b": np.ones(1)})
        with pytest.raises(ValueError, match=f"^{name}: expected the entries b; missing b; not expected: W, got W$"):
            optimiser.step({"b": np.ones(1)}, {"b": np.ones(1)})
        with pytest.raises(ValueError, match=f"^{name}: expected a mapping from names to arrays, got ndarray$"):
            make(0.1, **{name: np.ones(2)})
    with pytest.raises(ValueError, match=r"^v\['W'\]: expected float64 \(2,\) like"):
        Adam(0.1, m=w, v={"W": np.ones(3)}).step(w, w)
