"""What a check says of right answers, of known mistakes, of several at once, and of what nobody has seen before."""

import itertools

import numpy as np
import pytest

from companion.exercises.attempts import Attempt, Endless, Missing, Raised, Returned, attempt
from companion.exercises.judging import judge, prepare
from companion.exercises.model import Case, Exercise, Key, Misconception
from companion.exercises.shapes import shapes_by_name

RNG = np.random.default_rng(5)


def made(answer, *, ask=None, **fields):
    """An exercise with this key."""
    fields = {"also_right": (), "hints": ("Think.",), **fields}
    wrong = fields.pop("wrong", {})
    listed = tuple(Misconception(name, f"Look at {name}.", value) for name, value in wrong.items())
    build = lambda rng, **options: Key(answer=answer, misconceptions=listed, **fields)  # noqa: E731
    return Exercise("made-up", "a-chapter", "f", "A made-up exercise", "implement", ask or {}, build)


def check(exercise, answer, **options):
    rubric = prepare(exercise, **options)
    return judge(rubric, attempt(answer, rubric.cases, 0.3))


def kinds(report):
    return [finding.kind for finding in report.findings]


def cases(*sizes):
    """T steps of a batch of two, and a matrix."""
    return tuple(
        Case(f"T = {T}", {"x": RNG.normal(size=(T, 2, 3)), "W": RNG.normal(size=(4, 3))}) for T in sizes or (2, 1, 4)
    )


PRODUCT = made(
    lambda x, W: x @ W.T,
    cases=cases(),
    axes={"result": "T B H"},
    wrong={
        "the last step only": lambda x, W: np.where((np.arange(len(x)) == len(x) - 1)[:, None, None], x @ W.T, 0),
        "summed over the sequences": lambda x, W: (x @ W.T).sum(axis=1),
        "a bias of one": lambda x, W: x @ W.T + 1,
    },
)


def right(x, W):
    return np.einsum("tbi,hi->tbh", x, W)


# --- right answers


def test_a_right_answer_passes_with_nothing_to_say():
    report = check(PRODUCT, right)
    assert report and report.state == "passed" and report.findings == ()
    assert report.cases == (("T = 2", True), ("T = 1", True), ("T = 4", True))


def test_rounding_passes():
    assert check(PRODUCT, lambda x, W: right(x, W) + 1e-9)
    assert not check(PRODUCT, lambda x, W: right(x, W) + 1e-5)


def test_a_tolerance_of_its_own():
    value = made(0.5, tolerance=1e-2)
    assert check(value, 0.505) and not check(value, 0.52)


# --- whole misconceptions


@pytest.mark.parametrize("position", range(3))
def test_a_listed_mistake_gets_its_hint_and_the_first_difference(position):
    misconception = prepare(PRODUCT).key.misconceptions[position]
    report = check(PRODUCT, misconception.wrong)
    assert kinds(report) == ["misconception", "difference"]
    assert report.diagnosis.title == misconception.name.capitalize() and report.diagnosis.text == misconception.hint


def test_a_mistake_that_shows_in_some_cases_only_is_told_with_the_cases_that_are_right():
    report = check(PRODUCT, prepare(PRODUCT).key.misconceptions[0].wrong)
    assert report.cases == (("T = 2", False), ("T = 1", True), ("T = 4", False))
    assert report.diagnosis and "in the case 'T = 2'" in report.findings[1].title


def test_a_mistake_in_one_case_only_is_not_taken_for_a_listed_one():
    def answer(x, W):
        return right(x, W) + (len(x) == 4)

    report = check(PRODUCT, answer)
    assert kinds(report) == ["difference"] and "T = 4" in report.findings[0].title


def test_a_mistake_that_one_case_does_not_show_is_told_with_this_case():
    """Someone who forgot a bias and treats T = 1 in a way of their own."""
    report = check(PRODUCT, lambda x, W: x @ W.T + 1 if len(x) > 1 else x @ W.T + 0.123)
    assert report.diagnosis is not None
    assert report.diagnosis.title == "Where numbers are wrong, but for 'T = 1', they come from: a bias of one"
    other = check(PRODUCT, lambda x, W: x @ W.T + 1 if len(x) > 2 else x @ W.T + 0.123)
    assert other.diagnosis is None  # one case alone may look like anything


