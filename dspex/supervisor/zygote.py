"""One zygote process as the supervisor sees it: started, asked for workers, watched, stopped.

How often it is started again is `dspex.supervisor.restart`'s decision, taken by the pool.
"""

from __future__ import annotations

import array
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from dspex.errors import InternalError
from dspex.protocol.framing import FrameDecoder, FrameError
from dspex.protocol.messages import (
    ENVELOPE_BYTES,
    VERSION,
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
STOP_TIMEOUT_S = 2.0
_DESCRIPTORS_PER_MESSAGE = 2
_BOOT = (
    "import sys; sys.path[:0] = sys.argv[2:]; from dspex.worker.zygote import main; "
    "main(sys.argv[1])"
)
STDERR_ENVIRONMENT_NAME = "DSPEX_WORKER_STDERR"
"""If set, workers keep the standard error of this process: for people who work on dspex."""


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
        self.isolation: tuple[str, ...] = ()
        self.pid = process.pid

    @classmethod
    async def start(cls, language: str, runtime: Path) -> Zygote:
        """Start a zygote with a clean environment and wait until it can fork.

        Raises:
            ZygoteFailed: if it cannot; it is gone then.
        """
        ours, theirs = socket.socketpair()
        try:
            settings = {"control": theirs.fileno(), "language": language, "runtime": str(runtime)}
            process = subprocess.Popen(  # noqa: S603, ASYNC220 - fixed command; exec is quick
                [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(settings), *_import_paths()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if os.environ.get(STDERR_ENVIRONMENT_NAME) else subprocess.DEVNULL,
                env={"LC_CTYPE": "C.UTF-8"},
                pass_fds=(theirs.fileno(),),
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)  # noqa: FBT003 - its only form
        zygote = cls(process, ours)
        try:
            with trio.fail_after(START_TIMEOUT_S):
                await zygote._wait_started()
        except trio.TooSlowError:
            await zygote.stop()
            msg = f"the {language} zygote did not start within {START_TIMEOUT_S:.0f} s"
            raise ZygoteFailed(msg) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await zygote.stop()
            raise
        return zygote

    async def _wait_started(self) -> None:
        while True:
            messages = await self._receive()
            if messages is None:
                self._process.wait()
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
                    return
                msg = f"{type(message).__name__} before Started"
                raise ZygoteFailed(msg)

    def fork(self, number: int, requests: int) -> None:
        """Ask for one worker, which `attend` will deliver under `number`."""
        self._ordered[number] = requests
        try:
            self._control.send(encode(Fork(number, requests)))
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            # A full socket means that it has stopped reading: `attend` ends with the process.
            self.kill()

    async def attend(
        self, deliver: Callable[[Worker], None], failed: Callable[[int, int], None]
    ) -> str:
        """Deliver workers until the zygote ends, and return how it ended.

        Args:
            deliver: Called with each worker.
            failed: Called with the number of a worker that could not be made, and the errno.
        """
        try:
            while (messages := await self._receive()) is not None:
                for message in messages:
                    if isinstance(message, Forked):
                        deliver(self._adopt(message))
                    elif isinstance(message, ForkFailed):
                        self._ordered.pop(message.worker, None)
                        failed(message.worker, message.errno)
                    elif isinstance(message, Exited):
                        worker = self._workers.pop(message.worker, None)
                        if worker is not None:
                            worker.note_exit_status(message.exit_status)
                    else:
                        return f"it sent {type(message).__name__} out of turn"
        except (FrameError, MessageError) as error:
            return f"it broke the protocol: {error}"
        finally:
            self.kill()
        return "it ended"

    def forget(self, worker: Worker) -> None:
        """Drop the note of a worker that is gone and whose exit status nobody waits for."""
        self._workers.pop(worker.number, None)

    def _adopt(self, message: Forked) -> Worker:
        requests = self._ordered.pop(message.worker, None)
        if requests is None or len(self._descriptors) < _DESCRIPTORS_PER_MESSAGE:
            msg = f"worker {message.worker} was not ordered, or came without its descriptors"
            raise MessageError(msg)
        connection, handle = self._descriptors[:_DESCRIPTORS_PER_MESSAGE]
        del self._descriptors[:_DESCRIPTORS_PER_MESSAGE]
        worker = Worker(
            message.worker,
            message.pid,
            socket.socket(fileno=connection),
            handle,
            requests,
            self.isolation,
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
            except ConnectionResetError:
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


def _import_paths() -> list[str]:
    """Return where the zygote finds dspex and the two packages that it needs, and nothing else."""
    folders = [str(Path(__file__).resolve().parents[2])]
    for name in ("wasmtime", "msgspec"):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            msg = f"the package {name} is not installed beside dspex"
            raise InternalError(msg)
        folders.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys(folders))
