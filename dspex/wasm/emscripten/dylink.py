"""The answers to `dlopen` and `dlsym` for native modules that were merged in when the image was made.

Nothing is loaded here: code, data and table entries are in the snapshot already. The C library asks
where they are, and is told from a table that `dspex.runtimes.images.link` has made. What is not in the
table cannot be opened.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dspex.wasm.ffi import LinearMemory

_NAME_AT = 36
_PLACE_AT = 8
_PLACE = struct.Struct("<B3xIIII")
"""Whether memory was set aside; then where data and table entries begin, each with its size."""

_NAME_BYTES_MAX = 4096


class MergedModules:
    """What was merged into one image, by path in the guest."""

    def __init__(self, memory: LinearMemory, table: Mapping[str, Mapping[str, Any]]) -> None:
        """Answer for the modules of `table`, as `entry.json` holds it under `native`."""
        self._memory = memory
        self._table = {path.encode(): one for path, one in table.items()}

    def dlopen(self, handle: int) -> int:
        """Fill in the C library's description of a module; 0 if there is none of that name."""
        handle &= 0xFFFFFFFF
        one = self._table.get(self._text(handle + _NAME_AT))
        if one is None:
            return 0
        memory_base, memory_bytes, table_base, table_slots = one["place"]
        _PLACE.pack_into(
            self._memory.view, handle + _PLACE_AT, 1, memory_base, memory_bytes, table_base, table_slots
        )
        return 1

    def dlsym(self, handle: int, name: int, _index: int) -> int:
        """Return the table entry of an exported function; 0 if there is none of that name."""
        one = self._table.get(self._text((handle & 0xFFFFFFFF) + _NAME_AT))
        symbol = self._text(name & 0xFFFFFFFF).decode("utf-8", "replace")
        return 0 if one is None else int(one["functions"].get(symbol, 0))

    def _text(self, address: int) -> bytes:
        return bytes(self._memory.view[address : address + _NAME_BYTES_MAX]).partition(b"\0")[0]
