"""Tools: the caller's functions, called by guests of real workers."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import trio
import trio.lowlevel

import dspex
from dspex.errors import CapabilityDenied, RequestError
from dspex.limits import Limits
from dspex.policy import Policy

pytestmark = pytest.mark.usefixtures("the_next_request_works")


def lookup(key: int, unit: str = "m", *, scale: float = 1.0) -> dict[str, Any]:
    """Look a length up.

    Second line.
    """
    return {"key": key, "unit": unit, "scale": scale}


def test_a_tool_is_a_function_with_the_same_signature_and_docstring(engine: dspex.Engine) -> None:
    program = (
        "import inspect\n"
        "[str(inspect.signature(lookup)), lookup.__doc__, lookup.__name__, inspect.isfunction(lookup)]"
    )
    assert engine.run(program, tools={"lookup": lookup}).value == [
        "(key: int, unit: str = 'm', *, scale: float = 1.0)",
        "Look a length up.\n\nSecond line.",
        "lookup",
        True,
    ]


def test_values_cross_both_ways_as_they_do_for_variables(engine: dspex.Engine) -> None:
    program = "echo({1, 2}, (3,), key=b'x', big=2**80, when=__import__('datetime').date(2026, 1, 2))"
    outcome = engine.run(program, tools={"echo": lambda *args, **kwargs: [list(args), kwargs]})
    assert outcome.ok, outcome.error
    positional, named = outcome.value
    assert positional == [{1, 2}, (3,)]
    assert named["big"] == 2**80
    assert named["when"].isoformat() == "2026-01-02"
    assert outcome.usage.host_calls == 1


def test_arguments_are_validated_before_the_tool_runs(engine: dspex.Engine) -> None:
    called: list[object] = []

    def careful(count: int, names: list[str]) -> None:
        called.append((count, names))

    program = """
said = []
for call in (lambda: careful("many", []), lambda: careful(1, "ab"), lambda: careful(1), lambda: careful(1, [], x=2)):
    try:
        call()
    except TypeError as error:
        said.append(str(error))
careful("3", ["a"])
said
"""
    outcome = engine.run(program, tools={"careful": careful})
    assert outcome.value == [
        "count: Input should be a valid integer, unable to parse string as an integer",
        "names: Input should be a valid list",
        "names: Missing required argument",
        "x: Unexpected keyword argument",
    ]
    assert called == [(3, ["a"])]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ValueError("no such row"), ["ValueError", "no such row"]),
        (KeyError("k"), ["KeyError", "'k'"]),
        (FileNotFoundError(2, "gone"), ["FileNotFoundError", "[Errno 2] gone"]),
        (type("Odd", (Exception,), {})("strange"), ["ToolError", "Odd: strange"]),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "bad"), ["ToolError", None]),
        (SystemExit(3), ["ToolError", "SystemExit: 3"]),
    ],
)
def test_an_exception_of_a_tool_is_an_ordinary_exception_in_the_guest(
    engine: dspex.Engine, error: BaseException, seen: list[str | None]
) -> None:
    def fails() -> None:
        raise error

    program = "try:\n    fails()\nexcept Exception as e:\n    found = [type(e).__name__, str(e)]\nfound"
    kind, message = engine.run(program, tools={"fails": fails}).value
    assert [kind, message if seen[1] is not None else None] == seen


def test_a_traceback_shows_the_call_and_nothing_of_how_it_is_made(engine: dspex.Engine) -> None:
    def fails() -> None:
        raise ValueError("no")

    outcome = engine.run("def f():\n    return fails()\nf()", tools={"fails": fails})
    assert outcome.error is not None
    assert outcome.error.traceback == (
        "Traceback (most recent call last):\n"
        '  File "main.py", line 3, in <module>\n    f()\n    ~^^\n'
        '  File "main.py", line 2, in f\n    return fails()\n'
        "ValueError: no\n"
    )


def test_concurrent_calls_of_async_code_run_concurrently_on_the_host(engine: dspex.Engine) -> None:
    together = [0, 0]

    async def slow(n: int) -> int:
        together[0] += 1
        together[1] = max(together)
        await asyncio.sleep(0.05)
        together[0] -= 1
        return n * 2

    outcome = engine.run(
        "import asyncio\nawait asyncio.gather(*(slow(i) for i in range(8)))", tools={"slow": slow}
    )
    assert outcome.value == [n * 2 for n in range(8)]
    assert together[1] == 8


def test_answers_may_come_in_another_order_and_tasks_may_give_up(engine: dspex.Engine) -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    program = """
import asyncio
done = []
async def one(seconds):
    done.append(await after(seconds))
