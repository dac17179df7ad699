"""An MCP server that runs code: `dspex mcp`, or `make_server` inside a program of one's own.

It translates between the protocol and an engine and decides nothing: what may run and how much it may
use is the engine's policy, whatever a client asks for. Output goes to the client as progress while a
program runs; a cancelled call gives its run up.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent
from pydantic import Field

import dspex
from dspex.async_engine import open_engine
from dspex.errors import DspexError
from dspex.languages import table
from dspex.policy import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dspex.async_engine import AsyncEngine, AsyncSession
    from dspex.outcome import Outcome
    from dspex.streaming import AsyncStream

SESSIONS_MAX = 32
ABANDONED_AFTER_S = 3600.0
"""How long a session rests before it has to make room for another: a client may have gone without a word."""
FILES_BYTES_MAX = 4 * 1024 * 1024
"""How much of the files of a run goes into its result, and how much a session remembers."""
TEXT_CHARS_MAX = 100_000
"""Longest text that a client is shown of each stream; the structured result has all of it."""
_SHOWN_CHARS = 4
"""Of a session's id, for those who have it to know it again."""
_IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}

Code = Annotated[str, Field(description="The program. The value of its last expression is returned.")]
Language = Annotated[str, Field(description="One of the names that list_languages gives.")]
Files = Annotated[
    dict[str, str] | None,
    Field(description="Text files by relative path, put into the program's working directory."),
]
SessionId = Annotated[str, Field(description="What open_session returned.")]


@dataclass(slots=True)
class _Open:
    """A session of a client."""

    session: AsyncSession
    language: str
    image: str | None
    exits: contextlib.AsyncExitStack
    files: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    """What was written in it, as far as it is remembered."""
    used_s: float = field(default_factory=time.monotonic)


def make_server(
    policy: str | Path | Policy = "compute", *, sessions_max: int = SESSIONS_MAX, **options: Any
) -> MCPServer[Any]:
    """Return an MCP server; its `run` serves one transport, its apps can be mounted elsewhere.

    Args:
        policy: What programs may reach and spend.
        sessions_max: Most sessions open at once, all clients together. One that has rested for an hour
            makes room for another.
        options: Further parameters of `dspex.Engine`.

    Example:
        >>> server = make_server(policy="compute")
        >>> server.name
        'dspex'
    """
    granted = Policy.load(policy)
    service = _Service(sessions_max)

    @contextlib.asynccontextmanager
    async def lifespan(_server: MCPServer[Any]) -> AsyncIterator[None]:
        async with open_engine(policy=granted, **options) as service.engine:
            try:
                yield
            finally:
                await service.close()

    server: MCPServer[Any] = MCPServer(
        "dspex", version=dspex.__version__, instructions=_instructions(granted), lifespan=lifespan
    )
    service.register(server)
    return server


def _instructions(granted: Policy) -> str:
    """Say to a model what the server is for, and no more than the policy keeps."""
    nothing = [
        said
        for said, there in (("no network", granted.network), ("no files of the host", granted.mounts))
        if not there
    ]
    return (
        f"Runs programs in a sandbox: {', '.join([*nothing, 'limits on everything'])} (see "
        "describe_policy). run_code runs a program in a fresh sandbox; open_session gives one whose "
        "variables and files stay from call to call. Files that a program writes in its working "
        "directory come back with the result."
    )


