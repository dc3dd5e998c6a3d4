"""What a student has done so far: one line of a local file for each check and each hint, never changed afterwards.

The file is ``~/.unrolled/progress.jsonl``, or the one that the environment variable UNROLLED_PROGRESS names; ``off``
keeps the records only as long as Python runs. In a browser it lies beside the notebook, where it survives a reload.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_MEMORY: list[dict[str, str]] = []  # the records of this process, where there is no file


@dataclass(frozen=True)
class Record:
    """One event: a check (``what`` is the report's state) or a hint (``what`` is its number)."""

    exercise: str
    cohort: str
    event: str
    what: str


def place() -> Path | None:
    """The file that holds the records; None where they are kept in memory."""
    named = os.environ.get("UNROLLED_PROGRESS", "")
    if named == "off":
        return None
    if named:
        return Path(named)
    if sys.platform == "emscripten":
        return Path.cwd() / "unrolled-progress.jsonl"
    return Path.home() / ".unrolled" / "progress.jsonl"


def add(record: Record) -> None:
    """Append a record; a file that cannot be written is replaced by memory."""
    fields = {"exercise": record.exercise, "cohort": record.cohort, "event": record.event, "what": record.what}
    path = place()
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(fields) + "\n")
            return
        except OSError:
            pass
    _MEMORY.append(fields)


def read() -> list[Record]:
    """All records, oldest first. Lines that are no records (a file cut off, or edited) are passed over."""
    path, lines = place(), []
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
    found = []
    for fields in [*map(_parsed, lines), *_MEMORY]:
        if isinstance(fields, dict) and all(isinstance(fields.get(n), str) for n in Record.__annotations__):
            found.append(Record(**{name: fields[name] for name in Record.__annotations__}))
    return found


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
