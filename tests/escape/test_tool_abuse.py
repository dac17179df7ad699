"""Way out: the caller's own functions, and the channel that their calls go through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attempt, ending, names

CALLS = "import os, posix\nfd = (1 << 20) + 2\n"

ABUSES = [
    Attempt("a tool that was not given", "secret()", "raised NameError: name 'secret' is not defined"),
    Attempt("a tool of another name, by hand", CALLS + "posix.write(fd, b'Csecret\\n[[],{}]')\nposix.read(fd, 1000)[-34:]", 'ok b"NameErrorthere is no tool \'secret\'"'),
    Attempt("a dunder as a tool", CALLS + "posix.write(fd, b'C__import__\\n[[\"os\"],{}]')\nposix.read(fd, 1000)[-30:]", "ok b\"rthere is no tool '__import__'\""),
    Attempt("arguments that are no list", CALLS + "posix.write(fd, b'Cread\\n17')\nposix.read(fd, 1000)[-46:]", "ok b'rrorarguments: not a list of a list and a dict'"),
    Attempt("arguments that are no JSON", CALLS + "posix.write(fd, b'Cread\\n\\xff\\xfe')\nb'TypeError' in posix.read(fd, 1000)", "ok True"),
    Attempt("a tag that makes code", CALLS + "posix.write(fd, b'Cread\\n[[{\"$\":[\"object\",\"os.system\"]}],{}]')\nb'TypeError' in posix.read(fd, 1000)", "ok True"),
    Attempt("names that are no text", "read(**{'na\\x00me': 'x'})", "raised TypeError: name: Missing required argument; na\x00me: Unexpected keyword argument"),
    Attempt("an object for a string", "read({'name': 'x'})", "raised TypeError: name: Input should be a valid string"),
    Attempt("a path out of the folder", "read('../secret.txt')", "raised PermissionError: no such thing here"),
    Attempt("the tool's own globals", "read.__globals__['os'].listdir('/')[:1]", None),
    Attempt("the tool's closure", "read.__closure__[0].cell_contents", None),
    Attempt("an exception's frames", "try:\n    read('../x')\nexcept PermissionError as e:\n    t = e.__traceback__\n    while t.tb_next: t = t.tb_next\n    found = sorted(k for k in t.tb_frame.f_globals if 'dspex' in k)\nfound", "ok []"),
    Attempt("an exception's cause on the host", "try:\n    read('../x')\nexcept PermissionError as e:\n    found = [e.__cause__, e.args]\nfound", "ok [None, ('no such thing here',)]"),
    Attempt("reading answers that nobody gave", CALLS + "posix.write(fd, b'W0.05')\nposix.read(fd, 1000)", "ok b''"),
    Attempt("a wait that is no number", CALLS + "posix.write(fd, b'Wnever')", "raised OSError: [Errno 28] Invalid argument"),
    Attempt("an answer for oneself", CALLS + "posix.write(fd, b'A1')", None),
    Attempt("deep arguments", "x = []\nfor _ in range(5000): x = [x]\nread(x)", "raised ValueError: the arguments of read cannot cross: value_depth: 103 spent of 102"),
    Attempt("large arguments", "read('x' * 20_000_000)", None),
]  # fmt: skip


@pytest.fixture
def tools(canary: Canary) -> dict[str, Any]:
    def read(name: str) -> str:
        """Read a file of a folder, as a careful caller writes it."""
        if "/" in name or name.startswith("."):
            raise PermissionError("no such thing here")
        return "fine"

    return {"read": read}


@pytest.mark.parametrize("attempt", ABUSES, ids=names(ABUSES))
def test_a_tool_gives_what_it_gives_and_nothing_else(
    attack: Any, canary: Canary, tools: dict[str, Any], attempt: Attempt
) -> None:
    outcome = attack(attempt.code, tools=tools)
    said = ending(outcome, canary)
    if attempt.ending is not None:
        assert said == attempt.ending
    assert canary.secret not in said


def test_a_careful_tool_works(attack: Any, canary: Canary, tools: dict[str, Any]) -> None:
    assert ending(attack("read('notes.txt')", tools=tools), canary) == "ok 'fine'"


def test_calls_without_end_are_counted_and_bounded(attack: Any) -> None:
    called = threading.Semaphore(0)
    outcome = attack(
        "import asyncio\nawait asyncio.gather(*(note(n) for n in range(100_000)))",
        tools={"note": _noting(called)},
    )
    assert outcome.error is not None
    assert outcome.error.message == "host_calls: all 1000 calls of this run are made"
    assert outcome.usage.host_calls == 1000


def _noting(called: threading.Semaphore) -> Any:
    async def note(number: int) -> None:
        called.release()

    return note


def test_a_call_that_is_never_answered_ends_with_its_limit(attack: Any) -> None:
    stop = threading.Event()
    outcome = attack(
        "wait()",
        tools={"wait": lambda: stop.wait(30)},
        policy=dspex.Policy.load("compute").model_copy(
            update={"limits": dspex.Limits(host_wait_s=0.2)}
        ),
    )
    stop.set()
    assert outcome.status == "limit"


def test_output_while_a_tool_runs_is_still_counted(attack: Any) -> None:
    outcome = attack(
        "for _ in range(1000):\n    print('x' * 10_000)\n    tick()", tools={"tick": lambda: None}
    )
    assert outcome.error is not None
    assert outcome.error.limit == "output_bytes"
    assert len(outcome.stdout) == 1024 * 1024


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = _tool_threads()
    yield
    assert len(_tool_threads() - before) <= 1


def _tool_threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == "dspex-tools"}
