"""Files of the caller under `/sandbox/<basename>` of a guest, and their changes carried back.

The guest gets copies and never touches the host; reading and atomic writing on the host's side are
`dspex.mounts`', which follows no symbolic link that lies below a named path.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dspex import mounts
from dspex.policy import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = "/sandbox"
"""Where a guest finds the files; it does not exist if there are none."""


class SharedFiles:
    """What one interpreter shares with its guest."""

    def __init__(
        self, read: Iterable[os.PathLike[str] | str], write: Iterable[os.PathLike[str] | str]
    ) -> None:
        """Remember the paths; nothing is looked at yet.

        Raises:
            ValueError: Two different files would have the same name in the guest.
        """
        self._given: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._written: set[str] = set()
        for paths, writable in ((read, False), (write, True)):
            for path in paths:
                text = os.fspath(path)
                if not text:
                    continue
                name = Path(text).name
                host = os.path.realpath(Path(text).expanduser())
                if self._hosts.setdefault(name, host) != host:
                    raise ValueError("Mounted files must have unique basenames inside the sandbox.")
                self._given[name] = text
                if writable:
                    self._written.add(name)

    @property
    def written(self) -> list[str]:
        """Paths in the guest whose changes are carried back."""
        return [f"{FOLDER}/{name}" for name in sorted(self._written)]

    def read(self, *, bytes_max: int, count_max: int) -> dict[str, bytes | None]:
        """Return content by path in the guest, None for a directory; files to be written are made.

        Raises:
            FileNotFoundError: There is no such file.
            RequestError: It cannot be read.
            LimitExceeded: It is larger than a guest may hold.
        """
        found: dict[str, bytes | None] = {}
        for name, host in self._hosts.items():
            path = Path(host)
            if not path.exists():
                if name not in self._written:
                    raise FileNotFoundError(f"Cannot mount non-existent file: {self._given[name]}")
                path.touch()
            place = f"{FOLDER}/{name}"
            if path.is_dir():
                found[place] = None
            given = mounts.read(self._mount(place, bytes_max), file_count=count_max)
            for below, content in given.files.items():
                found[f"{place}/{below}" if below else place] = content
        return found

    def write_back(self, changed: Mapping[Any, Any], *, bytes_max: int) -> list[str]:
        """Carry back what a guest says it has changed.

        Args:
            changed: Content by path in the guest; whatever is not below a path to be written is
                left out.
            bytes_max: Most bytes for each path that was given.

        Returns:
            A note for each file that could not be written, with the reason.
        """
        notes: list[str] = []
        for place in self.written:
            below = {
                path[len(place) + 1 :]: content
                for path, content in changed.items()
                if isinstance(path, str) and isinstance(content, bytes)
                and (path == place or path.startswith(f"{place}/"))
            }
            # The guest is not believed: a name of a hostile shape is not written anywhere.
            fine = {
                name: content for name, content in below.items()
                if not ("\0" in name or (name and {"", ".", ".."} & set(name.split("/"))))
                and bool(name) == Path(self._hosts[Path(place).name]).is_dir()
            }
            notes += [f"{place}/{name}: not a name below it" for name in below.keys() - fine.keys()]
            if sum(map(len, fine.values())) > bytes_max:
                notes.append(f"{place}: more than {bytes_max} bytes changed; nothing written back")
            elif fine:
                notes += mounts.write_back(
                    self._mount(place, bytes_max), mounts.Changes(fine, [])
                )
        return notes

    def _mount(self, place: str, bytes_max: int) -> Mount:
        name = Path(place).name
        mode: Literal["read", "write"] = "write" if name in self._written else "read"
        return Mount(guest=place, host=self._hosts[name], mode=mode, bytes_max=bytes_max)

    def __bool__(self) -> bool:
        """Whether there is anything to share."""
        return bool(self._hosts)
