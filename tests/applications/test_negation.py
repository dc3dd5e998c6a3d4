"""The grammar's verdicts are those that reading gives, and what is known without order is an exact share."""

from collections import Counter, defaultdict
from fractions import Fraction

import pytest

from companion.applications.corpora import BAD, GOOD, Classified
from companion.applications.negation import (
    ADJECTIVES,
    ASIDES,
    JOINS,
    NEGATIONS,
    OPENINGS,
    bag,
    bag_of_pairs,
    best_accuracy,
    every_verdict,
)


@pytest.fixture(scope="module")
def verdicts():
    return list(every_verdict())


def reads(words):
    """The verdict on the film, by one look at each word: a state machine."""
    turned, subject, found = False, None, {}
    for word in words:
        if word in ("nobody", "false", "not", "never"):
            turned = not turned
        elif word in ("film", "music"):
            subject = word
        elif word in ("and", "but", "while"):
            turned = False  # what turned the first clause over ends with it
        elif word in ("good", "fine", "bad", "dull"):
            found[subject] = (word in ("good", "fine")) != turned
    assert found.keys() == {"film", "music"}
    return GOOD if found["film"] else BAD


def test_every_sentence_is_labelled_as_it_reads(verdicts):
    assert [verdict for verdict in verdicts if verdict.label != reads(verdict.words)][:1] == []


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("the film is good and the music is dull", GOOD),
        ("the music is good and the film is dull", BAD),
        ("the film is not bad but the music is never fine", GOOD),
        ("nobody says that the film is good while the music is bad", BAD),
        ("nobody says that the music is bad while the film is good", GOOD),
        ("it is false that the film , we found , is never dull and the music that we saw last week is good", BAD),
        ("they say that the film is fine but the music is fine", GOOD),
    ],
)
def test_the_grammar_makes_this_sentence(verdicts, sentence, label):
    assert [verdict.label for verdict in verdicts if verdict.words == tuple(sentence.split())] == [label]


def test_there_are_31104_sentences_all_different_half_of_them_good(verdicts):
    clauses = len(ASIDES) * len(NEGATIONS) * len(ADJECTIVES)
    assert len(verdicts) == len(OPENINGS) * len(JOINS) * clauses**2 * 2 == 31_104
    assert len({verdict.words for verdict in verdicts}) == 31_104
    assert Counter(verdict.label for verdict in verdicts) == {GOOD: 15_552, BAD: 15_552}
    assert all(one == other for one, other in zip(verdicts, every_verdict(), strict=True))
    assert len({word for verdict in verdicts for word in verdict.words}) == 26


def test_their_order_is_fixed_the_second_clause_changes_before_the_first_and_openings_last(verdicts):
    said = [" ".join(verdict.words) for verdict in verdicts]
    ends = ("is good", "is fine", "is bad", "is dull", "is not good", "is not fine")
    assert said[:12] == [
        sentence
        for end in ends
        for sentence in (f"the film is good and the music {end}", f"the music is good and the film {end}")
    ]
    assert said[16] == "the film is good and the music is never good"
    assert said[24] == "the film is good and the music , we found , is good"
    assert said[72] == "the film is fine and the music is good"
    openings = [sentence.partition("the film is good and")[0] for sentence in said[:: 31_104 // 4]]
    assert openings == ["", "they say that ", "nobody says that ", "it is false that "]


def exact(verdicts, seen):
    """By counting the commonest label of what looks the same."""
    good = defaultdict(list)
    for verdict in verdicts:
        good[seen(verdict.words)].append(verdict.label == GOOD)
    return Fraction(sum(max(sum(of), len(of) - sum(of)) for of in good.values()), len(verdicts))


def sorted_words(words):
    return tuple(sorted(words))


def sorted_pairs(words):
    padded = ("<", *words, ">")
    return tuple(sorted(padded[i : i + 2] for i in range(len(padded) - 1)))


def test_without_order_no_more_than_41_of_72_are_right(verdicts):
    assert exact(verdicts, sorted_words) == Fraction(41, 72)
    assert best_accuracy(verdicts, bag) == 41 / 72


def test_with_pairs_of_neighbours_no_more_than_13_of_18_are_right(verdicts):
    assert exact(verdicts, sorted_pairs) == Fraction(13, 18)
    assert best_accuracy(verdicts, bag_of_pairs) == 13 / 18


def test_whole_sentences_tell_all_and_their_openings_nothing(verdicts):
    assert best_accuracy(verdicts, tuple) == 1
    assert best_accuracy(verdicts, lambda words: words[0]) == best_accuracy(verdicts, lambda words: None) == 0.5


def test_a_bag_counts_words_and_a_bag_of_pairs_neighbours():
    assert bag("a b a".split()) == bag("b a a".split()) != bag("a b".split())
    assert bag("a b b".split()) != bag("a b a".split())
    assert bag_of_pairs("a b a".split()) != bag_of_pairs("b a a".split())
    assert bag_of_pairs("a b a c a".split()) == bag_of_pairs("a c a b a".split())  # the same pairs in another order
    assert bag_of_pairs("a b a b".split()) != bag_of_pairs("b a b a".split())  # other beginnings and ends
    assert dict(bag_of_pairs(["a"])) == {("", "a"): 1, ("a", ""): 1}
    assert dict(bag(["a", "a"])) == {"a": 2}


def test_one_who_sees_nothing_bets_on_the_commonest_label():
    some = [Classified(("a",), GOOD), Classified(("a",), BAD), Classified(("a",), BAD), Classified(("b",), GOOD)]
    assert best_accuracy(iter(some), bag) == 0.75 and best_accuracy(some, len) == 0.5
    with pytest.raises(ValueError, match="sentences: expected at least one, got none"):
        best_accuracy([], bag)
