"""File operations by name, on a memory file system, without any engine."""

from __future__ import annotations

import json

import pytest

from dspex.languages.javascript_files import OPERATIONS, answer, find_module, resolve
from dspex.wasm.emscripten import MemoryFileSystem


@pytest.fixture
def files() -> MemoryFileSystem:
    made = MemoryFileSystem()
    made.write_file("lib/a.js", b"text")
    made.write_file("lib/index.ts", b"")
    return made


def test_content_comes_as_bytes_and_everything_else_as_json(files: MemoryFileSystem) -> None:
    assert answer(files, "read", "lib/a.js", b"") == b"text"
    assert answer(files, "append", "lib/a.js", b"!") == "=null"
    assert answer(files, "read", "lib/a.js", b"") == b"text!"
    listed = answer(files, "list", "lib", b"")
    assert isinstance(listed, str)
    assert json.loads(listed[1:]) == [["a.js", "file"], ["index.ts", "file"]]


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_no_operation_takes_a_path_that_is_none(files: MemoryFileSystem, operation: str) -> None:
    assert answer(files, operation, "", b"x") == "!ENOENT"
    assert answer(files, operation, "a\0b", b"x") == "!EINVAL"
    assert answer(files, operation, "\ud800", b"\xff") in ("!ENOENT", "=null", '="/home/sandbox/?"')


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_no_operation_leaves_a_file_open(files: MemoryFileSystem, operation: str) -> None:
    before = set(files.descriptors.files)

    for path in ("lib", "lib/a.js", "none/x", "/usr/x"):
        answer(files, operation, path, b"b")

    assert set(files.descriptors.files) == before


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/home/sandbox/lib/a.js", "lib/a.js"), ("/home/sandbox/lib/a", "lib/a.js"), ("/home/sandbox/lib", "lib/index.ts"),
        ("/home/sandbox/lib/index.js", "lib/index.ts"), ("/home/sandbox/none", None), ("/", None),
    ],
)  # fmt: skip
def test_a_module_is_found_as_an_import_means_it(files: MemoryFileSystem, path: str, found: str | None) -> None:
    assert find_module(files, path) == found


def test_a_name_is_relative_to_the_file_that_imports() -> None:
    assert resolve("main.js", "./a.js") == "/home/sandbox/a.js"
    assert resolve("lib/deep/m.js", "../../b.js") == "/home/sandbox/b.js"
    assert resolve("main.js", "../../../../etc/passwd") == "/etc/passwd"
    assert resolve("/tmp/x.js", "./y.js") == "/tmp/y.js"
