"""Way out: the environment. The host's variables, arguments, user and paths are not the guest's."""

from __future__ import annotations

import os
import platform
import sys

import pytest

import dspex
from dspex.errors import CapabilityDenied
from tests.escape.canary import ENV_NAME, Canary
from tests.escape.ending import Attack, Attempt, ending, names

OWN = "{'HOME': '/home/sandbox', 'LANG': 'C.UTF-8', 'PATH': '/usr/bin', 'TMPDIR': '/tmp', 'TZ': 'UTC'}"

VARIABLES = [
    Attempt("environ", "import os\ndict(sorted(os.environ.items()))", f"ok {OWN}"),
    Attempt("posix.environ", "import posix\n{k.decode(): v.decode() for k, v in sorted(posix.environ.items())}", f"ok {OWN}"),
    Attempt("reloaded", "import os\nos.reload_environ()\ndict(sorted(os.environ.items()))", f"ok {OWN}"),
    Attempt("getenv", "import os\nos.getenv(canary['env'])", "ok None"),
    Attempt("by item", "import os\nos.environ[canary['env']]", "raised KeyError: 'DSPEX_ESCAPE_CANARY'"),
    Attempt("environb", "import os\nos.environb.get(canary['env'].encode())", "ok None"),
    Attempt("expandvars", "import os\nos.path.expandvars('$' + canary['env'])", "ok '$DSPEX_ESCAPE_CANARY'"),
    Attempt("expanduser", "import os\n[os.path.expanduser('~'), os.path.expanduser('~root')]", "ok ['/home/sandbox', '~root']"),
    Attempt("of a process", "open('/proc/self/environ', 'rb').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/environ'"),
    Attempt("of the supervisor", "open(f\"/proc/{canary['pid']}/environ\", 'rb').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/PID/environ'"),
    Attempt("through a shell", "import os\nos.system('echo $' + canary['env'])", "ok -1"),
    Attempt("sysconfig", "import os, sysconfig\n[v for v in sysconfig.get_paths().values() if os.path.exists(v)]", "ok ['/']"),
    Attempt("proxies", "import urllib.request\nurllib.request.getproxies()", "ok {}"),
    Attempt("interpreter options", "import sys\n[sys.flags.safe_path, sys._xoptions, sys.warnoptions, sys.orig_argv]", "ok [True, {}, [], []]"),
]  # fmt: skip

IDENTITY = [
    Attempt("user", "import getpass\ngetpass.getuser()", "raised OSError: No username set in the environment"),
    Attempt("login", "import os\nos.getlogin()", "raised OSError: [Errno -60] Unknown error"),
    Attempt("ids", "import os\n[os.getuid(), os.getgid(), os.geteuid()]", "raised AttributeError: module 'os' has no attribute 'geteuid'"),
    Attempt("passwd", "import pwd\npwd.getpwall()", "raised ModuleNotFoundError: No module named 'pwd'"),
    Attempt("arguments", "import sys\nsys.argv", "ok ['main.py']"),
    Attempt("working folder", "import os\nos.getcwd()", "ok '/home/sandbox'"),
    Attempt("executable", "import sys\n[sys.executable, sys.prefix, sys.base_prefix]", "ok ['', '/', '/']"),
    Attempt("platform", "import platform\n[platform.system(), platform.machine()]", "ok ['Emscripten', 'wasm32']"),
    Attempt("kernel", "import os\n[*os.uname()[:2], os.uname().machine]", "ok ['Emscripten', 'emscripten', 'wasm32']"),
    Attempt("time zone", "import time\n[time.tzname, time.timezone]", "ok [('UTC', 'UTC'), 0]"),
    Attempt("terminal", "import os\nos.ttyname(0)", "raised OSError: [Errno 59] Not a tty"),
    Attempt("size of the terminal", "import os\nos.get_terminal_size()", "raised OSError: [Errno 59] Not a tty"),
    Attempt("load", "import os\nos.getloadavg()", "ok (0.1, 0.1, 0.1)"),
    Attempt("processors", "import os\n[os.cpu_count(), os.process_cpu_count()]", "ok [1, 1]"),
    Attempt("memory of the machine", "import os\nos.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')", "ok 268435456"),
    Attempt("disk", "import os\nos.statvfs('/').f_blocks * os.statvfs('/').f_frsize", "ok 67108864"),
    Attempt("boot", "open('/proc/sys/kernel/random/boot_id').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/sys/kernel/random/boot_id'"),
    Attempt("machine id", "open('/etc/machine-id').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/etc/machine-id'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", VARIABLES, ids=names(VARIABLES))
def test_no_variable_of_the_host_is_there(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", IDENTITY, ids=names(IDENTITY))
def test_who_and_where_the_host_is_stays_unknown(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_nothing_that_identifies_the_host_is_in_what_a_guest_can_look_up(attack: Attack) -> None:
    outcome = attack(
        "import os, platform, sys, sysconfig\n"
        "repr([platform.uname(), platform.platform(), platform.python_build(), sys.version,\n"
        " sys.path, sys.implementation, dict(os.environ), sysconfig.get_config_vars(),\n"
        " {n: repr(getattr(m, '__file__', '')) for n, m in list(sys.modules.items())}])"
    )

    assert outcome.status == "ok", outcome.error
    assert len(outcome.value) > 1000
    for told in (
        platform.release(),
        sys.executable,
        dspex.__path__[0],
    ):
        assert told not in outcome.value


def test_a_variable_set_by_one_run_is_not_there_in_the_next(attack: Attack) -> None:
    assert attack("import os\nos.putenv('LEFT', '1')\nos.environ['LEFT'] = '1'").status == "ok"
    assert attack("import os\nos.environ.get('LEFT')").value is None
    assert "LEFT" not in os.environ


def test_a_name_that_the_policy_does_not_grant_cannot_even_be_given(engine: dspex.Engine) -> None:
    with pytest.raises(CapabilityDenied) as caught:
        engine.run("1", env={ENV_NAME: "x"})

    assert str(caught.value) == (
        f"env: {ENV_NAME!r} is not granted by policy 'compute'; granted: LANG, LC_ALL, TZ"
    )


def test_twin_variables_and_arguments_of_the_caller_are_there(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import os, sys, time\n"
        "os.environ['OWN'] = 'o'\n"
        "[os.environ['TZ'], os.getenv('LANG'), sys.argv, os.path.expandvars('$OWN'), time.tzname[0]]",
        env={"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8"},
        args=["--allow-net", "x"],
    )

    assert (outcome.status, outcome.value) == (
        "ok",
        ["Asia/Tokyo", "de_DE.UTF-8", ["main.py", "--allow-net", "x"], "o", "JST"],
    )
