"""Whole programs for WASI preview 1 run like programs: input, arguments, files, output, exit status."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time

import pytest

import dspex
from tests.wasm.wat import answer, module, text

ECHO = module(
    """(local $n i32)
    (loop $more
      (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
      (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
      (local.set $n (i32.load (i32.const 24)))
      (call $say (i32.const 4096) (local.get $n))
      (br_if $more (local.get $n)))""",
    imports="fd_read",
)
ARGUMENTS = module(
    """(drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 32) (i32.const 4096)))
    (call $say (i32.const 4096) (i32.load (i32.const 20)))
    (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $environ_get (i32.const 32) (i32.const 4096)))
    (call $say (i32.const 4096) (i32.load (i32.const 20)))""",
    imports="args_get args_sizes_get environ_get environ_sizes_get",
)
COPY = module(
    """(local $in i32) (local $out i32)
    (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const 6) (i32.const 0)
      (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
    (local.set $in (i32.load (i32.const 16)))
    (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 1030) (i32.const 7) (i32.const 9)
      (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
    (local.set $out (i32.load (i32.const 16)))
    (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
    (drop (call $fd_read (local.get $in) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.store (i32.const 20) (i32.load (i32.const 24)))
    (drop (call $fd_write (local.get $out) (i32.const 16) (i32.const 1) (i32.const 24)))""",
    imports="path_open fd_read",
    data=text(b"in.txtout.txt"),
)


def test_a_program_reads_its_input_and_writes_its_output(engine: dspex.Engine) -> None:
    outcome = engine.run(ECHO, language="wasm", stdin="one\ntwo\n")

    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", None, "one\ntwo\n")
    assert outcome.language == "wasm"


def test_a_binary_is_run_like_its_text(engine: dspex.Engine) -> None:
    import wasmtime

    outcome = engine.run(bytes(wasmtime.wat2wasm(ECHO)), language="wasm", stdin=b"\x00\xffend")

    assert outcome.stdout == "\x00\\xffend"


def test_a_program_sees_its_arguments_and_its_environment_and_no_other(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(ARGUMENTS, language="wasm", args=["--fast", "ü"], env={"TZ": "UTC"})

    assert outcome.stdout == "main.wasm\0--fast\0ü\0TZ=UTC\0"


def test_a_program_reads_files_and_what_it_writes_comes_back(engine: dspex.Engine) -> None:
    outcome = engine.run(COPY, language="wasm", files={"in.txt": b"content"})

    assert (outcome.status, outcome.files) == ("ok", {"out.txt": b"content"})


def test_exit_status_zero_is_ok_and_any_other_is_raised_as_in_python(engine: dspex.Engine) -> None:
    fine = engine.run(module("(call $exit (i32.const 0))"), language="wasm")
    failed = engine.run(module("(call $exit (i32.const 3))"), language="wasm")

    assert fine.status == "ok"
    assert failed.error is not None
    assert (failed.status, failed.error.type, failed.error.message) == ("raised", "SystemExit", "3")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(drop (i32.load (i32.const -4)))", "out of bounds memory access"),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", "invalid conversion to integer"),
    ],
)
def test_a_trap_is_raised_with_its_reason_and_place(
    engine: dspex.Engine, body: str, message: str
) -> None:
    outcome = engine.run(module(body), language="wasm")

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type, outcome.error.message) == ("raised", "Trap", message)
    assert "wasm backtrace" in outcome.error.traceback


def test_a_value_is_given_back_through_a_file_and_variables_come_in_through_one(
    engine: dspex.Engine,
) -> None:
    # Descriptor 4 is /dspex: variables.json is copied to value.json.
    source = COPY.replace("(call $path_open (i32.const 3)", "(call $path_open (i32.const 4)")
    source = source.replace(text(b"in.txtout.txt"), text(b"variables.jsonvalue.json"))
    source = source.replace("(i32.const 1024) (i32.const 6)", "(i32.const 1024) (i32.const 14)")
    source = source.replace("(i32.const 1030) (i32.const 7)", "(i32.const 1038) (i32.const 10)")

    outcome = engine.run(source, language="wasm", variables={"rows": [1, 2.5, (3, None)]})

    assert outcome.value == {"rows": [1, 2.5, (3, None)]}
    assert outcome.files == {}


def test_what_is_no_value_is_the_programs_mistake(engine: dspex.Engine) -> None:
    source = module(
        """(drop (call $path_open (i32.const 4) (i32.const 0) (i32.const 1024) (i32.const 10)
          (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
        (i32.store (i32.const 32) (i32.const 1034)) (i32.store (i32.const 36) (i32.const 4))
        (drop (call $fd_write (i32.load (i32.const 16)) (i32.const 32) (i32.const 1) (i32.const 24)))""",
        imports="path_open",
        data=text(b"value.json{ab}"),
    )

    outcome = engine.run(source, language="wasm")

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("raised", "ValueError")
    assert outcome.error.message.startswith("/dspex/value.json: not a value")


def test_output_is_cut_exactly_at_the_limit(engine: dspex.Engine) -> None:
    policy = dspex.Policy(
        name="little", languages=["wasm"], limits=dspex.Limits(output_bytes=10_000)
    )
    flood = module("(loop (call $say (i32.const 1024) (i32.const 3)) (br 0))", data=text(b"abc"))

    outcome = engine.run(flood, language="wasm", policy=policy)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.limit, outcome.truncated) == ("limit", "output_bytes", True)
    assert outcome.stdout == ("abc" * 4000)[:10_000]


def test_output_arrives_while_the_program_runs(engine: dspex.Engine) -> None:
    seen = threading.Event()
    source = module(
        """(call $say (i32.const 1024) (i32.const 3))
        (i64.store (i32.const 64) (i64.const 7))
        (i32.store8 (i32.const 72) (i32.const 0)) (i32.store (i32.const 80) (i32.const 1))
        (i64.store (i32.const 88) (i64.const 300000000))
        (drop (call $poll_oneoff (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 512)))""",
        imports="poll_oneoff",
        data=text(b"now"),
    )
    job = engine.submit(source, language="wasm", on_output=lambda _stream, _text: seen.set())

    assert seen.wait(5)
    assert not job.done
    outcome = job.outcome()
    assert outcome.stdout == "now"
    assert outcome.usage.wall_s >= 0.3
    assert outcome.usage.cpu_s < 0.2


def test_the_same_seed_gives_the_same_time_and_randomness(engine: dspex.Engine) -> None:
    source = module(
        """(drop (call $random_get (i32.const 2048) (i32.const 16)))
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 2064)))
        (call $say (i32.const 2048) (i32.const 24))""",
        imports="random_get clock_time_get",
    )
    fixed = dspex.Policy(
        name="fixed", languages=["wasm"], deterministic={"clock_ns": 10**18, "seed": 7}
    )
    twice = [engine.run(source, language="wasm", policy=fixed).stdout for _ in range(2)]
    real = [engine.run(source, language="wasm").stdout for _ in range(2)]

    assert twice[0] == twice[1]
    assert len(set(real)) == 2


def test_fuel_counts_instructions_and_is_the_same_each_time(engine: dspex.Engine) -> None:
    loop = """(local $i i32) (local.set $i (i32.const {}))
        (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"""
    little = [engine.run(module(loop.format(1000)), language="wasm").usage.fuel for _ in range(2)]
    more = engine.run(module(loop.format(2000)), language="wasm").usage.fuel

    assert little[0] == little[1]
    assert little[0] is not None
    assert more is not None
    assert 1000 <= little[0] < more


def test_an_endless_loop_is_ended_from_within_by_time_and_by_processor_time(
    engine: dspex.Engine,
) -> None:
    endless = module("(loop (br 0))")
    began = time.monotonic()
    by_time = engine.run(endless, language="wasm", timeout_s=0.3)
    policy = dspex.Policy(name="quick", languages=["wasm"], limits=dspex.Limits(cpu_s=0.3))
    by_work = engine.run(endless, language="wasm", policy=policy)

    assert time.monotonic() - began < 5
    for outcome, limit in ((by_time, "wall_s"), (by_work, "cpu_s")):
        assert outcome.error is not None
        assert (outcome.status, outcome.error.limit) == ("limit", limit)
        assert outcome.error.noticed_by == "inner"
        assert outcome.usage.fuel is None


def test_recursion_without_end_is_a_trap(engine: dspex.Engine) -> None:
    outcome = engine.run(
        '(module (func $f (export "_start") (call $f)))', language="wasm"
    )

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("Trap", "call stack exhausted")


def test_memory_beyond_the_limit_is_refused_and_the_reason_if_the_program_fails_of_it(
    engine: dspex.Engine,
) -> None:
    grow = "(if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then {}))"
    copes = engine.run(module(grow.format("(call $exit (i32.const 0))")), language="wasm")
    fails = engine.run(module(grow.format("unreachable")), language="wasm")
    at_once = engine.run(module("nop", pages="60000"), language="wasm")

    assert copes.status == "ok"
    for outcome in (fails, at_once):
        assert outcome.error is not None
        assert (outcome.status, outcome.error.limit) == ("limit", "memory_bytes")
        assert outcome.error.noticed_by == "inner"


def test_memory_that_was_used_is_told(engine: dspex.Engine) -> None:
    outcome = engine.run(module("(drop (memory.grow (i32.const 9)))"), language="wasm")

    assert outcome.usage.peak_memory_bytes == 10 * 65536


def test_a_file_that_is_too_large_is_refused_and_noted(engine: dspex.Engine) -> None:
    policy = dspex.Policy(name="little", languages=["wasm"], limits=dspex.Limits(file_bytes=100))
    source = module(
        """(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1)
          (i32.const 1) (i64.const 4194368) (i64.const 0) (i32.const 0) (i32.const 16)))
        (call $exit (call $fd_filestat_set_size (i32.load (i32.const 16)) (i64.const 101)))""",
        imports="path_open fd_filestat_set_size",
        data=text(b"f"),
    )
    outcome = engine.run(source, language="wasm", policy=policy)

    assert outcome.error is not None
    assert outcome.error.message == "51"  # ENOSPC
    assert outcome.notes == ("file_bytes: the program was refused more",)


def test_a_program_is_compiled_once_and_other_programs_are_told_apart(
    engine: dspex.Engine,
) -> None:
    for status in (1, 2, 1, 2):
        outcome = engine.run(answer(f"(i32.const {status})", ""), language="wasm")
        assert outcome.error is not None
        assert outcome.error.message == str(status)


def test_a_run_can_be_given_up_while_it_is_compiled_or_runs(engine: dspex.Engine) -> None:
    for delay_s in (0.0, 0.2):
        source = module("(loop (br 0))") + f";; {delay_s}"
        job = engine.submit(source, language="wasm")
        time.sleep(delay_s)
        job.cancel()
        # How far it was decides whether there is an outcome, or nothing had begun.
        with contextlib.suppress(concurrent.futures.CancelledError):
            assert job.outcome(timeout_s=5).status == "lost"


def test_each_run_has_a_process_of_its_own_even_where_processes_are_kept() -> None:
    with dspex.Engine(languages=["wasm"], requests_per_worker=5, idle_max=1) as engine:
        for _ in range(4):
            assert engine.run(ECHO, language="wasm", stdin="x").stdout == "x"


def test_isolation_names_what_stands_and_not_the_layer_that_compiling_leaves_down(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(ECHO, language="wasm")

    assert {"wasm", "process", "seccomp", "no_new_privs"} <= set(outcome.isolation)
    assert "no_new_code" not in outcome.isolation


def test_there_are_no_sessions_and_no_tools(engine: dspex.Engine) -> None:
    with pytest.raises(dspex.RequestError, match="wasm has no sessions"):
        engine.session(language="wasm")
    with pytest.raises(dspex.RequestError, match="wasm programs cannot call any"):
        engine.run(ECHO, language="wasm", tools={"look": len})


def test_the_asynchronous_engine_is_not_blocked_while_a_program_is_compiled() -> None:
    import trio

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.001)
            ticks += 1

    async def main() -> dspex.Outcome:
        async with dspex.open_engine(languages=["wasm"], idle_max=1) as engine, trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            functions = "(func " + "(drop (i32.const 1))" * 500 + ")"
            outcome = await engine.run(
                "(module " + functions * 200 + '(func (export "_start")))', language="wasm"
            )
            nursery.cancel_scope.cancel()
        return outcome

    outcome = trio.run(main)

    assert outcome.status == "ok"
    assert ticks > 20
