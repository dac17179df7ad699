"""What the recipe of the scientific image demands of upstream, without fetching any of it."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest
import wasmtime

from dspex.runtimes import scientific
from dspex.runtimes.toolchain import ToolMissing
from dspex.wasm.binary import Module, WasmFormatError

CODE = {"functions": ["inner"], "exports": ["memory", "start"]}


def module(globals_: str = "(global (mut i32) (i32.const 1024))") -> Module:
    text = f"""
    (module (memory (export "memory") 1) {globals_}
      (func $inner) (func (export "start")) (func (export "unwanted"))
      (data (i32.const 16) "state"))
    """
    return Module(bytes(wasmtime.wat2wasm(text)))


def test_a_module_is_split_into_code_and_data() -> None:
    code = module()

    assert scientific.split(code, CODE) == [(16, b"state")]
    assert [one.name for one in code.exports()] == [
        "memory", "start", "inner", scientific.STACK_POINTER,
    ]  # fmt: skip
    wasmtime.Module.validate(wasmtime.Engine(), code.encode())


@pytest.mark.parametrize(
    "globals_",
    [
        "",
        "(global i32 (i32.const 1)) (global (mut i32) (i32.const 2))",
        "(global (mut i32) (i32.const 1)) (global (mut i32) (i32.const 2))",
    ],
)
def test_state_outside_of_memory_and_stack_pointer_is_refused(globals_: str) -> None:
    with pytest.raises(WasmFormatError, match="only 0 may"):
        scientific.split(module(globals_), CODE)


def test_an_export_that_upstream_lost_is_told() -> None:
    with pytest.raises(WasmFormatError, match="does not export gone"):
        scientific.split(module(), {**CODE, "exports": ["memory", "gone"]})


def test_a_file_of_upstreams_must_have_the_pinned_hash() -> None:
    digest = hashlib.sha256(b"right").hexdigest()

    assert scientific.checked({"a": b"right"}, "a", digest) == b"right"
    with pytest.raises(scientific.UpstreamChanged, match="a: 5 bytes that are not the pinned ones"):
        scientific.checked({"a": b"wrong"}, "a", digest)
    with pytest.raises(scientific.UpstreamChanged, match="a: 0 bytes"):
        scientific.checked({}, "a", digest)


def test_without_pip_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name)
    )
    upstream = {**scientific.pins()["upstream"], "package": "a-package-that-nobody-has"}

    with pytest.raises(ToolMissing, match="pip is needed to fetch a-package-that-nobody-has"):
        scientific.fetch(upstream, tmp_path)


def test_the_key_of_the_image_depends_on_what_goes_in() -> None:
    names = {one.name for one in scientific.inputs() if isinstance(one, Path)}

    assert {"recipe.toml", "python_driver.py", "python_values.py", "scientific.py"} <= names
