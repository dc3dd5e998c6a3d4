"""Parallel texts: number words by rules written here, dates that are read back, menus; splits that do not overlap."""

import datetime

import numpy as np
import pytest

from companion.applications import parallel
from companion.applications.parallel import LANGUAGES, Translated, bilingual, dates, menus, number_words

ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
ONES += "seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
EINS = "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn".split()
EINS += "siebzehn achtzehn neunzehn".split()
ZIG = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def english(n):
    if n >= 1000:
        return [*english(n // 1000), "thousand", *(english(n % 1000) if n % 1000 else [])]
    if n >= 100:
        return [ONES[n // 100 - 1], "hundred", *(english(n % 100) if n % 100 else [])]
    if n >= 20:
        return [TENS[n // 10 - 2], *([ONES[n % 10 - 1]] if n % 10 else [])]
    return [ONES[n - 1]]


def german(n, last=True):
    if n >= 1000:
        return german(n // 1000, False) + "tausend" + (german(n % 1000) if n % 1000 else "")
    if n >= 100:
        return EINS[n // 100 - 1] + "hundert" + (german(n % 100) if n % 100 else "")
    if n >= 20:
        return (EINS[n % 10 - 1] + "und" if n % 10 else "") + ZIG[n // 10 - 2]
    return "eins" if n == 1 and last else EINS[n - 1]


@pytest.fixture(scope="module")
def numbers():
    return number_words(8000)


def test_number_words_are_those_of_both_languages(numbers):
    every = {" ".join(english(n)): german(n) for n in range(1, 10_001)}
    pairs = [pair for part in (numbers.training, numbers.development, numbers.test) for pair in part]
    assert len(pairs) == len(every) == 10_000
    assert {" ".join(pair.source): "".join(pair.target) for pair in pairs} == every


def test_german_is_cut_into_26_pieces(numbers):
    pieces = {piece for pair in numbers.training for piece in pair.target}
    assert len(pieces) == 26
    assert Translated(("forty", "two"), ("zwei", "und", "vierzig")) in (*numbers.training, *numbers.test)


def test_a_smaller_training_text_is_part_of_a_larger_one(numbers):
    small = number_words(1000)
    assert small.training == numbers.training[:1000]
    assert (small.development, small.test) == (numbers.development, numbers.test)
    assert len({*small.training, *small.development, *small.test}) == 3000


@pytest.mark.parametrize("number", [0, 8001])
def test_there_are_not_more_numbers_than_that(number):
    with pytest.raises(ValueError, match="training: expected"):
        number_words(number)


@pytest.fixture(scope="module")
def days():
    return dates(3000, np.random.default_rng(0))


def test_what_a_date_is_to_become_is_a_day_of_these_hundred_years(days):
    assert [len(part) for part in (days.training, days.development, days.test)] == [3000, 1000, 1000]
    found = {datetime.date.fromisoformat("".join(pair.target)) for pair in days.training}
    assert min(found).year in (1950, 1951) and max(found).year in (2048, 2049) and len(found) > 2500


def test_no_day_stands_in_two_parts(days):
    parts = [{pair.target for pair in part} for part in (days.training, days.development, days.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_dates_are_written_as_people_write_them():
    written = {
        language: {"".join(pair.source) for pair in dates(300, np.random.default_rng(0), [language]).training}
        for language in ("en", "de", "zh")
    }
    assert any(", 19" in date and date[:3].isalpha() for date in written["en"])
    assert any("märz" in date for date in written["de"]) and any("年" in date for date in written["zh"])
    assert all(date == date.lower() for some in written.values() for date in some)


def test_the_same_generator_draws_the_same_dates():
    assert (
        dates(5, np.random.default_rng(1)) == dates(5, np.random.default_rng(1)) != dates(5, np.random.default_rng(2))
    )


def test_every_language_and_style_occurs(days):
    assert len(LANGUAGES) == 30
    text = "".join("".join(pair.source) for pair in days.training)
    for low, high in ("αω", "ая", "年年", "曜曜"):  # Greek, Cyrillic, Chinese, Japanese
        assert any(low <= c <= high for c in text)


@pytest.mark.parametrize("languages", [[], ["xx"], ["en", "tlh"]])
def test_other_languages_are_refused(languages):
    with pytest.raises(ValueError, match="languages: expected some of en, de"):
        dates(5, np.random.default_rng(0), languages)


def test_menus_are_as_many_as_the_chapter_says_and_no_english_stands_twice():
    text = menus()
    assert [len(part) for part in (text.training, text.development, text.test)] == [1079, 146, 151]
    every = [pair for part in (text.training, text.development, text.test) for pair in part]
    assert len({pair.source for pair in every}) == len(every)
    for pair in every:
        assert 2 <= len(pair.source) <= parallel.LONGEST and pair.target and pair.source != pair.target
        words = (*pair.source, *pair.target)
        assert not any(mark in word for word in words for mark in "%{\x04 ") and words == tuple(map(str.lower, words))
    assert Translated(("activate", "next", "tab"), ("activer", "l'", "onglet", "suivant")) in text.test


def test_vocabularies_are_of_the_training_pairs_alone():
    pairs = [Translated(("a", "b"), ("x",)), Translated(("a",), ("y", "x"))]
    both = bilingual(pairs)
    assert both.source.tokens == ("<EOS>", "<UNK>", "a", "b") and both.target.tokens == ("<EOS>", "<UNK>", "x", "y")
    ((source, target),) = both.encode([Translated(("b", "c"), ("y",))])
    assert source.tolist() == [3, 1, 0] and target.tolist() == [3, 0]
    assert both.spelt([np.array([2, 1, 3, 0]), np.array([2])]) == [("x", "<UNK>", "y"), ("x",)]
    seldom = bilingual(pairs, 2)
    assert seldom.source.tokens == ("<EOS>", "<UNK>", "a") and seldom.target.tokens == ("<EOS>", "<UNK>", "x")


def test_vocabularies_need_pairs():
    with pytest.raises(ValueError, match="training: expected at least one pair, got none"):
        bilingual([])
    with pytest.raises(ValueError, match="least: expected"):
        bilingual([Translated(("a",), ("b",))], 0)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("NUMBERS_HASH", lambda: parallel._every_number.__wrapped__()),
        ("DATES_HASH", lambda: parallel._date_format.__wrapped__()),
        ("MENUS_HASH", menus),
    ],
)
def test_altered_texts_are_refused(monkeypatch, name, read):
    monkeypatch.setattr(parallel, name, "0" * 64)
    with pytest.raises(ValueError, match="expected the pinned text"):
        read()


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(parallel, "data_path", missing)
    for read in (menus, lambda: parallel._every_number.__wrapped__(), lambda: parallel._date_format.__wrapped__()):
        with pytest.raises(FileNotFoundError, match="not installed"):
            read()


def missing(package, path):
    raise FileNotFoundError(f"{package} is not installed")
