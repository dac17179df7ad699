"""Whatever a program does, its run ends in the right status with a clear error, and the next works.

Here: source that is none, programs that end or break their interpreter, and programs that want too
much. Hostile values are in `test_bad_values`, hostile arguments of the caller in
`test_bad_requests`; ways out of the sandbox are in `tests/escape`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERRUN_S_MAX = 3.0
"""How much longer than its limit a run may take on a machine that is shared with other work."""


@pytest.fixture(autouse=True)
def _the_next_request_works(engine: dspex.Engine) -> Iterator[None]:
    yield
    after = engine.run("print('still', 'here')\nlen([1, 2, 3])")
    assert (after.status, after.value, after.stdout, after.stderr) == ("ok", 3, "still here\n", "")


def tight(**limits: Any) -> Policy:
    """Return the usual policy with some limits made stricter."""
    return Policy(name="tight", limits=Limits(**limits), languages=frozenset({"python"}))


# Source


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("x = = 1", 1, 5, "invalid syntax"),
        ("for x in y\n    pass", 1, 11, "expected ':'"),
        (
            "print('ok')\nif True:\nprint(1)",
            3,
            1,
            "expected an indented block after 'if' statement on line 2",
        ),
        ("x = (1,\n", 1, 5, "'(' was never closed"),
        ("s = 'abc", 1, 5, "unterminated string literal (detected at line 1)"),
        ("x = 1\n  y = 2", 2, 3, "unexpected indent"),
        ("return 5", 1, 1, "'return' outside function"),
        ("def f():\n    nonlocal x", 2, 5, "no binding for nonlocal 'x' found"),
        ("break", 1, 1, "'break' outside loop"),
        ("print 'hello'", 1, 1, "Missing parentheses in call to 'print'. Did you mean print(...)?"),
        (
            "x = 0777",
            1,
            5,
            "leading zeros in decimal integer literals are not permitted; "
            "use an 0o prefix for octal integers",
        ),
        ("a b", 1, 1, "invalid syntax"),
        ("f(x for x in y, 1)", 1, 3, "Generator expression must be parenthesized"),
        ("x = 5 €", 1, 7, "invalid character '€' (U+20AC)"),
        ("\u200bx = 1", 1, 1, "invalid non-printable character U+200B"),
        (
            "if True:\n\tx = 1\n        y = 2",
            3,
            15,
            "unindent does not match any outer indentation level",
        ),
    ],
)
def test_source_that_is_no_python_is_refused_with_its_place(
    engine: dspex.Engine, source: str, line: int, column: int, message: str
) -> None:
    outcome = engine.run(source)

    assert (outcome.status, outcome.value, outcome.stdout) == ("refused", None, "")
    assert outcome.error is not None
    assert [(f.line, f.column, f.message) for f in outcome.error.findings] == [
        (line, column, message)
    ]


def test_source_that_is_no_python_is_refused_with_the_exception_that_python_has_for_it(
    engine: dspex.Engine,
) -> None:
    types = [
        engine.run(source).error
        for source in ("x = = 1", "x = 1\n  y = 2", "if 1:\n\tx\n        y", "x = '\0'")
    ]

    assert [error.type for error in types if error] == [
        "SyntaxError",
        "IndentationError",
        "IndentationError",
        "SyntaxError",
    ]


def test_a_nul_byte_in_the_source_is_refused(engine: dspex.Engine) -> None:
    outcome = engine.run("print(1)\nx = 'a\0b'\n")

    assert (outcome.status, outcome.stdout) == ("refused", "")
    assert outcome.error is not None
    assert [f.message for f in outcome.error.findings] == [
        "source code string cannot contain null bytes"
    ]


def test_source_with_half_a_surrogate_pair_is_refused(engine: dspex.Engine) -> None:
    outcome = engine.run("x = 1\ny = '\ud800'\n")

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert [(f.line, f.column) for f in outcome.error.findings] == [(2, 6)]
    assert "U+D800" in outcome.error.findings[0].message


@pytest.mark.parametrize("source", [b"x = 1", bytearray(b"x"), None, 5, ["x = 1"]], ids=repr)
def test_source_that_is_no_text_is_the_callers_mistake(engine: dspex.Engine, source: Any) -> None:
    with pytest.raises(TypeError, match=f"source: str expected, {type(source).__name__} given"):
        engine.run(source)


def test_fifty_megabytes_of_source_are_refused_before_they_travel(engine: dspex.Engine) -> None:
    began = time.monotonic()

    outcome = engine.run("x = 1\n" * (50 * MIB // 6))

    assert outcome.status == "limit"
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("source_bytes", 10 * MIB)
    assert outcome.error.spent == 6 * (50 * MIB // 6)
    assert outcome.error.noticed_by == "inner"
    assert time.monotonic() - began < OVERRUN_S_MAX


def test_the_limit_of_the_source_is_exact(engine: dspex.Engine) -> None:
    policy = tight(source_bytes=100)

    just_fits = engine.run("#" + "é" * 48 + "\n7", policy=policy)
    too_long = engine.run("#" + "é" * 48 + "\n 7\n", policy=policy)

    assert (just_fits.status, just_fits.value) == ("ok", 7)
    assert (too_long.status, too_long.error and too_long.error.spent) == ("limit", 101)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 50_000 + ")" * 50_000,
        "[" * 10_000,
        "-" * 100_000 + "1",
        "x" + ".a" * 100_000,
        "1" + " + 1" * 100_000,
        "f(" * 5_000 + ")" * 5_000,
        "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 300)) + " " * 300 + "x",
        "lambda: " * 20_000 + "1",
        "x = " * 100_000 + "1",
        "not " * 100_000 + "1",
    ],
    ids=lambda source: source[:8],
)
def test_source_that_is_nested_too_deeply_is_refused(engine: dspex.Engine, source: str) -> None:
    outcome = engine.run(source)

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert outcome.error.findings[0].message != ""


def test_odd_source_that_python_accepts_is_accepted(engine: dspex.Engine) -> None:
    programs = {
        "": None,
        "\n\n  \n": None,
        "# only a comment": None,
        "'''only a docstring'''": "only a docstring",
        "x = 1\r\ny = 2\r\nx + y": 3,
        "\x0c\nx = 5\n\x0cx": 5,
        "# -*- coding: latin-1 -*-\n'é'": "é",
        "ｘ = 4\nx": 4,
        "x = 1;": None,
        "x = 2\nx;": 2,
        "1 if True else \\\n2": 1,
        "#!/usr/bin/env python3\n9": 9,
        "\ufeff'byte order mark'": "byte order mark",
        "if True:\n    8": None,
        "x = [\n" + "1,\n" * 50_000 + "]\nlen(x)": 50_000,
    }

    outcomes = {source: engine.run(source) for source in programs}

    assert {s: (o.status, o.value) for s, o in outcomes.items()} == {
        source: ("ok", value) for source, value in programs.items()
    }


# Leaving


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
        ("os._exit(0)", "GuestExited", "the program ended its interpreter with exit status 0"),
        ("os._exit(3)", "GuestExited", "the program ended its interpreter with exit status 3"),
        ("os._exit(259)", "GuestExited", "the program ended its interpreter with exit status 3"),
        ("os.abort()", "GuestAborted", "the program's interpreter called abort()"),
        ("os.kill(os.getpid(), 9)", "GuestExited", "by signal 9"),
        ("signal.raise_signal(signal.SIGTERM)", "GuestExited", "by signal 15"),
        ("signal.raise_signal(signal.SIGSEGV)", "GuestExited", "by signal 11"),
        ("faulthandler._sigabrt()", "GuestAborted", "abort()"),
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
    assert outcome.error.type == kind
    assert message in outcome.error.message


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes\nctypes.string_at(2**32 - 16, 64)",
        "import ctypes\nctypes.memset(0, 255, 60_000_000)",
        "import ctypes\nctypes.cast(12345, ctypes.CFUNCTYPE(None))()",
        "import _testcapi\n_testcapi.fatal_error(b'enough')",
        "(lambda: 0).__code__.replace(co_code=b'\\xff\\xff' * 100).__class__\n"
        "eval((lambda: 0).__code__.replace(co_code=b'\\x65\\xff' * 50, co_names=(), co_stacksize=0))",
    ],
    ids=["read beyond memory", "overwrite memory", "wild call", "fatal error", "bad bytecode"],
)
def test_memory_abuse_breaks_only_the_programs_own_interpreter(
    engine: dspex.Engine, code: str
) -> None:
    outcome = engine.run(f"print('before', flush=True)\n{code}\nprint('after')")

    assert outcome.status in {"lost", "raised"}
    assert outcome.stdout == "before\n"
    assert outcome.error is not None
    assert outcome.error.type != ""


# Breaking what the interpreter stands on


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
        "import builtins\nfor name in dir(builtins):\n    setattr(builtins, name, None)",
        "__builtins__ = {}",
        "import sys\nsys.modules.clear()",
        "import sys\nfor name in list(sys.modules):\n    sys.modules[name] = None",
        "import sys\nsys.path.clear(); sys.meta_path.clear(); sys.path_hooks.clear()",
        "import sys\nsys.modules['__main__'].__dict__.clear()",
        "globals().clear()",
        "import json, traceback, ast, linecache, posix\n"
        "for m in (json, traceback, ast, linecache, posix):\n    m.__dict__.clear()",
        "import sys\nsys.settrace(lambda *a: 1 / 0)",
        "import sys\nsys.setprofile(lambda *a: 1 / 0)",
        "import sys\nsys.settrace(lambda *a: None)\nsys.setrecursionlimit(50)",
        "import sys\nsys.excepthook = sys.displayhook = sys.unraisablehook = None",
        "import gc\ngc.disable()\ngc.set_threshold(1)\ngc.freeze()",
        "import os\nos.chdir('/')\nos.environ.clear()",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import atexit\natexit._clear()\natexit.unregister(print)",
        "import warnings\nwarnings.simplefilter('error')\nimport asyncio\nasyncio.iscoroutine(1)",
        "import decimal\ndecimal.getcontext().prec = 1",
        "import locale, time, os\nos.environ['TZ'] = 'nowhere'\ntime.tzset()",
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
        ("import os\nos.fork()", "AttributeError", "module 'os' has no attribute 'fork'"),
        ("x" * 1000, "NameError", f"name '{'x' * 1000}' is not defined"),
        (
            "import asyncio\nasyncio.new_event_loop().run_forever()",
            "RuntimeError",
            "the event loop waits for something that can never happen in the sandbox: "
            "no task is ready and no timer is set",
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


# Exceptions that are themselves hostile


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
        ("import ast\nast.literal_eval('-' * 100_000 + '1')", "RecursionError"),
        ("import re\nre.compile('(' * 10_000 + ')' * 10_000)", "RecursionError"),
        ("isinstance(1, eval('(' * 150 + 'int,' + '),' * 150)) + f()", "NameError"),
        (
            "e = None\nfor n in range(5000):\n    try:\n        raise ValueError(n) from e\n"
            "    except ValueError as error: e = error\nraise e",
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


# Limits


def check_limit(outcome: dspex.Outcome, limit: str, allowed: float, noticed_by: str) -> None:
    """Assert that a run ended at one limit, and that everything about it was said."""
    assert outcome.status == "limit", outcome.error
    error = outcome.error
    assert error is not None
    assert (error.limit, error.allowed, error.noticed_by) == (limit, allowed, noticed_by)
    assert error.type == "LimitExceeded"
    assert error.message.startswith(f"{limit}: ")
    assert error.message.endswith(f"noticed by the {noticed_by} guard")


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    finally:\n        pass",
        "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
        "sum(1 for _ in iter(int, 1))",
        "import time\ntime.sleep(1000)",
        "import asyncio\nasyncio.run(asyncio.sleep(1000))",
        "import itertools\nfor _ in itertools.count(): pass",
        "def f():\n    while True: yield\nany(x for x in f())",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_loop_without_end_is_interrupted_at_its_deadline(engine: dspex.Engine, code: str) -> None:
    began = time.monotonic()

    outcome = engine.run(f"print('begin', flush=True)\n{code}", timeout_s=0.5)

    check_limit(outcome, "wall_s", 0.5, "inner")
    assert outcome.stdout == "begin\n"
    assert time.monotonic() - began < 0.5 + OVERRUN_S_MAX


@pytest.mark.parametrize(
    "code",
    [
        "10 ** 10 ** 8",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "import signal\nsignal.signal(signal.SIGINT, lambda *a: None)\nwhile True: pass",
        "[0] * 10**7 == [0] * 10**7 and max(range(10**12))",
        "len(str(7 ** 10**7))",
        "import itertools\nlist(itertools.compress(itertools.count(), iter(int, 1)))",
        "import collections, itertools\ncollections.deque(itertools.count(), maxlen=0)",
        "class A:\n    def __del__(self):\n        while True: pass\nA()\nNone",
        "import atexit\n@atexit.register\ndef last():\n    while True: pass\n",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_program_that_cannot_be_interrupted_is_killed_after_its_grace(
    engine: dspex.Engine, code: str
) -> None:
    began = time.monotonic()

    outcome = engine.run(f"import sys\nsys.set_int_max_str_digits(0)\n{code}", timeout_s=0.5)

    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("wall_s", 0.5)
    assert time.monotonic() - began < 0.5 + 0.25 + OVERRUN_S_MAX


def test_processor_time_is_limited_on_its_own(engine: dspex.Engine) -> None:
    outcome = engine.run("while True: pass", policy=tight(cpu_s=0.3, wall_s=8.0))

    check_limit(outcome, "cpu_s", 0.3, "inner")


def test_sleeping_costs_no_processor_time(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import time\ntime.sleep(0.6)\n'rested'", policy=tight(cpu_s=0.3, wall_s=8.0)
    )

    assert (outcome.status, outcome.value) == ("ok", "rested")
    assert outcome.usage.wall_s >= 0.6
    assert outcome.usage.cpu_s < 0.3


@pytest.mark.parametrize(
    "code",
    [
        "'a' * 10**9",
        "[0] * 10**8",
        "bytearray(2**31 - 1)",
        "x = []\nwhile True: x.append(bytes(2**20))",
        "x = 'abc'\nwhile True: x += x",
        "d = {}\nn = 0\nwhile True:\n    d[n] = [n]\n    n += 1",
        "list(range(10**9))",
        "import array\narray.array('d', bytes(8)) * 10**8",
        "1 << (8 * 2**30)",
        "'%2000000000d' % 1",
        "b'x' * 10**9",
        "x = []\nwhile True: x = [x, bytes(10**6)]",
        "import zlib\nzlib.decompress(zlib.compress(bytes(10**8)), bufsize=10**9)",
        "import mmap\nmmap.mmap(-1, 2**31 - 4096)",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_program_that_wants_more_memory_than_it_has_ends_at_the_limit(
    engine: dspex.Engine, code: str
) -> None:
    outcome = engine.run(f"print('begin', flush=True)\n{code}")

    check_limit(outcome, "memory_bytes", 256 * MIB, "inner")
    assert outcome.stdout == "begin\n"
    assert outcome.usage.peak_memory_bytes <= 256 * MIB


def test_a_program_that_catches_its_memory_error_goes_on(engine: dspex.Engine) -> None:
    outcome = engine.run("try:\n    x = 'a' * 10**9\nexcept MemoryError:\n    x = 'less'\nx")

    assert (outcome.status, outcome.value) == ("ok", "less")


def test_a_memory_error_of_the_programs_own_is_an_ordinary_exception(engine: dspex.Engine) -> None:
    outcome = engine.run("raise MemoryError('pretended')")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("MemoryError", "pretended")


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(1024): print('x' * 2**20)",
        "while True: print('flood')",
        "import sys\nwhile True: sys.stderr.write('flood')",
        "import os\nwhile True: os.write(1, b'flood' * 1000)",
        "import sys\nsys.stdout.write('x' * 2**24)\nsys.stdout.flush()",
        "while True:\n    try: print('flood')\n    except OSError: pass",
        "while True:\n    try: print('flood')\n    except BaseException: pass",
    ],
    ids=lambda code: code.splitlines()[-1][:40],
)
def test_a_flood_of_output_is_cut_exactly_at_the_limit(engine: dspex.Engine, code: str) -> None:
    outcome = engine.run(code)

    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("output_bytes", MIB)
    assert outcome.truncated
    assert len(outcome.stdout.encode()) + len(outcome.stderr.encode()) == MIB
    assert outcome.usage.output_bytes == MIB


def test_the_limit_of_the_output_is_exact(engine: dspex.Engine) -> None:
    policy = tight(output_bytes=100)

    just_fits = engine.run(
        "import sys\nsys.stderr.write('e' * 40)\nprint('é' * 30, end='')", policy=policy
    )
    one_more = engine.run(
        "import sys\nsys.stderr.write('e' * 40)\nprint('é' * 30, end='!')", policy=policy
    )

    assert (just_fits.status, just_fits.truncated) == ("ok", False)
    assert (just_fits.stdout, just_fits.stderr) == ("é" * 30, "e" * 40)
    check_limit(one_more, "output_bytes", 100, "inner")
    assert (one_more.truncated, one_more.stdout, one_more.stderr) == (True, "é" * 30, "e" * 40)


def test_output_that_is_cut_within_a_character_stays_text(engine: dspex.Engine) -> None:
    outcome = engine.run("print('€' * 100)", policy=tight(output_bytes=100))

    check_limit(outcome, "output_bytes", 100, "inner")
    assert outcome.stdout.startswith("€" * 33)
    assert len(outcome.stdout) <= 34


def test_output_that_is_no_text_is_shown_as_far_as_it_can_be(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b\\n')\nprint('\\x1b[31mred\\x00', '\\u2028')\n"
    )

    assert outcome.status == "ok"
    assert outcome.stdout == "a\ufffd\0b\n\x1b[31mred\0 \u2028\n"


def test_printing_half_a_surrogate_pair_is_the_exception_that_python_has_for_it(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run("print('before')\nprint('\\ud800')")

    assert (outcome.status, outcome.stdout) == ("raised", "before\n")
    assert outcome.error is not None
    assert outcome.error.type == "UnicodeEncodeError"


@pytest.mark.parametrize(
    ("code", "limits", "limit"),
    [
        ("open('big', 'wb').write(bytes(3_000_000))", {"file_bytes": 1_000_000}, "file_bytes"),
        ("f = open('big', 'wb')\nf.truncate(10**12)", {"file_bytes": 1_000_000}, "file_bytes"),
        (
            "f = open('/tmp/big', 'wb')\nf.seek(10**9)\nf.write(b'x')\nf.flush()",
            {"file_bytes": 1_000_000},
            "file_bytes",
        ),
        ("for n in range(100): open(f'{n}', 'w').close()", {"file_count": 50}, "file_count"),
        ("import os\nfor n in range(100): os.mkdir(f'd{n}')", {"file_count": 50}, "file_count"),
        (
            "import os\nfor n in range(100): os.symlink('x', f'l{n}')",
            {"file_count": 50},
            "file_count",
        ),
        (
            "import os\nd = '.'\nfor n in range(60):\n    d += '/d'\n    os.mkdir(d)",
            {"file_count": 50},
            "file_count",
        ),
        ("fs = [open('one', 'w') for _ in range(100)]", {"open_files": 20}, "open_files"),
        ("import os\nwhile True: os.dup(1)", {"open_files": 20}, "open_files"),
        ("import os\nwhile True: os.pipe()", {"open_files": 20}, "open_files"),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) else "",
)
def test_a_program_that_fills_its_file_system_ends_at_the_limit(
    engine: dspex.Engine, code: str, limits: dict[str, int], limit: str
) -> None:
    outcome = engine.run(code, policy=tight(**limits))

    check_limit(outcome, limit, limits[limit], "inner")


def test_a_program_that_catches_the_full_disk_goes_on(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import errno\n"
        "try:\n    open('big', 'wb').write(bytes(3_000_000))\n"
        "except OSError as error:\n    kind = error.errno == errno.ENOSPC, error.strerror\n"
        "import os\nos.remove('big')\nopen('small', 'w').write('fits')\nkind",
        policy=tight(file_bytes=1_000_000),
    )

    assert (outcome.status, outcome.value) == ("ok", (True, "No space left on device"))
    assert outcome.files == {"small": b"fits"}
