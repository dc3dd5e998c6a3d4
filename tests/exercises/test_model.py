"""What a class is asked: something else than the book, the same every time, and other inputs when it is graded."""

import numpy as np
import pytest

from companion.exercises.model import Case, Drawn, Exercise, Key, options
from companion.exercises.worked import key


def made(**ask):
    build = lambda rng, **chosen: Key(  # noqa: E731
        answer=chosen, cases=(Case("one", {"x": rng.normal(size=3)}),)
    )
    return Exercise("made-up", "a-chapter", "f", "Made up", "open", ask, build)


SMALL = made(f=("tanh", "logistic"), size=Drawn((2, 3), lambda rng: tuple(int(n) for n in rng.integers(2, 4, size=2))))
CLASSES = [*map(str, range(60)), 2027, "autumn"]


def test_the_book_asks_what_stands_first():
    assert options(SMALL) == {"f": "tanh", "size": (2, 3)}


@pytest.mark.parametrize("cohort", CLASSES)
def test_no_class_is_asked_what_the_book_asks(cohort):
    """One draw in four gives the book's numbers, and is not kept."""
    chosen = options(SMALL, cohort)
    assert chosen["size"] != (2, 3)
    assert options(SMALL, cohort) == chosen
    listed = made(f=("tanh", "logistic"), order=("ifgo", "figo"))
    assert options(listed, cohort) != options(listed)


def test_classes_share_the_options_that_are_left_to_them():
    """Two names of two options are three versions: all but the book's."""
    listed = made(f=("tanh", "logistic"), order=("ifgo", "figo"))
    assert len({tuple(options(listed, cohort).values()) for cohort in CLASSES}) == 3


def test_classes_are_asked_different_things():
    many = made(f=tuple("abcdefgh"))
    assert len({options(many, cohort)["f"] for cohort in CLASSES}) == 7


def test_a_class_named_by_a_number_or_by_its_digits_is_the_same():
    assert options(SMALL, 2027) == options(SMALL, "2027")


def test_inputs_are_the_same_at_every_check_and_others_when_graded_or_in_another_class():
    def x(*of):
        return key(SMALL, *of).cases[0].arguments["x"]

    assert np.array_equal(x(), x())
    assert not any(np.array_equal(x(), x(*of)) for of in ((None, "grade"), ("autumn",), ("autumn", "grade")))


def test_an_option_can_be_set_by_hand():
    assert key(SMALL, None, "check", f="logistic").answer == {"f": "logistic", "size": (2, 3)}
