"""Way out: the memory of the supervisor, with an interpreter that has already fallen.

The attacker owns the interpreter (`memory_exploit`): it reads and writes every byte there is for it, and
calls what it likes. What is left is WebAssembly; the jail behind it is for `tests/ablation`.
"""

from __future__ import annotations

import sys

import pytest

import dspex
from tests.escape.canary import ENV_NAME, Canary
from tests.escape.ending import Attack, Attempt, ending, names
from tests.escape.memory_exploit import DUMP_THE_MEMORY, OWN_THE_INTERPRETER

OUT_OF_BOUNDS = (
    "lost GuestTrapped: the guest was stopped by the wasm runtime: out of bounds memory access"
)
NO_SUCH_FUNCTION = (
    "lost GuestTrapped: the guest was stopped by the wasm runtime: "
    "undefined element: out of bounds table access"
)
WRONG_FUNCTION = (
    "lost GuestTrapped: the guest was stopped by the wasm runtime: indirect call type mismatch"
)
BAD_ADDRESS = "raised OSError: [Errno 21] Bad address"

REACHES = [
    Attempt("read just beyond", "memory[1 << 26]", OUT_OF_BOUNDS),
    Attempt("read far beyond", "memory[0x7FFFFFFE]", OUT_OF_BOUNDS),
    Attempt("read at the top", "made_up_bytes(0xFFFF0000, 0xFFFF)[5]", OUT_OF_BOUNDS),
    Attempt("read around the top", "made_up_bytes(0xFFFF0000, 0x7FFFFFFF)[0x7FFFFFF0]", OUT_OF_BOUNDS),
    Attempt("write beyond", "memory[0x7FFFFFFE] = 1", OUT_OF_BOUNDS),
    Attempt("copy across the end", "bytes(made_up_bytes(0x03800000, 0x02000000))", OUT_OF_BOUNDS),
    Attempt("count across the end", "memory.count(b'x')", OUT_OF_BOUNDS),
    Attempt("object without a type", "poke(id(Keeper) + 4, 0x7FFFFFFF)\nKeeper.x", OUT_OF_BOUNDS),
    Attempt("call of no function", "class V: pass\npoke(id(V) + 44, 0x00FFFFFF)\nrepr(V())", NO_SUCH_FUNCTION),
    Attempt("call of a negative function", "class V: pass\npoke(id(V) + 44, 0xFFFFFFFF)\nrepr(V())", NO_SUCH_FUNCTION),
    Attempt("call of another kind of function", "class V: pass\npoke(id(V) + 44, 1)\nrepr(V())", WRONG_FUNCTION),
    Attempt("call of what was data", "code = b'\\x0f\\x05' * 64\nclass V: pass\npoke(id(V) + 44, id(code) + 16)\nrepr(V())", NO_SUCH_FUNCTION),
]  # fmt: skip

HOST_CALLS = [
    Attempt("write from everywhere", "import os\nos.write(1, memory)", BAD_ADDRESS),
    Attempt("write from beyond", "import os\nos.write(1, made_up_bytes(0xFFFF0000, 0xFFFF))", BAD_ADDRESS),
    Attempt("write around the top", "import os\nos.write(1, made_up_bytes(0xFFFF0000, 0x7FFFFFFF))", BAD_ADDRESS),
    Attempt("gather from beyond", "import os\nos.writev(1, [b'x', made_up_bytes(0xFFFF0000, 9)])", "ok 1"),
    Attempt("read into everything", "import os\nos.readv(os.open('/dev/zero', 0), [memory])", BAD_ADDRESS),
    Attempt("read into beyond", "import os\nos.readv(os.open('/dev/zero', 0), [made_up_bytes(0xFFFFFF00, 0xFF)])", BAD_ADDRESS),
    Attempt("read a file into beyond", "import os\nf = os.open('f', os.O_RDWR | os.O_CREAT)\nos.write(f, b'abc')\nos.lseek(f, 0, 0)\nos.readv(f, [made_up_bytes(0x7FFFFF00, 0xFF)])", BAD_ADDRESS),
    Attempt("pwrite from beyond", "import os\nf = os.open('f', os.O_RDWR | os.O_CREAT)\nos.pwrite(f, made_up_bytes(0x7FFFFF00, 0xFF), 0)", BAD_ADDRESS),
    Attempt("report from beyond", "import os\nos.write((1 << 20) + 1, made_up_bytes(0x7FFFFF00, 0xFF))", BAD_ADDRESS),
    Attempt("request into beyond", "import os\nos.readv(1 << 20, [made_up_bytes(0x7FFFFF00, 0xFF)])", BAD_ADDRESS),
]  # fmt: skip


