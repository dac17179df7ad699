"""A session's worker copies itself: the copy is another worker, with the same guest between two runs.

The kernel asks the supervisor whether it may (`dspex.worker.jail.filters.copy_gate`). Nothing is written
down: the two share each page until one of them writes to it. The copy is the zygote's child, not its
original's, and speaks through a socket of its own.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from typing import TYPE_CHECKING, Final, cast

from dspex.isolation.copying import COPY_FLAGS
from dspex.protocol.messages import Copied, Twin
from dspex.worker.jail.syscalls import syscall

if TYPE_CHECKING:
    from dspex.languages.base import Language, Twinnable
    from dspex.protocol.messages import Copy
    from dspex.worker.link import SocketLink

_BEFORE: Final = ctypes.pythonapi.PyOS_BeforeFork
_IN_PARENT: Final = ctypes.pythonapi.PyOS_AfterFork_Parent
_IN_CHILD: Final = ctypes.pythonapi.PyOS_AfterFork_Child


def make(order: Copy, descriptors: list[int], link: SocketLink, language: Language) -> None:
    """Do what was asked; returns twice, and each of the two has said its word.

    Args:
        order: What was asked.
        descriptors: The copy's socket, and a memory file for its guest's interrupts.
        link: Where the original answers; in the copy it becomes the copy's own.
        language: A guest between two runs.

    Raises:
        OSError: In the copy: it cannot take hold of what must be its own, and is of no use.
    """
    if len(descriptors) != 2:
        link.send(Copied(order.errand, "no socket and no memory file came with the order"))
        return
    spent_ns = time.process_time_ns()
    try:
        is_copy = _clone() == 0
    except OSError as error:
        link.send(Copied(order.errand, os.strerror(error.errno or 0)))
        return
    if not is_copy:
        link.send(Copied(order.errand))
        return
    link.move(socket.socket(fileno=descriptors.pop(0)))
    cast("Twinnable", language).become_twin(descriptors[0], spent_ns)
    link.send(Twin(order.errand))


def _clone() -> int:
    """Fork, as `os.fork` does it, but into the zygote's care.

    Raises:
        OSError: It may not, or cannot.
    """
    _BEFORE()
    pid = -1
    try:
        pid = syscall("clone", COPY_FLAGS, 0, 0, 0, 0)
    finally:
        if pid:
            _IN_PARENT()
        else:
            _IN_CHILD()
    return pid
