"""What the library of the fast path makes of messages and of what a guest asks: checked without any guest."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.protocol.messages import Budget, MountGiven, Repeatable, Run, encode
from dspex.runtimes import locate
from dspex.wasm.fast_path import FastPath, Stage, library

PAGE = mmap.PAGESIZE
MEMORY = 4 * PAGE
REQUEST_FD, REPLY_FD = 1 << 20, (1 << 20) + 1
FAST, MODE, REPLY_BYTES_MAX, REPLY_ROOM, OUTPUT_BYTES_MAX, RUN = 1, 0, 2, 3, 4, 5
"""`enum mode`, and places among the library's own words."""
BUDGET = Budget(5.0, 5, 1 << 28, 1 << 16, 1 << 16, 50, 1 << 16, 100, 64, 1000)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Fenced:
    """Memory behind which comes a page that nobody may touch: whoever reads beyond the end does not live on."""

    def __init__(self, size: int) -> None:
        self._whole = -(-size // PAGE) * PAGE
        self._map = mmap.mmap(-1, self._whole + PAGE)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        assert _libc.mprotect(self._base + self._whole, PAGE, 0) == 0
        self.size, self.address = size, self._base + self._whole - size

    def write(self, at: int, data: bytes) -> None:
        assert at + len(data) <= self.size
        ctypes.memmove(self.address + at, data, len(data))

    def read(self, at: int, size: int) -> bytes:
        assert at + size <= self.size
        return ctypes.string_at(self.address + at, size)

    def close(self) -> None:
        assert _libc.mprotect(self._base + self._whole, PAGE, 3) == 0


class Answers:
    """A guest's memory, the library, and the Python that it turns to."""

    def __init__(self, fast: FastPath) -> None:
        self.fast, self.memory = fast, Fenced(MEMORY)
        self.woken, self.asked = 0, 0
        nothing, count = ctypes.CFUNCTYPE(None), ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * 4)
        self._wake, self._python = nothing(self._note_woken), count(self._note_asked)
        life = fast.life
        life.memory, life.memory_bytes = self.memory.address, MEMORY
        life.after_fork_child = ctypes.cast(self._wake, ctypes.c_void_p).value
        fast.on_take_over(lambda: None)
        life.stage = Stage.RUNNING
        life.own[MODE] = FAST
        life.own[REPLY_BYTES_MAX] = life.own[OUTPUT_BYTES_MAX] = 1000
        life.own[RUN] = 7

    def _note_woken(self) -> None:
        self.woken += 1

    def _note_asked(self, *_arguments: object) -> int:
        self.asked += 1
        return 0

    def ask(self, name: str, *arguments: int) -> int | None:
        """Do what wasmtime does for a call of the guest; None if Python was woken for it."""
        python = ctypes.cast(self._python, ctypes.c_void_p).value
        assert python is not None
        _answer, environment = self.fast.route(name, python)
        values = (ctypes.c_int32 * (4 * max(len(arguments), 1)))()
        for position, argument in enumerate(arguments):
            values[4 * position] = ctypes.c_int32(argument & 0xFFFFFFFF).value
        call = self.fast._library.dspex_answer
        call.argtypes, call.restype = [ctypes.c_void_p] * 3 + [ctypes.c_size_t], ctypes.c_void_p
        before = self.asked
        assert not call(environment, None, ctypes.addressof(values), len(arguments))
        return None if self.asked > before else values[0]

    def vector(self, at: int, address: int, size: int) -> None:
        self.memory.write(at, (address & 0xFFFFFFFF).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))


@pytest.fixture
def fast() -> FastPath:
    return FastPath(locate.runtime("python") / library(os.uname().machine))


@pytest.fixture
def answers(fast: FastPath) -> Iterator[Answers]:
    made = Answers(fast)
    yield made
    made.memory.close()


def given_request(fast: FastPath, request: bytes) -> Any:
    kept = ctypes.create_string_buffer(request, len(request))
    fast.life.request, fast.life.request_bytes = ctypes.addressof(kept), len(request)
    return kept


def test_another_layout_is_turned_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.wasm.fast_path.LIFE_VERSION", 0)
    path = locate.runtime("python") / library(os.uname().machine)
    with pytest.raises(OSError, match="version and size are"):
        FastPath(path)


def test_a_request_is_read_in_pieces_and_ends(answers: Answers) -> None:
    kept = given_request(answers.fast, b"0123456789")
    answers.vector(0, 64, 7)

    got = []
    for _ in range(3):
        assert answers.ask("fd_read", REQUEST_FD, 0, 1, 16) == 0
        size = int.from_bytes(answers.memory.read(16, 4), "little")
        got.append(answers.memory.read(64, size))

    assert got == [b"0123456", b"789", b""]
    assert kept is not None
    assert answers.fast.request_left == b""
    assert answers.woken == 0


