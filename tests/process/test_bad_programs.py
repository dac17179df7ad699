"""Programs that end, break or exhaust their own interpreter: each ends in the right status.

Long because it is a list: leaving, breaking what the interpreter stands on, exceptions that are
themselves hostile, and recursion. After each, the next request works.
"""

from __future__ import annotations

import pytest

import dspex

pytestmark = pytest.mark.usefixtures("the_next_request_works")


@pytest.mark.parametrize(
    "code",
    [
        "sys.exit()",
        "sys.exit(0)",
        "sys.exit(None)",
        "sys.exit(False)",
        "raise SystemExit",
        "exit()",
        "quit(0)",
        "print('bye'); sys.exit()",
    ],
)
def test_leaving_with_status_0_is_a_good_end(engine: dspex.Engine, code: str) -> None:
    outcome = engine.run(f"import sys\n{code}\nprint('never')")

    assert (outcome.status, outcome.value, outcome.error) == ("ok", None, None)
    assert outcome.stdout == ("bye\n" if "bye" in code else "")


@pytest.mark.parametrize(
    ("code", "message", "stderr"),
    [
        ("sys.exit(3)", "3", ""),
        ("sys.exit(-1)", "-1", ""),
        ("sys.exit(256)", "256", ""),
        ("sys.exit('disk full')", "disk full", "disk full\n"),
        ("raise SystemExit('over')", "over", "over\n"),
        ("sys.exit(('a', 1))", "('a', 1)", "('a', 1)\n"),
        ("sys.exit('')", "", "\n"),
        ("sys.exit(2.5)", "2.5", "2.5\n"),
        ("sys.exit('\\u00fcber')", "über", "über\n"),
        ("class Quiet(SystemExit): pass\nraise Quiet(9)", "9", ""),
    ],
)
def test_leaving_with_another_status_is_an_exception(
    engine: dspex.Engine, code: str, message: str, stderr: str
) -> None:
    outcome = engine.run(f"import sys\nprint('before')\n{code}")

    assert (outcome.status, outcome.stdout, outcome.stderr) == ("raised", "before\n", stderr)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("SystemExit", message)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("os._exit(0)", "GuestExited", "the guest ended its own process: exit status 0"),
        ("os._exit(3)", "GuestExited", "the guest ended its own process: exit status 3"),
        ("os._exit(259)", "GuestExited", "the guest ended its own process: exit status 3"),
        (
            "os.kill(os.getpid(), 9)",
            "GuestExited",
            "the guest ended its own process: exit status 137",
        ),
        (
            "signal.raise_signal(15)",
            "GuestExited",
            "the guest ended its own process: exit status 143",
        ),
        ("os.abort()", "GuestAborted", "the guest's interpreter gave up: abort() was called"),
        (
            "signal.raise_signal(11)",
            "GuestAborted",
            "the guest's interpreter gave up: abort() was called",
        ),
        (
            "faulthandler._sigabrt()",
            "GuestAborted",
            "the guest's interpreter gave up: abort() was called",
        ),
        (
            "faulthandler._sigsegv()",
            "GuestAborted",
            "the guest's interpreter gave up: abort() was called",
        ),
    ],
)
def test_ending_the_interpreter_loses_only_this_run(
    engine: dspex.Engine, code: str, kind: str, message: str
) -> None:
    outcome = engine.run(
        f"import os, signal, faulthandler\nprint('before', flush=True)\n{code}\nprint('after')"
    )

    assert (outcome.status, outcome.stdout) == ("lost", "before\n")
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == (kind, message)
    assert outcome.error.traceback == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import faulthandler\nfaulthandler._sigabrt()", "GuestAborted"),
        (
            (
                "code = (lambda: 0).__code__\n"
                "eval(code.replace(co_code=b'\\x65\\xff' * 50, co_names=(), co_stacksize=0))"
            ),
            "GuestTrapped",
        ),
    ],
    ids=["fatal error", "bad bytecode"],
)
def test_memory_abuse_breaks_only_the_programs_own_interpreter(
    engine: dspex.Engine, code: str, kind: str
) -> None:
    outcome = engine.run(f"print('before', flush=True)\n{code}\nprint('after')")

    assert (outcome.status, outcome.stdout) == ("lost", "before\n")
    assert outcome.error is not None
    assert outcome.error.type == kind


