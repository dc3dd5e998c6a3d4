"""Words and labels as numbers come from training text alone, and scores count what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.applications.corpora import Classified, Labelled, two_readings
from companion.applications.labelling import (
    TagScores,
    classes,
    commonest,
    labels_of_words,
    tag_scores,
    words_of,
)
from companion.applications.spans import Scores, from_iob
from companion.applications.words import SHAPE, WORD

TRAINING = (
    Labelled(("The", "cat", "sat"), ("D", "N", "V")),
    Labelled(("the", "cat", "saw", "a", "cat"), ("D", "N", "V", "D", "N")),
)
NEW = Labelled(("The", "dog", "saw", "a", "cat"), ("D", "N", "N", "D", "N"))


def test_words_that_are_seen_twice_have_numbers_and_labels_are_in_the_alphabets_order():
    codebook = labels_of_words(TRAINING)
    assert codebook.labels == ("D", "N", "V")
    assert codebook.numbering.vocabularies[0].tokens == ("<EOS>", "<UNK>", "cat", "the")
    (example,) = codebook.examples([NEW])
    np.testing.assert_array_equal(example.words[:, 0], [3, 1, 1, 1, 2])
    np.testing.assert_array_equal(example.target, [0, 1, 1, 0, 1])


def test_a_sentence_has_one_class():
    codebook = classes((Classified(("good", "film"), "good"), Classified(("bad", "film"), "bad")), least=1)
    examples = codebook.examples([Classified(("a", "bad", "film"), "bad")])
    assert codebook.labels == ("bad", "good") and examples[0].target == 0 and examples[0].target.shape == ()
    assert codebook.named([np.int64(1), np.int64(0)]) == [("good",), ("bad",)]


def test_several_features_and_another_least():
    codebook = labels_of_words(TRAINING, (WORD, SHAPE), least=1)
    assert codebook.numbering.sizes == {"word": 7, "shape": 4}  # with <EOS> and <UNK>: the cat sat saw a; Xx x


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_numbers_become_the_labels_that_they_came_from(numbers):
    codebook = labels_of_words(TRAINING)
    labels = tuple(codebook.labels[n] for n in numbers)
    (example,) = codebook.examples([Labelled(("cat",) * len(numbers), labels)])
    assert codebook.named([example.target]) == [labels]


def test_a_label_that_training_text_does_not_hold_is_refused():
    with pytest.raises(ValueError, match="^label: expected one of D, N, V, got 'X'"):
        labels_of_words(TRAINING).examples([Labelled(("cat",), ("X",))])


def test_the_commonest_label_is_that_of_the_word_in_any_case_and_else_of_all():
    guess = commonest(TRAINING)
    assert [guess(word) for word in ("THE", "saw", "Dog")] == ["D", "V", "D"]  # D and N three times each: the first
    with pytest.raises(ValueError, match="^training: expected at least one sentence, got none"):
        commonest(())


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("XYZ")), min_size=1, max_size=12))
def test_the_commonest_label_is_had_by_counting(pairs):
    words, labels = zip(*pairs, strict=True)
    guess = commonest([Labelled(words, labels)])

    def most(counted):
        return min(set(counted), key=lambda label: (-counted.count(label), label))

    for word in "abc":  # c was never seen
        assert guess(word) == most([label for w, label in pairs if w == word] or list(labels))


def test_scores_by_hand():
    found = [("D", "N", "V", "D", "N")]
    scores = tag_scores([NEW], found, words_of(TRAINING))
    assert scores == TagScores(4 / 5, 1.0, Scores(3, 5, 4), 0.0)  # dog saw is one span
    assert tag_scores([NEW], [NEW.labels], words_of([])).unseen == 1.0
    assert tag_scores([NEW], [NEW.labels], words_of([NEW])).unseen == 0.0  # none is unseen
    assert tag_scores([NEW, NEW], [NEW.labels, *found], words_of(TRAINING)).sentences == 0.5


def test_spans_are_those_of_the_given_reading():
    sentence = Labelled(("a", "b"), ("B-X", "B-X"))
    assert tag_scores([sentence], [sentence.labels], words_of([])).spans == Scores(1, 1, 1)  # one run
    assert tag_scores([sentence], [sentence.labels], words_of([]), from_iob).spans == Scores(2, 2, 2)


def test_other_numbers_of_sentences_or_labels_are_refused():
    for wanted, found, match in (
        ([NEW], [], "^found: expected labels of 1 sentences, at least one, got 0"),
        ([], [], "^found: expected labels of 0 sentences, at least one, got 0"),
        ([NEW], [("D",)], "^found: expected 5 labels for .*, got 1"),
    ):
        with pytest.raises(ValueError, match=match):
            tag_scores(wanted, found, words_of(TRAINING))


def test_the_sentences_of_two_readings_are_what_the_chapter_says():
    sentences = two_readings()
    readings: dict[str, set[str]] = {}
    for sentence in sentences:
        for word, label in zip(sentence.words, sentence.labels, strict=True):
            readings.setdefault(word, set()).add(label)
    assert (len(sentences), len(readings)) == (72, 65) and len({s.words for s in sentences}) == 71
    assert sum(len(labels) > 1 for labels in readings.values()) == 20
    assert set().union(*readings.values()) == {"PRON", "AUX", "VERB", "NOUN", "DET", "ADJ", "ADV", "ADP", "PART"}
