"""A vocabulary numbers its tokens once and for all; what it does not know is <UNK>, or an error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.rnn.vocabulary import EOS, UNK, Vocabulary, character_vocabulary, most_frequent, word_vocabulary

TEXT = [("the", "cat", "is", "small"), ("the", "cat", "is", "the", "cat"), ("a", "dog")]
words = st.lists(st.sampled_from(["the", "cat", "dog", "ran", "far"]), max_size=8)


def test_the_most_frequent_words_are_kept_and_ties_go_to_the_alphabet():
    assert most_frequent(TEXT, 10) == ("cat", "the", "is", "a", "dog", "small")
    assert word_vocabulary(TEXT, 6).tokens == (EOS, UNK, "cat", "the", "is", "a")


def test_the_order_of_the_training_text_does_not_matter():
    assert word_vocabulary(TEXT, 7) == word_vocabulary(TEXT[::-1], 7)


def test_a_word_outside_becomes_unk():
    vocabulary = word_vocabulary(TEXT, 6)
    assert vocabulary.decode(vocabulary.encode(["the", "small", "dog"])) == ("the", UNK, UNK, EOS)
    assert "small" not in vocabulary
    assert "cat" in vocabulary


def test_characters_have_no_unk_and_a_strange_one_is_refused():
    vocabulary = character_vocabulary(["anna", "bob"])
    assert vocabulary.tokens == (EOS, "a", "b", "n", "o")
    assert vocabulary.encode("nab").tolist() == [3, 1, 2, 0]
    with pytest.raises(ValueError, match=r"token: expected one of the 5 tokens .* got 'x'"):
        vocabulary.encode("xan")


@given(words)
def test_decoding_undoes_encoding(sentence):
    vocabulary = word_vocabulary([["the", "cat", "dog", "ran", "far"]], 7)
    assert vocabulary.decode(vocabulary.encode(sentence)) == (*sentence, EOS)


@given(words)
def test_every_encoded_sequence_ends_with_its_only_eos(sentence):
    numbers = word_vocabulary(TEXT, 6).encode(sentence)
    assert numbers[-1] == 0
    assert np.count_nonzero(numbers == 0) == 1


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (("a", EOS), "tokens: expected <EOS> as the first token"),
        ((), "tokens: expected <EOS> as the first token"),
        ((EOS, "a", UNK), "tokens: expected <UNK> as the second token, got it at 2"),
        ((EOS, UNK, "a", "a"), "tokens: expected every token once, got 'a' more than once"),
    ],
)
def test_a_vocabulary_out_of_order_is_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(tokens)


def test_bad_requests_name_the_argument():
    vocabulary = word_vocabulary(TEXT, 6)
    with pytest.raises(ValueError, match="tokens: expected a sequence without <EOS>"):
        vocabulary.encode(["the", EOS])
    with pytest.raises(ValueError, match="numbers: expected token numbers from 0 to 5, got 6"):
        vocabulary.decode([0, 6])
    with pytest.raises(ValueError, match="size: expected a whole number of at least 3, got 2"):
        word_vocabulary(TEXT, 2)


def test_what_is_no_string_is_no_token_and_does_not_become_unk():
    vocabulary = word_vocabulary(TEXT, 6)
    for strange in (b"the", 1, None, float("nan"), np.str_):
        with pytest.raises(ValueError, match="token: expected one of the 6 tokens of the vocabulary, got "):
            vocabulary.encode(["the", strange])
    assert vocabulary.encode(np.array(["the", "cat"])).tolist() == vocabulary.encode(w for w in ("the", "cat")).tolist()
    with pytest.raises(ValueError, match="token: expected one of"):
        vocabulary.encode(b"the")


def test_a_sentence_that_was_not_split_is_no_sequence_of_unks():
    with pytest.raises(ValueError, match=r"tokens: expected a sequence of words, got one string; split it: 'the cat'"):
        word_vocabulary(TEXT, 6).encode("the cat")
    assert word_vocabulary([list("abca")], 4).encode("ax").tolist() == [2, 1, 0]  # its words are letters


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary("<EOS>"), "tokens: expected several strings, got one: '<EOS>'"),
        (lambda: Vocabulary((EOS, b"a")), "tokens: expected strings, got b'a'"),
        (lambda: Vocabulary((EOS, 1)), "tokens: expected strings, got 1"),
        (lambda: word_vocabulary(["the cat"], 6), "texts: expected sequences of tokens, got the string 'the cat'"),
        (lambda: word_vocabulary([b"the cat"], 6), "texts: expected sequences of tokens, got the string b'the cat'"),
        (lambda: word_vocabulary([["the", 1]], 6), "texts: expected strings, got 1"),
        (lambda: word_vocabulary([], 6), "texts: expected at least one token, got none"),
        (lambda: most_frequent([[]], 6), "texts: expected at least one token, got none"),
        (lambda: character_vocabulary([["the", "cat"]]), r"training: expected strings, got \['the', 'cat'\]"),
        (lambda: character_vocabulary([b"cat"]), "training: expected strings, got b'cat'"),
        (lambda: character_vocabulary(b"cat"), "training: expected several strings, got one: b'cat'"),
        (lambda: character_vocabulary([""]), "training: expected at least one character, got none"),
    ],
)
def test_what_cannot_make_a_vocabulary_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_iterator_that_was_read_before_makes_no_vocabulary():
    texts = iter(TEXT)
    assert word_vocabulary(texts, 6) == word_vocabulary(TEXT, 6)
    with pytest.raises(ValueError, match="texts: expected at least one token, got none"):
        word_vocabulary(texts, 6)


def test_a_list_of_tokens_makes_the_same_vocabulary_as_a_tuple():
    assert Vocabulary([EOS, "a"]) == Vocabulary((EOS, "a")) and hash(Vocabulary([EOS, "a"])) == hash(
        Vocabulary((EOS, "a"))
    )
    assert Vocabulary((EOS, "a")).decode([]) == ()
    assert character_vocabulary("anna") == character_vocabulary(["an", "na"])
