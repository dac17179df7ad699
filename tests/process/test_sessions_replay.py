"""A recorded run is repeated without its tools, exactly; what differs is named."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

import dspex
from dspex.policy import Deterministic, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIXED = Policy.load("compute").model_copy(
    update={"deterministic": Deterministic(clock_ns=10**18, seed=7)}
)
PROGRAM = """
import random, time
drawn = random.random(), time.time()
found = [lookup(key, times=n) for n, key in enumerate(["a", "b"])]
try:
    fails("x")
except ValueError as error:
    found.append(str(error))
print(found)
open("made.txt", "w").write("made")
drawn, found
"""


@pytest.fixture(scope="module")
def fixed() -> Iterator[dspex.Engine]:
    with dspex.Engine(policy=FIXED, idle_max=1) as engine:
        yield engine


def lookup(key: str, times: int) -> str:
    return key * times


def fails(text: str) -> None:
    raise ValueError(f"no {text}")


TOOLS = {"lookup": lookup, "fails": fails}


def recorded(engine: dspex.Engine) -> tuple[dspex.Outcome, dspex.Recording]:
    recording = dspex.Recording()
    return engine.run(PROGRAM, tools=TOOLS, record=recording), recording


def test_a_repetition_is_the_same_though_no_tool_is_there(fixed: dspex.Engine) -> None:
    outcome, recording = recorded(fixed)
    again = fixed.replay(recording)

    assert outcome.value[1] == ["", "b", "no x"]
    assert (again.value, again.stdout, again.files) == (outcome.value, outcome.stdout, outcome.files)
    assert [one.tool for one in recording.calls] == ["lookup", "lookup", "fails"]
    assert (recording.status, recording.stdout) == ("ok", outcome.stdout)


def test_a_recording_is_repeated_from_a_file_and_in_an_engine_that_fixes_nothing(
    fixed: dspex.Engine, engine: dspex.Engine, tmp_path: Path
) -> None:
    outcome, recording = recorded(fixed)
    recording.save(tmp_path / "run.json")
    loaded = dspex.Recording.load(tmp_path / "run.json")

    assert engine.replay(loaded).value == outcome.value


def test_the_first_call_that_differs_is_named(fixed: dspex.Engine) -> None:
    _, recording = recorded(fixed)
    recording.calls[1].arguments = b'[["B"],{"times":1}]'

    with pytest.raises(dspex.ReplayDiffers) as caught:
        fixed.replay(recording)
    assert str(caught.value) == (
        'call 2 differs: recorded was lookup[["B"],{"times":1}], now it is lookup[["b"],{"times":1}]'
    )


@pytest.mark.parametrize("more", [True, False])
def test_a_call_too_many_or_too_few_is_named(
    fixed: dspex.Engine, more: bool  # noqa: FBT001 - a case of two
) -> None:
    _, recording = recorded(fixed)
    if more:
        del recording.calls[2]
    else:
        recording.calls.append(recording.calls[0])

    with pytest.raises(dspex.ReplayDiffers) as caught:
        fixed.replay(recording)
    assert caught.value.call == (3 if more else 4)
    assert "no call" in (caught.value.expected if more else caught.value.found)


def test_calls_that_run_at_the_same_time_are_answered_in_the_order_of_their_making(
    fixed: dspex.Engine,
) -> None:
    async def slow(name: str, wait_s: float) -> str:
        await asyncio.sleep(wait_s)
        return name

    def plain(name: str, wait_s: float) -> str:
        time.sleep(wait_s)
        return name

    program = """
import asyncio
done = []
async def one(name, wait_s):
    done.append(await slow(name, wait_s))
async def main():
    await asyncio.gather(one("a", 0.2), one("b", 0.1), one("c", 0))
asyncio.run(main())
[*done, plain("d", 0)]
"""
    recording = dspex.Recording()
    outcome = fixed.run(program, tools={"slow": slow, "plain": plain}, record=recording)

    assert outcome.value == ["a", "b", "c", "d"]
    assert fixed.replay(recording).value == outcome.value


def test_a_run_of_a_session_is_repeated_in_a_copy_of_what_it_was(fixed: dspex.Engine) -> None:
    recording = dspex.Recording()
    with fixed.session(tools=TOOLS) as session:
        session.run("x = 'seen'")
        with session.fork() as before:
            outcome = session.run("x = lookup(x, times=2)\nx", record=recording)
            again = before.replay(recording)
        assert outcome.value == again.value == "seenseen"
        with pytest.raises(dspex.ReplayDiffers):
            session.replay(recording)


def test_a_recording_holds_one_run_and_is_nothing_without_it(fixed: dspex.Engine) -> None:
    with pytest.raises(dspex.RequestError, match="the recording holds no run"):
        fixed.replay(dspex.Recording())
    _, recording = recorded(fixed)
    with pytest.raises(dspex.RequestError, match="holds a run already"):
        fixed.run("1", record=recording)
    with pytest.raises(TypeError, match="record: a Recording wanted, dict given"):
        fixed.run("1", record={})  # type: ignore[arg-type]


def test_a_file_that_is_no_recording_is_refused(fixed: dspex.Engine, tmp_path: Path) -> None:
    _, recording = recorded(fixed)
    path = tmp_path / "run.json"
    recording.save(path)
    good = path.read_bytes()
    for bad in (b"", b"{}", good[:-2], good.replace(b'"format":1', b'"format":2'), b"[" * 100_000):
        path.write_bytes(bad)
        with pytest.raises(dspex.RequestError, match=r"not a recording|of format 2"):
            dspex.Recording.load(path)


def test_a_repetition_gets_no_more_than_the_engine_allows(fixed: dspex.Engine) -> None:
    _, recording = recorded(fixed)
    other = FIXED.model_copy(update={"deterministic": Deterministic(clock_ns=1, seed=1)})
    with (
        dspex.Engine(policy="deny_all", languages=[]) as nothing,
        dspex.Engine(policy=other, languages=[]) as elsewhen,
    ):
        with pytest.raises(dspex.CapabilityDenied):
            nothing.replay(recording)
        with pytest.raises(dspex.RequestError, match="another clock and seed"):
            elsewhen.replay(recording)
