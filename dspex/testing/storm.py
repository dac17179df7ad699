"""A storm: callers ask an engine for runs while its processes die, and every promise is checked.

Each request must be answered exactly once: rightly, or with a loss, a limit or an error that says so;
after the storm the engine must serve as before, and after its close nothing may be left. The faults
are `dspex.testing.faults`'.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.engine import Engine
from dspex.errors import SessionClosed, WorkerLost
from dspex.limits import MIB, Limits
from dspex.policy import Policy
from dspex.testing.faults import Fault, Faults, descendants, open_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dspex.outcome import Outcome
    from dspex.running import RunningJob

WALL_S = 1.5
ANSWER_TIMEOUT_S = 60.0
"""A request that is not answered by then has been forgotten."""
BROKEN_MAX = 20
"""More than so many broken promises are not listed, and end the storm."""
RECOVERY_TIMEOUT_S = 30.0
RECOVERY_RUNS = 20
SETTLE_TIMEOUT_S = 10.0
AT_REST_S = 0.3
"""For so long nothing may have changed before what there is counts as what there was."""
KINDS = ("quick", "slow", "hog", "session", "cancelled")
_WEIGHTS = (6, 6, 1, 2, 1)

POLICY = Policy(
    name="storm", languages=frozenset({"python"}),
    limits=Limits(wall_s=WALL_S, cpu_s=WALL_S, memory_bytes=192 * MIB),
)

_QUICK = "print({0})\n{0}"
_SLOW = "import time\nprint({0})\ntime.sleep({1})\n{0}"
_HOG = "data = bytearray(100 << 20)\nprint({0})\n{0}"


@dataclass(slots=True)
class Report:
    """What happened in a storm."""

    seed: int
    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """By status, or by the type of what was raised."""
    faults: Counter[Fault] = field(default_factory=Counter)
    kills: int = 0
    storm_s: float = 0.0
    recovered_s: float = 0.0
    """How long after the storm the engine had served `RECOVERY_RUNS` runs in a row."""
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept; empty if all is well."""


class _Caller:
    """One thread's requests, drawn from a seed."""

    def __init__(self, engine: Engine, seed: int, report: Report, lock: threading.Lock) -> None:
        self._engine = engine
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._report = report
        self._lock = lock
        self._tokens = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))

    def call_until(self, stop: threading.Event) -> None:
        while not stop.is_set() and len(self._report.broken) < BROKEN_MAX:
            kind = self._random.choices(KINDS, _WEIGHTS)[0]
            act: Callable[[], None] = getattr(self, f"_{kind}")
            act()

    def _quick(self) -> None:
        self._ask(_QUICK, self._engine.submit)

    def _slow(self) -> None:
        self._ask(_SLOW, self._engine.submit)

    def _hog(self) -> None:
        self._ask(_HOG, self._engine.submit)

    def _cancelled(self) -> None:
        self._ask(_SLOW, self._engine.submit, cancel=True)

    def _session(self) -> None:
        session = self._engine.order_session()
        with session:
            for _ in range(3):
                self._ask(_QUICK, lambda code: self._submit_to(session, code))

    def _submit_to(self, session: object, code: str) -> RunningJob:
        session.ready.result(ANSWER_TIMEOUT_S)  # type: ignore[attr-defined]
        job: RunningJob = session.submit(code)  # type: ignore[attr-defined]
        return job

    def _ask(
        self, program: str, submit: Callable[[str], RunningJob], *, cancel: bool = False
    ) -> None:
        token = next(self._tokens)
        code = program.format(token, round(self._random.uniform(0.01, 0.2), 3))
        settled: list[object] = []
        try:
            job = submit(code)
            if job.settled is not None:
                job.settled.add_done_callback(settled.append)
            if cancel:
                job.cancel()
            outcome = job.outcome(ANSWER_TIMEOUT_S)
        except (WorkerLost, SessionClosed, CancelledError) as error:
            self._note(type(error).__name__, None)
        except TimeoutError:
            self._note("nothing", f"{token}: no answer within {ANSWER_TIMEOUT_S} s")
        except Exception as error:  # noqa: BLE001 - anything else is a promise broken, and told
            self._note(type(error).__name__, f"{token}: {error!r}")
        else:
            self._note(outcome.status, _judge(outcome, token, len(settled)))

    def _note(self, answer: str, broken: str | None) -> None:
        with self._lock:
            self._report.requests += 1
            self._report.answers[answer] += 1
            if broken is not None and len(self._report.broken) < BROKEN_MAX:
                self._report.broken.append(broken)