def test_there_is_no_ctypes_to_abuse(engine: dspex.Engine) -> None:
    outcome = engine.run("try:\n    import ctypes\nexcept ImportError as e:\n    r = e.name\nr")

    assert (outcome.status, outcome.value) == ("ok", "_ctypes")


@pytest.mark.parametrize(
    "code",
    [
        "import os\nfor fd in (0, 1, 2):\n    os.close(fd)",
        "import os\nos.closerange(0, 1000)",
        "import sys\nsys.stdin.close(); sys.stdout.close(); sys.stderr.close()",
        "import sys\nsys.stdout = sys.stderr = sys.stdin = None",
        "import sys\ndel sys.stdout, sys.stderr",
        "import builtins\ndel builtins.print, builtins.len, builtins.str, builtins.BaseException",
        "import builtins\nbuiltins.__dict__.clear()",
        "import builtins\nfor name in dir(builtins):\n    builtins.__dict__[name] = None",
        "__builtins__ = {}",
        "import sys\nsys.modules.clear()",
        "import sys\nfor name in list(sys.modules):\n    sys.modules[name] = None",
        "import sys\nsys.path.clear(); sys.meta_path.clear(); sys.path_hooks.clear()",
        "import sys\nsys.modules['__main__'].__dict__.clear()",
        "globals().clear()",
        "import sys\nsys.settrace(lambda *a: None)\nsys.setrecursionlimit(50)",
        "import sys\nsys.excepthook = sys.displayhook = sys.unraisablehook = None",
        "import gc\ngc.disable()\ngc.set_threshold(1)\ngc.freeze()",
        "import os\nos.chdir('/')\nos.environ.clear()",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import atexit\natexit._clear()\natexit.unregister(print)",
        "import warnings\nwarnings.simplefilter('error')\nimport asyncio\nasyncio.iscoroutine(1)",
        "import decimal\ndecimal.getcontext().prec = 1",
        "import threading\nthreading.settrace(print)\nthreading.setprofile(print)",
        "import sys\nsys.set_int_max_str_digits(640)\nsys.setswitchinterval(1e9)",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_breaking_the_interpreters_furniture_is_a_good_end(engine: dspex.Engine, code: str) -> None:
    outcome = engine.run(f"_marker = 1\n{code}\nNone")

    assert (outcome.status, outcome.value) == ("ok", None), outcome.error
    assert outcome.error is None


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (
            "import builtins\ndel builtins.print\nprint(1)",
            "NameError",
            "name 'print' is not defined",
        ),
        (
            "import sys\nsys.stdout = object()\nprint(1)",
            "AttributeError",
            "'object' object has no attribute 'write'",
        ),
        ("import sys\nsys.stdout.close()\nprint(1)", "ValueError", "I/O operation on closed file."),
        ("import sys\ndel sys.stdout\nprint(1)", "RuntimeError", "lost sys.stdout"),
        ("import os\nos.close(0)\ninput()", "OSError", "[Errno 8] Bad file descriptor"),
        (
            "import os\nos.close(1)\nimport sys\nprint(1, flush=True)",
            "OSError",
            "[Errno 8] Bad file descriptor",
        ),
        (
            "import sys\nsys.settrace(lambda *a: 1 / 0)\nlen",
            "ZeroDivisionError",
            "division by zero",
        ),
        (
            "import sys\nsys.setprofile(lambda *a: 1 / 0)\nlen",
            "ZeroDivisionError",
            "division by zero",
        ),
        (
            "import builtins\nbuiltins.__import__ = None\nimport math",
            "TypeError",
            "'NoneType' object is not callable",
        ),
        (
            "import sys\nsys.modules['math'] = None\nimport math",
            "ModuleNotFoundError",
            "import of math halted; None in sys.modules",
        ),
        ("import js", "ModuleNotFoundError", "No module named 'js'"),
        ("import pyodide_js", "ModuleNotFoundError", "No module named 'pyodide_js'"),
        ("import _pyodide_core", "ModuleNotFoundError", "No module named '_pyodide_core'"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise GeneratorExit('g')", "GeneratorExit", "g"),
        ("raise BaseException(1, 2)", "BaseException", "(1, 2)"),
        ("raise 5", "TypeError", "exceptions must derive from BaseException"),
        ("raise StopIteration(3)", "StopIteration", "3"),
        ("await 5", "TypeError", "'int' object can't be awaited"),
        ("input()", "EOFError", "EOF when reading a line"),
        (
            "import threading\nthreading.Thread(target=print).start()",
            "RuntimeError",
            "can't start new thread",
        ),
        ("import os\nos.fork()", "OSError", "[Errno 52] Function not implemented"),
        ("x" * 100, "NameError", f"name '{'x' * 100}' is not defined"),
        (
            "import asyncio\nasyncio.new_event_loop().run_forever()",
            "RuntimeError",
            (
                "the event loop waits for something that can never happen in the sandbox: "
                "no task is ready and no timer is set"
            ),
        ),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if value else "",
)
def test_what_the_interpreter_cannot_do_is_an_ordinary_exception(
    engine: dspex.Engine, code: str, kind: str, message: str
) -> None:
    outcome = engine.run(code)

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == (kind, message)


def test_emptying_every_container_of_the_interpreter_loses_only_this_run(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        "import gc\n"
        "for thing in gc.get_objects():\n"
        "    if type(thing) in (dict, list, set):\n"
        "        thing.clear()\n"
    )

    assert outcome.status in {"ok", "raised", "lost"}


HOSTILE_EXCEPTIONS = {
    "str raises": ("def __str__(self): raise ValueError('no')", "Odd", "<exception str() failed>"),
    "str is no str": ("def __str__(self): return 5", "Odd", "<exception str() failed>"),
    "str exits": ("def __str__(self): raise SystemExit(0)", "Odd", "<exception str() failed>"),
    "str recurses": ("def __str__(self): return str(self)", "Odd", "<exception str() failed>"),
    "repr raises": ("def __repr__(self): raise ValueError('no')", "Odd", "text"),
    "args are replaced": ("args = property(lambda self: 1 / 0)", "Odd", "text"),
    "class is a lie": ("__class__ = property(lambda self: int)", "Odd", "text"),
    "name is long": ("__qualname__ = 'Odd'", "Odd", "text"),
    "module is no text": ("__module__ = 5", "Odd", "text"),
    "traceback is a lie": ("__traceback__ = property(lambda self: 5)", "Odd", "text"),
    "cause is a lie": ("__cause__ = property(lambda self: 5)", "Odd", "text"),
    "getattribute raises": ("def __getattribute__(self, name): raise OSError(name)", "Odd", "text"),
    "notes are hostile": ("__notes__ = property(lambda self: 1 / 0)", "Odd", "text"),
}


@pytest.mark.parametrize("case", HOSTILE_EXCEPTIONS)
def test_an_exception_whose_class_misbehaves_is_still_reported(
    engine: dspex.Engine, case: str
) -> None:
    body, kind, message = HOSTILE_EXCEPTIONS[case]

    outcome = engine.run(f"class Odd(Exception):\n    {body}\n\nraise Odd('text')")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == (kind, message)


def test_an_exception_with_ten_megabytes_of_text_is_cut(engine: dspex.Engine) -> None:
    outcome = engine.run("raise ValueError('abc' * (10 * 2**20 // 3) + 'END')")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.type == "ValueError"
    assert outcome.error.message.startswith("abcabc")
    assert outcome.error.message.endswith("abcEND")
    assert "characters left out" in outcome.error.message
    assert len(outcome.error.message) < 100_000
    assert len(outcome.error.traceback) < 100_000


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("class A:\n    def __repr__(self): return repr(self)\nrepr(A())", "RecursionError"),
        ("class A:\n    def __eq__(self, o): return self == o\nA() == A()", "RecursionError"),
        ("class A:\n    def __getattr__(self, n): return self.x\nA().y", "RecursionError"),
        ("def key(x): return sorted([x], key=key)\nsorted([1], key=key)", "RecursionError"),
        ("class A:\n    def __hash__(self): return hash(self)\n{A(): 1}", "RecursionError"),
        ("x = []\nfor _ in range(100_000): x = [x]\nrepr(x)", "RecursionError"),
        ("import json\nx = []\nfor _ in range(100_000): x = [x]\njson.dumps(x)", "RecursionError"),
        ("import json\njson.loads('[' * 100_000)", "RecursionError"),
        (
            "import pickle\nx = []\nfor _ in range(100_000): x = [x]\npickle.dumps(x)",
            "RecursionError",
        ),
        (
            "import copy\nx = []\nfor _ in range(100_000): x = [x]\ncopy.deepcopy(x)",
            "RecursionError",
        ),
        ("import ast\nast.literal_eval('-' * 100_000 + '1')", "MemoryError"),
        ("import re\nre.compile('(' * 10_000 + ')' * 10_000)", "RecursionError"),
        ("isinstance(1, eval('(' * 150 + 'int,' + '),' * 150)) + f()", "NameError"),
        (
            (
                "e = None\nfor n in range(5000):\n    try:\n        raise ValueError(n) from e\n"
                "    except ValueError as error: e = error\nraise e"
            ),
            "ValueError",
        ),
        ("raise ExceptionGroup('many', [ValueError(n) for n in range(10_000)])", "ExceptionGroup"),
        ("import sys\nsys.setrecursionlimit(1)", "RecursionError"),
    ],
    ids=lambda value: value.splitlines()[-1][:40],
)
def test_recursion_without_end_is_an_ordinary_exception(
    engine: dspex.Engine, code: str, kind: str
) -> None:
    outcome = engine.run(code)

    assert outcome.status == "raised", outcome.error
    assert outcome.error is not None
    assert outcome.error.type == kind
    assert len(outcome.error.traceback) < 100_000


