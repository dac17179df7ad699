"""A caller's request, checked and turned into the message that a worker gets: a pure function.

Everything that can be wrong with a request is found here, before any process hears of it. What a
policy grants is `dspex.policy`'s to say, how values are written `dspex.values`'.
"""

from __future__ import annotations

import itertools
import keyword
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dspex import mounts, values
from dspex.errors import Finding, GuestRefused, LimitExceeded, RequestError
from dspex.protocol.messages import Budget, MountGiven, Repeatable, Run
from dspex.tools import describe_tools

if TYPE_CHECKING:
    from dspex.languages.base import LanguageSpec
    from dspex.limits import Limits
    from dspex.policy import Policy

OutputCallback = Callable[[str, str], None]
"""Called with "stdout" or "stderr" and the text, in order, from the engine's thread."""

PATH_BYTES_MAX = 255
ARGUMENTS_BYTES_MAX = 1 << 17
_RUN_NUMBERS = itertools.count(1)


class Request(NamedTuple):
    """What a caller wants to be run; the fields are the parameters of `Engine.run`."""

    code: str | bytes
    variables: Mapping[str, Any] | None = None
    files: Mapping[str, bytes | str] | None = None
    stdin: str | bytes = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] | None = None
    timeout_s: float | None = None
    tools: Mapping[str, Callable[..., Any]] | None = None


def to_message(
    request: Request,
    policy: Policy,
    spec: LanguageSpec,
    *,
    run_number: int,
    stream: bool,
    single: bool,
    mounted: bool = False,
) -> tuple[Run, Limits]:
    """Check a request against a policy and write the message for the worker.

    Args:
        request: What the caller wants.
        policy: What is allowed, already the strictest that applies.
        spec: The language that it is in.
        run_number: Which run of its session it is, from 1.
        stream: Whether somebody listens to the output while the program runs.
        single: Whether the guest ends with this run.
        mounted: Whether the policy's mounts are in the guest already.

    Returns:
        The message, and the limits that hold for this run.

    Raises:
        TypeError: a parameter has the wrong type.
        RequestError: a parameter has a value that cannot be used.
        CapabilityDenied: the policy does not grant it.
        ValueNotTransferable: a variable cannot cross.
        LimitExceeded: the source, the variables, the files or a mount are larger than the limits
            allow.
        GuestRefused: the source is not text.
    """
    limits = policy.limits
    if request.timeout_s is not None:
        limits = limits.model_copy(
            update={"wall_s": min(limits.wall_s, _timeout_s(request.timeout_s))}
        )
    env, tools = _env(request.env, policy), tools_of(request, policy, spec)
    fixed = policy.deterministic
    message = Run(
        run=next(_RUN_NUMBERS),
        source=_source(request.code, limits, binary=spec.binary_source),
        filename=_filename(spec, run_number),
        variables=_variables(
            request.variables, limits, arrays=spec.arrays and values.arrays_here()
        ),
        files=_files(request.files, limits),
        stdin=_bytes_of("stdin", request.stdin),
        args=_args(request.args),
        env=env,
        budget=Budget(
            limits.wall_s, limits.cpu_s, limits.memory_bytes, limits.output_bytes,
            limits.value_bytes, limits.value_depth, limits.file_bytes, limits.file_count,
            limits.open_files, limits.host_calls, limits.host_wait_s,
        ),
        stream=stream,
        single=single,
        repeatable=None if fixed is None else Repeatable(fixed.clock_ns, fixed.seed),
        tools=describe_tools(tools) if tools else b"",
        mounts=[] if mounted else _mounts(policy),
    )
    return message, limits


