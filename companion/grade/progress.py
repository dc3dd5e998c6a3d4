"""How far a run has come, on one line of the terminal."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Counts what is done; in a terminal on one line that is overwritten, elsewhere a line every tenth of the way."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total, self._stream = total, stream or sys.stderr
        self._start, self._done, self._lock = time.monotonic(), 0, threading.Lock()
        self._is_terminal = self._stream.isatty()

    def step(self) -> None:
        """One more is done."""
        with self._lock:
            self._done += 1
            done, total = self._done, self._total
            if not self._is_terminal and done * 10 // total == (done - 1) * 10 // total:
                return
            text = f"{done} of {total} graded"
            left = (time.monotonic() - self._start) / done * (total - done)
            text += f", about {_spelled(left)} left" if done < total else f" in {_spelled(self.seconds)}"
            print(
                f"\r{text:<60}" if self._is_terminal else text,
                end="" if done < total and self._is_terminal else "\n",
                file=self._stream,
                flush=True,
            )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


def _spelled(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
