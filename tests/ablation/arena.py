"""The host's side of the ablation: canaries that must stay unread, and a jail with chosen walls left down.

`Arena.run` starts `prisoner` and returns what each attack came to. What the prisoner says of signals is not believed:
the victim counts them.
"""

import contextlib
import ctypes
import json
import mmap
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from errno import errorcode
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from dspex.isolation.layers import Layer
from dspex.worker.jail.syscalls import LIBC, failure, syscall
from tests.ablation.attacks import ATTACKS, KEY_NAME, SECRET, SENT, Scene

ROOT = Path(__file__).resolve().parents[2]
_NOBODY = 65534
_TIMEOUT_S = 60.0
_SIGNALS = {"signal_victim": "SIGUSR1", "signal_group": "SIGUSR2"}


class Result(NamedTuple):
    """What one attack came to."""

    attack: str
    reached: bool
    ending: str
    """Evidence if it reached; else the errno's name or the signal that ended it."""


class Ablation(NamedTuple):
    """One jail: what stood, and how each attack fared."""

    armed: tuple[str, ...]
    absent: dict[str, str]
    results: dict[str, Result]

    def reached(self) -> set[str]:
        """Return the attacks that got through."""
        return {name for name, result in self.results.items() if result.reached}


class Arena:
    """Canaries on this host: files, sockets, shared memory, a key, and a victim process with a secret."""

    def __init__(self) -> None:
        """Set everything up; `close` takes it away again."""
        self._cleanup = contextlib.ExitStack()
        self._as_root = os.geteuid() == 0
        directory = Path(tempfile.mkdtemp(prefix="dspex-ablation-"))
        self._cleanup.callback(shutil.rmtree, directory)
        self._make_files(directory)
        self._secret_fd = os.open(directory / "secret", os.O_RDONLY)
        self._cleanup.callback(os.close, self._secret_fd)
        self._victim = self._start_victim(directory / "secret")
        account = self._ask_victim()
        self.scene = Scene(
            directory=str(directory),
            victim_pid=self._victim.pid,
            victim_address=account["address"],
            victim_fd=account["fd"],
            tcp_port=self._serve(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1],
            udp_port=self._serve_udp(),
            abstract_name=self._serve_abstract(),
            shm_key=self._share_memory(),
            inherited_fd=self._secret_fd,
            host_name=os.uname().nodename,
        )
        self._serve(socket.AF_UNIX, str(directory / "open" / "socket"))
        (directory / "open" / "socket").chmod(0o777)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take every canary away."""
        self._cleanup.close()

    def run(self, *, without: Iterable[Layer] = (), as_ordinary_user: bool = False) -> Ablation:
        """Start a jail with some walls left down and let every attack loose in it.

        Raises:
            RuntimeError: The prisoner ended without an account of every attack.
        """
        down = tuple(without)
        os.lseek(self._secret_fd, 0, os.SEEK_SET)
        orders = {
            "scene": self.scene._asdict(),
            "without": [layer.value for layer in down],
            "as_ordinary_user": as_ordinary_user,
        }
        environment = {"LEFT_OVER": SECRET.decode()} if Layer.CLEAN_ENV in down else {}
        ended = subprocess.run(
            [*_program("prisoner"), json.dumps(orders)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            pass_fds=(self._secret_fd,),
            process_group=self._victim.pid,
            timeout=_TIMEOUT_S,
            check=False,
            preexec_fn=self._join_keyring,
        )
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        if len(lines) != len(ATTACKS) + 1:
            message = f"prisoner: status {ended.returncode}: {ended.stderr.decode()[-2000:]}"
            raise RuntimeError(message)
        self._question_victim()
        hits = self._ask_victim()
        results = {line["attack"]: _judged(line, hits) for line in lines[1:]}
        return Ablation(tuple(lines[0]["armed"]), lines[0]["absent"], results)

    def _make_files(self, directory: Path) -> None:
        directory.chmod(0o755)
        (directory / "secret").write_bytes(SECRET)
        (directory / "secret").chmod(0o644)
        (directory / "mine").write_bytes(b"")
        (directory / "open").mkdir()
        (directory / "open").chmod(0o777)
        if self._as_root:
            os.chown(directory / "mine", _NOBODY, _NOBODY)

    def _start_victim(self, secret: Path) -> subprocess.Popen[bytes]:
        victim = subprocess.Popen(
            [*_program("victim"), str(secret)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            process_group=0,
        )
        self._cleanup.callback(victim.wait)
        self._cleanup.callback(victim.kill)
        for pipe in _pipes(victim):
            self._cleanup.callback(pipe.close)
        return victim

    def _ask_victim(self) -> dict[str, int]:
        """Read the victim's next line: first where its secret is, later which signals came since."""
        _, answers = _pipes(self._victim)
        account: dict[str, int] = json.loads(answers.readline())
        return account

    def _question_victim(self) -> None:
        questions, _ = _pipes(self._victim)
        questions.write(b"?")
        questions.flush()

    def _serve(self, family: socket.AddressFamily, address: object) -> socket.socket:
        server = socket.socket(family)
        server.bind(address)  # type: ignore[arg-type]
        server.listen(64)
        self._cleanup.callback(server.close)
        self._cleanup.callback(_shut_down, server)

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.sendall(SECRET)
                    client.close()

        threading.Thread(target=answer, daemon=True).start()
        return server

    def _serve_udp(self) -> int:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    server.sendto(SECRET, server.recvfrom(64)[1])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self._cleanup.callback(server.close)
        self._cleanup.callback(thread.join)
        self._cleanup.callback(over.set)
        return int(server.getsockname()[1])

    def _serve_abstract(self) -> str:
        name = f"dspex-{secrets.token_hex(8)}"
        self._serve(socket.AF_UNIX, "\0" + name)
        return name

    def _share_memory(self) -> int:
        LIBC.shmat.restype = ctypes.c_void_p
        key, create, remove = secrets.randbits(31), 0o1000, 0
        identifier = LIBC.shmget(key, mmap.PAGESIZE, create | 0o666)
        if identifier < 0:
            raise failure("shmget")
        self._cleanup.callback(LIBC.shmctl, identifier, remove, None)
        address = LIBC.shmat(identifier, None, 0)
        ctypes.memmove(address, SECRET, len(SECRET))
        LIBC.shmdt(ctypes.c_void_p(address))
        return key

    def _join_keyring(self) -> None:
        """Run between fork and exec: a session keyring with a canary, as a login would leave one."""
        join, set_permissions, session, everyone_may_all = 1, 5, -3, 0x3F3F3F3F
        syscall("keyctl", join, 0)
        texts = [ctypes.create_string_buffer(text) for text in (b"user", KEY_NAME, SECRET)]
        addresses = [ctypes.addressof(text) for text in texts]
        key = syscall("add_key", addresses[0], addresses[1], addresses[2], len(SECRET), session)
        for each in (key, session):
            syscall("keyctl", set_permissions, each, everyone_may_all)


def _shut_down(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _program(name: str) -> list[str]:
    return [sys.executable, "-I", str(Path(__file__).with_name(f"{name}.py")), str(ROOT)]


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _judged(line: dict[str, Any], hits: dict[str, int]) -> Result:
    name = line["attack"]
    if "evidence" in line:
        if line["evidence"] == SENT and not hits[_SIGNALS[name]]:
            return Result(name, reached=False, ending="not delivered")
        return Result(name, reached=True, ending=line["evidence"])
    if "exit" in line:
        code = line["exit"]
        ending = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Result(name, reached=False, ending=ending)
    return Result(name, reached=False, ending=errorcode.get(line["errno"], str(line["errno"])))
