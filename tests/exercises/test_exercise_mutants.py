"""Wrong answers made by machine: the operators find what they should, and no exercise lets one of them pass."""

import textwrap

import pytest
from exercise_mutants import (
    ENDLESS,
    ERROR,
    FORM,
    LABELS,
    LISTED_MISTAKE,
    NEUTRAL,
    PASSED,
    SIDE,
    UNTOUCHED,
    Result,
    Same,
    Solution,
    asked,
    broken,
    gaps,
    listed,
    results,
    stale,
    summary,
    table,
    verdict,
)
from exercise_operators import LEARNERS
from mutation_operators import mutants_of

from companion.exercises.catalogue import exercises
from companion.exercises.judging import prepare
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.exercises.report import Finding, Report

SAMPLE = ("output-delta", "bptt-dU", "clip-norm", "softmax-stable", "next-token-loss", "gradient-norms", "perplexity")


def changes(source, operator):
    mutants = mutants_of("m", textwrap.dedent(source), operators=LEARNERS)
    return [mutant.change for mutant in mutants if mutant.operator == operator]


@pytest.mark.parametrize(
    ("line", "operator", "expected"),
    [
        ("return a.sum(axis=0)", "axis", ["a.sum(axis=0) → a.sum()", "a.sum(axis=0) → a.sum(axis=1)"]),
        (
            "return a.sum(axis=(0, 1), keepdims=True)",
            "axis",
            [
                f"a.sum(axis=(0, 1), keepdims=True) → a.sum({rest})"
                for rest in ("keepdims=True", "axis=0, keepdims=True", "axis=1, keepdims=True", "axis=(0, 1)")
            ],
        ),
        ("return a.max(axis=-1)", "axis", [f"a.max(axis=-1) → a.max({rest})" for rest in ("", "axis=0", "axis=1")]),
        ("return f(dtype=int)", "axis", []),
        ("return a < b", "comparison", ["a < b → a <= b", "a < b → True", "a < b → False"]),
        ("return not a", "comparison", ["return not a → return a"]),
        ("return np.tanh(a)", "function", ["np.tanh(a) → np.arctan(a)", "np.tanh(a) → a"]),
        ("return a.mean()", "function", ["a.mean() → a.sum()", "a.mean() → a"]),
        ("return min(a, b)", "function", ["min(a, b) → max(a, b)"]),
        ("return np.zeros((a, b))", "function", ["np.zeros((a, b)) → np.ones((a, b))", "np.zeros((a, b)) → (a, b)"]),
        ("return a**2", "constant", ["a ** 2 → a ** 1", "a ** 2 → a ** 3"]),
        ("return 0.5 * a", "constant", ["0.5 * a → 1.5 * a", "0.5 * a → 1.0 * a"]),
        ("return f(True)", "constant", []),
        ("return 'ifo'", "constant", ["return 'ifo' → return 'fio'", "return 'ifo' → return 'iof'"]),
        ("return a, b", "order", ["(a, b) → (b, a)"]),
        ("a, b = f(1)", "order", ["(a, b) → (b, a)"]),
        ("return a[:, None]", "order", ["(:, None) → (None, :)"]),
        ("return a[::-1]", "order", ["a[::-1] → a"]),
        ("return a.sum(axis=(0, 1))", "order", []),  # the order of axes that are summed changes nothing
        ("return a @ b", "operands", ["a @ b → b @ a", "a @ b → a * b"]),
        ("return a + b", "operands", ["a + b → a * b"]),  # b + a is the same
        (
            "return np.einsum('tbi,tbj->ij', a, b)",
            "summed",
            [f"np.einsum('tbi,tbj->ij', a, b) → np.einsum('tbi,tbj->{out}', a, b)" for out in ("tij", "bij", "j", "i")],
        ),
        ("a = b", "lost line", ["a = b → pass"]),
        ("return a", "lost line", ["return a → a"]),
        ("a = a + b", "in place", ["a = a + b → a += b"]),
        ("a = b + a", "in place", []),
        ("a = b.copy()", "in place", ["a = b.copy() → a = b"]),
    ],
)
def test_an_operator_finds_each_place_where_it_applies(line, operator, expected):
    assert changes(f"def f(a, b):\n    {line}\n", operator) == expected


@pytest.mark.parametrize("id", SAMPLE)
def test_no_mutant_passes_that_is_not_known_to_compute_the_same(id):
    found = [result for question in asked(exercises()[id]) for result in results(exercises()[id], question)]
    assert len(found) > 20
    assert gaps(found, listed()) == []


def test_what_is_listed_as_the_same_exists_and_passes_and_has_a_reason():
    known = listed()
    assert len({(entry.id, entry.only) for entry in known}) == len(known)
    assert all(entry.reason and entry.only in ("", *LABELS) for entry in known)
    ids = {entry.id for entry in known}
    of = {id.split(".")[0] for id in ids}
    assert of <= exercises().keys()
    found = [r for id in of for question in asked(exercises()[id]) for r in results(exercises()[id], question, ids)]
    assert stale(found, known) == []


# --- an exercise made up here ----------------------------------------------------------------------------------------

WORKED = Solution(("def square(a):\n    return a**2\n",), "def f(x):\n    return square(x).sum(axis=0)\n")


