"""Mistakes are edits of the worked solution: read from the text, found in it once, and handed in like any answer."""

import re

import exercise_notebooks as tool
import exercise_score as score
import jupytext
import numpy as np
import pytest

from companion.exercises import activations, inputs, model, worked
from companion.exercises.edits import Edit, Note, Piece, Solution, fill, parse
from companion.exercises.model import Case, Exercise, Key, Misconception
from companion.exercises.worked import key

TWICE = Solution(
    "doubled", ("def add(a, b):\n    return a + b",), "def doubled(x):\n    y = add(x, x)\n    return «sign»y"
)
WORDS = {"sign": "+"}


def handed_in(edit, words=WORDS):
    return TWICE.hands_in(words, edit)(np.array([1.0, 2.0])).tolist()


def pieces(*pairs):
    return Edit(tuple(Piece(old, new) for old, new in pairs))


# --- what an edit hands in -------------------------------------------------------------------------------------------


def test_no_edit_hands_in_the_solution_with_the_code_before_it():
    assert handed_in(Edit()) == [2, 4]


def test_pieces_are_replaced_one_after_the_other_and_places_filled_afterwards():
    assert handed_in(pieces(("add(x, x)", "add(x, 1)"))) == [2, 3]
    assert handed_in(pieces(("add(x, x)", "x * y"), ("x * y", "x ** 2"))) == [1, 4]
    assert handed_in(pieces(("«sign»", "10 * «sign»"))) == [20, 40]


def test_the_result_is_replaced_by_an_expression_of_it_and_of_the_arguments():
    assert handed_in(Edit(result="result - x")) == [1, 2]
    assert handed_in(Edit(result="doubled(result) * «sign»1")) == [4, 8], "the solution can be called again"
    assert Solution("n", (), "n = 3").hands_in({}, Edit(result="[result, 2 * result]")) == [3, 6]


def test_words_take_the_place_of_the_questions_own():
    assert handed_in(Edit(), {"sign": "-"}) == [-2, -4]


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        (Piece("add(x, y)", ""), r"`add\(x, y\)` should stand in the solution once, and stands there 0 times"),
        (Piece("x", ""), "`x` should stand in the solution once, and stands there 3 times"),
        (
            Piece("add(", "", every=True),
            r"`add\(` should stand in the solution at least twice, and stands there 1 times",
        ),
        (Piece("+y", "-y"), "should stand in the solution once, and stands there 0 times"),
    ],
)
def test_a_piece_that_stands_there_another_number_of_times_is_refused(piece, told):
    with pytest.raises(ValueError, match=told):
        TWICE.hands_in(WORDS, Edit((piece,)))


def test_every_piece_is_replaced_where_the_text_says_so():
    assert Solution("n", (), "n = 2 + 2 + 2").hands_in({}, Edit((Piece("2", "5", every=True),))) == 15


# --- how the text lists them -----------------------------------------------------------------------------------------

TEXT = """
hint: Which way: there, or back?
reward: Well: that is it.
only the first, never the second: `a[0]` => `a[1:]`, every `b` => `` when `delay > 1`
    Look: at the slice.
    And at b.
shares of the total: `result` => `result / result.sum()`
    Nothing is divided.
turned round: as if `order` were `order[::-1]`
    Which comes first?
right: `a` => `(a)`
"""


def test_lines_are_read():
    hint, reward, first, shares, turned, right = parse(TEXT)
    assert (hint.label, hint.text) == ("hint", "Which way: there, or back?")
    assert (reward.label, reward.text) == ("reward", "Well: that is it.")
    assert first == Note(
        "only the first, never the second",
        "Look: at the slice. And at b.",
        (Piece("a[0]", "a[1:]"), Piece("b", "", every=True)),
        when="delay > 1",
    )
    assert first.holds({"delay": 2}) and not first.holds({"delay": 1}) and shares.holds({})
    assert shares.edit({}) == Edit(result="result / result.sum()")
    assert turned.edit({"order": "ifgo"}) == Edit(options={"order": "ogfi"})
    assert (right.label, right.text, right.pieces) == ("right", "", (Piece("a", "(a)"),))


@pytest.mark.parametrize(
    "line",
    [
        "no edit\n    Told.",
        "untold: `a` => `b`",
        "right: `a` => `b`\n    Told.",
        "an arrow: `a` -> `b`\n    Told.",
        "two things: `a` => `b`; `c` => `d`\n    Told.",
        ": `a` => `b`\n    Told.",
        "nothing: `` => `b`\n    Told.",
        "twice: `result` => `1`, `result` => `2`\n    Told.",
    ],
)
def test_a_line_that_is_none_is_refused(line):
    with pytest.raises(ValueError, match="expected `name|once only"):
        list(parse(line))


def test_a_place_may_name_a_field_of_an_option():
    assert fill("«f.name» of «x»", {"f.name": "tanh", "x": "a"}) == "tanh of a"


# --- the key that comes of it ----------------------------------------------------------------------------------------


ONE = (Case("one", {"x": 1.5}),)


