"""Exercises with many right answers: any answer can be looked at, and none gets a hint that is not true of it."""

import itertools

import exercise_score as score
import numpy as np
import pytest

from companion.exercises.catalogue import exercises
from companion.exercises.catalogue.remedies import LAG

SHAPES = {"W_x": (1, 2), "W_h": (1, 1), "b_": (1,)}
START, LATCH = exercises()["init-that-learns"], exercises()["latch"]
GAINS, FORMS = START.ask["gain"], START.ask["form"]
every_question = pytest.mark.parametrize(
    ("gain", "form"), [*itertools.product(GAINS[:1], FORMS), *zip(GAINS[1:], FORMS, strict=True)]
)
GARBAGE = [
    None,
    3.0,
    "roll",
    [],
    {},
    [[0.0, 2.0], [2.0, 0.0]],
    np.array(2.0),
    np.ones(3),
    np.ones((3, 2)),
    np.ones((1, 3, 3)),
    np.full((3, 3), np.nan),
    np.full((3, 3), np.inf),
    np.eye(3, dtype=complex),
    np.eye(3, dtype=bool),
    np.array([["a"] * 3] * 3),
    np.array([[None] * 3] * 3),
    {"W_xi": 3},
    {"W_xi", "W_xf"},
    object(),
]


def asked(gain, form):
    return score.Question(None, (("gain", gain), ("form", form))).rubric(START)


def roll(H):
    return np.roll(np.eye(H), 1, axis=0)


def one_turned(H):
    W = roll(H)
    W[:, 0] *= -1
    return W


def without_row(H):
    W = roll(H)
    W[0] = 0
    return W


def of(draw):
    """A matrix from random numbers, the same at every call."""
    return lambda H: draw(np.random.default_rng(100 + H), H)


# name -> a matrix for each H, which is submitted as it is, and with other factors
MADE_UP = {
    "identity": np.eye,
    "half of it": lambda H: 0.5 * np.eye(H),
    "all equal": lambda H: np.ones((H, H)),
    "all equal, and small": lambda H: np.full((H, H), 0.5 / H),
    "a ring": roll,
    "a ring backwards": lambda H: roll(H).T,
    "a negative ring": lambda H: -roll(H),
    "a ring with one negative sign": one_turned,
    "a ring with a row of zeros": without_row,
    "shifted, not closed": lambda H: np.eye(H, k=-1),
    "a triangle": lambda H: np.tril(np.ones((H, H)), -1),
    "turned over": lambda H: np.eye(H)[::-1],
    "a ring, a little short": lambda H: 0.95 * roll(H),
    "a ring, far too short": lambda H: 0.3 * roll(H),
    "a ring, too long": lambda H: 1.3 * roll(H),
    "a reflection": lambda H: np.eye(H) - 2 * np.ones((H, H)) / H,
    "skew": of(lambda rng, H: (lambda A: A - A.T)(rng.normal(size=(H, H)))),
    "orthogonal": of(lambda rng, H: np.linalg.qr(rng.normal(size=(H, H)))[0]),
    "normal": of(lambda rng, H: rng.normal(size=(H, H)) / H**0.5),
    "tiny": of(lambda rng, H: 0.01 * rng.normal(size=(H, H))),
    "uniform": of(lambda rng, H: rng.uniform(-(H**-0.5), H**-0.5, (H, H))),
    "uniform without a diagonal": of(lambda rng, H: rng.uniform(-(H**-0.5), H**-0.5, (H, H)) * (1 - np.eye(H))),
    "positive": of(lambda rng, H: rng.uniform(0, 2 / H, (H, H))),
    "symmetric": of(lambda rng, H: (lambda A: (A + A.T) / H**0.5)(rng.normal(size=(H, H)))),
    "a random ring": of(lambda rng, H: (lambda p: np.eye(H)[p][:, np.roll(p, 1)])(rng.permutation(H))),
    "huge": of(lambda rng, H: 1e200 * rng.normal(size=(H, H))),
    "zero": lambda H: np.zeros((H, H)),
}


def factor(W):
    """c, where W is c times an orthogonal matrix; else None."""
    c = np.sqrt(np.trace(W.T @ W) / len(W))
    return c if c and np.allclose(W.T @ W, c**2 * np.eye(len(W)), rtol=1e-9, atol=1e-9 * c**2) else None


def in_form(W, form):
    return {
        "no own state": not np.diag(W).any(),
        "own state only": not (W - np.diag(np.diag(W))).any(),
        "symmetric": np.allclose(W, W.T),
    }[form]


def stretches(W, slope):
    """The singular values after LAG steps, by another way than the view's: signs of the states, then one product."""
    h, product = np.zeros(len(W)), np.eye(len(W))
    for _ in range(LAG):
        a = W @ h + 1
        h = slope * np.where(a > 0, a, 0)
        product = np.diag(np.where(a > 0, slope, 0)) @ W @ product
    if not np.isfinite(product).all():
        return np.array([np.inf])
    return np.linalg.svd(product, compute_uv=False)


