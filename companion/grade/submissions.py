"""Find the notebooks of a class and read them, whatever was handed in under that name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.exercises import catalogue
from companion.grade.texts import clean

LARGEST_FILE = 64 * 2**20  # a notebook with many pictures has some MB
LARGEST_CODE = 4 * 2**20
MOST = 4  # notebooks of a student and a chapter that are graded
_SKIPPED = ("__MACOSX", "Thumbs.db", "desktop.ini")  # beside what starts with a dot
_SETUP = "setup"  # the tag of the cell that installs what is missing on Colab


@dataclass(frozen=True)
class Submission:
    """What one student handed in: paths of notebooks, in order, and names of files that are none."""

    student: str
    paths: tuple[Path, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notebook:
    """A notebook as far as it is graded.

    Attributes:
        path: where it lies.
        cells: number of each code cell in the notebook, from 1, and its source.
        chapter: the chapter that it says it is of, or that its names speak of; None where neither says anything.
        cohort: the cohort that it says it is of.
        is_books: whether it says that it is one of the book's own.
        fault: why it cannot be read; '' where it can.
    """

    path: Path
    cells: tuple[tuple[int, str], ...] = ()
    chapter: str | None = None
    cohort: str | None = None
    is_books: bool = False
    fault: str = ""


def find(folder: Path) -> list[Submission]:
    """The submissions in a folder, by student: NAME.ipynb, or a folder NAME with notebooks at any depth.

    A file that is no notebook is a submission, too, if its student has handed in nothing else.

    Raises:
        ValueError: when there is no notebook, and no folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    found: dict[str, list[Path]] = {}
    others: dict[str, list[str]] = {}
    for entry in sorted(folder.iterdir()):
        if _is_skipped(entry.name):
            continue
        if entry.is_dir():
            found.setdefault(entry.name, []).extend(notebooks_under(entry))
            others.setdefault(entry.name, []).extend(others_under(entry))
        elif _is_notebook(entry):
            found.setdefault(entry.stem, []).append(entry)
        elif entry.is_file():
            others.setdefault(re.sub(r"\.ipynb$", "", entry.stem, flags=re.IGNORECASE), []).append(entry.name)
    if not found:
        raise ValueError(f"{folder} holds no notebook (*.ipynb) and no folder of a student")
    students = sorted({*found, *others})
    return [Submission(s, tuple(found.get(s, ())), tuple(others.get(s, ()))) for s in students]


def listed(path: Path) -> list[str]:
    """The students in a file that has a name a line.

    Raises:
        ValueError: when it cannot be read, or holds no name.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--students: {path}: {error}") from None
    names = [name for line in lines if (name := _normal(line.strip()))]
    if not names:
        raise ValueError(f"--students: {path} holds no name")
    return list(dict.fromkeys(names))


def compared(found: Sequence[Submission], names: Sequence[str]) -> tuple[list[Submission], list[str]]:
    """An empty submission for each of these students who handed in nothing, and those who are not on the list.

    A folder such as 'Anna Ek_1234_assignsubmission_file_' is Anna Ek's.
    """
    seen = {name for s in found for name in (_normal(s.student), _normal(s.student.split("_")[0]))}
    absent = [Submission(name) for name in names if name not in seen]
    known = set(names)
    strange = [s.student for s in found if not known & {_normal(s.student), _normal(s.student.split("_")[0])}]
    return absent, strange


def _normal(name: str) -> str:
    """A name as it is compared: letters with marks are written in several ways."""
    return unicodedata.normalize("NFC", name)


def notebooks_under(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):  # does not follow links
        folders[:] = sorted(name for name in folders if not _is_skipped(name))
        found += [path for name in sorted(files) if _is_notebook(path := Path(place, name))]
    return found


def others_under(folder: Path) -> list[str]:
    """The names of files in a folder that are no notebooks."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_skipped(name))
        found += [n for n in sorted(files) if not _is_skipped(n) and not _is_notebook(Path(place, n))]
    return found


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED


def _is_notebook(path: Path) -> bool:
    return path.suffix.lower() == ".ipynb" and not _is_skipped(path.name) and path.is_file()


def digest(submission: Submission) -> str:
    """Changes with the bytes and the names of the notebooks."""
    total = hashlib.sha256("\n".join(submission.others).encode("utf-8", "surrogateescape"))
    for path in submission.paths:
        total.update(os.fsencode(path.name) + b"\0")
        try:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            total.update(type(error).__name__.encode())
    return total.hexdigest()


