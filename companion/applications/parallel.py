"""Parallel texts: what is to be translated, and into what, with splits that never change.

`number_words` and `dates` are written by rules that are known, so that every answer can be checked; `menus` are real
sentences, the words of JupyterLab's menus. All come from packages that the course pins.
"""

from __future__ import annotations

import datetime
import gettext
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import chain
from types import ModuleType

import numpy as np

from companion.core.validation import Array, require_size
from companion.rnn.corpora import Split, data_path, require_hash
from companion.rnn.vocabulary import EOS, UNK, Vocabulary

NUMBERS_HASH = "6a4f2e18e727191ae90e803570bc5e83bf7553e7644d8aade30718ff0467aae7"
DATES_HASH = "557ac9f388b096a2db7449c4da28c4c01d8bfe9c977bd036113d099e8df2678d"
MENUS_HASH = "6dac9c31fb712d07e53835165a8c3e5de767d955191eae8fa5647469b489f852"
TEST = 1000  # pairs of number words, and of dates, for development and for test each


@dataclass(frozen=True)
class Translated:
    """A source and its translation, each a sequence of tokens without `<EOS>`."""

    source: tuple[str, ...]
    target: tuple[str, ...]


PIECES = re.compile(
    "zwanzig|dreißig|vierzig|fünfzig|sechzig|siebzig|achtzig|neunzig|zwölf|elf|zehn|hundert|tausend|und"
    "|sechs|sech|sieben|sieb|eins|ein|zwei|drei|vier|fünf|acht|neun"
)


def number_words(training: int = 1000) -> Split[Translated]:
    """The numbers 1 … 10,000 in English words and in German pieces: forty two → zwei und vierzig.

    German writes them as one word, cut here into the 26 pieces it is made of; it puts the units before the tens. The
    words are those of the Unicode CLDR (package unicode-rbnf). Numbers are ordered by the SHA-256 hash of their digits:
    the first `training` are for training, so that a smaller training text is part of a larger one; of the last 2,000
    the first half is development text, the second test text. Raises ValueError for more than 8,000, FileNotFoundError,
    saying what to install, when the package is missing, and ValueError when it gives other words.
    """
    if require_size("training", training) > 10_000 - 2 * TEST:
        raise ValueError(f"training: expected at most {10_000 - 2 * TEST}, got {training}")
    every = _every_number()
    return Split(every[:training], every[-2 * TEST : -TEST], every[-TEST:])


@cache
def _every_number() -> tuple[Translated, ...]:
    rbnf = _module("unicode-rbnf", "unicode_rbnf")
    english, german = (rbnf.RbnfEngine.for_language(language) for language in ("en", "de"))
    order = sorted(range(1, 10_001), key=lambda n: _hash(str(n)))
    every = tuple(_number(english.format_number(n).text, german.format_number(n).text) for n in order)
    require_hash("unicode-rbnf", [" ".join((*pair.source, *pair.target)).encode() for pair in every], NUMBERS_HASH)
    return every


def _number(english: str, german: str) -> Translated:
    pieces = PIECES.findall(german.replace("\xad", ""))
    return Translated(tuple(re.findall(r"[a-z]+", english)), tuple(pieces))


LANGUAGES = tuple("en de fr es it pt nl da sv nb fi pl cs sk hr sl ro hu tr el ru uk bg lt lv et id vi ja zh".split())
STYLES = ("full", "long", "medium")


def dates(number: int, rng: np.random.Generator, languages: Sequence[str] = LANGUAGES) -> Split[Translated]:
    """Days from 1950 to 2049 as people write them, letter by letter, and as ISO 8601: 3. Mai 1999 → 1999-05-03.

    Each is in one of the languages and in one of three styles, all drawn by `rng`: `number` for training, 1,000 for
    development and for test each. A day is in one part only: what is asked in a test has not been seen in any language.
    Its words come from the Unicode CLDR (package babel). Raises ValueError for other languages than LANGUAGES,
    FileNotFoundError, saying what to install, when the package is missing, and ValueError when it writes otherwise.
    """
    require_size("number", number)
    if not isinstance(languages, list | tuple) or not languages or any(name not in LANGUAGES for name in languages):
        raise ValueError(f"languages: expected some of {', '.join(LANGUAGES)}, got {languages!r}")
    formatted = _date_format()
    first, days = datetime.date(1950, 1, 1), 36_525
    parts: tuple[list[Translated], ...] = ([], [], [])
    wanted = (number, TEST, TEST)
    while any(len(part) < most for part, most in zip(parts, wanted, strict=True)):
        day = first + datetime.timedelta(int(rng.integers(days)))
        language, style = languages[int(rng.integers(len(languages)))], STYLES[int(rng.integers(3))]
        k = max(0, int(_hash(day.isoformat()), 16) % 10 - 7)
        if len(parts[k]) < wanted[k]:
            parts[k].append(Translated(tuple(formatted(day, style, language)), tuple(day.isoformat())))
    return Split(*map(tuple, parts))