def is_true(title, matrices, slope, form):
    """Whether what a misconception's name says holds of the matrices, one for each size."""
    near = [factor(W) for W in matrices]
    formed = [in_form(W, form) for W in matrices]

    def all_are(c):
        return all(n is not None and np.isclose(n, c) for n in near)

    if title == "All weights zero":
        return not any(W.any() for W in matrices)
    if title == "The slope of the unit is forgotten":
        return all(formed) and all_are(1)
    if title == "The slope is multiplied in a second time":
        return all(formed) and all_are(slope)
    if title == "The gradient explodes":
        return all(formed) and all(stretches(W, slope).max() > 10 for W in matrices)
    if title == "A little too small":
        return all(formed) and all(n is not None and 0.85 < n * slope < 1 for n in near)
    if title == "The form is not as asked":
        return not all(formed) and all(
            (s.max() <= 10) and 2 * (s >= 0.1).sum() >= len(s) for s in (stretches(W, slope) for W in matrices)
        )
    if title == "Neither the form nor the slope":
        return not all(formed) and all(
            n is not None and (np.isclose(n, 1) or ok) for n, ok in zip(near, formed, strict=True)
        )
    if title == "Negative entries silence units":
        return all(formed) and all_are(1 / slope) and all((W < 0).any() for W in matrices)
    if title == "An orthogonal matrix with negative entries":
        return not all(formed) and all_are(1 / slope) and all((W < 0).any() for W in matrices)
    if title == "Small weights":
        return not all(formed) and all(np.abs(W).max() <= len(W) ** -0.5 for W in matrices)
    if title == "The way from unit to unit comes to an end":
        return all(not np.linalg.matrix_power(W, len(W)).any() for W in matrices)
    if title == "One direction only":
        return all((stretches(W, slope) >= 0.1).sum() == 1 for W in matrices if len(W) > 2)
    return False


@every_question
def test_a_start_passes_when_it_does_what_is_asked_and_gets_no_hint_that_is_not_true_of_it(gain, form):
    rubric, slope = asked(gain, form), float(gain)
    sizes = [case.arguments["H"] for case in rubric.cases]
    passed, named = 0, set()
    with np.errstate(all="ignore"):
        for name, make in MADE_UP.items():
            for scale in dict.fromkeys((1, 1 / slope, slope)):
                matrices = [scale * make(H) for H in sizes]
                values = [stretches(W, slope) for W in matrices]
                does = all(s.max() <= 10 and 2 * (s >= 0.1).sum() >= len(s) for s in values)
                report = score.submit(rubric, lambda H, make=make, scale=scale: scale * make(H))
                assert bool(report) == (does and all(in_form(W, form) for W in matrices)), (name, scale, report)
                passed += bool(report)
                for finding in report.findings:
                    if finding.kind == "misconception":
                        assert is_true(finding.title, matrices, slope, form), (name, scale, report)
                        named.add(finding.title)
    assert passed
    assert len(named) >= 5, "the hints have hardly been tried"


def wired(**others):
    """The weights of a latch by name: i and f follow the mark, g the bit; the others are zero."""
    zeros = {f"{name}{k}": np.zeros(shape) for k in "ifgo" for name, shape in SHAPES.items()}
    right = {
        "W_xi": [[0, 60]],
        "b_i": [-30],
        "W_xf": [[0, -60]],
        "b_f": [30],
        "W_xg": [[40, 0]],
        "b_g": [-20],
        "b_o": [30],
    }
    return zeros | {name: np.array(value, float) for name, value in (right | others).items()}