def test_the_last_reply_counts(answers: Answers) -> None:
    for text in (b"a longer first one", b"second"):
        answers.memory.write(64, text)
        answers.vector(0, 64, len(text))
        assert answers.ask("fd_write", REPLY_FD, 0, 1, 16) == 0
        assert int.from_bytes(answers.memory.read(16, 4), "little") == len(text)

    assert answers.fast.reply == b"second"


def test_time_and_randomness_are_the_hosts(answers: Answers) -> None:
    import time

    for clock, now in ((0, time.time_ns), (1, time.monotonic_ns), (2, time.process_time_ns), (3, time.process_time_ns)):
        before = now()
        assert answers.ask("clock_time_get", clock, 0, MEMORY - 8) == 0
        told = int.from_bytes(answers.memory.read(MEMORY - 8, 8), "little")
        assert before <= told <= now()
    assert answers.ask("random_get", MEMORY - 32, 32) == 0
    first = answers.memory.read(MEMORY - 32, 32)
    assert answers.ask("random_get", MEMORY - 32, 32) == 0
    assert answers.memory.read(MEMORY - 32, 32) != first != bytes(32)


END = MEMORY
WRONG = (
    ("vector beyond the end", lambda a: a.ask("fd_read", REQUEST_FD, END - 4, 1, 16)),
    ("vector far away", lambda a: a.ask("fd_read", REQUEST_FD, -8, 1, 16)),
    ("no vector", lambda a: a.ask("fd_read", REQUEST_FD, 0, 0, 16)),
    ("two vectors", lambda a: a.ask("fd_read", REQUEST_FD, 0, 2, 16)),
    ("minus one vectors", lambda a: a.ask("fd_read", REQUEST_FD, 0, -1, 16)),
    ("result beyond the end", lambda a: a.ask("fd_read", REQUEST_FD, 0, 1, END - 3)),
    ("result far away", lambda a: a.ask("fd_read", REQUEST_FD, 0, 1, -1)),
    ("standard input", lambda a: a.ask("fd_read", 0, 0, 1, 16)),
    ("the reply, to be read", lambda a: a.ask("fd_read", REPLY_FD, 0, 1, 16)),
    ("the request, to be written", lambda a: a.ask("fd_write", REQUEST_FD, 0, 1, 16)),
    ("a file", lambda a: a.ask("fd_write", 3, 0, 1, 16)),
    ("minus a file", lambda a: a.ask("fd_write", -1, 0, 1, 16)),
    ("the calls", lambda a: a.ask("fd_write", REPLY_FD + 1, 0, 1, 16)),
    ("a clock that is none", lambda a: a.ask("clock_time_get", 4, 0, 16)),
    ("minus a clock", lambda a: a.ask("clock_time_get", -1, 0, 16)),
    ("time beyond the end", lambda a: a.ask("clock_time_get", 0, 0, END - 7)),
    ("randomness beyond the end", lambda a: a.ask("random_get", END - 31, 32)),
    ("randomness far away", lambda a: a.ask("random_get", -16, 32)),
    ("much randomness", lambda a: a.ask("random_get", 0, 257)),
    ("minus some randomness", lambda a: a.ask("random_get", 0, -1)),
    ("anything else", lambda a: a.ask("__syscall_openat", 0, 0, 0, 0)),
)


@pytest.mark.parametrize(("name", "attempt"), WRONG, ids=[name for name, _ in WRONG])
def test_what_is_not_known_is_pythons_from_then_on(
    answers: Answers, name: str, attempt: Callable[[Answers], int | None]
) -> None:
    kept = given_request(answers.fast, b"request")
    answers.vector(0, 64, 8)

    assert attempt(answers) is None
    assert answers.woken == 1
    assert answers.ask("clock_time_get", 0, 0, 16) is None, "it is Python's, once it is awake"
    assert answers.woken == 1
    assert answers.fast.request_left == b"request"
    assert kept is not None


@pytest.mark.parametrize(("address", "size"), [(END - 8, 9), (END, 1), (-1, 2), (64, -1), (1, END), (-1, -1)])
@pytest.mark.parametrize("call", ["fd_read", "fd_write"])
def test_no_byte_beyond_the_guests_memory_is_touched(
    answers: Answers, call: str, address: int, size: int
) -> None:
    kept = given_request(answers.fast, b"x" * (2 * MEMORY))
    answers.vector(0, address, size)

    assert answers.ask(call, REQUEST_FD if call == "fd_read" else REPLY_FD, 0, 1, 16) is None
    assert kept is not None
    assert answers.fast.reply == b""


def test_what_is_over_a_limit_is_pythons_to_refuse(answers: Answers) -> None:
    answers.vector(0, 64, 1001)
    assert answers.ask("fd_write", 1, 0, 1, 16) is None


