"""Features of words: what is read off a word, and numbers that training words alone decide."""

import copy
import pickle
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from companion.applications.words import (
    AFFIXES,
    PREFIX,
    SHAPE,
    SUFFIX,
    WORD,
    Feature,
    Numbering,
    numbering,
    shape,
)
from companion.rnn.vocabulary import EOS, UNK

words = st.text("abAB1é-'", min_size=1, max_size=5)
texts = st.lists(st.lists(words, max_size=6), min_size=1, max_size=5).filter(any)
leasts = st.integers(1, 3)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("McDonald's", "XxXx'x"),
        ("1600", "9"),
        ("12-34B", "9-9X"),
        ("N.W.", "X.X."),
        ("...", "."),
        ("Àß", "Xx"),
        ("aA1a", "xX9x"),
        ("xX9", "xX9"),
        ("", ""),
    ],
)
def test_the_shape_of_a_word(word, expected):
    assert shape(word) == expected


@given(st.text("abAB09²éÉ-'. \n", max_size=8))
def test_a_shape_has_no_two_equal_signs_side_by_side_and_is_its_own_shape_but_for_the_nine(word):
    found = shape(word)
    assert not re.search(r"(.)\1", found)
    assert shape(found) == found
    assert len(found) <= len(word)


def test_the_features_of_the_course():
    read = {feature.name: feature.of("Straße") for feature in AFFIXES}
    assert read == {"word": "straße", "prefix": "st", "suffix": "aße", "shape": "Xx"}
    assert [feature.of("I") for feature in AFFIXES] == ["i", "i", "i", "X"]
    assert AFFIXES == (WORD, PREFIX, SUFFIX, SHAPE)


@given(texts, leasts)
@example([["a", "A", "b"], ["a"]], 3)
def test_a_vocabulary_holds_what_occurs_often_enough_in_training_words(training, least):
    numbers = numbering(training, AFFIXES, least)
    for feature, vocabulary in zip(AFFIXES, numbers.vocabularies, strict=True):
        counts = Counter(feature.of(word) for sentence in training for word in sentence)
        often = sorted(text for text, count in counts.items() if count >= least)
        assert vocabulary.tokens == (EOS, UNK, *often)
        assert numbers.sizes[feature.name] == len(often) + 2
    assert list(numbers.sizes) == ["word", "prefix", "suffix", "shape"]


@given(texts, st.lists(words, min_size=1, max_size=6), leasts)
def test_a_sentence_becomes_a_row_of_numbers_a_word(training, sentence, least):
    numbers = numbering(training, AFFIXES, least)
    encoded = numbers.encode(sentence)
    assert encoded.shape == (len(sentence), 4) and encoded.dtype == np.int64
    assert encoded.min() >= 1  # 0 only fills up
    for row, word in zip(encoded, sentence, strict=True):
        for number, feature, vocabulary in zip(row, AFFIXES, numbers.vocabularies, strict=True):
            text = feature.of(word)
            assert vocabulary.tokens[number] == (text if text in vocabulary else UNK)
            assert (number == 1) == (text not in vocabulary)


@given(texts, words, leasts)
def test_a_word_has_a_number_of_its_own_if_it_occurs_often_enough(training, word, least):
    numbers = numbering(training, AFFIXES, least)
    lower = [other.lower() for sentence in training for other in sentence]
    assert (numbers.encode([word])[0, 0] != 1) == (lower.count(word.lower()) >= least)


def test_by_default_the_word_alone_is_read_and_one_that_occurs_once_is_unknown():
    numbers = numbering([["The", "cat"], ["the", "dog"]])
    assert numbers.features == (WORD,) and numbers.sizes == {"word": 3}
    assert numbers.encode(["THE", "cat", "bird"]).tolist() == [[2], [1], [1]]


def test_training_sentences_may_come_one_after_the_other():
    assert numbering(iter([("a", "a")])) == numbering([["a"], ["a"]])


@pytest.mark.parametrize("feature", [*AFFIXES, Feature("word", str.upper)], ids=lambda feature: feature.name)
def test_a_feature_is_equal_to_itself_after_a_pickle_or_a_copy(feature):
    for again in (pickle.loads(pickle.dumps(feature)), copy.copy(feature), copy.deepcopy(feature)):
        assert again == feature and again.of("Ab") == feature.of("Ab")


NUMBERS = numbering([["a", "b"]], least=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NUMBERS.encode([]), r"sentence: expected a sequence of at least one word, got \[\]"),
        (lambda: NUMBERS.encode("a b"), r"sentence: expected a sequence of at least one word, got 'a b'"),
        (lambda: NUMBERS.encode(["a", 3]), r"sentence: expected strings, got 3"),
        (lambda: NUMBERS.encode([b"a"]), r"sentence: expected strings, got b'a'"),
        (lambda: numbering([]), r"training: expected at least one word, got none"),
        (lambda: numbering([[], []]), r"training: expected at least one word, got none"),
        (lambda: numbering(["a b"]), r"training: expected sequences of words, got the string 'a b'; split it first"),
        (lambda: numbering("ab"), r"training: expected sequences of words, got the string 'a'; split it first"),
        (lambda: numbering([["a", None]]), r"training: expected strings, got None"),
        (lambda: numbering([["a"]], least=0), r"least: expected a whole number of at least 1, got 0"),
        (lambda: numbering([["a"]], features=()), r"features: expected at least one, got none"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_numbering_is_equal_to_one_of_the_same_words():
    assert numbering([["a", "b"]], AFFIXES, 1) == numbering([["b"], ["a"]], AFFIXES, 1)
    assert isinstance(NUMBERS, Numbering)