def read(path: Path) -> Notebook:
    """The notebook, or why it cannot be read."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return Notebook(path, fault=f"the file is larger than {LARGEST_FILE // 2**20} MB")
        data = path.read_bytes()
    except OSError as error:
        return Notebook(path, fault=f"the file cannot be read: {error.strerror}")
    if not data.strip():
        return Notebook(path, fault="the file is empty")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return Notebook(path, fault="the file is not JSON")
    cells = _code(content)
    if cells is None:
        return Notebook(path, fault="the file is JSON, but no notebook of format 4")
    if sum(len(source) for _, source in cells) > LARGEST_CODE:
        return Notebook(path, fault=f"its code is longer than {LARGEST_CODE // 2**20} MB")
    own = _metadata(content)
    named, cohort = own.get("exercises"), own.get("cohort")
    chapter = (
        named if isinstance(named, str) and catalogue.of_chapter(named) else guessed([source for _, source in cells])
    )
    said = str(cohort) if isinstance(cohort, int | str) else None
    return Notebook(path, cells, chapter, said, is_books=isinstance(named, str) and said is None)


def _metadata(content: dict[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    own = metadata.get("unrolled") if isinstance(metadata, dict) else None
    return own if isinstance(own, dict) else {}


def _code(content: Any) -> tuple[tuple[int, str], ...] | None:
    """Numbers and sources of the code cells, without the cell that installs; None where there is no such list."""
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        return None
    found = []
    for number, cell in enumerate(content["cells"], 1):
        if not isinstance(cell, dict):
            return None
        source = cell.get("source", "")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            return None
        metadata = cell.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if cell.get("cell_type") == "code" and not (isinstance(tags, list) and _SETUP in tags):
            found.append((number, source))
    return tuple(found)


def guessed(sources: Iterable[str]) -> str | None:
    """The chapter of whose exercises this code speaks most: a check of their id, or a definition of their name."""
    code = "\n".join(sources)
    defined = set(re.findall(r"^(?:def\s+)?(\w+)\s*[=(:]", code, re.MULTILINE))
    checked = set(re.findall(r"\bcheck\(\s*[\"']([\w-]+)[\"']", code))
    votes: Counter[str] = Counter()
    for exercise in catalogue.exercises().values():
        votes[exercise.chapter] += 3 * (exercise.id in checked) + (exercise.name in defined)
    best = max(votes, key=lambda chapter: votes[chapter], default=None)
    return best if best is not None and votes[best] else None


def chapter_of_class(notebooks: Iterable[Notebook]) -> str | None:
    """The chapter of most notebooks."""
    count = Counter(notebook.chapter for notebook in notebooks if notebook.chapter)
    return min(count, key=lambda chapter: (-count[chapter], chapter), default=None)


def in_shard(student: str, shard: tuple[int, int]) -> bool:
    """Whether a student belongs to shard i of n: a matter of the name alone, the same on every machine."""
    number, count = shard
    return int(hashlib.sha256(clean(student).encode()).hexdigest(), 16) % count == number - 1


def chosen(notebooks: Sequence[Notebook], chapter: str | None) -> tuple[list[tuple[str, list[Notebook]]], list[str]]:
    """Which notebooks of a student are graded, by chapter, and remarks on those that are not.

    Of several notebooks of a chapter the best counts; no more than ``MOST`` are tried.

    Args:
        notebooks: all that the student handed in.
        chapter: that is graded, for a whole class; None where each notebook is graded for its own.
    """
    remarks, groups = [], dict[str, list[Notebook]]()
    for notebook in notebooks:
        own = notebook.chapter or chapter
        if own is not None:
            groups.setdefault(own, []).append(notebook)
    if chapter is not None and len(notebooks) == 1:  # it was handed in for this, whatever it says
        groups = {chapter: list(notebooks)}
        if notebooks[0].chapter not in (None, chapter):
            remarks.append(f"the notebook says that it is of {notebooks[0].chapter}")
    elif chapter is not None:
        others = [n.path.name for own, group in groups.items() if own != chapter for n in group]
        remarks += [f"not graded: {', '.join(others)}"] if others else []
        groups = {chapter: groups[chapter]} if chapter in groups else {}
    counted = []
    for own, group in sorted(groups.items()):
        ordered = sorted(group, key=lambda n: (bool(n.fault), n.path.stem != own, str(n.path)))
        counted.append((own, ordered[:MOST]))
        if len(ordered) > MOST:
            left = ", ".join(n.path.name for n in ordered[MOST:])
            remarks.append(f"more than {MOST} notebooks of this chapter; not graded: {left}")
    return counted, remarks
