"""`zipfile`, `tarfile`, `gzip`, `bz2` and `lzma` over files in memory: the library's, with other surroundings.

These modules open files by name. Here their globals `os`, `io`, `open`, ... are exchanged for namespaces
that know only the file system of the guest, so what an archive says leads nowhere else, be it `../..`,
a symbolic link or a device. Bombs are met by the budgets of files and memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import types
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.languages.restricted.context import Modules
    from dspex.languages.restricted.virtual_files import VirtualFiles

_ZIP = (
    "ZipFile ZipInfo BadZipFile BadZipfile LargeZipFile ZIP_STORED ZIP_DEFLATED ZIP_BZIP2 ZIP_LZMA is_zipfile error"
).split()
_TAR = (
    "TarFile TarInfo TarError ReadError CompressionError StreamError ExtractError HeaderError FilterError "
    "AbsolutePathError OutsideDestinationError SpecialFileError AbsoluteLinkError LinkOutsideDestinationError "
    "is_tarfile open data_filter tar_filter fully_trusted_filter REGTYPE DIRTYPE SYMTYPE LNKTYPE USTAR_FORMAT "
    "GNU_FORMAT PAX_FORMAT DEFAULT_FORMAT ENCODING"
).split()
_SHUTIL = ("copyfileobj",)


def modules() -> Modules:
    """Return names by module; `surround` must have been called before a program gets them."""
    found = {
        "zipfile": {name: getattr(zipfile, name) for name in _ZIP},
        "tarfile": {name: getattr(tarfile, name) for name in _TAR if hasattr(tarfile, name)},
        "gzip": {name: getattr(gzip, name) for name in ("open", "compress", "decompress", "GzipFile", "BadGzipFile")},
        "bz2": {name: getattr(bz2, name) for name in ("open", "BZ2File")},
        "lzma": {name: getattr(lzma, name) for name in ("open", "LZMAFile")},
    }

    def gzip_compress(data: Any, compresslevel: int = 9, *, mtime: float | None = None) -> bytes:
        return gzip.compress(bytes(data), compresslevel, mtime=0 if mtime is None else mtime)

    found["gzip"]["compress"] = gzip_compress
    return found


def surround(files: VirtualFiles, time: Any) -> None:
    """Give these modules the guest's files and clock.

    For processes that run nothing but restricted programs; before classes are frozen.

    Args:
        files: The file system.
        time: What programs get as the module `time`.
    """
    given = files.modules()
    system = types.SimpleNamespace(**given["os"], path=types.SimpleNamespace(**given["os.path"]))
    opened = given["io"]["open"]
    public = {name: getattr(io, name) for name in io.__all__ if name not in ("open", "open_code", "FileIO")}
    streams = types.SimpleNamespace(**{**public, "text_encoding": io.text_encoding, "open": opened})
    copying = types.SimpleNamespace(**{name: getattr(shutil, name) for name in _SHUTIL})
    vars(zipfile).update(os=system, io=streams, shutil=copying, time=time, open=opened)
    vars(tarfile).update(
        os=system, shutil=copying, time=time, bltn_open=opened, open=tarfile.open, pwd=None, grp=None
    )
    # `tarfile.open` follows the names in here; nobody may put others in.
    tarfile.TarFile.OPEN_METH = types.MappingProxyType(dict(tarfile.TarFile.OPEN_METH))
    built_in = types.SimpleNamespace(open=opened)
    vars(gzip).update(builtins=built_in, time=time)
    vars(lzma).update(builtins=built_in)
    vars(bz2).update(_builtin_open=opened)
