"""What is asyncio's of `dspex.loops`, apart because loading asyncio takes its time: the caller's loop, and one of the engine's own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

_T = TypeVar("_T")


class AsyncioLoop:
    """The loop of the calling asyncio task."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        """Remember the loop."""
        self._loop = asyncio.get_running_loop()

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> Callable[[], None]:
        """Run a coroutine in the loop."""
        return spawn_in(self._loop, coroutine, context)

    async def wait_done(self, future: Future[Any]) -> None:
        """Wait until a future is settled."""
        done = asyncio.Event()
        future.add_done_callback(lambda _: self.call_soon(done.set))
        await done.wait()

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Run a function in a thread."""
        work = asyncio.ensure_future(asyncio.to_thread(function))
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            work.exception()  # it was looked at, so asyncio need not complain of it
            raise cancelled
        return work.result()


def spawn_in(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, None],
    context: contextvars.Context,
) -> Callable[[], None]:
    """Run a coroutine in an asyncio loop, from any thread; return what cancels it."""
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        tasks.append(loop.create_task(coroutine, context=context))

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

    try:
        loop.call_soon_threadsafe(begin)
    except RuntimeError:  # the loop is closed; nobody is there to be answered for
        coroutine.close()
    return cancel


class OwnLoop:
    """An asyncio loop in a thread, for callers without a loop."""

    def __init__(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="dspex-tools", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left))

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> Callable[[], None]:
        """Run a coroutine in the loop."""
        return spawn_in(self._loop, coroutine, context)

    def close(self) -> None:
        """Cancel what still runs and end the thread, unless that is the caller."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()
