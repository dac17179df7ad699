"""For tests of who does what when: waiting, a loop that stands still, an interrupt of a test's own."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dspex

WAIT_S = 20.0


class Interrupted(BaseException):
    """What Ctrl-C is, for one test alone."""


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
