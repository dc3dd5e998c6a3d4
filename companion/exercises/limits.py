"""Stop a function that does not end.

Where the system has an interval timer (Linux, macOS; the main thread only) it interrupts Python code of any kind.
Elsewhere (Windows, a browser, another thread) the lines of the student's code are watched as they run. Neither can
stop one long call into compiled code, such as ``10**10**10``, before it returns.
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

AGAIN = 0.05  # seconds: for code that catches everything, and goes on


class OutOfTime(BaseException):
    """Raised in code that runs too long. Not an Exception, so that `except Exception` lets it through."""


def within(seconds: float, function: Callable[[], Result], is_watched: Callable[[str], bool]) -> Result:
    """The function's result; OutOfTime when it takes longer.

    Args:
        seconds: how long it may take.
        function: called without arguments.
        is_watched: whether the code in a file of this name is to be watched, where there is no timer.
    """
    return _with_timer(seconds, function) if has_timer() else _line_by_line(seconds, function, is_watched)


def has_timer() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _with_timer(seconds: float, function: Callable[[], Result]) -> Result:
    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        try:
            return function()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # again: the bell may have rung inside the line above
        signal.signal(signal.SIGALRM, before)


def _line_by_line(seconds: float, function: Callable[[], Result], is_watched: Callable[[str], bool]) -> Result:
    deadline = time.monotonic() + seconds

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not is_watched(frame.f_code.co_filename):
            return None
        if time.monotonic() > deadline:
            raise OutOfTime
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function()
    finally:
        sys.settrace(before)
