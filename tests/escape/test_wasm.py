"""Ways out that begin in WebAssembly itself: paths, pointers, bombs for the compiler, and broken binaries.

Each attempt is a module for WASI preview 1. Those that ask the host for something end with the error
number they got as exit status.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attempt, ending, names
from tests.wasm.wat import answer, module, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.escape.ending import Attack

NOTCAPABLE, NOENT, BADF, FAULT, INVAL, NOTSOCK, NOTSUP = 76, 44, 8, 21, 28, 57, 58
LOOP_OF_LINKS, NAME_TOO_LONG, NOT_A_DIRECTORY, READ_ONLY = 32, 37, 54, 69


@pytest.fixture(scope="module")
def engine(canary: Canary) -> Iterator[dspex.Engine]:
    """Start an engine for WebAssembly, and Python for the check after each attack."""
    with dspex.Engine(policy="compute", languages=["wasm", "python"], idle_max=2) as engine:
        yield engine


def opened(path: bytes, *, fd: int = 3, how: int = 0, rights: int = 2, lookup: int = 1) -> str:
    """Write a program that opens a path and ends with the answer."""
    call = (
        f"(call $path_open (i32.const {fd}) (i32.const {lookup}) (i32.const 1024)"
        f" (i32.const {len(path)}) (i32.const {how}) (i64.const {rights}) (i64.const {rights})"
        " (i32.const 0) (i32.const 16))"
    )
    return answer(call, "path_open", data=path)


def through_link(target: bytes, path: bytes) -> str:
    """Write a program that makes the link `l` and opens a path through it."""
    data = target + b"l" + path
    at = 1024 + len(target)
    return module(
        f"""(drop (call $path_symlink (i32.const 1024) (i32.const {len(target)}) (i32.const 3)
          (i32.const {at}) (i32.const 1)))
        (call $exit (call $path_open (i32.const 3) (i32.const 1) (i32.const {at + 1})
          (i32.const {len(path)}) (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0)
          (i32.const 16)))""",
        imports="path_open path_symlink",
        data=text(data),
    )


def exits(number: int) -> str:
    return f"raised SystemExit: {number}"


def trap(reason: str) -> str:
    return f"raised Trap: {reason}"


PATHS = [
    Attempt("absolute path", opened(b"CANARY"), exits(NOTCAPABLE)),
    Attempt("passwords", opened(b"/etc/passwd"), exits(NOTCAPABLE)),
    Attempt("root itself", opened(b"/"), exits(NOTCAPABLE)),
    Attempt("one up", opened(b"../x"), exits(NOTCAPABLE)),
    Attempt("many up", opened(b"../" * 30 + b"etc/passwd"), exits(NOTCAPABLE)),
    Attempt("up at the end", opened(b".."), exits(NOTCAPABLE)),
    Attempt("in and twice out", opened(b"./.././../etc/passwd"), exits(NOTCAPABLE)),
    Attempt("out of the other preopen", opened(b"../home/sandbox/x", fd=4), exits(NOTCAPABLE)),
    Attempt("the other preopen's neighbours", opened(b"../dev/urandom", fd=4), exits(NOTCAPABLE)),
    Attempt("a preopen that is not there", opened(b"x", fd=5), exits(BADF)),
    Attempt("standard input as a folder", opened(b"x", fd=0), exits(NOT_A_DIRECTORY)),
    Attempt("a negative descriptor", opened(b"x", fd=-1), exits(BADF)),
    Attempt("the driver's channels", opened(b"x", fd=1 << 20), exits(BADF)),
    Attempt("empty path", opened(b""), exits(NOENT)),
    Attempt("a NUL inside", opened(b"a\0/etc/passwd"), exits(25)),
    Attempt("no UTF-8", opened(b"\xff\xfe"), exits(NOENT)),
    Attempt("a long name", opened(b"a" * 256), exits(NAME_TOO_LONG)),
    Attempt("a long path", opened(b"a/" * 2048), exits(NAME_TOO_LONG)),
    Attempt("system files", opened(b"proc/self/environ"), exits(NOENT)),
    Attempt("devices", opened(b"dev/mem"), exits(NOENT)),
]  # fmt: skip

LINKS = [
    Attempt("absolute link", through_link(b"/etc", b"l/passwd"), exits(NOENT)),
    Attempt("link up", through_link(b"..", b"l/x"), exits(NOTCAPABLE)),
    Attempt("link far up", through_link(b"../" * 20 + b"etc/passwd", b"l"), exits(NOTCAPABLE)),
    Attempt("link to itself", through_link(b"l", b"l"), exits(LOOP_OF_LINKS)),
    Attempt("link down and up", through_link(b"a/../../..", b"l"), exits(NOENT)),
    Attempt("link to the folder, then up", through_link(b".", b"l/../x"), exits(NOTCAPABLE)),
]  # fmt: skip

POINTERS = [
    Attempt("write from nowhere", answer("(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))", ""), exits(FAULT)),
    Attempt("write a vector beyond the end", module("(i32.store (i32.const 0) (i32.const 65530)) (i32.store (i32.const 4) (i32.const 100)) (call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"), exits(FAULT)),
    Attempt("write four gigabytes", module("(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const -1)) (call $exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"), exits(FAULT)),
    Attempt("a million vectors", answer("(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 8))", ""), exits(INVAL)),
    Attempt("result beyond the end", answer("(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 65533))", ""), exits(FAULT)),
    Attempt("randomness over the end", answer("(call $random_get (i32.const 65000) (i32.const 65000))", "random_get"), exits(FAULT)),
    Attempt("time over the end", answer("(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65532))", "clock_time_get"), exits(FAULT)),
    Attempt("arguments over the end", answer("(call $args_get (i32.const 65534) (i32.const 0))", "args_get"), exits(FAULT)),
    Attempt("a path from beyond", answer("(call $path_unlink_file (i32.const 3) (i32.const 65535) (i32.const 100))", "path_unlink_file"), exits(FAULT)),
    Attempt("a billion subscriptions", answer("(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 1000000000) (i32.const 0))", "poll_oneoff"), exits(INVAL)),
    Attempt("a listing into nowhere", answer("(call $fd_readdir (i32.const 3) (i32.const 65000) (i32.const -1) (i64.const 0) (i32.const 0))", "fd_readdir"), exits(FAULT)),
    Attempt("a file of eight exabytes", module("(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 1) (i64.const 4194368) (i64.const 0) (i32.const 0) (i32.const 16))) (call $exit (call $fd_filestat_set_size (i32.load (i32.const 16)) (i64.const 0x7fffffffffffffff)))", imports="path_open fd_filestat_set_size", data=text(b"f")), exits(51)),
    Attempt("a write at the end of all", module("(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 1) (i64.const 4194368) (i64.const 0) (i32.const 0) (i32.const 16))) (i32.store (i32.const 32) (i32.const 0)) (i32.store (i32.const 36) (i32.const 9)) (call $exit (call $fd_pwrite (i32.load (i32.const 16)) (i32.const 32) (i32.const 1) (i64.const 0x7ffffffffffffff0) (i32.const 64)))", imports="path_open fd_pwrite", data=text(b"f")), exits(51)),
]  # fmt: skip

REFUSED_CALLS = [
    Attempt("accept", answer("(call $sock_accept (i32.const 0) (i32.const 0) (i32.const 64))", "sock_accept"), exits(NOTSOCK)),
    Attempt("send", answer("(call $sock_send (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))", "sock_send"), exits(NOTSOCK)),
    Attempt("receive", answer("(call $sock_recv (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 68))", "sock_recv"), exits(BADF)),
    Attempt("signal", answer("(call $proc_raise (i32.const 9))", "proc_raise"), exits(NOTSUP)),
    Attempt("more rights", answer("(call $fd_fdstat_set_rights (i32.const 3) (i64.const -1) (i64.const -1))", "fd_fdstat_set_rights"), exits(NOTSUP)),
    Attempt("write to standard input", answer("(call $fd_write (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 8))", "", data=b"\0\0\0\0\4\0\0\0"), exits(BADF)),
    Attempt("remove the folder under one's feet", answer("(call $path_remove_directory (i32.const 3) (i32.const 1024) (i32.const 1))", "path_remove_directory", data=b"."), exits(INVAL)),
    Attempt("rename out", answer("(call $path_rename (i32.const 3) (i32.const 1024) (i32.const 1) (i32.const 3) (i32.const 1025) (i32.const 4))", "path_rename", data=b"a../b"), exits(NOTCAPABLE)),
    Attempt("hard link out", answer("(call $path_link (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 11) (i32.const 3) (i32.const 1035) (i32.const 1))", "path_link", data=b"/etc/passwdx"), exits(NOTCAPABLE)),
    Attempt("read a link of the host", answer("(call $path_readlink (i32.const 3) (i32.const 1024) (i32.const 14) (i32.const 0) (i32.const 9) (i32.const 64))", "path_readlink", data=b"/proc/self/exe"), exits(NOTCAPABLE)),
]  # fmt: skip

IMPORTS = [
    Attempt("a shell", '(module (import "env" "system" (func (param i32) (result i32))) (func (export "_start")))', "env.system"),
    Attempt("wasmtime's own", '(module (import "wasi:filesystem/types" "open" (func)) (func (export "_start")))', "wasi:filesystem/types.open"),
    Attempt("the older preview", '(module (import "wasi_unstable" "path_open" (func)) (func (export "_start")))', "wasi_unstable.path_open"),
    Attempt("threads", '(module (import "wasi" "thread-spawn" (func (param i32) (result i32))) (func (export "_start")))', "wasi.thread-spawn"),
    Attempt("a memory of the host", '(module (import "env" "memory" (memory 1)) (func (export "_start")))', "env.memory"),
    Attempt("a table of the host", '(module (import "env" "table" (table 1 funcref)) (func (export "_start")))', "env.table"),
    Attempt("a global of the host", '(module (import "env" "g" (global (mut i32))) (func (export "_start")))', "env.g"),
    Attempt("no such function", '(module (import "wasi_snapshot_preview1" "proc_exec" (func)) (func (export "_start")))', "wasi_snapshot_preview1.proc_exec"),
]  # fmt: skip

BOMBS = [
    Attempt("memory at once", '(module (memory 65536) (func (export "_start")))', "limit LimitExceeded: memory_bytes: "),
    Attempt("growing memory", '(module (memory 1) (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 100)) (i32.const -1)))) unreachable))', "limit LimitExceeded: memory_bytes: "),
    Attempt("table at once", '(module (table 10000000 funcref) (func (export "_start")))', "raised Trap: "),
    Attempt("growing table", '(module (table $t 1 funcref) (func (export "_start") (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable))', trap("wasm `unreachable` instruction executed")),
    Attempt("garbage collected heap", '(module (type $a (array (mut i64))) (type $l (struct (field (ref null $l)) (field (ref $a)))) (func (export "_start") (local $x (ref null $l)) (loop (local.set $x (struct.new $l (local.get $x) (array.new_default $a (i32.const 100000)))) (br 0))))', "limit LimitExceeded: memory_bytes: "),
    Attempt("a start function without end", '(module (func $f (loop (br 0))) (start $f) (func (export "_start")))', "limit LimitExceeded: cpu_s: "),
    Attempt("a start function that traps", '(module (func $f unreachable) (start $f) (func (export "_start")))', trap("wasm `unreachable` instruction executed")),
    Attempt("a start function that recurses", '(module (func $f (call $f)) (start $f) (func (export "_start")))', trap("call stack exhausted")),
    Attempt("big frames", "(module (func $f (result i64) " + "(local i64)" * 2000 + ' (i64.add (call $f) (local.get 1999))) (func (export "_start") (drop (call $f))))', trap("call stack exhausted")),
    Attempt("a null call", '(module (table 1 funcref) (func (export "_start") (call_indirect (i32.const 0))))', trap("uninitialized element")),
    Attempt("a call beyond the table", '(module (table 1 funcref) (func (export "_start") (call_indirect (i32.const 9))))', trap("undefined element: out of bounds table access")),
    Attempt("a call of another type", '(module (table funcref (elem $f)) (func $f (param i32)) (func (export "_start") (call_indirect (i32.const 0))))', trap("indirect call type mismatch")),
    Attempt("data beyond memory", '(module (memory 1) (data (i32.const 65530) "0123456789") (func (export "_start")))', trap("out of bounds memory access")),
    Attempt("sixty-four bit memory", '(module (memory i64 1) (func (export "_start")))', "refused GuestRefused: refused, 1 finding: program: memory64 must be enabled for 64-bit memories"),
    Attempt("two memories", '(module (memory 1) (memory 1) (func (export "_start")))', "refused GuestRefused: refused, 1 finding: program: "),
    Attempt("shared memory", '(module (memory 1 2 shared) (func (export "_start")))', "refused GuestRefused: refused, 1 finding: program: threads must be enabled for shared memories"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", PATHS + LINKS, ids=names(PATHS + LINKS))
def test_no_path_leads_out_of_a_preopened_folder(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    code = attempt.code
    if attempt.name == "absolute path":
        code = opened(str(canary.file).encode())
    assert ending(attack(code, language="wasm"), canary) == attempt.ending


@pytest.mark.parametrize("attempt", POINTERS, ids=names(POINTERS))
def test_no_pointer_reaches_beyond_the_programs_memory(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code, language="wasm"), canary) == attempt.ending


@pytest.mark.parametrize("attempt", REFUSED_CALLS, ids=names(REFUSED_CALLS))
def test_what_a_sandbox_does_not_offer_is_answered_with_an_error_number(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code, language="wasm"), canary) == attempt.ending


@pytest.mark.parametrize("attempt", IMPORTS, ids=names(IMPORTS))
def test_an_import_of_anything_else_is_refused_by_its_name(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    said = ending(attack(attempt.code, language="wasm"), canary)

    assert said == (
        "refused GuestRefused: refused, 1 finding: program: it imports what is not there:"
        f" {attempt.ending} (programs may import wasi_snapshot_preview1 only)"
    )


@pytest.mark.parametrize("attempt", BOMBS, ids=names(BOMBS))
def test_bombs_and_broken_calls_end_the_program_alone(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    policy = dspex.Policy.load("compute").tightened(
        dspex.Policy(name="short", languages=["wasm"], limits=dspex.Limits(cpu_s=1.0))
    )
    began = time.monotonic()

    said = ending(attack(attempt.code, language="wasm", policy=policy), canary)

    assert said.startswith(attempt.ending)
    assert time.monotonic() - began < 10


def test_an_import_of_the_wrong_type_is_refused_with_its_type(attack: Attack) -> None:
    code = '(module (import "wasi_snapshot_preview1" "fd_write" (func (param v128))) (func (export "_start")))'

    outcome = attack(code, language="wasm")

    assert outcome.error is not None
    assert outcome.error.findings[0].message == (
        "it imports functions of another type: wasi_snapshot_preview1.fd_write(v128)"
    )


NESTED = "(block " * 20_000 + ")" * 20_000
COMPILE_BOMBS = {
    "deep nesting": f'(module (func (export "_start") {NESTED}))',
    "one huge function": '(module (func (export "_start") (local i32)'
    + " (local.set 0 (i32.add (local.get 0) (i32.mul (local.get 0) (i32.const 3))))" * 60_000 + "))",
    "many functions": "(module " + "(func)" * 300_000 + '(func (export "_start")))',
    "many types": "(module " + "(type (func (param i32)))" * 200_000 + '(func (export "_start")))',
    "a wide switch": '(module (func (export "_start") ' + "(block " * 2000
    + "(br_table " + " ".join(str(n % 2000) for n in range(60_000)) + " (i32.const 1))" + ")" * 2000 + "))",
    "unbalanced text": "(" * 500_000,
    "an endless string": '(module (data "' + "a" * 5_000_000,
}


@pytest.mark.parametrize("name", COMPILE_BOMBS)
def test_a_bomb_for_the_compiler_costs_no_more_than_its_limits(
    attack: Attack, canary: Canary, name: str
) -> None:
    policy = dspex.Policy.load("compute").tightened(
        dspex.Policy(name="short", languages=["wasm"], limits=dspex.Limits(cpu_s=1.0, wall_s=1.0))
    )
    began = time.monotonic()

    outcome = attack(COMPILE_BOMBS[name], language="wasm", policy=policy)

    assert outcome.status in {"ok", "refused", "limit"}, outcome.error
    assert time.monotonic() - began < 8


def test_a_module_larger_than_the_source_limit_is_not_even_sent(attack: Attack) -> None:
    outcome = attack(b"\0asm\1\0\0\0" + b"\0" * (11 << 20), language="wasm")

    assert outcome.error is not None
    assert outcome.error.message.endswith("source_bytes: 11534344 given, 10485760 allowed")


def test_orders_to_the_worker_cannot_be_forged_from_a_program(attack: Attack) -> None:
    for forged in (b"\x02M\0\0\0\0", b"\x01\0asm", b"\x02C", b"\x7fELF\x02\x01\x01"):
        outcome = attack(forged, language="wasm")
        assert outcome.status == "refused", forged


SEED_MODULE = bytes(
    wasmtime.wat2wasm(
        module("(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))")
    )
)


@settings(
    max_examples=40, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 6))
def test_a_mutated_binary_is_refused_or_runs_and_nothing_else(
    attack: Attack, seed: int, cuts: int
) -> None:
    chosen = random.Random(seed)
    mutated = bytearray(SEED_MODULE)
    for _ in range(cuts):
        at = chosen.randrange(len(mutated))
        match chosen.randrange(3):
            case 0:
                mutated[at] = chosen.randrange(256)
            case 1:
                del mutated[at : at + chosen.randrange(1, 9)]
            case _:
                mutated[at:at] = chosen.randbytes(chosen.randrange(1, 9))
    outcome = attack(bytes(mutated), language="wasm", timeout_s=2)

    assert outcome.status in {"ok", "raised", "refused", "limit"}, outcome.error


def test_twin_all_this_works_within_the_folder(attack: Attack) -> None:
    fine = [
        opened(b"given.txt"),
        opened(b"./d/../given.txt"),
        opened(b"d/../d/./b.txt"),
        through_link(b"given.txt", b"l"),
        through_link(b"d", b"l/b.txt"),
        through_link(b"d/../given.txt", b"l"),
        opened(b"made.txt", how=1, rights=64),
        opened(b"variables.json", fd=4),
    ]
    for code in fine:
        outcome = attack(code, language="wasm", files={"given.txt": "a", "d/b.txt": "b"})
        assert outcome.status == "ok", (code, outcome.error)