@cache
def _date_format() -> Callable[[datetime.date, str, str], str]:
    babel = _module("babel", "babel.dates")

    def formatted(day: datetime.date, style: str, language: str) -> str:
        return unicodedata.normalize("NFC", babel.format_date(day, style, locale=language)).lower()

    some = [datetime.date(1999, month, 4 + month) for month in range(1, 13)]
    every = [formatted(day, style, language) for day in some for style in STYLES for language in LANGUAGES]
    require_hash("babel", ["\n".join(every).encode()], DATES_HASH)
    return formatted


_TOKEN = re.compile(r"[^\W\d_]{1,2}'|\w+(?:-\w+)*|[^\w\s]")  # l' and d' are words
LONGEST = 12  # tokens of a sentence of the menus


def menus() -> Split[Translated]:
    """What JupyterLab says in English and in French: menus, buttons, questions of 2 to 12 tokens, in small letters.

    The French is by the volunteers of the language pack (package jupyterlab-language-pack-fr-FR, BSD-3-Clause). Of
    sentences with the same English the first is kept; those with a place for a name, such as %1, are left out, and
    those that are the same in French. Split by the SHA-256 hash of the English modulo 10: 8 is development text, 9 test
    text. Raises FileNotFoundError, saying what to install, when the package is missing, and ValueError when its text
    was altered.
    """
    path = data_path(
        "jupyterlab-language-pack-fr-FR", "jupyterlab_language_pack_fr_FR/locale/fr_FR/LC_MESSAGES/jupyterlab.mo"
    )
    require_hash("jupyterlab-language-pack-fr-FR", [path.read_bytes()], MENUS_HASH)
    with path.open("rb") as file:
        catalogue: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # it has no other list
    found: dict[tuple[str, ...], Translated] = {}
    for english, french in catalogue.items():
        if not isinstance(english, str) or "%" in english or "{" in english:
            continue
        pair = Translated(_words(english.rpartition("\x04")[2]), _words(french))
        if 2 <= len(pair.source) <= LONGEST and 1 <= len(pair.target) and pair.source != pair.target:
            found.setdefault(pair.source, pair)
    parts: tuple[list[Translated], ...] = ([], [], [])
    for pair in found.values():
        parts[max(0, int(_hash(" ".join(pair.source)), 16) % 10 - 7)].append(pair)
    return Split(*map(tuple, parts))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(text.lower().replace("’", "'")))


@dataclass(frozen=True)
class Bilingual:
    """The vocabularies of a source and of a target language, which encode pairs and spell what is written."""

    source: Vocabulary
    target: Vocabulary

    def encode(self, pairs: Iterable[Translated]) -> list[tuple[Array, Array]]:
        """Token numbers (S,) and (T,) of each pair, `<EOS>` the last of both. ValueError as `Vocabulary` says."""
        return [(self.source.encode(pair.source), self.target.encode(pair.target)) for pair in pairs]

    def spelt(self, written: Iterable[Array]) -> list[tuple[str, ...]]:
        """What was written in the target language, without its `<EOS>`."""
        return [tuple(token for token in self.target.decode(tokens) if token != EOS) for tokens in written]


def bilingual(training: Sequence[Translated], least: int = 1) -> Bilingual:
    """The vocabularies of what these pairs hold at least so often; all else is `<UNK>`. ValueError for no pairs."""
    require_size("least", least)
    sides = [(pair.source, pair.target) for pair in training]
    if not sides:
        raise ValueError("training: expected at least one pair, got none")
    counts = (Counter(chain.from_iterable(side)) for side in zip(*sides, strict=True))
    return Bilingual(*(Vocabulary((EOS, UNK, *sorted(t for t, n in c.items() if n >= least))) for c in counts))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _module(package: str, name: str) -> ModuleType:
    """The module; FileNotFoundError, saying what to install, when its package is missing."""
    data_path(package, f"{name.partition('.')[0]}/__init__.py")
    return import_module(name)
