"""The made-up language: every sentence is as its grammar says, and what is said to be exact is exact."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import MANY_TO_MANY, Elman, initial_weights
from companion.gates import agreement as task
from companion.gates.agreement import VERBS, VOCABULARY, Agreement, accuracy, beginnings, whole
from companion.rnn.language_model import RecurrentLanguageModel, shapes
from companion.rnn.ngrams import AddK, count, interpolate

seeds = st.integers(0, 2**32 - 1)
distances = st.integers(0, 30)
PLURALS = set(task.NOUNS[1::2])


def words_of(column):
    return VOCABULARY.decode(column)


def parsed(words):
    """The grammar written a second time, as a reader of words: (subject, attractors, length of the adverbial)."""
    assert words[0] == "the" and words[1] in task.NOUNS
    at, attractors, rest = 2, [], words[2:]
    while at < len(words) and words[at] in (*task.PREPOSITIONS, "that"):
        if words[at] == "that":
            at += 1
            assert words[at] in task.CLAUSE_VERBS
        assert words[at + 1] == "the" and words[at + 2] in task.NOUNS
        attractors.append(words[at + 2])
        at += 3
    rest = words[at:]
    assert not rest or rest in task.ADVERBIALS
    return words[1], attractors, len(rest)


@given(k=distances, seed=seeds, size=st.integers(1, 8))
def test_a_sentence_has_k_words_between_its_subject_and_the_verb_of_its_number(k, seed, size):
    x, verbs = beginnings(np.random.default_rng(seed), k, size)
    assert x.shape == (2 + k, size) and verbs.shape == (size,)
    for column, verb in zip(whole(x, verbs).T, verbs, strict=True):
        *words, last, end = words_of(column)
        subject, attractors, left = parsed(tuple(words))
        assert last == VERBS[verb] == ("were" if subject in PLURALS else "was") and end == "<EOS>"
        assert left <= 2 and len(attractors) >= (k - 2) / 4


def test_nothing_but_the_subject_tells_the_verb():
    """Every other word is as frequent before was as before were, and so is every noun in the last place."""
    x, verbs = beginnings(np.random.default_rng(0), 7, 40_000)
    for row in (*x[:1], *x[2:]):
        was, were = (np.bincount(row[verbs == verb], minlength=len(VOCABULARY)) for verb in (0, 1))
        difference = np.abs(was / was.sum() - were / were.sum())
        assert difference.max() < 0.02  # four standard errors at most
    assert verbs.mean() == pytest.approx(0.5, abs=0.01)


@given(least=st.integers(0, 4), more=st.integers(0, 5), sentences=st.integers(1, 3), seed=seeds)
def test_a_batch_is_a_text_and_its_inputs_are_the_words_before(least, more, sentences, seed):
    x, targets = Agreement(least, least + more, sentences).batch(np.random.default_rng(seed), 3)
    assert x.shape == targets.shape and Agreement.arity == MANY_TO_MANY
    assert (x[0] == 0).all() and np.array_equal(x[1:], targets[:-1])
    for column in targets.T:
        text = " ".join(words_of(column)).split(" <EOS>")
        assert text.pop() == "" and len(text) == sentences
        for sentence in text:
            words = tuple(sentence.split())
            subject, _, _ = parsed(words[:-1])
            assert least <= len(words) - 3 <= least + more and words[-1] == VERBS[subject in PLURALS]


def test_all_distances_and_all_words_are_drawn():
    rng = np.random.default_rng(0)
    batches = [Agreement(2, 5, 1).batch(rng, 20)[1] for _ in range(200)]
    assert {len(targets) - 4 for targets in batches} == {2, 3, 4, 5}
    assert set(np.unique(np.concatenate([t.ravel() for t in batches]))) == set(range(len(VOCABULARY)))


@given(k=distances, sentences=st.integers(1, 3), seed=seeds)
def test_questions_come_in_twins_that_differ_in_the_last_subjects_number_only(k, sentences, seed):
    texts, verbs = Agreement(0, 5, sentences).questions(np.random.default_rng(seed), k, 4)
    assert texts.shape[1] == 8 and verbs.shape == (8,)
    one, twin = texts[:, ::2], texts[:, 1::2]
    subject = len(texts) - k - 1
    assert np.array_equal(np.delete(one, subject, axis=0), np.delete(twin, subject, axis=0))
    assert (verbs[::2] + verbs[1::2] == 1).all() and ((texts == 0).sum(axis=0) == sentences - 1).all()
    for column, verb in zip(texts.T, verbs, strict=True):
        noun, _, _ = parsed(words_of(column)[subject - 1 :])
        assert VERBS[verb] == ("were" if noun in PLURALS else "was")
    for a, b in zip(one[subject], twin[subject], strict=True):
        assert abs(task.NOUNS.index(VOCABULARY.tokens[a]) - task.NOUNS.index(VOCABULARY.tokens[b])) == 1


@dataclass(frozen=True)
class Reader:
    """A language model that finds a noun in a beginning and believes it (or says the opposite)."""

    noun: int  # which of the nouns: 0 for the subject, −1 for the last
    errs: bool = False
    vocabulary_size: int = len(VOCABULARY)

    def log_probabilities(self, sequences):
        found = []
        for sequence in sequences:
            nouns = [word for word in words_of(sequence[:-2]) if word in task.NOUNS]
            agrees = (words_of(sequence)[-2] == "were") == (nouns[self.noun] in PLURALS)
            found.append(np.log(np.full(len(sequence), 0.6 if agrees != self.errs else 0.4)))
        return found


@pytest.mark.parametrize("k", [0, 2, 3, 9])
def test_knowing_the_subject_is_right_always_and_mistaking_it_never(k):
    questions = Agreement(0, 5, 1).questions(np.random.default_rng(0), k, 50)
    assert accuracy(Reader(0), *questions) == 1
    assert accuracy(Reader(0, errs=True), *questions) == 0
    assert accuracy(Reader(-1), *questions) == task.last_noun_accuracy(k)


@pytest.mark.parametrize("n", [2, 3, 5, 6])
@pytest.mark.parametrize("make", [lambda c: interpolate(c, text(1, 20)), lambda c: AddK(c, 0.1)], ids=["mixed", "add"])
def test_an_ngram_is_at_chance_as_soon_as_the_subject_leaves_its_window(make, n):
    model = make(count(text(0, 300), n, len(VOCABULARY)))
    for k in range(10):
        share = accuracy(model, *Agreement(0, 8, 1).questions(np.random.default_rng(2), k, 50))
        if k + 1 > n - 1:  # the subject is k + 1 tokens back, and n − 1 are seen
            assert share == 0.5
        elif k <= 2:  # with more words between, a window is seen too seldom for counts to tell
            assert share > 0.9


def text(seed, batches):
    rng = np.random.default_rng(seed)
    return [s for _ in range(batches) for s in whole(*beginnings(rng, int(rng.integers(0, 9)), 20)).T]


def test_a_recurrent_model_is_asked_in_the_same_way():
    cell = Elman(len(VOCABULARY), 4)
    model = RecurrentLanguageModel(cell, initial_weights(shapes(cell), np.random.default_rng(0), 0.5))
    texts, verbs = Agreement(0, 3).questions(np.random.default_rng(1), 4, 10)
    numbers = [VOCABULARY.number(verb) for verb in VERBS]
    said = [model.distribution(column)[numbers].argmax() for column in texts.T]
    assert accuracy(model, texts, verbs) == np.mean(np.array(said) == verbs)


@given(k=st.integers(0, 40))
def test_patterns_are_probabilities_and_fill_k_words(k):
    found = task.patterns(k)
    assert sum(found.values()) == 1
    assert all(3 * short + 4 * clauses + left == k and left <= 2 for short, clauses, left in found)
    assert task.word_counts(k).sum() == pytest.approx(k + 4, abs=1e-12)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4, 5, 8, 12])
def test_patterns_word_counts_and_baseline_accuracies_by_drawing(k):
    size = 20_000
    x, verbs = beginnings(np.random.default_rng(k), k, size)
    read = [parsed(words_of(column)) for column in x.T]
    m = np.array([len(attractors) for _, attractors, _ in read])
    for number in range(k // 3 + 2):
        exact = sum((p for (a, b, _), p in task.patterns(k).items() if a + b == number), Fraction(0))
        assert (m == number).mean() == pytest.approx(float(exact), abs=0.016)  # 4.5 standard errors of 1/2
    drawn = np.bincount(whole(x, verbs).ravel(), minlength=len(VOCABULARY)) / size
    np.testing.assert_allclose(drawn, task.word_counts(k), atol=0.03)
    plural = [[noun in PLURALS for noun in (subject, *attractors)] for subject, attractors, _ in read]
    last = np.mean([nouns[-1] == nouns[0] for nouns in plural])
    share = np.array([np.mean(nouns) for nouns in plural])
    majority = np.where(share == 0.5, 0.5, (share > 0.5) == verbs).mean()
    assert last == pytest.approx(float(task.last_noun_accuracy(k)), abs=0.016)
    assert majority == pytest.approx(float(task.majority_accuracy(k)), abs=0.016)


def test_the_accuracies_of_the_two_rules_in_small_cases():
    assert [task.last_noun_accuracy(k) for k in (0, 1, 2, 3, 20)] == [1, 1, 1, Fraction(1, 2), Fraction(1, 2)]
    assert task.majority_accuracy(2) == 1
    assert task.majority_accuracy(3) == Fraction(3, 4)  # one attractor: it agrees, or a coin is tossed
    assert task.majority_accuracy(6) == Fraction(3, 4)  # two (or one and an adverbial): not both disagree


@settings(max_examples=5)
@given(seed=seeds)
def test_the_baseline_is_the_entropy_of_the_words_frequencies(seed):
    agreement = Agreement(0, 6, 1)
    rng = np.random.default_rng(seed)
    tokens = np.concatenate([agreement.batch(rng, 5)[1].ravel() for _ in range(1500)])
    q = np.bincount(tokens, minlength=len(VOCABULARY)) / len(tokens)
    assert -(q * np.log(q)).sum() == pytest.approx(agreement.baseline, abs=0.02)
    logits = np.broadcast_to(np.log(q), (len(tokens), len(q)))
    assert agreement.loss(logits, tokens)[0] / len(tokens) == pytest.approx(agreement.baseline, abs=0.02)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="least: expected a whole number of at least 0, got -1"):
        Agreement(-1, 3)
    with pytest.raises(ValueError, match="most: expected a whole number of at least 4, got 3"):
        Agreement(4, 3)
    with pytest.raises(ValueError, match="sentences: expected a whole number of at least 1, got 0"):
        Agreement(0, 3, 0)
    with pytest.raises(ValueError, match="size: expected a whole number of at least 1, got 0"):
        Agreement(0, 3).batch(np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match="k: expected a whole number of at least 0, got -1"):
        Agreement(0, 3).questions(np.random.default_rng(0), -1, 5)
    with pytest.raises(ValueError, match="k: expected a whole number of at least 0, got -1"):
        task.last_noun_accuracy(-1)
    with pytest.raises(ValueError, match="pairs: expected a whole number of at least 1, got 0"):
        Agreement(0, 3).questions(np.random.default_rng(0), 1, 0)


def test_verbs_are_numbers_and_no_mask():
    """As booleans they would choose from the verbs instead of naming them."""
    x, verbs = beginnings(np.random.default_rng(0), 3, 2)
    with pytest.raises(ValueError, match=r"verbs: expected integers \(token numbers\), got dtype bool"):
        whole(x, np.array([True, True]))
    with pytest.raises(ValueError, match="verbs: expected token numbers from 0 to 1, got -1"):
        whole(x, verbs - 1 - verbs)
    with pytest.raises(ValueError, match=r"verbs: expected shape \(2,\), got \(1,\)"):
        whole(x, verbs[:1])
    with pytest.raises(ValueError, match=f"model: expected one of {len(VOCABULARY)} tokens, got one of 3"):
        accuracy(Reader(0, vocabulary_size=3), x, verbs)


def test_changing_what_patterns_gave_changes_nothing():
    expected = task.word_counts(7)
    task.patterns(7).clear()
    np.testing.assert_array_equal(task.word_counts(7), expected)
