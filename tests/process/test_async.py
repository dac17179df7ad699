"""The asynchronous face, under trio and under asyncio: the same programs, the same promises."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest
import trio

import dspex
from dspex import values
from dspex.async_engine import DECODING_BYTES_MAX, AsyncSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

FOREVER = "print('began', flush=True)\nwhile True: pass"
UNSTOPPABLE = """
print('began', flush=True)
while True:
    try:
        while True: pass
    except KeyboardInterrupt:
        pass
"""


class Trio:
    """What a test needs of trio."""

    cancelled = trio.Cancelled
    sleep = staticmethod(trio.sleep)

    @staticmethod
    def run(main: Callable[[], Awaitable[None]]) -> None:
        trio.run(main)

    @staticmethod
    async def gather(*functions: Callable[[], Awaitable[Any]]) -> list[Any]:
        results: dict[int, Any] = {}

        async def one(number: int, function: Callable[[], Awaitable[Any]]) -> None:
            results[number] = await function()

        async with trio.open_nursery() as nursery:
            for number, function in enumerate(functions):
                nursery.start_soon(one, number, function)
        return [results[number] for number in range(len(functions))]

    @staticmethod
    async def timed_out(timeout_s: float, function: Callable[[], Awaitable[Any]]) -> bool:
        with trio.move_on_after(timeout_s) as scope:
            await function()
        return scope.cancelled_caught


class Asyncio:
    """What a test needs of asyncio."""

    cancelled = asyncio.CancelledError
    sleep = staticmethod(asyncio.sleep)

    @staticmethod
    def run(main: Callable[[], Awaitable[None]]) -> None:
        asyncio.run(main(), debug=True)  # type: ignore[arg-type]

    @staticmethod
    async def gather(*functions: Callable[[], Awaitable[Any]]) -> list[Any]:
        return list(await asyncio.gather(*(function() for function in functions)))

    @staticmethod
    async def timed_out(timeout_s: float, function: Callable[[], Awaitable[Any]]) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await function()
        except TimeoutError:
            return True
        return False


@pytest.fixture(params=[Trio, Asyncio], ids=["trio", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextlib.asynccontextmanager
async def ticking(loop: Any) -> AsyncIterator[list[float]]:
    """Measure the longest time that the loop was not able to run another task."""
    gaps = [0.0]
    stop = threading.Event()

    async def tick() -> None:
        last = time.monotonic()
        while not stop.is_set():
            await loop.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    if loop is Trio:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            yield gaps
            stop.set()
    else:
        task = asyncio.ensure_future(tick())
        yield gaps
        stop.set()
        await task


async def busy(engine: dspex.AsyncEngine) -> list[object]:
    return [worker.job for worker in engine._engine._pools["python", None].workers if worker.job]


async def wait_idle(loop: Any, engine: dspex.AsyncEngine) -> None:
    deadline = time.monotonic() + 5
    while await busy(engine):
        assert time.monotonic() < deadline
        await loop.sleep(0.005)


def test_a_program_is_run_as_by_the_synchronous_engine(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(policy="compute", idle_max=1) as engine:
            outcome = await engine.run(
                "import sys\nprint(sys.argv[1:], input())\nn * 2",
                variables={"n": 21}, stdin="in\n", args=["a"], timeout_s=5,
            )
            assert (outcome.value, outcome.stdout) == (42, "['a'] in\n")
            assert outcome.isolation == engine.isolation
            assert engine.policy.name == "compute"
            assert (await engine.run("1 / 0")).status == "raised"
            assert (await engine.run("x = = 1")).status == "refused"

    loop.run(main)


def test_errors_are_those_of_the_synchronous_engine(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:
            with pytest.raises(TypeError, match="stdin: bytes or str wanted, int given"):
                await engine.run("1", stdin=5)  # type: ignore[arg-type]
            with pytest.raises(dspex.CapabilityDenied):
                await engine.run("1", policy="deny_all")
            with pytest.raises(TypeError, match="on_output: a callable wanted, int given"):
                await engine.run("1", on_output=5)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                await engine.run("1", no_such=5)  # type: ignore[call-arg]

        with pytest.raises(dspex.SessionClosed, match="engine is closed"):
            await engine.run("1")
        with pytest.raises(dspex.PolicyInvalid):
            async with dspex.open_engine(policy="no_such_policy"):
                pass
        with pytest.raises(dspex.SessionClosed):
            async with engine.session():
                pass
        await engine.aclose()

    loop.run(main)


def test_many_tasks_share_an_engine(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine() as engine:

            def one(number: int) -> Callable[[], Awaitable[Any]]:
                async def run() -> Any:
                    return (await engine.run("n * n", variables={"n": number})).value

                return run

            assert await loop.gather(*map(one, range(100))) == [n * n for n in range(100)]

    loop.run(main)


def test_output_is_told_in_the_callers_loop_and_before_the_outcome(loop: Any) -> None:
    async def main() -> None:
        here = threading.get_ident()
        told: list[tuple[str, str]] = []

        def listen(stream: str, text: str) -> None:
            assert threading.get_ident() == here
            told.append((stream, text))

        async with dspex.open_engine(idle_max=1) as engine:
            outcome = await engine.run(
                "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')", on_output=listen
            )
        assert told == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]
        assert outcome.stdout == "a\nc\n"

    loop.run(main)


def test_what_a_listener_raises_ends_the_run_and_is_raised_at_its_caller(loop: Any) -> None:
    async def main() -> None:
        def listen(_stream: str, _text: str) -> None:
            message = "the caller's own mistake"
            raise LookupError(message)

        async with dspex.open_engine(idle_max=1) as engine:
            began = time.monotonic()
            with pytest.raises(LookupError, match="the caller's own mistake"):
                await engine.run(FOREVER, on_output=listen)
            assert time.monotonic() - began < 3
            assert (await engine.run("1")).value == 1

    loop.run(main)


def test_a_cancelled_task_kills_the_worker_and_keeps_its_own_cancellation(loop: Any) -> None:
    async def main() -> None:
        seen: list[BaseException] = []

        async with dspex.open_engine(idle_max=1) as engine:

            async def run() -> None:
                try:
                    await engine.run(FOREVER)
                except BaseException as error:
                    seen.append(error)
                    raise

            began = time.monotonic()
            assert await loop.timed_out(0.2, run)
            assert time.monotonic() - began < 2
            assert [type(error) for error in seen] == [loop.cancelled]
            await wait_idle(loop, engine)
            assert (await engine.run("1")).value == 1

    loop.run(main)


def test_a_task_that_is_cancelled_in_the_line_leaves_it(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(workers_max=1, idle_max=1) as engine:
            running = engine.submit("import time\ntime.sleep(0.4)\n'ran'")
            assert await loop.timed_out(0.05, lambda: engine.run("'never'"))
            assert (await running.outcome()).value == "ran"
            assert (await engine.run("1")).value == 1

    loop.run(main)


def test_the_timeout_of_a_run_is_an_outcome_and_that_of_the_caller_a_cancellation(
    loop: Any,
) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:
            outcomes: list[dspex.Outcome] = []

            async def run() -> None:
                outcomes.append(await engine.run(FOREVER, timeout_s=0.1))

            assert not await loop.timed_out(5, run)
            assert outcomes[0].status == "limit"

    loop.run(main)


def test_a_session_keeps_its_state_from_run_to_run(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:
            async with engine.session() as session:
                await session.run("x = 41")
                assert (await session.run("x + 1")).value == 42
                assert (await session.submit("x + 2").outcome()).value == 43
                closed = [session.closed]
            closed.append(session.closed)
            assert closed == [False, True]
            with pytest.raises(dspex.SessionClosed):
                await session.run("1")

    loop.run(main)


def test_a_cancelled_run_of_a_session_is_interrupted_and_its_state_kept(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine, engine.session() as session:
            await session.run("x = 7")
            assert await loop.timed_out(0.1, lambda: session.run(f"x += 1\n{FOREVER}"))
            assert (await session.run("x")).value == 8

    loop.run(main)


def test_a_session_whose_run_ignores_its_cancellation_is_killed(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine, engine.session() as session:
            assert await loop.timed_out(0.1, lambda: session.run(UNSTOPPABLE))
            with pytest.raises(dspex.SessionClosed):
                await session.run("1")

    loop.run(main)


def test_waiting_for_a_session_can_be_cancelled(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:

            async def open_one() -> None:
                async with engine.session():
                    await loop.sleep(10)

            assert await loop.timed_out(0, open_one)
            assert await loop.timed_out(0.001, open_one)
            assert await loop.timed_out(0.1, open_one)
            await loop.sleep(0.1)
            assert (await engine.run("1")).value == 1
            assert len(engine._engine._running().worker_pids()) <= 2

    loop.run(main)


def test_a_job_goes_on_when_the_waiting_for_it_is_cancelled(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:
            job = engine.submit("import time\ntime.sleep(0.3)\n'late'")
            assert await loop.timed_out(0.05, job.outcome)
            assert not job.done
            outcome = await job.outcome()
            assert (outcome.value, job.done) == ("late", True)
            assert await job.outcome() is outcome

    loop.run(main)


def test_a_job_can_be_cancelled(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(workers_max=1, idle_max=1) as engine:
            running, waiting = engine.submit(FOREVER), engine.submit("'never'")
            while not await busy(engine):
                await loop.sleep(0.005)
            waiting.cancel()
            with pytest.raises(CancelledError):
                await waiting.outcome()
            running.cancel()
            assert (await running.outcome()).status == "lost"

    loop.run(main)


def test_the_loop_goes_on_while_an_engine_starts_and_closes(loop: Any) -> None:
    async def main() -> None:
        async with ticking(loop) as gaps, dspex.open_engine():
            pass
        assert len(gaps) > 20
        assert max(gaps) < 0.2

    loop.run(main)


def test_the_loop_goes_on_while_a_large_value_is_decoded(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine, ticking(loop) as gaps:
            outcome = await engine.run("list(range(1_500_000))")
            assert outcome.value == list(range(1_500_000))
            assert DECODING_BYTES_MAX < 1_500_000 * 2
        # Threads share the interpreter's lock, so the loop is slowed down, but never stopped.
        assert max(gaps) < 0.5

    loop.run(main)


def test_a_large_request_does_not_hold_up_the_loop(loop: Any) -> None:
    async def main() -> None:
        rows = [{"n": n, "name": str(n)} for n in range(100_000)]
        async with dspex.open_engine(idle_max=1) as engine:
            encoders = []
            encode = values.encode

            def noted(*args: Any, **kwargs: Any) -> bytes:
                encoders.append(threading.current_thread())
                return encode(*args, **kwargs)

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(values, "encode", noted)
                large = await engine.run("len(rows)", variables={"rows": rows})
                small = await engine.run("len(rows)", variables={"rows": rows[:3]})

        assert (large.value, small.value) == (100_000, 3)
        assert encoders[0] is not threading.current_thread()
        assert encoders[1] is threading.current_thread()

    loop.run(main)


def test_a_large_request_can_be_cancelled_while_it_is_encoded(loop: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine(idle_max=1) as engine:
            large = {"data": b"x" * 10_000_000}
            assert await loop.timed_out(0.001, lambda: engine.run(FOREVER, variables=large))
            await wait_idle(loop, engine)
            assert (await engine.run("1 + 1")).value == 2

    loop.run(main)


def test_starting_can_be_cancelled_and_leaves_nothing(loop: Any) -> None:
    async def main() -> None:
        async def start() -> None:
            async with dspex.open_engine():
                await loop.sleep(10)

        before = set(threading.enumerate())
        assert await loop.timed_out(0.02, start)
        deadline = time.monotonic() + 60
        while any(one.name.startswith("dspex-") for one in {*threading.enumerate()} - before):
            assert time.monotonic() < deadline
            await loop.sleep(0.01)

    loop.run(main)


def test_an_engine_is_closed_even_when_its_block_is_cancelled(loop: Any) -> None:
    async def main() -> None:
        engines: list[dspex.AsyncEngine] = []

        async def use() -> None:
            async with dspex.open_engine(idle_max=1) as engine:
                engines.append(engine)
                await engine.run(FOREVER)

        assert await loop.timed_out(1.0, use)
        with pytest.raises(dspex.SessionClosed):
            await engines[0].run("1")
        assert not engines[0]._engine._supervisor

    loop.run(main)


def test_one_engine_serves_both_loops_at_once() -> None:
    with dspex.Engine(idle_max=2) as engine:
        values: list[object] = []

        async def main() -> None:
            face = dspex.AsyncEngine(engine)
            values.extend([(await face.run(f"{number}")).value for number in range(10)])

        threads = [
            threading.Thread(target=lambda: trio.run(main)),
            threading.Thread(target=lambda: asyncio.run(main())),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(values, key=repr) == sorted([*range(10), *range(10)], key=repr)


def test_outside_a_loop_there_is_a_clear_error() -> None:
    with dspex.Engine(idle_max=1) as engine:
        coroutine = dspex.AsyncEngine(engine).run("1")
        with pytest.raises(RuntimeError):
            coroutine.send(None)
        coroutine.close()


def test_a_loop_that_ends_before_its_run_leaves_no_noise() -> None:
    program = """
import asyncio, dspex, time
engine = dspex.Engine(idle_max=1)
async def main():
    dspex.AsyncEngine(engine).submit(
        "print('x', flush=True)\\nimport time\\ntime.sleep(0.3)", on_output=print)
asyncio.run(main())
time.sleep(0.6)
engine.close()
print("quiet")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )

    assert (done.stdout.splitlines()[-1], done.stderr) == ("quiet", "")


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"),
    [
        (dspex.AsyncEngine.run, dspex.Engine.run),
        (dspex.AsyncEngine.submit, dspex.Engine.submit),
        (dspex.AsyncEngine.session, dspex.Engine.session),
        (AsyncSession.run, dspex.Session.run),
        (AsyncSession.submit, dspex.Session.submit),
        (dspex.open_engine, dspex.Engine),
        (dspex.run, dspex.engine.Engine.run),
    ],
)
def test_the_methods_take_the_same_parameters(asynchronous: Any, synchronous: Any) -> None:
    def parameters(function: Any) -> list[inspect.Parameter]:
        found = list(inspect.signature(function).parameters.values())
        return [one for one in found if one.name != "self"]

    assert parameters(asynchronous) == parameters(synchronous)
    assert "kwargs" not in str(inspect.signature(asynchronous))
