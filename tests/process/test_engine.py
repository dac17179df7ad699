"""An engine runs programs and says how each one ended: every field of every kind of outcome."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREVER = "while True: pass"
UNSTOPPABLE = """
while True:
    try:
        while True: pass
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def reusing() -> Iterator[dspex.Engine]:
    with dspex.Engine(requests_per_worker=3, idle_max=1, workers_max=1) as engine:
        yield engine


def limited(**limits: Any) -> Policy:
    return Policy(name="test", languages=frozenset({"python"}), limits=Limits(**limits))


# How a run ends.


def test_a_program_that_ends_well_is_ok_with_the_value_of_its_last_expression(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
        "open('made.txt', 'w').write('made')\n{'a': (1, 2.5, None)}"
    )

    assert (outcome.status, outcome.ok, outcome.error) == ("ok", True, None)
    assert outcome.value == {"a": (1, 2.5, None)}
    assert (outcome.stdout, outcome.stderr, outcome.truncated) == ("out\n", "err\n", False)
    assert outcome.files == {"made.txt": b"made"}
    assert (outcome.notes, outcome.language, outcome.session_usable) == ((), "python", False)
    assert set(engine.isolation) <= set(outcome.isolation)  # other tests may have started other languages
    assert {"wasm", "process"} <= set(outcome.isolation)
    assert outcome.value_or_raise() is outcome.value


def test_usage_says_what_the_run_cost(engine: dspex.Engine) -> None:
    outcome = engine.run("import time\nprint('12345')\ntime.sleep(0.05)\nx = bytes(40 << 20)\n1")

    usage = outcome.usage
    assert 0.05 <= usage.wall_s < 5
    assert 0 < usage.cpu_s < usage.wall_s
    assert 40 * MIB < usage.peak_memory_bytes <= 256 * MIB
    assert (usage.output_bytes, usage.host_calls, usage.fuel) == (6, 0, None)


def test_a_program_without_a_last_expression_has_the_value_none(engine: dspex.Engine) -> None:
    assert engine.run("x = 5").value is None
    assert engine.run("").value is None


def test_an_exception_of_the_program_is_described_with_its_own_frames(engine: dspex.Engine) -> None:
    outcome = engine.run("def inner(n):\n    return 1 // n\nprint('before')\ninner(0)\n")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.type == "ZeroDivisionError"
    assert outcome.error.traceback.startswith("Traceback (most recent call last):\n")
    assert 'File "main.py", line 4, in <module>\n    inner(0)' in outcome.error.traceback
    assert 'File "main.py", line 2, in inner\n    return 1 // n' in outcome.error.traceback
    assert outcome.error.traceback.count("File ") == 2
    assert (outcome.value, outcome.stdout) == (None, "before\n")
    with pytest.raises(dspex.GuestRaised) as raised:
        outcome.value_or_raise()
    assert raised.value.type_name == "ZeroDivisionError"


def test_a_program_that_does_not_compile_is_refused_with_the_line(engine: dspex.Engine) -> None:
    outcome = engine.run("print('never')\nx = = 2\n")

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert [(finding.line, finding.column) for finding in outcome.error.findings] == [(2, 5)]
    assert (outcome.error.type, outcome.stdout) == ("SyntaxError", "")
    with pytest.raises(dspex.GuestRefused):
        outcome.value_or_raise()


def test_time_used_up_is_a_limit_that_keeps_what_was_printed(engine: dspex.Engine) -> None:
    began = time.monotonic()
    outcome = engine.run(f"print('before', flush=True)\n{FOREVER}", timeout_s=0.2)
    took_s = time.monotonic() - began

    assert outcome.status == "limit"
    error = outcome.error
    assert error is not None
    assert (error.type, error.limit, error.allowed) == ("LimitExceeded", "wall_s", 0.2)
    assert (error.noticed_by, outcome.stdout) == ("inner", "before\n")
    assert error.spent is not None
    assert 0.2 <= error.spent < 1
    assert took_s < 1.5
    with pytest.raises(dspex.LimitExceeded) as raised:
        outcome.value_or_raise()
    assert (raised.value.limit, raised.value.allowed) == ("wall_s", 0.2)


