"""One zygote process as the supervisor sees it: started, asked for workers, watched, stopped.

How often it is started again is `dspex.supervisor.restart`'s decision, taken by the pool.
"""

from __future__ import annotations

import array
import errno
import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from dspex.errors import InternalError
from dspex.protocol.framing import FrameDecoder, FrameError
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    VERSION,
    Adopt,
    CannotStart,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    MessageError,
    Started,
    decode_from_zygote,
    encode,
)
from dspex.supervisor.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

START_TIMEOUT_S = 60.0
FORK_TIMEOUT_S = 10.0
"""A zygote that has not forked for so long, though it was asked to, is taken for dead."""
STOP_TIMEOUT_S = 2.0
_DESCRIPTORS_PER_MESSAGE = 2
PROGRAM = "dspex.worker.zygote"
_BOOT = (
    "import importlib, sys; sys.path[:0] = sys.argv[3:]; "
    "absent = dict.fromkeys(('typing_extensions', '_uuid')); sys.modules.update(absent); "
    "import msgspec; [sys.modules.pop(name) for name in absent]; "
    "importlib.import_module(sys.argv[1]).main(sys.argv[2])"
)
"""msgspec gets on without these two, which bring `inspect`, `ast` and libuuid along: a fork pays for all that is loaded."""
STDERR_ENVIRONMENT_NAME = "DSPEX_WORKER_STDERR"
"""If set, workers keep the standard error of this process: for people who work on dspex."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the workers of one pool run."""

    name: str
    """Language and image, for people."""
    guest: str
    """`module:class` of the language; see `dspex.languages.base.LanguageSpec`."""
    runtime: Path
    packages: tuple[str, ...]
    """Python packages that the zygote may import."""
    loads_code: bool = False
    """Whether workers make memory executable; see `dspex.languages.base.LanguageSpec`."""


class ZygoteFailed(RuntimeError):
    """A zygote could not start; the message is its own reason."""


