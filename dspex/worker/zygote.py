"""The warm parent of all workers of one runtime: loads it once, then forks on request.

A fork of a process that holds a booted guest is a fresh guest: the guest's memory is shared until
it is written. The supervisor starts one with a clean environment and speaks to it over one socket;
each worker gets a socket of its own, whose other end goes to the supervisor together with a
descriptor of the process. Serving is `dspex.worker.serve`'s, the jail `dspex.worker.confine`'s.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dspex.languages import table
from dspex.protocol.framing import FrameDecoder
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    VERSION,
    Budget,
    CannotStart,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Run,
    Started,
    decode_fork,
    encode,
)
from dspex.worker.serve import serve

if TYPE_CHECKING:
    from dspex.languages.base import Language

EXIT_INTERNAL = 70
"""Exit code of a worker in which dspex itself failed (EX_SOFTWARE)."""

_REHEARSALS = 12
_REHEARSED = b"""
import json
rows = [{"n": i, "s": str(i)} for i in range(20)]
print(json.dumps(rows)[:20])
sum(row["n"] for row in rows)
"""


class Zygote:
    """Forks workers as the supervisor asks, and says how they ended."""

    def __init__(self, control: socket.socket, language: Language) -> None:
        """Serve the supervisor at the other end of `control`."""
        self._control = control
        self._language = language
        self._workers: dict[int, int] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def rehearse(self) -> None:
        """Run a few programs here, so that CPython's caches are warm before anything is shared."""
        language = self._language
        budget = Budget(5.0, 5.0, 1 << 28, 1 << 16, 1 << 16, 50, 1 << 16, 100, 64)
        for number in range(_REHEARSALS):
            language.boot()
            language.enter_worker()
            language.warm()
            language.serve(
                Run(number, _REHEARSED, "main.py", b"", {}, b"", [], {}, budget, False, True),  # noqa: FBT003
                len,
            )
        # What is touched here is copied by each fork as a page table entry, not found by a fault.
        language.boot()
        language.enter_worker()
        for _ in range(3):
            language.warm()

    def serve_forever(self) -> None:
        """Fork until the supervisor hangs up."""
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
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
                data = self._control.recv(ENVELOPE_BYTES)
                if not data:
                    return
                for frame in decoder.feed(data):
                    self._fork(decode_fork(frame))

    def _fork(self, order: Fork) -> None:
        try:
            ours, theirs = socket.socketpair()
            try:
                pid = os.fork()
                if pid == 0:
                    self._become_worker(theirs, ours, order)
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

    def _become_worker(
        self, connection: socket.socket, other: socket.socket, order: Fork
    ) -> NoReturn:
        status = EXIT_INTERNAL
        try:
            other.close()
            self._control.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._language.enter_worker()
            self._language.warm()
            serve(connection, self._language, order.requests)
            status = 0
        except BrokenPipeError:
            status = 0  # the supervisor hung up; nobody wants the rest
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._workers:
            pid, state = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._workers.pop(pid)
            status = os.waitstatus_to_exitcode(state)
            if status:
                self._send(Exited(worker, status))

    def _send(self, message: Started | Forked | ForkFailed | Exited, *descriptors: int) -> None:
        frame = encode(message)
        if descriptors:
            passed = array.array("i", descriptors)
            self._control.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        else:
            self._control.sendall(frame)


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal by being interrupted."""


def main(arguments: str) -> None:
    """Run a zygote; `arguments` is JSON with `control` (descriptor), `language` and `runtime`."""
    wanted = json.loads(arguments)
    control = socket.socket(fileno=wanted["control"])
    try:
        language = table.load(wanted["language"], Path(wanted["runtime"]))
        zygote = Zygote(control, language)
        zygote.rehearse()
    except Exception as error:  # noqa: BLE001 - told to the supervisor, which raises it
        control.sendall(encode(CannotStart(f"{type(error).__name__}: {error}")))
        raise SystemExit(EXIT_INTERNAL) from error
    gc.collect()
    gc.freeze()
    gc.disable()
    control.sendall(encode(Started(VERSION, ["wasm", "process"])))
    zygote.serve_forever()