@pytest.fixture
def exercise(monkeypatch):
    """A made-up exercise whose text stands in no file."""

    def of(mistakes, code="def f(x):\n    return «factor» * x", name="f", cases=ONE, **own):
        entry = {"code": code, "why": "So.", "given": [], "mistakes": mistakes}
        monkeypatch.setattr(worked, "_stored", lambda: {"solutions": {"made-up": entry}})
        build = lambda rng, factor: Key(cases=cases, **own)  # noqa: E731
        return Exercise("made-up", "a-chapter", name, "Made up", "implement", {"factor": (2, 3)}, build)

    return of


def wrong(answers, x=1.5):
    return {m.name: m.wrong(x) for m in answers.misconceptions}


def test_the_worked_solution_is_the_answer_and_mistakes_are_edits_of_it(exercise):
    others = "hint: Multiply.\nreward: Done.\nright: `«factor» * x` => `x * «factor»`"
    made = exercise(f"{others}\nadded: `*` => `+`\n    Not «factor» + x.")
    answers = key(made)
    assert (answers.answer(1.5), answers.hints, answers.reward) == (3.0, ("Multiply.",), "Done.")
    assert [form(1.5) for form in answers.also_right] == [3.0]
    assert wrong(answers) == {"added": 3.5} and answers.misconceptions[0].hint == "Not 2 + x."
    assert wrong(key(made, factor=3)) == {"added": 4.5}


def test_what_holds_for_some_options_only_is_left_out_elsewhere(exercise):
    made = exercise("added: `*` => `+` when `factor == 3`\n    Look.")
    assert wrong(key(made)) == {} and wrong(key(made, factor=3)) == {"added": 4.5}


def test_another_option_lends_its_words(exercise):
    made = exercise("as for others: as if `factor` were `5 - factor`\n    Look.")
    assert wrong(key(made)) == {"as for others": 4.5} and wrong(key(made, factor=3)) == {"as for others": 3.0}


def test_the_function_adds_families_and_whole_functions(exercise):
    own = (
        Misconception("four", "Look.", Edit(words={"factor": "4"})),
        Misconception("whole", "Look.", lambda x: -x),
    )
    assert wrong(key(exercise("hint: One.", misconceptions=own))) == {"four": 6.0, "whole": -1.5}


def test_a_mistake_can_be_added_to_those_above_it(exercise):
    own = (Misconception("whole", "Look.", lambda x: -x), Misconception("four", "Four.", Edit(words={"factor": "4"})))
    added, negative = "added: `*` => `+`\n    Look.", "and negative: `return` => `return -`\n    Besides, the sign."
    made = exercise(f"{added}\n{negative}\nzero: `* x` => `* 0`\n    Why?", misconceptions=own)
    assert wrong(key(made)) == {
        "whole": -1.5,
        "four": 6.0,
        "added": 3.5,
        "four; and negative": -6.0,
        "added; and negative": -2 + 1.5,
        "zero": 0.0,
    }
    assert {m.name: m.hint for m in key(made).misconceptions}["added; and negative"] == "Look. Besides, the sign."


def test_an_edit_that_fits_no_longer_is_told_with_its_place(exercise):
    made = exercise("added: `-` => `+`\n    Look.")
    with pytest.raises(ValueError, match=r"exercises/text/a-chapter.md, made-up, added: .*`-` should stand .* once"):
        key(made)
    with pytest.raises(ValueError, match=r"a-chapter.md, made-up, added: SyntaxError"):
        key(exercise("added: `*` => `+*`\n    Look."))


def test_an_exercise_without_a_text_or_an_answer_says_what_to_run(exercise):
    with pytest.raises(ValueError, match="made-up stands in no text yet: run `make exercises NAMES=a-chapter`"):
        key(exercise(""))


def test_a_number_that_two_mistakes_give_together_is_noted(exercise):
    lines = ("one more: `2 + 3` => `2 + 3 + 1`", "twice: `n = ` => `n = 2 * `", "ten: `2 + 3` => `10`")
    text = "\n".join(f"{line}\n    Look." for line in lines)
    answers = key(exercise(text, code="n = 2 + 3", name="n", cases=()))
    assert {m.name: m.wrong for m in answers.misconceptions} == {"one more": 6, "twice": 7, "ten": 10}
    assert sorted(answers.otherwise) == [8, 11, 20]


# --- the example of CONTRIBUTING.md ----------------------------------------------------------------------------------


HEAD = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"


def test_the_example_for_contributors_is_an_exercise(monkeypatch):
    guide = (tool.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^````md\n(.*?)^````$", guide, re.MULTILINE | re.DOTALL)
    (source,) = re.findall(r"^```python\n(@exercise.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert len(source.splitlines()) <= 35 and len(text.splitlines()) <= 50
    cells = tuple(jupytext.reads(f"{HEAD}{text}", fmt="md:myst").cells)
    section = tool.Section("bptt-example", cells)
    entry = {"given": [], "code": tool.solved_code(section.code), "why": section.why, "mistakes": section.mistakes}
    monkeypatch.setattr(worked, "_stored", lambda: {"solutions": {"bptt-example": entry}})
    scope = {**vars(activations), **vars(inputs), **vars(model)}
    exec(source, scope)
    exercise = scope["bias"]
    for question in score.questions(exercise):
        rubric = question.rubric(exercise)
        assert len(rubric.key.also_right) == 2 and all(score.submit(rubric, form) for form in rubric.key.also_right)
        assert len(rubric.key.misconceptions) >= 5
        assert all(score.is_recognised(rubric, position) for position in range(len(rubric.key.misconceptions)))
