"""Time for a guest that has neither sockets nor threads: an event loop, and what `time` lacks.

The loops of the standard library wake themselves through a socket pair and wait in a selector. In
the sandbox nothing but answers to host calls can arrive from outside while the program waits, so
waiting is sleeping or waiting for those, and everything else is `asyncio.BaseEventLoop`. Runs inside the sandbox (CPython 3.14).
"""

import asyncio
import calendar
import errno
import os
import time
from asyncio import base_events, events

calls = None
"""The module `python_tools`, whose answers are the only thing that can arrive from outside."""

NAP_S = 0.05
"""Longest sleep in one piece: an interrupt only makes a callback ready, which must be looked for."""


class _Clock:
    """The part of a selector that `BaseEventLoop` uses: wait, then report no event."""

    def __init__(self, ready):
        self._ready = ready

    def select(self, timeout):
        if calls is not None and calls.waiting():
            if not self._ready:
                calls.wait(timeout)
            return []
        if timeout is None:
            # Nothing is scheduled and nothing can arrive: natively this would hang for ever.
            raise RuntimeError(
                "the event loop waits for something that can never happen in the sandbox: "
                "no task is ready and no timer is set"
            )
        deadline = time.monotonic() + timeout
        while not self._ready and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
        return []


class GuestEventLoop(base_events.BaseEventLoop):
    """Timers, tasks and callbacks; sockets, pipes, subprocesses and executors are refused."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock(self._ready)

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


FIRST_S, LAST_S = -67768040578032000, 67767976233446400
"""The years that fit into C's `struct tm`; this C library has no way to say that one does not."""


class Dated:
    """A function of `time` that refuses what is beyond those years, as it does on Linux.

    It is no function, so that it does not become a method: programs keep these in their classes.
    """

    def __init__(self, function):
        self._function = function
        self.__name__ = self.__qualname__ = function.__name__
        self.__doc__, self.__module__ = function.__doc__, "time"
        self.__text_signature__ = function.__text_signature__

    def __call__(self, *arguments):
        if arguments and isinstance(arguments[0], (int, float)):
            seconds = arguments[0]
            if LAST_S < seconds < 1 << 63 or -(1 << 63) <= seconds < FIRST_S:
                raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW))
        return self._function(*arguments)

    def __repr__(self):
        return repr(self._function)

    def __reduce__(self):
        return self.__name__


def tzset():
    """Do what `time.tzset` does, which this build of CPython lacks: follow the variable TZ."""
    year = time.gmtime().tm_year
    january, july = (time.localtime(calendar.timegm((year, m, 1, 12, 0, 0))) for m in (1, 7))
    standard, summer = (july, january) if january.tm_isdst else (january, july)
    time.tzname = (standard.tm_zone, summer.tm_zone)
    time.timezone, time.altzone = -standard.tm_gmtoff, -summer.tm_gmtoff
    time.daylight = int(bool(summer.tm_isdst))


def install():
    """Make this the loop that `asyncio.run` and `asyncio.new_event_loop` create."""
    tzset.__module__ = "time"
    time.tzset = tzset
    time.localtime, time.gmtime = Dated(time.localtime), Dated(time.gmtime)
    time.ctime = Dated(time.ctime)
    asyncio.EventLoop = GuestEventLoop
    policy = events._get_event_loop_policy()
    type(policy)._loop_factory = GuestEventLoop