@pytest.mark.parametrize(
    ("others", "title"),
    [
        ({}, "passed"),
        ({"W_xg": [[2, 0]], "b_g": [-1], "W_hi": [[0.5]]}, "passed"),
        ({"W_xi": [[0, 0]], "b_i": [30]}, "The input gate is open at all steps"),
        ({"W_xf": [[0, 0]], "b_f": [30]}, "The forget gate is open at all steps"),
        ({"W_xf": [[0, 0]], "b_f": [-30]}, "The forget gate is shut at all steps"),
        ({"W_xf": [[0, 8]], "b_f": [3]}, None),
        ({"W_xi": [[0, -60]], "b_i": [30]}, None),
        ({"b_o": [0]}, "The output gate is half open"),
        ({"b_o": [0.5]}, "The output gate is half open"),
        ({"b_o": [-30]}, "The output gate is shut at all steps"),
        ({"W_xi": [[0, 0]], "b_i": [-30]}, "The input gate is shut at all steps"),
        ({"W_xi": [[30, 0]], "b_i": [-15]}, None),
        ({"W_xi": [[60, 60]], "b_i": [-90]}, "The input gate opens for a marked 1 alone"),
        ({"W_xo": [[0, 60]], "b_o": [-30]}, "The output gate opens with the mark alone"),
        ({"W_xo": [[0, 60]], "b_o": [0]}, None),
        ({"W_xg": [[1, 0]], "b_g": [-0.5]}, "The candidate is too small"),
        ({"W_xg": [[-1, 0]], "b_g": [0.5]}, None),
        ({"W_xi": [[0, 10]], "b_i": [-5], "W_xf": [[0, -10]], "b_f": [5]}, "The gates leak a little"),
        ({"W_xi": [[0, 6]], "b_i": [-3], "W_xf": [[0, -6]], "b_f": [3]}, "The gates leak"),
        ({"W_xi": [[0, 6]], "b_i": [-3]}, "The input gate leaks"),
        ({"W_xi": [[0, 60]], "b_i": [-6]}, "The input gate leaks a little"),
        ({"W_xf": [[0, -60]], "b_f": [3]}, "The forget gate leaks"),
        ({"W_xf": [[0, -10]], "b_f": [5]}, "The forget gate leaks a little"),
        ({"W_hf": [[-60]]}, None),
        ({"W_hi": [[5]], "b_o": [0]}, None),
        ({"b_i": [0], "b_f": [0]}, "A gate stands at one half"),
        ({"b_i": [0]}, "The input gate stands at one half"),
        ({"b_f": [0]}, "The forget gate stands at one half"),
        ({"b_f": [0], "b_o": [0]}, None),
    ],
)
def test_a_latch_gets_the_misconception_that_its_wiring_has_and_no_other(others, title):
    report = score.submit(score.Question(None).rubric(LATCH), wired(**others))
    if title == "passed":
        assert report, report
    else:
        assert not report
        assert [f.title for f in report.findings if f.kind == "misconception"] == ([title] if title else []), report


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"W_xi": [[30, 0]], "b_i": [-15]}, "The input gate is not the same for both bits"),
        ({"b_i": [0], "b_o": [0]}, "The input gate is open with a mark and half open without one"),
        (
            {"W_xf": [[0, -60]], "b_f": [3], "W_xg": [[0, 9]], "b_g": [-4]},
            "The forget gate is shut with a mark and leaking without one",
        ),
        ({"W_xo": [[0, 60]], "b_o": [-30], "W_hf": [[-1]]}, "The output gate is open with a mark and shut without one"),
        (
            {"W_xi": [[0, 30]], "b_i": [-25], "W_xg": [[-1, 0]], "b_g": [0.5]},
            "The candidate is near ½ for a 0 and near −½ for a 1",
        ),
    ],
)
def test_a_report_on_a_latch_says_first_what_its_gates_do(others, told):
    report = score.submit(score.Question(None).rubric(LATCH), wired(**others))
    assert report.findings[-1].text.startswith(f"{told}, which is not right.")


ALL_TWELVE = "W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xg, W_hg, b_g, W_xo, W_ho, b_o"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3.0, "A dictionary of the twelve weights is asked for, and this is a single number"),
        ({}, f"W_xi is missing; the dictionary should have the names {ALL_TWELVE}"),
        (wired() | {"b": np.zeros(1)}, f"b is none of the twelve weights {ALL_TWELVE}"),
        (wired(b_i=[[0]]), "b_i should have the shape (1,), and has (1, 1)"),
        (wired() | {"b_i": ["a"]}, "b_i should hold numbers in the shape (1,), and holds something else"),
        (wired(b_i=[np.nan]), "b_i holds an entry that is not finite"),
    ],
)
def test_a_report_on_a_latch_says_what_its_form_lacks(value, told):
    report = score.submit(score.Question(None).rubric(LATCH), value)
    assert [(finding.kind, finding.title) for finding in report.findings] == [("form", told)]


def test_the_weights_of_a_latch_may_be_lists():
    assert score.submit(
        score.Question(None).rubric(LATCH), {name: np.asarray(w).tolist() for name, w in wired().items()}
    )


@pytest.mark.parametrize("exercise", [START, LATCH], ids=lambda e: e.id)
@pytest.mark.parametrize("value", GARBAGE, ids=range(len(GARBAGE)))
def test_anything_can_be_handed_in_and_gets_no_hint(exercise, value):
    rubric = score.Question(None).rubric(exercise)
    report = score.submit(rubric, (lambda H: value) if rubric.cases else value)
    assert report.state == "failed"
    (finding,) = report.findings
    assert finding.kind in ("difference", "form"), report
    assert "should be" in finding.title or not rubric.cases


def test_a_start_may_be_a_list_of_its_rows():
    assert score.submit(score.Question(None).rubric(START), lambda H: (2 * roll(H)).tolist())
