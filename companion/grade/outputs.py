"""The files that a run leaves: a JSON and a text for each student as soon as it is graded, one table at the end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.exercises import catalogue
from companion.grade import gradescope
from companion.grade.marking import FORMAT, Record
from companion.grade.texts import cell

_MASK = os.umask(0o077)
os.umask(_MASK)
_MODE = 0o666 & ~_MASK  # of the files; a temporary one is the owner's alone

_LONGEST_NAME = 200  # bytes of a file's name without its ending


@dataclass(frozen=True)
class Outputs:
    """Where results go: NAME.csv, NAME.html and the folder NAME-students."""

    table: Path

    @property
    def summary(self) -> Path:
        return self.table.with_suffix(".html")

    @property
    def students(self) -> Path:
        return self.table.with_name(f"{self.table.stem}-students")

    def of_shard(self, shard: tuple[int, int]) -> Outputs:
        return Outputs(self.table.with_name(f"{self.table.stem}-{shard[0]}of{shard[1]}{self.table.suffix}"))

    def existing(self) -> list[Path]:
        """What is there already."""
        found = [path for path in (self.table, self.summary) if path.exists()]
        return [*found, self.students] if self.students.is_dir() and any(self.students.iterdir()) else found

    def of(self, student: str) -> Path:
        """The file of a student."""
        name = os.fsencode(student)
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
        return self.students / (os.fsdecode(name) + ".json")


def write(path: Path, text: str) -> None:
    """Write a file in one piece: who reads it sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".grade-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, _MODE)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_record(path: Path, record: Record) -> None:
    """Write a student's record, and beside it what the student may be sent."""
    write(path.with_suffix(".txt"), gradescope.text(record))
    write(path, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def remove_records(place: Outputs) -> None:
    """Remove what a run has left in the students' folder, and nothing else."""
    for path in place.students.glob("*.json"):
        if _written(path) is not None:
            path.unlink()
            path.with_suffix(".txt").unlink(missing_ok=True)


def read_record(path: Path) -> Record | None:
    """The record in a file; None where there is none of this format."""
    record = _written(path)
    return record if record is not None and record["format"] == FORMAT else None


def _written(path: Path) -> Record | None:
    """What a run has written, of whatever version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"format", "student", "notebooks"} <= set(record) else None


def records_of(place: Outputs) -> list[Record]:
    """The records of a run that has finished, by student; those of students who have since left are passed over."""
    with place.table.open(encoding="utf-8-sig", newline="") as file:
        students = {row["student"] for row in csv.DictReader(file)}
    found = [record for path in place.students.glob("*.json") if (record := read_record(path)) is not None]
    return sorted((r for r in found if cell(r["student"]) in students), key=lambda record: str(record["student"]))


def columns(records: Iterable[Record]) -> list[str]:
    """The ids of all exercises that were graded, in the order of the course."""
    graded = {entry["id"] for record in records for notebook in record["notebooks"] for entry in notebook["exercises"]}
    return [id for id in catalogue.exercises() if id in graded]


def table(records: Sequence[Record]) -> str:
    """The CSV: a line for each notebook, a column for each exercise. It begins with the mark that Excel needs."""
    ids = columns(records)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["student", "notebook", "score", "out of", *ids, "remarks"])
    for record in records:
        for notebook in record["notebooks"]:
            states = {entry["id"]: entry["state"] for entry in notebook["exercises"]}
            remarks = cell("; ".join(told(notebook)))
            line: list[Any] = [cell(record["student"]), cell(notebook["notebook"]), notebook["score"]]
            writer.writerow([*line, notebook["out of"], *(states.get(id, "") for id in ids), remarks])
    return "\ufeff" + file.getvalue()


def told(notebook: Record) -> list[str]:
    """Reasons, remarks, and cells that failed, as one reads them in a table."""
    reasons = " ".join(notebook["reasons"])
    cells = [cell for cell in notebook["cells"] if f"cell {cell['cell']} did not run" not in reasons]
    failed = [f"cell {c['cell']}: {c['problem']}" for c in cells[:3]]
    more = [f"{len(cells) - 3} more cells failed"] if len(cells) > 3 else []
    return [*notebook["reasons"], *notebook["remarks"], *failed, *more]
