"""What a teacher should know before a run: what this system cannot limit, and what submissions could read."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import companion
from companion.grade.users import are_available


def notices(checks: Path | None) -> list[str]:
    """One sentence each."""
    return [*_unlimited(), *_exposed(checks), *_unreadable()]


def _unlimited() -> list[str]:
    if sys.platform == "win32":
        return [
            "Windows: time is limited; memory, processor time, files and further processes are not, and a submission "
            "runs with your rights."
        ]
    said = ["Network access is not limited."]
    if sys.platform == "darwin":
        said.append("macOS: memory is not limited.")
    if are_available():
        return [*said, "Each submission runs as a user of its own."]
    return [*said, "Submissions run with your rights: one that means harm could reach your files and processes."]


def _exposed(checks: Path | None) -> list[str]:
    """A warning where submissions could read the hidden checks."""
    if checks is None or (are_available() and not checks.stat().st_mode & 0o004):
        return []
    return [f"Submissions can read {checks.name}: keep it where they cannot."]


def _unreadable() -> list[str]:
    """A warning where submissions that run as another user cannot read Python itself."""
    if not python_is_closed():
        return []
    return ["Others than root cannot read this Python: submissions import only what the grader has loaded already."]


@cache
def python_is_closed() -> bool:
    """Whether submissions run as users who cannot read Python itself, and so import only what is loaded already."""
    if not are_available():
        return False
    places = {Path(place).resolve() for place in (sys.base_prefix, sys.prefix, *companion.__path__)}
    return not all(path.stat().st_mode & 0o001 for place in places for path in (place, *place.parents))
