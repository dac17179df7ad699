"""Wheels and native modules for tests, made here: good ones, and ones that nobody should take."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING

import wasmtime

from dspex.wasm.binary import name_bytes, unsigned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NATIVE_TAG = "cp314-cp314-pyemscripten_2026_0_wasm32"


def wheel_bytes(
    name: str, files: Mapping[str, bytes | str], version: str = "1.0", *, record: str | None = None,
    entries: Mapping[str, zipfile.ZipInfo] | None = None, requires: tuple[str, ...] = (),
) -> bytes:
    """Return a wheel; `entries` replaces the zip entry of a path, `record` the whole RECORD."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    meta += "".join(f"Requires-Dist: {one}\n" for one in requires)
    content = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    content[f"{info}/METADATA"] = meta.encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
    rows = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in content.items()]
    rows.append(f"{info}/RECORD,,")
    content[f"{info}/RECORD"] = ("\n".join(rows) if record is None else record).encode()
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr((entries or {}).get(path, zipfile.ZipInfo(path)), data, zipfile.ZIP_DEFLATED)
    return raw.getvalue()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put_index(folder: Path, packages: Mapping[str, tuple[str, bytes, list[str]]]) -> Path:
    """Write a folder with wheels and a pyodide-lock.json: name to file name, content and dependencies."""
    folder.mkdir(exist_ok=True)
    listed = {}
    for name, (file, content, depends) in packages.items():
        (folder / file).write_bytes(content)
        listed[name] = {
            "name": name, "version": file.split("-")[1], "file_name": file, "install_dir": "site",
            "sha256": sha256(content), "package_type": "package", "imports": [name], "depends": depends,
        }
    info = {"arch": "wasm32", "platform": "emscripten_5_0_3", "abi_version": "2026_0", "python": "3.14.2"}
    (folder / "pyodide-lock.json").write_text(json.dumps({"info": info, "packages": listed}))
    return folder


def side_module(text: str, *, memory_bytes: int = 256, slots: int = 4, needed: tuple[str, ...] = ()) -> bytes:
    """Return a module in text form as Emscripten's linker would mark it."""
    binary = bytes(wasmtime.wat2wasm(text))
    sizes = unsigned(memory_bytes) + unsigned(4) + unsigned(slots) + unsigned(0)
    parts = b"\x01" + unsigned(len(sizes)) + sizes
    if needed:
        names = unsigned(len(needed)) + b"".join(name_bytes(one) for one in needed)
        parts += b"\x02" + unsigned(len(names)) + names
    body = name_bytes("dylink.0") + parts
    return binary[:8] + b"\0" + unsigned(len(body)) + body + binary[8:]


TINY = r"""(module
  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 2 funcref))
  (import "env" "__memory_base" (global $base i32))
  (import "env" "__table_base" (global $slots i32))
  (import "GOT.mem" "_Py_NoneStruct" (global $none (mut i32)))
  (import "GOT.func" "PyObject_Repr" (global $repr (mut i32)))
  (import "env" "PyModule_Create2" (func $create (param i32 i32) (result i32)))
  (import "env" "PyLong_FromLong" (func $long (param i32) (result i32)))
  (type $method (func (param i32 i32) (result i32)))
  (elem (global.get $slots) $answer $shown)
  (data (global.get $base) "tiny\00answer\00shown\00")
  (func $answer (type $method) (call $long (i32.load (i32.add (global.get $base) (i32.const 200)))))
  (func $shown (type $method) (call_indirect (param i32) (result i32) (global.get $none) (global.get $repr)))
  (func $place (param $at i32) (param $value i32)
    (i32.store (i32.add (global.get $base) (local.get $at)) (local.get $value)))
  (func $started (call $place (i32.const 200) (i32.const 40)))
  (start $started)
  (func (export "__wasm_apply_data_relocs")
    ;; PyModuleDef at 32: name at +20, size at +28, methods at +32; methods at 96, 16 bytes each.
    (call $place (i32.const 52) (global.get $base))
    (call $place (i32.const 60) (i32.const -1))
    (call $place (i32.const 64) (i32.add (global.get $base) (i32.const 96)))
    (call $place (i32.const 96) (i32.add (global.get $base) (i32.const 5)))
    (call $place (i32.const 100) (global.get $slots))
    (call $place (i32.const 104) (i32.const 4))
    (call $place (i32.const 112) (i32.add (global.get $base) (i32.const 12)))
    (call $place (i32.const 116) (i32.add (global.get $slots) (i32.const 1)))
    (call $place (i32.const 120) (i32.const 4)))
  (func (export "__wasm_call_ctors")
    ;; The start function has put 40 there.
    (call $place (i32.const 200) (i32.add (i32.const 2) (i32.load (i32.add (global.get $base) (i32.const 200))))))
  (func (export "PyInit_tiny") (result i32)
    (call $create (i32.add (global.get $base) (i32.const 32)) (i32.const 1013))))
"""
"""A Python module with two functions: `answer()` is 42 if all parts of the linker have done their work."""
