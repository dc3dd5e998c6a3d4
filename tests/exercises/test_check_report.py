"""A report is the same every time, holds no markup of a student's, and is true only for a right answer."""

import html
import html.parser
import re

import pytest

import companion.exercises
from companion.exercises import check, cohort
from companion.exercises.attempts import attempt
from companion.exercises.catalogue import exercises, find
from companion.exercises.judging import judge, prepare
from companion.exercises.model import Case, Exercise, Key
from companion.exercises.report import WIDTH, Finding, Report, capital
from companion.exercises.worked import key, solution

CASES = (("T = 1", True), ("a longer sequence", False), ("B = 1", False))
FINDINGS = (Finding("misconception", "Transposed", "Look at the rows."), Finding("difference", "First difference", "x"))
FAILED = Report("bptt-dU", "The gradient", "failed", CASES, FINDINGS)
PASSED = Report("bptt-dU", "The gradient", "passed", (("T = 1", True), ("B = 1", True)))
UNTOUCHED = Report("bptt-dU", "The gradient", "not attempted", (), (Finding("remark", "", "Nothing yet."),))
every_report = pytest.mark.parametrize("report", [FAILED, PASSED, UNTOUCHED], ids=lambda r: r.state)
REWARDED = Report("bptt-dU", "The gradient", "passed", reward="Well *done*.", why="Since $a < b$.", code="a = b < c\n")
TAUGHT = next(exercise for exercise in exercises().values() if key(exercise).reward)