def test_a_program_that_ignores_the_interrupt_is_killed_by_the_outer_guard(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(f"print('before', flush=True)\n{UNSTOPPABLE}", timeout_s=0.2)

    assert outcome.status == "limit"
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.noticed_by) == ("wall_s", "outer")
    assert outcome.stdout == "before\n"


def test_output_beyond_the_limit_is_cut_exactly_there(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import sys\nfor i in range(10**6): sys.stdout.write('0123456789')",
        policy=limited(output_bytes=1005),
    )

    assert (outcome.status, outcome.truncated) == ("limit", True)
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("output_bytes", 1005)
    assert outcome.stdout == ("0123456789" * 101)[:1005]
    assert outcome.usage.output_bytes == 1005


def test_a_program_that_ends_its_own_process_is_lost_with_its_status(engine: dspex.Engine) -> None:
    outcome = engine.run("import os\nprint('before', flush=True)\nos._exit(7)")

    assert (outcome.status, outcome.stdout) == ("lost", "before\n")
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.exit_status) == ("GuestExited", 7)
    with pytest.raises(dspex.WorkerCrashed) as raised:
        outcome.value_or_raise()
    assert raised.value.exit_status == 7


# What goes in.


def test_variables_go_in_and_come_out_as_values_of_the_same_kind(engine: dspex.Engine) -> None:
    rows = [1, 2**80, 2.5, "é", b"\0", (1, 2), {3, 4}, None, True, {5: "five"}]

    outcome = engine.run("[type(row).__name__ for row in rows], rows", variables={"rows": rows})

    kinds, back = outcome.value
    assert kinds == [type(row).__name__ for row in rows]
    assert back == rows


def test_files_stdin_arguments_and_environment_reach_the_program(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import os, sys\n"
        "[open('in/a.txt').read(), open('b.bin', 'rb').read(), input(), sys.stdin.read(),"
        " sys.argv[1:], os.environ['TZ']]",
        files={"in/a.txt": "text é", "b.bin": b"\0\xff"},
        stdin="first\nrest\n",
        args=["--fast", "x y"],
        env={"TZ": "Europe/Berlin"},
    )

    assert outcome.value == [
        "text é", b"\0\xff", "first", "rest\n", ["--fast", "x y"], "Europe/Berlin",
    ]


def test_only_files_that_the_program_wrote_come_back(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import os\nopen('changed', 'a').write('+')\nopen('new', 'w').write('n')\n"
        "os.mkdir('d'); open('d/deep', 'w').write('d')\nopen('/tmp/elsewhere', 'w').write('e')\n"
        "os.remove('gone')",
        files={"changed": b"c", "kept": b"k", "gone": b"g"},
    )

    assert (outcome.status, outcome.files) == (
        "ok", {"changed": b"c+", "new": b"n", "d/deep": b"d"},
    )


def test_large_files_cross_in_both_directions(engine: dspex.Engine) -> None:
    content = bytes(range(256)) * (40_000)

    outcome = engine.run(
        "data = open('big', 'rb').read()\nopen('back', 'wb').write(data[::-1])\nlen(data)",
        files={"big": content},
    )

    assert (outcome.status, outcome.value) == ("ok", len(content))
    assert outcome.files["back"] == content[::-1]


# What is heard while it runs.


