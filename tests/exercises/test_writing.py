"""Texts with marks become HTML in which formulas are typeset; any text can be printed in any terminal."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.exercises.catalogue import exercises
from companion.exercises.worked import solution
from companion.exercises.writing import as_html, writable

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("one\n\ntwo\nlines", "<p>one</p><p>two\nlines</p>"),
        ("a `b * c` d", "<p>a <code>b * c</code> d</p>"),
        ("the *earlier* state, **not** this", "<p>the <em>earlier</em> state, <strong>not</strong> this</p>"),
        ("$a_{t-1}^* < b^*$", r'<p><span class="math">\(a_{t-1}^* &lt; b^*\)</span></p>'),
        ("$$\na\n$$", '<p><span class="math">\\[\na\n\\]</span></p>'),
        ("*with $x$ in it*", r'<p><em>with <span class="math">\(x\)</span> in it</em></p>'),
        ("3 * 4 * 5 and `a*b*c`", "<p>3 * 4 * 5 and <code>a*b*c</code></p>"),
        ("<script> & </p> `<b>`", "<p>&lt;script&gt; &amp; &lt;/p&gt; <code>&lt;b&gt;</code></p>"),
        ("", ""),
    ],
)
def test_marks_become_tags(text, page):
    assert as_html(text) == page


@pytest.mark.parametrize("cohort", [None, 2027])
@pytest.mark.parametrize("exercise", exercises().values(), ids=lambda e: e.id)
def test_no_explanation_has_a_mark_that_is_left_standing(exercise, cohort):
    page = as_html(solution(exercise, cohort)[1])
    outside = re.sub(r'<code>.*?</code>|<span class="math">.*?</span>', "", page, flags=re.DOTALL)
    for mark in ("`", "$", "**", "](", "\n- ", "\n1. ", "\n|", "\n#", "\0"):
        assert mark not in outside, outside


def in_encoding(monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))


def test_what_can_be_written_stays_as_it_is(monkeypatch):
    in_encoding(monkeypatch, "utf-8")
    assert writable("✓ σ′ …") == "✓ σ′ …"
    in_encoding(monkeypatch, "latin-1")
    assert writable("é ✓") == "é ok"


def test_what_cannot_is_written_out(monkeypatch):
    in_encoding(monkeypatch, "ascii")
    assert writable("✓ ✗ ○") == "ok wrong -"
    assert writable("f′(a) ⊙ δ, 3 × 4 − 1 ≤ …, T = 1\u00a0✓") == "f'(a) * delta, 3 x 4 - 1 <= ..., T = 1 ok"
    assert writable("Škoda x₁² 漢 \U0001f600") == "Skoda x12 ? ?"


def test_a_stream_that_names_no_encoding_or_an_unknown_one_gets_everything(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert writable("✓") == "✓"
    monkeypatch.setattr(sys, "stdout", None)
    assert writable("✓") == "✓"


PRINTED = """
import sys
from companion.exercises import check, cohort, hint, progress
from companion.exercises.catalogue import find
from companion.exercises.worked import key
for id in ("elman-step", "lstm-parameters"):
    answers = key(find(id))
    for step in (*range(1, len(answers.hints) + 1), "solution"):
        print(hint(id, step))
    for wrong in answers.misconceptions:
        print(check(id, wrong.wrong))
    print(check(id, answers.answer), check(id, ...))
print(check("elman-step", key(find("elman-step"), 2027).answer, cohort=2027))
print(progress())
"""


def test_everything_can_be_printed_in_a_terminal_of_ascii():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "UNROLLED_PROGRESS": "off"}
    done = subprocess.run([sys.executable, "-c", PRINTED], cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode("ascii")
    assert "ok elman-step: passed" in said and "wrong elman-step: not yet right" in said
    assert "- elman-step: not attempted" in said and f"2 of {len(exercises())} exercises passed" in said


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(["ascii", "latin-1", "cp1252", "cp437", "utf-8"]))
def test_any_text_can_be_written_in_any_terminal(text, encoding):
    before, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    try:
        written = writable(text)
    finally:
        sys.stdout = before
    assert written.encode(encoding).decode(encoding) == written