def test_a_reply_over_its_limit_is_pythons_to_refuse(answers: Answers) -> None:
    answers.vector(0, 64, 1001)
    assert answers.ask("fd_write", REPLY_FD, 0, 1, 16) is None


# Requests.


def read_run(fast: FastPath, frame: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Have the library read a frame's body, which ends where memory does."""
    held = Fenced(len(frame))
    held.write(0, frame)
    call = fast._library.dspex_read_run
    call.argtypes, call.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64], ctypes.c_bool
    known = call(ctypes.addressof(fast.life), held.address, len(frame))
    held.close()
    if not known:
        return None
    line, _, rest = ctypes.string_at(fast.life.request, fast.life.request_bytes).partition(b"\n")
    return json.loads(line.decode("utf-8", "replace")), rest


def run_of(**changes: Any) -> Run:
    given: dict[str, Any] = {
        "run": 1, "source": b"1 + 1", "filename": "main.py", "variables": b"", "files": {}, "stdin": b"",
        "args": [], "env": {}, "budget": BUDGET, "stream": False, "single": True,
    }
    return Run(**{**given, **changes})


def body(message: Run) -> bytes:
    return encode(message)[4:]


plain_names = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), min_size=1, max_size=200)
runs = st.builds(
    run_of,
    run=st.integers(0, 2**53),
    source=st.binary(max_size=70_000),
    filename=plain_names,
    variables=st.binary(max_size=300),
    stream=st.booleans(),
    budget=st.builds(
        Budget,
        wall_s=st.one_of(st.integers(1, 10**6), st.floats(1e-3, 1e6)), cpu_s=st.floats(1e-3, 1e6),
        memory_bytes=st.integers(0, 2**40), output_bytes=st.integers(0, 2**40), value_bytes=st.integers(0, 2**40),
        value_depth=st.integers(0, 300), file_bytes=st.integers(0, 2**40), file_count=st.integers(0, 10**6),
        open_files=st.integers(0, 10**6), host_calls=st.integers(0, 10**6), host_wait_s=st.floats(0, 1e6),
    ),
)


@given(run=runs)
@settings(deadline=None)
def test_the_request_of_an_ordinary_run_is_what_python_would_have_made(run: Run) -> None:
    fast = FastPath(locate.runtime("python") / library(os.uname().machine))
    fast.life.warm = 1
    read = read_run(fast, body(run))

    assert read is not None
    head, rest = read
    assert rest == run.source + run.variables
    assert head == {
        "kind": "run", "single": True, "filename": run.filename, "args": [], "env": {}, "stream": run.stream,
        "value_bytes": run.budget.value_bytes, "value_depth": run.budget.value_depth, "source_bytes": len(run.source),
        "reseed": False, "host_calls": run.budget.host_calls, "arrays": False, "tools": None,
    }


def test_a_worker_that_was_not_warmed_draws_fresh_randomness(fast: FastPath) -> None:
    for warm in (0, 1):
        fast.life.warm = warm
        read = read_run(fast, body(run_of()))
        assert read is not None
        assert read[0]["reseed"] is not bool(warm)


UNUSUAL = {
    "files": {"files": {"a": b""}},
    "input": {"stdin": b"x"},
    "arguments": {"args": [""]},
    "environment": {"env": {"A": ""}},
    "repeatable": {"repeatable": Repeatable(0, 0)},
    "tools": {"tools": b"[]"},
    "mounts": {"mounts": [MountGiven("/m", writable=False, bytes_max=0, files={})]},
    "of a session": {"single": False},
    "quoted name": {"filename": 'a"b'},
    "escaped name": {"filename": "a\\b"},
    "name of two lines": {"filename": "a\nb"},
    "long name": {"filename": "a" * 1025},
    "no time": {"budget": msgspec.structs.replace(BUDGET, wall_s=0)},
    "all the time": {"budget": msgspec.structs.replace(BUDGET, cpu_s=1e300)},
    "no number": {"budget": msgspec.structs.replace(BUDGET, wall_s=float("nan"))},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_run_is_pythons(fast: FastPath, name: str) -> None:
    assert read_run(fast, body(run_of(**UNUSUAL[name]))) is None


@given(run=runs, data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_frame_is_read_to_its_end_at_most(run: Run, data: st.DataObject) -> None:
    fast = FastPath(locate.runtime("python") / library(os.uname().machine))
    frame = bytearray(body(run))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, min(len(frame), 400) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(frame)))

    whole, part = read_run(fast, bytes(frame)), read_run(fast, bytes(frame[:cut]))

    assert part is None or cut == len(frame)
    if whole is not None:  # whatever it took for a run, its request is one line of JSON and the rest
        assert whole[0]["kind"] == "run"
