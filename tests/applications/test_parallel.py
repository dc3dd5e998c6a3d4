"""Parallel texts: number words follow the rules of both languages, dates say one day, and no part knows another."""

import datetime
import hashlib
import re
from collections import Counter
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.applications import parallel
from companion.applications.parallel import LANGUAGES, Bilingual, Translated, bilingual, dates, menus, number_words
from companion.rnn import corpora as texts
from companion.rnn.vocabulary import EOS, UNK, Vocabulary


def parts(split):
    return split.training, split.development, split.test


def place(text):
    """The last decimal of the hash, and the part to which it sends a text."""
    digit = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10
    return {8: 1, 9: 2}.get(digit, 0)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- number words ----------------------------------------------------------------------------------------------------

ENGLISH = [
    "",
    *"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split(),
]
ENGLISH += "seventeen eighteen nineteen".split()
ENGLISH_TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
GERMAN = ["", *"ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()]
GERMAN_TENS = ["", "", *"zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()]


def english(n):
    """Its words, without an "and"."""
    if n >= 1000:
        return [*english(n // 1000), "thousand", *english(n % 1000)]
    if n >= 100:
        return [*english(n // 100), "hundred", *english(n % 100)]
    if n >= 20:
        return [ENGLISH_TENS[n // 10], *english(n % 10)]
    return [ENGLISH[n]] if n else []


def german(n, last=True):
    """The pieces of its one word: units before tens, ein within a word and eins at its end."""
    if n >= 1000:
        return [*german(n // 1000, False), "tausend", *german(n % 1000)]
    if n >= 100:
        return [*german(n // 100, False), "hundert", *german(n % 100)]
    if n >= 20:
        return [*german(n % 10, False), *(["und"] if n % 10 else []), GERMAN_TENS[n // 10]]
    if n > 12:
        return [{6: "sech", 7: "sieb"}.get(n - 10, GERMAN[n - 10]), "zehn"]
    return ["eins"] if n == 1 and last else [GERMAN[n]] if n else []


def test_the_rules_written_here_give_what_is_known():
    known = {
        1: ("one", "eins"),
        42: ("forty two", "zweiundvierzig"),
        616: ("six hundred sixteen", "sechshundertsechzehn"),
        1001: ("one thousand one", "eintausendeins"),
        7717: ("seven thousand seven hundred seventeen", "siebentausendsiebenhundertsiebzehn"),
        10_000: ("ten thousand", "zehntausend"),
    }
    for n, (words, word) in known.items():
        assert (" ".join(english(n)), "".join(german(n))) == (words, word)


def test_all_ten_thousand_are_in_words_by_the_rules_of_both_languages():
    ordered = sorted(range(1, 10_001), key=lambda n: hashlib.sha256(str(n).encode()).hexdigest())
    split = number_words(8000)
    expected = [Translated(tuple(english(n)), tuple(german(n))) for n in ordered]
    same = [pair for part in parts(split) for pair in part] == expected
    assert same  # no difference of thousands of pairs is written out
    joined = {"".join(pair.target) for pair in expected}
    assert len(joined) == len({pair.source for pair in expected}) == 10_000
    assert len({piece for pair in expected for piece in pair.target}) == 26


@pytest.mark.parametrize("training", [1, 999, 1000, 8000, np.int16(5000), np.int8(100)])
def test_a_smaller_training_text_is_part_of_a_larger_one_and_the_rest_is_as_before(training):
    split, whole = number_words(training), number_words(8000)
    assert len(split.training) == training and split.training == whole.training[:training]
    assert split.development == whole.development and split.test == whole.test
    sources = [{pair.source for pair in part} for part in parts(whole)]
    assert [len(part) for part in sources] == [8000, 1000, 1000] and len(set.union(*sources)) == 10_000


def test_number_words_need_no_unknown_word():
    """A thousand of them hold every word and every piece."""
    split = number_words(1000)
    both = bilingual(split.training)
    assert len(both.source) == 2 + 29 and len(both.target) == 2 + 26
    for source, target in both.encode(split.development + split.test):
        assert 1 not in source and 1 not in target


def test_a_thousand_number_words_are_for_training_unless_told_otherwise():
    assert len(number_words().training) == 1000


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (8001, "^training: expected at most 8000, got 8001"),
        (0, "^training: expected a whole number of at least 1, got 0"),
        (-1, "^training: expected a whole number of at least 1, got -1"),
        (100.0, "^training: expected a whole number of at least 1, got 100.0"),
        (True, "^training: expected a whole number of at least 1, got True"),
        ("9", "^training: expected a whole number of at least 1, got '9'"),
    ],
)
def test_other_numbers_of_number_words_are_refused(training, message):
    with pytest.raises(ValueError, match=message):
        number_words(training)


# --- dates -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    return dates(3000, rng())


def day_of(pair):
    day = datetime.date.fromisoformat("".join(pair.target))
    assert tuple(day.isoformat()) == pair.target
    return day


def test_dates_are_letters_and_the_target_is_a_day_in_its_own_part(drawn):
    assert [len(part) for part in parts(drawn)] == [3000, 1000, 1000]
    days = [{day_of(pair) for pair in part} for part in parts(drawn)]
    for k, part in enumerate(days):
        assert {place(day.isoformat()) for day in part} == {k}
        assert all(1950 <= day.year <= 2049 for day in part)
    assert not (days[0] & days[1] or days[0] & days[2] or days[1] & days[2])
    every = [pair for part in parts(drawn) for pair in part]
    assert all(len(letter) == 1 for pair in every for letter in pair.source)
    assert all(pair.source == tuple("".join(pair.source).lower()) for pair in every)


def test_day_and_year_stand_in_every_source(drawn):
    """In whatever language and style."""
    for part in parts(drawn):
        for pair in part:
            day, numbers = day_of(pair), [int(n) for n in re.findall(r"\d+", "".join(pair.source))]
            assert day.day in numbers and day.year in numbers, pair


def test_english_dates_are_those_of_the_day_in_three_styles():
    """As `strftime` writes them."""
    styles = Counter()
    split = dates(600, rng(1), ["en"])
    for pair in split.training:
        day = day_of(pair)
        long = f"{day:%B} {day.day}, {day.year}"
        expected = {f"{day:%A}, {long}": "full", long: "long", f"{day:%b} {day.day}, {day.year}": "medium"}
        found = {text.lower(): style for text, style in expected.items()}
        styles[found["".join(pair.source)]] += 1
    assert min(styles[style] for style in ("full", "medium")) > 150  # in May, long and medium are alike
    assert sum(styles.values()) == 600


def test_german_dates_are_those_of_the_day():
    months = "januar februar märz april mai juni juli august september oktober november dezember".split()
    weekdays = "montag dienstag mittwoch donnerstag freitag samstag sonntag".split()
    for pair in dates(300, rng(1), ("de",)).training:
        day = day_of(pair)
        long = f"{day.day}. {months[day.month - 1]} {day.year}"
        medium = f"{day.day:02}.{day.month:02}.{day.year}"
        assert "".join(pair.source) in (f"{weekdays[day.weekday()]}, {long}", long, medium)


def test_every_day_language_and_style_can_be_drawn():
    """What `rng` is asked for, in turns: one of the days of a hundred years, of the languages, of the styles."""
    asked = []

    class Recorded:
        def __init__(self):
            self.own = rng(3)

        def integers(self, most):
            asked.append(most)
            return self.own.integers(most)

    assert dates(100, Recorded(), ("fr", "en")) == dates(100, rng(3), ["fr", "en"])
    days = (datetime.date(2050, 1, 1) - datetime.date(1950, 1, 1)).days
    assert set(zip(asked[::3], asked[1::3], asked[2::3], strict=True)) == {(days, 2, 3)}


@pytest.mark.parametrize("end", [0, -1])
def test_the_first_and_the_last_day_are_those_of_the_hundred_years(end):
    """An `rng` that gives the first, or the last, of what it is asked for now and then."""

    class Ends:
        def __init__(self):
            self.own, self.calls = rng(3), 0

        def integers(self, most):
            self.calls += 1
            return range(most)[end] if self.calls % 30 == 1 else self.own.integers(most)

    found = {day_of(pair) for part in parts(dates(1000, Ends(), ["en"])) for pair in part}
    assert (datetime.date(1950, 1, 1), datetime.date(2049, 12, 31))[end] in found
    assert min(found) >= datetime.date(1950, 1, 1) and max(found) <= datetime.date(2049, 12, 31)


def test_languages_and_years_are_drawn_evenly(drawn):
    years = Counter(day_of(pair).year for part in parts(drawn) for pair in part)
    assert len(years) == 100 and max(years.values()) < 100  # 50 each are expected
    cyrillic = sum(bool(re.search("[а-я]", "".join(pair.source))) for pair in drawn.training)
    assert 150 < cyrillic < 300  # of uk, ru, bg, three of thirty, but where all is digits
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 30


def test_dates_can_be_repeated_and_redrawn(drawn):
    same, other = dates(3000, rng()), dates(3000, rng(1))
    repeated, redrawn = same == drawn, other != drawn
    assert repeated and redrawn
    assert len(dates(np.int8(100), rng()).training) == 100


@pytest.mark.parametrize(
    ("number", "languages", "message"),
    [
        (0, ["en"], "^number: expected a whole number of at least 1, got 0"),
        (2.0, ["en"], "^number: expected a whole number of at least 1, got 2.0"),
        (5, ["en", "xx"], r"^languages: expected some of en, de, .* zh, got \['en', 'xx'\]"),
        (5, [], r"^languages: expected some of en, de, .* got \[\]"),
        (5, "en", "^languages: expected some of en, de, .* got 'en'"),
        (5, {"en"}, "^languages: expected some of en, de, .* got {'en'}"),
        (5, iter(["en"]), "^languages: expected some of en, de, .* got <list_iterator"),
        (5, [["en"]], r"^languages: expected some of en, de, .* got \[\['en'\]\]"),
        (5, None, "^languages: expected some of en, de, .* got None"),
    ],
)
def test_other_languages_and_numbers_of_dates_are_refused(number, languages, message):
    with pytest.raises(ValueError, match=message):
        dates(number, rng(), languages)


# --- menus -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jupyter():
    return menus()


def test_menus_have_their_sizes_and_no_english_twice(jupyter):
    assert [len(part) for part in parts(jupyter)] == [1079, 146, 151]
    every = [pair.source for part in parts(jupyter) for pair in part]
    assert len(set(every)) == len(every)
    training, *others = ({" ".join(pair.source) for pair in part} for part in parts(jupyter))
    assert not training & set.union(*others)
    for k, part in enumerate(parts(jupyter)):
        assert {place(" ".join(pair.source)) for pair in part} == {k}


def test_menus_are_short_small_and_translated(jupyter):
    every = [pair for part in parts(jupyter) for pair in part]
    assert {len(pair.source) for pair in every} == set(range(2, 13))
    assert all(pair.target and pair.source != pair.target for pair in every)
    tokens = {token for pair in every for token in (*pair.source, *pair.target)}
    assert all(token == token.lower() == "".join(token.split()) != "" for token in tokens)
    assert not {token for token in tokens if re.search("[%{’\x00-\x1f]", token)}
    french = {pair.source: " ".join(pair.target) for pair in every}
    history = ("access", "next", "kernel", "history", "entry")
    assert french[history] == "accéder à l' entrée de l' historique d' exécution suivante"


def written(folder, monkeypatch, messages):
    """Sentences in place of JupyterLab's."""
    catalogue = Catalog(locale="fr")
    for english_text, french, context in messages:
        catalogue.add(english_text, french, context=context)
    with (folder / "own.mo").open("wb") as file:
        write_mo(file, catalogue)
    monkeypatch.setattr(parallel, "data_path", lambda package, name: folder / "own.mo")
    monkeypatch.setattr(parallel, "MENUS_HASH", hashlib.sha256((folder / "own.mo").read_bytes()).hexdigest())


def test_sentences_are_cut_into_words_and_some_are_left_out(monkeypatch, tmp_path):
    kept = [
        ("Open the File…", "Ouvrir l’Éditeur…", None),
        ("Don't ask", "N'en parlez pas", None),
        ("Re-run it!", "Ré-exécuter-le (2)", "menu"),
        ("two words", "mot", None),
        (" ".join("abcdefghijkl"), "douze", None),
        ("same words but", "same words But.", None),
        ("aujourd'hui ok", "aujourd'hui", None),
    ]
    left_out = [
        ("Word", "Mot", None),
        (" ".join("abcdefghijklm"), "treize", None),
        ("not translated", "", None),
        ("Same Words", "same words", None),
        ("open %1", "ouvrir %1", None),
        ("open {name}", "ouvrir {name}", None),
        (("one cell", "many cells"), ("une cellule", "des cellules"), None),
    ]
    written(tmp_path, monkeypatch, kept + left_out)
    found = {pair.source: pair.target for part in parts(menus()) for pair in part}
    assert found == {
        ("open", "the", "file", "…"): ("ouvrir", "l'", "éditeur", "…"),
        ("don", "'", "t", "ask"): ("n'", "en", "parlez", "pas"),
        ("re-run", "it", "!"): ("ré-exécuter-le", "(", "2", ")"),
        ("two", "words"): ("mot",),
        tuple("abcdefghijkl"): ("douze",),
        ("same", "words", "but"): ("same", "words", "but", "."),
        ("aujourd", "'", "hui", "ok"): ("aujourd", "'", "hui"),
    }


def test_of_sentences_with_the_same_english_the_first_is_kept(monkeypatch, tmp_path):
    written(tmp_path, monkeypatch, [("New File", "un", "a"), ("new file", "deux", "b"), ("NEW FILE", "trois", None)])
    (pair,) = (pair for part in parts(menus()) for pair in part)
    with (tmp_path / "own.mo").open("rb") as file:
        first = next(text for key, text in parallel.gettext.GNUTranslations(file)._catalog.items() if key)
    assert pair == Translated(("new", "file"), (first,))


# --- packages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful():
    """What was read before is read again, and what is read meanwhile is not kept."""
    for kept in (parallel._every_number, parallel._date_format):
        kept.cache_clear()
    yield
    for kept in (parallel._every_number, parallel._date_format):
        kept.cache_clear()


READ = {
    "unicode-rbnf": number_words,
    "babel": lambda: dates(1, rng()),
    "jupyterlab-language-pack-fr-FR": menus,
}


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("package", READ)
def test_a_missing_package_says_what_to_install(monkeypatch, package):
    def nothing(name):
        assert name == package
        raise PackageNotFoundError(name)

    monkeypatch.setattr(texts, "distribution", nothing)
    with pytest.raises(FileNotFoundError, match=rf"'{package}' .* not installed: .*pip install .*requirements-data"):
        READ[package]()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("altered", ["en", "de", "none"])
def test_other_number_words_are_refused(monkeypatch, altered):
    """The rules of this file in place of the package's give the same; a single other word is noticed."""

    class Engine:
        def __init__(self, language):
            self.language = language

        @classmethod
        def for_language(cls, language):
            return cls(language)

        def format_number(self, n):
            n = 9999 if n == 10_000 and self.language == altered else n
            return SimpleNamespace(text={"en": "-".join(english(n)), "de": "\xad".join(german(n))}[self.language])

    monkeypatch.setattr("unicode_rbnf.RbnfEngine", Engine)
    if altered == "none":
        assert number_words(10).training[0] == Translated(tuple(english(1039)), tuple(german(1039)))
        return
    with pytest.raises(ValueError, match=r"unicode-rbnf: expected the pinned text .* got other content"):
        number_words()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_other_words_of_dates_are_refused(monkeypatch, language):
    from babel import dates as of_babel

    original = of_babel.format_date

    def altered(day, style, locale):
        return original(day, style, locale=locale) + ("." if locale == language and day.month == 12 else "")

    monkeypatch.setattr(of_babel, "format_date", altered)
    with pytest.raises(ValueError, match=r"babel: expected the pinned text .* got other content"):
        dates(1, rng())


def test_altered_menus_are_refused(monkeypatch, tmp_path):
    path = texts.data_path(
        "jupyterlab-language-pack-fr-FR", "jupyterlab_language_pack_fr_FR/locale/fr_FR/LC_MESSAGES/jupyterlab.mo"
    )
    (tmp_path / "altered.mo").write_bytes(path.read_bytes().replace(b"Ouvrir", b"Fermer", 1))
    monkeypatch.setattr(parallel, "data_path", lambda package, name: tmp_path / "altered.mo")
    with pytest.raises(ValueError, match=r"jupyterlab-language-pack-fr-FR: expected the pinned text .* got other"):
        menus()


# --- vocabularies ----------------------------------------------------------------------------------------------------

PAIRS = [
    Translated(("the", "cat"), ("le", "chat")),
    Translated(("the", "the", "dog"), ("le", "chien", "!")),
    Translated(("a", "cat"), ("un", "chat")),
]


def test_each_side_has_its_own_vocabulary_in_alphabetical_order():
    both = bilingual(PAIRS)
    assert both.source.tokens == (EOS, UNK, "a", "cat", "dog", "the")
    assert both.target.tokens == (EOS, UNK, "!", "chat", "chien", "le", "un")
    assert bilingual(iter(PAIRS)) == bilingual(tuple(PAIRS)) == both
    rare = bilingual(PAIRS, 2)
    assert rare.source.tokens == (EOS, UNK, "cat", "the") and rare.target.tokens == (EOS, UNK, "chat", "le")
    assert bilingual(PAIRS, np.int8(3)) == Bilingual(Vocabulary((EOS, UNK, "the")), Vocabulary((EOS, UNK)))


def test_pairs_are_numbers_that_end_with_eos():
    both = bilingual(PAIRS, 2)
    encoded = both.encode(iter(PAIRS))
    assert [(s.tolist(), t.tolist()) for s, t in encoded] == [
        ([3, 2, 0], [3, 2, 0]),
        ([3, 3, 1, 0], [3, 1, 1, 0]),
        ([1, 2, 0], [1, 2, 0]),
    ]
    assert both.spelt(target for _, target in encoded) == [("le", "chat"), ("le", UNK, UNK), (UNK, "chat")]
    assert both.spelt([[3, 3], [0], []]) == [("le", "le"), (), ()]
    assert both.encode([]) == both.spelt([]) == []


@settings(max_examples=50)
@given(
    pairs=st.lists(
        st.builds(Translated, *2 * [st.lists(st.sampled_from(["a", "b", "ç", "d'", "-"]), max_size=5).map(tuple)]),
        min_size=1,
    )
)
def test_what_is_encoded_is_spelt_again(pairs):
    both = bilingual(pairs)
    encoded = both.encode(pairs)
    assert both.spelt(target for _, target in encoded) == [pair.target for pair in pairs]
    turned = Bilingual(both.target, both.source)
    assert turned.spelt(source for source, _ in encoded) == [pair.source for pair in pairs]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bilingual([]), "^training: expected at least one pair, got none"),
        (lambda: bilingual(iter([])), "^training: expected at least one pair, got none"),
        (lambda: bilingual(PAIRS, 0), "^least: expected a whole number of at least 1, got 0"),
        (lambda: bilingual(PAIRS, 1.0), "^least: expected a whole number of at least 1, got 1.0"),
        (lambda: bilingual(PAIRS).encode([Translated((EOS,), ("le",))]), "^tokens: expected a sequence without <EOS>"),
        (lambda: bilingual(PAIRS).encode([Translated("the cat", ("le",))]), "^tokens: .* got one string; split it"),
        (lambda: bilingual(PAIRS).spelt([[7]]), "^numbers: expected token numbers from 0 to 6, got 7"),
    ],
)
def test_what_has_no_number_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
