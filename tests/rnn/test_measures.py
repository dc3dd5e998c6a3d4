"""Perplexity, bits and word error rate, held against their definitions."""

import time
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion.rnn import measures
from companion.rnn.measures import align, sample, sharpen, word_error_rate

words = st.lists(st.sampled_from("abc"), max_size=6)
some_words = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)
distributions = st.lists(st.floats(0.01, 1), min_size=2, max_size=6).map(lambda p: np.array(p) / np.sum(p))


@dataclass(frozen=True)
class Same:
    """A language model that gives every token the same distribution, whatever came before."""

    p: np.ndarray

    @property
    def vocabulary_size(self):
        return len(self.p)

    def log_probabilities(self, sequences):
        with np.errstate(divide="ignore"):
            return [np.log(self.p)[sequence] for sequence in sequences]

    def distribution(self, context):
        return self.p


@given(st.integers(2, 50), st.lists(st.lists(st.integers(0, 1), max_size=5), min_size=1, max_size=5))
def test_a_uniform_choice_among_v_tokens_has_perplexity_v(V, texts):
    model, sequences = Same(np.full(V, 1 / V)), [np.array([*text, 0]) for text in texts]
    assert measures.perplexity(model, sequences) == pytest.approx(V)
    assert measures.bits_per_token(model, sequences) == pytest.approx(np.log2(V))


def test_eos_is_a_predicted_token_and_tokens_count_alike_in_long_and_short_sequences():
    model = Same(np.array([0.5, 0.25, 0.25]))
    # three tokens of 1/4 and two of 1/2: the mean is over tokens, not over sequences
    sequences = [np.array([1, 2, 1, 0]), np.array([0])]
    assert measures.cross_entropy(model, sequences) == pytest.approx((3 * np.log(4) + 2 * np.log(2)) / 5)


def test_perplexity_is_the_geometric_mean_of_the_inverse_probabilities():
    assert measures.perplexity_of([0.5, 0.125]) == pytest.approx(4)  # not the mean of 2 and 8


def test_one_excluded_token_makes_perplexity_infinite():
    assert measures.perplexity_of([0.9, 0.0]) == np.inf
    assert measures.perplexity(Same(np.array([0.5, 0.5, 0.0])), [np.array([2, 0])]) == np.inf


def test_bits_per_character_spread_the_bits_of_all_tokens_over_the_characters():
    model = Same(np.full(4, 0.25))  # 2 bits a token
    assert measures.bits_per_character(model, [np.array([1, 2, 0])], characters=12) == pytest.approx(0.5)


@given(distributions)
def test_no_distribution_is_more_uncertain_than_the_uniform_one(p):
    assert 0 <= measures.entropy(p) <= np.log(len(p)) + 1e-9


@given(distributions, st.floats(0.1, 10))
def test_temperature_keeps_the_order_and_the_sum(p, temperature):
    sharper = sharpen(p, temperature)
    assert sharper.sum() == pytest.approx(1)
    assert (np.sign(np.subtract.outer(sharper, sharper)) * np.sign(np.subtract.outer(p, p)) >= 0).all()


@given(distributions)
def test_temperature_one_changes_nothing_and_a_high_one_forgets_everything(p):
    assert sharpen(p, 1) == pytest.approx(p)
    assert sharpen(p, 1e6) == pytest.approx(np.full(len(p), 1 / len(p)), abs=1e-4)


@given(distributions, st.floats(0.1, 1), st.floats(1, 10))
def test_entropy_rises_with_temperature(p, cold, hot):
    assert measures.entropy(sharpen(p, cold)) <= measures.entropy(p) + 1e-9
    assert measures.entropy(p) <= measures.entropy(sharpen(p, hot)) + 1e-9


def test_temperature_zero_is_greedy_and_the_limit_of_small_ones():
    p = np.array([0.2, 0.5, 0.3])
    assert sharpen(p, 0).tolist() == [0, 1, 0]
    assert sharpen(p, 0.01) == pytest.approx(sharpen(p, 0))
    assert sharpen([0.5, 0.5], 0).tolist() == [1, 0]