async def main():
    tasks = [asyncio.create_task(one(s)) for s in (0.09, 0.01, 0.05)]
    try:
        await asyncio.wait_for(after(30), 0.02)
    except TimeoutError:
        done.append("gave up")
    await asyncio.gather(*tasks)
    return done
await main()
"""
    assert engine.run(program, tools={"after": after}).value == [0.01, "gave up", 0.05, 0.09]


def test_plain_and_async_tools_mix(engine: dspex.Engine) -> None:
    async def slow(n: int) -> int:
        await asyncio.sleep(0.02)
        return n

    program = (
        "import asyncio\n"
        "async def both(n):\n    return quick(n) + await slow(n) + quick(n)\n"
        "await asyncio.gather(*(both(i) for i in range(5)))"
    )
    outcome = engine.run(program, tools={"slow": slow, "quick": lambda n: n})
    assert outcome.value == [3 * n for n in range(5)]
    assert outcome.usage.host_calls == 15


def test_a_tool_may_run_the_engine(engine: dspex.Engine) -> None:
    def deeper(code: str) -> object:
        return engine.run(code, tools={"deeper": deeper}).value

    assert engine.run("deeper('deeper(\"6 * 7\")')", tools={"deeper": deeper}).value == 42


def test_a_plain_tool_sees_the_callers_context_variables(engine: dspex.Engine) -> None:
    import contextvars

    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    token = who.set("the caller")
    try:
        assert engine.run("who()", tools={"who": who.get}).value == "the caller"
    finally:
        who.reset(token)


def test_the_guests_time_stands_still_while_it_waits(engine: dspex.Engine) -> None:
    def pause() -> None:
        time.sleep(1.5)

    outcome = engine.run(
        "wait()\nsum(range(1000))", tools={"wait": pause}, timeout_s=1.0
    )
    assert outcome.ok, outcome.error
    assert outcome.usage.waited_s >= 1.4
    assert outcome.usage.wall_s - outcome.usage.waited_s < 1.0


def test_waiting_has_a_limit_of_its_own() -> None:
    policy = Policy.load("compute").model_copy(update={"limits": Limits(host_wait_s=0.2)})
    never = threading.Event()
    with dspex.Engine(policy) as engine:
        outcome = engine.run("wait()", tools={"wait": lambda: never.wait(20)})
        never.set()
        assert outcome.status == "limit"
        assert outcome.error is not None
        assert (outcome.error.limit, outcome.error.noticed_by) == ("host_wait_s", "outer")
        assert engine.run("1").value == 1


def test_calls_are_counted() -> None:
    policy = Policy.load("compute").model_copy(update={"limits": Limits(host_calls=3)})
    with dspex.Engine(policy) as engine:
        outcome = engine.run(
            "said = None\nfor i in range(9):\n    try:\n        one()\n"
            "    except RuntimeError as error:\n        said = [i, str(error)]\n        break\nsaid",
            tools={"one": lambda: 1},
        )
    assert outcome.value == [3, "host_calls: all 3 calls of this run are made"]
    assert outcome.usage.host_calls == 3


def test_results_and_arguments_are_bounded() -> None:
    policy = Policy.load("compute").model_copy(update={"limits": Limits(value_bytes=1000)})
    with dspex.Engine(policy) as engine:
        tools = {"big": lambda: "x" * 2000, "take": len, "odd": object}
        for call, kind in (
            ("big()", "ValueError"), ("take('x' * 2000)", "ValueError"), ("odd()", "TypeError"),
            ("take(object())", "TypeError"),
        ):
            outcome = engine.run(call, tools=tools)
            assert outcome.error is not None
            assert outcome.error.type == kind, outcome.error


def test_cancelling_a_run_does_not_wait_for_its_tool(engine: dspex.Engine) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck() -> None:
        entered.set()
        leave.wait(20)

    job = engine.submit("stuck()", tools={"stuck": stuck})
    assert entered.wait(10)
    job.cancel()
    outcome = job.outcome(10)
    assert not leave.is_set()
    leave.set()
    assert outcome.status == "lost"


def test_a_run_that_ends_cancels_its_coroutines(engine: dspex.Engine) -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.set()

    program = "import asyncio\ntask = asyncio.ensure_future(forever())\nawait asyncio.sleep(0.05)\n1"
    assert engine.run(program, tools={"forever": forever}).value == 1
    assert ended.wait(10)


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_coroutine_functions_run_in_the_callers_loop(run: Any) -> None:
    seen: list[threading.Thread] = []

    async def where() -> str:
        seen.append(threading.current_thread())
        if run is trio.run:
            await trio.lowlevel.checkpoint()
        else:
            await asyncio.sleep(0)
        return "here"

    async def main() -> None:
        async with dspex.open_engine() as engine:
            assert (await engine.run("await where()", tools={"where": where})).value == "here"

    run(main) if run is trio.run else run(main())
    assert seen == [threading.current_thread()]


def test_a_session_has_tools_of_its_own_and_of_each_run(engine: dspex.Engine) -> None:
    with engine.session(tools={"mine": lambda: "session"}) as session:
        assert session.run("keep = mine\nmine()").value == "session"
        assert session.run("[keep(), once()]", tools={"once": lambda: "run"}).value == [
            "session", "run",
        ]
        gone = session.run("once()")
        assert gone.error is not None
        assert (gone.error.type, gone.error.message) == ("NameError", "there is no tool 'once'")


def test_a_tool_kept_from_a_run_with_tools_is_refused_in_one_without(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("keep = once", tools={"once": lambda: 1})
        outcome = session.run("keep()")
        assert outcome.error is not None
        assert outcome.error.message == "once: this run has no tools"
        assert session.run("1 + 1").value == 2


def test_an_interrupted_call_leaves_the_session_alive(engine: dspex.Engine) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck() -> None:
        entered.set()
        leave.wait(20)

    with engine.session(tools={"stuck": stuck}) as session:
        session.run("kept = 5")
        job = session.submit("stuck()")
        assert entered.wait(10)
        job.cancel()
        time.sleep(0.05)
        leave.set()
        outcome = job.outcome(10)
        assert outcome.error is not None
        assert session.run("kept").value == 5


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([1], "tools: a mapping of names to callables wanted, list given"),
        ({1: len}, "tools: names of type str wanted, int given"),
        ({"x": 3}, "tools['x']: a callable wanted, int given"),
    ],
)
def test_tools_of_the_wrong_type_are_the_callers_mistake(
    engine: dspex.Engine, tools: Any, said: str
) -> None:
    with pytest.raises(TypeError) as caught:
        engine.run("1", tools=tools)
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["not a name", "class", "__import__", "x" * 300])
def test_names_that_are_no_functions_are_refused(engine: dspex.Engine, name: str) -> None:
    with pytest.raises(RequestError):
        engine.run("1", tools={name: len})


def test_a_policy_grants_tools_by_name(engine: dspex.Engine) -> None:
    policy = Policy.load("compute").model_copy(update={"tools": frozenset({"allowed"})})
    assert engine.run("allowed()", tools={"allowed": lambda: 1}, policy=policy).value == 1
    with pytest.raises(CapabilityDenied):
        engine.run("1", tools={"other": len}, policy=policy)