@pytest.mark.parametrize(
    "code",
    [
        "def f(n):\n    return f(n + 1)\nf(0)",
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        "class A:\n    def __eq__(self, o): return self == o\nA() == A()",
        "def key(x): return sorted([x], key=key)\nsorted([1], key=key)",
        "class A:\n    def __call__(self): return A.__call__(self)\nA()()",
        "import functools\nf = lambda: g()\ng = functools.partial(f)\nf()",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_recursion_with_its_guard_taken_away_costs_only_this_run(
    engine: dspex.Engine, code: str
) -> None:
    outcome = engine.run(f"import sys\nsys.setrecursionlimit(10**6)\nprint('deep')\n{code}")

    assert outcome.status in {"lost", "raised", "limit"}
    assert outcome.error is not None
    assert outcome.error.message != "" or outcome.error.type == "MemoryError"


def test_a_finaliser_that_recurses_or_raises_is_reported_on_standard_error(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        "class A:\n    def __del__(self): A().__del__()\n"
        "class B:\n    def __del__(self): 1 / 0\n"
        "a, b = A(), B()\ndel b\nprint('done')\n"
    )

    assert (outcome.status, outcome.stdout) == ("ok", "done\n")
    assert "ZeroDivisionError: division by zero" in outcome.stderr


@pytest.mark.parametrize(
    ("code", "status", "stdout"),
    [
        ("atexit.register(print, 'at exit')", "ok", "at exit\n"),
        ("atexit.register(lambda: 1 / 0)", "ok", ""),
        ("atexit.register(sys.exit, 5)", "ok", ""),
        ("atexit.register(os._exit, 5)", "lost", ""),
    ],
)
def test_exit_functions_run_at_the_end_of_a_run(
    engine: dspex.Engine, code: str, status: str, stdout: str
) -> None:
    outcome = engine.run(f"import atexit, os, sys\n{code}\nNone")

    assert (outcome.status, outcome.stdout) == (status, stdout)
