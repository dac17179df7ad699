"""The warm parent of all workers of one runtime: loads it once, then forks on request.

A fork of a process that holds a booted guest is a fresh guest: the guest's memory is shared until
it is written. The supervisor starts one with a clean environment and speaks to it over one socket;
each worker gets a socket of its own, whose other end goes to the supervisor together with a
descriptor of the process. Serving is `dspex.worker.serve`'s, the jail `dspex.worker.confine`'s.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from dspex.isolation.layers import Layer, WallMissingError
from dspex.protocol.framing import HEADER_BYTES, FrameDecoder
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    VERSION,
    Adopt,
    Budget,
    CannotStart,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Ready,
    Run,
    Started,
    decode_to_worker,
    decode_to_zygote,
    encode,
)
from dspex.wasm.engine import NATIVE_STACK_BYTES
from dspex.wasm.fast_path import Served, Stage
from dspex.worker import hot_pages, huge_code, huge_heap
from dspex.worker.confine import (
    ArmedLayers,
    JailSpec,
    confine,
    confine_worker,
    prepare_rehearsal,
)
from dspex.worker.jail.capabilities import forbid_new_privileges
from dspex.worker.jail.surroundings import open_descriptors
from dspex.worker.link import SocketLink
from dspex.worker.serve import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.base import CodeLoader, FastGuest, Language, Refreshable
    from dspex.protocol.messages import Answer
    from dspex.wasm.fast_path import FastPath
    from dspex.worker.jail.worker_step import WorkerStep

EXIT_INTERNAL = 70
"""Exit code of a worker in which dspex itself failed (EX_SOFTWARE)."""

STDERR = 2
COMPILED_SUFFIX = ".cwasm"
_REHEARSALS = 12
_WARMINGS = 3
_REHEARSAL_CPU_S = 10
_ENDED_UNKNOWN_MAX = 64
_BUDGET = Budget(5.0, 5.0, 1 << 28, 1 << 16, 1 << 16, 50, 1 << 16, 100, 64)


class Zygote:
    """Forks workers as the supervisor asks, and says how they ended."""

    def __init__(
        self, control: socket.socket, language: Language, *, loads_code: bool = False
    ) -> None:
        """Serve the supervisor at the other end of `control`; see `LanguageSpec` for `loads_code`."""
        self._loads_code = loads_code
        self._control = control
        self._language = language
        self._copyable = hasattr(language, "become_twin")
        self._refreshable = hasattr(language, "refresh")
        self._fast: FastPath | None = getattr(language, "fast", None)
        self._taken_over: tuple[Run, SocketLink] | None = None
        if self._fast is not None:
            self._fast.on_take_over(self._take_over)
        self._workers: dict[int, int] = {}
        self._ended_unknown: dict[int, int] = {}
        """How copies ended that the supervisor has not named yet, by number: the last few."""
        self._armed: ArmedLayers
        self._kept: tuple[int, ...] = ()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def rehearse(self) -> None:
        """Run a few programs here, so that CPython's caches are warm before anything is shared."""
        language = self._language
        for number in range(_REHEARSALS):
            language.boot()
            language.enter_worker()
            language.warm()
            language.serve(_rehearsal(number, language.rehearsal), _Nowhere())
        # What is touched here is copied by each fork as a page table entry, not found by a fault.
        language.boot()
        language.enter_worker()
        for _ in range(_WARMINGS):
            language.warm()

    def arm(self, parent: int, *, stderr: bool) -> ArmedLayers:
        """Go behind every wall there is; afterwards this is another process, with the same state.

        Args:
            parent: The supervisor's process.
            stderr: Whether standard error stays open, for people who work on dspex.
        """
        opened = open_descriptors() - {0, 1, STDERR}
        ours = {self._control.fileno(), self._wake_read, self._wake_write}
        # What the language opened (the compiled module's file) is needed to boot further guests.
        self._kept = tuple(opened - ours) + ((STDERR,) if stderr else ())
        spec = JailSpec(
            keep_fds=(*ours, *self._kept),
            parent_pid=parent,
            worker_may_load_code=self._loads_code,
            worker_may_be_copied=self._copyable,
        )
        huge_code.use_huge_pages(COMPILED_SUFFIX)
        fast, self._fast = self._fast, None
        if fast is None:
            hot, python = self._find_hot_pages(spec, self._language.smallest), []
        else:
            python = self._find_hot_pages(spec, cast("FastGuest", self._language).asking)
            self._fast = fast
            hot = self._find_hot_pages(spec, self._language.smallest)
            python = hot_pages.difference(python, hot)
            fast.expect_python(python)
        huge_heap.use_huge_pages([*hot, *python])
        if fast is not None:
            spec = spec._replace(keep_fds=(*spec.keep_fds, *self._shelve(fast, hot)))
        self._armed = confine(spec._replace(before_filter=lambda: hot_pages.pin(hot)))
        if self._fast is not None:
            self._lay_out(self._fast)
        return self._armed

    def _shelve(self, fast: FastPath, hot: list[tuple[int, int]]) -> tuple[int, ...]:
        """Choose the memory that workers do without until they need Python; return descriptors to keep."""
        ranges = hot_pages.untouched_heaps(hot, cast("FastGuest", self._language).memory)
        if not ranges:
            return ()
        shelf = os.memfd_create("dspex-zygote", os.MFD_CLOEXEC)
        try:
            os.ftruncate(shelf, sum(length for _, length in ranges))
        except OSError:  # files may not be that large here; forks copy a few entries more
            os.close(shelf)
            return ()
        fast.shelve(ranges, shelf)
        return (shelf,)

    def _find_hot_pages(self, spec: JailSpec, program: bytes) -> list[tuple[int, int]]:
        """Have a child do what a worker does from its fork to its end; return the pages that it writes."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(encode(_rehearsal(0, program)))
            self._armed = prepare_rehearsal(spec)
            order = Fork(0, 1, cpu_s=_REHEARSAL_CPU_S, data_bytes=1 << 30)
            fast = self._fast

            def live(keep_fds: tuple[int, ...]) -> None:
                forbid_new_privileges()
                with contextlib.suppress(WallMissingError):
                    self._make_ready(theirs, order, keep_fds)
                serve(theirs, self._language, 1)

            def start(tell: int) -> tuple[int, int]:
                if fast is None:
                    return hot_pages.rehearse(live, tell)
                self._lay_out(fast)
                return fast.rehearse(theirs.fileno(), tell, cpu_s=_REHEARSAL_CPU_S, warm=True)

            return hot_pages.find(start)

    def _lay_out(self, fast: FastPath) -> None:
        """Tell those who go without Python what `_make_ready` does."""
        step = self._armed.worker_step
        if step is None:
            self._fast = None
            return
        cast("FastGuest", self._language).offer_turns(fast)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        fast.confine(wakeup_fd=self._wake_write, kept=self._kept, **step.laid_out()._asdict())

    def serve_forever(self) -> None:
        """Fork until the supervisor hangs up."""
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        if self._fast is not None and self._armed.worker_step is not None:
            self._serve_fast(self._fast, self._armed.worker_step)
            return
        decoder = FrameDecoder(ENVELOPE_BYTES)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._reap()
                    continue
                try:
                    data = self._control.recv(ENVELOPE_BYTES)
                except ConnectionResetError:  # it hung up before it had read all
                    return
                if not data:
                    return
                for frame in decoder.feed(data):
                    self._obey(frame)

    def _serve_fast(self, fast: FastPath, step: WorkerStep) -> None:
        """Leave orders for workers of one run to the fast path, and do the rest."""
        cpu_max_s, base, data_max_bytes = step.ceilings
        while True:
            why = fast.serve(
                self._control.fileno(), self._wake_read,
                cpu_max_s=cpu_max_s, data_base_bytes=base, data_max_bytes=data_max_bytes,
            )  # fmt: skip
            if why is Served.HUNG_UP:
                return
            if why is Served.WORKER:
                self._be_worker(partial(self._go_on, fast))
            elif why is Served.ORDER:
                self._obey(fast.order)
            else:
                self._note_end(*fast.ended)

    def _obey(self, frame: bytes) -> None:
        order = decode_to_zygote(frame)
        if isinstance(order, Adopt):
            self._adopt(order)
        else:
            self._fork(order)

    def _fork(self, order: Fork) -> None:
        try:
            ours, theirs = socket.socketpair()
            try:
                pid = os.fork()
                if pid == 0:
                    self._be_worker(partial(self._become_worker, theirs, order))
                self._workers[pid] = order.worker
                handle = os.pidfd_open(pid)
                try:
                    self._send(Forked(order.worker, pid), ours.fileno(), handle)
                finally:
                    os.close(handle)
            finally:
                ours.close()
                theirs.close()
        except OSError as error:
            self._send(ForkFailed(order.worker, error.errno or 0))

    def _become_worker(self, connection: socket.socket, order: Fork) -> None:
        self._make_ready(connection, order)
        serve(connection, self._language, order.requests)

    @staticmethod
    def _be_worker(live: Callable[[], None]) -> NoReturn:
        status = EXIT_INTERNAL
        try:
            live()
            status = 0
        except BrokenPipeError:
            status = 0  # the supervisor hung up; nobody wants the rest
        except BaseException:  # noqa: BLE001 - reported, and the process ends here
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    # In workers that were led by the fast path so far.

    def _go_on(self, fast: FastPath) -> None:
        """Serve with Python's help, from where this worker had come without."""
        language = cast("FastGuest", self._language)
        if self._taken_over is not None:
            run, link = self._taken_over
            link.send(language.end_turn(fast, run))
            return
        language.check_turn(fast)  # of the warming run
        if not fast.woken:
            language.take_over(fast, None, None)
        if not fast.warmed:
            language.refresh()
        serve(_own_connection(fast), language, 1, fast.received)

    def _take_over(self) -> None:
        """Go on with the turn under way; called when the guest wants something, or its turn is over."""
        try:
            fast, language = self._fast, cast("FastGuest", self._language)
            assert fast is not None
            if fast.stage is Stage.RUNNING:
                run = decode_to_worker(fast.received[HEADER_BYTES:])
                assert isinstance(run, Run)
                link = SocketLink(_own_connection(fast))
                self._taken_over = run, link
                language.take_over(fast, run, link)
            else:
                language.take_over(fast, None, None)
        except BaseException:  # noqa: BLE001 - reported, and the process ends here
            sys.excepthook(*sys.exc_info())
            os._exit(EXIT_INTERNAL)

    def _make_ready(self, connection: socket.socket, order: Fork, keep_fds: tuple[int, ...] = ()) -> None:
        """Do what a worker does before it can be asked for anything."""
        language = self._language
        own = language.enter_worker()
        session = order.requests == 0
        confine_worker(
            self._armed,
            keep_fds=(connection.fileno(), *own, *self._kept, *keep_fds),
            cpu_s=order.cpu_s or None,
            data_bytes=order.data_bytes,
            pass_gate=partial(_greet, connection) if session else None,
        )
        if self._loads_code and self._armed.worker_step is not None:
            cast("CodeLoader", language).seal = self._armed.worker_step.seal_code
        if order.warm or not self._refreshable:
            language.warm()
        else:
            cast("Refreshable", language).refresh()

    def _adopt(self, order: Adopt) -> None:
        """Take note of a copy that a worker made of itself: it is this process' child, if it is any."""
        try:
            os.waitid(os.P_PID, order.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # not any more; its number may have been another one's before
            self._tell_end(order.worker, self._ended_unknown.pop(order.pid, 0))
        else:
            self._workers.setdefault(order.pid, order.worker)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, state = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._note_end(pid, os.waitstatus_to_exitcode(state))

    def _note_end(self, pid: int, status: int) -> None:
        worker = self._workers.pop(pid, None)
        if worker is not None:
            self._tell_end(worker, status)
            return
        self._ended_unknown[pid] = status
        if len(self._ended_unknown) > _ENDED_UNKNOWN_MAX:
            del self._ended_unknown[next(iter(self._ended_unknown))]

    def _tell_end(self, worker: int, status: int) -> None:
        if status:
            self._send(Exited(worker, status))

    def _send(self, message: Started | Forked | ForkFailed | Exited, *descriptors: int) -> None:
        frame = encode(message)
        if descriptors:
            passed = array.array("i", descriptors)
            self._control.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        else:
            self._control.sendall(frame)


def _own_connection(fast: FastPath) -> socket.socket:
    """Return this worker's socket; what it is need not be asked, which a worker may not."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fast.connection)


def _greet(connection: socket.socket, gate: int) -> None:
    """Say the first word of a session's worker, and pass on where the supervisor is asked for copies."""
    frame = encode(Ready(gate >= 0))
    if gate >= 0:
        socket.send_fds(connection, [frame], [gate])
    else:
        connection.sendall(frame)


def _rehearsal(number: int, source: bytes) -> Run:
    return Run(
        run=number, source=source, filename="main.py", variables=b"", files={}, stdin=b"",
        args=[], env={}, budget=_BUDGET, stream=False, single=True,
    )


def _allow_deep_stacks() -> None:
    """Let this thread's stack grow as far as a guest may recurse, or as far as the machine allows.

    Where that is less, a guest that recurses too deep loses its worker instead of its instance.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = NATIVE_STACK_BYTES if hard == resource.RLIM_INFINITY else min(NATIVE_STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


class _Nowhere:
    """Where a rehearsal's messages go."""

    def send(self, _message: object) -> None:
        """Drop it."""

    def answers(self, _wait_s: float) -> list[Answer]:
        """Return none: no tools are rehearsed."""
        return []

    def interrupted(self, _run: int) -> bool:
        """Never: nobody could."""
        return False


def _load(guest: str, runtime: Path) -> Language:
    """Make a language from `module:class` and its runtime's folder."""
    module, _, name = guest.partition(":")
    made: Language = getattr(importlib.import_module(module), name)(runtime)
    return made


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal by being interrupted."""


def main(arguments: str) -> None:
    """Run a zygote.

    Args:
        arguments: JSON with `control` (a descriptor), `parent` (the supervisor's process),
            `guest` (`module:class` of a language), `runtime` (a folder), `loads_code` and `stderr`
            (whether to keep it).
    """
    wanted = json.loads(arguments)
    _allow_deep_stacks()
    control = socket.socket(fileno=wanted["control"])
    try:
        language = _load(wanted["guest"], Path(wanted["runtime"]))
        zygote = Zygote(control, language, loads_code=wanted["loads_code"])
        zygote.rehearse()
        gc.collect()
        gc.freeze()
        gc.disable()
        report = zygote.arm(wanted["parent"], stderr=wanted["stderr"]).report
    except Exception as error:
        control.sendall(encode(CannotStart(f"{type(error).__name__}: {error}")))
        raise SystemExit(EXIT_INTERNAL) from error
    in_wasm = getattr(language, "in_wasm", False)  # who does not say so has no such wall
    layers = [*[Layer.WASM.value][: in_wasm], Layer.PROCESS.value, *report.armed]
    control.sendall(encode(Started(VERSION, layers, report.absent, report.cost_us)))
    zygote.serve_forever()
