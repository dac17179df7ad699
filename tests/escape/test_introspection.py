"""Way out: Python's own mirrors, followed until something of the host shows. Nothing of it is there.

A guest may look at all of its own interpreter, the driver's frames included; what matters is that the
interpreter holds nothing of the host. The named tricks of published escapes are in their own file.
"""

from __future__ import annotations

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

HOST_MODULES = [
    "wasmtime",
    "msgspec",
    "dspex",
    "psutil",
    "trio",
    "pydantic",
    "_cffi_backend",
    "ctypes",
]

MIRRORS = [
    Attempt("subclasses", "sorted({c.__module__.split('.')[0] for c in object.__subclasses__()} & set(host))", "ok []"),
    Attempt("all objects", "import gc\nsorted({type(o).__module__.split('.')[0] for o in gc.get_objects()} & set(host))", "ok []"),
    Attempt("all modules", "import sys\nsorted({n.split('.')[0] for n in sys.modules} & set(host))", "ok []"),
    Attempt("all that can be imported", "import importlib.util as u\n[n for n in host if u.find_spec(n) and n != 'ctypes']", "ok []"),
    Attempt("foreign functions", "import ctypes", "raised ModuleNotFoundError: No module named '_ctypes'"),
    Attempt("foreign functions below", "import _ctypes", "raised ModuleNotFoundError: No module named '_ctypes'"),
    Attempt("library by name", "import ctypes.util\nctypes.util.find_library('c')", "raised ModuleNotFoundError: No module named '_ctypes'"),
    Attempt("native module", "import importlib.machinery as m, importlib.util as u\nopen('x.so', 'wb').write(b'\\x7fELF')\ns = u.spec_from_file_location('x', 'x.so', loader=m.ExtensionFileLoader('x', 'x.so'))\nu.module_from_spec(s)", "raised ImportError: unknown dlopen() error"),
    Attempt("native module by hand", "import _imp\n_imp.create_dynamic(None)", "raised AttributeError: 'NoneType' object has no attribute 'name'"),
    Attempt("wasm module", "import importlib.machinery as m, importlib.util as u\nopen('x.so', 'wb').write(b'\\0asm\\1\\0\\0\\0')\ns = u.spec_from_file_location('x', 'x.so', loader=m.ExtensionFileLoader('x', 'x.so'))\nu.module_from_spec(s)", "raised ImportError: unknown dlopen() error"),
    Attempt("sqlite extension", "import sqlite3\nc = sqlite3.connect(':memory:')\nc.enable_load_extension(True)\nc.load_extension('x')", "raised AttributeError: 'sqlite3.Connection' object has no attribute 'enable_load_extension'"),
    Attempt("outermost frame", "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\n[f.f_code.co_name, sorted(f.f_locals)]", "ok ['turn', ['reply']]"),
    Attempt("head of the request", "import sys\nf = sys._getframe()\nwhile f.f_back.f_back: f = f.f_back\n[k for k, v in f.f_locals['head'].items() if 'dspex' in str(v) or '/' in str(v)]", "ok []"),
    Attempt("frames of all threads", "import sys\nlen(sys._current_frames())", "ok 1"),
    Attempt("audit hook", "import sys\nseen = []\nsys.addaudithook(lambda n, a: seen.append(n))\nopen('x', 'w').close()\n[n for n in seen if n != 'open']", "ok ['exec']"),
    Attempt("trace of the driver", "import sys\nseen = []\nsys.setprofile(lambda f, e, a: seen.append(f.f_code.co_filename))\nlen('')\nsys.setprofile(None)\nsorted(set(seen))", "ok ['main.py']"),
    Attempt("monitoring", "import sys\nsys.monitoring.use_tool_id(0, 'x')\nsys.monitoring.get_tool(0)", "ok 'x'"),
    Attempt("capsules", "import gc\n[repr(o)[:20] for o in gc.get_objects() if type(o).__name__ == 'PyCapsule']", "ok []"),
    Attempt("file names of code", "import gc, types\nsorted({o.__code__.co_filename for o in gc.get_objects() if type(o) is types.FunctionType and ('site-packages' in o.__code__.co_filename or canary['folder'] in o.__code__.co_filename)})", "ok []"),
    Attempt("allocator", "import sys\nsys._debugmallocstats()", "ok None"),
    Attempt("traceback of the driver", "import traceback\n[f.filename for f in traceback.extract_stack() if canary['folder'] in f.filename or 'dspex' in f.filename]", "ok ['/lib/python314.zip/dspex_guest/python_driver.py', '/lib/python314.zip/dspex_guest/python_driver.py', '/lib/python314.zip/dspex_guest/python_driver.py', '/lib/python314.zip/dspex_guest/python_driver.py']"),
    Attempt("snapshot of tracemalloc", "import tracemalloc\ntracemalloc.start()\nx = [bytes(9)]\n[s.traceback[0].filename for s in tracemalloc.take_snapshot().statistics('filename')]", "ok ['/lib/python314.zip/dspex_guest/python_driver.py', 'main.py']"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", MIRRORS, ids=names(MIRRORS))
def test_no_mirror_shows_the_host(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    outcome = attack(f"host = {HOST_MODULES!r}\n{attempt.code}")

    assert ending(outcome, canary) == attempt.ending


def test_a_walk_over_everything_reachable_finds_no_text_of_the_host(
    attack: Attack, canary: Canary
) -> None:
    outcome = attack(
        "import gc, sys\n"
        "told = [canary['folder'], 'wasmtime', 'zygote']\n"
        "mine = {id(told), id(canary)}\n"
        "seen, found, todo = set(), [], [sys.modules, gc.get_objects(), sys._getframe().f_back.f_back]\n"
        "while todo:\n"
        "    thing = todo.pop()\n"
        "    if id(thing) in seen or id(thing) in mine:\n"
        "        continue\n"
        "    seen.add(id(thing))\n"
        "    if type(thing) in (str, bytes):\n"
        "        text = thing if type(thing) is str else thing.decode('latin-1')\n"
        "        if any(one in text for one in told) and text not in told and 'told = ' not in text:\n"
        "            found.append(text[:60])\n"
        "    else:\n"
        "        todo += gc.get_referents(thing)\n"
        "[len(seen) > 20_000, sorted(set(found))]"
    )

    assert outcome.status == "ok", outcome.error
    walked, found = outcome.value
    assert walked
    assert found == []


def test_an_outcome_describes_and_never_rebuilds(engine: dspex.Engine, canary: Canary) -> None:
    """What a guest's class calls itself is text on this side."""
    outcome = engine.run(
        "class Evil(Exception):\n"
        "    def __reduce__(self): return (open, ('made', 'w'))\n"
        "Evil.__module__ = 'os'\nEvil.__qualname__ = 'system'\n"
        "raise Evil('touch made')"
    )

    assert ending(outcome, canary) == "raised os.system: touch made"
    with pytest.raises(dspex.GuestRaised) as caught:
        outcome.value_or_raise()
    assert type(caught.value) is dspex.GuestRaised


def test_twin_a_program_may_look_at_itself(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import dis, gc, inspect, sys\n"
        "def f(a, b=2): return a\n"
        "class C: x: int = 1\n"
        "[str(inspect.signature(f)), C.__annotations__['x'].__name__, inspect.currentframe().f_lineno,\n"
        " C in object.__subclasses__(), any(o is C for o in gc.get_objects()),\n"
        " [i.opname for i in dis.get_instructions(f)][-1]]"
    )

    assert (outcome.status, outcome.value) == (
        "ok",
        ["(a, b=2)", "int", 4, True, True, "RETURN_VALUE"],
    )