def _timeout_s(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _wrong_type("timeout_s", "a number of seconds", given)
    if not (given > 0 and math.isfinite(given)):
        raise _unusable("timeout_s", f"{given!r} is not a positive, finite number of seconds")
    return float(given)


def _mounts(policy: Policy) -> list[MountGiven]:
    return [mounts.read(one, file_count=policy.limits.file_count) for one in policy.mounts]


def _filename(spec: LanguageSpec, run_number: int) -> str:
    """Return what tracebacks call the program: each run of a session has a name of its own."""
    stem, dot, suffix = spec.filename.rpartition(".")
    return spec.filename if run_number == 1 else f"{stem}-{run_number}{dot}{suffix}"


def tools_of(request: Request, policy: Policy, spec: LanguageSpec) -> dict[str, Any]:
    """Return every tool that the guest may call: those of the policy's network, and the caller's.

    Raises:
        TypeError: They are not a mapping.
        RequestError: The language has no tools.
        CapabilityDenied: The policy does not grant one.
    """
    given = request.tools or {}
    if not isinstance(given, Mapping):
        raise _wrong_type("tools", "a mapping of names to callables", given)
    if given and not spec.tools:
        raise _unusable("tools", f"{spec.name} programs cannot call any")
    policy.require("tool", (name for name in given if isinstance(name, str)))
    if not policy.network or not spec.tools:
        return dict(given)
    from dspex.broker import http_tools  # noqa: PLC0415 - only few programs have a network

    return {**http_tools(policy), **given}


def _source(code: object, limits: Limits, *, binary: bool) -> bytes:
    if isinstance(code, str):
        try:
            source = code.encode()
        except UnicodeEncodeError as error:
            line = code.count("\n", 0, error.start) + 1
            text = f"the source is not text: a lone surrogate at character {error.start}"
            raise GuestRefused([Finding(line, 0, text)]) from None
    elif isinstance(code, bytes):
        source = code
        try:
            if not binary:
                code.decode()
        except UnicodeDecodeError as error:
            line = code.count(b"\n", 0, error.start) + 1
            text = f"the source is not UTF-8: byte {code[error.start]:#04x} at {error.start}"
            raise GuestRefused([Finding(line, 0, text)]) from None
    else:
        raise _wrong_type("code", "str or bytes", code)
    if len(source) > limits.source_bytes:
        text = f"source_bytes: {len(source)} given, {limits.source_bytes} allowed"
        raise GuestRefused([Finding(0, 0, text)])
    nul = -1 if binary else source.find(b"\0")
    if nul >= 0:
        line = source.count(b"\n", 0, nul) + 1
        raise GuestRefused([Finding(line, 0, f"the source contains a NUL byte at {nul}")])
    return source


def _variables(given: object, limits: Limits, *, arrays: bool) -> bytes:
    if given is None:
        return b""
    if not isinstance(given, Mapping):
        raise _wrong_type("variables", "a mapping of names to values", given)
    for name in given:
        if not isinstance(name, str):
            raise _wrong_type("variables", "names of type str", name)
        if not name.isidentifier() or keyword.iskeyword(name):
            raise _unusable("variables", f"{name!r} is not a name")
        if name.startswith("__") and name.endswith("__"):
            raise _unusable("variables", f"{name!r} belongs to Python itself")
    if not given:
        return b""
    try:
        return values.encode(
            dict(given), bytes_max=limits.value_bytes, depth_max=limits.value_depth,
            arrays=arrays, name="variables",
        )
    except values.ValueOverLimit as error:
        raise LimitExceeded(error.limit, error.allowed, error.spent, "inner") from error


def _files(given: object, limits: Limits) -> dict[str, bytes]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _wrong_type("files", "a mapping of names to bytes", given)
    found: dict[str, bytes] = {}
    total = 0
    for name, content in given.items():
        data = _bytes_of(f"files[{name!r}]", content)
        found[_file_name(name)] = data
        total += len(data)
    for name in found:
        folders = name.split("/")[:-1]
        for depth in range(len(folders)):
            if "/".join(folders[: depth + 1]) in found:
                raise _unusable("files", f"{name!r} lies below a file")
    if total > limits.file_bytes:
        raise LimitExceeded("file_bytes", limits.file_bytes, total, "inner")
    if len(found) > limits.file_count:
        raise LimitExceeded("file_count", limits.file_count, len(found), "inner")
    return found


def _file_name(name: object) -> str:
    if not isinstance(name, str):
        raise _wrong_type("files", "names of type str", name)
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise _unusable("files", f"{name!r} is not text") from None
    parts = name.split("/")
    if not name or "\0" in name or name.startswith("/"):
        raise _unusable("files", f"{name!r} is not a relative path")
    if any(part in ("", ".", "..") for part in parts):
        raise _unusable("files", f"{name!r} has an empty part, '.' or '..'")
    if len(encoded) > PATH_BYTES_MAX * 4 or any(len(p.encode()) > PATH_BYTES_MAX for p in parts):
        shown = name[:40]
        raise _unusable("files", f"'{shown}...' is longer than {PATH_BYTES_MAX} bytes")
    return name


def _args(given: object) -> list[str]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise _wrong_type("args", "a sequence of str", given)
    total = 0
    for position, one in enumerate(given):
        if not isinstance(one, str):
            raise _wrong_type(f"args[{position}]", "str", one)
        total += len(_plain_text(f"args[{position}]", one))
    if total > ARGUMENTS_BYTES_MAX:
        raise _unusable("args", f"{total} bytes given, {ARGUMENTS_BYTES_MAX} allowed")
    return list(given)


def _env(given: object, policy: Policy) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _wrong_type("env", "a mapping of names to str", given)
    total = 0
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise _wrong_type("env", "names and values of type str", (name, value))
        if not name or "=" in name:
            raise _unusable("env", f"{name!r} is not a name of a variable")
        total += len(_plain_text("env", name)) + len(_plain_text(f"env[{name!r}]", value))
    if total > ARGUMENTS_BYTES_MAX:
        raise _unusable("env", f"{total} bytes given, {ARGUMENTS_BYTES_MAX} allowed")
    policy.require("env", given)
    return dict(given)


def _plain_text(place: str, text: str) -> bytes:
    if "\0" in text:
        raise _unusable(place, "a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _unusable(place, f"{text!r} is not text") from None


def _bytes_of(place: str, given: object) -> bytes:
    if isinstance(given, str):
        try:
            return given.encode()
        except UnicodeEncodeError:
            raise _unusable(place, "the text has a lone surrogate") from None
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    raise _wrong_type(place, "bytes or str", given)


def _wrong_type(place: str, wanted: str, given: object) -> TypeError:
    return TypeError(f"{place}: {wanted} wanted, {type(given).__name__} given")


def _unusable(place: str, reason: str) -> RequestError:
    return RequestError(f"{place}: {reason}")
