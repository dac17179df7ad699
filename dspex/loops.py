"""What the asynchronous face needs of the caller's event loop, under trio and under asyncio.

Each waits for a future that another thread settles, calls back into the loop, and runs work beside
it. Nothing here knows what is being waited for.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sniffio
import trio

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

_T = TypeVar("_T")


class Loop(Protocol):
    """The loop that the calling task runs in."""

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop, from any thread and in order; not if the loop has ended."""

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> Callable[[], None]:
        """Run a coroutine in the loop, from any thread; return what cancels it."""

    async def wait_done(self, future: Future[Any]) -> None:
        """Wait until a future is settled; when cancelled, leave it as it is."""

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Run a function in a thread and wait for its end, even when cancelled."""


def running_loop() -> Loop:
    """Return the loop of the calling task.

    Raises:
        RuntimeError: There is none, or it is neither trio's nor asyncio's.
    """
    library = sniffio.current_async_library()
    if library == "trio":
        return TrioLoop()
    if library == "asyncio":
        from dspex.asyncio_loops import AsyncioLoop  # noqa: PLC0415 - only where it runs already

        return AsyncioLoop()
    msg = f"dspex runs under trio and asyncio, not under {library}"
    raise RuntimeError(msg)


class TrioLoop:
    """The loop of the calling trio task."""

    __slots__ = ("_token",)

    def __init__(self) -> None:
        """Remember the loop."""
        self._token = trio.lowlevel.current_trio_token()

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *arguments)

    def spawn(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> Callable[[], None]:
        """Run a coroutine in the loop, as a task of nobody's nursery."""
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await coroutine

        def begin() -> None:
            trio.lowlevel.spawn_system_task(run, context=context)

        try:
            self._token.run_sync_soon(begin)
        except trio.RunFinishedError:  # nobody is there to be answered for
            coroutine.close()
        return lambda: self.call_soon(scope.cancel)

    async def wait_done(self, future: Future[Any]) -> None:
        """Wait until a future is settled."""
        done = trio.Event()
        future.add_done_callback(lambda _: self.call_soon(done.set))
        await done.wait()

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Run a function in a thread."""
        with trio.CancelScope(shield=True):
            result = await trio.to_thread.run_sync(function)
        return result  # noqa: RET504 - mypy does not know that the scope swallows nothing here