class _Service:
    """Everything that a client can call."""

    def __init__(self, sessions_max: int) -> None:
        self._sessions_max = sessions_max
        self.engine: AsyncEngine
        self._sessions: dict[str, _Open] = {}
        self._opening = 0

    def register(self, server: MCPServer[Any]) -> None:
        """Offer every method as a tool of its name."""
        for method in (
            self.run_code, self.open_session, self.close_session, self.list_sessions,
            self.read_file, self.list_languages, self.describe_policy,
        ):
            server.add_tool(method)

    async def close(self) -> None:
        """Close every session."""
        while self._sessions:
            _, one = self._sessions.popitem()
            await one.exits.aclose()

    def _find(self, session: str) -> _Open:
        found = self._sessions.get(session)
        if found is None:
            msg = f"there is no session {session!r}; open_session makes one"
            raise ToolError(msg)
        found.used_s = time.monotonic()
        return found

    async def run_code(
        self,
        ctx: Context[Any],
        code: Code,
        *,
        language: Annotated[
            str | None,
            Field(description="One of the names that list_languages gives; by default the session's, or python."),
        ] = None,
        session: Annotated[
            str | None, Field(description="A session to run in; a fresh sandbox if absent.")
        ] = None,
        image: Annotated[
            str | None, Field(description="Named image with packages; see list_languages.")
        ] = None,
        files: Files = None,
        stdin: Annotated[str, Field(description="What the program reads from standard input.")] = "",
        args: Annotated[list[str] | None, Field(description="Arguments of the program.")] = None,
        timeout_s: Annotated[
            float | None, Field(gt=0, description="Seconds it may take; the policy may allow fewer.")
        ] = None,
    ) -> CallToolResult:
        """Run a program and return its value, output, errors and the files it wrote."""
        given: dict[str, Any] = {
            "files": files, "stdin": stdin, "args": args or [], "timeout_s": timeout_s,
        }
        with _client_mistakes():
            if session is None:
                stream = self.engine.stream(code, language=language or "python", image=image, **given)
                place = None
            else:
                place = self._find(session)
                _check_same("language", language, place.language)
                _check_same("image", image, place.image)
                stream = place.session.stream(code, **given)
            async with stream:
                await _report(ctx, stream)
                outcome = await stream.outcome()
        if place is not None:
            place.used_s = time.monotonic()
            _remember(place, files or {}, outcome)
        return _result(outcome)

    async def open_session(self, language: Language = "python", image: str | None = None) -> str:
        """Open a sandbox whose variables, functions and files stay; returns its id."""
        await self._make_room()
        self._opening += 1
        try:
            exits = contextlib.AsyncExitStack()
            with _client_mistakes():
                made = await exits.enter_async_context(
                    self.engine.session(language=language, image=image)
                )
        finally:
            self._opening -= 1
        name = secrets.token_urlsafe(12)
        self._sessions[name] = _Open(made, language, image, exits)
        return name

    async def _make_room(self) -> None:
        """Close the session that was left alone the longest, if there is one and no room for another."""
        if len(self._sessions) + self._opening < self._sessions_max:
            return
        oldest = min(self._sessions, key=lambda name: self._sessions[name].used_s, default=None)
        if oldest is None or time.monotonic() - self._sessions[oldest].used_s < ABANDONED_AFTER_S:
            there = len(self._sessions) + self._opening
            msg = f"{there} sessions are open, {self._sessions_max} allowed; close one first"
            raise ToolError(msg)
        await self._sessions.pop(oldest).exits.aclose()

    async def close_session(self, session: SessionId) -> str:
        """Close a session; its state is gone."""
        found = self._find(session)
        del self._sessions[session]
        await found.exits.aclose()
        return "closed"

    async def list_sessions(self, ctx: Context[Any]) -> list[dict[str, Any]]:
        """List the open sessions; over HTTP, where they may be other clients', without what opens them."""
        shared = ctx.headers is not None
        return [
            {
                "session": f"{name[:_SHOWN_CHARS]}..." if shared else name,
                "language": one.language, "image": one.image, "usable": not one.session.closed,
                "files": [] if shared else sorted(one.files),
            }
            for name, one in self._sessions.items()
        ]

    async def read_file(self, session: SessionId, name: str) -> CallToolResult:
        """Return a file that was given to a session, or that a program wrote in it."""
        found = self._find(session)
        if name not in found.files:
            there = ", ".join(sorted(found.files)) or "none"
            msg = f"the session has no file {name!r} (it has: {there})"
            raise ToolError(msg)
        return CallToolResult(content=[_content(name, found.files[name])])

    async def list_languages(self) -> dict[str, dict[str, Any]]:
        """List the languages that may be used, with their images."""
        granted = self.engine.policy
        return {
            name: {
                "images": [one for one in table.spec(name).images() if _grants(granted, one)],
                "sessions": table.spec(name).sessions,
            }
            for name in table.names()
            if name in granted.languages
        }

    async def describe_policy(self) -> dict[str, Any]:
        """Say what programs may reach and spend."""
        described: dict[str, Any] = json.loads(self.engine.policy.model_dump_json())
        described.pop("mounts", None)  # where things lie on the host is nobody's business
        return described


