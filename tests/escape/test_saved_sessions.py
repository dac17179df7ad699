"""Way out: a saved session that was changed, made up, or says what is not true of itself.

A file without a key may be made by anybody who can compute a checksum. So what is in it is read by a
worker behind its walls, and gives a guest as any program could have made itself, or is refused.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import dspex
from dspex import saves
from dspex.saves import SavedSession
from dspex.wasm import state
from dspex.wasm.emscripten import dump
from dspex.wasm.emscripten.dump import BaseDump, DirectoryDump, FileDump, RegularOpen, SymlinkDump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.escape.canary import Canary

KEY = b"a key of the caller"
HEAD_BYTES, CHECKSUM_BYTES = saves._HEAD.size, 64
PAGE = 4096


class Saved:
    """A good file, and what it is made of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = path.read_bytes()
        with SavedSession(path) as session:
            self.header = session.header
            self.state = bytearray(self.header.state_bytes)
            session.read_state(memoryview(self.state))
        magic, memory, runs, rest = state._HEAD.unpack_from(self.state)
        self.magic, self.memory_bytes = magic, memory
        at = state._HEAD.size + runs * state._RUN.size
        self.runs = list(state._RUN.iter_unpack(self.state[state._HEAD.size : at]))
        self.rest = msgspec.msgpack.decode(bytes(self.state[at : at + rest]), type=state.Rest)
        self.pages = bytes(self.state[-(-(at + rest) // PAGE) * PAGE :])

    def assembled(self, **changed: Any) -> bytes:
        """Return a state of which one part is another, in itself complete and in order."""
        parts = {"magic": self.magic, "memory_bytes": self.memory_bytes, "runs": self.runs,
                 "rest": self.rest, "pages": self.pages} | changed
        table = b"".join(state._RUN.pack(*one) for one in parts["runs"])
        rest = parts["rest"]
        rest = rest if isinstance(rest, bytes) else msgspec.msgpack.encode(rest)
        head = state._HEAD.pack(
            parts["magic"], parts["memory_bytes"], changed.get("count", len(parts["runs"])),
            changed.get("rest_bytes", len(rest)),
        )
        whole = head + table + rest
        return whole.ljust(-(-len(whole) // PAGE) * PAGE, b"\0") + parts["pages"]

    def with_files(self, change: Callable[[dict[str, Any]], None]) -> bytes:
        """Return a state whose file system somebody has changed."""
        parts = msgspec.structs.asdict(self.rest.files)
        change(parts)
        files = dump.FileSystemDump(**parts)
        return self.assembled(rest=msgspec.structs.replace(self.rest, files=files))

    def write(self, path: Path, content: bytes, **header: Any) -> None:
        """Write a file whose checksum is right."""
        said = msgspec.structs.replace(self.header, state_bytes=len(content))
        saves.write(path, msgspec.structs.replace(said, **header), memoryview(content))


def head_of(saved: Saved, said: int | bytes) -> bytes:
    """Return the start of a file with another header, or one that lies about the state's size."""
    if isinstance(said, int):
        said = msgspec.json.encode(msgspec.structs.replace(saved.header, state_bytes=said))
    return saved.content[:20] + struct.pack("<I", len(said)) + hashlib.sha256(said).digest() + said


@pytest.fixture(scope="module")
def saved(engine: dspex.Engine, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    path = tmp_path_factory.mktemp("saved") / "state.dspex"
    with engine.session() as session:
        outcome = session.run(
            "import os\nx = 41\nos.makedirs('a/b/c'); held = open('a/f', 'w'); held.write('kept')\n"
            "held.flush(); os.symlink('a/f', 'link'); ends = os.pipe()"
        )
        assert outcome.ok
        session.save(path)
    return Saved(path)


@pytest.fixture
def refused(
    engine: dspex.Engine, saved: Saved, tmp_path: Path, the_next_request_works: None
) -> Iterator[Callable[..., str]]:
    """Return what resumes a file of this content, which must fail, and tells why."""

    def refused(content: bytes, **given: Any) -> str:
        path = tmp_path / "hostile.dspex"
        path.write_bytes(content)
        with pytest.raises(dspex.SnapshotUnusable) as caught:
            engine.resume(path, **given)
        assert caught.value.source == str(path)
        return caught.value.reason

    yield refused
    with engine.resume(saved.path) as session:  # the positive twin
        assert session.run("held.close(); (x, open('a/f').read(), open('link').read())").value == (
            41, "kept", "kept",
        )


# The file around the state.


def test_every_region_counts(saved: Saved, refused: Callable[..., str]) -> None:
    draw = random.Random(7)
    size = len(saved.content)
    header = struct.unpack_from("<I", saved.content, 20)[0]
    regions = [(0, HEAD_BYTES), (HEAD_BYTES, HEAD_BYTES + header),
               (HEAD_BYTES + header, size - CHECKSUM_BYTES),
               (size - CHECKSUM_BYTES, size - 32), (size - 32, size)]
    for start, end in regions:
        for _ in range(6):
            content = bytearray(saved.content)
            content[draw.randrange(start, end)] ^= 1 << draw.randrange(8)
            assert refused(bytes(content))


@pytest.mark.parametrize("size", [0, 1, 23, 24, 56, 100, 5000, -1, -33, -64, -65])
def test_a_file_that_is_cut_off_is_refused(
    saved: Saved, refused: Callable[..., str], size: int
) -> None:
    assert "cut off" in refused(saved.content[:size])


def test_a_file_with_something_behind_it_is_refused(
    saved: Saved, refused: Callable[..., str]
) -> None:
    assert "damaged" in refused(saved.content + b"x")


def test_a_header_that_lies_about_sizes_is_refused_before_anything_is_made(
    saved: Saved, refused: Callable[..., str], tmp_path: Path
) -> None:
    body = saved.content[HEAD_BYTES + struct.unpack_from("<I", saved.content, 20)[0] :]
    for size in (1, saved.header.state_bytes + PAGE, 2**40):
        assert "cut off or damaged" in refused(head_of(saved, size) + body)
    assert "header has" in refused(saved.content[:20] + b"\xff" * 36)
    assert "header is broken" in refused(head_of(saved, b"[[[["))
    assert "header is broken" in refused(head_of(saved, b"[" * 16_000))
    assert "header is damaged" in refused(saved.content[:20] + head_of(saved, b"{}")[20:-1] + b"]")
    # A sparse file costs its maker nothing; it must cost nobody anything.
    huge = tmp_path / "huge"
    head = head_of(saved, 2**40)
    with huge.open("wb") as file:
        file.write(head)
        try:
            file.truncate(len(head) + 2**40 + CHECKSUM_BYTES)
        except OSError:
            pytest.skip("the file system holds no file of a terabyte")
    with dspex.Engine() as engine, pytest.raises(dspex.SnapshotUnusable, match="are allowed"):
        engine.resume(huge)


def test_foreign_files_are_refused(saved: Saved, refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    assert "not a saved session" in refused(b"\0" * 10_000)
    version = saved.content[:16] + b"\x02\x00" + saved.content[18:]
    assert "format 2; this dspex reads format 1" in refused(version)
    saved.write(path, bytes(saved.state), runtime="0" * 64)
    assert "saved under another python runtime" in refused(path.read_bytes())
    saved.write(path, bytes(saved.state), language="javascript")
    assert "saved under another javascript runtime" in refused(path.read_bytes())


def test_a_language_that_the_policy_does_not_grant_is_not_resumed(
    engine: dspex.Engine, saved: Saved, tmp_path: Path
) -> None:
    for language in ("cobol", "../python", ""):
        saved.write(tmp_path / "s", bytes(saved.state), language=language)
        with pytest.raises((dspex.RequestError, dspex.CapabilityDenied)):
            engine.resume(tmp_path / "s")


def test_nobody_without_the_key_makes_or_changes_a_keyed_file(
    engine: dspex.Engine, saved: Saved, refused: Callable[..., str], tmp_path: Path
) -> None:
    keyed = tmp_path / "keyed"
    with engine.resume(saved.path) as session:
        session.save(keyed, key=KEY)
    content = keyed.read_bytes()
    with engine.resume(keyed, key=KEY) as session:
        assert session.run("x").value == 41

    assert "needs its key" in refused(content)
    assert "not saved with this key" in refused(content, key=b"another")
    assert "saved without a key" in refused(saved.content, key=KEY)
    made_up = tmp_path / "made-up"
    saved.write(made_up, bytes(saved.state), keyed=True)
    assert "not saved with this key" in refused(made_up.read_bytes(), key=KEY)


def test_what_is_no_file_is_refused_at_once(
    engine: dspex.Engine, saved: Saved, tmp_path: Path
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(saved.path)
    for path in (pipe, tmp_path, "/dev/zero", "/dev/null"):
        with pytest.raises(dspex.SnapshotUnusable, match="not a regular file"):
            engine.resume(path)
    with engine.resume(link) as session:  # reading through a link of the caller's is the caller's
        assert session.run("x").value == 41


# The state, of which a worker makes a guest.


def hostile_states(saved: Saved) -> Iterator[tuple[str, bytes]]:
    runs, pages, memory = saved.runs, saved.pages, saved.memory_bytes
    last = memory // PAGE
    yield "format", saved.assembled(magic=b"DSPEXST9")
    yield "no state", b"\0" * 10
    yield "another format", b"\0" * 5000
    for size in (0, 1, PAGE, memory + 1, 2**33, 2**63, 65536):
        yield "memory", saved.assembled(memory_bytes=size)
    yield "memory_bytes", saved.assembled(memory_bytes=2**32)
    yield "beyond", saved.assembled(runs=[*runs[:-1], (last, runs[-1][1])])
    yield "order", saved.assembled(runs=[runs[1], runs[0], *runs[2:]])
    yield "order", saved.assembled(runs=[(0, 0), *runs])
    yield "more pages", saved.assembled(runs=runs[:-1])
    yield "more pages", saved.assembled(pages=pages[:-PAGE])
    yield "more pages", saved.assembled(pages=pages + bytes(PAGE))
    yield "pages", saved.assembled(runs=[(0, 2**32 - 1)])
    yield "pages", saved.assembled(count=2**32 - 1)
    yield "cut off", saved.assembled(rest_bytes=2**32 - 1)
    for rest in (b"", b"\xc1", b"\x90", b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff"):
        yield "beside the memory", saved.assembled(rest=rest)


def file_attacks() -> Iterator[tuple[str, Callable[[dict[str, Any]], None]]]:
    def changing(kind: type, number: int = 0, **changed: Any) -> Callable[[dict[str, Any]], None]:
        def change(parts: dict[str, Any]) -> None:
            at = [n for n, one in enumerate(parts["inodes"]) if isinstance(one, kind)][number]
            inodes = list(parts["inodes"])
            inodes[at] = msgspec.structs.replace(inodes[at], **changed)
            parts["inodes"] = inodes

        return change

    def setting(**changed: Any) -> Callable[[dict[str, Any]], None]:
        return lambda parts: parts.update(changed)

    def naming(name: bytes) -> Callable[[dict[str, Any]], None]:
        def change(parts: dict[str, Any]) -> None:
            home = next(one for one in parts["inodes"] if isinstance(one, DirectoryDump) and
                        any(entry == b"link" for entry, _ in one.entries))
            at = parts["inodes"].index(home)
            entries = [(name if old == b"link" else old, index) for old, index in home.entries]
            parts["inodes"] = [*parts["inodes"][:at],
                               msgspec.structs.replace(home, entries=entries),
                               *parts["inodes"][at + 1 :]]

        return change

    for name in (b"..", b".", b"", b"/etc/passwd", b"../../etc", b"a\0b"):
        yield "is not a name", naming(name)
    yield "there twice", naming(b"a")
    yield "one too many", changing(DirectoryDump, -1, links=0)
    yield "comes before it", changing(DirectoryDump, -1, parent=2**31)
    yield "where it lies", changing(DirectoryDump, -1, name=b"other")
    yield "no inode", changing(DirectoryDump, -1, entries=[(b"n", 2**31)])
    yield "where it lies", changing(DirectoryDump, -1, entries=[(b"up", 0)])
    yield "where it lies", changing(DirectoryDump, -1, entries=[(b"up", 1)])
    yield "leads nowhere", changing(SymlinkDump, 0, target=b"")
    yield "file_bytes", changing(FileDump, 0, data=memoryview(bytes(70 << 20)))
    yield "no root", setting(inodes=[])
    yield "neither a name nor", setting(opened=[], descriptors=[], inodes=None)
    yield "working directory", setting(working_directory=None)
    yield "no inode", setting(working_directory=2**31)
    yield "cannot be open", setting(descriptors=[(2**31, 0, False)])
    yield "leads nowhere", setting(descriptors=[(7, 2**31, False)])
    yield "cannot be open", setting(descriptors=[(1 << 20, 0, False)])
    yield "not a file of the layer", setting(inodes="base")
    yield "as what it is not", setting(opened="directory")


def test_a_made_up_state_is_refused_for_what_is_wrong_with_it(
    saved: Saved, refused: Callable[..., str], tmp_path: Path
) -> None:
    wrong = []
    for expected, content in hostile_states(saved):
        saved.write(tmp_path / "made-up", content)
        reason = refused((tmp_path / "made-up").read_bytes())
        if expected not in reason:
            wrong.append((expected, reason))
    assert wrong == []


def test_a_made_up_file_system_is_refused(
    saved: Saved, refused: Callable[..., str], tmp_path: Path
) -> None:
    wrong = []
    for expected, change in file_attacks():
        def changed(parts: dict[str, Any], change: Any = change) -> None:
            change(parts)
            inodes = saved.rest.files.inodes
            if parts["inodes"] is None:  # a file that nobody can reach
                parts["inodes"] = [*inodes, next(one for one in inodes if isinstance(one, FileDump))]
                parts.update(opened=[], descriptors=[], pipes=[])
            elif parts["inodes"] == "base":
                parts["inodes"] = [*inodes, BaseDump(99, b"../../etc/passwd")]
            if parts["working_directory"] is None:
                parts["working_directory"] = next(
                    n for n, one in enumerate(inodes) if isinstance(one, FileDump)
                )
            if parts["opened"] == "directory":
                parts["opened"] = [RegularOpen(0, 0, 0)]
                parts["descriptors"] = [(7, 0, False)]

        saved.write(tmp_path / "made-up", saved.with_files(changed))
        reason = refused((tmp_path / "made-up").read_bytes())
        if expected not in reason:
            wrong.append((expected, reason))
    assert [one for one in wrong if one[0] != "not a file of the layer"] == []
    assert [reason for expected, reason in wrong if expected == "not a file of the layer"] == [
        "the base layer has no file b'../../etc/passwd'"
    ]


def test_a_memory_of_noise_costs_only_its_own_session(
    engine: dspex.Engine, saved: Saved, tmp_path: Path, the_next_request_works: None
) -> None:
    draw = random.Random(7)
    for _ in range(5):
        saved.write(tmp_path / "noise", saved.assembled(pages=draw.randbytes(len(saved.pages))))
        with engine.resume(tmp_path / "noise") as session:  # nobody can tell: it is a guest's memory
            outcome = session.run("1")
            assert outcome.status in {"lost", "raised", "limit"}


def test_a_state_gets_no_more_than_the_policy_allows(
    engine: dspex.Engine, saved: Saved, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with engine.session() as session:
        session.run("big = bytearray(60_000_000)\nopen('f', 'wb').write(bytes(1_000_000))")
        session.save(large)
    limits = engine.policy.limits
    for field, few in (("memory_bytes", 60_000_000), ("file_bytes", 1000), ("file_count", 0)):
        tight = engine.policy.model_copy(
            update={"limits": limits.model_copy(update={field: few})}
        )
        with pytest.raises(dspex.SnapshotUnusable, match=field):
            engine.resume(large, policy=tight)
    with engine.resume(large) as session:
        assert session.run("len(big)").value == 60_000_000


# What a file holds.


def test_a_file_holds_the_guest_and_nothing_of_the_host(
    engine: dspex.Engine, canary: Canary, tmp_path: Path
) -> None:
    secret, held = canary.secret, [canary.secret * 100]

    def tool(given: str) -> int:
        return len(given) + len(secret) + len(held)

    tool.__doc__ = "A tool that knows a secret, and says so nowhere."
    for language in ("python", "javascript"):
        path = tmp_path / language
        code = {"python": "mark = 'a mark ' + 'of the guest'", "javascript": "var mark = ['a mark', 'of the guest'].join(' ')"}
        with engine.session(language=language, tools={"tool": tool}) as session:
            assert session.run(code[language]).ok
            session.run("tool('x')")
            session.save(path, key=secret.encode())
        content = path.read_bytes()

        assert b"a mark of the guest" in content
        for encoded in (secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-32-le")):
            assert encoded not in content
        assert str(canary.folder).encode() not in content
        assert str(tmp_path).encode() not in content
