"""A short round of every fuzz target; the canary must fail, and so must each target with a bug in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from dspex.languages.guest import python_values
from dspex.policy import Policy
from dspex.protocol import turn
from dspex.protocol.framing import FrameDecoder
from dspex.wasm.emscripten import dump
from dspex.wasm.emscripten.syscalls import Syscalls
from dspex.wasm.emscripten.tree import Tree
from fuzz import __main__ as command
from fuzz import messages as fuzz_messages
from fuzz.rounds import COMMITTED, fuzz
from fuzz.table import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOUND = [name for name, target in TARGETS.items() if not target.must_fail]


@pytest.mark.parametrize("name", SOUND)
def test_a_short_round_breaks_nothing(name: str) -> None:
    result = fuzz(TARGETS[name], seconds=1, seed=20_261_121)

    assert result.failure is None, result.failure.trace
    assert result.inputs >= 100


def test_the_canary_fails_with_a_small_input_and_the_same_seed_finds_it_again() -> None:
    rounds = [fuzz(TARGETS["canary"], seconds=5, seed=5) for _ in range(2)]

    found = [result.failure for result in rounds]
    assert found[0] is not None
    assert found[1] is not None
    assert (found[0].data, found[0].batch) == (found[1].data, found[1].batch)
    assert len(found[0].data) <= 4
    assert rounds[0].passed


def lose_frames(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FrameDecoder, "feed", lambda decoder, received: decoder._held.extend(received) or [])


def leak_an_error(patch: pytest.MonkeyPatch) -> None:
    def decode_to_zygote(frame: bytes) -> Any:
        raise KeyError(len(frame))

    patch.setitem(fuzz_messages._DECODERS, "pool", decode_to_zygote)


def forget_a_budget(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turn, "_within", lambda what, arrived, allowed: None)


def loosen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Policy, "tightened", lambda policy, other: policy)


def make_tuples_lists(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(python_values._READERS, "tuple", list)


def write_past_the_end(patch: pytest.MonkeyPatch) -> None:
    def stat64(calls: Syscalls, _path: int, buffer: int) -> int:
        calls.memory.view[buffer] = 1
        return 0

    patch.setattr(Syscalls, "stat64", stat64)


def open_on_the_host(patch: pytest.MonkeyPatch) -> None:
    def chdir(_calls: Syscalls, _path: int) -> int:
        os.close(os.open("/dev/null", os.O_RDONLY))
        return 0

    patch.setattr(Syscalls, "chdir", chdir)


def miscount(patch: pytest.MonkeyPatch) -> None:
    honest = Tree.unlink

    def unlink(tree: Tree, *arguments: Any) -> None:
        honest(tree, *arguments)
        tree.quotas.entries_used += 1

    patch.setattr(Tree, "unlink", unlink)


def make_what_is_there(patch: pytest.MonkeyPatch) -> None:
    honest = Syscalls.mkdirat
    patch.setattr(Syscalls, "mkdirat", lambda *arguments: 0 * honest(*arguments))


def forget_the_quotas(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dump._Reader, "_check_quotas", lambda _reader: None)


def take_any_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dump, "_check_name", lambda _name: None)


PLANTED = {
    lose_frames: "framing",
    leak_an_error: "messages",
    forget_a_budget: "messages",
    loosen: "policy",
    make_tuples_lists: "values",
    write_past_the_end: "host_calls",
    open_on_the_host: "host_calls",
    miscount: "host_calls",
    make_what_is_there: "host_files",
    forget_the_quotas: "saved_sessions",
    take_any_name: "saved_sessions",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_bug_that_is_planted_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    result = fuzz(TARGETS[PLANTED[plant]], seconds=20, seed=1)

    assert result.failure is not None


def test_every_sound_target_has_a_small_corpus() -> None:
    for name in SOUND:
        inputs = list((COMMITTED / name).iterdir())
        assert inputs, name
        assert sum(path.stat().st_size for path in inputs) < 20_000


def test_new_inputs_are_kept_in_the_folder_that_is_given(tmp_path: Path) -> None:
    fuzz(TARGETS["framing"], seconds=0.2, seed=3, folder=tmp_path)

    kept = list((tmp_path / "framing").iterdir())
    assert kept
    again = fuzz(TARGETS["framing"], seconds=0, seed=3, folder=tmp_path)
    assert again.inputs >= len(kept)


def test_the_command_tells_seed_and_smallest_input_and_exits_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = command.main(["canary", "--seconds", "5", "--seed", "5"])

    told = capsys.readouterr().out
    assert code == 1
    assert told.startswith("seed 5\ncanary: planted bug found; ")
    assert "\nsmallest input: b'" in told
    again = told.rsplit("--input ", maxsplit=1)[1].strip()
    with pytest.raises(AssertionError):
        command.main(["canary", "--input", again])


def test_the_command_for_all_targets_exits_with_0_when_only_the_canary_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["all", "--seconds", "0.1", "--seed", "1"]) == 0
    assert "canary: planted bug found" in capsys.readouterr().out