@pytest.mark.parametrize("attempt", REACHES, ids=names(REACHES))
def test_an_owned_interpreter_reaches_nothing_beyond_its_own_memory(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(OWN_THE_INTERPRETER + attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", HOST_CALLS, ids=names(HOST_CALLS))
def test_system_calls_with_addresses_beyond_the_memory_are_turned_down(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(OWN_THE_INTERPRETER + attempt.code), canary) == attempt.ending


def test_all_that_an_owned_interpreter_can_read_holds_nothing_of_the_supervisor(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    outcome = engine.run(DUMP_THE_MEMORY, variables={"size": 28 << 20, "mine": "a" * 20 + "mine"})

    assert ending(outcome, canary).startswith("lost GuestExited")
    dump = outcome.files["dump"]
    assert len(dump) == 28 << 20
    assert b"a" * 20 + b"mine" in dump  # it is the memory
    assert b"MemoryError" in dump
    told = [canary.secret, ENV_NAME, str(canary.folder), sys.executable, dspex.__path__[0]]
    assert [text for text in told if text.encode() in dump] == []


def test_overwriting_all_of_its_own_memory_costs_a_guest_only_itself(
    attack: Attack, canary: Canary
) -> None:
    outcome = attack(
        OWN_THE_INTERPRETER
        + "import os\n"
        + "zero = os.open('/dev/zero', os.O_RDONLY)\n"
        + "os.readv(zero, [made_up_bytes(1024, 28 << 20)])\n"
        + "print('never')"
    )

    assert (outcome.status, outcome.stdout) == ("lost", "")
    assert ending(outcome, canary) == (
        "lost GuestAborted: the guest's interpreter gave up: abort() was called"
    )


def test_no_function_that_an_owned_interpreter_can_call_leads_out(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    """Entries of the function table are called as if they were a type's `repr`."""
    call = OWN_THE_INTERPRETER + "class V: pass\npoke(id(V) + 44, entry)\nrepr(V())"
    jobs = [engine.submit(call, variables={"entry": entry}) for entry in range(2, 9000, 151)]
    outcomes = [job.outcome() for job in jobs]

    for outcome in outcomes:
        canary.check_outcome(outcome)
    canary.check()
    endings = {ending(outcome, canary) for outcome in outcomes}
    assert WRONG_FUNCTION in endings
    assert endings <= {
        WRONG_FUNCTION,
        NO_SUCH_FUNCTION,
        OUT_OF_BOUNDS,
        "raised SystemError: <built-in function repr> returned NULL without setting an exception",
        "raised TypeError: __repr__ returned non-string (type V)",
    }


def test_twin_the_same_calls_within_the_memory_work(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        OWN_THE_INTERPRETER
        + "import os\n"
        + "text, room = b'within the memory', bytearray(6)\n"
        + "f = os.open('f', os.O_RDWR | os.O_CREAT)\n"
        + "os.pwrite(f, made_up_bytes(id(text) + 16, len(text)), 0)\n"
        + "os.lseek(f, 7, 0)\n"
        + "os.readv(f, [room])\n"
        + "room.decode()"
    )

    assert (outcome.status, outcome.value) == ("ok", "the me")
    assert outcome.files == {"f": b"within the memory"}