@settings(max_examples=50)
@given(st.sampled_from([(1,), (3,), (2, 3)]), st.integers(1, 6), st.sampled_from([0, 1e-300, 0.3, 1, 7]), st.data())
def test_each_row_of_a_batch_is_sharpened_alone(shape, n, temperature, data):
    """Some entries are 0, many are equal."""
    row = st.lists(st.integers(0, 4), min_size=n, max_size=n).filter(any)
    rows = [np.array(data.draw(row)) for _ in range(np.prod(shape))]
    p = np.array([r / r.sum() for r in rows]).reshape(*shape, n)
    found = sharpen(p, temperature)
    assert found.shape == p.shape
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=0, atol=1e-15)
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(found[index], sharpen(p[index], temperature))
        if temperature in (0.3, 1, 7):
            powers = np.array([q ** (1 / temperature) for q in p[index]])
            np.testing.assert_allclose(found[index], powers / powers.sum(), rtol=0, atol=1e-14)
        if temperature == 0:
            assert found[index].tolist() == [float(w == p[index].argmax()) for w in range(n)]


@pytest.mark.parametrize("temperature", [1e-4, 1e-300, 5e-324])
def test_however_cold_it_is_a_distribution(temperature):
    p = np.array([0.2, 0.3, 0.0, 0.5])
    assert sharpen(p, temperature).tolist() == [0, 0, 0, 1]
    assert sharpen([0.5, 0.5], temperature).tolist() == [0.5, 0.5]


def test_samples_follow_the_model_and_stop_at_eos():
    model, rng = Same(np.array([0.25, 0.75])), np.random.default_rng(0)
    written = [measures.sample(model, rng, most=1000) for _ in range(4000)]
    assert all(s[-1] == 0 and (s[:-1] == 1).all() for s in written)
    assert np.mean([len(s) for s in written]) == pytest.approx(4, abs=0.25)  # geometric with p = 1/4
    assert len(measures.sample(Same(np.array([0.0, 1.0])), rng, most=7)) == 7


def test_barred_tokens_are_never_written_and_the_others_share_their_probability():
    model, rng = Same(np.array([0.2, 0.4, 0.1, 0.3])), np.random.default_rng(0)
    written = np.concatenate([measures.sample(model, rng, barred=[1]) for _ in range(2000)])
    assert np.bincount(written, minlength=4) / len(written) == pytest.approx([2 / 6, 0, 1 / 6, 3 / 6], abs=0.02)
    with pytest.raises(ValueError, match=r"barred: expected a token with a probability to be left over, got \(0, 1\)"):
        measures.sample(Same(np.array([0.5, 0.5])), rng, barred=[0, 1])


def test_a_sample_depends_only_on_the_generator_it_is_given():
    model = Same(np.full(9, 1 / 9))
    first, second = (measures.sample(model, np.random.default_rng(3)) for _ in range(2))
    assert first.tolist() == second.tolist()


def brute_force(reference, hypothesis):
    """Fewest edits, by trying all three last edits at every place."""

    @cache
    def edits(i, j):
        if i == 0 or j == 0:
            return i + j
        replaced = edits(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1])
        return min(replaced, edits(i - 1, j) + 1, edits(i, j - 1) + 1)

    return edits(len(reference), len(hypothesis))


