"""Faults on purpose, drawn from a seed: what can die, stop or run short while an engine serves.

For tests of dspex and of programs built on it. `Faults` does one at a time, to the processes of one
engine; what callers are owed meanwhile is checked by `dspex.testing.storm`. The same seed draws the
same faults and pauses; which request they meet is up to the machine.

What cannot be done from here: a jump of the monotonic clock, which no process can have made for
itself alone. `CLOCK_JUMP` tells the watchdog of a time that is a day off instead. Nothing in the
supervisor reads the wall clock.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import time
from collections import Counter, deque
from concurrent.futures import Future
from enum import StrEnum
from typing import TYPE_CHECKING

import psutil

from dspex.supervisor.restart import RESTARTS_MAX, WITHIN_S
from dspex.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dspex.engine import Engine
    from dspex.supervisor.pool import Pool

PAUSE_S = 0.2
"""How long a shortage or a stop of a zygote lasts at most."""
DAY_S = 86_400.0
ASK_TIMEOUT_S = 30.0
_ZYGOTE_DEATHS_MAX = RESTARTS_MAX - 2
"""More within the restart budget's time and the engine would give up, as it should."""


class Fault(StrEnum):
    """What can be done to an engine's processes, or to the process that holds it."""

    KILL_WORKER = "kill_worker"
    """SIGKILL to a worker, idle or busy."""
    KILL_ZYGOTE = "kill_zygote"
    """SIGKILL to the parent of all workers."""
    KILL_KEEPER = "kill_keeper"
    """SIGKILL to the process that keeps the zygote's pid namespace."""
    STOP_WORKER = "stop_worker"
    """SIGSTOP to a worker, which is never continued."""
    STOP_ZYGOTE = "stop_zygote"
    """SIGSTOP to the zygote, and SIGCONT a moment later."""
    FEW_DESCRIPTORS = "few_descriptors"
    """For a moment this process can open nothing (EMFILE)."""
    NO_FORKS = "no_forks"
    """For a moment the zygote cannot fork (EAGAIN)."""
    CLOCK_JUMP = "clock_jump"
    """The watchdog looks with a clock that is a day ahead or behind."""


KILLS = frozenset({Fault.KILL_WORKER, Fault.KILL_ZYGOTE, Fault.KILL_KEEPER})
_ZYGOTE_DEATHS = frozenset({Fault.KILL_ZYGOTE, Fault.KILL_KEEPER})
_OFTEN = {Fault.KILL_WORKER: 8, Fault.STOP_WORKER: 2}
"""Weights in drawing; 1 for the others."""


