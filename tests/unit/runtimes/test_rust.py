"""What rustc says becomes findings, and a machine without a toolchain says what to install."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dspex
from dspex.runtimes import rust


def said(*diagnostics: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in diagnostics)


def span(line: int, column: int, *, file: str = "main.rs", **more: Any) -> dict[str, Any]:
    return {"file_name": file, "line_start": line, "column_start": column, "is_primary": True, **more}


def test_errors_become_findings_and_warnings_do_not() -> None:
    diagnostics = said(
        {"level": "warning", "message": "unused", "code": None, "spans": [span(1, 1)], "children": []},
        {
            "level": "error", "message": "mismatched types", "code": {"code": "E0308"},
            "spans": [span(3, 5, label="expected `i32`")],
            "children": [{"level": "help", "message": "try", "spans": [span(3, 5, suggested_replacement="1")]}],
        },
        {"level": "error", "message": "aborting due to previous error", "code": None, "spans": [], "children": []},
    )

    assert rust._findings({"status": 1}, diagnostics) == [
        dspex.Finding(3, 5, "error[E0308]: mismatched types (expected `i32`)", "try: `1`")
    ]


def test_a_place_inside_the_standard_library_is_traced_to_the_program() -> None:
    inner = span(99, 9, file="/rustc/library/core/macros.rs", expansion={"span": span(4, 2)})
    diagnostics = said({"level": "error", "message": "m", "code": None, "spans": [inner], "children": []})

    [finding] = rust._findings({"status": 1}, diagnostics)

    assert (finding.line, finding.column) == (4, 2)


@pytest.mark.parametrize(
    ("header", "output", "message"),
    [
        ({"status": -9, "timed_out": True}, b"", "the compiler was ended after 20 s"),
        ({"status": -24, "timed_out": False}, b"", "the compiler was ended by signal 24"),
        ({"status": 101, "timed_out": False}, b"thread 'rustc' panicked\n", "the compiler failed with status 101: thread 'rustc' panicked"),
        ({"status": 1, "timed_out": False}, b"[[[[[", "the compiler failed with status 1: [[[[["),
        ({"status": 0, "timed_out": False}, b"", "the compiler failed with status 0: it made nothing"),
    ],
)
def test_a_compiler_that_says_nothing_useful_still_gives_a_finding(
    header: dict[str, Any], output: bytes, message: str
) -> None:
    [finding] = rust._findings(header, output)

    assert finding.message.startswith(message)


def test_a_flood_of_errors_is_cut() -> None:
    many = [{"level": "error", "message": str(n), "code": None, "spans": [], "children": []} for n in range(500)]

    assert len(rust._findings({"status": 1}, said(*many))) == 100


def test_a_machine_without_a_toolchain_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    monkeypatch.setattr(rust, "_ask", lambda _command: None)
    rust._found.cache_clear()
    try:
        with pytest.raises(dspex.LanguageUnavailable) as caught:
            rust.toolchain()
    finally:
        rust._found.cache_clear()

    assert str(caught.value) == (
        "language 'rust': there is no rustc here with the target wasm32-wasip1 and a linker for it;"
        " to change that: `rustup target add wasm32-wasip1`, or on Debian and Ubuntu"
        " `apt-get install rustc libstd-rust-dev-wasm32 lld`"
    )


def test_rustups_toolchain_comes_before_the_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "toolchains" / name / "lib" / "rustlib" / "wasm32-wasip1" / "lib").mkdir(parents=True)
        (tmp_path / "toolchains" / name / "lib" / "rustlib" / "host" / "bin").mkdir(parents=True)
        (tmp_path / "toolchains" / name / "lib" / "rustlib" / "host" / "bin" / "rust-lld").touch()
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    default = str(tmp_path / "toolchains" / "b")

    def ask(command: list[str]) -> str | None:
        if command[1:] == ["--print", "sysroot"]:
            return default if "cargo" in command[0] else "/usr"
        return "rustc 1.99.0\nhost: host" if command[1:] == ["-vV"] else ""

    monkeypatch.setattr(rust, "_ask", ask)

    found = [rust._examined(*one) for one in rust._candidates()]

    assert [one.origin for one in found[:2] if one is not None] == ["rustup", "rustup"]
    assert found[0] is not None
    assert (found[0].sysroot, found[0].target) == (default, "wasm32-wasip1")
    assert found[0].linker == f"{default}/lib/rustlib/host/bin/rust-lld"
