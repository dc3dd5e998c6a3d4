"""BLEU is sacreBLEU's, wherever both are defined; and it is the counts of its definition, written out."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion.applications.bleu import Bleu, bleu, exact_match

words = st.sampled_from("the cat sat on a mat".split())
texts = st.lists(
    st.tuples(st.lists(words, max_size=9), st.lists(words, min_size=1, max_size=9)), min_size=1, max_size=6
).map(lambda pairs: tuple(map(list, zip(*pairs, strict=True))))
alike = st.lists(
    st.tuples(st.lists(words, min_size=5, max_size=9), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=4
).map(lambda drawn: ([s[: len(s) - cut] + s[:more] for s, cut, more in drawn], [s for s, *_ in drawn]))  # fmt: skip


def theirs(hypotheses, references, longest=4):
    if longest == 4:
        return sacrebleu.corpus_bleu(
            [" ".join(h) for h in hypotheses],
            [[" ".join(r) for r in references]],
            tokenize="none",
            smooth_method="none",
            force=True,
        )
    metric = sacrebleu.BLEU(tokenize="none", smooth_method="none", force=True, max_ngram_order=longest)
    return metric.corpus_score([" ".join(h) for h in hypotheses], [[" ".join(r) for r in references]])


def require_equal(found, expected):
    np.testing.assert_allclose(100 * found.score, expected.score, rtol=1e-12, atol=1e-12)
    assert list(found.matches) == expected.counts and list(found.totals) == expected.totals
    assert found.words == (expected.sys_len, expected.ref_len)
    np.testing.assert_allclose(100 * np.array(found.precisions), expected.precisions, rtol=1e-12)
    np.testing.assert_allclose(found.brevity, expected.bp, rtol=1e-12)


@settings(max_examples=150)
@given(text=texts | alike)
@example(text=([["a"] * 4], [["a"] * 4]))
@example(text=([[], []], [["a"], ["b"]]))
@example(text=([[], "the cat sat on a mat".split()], ["a".split(), "the cat sat on a mat".split()]))
def test_all_of_it_equals_sacrebleu(text):
    require_equal(bleu(*text), theirs(*text))


@settings(max_examples=50)
@given(text=texts | alike, longest=st.integers(1, 6))
def test_with_other_longest_ngrams_too(text, longest):
    require_equal(bleu(*text, longest), theirs(*text, longest))


def counted(sentence, gram):
    """At how many places a gram stands."""
    return sum(tuple(sentence[i : i + len(gram)]) == gram for i in range(len(sentence)))


@settings(max_examples=50)
@given(text=texts | alike, longest=st.integers(1, 3))
def test_matches_are_counted_as_they_are_defined(text, longest):
    hypotheses, references = text
    found = bleu(hypotheses, references, longest)
    for n in range(1, longest + 1):
        matches = total = 0
        for h, r in zip(hypotheses, references, strict=True):
            grams = [tuple(h[i : i + n]) for i in range(len(h)) if i + n <= len(h)]
            total += len(grams)
            matches += sum(min(grams.count(gram), counted(r, gram)) for gram in set(grams))
        assert (found.matches[n - 1], found.totals[n - 1]) == (matches, total)
    product = np.prod([m / t if t else 0 for m, t in zip(found.matches, found.totals, strict=True)])
    assert found.score == pytest.approx(found.brevity * product ** (1 / longest), rel=1e-12)


@settings(max_examples=50)
@given(text=alike)
def test_it_is_1_for_what_is_equal(text):
    hypotheses, references = text
    assert bleu(references, references).score == exact_match(references, references) == 1
    if hypotheses != references:
        assert exact_match(hypotheses, references) < 1
    assert 0 <= bleu(hypotheses, references).score <= 1


@settings(max_examples=50)
@given(text=alike, seed=st.integers(0, 99))
def test_the_order_of_sentences_does_not_matter_nor_does_what_words_are(text, seed):
    """Strings, their numbers in any width, tuples: words are compared, nothing else is done with them."""
    hypotheses, references = text
    expected = bleu(hypotheses, references)
    order = np.random.default_rng(seed).permutation(len(hypotheses))
    assert bleu([hypotheses[i] for i in order], [references[i] for i in order]) == expected
    number = {word: n for n, word in enumerate("the cat sat on a mat".split())}
    ours = [np.array([number[word] for word in h], np.int8) for h in hypotheses]
    same = [tuple(number[word] for word in r) for r in references]
    assert bleu(ours, same) == expected
    assert exact_match(ours, same) == exact_match(hypotheses, references)
    shouted = [[word.upper() for word in h] for h in hypotheses]
    assert bleu(shouted, references).matches == (0, 0, 0, 0)


def test_a_word_repeated_is_counted_as_often_as_the_reference_has_it():
    """The example of Papineni et al. (2002): the the the … against the cat is on the mat has p_1 = 2/7."""
    found = bleu(["the the the the the the the".split()], ["the cat is on the mat".split()])
    assert found.matches == (2, 0, 0, 0) and found.totals == (7, 6, 5, 4)
    assert found.precisions == (2 / 7, 0, 0, 0)
    assert found.score == 0


def test_counts_are_of_the_corpus_not_a_mean_of_sentences():
    hypotheses = ["a b c d e".split(), "a b x".split()]
    references = ["a b c d e".split(), "a b y".split()]
    found = bleu(hypotheses, references)
    assert found.matches == (7, 5, 3, 2) and found.totals == (8, 6, 4, 2)
    assert found.score == pytest.approx((7 / 8 * 5 / 6 * 3 / 4) ** (1 / 4))
    assert exact_match(hypotheses, references) == 0.5


def test_words_of_another_sentence_do_not_count():
    assert bleu(["a b".split(), "c d".split()], ["c d".split(), "a b".split()], 1).score == 0


def test_brevity():
    """1 for more words than the references, and for as many; exp(1 − r/c) for fewer; 0 for none."""
    reference = ["a b c d e f".split()]
    for words, expected in (
        ("a b c d e f g", 1),
        ("a b c d e f", 1),
        ("a b c", np.exp(-1)),
        ("a", np.exp(-5)),
        ("", 0),
    ):
        assert bleu([words.split()], reference).brevity == pytest.approx(expected)
    assert bleu(["a b c d e".split()], reference).score == pytest.approx(np.exp(-1 / 5))
    long_and_short = bleu([["a"] * 5, ["b"]], [["a"] * 3, ["b"] * 3])  # of the corpus: one is too long, one too short
    assert long_and_short.brevity == 1 and long_and_short.words == (6, 6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_corpus_of_short_sentences_has_a_bleu_of_0_even_if_all_are_right(n):
    """As sacreBLEU says: there is no 4-gram to be right. A smaller `longest` is defined."""
    short = [[*"abc"[:n]]] * 5
    assert bleu(short, short).score == theirs(short, short).score == 0
    assert bleu(short, short).precisions == (*n * (1.0,), *(4 - n) * (0.0,))
    assert bleu(short, short, n).score == exact_match(short, short) == 1


def test_nothing_written_is_a_bleu_of_0():
    empty = bleu([[], []], [["a"], ["b", "c"]])
    assert empty == Bleu((0, 0, 0, 0), (0, 0, 0, 0), (0, 3))
    assert empty.score == empty.brevity == 0 and empty.precisions == (0, 0, 0, 0)
    assert exact_match([[], []], [["a"], ["b", "c"]]) == 0


def test_smoothing_is_what_sacrebleu_does_unless_told_otherwise():
    """The known difference: by default a precision of 0 counts there as half a gram, the next as a quarter."""
    hypotheses, references = ["a b c x d e".split()], ["a b c y d e".split()]
    assert bleu(hypotheses, references).score == 0
    default = sacrebleu.corpus_bleu([" ".join(hypotheses[0])], [[" ".join(references[0])]], tokenize="none")
    assert default.score > 30


def test_exact_match_is_a_share():
    """Near misses count for nothing: other order, a word more, other letters."""
    references = ["a b".split()] * 5
    hypotheses = [h.split() for h in ("a b", "b a", "a b b", "A b", "a")]
    assert exact_match(hypotheses, references) == 0.2
    assert type(exact_match(hypotheses, references)) is float


def test_scores_are_pythons_numbers():
    found = bleu([np.array([1, 2, 3, 4])], [np.array([1, 2, 3, 4, 5])])
    assert {type(n) for n in (*found.matches, *found.totals, *found.words)} == {int}
    assert {type(n) for n in (*found.precisions, found.brevity, found.score)} == {float}


A = [["a", "b"]]


@pytest.mark.parametrize("measure", [bleu, exact_match])
@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([], [], r"^hypotheses: expected at least one sentence, split into words, got \[\]"),
        ("a b", A, "^hypotheses: expected at least one sentence, split into words, got 'a b'"),
        (A, "a", "^references: expected at least one sentence, split into words, got 'a'"),
        (iter(A), A, "^hypotheses: expected at least one sentence, split into words, got <list_it"),
        (None, A, "^hypotheses: expected at least one sentence, split into words, got None"),
        ({"a"}, A, "^hypotheses: expected at least one sentence, split into words, got {'a'}"),
        (A, [], "^references: expected at least one sentence"),
        (A * 2, A, "^references: expected 2, one for each hypothesis, got 1"),
        (A, A * 3, "^references: expected 1, one for each hypothesis, got 3"),
        (["a b"], A, r"^hypotheses\[0\]: expected a sequence of words, got one string: 'a b'; split it"),
        (A, ["a b"], r"^references\[0\]: expected a sequence of words, got one string: 'a b'; split it"),
        (A, [b"a b"], r"^references\[0\]: expected a sequence of words, got one string: b'a b'; split it"),
        (np.array(["a b"]), A, r"^hypotheses\[0\]: expected a sequence of words, got one string"),
        (A * 2, [*A, []], r"^references\[1\]: expected at least one word, got none"),
        (A, [A], r"^references\[0\]: expected a sequence of words or of numbers, got \[\['a', 'b'\]\]"),
        ([*A, {"a", "b"}], A * 2, r"^hypotheses\[1\]: expected a sequence of words or of numbers, got {"),
        ([iter("ab")], A, r"^hypotheses\[0\]: expected a sequence of words or of numbers, got <str"),
        ([None], A, r"^hypotheses\[0\]: expected a sequence of words or of numbers, got None"),
        (np.ma.array([[1, 2]]), A, r"^hypotheses: expected at least one sentence, split into words, got masked"),
        ([np.ma.array([1, 2])], A, r"^hypotheses\[0\]: expected a sequence of words or of numbers, got masked"),
        ([[1.0]], [[1]], r"^hypotheses\[0\]: expected a sequence of words or of numbers, got \[1.0\]"),
        ([[b"a"]], [["a"]], r"^hypotheses\[0\]: expected a sequence of words or of numbers, got \[b'a'\]"),
        ([[1, 2]], A, "^hypotheses: expected words like the references', all strings or all numbers, got both"),
        ([["a", 1]], A, "^hypotheses: expected words like the references', all strings or all numbers, got both"),
    ],
)
def test_what_are_no_pairs_of_sentences_is_refused(measure, hypotheses, references, message):
    with pytest.raises(ValueError, match=message):
        measure(hypotheses, references)


@pytest.mark.parametrize("longest", [0, -1, 4.0, "4", True, None])
def test_the_longest_ngrams_have_a_whole_number_of_words(longest):
    with pytest.raises(ValueError, match="^longest: expected a whole number of at least 1, got"):
        bleu(A, A, longest)
    assert bleu(A, A, np.int8(2)).score == 1