class Faults:
    """Does faults to one engine, from the caller's thread.

    Example:
        >>> from dspex.testing.fake_engine import FakeEngine
        >>> with FakeEngine() as engine:
        ...     Faults(engine, seed=1).do(Fault.KILL_WORKER), engine.run("honest").status
        (True, 'ok')
    """

    def __init__(
        self, engine: Engine, *, seed: int, kinds: Sequence[Fault] = tuple(Fault)
    ) -> None:
        """Prepare to do faults of some kinds."""
        self._supervisor = engine._running()
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._kinds = list(kinds)
        self._zygote_deaths: deque[float] = deque()
        self.done: Counter[Fault] = Counter()
        """How often each fault was done."""

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(self.done[kind] for kind in KILLS)

    def next(self, *, gap_s: float) -> bool:
        """Wait for up to `gap_s` and do any fault; False if it could not be done just now."""
        time.sleep(self._random.uniform(0, gap_s))
        weights = [_OFTEN.get(kind, 1) for kind in self._kinds]
        return self.do(self._random.choices(self._kinds, weights)[0])

    def do(self, kind: Fault) -> bool:
        """Do one fault, and undo it if it is one that passes; False if it was not possible.

        A zygote is killed no more often than the engine's restart budget has room for.
        """
        act: Callable[[], bool] = getattr(self, f"_{kind.value}")
        happened = act()
        self.done[kind] += happened
        return happened

    def _kill_worker(self) -> bool:
        return self._signal_worker(signal.SIGKILL)

    def _stop_worker(self) -> bool:
        return self._signal_worker(signal.SIGSTOP)

    def _signal_worker(self, number: signal.Signals) -> bool:
        pids = [pid for pid in self._supervisor.worker_pids() if pid > 0]
        return bool(pids) and _signal(self._random.choice(pids), number)

    def _kill_zygote(self) -> bool:
        return self._kill_once_in_a_while(self._zygote())

    def _kill_keeper(self) -> bool:
        return self._kill_once_in_a_while(self._keeper())

    def _kill_once_in_a_while(self, pid: int) -> bool:
        now_s = time.monotonic()
        while self._zygote_deaths and now_s - self._zygote_deaths[0] > WITHIN_S:
            self._zygote_deaths.popleft()
        if pid < 0 or len(self._zygote_deaths) >= _ZYGOTE_DEATHS_MAX:
            return False
        self._zygote_deaths.append(now_s)
        return _signal(pid, signal.SIGKILL)

    def _stop_zygote(self) -> bool:
        pid = self._zygote()
        if pid < 0 or not _signal(pid, signal.SIGSTOP):
            return False
        time.sleep(self._random.uniform(0, PAUSE_S))
        _signal(pid, signal.SIGCONT)
        return True

    def _few_descriptors(self) -> bool:
        if self._zygote() < 0:
            return False  # without descriptors it could not be started again, time after time
        with few_descriptors():
            time.sleep(self._random.uniform(0, PAUSE_S))
        return True

    def _no_forks(self) -> bool:
        pid = self._zygote()
        if pid < 0:
            return False
        try:
            before = resource.prlimit(pid, resource.RLIMIT_NPROC)
            resource.prlimit(pid, resource.RLIMIT_NPROC, (0, before[1]))
            time.sleep(self._random.uniform(0, PAUSE_S))
            resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _clock_jump(self) -> bool:
        jump_s = self._random.choice([-DAY_S, DAY_S])

        def look(pool: Pool) -> int:
            Watchdog().look(pool.workers, time.monotonic() + jump_s)
            return 1

        return self._in_supervisor(look) == 1

    def _keeper(self) -> int:
        """Return the process that the supervisor started; -1 if there is none just now."""
        return self._in_supervisor(lambda pool: -1 if pool._zygote is None else pool._zygote.pid)

    def _zygote(self) -> int:
        """Return the process that forks: the keeper's child, if it has a namespace of its own."""
        keeper = self._keeper()
        if keeper < 0:
            return -1
        try:
            below = psutil.Process(keeper).children()
        except psutil.NoSuchProcess:
            return -1
        workers = set(self._supervisor.worker_pids())
        return next((one.pid for one in below if one.pid not in workers), keeper)

    def _in_supervisor(self, ask: Callable[[Pool], int]) -> int:
        """Ask in the supervisor's thread; -1 if that has ended."""
        answer: Future[int] = Future()
        supervisor = self._supervisor
        if not supervisor._call(lambda: answer.set_result(ask(next(iter(supervisor._pools.values()))))):
            return -1
        return answer.result(ASK_TIMEOUT_S)


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def few_descriptors(left: int = 0) -> Iterator[None]:
    """Let this process open no more than about `left` further files while inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = open_descriptors()
    free = next(number for number in range(len(opened) + 1) if number not in opened)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def full_disk(file_bytes: int = 4096) -> Iterator[None]:
    """Let no file of this process and its children grow beyond `file_bytes`, as on a full disk.

    Writing more fails with EFBIG, where a disk that is really full says ENOSPC.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_descriptors() -> set[int]:
    """Return the descriptors that are open in this process."""
    found = {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 - names only
    return {number for number in found if _is_open(number)}


def _is_open(number: int) -> bool:
    """Leave out the one that listing itself had."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def descendants() -> set[int]:
    """Return the processes below this one that have not ended."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found