def _judge(outcome: Outcome, token: int, settled: int) -> str | None:
    """Say what is wrong with an answer; None if nothing is."""
    if settled != 1:
        return f"{token}: settled {settled} times"
    if outcome.ok and (outcome.value, outcome.stdout) != (token, f"{token}\n"):
        return f"{token}: another's answer: {outcome.value!r}, {outcome.stdout!r}"
    if outcome.stdout not in ("", f"{token}\n"):
        return f"{token}: another's output: {outcome.stdout!r}"
    if outcome.status in ("raised", "refused"):
        return f"{token}: {outcome.status}, which its program cannot: {outcome.error!r}"
    return None


def storm(
    *,
    seed: int,
    kills: int,
    kinds: Sequence[Fault] = tuple(Fault),
    callers: int = 3,
    gap_s: float = 0.06,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Let an engine serve while its processes are killed, and check what it promises.

    Args:
        seed: Of faults, pauses and requests.
        kills: How many processes to kill; other faults come between.
        kinds: Which faults.
        callers: Threads that ask for runs.
        gap_s: Longest pause between two faults.
        progress: Told after every fault.
    """
    report, lock, stop = Report(seed), threading.Lock(), threading.Event()
    descriptors, before, threads = _at_rest()
    with Engine(policy=POLICY, workers_max=8, idle_max=3) as engine:
        faults = Faults(engine, seed=seed, kinds=kinds)
        asking = [
            threading.Thread(
                target=_Caller(engine, seed * 100 + one, report, lock).call_until, args=(stop,)
            )
            for one in range(callers)
        ]
        for thread in asking:
            thread.start()
        began = time.monotonic()
        try:
            while faults.kills < kills and len(report.broken) < BROKEN_MAX:
                faults.next(gap_s=gap_s)
                report.faults, report.kills = faults.done, faults.kills
                progress(report)
        finally:
            stop.set()
            for thread in asking:
                thread.join()
        report.storm_s = time.monotonic() - began
        _check_recovery(engine, report)
    _check_nothing_left(report, descriptors, before, threads)
    return report


def _at_rest() -> tuple[set[int], set[int], int]:
    """Return this process' descriptors, descendants and number of threads, once they stay the same.

    Other engines of the process may still be burying and replacing their last workers.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    found = open_descriptors(), descendants(), _threads()
    while time.monotonic() < deadline:
        time.sleep(AT_REST_S)
        last, found = found, (open_descriptors(), descendants(), _threads())
        if last == found:
            break
    return found


def _check_recovery(engine: Engine, report: Report) -> None:
    """Require that the engine serves as before: so many runs in a row, all at once too."""
    began, served = time.monotonic(), 0
    while served < RECOVERY_RUNS:
        if time.monotonic() - began > RECOVERY_TIMEOUT_S:
            report.broken.append(f"not recovered after {RECOVERY_TIMEOUT_S} s")
            return
        try:
            served = served + 1 if engine.run("6 * 7").value == 42 else 0
        except WorkerLost:
            served = 0
        except Exception as error:  # noqa: BLE001 - told
            report.broken.append(f"not recovered: {error!r}")
            return
    report.recovered_s = time.monotonic() - began


def _check_nothing_left(
    report: Report, descriptors: set[int], before: set[int], threads: int
) -> None:
    """Require that no process, descriptor or thread is left after the close."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while descendants() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    if left := descendants() - before:
        report.broken.append(f"processes left: {sorted(left)}")
    if more := open_descriptors() - descriptors:
        report.broken.append(f"descriptors left: {sorted(more)}")
    if (running := _threads()) > threads:
        report.broken.append(f"threads left: {running - threads}")


def _threads() -> int:
    """Count the threads, but not those that trio keeps for its next blocking call, some seconds long."""
    return sum(not one.name.startswith("Trio thread") for one in threading.enumerate())