class Zygote:
    """A started zygote. `fork` asks for workers; `attend` delivers them until it ends."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        """Take ownership of a running process; use `start` to make one."""
        self._process = process
        self._control = control
        self._decoder = FrameDecoder(ENVELOPE_BYTES)
        self._descriptors: list[int] = []
        self._ordered: dict[int, int] = {}
        self._workers: dict[int, Worker] = {}
        self._deadline = trio.CancelScope()
        self.isolation: tuple[str, ...] = ()
        self.absent: dict[str, str] = {}
        self.pid = process.pid

    @classmethod
    async def start(cls, served: Served, program: str = PROGRAM) -> Zygote:
        """Start a zygote with a clean environment and wait until it can fork.

        Args:
            served: What its workers run.
            program: The module that it runs; another one only in tests.

        Raises:
            ZygoteFailed: if it cannot; it is gone then.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            msg = f"no socket for the {served.name} zygote: {error}"
            raise ZygoteFailed(msg) from error
        try:
            stderr = bool(os.environ.get(STDERR_ENVIRONMENT_NAME))
            settings = {
                "control": theirs.fileno(), "parent": os.getpid(), "guest": served.guest,
                "runtime": str(served.runtime), "stderr": stderr, "loads_code": served.loads_code,
            }
            process = subprocess.Popen(  # noqa: ASYNC220 - fixed command; exec is quick
                [
                    sys.executable, "-I", "-S", "-c", _BOOT, program, json.dumps(settings),
                    *_import_paths(served.packages),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if stderr else subprocess.DEVNULL,
                env={"LC_CTYPE": "C.UTF-8"},
                pass_fds=(theirs.fileno(),),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            msg = f"the {served.name} zygote could not be started: {error}"
            raise ZygoteFailed(msg) from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        zygote = cls(process, ours)
        try:
            with trio.fail_after(START_TIMEOUT_S):
                await zygote._wait_started()
        except trio.TooSlowError:
            await zygote.stop()
            msg = f"the {served.name} zygote did not start within {START_TIMEOUT_S:.0f} s"
            raise ZygoteFailed(msg) from None
        except (FrameError, MessageError) as error:
            await zygote.stop()
            msg = f"the {served.name} zygote broke the protocol: {error}"
            raise ZygoteFailed(msg) from error
        except BaseException:
            with trio.CancelScope(shield=True):
                await zygote.stop()
            raise
        return zygote

    async def _wait_started(self) -> None:
        while True:
            messages = await self._receive()
            if messages is None:
                await self.stop()
                status = self._process.returncode
                msg = f"the zygote ended with status {status} before it was ready"
                raise ZygoteFailed(msg)
            for message in messages:
                if isinstance(message, CannotStart):
                    raise ZygoteFailed(message.reason)
                if isinstance(message, Started):
                    if message.version != VERSION:
                        msg = f"it speaks version {message.version}, not {VERSION}"
                        raise ZygoteFailed(msg)
                    self.isolation = tuple(message.isolation)
                    self.absent = message.absent
                    return
                msg = f"{type(message).__name__} before Started"
                raise ZygoteFailed(msg)

    def fork(self, number: int, requests: int, *, cpu_s: int, data_bytes: int, warm: bool) -> None:
        """Ask for one worker, which `attend` will deliver under `number`.

        Args:
            number: What the worker will be called.
            requests: Runs it serves; 0 for a session.
            cpu_s: Processor seconds after which the kernel kills it; 0 for no such bound.
            data_bytes: Writable memory that it may add to what the zygote has.
            warm: Whether it is to be warmed first, as it will wait for its request and not a request for it.
        """
        if not self._ordered:
            self._deadline.deadline = trio.current_time() + FORK_TIMEOUT_S
        self._ordered[number] = requests
        try:
            self._control.send(encode(Fork(number, requests, cpu_s, data_bytes, warm)))
        except OSError:
            # A full socket means that it has stopped reading: `attend` ends with the process.
            self.kill()

    def adopt(self, worker: Worker, inner_pid: int) -> None:
        """Have a worker that is another one's copy watched like those that were forked here.

        Args:
            worker: The copy.
            inner_pid: Its number in the zygote's pid namespace.
        """
        self._workers[worker.number] = worker
        try:
            self._control.send(encode(Adopt(worker.number, inner_pid)))
        except OSError:
            # As with a fork; without its note nobody would say how the copy ended.
            self.kill()

    async def attend(
        self, deliver: Callable[[Worker], None], failed: Callable[[int, int], None]
    ) -> str:
        """Deliver workers until the zygote ends, and return how it ended.

        Args:
            deliver: Called with each worker.
            failed: Called with the number of a worker that could not be made, and the errno.
        """
        with self._deadline:
            try:
                while (messages := await self._receive()) is not None:
                    for message in messages:
                        self._handle_message(message, deliver, failed)
            except (FrameError, MessageError) as error:
                self.kill()
                return f"it broke the protocol: {error}"
            self.kill()
            return "it ended"
        self.kill()
        return f"it has not forked for {FORK_TIMEOUT_S:.0f} s"

    def _handle_message(
        self, message: object, deliver: Callable[[Worker], None], failed: Callable[[int, int], None]
    ) -> None:
        if isinstance(message, Forked):
            worker = self._adopt(message)
            self._note_fork()
            if worker is None:  # it hangs up by itself when it finds its socket closed
                failed(message.worker, errno.EMFILE)
            else:
                deliver(worker)
        elif isinstance(message, ForkFailed):
            if self._ordered.pop(message.worker, None) is None:
                msg = f"worker {message.worker} failed, which was not ordered"
                raise MessageError(msg)
            self._note_fork()
            failed(message.worker, message.errno)
        elif isinstance(message, Exited):
            ended = self._workers.pop(message.worker, None)
            if ended is not None:
                ended.note_exit_status(message.exit_status)
        else:
            msg = f"{type(message).__name__} out of turn"
            raise MessageError(msg)

    def _note_fork(self) -> None:
        """Give the next fork its time."""
        again_s = FORK_TIMEOUT_S if self._ordered else math.inf
        self._deadline.deadline = trio.current_time() + again_s

    def forget(self, worker: Worker) -> None:
        """Drop the note of a worker that is gone and whose exit status nobody waits for."""
        self._workers.pop(worker.number, None)

    def _adopt(self, message: Forked) -> Worker | None:
        """Make a worker of what arrived; None if this process could not take its descriptors."""
        requests = self._ordered.pop(message.worker, None)
        if requests is None:
            msg = f"worker {message.worker} was not ordered"
            raise MessageError(msg)
        received = self._descriptors[:_DESCRIPTORS_PER_MESSAGE]
        del self._descriptors[:_DESCRIPTORS_PER_MESSAGE]
        if len(received) < _DESCRIPTORS_PER_MESSAGE:
            for descriptor in received:
                os.close(descriptor)
            return None
        connection, handle = received
        worker = Worker(
            message.worker, socket.socket(fileno=connection), handle, requests, self.isolation
        )
        self._workers[message.worker] = worker
        return worker

    async def _receive(self) -> list[object] | None:
        """Return the messages that have arrived; None at the end."""
        while True:
            try:
                data, ancillary, _flags, _address = self._control.recvmsg(
                    ENVELOPE_BYTES, socket.CMSG_SPACE(64 * array.array("i").itemsize),
                    socket.MSG_CMSG_CLOEXEC,
                )
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._control)
                continue
            except OSError:
                return None
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(content[: len(content) // 4 * 4])
                    self._descriptors += received
            if not data:
                return None
            return [decode_from_zygote(frame) for frame in self._decoder.feed(data)]

    def kill(self) -> None:
        """Kill the process; its workers die with it."""
        if self._process.returncode is None:
            self._process.kill()

    def forget_process(self) -> None:
        """Let go of the process without touching it: this is a copy in a forked process."""
        self._process.returncode = 0
        os.close(self._control.detach())

    async def stop(self) -> None:
        """Hang up, wait for the end, and kill it if it takes too long; close everything."""
        self._control.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        with trio.CancelScope(shield=True):
            deadline = trio.current_time() + STOP_TIMEOUT_S
            while self._process.poll() is None:
                if trio.current_time() > deadline:
                    self._process.kill()
                await trio.sleep(0.002)


def _import_paths(packages: tuple[str, ...]) -> list[str]:
    """Return where the zygote finds dspex and the packages that it needs."""
    folders = [str(Path(__file__).resolve().parents[2])]
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            msg = f"the package {name} is not installed beside dspex"
            raise InternalError(msg)
        folders.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys(folders))
