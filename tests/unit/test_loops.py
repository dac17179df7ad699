"""Waiting, calling back and working beside the loop mean the same under trio and asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
import sniffio
import trio

from dspex.asyncio_loops import AsyncioLoop
from dspex.loops import TrioLoop, running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def under_trio(main: Callable[[], Awaitable[Any]]) -> Any:
    return trio.run(main)


def under_asyncio(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(main())  # type: ignore[arg-type]


async def cancelled_after(timeout_s: float, function: Callable[[], Awaitable[Any]]) -> bool:
    """Run a function under a timeout of the loop; tell whether it was cancelled."""
    if sniffio.current_async_library() == "trio":
        with trio.move_on_after(timeout_s) as scope:
            await function()
        return scope.cancelled_caught
    try:
        async with asyncio.timeout(timeout_s):
            await function()
    except TimeoutError:
        return True
    return False


@pytest.fixture(params=[under_trio, under_asyncio])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_loop_of_the_task_is_found() -> None:
    async def kind() -> type:
        return type(running_loop())

    assert (under_trio(kind), under_asyncio(kind)) == (TrioLoop, AsyncioLoop)


def test_outside_a_task_there_is_none() -> None:
    with pytest.raises(RuntimeError):
        running_loop()


def test_another_kind_of_loop_is_named() -> None:
    token = sniffio.current_async_library_cvar.set("curio")
    try:
        with pytest.raises(RuntimeError, match="under trio and asyncio, not under curio"):
            running_loop()
    finally:
        sniffio.current_async_library_cvar.reset(token)


def test_what_another_thread_settles_is_waited_for(run: Any) -> None:
    async def main() -> int:
        future: Future[int] = Future()
        threading.Timer(0.05, future.set_result, [42]).start()
        await running_loop().wait_done(future)
        await running_loop().wait_done(future)
        return future.result(0)

    assert run(main) == 42


def test_a_future_that_fails_or_is_cancelled_is_done_too(run: Any) -> None:
    async def main() -> None:
        failed: Future[int] = Future()
        failed.set_exception(LookupError())
        dropped: Future[int] = Future()
        dropped.cancel()
        await running_loop().wait_done(failed)
        await running_loop().wait_done(dropped)

    run(main)


def test_a_wait_that_is_cancelled_leaves_the_future_alone(run: Any) -> None:
    async def main() -> None:
        future: Future[int] = Future()
        assert await cancelled_after(0.02, lambda: running_loop().wait_done(future))
        assert not future.cancelled()
        future.set_result(1)
        await running_loop().wait_done(future)

    run(main)


def test_calls_from_another_thread_arrive_in_order_and_in_the_loop(run: Any) -> None:
    async def main() -> None:
        loop, calls, done = running_loop(), list[tuple[int, int]](), Future[None]()

        def call() -> None:
            for number in range(100):
                loop.call_soon(lambda n: calls.append((n, threading.get_ident())), number)
            done.set_result(None)

        threading.Thread(target=call).start()
        await loop.wait_done(done)
        assert calls == [(number, threading.get_ident()) for number in range(100)]

    run(main)


def test_calls_to_a_loop_that_has_ended_go_nowhere(run: Any) -> None:
    async def main() -> Any:
        return running_loop()

    called: list[int] = []
    run(main).call_soon(called.append, 1)

    assert called == []


def test_work_in_a_thread_is_finished_even_when_its_wait_is_cancelled(run: Any) -> None:
    finished: list[int] = []

    def work() -> int:
        time.sleep(0.1)
        finished.append(threading.get_ident())
        return 42

    async def main() -> None:
        assert await running_loop().in_thread(work) == 42
        assert finished.pop() != threading.get_ident()

        await cancelled_after(0.01, lambda: running_loop().in_thread(work))
        assert len(finished) == 1

    run(main)


def test_what_work_in_a_thread_raises_is_raised(run: Any) -> None:
    def work() -> None:
        raise LookupError("from the thread")

    async def main() -> None:
        with pytest.raises(LookupError, match="from the thread"):
            await running_loop().in_thread(work)

    run(main)
