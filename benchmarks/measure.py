"""The suites: what is measured, in which order, with how much effort.

Contestants take turns round by round within one run, so that what the machine does meanwhile
hits all of them alike. Loops and clocks are in the children (`benchmarks.peers.loop`);
numbers go to a `Sheet`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import psutil

from benchmarks.child import Child, ChildBrokeError, cold_start
from benchmarks.contestants import FRESH, JAVASCRIPT, NATIVE, RESTRICTED, RUST
from benchmarks.language_programs import JAVASCRIPT as SCRIPTS
from benchmarks.language_programs import RUST as CRATES
from benchmarks.language_programs import timed_javascript, timed_rust
from benchmarks.memory import TreeMemory, tree_memory
from benchmarks.programs import PROGRAMS, timed
from benchmarks.sheet import Metric, Sheet
from benchmarks.summary import counted, percentile, speed_against, turn_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.contestants import Ready
    from benchmarks.programs import Code

MEMORY_SHARE_MAX: Final = 0.4
"""A step of the concurrency suite is left out if it would take more of what is free."""
_SETTLE_S: Final = 0.2
_IDLE_S: Final = 1.5


@dataclass(frozen=True)
class Effort:
    """How long a run may take; the defaults are the full one."""

    rounds: int = 7
    calls: int = 100
    warmup: int = 10
    paced_calls: int = 30
    pause_s: float = 0.02
    session_calls: int = 200
    cold_rounds: int = 7
    throughput_rounds: int = 5
    throughput_s: float = 2.0
    callers: tuple[int, ...] = (2, 4, 8)
    program_rounds: int = 5
    program_repeats: int = 5
    memory_rounds: int = 3
    held_more: int = 8
    concurrent: tuple[int, ...] = (1, 10, 100, 1000)
    concurrent_calls_min: int = 200
    language_calls: int = 60
    language_callers: int = 4


QUICK: Final = Effort(
    rounds=2,
    calls=30,
    paced_calls=10,
    session_calls=30,
    cold_rounds=2,
    throughput_rounds=1,
    throughput_s=1.0,
    callers=(2, 4),
    program_rounds=1,
    program_repeats=2,
    memory_rounds=1,
    concurrent=(1, 10),
    concurrent_calls_min=50,
)


class Crew:
    """The children that are running, started when first asked for."""

    def __init__(self, ready: list[Ready]) -> None:
        self.ready = {one.contestant.name: one for one in ready}
        self._running: dict[str, list[Child]] = {}

    def names(self, suite: str) -> list[str]:
        """Return who has a part in a suite."""
        return [name for name, one in self.ready.items() if suite in one.contestant.suites]

    def children(self, name: str) -> list[Child]:
        """Return the children of a contestant, one for most.

        Raises:
            ChildBrokeError: One could not be started.
        """
        if name not in self._running:
            one = self.ready[name]
            self._running[name] = []
            for _ in range(one.contestant.processes):
                self._running[name].append(Child(one))
        return self._running[name]

    def child(self, name: str) -> Child:
        """Return the only child of a contestant."""
        return self.children(name)[0]

    def dismiss(self, name: str) -> None:
        """End a contestant's children; asking for them starts new ones."""
        for child in self._running.pop(name, []):
            child.close()

    def dismiss_all(self) -> None:
        """End every child."""
        for name in list(self._running):
            self.dismiss(name)


