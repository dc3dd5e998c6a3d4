"""Prompts for subject–verb agreement: a model that cannot see the subject is right on exactly half of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from companion.rnn import agreement_in_text
from companion.rnn.agreement_in_text import BETWEEN, accuracy, prompts, sensitivity
from companion.rnn.ngrams import AddK, count
from companion.rnn.vocabulary import EOS, UNK, Vocabulary

EVERY_WORD = sorted({word for k in BETWEEN for p in prompts(k) for word in (*p.words, p.right, p.wrong)})
VOCABULARY = Vocabulary((EOS, UNK, *EVERY_WORD))


@dataclass(frozen=True)
class Grammarian:
    """Knows every subject's number, however far back it stands; or the opposite of it."""

    errs: bool

    def distribution(self, context):
        plural = VOCABULARY.tokens[context[1]] in agreement_in_text.SUBJECTS[1::2]
        p = np.full(len(VOCABULARY), 0.5 / len(VOCABULARY))
        for one, many in agreement_in_text.VERBS:
            p[VOCABULARY.number(many if plural != self.errs else one)] += 0.5 / len(agreement_in_text.VERBS)
        return p


@pytest.mark.parametrize("k", BETWEEN)
def test_k_words_stand_between_subject_and_verb(k):
    assert {len(p.words) for p in prompts(k)} == {2 + k}


@pytest.mark.parametrize("k", BETWEEN)
def test_every_prompt_has_its_twin_with_the_other_number(k):
    asked = prompts(k)
    assert len(asked) == len(set(asked))
    for one, many in zip(asked[::2], asked[1::2], strict=True):
        assert (one.right, one.wrong) == (many.wrong, many.right)
        assert one.words[2:] == many.words[2:]
        assert one.words[1] != many.words[1]


@pytest.mark.parametrize("k", BETWEEN)
def test_knowing_the_number_is_right_always_and_mistaking_it_never(k):
    assert accuracy(Grammarian(errs=False), VOCABULARY, k) == 1
    assert accuracy(Grammarian(errs=True), VOCABULARY, k) == 0
    assert sensitivity(Grammarian(errs=False), VOCABULARY, k) > 0 > sensitivity(Grammarian(errs=True), VOCABULARY, k)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_an_ngram_that_cannot_see_the_subject_is_right_on_half(n):
    rng = np.random.default_rng(0)
    text = [np.array([*rng.integers(1, len(VOCABULARY), 9), 0]) for _ in range(40)]
    text += [VOCABULARY.encode([*p.words, p.right]) for k in BETWEEN for p in prompts(k)[::3]]
    model = AddK(count(text, n, len(VOCABULARY)), 0.1)
    for k in BETWEEN:
        if k + 1 > n - 1:  # the subject is k + 1 tokens back, and n − 1 are seen
            assert accuracy(model, VOCABULARY, k) == 0.5
            assert sensitivity(model, VOCABULARY, k) == pytest.approx(0, abs=1e-12)
        else:
            assert accuracy(model, VOCABULARY, k) > 0.5


def test_bad_requests_name_the_argument():
    with pytest.raises(ValueError, match="k: expected a whole number from 0 to 6, got 7"):
        prompts(7)
    with pytest.raises(ValueError, match="vocabulary: expected the words of the prompts, got one without .*are"):
        accuracy(Grammarian(errs=False), Vocabulary((EOS, UNK, "the", "is")), 0)


@dataclass(frozen=True)
class Certain:
    """Gives all probability to one token."""

    token: str

    def distribution(self, context):
        return np.eye(len(VOCABULARY))[VOCABULARY.number(self.token)]


def test_where_both_forms_have_probability_zero_they_are_equal_and_have_no_odds():
    assert accuracy(Certain("the"), VOCABULARY, 1) == 0.5
    assert accuracy(Certain("is"), VOCABULARY, 1) == 0.5  # a third of the prompts ask for it, half of those rightly
    for token in ("the", "is"):
        with pytest.raises(ValueError, match="model: expected probabilities above 0 .*, got 0; smooth it"):
            sensitivity(Certain(token), VOCABULARY, 1)


def test_a_model_of_another_vocabulary_is_refused():
    larger = Vocabulary((*VOCABULARY.tokens, "another"))
    with pytest.raises(
        ValueError, match=rf"distribution: expected shape \({len(larger)},\), got \({len(VOCABULARY)},\)"
    ):
        accuracy(Certain("is"), larger, 1)


@pytest.mark.parametrize("k", [7, -1, 1.0, "1", True, None, [1]])
def test_the_words_between_are_a_number_from_0_to_6(k):
    with pytest.raises(ValueError, match="k: expected a whole number "):
        prompts(k)
