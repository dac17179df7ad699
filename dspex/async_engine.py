"""The door for trio and asyncio: `open_engine` and what it gives; the methods are those of `Engine`.

The engine keeps its own thread with its own loop. Here the caller's loop waits for what that thread
settles, never blocked and never entered: an asyncio program needs no trio loop of its own. What a
request means is `dspex.engine`'s; what differs between the loops, `dspex.loops`'.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

from dspex.engine import Engine
from dspex.errors import SnapshotUnusable
from dspex.loops import running_loop
from dspex.parameters import function_like, method_like
from dspex.session import Session
from dspex.streaming import AsyncStream, Flow
from dspex.submission import flow_of
from dspex.tools import caller_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from dspex.loops import Loop
    from dspex.outcome import Outcome
    from dspex.policy import Policy
    from dspex.request import OutputCallback
    from dspex.running import RunningJob
    from dspex.supervisor.job import Facts

DECODING_BYTES_MAX = 256 * 1024
"""What is larger is decoded in a thread, so that the loop goes on."""
ENCODING_BYTES_MAX = 256 * 1024
"""A request that is larger is encoded in a thread, if somebody waits for its end anyway."""
_ITEM_BYTES = 8
"""What a number, say, counts for."""


@contextlib.asynccontextmanager
async def _open_engine(*args: Any, **kwargs: Any) -> AsyncIterator[AsyncEngine]:
    engine = AsyncEngine(await _started(lambda: Engine(*args, **kwargs)))
    try:
        yield engine
    finally:
        await engine.aclose()


@function_like(Engine.__init__)
def open_engine(
    *args: Any, **kwargs: Any
) -> contextlib.AbstractAsyncContextManager[AsyncEngine]:
    """Open an engine for trio or asyncio; the parameters and errors are those of `Engine`.

    Processes are started, and if need be the runtime is built, beside the caller's loop.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     async with open_engine(policy="compute") as engine:
        ...         return (await engine.run("6 * 7")).value
        >>> asyncio.run(main())
        42
    """
    return _open_engine(*args, **kwargs)


class AsyncEngine:
    """`Engine` with awaitable methods; made by `open_engine`.

    It may be shared by all tasks of a loop, and by several loops.
    """

    def __init__(self, engine: Engine) -> None:
        """Give a running engine an asynchronous face; `aclose` closes it."""
        self._engine = engine

    @property
    def policy(self) -> Policy:
        """The loosest policy that a run can have."""
        return self._engine.policy

    @property
    def isolation(self) -> tuple[str, ...]:
        """Names of the layers that stand around each worker."""
        return self._engine.isolation

    @method_like(Engine.submit)
    async def run(self, *args: Any, **kwargs: Any) -> Outcome:
        """Run a program in a fresh sandbox and wait for its end; see `Engine.run`.

        `on_output` is called in the caller's loop. If the waiting task is cancelled, the process is
        killed and the loop's own cancellation goes on. What is large is encoded in a thread, so that
        the loop goes on: do not change it before the end.
        """
        mounted = bool(self._engine.policy.mounts)
        job = await _begun(self._engine.submit, args, kwargs, mounted=mounted)
        return await job.outcome_or_cancel()

    @method_like(Engine.submit)
    def submit(self, *args: Any, **kwargs: Any) -> AsyncJob:
        """Begin a run and return at once; the parameters are those of `run`.

        Mounts are read, and what is large is encoded, before it returns: `run` does so in a thread.
        """
        return _submitted(self._engine.submit, args, kwargs)

    @method_like(Engine.submit)
    def stream(self, *args: Any, **kwargs: Any) -> AsyncStream:
        """Begin a run whose output is read while it is written; see `Engine.stream`."""
        return _streamed(self._engine.submit, args, kwargs)

    @method_like(Engine.session)
    @contextlib.asynccontextmanager
    async def session(self, *args: Any, **kwargs: Any) -> AsyncIterator[AsyncSession]:
        """Open a session, closed at the end of the `async with` block; see `Engine.session`."""
        loop = running_loop()
        with self._engine.order_session(*args, **kwargs) as session:
            await loop.wait_done(session.ready)
            session.ready.result()
            yield AsyncSession(session)

    @method_like(Engine.replay)
    async def replay(self, *args: Any, **kwargs: Any) -> Outcome:
        """Repeat a recorded run; see `Engine.replay`. It is waited for in a thread, to its end."""
        return await running_loop().in_thread(lambda: self._engine.replay(*args, **kwargs))

    @method_like(Engine.resume)
    async def resume(self, path: str | Path, **kwargs: Any) -> AsyncSession:
        """Open a session that goes on where a saved one was; see `Engine.resume`.

        The file is read in a thread. Whoever gets the session closes it, as by `async with`.
        """
        begun: list[Session] = []
        try:
            await running_loop().in_thread(
                lambda: begun.append(self._engine.order_resumed(path, **kwargs))
            )
            return await _opened(begun[0])
        except SnapshotUnusable as error:
            raise SnapshotUnusable(str(path), error.reason) from None
        except BaseException:
            for session in begun:
                session.close()
            raise

    async def aclose(self) -> None:
        """End every process of this engine, even when cancelled; closing twice is closing once."""
        await running_loop().in_thread(self._engine.close)


class AsyncSession:
    """`Session` with awaitable methods; made by `AsyncEngine.session`."""

    def __init__(self, session: Session) -> None:
        """Give a session an asynchronous face."""
        self._session = session

    @property
    def closed(self) -> bool:
        """Whether no further run is possible."""
        return self._session.closed

    @method_like(Session.submit)
    async def run(self, *args: Any, **kwargs: Any) -> Outcome:
        """Run a program in the session's state; see `Session.run`.

        `on_output` is called in the caller's loop. If the waiting task is cancelled, the program is
        interrupted, so that the session's state is kept, and the loop's own cancellation goes on.
        """
        mounted = bool(self._session.policy.mounts)
        job = await _begun(self._session.submit, args, kwargs, mounted=mounted)
        return await job.outcome_or_cancel()

    @method_like(Session.submit)
    def submit(self, *args: Any, **kwargs: Any) -> AsyncJob:
        """Begin a run in the session and return at once."""
        return _submitted(self._session.submit, args, kwargs)

    @method_like(Session.submit)
    def stream(self, *args: Any, **kwargs: Any) -> AsyncStream:
        """Begin a run whose output is read while it is written; see `Session.stream`."""
        return _streamed(self._session.submit, args, kwargs)

    @method_like(Session.replay)
    async def replay(self, *args: Any, **kwargs: Any) -> Outcome:
        """Repeat a recorded run; see `Session.replay`. It is waited for in a thread, to its end."""
        return await running_loop().in_thread(lambda: self._session.replay(*args, **kwargs))

    @property
    def parked(self) -> bool:
        """Whether the session has no process now; it gets one when it is asked for something."""
        return self._session.parked

    async def fork(self) -> AsyncSession:
        """Return an independent copy, for the caller to close; see `Session.fork`."""
        return await _opened(self._session.order_fork())

    async def save(self, path: str | Path, *, key: bytes | None = None) -> None:
        """Write the session to a file, in a thread; see `Session.save`."""
        loop, ordered = running_loop(), self._session.order_state()
        await loop.wait_done(ordered)
        await loop.in_thread(lambda: self._session.write_state(path, ordered, key=key))

    async def park(self) -> None:
        """End the session's process until it is asked for something; see `Session.park`."""
        ordered = self._session.order_parking()
        await running_loop().wait_done(ordered)
        ordered.result()

    def close(self) -> None:
        """End the session's process; closing twice is closing once."""
        self._session.close()

    async def __aenter__(self) -> Self:
        """Return the session."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


async def _opened(session: Session) -> AsyncSession:
    """Wait until a session is ready; if it never is, or nobody waits any more, close it."""
    try:
        await running_loop().wait_done(session.ready)
        session.ready.result()
    except BaseException:
        session.close()
        raise
    return AsyncSession(session)


class AsyncJob:
    """A run under way, or ended: `outcome` waits for its end, `cancel` gives it up."""

    def __init__(self, job: RunningJob, listener: _Listener | None) -> None:
        """Give a job an asynchronous face."""
        self._job = job
        self._listener = listener

    @property
    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._job.done

    @property
    def settled(self) -> Future[Facts] | None:
        """The future behind `done`; None if there is none."""
        return self._job.settled

    async def outcome(self) -> Outcome:
        """Wait for the end and return it; if the waiting is cancelled, the run goes on.

        Raises:
            concurrent.futures.CancelledError: It was cancelled before it began.
            EngineBusy, SessionClosed: It never began.
            Exception: What `on_output` raised.
        """
        loop, settled = running_loop(), self._job.settled
        if settled is not None:
            await loop.wait_done(settled)
        if self._listener is not None and self._listener.failure is not None:
            raise self._listener.failure
        if self._job.decoding_bytes > DECODING_BYTES_MAX or self._job.writes_back:
            return await loop.in_thread(self._job.outcome)
        return self._job.outcome()

    async def outcome_or_cancel(self) -> Outcome:
        """Wait for the end and return it; if the waiting is cancelled, give the run up."""
        try:
            return await self.outcome()
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Give the run up: its process is killed (in a session: it is interrupted)."""
        self._job.cancel()


