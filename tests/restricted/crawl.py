"""Everything that a restricted program can reach without a call, followed to the end; a process of its own.

It makes a guest as a zygote does (which freezes classes, hence the process), walks from the built-in
functions and modules along all attributes, items and types that the guards give, and prints as JSON
what it met that must not be there.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from dspex.languages.python_restricted import RestrictedPythonGuest
from dspex.languages.restricted.exports import Module
from dspex.languages.restricted.guards import Guards
from dspex.languages.restricted.own_surroundings import SysFace
from dspex.wasm.emscripten import MemoryFileSystem

FORBIDDEN = (
    types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, types.CellType, io.FileIO,
    asyncio.AbstractEventLoop, Guards, MemoryFileSystem, RestrictedPythonGuest, Path,
)  # fmt: skip


DEPTH_MAX = 6
MET_MAX = 60_000
_METHODS = (types.BuiltinFunctionType, types.MethodWrapperType, types.MethodType, types.MethodDescriptorType,
            types.WrapperDescriptorType, types.ClassMethodDescriptorType)  # fmt: skip


def identity(thing: Any) -> Any:
    """Tell objects apart; of what is made on request (methods, numbers, arrays, ...), one a kind."""
    if isinstance(thing, _METHODS):
        return type(thing), thing.__name__, type(getattr(thing, "__self__", None))
    if type(thing) in (dict, list, tuple, set, frozenset):
        return type(thing), len(thing), repr(thing)[:200]
    if isinstance(thing, types.FunctionType):
        return id(thing.__code__), tuple(sorted(thing.__dict__))
    by_id = isinstance(thing, type | Module | SysFace)
    return id(thing) if by_id else type(thing)


def instances() -> list[Any]:
    """Return objects that programs make, one of each kind that has attributes of its own."""

    def function() -> None:
        pass

    def generator() -> Any:
        yield 1

    async def coroutine() -> None:
        pass

    async def asynchronous() -> Any:
        yield 1

    waiting = coroutine()
    try:
        sys.nothing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as error:
        caught = error
    made = [function, generator(), waiting, asynchronous(), caught, caught.__traceback__, memoryview(b"x"),
            "text", b"x", 1, 1.5, [], {}, set(), (), property(), classmethod(function), staticmethod(function),
            super(int, True), range(3), slice(1), {}.items(), iter([]), object(), list[int], ValueError(),
            ExceptionGroup("x", [ValueError()])]  # fmt: skip
    waiting.close()
    return made


def made_by(modules: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return objects that programs get from the larger modules, with how they are called here."""
    of = {name: vars(module) for name, module in modules.items() if isinstance(module, Module)}
    mail = of["email.message"]["EmailMessage"]()
    mail["To"] = "a@example.org"
    mail.set_content("x")
    tests = of["unittest"]["TestSuite"]([of["unittest"]["TestCase"]("id")])
    archive = of["tarfile"]["open"](fileobj=io.BytesIO(), mode="w")
    archive.addfile(of["tarfile"]["TarInfo"]("x"))
    made = {
        "signature": of["inspect"]["signature"](instances),
        "logger": of["logging"]["getLogger"]("x"),
        "record": of["logging"]["LogRecord"]("x", 10, "", 1, "x", (), None),
        "handler": of["logging"]["StreamHandler"](),
        "formatter": of["logging"]["Formatter"]("x"),
        "template": of["string"]["Formatter"](),
        "element": of["xml.etree.ElementTree"]["fromstring"]("<a b='c'><d/></a>"),
        "tree": of["xml.etree.ElementTree"]["ElementTree"](of["xml.etree.ElementTree"]["Element"]("a")),
        "document": of["xml.dom.minidom"]["parseString"]("<!DOCTYPE a><a b='c'>x<!--y--></a>"),
        "mail": mail,
        "header": mail["To"],
        "content": mail["Content-Type"],
        "zip": of["zipfile"]["ZipFile"](io.BytesIO(), "w"),
        "zip entry": of["zipfile"]["ZipInfo"]("x"),
        "tar": archive,
        "tar entry": of["tarfile"]["TarInfo"]("x"),
        "mock": of["unittest.mock"]["MagicMock"](),
        "patch": of["unittest.mock"]["patch"]("time.time"),
        "call": of["unittest.mock"]["call"](1),
        "tests": tests,
        "result": of["unittest"]["TestResult"](),
        "module": of["ast"]["parse"]("def f(x): return x.y"),
        "temporary": of["tempfile"]["NamedTemporaryFile"](),
        "entry": next(of["os"]["scandir"]("/tmp")),
        "status": of["os"]["stat"]("/tmp"),
        "finalizer": of["weakref"]["finalize"](tests, print),
        "thread": of["threading"]["Thread"](),
        "condition": of["threading"]["Condition"](),
        "error": of["urllib.error"]["URLError"]("x"),
        "compressed": of["gzip"]["GzipFile"](fileobj=io.BytesIO(), mode="wb"),
    }
    return list(made.items())


def reached(guest: RestrictedPythonGuest) -> dict[str, Any]:
    """Return how many objects were met, and the paths to those that must not be."""
    guest._around.give("main.py", [], b"", stream=False)
    guards = guest.guards
    names = {name: value for name, value in guards.builtins.items() if name[0] not in "<_"}
    pending: list[tuple[str, Any]] = [*names.items(), *guest._modules.items()]
    pending += made_by(guest._modules)
    pending += [(f"instance of {type(one).__name__}", one) for one in instances()]
    if guest._arrays:
        numpy = sys.modules["numpy"]
        pending += [("array", numpy.arange(3)), ("scalar", numpy.float64(1)), ("dtype", numpy.dtype("f8"))]
    seen: dict[Any, Any] = {}
    bad: dict[str, str] = {}
    while pending and len(seen) < MET_MAX:
        path, thing = pending.pop()
        key = identity(thing)
        if key in seen or path.count(".") > DEPTH_MAX:
            continue
        seen[key] = thing
        holds = thing is type or isinstance(thing, FORBIDDEN) or thing is guards.builtins
        if (holds and not path.startswith("instance of traceback")) or (
            type(thing) is dict and "__builtins__" in thing
        ):
            bad[path] = repr(thing)[:100]
            continue
        try:
            listed = set(dir(thing)) | {"__class__", "__mro__", "__self__", "__func__", "__wrapped__",
                                        "__subclasses__", "__bases__"}  # fmt: skip
        except Exception:  # noqa: BLE001 - some lazy object; it has no names then
            listed = set()
        for name in sorted(one for one in listed if type(one) is str):
            try:
                value = guards.getattr(thing, name)
            except Exception:  # noqa: BLE001 - refused, or not there
                continue
            pending.append((f"{path}.{name}", value))
        if type(thing) in (list, tuple, set, frozenset):
            pending += [(f"{path}[{at}]", one) for at, one in enumerate(list(thing)[:200])]
        elif isinstance(thing, dict | types.MappingProxyType):
            pending += [(f"{path}[{str(key)[:30]!r}]", one) for key, one in list(thing.items())[:2000]]
    return {"met": len(seen), "bad": bad, "complete": not pending}


if __name__ == "__main__":
    found = reached(RestrictedPythonGuest(Path()))
    os.write(1, json.dumps(found).encode())
