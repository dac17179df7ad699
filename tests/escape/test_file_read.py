"""Way out: reading a file of the host. The guest's files are its own; the host's do not exist there.

The attacker knows the absolute path of a file that everybody on the host may read.
"""

from __future__ import annotations

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

BY_PATH = [
    Attempt("open", "open(canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("os.open", "import os\nos.read(os.open(canary['file'], os.O_RDONLY), 99)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("pathlib", "import pathlib\npathlib.Path(canary['file']).read_text()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("open_code", "import io\nio.open_code(canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("FileIO", "import _io\n_io.FileIO(canary['file']).readall()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("bytes path", "open(canary['file'].encode()).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: b'CANARY/secret.txt'"),
    Attempt("dots", "open('../' * 40 + canary['file'][1:]).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../../..CANARY/secret.txt'"),
    Attempt("dots below a folder", "open('/usr/share/../..' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/usr/share/../..CANARY/secret.txt'"),
    Attempt("double slashes", "open('//' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '//CANARY/secret.txt'"),
    Attempt("stat as an oracle", "import os\nos.stat(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("exists as an oracle", "import os\n[os.path.lexists(canary[k]) for k in ('file', 'folder', 'socket')]", "ok [False, False, False]"),
    Attempt("scandir", "import os\nlist(os.scandir(canary['folder']))", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY'"),
    Attempt("glob", "import glob\nglob.glob(canary['folder'] + '/**', recursive=True)", "ok []"),
    Attempt("chdir", "import os\nos.chdir(canary['folder'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY'"),
    Attempt("copy", "import shutil\nshutil.copy(canary['file'], 'mine')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("hard link", "import os\nos.link(canary['file'], 'mine')", "raised AttributeError: module 'os' has no attribute 'link'"),
    Attempt("move it in", "import os\nos.rename(canary['file'], 'mine')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt' -> 'mine'"),
    Attempt("import it", "import sys\nsys.path.insert(0, canary['folder'])\nimport module_of_the_host", "raised ModuleNotFoundError: No module named 'module_of_the_host'"),
    Attempt("run it", "import runpy\nrunpy.run_path(canary['folder'] + '/module_of_the_host.py')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/module_of_the_host.py'"),
    Attempt("source loader", "import importlib.machinery as m\nm.SourceFileLoader('x', canary['file']).get_data(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("linecache", "import linecache\nlinecache.getlines(canary['file'])", "ok []"),
    Attempt("tokenize", "import tokenize\ntokenize.open(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("sqlite", "import sqlite3\nsqlite3.connect('file:' + canary['file'] + '?mode=ro', uri=True)", "raised sqlite3.OperationalError: unable to open database file"),
    Attempt("sqlite attach", "import sqlite3\nsqlite3.connect(':memory:').execute('ATTACH ? AS x', [canary['file']]).fetchall()", "raised sqlite3.OperationalError: unable to open database: CANARY/secret.txt"),
    Attempt("zipimport", "import zipimport\nzipimport.zipimporter(canary['file'])", "raised zipimport.ZipImportError: not a Zip file"),
    Attempt("tarfile", "import tarfile\nt = tarfile.open('t.tar', 'w')\nt.add(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("netrc", "import netrc\nnetrc.netrc(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("ssl", "import ssl\nssl.create_default_context(cafile=canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("syntax error text", "raise SyntaxError('x', (canary['file'], 1, 1, None))", "raised SyntaxError: x (secret.txt, line 1)"),
    Attempt("file url", "import urllib.request\nurllib.request.urlopen('file://' + canary['file']).read()", "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: 'CANARY/secret.txt'>"),
]  # fmt: skip

BY_PROC = [
    Attempt("root of itself", "open('/proc/self/root' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/rootCANARY/secret.txt'"),
    Attempt("root of init", "open('/proc/1/root' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/1/rootCANARY/secret.txt'"),
    Attempt("folder of the supervisor", "open(f\"/proc/{canary['pid']}/cwd/x\").read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/PID/cwd/x'"),
    Attempt("descriptors of itself", "import os\nos.listdir('/proc/self/fd')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/fd'"),
    Attempt("dev fd", "import os\nos.listdir('/dev/fd')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/dev/fd'"),
    Attempt("passwords", "open('/etc/passwd').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/etc/passwd'"),
    Attempt("memory of the machine", "open('/dev/mem', 'rb').read(16)", "raised FileNotFoundError: [Errno 44] No such file or directory: '/dev/mem'"),
    Attempt("kernel", "open('/proc/kcore', 'rb').read(16)", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/kcore'"),
    Attempt("disk", "open('/dev/sda', 'rb').read(16)", "raised FileNotFoundError: [Errno 44] No such file or directory: '/dev/sda'"),
    Attempt("sysfs", "open('/sys/kernel/uevent_helper').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/sys/kernel/uevent_helper'"),
    Attempt("the service account of a cluster", "open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/var/run/secrets/kubernetes.io/serviceaccount/token'"),
]  # fmt: skip

BY_LINK = [
    Attempt("link", "import os\nos.symlink(canary['file'], 'mine')\nopen('mine').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'mine'"),
    Attempt("link to the folder", "import os\nos.symlink(canary['folder'], 'd')\nopen('d/secret.txt').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'd/secret.txt'"),
    Attempt("link up", "import os\nos.symlink('../' * 30, 'up')\nopen('up' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'upCANARY/secret.txt'"),
    Attempt("chain of links", "import os\nos.symlink('/', 'a')\nos.symlink('a', 'b')\nopen('b' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'bCANARY/secret.txt'"),
    Attempt("device node of the disk", "import os, stat\nos.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(8, 0))", "raised AttributeError: module 'os' has no attribute 'mknod'"),
    Attempt("device node of memory", "import os, stat\nos.mknod('mem', stat.S_IFCHR | 0o666, os.makedev(1, 1))", "raised AttributeError: module 'os' has no attribute 'mknod'"),
    Attempt("descriptor of a folder", "import os\nd = os.open('/', os.O_RDONLY)\nos.open(canary['file'][1:], os.O_RDONLY, dir_fd=d)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("change of root", "import os\nos.chroot('..')", "raised PermissionError: [Errno 2] Permission denied: '..'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", BY_PATH, ids=names(BY_PATH))
def test_a_file_of_the_host_is_not_there_by_its_path(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", BY_PROC, ids=names(BY_PROC))
def test_no_system_path_leads_to_the_host(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", BY_LINK, ids=names(BY_LINK))
def test_no_link_node_or_descriptor_leads_to_the_host(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_no_descriptor_of_the_worker_can_be_read(attack: Attack) -> None:
    outcome = attack(
        "import errno, os\n"
        "found = {}\n"
        "for fd in [*range(3, 2048), 2**16, 2**31 - 1]:\n"
        "    try:\n"
        "        found[fd] = os.read(fd, 64)\n"
        "    except OSError as error:\n"
        "        assert error.errno == errno.EBADF\n"
        "found"
    )

    assert (outcome.status, outcome.value) == ("ok", {})


def test_twin_a_file_that_the_caller_gave_is_read_in_all_these_ways(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import io, linecache, os, pathlib, shutil, urllib.request\n"
        "os.symlink(os.path.abspath('given/a.txt'), 'link')\n"
        "shutil.copy('given/a.txt', 'copy')\n"
        "url = pathlib.Path('given/a.txt').absolute().as_uri()\n"
        "[open('given/a.txt').read(), open('link').read(), pathlib.Path('copy').read_text(),\n"
        " os.read(os.open('given/a.txt', os.O_RDONLY), 99).decode(),\n"
        " io.open_code(os.path.abspath('link')).read().decode(), linecache.getlines('copy')[0].rstrip(),\n"
        " urllib.request.urlopen(url).read().decode(), os.listdir('given')]",
        files={"given/a.txt": "mine"},
    )

    assert (outcome.status, outcome.value) == ("ok", ["mine"] * 7 + [["a.txt"]])
