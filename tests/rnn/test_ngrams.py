"""n-gram models: counts against counting by hand, and what holds for every language model."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion.rnn.measures import cross_entropy, perplexity
from companion.rnn.ngrams import AddK, Interpolated, MaximumLikelihood, add_k, count, interpolate

V = 4
sequences = st.lists(
    st.lists(st.integers(1, V - 1), max_size=6).map(lambda tokens: np.array([*tokens, 0])), min_size=1, max_size=6
)
orders = st.integers(1, 4)
contexts = st.lists(st.integers(0, V - 1), max_size=5)


def models(counts):
    lambdas = tuple(0.2 + 0.15 * m for m in range(counts.order))
    return [MaximumLikelihood(counts), AddK(counts, 0.3), Interpolated(counts, lambdas)]


def by_hand(texts, m):
    found = Counter()
    for text in texts:
        padded = [0] * (m - 1) + [int(token) for token in text]
        found.update(tuple(padded[i : i + m]) for i in range(len(padded) - m + 1))
    return found


@given(sequences, orders)
def test_counts_are_those_of_counting_by_hand(texts, n):
    counts = count(texts, n, V)
    for m in range(1, n + 1):
        hand = by_hand(texts, m)
        for gram in product(range(V), repeat=m):
            key = sum(token * V**place for place, token in enumerate(reversed(gram)))
            assert counts.of_grams(m, np.array(key)) == hand[gram]
            total = sum(times for other, times in hand.items() if other[:-1] == gram[:-1])
            assert counts.of_contexts(m, np.array(key // V)) == total
            assert counts.continuations(m, key // V).sum() == total


@given(sequences, orders, contexts)
def test_every_distribution_sums_to_one_for_seen_and_unseen_contexts(texts, n, context):
    for model in models(count(texts, n, V)):
        p = model.distribution(context)
        assert p.shape == (V,)
        assert (p >= 0).all()
        assert p.sum() == pytest.approx(1, abs=1e-12)


@given(sequences, sequences, orders)
def test_the_chain_rule_multiplies_the_distributions_along_the_sequence(texts, others, n):
    for model in models(count(texts, n, V)):
        for sequence, logarithms in zip(others, model.log_probabilities(others), strict=True):
            assert len(logarithms) == len(sequence)
            for t, token in enumerate(sequence):
                assert np.exp(logarithms[t]) == pytest.approx(model.distribution(sequence[:t])[token], abs=1e-12)


@settings(max_examples=20)
@given(sequences, st.integers(1, 3))
def test_all_sequences_together_have_probability_one(texts, n):
    longest = 4
    for model in models(count(texts, n, V)):
        ended = running = 0.0
        for T in range(longest):
            short = [np.array([*tokens, 0]) for tokens in product(range(1, V), repeat=T)]
            ended += sum(np.exp(row.sum()) for row in model.log_probabilities(short))
        # and those that go on: all beginnings of `longest` tokens without an end
        beginnings = [np.array([*tokens, 0]) for tokens in product(range(1, V), repeat=longest)]
        running = sum(np.exp(row[:-1].sum()) for row in model.log_probabilities(beginnings))
        assert ended + running == pytest.approx(1, abs=1e-9)


@given(sequences, orders, st.floats(0.01, 10), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_nothing_fits_the_training_text_better_than_relative_frequencies(texts, n, k, lambdas):
    counts = count(texts, n, V)
    best = perplexity(MaximumLikelihood(counts), texts)
    assert best <= perplexity(AddK(counts, k), texts) * (1 + 1e-12)
    assert best <= perplexity(Interpolated(counts, tuple(lambdas[:n])), texts) * (1 + 1e-12)


@given(sequences)
def test_a_longer_context_never_fits_the_training_text_worse(texts):
    scores = [perplexity(MaximumLikelihood(count(texts, n, V)), texts) for n in range(1, 5)]
    assert all(longer <= shorter * (1 + 1e-12) for shorter, longer in zip(scores, scores[1:], strict=False))


def test_an_unseen_ngram_costs_relative_frequencies_everything_and_smoothing_only_something():
    counts = count([np.array([1, 2, 0])], 2, V)
    ml, added, mixed = models(counts)
    unseen = [np.array([1, 1, 0])]
    assert perplexity(ml, unseen) == np.inf
    assert perplexity(added, unseen) < np.inf
    assert perplexity(mixed, unseen) < np.inf


def test_a_context_never_seen_is_uniform_without_smoothing_and_backs_off_with_it():
    counts = count([np.array([1, 2, 0])], 2, V)
    ml, added, mixed = models(counts)
    assert ml.distribution([3]) == pytest.approx(np.full(V, 1 / V))
    assert added.distribution([3]) == pytest.approx(np.full(V, 1 / V))
    unigram = Interpolated(count([np.array([1, 2, 0])], 1, V), mixed.lambdas[:1])
    assert mixed.distribution([3]) == pytest.approx(unigram.distribution([3]))


def test_a_bigram_worked_by_hand():
    # "a b", "a c", "b": after a came b once and c once; two of three sequences began with a
    texts = [np.array([1, 2, 0]), np.array([1, 3, 0]), np.array([2, 0])]
    model = MaximumLikelihood(count(texts, 2, V))
    assert model.distribution([1]) == pytest.approx([0, 0, 0.5, 0.5])
    assert model.distribution([]) == pytest.approx([0, 2 / 3, 1 / 3, 0])
    assert AddK(model.counts, 1).distribution([1]) == pytest.approx([1 / 6, 1 / 6, 2 / 6, 2 / 6])


@settings(max_examples=30)
@given(sequences, sequences, st.integers(1, 3))
@example([np.array([0]), np.array([0]), np.array([2, 1, 1, 2, 0])], [np.array([0]), np.array([2, 2, 0])], 2)  # λ_1 → 1
def test_the_chosen_weights_beat_a_grid_of_others_on_the_development_text(texts, development, n):
    counts = count(texts, n, V)
    chosen = cross_entropy(interpolate(counts, development, rounds=300), development)
    grid = [cross_entropy(Interpolated(counts, lambdas), development) for lambdas in product((0.1, 0.5, 0.9), repeat=n)]
    assert chosen <= min(grid) + 1e-3


@given(sequences, sequences, orders)
def test_the_chosen_k_is_the_best_of_its_candidates_on_the_development_text(texts, development, n):
    counts, candidates = count(texts, n, V), (0.01, 0.1, 1, 10)
    chosen = add_k(counts, development, candidates)
    assert chosen.k in candidates
    assert all(
        cross_entropy(chosen, development) <= cross_entropy(AddK(counts, k), development) + 1e-12 for k in candidates
    )


@given(sequences, sequences, orders)
def test_every_round_makes_the_development_text_more_probable(texts, development, n):
    counts = count(texts, n, V)
    scores = [cross_entropy(interpolate(counts, development, rounds), development) for rounds in (1, 2, 5, 20)]
    assert all(later <= earlier + 1e-9 for earlier, later in zip(scores, scores[1:], strict=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count([], 2, V), "sequences: expected at least one sequence, got none"),
        (lambda: count([np.array([1, 2])], 2, V), r"sequences\[0\]: expected <EOS> .* as its last token, got 2"),
        (lambda: count([np.zeros(0, int)], 2, V), r"sequences\[0\]: expected at least one entry"),
        (lambda: count([np.array([4, 0])], 2, V), r"sequences\[0\]: expected token numbers from 0 to 3, got 4"),
        (lambda: count([np.array([0.5, 0])], 2, V), r"sequences\[0\]: expected integers, got dtype float64"),
        (lambda: count([np.array([0])], 0, V), "order: expected a whole number of at least 1"),
        (lambda: count([np.array([0])], 6, 2000), r"order: expected .* V\*\*n < 2\*\*63, got 6-grams over 2000 tokens"),
        (lambda: AddK(count([np.array([0])], 1, V), 0), "k: expected a positive number, got 0"),
        (lambda: Interpolated(count([np.array([0])], 2, V), (0.5,)), r"lambdas: expected shape \(2,\), got \(1,\)"),
        (lambda: Interpolated(count([np.array([0])], 1, V), (1.5,)), "lambdas: expected numbers from 0 to 1"),
        (lambda: MaximumLikelihood(count([np.array([0])], 2, V)).distribution([4]), "context: expected token numbers"),
        (
            lambda: MaximumLikelihood(count([np.array([0])], 2, V)).log_probabilities([np.array([9, 0])]),
            r"sequences\[0\]: expected token numbers from 0 to 3, got 9",
        ),
        (lambda: add_k(count([np.array([0])], 1, V), [np.array([0])], []), "candidates: expected at least one number"),
        (lambda: add_k(count([np.array([0])], 1, V), [np.array([0])], [-1]), "k: expected a positive number, got -1"),
        (lambda: interpolate(count([np.array([0])], 2, V), []), "development: expected at least one sequence"),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_text_may_come_as_iterators_of_sequences():
    texts = [np.array([1, 2, 0]), np.array([3, 0], np.uint8), [1, 0]]
    model = MaximumLikelihood(count(iter(texts), 2, V))
    for ours, theirs in zip(model.log_probabilities(iter(texts)), model.log_probabilities(texts), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert add_k(model.counts, iter(texts), iter([0.1, 1])) == add_k(model.counts, texts, [0.1, 1])


def test_unsigned_and_signed_sequences_stand_side_by_side():
    """Concatenated as they are, NumPy would make them floats."""
    mixed = count([np.array([1, 0], np.uint64), np.array([2, 0], np.int64)], 2, V)
    alike = count([np.array([1, 0]), np.array([2, 0])], 2, V)
    for m in (1, 2):
        np.testing.assert_array_equal(mixed.grams[m - 1], alike.grams[m - 1])
        np.testing.assert_array_equal(mixed.times[m - 1], alike.times[m - 1])


COUNTED = count([np.array([1, 2, 0])], 2, V)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: COUNTED.of_grams(0, np.array(1)), "m: expected a whole number of at least 1, got 0"),
        (lambda: COUNTED.of_grams(np.uint8(0), np.array(1)), "m: expected a whole number of at least 1"),
        (lambda: COUNTED.of_contexts(3, np.array(1)), "m: expected a length from 1 to 2, got 3"),
        (lambda: COUNTED.of_grams(2, np.array(1.5)), "keys: expected integers, got dtype float64"),
        (lambda: COUNTED.continuations(2, V), "context: expected the key of 1 tokens, below 4, got 4"),
        (lambda: COUNTED.continuations(1, 1), "context: expected the key of 0 tokens, below 1, got 1"),
        (lambda: COUNTED.continuations(2, -1), "context: expected a whole number of at least 0, got -1"),
        (lambda: count("120", 2, V), "sequences: expected sequences of token numbers, in their order, got '120'"),
        (
            lambda: count({(1, 0)}, 2, V),
            r"sequences: expected sequences of token numbers, in their order, got {\(1, 0\)}",
        ),
        (lambda: count(None, 2, V), "sequences: expected sequences of token numbers, in their order, got None"),
        (lambda: count(np.array([1, 2, 0]), 2, V), r"sequences\[0\]: expected shape \(T,\), got \(\)"),
        (
            lambda: count([[1, 0], [V, 0]], 2, V),
            r"sequences\[1\]: expected token numbers from 0 to 3, got 4 at index \(0,\)",
        ),
        (lambda: AddK(COUNTED, np.nan), "k: expected a finite number, got nan"),
        (lambda: add_k(COUNTED, [[0]], "12"), "k: expected a number, got '1'"),
        (lambda: Interpolated(COUNTED, (0.5, np.nan)), "lambdas: expected finite numbers, got nan"),
        (
            lambda: Interpolated(COUNTED, (w for w in (0.5, 0.5))),
            "lambdas: expected an array or a list, got a generator",
        ),
    ],
)
def test_what_would_count_something_else_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