class Measurement:
    """One run of the benchmark."""

    def __init__(self, crew: Crew, effort: Effort, say: Callable[[str], None]) -> None:
        self._crew = crew
        self._effort = effort
        self._say = say
        self.sheet = Sheet()

    def run(self, suite: str) -> None:
        """Measure one suite.

        Raises:
            KeyError: No such suite.
        """
        SUITES[suite](self)

    def settings(self) -> dict[str, Any]:
        """Return the effort as data."""
        return asdict(self._effort)

    def _turns(self, suite: str, rounds: int, metric: Metric) -> Iterator[str]:
        """Yield who is next, round by round, leaving out who has failed."""
        names = self._crew.names(suite)
        for number in range(rounds):
            self._say(f"{metric.name}: round {number + 1} of {rounds}")
            for name in turn_order(names, number):
                if not self.sheet.has_failed(metric, name):
                    yield name

    def _asked(self, metric: Metric, name: str, op: str, **arguments: object) -> dict[str, Any]:
        """Ask a contestant; an empty reply means that the failure has been entered."""
        try:
            reply = self._crew.child(name).request(op, **arguments)
        except ChildBrokeError as error:
            self._crew.dismiss(name)
            self.sheet.fail(metric, name, str(error))
            return {}
        if "failed" in reply:
            self.sheet.fail(metric, name, reply["failed"])
            return {}
        return reply

    def _latencies(self, metric: Metric, rounds: int, op: str, **arguments: object) -> None:
        for name in self._turns(metric.suite, rounds, metric):
            time.sleep(_SETTLE_S)
            reply = self._asked(metric, name, op, **arguments)
            if reply:
                times = reply["times_s"]
                self.sheet.add(metric, name, percentile(times, 50), times_s=times)

    def latency(self) -> None:
        """Time fresh sandboxes of a warm engine one after the other, without and with a pause."""
        effort = self._effort
        self._latencies(
            Metric("latency", "fresh sandbox, back to back", "s"),
            effort.rounds,
            "latency",
            calls=effort.calls,
            warmup=effort.warmup,
            pause_s=0.0,
        )
        pause_ms = effort.pause_s * 1e3
        self._latencies(
            Metric("latency", f"fresh sandbox, {pause_ms:.0f} ms between calls", "s"),
            effort.rounds,
            "latency",
            calls=effort.paced_calls,
            warmup=2,
            pause_s=effort.pause_s,
        )

    def session(self) -> None:
        """Time calls in a sandbox that is already open."""
        self._latencies(
            Metric("session", "call in an open session", "s"),
            self._effort.rounds,
            "session",
            calls=self._effort.session_calls,
            warmup=self._effort.warmup,
        )

    def tools(self) -> None:
        """Time calls of a function of the host, out of one sandbox."""
        self._latencies(
            Metric("tools", "call of a host function", "s"),
            self._effort.rounds,
            "tools",
            calls=self._effort.session_calls,
            warmup=self._effort.warmup,
        )

    def cold(self) -> None:
        """Time a new process until its first result: interpreter, import, engine, program."""
        metric = Metric("cold", "first result of a new process", "s")
        self._crew.dismiss_all()
        for name in self._crew.names("cold"):
            self._cold_start(metric, name)  # Fills the caches; not counted.
        for name in self._turns("cold", self._effort.cold_rounds, metric):
            taken = self._cold_start(metric, name)
            if taken is not None:
                self.sheet.add(metric, name, taken)

    def _cold_start(self, metric: Metric, name: str) -> float | None:
        try:
            return cold_start(self._crew.ready[name])
        except ChildBrokeError as error:
            self.sheet.fail(metric, name, str(error))
            return None

    def throughput(self) -> None:
        """Count fresh sandboxes per second with several concurrent callers."""
        for callers in self._effort.callers:
            metric = Metric("throughput", f"throughput, {counted(callers, 'caller')}", "1/s")
            for name in self._turns("throughput", self._effort.throughput_rounds, metric):
                processes = self._crew.ready[name].contestant.processes
                if callers % processes == 0:
                    time.sleep(_SETTLE_S)
                    self._throughput(metric, name, callers // processes)

    def _throughput(self, metric: Metric, name: str, callers_each: int) -> None:
        try:
            children = self._crew.children(name)
            for child in children:
                child.request("latency", calls=1, warmup=self._effort.warmup, pause_s=0.0)
            for child in children:
                child.send(
                    "callers",
                    callers=callers_each,
                    seconds=self._effort.throughput_s,
                    calls_each=0,
                )
            replies = [child.receive() for child in children]
        except ChildBrokeError as error:
            self._crew.dismiss(name)
            self.sheet.fail(metric, name, str(error))
            return
        failed = [reply["failed"] for reply in replies if "failed" in reply]
        if failed:
            self.sheet.fail(metric, name, failed[0])
            return
        per_s = sum(reply["calls"] / reply["elapsed_s"] for reply in replies)
        times = [taken for reply in replies for taken in reply["times_s"]]
        self.sheet.add(metric, name, per_s, times_s=times)

    def cpu(self) -> None:
        """Let CPU-bound programs time themselves, and compare with native."""
        repeats = self._effort.program_repeats
        jobs = [(program.name, timed(program, repeats=repeats)) for program in PROGRAMS]
        self._programs("cpu", jobs, NATIVE, "geometric mean of speed, native CPython = 1")

    def languages(self) -> None:
        """Time fresh sandboxes and CPU-bound programs of each language, beside its own peers."""
        effort = self._effort
        self._latencies(
            Metric(FRESH, "smallest program, fresh sandbox", "s"),
            effort.rounds,
            "latency",
            calls=effort.language_calls,
            warmup=effort.warmup,
            pause_s=0.0,
        )
        callers = effort.language_callers
        metric = Metric(FRESH, f"smallest program, {counted(callers, 'caller')}", "1/s")
        for name in self._turns(FRESH, effort.throughput_rounds, metric):
            time.sleep(_SETTLE_S)
            self._throughput(metric, name, callers)
        repeats = effort.program_repeats
        self._programs(
            RESTRICTED,
            [(f"Python: {one.name}", timed(one, repeats=repeats)) for one in PROGRAMS],
            NATIVE,
            "Python: geometric mean of speed, native CPython = 1",
        )
        self._programs(
            JAVASCRIPT,
            [(f"JavaScript: {one.name}", timed_javascript(one, repeats=2)) for one in SCRIPTS],
            "quickjs",
            "JavaScript: geometric mean of speed, native QuickJS = 1",
        )
        self._programs(
            RUST,
            [(f"Rust: {one.name}", timed_rust(one, repeats=repeats)) for one in CRATES],
            "rust_native",
            "Rust: geometric mean of speed, native = 1",
        )

    def _programs(
        self, suite: str, jobs: Sequence[tuple[str, Code]], base: str, summary: str
    ) -> None:
        """Let programs time themselves, and sum up their speed against the base's."""
        answers: dict[str, object] = {}
        for title, code in jobs:
            self._program(Metric(suite, title, "s"), code, answers)
        order = self._crew.names(suite)
        cells = {(cell.metric, cell.contestant): cell for cell in self.sheet.cells(order)}
        metric = Metric(suite, summary, "ratio")
        if base not in order:
            return
        for name in order:
            mine = [cells[title, name] for title, _ in jobs]
            native = [cells[title, base] for title, _ in jobs]
            ran = [cell for cell in mine if cell.failed is None]
            for share in speed_against(mine, native):
                self.sheet.add(metric, name, share, detail={"programs": float(len(ran))})
            if not ran:
                self.sheet.fail(metric, name, "ran none of the programs")

    def _program(self, metric: Metric, code: Code, answers: dict[str, object]) -> None:
        for name in self._turns(metric.suite, self._effort.program_rounds, metric):
            reply = self._asked(metric, name, "program", body=code.body, expression=code.expression)
            if not reply:
                continue
            if reply["answer"] != answers.setdefault(metric.name, reply["answer"]):
                wanted = answers[metric.name]
                self.sheet.fail(metric, name, f"answered {reply['answer']!r}, not {wanted!r}")
                continue
            self.sheet.add(metric, name, median(reply["times_s"][1:]))

    def memory(self) -> None:
        """Weigh an idle engine and each further live sandbox, each contestant alone."""
        self._crew.dismiss_all()
        idle = Metric("memory", "everything idle after first call, PSS", "bytes")
        for name in self._turns("memory", self._effort.memory_rounds, idle):
            try:
                self._memory(name, idle)
            except ChildBrokeError as error:
                self.sheet.fail(idle, name, str(error))
            finally:
                self._crew.dismiss(name)

    def _memory(self, name: str, idle: Metric) -> None:
        worker = Metric("memory", "one idle worker process, PSS", "bytes")
        further = Metric("memory", "each further live sandbox, PSS", "bytes")
        if not self._asked(idle, name, "latency", calls=5, warmup=0, pause_s=0.0):
            return
        child = self._crew.child(name)
        at_rest = _rested(child)
        counts = {"processes": float(at_rest.processes), "unreadable": float(at_rest.unreadable)}
        self.sheet.add(idle, name, at_rest.pss_bytes, detail=counts)
        if at_rest.leaf_median_bytes is not None:
            self.sheet.add(worker, name, at_rest.leaf_median_bytes, detail=counts)
        if not self._asked(further, name, "hold", total=1):
            return
        one = _rested(child)
        if not self._asked(further, name, "hold", total=1 + self._effort.held_more):
            return
        more = _rested(child)
        self.sheet.add(further, name, (more.pss_bytes - one.pss_bytes) / self._effort.held_more)

    def concurrency(self) -> None:
        """Time and weigh growing numbers of callers and of live sandboxes, each alone."""
        self._crew.dismiss_all()
        for name in self._crew.names("concurrency"):
            for step in (self._burst, self._held):
                per_one = 0.0
                for count in self._effort.concurrent:
                    self._say(f"concurrency: {name}, {step.__name__.strip('_')} {count}")
                    per_one = step(name, count, per_one)
                self._crew.dismiss(name)

    def _burst(self, name: str, count: int, per_one_bytes: float) -> float:
        """Let `count` callers run at once; return what one of them seems to cost."""
        latency = Metric("concurrency", f"latency, {counted(count, 'caller')} at once", "s")
        peak = Metric("concurrency", f"peak PSS, {counted(count, 'caller')} at once", "bytes")
        if not self._affordable(latency, name, count, per_one_bytes):
            return per_one_bytes
        try:
            child = self._crew.child(name)
            child.request("latency", calls=1, warmup=self._effort.warmup, pause_s=0.0)
            before = _rested(child).pss_bytes
            seen = [before]
            child.send(
                "callers",
                callers=count,
                seconds=None,
                calls_each=-(-self._effort.concurrent_calls_min // count),
            )
            reply = child.receive(meanwhile=lambda: seen.append(tree_memory(child.pid).pss_bytes))
        except ChildBrokeError as error:
            self._crew.dismiss(name)
            self.sheet.fail(latency, name, str(error))
            return per_one_bytes
        if "failed" in reply:
            self.sheet.fail(latency, name, reply["failed"])
            return per_one_bytes
        times = reply["times_s"]
        per_s = reply["calls"] / reply["elapsed_s"]
        self.sheet.add(
            latency, name, percentile(times, 50), times_s=times, detail={"calls_per_s": per_s}
        )
        self.sheet.add(peak, name, max(seen))
        return max(0.0, (max(seen) - before) / count)

    def _held(self, name: str, count: int, per_one_bytes: float) -> float:
        """Keep `count` sandboxes alive at once; return what one of them costs."""
        opening = Metric("concurrency", f"opening a session, up to {count} alive", "s")
        alive = Metric("concurrency", f"PSS, {counted(count, 'session')} alive", "bytes")
        if not self._affordable(opening, name, count, per_one_bytes):
            return per_one_bytes
        if count == self._effort.concurrent[0]:
            self._asked(opening, name, "latency", calls=5, warmup=0, pause_s=0.0)
        before = _rested(self._crew.child(name)).pss_bytes
        held_before = max((one for one in self._effort.concurrent if one < count), default=0)
        reply = self._asked(opening, name, "hold", total=count)
        if not reply:
            return per_one_bytes
        memory = _rested(self._crew.child(name))
        times = reply["times_s"]
        self.sheet.add(opening, name, percentile(times, 50), times_s=times)
        self.sheet.add(alive, name, memory.pss_bytes, detail={"processes": float(memory.processes)})
        return max(0.0, (memory.pss_bytes - before) / (count - held_before))

    def _affordable(self, metric: Metric, name: str, count: int, per_one_bytes: float) -> bool:
        if self.sheet.has_failed(metric, name):
            return False
        needed = per_one_bytes * count
        free = psutil.virtual_memory().available
        if needed <= free * MEMORY_SHARE_MAX:
            return True
        reason = f"not tried: would take about {needed / 2**30:.1f} GiB of {free / 2**30:.1f}"
        self.sheet.fail(metric, name, reason)
        return False


def _rested(child: Child) -> TreeMemory:
    """Read a child's memory once its pools have had time to refill."""
    time.sleep(_IDLE_S)
    return tree_memory(child.pid)


SUITES: Final[dict[str, Callable[[Measurement], None]]] = {
    "latency": Measurement.latency,
    "cold": Measurement.cold,
    "throughput": Measurement.throughput,
    "session": Measurement.session,
    "tools": Measurement.tools,
    "cpu": Measurement.cpu,
    "memory": Measurement.memory,
    "concurrency": Measurement.concurrency,
    "languages": Measurement.languages,
}
"""In the order of a run."""
