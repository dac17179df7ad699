"""Way out: changing anything on the host, through the guest's calls or through what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

WRITES = [
    Attempt("overwrite", "open(canary['file'], 'w').write('x')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("append", "open(canary['file'], 'a').write('x')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("make", "open(canary['folder'] + '/new', 'x')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/new'"),
    Attempt("O_CREAT", "import os\nos.open(canary['folder'] + '/new', os.O_CREAT | os.O_WRONLY)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/new'"),
    Attempt("truncate", "import os\nos.truncate(canary['file'], 0)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("delete", "import os\nos.unlink(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("delete the folder", "import shutil\nshutil.rmtree(canary['folder'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY'"),
    Attempt("rename", "import os\nos.rename(canary['file'], canary['file'] + '.old')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt' -> 'CANARY/secret.txt.old'"),
    Attempt("replace", "import os\nopen('x', 'w').close()\nos.replace('x', canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'x' -> 'CANARY/secret.txt'"),
    Attempt("mode", "import os\nos.chmod(canary['file'], 0)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("owner", "import os\nos.chown(canary['file'], 0, 0)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("times", "import os\nos.utime(canary['file'], (0, 0))", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("link in", "import os\nos.symlink('/etc', canary['folder'] + '/link')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/etc' -> 'CANARY/link'"),
    Attempt("folder", "import os\nos.mkdir(canary['folder'] + '/d')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/d'"),
    Attempt("fifo", "import os\nos.mkfifo(canary['folder'] + '/fifo')", "raised AttributeError: module 'os' has no attribute 'mkfifo'"),
    Attempt("extract a tar", "import io, tarfile\nb = io.BytesIO()\nt = tarfile.open(fileobj=b, mode='w')\nt.addfile(tarfile.TarInfo('../../..' + canary['folder'] + '/new'))\nt.close()\nb.seek(0)\ntarfile.open(fileobj=b).extractall(filter='fully_trusted')", "ok None"),
    Attempt("cron", "open('/etc/cron.d/x', 'w')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/etc/cron.d/x'"),
    Attempt("core pattern", "open('/proc/sys/kernel/core_pattern', 'w')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/sys/kernel/core_pattern'"),
    Attempt("oom score", "open('/proc/self/oom_score_adj', 'w')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/oom_score_adj'"),
    Attempt("memory of itself", "open('/proc/self/mem', 'wb')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/mem'"),
    Attempt("the guest's own library", "open('/lib/python314.zip', 'wb')", "raised OSError: [Errno 69] Read-only file system: '/lib/python314.zip'"),
    Attempt("delete the guest's own library", "import os\nos.unlink('/lib/python314.zip')", "raised OSError: [Errno 69] Read-only file system: '/lib/python314.zip'"),
    Attempt("mount", "import os\nos.mount", "raised AttributeError: module 'os' has no attribute 'mount'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", WRITES, ids=names(WRITES))
def test_nothing_of_the_host_can_be_changed(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_a_path_of_the_host_made_inside_stays_inside(attack: Attack, canary: Canary) -> None:
    outcome = attack(
        "import os\n"
        "os.makedirs(canary['folder'])\n"
        "open(canary['file'], 'w').write('mine')\n"
        "open(canary['file']).read()"
    )

    assert ending(outcome, canary) == "ok 'mine'"
    assert outcome.files == {}


def test_library_changes_of_one_run_are_not_there_in_the_next(attack: Attack) -> None:
    poison = (
        "import sys\n"
        "open('/home/sandbox/sched.py', 'w').write('x = 1')\n"
        "sys.path.insert(0, '/home/sandbox')\n"
        "import sched\n"
        "sched.x"
    )
    assert attack(poison).value == 1
    assert attack("import sched\nsched.scheduler.__name__").value == "scheduler"


def test_files_that_come_back_are_data_in_memory(attack: Attack, canary: Canary) -> None:
    here = sorted(Path.cwd().iterdir())

    outcome = attack(
        "open('came_from_a_guest.txt', 'w').write('x')\n"
        "import os\nos.symlink('/etc/passwd', 'passwd')\nos.mkdir('empty')"
    )

    assert ending(outcome, canary) == "ok None"
    assert dict(outcome.files) == {"came_from_a_guest.txt": b"x"}
    assert sorted(Path.cwd().iterdir()) == here


def test_twin_a_program_writes_in_all_these_ways_where_it_may(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import os, shutil\n"
        "open('new', 'x').write('made')\n"
        "open('given', 'a').write('+')\n"
        "os.mkdir('d'); os.rename('gone', 'd/there'); os.chmod('new', 0o600)\n"
        "os.symlink('new', 'link'); os.utime('new', (0, 0)); os.truncate('long', 2)\n"
        "shutil.copytree('d', 'e'); shutil.rmtree('d')",
        files={"given": b"1", "gone": b"2", "long": b"12345"},
    )

    assert outcome.status == "ok", outcome.error
    wanted = {"new": b"made", "given": b"1+", "long": b"12", "e/there": b"2"}
    assert {name: outcome.files[name] for name in wanted} == wanted
