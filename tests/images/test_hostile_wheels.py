"""Packages made to get out, in or away: refused before a byte of them is used, each beside one that is taken.

What their code may try while an image is built is in `test_hostile_code`.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest

from dspex import images
from dspex.runtimes import interpreter, recipes
from dspex.runtimes.images import registry
from dspex.runtimes.images.errors import LinkRefused, LockInvalid, ResolveFailed, WheelRefused
from dspex.runtimes.images.link import link
from dspex.runtimes.images.lockfile import Lock, Package, Wanted
from dspex.runtimes.images.sidemodule import take_apart
from dspex.runtimes.progress import Silent
from dspex.wasm.emscripten import IMPLEMENTED
from tests.images.making import NATIVE_TAG, TINY, put_index, sha256, side_module, wheel_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "a-1.0-py3-none-any.whl"
NAME = "dspex-tests-hostile"
GOOD = {"a.py": "x = 1", "a_data/words.txt": "words"}


def put(folder: Path, wheel: bytes, file: str = FILE) -> str:
    return str(put_index(folder / "index", {"a": (file, wheel, [])}))


def refusal(folder: Path, wheel: bytes, file: str = FILE) -> str:
    """Try to build an image of a wheel; return why not, after checking that nothing is left of it."""
    with pytest.raises(images.ImageError) as caught:
        images.build(NAME, ["a"], pyodide_lock=put(folder, wheel, file))
    assert NAME not in registry.names()
    return str(caught.value)


def altered(change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> bytes:
    """Return a good wheel whose members were written again by somebody else."""
    raw = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel_bytes("a", GOOD))) as good, zipfile.ZipFile(raw, "w") as target:
        for entry in good.infolist():
            change(target, entry, good.read(entry))
    return raw.getvalue()


def taken(folder: Path, wheel: bytes) -> set[str]:
    """Return what a wheel would put into an image: the positive twin of every refusal here."""
    place = folder / "index" / FILE
    put(folder, wheel)
    package = Package(name="a", version="1.0", file=FILE, sha256=sha256(wheel), source="pyodide-lock")
    registry.fetch([package], images.PyodideIndex(str(place.parent)))
    lock = Lock(image=NAME, wanted=Wanted(requirements=("a",)), packages=(package,))
    return {path for path in registry.contents_of(lock).files if ".dist-info/" not in path}


def test_a_good_one_is_taken(tmp_path: Path) -> None:
    assert taken(tmp_path, wheel_bytes("a", GOOD)) == set(GOOD)
    assert taken(tmp_path, altered(lambda target, entry, data: target.writestr(entry, data))) == set(GOOD)


# Archives.


def test_a_bomb_is_refused_by_its_directory_before_it_is_unpacked(tmp_path: Path) -> None:
    size = (256 << 20) + 1
    wheel = wheel_bytes("a", {"a.py": "", "bomb": bytes(size)})
    assert len(wheel) < 1 << 20

    assert refusal(tmp_path, wheel) == f"{FILE}: bomb says it has {size} bytes, {256 << 20} is the most"


def test_a_bomb_that_understates_itself_is_cut_off_and_refused(tmp_path: Path) -> None:
    honest = wheel_bytes("a", {"a.py": "", "bomb": bytes(50_000_000)})
    lying = honest.replace((50_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))

    assert refusal(tmp_path, lying).startswith(f"{FILE}: ")


def test_very_many_members_are_refused(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for number in range(50_001):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")

    assert "says it has 50001 members" in refusal(tmp_path, raw.getvalue())


@pytest.mark.parametrize("path", [
    "../evil.py", "/etc/evil.py", "a/../../evil.py", "C:/evil.py", "..\\evil.py", "a/./evil.py", "~/../x",
])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    assert refusal(tmp_path, wheel_bytes("a", {"a.py": "", path: "x"})) == f"{FILE}: {path!r} is not a path within it"


def test_a_path_with_a_nul_in_it_is_refused(tmp_path: Path) -> None:
    """Python's own reader cuts such a name off, so that it would pass for another."""
    wheel = wheel_bytes("a", {"a.py": "", "evil.py_..": "x"}).replace(b"evil.py_..", b"evil.py\0..")

    assert refusal(tmp_path, wheel) == f"{FILE}: 'evil.py\\x00..' is not a path within it"


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o060666, 0o010644])
def test_links_devices_and_pipes_are_refused(tmp_path: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("a_data/link")
    entry.external_attr = kind << 16
    wheel = wheel_bytes("a", {"a.py": "", "a_data/link": "/etc/passwd"}, entries={"a_data/link": entry})

    assert refusal(tmp_path, wheel) == f"{FILE}: a_data/link is a link or a device"


def test_a_path_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    def doubled(target: zipfile.ZipFile, entry: zipfile.ZipInfo, data: bytes) -> None:
        target.writestr(entry, data)
        if entry.filename == "a.py":
            target.writestr(zipfile.ZipInfo("a.py"), b"x = 'another, which the RECORD does not know'")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wheel = altered(doubled)

    assert refusal(tmp_path, wheel) == f"{FILE}: a.py is there twice"


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    wheel = bytearray(wheel_bytes("a", GOOD))
    for mark, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        wheel[wheel.index(mark) + flags_at] |= 1

    assert refusal(tmp_path, bytes(wheel)) == f"{FILE}: a.py is encrypted"


def test_a_member_that_its_record_does_not_know_is_refused(tmp_path: Path) -> None:
    def smuggled(target: zipfile.ZipFile, entry: zipfile.ZipInfo, data: bytes) -> None:
        target.writestr(entry, b"import evil" if entry.filename == "a.py" else data)

    assert refusal(tmp_path, altered(smuggled)) == f"{FILE}: a.py is not what its RECORD says"


def test_two_packages_cannot_put_different_files_in_one_place(tmp_path: Path) -> None:
    folder = put_index(tmp_path / "index", {
        "a": (FILE, wheel_bytes("a", GOOD), ["b"]),
        "b": ("b-1.0-py3-none-any.whl", wheel_bytes("b", {"a.py": "x = 'mine'"}), []),
    })

    with pytest.raises(WheelRefused, match=r"b-1\.0.*another package has a different a\.py"):
        images.build(NAME, ["a"], pyodide_lock=str(folder))


@pytest.mark.parametrize("file", [
    "a-1.0-cp314-cp314-linux_x86_64.whl", "a-1.0-cp313-cp313-pyemscripten_2026_0_wasm32.whl",
    "a-1.0-cp314-cp314-pyemscripten_2025_0_wasm32.whl", "a-1.0.tar.gz",
])
def test_a_file_for_something_else_is_refused_by_its_name(tmp_path: Path, file: str) -> None:
    assert file in refusal(tmp_path, wheel_bytes("a", GOOD), file)


# Indexes and locks.


@pytest.mark.parametrize("file", ["../secret.whl", "/etc/passwd", "sub/../../secret.whl", "file:///etc/passwd"])
def test_an_index_cannot_name_a_file_that_is_not_beside_it(tmp_path: Path, file: str) -> None:
    wheel = wheel_bytes("a", GOOD)
    folder = put_index(tmp_path / "index", {"a": (FILE, wheel, [])})
    (tmp_path / "secret.whl").write_bytes(wheel)
    index = folder / "pyodide-lock.json"
    told = json.loads(index.read_text())
    told["packages"]["a"]["file_name"] = file
    index.write_text(json.dumps(told))

    with pytest.raises(images.ImageError):
        images.build(NAME, ["a"], pyodide_lock=str(folder))


def test_an_index_without_a_hash_is_refused(tmp_path: Path) -> None:
    folder = put_index(tmp_path / "index", {"a": (FILE, wheel_bytes("a", GOOD), [])})
    index = folder / "pyodide-lock.json"
    told = json.loads(index.read_text())
    told["packages"]["a"]["sha256"] = ""
    index.write_text(json.dumps(told))

    with pytest.raises(ResolveFailed, match="a has no hash"):
        images.build(NAME, ["a"], pyodide_lock=str(folder))


def locked(tmp_path: Path, **changed: str) -> Path:
    wheel = wheel_bytes("a", GOOD)
    told = {"name": "a", "version": "1.0", "file": FILE, "sha256": sha256(wheel), "source": "pyodide-lock", **changed}
    lock = Lock(image=NAME, wanted=Wanted(requirements=("a",)), packages=(Package(**told),))
    path = tmp_path / "image.lock.toml"
    path.write_text(lock.text())
    return path


@pytest.mark.parametrize(("key", "value"), [
    ("file", "../../evil.whl"), ("file", "/etc/passwd"), ("name", "a\n--index-url=evil"), ("version", "1 --pre"),
    ("sha256", "short"), ("source", "elsewhere"),
])
def test_a_lock_that_names_what_no_lock_names_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(LockInvalid, match=rf"image\.lock\.toml: {key}: cannot be "):
        images.build(NAME, ["a"], lock=locked(tmp_path, **{key: value}))


def test_a_lock_whose_hash_was_changed_is_refused(tmp_path: Path) -> None:
    index = put(tmp_path, wheel_bytes("a", GOOD))

    with pytest.raises(ResolveFailed, match=f"does not hold the {FILE} that is locked"):
        images.build(NAME, ["a"], lock=locked(tmp_path, sha256="0" * 64), pyodide_lock=index)


def test_a_file_that_was_replaced_after_it_was_fetched_is_refused(tmp_path: Path) -> None:
    wheel = wheel_bytes("a", {"a.py": "x = 'this one only'"})
    assert taken(tmp_path, wheel) == {"a.py"}
    package = Package(name="a", version="1.0", file=FILE, sha256=sha256(wheel), source="pyodide-lock")
    kept = registry._file(package)
    kept.write_bytes(wheel_bytes("a", {"a.py": "x = 'another'"}))
    try:
        lock = Lock(image=NAME, wanted=Wanted(requirements=("a",)), packages=(package,))
        with pytest.raises(WheelRefused, match=f"{FILE}: its SHA-256 is not {package.sha256}"):
            registry.contents_of(lock)
    finally:
        kept.unlink()


# Native modules.


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Return what links one native module, given as text, into the interpreter."""
    from dspex.runtimes import locate

    main = locate.portable(recipes.INTERPRETER, Silent()) / interpreter.MAIN
    binaryen = interpreter.fetch_tools(tmp_path_factory.mktemp("tools"), Silent())
    offered = {(module, name) for name in IMPLEMENTED for module in ("env", "wasi_snapshot_preview1")}

    def join(text: str) -> bytes:
        side = take_apart("/lib/a.so", side_module(text))
        return link(binaryen, main, [side], tmp_path_factory.mktemp("link"), offered)[0]

    return join


@pytest.mark.slow
def test_a_native_module_that_keeps_the_rules_is_linked(joined: Callable[[str], bytes]) -> None:
    assert joined(TINY).startswith(b"\0asm")


@pytest.mark.slow
@pytest.mark.parametrize(("text", "reason"), [
    ('(module (import "env" "no_such" (func)))', "nobody here gives env.no_such"),
    ('(module (import "main" "PyLong_FromLong" (func (param i32) (result i32))))', "main.PyLong_FromLong"),
    ('(module (import "GOT.func" "no_such" (global (mut i32))))', "GOT.func.no_such"),
    ('(module (import "env" "PyLong_FromLong" (func (param i64 i64))))', "PyLong_FromLong"),
    ('(module (import "env" "memory" (memory 65536)))', "wants a memory of 65536 pages, the inter"),
    ('(module (import "env" "__indirect_function_table" (table 90000000 funcref)))', "wants a table of 90000000 entries"),
    ('(module (import "env" "memory" (memory 1 2 shared)))', "wants a memory of 1 shared or 64-bit pages"),
    ("(module (memory 65536))", "brings a memory of its own"),
    ("(module (table 100000000 funcref))", "brings a table of its own"),
    (
        (
            '(module (import "env" "__memory_base" (global $b i32)) (import "env" "memory" (memory 1))'
            ' (data (i32.add (global.get $b) (i32.const -8)) "below"))'
        ),
        "data does not fit",
    ),
])
def test_a_native_module_that_does_not_is_refused(joined: Callable[[str], bytes], text: str, reason: str) -> None:
    with pytest.raises(LinkRefused, match=reason):
        joined(text)


def test_native_code_must_be_a_module_at_all(tmp_path: Path) -> None:
    wheel = wheel_bytes("a", {"a.cpython-314-wasm32-emscripten.so": b"\x7fELF" + bytes(100)})

    with pytest.raises(LinkRefused, match="first eight bytes are wrong"):
        images.build(NAME, ["a"], pyodide_lock=put(tmp_path, wheel, f"a-1.0-{NATIVE_TAG}.whl"))
    assert NAME not in registry.names()
