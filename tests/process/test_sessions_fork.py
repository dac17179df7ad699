"""A copy of a session goes on from its state; afterwards neither sees anything of the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import trio

import dspex
from dspex.policy import Deterministic, Mount, Policy
from dspex.supervisor.pool import Pool

if TYPE_CHECKING:
    from pathlib import Path

STATE = """
import asyncio, collections, dataclasses, decimal, random, re
sys = __import__("sys")
@dataclasses.dataclass
class Point:
    x: int
    def moved(self): return Point(self.x + 1)
def squares():
    number = 0
    while True:
        yield number * number
        number += 1
async def later(): return "awaited"
point, made, total = Point(1), squares(), decimal.Decimal("1.5")
[next(made) for _ in range(3)]
pattern = re.compile("a+")
counts = collections.Counter("hello")
written = open("written.txt", "w"); written.write("from the first run|")
read = open("/tmp/read.txt", "w+"); read.write("abcdef"); read.flush(); read.seek(2)
import os
os.makedirs("folder/inner"); open("folder/inner/f", "w").write("inner")
os.symlink("folder/inner/f", "link"); os.chdir("folder")
ends = os.pipe(); os.write(ends[1], b"piped")
loop = asyncio.new_event_loop()
"""
LOOK = """
written.flush()
(next(made), point.moved(), total, pattern.sub("b", "caat"), counts["l"], read.read(2),
 open("../written.txt").read(), os.getcwd(), open("../link").read(),
 os.read(ends[0], 3), loop.run_until_complete(later()), sorted(os.listdir("..")))
"""


@pytest.fixture(autouse=True, params=["by copying the process", "by writing the state down"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How sessions are forked: as on a machine that allows the first, and as everywhere else."""
    if request.param != "by copying the process":
        monkeypatch.setattr(Pool, "begin_copy", lambda _pool: None)
    return str(request.param)


def test_all_that_a_session_has_is_in_its_copy(engine: dspex.Engine) -> None:
    with engine.session() as session:
        assert session.run(STATE).ok
        with session.fork() as twin:
            ours, theirs = session.run(LOOK), twin.run(LOOK)

            assert theirs.ok, theirs.error
            assert theirs.value == ours.value
            assert ours.value[:3] == (9, {"x": 2}, ours.value[2])
            assert ours.value[6] == "from the first run|"


