"""A user of its own for each child, where the grader is root on Linux: it can then end no process but its own.

The numbers are taken from a range that systems hand out to nobody, and a name that only one process can hold keeps two
graders from taking the same.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from companion.grade.confinement import processes_of

if sys.platform != "win32":
    import pwd

_FIRST, _LAST = 60600, 61100


@contextmanager
def own_user() -> Iterator[int | None]:
    """The number of a user whom nobody else is, as long as the block lasts; None where there can be none."""
    if not are_available():
        yield None
        return
    for number in range(_FIRST, _LAST):
        lock = _lock(number)
        if lock is None:
            continue
        try:
            if _is_free(number):
                yield number
                return
        finally:
            lock.close()
    raise RuntimeError(f"no user number from {_FIRST} to {_LAST} is free")


@cache
def are_available() -> bool:
    """Whether a child can be given another user: on Linux, as root, unless a container knows too few numbers."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    maps = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return any(int(first) <= _FIRST and _LAST <= int(first) + int(count) for first, _, count in map(str.split, maps))


if sys.platform != "win32":

    def _lock(number: int) -> socket.socket | None:
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0unrolled-grade-user-{number}")  # a name without a file, free again when we end
        except OSError:
            lock.close()
            return None
        return lock

    def _is_free(number: int) -> bool:
        try:
            pwd.getpwuid(number)
        except KeyError:
            return not processes_of(number)
        return False
