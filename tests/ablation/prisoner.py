"""The program inside the jail: a fork server like the zygote, whose workers are native attackers.

Started by `arena` as a process of its own with one JSON argument; it answers with one line of JSON a attack on standard
output and judges nothing.
"""

import ctypes
import json
import os
import select
import signal
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

from dspex.isolation.layers import Layer
from dspex.worker.confine import ArmedLayers, JailSpec, confine, confine_worker
from dspex.worker.jail.capabilities import set_dumpable
from tests.ablation.attacks import ATTACKS, SECRET, Scene

_ATTACK_S_MAX = 5
_PRISONER_S_MAX = 60
_NOBODY = 65534


def _become_ordinary() -> None:
    """Be what an ordinary user's process would be from the start."""
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    set_dumpable(dumpable=True)


def _start_neighbour(armed: ArmedLayers) -> int:
    pid = os.fork()
    if pid == 0:
        signal.setitimer(signal.ITIMER_REAL, _PRISONER_S_MAX)
        confine_worker(armed)
        select.select([], [], [])
    return pid


def _attempt(armed: ArmedLayers, scene: Scene, number: int) -> dict[str, Any]:
    result_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.setitimer(signal.ITIMER_REAL, _ATTACK_S_MAX)
        confine_worker(armed)
        try:
            answer: Any = ATTACKS[number].run(scene._replace(result_fd=write_fd))
        except OSError as error:
            answer = {"errno": error.errno, "text": error.strerror or str(error)}
        os.write(write_fd, json.dumps(answer).encode())
        os._exit(0)
    os.close(write_fd)
    answer = b"".join(iter(lambda: os.read(result_fd, 65536), b""))
    os.close(result_fd)
    _, status = os.waitpid(pid, 0)
    name = ATTACKS[number].name
    if not answer:
        return {"attack": name, "exit": os.waitstatus_to_exitcode(status)}
    decoded = json.loads(answer)
    if isinstance(decoded, dict):
        return {"attack": name, **decoded}
    return {"attack": name, "evidence": decoded}


def main() -> None:
    orders = json.loads(sys.argv[2])
    scene = Scene(**orders["scene"])
    secret = ctypes.create_string_buffer(SECRET)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if orders["as_ordinary_user"] and os.geteuid() == 0:
        _become_ordinary()
    without = tuple(map(Layer, orders["without"]))
    armed = confine(JailSpec(keep_fds=(1, 2), without=without, open_files=256))
    report = armed.report._asdict()
    neighbour = _start_neighbour(armed)
    scene = scene._replace(neighbour_pid=neighbour, neighbour_address=ctypes.addressof(secret))
    results = [_attempt(armed, scene, number) for number in range(len(ATTACKS))]
    # Without a pid namespace it would stay behind, and hold standard output open.
    os.kill(neighbour, signal.SIGKILL)
    for line in (report, *results):
        data = memoryview(json.dumps(line).encode() + b"\n")
        while data:
            data = data[os.write(1, data) :]
    os._exit(0)


main()