class Reader(html.parser.HTMLParser):
    """Notes the tags and the text of a page, and whether each tag is closed in turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_only_a_passed_report_is_true():
    assert PASSED and not FAILED and not UNTOUCHED
    assert bool(PASSED) is True and bool(FAILED) is False


def test_a_failed_report_as_text():
    assert repr(FAILED).replace("\u00a0", " ") == (
        "✗ bptt-dU: not yet right (1 of 3 cases)\n"
        "  ✓ T = 1   ✗ a longer sequence   ✗ B = 1\n"
        "  Transposed\n"
        "    Look at the rows.\n"
        "  First difference\n"
        "    x"
    )


def test_a_passed_one_and_an_untouched_one_as_text():
    assert repr(PASSED) == "✓ bptt-dU: passed (2 of 2 cases)"
    assert repr(UNTOUCHED) == "○ bptt-dU: not attempted\n    Nothing yet."
    assert repr(Report("a", "b", "passed", (("the value", True),))) == "✓ a: passed"


def test_a_pass_as_text_has_its_reward_and_where_the_explanation_is():
    assert repr(REWARDED) == ('✓ bptt-dU: passed\n  Well *done*.\n  Why this is right: hint("bptt-dU", "solution")')
    assert repr(Report("a", "b", "passed", reward="Good.", why="Since.")) == "✓ a: passed\n  Good."


def test_a_pass_in_a_notebook_has_its_reward_and_the_explanation_folded():
    page = Reader(REWARDED._repr_html_())
    assert {"details", "summary", "pre", "code", "em"} <= set(page.tags)
    shown, _, folded = REWARDED._repr_html_().partition("<details>")
    assert "Well <em>done</em>." in shown and "Since" not in shown and "a = b" not in shown
    assert r"Since \(a < b\)." in page.text and "a = b < c" in page.text and "Why this is right" in page.text
    assert folded.count("</details>") == 1 and " open" not in folded
    for short in (PASSED, Report("a", "b", "passed", reward="Good.")):
        assert "<details>" not in short._repr_html_()


def test_a_pass_is_rewarded_and_explained_in_the_words_of_the_question():
    report = check(TAUGHT.id, key(TAUGHT).answer)
    code, why = solution(TAUGHT)
    assert (report.reward, report.code, report.why) == (key(TAUGHT).reward, code, why) and code and why
    assert report.reward in repr(report).replace("\n ", "") and why not in repr(report)


def test_a_class_gets_the_explanation_of_its_question_without_the_code():
    report = cohort(2027)[0](TAUGHT.id, key(TAUGHT, 2027).answer)
    code, why = solution(TAUGHT, 2027)
    assert (report.reward, report.code, report.why) == (key(TAUGHT, 2027).reward, "", why)
    assert code not in html.unescape(report._repr_html_()) and "solution" not in repr(report)


def test_only_a_pass_is_explained():
    for answer in (..., key(TAUGHT).misconceptions[0].wrong):
        report = check(TAUGHT.id, answer)
        assert not report and (report.reward, report.why, report.code) == ("", "", "")


def test_an_exercise_without_a_text_has_none(monkeypatch):
    made_up = Exercise("made-up", "chapter", "one", "One", "open", {}, lambda rng: Key(answer=1))
    monkeypatch.setattr(companion.exercises, "find", lambda id, cohort: made_up)
    assert repr(check("made-up", 1)) == "✓ made-up: passed" and "<details>" not in check("made-up", 1)._repr_html_()


def test_a_judge_alone_explains_nothing():
    """So a grader has none of it to show."""
    rubric = prepare(find(TAUGHT.id), 2027, "grade")
    report = judge(rubric, attempt(rubric.key.answer, rubric.cases))
    assert report and (report.reward, report.why, report.code) == ("", "", "")


def test_a_right_result_that_failed_for_another_reason_does_not_count_as_wrong():
    report = Report("a", "b", "failed", (("T = 1", True), ("B = 1", True)), (Finding("input", "It changes", "x"),))
    assert not report and "numbers are" in report.head() and not report.is_partly_right()


def test_the_diagnosis_is_the_listed_misconception():
    assert FAILED.diagnosis is FINDINGS[0]
    assert PASSED.diagnosis is None
    assert Report("a", "b", "failed", (), (Finding("form", "Transposed"),)).diagnosis is None


@every_report
def test_html_is_well_formed_and_says_what_the_text_says(report):
    page = Reader(report._repr_html_())
    assert report.title in page.text and report.head() in page.text
    for finding in report.findings:
        assert finding.title in page.text and finding.text in page.text
    for name, _ in report.cases if report.is_partly_right() else ():
        assert name in page.text
    assert set(page.tags) <= {"div", "span", "strong"}


@every_report
def test_no_text_has_a_colour_of_its_own(report):
    """So that it can be read in a light and in a dark theme; only the edge is coloured."""
    page = report._repr_html_()
    styles = ";".join(re.findall(r'style="([^"]*)"', page)).split(";")
    coloured = [style for style in styles if "#" in style or "rgb" in style]
    assert len(coloured) == 1 and coloured[0].startswith("border-left:")
    assert [s for s in styles if re.match(r"\s*(color|background)\b", s)] == ["background:transparent", "color:inherit"]
    assert "<font" not in page and "<style" not in page and "\x1b" not in repr(report)


HOSTILE = '<script>alert("x")</script> & <b>bold</b> </div>'


def test_everything_is_escaped():
    report = Report(HOSTILE, HOSTILE, "failed", ((HOSTILE, True), ("b", False)), (Finding("error", HOSTILE, HOSTILE),))
    page = Reader(report._repr_html_())
    assert set(page.tags) <= {"div", "span", "strong"} and page.text.count("<script>") == 4


def test_an_exceptions_message_is_escaped_on_its_way_through():
    def answer(x):
        raise ValueError(HOSTILE)

    key = Key(answer=lambda x: x, cases=(Case("<i>", {"x": 1}), Case("b", {"x": 1})))
    rubric = prepare(Exercise("made-up", "chapter", "f", "<u>", "open", {}, lambda rng: key))
    report = judge(rubric, attempt(answer, rubric.cases))
    page = Reader(report._repr_html_())
    assert set(page.tags) <= {"div", "span", "strong"} and "<script>" in page.text
    assert "<script>" in repr(report)


def test_no_line_is_longer_than_a_cells_width():
    long = "word " * 100 + "x" * 300
    cases = tuple((f"the case of number {i}", i > 3) for i in range(30))
    report = Report("bptt-dU", "title", "failed", cases, (Finding("error", long, long),))
    assert max(map(len, repr(report).splitlines())) <= WIDTH
    text = repr(report)
    assert all(f"number\u00a0{i}" in text for i in range(30)), "no case's name is broken"


def test_the_same_answer_gives_the_same_bytes():
    rng_free = Key(answer=lambda x: x * 2, cases=(Case("one", {"x": 1.5}),))
    exercise = Exercise("made-up", "chapter", "f", "Twice", "open", {}, lambda rng: rng_free)

    def shown():
        rubric = prepare(exercise)
        report = judge(rubric, attempt(lambda x: {1, 2, "a"} if x else 0, rubric.cases))
        return repr(report) + report._repr_html_()

    assert shown() == shown() and "0x" not in shown()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("transposed", "Transposed"),
        ("a mean for a sum", "A mean for a sum"),
        ("f′ is missing", "f′ is missing"),
        ("dW_hh is wrong", "dW_hh is wrong"),
        ("h_t for h_{t-1}", "h_t for h_{t-1}"),
        ("T and B", "T and B"),
        ("x for h", "x for h"),
        ("", ""),
    ],
)
def test_capitals(text, expected):
    assert capital(text) == expected
