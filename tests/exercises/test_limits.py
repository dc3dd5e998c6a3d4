"""Functions that do not end are stopped, those that do are left alone, and nothing stays behind."""

import signal
import sys
import threading
import time

import pytest

from companion.exercises import limits
from companion.exercises.limits import OutOfTime, within

TIMER = hasattr(signal, "setitimer")
needs_timer = pytest.mark.skipif(not TIMER, reason="this system has no timer")
SHORT = 0.05
STUDENT = "student.py"


def watched(file):
    return file == STUDENT


def written(source, file=STUDENT, **known):
    """The function f of a source that lies in a file of this name."""
    scope = {"time": time, **known}
    exec(compile(source, file, "exec"), scope)
    return scope["f"]


@pytest.fixture(params=[pytest.param("timer", marks=needs_timer), "lines"])
def way(request, monkeypatch):
    if request.param == "lines":
        monkeypatch.setattr(limits, "has_timer", lambda: False)
    return request.param


ENDLESS = {
    "while": "def f():\n while True:\n  pass",
    "one line": "def f():\n while True: pass",
    "count": "import itertools\ndef f():\n for i in itertools.count():\n  x = i",
    "sum": "import itertools\ndef f():\n return sum(1 for i in itertools.count())",
    "filter": "import itertools\ndef f():\n return [i for i in itertools.count() if i < 0]",
    "called": "def g():\n while 1:\n  1\ndef f():\n return g()",
    "except Exception": "def f():\n while True:\n  try:\n   1 / 0\n  except Exception:\n   pass",
    "in a library": "import json\ndef f():\n while True:\n  json.loads('[1]')",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_loop_is_stopped(way, name):
    start = time.monotonic()
    with pytest.raises(OutOfTime):
        within(SHORT, written(ENDLESS[name]), watched)
    assert SHORT <= time.monotonic() - start < 20 * SHORT


SWALLOWING = {
    "bare": "def f():\n while True:\n  try:\n   x = 0\n   while True:\n    x += 1\n  except:\n   pass",
    "sleeping": "def f():\n while True:\n  try:\n   time.sleep(1)\n  except BaseException:\n   continue",
    "in the callee": "def g():\n try:\n  time.sleep(1)\n except:\n  return 1\ndef f():\n while True:\n  g()",
    "finally": "def f():\n try:\n  while True:\n   pass\n finally:\n  while True:\n   pass",
}


@needs_timer
@pytest.mark.parametrize("name", SWALLOWING)
def test_the_timer_stops_what_catches_every_exception(name):
    start = time.monotonic()
    with pytest.raises(OutOfTime):
        within(SHORT, written(SWALLOWING[name]), watched)
    assert time.monotonic() - start < 20 * SHORT


def test_a_result_and_an_exception_pass_through(way):
    assert within(5, written("def f():\n return [1, 2]"), watched) == [1, 2]
    for error in (ValueError, SystemExit, KeyboardInterrupt):
        with pytest.raises(error, match="mine"):
            within(5, written("def f():\n raise error('mine')", error=error), watched)


@pytest.mark.parametrize("source", ["def f():\n return 1", "def f():\n raise ValueError", ENDLESS["while"]])
def test_handlers_timers_and_traces_are_as_before(way, source):
    def handler(number, frame):
        raise AssertionError("nothing rings here")

    def trace(frame, event, argument):
        return None

    old_trace = sys.gettrace()
    old_handler = signal.signal(signal.SIGALRM, handler) if TIMER else None
    sys.settrace(trace)
    try:
        try:
            within(SHORT, written(source), watched)
        except (ValueError, OutOfTime):
            pass
        assert sys.gettrace() is trace
        if TIMER:
            assert signal.getsignal(signal.SIGALRM) is handler
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        sys.settrace(old_trace)
        if TIMER:
            signal.signal(signal.SIGALRM, old_handler)


@needs_timer
def test_a_timer_that_was_running_goes_on():
    rung = []
    old = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 30, 7)
        within(5, written("def f():\n return 1"), watched)
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 25 < left <= 30 and interval == 7
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        within(5, written("def f():\n time.sleep(0.05)"), watched)  # it should have rung meanwhile
        time.sleep(0.02)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_a_limit_within_a_limit(way):
    source = "def f():\n inner()\n while True:\n  pass"
    start = time.monotonic()
    inner = written("def f():\n return 1")
    with pytest.raises(OutOfTime):
        within(SHORT, written(source, inner=lambda: within(60, inner, watched)), watched)
    assert time.monotonic() - start < 20 * SHORT


@needs_timer
def test_the_bell_does_nothing_before_and_after_the_function_runs():
    """Whenever the signal comes late, or just as the function returns, its result is not lost."""
    held = []

    def function():
        handler = signal.getsignal(signal.SIGALRM)
        caller = sys._getframe(1)
        handler(signal.SIGALRM, caller)  # as it rings between two lines of the limit's own
        held.append(handler)
        with pytest.raises(OutOfTime):
            handler(signal.SIGALRM, sys._getframe())
        sys.settrace(None)
        return "result"

    assert within(60, function, lambda file: False) == "result"
    assert held[0](signal.SIGALRM, sys._getframe()) is None


@needs_timer
def test_the_bell_never_rings_after_a_function_that_ends_just_in_time():
    ends = {True: 0, False: 0}
    for step in range(200):
        deadline = time.perf_counter() + 1e-4 * (1 + step % 10)

        def busy(until=deadline):
            while time.perf_counter() < until:
                pass
            return True

        try:
            ends[within(5e-4, busy, watched)] += 1
        except OutOfTime:
            ends[False] += 1
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        for _ in range(50):
            pass  # where a late bell would ring
    assert ends[True] and ends[False]


def test_in_another_thread_lines_are_watched():
    found = []

    def run():
        found.append(limits.has_timer())
        try:
            within(SHORT, written(ENDLESS["while"]), watched)
        except OutOfTime:
            found.append("stopped")
        found.append(within(5, written("def f():\n return 1"), watched))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert found == [False, "stopped", 1]


@pytest.mark.parametrize("platform", ["emscripten", "wasi"])
def test_a_browsers_timer_is_not_relied_on(monkeypatch, platform):
    """It may exist there, and rings only once Python is idle."""
    monkeypatch.setattr(signal, "setitimer", lambda *arguments: (0.0, 0.0), raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert not limits.has_timer()
    with pytest.raises(OutOfTime):
        within(SHORT, written(ENDLESS["while"]), watched)


def test_where_lines_are_watched_those_of_a_library_are_not(monkeypatch):
    monkeypatch.setattr(limits, "has_timer", lambda: False)
    slow = f"def f():\n end = time.monotonic() + {3 * SHORT}\n while time.monotonic() < end:\n  pass\n return 1"
    assert within(SHORT, written(slow, "library.py"), watched) == 1
    with pytest.raises(OutOfTime):
        within(SHORT, written(slow), watched)
