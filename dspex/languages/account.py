"""What one run has spent and sent, the same for every language: the inner guard's bookkeeping.

A language tells it of output, calls and waits, and gets the run's `Ended` from it. How a guest is
interrupted is the language's own; the timers are `dspex.wasm.interrupt`'s.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from dspex.protocol.messages import (
    BudgetUsedUp,
    Call,
    Ended,
    InstanceGone,
    Output,
    WrittenFile,
)
from dspex.wasm import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dspex.languages.base import Link
    from dspex.protocol.messages import Answer, MountedFile, MountedRemoval, Run
    from dspex.wasm.emscripten import Quotas
    from dspex.wasm.fast_path import Spent

FLOOD_GRACE_S = 0.25
"""How long a guest may go on writing after its output was cut, before it is ended."""
NAP_S = 0.02
"""How long a signal may have to wait while the guest waits."""
FILES_LEFT_OUT_MAX = 20
_FILE_NAME_CHARS = 256


class OutputFlood(Exception):
    """The guest went on writing after its output was cut and its time of grace was over."""

    def __init__(self) -> None:
        """Say so in words that an outcome can show."""
        super().__init__("it went on writing after its output was cut")


class RunAccount:
    """The account of the run under way; one object serves run after run.

    Attributes:
        seen: Numbers of the signals that arrived; whoever handles them appends to it.
        truncated: Whether output was cut.
    """

    def __init__(self, stop: Callable[[], None], seen: list[int]) -> None:
        """Prepare for runs.

        Args:
            stop: Interrupts the guest as soon as it can be; called when output is cut.
            seen: Signals that arrived since the run began; cleared by whoever fills it.
        """
        self._stop = stop
        self.seen = seen
        self.noticed = 0
        """How many of `seen` the guest has been told of, and so need not interrupt it again."""
        self._run: Run | None = None
        self._link: Link | None = None
        self._output_bytes = self._calls = 0
        self._output_left = 0
        self._cut_at_s = self._waited_s = 0.0
        self._began_s = self._cpu_began_s = 0.0
        self.truncated = False

    def begin(self, run: Run, link: Link) -> None:
        """Start the clock and the timers of a run; its flag must have been cleared before."""
        self._run, self._link = run, link
        self._output_bytes, self._output_left = 0, run.budget.output_bytes
        self._calls, self._waited_s, self.truncated = 0, 0.0, False
        self.noticed = 0
        self._began_s, self._cpu_began_s = time.monotonic(), time.process_time()
        interrupt.start_timers(run.budget.wall_s, run.budget.cpu_s)
        # A run of its own is never interrupted from outside: its worker is killed.
        if not run.single and link.interrupted(run.run):
            self.seen.append(signal.SIGUSR1)
            self._stop()

    def resume(self, run: Run, link: Link, spent: Spent) -> None:
        """Go on with a run that was begun elsewhere in this process, with its timers."""
        self._run, self._link = run, link
        self._output_bytes = spent.output_bytes
        self._output_left = run.budget.output_bytes - spent.output_bytes
        self._began_s, self._cpu_began_s = spent.began_s, spent.cpu_began_s

    def write_output(self, stream: int, data: memoryview) -> int:
        """Pass output on, exactly up to the limit; beyond it, stop the guest.

        Returns:
            The size of `data`: a guest never sees a short write.

        Raises:
            OutputFlood: It goes on writing though it was stopped.
        """
        size = len(data)
        if self._run is None or self._link is None:
            return size  # warming up: nobody listens
        if size > self._output_left:
            data = data[: self._output_left]
            self._cut()
        if data:
            self._output_left -= len(data)
            self._output_bytes += len(data)
            self._link.send(Output(self._run.run, stream, bytes(data)))  # type: ignore[arg-type]
        return size

    def _cut(self) -> None:
        now = time.monotonic()
        if not self.truncated:
            self.truncated, self._cut_at_s = True, now
        elif now - self._cut_at_s > FLOOD_GRACE_S:
            raise OutputFlood
        self._stop()

    def call(self, tool: str, arguments: bytes) -> int:
        """Send a call of the guest and return its number, or 0 if it has none left.

        Args:
            tool: Its name.
            arguments: The encoded `[positional, named]`; longer ones than `value_bytes` must have
                been refused before.
        """
        assert self._run is not None
        assert self._link is not None
        if self._calls >= self._run.budget.host_calls:
            return 0
        self._calls += 1
        self._link.send(Call(self._run.run, self._calls, tool, arguments))
        return self._calls

    @property
    def interrupted(self) -> bool:
        """Whether a signal has come in of which the guest has not been told."""
        return len(self.seen) > self.noticed

    def wait_answers(self, wait_s: float | None) -> list[Answer]:
        """Wait for answers while the guest's time stands still.

        Args:
            wait_s: Longest wait; None for as long as it takes.

        Returns:
            What has arrived; nothing if the time is over or a signal interrupts the guest.
        """
        assert self._link is not None
        began_s = time.monotonic()
        remaining = interrupt.pause_wall_timer()
        try:
            while True:
                left_s = NAP_S
                if wait_s is not None:
                    left_s = min(NAP_S, max(0.0, wait_s - (time.monotonic() - began_s)))
                found = self._link.answers(left_s)
                if found or self.interrupted or left_s == 0.0:
                    return found
        finally:
            interrupt.resume_wall_timer(remaining)
            self._waited_s += time.monotonic() - began_s

    def sleep(self, duration_ns: int) -> bool:
        """Sleep for the guest; True if it is to be interrupted instead."""
        deadline = time.monotonic_ns() + duration_ns
        while (left := deadline - time.monotonic_ns()) > 0:
            if self.interrupted:
                return True
            time.sleep(min(left / 1e9, NAP_S))
        return False

    def files_turned_down(self, quotas: Quotas) -> BudgetUsedUp | None:
        """Say which request for more files the guest's file system refused first, if any."""
        assert self._run is not None
        budget = self._run.budget
        if quotas.hit == "file_bytes_max":
            return BudgetUsedUp("file_bytes", budget.file_bytes, quotas.bytes_used)
        if quotas.hit == "file_count_max":
            return BudgetUsedUp("file_count", budget.file_count, quotas.entries_used)
        if quotas.hit == "open_files_max":
            return BudgetUsedUp("open_files", budget.open_files, budget.open_files)
        return None

    def send_files(self, files: Iterable[tuple[str, bytes | bytearray]]) -> list[str]:
        """Send what the guest wrote and return the names of files that do not fit the budget."""
        assert self._run is not None
        assert self._link is not None
        budget = self._run.budget
        left, left_out = budget.file_bytes, []
        for position, (name, data) in enumerate(files):
            if len(data) > left or position >= budget.file_count:
                left_out.append(name[:_FILE_NAME_CHARS])
                continue
            left -= len(data)
            self._link.send(WrittenFile(self._run.run, name, data))  # type: ignore[arg-type]
        return left_out[:FILES_LEFT_OUT_MAX]

    def send(self, message: MountedFile | MountedRemoval) -> None:
        """Send what the guest changed below a mount."""
        assert self._link is not None
        self._link.send(message)

    def stop_clock(self) -> tuple[float, float]:
        """Stop the timers; return wall time and processor time so far, in seconds."""
        interrupt.stop_timers()
        return time.monotonic() - self._began_s, time.process_time() - self._cpu_began_s

    def end(
        self,
        *,
        report: bytes = b"",
        value: bytes = b"",
        gone: InstanceGone | None = None,
        turned_down: BudgetUsedUp | None = None,
        spent_s: tuple[float, float],
        peak_memory_bytes: int,
        files_left_out: Sequence[str] = (),
        fuel: int | None = None,
    ) -> Ended:
        """Close the account.

        Args:
            report: What the guest says, as JSON.
            value: The encoded value.
            gone: Why the instance cannot go on; then report and value are not believed.
            turned_down: Which request of the guest for more was refused.
            spent_s: What `stop_clock` returned.
            peak_memory_bytes: Largest size of the guest's memory.
            files_left_out: What `send_files` returned.
            fuel: Counted instructions, if the language counts them.
        """
        run = self._run
        assert run is not None
        wall_s, cpu_s = spent_s
        ended = Ended(
            run=run.run,
            report=b"" if gone else report,
            value=b"" if gone else value,
            used_up=self._used_up(run, wall_s, cpu_s),
            turned_down=turned_down,
            gone=gone,
            truncated=self.truncated,
            wall_s=wall_s,
            cpu_s=cpu_s,
            peak_memory_bytes=peak_memory_bytes,
            output_bytes=self._output_bytes,
            files_left_out=list(files_left_out),
            waited_s=self._waited_s,
            fuel=fuel,
        )
        self._run = self._link = None
        return ended

    def _used_up(self, run: Run, wall_s: float, cpu_s: float) -> BudgetUsedUp | None:
        budget = run.budget
        if self.truncated:
            # The guest may have wanted more than it tried; what is certain is one byte too many.
            return BudgetUsedUp("output_bytes", budget.output_bytes, self._output_bytes + 1)
        if signal.SIGPROF in self.seen or cpu_s > budget.cpu_s:
            return BudgetUsedUp("cpu_s", budget.cpu_s, cpu_s)
        own_s = wall_s - self._waited_s
        if signal.SIGALRM in self.seen or own_s > budget.wall_s:
            return BudgetUsedUp("wall_s", budget.wall_s, own_s)
        return None
