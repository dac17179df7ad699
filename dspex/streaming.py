"""Output while it is written: events in order, to a reader who may be slower than the guest.

The supervisor puts events in and stops reading from the worker while too much is held here, so that the
guest itself waits: nothing grows. The reader takes events out, in any thread or event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import trio

from dspex.loops import running_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self

    from dspex.outcome import Outcome

HELD_CHARS_MAX = 64 * 1024
"""How much text waits for the reader before the guest has to."""


class StreamedJob(Protocol):
    """What a stream needs of the run that it shows: a `RunningJob`."""

    @property
    def settled(self) -> Future[Any] | None:
        """The future of the end; None if it is there already."""

    def outcome_or_cancel(self) -> Outcome:
        """Wait for the end and return it."""

    def cancel(self) -> None:
        """Give the run up."""


class AsyncStreamedJob(Protocol):
    """What an asynchronous stream needs of the run that it shows: an `AsyncJob`."""

    @property
    def settled(self) -> Future[Any] | None:
        """The future of the end; None if it is there already."""

    async def outcome_or_cancel(self) -> Outcome:
        """Wait for the end and return it."""

    def cancel(self) -> None:
        """Give the run up."""


class OutputEvent(NamedTuple):
    """A piece of output, as it was written."""

    stream: Literal["stdout", "stderr"]
    text: str


class Flow:
    """Events on their way from the supervisor's thread to one reader."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._lock = threading.Lock()
        self._events: deque[OutputEvent] = deque()
        self._held = 0
        self._ended = False
        self._arrival: Future[None] | None = None
        self._room: trio.Event | None = None
        self._token: trio.lowlevel.TrioToken | None = None

    def __call__(self, stream: str, text: str) -> None:
        """Add output; called in the supervisor's thread, as an `on_output` is."""
        with self._lock:
            self._events.append(OutputEvent(stream, text))  # type: ignore[arg-type]
            self._held += len(text)
            self._announce()

    def end(self) -> None:
        """Say that nothing follows; the supervisor need not wait any more."""
        with self._lock:
            self._ended = True
            self._announce()
            self._make_room()

    def _announce(self) -> None:
        if self._arrival is not None:
            self._arrival.set_result(None)
            self._arrival = None

    def _make_room(self) -> None:
        if self._room is not None and self._token is not None:
            self._token.run_sync_soon(self._room.set)
            self._room = None

    async def wait_room(self) -> None:
        """Wait until the reader has caught up; called in the supervisor's loop."""
        while True:
            with self._lock:
                if self._ended or self._held <= HELD_CHARS_MAX:
                    return
                room = self._room = trio.Event()
                self._token = trio.lowlevel.current_trio_token()
            await room.wait()

    def arrival(self) -> Future[None]:
        """Return what is settled as soon as `take` gives something."""
        with self._lock:
            future: Future[None] = Future()
            if self._events or self._ended:
                future.set_result(None)
            else:
                self._arrival = future
            return future

    def take(self) -> list[OutputEvent] | None:
        """Return the events that are there; None if none will come any more."""
        with self._lock:
            if not self._events:
                return None if self._ended else []
            found = list(self._events)
            self._events.clear()
            self._held = 0
            self._make_room()
            return found


class Stream:
    r"""A run under way, as an iterator of its output; `outcome` gives its end.

    Leaving the `with` block early gives the run up.

    Example:
        >>> from dspex import Engine
        >>> with Engine() as engine, engine.stream("for i in range(3): print(i)") as stream:
        ...     "".join(event.text for event in stream)
        '0\n1\n2\n'
    """

    def __init__(self, job: StreamedJob, flow: Flow) -> None:
        """Read a job's output; `Engine.stream` makes one."""
        self._job = job
        self._flow = flow
        if job.settled is None:
            flow.end()
        else:
            job.settled.add_done_callback(lambda _done: flow.end())

    def __iter__(self) -> Iterator[OutputEvent]:
        """Yield output until the run has ended."""
        while True:
            self._flow.arrival().result()
            events = self._flow.take()
            if events is None:
                return
            yield from events

    def outcome(self) -> Outcome:
        """Wait for the end and return it; what was not read by then is in its `stdout` as well."""
        self._flow.end()
        return self._job.outcome_or_cancel()

    def close(self) -> None:
        """Give the run up if it has not ended; closing twice is closing once."""
        self._flow.end()
        self._job.cancel()

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


class AsyncStream:
    """`Stream` for trio and asyncio: `async with`, `async for` and an awaitable `outcome`."""

    def __init__(self, job: AsyncStreamedJob, flow: Flow) -> None:
        """Read a job's output; `AsyncEngine.stream` makes one."""
        self._job = job
        self._flow = flow
        if job.settled is None:
            flow.end()
        else:
            job.settled.add_done_callback(lambda _done: flow.end())

    async def __aiter__(self) -> AsyncIterator[OutputEvent]:
        """Yield output until the run has ended."""
        loop = running_loop()
        while True:
            await loop.wait_done(self._flow.arrival())
            events = self._flow.take()
            if events is None:
                return
            for event in events:
                yield event

    async def outcome(self) -> Outcome:
        """Wait for the end and return it; what was not read by then is in its `stdout` as well."""
        self._flow.end()
        return await self._job.outcome_or_cancel()

    async def aclose(self) -> None:
        """Give the run up if it has not ended; closing twice is closing once."""
        self._flow.end()
        self._job.cancel()

    async def __aenter__(self) -> Self:
        """Return the stream."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close."""
        await self.aclose()
