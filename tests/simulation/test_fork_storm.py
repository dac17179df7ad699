"""Sessions are forked, killed, parked and closed by many threads at once, at random: nothing may be left of them."""

from __future__ import annotations

import collections
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

import dspex

STORM_S = 4.0
CALLERS = 8
DESCRIPTORS_PER_WORKER = 3
ENDINGS = (dspex.SessionClosed, dspex.WorkerLost, dspex.EngineBusy, dspex.SnapshotUnusable)


def storm(engine: dspex.Engine, seed: int, until_s: float) -> collections.Counter[str]:
    """Play one caller; return what was done and how it ended."""
    draw, seen = random.Random(seed), collections.Counter[str]()
    while time.monotonic() < until_s:
        sessions = [engine.session()]
        try:
            sessions[0].run("x = [0]")
            for _ in range(draw.randrange(2, 12)):
                session, what = draw.choice(sessions), draw.random()
                try:
                    if what < 0.5:
                        sessions.append(session.fork())
                        seen["forked"] += 1
                    elif what < 0.6:
                        worker = session._seat._worker
                        if worker is not None and worker.pid > 0:
                            os.kill(worker.pid, signal.SIGKILL)
                            seen["killed"] += 1
                    elif what < 0.7 and len(sessions) > 1:
                        sessions.remove(session)
                        session.close()
                    elif what < 0.75:
                        session.park()
                        seen["parked"] += 1
                    else:
                        seen[session.run("x.append(1)\nlen(x)").status] += 1
                except (*ENDINGS, ProcessLookupError) as error:
                    seen[type(error).__name__] += 1
        finally:
            for session in sessions:
                session.close()
    return seen


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_storm_of_forks_leaves_no_process_and_no_descriptor() -> None:
    mine = set(psutil.Process().children(recursive=True))
    with dspex.Engine(workers_max=40) as engine:
        engine.run("1")
        time.sleep(0.5)
        before, until_s = descriptors(), time.monotonic() + STORM_S
        with ThreadPoolExecutor(CALLERS) as threads:
            played = [threads.submit(storm, engine, seed, until_s) for seed in range(CALLERS)]
            seen = sum((one.result() for one in played), collections.Counter[str]())
        assert min(seen[what] for what in ("forked", "killed", "ok")) > CALLERS, seen
        pool = engine._pools["python", None]
        # The stock may have been at its smallest before and be full now.
        most = before + DESCRIPTORS_PER_WORKER * pool.settings.idle_max
        until_s = time.monotonic() + 20
        while (len(pool.workers) > pool.settings.idle_max or descriptors() > most) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert len(pool.workers) <= pool.settings.idle_max
        assert descriptors() <= most, seen
        assert engine.run("1").value == 1
    assert set(psutil.Process().children(recursive=True)) <= mine
