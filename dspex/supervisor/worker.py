"""One worker process as the supervisor sees it: a socket, a process handle, and at most one job.

It reads what the worker sends and settles jobs. Which job it gets, and what happens after, is
decided by its `owner` (a pool or a session). One worker's death is nobody else's business.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import trio

from dspex.errors import (
    DspexError,
    LimitExceeded,
    ProtocolViolation,
    WorkerCrashed,
    WorkerSilent,
)
from dspex.protocol.messages import (
    Call,
    Ended,
    ErrandAnswer,
    Interrupt,
    MountedFile,
    MountedRemoval,
    Output,
    Ready,
    WrittenFile,
    encode,
)
from dspex.protocol.turn import Conversation, TurnError
from dspex.supervisor.direct import Lending
from dspex.supervisor.lease import Lease
from dspex.supervisor.twins import CopyGate

if TYPE_CHECKING:
    from collections.abc import Callable

    import outcome

    from dspex.protocol.messages import Answer, FromWorker
    from dspex.supervisor.job import Job
    from dspex.supervisor.states import Errand

RECEIVE_BYTES = 1 << 16
FLOOD_BYTES = 1 << 14
"""A worker that sends more than this at once lets the others go first before it is read again."""
READS_IN_A_ROW_MAX = 16
KILL_SLACK_S = 0.05
"""The outer guard waits this much longer than the inner one, so that the better report wins."""
LENT_SLACK_S = 0.05
"""How much later than that thread the watchdog keeps the deadline of a worker that is lent to a thread."""
LEASE_END_S = 1.0
"""How long a thread that reads the socket may take to notice that the worker is dead."""
STATUS_WAIT_S = 1.0
"""How long a lost worker's exit status may take to arrive from its zygote."""
KILLED = -signal.SIGKILL
ERRAND_S = 30.0
"""How long a worker may take to write its guest's state, or to become another guest."""
_CPU_CLOCK = 2
"""Linux' number of a process' own clock of processor time, beside the inverted pid."""


class Owner(Protocol):
    """Who is told what becomes of a worker."""

    def worker_idle(self, worker: Worker) -> None:
        """Take note that the worker has ended a turn and can take another."""

    def worker_gone(self, worker: Worker) -> None:
        """Take note that the worker will never serve again."""

    def may_rest(self) -> bool:
        """Tell whether a worker that has served, and will again, may be left unread until it is asked."""


