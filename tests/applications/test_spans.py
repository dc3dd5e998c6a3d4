"""Spans: labels become the spans that the scorer of CoNLL finds, and what was found is counted as it counts."""

from itertools import product

import pytest
from conlleval import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.applications.spans import Scores, from_iob, is_strict, runs, span_scores

KINDS = ("city", "state", "zip-code")
IOB = ("O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in KINDS))
labellings = st.lists(st.sampled_from(IOB), max_size=9)


@st.composite
def spans_of_a_sentence(draw):
    """(spans, length): some words are outside, and some spans touch."""
    parts = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(("", *KINDS))), max_size=6))
    spans, at = [], 0
    for size, kind in parts:
        if kind:
            spans.append((at, at + size, kind))
        at += size
    return spans, at


def conll(wanted, found):
    """What the scorer says of sentences of labels."""
    lines = []
    for gold, guess in zip(wanted, found, strict=True):
        lines += [f"word {a} {b}" for a, b in zip(gold, guess, strict=True)] + ["-X- O O"]
    return evaluate(lines)["overall"]["chunks"]


@settings(max_examples=60)
@given(st.lists(st.lists(st.tuples(st.sampled_from(IOB), st.sampled_from(IOB)), max_size=9), min_size=1, max_size=4))
def test_the_scorer_of_conll_counts_the_same_whatever_the_labels_are(sentences):
    wanted, found = ([[pair[k] for pair in sentence] for sentence in sentences] for k in (0, 1))
    scores = span_scores([from_iob(d) for d in wanted], [from_iob(d) for d in found])
    theirs = conll(wanted, found)
    assert (scores.right, scores.found, scores.wanted) == tuple(theirs["stats"][k] for k in ("correct", "pred", "gold"))
    assert scores.recall == theirs["evals"]["rec"]
    assert scores.precision == (theirs["evals"]["prec"] if scores.found else 0)  # theirs is 1 where none was found
    assert scores.F1 == pytest.approx(theirs["evals"]["f1"], abs=1e-15)


def test_on_every_pair_of_short_labellings_too():
    labels = ("O", "B-a", "I-a", "B-b", "I-b")
    for gold, guess in product(product(labels, repeat=2), repeat=2):
        scores, stats = span_scores([from_iob(gold)], [from_iob(guess)]), conll([gold], [guess])["stats"]
        assert (scores.right, scores.found, scores.wanted) == (stats["correct"], stats["pred"], stats["gold"])


def strictly(labels):
    """The spans of another reading: an I- that goes on with nothing is outside."""
    spans, running = [], None
    for position, label in enumerate(labels):
        prefix, _, kind = label.partition("-")
        if prefix == "B":
            running = kind
            spans.append((position, position + 1, kind))
        elif prefix == "I" and running == kind:
            spans[-1] = (spans[-1][0], position + 1, kind)
        else:
            running = None
    return spans


@given(labellings)
def test_strict_labels_are_those_of_which_a_strict_reading_finds_the_same_spans(labels):
    assert is_strict(labels) == (from_iob(labels) == strictly(labels))


def test_on_every_short_labelling_too():
    for labels in product(("O", "B-a", "I-a", "B-b", "I-b"), repeat=4):
        assert is_strict(labels) == (from_iob(labels) == strictly(labels))


def to_iob(spans, length):
    labels = ["O"] * length
    for start, stop, kind in spans:
        labels[start:stop] = [f"B-{kind}", *[f"I-{kind}"] * (stop - start - 1)]
    return labels


@given(spans_of_a_sentence())
def test_spans_become_strict_labels_and_these_the_same_spans(drawn):
    spans, length = drawn
    labels = to_iob(spans, length)
    assert len(labels) == length and from_iob(labels) == spans and is_strict(labels)
    inside = {position for start, stop, _ in spans for position in range(start, stop)}
    assert {position for position, label in enumerate(labels) if label != "O"} == inside


@given(labellings)
def test_labels_become_spans_and_these_the_strict_labels_of_the_same_reading(labels):
    assert from_iob(to_iob(from_iob(labels), len(labels))) == from_iob(labels)
    if is_strict(labels):
        assert to_iob(from_iob(labels), len(labels)) == labels


