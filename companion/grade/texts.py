"""Texts that come from strangers, made fit for files and tables."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """The text without control characters, without those that turn writing round, and without halves of characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", unicodedata.normalize("NFC", whole))


def cleaned(value: Any) -> Any:
    """A value made of dictionaries, lists and texts with every text in it clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


def cell(text: str) -> str:
    """The text of a cell of a table, which no spreadsheet takes for a formula."""
    one_line = " ".join(clean(text).split())
    return f"'{one_line}" if one_line.startswith(_FORMULA) else one_line
