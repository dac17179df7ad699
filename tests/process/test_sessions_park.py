"""Sessions that rest give up their processes, and come back as they were."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dspex

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(check: Callable[[], bool], *, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_parked_session_has_no_process_and_comes_back_as_it_was(engine: dspex.Engine) -> None:
    draw = "import random\nx, open('f').read(), next(made), random.random()"
    with engine.session() as session:
        session.run("x = 41; open('f', 'w').write('file'); made = iter(range(9)); next(made)")
        with session.fork():  # which keeps the state: nothing is saved twice
            session.park()
        assert session.parked
        session.park()
        assert session.run(draw).value[:3] == (41, "file", 1)
        assert not session.parked


def test_sessions_that_rest_for_long_are_parked(tmp_path: Path) -> None:
    with dspex.Engine(park_after_s=0.2, parked_dir=tmp_path) as engine, engine.session() as session:
        session.run("x = 1")
        assert not session.parked
        assert eventually(lambda: session.parked)
        assert session.run("x").value == 1
        assert eventually(lambda: session.parked)
        busy = session.submit("import time\ntime.sleep(0.8)")
        time.sleep(0.5)
        assert not session.parked
        assert busy.outcome().ok
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_many_more_sessions_than_processes_all_go_on(language: str, tmp_path: Path) -> None:
    define = {"python": "n = {}", "javascript": "var n = {}"}[language]
    step = {"python": "n += 1\nn", "javascript": "n += 1; n"}[language]
    with dspex.Engine(
        workers_max=3, languages=[language], parked_dir=tmp_path
    ) as engine:
        sessions = []
        for number in range(20):
            session = engine.session(language=language)
            assert session.run(define.format(number)).ok
            sessions.append(session)
        assert sum(not session.parked for session in sessions) <= 3
        with ThreadPoolExecutor(5) as threads:
            for turn in (1, 2):
                outcomes = list(threads.map(lambda one: one.run(step), sessions))
                assert [one.value for one in outcomes] == [n + turn for n in range(20)]
        assert len(engine._running().worker_pids()) <= 4  # with the zygote
        for session in sessions:
            session.close()


def test_a_closed_session_gives_its_place_on_the_disk_back(tmp_path: Path) -> None:
    with dspex.Engine(parked_dir=tmp_path) as engine:
        pool = engine._pools["python", None]
        sessions = [engine.session() for _ in range(3)]
        for session in sessions:
            session.run("x = 1")
            session.park()
        assert pool.lot.size > 0
        sessions[0].run("x")
        for session in sessions:
            session.close()
        assert eventually(lambda: pool.lot.size == 0)


def test_the_descriptors_of_states_are_given_back(engine: dspex.Engine) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def turn() -> None:
        with engine.session() as session:
            session.run("x = 1")
            with session.fork() as twin:
                twin.park()
                twin.run("x")
            session.park()
            session.run("x")

    turn()
    before = count()
    for _ in range(5):
        turn()
    assert eventually(lambda: count() <= before + 2)


def test_a_wait_for_a_process_ends_when_the_engine_is_closed(tmp_path: Path) -> None:
    engine = dspex.Engine(workers_max=1, parked_dir=tmp_path)
    session = engine.session()
    job = session.submit("import time\ntime.sleep(2)")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(engine.session)
        time.sleep(0.2)
        engine.close()
        with pytest.raises(dspex.SessionClosed):
            waiting.result(timeout=5)
    assert job.outcome().status == "lost"
    assert session.closed


def test_parking_is_bounded_by_numbers_that_make_sense() -> None:
    with pytest.raises(dspex.RequestError, match="park_after_s: -1 given"):
        dspex.Engine(park_after_s=-1)
    with pytest.raises(TypeError, match="park_after_s: a number of seconds wanted"):
        dspex.Engine(park_after_s="soon")  # type: ignore[arg-type]
