"""BLEU: by hand, and equal to sacreBLEU's wherever that is defined."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.applications.bleu import bleu, exact_match

words = st.lists(st.sampled_from("a b c".split()), min_size=1, max_size=9)
corpora = st.lists(st.tuples(words, words), min_size=1, max_size=4)


def theirs(hypotheses, references):
    joined = [[" ".join(words) for words in side] for side in (hypotheses, references)]
    return sacrebleu.corpus_bleu(joined[0], [joined[1]], tokenize="none", smooth_method="none", force=True)


@settings(max_examples=150)
@given(pairs=corpora)
def test_it_is_sacrebleus(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    ours, other = bleu(hypotheses, references), theirs(hypotheses, references)
    assert list(ours.matches) == other.counts and list(ours.totals) == other.totals
    assert ours.words == (other.sys_len, other.ref_len)
    assert 100 * ours.score == pytest.approx(other.score, abs=1e-9)
    assert ours.brevity == pytest.approx(other.bp, abs=1e-12)


def test_by_hand():
    one = bleu(["the cat the cat on the mat".split()], ["the cat sat on the mat".split()], 3)
    assert one.matches == (5, 3, 1) and one.totals == (7, 6, 5) and one.words == (7, 6)
    assert one.precisions == (5 / 7, 3 / 6, 1 / 5) and one.brevity == 1
    assert one.score == pytest.approx((5 / 7 * 3 / 6 * 1 / 5) ** (1 / 3), abs=1e-15)


def test_counts_are_of_the_corpus_and_not_means_of_sentences():
    hypotheses, references = ["a b c d".split(), "a x c d e f".split()], ["a b c d".split(), "a b c d e f".split()]
    both = bleu(hypotheses, references)
    assert both.matches == (4 + 5, 3 + 3, 2 + 2, 1 + 1) and both.totals == (10, 8, 6, 4)
    mean = np.mean([bleu([h], [r]).score for h, r in zip(hypotheses, references, strict=True)])
    assert abs(both.score - mean) > 0.01


def test_short_translations_pay_for_their_brevity():
    half = bleu(["a b c d".split()], ["a b c d e f g h".split()])
    assert half.precisions == (1, 1, 1, 1)
    assert half.brevity == half.score == pytest.approx(np.exp(1 - 8 / 4), abs=1e-15)
    assert bleu([["a"] * 9], [["a"] * 9]).brevity == 1
    assert bleu([["a"] * 9], [["a"] * 5]).brevity == 1


def test_nothing_in_common_and_nothing_written_are_worth_nothing():
    assert bleu([["x"] * 5], [["a"] * 5]).score == 0
    empty = bleu([[]], [["a"]])
    assert empty.score == empty.brevity == 0 and empty.precisions == (0, 0, 0, 0) and empty.words == (0, 1)
    assert bleu([["a", "b", "c"]], [["a", "b", "c"]]).score == 0  # no 4-gram at all
    assert bleu([["a", "b", "c"]], [["a", "b", "c"]], 3).score == 1


def test_numbers_are_words_too():
    assert bleu([np.array([1, 2, 3, 4])], [(1, 2, 3, 4)]).score == 1
    assert exact_match([np.array([1, 2]), [3]], [[1, 2], (4,)]) == 0.5


def test_an_exact_match_is_exact():
    assert exact_match([["a", "b"], ["a"], [], ["b", "a"]], [["a", "b"], ["a", "b"], ["a"], ["a", "b"]]) == 0.25


@pytest.mark.parametrize("measure", [bleu, exact_match])
@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([], [], "hypotheses: expected at least one, and as many references, got"),
        ("a b", ["a"], "hypotheses: expected at least one"),
        ([["a"]], "a", "hypotheses: expected at least one"),
        ([["a"]], [["a"], ["b"]], "references: expected 1, one for each hypothesis, got 2"),
        (["a b"], [["a", "b"]], r"hypotheses\[0\]: expected a sequence of words, got one string: 'a b'; split it"),
        ([["a"], ["b"]], [["a"], "b"], r"references\[1\]: expected a sequence of words, got one string"),
        ([["a"], ["b"]], [["a"], []], r"references\[1\]: expected at least one word, got none"),
    ],
)
def test_what_cannot_be_compared_is_refused(measure, hypotheses, references, message):
    with pytest.raises(ValueError, match=message):
        measure(hypotheses, references)


def test_there_are_no_0_grams():
    with pytest.raises(ValueError, match="longest: expected"):
        bleu([["a"]], [["a"]], 0)