def _check_same(what: str, wanted: str | None, there: str | None) -> None:
    if wanted not in (None, there):
        msg = f"the session's {what} is {there or 'the default one'}, not {wanted}"
        raise ToolError(msg)


def _grants(policy: Policy, image: str) -> bool:
    try:
        policy.require("image", [image])
    except DspexError:
        return False
    return True


@contextlib.contextmanager
def _client_mistakes() -> Iterator[None]:
    """Tell a client what is wrong with its request, in the engine's own words."""
    try:
        yield
    except (DspexError, TypeError) as error:
        raise ToolError(str(error)) from error


async def _report(ctx: Context[Any], stream: AsyncStream) -> None:
    """Pass output on as progress, as it comes."""
    written = 0
    async for event in stream:
        written += len(event.text)
        await ctx.report_progress(written, message=event.text[:TEXT_CHARS_MAX])


def _remember(place: _Open, given: dict[str, str], outcome: Outcome) -> None:
    """Keep the files of a session, the latest first to stay."""
    for name, content in {**{k: v.encode() for k, v in given.items()}, **outcome.files}.items():
        place.files[name] = content
        place.files.move_to_end(name)
    while sum(map(len, place.files.values())) > FILES_BYTES_MAX:
        place.files.popitem(last=False)


def _result(outcome: Outcome) -> CallToolResult:
    """Return an outcome as MCP does: text for a model to read, and everything as a structure."""
    structure = outcome.as_dict()
    structure["files"], content = {}, []
    left = FILES_BYTES_MAX
    for name, data in outcome.files.items():
        if len(data) > left:
            structure["notes"].append(f"file {name!r}: {len(data)} bytes, too large to return")
            continue
        left -= len(data)
        shown = _content(name, data)
        if isinstance(shown, ImageContent):
            content.append(shown)
        structure["files"][name] = _file(data)
    text = TextContent(type="text", text=_text(outcome))
    return CallToolResult(
        content=[text, *content], structured_content=structure, is_error=not outcome.ok
    )


def _file(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _content(name: str, data: bytes) -> TextContent | ImageContent:
    kind = _IMAGES.get(name[name.rfind(".") :].lower()) if "." in name else None
    encoded = base64.b64encode(data).decode("ascii")
    if kind is not None:
        return ImageContent(type="image", data=encoded, mime_type=kind)
    shown = _file(data)
    return TextContent(type="text", text=shown.get("text") or json.dumps(shown))


def _text(outcome: Outcome) -> str:
    """Say how a run ended, for a model."""
    parts = []
    for title, text in (("", outcome.stdout), ("stderr:\n", outcome.stderr)):
        if text:
            parts.append(title + _cut(text))
    if outcome.value is not None:
        parts.append(f"value: {_cut(repr(outcome.value))}")
    if outcome.error is not None:
        error = outcome.error
        parts.append(_cut(error.traceback or f"{error.type}: {error.message}"))
        parts += [f"line {one.line}: {one.message}" for one in error.findings]
    if outcome.files:
        parts.append("files: " + ", ".join(sorted(outcome.files)))
    if outcome.truncated:
        parts.append("(output was cut at its limit)")
    return "\n".join(parts) or f"({outcome.status}, no output)"


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARS_MAX:
        return text
    return f"{text[:TEXT_CHARS_MAX]}\n[... {len(text) - TEXT_CHARS_MAX} characters left out ...]"
