"""The MCP server, spoken to by the SDK's own client: in this process, over stdio and over HTTP."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import ImageContent, TextContent

from dspex.integrations import mcp as mcp_module
from dspex.integrations.mcp import make_server
from dspex.policy import Policy

pytestmark = pytest.mark.timeout(120)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
COMMAND = [sys.executable, "-m", "dspex.cli.main", "mcp"]


@contextlib.asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Client]:
    async with Client(make_server(**options)) as client:
        yield client


def text_of(result: Any) -> str:
    return "\n".join(one.text for one in result.content if isinstance(one, TextContent))


def run(test: Any) -> None:
    anyio.run(test)


def test_a_program_is_run_and_its_ending_told_twice() -> None:
    async def main() -> None:
        async with connected() as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {
                "run_code", "open_session", "close_session", "list_sessions", "read_file",
                "list_languages", "describe_policy",
            }
            result = await client.call_tool(
                "run_code",
                {"code": "print(input(), open('a.txt').read())\n{'n': 6 * 7}", "stdin": "hi\n",
                 "files": {"a.txt": "there"}},
            )
            assert not result.is_error
            assert text_of(result) == "hi there\n\nvalue: {'n': 42}"
            assert result.structured_content is not None
            assert result.structured_content["value"] == {"n": 42}
            assert result.structured_content["status"] == "ok"

    run(main)


def test_errors_of_the_program_are_for_the_model_to_read() -> None:
    async def main() -> None:
        async with connected() as client:
            raised = await client.call_tool("run_code", {"code": "def f():\n    1 / 0\nf()"})
            assert raised.is_error
            assert 'File "main.py", line 2, in f' in text_of(raised)
            refused = await client.call_tool("run_code", {"code": "x = = 1"})
            assert "line 1: invalid syntax" in text_of(refused)
            limit = await client.call_tool(
                "run_code", {"code": "while True: pass", "timeout_s": 0.2}
            )
            assert limit.structured_content is not None
            assert limit.structured_content["error"]["limit"] == "wall_s"

    run(main)


def test_mistakes_of_the_client_are_said_in_words() -> None:
    async def main() -> None:
        async with connected() as client:
            for arguments, said in (
                ({"code": "1", "language": "cobol"}, "language 'cobol': there is no such language"),
                ({"code": "1", "session": "nope"}, "there is no session 'nope'"),
                ({"code": "1", "files": {"../x": ""}}, "'../x' has an empty part, '.' or '..'"),
                ({"code": "1", "image": "none"}, "image"),
            ):
                result = await client.call_tool("run_code", arguments)
                assert result.is_error
                assert said in text_of(result)

    run(main)


def test_a_session_keeps_its_state_and_its_files() -> None:
    async def main() -> None:
        async with connected(sessions_max=1) as client:
            name = text_of(await client.call_tool("open_session", {}))
            await client.call_tool("run_code", {"code": "x = 41", "session": name})
            again = await client.call_tool(
                "run_code",
                {"code": "open('out.txt', 'w').write('kept')\nx + 1", "session": name},
            )
            assert again.structured_content is not None
            assert again.structured_content["value"] == 42
            assert again.structured_content["files"] == {"out.txt": {"text": "kept"}}
            read = await client.call_tool("read_file", {"session": name, "name": "out.txt"})
            assert text_of(read) == "kept"
            more = await client.call_tool("open_session", {})
            assert more.is_error
            assert "1 sessions are open, 1 allowed" in text_of(more)
            await client.call_tool("close_session", {"session": name})
            gone = await client.call_tool("run_code", {"code": "x", "session": name})
            assert gone.is_error

    run(main)


def test_a_session_stays_in_its_language() -> None:
    async def main() -> None:
        async with connected() as client:
            name = text_of(await client.call_tool("open_session", {"language": "javascript"}))
            result = await client.call_tool("run_code", {"code": "1n + 1n", "session": name})
            assert text_of(result) == "value: 2"
            for wrong, said in (
                ({"language": "python"}, "the session's language is javascript, not python"),
                ({"image": "data"}, "the session's image is the default one, not data"),
            ):
                result = await client.call_tool("run_code", {"code": "1", "session": name, **wrong})
                assert result.is_error
                assert said in text_of(result)

    run(main)


def test_no_more_sessions_are_opened_at_once_than_allowed() -> None:
    async def main() -> None:
        async with connected(sessions_max=2) as client:
            opened: list[bool] = []

            async def open_one() -> None:
                opened.append(not (await client.call_tool("open_session", {})).is_error)

            async with anyio.create_task_group() as tasks:
                for _ in range(6):
                    tasks.start_soon(open_one)
            assert sorted(opened) == [False] * 4 + [True] * 2

    run(main)


def test_a_session_that_was_left_alone_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with connected(sessions_max=2) as client:
            left = text_of(await client.call_tool("open_session", {}))
            used = text_of(await client.call_tool("open_session", {}))
            await client.call_tool("run_code", {"code": "x = 1", "session": left})
            await client.call_tool("run_code", {"code": "x = 1", "session": used})
            monkeypatch.setattr(mcp_module, "ABANDONED_AFTER_S", 0.0)
            fresh = text_of(await client.call_tool("open_session", {}))
            listed = await client.call_tool("list_sessions", {})
            assert listed.structured_content is not None
            names = [one["session"] for one in listed.structured_content["result"]]
            assert names == [used, fresh]

    run(main)


def test_what_a_client_is_told_first_is_what_the_policy_keeps() -> None:
    open_policy = Policy(name="open", languages={"python"}, network={"example.org:443"})

    assert "no network, no files of the host" in (make_server().instructions or "")
    assert "no network" not in (make_server(open_policy).instructions or "")
    assert "no files of the host" in (make_server(open_policy).instructions or "")


def test_a_picture_comes_back_as_a_picture() -> None:
    async def main() -> None:
        async with connected() as client:
            code = f"open('p.png', 'wb').write({PNG!r})\nNone"
            result = await client.call_tool("run_code", {"code": code})
            [picture] = [one for one in result.content if isinstance(one, ImageContent)]
            assert picture.mime_type == "image/png"
            assert base64.b64decode(picture.data) == PNG

    run(main)


def test_output_arrives_as_progress_while_the_program_runs() -> None:
    seen: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((time.monotonic(), message))

    async def main() -> None:
        async with connected() as client:
            await client.call_tool(
                "run_code",
                {"code": "import time\nprint('one')\ntime.sleep(0.3)\nprint('two')"},
                progress_callback=note,
            )
            ended = time.monotonic()
        assert [message for _, message in seen] == ["one\n", "two\n"]
        assert ended - seen[0][0] > 0.2

    run(main)


def test_a_cancelled_call_gives_its_run_up() -> None:
    async def main() -> None:
        async with connected(workers_max=1) as client:
            with anyio.move_on_after(0.5):
                await client.call_tool("run_code", {"code": "while True: pass"})
            with anyio.fail_after(5):
                result = await client.call_tool("run_code", {"code": "1 + 1"})
            assert result.structured_content is not None
            assert result.structured_content["value"] == 2

    run(main)


def test_a_client_learns_what_it_may_do() -> None:
    async def main() -> None:
        async with connected(policy="compute") as client:
            languages = (await client.call_tool("list_languages", {})).structured_content
            assert languages is not None
            assert "python" in str(languages)
            policy = (await client.call_tool("describe_policy", {})).structured_content
            assert "wall_s" in str(policy)

    run(main)


def test_the_command_serves_standard_input_and_output() -> None:
    async def main() -> None:
        server = StdioServerParameters(
            command=COMMAND[0], args=[*COMMAND[1:], "--policy", "compute"], env=dict(os.environ)
        )
        async with Client(server) as client:
            result = await client.call_tool("run_code", {"code": "print('over stdio')\n1"})
            assert text_of(result) == "over stdio\n\nvalue: 1"

    run(main)


@pytest.fixture
def url() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([*COMMAND, "--http", f"127.0.0.1:{port}"], stderr=subprocess.PIPE) as server:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
        server.terminate()
        server.communicate(timeout=30)


def test_the_command_serves_http(url: str) -> None:
    async def main() -> None:
        async with Client(url) as client:
            name = text_of(await client.call_tool("open_session", {}))
            await client.call_tool("run_code", {"code": "y = 20", "session": name})
            async with Client(url) as other:
                result = await other.call_tool("run_code", {"code": "2"})
                assert text_of(result) == "value: 2"
                listed = await other.call_tool("list_sessions", {})
                assert name[:4] in text_of(listed)
                assert name not in text_of(listed), "who lists sessions cannot use another's"
            result = await client.call_tool("run_code", {"code": "y + 1", "session": name})
            assert text_of(result) == "value: 21"
        async with Client(url) as later:
            result = await later.call_tool("run_code", {"code": "3"})
            assert text_of(result) == "value: 3"

    run(main)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--http", "nowhere"], "--http: 'nowhere' is not HOST:PORT"),
        (["--policy", "no_such"], "there is no policy of that name"),
    ],
)
def test_wrong_options_are_said_at_once(options: list[str], said: str) -> None:
    ended = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False, input=""
    )
    assert ended.returncode == 2
    assert said in ended.stderr