def made_up(*shapes):
    """The rubric of an exercise that asks for the column sums of squares, with a case of each of these shapes."""

    @exercise("made-up", chapter="none", name="f", title="Sums", kind="implement", ask={})
    def build(rng):
        return Key(
            answer=lambda x: (x**2).sum(axis=0),
            also_right=(),
            hints=(),
            misconceptions=(Misconception("not squared", "Is it?", lambda x: x.sum(axis=0)),),
            cases=tuple(Case(f"{shape}", {"x": rng.normal(size=shape)}) for shape in shapes),
        )

    return prepare(build)


def found_with(*shapes, worked=WORKED, only=None):
    return list(broken(made_up(*shapes), worked, "the book's", only))


def test_cases_that_are_too_weak_are_seen():
    assert gaps(found_with((3, 2), (1, 2), (2, 2)), []) == []
    weak = gaps(found_with((1, 1)), [])  # where one entry is all that there is
    assert [result.id for result in weak] == [
        "made-up.f | axis | square(x).sum(axis=0) → square(x).sum(axis=1) | 1",
        "made-up.f | function | square(x).sum(axis=0) → square(x).mean(axis=0) | 1",
        "made-up.f | constant | axis=0 → axis=-1 | 1",
    ]


def test_each_mutant_gets_what_the_check_says():
    verdicts = {result.id.split(" | ", 1)[1]: result.verdict for result in found_with((3, 2), (2, 2))}
    assert verdicts["function | square(x) → x | 1"] == LISTED_MISTAKE
    assert verdicts["axis | square(x).sum(axis=0) → square(x).sum(axis=1) | 1"] == NEUTRAL
    assert verdicts["function | square(x).sum(axis=0) → square(x).mean(axis=0) | 1"] == FORM
    assert PASSED not in verdicts.values()


def test_a_cell_that_stops_or_does_not_end_is_rejected():
    worked = Solution((), "n = 1\nwhile n > 1:\n    n -= 1\nf = [None, lambda x: (x**2).sum(axis=0)][n]\n")
    endless, stopped = "made-up.made-up | comparison | n > 1 → True | 1", "made-up.n | constant | n = 1 → n = 2 | 1"
    out = "made-up.n | constant | n = 1 → n = 0 | 1"  # f is None
    lost = "made-up.n | lost line | n = 1 → pass | 1"
    found = found_with((2, 2), worked=worked, only={endless, stopped, out, lost})
    verdicts = {result.id: result.verdict for result in found}
    assert verdicts == {endless: ENDLESS, stopped: PASSED, out: FORM, lost: ERROR}


@pytest.mark.parametrize(
    ("state", "kinds", "expected"),
    [
        ("passed", (), PASSED),
        ("not attempted", ("remark",), UNTOUCHED),
        ("failed", ("difference",), NEUTRAL),
        ("failed", ("form", "difference"), FORM),
        ("failed", ("misconception", "form", "difference"), LISTED_MISTAKE),
        ("failed", ("input", "difference"), SIDE),
        ("failed", ("repeat",), SIDE),
        ("failed", ("error", "input"), ERROR),
        ("failed", ("time",), ENDLESS),
    ],
)
def test_a_verdict_is_the_most_telling_finding(state, kinds, expected):
    assert verdict(Report("e", "E", state, (), tuple(Finding(kind, "") for kind in kinds))) == expected


# --- what is known to compute the same -------------------------------------------------------------------------------


def result(id, verdict, question="the book's"):
    return Result(id.split(".")[0], question, id, verdict, Report("e", "E", "failed"))


def test_what_passes_must_be_listed_for_its_question():
    passing = result("perplexity.f | a", PASSED)
    assert gaps([passing], []) == [passing]
    assert gaps([passing], [Same("perplexity.f | a", "so")]) == []
    assert gaps([passing], [Same("perplexity.f | b", "so")]) == [passing]
    assert gaps([passing], [Same("perplexity.f | a", "so", only="class 2027")]) == [passing]
    assert gaps([result("perplexity.f | a", NEUTRAL)], []) == []


def test_what_is_listed_must_pass_in_every_question_that_has_it():
    entry, one = Same("perplexity.f | a", "so"), Same("perplexity.f | a", "so", only="the book's")
    found = [result(entry.id, PASSED), result(entry.id, NEUTRAL, "class 2027")]
    assert stale(found, [entry]) == [entry]
    assert stale(found, [one]) == []
    assert stale(found[1:], [one]) == [one]  # there is no such mutant
    assert stale([result(entry.id, ENDLESS)], [entry]) == []  # a busy machine
    elsewhere, gone = Same("bptt-dU.f | a", "so"), Same("no-such-exercise.f | a", "so")
    assert stale(found, [elsewhere, gone]) == [gone]


def test_the_table_and_the_sentence_count_what_is_the_same_apart():
    known = [Same("perplexity.f | a", "so")]
    found = [result("perplexity.f | a", PASSED), result("perplexity.f | b", PASSED)]
    found += [result("clip-norm.f | c", verdict) for verdict in (LISTED_MISTAKE, FORM, SIDE, NEUTRAL, ERROR, ENDLESS)]
    heads, *rows = table(found, known).splitlines()
    assert [row.split() for row in rows] == [
        ["perplexity", *"2110000000"],
        ["clip-norm", *"6001111110"],
        ["all", *"8111111110"],
    ]
    text = summary(found, known)
    assert text.startswith(
        "of 7 wrong answers made by machine 6 were rejected: 3 (42.9%) by a listed misconception (1)"
    )
    assert "1 (14.3%) with the first difference, 1 (14.3%) with Python's error, 1 (14.3%) as endless, 0" in text
    assert "of 0 wrong answers" in summary([], [])
