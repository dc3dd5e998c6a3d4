"""What a child may use: as far as the system can limit it, and what to say where it cannot."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import resource

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_KEPT = (  # of the environment: what Python and the system need, and nobody's passwords
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR"),
    *("SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "VIRTUAL_ENV", "WINDIR", "MPLCONFIGDIR"),
)
_LARGEST_FILE = 64 * 2**20
_PROCESSES = 64  # threads among them, for a user of its own
_FIRST_DESCRIPTOR, _LAST_DESCRIPTOR = 3, 65536
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS


@dataclass(frozen=True)
class Confinement:
    """How one child is confined.

    Attributes:
        folder: its working directory, empty at first and removed at the end.
        memory: bytes of address space.
        seconds: of processor time.
        user: number of the user it becomes; None where the grader itself has no right to become another.
    """

    folder: str
    memory: int
    seconds: float
    user: int | None = None


@contextmanager
def clean_environment() -> Iterator[None]:
    """Within, the environment holds what a child may know, and one thread for NumPy."""
    before = dict(os.environ)
    kept = {name: value for name, value in before.items() if name.upper() in _KEPT}
    changed = {**kept, **dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0", "MPLBACKEND": "agg", "PYTHONUTF8": "1"}
    try:
        os.environ.clear()
        os.environ.update(changed)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def confine(confinement: Confinement, connection: int) -> None:
    """Give up, in the child, all that it does not need; ``connection`` is the one descriptor that it keeps."""
    sys.argv[:] = [""]
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, which the parent can end as one
    os.chdir(confinement.folder)
    _silence()
    if sys.platform == "win32":
        return
    os.closerange(_FIRST_DESCRIPTOR, connection)
    os.closerange(max(connection + 1, _FIRST_DESCRIPTOR), _LAST_DESCRIPTOR)
    os.umask(0o077)
    _limit(confinement)
    if confinement.user is not None:
        os.environ.update(HOME=confinement.folder, TMPDIR=confinement.folder, MPLCONFIGDIR=confinement.folder)
        os.setgroups([])
        os.setgid(confinement.user)
        os.setuid(confinement.user)  # OSError ends the child: it never runs with the grader's rights
        if os.getuid() != confinement.user or os.geteuid() != confinement.user:
            raise PermissionError("the grader's rights are still there")
    if sys.platform == "linux":
        _give_up_new_rights()


def _silence() -> None:
    """No input, and output that goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)  # type: ignore[misc]
    nowhere = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False)  # one that confine() leaves open
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = nowhere  # type: ignore[misc]


if sys.platform != "win32":

    def _limit(confinement: Confinement) -> None:
        seconds = math.ceil(confinement.seconds) + 1
        wanted = {
            resource.RLIMIT_AS: confinement.memory,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_FSIZE: _LARGEST_FILE,
            resource.RLIMIT_CORE: 0,
        }
        if confinement.user is not None:
            wanted[resource.RLIMIT_NPROC] = _PROCESSES
        for kind, value in wanted.items():
            _, hard = resource.getrlimit(kind)
            # processor time: the soft limit's signal says what it was, the hard one's would not
            most = value + 2 if kind == resource.RLIMIT_CPU else value
            value, most = (n if hard == resource.RLIM_INFINITY else min(n, hard) for n in (value, most))
            try:
                resource.setrlimit(kind, (value, most))
            except (OSError, ValueError):  # macOS, for memory
                if sys.platform == "linux":
                    raise


def _give_up_new_rights() -> None:
    """From here on sudo and the like give nothing."""
    import ctypes

    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def end(process: int, user: int | None, *, has_ended: bool) -> None:
    """End a child and all that it has started; of a user of its own even what has left its group."""
    if sys.platform == "win32":
        return  # the parent has ended the process; what it started goes on
    for send in (os.killpg,) if has_ended else (os.killpg, os.kill):
        try:
            send(process, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    for _ in range(200):  # a process that forks while it is looked for is found the next time; dying takes a moment
        left = processes_of(user) if user is not None else []
        if not left:
            return
        for number in left:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.005)


def processes_of(user: int) -> list[int]:
    """The running processes of a user (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == user and _runs(entry):
                found.append(int(entry.name))
        except OSError:  # it has ended
            pass
    return found


def _runs(entry: Path) -> bool:
    return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] not in "ZX"


def is_alive(process: int) -> bool:
    """Whether a process that nobody waits for still runs (Linux; elsewhere it is taken to have ended)."""
    try:
        return _runs(Path("/proc", str(process)))
    except OSError:
        return False


def remove(folder: str) -> None:
    """Remove a child's folder, whatever it left there."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):  # a folder that its owner may not enter
        for place, names, _ in os.walk(folder):
            for path in (os.path.join(place, name) for name in names):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