class _Listener:
    """Calls a caller's `on_output` in the caller's loop; its mistake ends the run."""

    def __init__(self, on_output: OutputCallback, loop: Loop) -> None:
        self._on_output = on_output
        self._loop = loop
        self.job: RunningJob | None = None
        self.failure: Exception | None = None

    def __call__(self, stream: str, text: str) -> None:
        """Take output in the engine's thread."""
        self._loop.call_soon(self._tell, stream, text)

    def _tell(self, stream: str, text: str) -> None:
        if self.failure is not None:
            return
        try:
            self._on_output(stream, text)
        except Exception as error:  # noqa: BLE001 - raised in the task that waits for the run
            self.failure = error
            if self.job is not None:
                self.job.cancel()


def _streamed(
    submit: Callable[..., RunningJob], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncStream:
    flow = flow_of(kwargs)
    return AsyncStream(_submitted(submit, args, {**kwargs, "on_output": flow}), flow)


async def _begun(
    submit: Callable[..., RunningJob], args: tuple[Any, ...], kwargs: dict[str, Any], *,
    mounted: bool,
) -> AsyncJob:
    """Begin a run, beside the loop if its request is large or files have to be read for it."""
    if not mounted and not _is_large((*args, *kwargs.values())):
        return _submitted(submit, args, kwargs)
    loop = running_loop()
    begun: list[AsyncJob] = []
    try:
        await loop.in_thread(lambda: begun.append(_submitted(submit, args, kwargs, loop)))
    except BaseException:
        for job in begun:
            job.cancel()
        raise
    return begun[0]


def _is_large(things: Any) -> bool:
    """Tell whether plain data is over `ENCODING_BYTES_MAX`, by a look that is bounded itself."""
    size, pending = 0, [things]
    while pending:
        thing = pending.pop()
        size += _ITEM_BYTES
        if isinstance(thing, str | bytes | bytearray | memoryview):
            size += len(thing)
        elif isinstance(thing, Mapping | list | tuple | set | frozenset):
            size += len(thing) * _ITEM_BYTES
            if size <= ENCODING_BYTES_MAX:
                pending += thing.values() if isinstance(thing, Mapping) else thing
        else:
            size += getattr(thing, "nbytes", 0)  # an array's
        if size > ENCODING_BYTES_MAX:
            return True
    return False


def _submitted(
    submit: Callable[..., RunningJob],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    loop: Loop | None = None,
) -> AsyncJob:
    """Begin a run whose output is told to the caller's loop, and whose tools may run there."""
    loop = loop or running_loop()
    before = caller_loop.set(loop.spawn)
    try:
        on_output = kwargs.get("on_output")
        if not callable(on_output) or isinstance(on_output, Flow) or inspect.iscoroutinefunction(on_output):
            # What is wrong with it, if it is there at all, is the engine's to say.
            return AsyncJob(submit(*args, **kwargs), None)
        listener = _Listener(on_output, loop)
        job = listener.job = submit(*args, **{**kwargs, "on_output": listener})
        return AsyncJob(job, listener)
    finally:
        caller_loop.reset(before)


async def _started(start: Callable[[], Engine]) -> Engine:
    """Start an engine in a thread; if the waiting is cancelled, it is closed when it has started."""
    begun: Future[Engine] = Future()

    def work() -> None:
        try:
            engine = start()
        except BaseException as error:  # noqa: BLE001 - raised in the task that waits for it
            if begun.set_running_or_notify_cancel():
                begun.set_exception(error)
            return
        if begun.set_running_or_notify_cancel():
            begun.set_result(engine)
        else:
            engine.close()

    loop = running_loop()
    threading.Thread(target=work, name="dspex-start", daemon=True).start()
    try:
        await loop.wait_done(begun)
    except BaseException:
        if not begun.cancel() and begun.exception() is None:
            threading.Thread(target=begun.result().close, name="dspex-close").start()
        raise
    return begun.result()