def test_output_is_told_in_order_while_the_program_runs(engine: dspex.Engine) -> None:
    told: list[tuple[str, str]] = []
    first = threading.Event()

    def listen(stream: str, text: str) -> None:
        told.append((stream, text))
        first.set()

    job = engine.submit(
        "import sys, time\nprint('one')\nprint('two', file=sys.stderr)\nprint('é' * 3)\n"
        "time.sleep(0.3)\nprint('end')",
        on_output=listen,
    )
    assert first.wait(5)
    assert not job.done
    outcome = job.outcome()

    assert outcome.ok
    assert [stream for stream, _ in told] == ["stdout", "stderr", "stdout", "stdout"]
    assert "".join(text for stream, text in told if stream == "stdout") == outcome.stdout
    assert outcome.stdout == "one\nééé\nend\n"


def test_a_character_that_arrives_in_two_pieces_is_told_whole(engine: dspex.Engine) -> None:
    told: list[str] = []

    outcome = engine.run(
        "import os\nos.write(1, b'a\\xc3')\nos.write(1, b'\\xa9z')",
        on_output=lambda _stream, text: told.append(text),
    )

    assert (outcome.stdout, "".join(told)) == ("aéz", "aéz")
    assert "\\x" not in "".join(told)


def test_a_listener_cannot_wait_for_another_run(engine: dspex.Engine) -> None:
    def listen(_stream: str, _text: str) -> None:
        engine.run("1")

    with pytest.raises(RuntimeError, match="on_output runs in the engine's thread"):
        engine.run("print('x', flush=True)\nimport time\ntime.sleep(5)", on_output=listen)


def test_a_coroutine_function_is_no_listener(engine: dspex.Engine) -> None:
    async def listen(_stream: str, _text: str) -> None:
        """Never called."""

    with pytest.raises(TypeError, match="an ordinary function wanted"):
        engine.run("print(1)", on_output=listen)  # type: ignore[arg-type]


# What tightens.


def test_a_timeout_tightens_the_policy_and_never_loosens_it(engine: dspex.Engine) -> None:
    strict = limited(wall_s=0.3)

    shorter = engine.run(FOREVER, policy=strict, timeout_s=0.1)
    longer = engine.run(FOREVER, policy=strict, timeout_s=100)

    assert shorter.error is not None
    assert longer.error is not None
    assert (shorter.error.allowed, longer.error.allowed) == (0.1, 0.3)


def test_the_policy_of_a_run_tightens_that_of_the_engine_and_never_loosens_it() -> None:
    engines_own = Policy(
        name="small", languages=frozenset({"python"}), env=frozenset({"TZ"}), limits=Limits(wall_s=0.4, output_bytes=10)
    )
    with dspex.Engine(policy=engines_own, idle_max=1) as engine:
        loose = Policy(
            name="loose", languages=frozenset({"python"}), env=frozenset({"TZ", "LANG"}), limits=Limits(wall_s=60)
        )
        outcome = engine.run("print('x' * 100)", policy=loose)
        assert (outcome.status, outcome.stdout) == ("limit", "x" * 10)
        with pytest.raises(dspex.CapabilityDenied):
            engine.run("1", env={"LANG": "C"}, policy=loose)
        with pytest.raises(dspex.CapabilityDenied):
            engine.run("1", policy="deny_all")
        assert engine.policy is engines_own
        assert engine.run("2", env={"TZ": "UTC"}).value == 2


# Jobs.


def test_a_job_runs_beside_its_caller_and_keeps_its_outcome(engine: dspex.Engine) -> None:
    job = engine.submit("import time\ntime.sleep(0.2)\n'late'")

    with pytest.raises(TimeoutError):
        job.outcome(timeout_s=0.01)
    assert not job.done

    first = job.outcome(timeout_s=10)
    assert (first.value, job.done) == ("late", True)
    assert job.outcome() is first
    job.cancel()
    assert job.outcome() is first


def test_a_cancelled_job_is_lost_at_once(engine: dspex.Engine) -> None:
    job = engine.submit(f"print('before', flush=True)\n{FOREVER}")
    time.sleep(0.2)
    began = time.monotonic()
    job.cancel()
    outcome = job.outcome(timeout_s=5)

    assert time.monotonic() - began < 1
    assert (outcome.status, outcome.stdout) == ("lost", "before\n")
    assert outcome.error is not None
    assert outcome.error.message == "the worker was killed by signal 9: its run was cancelled"
    assert outcome.error.exit_status == -9


