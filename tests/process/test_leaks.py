"""A thousand runs, or two hundred at once, leave nothing behind in the caller's process."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_MAX = 4


@pytest.fixture(autouse=True)
def _a_folder_of_its_own_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def descriptors() -> list[str]:
    """Return what this process has open, with the kind of thing but not its number."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()).split(":")[0])
        except FileNotFoundError:
            continue
    return sorted(found)


def processes() -> int:
    """Count the processes below this one, dead ones that nobody has reaped included."""
    return len(psutil.Process().children(recursive=True))


def threads() -> set[str]:
    """Name the engines' threads; others keep some for a while, as trio does for its own use."""
    return {one.name for one in threading.enumerate() if one.name.startswith("dspex-")}


def held() -> tuple[object, ...]:
    """Return what this process has, once that has not changed for a while.

    Other tests' engines live in this process too, and may still be filling up their stock.
    """
    last: tuple[object, ...] = ()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        now = (descriptors(), processes(), len(threads()), temporary_files())
        if now == last:
            return now
        last = now
        time.sleep(0.3)
    return last


def temporary_files() -> set[str]:
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir()}


def settled(engine: dspex.Engine) -> bool:
    """Tell whether stock is full again and every process that has served is seen off."""
    pool = engine._pools["python", None]
    full = len(pool.stock) >= IDLE_MAX // 2 and not pool._forking and not pool._leaving
    return full and len(pool._live) == len(pool.stock)


@pytest.mark.slow
def test_a_thousand_runs_in_a_row_leave_nothing_behind() -> None:
    with dspex.Engine(idle_max=IDLE_MAX) as engine:
        kinds = [
            ("1 + 1", {}),
            ("print('x' * 100)\n1 / 0", {}),
            ("open('f', 'w').write('x' * 1000)", {}),
            ("len(data)", {"variables": {"data": b"x" * 10_000}}),
            ("x = = 1", {}),
            ("print('y')", {"on_output": lambda *_: None}),
        ]

        def many(count: int) -> None:
            for number in range(count):
                code, options = kinds[number % len(kinds)]
                engine.run(code, **options)  # type: ignore[arg-type]

        many(100)
        wait_until(lambda: settled(engine))
        gc.collect()
        own = psutil.Process()
        before = (own.memory_info().rss, len(descriptors()), processes(), temporary_files())

        many(1000)
        wait_until(lambda: settled(engine))
        gc.collect()

        assert own.memory_info().rss - before[0] < 4 << 20
        assert len(descriptors()) - before[1] <= 2 * IDLE_MAX
        assert processes() - before[2] <= IDLE_MAX
        assert temporary_files() == before[3]
        assert not engine._pools["python", None]._waiting


@pytest.mark.slow
def test_two_hundred_runs_at_once_leave_nothing_behind() -> None:
    before = held()
    with dspex.Engine(workers_max=200, idle_max=IDLE_MAX) as engine:
        jobs = [
            engine.submit("import time\ntime.sleep(0.3)\nn", variables={"n": number})
            for number in range(200)
        ]
        assert [job.outcome(timeout_s=60).value for job in jobs] == list(range(200))
        wait_until(lambda: settled(engine))

    assert held() == before


def test_engines_sessions_and_failures_leave_no_descriptor_process_or_thread() -> None:
    with dspex.Engine(idle_max=1):
        pass  # what is opened once, at the first use, is no leak
    before = held()
    for _ in range(5):
        with dspex.Engine(idle_max=2) as engine:
            with engine.session() as session:
                session.run("x = 1")
            engine.run("import os; os._exit(1)")
            engine.run("while True: pass", timeout_s=0.05)
            engine.submit("while True: pass")
            kept = engine.session()
        assert kept.closed
        assert held() == before


def test_a_kept_outcome_keeps_nothing_of_the_engine_alive() -> None:
    engine = dspex.Engine(idle_max=1)
    outcome = engine.run("'value'", on_output=lambda *_: None)
    engine.close()
    watched = weakref.ref(engine)

    del engine
    gc.collect()

    assert watched() is None
    assert outcome.value == "value"