class Worker:
    """The supervisor's end of one worker."""

    def __init__(
        self,
        number: int,
        connection: socket.socket,
        handle: int,
        requests: int,
        isolation: tuple[str, ...],
        *,
        gate: CopyGate | None = None,
    ) -> None:
        """Take ownership of the socket and of the process descriptor `handle`.

        Args:
            number: What it is called.
            connection: Its socket.
            handle: Its process descriptor.
            requests: Runs it serves; 0 for those of a session.
            isolation: The layers that stand around it.
            gate: Of a worker that was copied: that of its original.
        """
        connection.setblocking(False)
        self.number = number
        self.job: Job | None = None
        self.errand: Errand | None = None
        """What it was asked between two runs, until it has answered."""
        self.requests_left = requests or -1
        self.isolation = isolation
        self.exit_status: int | None = None
        self.owner: Owner | None = None
        self.gone = False
        """Whether it will never serve again; its process may take a moment longer to end."""
        self._connection = connection
        self._handle = handle
        self._pid = -1
        self._used = gate is not None
        self._cpu_before_s = 0.0
        greets = requests == 0 and gate is None
        self.gate = gate
        """Where it asks for leave to copy itself; None if it cannot, or has not `greeted` yet."""
        self.greeted = trio.Event()
        """Set when it is known whether it can be copied."""
        self._passed: list[int] = []
        self._conversation = Conversation(greets=greets)
        if not greets:
            self.greeted.set()
        self._deadline = trio.CancelScope()
        self._status_known = trio.Event()
        self._unsent = memoryview(b"")
        self._errand_unsent = False
        self._lock = threading.Lock()
        """Held while the socket is written to: answers come from the threads of tools."""
        self._attended = self._rests = self._killed = self._stir_wanted = False
        self._lent: Lending | None = None
        """While a caller's thread speaks to it."""
        self.broken: TurnError | None = None
        """How it broke the rules while it was lent."""
        self._calls_open: set[int] = set()
        self._answered: deque[tuple[int, float]] = deque()
        self._calls_since_s = 0.0
        self._own_left_s = self._host_left_s = 0.0
        self._nursery: trio.Nursery | None = None
        self._sending = trio.CancelScope()
        self._verdict: DspexError | None = None
        self._late_verdict: DspexError | None = None

    @property
    def pid(self) -> int:
        """The process' number on this host; -1 if it is gone, or cannot be found out now.

        The worker knows itself by another number, in its own pid namespace.
        """
        if self._handle < 0:
            return -1
        if self._pid < 0:
            try:
                lines = Path(f"/proc/self/fdinfo/{self._handle}").read_text().splitlines()
            except OSError:  # no descriptor is free
                return -1
            for line in lines:
                if line.startswith("Pid:"):
                    self._pid = int(line.split()[1])
        return self._pid

    def cpu_s(self) -> float:
        """Return the processor time that the run under way has used so far, start-up included.

        Raises:
            ProcessLookupError: The process is gone, or its number cannot be found out now.
        """
        return self._process_cpu_s() - self._cpu_before_s

    def _process_cpu_s(self) -> float:
        pid = self.pid
        if pid < 0:
            raise ProcessLookupError
        try:
            return time.clock_gettime((~pid << 3) | _CPU_CLOCK)
        except OSError as error:
            raise ProcessLookupError(pid) from error

    # Who reads from it.

    def rest(self, nursery: trio.Nursery) -> None:
        """Wait for a job without a task that reads: who has not been asked has nothing to say.

        Args:
            nursery: Where it is attended to later, and the rest of a large request is sent from; it outlives the worker.
        """
        self._nursery = nursery
        if self.requests_left != 1:  # looked up here, as the thread that needs it may be interrupted with a file open
            self._pid = self.pid

    def stir(self) -> bool:
        """Have a task read from now on, unless one does. In the supervisor's thread.

        Returns:
            Whether the loop may speak to it now; not while it is lent, nor when it is gone.
        """
        if self._attended:
            return True
        if self._nursery is None:
            return False
        with self._lock:
            if self._lent is not None:
                self._stir_wanted = True
                return False
            self._attended = True
        if not self.gone:
            self._nursery.start_soon(self.attend)
            return True
        if self.requests_left:
            self._signal(signal.SIGKILL)
        self._finish()
        return False

    def lend(self, job: Job) -> bool:
        """Let the calling thread speak to the worker, for this job; False if the loop reads from it already.

        Who is refused will ask again: a session's worker comes to rest after its next run then.
        """
        with self._lock:
            if self._attended or self._lent is not None or self.gone:
                self._rests = True
                return False
            job.worker = self
            self._lent = Lending(job)
        return True

    @property
    def lent(self) -> bool:
        """Whether a thread speaks to it."""
        return self._lent is not None

    def is_lent_for(self, job: Job) -> bool:
        """Tell whether a thread speaks to it for this job."""
        lending = self._lent
        return lending is not None and lending.job is job

    def begin_lent(self, job: Job) -> bool:
        """Send a job, in the thread that the worker is lent to; False if it is dead and nothing was sent."""
        lending = self._lent
        assert lending is not None, "who speaks to a worker has borrowed it"
        lending.frame = job.frame
        self._note_begun(job)
        lending.begun = True
        try:
            with self._lock:
                lending.sent.extend(map(self._connection.send, (lending.frame,)))
        except BlockingIOError:
            pass
        except OSError:
            self.job, job.frame = None, lending.frame
            self.gone = True
            return False
        self._unsent = lending.unsent
        return True

    def hear_lent(self) -> list[FromWorker] | None:
        """Return the messages that have arrived; None at the end. For the thread that the worker is lent to.

        Raises:
            TurnError: The worker broke the rules.
        """
        lending = self._lent
        assert lending is not None, "who listens to a worker has borrowed it"
        heard = lending.heard
        try:
            heard.extend(map(self._connection.recv, (RECEIVE_BYTES,)))
        except BlockingIOError:
            return []
        except OSError:
            return None
        data = heard[-1]
        if self.requests_left == 0:  # whose run is given up, and not gone on with, after an interrupt
            heard.clear()
        return self._conversation.receive(data) if data else None

    def handle_lent(self, messages: list[FromWorker]) -> None:
        """Handle messages in the thread that the worker is lent to.

        Raises:
            TurnError: One is not allowed after all.
        """
        for message in messages:
            self._handle_message(message)

    def give_back(self) -> bool:
        """End the lending, in the thread that it was lent to; tell whether the loop has wanted it meanwhile."""
        with self._lock:
            self._lent = None
            wanted, self._stir_wanted = self._stir_wanted, False
        return wanted

    def take_back(self) -> None:
        """Go on in the supervisor's loop with a worker that was lent, or bury it if it has served."""
        if self._end_lending() is not None:
            self._go_on_in_loop()

    def recover(self, job: Job) -> None:
        """Go on in the supervisor's loop though an interrupt has cut short the thread, anywhere between two steps.

        What was sent and heard is known for sure; all that was made of it is made again.

        Args:
            job: For which the worker must have been lent.
        """
        if not self.is_lent_for(job):
            return
        lending = self._end_lending()
        assert lending is not None, "nobody else ends it"
        self._conversation = Conversation()
        if not lending.begun:
            self.job = job.worker = None
        else:
            self.job, job.worker = job, self
            self._unsent = lending.unsent
            self._begin_conversation(job)
            try:
                for message in self._conversation.receive(b"".join(lending.heard)):
                    self._handle_message(message)
            except TurnError as error:
                self.broken = error
        self._go_on_in_loop()

    def _end_lending(self) -> Lending | None:
        with self._lock:
            lending, self._lent = self._lent, None
            self._stir_wanted = False
        return lending

    def _go_on_in_loop(self) -> None:
        if self.job is not None:
            left_s = self.until_s(self.job) - time.monotonic()
            self._deadline.deadline = trio.current_time() + max(0.0, left_s)
        self.push()
        self.stir()

    def kill_if_late(self) -> None:
        """Kill a worker whose time is over though it is lent, as something holds up the thread that should see to it."""
        job = self.job
        if job is not None and self._lent is not None and time.monotonic() > self.until_s(job) + LENT_SLACK_S:
            self.kill(_wall_verdict(job))

    @property
    def unsent(self) -> bool:
        """Whether the socket has not yet taken all of what it was to take."""
        return bool(self._unsent)

    @staticmethod
    def until_s(job: Job) -> float:
        """Return when a run's worker is killed at the latest, by the monotonic clock."""
        return job.began_s + job.budget.wall_s + job.grace_s + KILL_SLACK_S

    # What it is asked.

    @property
    def quiet(self) -> bool:
        """Whether nothing has come since its last run: who has not been asked has nothing to say."""
        if not self._used:
            return True
        try:
            with self._lock:
                self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def serves_again(self) -> bool:
        """Whether it has nothing to do, and may be asked again as far as anybody knows."""
        over = self.gone or self._killed or self.exit_status is not None or not self.requests_left
        return not over and self.job is None

    def begin_quiet(self, job: Job) -> bool:
        """Send a job to an idle worker, as `begin` does, unless it has said something unasked, which is its end."""
        if self.quiet:
            return self.begin(job)
        self.kill()
        return False

    def begin(self, job: Job) -> bool:
        """Send a job to the worker, which must be idle; False if it is dead and nothing was sent."""
        if not self._send(job.frame):
            self.gone = True
            self.stir()
            return False
        self._note_begun(job)
        self._deadline.deadline = trio.current_time() + self.until_s(job) - job.began_s
        self.stir()
        return True

    def _note_begun(self, job: Job) -> None:
        job.frame = b""
        job.worker = self
        job.began_s = time.monotonic()
        job.facts.isolation = self.isolation
        self.job = job
        self._begin_conversation(job)
        if self._used:  # what its earlier runs have spent is not this one's
            try:
                self._cpu_before_s = self._process_cpu_s()
            except ProcessLookupError:  # so nobody can say what this run spends: other guards must do
                self._cpu_before_s = math.inf
        self._used = True
        self.requests_left -= 1
        self._late_verdict = None
        self._calls_open.clear()
        self._answered.clear()
        self._calls_since_s = 0.0
        self._host_left_s = job.budget.host_wait_s

    def _begin_conversation(self, job: Job) -> None:
        rooms = [one.bytes_max if one.mode == "write" else 0 for one in job.mounts]
        self._conversation.begin(job.run, job.budget, rooms)

    def begin_errand(self, errand: Errand) -> None:
        """Ask a session's worker, which must be idle, for something between two runs.

        A descriptor travels alone: answers to the last run that nobody has read yet go first.
        """
        if self.gone:
            errand.fail(WorkerCrashed(self.exit_status))
            return
        self.errand = errand
        self._conversation.begin_errand(errand.answer, errand.number)
        self._deadline.deadline = trio.current_time() + ERRAND_S
        self._errand_unsent = True
        if self._unsent:
            return  # somebody is at it
        try:
            with self._lock:
                self._send_errand()
        except BlockingIOError:
            if self._nursery is not None:
                self._send_rest_soon(self._nursery)
        except OSError:
            return  # `attend` finds out and tells the errand

    def _send_errand(self) -> None:
        errand = self.errand
        self._errand_unsent = False
        if errand is None:
            return
        try:
            sent = socket.send_fds(self._connection, [errand.frame], errand.descriptors)
        except BlockingIOError:
            self._errand_unsent = True
            raise
        if sent != len(errand.frame):
            self.kill(WorkerCrashed(None, reason="it did not take what it was asked"))

    def interrupt(self, job: Job) -> None:
        """Ask the guest to stop, keeping its state: it gets a `KeyboardInterrupt`.

        If it has not stopped after the grace period, the worker is killed.
        """
        if self.job is not job or self._verdict is not None:
            return
        # First in words, which wait for a worker that has not begun the run: it forgets the signal.
        with self._lock, contextlib.suppress(OSError):
            frame = encode(Interrupt(job.run))
            if self._unsent:
                self._unsent = memoryview(bytes(self._unsent) + frame)
            elif not self._send_now(frame) and self._nursery is not None:
                self._send_rest_soon(self._nursery)
        self._signal(signal.SIGUSR1)
        latest = trio.current_time() + job.grace_s + KILL_SLACK_S
        if latest < self._deadline.deadline:
            self._deadline.deadline = latest
            reason = "its run was cancelled, and did not end when it was interrupted"
            self._late_verdict = WorkerCrashed(KILLED, reason=reason)

    def answer(self, job: Job, answer: Answer) -> bool:
        """Send the answer to a host call, from any thread; nothing is sent to another run.

        Returns:
            False if the socket took only a part: `push` must be called in the supervisor's thread.
        """
        frame = encode(answer)
        with self._lock:
            if self.job is not job or self.gone:
                return True
            self._answered.append((answer.call, time.monotonic()))
            if self._unsent:
                self._unsent = memoryview(bytes(self._unsent) + frame)
                return True  # somebody is at it
            return self._send_now(frame)

    def push(self) -> None:
        """See to it that what the socket did not take is sent."""
        if self._unsent and self._nursery is not None:
            self._send_rest_soon(self._nursery)

    def note_answers(self) -> None:
        """Let the guest's own time go on if all its calls have been answered."""
        while self._answered:
            number, at_s = self._answered.popleft()
            self._calls_open.discard(number)
            if self._calls_open or self._calls_since_s == 0.0:
                continue
            self._host_left_s -= at_s - self._calls_since_s
            self._calls_since_s = 0.0
            self._deadline.deadline = trio.current_time() + self._own_left_s
            self._late_verdict = None

    def kill(self, verdict: DspexError | None = None) -> None:
        """Kill the process; `verdict` says why, for the job that it was serving."""
        if verdict is not None and self._verdict is None:
            self._verdict = verdict
        self._killed = True
        self._signal(signal.SIGKILL)
        self.stir()

    def _signal(self, number: int) -> None:
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def forget(self) -> int:
        """Close the socket and return the process descriptor, which is the caller's to close."""
        with self._lock:
            self._connection.close()
        handle, self._handle = self._handle, -1
        return handle

    def forget_process(self) -> None:
        """Let go of everything in a forked copy of this process, where nobody returns a lock."""
        self._lock = threading.Lock()
        handle = self.forget()
        if handle >= 0:
            os.close(handle)

    def note_exit_status(self, status: int | None) -> None:
        """Take the exit status that the zygote reports; None if it never will."""
        self.exit_status = status
        self._status_known.set()
        self.stir()

    def _send(self, frame: bytes) -> bool:
        """Send what the socket takes at once, the rest soon; False if the worker is dead."""
        with self._lock:
            try:
                if not self._send_now(frame) and self._nursery is not None:
                    self._send_rest_soon(self._nursery)
            except OSError:
                return False  # `attend` finds out and tells the owner
        return True

    def _send_now(self, frame: bytes) -> bool:
        """Send what the socket takes at once; tell whether that was all."""
        try:
            sent = self._connection.send(frame)
        except BlockingIOError:
            sent = 0
        if sent < len(frame):
            self._unsent = memoryview(frame)[sent:]
        return sent == len(frame)

    async def attend(self) -> None:
        """Read until the worker is gone, or comes to rest; settles its jobs and tells its owner."""
        rests = False
        try:
            rests = await self._read_all()
        finally:
            if not rests:
                await self._end()

    async def _end(self) -> None:
        self.gone = True
        self.greeted.set()
        while self._passed:
            os.close(self._passed.pop())
        self._sending.cancel()
        if self.requests_left:
            self._signal(signal.SIGKILL)
        if self.job is not None:
            await self._lose_job(self.job)
        if self.errand is not None:
            errand, self.errand = self.errand, None
            errand.fail(self._verdict or WorkerCrashed(self.exit_status))
        self._finish()

    def _finish(self) -> None:
        """Be gone: whoever owns the worker closes what belongs to it."""
        if self.owner is not None:
            self.owner.worker_gone(self)

    def _send_rest_soon(self, nursery: trio.Nursery) -> None:
        self._sending = trio.CancelScope()
        nursery.start_soon(self._send_rest)

    async def _send_rest(self) -> None:
        with self._sending:
            while self._unsent or self._errand_unsent:
                if self.fileno() < 0:
                    return  # it was gone before this task had begun
                await trio.lowlevel.wait_writable(self._connection)
                with self._lock:
                    try:
                        if self._unsent:
                            self._unsent = self._unsent[self._connection.send(self._unsent) :]
                        else:
                            self._send_errand()
                    except BlockingIOError:
                        continue
                    except OSError:
                        return

    async def _read_all(self) -> bool:
        """Read until the worker is gone, or comes to rest; tell which."""
        if self.broken is not None:
            self.kill(ProtocolViolation(str(self.broken)))
            return False
        with self._deadline:
            return await self._read_until_end()
        self._too_late()
        return False

    def _comes_to_rest(self) -> bool:
        """Leave the worker unread if nothing is under way, so that a thread can speak to it."""
        if not self._rests or self._killed or self.job is not None or self.errand is not None:
            return False
        if self._unsent or not self.greeted.is_set() or self.owner is None or not self.owner.may_rest():
            return False
        self._deadline = trio.CancelScope()
        with self._lock:
            self._attended = False
        return True

    async def _read_until_end(self) -> bool:
        reads = 0
        while True:
            try:
                data = self._receive()
            except BlockingIOError:
                if self._comes_to_rest():
                    return True
                await trio.lowlevel.wait_readable(self._connection)
                reads = 0
                continue
            if not data:
                return False
            try:
                work = self._handle_messages(self._conversation.receive(data))
                while work is not None and not self.gone:
                    work = await self._lend(work)
            except TurnError as error:
                self.kill(ProtocolViolation(str(error)))
                return False
            if self.gone:
                return False
            if self.job is not None and self.job.flow is not None:
                await self.job.flow.wait_room()
            # A worker that floods must neither starve the others nor outrun its deadline.
            reads += 1
            if len(data) >= FLOOD_BYTES or reads >= READS_IN_A_ROW_MAX:
                await trio.lowlevel.checkpoint()
                reads = 0

    def _receive(self) -> bytes:
        """Receive what has come, nothing at the end.

        With a greeting may come a descriptor, as it is sent before any guest runs.

        Raises:
            BlockingIOError: Nothing has come yet.
        """
        try:
            if self.greeted.is_set():
                return self._connection.recv(RECEIVE_BYTES)
            data, passed, _, _ = socket.recv_fds(
                self._connection, RECEIVE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            raise
        except OSError:
            return b""
        self._passed += passed
        return data

    def _greet(self, message: Ready) -> None:
        if message.copyable and self._passed:  # which is lost if no descriptor was free here
            self.gate = CopyGate(self._passed.pop())
        self.greeted.set()

    async def _lend(self, work: Callable[[], Answer]) -> Callable[[], Answer] | None:
        """Let the thread that runs a tool also read what follows; see `dspex.supervisor.lease`.

        Returns:
            The next tool to run, if there is one.

        Raises:
            TurnError: The worker broke the rules meanwhile.
        """
        job = self.job
        assert job is not None, "only a run under way has tools"
        lease = Lease(self, job, work)
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as lent:

            def give_back(_done: object) -> None:
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(lent.cancel)

            trio.lowlevel.start_thread_soon(lease.run, give_back, name="dspex-tool")
            # Nothing else tells of its death while a tool runs and nobody reads the socket.
            await trio.lowlevel.wait_readable(self._handle)
            if not lease.working:
                # It reads what the worker said last, and is back in a moment.
                await trio.sleep(LEASE_END_S)
            self.gone = True
            return None
        self.note_answers()
        if lease.answers_unsent:
            self.push()
        if lease.broken is not None:
            raise lease.broken
        self.gone = self.gone or lease.ended
        return self._handle_messages(lease.messages)

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once it is closed."""
        return self._connection.fileno()

    def read_now(self) -> list[FromWorker] | None:
        """Return the messages that have arrived; None at the end. For the holder of the lease.

        Raises:
            TurnError: The worker broke the rules.
        """
        with self._lock:
            try:
                data = self._connection.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return []
            except OSError:
                return None
        return self._conversation.receive(data) if data else None

    def _handle_messages(self, messages: list[FromWorker]) -> Callable[[], Answer] | None:
        """Handle what the conversation let through; return the tool that the guest waits for.

        Raises:
            TurnError: It is not allowed after all.
        """
        for position, message in enumerate(messages, 1):
            work = self._handle_message(message)
            if work is None:
                continue
            if position == len(messages):
                return work
            self._run_beside(work)
        return None

    def _run_beside(self, work: Callable[[], Answer]) -> None:
        """Run a tool though the worker goes on talking, as tasks of one guest may do."""
        job = self.job
        assert job is not None, "only a run under way has tools"

        def done(answer: outcome.Outcome[Answer]) -> None:
            with contextlib.suppress(OSError):
                self.answer(job, answer.unwrap())

        trio.lowlevel.start_thread_soon(work, done, name="dspex-tool")

    def _too_late(self) -> None:
        """Kill the worker whose deadline has passed."""
        job = self.job
        if job is None:
            if self.errand is not None:
                self.kill(WorkerSilent("answer about its state", ERRAND_S))
            return
        self.kill(self._late_verdict or _wall_verdict(job))

    def _end_errand(self, message: ErrandAnswer) -> None:
        errand = self.errand
        assert errand is not None, "the conversation lets nothing through without an errand"
        self.errand = None
        self._deadline.deadline = math.inf
        verdict = errand.settle(message)
        if verdict is not None:
            self.kill(verdict)

    def _handle_message(self, message: FromWorker) -> Callable[[], Answer] | None:
        if isinstance(message, ErrandAnswer):
            self._end_errand(message)
            return None
        if isinstance(message, Ready):
            self._greet(message)
            return None
        job = self.job
        assert job is not None, "the conversation lets nothing through without a run"
        if isinstance(message, Output):
            facts = job.facts
            collected = facts.stdout if message.stream == 1 else facts.stderr
            collected += message.data
            if job.on_output is not None:
                self._tell(job, message)
        elif isinstance(message, WrittenFile):
            job.facts.files[message.name] = message.data
        elif isinstance(message, MountedFile):
            job.facts.mounted[message.mount, message.name] = message.data
        elif isinstance(message, MountedRemoval):
            job.facts.removed += [(message.mount, name) for name in message.names]
        elif isinstance(message, Call):
            return self._take_call(job, message)
        else:
            assert isinstance(message, Ended), "the conversation lets no greeting through"
            self._end_job(job, message)
        return None

    def _tell(self, job: Job, message: Output) -> None:
        """Hand output to the caller, whose mistakes are told to the caller."""
        assert job.on_output is not None
        try:
            job.on_output(message.stream, message.data)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - raised in the caller's thread
            job.on_output = None
            job.refuse(error)
            self.kill(WorkerCrashed(KILLED, reason="the caller's on_output raised"))

    def _take_call(self, job: Job, call: Call) -> Callable[[], Answer] | None:
        """Hand a host call to whoever answers it; the guest's own time stands still meanwhile."""
        if job.on_call is None:
            msg = f"call {call.call} of {call.tool[:100]!r} arrived in a run without tools"
            raise TurnError(msg)
        self.note_answers()
        if not self._calls_open:
            now = trio.current_time()
            self._calls_since_s = time.monotonic()
            self._own_left_s = self._deadline.deadline - now
            self._deadline.deadline = now + self._host_left_s
            allowed_s = job.budget.host_wait_s
            self._late_verdict = LimitExceeded("host_wait_s", allowed_s, allowed_s, "outer")
        self._calls_open.add(call.call)
        return job.on_call(job, call)

    def _end_job(self, job: Job, ended: Ended) -> None:
        if self._unsent and not self._conversation.calls:
            msg = "Ended arrived before the worker had read its request"
            raise TurnError(msg)
        self._deadline.deadline = math.inf
        self.job = job.worker = None
        job.facts.ended = ended
        job.facts.host_calls = self._conversation.calls
        if ended.gone is not None:
            self.requests_left = 0
        # Fill the place before the caller is told, who may ask for the next run at once.
        if self.requests_left == 0:
            self.gone = True
        elif self.owner is not None and self._lent is None:
            self.owner.worker_idle(self)
        job.settle()

    async def _lose_job(self, job: Job) -> None:
        """Say why the job's worker ended under it."""
        self.job = job.worker = None
        if self._verdict is None:
            with trio.CancelScope(shield=True), trio.move_on_after(STATUS_WAIT_S):
                await self._status_known.wait()
            self._verdict = _crash_verdict(self.exit_status, job)
        job.facts.verdict = self._verdict
        job.settle()


def _wall_verdict(job: Job) -> LimitExceeded:
    return LimitExceeded("wall_s", job.budget.wall_s, time.monotonic() - job.began_s, "outer")


def _crash_verdict(status: int | None, job: Job) -> DspexError:
    """Tell a used-up budget from a crash by the signal that the kernel sent."""
    if status == -signal.SIGXCPU:
        spent = time.monotonic() - job.began_s
        return LimitExceeded("cpu_s", job.budget.cpu_s, spent, "outer")
    return WorkerCrashed(status)
