"""For tests of who does what when: waiting, a loop that stands still, an interrupt of a test's own."""

from __future__ import annotations

import contextlib
import gc
import linecache
import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    import dspex

WAIT_S = 20.0


class Interrupted(BaseException):
    """What Ctrl-C is, for one test alone."""


def interrupt_often(
    call: Callable[[], object], times: int, latest_s: float, *, before_each: Callable[[], object] = lambda: None
) -> None:
    """Call something again and again, and interrupt this thread each time after a moment drawn at random.

    Args:
        call: What is called.
        times: How often.
        latest_s: The longest that it is given; some of the calls must end by themselves in that time.
        before_each: Called before, and never interrupted.
    """
    armed = False

    def interrupt(_number: int, _frame: object) -> None:
        if armed:
            raise Interrupted

    draw = random.Random(7)  # repeatable on purpose
    interrupted = served = 0
    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # what other libraries have called at a collection cannot be interrupted: nobody would hear of it
    try:
        for _ in range(times):
            before_each()
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(5e-5, latest_s))
                call()
                armed = False
                served += 1
            except Interrupted:
                interrupted += 1
            finally:
                armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert interrupted > times // 10
    assert served > times // 50


def interrupted_at(line: int, call: Any) -> bool:
    """Call something, and interrupt this thread at the so-manieth line of ours that it executes there.

    Returns:
        Whether there were so many lines.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        if "/dspex/supervisor/" not in frame.f_code.co_filename and "/dspex/protocol/" not in frame.f_code.co_filename:
            return None
        if event != "line" or linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().startswith("with "):
            return trace  # signals, unlike this, are never handled between a block and the end of its lock
        lines += 1
        if lines == line:
            raise Interrupted
        return trace

    sys.settrace(trace)
    try:
        call()
    except Interrupted:
        return True
    finally:
        sys.settrace(None)
    return False


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


@contextlib.contextmanager
def blocked_loop(engine: dspex.Engine) -> Iterator[None]:
    """Have the supervisor's loop do nothing at all."""
    blocked, go_on = threading.Event(), threading.Event()
    in_time = []

    def block() -> None:
        blocked.set()
        in_time.append(go_on.wait(WAIT_S))

    assert engine._running()._call(block)
    assert blocked.wait(WAIT_S)
    try:
        yield
    finally:
        go_on.set()
    wait_for(lambda: in_time)
    assert in_time[0], "something waited for the loop"