def test_a_job_that_is_cancelled_in_the_line_never_runs() -> None:
    with dspex.Engine(workers_max=1, idle_max=1) as engine:
        running = engine.submit("import time; time.sleep(0.4); 'ran'")
        waiting = [engine.submit("'never'") for _ in range(3)]
        waiting[1].cancel()

        with pytest.raises(CancelledError):
            waiting[1].outcome(timeout_s=2)
        assert running.outcome().value == "ran"
        assert [waiting[0].outcome().value, waiting[2].outcome().value] == ["never", "never"]


def test_a_process_that_only_calls_an_engine_loads_nothing_that_builds_or_serves() -> None:
    program = (
        "import sys, dspex; dspex.run('1'); "
        "print({'asyncio', 'http.client', 'wasmtime', 'filelock', 'dspex.runtimes.builder', 'dspex.languages.python'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout == "set()\n"


def test_many_threads_share_an_engine(engine: dspex.Engine) -> None:
    def run(number: int) -> int:
        return int(engine.run("n * n", variables={"n": number}).value)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(run, range(40))) == [n * n for n in range(40)]


# Sessions.


def test_a_session_keeps_names_modules_and_files(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("import json\nx = 41\nopen('note', 'w').write('kept')\ndef f(n): return n + 1")
        outcome = session.run("(f(x), json.dumps([x]), open('note').read())")

    assert outcome.value == (42, "[41]", "kept")
    assert (outcome.session_usable, session.closed) == (True, True)


def test_a_session_lives_through_errors_and_refusals(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = 1")
        raised = session.run("x = 2\n1 / 0")
        refused = session.run("x = = 3")
        nul = session.run("x = 4\0")
        after = session.run("x")

    assert [raised.status, refused.status, nul.status] == ["raised", "refused", "refused"]
    assert raised.error is not None
    assert 'File "main-2.py", line 2' in raised.error.traceback
    assert [one.session_usable for one in (raised, refused, nul, after)] == [True] * 4
    assert after.value == 2


def test_a_session_keeps_its_state_after_a_soft_limit(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = [1]")
        late = session.run(f"x.append(2)\n{FOREVER}", timeout_s=0.2)
        after = session.run("x")

    assert late.error is not None
    assert (late.status, late.error.limit, late.error.noticed_by) == ("limit", "wall_s", "inner")
    assert (late.session_usable, after.value) == (True, [1, 2])


def test_a_session_is_closed_when_its_process_had_to_be_killed(engine: dspex.Engine) -> None:
    with engine.session() as session:
        killed = session.run(UNSTOPPABLE, timeout_s=0.1)

        assert killed.error is not None
        assert (killed.status, killed.error.noticed_by) == ("limit", "outer")
        assert (killed.session_usable, session.closed) == (False, True)
        with pytest.raises(dspex.SessionClosed, match="session is closed: its worker is gone"):
            session.run("1")


def test_a_session_is_closed_when_its_guest_ends_itself(engine: dspex.Engine) -> None:
    with engine.session() as session:
        ended = session.run("import os; os._exit(3)")

        assert (ended.status, ended.session_usable) == ("lost", False)
        with pytest.raises(dspex.SessionClosed):
            session.run("1")


def test_a_cancelled_run_of_a_session_is_interrupted_and_its_state_kept(
    engine: dspex.Engine,
) -> None:
    with engine.session() as session:
        job = session.submit(f"x = 7\n{FOREVER}")
        time.sleep(0.1)
        job.cancel()
        outcome = job.outcome(timeout_s=5)

        assert outcome.error is not None
        assert (outcome.status, outcome.error.type) == ("raised", "KeyboardInterrupt")
        assert session.run("x").value == 7


def test_a_run_that_is_cancelled_as_soon_as_it_was_asked_for_is_interrupted_too(
    engine: dspex.Engine,
) -> None:
    with engine.session() as session:
        session.run("x = 7")
        job = session.submit(FOREVER)
        job.cancel()
        outcome = job.outcome(timeout_s=5)

        assert (outcome.status, session.run("x").value) == ("raised", 7)


def test_a_sleep_that_is_cut_short_never_ends_well(engine: dspex.Engine) -> None:
    """The interpreter looks for interrupts now and then only: a program may be over by then."""
    with engine.session() as session:
        for _ in range(100):
            printed = threading.Event()
            job = session.submit(
                "import time\nprint('x', flush=True)\ntime.sleep(60)",
                on_output=lambda *_, printed=printed: printed.set(),
            )
            assert printed.wait(10)
            job.cancel()
            outcome = job.outcome(timeout_s=10)

            assert outcome.error is not None
            assert (outcome.status, outcome.error.type) == ("raised", "KeyboardInterrupt")


def test_an_interrupt_is_never_lost_however_early_it_comes(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = 7")
        for number in range(50):
            large = {"large": b"x" * 5_000_000} if number % 10 == 0 else None
            job = session.submit(FOREVER, variables=large)
            time.sleep(number % 5 * 0.0005)
            job.cancel()
            outcome = job.outcome(timeout_s=5)

            assert outcome.error is not None
            assert (outcome.status, outcome.error.type) == ("raised", "KeyboardInterrupt")
        assert session.run("x").value == 7


def test_a_session_whose_run_ignores_its_cancellation_is_killed(engine: dspex.Engine) -> None:
    with engine.session() as session:
        job = session.submit(UNSTOPPABLE)
        time.sleep(0.1)
        began = time.monotonic()
        job.cancel()
        outcome = job.outcome(timeout_s=5)

        assert time.monotonic() - began < 2
        assert outcome.error is not None
        assert outcome.status == "lost"
        assert "did not end when it was interrupted" in outcome.error.message
        assert session.closed


def test_runs_of_a_session_follow_one_another(engine: dspex.Engine) -> None:
    with engine.session() as session:
        first = session.submit("import time\ntime.sleep(0.3)\norder = []")
        jobs = [session.submit(f"order.append({n})\n{n}") for n in range(20)]
        jobs[5].cancel()
        with pytest.raises(CancelledError):
            jobs[5].outcome(timeout_s=5)
        values = [job.outcome().value for job in jobs if job is not jobs[5]]

        assert first.outcome().ok
        assert values == session.run("order").value == [n for n in range(20) if n != 5]


def test_a_session_runs_on_when_many_short_runs_have_used_much_processor_time() -> None:
    busy = "import time\nend = time.perf_counter() + {}\nwhile time.perf_counter() < end: pass"
    policy = limited(cpu_s=0.3, grace_s=0.1)
    with dspex.Engine(policy=policy, idle_max=1) as engine, engine.session() as session:
        for _ in range(20):
            assert session.run(busy.format(0.04)).ok
        assert session.run(busy.format(0.2)).ok


def test_a_session_needs_no_room_that_an_idle_process_could_give() -> None:
    with dspex.Engine(workers_max=1, idle_max=1) as engine:
        assert engine.run("1").value == 1
        with engine.session() as session:
            assert session.run("2").value == 2
            with pytest.raises(dspex.EngineBusy):
                engine.run("3", wait=False)
        assert engine.run("4").value == 4


def test_a_session_that_rests_gives_its_process_to_another_and_goes_on_later() -> None:
    with dspex.Engine(workers_max=1, idle_max=1) as engine, engine.session() as first:
        first.run("x = 41")
        with engine.session() as second:
            assert (first.parked, second.parked) == (True, False)
            assert second.run("'x' in globals()").value is False
            assert first.run("x + 1").value == 42
            assert second.parked
        assert engine.run("3").value == 3
        assert first.parked
        assert first.run("x + 2").value == 43


def test_a_session_at_work_gives_way_when_it_has_ended_its_run() -> None:
    with dspex.Engine(workers_max=1, idle_max=1) as engine, engine.session() as first:
        job = first.submit("import time\ntime.sleep(0.3)\nx = 41")
        with engine.session() as second:
            assert job.outcome(timeout_s=0).ok
            assert second.run("1").value == 1
        assert first.run("x").value == 41


def test_a_session_that_cannot_give_way_keeps_its_process_and_another_is_refused() -> None:
    with (
        dspex.Engine(workers_max=1, idle_max=1, languages=["python-restricted"]) as engine,
        engine.session(language="python-restricted") as session,
    ):
        session.run("x = 41")
        with pytest.raises(dspex.EngineBusy):
            engine.session(language="python-restricted")
        assert session.run("x").value == 41


def test_a_session_that_cannot_be_parked_for_want_of_a_disk_keeps_its_process(
    tmp_path: Path,
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("no folder")
    with dspex.Engine(workers_max=1, parked_dir=taken) as engine, engine.session() as session:
        session.run("x = 41")
        with pytest.raises(dspex.EngineBusy):
            engine.session()
        with pytest.raises(dspex.WorkerCrashed, match="cannot be parked"):
            session.park()
        assert not session.parked
        assert session.run("x").value == 41


def test_a_limit_is_noticed_inside_though_functions_are_called_all_the_time(
    engine: dspex.Engine,
) -> None:
    calls = """
def f(n):
    return n and f(n - 1)

import itertools
list(map(lambda _: f(100), itertools.count()))
"""
    with engine.session() as session:
        for _ in range(3):
            outcome = session.run(calls, timeout_s=0.1)
            assert outcome.error is not None
            assert (outcome.status, outcome.error.noticed_by) == ("limit", "inner")
        assert not session.closed


# One process for several runs.


def test_a_reused_process_gives_every_run_a_fresh_guest(reusing: dspex.Engine) -> None:
    supervisor = reusing._running()
    pids = []
    for _ in range(6):
        job = reusing.submit(
            "import builtins, os, time\ntime.sleep(0.05)\n"
            "seen = 'x' in globals(), os.path.exists('f'), hasattr(builtins, 'y')\n"
            "x = builtins.y = 1\nopen('f', 'w').write('f')\nseen"
        )
        time.sleep(0.02)
        pids += supervisor.worker_pids()
        assert job.outcome().value == (False, False, False)

    first, *_, last = pids
    assert pids == [first] * 3 + [last] * 3
    assert first != last


def test_a_reused_process_is_replaced_after_any_abnormal_end(reusing: dspex.Engine) -> None:
    for code, status in [
        ("import os; os._exit(1)", "lost"),
        (UNSTOPPABLE, "limit"),
        ("import os; os.abort()", "lost"),
    ]:
        assert reusing.run(code, timeout_s=0.2).status == status
        assert reusing.run("'x' in globals()").value is False


# The engine's own parameters.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"requests_per_worker": 0}, dspex.RequestError, "requests_per_worker: 0 given, at least 1"),
        ({"workers_max": -1}, dspex.RequestError, "workers_max: -1 given, at least 1 wanted"),
        ({"workers_max": 1.5}, TypeError, "workers_max: int wanted, float given"),
        ({"idle_max": True}, TypeError, "idle_max: int wanted, bool given"),
        ({"waiting_max": -1}, dspex.RequestError, "waiting_max: -1 given, at least 0 wanted"),
        ({"policy": "no_such_policy"}, dspex.PolicyInvalid, "no_such_policy"),
    ],
)
def test_an_engine_cannot_be_made_of_nonsense(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        dspex.Engine(**options)  # type: ignore[arg-type]


def test_the_default_engine_is_one_engine_for_all_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda n: dspex.run(f"{n} + 1").value, range(4))) == [1, 2, 3, 4]