def entry_by_entry(reference, hypothesis):
    """The alignment from the whole table, one entry after another, as the course computed it before it went by rows."""
    R, H = len(reference), len(hypothesis)
    cost = np.zeros((R + 1, H + 1), np.int64)
    cost[:, 0], cost[0, :] = np.arange(R + 1), np.arange(H + 1)
    for i in range(1, R + 1):
        for j in range(1, H + 1):
            differ = reference[i - 1] != hypothesis[j - 1]
            cost[i, j] = min(cost[i - 1, j - 1] + differ, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs = []
    i, j = R, H
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return tuple(reversed(pairs))


@settings(max_examples=300)
@given(*2 * [st.lists(st.sampled_from("abcd"), min_size=1, max_size=15)])
@example(list("ab"), list("ba"))
@example(list("aabb"), list("bbaa"))
def test_of_equally_short_alignments_it_is_the_one_that_the_whole_table_gives(reference, hypothesis):
    assert align(reference, hypothesis).pairs == entry_by_entry(reference, hypothesis)
    assert align(reference, []).pairs == entry_by_entry(reference, [])


@given(some_words, words)
def test_the_alignment_has_as_few_edits_as_brute_force_finds(reference, hypothesis):
    found = align(reference, hypothesis)
    assert found.substitutions + found.deletions + found.insertions == brute_force(tuple(reference), tuple(hypothesis))


@given(some_words, words)
def test_the_alignment_holds_both_sequences_in_order(reference, hypothesis):
    found = align(reference, hypothesis)
    assert [r for r, _ in found.pairs if r is not None] == reference
    assert [h for _, h in found.pairs if h is not None] == hypothesis
    assert found.words == len(reference)


@given(some_words, some_words)
def test_swapping_the_two_swaps_deletions_and_insertions_in_number(a, b):
    there, back = align(a, b), align(b, a)
    assert there.deletions - there.insertions == back.insertions - back.deletions == len(a) - len(b)
    assert there.error_rate * len(a) == pytest.approx(back.error_rate * len(b))


@given(some_words, some_words, some_words)
def test_edits_obey_the_triangle_inequality(a, b, c):
    def edits(r, h):
        return word_error_rate(r, h) * len(r)

    assert edits(a, c) <= edits(a, b) + edits(b, c) + 1e-9


def test_only_equal_sequences_have_rate_zero():
    for a, b in product([["a"], ["a", "b"], ["b", "a"]], repeat=2):
        assert (word_error_rate(a, b) == 0) == (a == b)


def test_more_insertions_than_words_give_a_rate_above_one():
    assert word_error_rate(["yes"], "yes it is so".split()) == 3


def test_a_worked_alignment_with_one_error_of_each_kind():
    found = align("the cat sat on the mat all day".split(), "a cat sat the mat all long day".split())
    assert (found.substitutions, found.deletions, found.insertions) == (1, 1, 1)
    assert found.error_rate == 3 / 8
    assert str(found).splitlines() == [
        "reference  the cat sat on  the mat all ***  day",
        "hypothesis a   cat sat *** the mat all long day",
        "           S           D               I",
    ]


def test_among_equally_short_alignments_the_stated_one_is_taken():
    # "a" can be deleted first or last; read from the end, the match comes first
    assert align(["a", "a"], ["a"]).pairs == (("a", None), ("a", "a"))


def test_two_thousand_words_against_two_thousand_take_well_under_a_second():
    rng = np.random.default_rng(0)
    reference, hypothesis = rng.integers(0, 50, (2, 2000))
    start = time.process_time()
    found = align(reference, hypothesis)
    rate = word_error_rate(reference, hypothesis)
    assert time.process_time() - start < 1  # 0.1 s on the machine that this was written on; entry by entry 5 s
    assert rate == found.error_rate and 0.7 < rate < 1


# --- corpora ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5).filter(lambda pairs: any(r for r, _ in pairs)))
def test_the_rate_of_a_corpus_divides_all_errors_by_all_words(pairs):
    said, heard = [r for r, _ in pairs], [h for _, h in pairs]
    edits = sum(brute_force(tuple(r), tuple(h)) for r, h in pairs)
    assert word_error_rate(said, heard) == edits / sum(map(len, said))


def test_it_is_not_the_mean_of_the_sentences_rates_nor_the_rate_of_one_long_sentence():
    said, heard = ["a b c d".split(), ["x"]], ["a b c d".split(), ["y"]]
    assert word_error_rate(said, heard) == 1 / 5  # the mean of 0 and 1 is 1/2
    said, heard = [["a", "b"], ["c", "d"]], [["a"], ["b", "c", "d"]]
    assert word_error_rate(said, heard) == 2 / 4  # b was heard in the wrong sentence; in one sentence nothing is wrong
    assert word_error_rate(sum(said, []), sum(heard, [])) == 0


@given(some_words, words)
def test_a_corpus_of_one_sentence_is_that_sentence(reference, hypothesis):
    assert word_error_rate([reference], [hypothesis]) == word_error_rate(reference, hypothesis)


def test_a_corpus_comes_in_many_forms():
    said, heard = [["a", "b"], ["c"]], [["a"], ["c"]]
    for form in (tuple, np.array, iter, lambda words: (w for w in words)):
        assert word_error_rate([form(s) for s in said], (form(s) for s in heard)) == 1 / 3
    tokens = np.array([[1, 200], [3, 4]], np.uint8)
    assert word_error_rate(tokens, tokens.astype(np.int64)) == 0
    assert word_error_rate(tokens[0], [1, 3]) == word_error_rate(torch.tensor([1, 2]), [1, 3]) == 1 / 2
    assert align(np.array(["a", "b"]), ["a"]).pairs == (("a", "a"), ("b", None))
    assert word_error_rate(list("a b"), list("acb")) == 1 / 3  # letters, of which one is a space


def test_in_a_corpus_a_sentence_may_be_empty():
    assert word_error_rate([["a", "b"], []], [[], ["c"]]) == 3 / 2


SPLIT = "expected a sequence of words, got one string; split it: 'the cat'"
SPACES = "expected words without spaces, got 'the cat'; pass s.split"


@pytest.mark.parametrize(
    ("reference", "hypothesis", "message"),
    [
        ("the cat", ["the"], f"reference: {SPLIT}"),
        (["the"], "the cat", f"hypothesis: {SPLIT}"),
        (["the cat"], ["the cat"], f"reference: {SPACES}"),
        (["the"], ["the cat"], f"hypothesis: {SPACES}"),
        ([["the", "cat"]], ["the cat"], rf"hypothesis\[0\]: {SPLIT}"),
        (["the", "cat"], [["the"], ["cat"]], r"reference\[0\]: expected a sequence of words, got one string"),
        ([["the cat"]], [["the", "cat"]], rf"reference\[0\]: {SPACES}"),
        (["cat "], ["cat"], "reference: expected words without spaces, got 'cat '"),
        ([""], ["cat"], "reference: expected words without spaces, got ''"),
        ([b"cat"], ["cat"], "reference: expected words or token numbers, got b'cat'"),
        (b"cat", ["cat"], "reference: expected a sequence of words, got one string"),
        ({"cat", "the"}, ["cat", "the"], "reference: expected a sequence of words, got {'cat', 'the'}"),
        (["cat"], {"cat": 1}, "hypothesis: expected a sequence of words, got {'cat': 1}"),
        ([["cat"]], [{"cat"}], r"hypothesis\[0\]: expected a sequence of words, got {'cat'}"),
        (["cat"], None, "hypothesis: expected a sequence of words, got None"),
        (np.ma.array([1, 2], mask=[0, 1]), [1, 2], "reference: expected an array without a mask"),
        (np.array(3), [3], "reference: expected a sequence of words, got 3"),
        (np.array([b"cat"]), ["cat"], "reference: expected words or token numbers, got b'cat'"),
        ([np.nan], ["cat"], "reference: expected words or token numbers, got nan"),
        ([1.0], [1], "reference: expected words or token numbers, got 1.0"),
        ([True], [1], "reference: expected words or token numbers, got True"),
        ([["a"], ["b"]], [["a"]], "hypothesis: expected as many sentences as the reference, 2, got 1"),
        ([], [], "reference: expected at least one word, got none"),
        ([], [["a"]], "hypothesis: expected as many sentences as the reference, 0, got 1"),
        ([["a"]], [], "hypothesis: expected as many sentences as the reference, 1, got 0"),
        ([[], []], [["a"], []], "reference: expected at least one word, got none"),
    ],
)
def test_what_may_be_a_sentence_or_a_corpus_is_refused(reference, hypothesis, message):
    with pytest.raises(ValueError, match=message):
        word_error_rate(reference, hypothesis)


def test_an_alignment_is_of_one_sentence():
    with pytest.raises(ValueError, match=r"reference: expected words or token numbers, got \['a', 'b'\]"):
        align([["a", "b"]], [["a"]])
    with pytest.raises(ValueError, match=f"hypothesis: {SPACES}"):
        align(["the", "cat"], ["the cat"])


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: align([], ["a"]), "reference: expected at least one word, got none"),
        (lambda: align([None, "a"], ["a"]), "reference: expected words, got None"),
        (lambda: align("a b", ["a"]), "reference: expected a sequence of words, got one string"),
        (lambda: align(["a"], "a"), "hypothesis: expected a sequence of words, got one string"),
        (lambda: sharpen([0.5, 0.6], 1), "probabilities: expected entries that sum to 1"),
        (
            lambda: sharpen([[0.5, 0.5], [0.5, 0.6]], 1),
            "probabilities: expected entries that sum to 1 .*, got a sum of 1",
        ),
        (lambda: sharpen(1.0, 1), r"probabilities: expected shape \(V,\), got \(\)"),
        (lambda: sharpen([1.5, -0.5], 1), "probabilities: expected probabilities, got -0.5"),
        (lambda: sharpen([0.5, np.nan], 1), "probabilities: expected finite numbers, got nan"),
        (lambda: sharpen([0.5, 0.5], -1), "temperature: expected a number of at least 0, got -1"),
        (lambda: measures.entropy([0.5, 0.6]), "probabilities: expected entries that sum to 1"),
        (lambda: measures.perplexity_of([]), "probabilities: expected at least one"),
        (lambda: measures.perplexity_of([0.5, 1.5]), "probabilities: expected numbers from 0 to 1, got 1.5"),
        (lambda: measures.sample(Same(np.ones(1)), np.random.default_rng(0), most=0), "most: expected a whole number"),
        (
            lambda: measures.bits_per_character(Same(np.ones(1)), [np.array([0])], characters=0),
            "characters: expected a whole number of at least 1",
        ),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@dataclass(frozen=True)
