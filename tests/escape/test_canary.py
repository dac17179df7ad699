"""The canary itself: each of its wires trips when it is touched, so that silence means something."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import dspex
from tests.escape.canary import ENV_NAME, Canary, Tripped
from tests.escape.memory_exploit import OWN_THE_INTERPRETER
from tests.escape.processes import descendants


@pytest.fixture
def wired(tmp_path: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    """Lay out a canary of this test's own, which may be tripped."""
    monkeypatch.setenv(ENV_NAME, canary.secret)  # put back afterwards
    with Canary(tmp_path) as wired:
        wired._touches()
        wired.check()
        yield wired
        os.environ.setdefault(ENV_NAME, "")
    monkeypatch.undo()


TOUCHES = {
    "read": ("open(canary['file']).read()", "secret.txt was read"),
    "opened": ("open(canary['file']).close()", "secret.txt was opened"),
    "written": ("open(canary['file'], 'a').write('x')", "secret.txt was written to"),
    "made": ("open(canary['folder'] + '/new', 'x')", "new was made"),
    "deleted": ("import os; os.unlink(canary['file'])", "secret.txt was deleted"),
    "moved": ("import os; os.rename(canary['file'], canary['folder'] + '/x')", "secret.txt was moved away"),
    "changed": ("import os; os.chmod(canary['file'], 0)", "secret.txt was given other attributes"),
    "listed": ("import os; os.listdir(canary['folder'])", "the folder was opened"),
    "tcp": ("import socket; socket.create_connection(('127.0.0.1', canary['tcp']))", "somebody came to ('127.0.0.1', "),
    "udp": ("import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', canary['udp']))", "somebody came to ('127.0.0.1', "),
    "socket": ("import socket; socket.socket(1, 1).connect(canary['socket'])", "path.socket"),
    "abstract": ("import socket; socket.socket(1, 1).connect(canary['abstract'])", "dspex-canary-"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "said"), TOUCHES.values(), ids=TOUCHES)
def test_a_process_without_walls_trips_the_wire(wired: Canary, code: str, said: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"canary = {wired.known!r}\n{code}"], check=True
    )

    with pytest.raises(Tripped) as caught:
        wired.check()
    assert said in str(caught.value)
    wired.check()  # what was told is not told again


def test_a_process_that_is_left_behind_is_seen_even_without_its_parent(
    engine: dspex.Engine,
) -> None:
    before = descendants()
    orphan = "import subprocess as s, sys; s.Popen([sys.executable, '-c', 'input()'], stdin=0)"
    read, write = os.pipe()
    subprocess.run([sys.executable, "-W", "ignore", "-c", orphan], stdin=read, check=True)
    try:
        left = {child.pid for child in psutil.Process().children()} - before
        assert len(left) == 1
    finally:
        os.close(read)
        os.close(write)
    os.waitpid(left.pop(), 0)


def test_a_changed_environment_or_memory_trips_the_wire(wired: Canary) -> None:
    os.environ[ENV_NAME] = "other"
    wired._held[3] = b"other"

    with pytest.raises(Tripped, match=r"^the environment was changed; the memory was changed$"):
        wired.check()


def test_a_secret_that_comes_back_is_found_however_thinly_it_is_veiled(wired: Canary) -> None:
    secret = wired.secret
    veiled = [
        secret, [secret], {"k": (1, secret)}, secret[::-1], secret.encode(), secret.encode().hex(),
        bytes.fromhex(secret), base64.b64encode(secret.encode()).decode(),
    ]  # fmt: skip
    for value in veiled:
        with pytest.raises(Tripped):
            wired.check_outcome(dspex.Outcome(status="ok", value=value))
    for fields in ({"stdout": secret}, {"notes": (secret,)}, {"files": {secret: b""}}):
        with pytest.raises(Tripped):
            wired.check_outcome(dspex.Outcome(status="ok", **fields))
    wired.check_outcome(dspex.Outcome(status="ok", value=secret[:-2]))


def test_the_exploit_of_the_interpreter_is_real(engine: dspex.Engine) -> None:
    """What `test_supervisor_memory` stands on: it can change what nothing in Python can."""
    outcome = engine.run(
        OWN_THE_INTERPRETER
        + "text = 'abc' * 3\n"
        + "where = bytes(memory[id(text):id(text) + 64]).index(b'abcabcabc')\n"
        + "memory[id(text) + where] = ord('X')\n"
        + "text"
    )

    assert (outcome.status, outcome.value) == ("ok", "Xbcabcabc")


def test_sockets_of_the_canary_can_be_reached_by_honest_processes(wired: Canary) -> None:
    with socket.create_connection(("127.0.0.1", int(wired.known["tcp"]))):
        pass
    assert len(wired._visits()) == 1