def test_float32_and_a_misconception_are_both_told():
    report = check(PRODUCT, lambda x, W: (right(x, W) + 1).astype(np.float32))
    assert kinds(report) == ["misconception", "form", "difference"]
    assert report.findings[1].title == "The result is an array of float32, where one of float64 should be"


def test_float32_alone():
    report = check(PRODUCT, lambda x, W: right(x, W).astype("f4"))
    (finding,) = report.findings
    assert report.state == "failed" and finding.kind == "form"
    expected = "The numbers are right, but the result is an array of float32, where one of float64 should be"
    assert finding.title == expected and "astype" in finding.text


def test_another_kind_in_the_first_case_does_not_hide_the_difference_in_a_later_one():
    def answer(x, W):
        return right(x, W).astype("f4") if len(x) == 2 else right(x, W) + 0.1 * x.shape[0] * W.sum() + x.sum()

    report = check(PRODUCT, answer)
    assert kinds(report)[-1] == "difference" and "T = 1" in report.findings[-1].title
    assert "numbers are right" not in repr(report)


# --- parts

a, b, c = ({"a": RNG.normal(size=(2, 3)), "b": RNG.normal(size=3), "c": RNG.normal()} for _ in range(3))
PARTS_CASES = tuple(Case(f"case {i}", {"w": case}) for i, case in enumerate((a, b, c)))
PARTS_WRONG = {
    "a squared": lambda w: {**w, "a": w["a"] ** 2},
    "b of another row": lambda w: {**w, "b": w["a"][0]},
    "a and b doubly wrong": lambda w: {**w, "a": w["a"] + 5, "b": w["b"] + 5},
    "c lost": lambda w: {**w, "c": 0.25},
    "c lost and b seven": lambda w: {**w, "c": 0.25, "b": w["b"] * 0 + 7},
}
DICTIONARY = made(lambda w: dict(w), cases=PARTS_CASES, wrong=PARTS_WRONG, axes={"a": "H I"})
TUPLE = made(
    lambda w: tuple(w.values()),
    cases=PARTS_CASES,
    returns=("a", "b", "c"),
    wrong={name: (lambda w, f=f: tuple(f(w).values())) for name, f in PARTS_WRONG.items()},
)


@pytest.fixture(params=["dictionary", "turned dictionary", "tuple"])
def submit(request):
    """Checks an answer that changes named parts."""

    def submitted(**changed):
        def answer(w):
            return {name: changed[name](w) if name in changed else value for name, value in w.items()}

        if request.param == "tuple":
            return check(TUPLE, lambda w: tuple(answer(w).values()))
        if request.param == "dictionary":
            return check(DICTIONARY, answer)
        return check(DICTIONARY, lambda w: dict(reversed(answer(w).items())))

    return submitted


def test_all_parts_right(submit):
    assert submit()


def test_a_misconception_of_one_part(submit):
    report = submit(a=lambda w: w["a"] ** 2)
    assert kinds(report) == ["misconception", "difference"] and report.diagnosis.title == "A squared"


def test_two_parts_with_two_different_misconceptions(submit):
    report = submit(a=lambda w: w["a"] ** 2, b=lambda w: w["a"][0])
    assert [f.title for f in report.findings[:2]] == ["a: a squared", "b: b of another row"]
    assert kinds(report) == ["misconception", "misconception", "difference"]
    assert "Parts that also differ: b." in report.findings[2].text


def test_a_misconception_of_two_parts_beside_another_is_told_once(submit):
    report = submit(a=lambda w: w["a"] + 5, b=lambda w: w["b"] + 5, c=lambda w: -3.25 * w["c"] - 1)
    assert kinds(report) == ["difference"], "c is not explained, so that nothing is guessed"
    told = check(
        made(lambda w: dict(w), cases=PARTS_CASES, wrong={**PARTS_WRONG, "c odd": lambda w: {**w, "c": w["c"] + 1}}),
        lambda w: {"a": w["a"] + 5, "b": w["b"] + 5, "c": w["c"] + 1},
    )
    assert [f.title for f in told.findings[:2]] == ["a and b: a and b doubly wrong", "c: c odd"]


