"""What a student has done so far: one line of a local file for each check and each hint, never changed afterwards.

The file is ``~/.unrolled/progress.jsonl``, or the one that the environment variable UNROLLED_PROGRESS names; ``off``
keeps the records only as long as Python runs. In a browser it lies beside the notebook, where it survives a reload.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One event: a check (``what`` is the report's state) or a hint (``what`` is its number, or ``solution``)."""

    exercise: str
    cohort: str
    event: str
    what: str


_MEMORY: list[Record] = []  # of this process, where there is no file
_TOLD: list[Path] = []  # files of which a student knows that they cannot be written


def place() -> Path | None:
    """The file that holds the records; None where they are kept in memory."""
    named = os.environ.get("UNROLLED_PROGRESS", "")
    if named == "off":
        return None
    try:
        if named:
            return Path(named).expanduser()
        if sys.platform == "emscripten":
            return Path.cwd() / "unrolled-progress.jsonl"
        return Path.home() / ".unrolled" / "progress.jsonl"
    except (OSError, RuntimeError):  # there is no such folder, or no home
        return None


def add(record: Record) -> Path | None:
    """Append a record; a file that cannot be written is replaced by memory, and is returned."""
    path = place()
    try:
        if path is not None:
            _append(path, json.dumps(asdict(record)) + "\n")
            return None
    except OSError:
        pass
    _MEMORY.append(record)
    return path


def to_tell(path: Path | None) -> str:
    """What a student should know about a file that could not be written, the first time."""
    if path is None or path in _TOLD:
        return ""
    _TOLD.append(path)
    return f"Your progress lasts for this session only: {path} cannot be written."


def _append(path: Path, line: str) -> None:
    """Add a line in one piece, on a line of its own even if the one before was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        file.write((b"" if file.read(1) in (b"", b"\n") else b"\n") + line.encode())


def read() -> list[Record]:
    """All records, oldest first. Lines that are no records (a file cut off, or edited) are passed over."""
    path = place()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path is not None else []
    except OSError:
        lines = []
    return [*filter(None, map(_parsed, lines)), *_MEMORY]


def _parsed(line: str) -> Record | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    names = Record.__annotations__
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in names):
        return None
    return Record(**{name: fields[name] for name in names})
