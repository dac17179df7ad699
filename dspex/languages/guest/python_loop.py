"""An asyncio event loop for a guest that has neither sockets nor threads.

The loops of the standard library wake themselves through a socket pair and wait in a selector. In
the sandbox nothing can arrive from outside while the program waits, so waiting is only sleeping,
and everything else is `asyncio.BaseEventLoop`. Runs inside the sandbox (CPython 3.14).
"""

import asyncio
import time
from asyncio import base_events, events

SLEEP_S_MAX = 3600.0
"""Longest single wait; the loop asks again, and the host's deadline comes first."""


class _Clock:
    """The part of a selector that `BaseEventLoop` uses: wait, then report no event."""

    def select(self, timeout):
        if timeout is None:
            # Nothing is scheduled and nothing can arrive: natively this would hang for ever.
            raise RuntimeError(
                "the event loop waits for something that can never happen in the sandbox: "
                "no task is ready and no timer is set"
            )
        if timeout > 0:
            time.sleep(min(timeout, SLEEP_S_MAX))
        return []


class GuestEventLoop(base_events.BaseEventLoop):
    """Timers, tasks and callbacks; sockets, pipes, subprocesses and executors are refused."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        """Run `func` at once: there are no threads, so it holds up the loop, but it works."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self, timeout=None):
        """Do nothing: there is no executor."""


def install():
    """Make this the loop that `asyncio.run` and `asyncio.new_event_loop` create."""
    asyncio.EventLoop = GuestEventLoop
    policy = events._get_event_loop_policy()
    type(policy)._loop_factory = GuestEventLoop