def test_a_part_that_two_misconceptions_give_stays_unsaid(submit):
    report = submit(a=lambda w: w["a"] ** 2, c=lambda w: 0.25)
    assert kinds(report) == ["difference"], "c may be either of two, and then a is not all"


def test_a_misconception_beside_a_mistake_of_form(submit):
    report = submit(a=lambda w: w["a"].T, b=lambda w: w["a"][0])
    assert [f.title for f in report.findings[:2]] == ["b: b of another row", "a is transposed"]


def test_a_mistake_of_form_is_told_even_where_another_part_is_unexplained(submit):
    report = submit(a=lambda w: -w["a"], b=lambda w: w["b"] ** 3)
    assert kinds(report) == ["form", "difference"] and report.findings[0].title == "a has the wrong sign"


def test_a_listed_mistake_goes_before_the_same_one_in_general_words():
    listed = made(lambda w: dict(w), cases=PARTS_CASES, wrong={"rows are units": lambda w: {**w, "a": w["a"].T}})
    report = check(listed, lambda w: {**w, "a": w["a"].T, "b": -w["b"]})
    assert [f.title for f in report.findings[:2]] == ["a: rows are units", "b has the wrong sign"]


def test_parts_in_another_order():
    report = check(TUPLE, lambda w: (w["b"], w["a"], w["c"]))
    assert report.findings[0].title == "The parts are right, but in another order"


def test_a_part_of_another_shape_has_its_name():
    report = check(TUPLE, lambda w: (w["a"], np.ones(9), w["c"]))
    assert report.findings[0].text == "b has shape (9,), where (3,) should be."


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (lambda w: (w["a"], w["b"]), "The result has 2 values, where 3 should be."),
        (lambda w: w["a"], "The result is an array of shape (2, 3), where a tuple of 3 should be: a, b, c."),
        (lambda w: None, "The result is None: is a return missing?"),
        (lambda w: (w["a"], w["b"], {1}), "c is an object of type set, where a single number should be."),
    ],
)
def test_a_tuple_of_another_form(value, told):
    report = check(TUPLE, value)
    assert kinds(report) == ["difference"] and report.findings[0].text == told


# --- right numbers in another container


