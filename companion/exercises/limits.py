"""Stop a function that does not end.

Where the system has an interval timer (Linux, macOS; the main thread only) it interrupts Python code of any kind.
Elsewhere (Windows, a browser, another thread) the lines of the student's code are watched as they run. Neither can
stop one long call into compiled code, such as ``10**10**10``, before it returns. A loop round a `try` that catches
every exception is stopped by the timer only; two such `try`, one within the other, by nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")
Watched = Callable[[str], bool]  # whether the code in a file of this name is to be stopped

_BY_OPCODE = sys.version_info < (3, 12)  # where `while True: pass` on one line is one line, however often it runs
AGAIN = 0.05  # seconds after which the bell rings again, for code that catches everything and goes on


class OutOfTime(BaseException):
    """Raised in code that runs too long. Not an Exception, so that `except Exception` lets it through."""


def within(seconds: float, function: Callable[[], Result], is_watched: Watched) -> Result:
    """The function's result; OutOfTime when it takes longer.

    Args:
        seconds: how long it may take.
        function: called without arguments.
        is_watched: whether the code in a file of this name is the student's. Without a timer, only there it is stopped.
    """
    return _with_timer(seconds, function, is_watched) if has_timer() else _line_by_line(seconds, function, is_watched)


def has_timer() -> bool:
    """Whether a timer can interrupt the code that runs here."""
    if sys.platform in ("emscripten", "wasi"):  # where there may be a timer, but it waits until Python is idle
        return False
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _with_timer(seconds: float, function: Callable[[], Result], is_watched: Watched) -> Result:
    here, over = sys._getframe(), False

    def ring(number: int, frame: FrameType | None) -> None:
        if over or frame is here:  # the function has returned, or is about to be called
            return
        _stop_at_next_line(frame, here, is_watched)
        raise OutOfTime

    trace, start = sys.gettrace(), time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        return function()
    finally:
        over = True  # while this frame itself runs, the bell does nothing: no ring can come between these lines
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        sys.settrace(trace)
        if left:  # another timer was running: it goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 1e-3), interval)


def _stop_at_next_line(frame: FrameType | None, until: FrameType, is_watched: Watched) -> None:
    """Raise OutOfTime once more at the next line that one of the running functions executes, as in `except: pass`."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            raise OutOfTime
        return trace

    while frame is not None and frame is not until:
        if is_watched(frame.f_code.co_filename):
            frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(lambda frame, event, argument: None)  # functions called from now on are left alone


def _line_by_line(seconds: float, function: Callable[[], Result], is_watched: Watched) -> Result:
    deadline = time.monotonic() + seconds

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not is_watched(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = _BY_OPCODE
        if time.monotonic() > deadline:
            raise OutOfTime
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function()
    finally:
        sys.settrace(before)
