"""Output while a program runs: ordered, as it is written, and never more than the reader takes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import trio

import dspex
from dspex.limits import Limits
from dspex.policy import Policy
from dspex.streaming import HELD_CHARS_MAX

pytestmark = pytest.mark.usefixtures("the_next_request_works")


def test_output_is_read_while_the_program_runs(engine: dspex.Engine) -> None:
    program = "import sys\nprint('one')\nprint('two', file=sys.stderr)\ngo()\nprint('three')\n7"
    seen: list[tuple[str, str]] = []

    def go() -> None:
        deadline = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)

    import threading

    with engine.stream(program, tools={"go": go}) as stream:
        reader = threading.Thread(target=lambda: seen.extend(tuple(e) for e in stream))
        reader.start()
        outcome_before_reading = len(seen)
        reader.join(10)
        assert stream.outcome().value == 7
    assert outcome_before_reading <= 3
    assert seen == [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]


def test_a_slow_reader_makes_the_program_wait() -> None:
    policy = Policy.load("compute").model_copy(update={"limits": Limits(output_bytes=1 << 26)})
    program = """
import time
worst = 0.0
for _ in range(100):
    began = time.monotonic()
    print("x" * 100_000)
    worst = max(worst, time.monotonic() - began)
worst
"""
    with dspex.Engine(policy) as engine, engine.stream(program) as stream:
        time.sleep(0.5)
        held = stream._flow._held
        total = sum(len(event.text) for event in stream)
        outcome = stream.outcome()
    assert held < HELD_CHARS_MAX + (2 << 20), "the rest waited in the guest"
    assert total == 100 * 100_001
    assert outcome.value > 0.2, "one of its writes had to wait for the reader"


def test_leaving_early_gives_the_run_up(engine: dspex.Engine) -> None:
    with engine.stream("while True: print('again')") as stream:
        for event in stream:
            assert event.text.startswith("again\n")
            break
    assert stream.outcome().status in ("lost", "limit")


def test_a_refused_program_is_a_stream_without_events(engine: dspex.Engine) -> None:
    with engine.stream("x = = 1") as stream:
        assert list(stream) == []
        assert stream.outcome().status == "refused"
    with engine.stream(b"\xff") as stream:
        assert list(stream) == []
        assert stream.outcome().status == "refused"


def test_a_session_can_be_streamed(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("n = 3")
        with session.stream("for i in range(n): print(i)") as stream:
            assert "".join(event.text for event in stream) == "0\n1\n2\n"
        assert session.run("n").value == 3


def test_a_stream_has_no_on_output(engine: dspex.Engine) -> None:
    with pytest.raises(TypeError, match="on_output: a stream has no use for it"):
        engine.stream("1", on_output=print)


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_async_callers_iterate_too(run: Any) -> None:
    async def main() -> None:
        async with dspex.open_engine() as engine:
            async with engine.stream("for i in range(3): print(i)\n'end'") as stream:
                text = "".join([event.text async for event in stream])
                assert (await stream.outcome()).value == "end"
            async with (
                engine.session() as session, session.stream("print('s')") as stream
            ):
                text += "".join([event.text async for event in stream])
        assert text == "0\n1\n2\ns\n"

    run(main) if run is trio.run else run(main())
