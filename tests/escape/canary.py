"""What must stay unread, unreached and unchanged, with a wire on each that trips when it is not.

The canary tells an attack where everything is (`known`), but never the secret itself. That its wires
do trip is shown in `test_canary`; who attacks is the business of the other files of this folder.
"""

from __future__ import annotations

import base64
import ctypes
import os
import secrets
import select
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    import dspex

ENV_NAME = "DSPEX_ESCAPE_CANARY"
_IN_ALL_EVENTS = 0xFFF
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
_EVENT = struct.Struct("iIII")
_EVENT_NAMES = {
    0x1: "read", 0x2: "written to", 0x4: "given other attributes", 0x8: "closed after writing",
    0x10: "closed", 0x20: "opened", 0x40: "moved away", 0x80: "moved in", 0x100: "made",
    0x200: "deleted",
}  # fmt: skip


class Tripped(AssertionError):
    """Something was read, reached or changed."""


class Canary:
    """A secret in a file, in the environment and in memory, sockets that listen, a watched folder."""

    def __init__(self, folder: Path) -> None:
        """Lay everything out below an empty folder.

        Args:
            folder: An existing folder of the host, known to nobody else.
        """
        self.secret = secrets.token_hex(16)
        self.folder = folder
        self.file = folder / "secret.txt"
        self.file.write_text(self.secret)
        self.file.chmod(0o666)
        folder.chmod(0o777)  # so that no right of the host's file system stands in the way
        (folder / "module_of_the_host.py").write_text(f"secret = {self.secret!r}\n")
        self._held = [self.secret.encode() * 64 for _ in range(16)]
        self._sockets = [
            _listening(socket.AF_INET, ("127.0.0.1", 0)),
            _listening(socket.AF_UNIX, str(folder / "path.socket")),
            _listening(socket.AF_UNIX, f"\0dspex-canary-{secrets.token_hex(8)}"),
            _bound_datagram(),
        ]
        self._wires = self._watch()
        self._env_before = os.environ.get(ENV_NAME)
        os.environ[ENV_NAME] = self.secret

    @property
    def known(self) -> dict[str, str | int]:
        """What an attack is told: every place, no secret."""
        tcp, path, abstract, udp = (one.getsockname() for one in self._sockets)
        return {
            "file": str(self.file), "folder": str(self.folder), "pid": os.getpid(),
            "env": ENV_NAME, "tcp": tcp[1], "udp": udp[1], "socket": path,
            "abstract": abstract.decode() if isinstance(abstract, bytes) else abstract,
        }  # fmt: skip

    def check(self) -> None:
        """Check every wire.

        Raises:
            Tripped: At least one was touched since the last check.
        """
        found = [*self._touches(), *self._visits()]
        if os.environ.get(ENV_NAME) != self.secret:
            found.append("the environment was changed")
        if any(held != self.secret.encode() * 64 for held in self._held):
            found.append("the memory was changed")
        if found:
            raise Tripped("; ".join(found))

    def check_outcome(self, outcome: dspex.Outcome) -> None:
        """Check that a run has not brought the secret home.

        Raises:
            Tripped: It is in the outcome, as it is or thinly veiled.
        """
        kept = [repr(outcome), outcome.to_json(), *map(repr, outcome.files.items())]
        secret = self.secret.encode()
        veiled = {
            "as it is": self.secret, "backwards": self.secret[::-1],
            "as hex": secret.hex(), "as raw bytes": repr(bytes.fromhex(self.secret))[2:-1],
            "as base64": base64.b64encode(secret).decode().rstrip("=")[:-1],
        }  # fmt: skip
        for how, text in veiled.items():
            if any(text in one for one in kept):
                raise Tripped(f"the secret came back {how}")

    def close(self) -> None:
        """Take everything away again."""
        for one in self._sockets:
            one.close()
        os.close(self._wires)
        if self._env_before is None:
            del os.environ[ENV_NAME]
        else:  # there is another one, laid out before
            os.environ[ENV_NAME] = self._env_before

    def __enter__(self) -> Self:
        """Return the canary."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()

    def _watch(self) -> int:
        """Have the kernel tell of whoever opens, reads or changes anything in the folder."""
        libc = ctypes.CDLL(None, use_errno=True)
        wires: int = libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if wires < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if libc.inotify_add_watch(wires, os.fsencode(self.folder), _IN_ALL_EVENTS) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        return wires

    def _touches(self) -> list[str]:
        found: list[str] = []
        try:
            data = os.read(self._wires, 1 << 16)
        except BlockingIOError:
            return found
        while data:
            _, mask, _, size = _EVENT.unpack_from(data)
            name = data[_EVENT.size : _EVENT.size + size].rstrip(b"\0").decode() or "the folder"
            found += [f"{name} was {what}" for bit, what in _EVENT_NAMES.items() if mask & bit]
            data = data[_EVENT.size + size :]
        return found

    def _visits(self) -> list[str]:
        """Tell of connections and datagrams, and forget them."""
        found = []
        while ready := select.select(self._sockets, [], [], 0)[0]:
            for one in ready:
                if one.type == socket.SOCK_DGRAM:
                    one.recv(1 << 16)
                else:
                    one.accept()[0].close()
                found.append(f"somebody came to {one.getsockname()!r}")
        return found


def _listening(family: int, address: tuple[str, int] | str) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind(address)
    made.listen(16)
    return made


def _bound_datagram() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made
