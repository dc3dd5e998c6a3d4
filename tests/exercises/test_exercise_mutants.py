"""Wrong answers made by machine: an exercise's check says of each what it is, and lets none of them pass."""

import pytest
from exercise_mutants import LABELS, Solution, broken, every_mutant, judged, outcome, verdict
from mutants import ROOT, gaps, is_listed, listed, stale
from mutation import ENDLESS, ERROR, FORM, MISTAKE, NEUTRAL, SIDE, SURVIVED, UNTOUCHED

from companion.exercises.judging import prepare
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.exercises.report import Finding, Report

SAMPLE = ("output-delta", "bptt-dU", "clip-norm", "softmax-stable", "next-token-loss", "gradient-norms", "perplexity")
KNOWN = listed(ROOT, ["solutions"])


@pytest.mark.parametrize("id", SAMPLE)
def test_no_mutant_passes_that_is_not_known_to_compute_the_same(id):
    found = judged(every_mutant([f"solutions.{id}"]))
    assert len(found) > 20
    assert gaps(found, KNOWN) == []


def test_what_is_listed_as_the_same_exists_and_passes():
    assert {entry.question for entry in KNOWN} == {"always", *LABELS}
    names = dict.fromkeys(".".join(entry.id.split(".")[:2]) for entry in KNOWN)
    mutants = [mutant for mutant in every_mutant(names) if is_listed(mutant, KNOWN)]
    assert stale(KNOWN, mutants, judged(mutants)) == {}


def test_an_exercise_that_there_is_not_is_refused():
    with pytest.raises(SystemExit, match=r"NAME: expected solutions, or .* got solutions.no-such"):
        every_mutant(["solutions.no-such"])


# --- an exercise made up here ----------------------------------------------------------------------------------------

BEFORE, CODE = "def square(a):\n    return a**2\n", "def f(x):\n    return square(x).sum(axis=0)\n"


def made_up(*shapes):
    """The rubric of an exercise that asks for the column sums of squares, with a case of each of these shapes."""

    @exercise("made-up", "f", "Sums", "implement")
    def build(rng):
        return Key(
            answer=lambda x: (x**2).sum(axis=0),
            misconceptions=(Misconception("not squared", "Is it?", lambda x: x.sum(axis=0)),),
            cases=tuple(Case(f"{shape}", {"x": rng.normal(size=shape)}) for shape in shapes),
        )

    return prepare(build)


def verdicts(*shapes, code=CODE):
    worked = Solution(made_up(*shapes), "the book's", (BEFORE,), code)
    return {mutant.id: outcome(worked, mutant).verdict for mutant in broken(worked)}


def test_cases_that_are_too_weak_are_seen():
    assert SURVIVED not in verdicts((3, 2), (1, 2), (2, 2)).values()
    weak = verdicts((1, 1))  # where one entry is all that there is
    assert [id for id, verdict in weak.items() if verdict == SURVIVED] == [
        "solutions.made-up.f | axis | square(x).sum(axis=0) → square(x).sum(axis=1) | 1",
        "solutions.made-up.f | function | square(x).sum(axis=0) → square(x).mean(axis=0) | 1",
        "solutions.made-up.f | constant | axis=0 → axis=-1 | 1",
    ]


def test_each_mutant_gets_what_the_check_says():
    found = verdicts((3, 2), (2, 2))
    assert found["solutions.made-up.f | function | square(x) → x | 1"] == MISTAKE
    assert found["solutions.made-up.f | axis | square(x).sum(axis=0) → square(x).sum(axis=1) | 1"] == NEUTRAL
    assert found["solutions.made-up.f | function | square(x).sum(axis=0) → square(x).mean(axis=0) | 1"] == FORM


def test_a_cell_that_stops_or_does_not_end_is_rejected():
    found = verdicts((2, 2), code="n = 1\nwhile n > 1:\n    n -= 1\nf = [None, lambda x: (x**2).sum(axis=0)][n]\n")
    assert found["solutions.made-up | comparison | n > 1 → True | 1"] == ENDLESS
    assert found["solutions.made-up.n | constant | n = 1 → n = 2 | 1"] == SURVIVED  # the loop makes it 1
    assert found["solutions.made-up.n | constant | n = 1 → n = 0 | 1"] == FORM  # f is None
    assert found["solutions.made-up.n | lost line | n = 1 → pass | 1"] == ERROR


@pytest.mark.parametrize(
    ("state", "kinds", "expected"),
    [
        ("passed", (), SURVIVED),
        ("not attempted", ("remark",), UNTOUCHED),
        ("failed", ("difference",), NEUTRAL),
        ("failed", ("form", "difference"), FORM),
        ("failed", ("misconception", "form", "difference"), MISTAKE),
        ("failed", ("input", "difference"), SIDE),
        ("failed", ("repeat",), SIDE),
        ("failed", ("error", "input"), ERROR),
        ("failed", ("time",), ENDLESS),
    ],
)
def test_a_verdict_is_the_most_telling_finding(state, kinds, expected):
    assert verdict(Report("e", "E", state, (), tuple(Finding(kind, "") for kind in kinds))) == expected
