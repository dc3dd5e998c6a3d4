"""The parent's side of one submission: start a child, let it run the cells, ask for each exercise, end it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

from companion.exercises.attempts import Attempt
from companion.exercises.model import Case
from companion.grade import messages
from companion.grade.code import needed
from companion.grade.codec import LARGEST, Malformed, decode, encode
from companion.grade.confinement import Confinement, clean_environment, end, is_alive, remove
from companion.grade.entry import begin
from companion.grade.users import own_user

WARM = "companion.grade.warm"
BOOT = 60.0  # seconds until a child is ready; a fork takes some hundredths, a new interpreter on a busy machine more
_TRIES = 3
_FOR_CELLS = 0.8  # of the time that is left; the rest is for the answers

_FOREIGN = (-signal.SIGTERM, -9)  # SIGKILL, which Windows has not

_STARTING = threading.Lock()  # multiprocessing's table of children is not made for several threads


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Within, a child is not told which script the grader is: it would run that script again, answers included."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


@dataclass(frozen=True)
class Limits:
    """How long a submission may take, in seconds, and how much memory.

    Attributes:
        total: all together.
        cell: one cell, which is then interrupted.
        answer: all cases of an exercise, which are then interrupted.
        grace: after which what cannot be interrupted is ended with its process.
        memory: bytes of a process.
    """

    total: float = 30.0
    cell: float = 10.0
    answer: float = 2.0
    grace: float = 3.0
    memory: int = 2 * 2**30


@dataclass(frozen=True)
class Question:
    """What the parent asks for: the exercise, the name that the student defines, the calls to make."""

    exercise: str
    name: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Undefined:
    """The notebook defines no such name."""


@dataclass(frozen=True)
class Lost:
    """There is no attempt, because the process of the submission ended."""

    reason: str


@dataclass
class Examined:
    """What came of a submission: for each exercise its answers, and the cells that failed.

    An exercise has two answers where the one that was checked last is not the one that has the name in the end.
    """

    answers: dict[str, list[Attempt] | Undefined | Lost] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0


class Ended(Exception):
    """The child has ended, or has been ended; the message says why, in words for a teacher."""

    def __init__(self, reason: str, *, foreign: bool = False) -> None:
        super().__init__(reason)
        self.foreign = foreign  # ended by a signal that neither its own faults nor this grader sent


class Stopped(Exception):
    """The grader itself is to end."""


class Examiner:
    """Runs submissions one by one, each in processes of its own; several threads may share it."""

    def __init__(self, limits: Limits, preload: Sequence[str] = ()) -> None:
        self.limits = limits
        method = "spawn" if sys.platform == "win32" else "forkserver"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            # macOS: NumPy's library there need not survive a fork, so that each child imports it itself
            self._context.set_forkserver_preload([] if sys.platform == "darwin" else [WARM, *preload])
        self._running: set[_Child] = set()
        self._stopping = False

    def examine(self, cells: Sequence[tuple[int, str]], questions: Sequence[Question]) -> Examined:
        """Run the cells, then try the answer to each question.

        When the process dies at an exercise, this one is lost unless it has an answer already, and another process is
        asked for the rest. When it dies in a cell, all that are left are lost.

        Raises:
            Stopped: after :meth:`stop`.
            OSError: when the system can start no process.
        """
        start, found, again = time.monotonic(), Examined(), True
        left = list(questions)
        while left:
            asked: Question | None = None
            try:
                with _Child(self, start + self.limits.total) as child:
                    found.problems = child.run_cells(cells, questions)
                    while left:
                        asked = left[0]
                        child.ask(asked, found.answers)
                        left.pop(0)
            except Ended as ended:
                if self._stopping:
                    raise Stopped from None
                if ended.foreign and again:  # another submission's doing, or the system's: once more
                    again = False
                elif asked is None or time.monotonic() >= start + self.limits.total:
                    for question in left:
                        found.answers.setdefault(question.exercise, Lost(str(ended)))
                    left = []
                else:
                    found.answers.setdefault(asked.exercise, Lost(str(ended)))
                    left.pop(0)
        found.seconds = time.monotonic() - start
        return found

    def stop(self) -> None:
        """End all children, now."""
        self._stopping = True
        for child in list(self._running):
            child.kill("the grader was stopped")


class _Child:
    """One process, from its start to its end."""

    def __init__(self, examiner: Examiner, deadline: float) -> None:
        self._examiner, self._limits, self._deadline = examiner, examiner.limits, deadline
        self._lock, self._is_over = threading.Lock(), False
        self._verdict = ""  # why we ended it
        self._place = "the start"  # what it was asked to do
        self._after = ExitStack()

    def __enter__(self) -> _Child:
        with ExitStack() as stack:
            self._user = stack.enter_context(own_user())
            self._folder = tempfile.mkdtemp(prefix="unrolled-grade-")
            stack.callback(remove, self._folder)
            if self._user is not None:
                os.chown(self._folder, self._user, self._user)
            self._start()
            stack.callback(self._finish)
            watchdog = threading.Timer(max(self._deadline - time.monotonic(), 0), self.kill, [self._too_long()])
            watchdog.daemon = True
            watchdog.start()
            stack.callback(watchdog.cancel)
            self._examiner._running.add(self)
            stack.callback(self._examiner._running.discard, self)
            if self._examiner._stopping:
                self.kill("the grader was stopped")
            self._after = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._after.close()

    def _start(self) -> None:
        confinement = Confinement(self._folder, self._limits.memory, self._limits.total, self._user)
        for attempt in range(_TRIES):
            self._connection, theirs = self._examiner._context.Pipe()
            try:
                with _STARTING, clean_environment(), _no_main_module():
                    self._process = self._examiner._context.Process(
                        target=begin, args=(theirs, confinement), daemon=True
                    )
                    self._process.start()
                    return
            except (OSError, EOFError) as error:  # the warm parent was killed a moment ago, or the system is short
                self._connection.close()
                if attempt + 1 == _TRIES:
                    raise OSError(f"no process could be started: {error}") from error
                time.sleep(0.2)
            finally:
                theirs.close()

    def run_cells(self, cells: Sequence[tuple[int, str]], questions: Sequence[Question]) -> list[tuple[int, str]]:
        """The cells that failed, each with the reason."""
        problems: list[tuple[int, str]] = []
        numbers = {number for number, _ in cells}
        if self._receive(BOOT, "the start") != {"ready": True}:
            raise self._odd()
        asked = {question.name for question in questions}
        total = max(self._deadline - time.monotonic(), 0.1) * _FOR_CELLS
        sent = [[number, source, needed(source, asked)] for number, source in cells]
        self._send({"cells": sent, "seconds": self._limits.cell, "total": total})
        place = "the first cell"
        for _ in range(2 * len(cells) + 1):
            match self._receive(self._limits.cell + self._limits.grace, place):
                case {"cell": int(number)} if number in numbers:
                    place = f"cell {number}"
                case {"problem": [int(number), str(text)]} if number in numbers:
                    problems.append((number, text))
                case {"ran": True}:
                    return problems
                case _:
                    break
        raise self._odd()

    def ask(self, question: Question, answers: dict[str, list[Attempt] | Undefined | Lost]) -> None:
        """Try each answer to the question, and write down what came of it as soon as it is known."""
        attempts: list[Attempt] = []
        for number in range(2):
            match self._tried(question, number):
                case None if not attempts:
                    answers[question.exercise] = Undefined()
                    return
                case (attempt, count):
                    attempts.append(attempt)
                    answers[question.exercise] = attempts
                    if count == 1:
                        return
                case _:
                    raise self._odd()

    def _tried(self, question: Question, number: int) -> tuple[Attempt, int] | None:
        """What came of trying an answer, and how many there are; None where there is none."""
        limits = self._limits
        cases = messages.from_cases(question.cases)
        asked = {"exercise": question.exercise, "name": question.name, "answer": number}
        self._send({**asked, "cases": cases, "seconds": limits.answer})
        names = {name for case in question.cases for name in case.arguments}
        try:
            match self._receive(limits.answer + limits.grace, f"the answer {question.name}"):
                case {"undefined": True}:
                    return None
                case {"attempt": attempt, "answers": 1 | 2 as count}:
                    return messages.to_attempt(attempt, len(question.cases), tuple(names)), int(count)
        except Malformed:
            pass
        raise self._odd()

    def kill(self, verdict: str) -> None:
        """End the process and wake whoever waits for it; safe from any thread."""
        with self._lock:
            if self._is_over:
                return
            self._verdict = self._verdict or verdict
            with _STARTING:
                if sys.platform == "win32":
                    self._process.kill()
                has_ended = self._process.exitcode is not None
            end(self._process.pid, self._user, has_ended=has_ended)
            if sys.platform != "win32":
                with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def _finish(self) -> None:
        self.kill("")
        wait([self._process.sentinel], 5)
        with self._lock, _STARTING:
            self._is_over = True
            self._process.join(0)
            with suppress(ValueError):  # it still runs: nothing more can be done
                self._process.close()
            self._connection.close()

    def _send(self, message: Any) -> None:
        try:
            self._connection.send_bytes(encode(message))
        except OSError:
            raise self._ended() from None

    def _receive(self, patience: float, place: str) -> Any:
        """The next message; Ended when there is none, or none in time, or none that can be read."""
        self._place = place
        try:
            self._await(min(time.monotonic() + patience, self._deadline))
            return decode(self._connection.recv_bytes(LARGEST))
        except (EOFError, OSError):
            raise self._ended() from None
        except Malformed:
            raise self._odd() from None

    def _await(self, until: float) -> None:
        waiting: list[Any] = [self._connection, self._process.sentinel]
        while not self._connection.poll():
            ready = wait(waiting, max(until - time.monotonic(), 0))
            if not ready:
                late = time.monotonic() >= self._deadline
                self.kill(self._too_long() if late else "it did not end, and could not be interrupted")
                raise self._ended()
            if self._process.sentinel in ready and not self._connection.poll():
                if self._exit_code() != 255 or not is_alive(self._process.pid):
                    raise self._ended()
                waiting = [self._connection]  # only the warm parent has ended, which would have told us

    def _exit_code(self) -> int | None:
        with _STARTING:
            return self._process.exitcode

    def _odd(self) -> Ended:
        self.kill("it sent the grader something else than an answer")
        return self._ended()

    def _too_long(self) -> str:
        return f"it took longer than {self._limits.total:g} seconds"

    def _ended(self) -> Ended:
        if self._verdict:
            return Ended(f"{self._verdict}, at {self._place}")
        wait([self._process.sentinel], 1)
        code = self._exit_code()
        return Ended(f"{_meaning(code)}, at {self._place}", foreign=code in _FOREIGN)


def _meaning(code: int | None) -> str:
    """What an exit status says, in words."""
    if code is None:
        return "it closed its line to the grader"
    if code >= 0:
        return f"it ended its own process (exit status {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    known = {
        "SIGSEGV": "it crashed the interpreter (segmentation fault)",
        "SIGBUS": "it crashed the interpreter (bus error)",
        "SIGABRT": "it crashed the interpreter (abort)",
        "SIGXCPU": "it used more processor time than it may",
        "SIGKILL": "it was killed, perhaps because memory ran out",
    }
    return known.get(name, f"it was ended by {name}")
