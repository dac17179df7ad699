"""Small programs in the text format: WASI imports by name, and bodies that use them."""

from __future__ import annotations

from dspex.wasm.wasi.preview1 import SIGNATURES

_TYPES = {"i": "i32", "I": "i64"}


def text(data: bytes) -> str:
    """Write bytes as a string of the text format."""
    return '"' + "".join(f"\\{byte:02x}" for byte in data) + '"'


def module(body: str, *, imports: str = "fd_write proc_exit", pages: str = "1", data: str = "") -> str:
    """Write a program around the body of its `_start`.

    It has `$say pointer length`, which prints, and `$exit status`; `data` goes to memory at 1024.
    """
    needed = dict.fromkeys(["fd_write", "proc_exit", *imports.split()])
    lines = []
    for name in needed:
        params = " ".join(_TYPES[letter] for letter in SIGNATURES[name])
        result = "" if name == "proc_exit" else "(result i32)"
        lines.append(
            f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) {result}))'
        )
    return f"""(module {" ".join(lines)}
  (memory (export "memory") {pages})
  (data (i32.const 1024) {data or '""'})
  (func $say (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $exit (param i32) (call $proc_exit (local.get 0)))
  (func (export "_start") {body}))"""


def answer(call: str, imports: str, *, data: bytes = b"") -> str:
    """Write a program that makes one WASI call and ends with what it answered as its exit status."""
    body = f"(call $exit {call})"
    return module(body, imports=imports, data=text(data))
