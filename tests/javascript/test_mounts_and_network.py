"""What a policy grants beside the sandbox: mounted paths through `node:fs`, hosts through `fetch`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import dspex
from dspex.policy import Mount, Policy
from tests.javascript.running import value_of


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(404 if self.path == "/none" else 200, f'{{"path": "{self.path}", "mine": "{self.headers["X-Mine"]}"}}'.encode())

    def do_POST(self) -> None:
        self._answer(200, b"got " + self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("X-Said", "a"), ("X-Said", "b")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_fetch_reaches_what_is_granted_and_nothing_else(place: str) -> None:
    policy = Policy.load("compute").model_copy(update={"network": frozenset({place})})
    with dspex.Engine(policy, languages=["javascript"]) as engine:
        got = engine.run(
            f"const r = await fetch('http://{place}/a?b=c', {{ headers: {{ 'X-Mine': '1' }} }});\n"
            f"const p = await fetch(new URL('http://{place}/'), {{ method: 'post', body: 'hé' }});\n"
            f"const none = await fetch('http://{place}/none');\n"
            "[r.ok, r.status, await r.json(), r.headers.get('x-said'), await p.text(), none.ok, none.status]",
            language="javascript",
        )
        refused = engine.run("await fetch('http://127.0.0.1:1/')", language="javascript")

    assert value_of(got) == [True, 200, {"path": "/a?b=c", "mine": "1"}, "a, b", "got hé", False, 404]
    assert refused.error is not None
    assert refused.error.type == "PermissionError"
    assert refused.error.message.startswith("network: 127.0.0.1:1 is not granted")


def test_mounts_are_read_and_written(tmp_path: Path) -> None:
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("first")
    mounts = (
        Mount(guest="/in", host=str(tmp_path / "read")),
        Mount(guest="/out", host=str(tmp_path / "write"), mode="write"),
    )
    policy = Policy.load("compute").model_copy(update={"mounts": mounts})
    with dspex.Engine(policy, languages=["javascript"]) as engine:
        outcome = engine.run(
            "import fs from 'node:fs'; fs.appendFileSync('/out/a.txt', ' and second'); let code;\n"
            "try { fs.writeFileSync('/in/a.txt', 'x') } catch (e) { code = e.code } [fs.readFileSync('/in/a.txt', 'utf8'), code]",
            language="javascript",
        )

    assert value_of(outcome) == ["first", "EACCES"]
    assert (tmp_path / "read" / "a.txt").read_text() == "first"
    assert (tmp_path / "write" / "a.txt").read_text() == "first and second"


def test_a_file_that_cannot_be_given_is_refused(engine: dspex.Engine) -> None:
    with engine.session(language="javascript") as session:
        session.run("require('fs').mkdirSync('taken')")
        refused = session.run("1", files={"taken": "x"})
        after = session.run("2")

    assert (refused.status, after.value) == ("refused", 2)
