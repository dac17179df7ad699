"""A saved session goes on elsewhere: in another session, engine or process, with other tools."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import dspex
from dspex.policy import Mount, Policy
from tests.process.test_sessions_fork import LOOK, STATE

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = """
import sys
import dspex
with dspex.Engine(policy="compute") as engine, engine.resume(sys.argv[1]) as session:
    outcome = session.run(sys.argv[2])
    assert outcome.ok, outcome.error
    print(outcome.value)
"""


def test_a_session_goes_on_in_another_process(engine: dspex.Engine, tmp_path: Path) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session() as session:
        assert session.run(STATE).ok
        session.save(saved)
        ours = session.run(LOOK)
    said = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, saved, LOOK],
        check=True, capture_output=True, text=True, timeout=60,
    )

    assert said.stdout == f"{ours.value}\n"


def test_a_file_can_be_resumed_often_and_each_time_from_the_start(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session() as session:
        session.run("x = 1")
        session.save(saved)
        session.run("x = 2")
    content = saved.read_bytes()
    for _ in range(2):
        with engine.resume(saved) as again:
            assert again.run("x += 1\nx").value == 2

    assert saved.read_bytes() == content
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.dspex"]


def test_an_older_file_is_replaced_as_a_whole_and_a_link_is_not_followed(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    saved, elsewhere = tmp_path / "state.dspex", tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    saved.symlink_to(elsewhere)
    with engine.session() as session:
        session.run("x = 1")
        session.save(saved)
        session.run("x = 2")
        session.save(saved)

    assert elsewhere.read_text() == "untouched"
    with engine.resume(saved) as again:
        assert again.run("x").value == 2


def test_tools_are_bound_anew_and_missing_ones_are_an_ordinary_error(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session(tools={"ask": lambda: "first"}) as session:
        session.run("def call(): return ask()")
        session.save(saved)
    with engine.resume(saved, tools={"ask": lambda: "second"}) as again:
        assert again.run("call()").value == "second"
    with engine.resume(saved) as again:
        outcome = again.run("call()")
        assert outcome.error is not None
        assert outcome.error.message == "ask: this run has no tools"
        assert again.run("1").ok


def test_mounts_are_those_of_the_policy_under_which_it_is_resumed(tmp_path: Path) -> None:
    saved, first, second = tmp_path / "state.dspex", tmp_path / "1", tmp_path / "2"
    policies = []
    for folder in (first, second):
        folder.mkdir()
        (folder / "name.txt").write_text(folder.name)
        mount = Mount(guest="/data", host=str(folder), mode="read", bytes_max=10_000)
        policies.append(Policy.load("compute").model_copy(update={"mounts": (mount,)}))
    read = "import os\nopen('/data/name.txt').read() if os.path.exists('/data') else None"
    with dspex.Engine(policy=policies[0]) as engine, engine.session() as session:
        assert session.run(read).value == "1"
        session.save(saved)
    with dspex.Engine(policy=policies[1]) as engine, engine.resume(saved) as again:
        assert again.run(read).value == "2"


def test_randomness_differs_each_time(engine: dspex.Engine, tmp_path: Path) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session() as session:
        session.run("import random")
        session.save(saved)
        drawn = {session.run("random.random()").value}
    for _ in range(2):
        with engine.resume(saved) as again:
            drawn.add(again.run("random.random()").value)
    assert len(drawn) == 3


def test_clocks_that_never_go_back_do_not(engine: dspex.Engine, tmp_path: Path) -> None:
    saved = tmp_path / "state.dspex"
    look = "import time\n(time.monotonic(), time.process_time(), time.time())"
    with engine.session() as session:
        session.run("while __import__('time').process_time() < 0.2: pass")
        before = session.run(look).value
        session.save(saved)
    with engine.resume(saved) as again:
        after = again.run(look).value
    assert all(late >= early for early, late in zip(before, after, strict=True))


def test_a_session_is_saved_while_it_is_parked_without_being_woken(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session() as session:
        session.run("x = 5")
        session.park()
        session.save(saved)
        with session.fork() as twin:
            assert session.parked
            assert twin.run("x").value == 5
        assert session.run("x").value == 5
    with engine.resume(saved) as again:
        assert again.run("x").value == 5


def test_runs_are_counted_on_so_that_tracebacks_name_them(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session() as session:
        session.run("def f():\n    return 1 / 0")
        session.save(saved)
        expected = session.run("f()")
    with engine.resume(saved) as again:
        found = again.run("f()")
    assert expected.error is not None
    assert found.error == expected.error
    assert "return 1 / 0" in expected.error.traceback


def test_javascript_is_saved_too(engine: dspex.Engine, tmp_path: Path) -> None:
    saved = tmp_path / "state.dspex"
    with engine.session(language="javascript") as session:
        session.run("var n = 1; function* f() { while (true) yield n++; } var made = f(); made.next()")
        session.save(saved, key=b"key")
        assert session.run("made.next().value").value == 2
    with engine.resume(saved, key=b"key") as again:
        assert again.run("made.next().value").value == 2


def test_what_cannot_be_written_is_an_error_of_the_system(
    engine: dspex.Engine, tmp_path: Path
) -> None:
    with engine.session() as session:
        with pytest.raises(FileNotFoundError):
            session.save(tmp_path / "missing" / "state")
        with pytest.raises(IsADirectoryError):
            session.save(tmp_path)
        with pytest.raises(TypeError, match="key: some bytes wanted, str given"):
            session.save(tmp_path / "s", key="text")  # type: ignore[arg-type]
        assert session.run("1").ok
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        engine.resume(tmp_path / "missing")
