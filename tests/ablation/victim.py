"""A process of the host with a secret in its memory and open files, which counts the signals that reach it.

Started by `arena`, which asks for the counts by a line on standard input.
"""

import ctypes
import json
import os
import signal
import sys

sys.path.insert(0, sys.argv[1])

from dspex.worker.jail.capabilities import set_dumpable
from tests.ablation.attacks import SECRET

_NOBODY = 65534
_WATCHED = (signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    secret = ctypes.create_string_buffer(SECRET)
    counts = dict.fromkeys(_WATCHED, 0)

    def count(number: int, _: object) -> None:
        counts[signal.Signals(number)] += 1

    for watched in _WATCHED:
        signal.signal(watched, count)
    opened_fd = os.open(sys.argv[2], os.O_RDONLY)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        set_dumpable(dumpable=True)
    answer: object = {"address": ctypes.addressof(secret), "fd": opened_fd}
    while True:
        os.write(1, json.dumps(answer).encode() + b"\n")
        if not os.read(0, 64):
            return
        answer = {watched.name: counts[watched] for watched in _WATCHED}
        counts.update(dict.fromkeys(_WATCHED, 0))


main()
