"""One run of restricted Python: the same contract as Python's, and all findings at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import dspex
from tests.restricted.conftest import LANGUAGE

Run = Callable[..., dspex.Outcome]


def test_all_findings_come_at_once_with_places_and_hints(run: Run) -> None:
    outcome = run("import os, marshal\nprint.__globals__\nif 0:\n    eval('1')\nos.system('ls')\n")

    assert outcome.status == "refused"
    assert [(one.line, one.column, one.message, one.hint) for one in outcome.error.findings] == [
        (1, 1, "module 'marshal' is not offered", "json keeps data without code"),
        (2, 1, "attribute '__globals__' is not reachable",
         "a function's module is not reachable; pass values as arguments"),
        (4, 5, "eval() is not offered",
         "ast.literal_eval reads data; write the expression itself otherwise"),
        (5, 1, "'os.system' is not offered", "no other program can be run"),
    ]  # fmt: skip


def test_a_refused_program_has_not_run(run: Run) -> None:
    outcome = run("print('ran')\nimport ctypes")

    assert (outcome.status, outcome.stdout) == ("refused", "")


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = (", 1, "'(' was never closed"),
        ("\nreturn 1", 2, "'return' outside function"),
        ("'\\N{no such name}'", 1, None),
        ("x" + " + x" * 100_000, 0, None),
    ],
    ids=["open", "return", "escape", "deep"],
)
def test_what_python_itself_refuses_is_refused(run: Run, code: str, line: int, message: str | None) -> None:
    outcome = run(code)

    assert outcome.status == "refused"
    assert outcome.error.findings[0].line == line
    assert message is None or outcome.error.message == message


def test_everything_given_arrives_and_everything_made_comes_back(run: Run) -> None:
    outcome = run(
        "import os, sys\n"
        "name = input()\n"
        "print(name, sys.argv[1:], os.environ['TZ'], open('in.txt').read())\n"
        "print('err', file=sys.stderr)\n"
        "os.makedirs('a/b')\n"
        "with open('a/b/c.bin', 'wb') as file: file.write(bytes(3))\n"
        "open('left.txt', 'w').write('open')\n"
        "{'n': n + 1}",
        stdin="Ada\n", args=["--x"], env={"TZ": "UTC"}, files={"in.txt": "hi"}, variables={"n": 2**70},
    )  # fmt: skip

    assert outcome.ok, outcome.error
    assert (outcome.stdout, outcome.stderr) == ("Ada ['--x'] UTC hi\n", "err\n")
    assert outcome.value == {"n": 2**70 + 1}
    assert outcome.files == {"a/b/c.bin": bytes(3), "left.txt": b"open"}
    assert "wasm" not in outcome.isolation
    assert {"seccomp", "landlock", "empty_root", "network_namespace"} <= set(outcome.isolation)


def test_arrays_cross_both_ways(run: Run) -> None:
    outcome = run("import numpy as np\n(a * 2, a.sum(), np.linalg.norm(a))", variables={"a": np.arange(4.0)})

    doubled, total, norm = outcome.value
    assert doubled.dtype == np.float64
    assert doubled.tolist() == [0, 2, 4, 6]
    assert (total, norm) == (6.0, pytest.approx(14**0.5))


def test_tracebacks_show_the_program_alone(run: Run) -> None:
    outcome = run("import json\ndef f(text):\n    return json.loads(text)\n\nf('{')")

    assert outcome.error.type == "json.decoder.JSONDecodeError"
    assert [line for line in outcome.error.traceback.splitlines() if "File" in line] == [
        '  File "main.py", line 5, in <module>',
        '  File "main.py", line 3, in f',
    ]


@pytest.mark.parametrize(
    ("code", "limit", "noticed_by"),
    [
        ("while True: pass", "wall_s", "inner"),
        ("import time\ntime.sleep(60)", "wall_s", "inner"),
        ("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", "wall_s", "inner"),
        ("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", "wall_s", "inner"),
        ("try:\n    while True: pass\nexcept BaseException:\n    1", "wall_s", "inner"),
        ("'a' * 10**12", "memory_bytes", "inner"),
        ("open('x', 'wb').write(bytes(10**8))", "file_bytes", "inner"),
        ("while True: print('x' * 1000)", "output_bytes", "inner"),
        ("x = []\nfor i in range(200): x = [x]\nx", "value_depth", "inner"),
    ],
)
def test_limits_end_a_program(run: Run, code: str, limit: str, noticed_by: str) -> None:
    outcome = run(code, timeout_s=0.5 if limit == "wall_s" else 10)

    assert outcome.status == "limit", outcome
    assert (outcome.error.limit, outcome.error.noticed_by) == (limit, noticed_by)
    assert outcome.stderr == ""


def test_what_never_comes_back_from_c_is_killed(run: Run) -> None:
    outcome = run("10**10**9", timeout_s=0.3)

    assert (outcome.status, outcome.error.limit) in {("limit", "wall_s"), ("limit", "memory_bytes")}
    assert run("1 + 1").value == 2


@pytest.mark.parametrize(
    "code",
    [
        "def f(n): return f(n + 1)\nf(0)",
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return f(n + 1)\nf(0)",
        "import sys\nsys.setrecursionlimit(10**6)\nx = []\nfor i in range(10**5): x = [x]\nrepr(x)",
        "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n    def __add__(self, o): return self + o\nA() + 1",
        "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().a",
    ],
)
def test_deep_recursion_is_an_exception(run: Run, code: str) -> None:
    assert run(code).error.type == "RecursionError"


def test_names_that_the_library_uses_are_a_programs_own_on_its_own_objects(run: Run) -> None:
    outcome = run(
        "class Box:\n"
        "    def __init__(self, items):\n"
        "        self._data: list[int] = items\n"
        "        self._size = self._count = len(items)\n"
        "    def add(self, one):\n"
        "        self._data += [one]\n"
        "        self._size += 1\n"
        "        (self._count, self._last) = (self._size, one)\n"
        "        del self._last\n"
        "        return self\n"
        "box = Box([1]).add(2).add(3)\n"
        "[box._data, box._size, box._count, sorted(vars(box))]"
    )

    assert outcome.value == [[1, 2, 3], 3, 3, ["_count", "_data", "_size"]]


def test_tools_are_called_and_awaited(run: Run) -> None:
    async def later(x: int) -> int:
        return x * 2

    outcome = run(
        "import asyncio\n[now(1), await later(2), *await asyncio.gather(later(3), later(4))]",
        tools={"now": lambda x: x + 1, "later": later},
    )

    assert outcome.value == [2, 4, 6, 8]


def test_a_session_keeps_names_and_survives_a_limit(restricted: dspex.Engine) -> None:
    with restricted.session(language=LANGUAGE) as session:
        session.run("x = 41\nclass A:\n    def f(self): return x")
        assert session.run("while True: pass", timeout_s=0.3).error.limit == "wall_s"
        assert session.run("x += 1\nA().f()").value == 42
        assert 'File "main-4.py", line 1' in session.run("1 / 0").error.traceback


def test_nothing_of_one_run_reaches_the_next(run: Run) -> None:
    run("import random, decimal\nrandom.seed(1)\ndecimal.getcontext().prec = 3\nx = 1\nopen('f', 'w').close()")

    outcome = run("import os, decimal\n[decimal.getcontext().prec, 'x' in globals(), os.listdir()]")

    assert outcome.value == [28, False, []]
    assert run("import random\nrandom.random()").value != run("import random\nrandom.random()").value


@pytest.mark.parametrize("draw", ["np.random.rand()", "np.random.default_rng().random()"])
def test_what_numpy_draws_is_new_in_each_run_and_repeatable_if_asked_for(
    restricted: dspex.Engine, draw: str
) -> None:
    pytest.importorskip("numpy", reason="NUMPY IS NOT INSTALLED: what it draws is not tested")
    code = f"import numpy as np\nfloat({draw})"
    assert len({restricted.run(code, language=LANGUAGE).value for _ in range(3)}) == 3
    policy = dspex.Policy.load("compute").model_copy(
        update={"deterministic": dspex.policy.Deterministic()}
    )
    assert len({restricted.run(code, language=LANGUAGE, policy=policy).value for _ in range(3)}) == 1


def test_repeatable_runs_are_the_same(restricted: dspex.Engine) -> None:
    policy = dspex.Policy.load("compute").model_copy(
        update={"deterministic": dspex.policy.Deterministic()}
    )
    code = (
        "import time, random, uuid, secrets\nfrom datetime import datetime\n"
        "time.sleep(3600)\n"
        "[time.time(), random.random(), str(uuid.uuid4()), secrets.token_hex(), str(datetime.now())]"
    )

    first, second = (restricted.run(code, language=LANGUAGE, policy=policy).value for _ in range(2))

    assert first == second
    assert first[0] > 3600


def test_a_worker_serves_one_run_whatever_the_engine_says() -> None:
    with dspex.Engine(policy="compute", requests_per_worker=50, languages=[LANGUAGE], idle_max=1) as engine:
        code = "import decimal\nbefore = decimal.getcontext().prec\ndecimal.getcontext().prec += 1\nbefore"
        assert [engine.run(code, language=LANGUAGE).value for _ in range(3)] == [28, 28, 28]


def test_files_of_the_programs_own_are_modules_under_the_same_policy(run: Run) -> None:
    files = {"shapes/__init__.py": "from .square import area", "shapes/square.py": "def area(n): return n * n",
             "bad.py": "x = print.__self__\nimport ctypes"}  # fmt: skip

    assert run("from shapes import area\nimport shapes.square as s\n[area(3), s.area(2)]", files=files).value == [9, 4]
    spoilt = run("import shapes\nobject.__setattr__(shapes, '<type>', lambda x: int)", files=files)
    assert spoilt.error.message == "attribute '<type>' cannot be changed"
    error = run("import bad", files=files).error
    assert error.type.endswith("ImportRefused")
    assert error.message == "bad.py, line 2: module 'ctypes' is not offered"
