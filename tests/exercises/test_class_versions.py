"""Before a class gets its notebooks, its teacher can see how many versions there are, and what two classes share."""

import class_versions as tool
import exercise_notebooks
import pytest

from companion.exercises.model import Drawn, Exercise, Key, options


def exercise(id, **ask):
    return Exercise(id, "small", id, id, "open", ask, lambda rng, **chosen: Key(answer=0))


ONE, TWO = exercise("times", factor=(2, 3)), exercise("chosen", factor=(2, 3, 4))
DRAWN = exercise("drawn", start=Drawn(1, lambda rng: rng.integers(9)))


def test_the_versions_of_an_exercise_are_counted():
    assert tool.versions(ONE) == 1
    assert tool.versions(exercise("three", a=(1, 2, 3, 4), b=("x", "y", "z"))) == 4 * 3 - 1, "all but the book's"
    assert tool.versions(DRAWN) == 9, "as many as are drawn"


@pytest.fixture
def chapter(monkeypatch):
    def of(*exercises):
        monkeypatch.setattr(tool, "of_chapter", lambda name: list(exercises))
        monkeypatch.setattr(exercise_notebooks, "chapters_with_exercises", lambda: ["small"])

    return of


def test_the_command_lists_versions(chapter, capsys):
    chapter(TWO, DRAWN)
    assert exercise_notebooks.main(["--versions"]) == 0
    table = capsys.readouterr().out
    assert "0 of 2 exercises have one only" in table
    assert [line.split() for line in table.splitlines()[1:]] == [["small"], ["chosen", "2"], ["drawn", "9"]]


def test_the_command_says_what_two_classes_share_and_writes_nothing(chapter, capsys):
    chapter(TWO)
    same = next(name for name in map(str, range(1, 99)) if options(TWO, name) == options(TWO, "0"))
    other = next(name for name in map(str, range(1, 99)) if options(TWO, name) != options(TWO, "0"))
    assert exercise_notebooks.main(["--cohort", same, "--unlike", "0", "--unlike", other]) == 0
    with_0, with_other = capsys.readouterr().out.split(f"{same} and {other} are asked the same")
    assert with_0.startswith(f"{same} and 0 are asked the same in 1 of 1 exercises\n  small: chosen")
    assert "a class named" in with_0
    assert "chosen" not in with_other


def test_an_exercise_of_one_version_is_told(chapter):
    chapter(ONE)
    assert tool.alike_told(["small"], "a", "b").splitlines() == [
        "a and b are asked the same in 1 of 1 exercises",
        "  small: times (has one version)",
    ]