class Tensor:
    """Like a tensor that takes part in a gradient: NumPy reads it only when it is detached."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)

    def detach(self):
        return self.numbers

    def __array__(self, *of):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


PAIR = made(
    lambda x: (x + 1, x * x), returns=("h", "c"), cases=tuple(Case(f"{n}", {"x": np.arange(n) / 7}) for n in (2, 4))
)


@pytest.mark.parametrize(
    ("exercise", "answer", "told", "advice"),
    [
        (
            PRODUCT,
            lambda x, W: Tensor(right(x, W)),
            "the result is an object of type Tensor, where an array",
            "detach()",
        ),
        (PRODUCT, lambda x, W: (row for row in right(x, W)), "the result is a generator, where an array", "list(…)"),
        (PRODUCT, lambda x, W: map(np.array, right(x, W)), "the result is a map, where an array", "list(…)"),
        (
            PAIR,
            lambda x: np.array([x + 1, x * x]),
            "the result is an array of shape (2, 2), where a tuple of 2",
            "a, b",
        ),
        (PAIR, lambda x: (Tensor(x + 1), x * x), "h is an object of type Tensor, where an array", "detach()"),
        (
            made(0.5),
            np.array([0.5]),
            "the result is an array of shape (1,), where a single number should be",
            ".item()",
        ),
        (made(0.5), Tensor(0.5), "the result is an object of type Tensor, where a single number should be", ".item()"),
        (
            made([0.5, 1.5]),
            (n / 2 for n in (1, 3)),
            "the result is a generator, where a list of 2 should be",
            "list(…)",
        ),
    ],
)
def test_right_numbers_in_a_foreign_container_are_said_to_be_right(exercise, answer, told, advice):
    report = check(exercise, answer)
    assert report.state == "failed" and kinds(report) == ["form"], report
    assert report.findings[0].title.startswith(f"The numbers are right, but {told}")
    assert advice in report.findings[0].text


def test_wrong_numbers_in_a_foreign_container_are_diagnosed_too():
    report = check(PRODUCT, lambda x, W: Tensor(right(x, W) + 1))
    assert report.diagnosis.title == "A bias of one" and "type Tensor" in report.findings[1].title


def test_a_generator_that_does_not_end_is_stopped_and_one_that_fails_is_told():
    def endless():
        while True:
            pass
        yield 1

    assert kinds(check(PRODUCT, lambda x, W: endless())) == ["time"]
    assert check(PRODUCT, lambda x, W: (1 / 0 for _ in x)).findings[0].title.startswith("ZeroDivisionError")
    assert check(made([1, 2]), (1 / 0 for _ in "ab")).findings[0].title.startswith("ZeroDivisionError")


def test_the_right_array_among_several_is_told():
    report = check(PRODUCT, lambda x, W: (right(x, W), x))
    assert report.findings[0].title == "The right one is number 1 of the 2 values that you return"


def test_names_keep_their_capitals():
    exercise = made(lambda x: {"W_xh": x}, cases=(Case("two", {"x": np.ones(2)}),))
    assert (
        check(exercise, lambda x: {"W_xh": list(x)}).findings[0].title.startswith("The numbers are right, but W_xh is")
    )


# --- numbers that can come about in several ways


def test_a_number_that_two_mistakes_give_is_not_put_down_to_one_of_them():
    listed = {"one": 0.5, "other": 0.5, "third": 0.7}
    assert check(made(1.5, wrong=listed), 0.7).diagnosis.title == "Third"
    assert kinds(check(made(1.5, wrong=listed), 0.5)) == ["difference"]
    assert kinds(check(made(1.5, wrong=listed, otherwise=(0.9, 0.7)), 0.7)) == ["difference"]


# --- what is not a value


@pytest.mark.parametrize("product", [lambda x, W: x @ W, lambda x, W: np.dot(x[0], W), lambda x, W: W @ x[0]])
def test_a_product_that_does_not_fit_is_put_into_words(product):
    error = check(PRODUCT, product).findings[0]
    assert error.kind == "error"
    assert (
        "as many rows on its right as there are columns on its left" in error.text and "x @ W.T in code" in error.text
    )


def test_what_divides_is_named_after_what_is_given():
    report = check(PRODUCT, lambda x, W: right(x, W) / len(x))
    assert report.findings[0].title == "The result is divided by x.shape[0]"
    report = check(PRODUCT, lambda x, W: right(x, W) / (len(x) * 2))
    assert report.findings[0].title == "The result is divided by x.shape[0] * x.shape[1]"


def test_an_error_in_one_case_only():
    def answer(x, W):
        return right(x, W) if len(x) > 1 else x.missing

    report = check(PRODUCT, answer)
    assert report.state == "failed" and report.cases == (("T = 2", True), ("T = 1", False), ("T = 4", True))
    (finding,) = report.findings
    assert (
        finding.kind == "error" and finding.title == "AttributeError: 'numpy.ndarray' object has no attribute 'missing'"
    )
    assert "in answer: return right(x, W) if len(x) > 1 else x.missing. In the case 'T = 1'." in finding.text


def test_an_error_does_not_hide_a_difference_in_another_case():
    report = check(PRODUCT, lambda x, W: 2 * right(x, W) if len(x) > 1 else x[1])
    assert kinds(report) == ["error", "difference"]
    assert "T = 1" in report.findings[0].text and "T = 2" in report.findings[1].title


def test_an_endless_call_leaves_the_cases_after_it_wrong():
    def answer(x, W):
        while len(x) == 1:
            pass
        return right(x, W)

    report = check(PRODUCT, answer)
    assert report.cases == (("T = 2", True), ("T = 1", False), ("T = 4", False))
    (finding,) = report.findings
    assert finding.kind == "time" and "after 0.3 seconds" in finding.title and "'T = 1'" in finding.text


@pytest.mark.parametrize("value", [3, "text", None, np.ones(3)], ids=repr)
def test_a_value_for_a_function_and_a_function_for_a_value(value):
    report = check(PRODUCT, value)
    assert (
        report.state == "failed" and kinds(report) == ["form"] and "A function is asked for" in report.findings[0].title
    )
    report = check(made(0.5), lambda: 0.5)
    assert report.state == "failed" and "A value is asked for" in report.findings[0].title


@pytest.mark.parametrize(
    "value", [None, 3.0, "text", [], {}, {1}, [[1], [1, 2]], np.array([{}]), pytest.param(10**400, id="huge"), iter([])]
)
def test_any_other_object_gets_a_difference(value):
    report = check(PRODUCT, lambda x, W: value)
    assert report.state == "failed" and "difference" in kinds(report) and "misconception" not in kinds(report)
    assert "repeat" not in kinds(report), "the second call gave just the same"
    assert report.findings[-1].text.startswith("The result ")


# --- side effects


def test_right_values_do_not_excuse_a_changed_input():
    def answer(x, W):
        value = right(x, W)
        W *= 2
        return value

    report = check(PRODUCT, answer)
    assert report.state == "failed" and all(ok for _, ok in report.cases)
    (finding,) = report.findings
    assert finding.kind == "input" and finding.text.startswith(
        "W holds other numbers after the call, in the case 'T = 2'"
    )


def test_random_answers():
    rng = np.random.default_rng(1)
    report = check(PRODUCT, lambda x, W: right(x, W) * rng.normal())
    assert "repeat" in kinds(report) and "difference" in kinds(report)


def test_an_answer_that_keeps_something_between_calls():
    calls = itertools.count()

    def answer(x, W):
        return right(x, W) + (next(calls) > 2)

    report = check(PRODUCT, answer)
    assert report.state == "failed" and all(ok for _, ok in report.cases)
    assert report.findings[0].title == "A second call gives another result"


def test_an_answer_that_fails_when_called_again():
    left = [1, 2, 3]

    def answer(x, W):
        left.pop()
        return right(x, W)

    (finding,) = check(PRODUCT, answer).findings
    assert finding.kind == "repeat" and "IndexError: pop from empty list." in finding.text


# --- values

SECRET = {
    "number": (0.73164, 0.2),
    "tuple": ((0.73164, 0.41279), (0.5, 0.41279)),
    "array": (np.array([[0.73164, 0.41279]]), np.array([[0.1, 0.2]])),
    "turned": (np.array([0.73164, 0.41279]), np.array([0.41279, 0.73164])),
    "text": ("the secret word", "another"),
    "list of texts": (["secret", "words"], ["secret", "wards"]),
    "whole": (7316441279, 5),
    "dictionary": ({"h": 0.73164, "c": np.array([0.41279])}, {"h": 0.5, "c": np.array([0.5])}),
    "form": (np.array([0.73164, 0.41279]), 3.0),
    "none": (0.73164, None),
    "nested": ({"h": (0.73164, "secret")}, {"h": (1.0, "x")}),
}


@pytest.mark.parametrize("name", SECRET)
def test_the_right_value_is_never_printed(name):
    value, wrong = SECRET[name]
    exercise = made(value, wrong={"an unrelated mistake": 12345.5}, returns=("first", "second"))
    report = check(exercise, wrong)
    assert report.state == "failed" and check(exercise, value)
    mine = repr(wrong)
    for shown in (repr(report), report._repr_html_()):
        for secret in ("73164", "41279", "secret", "words"):
            assert secret not in shown or (secret in mine and name in ("turned", "list of texts", "tuple"))
        assert "should be 0" not in shown


def test_values_in_any_container():
    exercise = made((0.5, np.array([1.0, 2.0])), wrong={"all ones": (1.0, np.ones(2))})
    for value in ((0.5, [1, 2]), [0.5, (1.0, 2.0)], (np.float32(0.5), np.array([1, 2]))):
        assert check(exercise, value), value
    report = check(exercise, [1, (1, 1)])
    assert kinds(report) == ["misconception", "difference"]
    assert report.findings[1].title == "Not the value asked for"
    assert report.findings[1].text.startswith("The result[0] is 1, which is not right")


def test_an_untouched_value_is_not_attempted():
    for value in (..., (1, ...), {"a": [...]}):
        report = check(made((1.0, 2.0)), value)
        assert report.state == "not attempted" and not report and kinds(report) == ["remark"]
        assert 'hint("made-up")' in report.findings[0].text


# --- views

SIGN = made(
    lambda x: abs(x) + 1,
    cases=(Case("below", {"x": -2.0}), Case("above", {"x": 3.0})),
    view=lambda arguments, value: {"positive": bool(value > 0), "larger": bool(value > arguments["x"])},
    wrong={"the number itself": lambda x: x},
)


def test_where_many_answers_are_right_facts_are_compared():
    assert check(SIGN, lambda x: 100.0) and check(SIGN, lambda x: x * x + 1)
    report = check(SIGN, lambda x: x)
    assert kinds(report) == ["misconception", "difference"]
    assert report.findings[1].text == "Positive is False and should be True. Parts that also differ: larger."
    report = check(SIGN, lambda x: 0.5)
    assert kinds(report) == ["difference"] and report.findings[0].text == "Larger is False and should be True."


def test_a_view_that_fails_on_an_odd_answer_says_so():
    report = check(SIGN, lambda x: "text" if x > 0 else 1.0)
    assert report.state == "failed" and kinds(report) == ["form"]
    title = report.findings[0].title
    assert title.startswith("What the answer returns in the case 'above' cannot be read: TypeError: '>' not supported")
    assert report.cases == (("below", True), ("above", False))


SHAPES = made(((2, 3), (4,)), view=shapes_by_name(("W", "b")), wrong={"b as a column": ((2, 3), (4, 1))})


@pytest.mark.parametrize("answer", [((2, 3), (4,)), [[2, 3], [4]], [np.array([2.0, 3.0]), (4,)]], ids=repr)
def test_shapes_may_come_in_any_container(answer):
    assert check(SHAPES, answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("text", "this is a text"),
        ((s for s in ((2, 3), (4,))), "this is a generator"),
        (7, "this is a single number"),
        ({"W": (2, 3)}, "this is a dict of 1"),
        (((2, 3),), "these are 1"),
    ],
)
def test_what_is_no_tuple_of_shapes_is_told_what_it_is(answer, told):
    report = check(SHAPES, answer)
    assert kinds(report) == ["form"]
    assert report.findings[0].title == f"A tuple of 2 shapes is asked for: W, b; {told}"


def test_a_wrong_shape_is_told_whole():
    assert check(SHAPES, ((2, 3), (4, 1))).diagnosis.title == "b as a column"
    assert check(SHAPES, ((2, 3), (5,))).findings[0].text == "b is (5,), which is not right."
    assert check(SHAPES, ((2, 3), "four")).findings[0].text == "b is a text, which is not right."


def test_random_answers_with_the_same_facts_are_right():
    rng = np.random.default_rng(0)
    assert check(SIGN, lambda x: 10 + rng.random())


# --- a teacher's own cases


def test_more_cases_are_judged_too():
    more = cases(7)

    def short(x, W):
        return right(x, W) if len(x) < 7 else right(x, W) + x.sum()

    assert check(PRODUCT, short) and check(PRODUCT, right, more=more)
    report = check(PRODUCT, short, more=more)
    assert report.cases[-1] == ("T = 7", False) and kinds(report) == ["difference"]
    assert prepare(made(0.5), more=more).cases == (), "a value is not called"


def test_a_misconception_that_fails_in_a_teachers_case_explains_nothing_there():
    exercise = made(
        lambda x: x.sum(), cases=(Case("two", {"x": np.array([1.0, 2.0])}),), wrong={"the second": lambda x: x[1]}
    )
    more = (Case("one", {"x": np.array([4.0])}),)
    assert check(exercise, lambda x: x[1]).diagnosis
    assert check(exercise, lambda x: x[-1] if len(x) > 1 else 2.5, more=more).diagnosis is None
    with pytest.raises(IndexError):
        prepare(made(lambda x: x[1], cases=(Case("two", {"x": np.ones(2)}),)), more=more)


def test_options_can_be_replaced():
    def build(rng, factor):
        return Key(answer=lambda x: factor * x, cases=(Case("one", {"x": np.array([1.0, 2.0])}),))

    exercise = Exercise("made-up", "a-chapter", "f", "Times", "implement", {"factor": (2, 3)}, build)
    assert check(exercise, lambda x: 2 * x) and check(exercise, lambda x: 3 * x, factor=3)
    assert check(exercise, lambda x: 3 * x, cohort="autumn") and not check(exercise, lambda x: 2 * x, cohort="autumn")


# --- stubs


def test_a_stub_in_a_wrong_answer_and_in_a_right_one():
    def stub(x, W):
        return ...  # your code

    def leftover(x, W):
        unused = ...  # noqa: F841
        return right(x, W)

    report = check(PRODUCT, stub)
    assert report.state == "not attempted" and report.cases == ()
    assert report.findings[0].text.startswith("The line return ... is still as it was.")
    assert check(PRODUCT, leftover).state == "passed"


def test_a_stub_that_fails_or_does_not_end_is_not_attempted():
    def failing(x, W):
        h = ...
        return h @ W

    def endless(x, W):
        h = ...
        while h:
            pass

    for answer in (failing, endless):
        report = check(PRODUCT, answer)
        assert report.state == "not attempted" and "The line h = ..." in report.findings[0].text


# --- attempts from elsewhere (the grader's child may send anything)


@pytest.mark.parametrize(
    "outcomes",
    [
        (Missing("none was handed in"),),
        (Raised("ValueError: x"),),
        (Endless(2.0),),
        (Returned(None), Raised("ValueError: x"), Endless(1.0)),
        (Returned(np.ones(1)),),
        tuple(Returned(...) for _ in range(3)),
        tuple(Returned(i) for i in range(9)),
    ],
    ids=repr,
)
def test_any_attempt_can_be_judged(outcomes):
    for again in (None, *outcomes):
        report = judge(prepare(PRODUCT), Attempt(outcomes, again))
        assert report.state == "failed" and len(report.cases) == 3
        assert repr(report) and report._repr_html_()
    assert judge(prepare(made(0.5)), Attempt(outcomes)).state == "failed"
    assert judge(prepare(PRODUCT), Attempt(())).state == "not attempted"


def test_too_few_outcomes_are_not_right():
    good = [Returned(right(**case.arguments)) for case in prepare(PRODUCT).cases]
    assert judge(prepare(PRODUCT), Attempt(tuple(good)))
    assert not judge(prepare(PRODUCT), Attempt(tuple(good[:2])))


# --- what is shown


def test_no_more_than_one_entry_of_what_is_expected_is_shown():
    exercise = made(
        lambda x: x, cases=(Case("one", {"x": np.arange(1, 7) / 7 + 0.0001}),), wrong={"none": lambda x: x * 0}
    )
    shown = [f"{entry:.4f}"[:5] for entry in np.arange(1, 7) / 7 + 0.0001]
    answers = (lambda x: x + 1, lambda x: x * 0, lambda x: -x, lambda x: x[:2] * 0, lambda x: 3 * x, lambda x: {"a": 0})
    for answer in answers:
        report = check(exercise, answer)
        assert sum(entry in repr(report) for entry in shown) <= 1, report


def test_a_long_text_is_not_shown_whole():
    secret = " ".join(f"word{i}" for i in range(100))
    report = check(made(lambda x: secret, cases=(Case("one", {"x": 1}),)), lambda x: "a" * 500)
    assert "word0" in repr(report) and "word50" not in repr(report) and "a" * 100 not in repr(report)


def test_one_entry_differs_and_two_differ():
    def moved(count):
        def answer(x, W):
            y = right(x, W)
            y[0, 0, :count] += 7.5
            return y

        return answer

    for count, told in ((1, "; 1 of 16 entries differs."), (2, "; 2 of 16 entries differ.")):
        assert check(PRODUCT, moved(count)).findings[-1].text.endswith(told)


def test_an_entry_is_told_with_what_its_axes_stand_for():
    report = check(PRODUCT, lambda x, W: right(x, W) + (np.arange(4) == 2) * x.sum())
    assert "result[0, 0, 2] (row 0, sequence 0, unit 2) is " in report.findings[0].text
    assert report.findings[0].text.endswith("; 4 of 16 entries differ.")