def test_neither_sees_what_the_other_does_afterwards(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = [1]\nopen('f', 'w').write('before')\nbig = bytearray(3_000_000)")
        with session.fork() as twin:
            twin.run("x.append('twin'); open('f', 'w').write('twin'); big[:] = b'2' * len(big)")
            session.run("x.append('first'); open('g', 'w').write('first'); big[7] = 1")
            look = "(x, open('f').read(), __import__('os').path.exists('g'), sum(big))"

            assert session.run(look).value == ([1, "first"], "before", True, 1)
            assert twin.run(look).value == ([1, "twin"], "twin", False, 3_000_000 * ord("2"))
        assert session.run("x").value == [1, "first"]


def test_copies_of_copies_outlive_what_they_were_made_of(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = 1")
        child = session.fork()
    child.run("x += 1")
    grandchild = child.fork()
    child.close()

    assert session.closed
    assert child.closed
    with grandchild:
        assert grandchild.run("x + 1").value == 3


def test_a_copy_is_made_after_the_runs_that_were_asked_for_before(engine: dspex.Engine) -> None:
    with engine.session() as session:
        first = session.submit("import time\ntime.sleep(0.2)\nx = 1")
        second = session.submit("x += 1")
        with session.fork() as twin:
            assert (first.done, second.done) == (True, True)
            session.run("x = 99")
            assert twin.run("x").value == 2


def test_a_session_whose_run_was_interrupted_can_be_copied(engine: dspex.Engine) -> None:
    with engine.session() as session:
        session.run("x = 7")
        job = session.submit("x = 8\nwhile True: pass")
        job.cancel()
        assert job.outcome(timeout_s=5).status == "raised"
        with session.fork() as twin:
            assert twin.run("x").value == session.run("x").value
        assert session.run("1/0").status == "raised"
        with session.fork() as twin:
            assert twin.run("x").value in {7, 8}


def test_randomness_differs_in_copies_and_from_the_first(engine: dspex.Engine) -> None:
    draw = "import os, random, uuid\n(random.random(), os.urandom(8), uuid.uuid4().hex)"
    with engine.session() as session:
        session.run(draw)
        with session.fork() as one, session.fork() as other:
            drawn = [each.run(draw).value for each in (session, one, other)]
            again = [each.run(draw).value for each in (session, one, other)]

    assert all(len(set(kind)) == 6 for kind in zip(*drawn, *again, strict=True))


def test_a_deterministic_policy_makes_copies_alike() -> None:
    fixed = Policy.load("compute").model_copy(
        update={"deterministic": Deterministic(clock_ns=10**18, seed=1)}
    )
    draw = "import random, time\n(random.random(), time.time())"
    with dspex.Engine(policy=fixed) as engine, engine.session() as session:
        session.run(draw)
        with session.fork() as twin:
            assert session.run(draw).value == twin.run(draw).value


def test_a_copy_calls_the_same_tools(engine: dspex.Engine) -> None:
    asked: list[str] = []

    def ask(what: str) -> int:
        asked.append(what)
        return len(asked)

    with engine.session(tools={"ask": ask}) as session:
        session.run("f = ask\nask('first')")
        with session.fork() as twin:
            assert (session.run("f('ours')").value, twin.run("f('theirs')").value) == (2, 3)
    assert asked == ["first", "ours", "theirs"]


def test_a_copy_has_the_mounts_and_writes_them_back(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("in")
    mount = Mount(guest="/data", host=str(tmp_path), mode="write", bytes_max=10_000)
    policy = Policy.load("compute").model_copy(update={"mounts": (mount,)})
    with dspex.Engine(policy=policy) as engine, engine.session() as session:
        session.run("seen = open('/data/in.txt').read()")
        with session.fork() as twin:
            outcome = twin.run("open('/data/out.txt', 'w').write(seen)\nopen('/data/in.txt').read()")
            assert (outcome.value, outcome.notes) == ("in", ())
    assert (tmp_path / "out.txt").read_text() == "in"


@pytest.mark.parametrize("language", ["javascript", "typescript"])
def test_javascript_is_copied_too(engine: dspex.Engine, language: str) -> None:
    with engine.session(language=language) as session:
        session.run("""
            class Point { constructor(x) { this.x = x; } get double() { return this.x * 2; } }
            var point = new Point(4), n = 0;
            function* squares() { while (true) yield n * n++; }
            var made = squares(); made.next(); made.next();
            var kept = new Map([["a", new Set([1, 2])]]), waiting = Promise.resolve(5);
        """)
        look = "[made.next().value, n, point.double, [...kept.get('a')], await waiting]"
        with session.fork() as twin:
            ours, theirs = session.run(look), twin.run(look)
            assert ours.value == theirs.value == [4, 3, 8, [1, 2], 5]
            twin.run("n = 100")
            draws = [one.run("Math.random()").value for one in (session, twin)]
            assert session.run("n").value == 3
    assert draws[0] != draws[1]


def test_a_language_that_cannot_be_saved_says_so(engine: dspex.Engine) -> None:
    with engine.session(language="python-restricted") as session:
        for what in (session.park, lambda: session.save("nowhere")):
            with pytest.raises(dspex.RequestError, match="sessions of python-restricted cannot be saved or parked"):
                what()
        assert session.run("1").value == 1


def test_a_session_that_cannot_be_saved_is_forked_if_its_process_can_be_copied(
    engine: dspex.Engine, way: str
) -> None:
    with engine.session(language="python-restricted") as session:
        session.run(
            "import random\nmade = (n * n for n in range(9))\nrows = [next(made), next(made)]\n"
            "with open('f', 'w') as file:\n    file.write('both')"
        )
        if "copying" not in way:
            with pytest.raises(dspex.EngineBusy):
                session.fork()
            assert session.run("next(made)").value == 4
            return
        with session.fork() as twin:
            assert twin.run("rows.append(1)\n(rows, next(made), open('f').read())").value == ([0, 1, 1], 4, "both")
            assert session.run("(rows, next(made))").value == ([0, 1], 4)
            assert twin.run("random.random()").value != session.run("random.random()").value
            assert twin.run("while True: pass", timeout_s=0.2).status == "limit"
            assert session.run("rows").value == [0, 1]
            assert twin.run("rows").value == [0, 1, 1]


def test_a_closed_session_cannot_be_copied(engine: dspex.Engine) -> None:
    session = engine.session()
    session.close()
    for what in (session.fork, session.park, lambda: session.save("nowhere")):
        with pytest.raises(dspex.SessionClosed):
            what()


def test_a_copy_of_a_session_that_dies_is_refused_and_the_engine_goes_on(
    engine: dspex.Engine,
) -> None:
    with engine.session() as session:
        job = session.submit("import os, time\ntime.sleep(0.1)\nos._exit(3)")
        with pytest.raises((dspex.SessionClosed, dspex.WorkerLost)):
            session.fork()
        assert job.outcome().status == "lost"
    assert engine.run("1").value == 1


async def everything(folder: Path) -> None:
    async with dspex.open_engine(policy="compute") as engine, engine.session() as session:
        await session.run("x = 41")
        async with await session.fork() as twin:
            assert (await twin.run("x += 1\nx")).value == 42
        assert twin.closed
        await session.save(folder / "s", key=b"key")
        await session.park()
        assert session.parked
        assert (await session.run("x")).value == 41
        async with await engine.resume(folder / "s", key=b"key") as again:
            assert (await again.run("x")).value == 41
        with pytest.raises(dspex.SnapshotUnusable, match="not saved with this key"):
            await engine.resume(folder / "s", key=b"other")
        recording = dspex.Recording()
        outcome = await engine.run("f(1)", tools={"f": lambda n: n + 1}, record=recording)
        assert (await engine.replay(recording)).value == outcome.value == 2


@pytest.mark.parametrize("library", [trio, asyncio])
def test_the_asynchronous_face_has_all_of_it(library: object, tmp_path: Path) -> None:
    if library is trio:
        trio.run(everything, tmp_path)
    else:
        asyncio.run(everything(tmp_path))
