"""Way out: what other requests brought along, leave behind, or are doing at the same time."""

from __future__ import annotations

import secrets

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names
from tests.escape.memory_exploit import DUMP_THE_MEMORY

PLANT = """\
import atexit, builtins, gc, json, os, random, sys, tempfile, types
open('left.txt', 'w').write(secret)
open('/tmp/left.txt', 'w').write(secret)
os.makedirs('/left')

open('sitecustomize.py', 'w').write('x = 1')
builtins.left = secret
json.left = secret
sys.modules['left'] = types.ModuleType('left')
sys.path.insert(0, '/tmp')
sys.path_hooks.insert(0, lambda path: 1 / 0)
os.environ['LEFT'] = secret
os.umask(0o777)
os.chdir('/tmp')
random.seed(1)
sys.setrecursionlimit(50)
sys.intern(secret)
gc.disable()
atexit.register(print, secret)
builtins.print = lambda *a, **k: None
sys.dont_write_bytecode = False
tempfile.tempdir = '/left'
keep = [secret * 1000 for _ in range(100)]
"""

TRACES = [
    Attempt("file", "import os\n[os.listdir('.'), os.listdir('/tmp'), os.path.exists('/left')]", "ok [[], [], False]"),
    Attempt("builtin", "import builtins\n[hasattr(builtins, 'left'), print.__module__]", "ok [False, 'builtins']"),
    Attempt("attribute of a module", "import json\nhasattr(json, 'left')", "ok False"),
    Attempt("module", "import sys\n'left' in sys.modules", "ok False"),
    Attempt("importable", "import left", "raised ModuleNotFoundError: No module named 'left'"),
    Attempt("path", "import sys\n['/tmp' in sys.path, any('lambda' in repr(h) for h in sys.path_hooks)]", "ok [False, False]"),
    Attempt("variable", "import os\nos.environ.get('LEFT')", "ok None"),
    Attempt("mask", "import os\noct(os.umask(0))", "ok '0o22'"),
    Attempt("folder", "import os\nos.getcwd()", "ok '/home/sandbox'"),
    Attempt("recursion", "import sys\nsys.getrecursionlimit()", "ok 1000"),
    Attempt("collector", "import gc\ngc.isenabled()", "ok True"),
    Attempt("exit functions", "import atexit\natexit._ncallbacks() < 5", "ok True"),
    Attempt("temporary folder", "import tempfile\ntempfile.gettempdir()", "ok '/tmp'"),
    Attempt("names", "sorted(n for n in globals() if not n.startswith('__'))", "ok ['canary']"),
    Attempt("interned text", "import gc\nsum(1 for o in gc.get_objects() if type(o) is list and len(o) == 100)", "ok 0"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", TRACES, ids=names(TRACES))
def test_no_trace_of_an_earlier_request_is_found(
    attack: Attack, canary: Canary, engine: dspex.Engine, attempt: Attempt
) -> None:
    secret = secrets.token_hex(16)
    for _ in range(2):
        planted = engine.run(PLANT, variables={"secret": secret})
        assert (planted.status, planted.stdout) == ("ok", f"{secret}\n"), planted.error

    outcome = attack(attempt.code)

    assert ending(outcome, canary) == attempt.ending
    assert secret not in outcome.to_json()


@pytest.mark.parametrize("requests_per_worker", [1, 8])
def test_the_whole_memory_of_a_guest_holds_nothing_of_earlier_ones(
    requests_per_worker: int, canary: Canary
) -> None:
    secret = secrets.token_bytes(24)
    with dspex.Engine(idle_max=1, workers_max=1, requests_per_worker=requests_per_worker) as engine:
        for _ in range(2):
            told = engine.run(
                "keep = [secret * 100 for _ in range(100)]\nopen('f', 'wb').write(secret)",
                variables={"secret": secret}, stdin=secret, files={"given": secret},
            )  # fmt: skip
            assert told.status == "ok"
        outcome = engine.run(DUMP_THE_MEMORY, variables={"size": 28 << 20})

    dump = outcome.files["dump"]
    assert (len(dump), b"MemoryError" in dump) == (28 << 20, True)
    assert secret not in dump


def test_requests_at_the_same_time_do_not_see_each_other(
    engine: dspex.Engine, canary: Canary, the_next_request_works: None
) -> None:
    look = (
        "import gc, os, time\n"
        "open('/tmp/mine', 'x').write(mine)\n"
        "time.sleep(0.1)\n"
        "found = {o for o in gc.get_objects() if type(o) is str and o.startswith('request-')}\n"
        "[os.listdir('/tmp'), open('/tmp/mine').read(), sorted(found)]"
    )
    jobs = [engine.submit(look, variables={"mine": f"request-{n}"}) for n in range(8)]

    values = [job.outcome().value for job in jobs]

    assert values == [[["mine"], f"request-{n}", []] for n in range(8)]


def test_a_request_cannot_answer_for_another(engine: dspex.Engine, canary: Canary) -> None:
    """The guest forges the report of the next run; it belongs to nobody."""
    forge = (
        "import os\n"
        'os.write((1 << 20) + 1, b\'{"status":"ok","notes":[]}\\n"forged"\')\n'
        "os._exit(0)"
    )
    with engine.session() as session:
        ended = session.run(forge)
        assert ending(ended, canary) == (
            "lost GuestExited: the guest ended its own process: exit status 0"
        )
        assert ended.value is None
        assert (session.closed, ended.session_usable) == (True, False)
    assert engine.run("'mine'").value == "mine"


def test_twin_a_session_keeps_its_own_data_and_no_other_gets_it(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    with engine.session() as one, engine.session() as other:
        one.run("x = 'one'\nopen('f', 'w').write('one')\nimport json\njson.mine = 1")

        assert one.run("import json\n[x, open('f').read(), json.mine]").value == ["one", "one", 1]
        assert other.run(
            "import json, os\n['x' in dir(), os.listdir('.'), hasattr(json, 'mine')]"
        ).value == [False, [], False]