class Alternating:
    """After 1 comes 2 with probability 0.8, after anything else 1; otherwise the other one; never `<EOS>`."""

    vocabulary_size: int = 3

    def log_probabilities(self, sequences):
        raise NotImplementedError

    def distribution(self, context):
        likely = 2 if len(context) and context[-1] == 1 else 1
        p = np.full(3, 0.2)
        p[[0, likely]] = 0, 0.8
        return p


def test_sampling_reads_what_it_wrote_and_heeds_the_temperature():
    greedy = sample(Alternating(), np.random.default_rng(0), temperature=0, most=6)
    assert greedy.tolist() == [1, 2, 1, 2, 1, 2]
    drawn = sample(Alternating(), np.random.default_rng(0), temperature=1, most=400)
    expected = np.where(np.r_[0, drawn[:-1]] == 1, 2, 1)
    assert 0.7 < (drawn == expected).mean() < 0.9


def test_sampling_refuses_a_model_whose_probabilities_do_not_sum_to_one():
    class Broken(Alternating):
        def distribution(self, context):
            return np.array([0.5, 0.6, 0.0])

    with pytest.raises(ValueError, match="distribution: expected entries that sum to 1"):
        sample(Broken(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="barred: expected token numbers from 0 to 2, got 9"):
        sample(Alternating(), np.random.default_rng(0), barred=[9])


def test_between_equal_alignments_a_deletion_comes_before_an_insertion():
    pairs = align(list("aba"), list("bab")).pairs
    assert pairs == ((None, "b"), ("a", "a"), ("b", "b"), ("a", None))
