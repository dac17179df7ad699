"""What packages' code may try while an image is built: it is stopped, said, and finds nothing of the host.

Only the stage that runs their code is run here, on an interpreter that is opened once for all tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from dspex.languages.python import ENTRY, ENVIRONMENT, REPLY_FD
from dspex.runtimes import interpreter, locate, recipes
from dspex.runtimes.images import assemble, freeze_stage
from dspex.runtimes.images.assemble import Contents
from dspex.runtimes.images.errors import ImageFailed
from dspex.runtimes.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STAGE_S = 100.0


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what builds an image of one package `a` as far as its snapshot."""
    base = locate.portable_runtime("python")
    main = locate.portable(recipes.INTERPRETER, Silent()) / interpreter.MAIN
    opened, slot, layout = assemble._opened(
        None, {}, main, tmp_path_factory.mktemp("work"), Silent()  # type: ignore[arg-type] - nothing is linked
    )
    made = tmp_path_factory.mktemp("opened")
    (made / freeze_stage.SOURCE).write_bytes(opened)
    locate.compile_module(made / freeze_stage.SOURCE, made / freeze_stage.COMPILED)

    def build(code: str, *, warm: str = "", timeout_s: float = STAGE_S) -> Path:
        stage = tmp_path_factory.mktemp("stage")
        for name in (freeze_stage.SOURCE, freeze_stage.COMPILED):
            os.link(made / name, stage / name)
        contents = Contents(files={"a.py": code.encode()}, preload=["a"], warm=warm)
        assemble._write_job(stage, contents, layout, slot, base)
        try:
            assemble.run_stage(stage, base, timeout_s)
        except ImageFailed:
            assert not (stage / freeze_stage.FROZEN).exists()
            shutil.rmtree(stage)
            raise
        return stage

    return build


def failure(attempt: Callable[..., Path], code: str, **options: float) -> str:
    with pytest.raises(ImageFailed) as caught:
        attempt(code, **options)
    return str(caught.value)


def test_good_code_is_frozen(attempt: Callable[..., Path]) -> None:
    stage = attempt("import json\nx = json.dumps({'a': 1})\nprint('printing is no harm')")

    assert (stage / freeze_stage.FROZEN).read_bytes().startswith(b"\0asm")
    assert (stage / ENTRY).is_file()


def test_code_that_raises_is_shown_with_its_line(attempt: Callable[..., Path]) -> None:
    said = failure(attempt, "x = 1\nraise ValueError('not today')")

    assert '/site-packages/a.py", line 2' in said
    assert said.rstrip().endswith("ValueError: not today")


def test_code_that_never_ends_is_stopped_with_its_process(attempt: Callable[..., Path]) -> None:
    before = set(psutil.Process().children(recursive=True))  # other tests' engines
    began = time.monotonic()

    said = failure(attempt, "while True: pass", timeout_s=6.0)

    assert said == "the packages' code took longer than 6 s"
    assert time.monotonic() - began < 20
    assert set(psutil.Process().children(recursive=True)) <= before


def test_of_what_is_printed_only_the_end_is_kept(attempt: Callable[..., Path]) -> None:
    said = failure(attempt, "for _ in range(3000): print('x' * 100_000)\nraise ValueError('the end')")

    assert len(said) < 4000
    assert said.rstrip().endswith("ValueError: the end")


@pytest.mark.parametrize(("code", "reason"), [
    ("x = bytearray((1 << 31) - 1)", "MemoryError"),
    ("x = []\nwhile True: x.append(bytes(1 << 20))", "MemoryError"),
    ("def f(): f()\nf()", "RecursionError"),
    ("import os\nos._exit(0)", "failed in the guest"),
    ("import os\nos.abort()", "failed in the guest"),
    ("raise SystemExit(0)", "failed in the guest"),
])
def test_code_that_ends_its_guest_makes_no_image(attempt: Callable[..., Path], code: str, reason: str) -> None:
    assert reason in failure(attempt, code)


def test_code_that_answers_in_the_builds_place_makes_no_image(attempt: Callable[..., Path]) -> None:
    said = failure(attempt, f"import os\nos.write({REPLY_FD}, bytes(8))")

    assert said


LOOK = """
import os, socket, subprocess
found = {{}}
def look(name, what):
    try:
        found[name] = what()
    except BaseException as error:
        found[name] = "refused: " + type(error).__name__
look("canary", lambda: open({canary!r}).read())
look("passwd", lambda: open("/etc/passwd").read())
look("proc", lambda: os.listdir("/proc"))
look("root", lambda: sorted(os.listdir("/")))
look("connect", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
look("process", lambda: subprocess.run(["/bin/true"]))
look("fork", lambda: os.fork())
look("environment", lambda: [name for name in os.environ if not name.startswith("PYTHON")])
look("javascript", lambda: __import__("js"))
look("foreign", lambda: __import__("ctypes").CDLL("libc.so.6").getpid())
raise RuntimeError(repr(found))
"""


def test_code_finds_nothing_of_the_host(
    attempt: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    canary = tmp_path / "canary"
    canary.write_text("SECRET-OF-THE-HOST")
    monkeypatch.setenv("SECRET_NAME", "SECRET-OF-THE-HOST")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        said = failure(attempt, LOOK.format(canary=str(canary), port=server.getsockname()[1]))
        with pytest.raises(TimeoutError):
            server.accept()

    assert "SECRET" not in said.replace(str(canary), "")
    found = eval(said.partition("RuntimeError: ")[2].splitlines()[0])
    assert found["root"] == ["dev", "etc", "home", "lib", "tmp", "usr"]  # the guest's own, in memory
    assert set(found["environment"]) <= set(ENVIRONMENT)
    for name in ("canary", "passwd", "proc", "connect", "process", "fork", "javascript", "foreign"):
        assert found[name].startswith("refused: "), (name, found[name])


# The second wall: what native code in the place of the guest could do in that process.

NATIVE = """
import os, socket, subprocess, sys
from dspex.worker import image_stage
folder, base, canary, armed = sys.argv[1:5]
absent = image_stage.arm(folder, base) if armed == "armed" else {}
def look(what):
    try:
        what()
    except (OSError, subprocess.SubprocessError) as error:
        return type(error).__name__
    return "done"
landlock = not any(layer.value == "landlock" for layer in absent)
print(look(lambda: open(folder + "/written", "w").close()), look(lambda: os.listdir(base)))
print(look(lambda: open(canary).close()) if landlock else "PermissionError")
print(look(lambda: open(canary, "w").close()) if landlock else "PermissionError")
print(look(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", int(sys.argv[5])))))
print(look(lambda: os.execv("/bin/true", ["true"]) if armed == "armed" else None))
"""


@pytest.mark.parametrize("armed", ["armed", "bare"])
def test_the_process_that_runs_it_reaches_nothing_else(tmp_path: Path, armed: str) -> None:
    import socket

    folder, base, canary = tmp_path / "stage", tmp_path / "base", tmp_path / "canary"
    folder.mkdir()
    base.mkdir()
    canary.write_text("SECRET")
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", NATIVE, str(folder), str(base), str(canary), armed, str(server.getsockname()[1])],
            capture_output=True, text=True, check=False, timeout=60,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        )

    lines = done.stdout.split()
    assert lines[:2] == ["done", "done"], done.stderr
    if armed == "bare":
        assert lines[2:] == ["done"] * 4  # so these can be done where nothing forbids them
    else:
        assert all(line.endswith("Error") for line in lines[2:]), lines
        assert canary.read_text() == "SECRET"
