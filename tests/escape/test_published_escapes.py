"""The classes of escape that were published for other sandboxes, each tried on this one, by name.

Each list keeps the trick as it was used there, moved to where it would have to work here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import dspex
from dspex.errors import RequestError
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

OWN_ENV = "HOME LANG PATH TMPDIR TZ"

RESTRICTED_PYTHON = [
    # str.format and format_map reach attributes that the source never names (CVE-2023-41039).
    Attempt("format reaches globals", "import os\ndef f(): pass\n' '.join(sorted('{0.__globals__[os].environ._data}'.format(f) and os.environ))", f"ok {OWN_ENV!r}"),
    Attempt("format reaches classes", "'{0.__class__.__base__}'.format(1)", 'ok "<class \'object\'>"'),
    Attempt("string.Formatter", "import string\nstring.Formatter().get_field('0.__class__.__mro__', [1], {})[0][1].__name__", "ok 'object'"),
    # Generator and coroutine frames lead to the caller's frame (CVE-2023-37271).
    Attempt("gi_frame", "def g():\n    yield x.gi_frame.f_back.f_back.f_back.f_back.f_back\nx = g()\nnext(x).f_code.co_name", "ok 'turn'"),
    Attempt("generator in a generator", "q = (q.gi_frame.f_back.f_back.f_globals['__name__'] for _ in [1])\n[*q]", "ok ['dspex_guest.python_driver']"),
    Attempt("cr_frame", "async def c(): pass\nk = c()\nn = k.cr_frame.f_globals['__name__']\nk.close()\nn", "ok '__main__'"),
    Attempt("traceback frames", "try:\n    1 / 0\nexcept Exception as e:\n    f = e.__traceback__.tb_frame\nwhile f.f_back: f = f.f_back\nf.f_globals['os'].environ.get(canary['env'])", "ok None"),
    # type() and metaclasses make what the policy of the transformer never saw.
    Attempt("type with three arguments", "type('X', (object,), {'__getattr__': lambda s, n: n})().anything", "ok 'anything'"),
    Attempt("metaclass call", "class M(type):\n    def __getitem__(c, n): return c.__base__.__subclasses__()\nclass X(metaclass=M): pass\n[k for k in X[0] if k.__name__ == 'Popen'][0](['id'])", "raised OSError: [Errno 138] emscripten does not support processes."),
    # try/except* skipped the checks (CVE-2025-22153).
    Attempt("except star", "try:\n    raise ExceptionGroup('g', [OSError(canary['file'])])\nexcept* OSError as g:\n    r = open(g.exceptions[0].args[0]).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    # The attribute error carries the object (CVE-2024-47532 is of that family).
    Attempt("AttributeError.obj", "import string\ntry:\n    string.nothing\nexcept AttributeError as e:\n    m = e.obj\nm._re.__name__", "raised AttributeError: module 'string' has no attribute '_re'"),
    Attempt("code replaced", "def f(): pass\nf.__code__ = f.__code__.replace(co_consts=(canary['file'],))\nf()", "ok 'CANARY/secret.txt'"),
]  # fmt: skip

N8N = [
    # n8n ran Pyodide with a list of forbidden names (CVE-2025-68668, CVE-2025-68613).
    Attempt("import js by call", "__import__('js')", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("run_js", "from pyodide.code import run_js\nrun_js('process.env')", "raised ModuleNotFoundError: No module named 'pyodide'"),
    Attempt("_pyodide", "import _pyodide._base", "raised ModuleNotFoundError: No module named '_pyodide'"),
    Attempt("pyodide_js", "import pyodide_js\npyodide_js._module", "raised ModuleNotFoundError: No module named 'pyodide_js'"),
    Attempt("_pyodide_core", "import _pyodide_core", "raised ModuleNotFoundError: No module named '_pyodide_core'"),
    Attempt("os.system", "import os\nos.system('id > ' + canary['folder'] + '/new')", "ok -1"),
    Attempt("libc by ctypes", "import ctypes\nctypes.CDLL(None).system(b'id')", "raised ModuleNotFoundError: No module named '_ctypes'"),
    Attempt("micropip", "import micropip\nawait micropip.install('x')", "raised ModuleNotFoundError: No module named 'micropip'"),
    Attempt("constructor chain", "import js\njs.Object.constructor('return process')()", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("joined name", "__import__('p' + 'osix').environ.get(canary['env'].encode())", "ok None"),
    Attempt("load from the loader", "import importlib\nimportlib.import_module('.code', 'pyodide')", "raised ModuleNotFoundError: No module named 'pyodide'"),
]  # fmt: skip

SMOLAGENTS = [
    # Allowed modules hold forbidden ones (CVE-2025-5120, CVE-2025-9959).
    Attempt("random._os", "import random\nrandom._os.system('id')", "ok -1"),
    Attempt("queue.threading.sys", "import queue\nqueue.threading._sys.modules['os'].popen('id')", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("subclasses to Popen", "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ in ('Popen', 'FileLoader', '_wrap_close')][0].__name__", "ok 'FileLoader'"),
    Attempt("globals of _wrap_close", "w = [c for c in object.__subclasses__() if c.__name__ == '_wrap_close'][0]\nw.__init__.__globals__['system']('id')", "ok -1"),
    Attempt("file loader", "l = [c for c in object.__subclasses__() if c.__name__ == 'FileLoader'][0]\nl('x', canary['file']).get_data(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("builtin importer", "i = [c for c in object.__subclasses__() if c.__name__ == 'BuiltinImporter'][0]\ni.load_module('posix').system('id')", "ok -1"),
    Attempt("quitter", "type(exit).__init__.__globals__['sys'].modules['os'].listdir(canary['folder'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY'"),
    Attempt("dunder dict", "import statistics\nvars(statistics)['sys'].modules['os'].execv('/bin/sh', ['sh'])", "raised OSError: [Errno 45] Exec format error"),
    Attempt("warnings catcher", "c = [c for c in object.__subclasses__() if c.__name__ == 'catch_warnings'][0]\nc()._module.sys.modules['os'].getenv(canary['env'])", "ok None"),
    Attempt("help of a module", "import pydoc\npydoc.pipepager('x', 'cat ' + canary['file'])", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("timeit", "import timeit\ntimeit.timeit('__import__(\"os\").fork()', number=1)", "raised OSError: [Errno 52] Function not implemented"),
    Attempt("doctest of a file", "import doctest\ndoctest.testfile(canary['file'], module_relative=False)", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
]  # fmt: skip

VM2 = [
    # Exceptions made by the host, and proxies of its objects, leaked the host's constructors.
    Attempt("class of a host error", "import os\ntry:\n    os.stat('/none')\nexcept OSError as e:\n    c = type(e)\n[c.__module__, [k.__module__ for k in c.__mro__]]", "ok ['builtins', ['builtins', 'builtins', 'builtins', 'builtins', 'builtins']]"),
    Attempt("frames of a host error", "import os, traceback\ntry:\n    os.stat('/none')\nexcept OSError as e:\n    t = e.__traceback__\n    found = [e.__context__, e.__cause__, t.tb_next, t.tb_frame.f_code.co_filename]\nfound", "ok [None, None, None, 'main.py']"),
    Attempt("error at the end of the stack", "import os\ndef dig():\n    try:\n        dig()\n    finally:\n        os.stat('/')\ntry:\n    dig()\nexcept RecursionError as e:\n    t = type(e).__module__\nt", "ok 'builtins'"),
    Attempt("error while formatting an error", "import os, sys\nclass P(os.PathLike):\n    def __fspath__(self): raise KeyError('mine')\nos.stat(P())", "raised KeyError: 'mine'"),
    Attempt("error out of memory in a host call", "import os\ntry:\n    os.read(0, 2**30)\nexcept MemoryError as e:\n    t = e.__traceback__.tb_next\nt", "ok None"),
    Attempt("host error as a thenable", "import asyncio\nasync def f(): await asyncio.open_connection('127.0.0.1', canary['tcp'])\ntry:\n    await f()\nexcept OSError as e:\n    n = e.__traceback__\n    files = set()\n    while n:\n        files.add(n.tb_frame.f_code.co_filename.split('/')[-1])\n        n = n.tb_next\nsorted(f for f in files if 'dspex' in f or 'wasm' in f)", "ok []"),
    Attempt("variables are plain data", "[type(canary).__mro__[0].__name__, type(canary['pid']).__module__, [k for k in dir(canary['file']) if k not in dir(str)]]", "ok ['dict', 'builtins', []]"),
]  # fmt: skip

TERRARIUM = [
    # The prototype chain of JavaScript objects led from Pyodide to the host's globals (CVE-2026-5752).
    Attempt("js", "import js\njs.globalThis", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("globalThis", "globalThis", "raised NameError: name 'globalThis' is not defined"),
    Attempt("prototype", "from js import Object\nObject.__proto__", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("proxies", "from pyodide.ffi import create_proxy, JsProxy", "raised ModuleNotFoundError: No module named 'pyodide'"),
    Attempt("proxy types", "[c.__name__ for c in object.__subclasses__() if 'Js' in c.__name__ or 'js' in c.__module__.split('.')]", "ok []"),
    Attempt("file system of JavaScript", "from pyodide_js import FS\nFS.readFile(canary['file'])", "raised ModuleNotFoundError: No module named 'pyodide_js'"),
    Attempt("made module", "import sys, types\nsys.modules['js'] = types.ModuleType('js')\nimport js\njs.globalThis", "raised AttributeError: module 'js' has no attribute 'globalThis'"),
    Attempt("builtin of the bridge", "import sys\n[n for n in sys.builtin_module_names if 'js' in n.split('_') or 'pyodide' in n]", "ok []"),
    Attempt("emscripten", "import _emscripten", "raised ModuleNotFoundError: No module named '_emscripten'"),
]  # fmt: skip

BUBBLEWRAP = [
    # TIOCSTI (CVE-2017-5226), /proc/self/exe (runc, CVE-2019-5736), ptrace.
    Attempt("push into the terminal", "import fcntl, termios\nfor c in 'id\\n': fcntl.ioctl(0, termios.TIOCSTI, c)", "raised OSError: [Errno 59] Not a tty"),
    Attempt("push by number", "import fcntl\nfcntl.ioctl(2, 0x5412, b'i')", "raised OSError: [Errno 59] Not a tty"),
    Attempt("open the terminal", "import os\nos.open('/dev/tty', os.O_RDWR)", "raised OSError: [Errno 60] No such device or address: '/dev/tty'"),
    Attempt("terminal in proc", "open('/proc/self/fd/2', 'w')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/fd/2'"),
    Attempt("own program", "open('/proc/self/exe', 'wb')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/exe'"),
    Attempt("own program by link", "import os\nos.symlink('/proc/self/exe', 'me')\nos.execv('./me', ['me'])", "raised OSError: [Errno 45] Exec format error"),
    Attempt("loader", "import os\nos.execv('/lib64/ld-linux-x86-64.so.2', ['ld', '/bin/sh'])", "raised OSError: [Errno 45] Exec format error"),
    Attempt("ptrace", "import ctypes\nctypes.CDLL(None).ptrace(16, canary['pid'], 0, 0)", "raised ModuleNotFoundError: No module named '_ctypes'"),
    Attempt("memory of the parent", "open(f\"/proc/{canary['pid']}/mem\", 'r+b')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/PID/mem'"),
    Attempt("escape by a cgroup", "open('/sys/fs/cgroup/release_agent', 'w')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/sys/fs/cgroup/release_agent'"),
    Attempt("folder left open", "import os\nos.fchdir(3)", "raised OSError: [Errno 8] Bad file descriptor"),
]  # fmt: skip

DENO = [
    # Permissions mixed up between what is asked for, what is granted, and who says so.
    Attempt("file url", "import urllib.request\nurllib.request.urlopen('file://' + canary['file'])", "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: 'CANARY/secret.txt'>"),
    Attempt("file url with a host", "import urllib.request\nurllib.request.urlopen('file://localhost' + canary['file'])", "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: 'CANARY/secret.txt'>"),
    Attempt("data url", "import urllib.request\nurllib.request.urlopen('data:,x').read()", "ok b'x'"),
    Attempt("url retrieve", "import urllib.request\nurllib.request.urlretrieve('file://' + canary['file'], 'mine')", "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: 'CANARY/secret.txt'>"),
    Attempt("environment by its file", "open('/proc/self/environ').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/self/environ'"),
    Attempt("arguments that allow", "import socket, sys\nsys.argv += ['--allow-all', '--allow-net']\nsocket.socket()", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("environment that allows", "import os, socket\nos.environ['DSPEX_POLICY'] = 'allow_all'\nsocket.socket()", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("policy from within", "import dspex", "raised ModuleNotFoundError: No module named 'dspex'"),
    Attempt("policy file from within", "open('compute.toml', 'w').write('network = [\"*\"]')\nimport socket\nsocket.socket()", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("another name for the same", "open('/home/../home/sandbox/../../' + canary['file']).read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/home/../home/sandbox/../../CANARY/secret.txt'"),
]  # fmt: skip


def check(attack: Attack, canary: Canary, attempt: Attempt, **given: object) -> None:
    assert ending(attack(attempt.code, **given), canary) == attempt.ending


@pytest.mark.parametrize("attempt", RESTRICTED_PYTHON, ids=names(RESTRICTED_PYTHON))
def test_restrictedpython_formats_frames_and_metaclasses_lead_nowhere(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


@pytest.mark.parametrize("attempt", N8N, ids=names(N8N))
def test_n8n_there_is_no_bridge_and_no_shell(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


@pytest.mark.parametrize("attempt", SMOLAGENTS, ids=names(SMOLAGENTS))
def test_smolagents_modules_behind_modules_give_no_power(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


@pytest.mark.parametrize("attempt", VM2, ids=names(VM2))
def test_vm2_errors_of_host_calls_are_the_guests_own(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt, timeout_s=1)


@pytest.mark.parametrize("attempt", TERRARIUM, ids=names(TERRARIUM))
def test_terrarium_there_is_no_javascript_to_climb(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


@pytest.mark.parametrize("attempt", BUBBLEWRAP, ids=names(BUBBLEWRAP))
def test_bubblewrap_no_terminal_program_or_tracer_is_in_reach(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


@pytest.mark.parametrize("attempt", DENO, ids=names(DENO))
def test_deno_a_guest_cannot_grant_itself_anything(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    check(attack, canary, attempt)


# Judge0: links in the working folder had the host write and own files elsewhere
# (CVE-2024-28185, CVE-2024-28189, CVE-2024-29021).

JUDGE0_INSIDE = {
    "link to a file": "os.symlink(canary['file'], 'result.txt')",
    "link to a folder": "os.symlink(canary['folder'], 'out')",
    "link upwards": "os.symlink('../../../..', 'up')",
    "folder replaced by a link": "os.mkdir('d')\nos.rmdir('d')\nos.symlink(canary['folder'], 'd')",
    "working folder replaced": "os.chdir('/')\nos.rename('/home/sandbox', '/home/old')\nos.symlink(canary['folder'], '/home/sandbox')",
    "file outside the working folder": "open('/tmp/x', 'w').write('x')",
    "link on itself": "os.symlink('loop', 'loop')",
}


@pytest.mark.parametrize("code", JUDGE0_INSIDE.values(), ids=JUDGE0_INSIDE)
def test_judge0_links_in_the_working_folder_do_not_come_back(attack: Attack, code: str) -> None:
    outcome = attack(f"import os\n{code}")

    assert (outcome.status, dict(outcome.files)) == ("ok", {}), outcome.error


def test_judge0_a_file_behind_a_link_that_was_given_is_not_followed_out(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    with engine.session() as session:
        session.run(
            f"import os\nos.symlink({str(canary.folder)!r}, 'out')\n"
            f"os.symlink({str(canary.file)!r}, 'secret.txt')"
        )
        outcome = session.run(
            "open('seen', 'w').write('1')\n1", files={"in.txt": b"mine", "other/in.txt": b"mine"}
        )

    assert outcome.status == "ok", outcome.error
    assert set(outcome.files.values()) <= {b"1", b"mine"}
    canary.check()


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a/../../x", "./x", "a//x", "..", "", "a/", "x\0y", "../../etc/passwd"],
)
def test_judge0_a_name_that_leads_out_is_refused_before_it_travels(
    engine: dspex.Engine, name: str
) -> None:
    with pytest.raises(RequestError, match=r"^files: "):
        engine.run("1", files={name: b"x"})


def test_judge0_names_that_come_back_are_relative_and_without_dots(attack: Attack) -> None:
    outcome = attack(
        "import os\n"
        "for name in ('...', '..a', 'a\\\\b', ' ', '-rf', '~', '$HOME', 'a\\nb', '\\u202e.txt', 'C:x', 'nul'):\n"
        "    open(name, 'w').write('x')\n"
        "os.makedirs('a/b/c')\nopen('a/b/c/../../d', 'w').write('x')\n"
        "open('/home/sandbox/../sandbox/e', 'w').write('x')"
    )

    assert outcome.status == "ok", outcome.error
    assert len(outcome.files) == 13
    for name in outcome.files:
        assert not name.startswith("/")
        assert not {"", ".", ".."} & set(name.split("/"))
        assert not Path(name).is_absolute()


def test_twin_what_these_tricks_are_built_of_works_honestly(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import os, random, string, sys, urllib.request\n"
        "os.symlink('given.txt', 'link')\n"
        "async def later(): return 3\n"
        "def g():\n    yield 1\n"
        "['{0.real}'.format(5), string.Formatter().format('{}', 1), type('X', (), {'a': 1}).a,\n"
        " open('link').read(), sys.argv[1:], next(g()), await later(), len(urllib.request.urlopen('data:,abc').read()),\n"
        " random.Random(1).random() < 1]",
        files={"given.txt": "mine"},
        args=["--allow-all"],
    )

    assert (outcome.status, outcome.value) == (
        "ok",
        ["5", "1", 1, "mine", ["--allow-all"], 1, 3, 3, True],
    )