@given(st.lists(st.sampled_from(KINDS), max_size=12))
def test_runs_cover_every_word_once_and_neighbours_differ(labels):
    spans = runs(labels)
    assert [kind for start, stop, kind in spans for _ in range(start, stop)] == labels
    assert [start for start, _, _ in spans] == [0, *(stop for _, stop, _ in spans)][: len(spans)]
    assert all(start < stop for start, stop, _ in spans)
    assert all(one[2] != other[2] for one, other in zip(spans, spans[1:], strict=False))


def test_examples():
    assert runs("number street street city".split()) == [(0, 1, "number"), (1, 3, "street"), (3, 4, "city")]
    assert runs([]) == from_iob([]) == []
    assert from_iob("B-a I-a B-a O I-a I-b".split()) == [(0, 2, "a"), (2, 3, "a"), (4, 5, "a"), (5, 6, "b")]
    assert from_iob(["B-zip-code", "I-zip-code"]) == [(0, 2, "zip-code")]


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_scores_are_the_fractions_of_their_names(right, wrong, missed):
    scores = Scores(right, right + wrong, right + missed)
    P = right / (right + wrong) if right + wrong else 0
    R = right / (right + missed) if right + missed else 0
    assert (scores.precision, scores.recall) == (P, R)
    assert scores.F1 == pytest.approx(2 * P * R / (P + R) if P + R else 0, abs=1e-15)


def test_where_there_is_nothing_to_divide_by_a_score_is_0():
    assert (Scores(0, 0, 0).precision, Scores(0, 0, 0).recall, Scores(0, 0, 0).F1) == (0, 0, 0)
    assert (Scores(0, 0, 3).precision, Scores(0, 0, 3).recall, Scores(0, 0, 3).F1) == (0, 0, 0)
    assert (Scores(0, 3, 0).precision, Scores(0, 3, 0).recall, Scores(0, 3, 0).F1) == (0, 0, 0)


@settings(max_examples=60)
@given(st.lists(st.tuples(spans_of_a_sentence(), spans_of_a_sentence()), max_size=4))
def test_a_span_is_right_where_start_stop_and_kind_are(sentences):
    wanted, found = ([pair[k][0] for pair in sentences] for k in (0, 1))
    scores = span_scores(wanted, found)
    right = sum(span in one for one, other in zip(wanted, found, strict=True) for span in other)
    assert (scores.right, scores.found, scores.wanted) == (right, sum(map(len, found)), sum(map(len, wanted)))
    assert span_scores(wanted, wanted).F1 == (1 if scores.wanted else 0)
    swapped = span_scores(found, wanted)
    assert (swapped.precision, swapped.recall, swapped.F1) == (scores.recall, scores.precision, scores.F1)


def test_spans_may_be_given_one_after_the_other():
    assert span_scores([iter([(0, 1, "a")])], [iter([(0, 1, "a"), (1, 2, "a")])]) == Scores(1, 2, 1)


TWICE = [(0, 1, "a"), (0, 1, "a")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_iob(["B-a", "B"]), "labels: expected O, B-kind or I-kind, got 'B'"),
        (lambda: from_iob(["B-"]), "labels: expected O, B-kind or I-kind, got 'B-'"),
        (lambda: from_iob(["E-a"]), "labels: expected O, B-kind or I-kind, got 'E-a'"),
        (lambda: from_iob(["O-a"]), "labels: expected O, B-kind or I-kind, got 'O-a'"),
        (lambda: is_strict(["city"]), "labels: expected O, B-kind or I-kind, got 'city'"),
        (lambda: from_iob("O"), "labels: expected a sequence of strings, got 'O'"),
        (lambda: is_strict(["O", 1]), r"labels: expected a sequence of strings, got \['O', 1\]"),
        (lambda: runs("abc"), "labels: expected a sequence of strings, got 'abc'"),
        (lambda: runs([1, 1]), r"labels: expected a sequence of strings, got \[1, 1\]"),
        (lambda: span_scores([[]], []), "found: expected spans of 1 sentences, got 0"),
        (lambda: span_scores([TWICE], [[]]), r"wanted: expected every span of a sentence once, got \[\(0, 1, 'a'\), "),
        (lambda: span_scores([[]], [TWICE]), r"found: expected every span of a sentence once, got \[\(0, 1, 'a'\), "),
    ],
)
def test_what_is_none_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
