"""The network that a policy grants: HTTP through the broker, from a real server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import dspex
from dspex.policy import Policy


class Handler(BaseHTTPRequestHandler):
    """Tells what was asked for."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self._answer(302, b"", ("Location", "/there?x=1"))
        elif self.path == "/away":
            self._answer(302, b"", ("Location", "http://127.0.0.2:9/"))
        elif self.path == "/none":
            self._answer(404, b"nothing")
        elif self.path == "/big":
            self._answer(200, bytes(20_000_000))
        else:
            told = {"path": self.path, "headers": dict(self.headers)}
            self._answer(200, json.dumps(told).encode(), ("Content-Type", "application/json"))

    def do_POST(self) -> None:
        self._answer(200, b"got " + self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
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


@pytest.fixture(scope="module")
def online(place: str) -> Iterator[dspex.Engine]:
    policy = Policy.load("compute").model_copy(update={"network": frozenset({place})})
    with dspex.Engine(policy) as engine:
        yield engine


def test_urllib_reaches_what_is_granted(online: dspex.Engine, place: str) -> None:
    program = f"""
import json, urllib.request
request = urllib.request.Request("http://{place}/a/b?c=d", headers={{"X-Mine": "1"}})
with urllib.request.urlopen(request, timeout=5) as answer:
    told = json.load(answer)
[answer.status, told["path"], told["headers"]["X-mine"], answer.headers["Content-Type"]]
"""
    outcome = online.run(program)
    assert outcome.ok, outcome.error
    assert outcome.value == [200, "/a/b?c=d", "1", "application/json"]


def test_urllib_follows_redirects_and_raises_for_errors(online: dspex.Engine, place: str) -> None:
    program = f"""
import urllib.error, urllib.request
final = urllib.request.urlopen("http://{place}/moved").geturl()
try:
    urllib.request.urlopen("http://{place}/none")
except urllib.error.HTTPError as error:
    status = [error.code, error.read()]
posted = urllib.request.urlopen("http://{place}/", data=b"x=1").read()
[final, status, posted]
"""
    outcome = online.run(program)
    assert outcome.value == [f"http://{place}/there?x=1", [404, b"nothing"], b"got x=1"]


def test_requests_has_what_programs_use(online: dspex.Engine, place: str) -> None:
    program = f"""
import requests
from requests.exceptions import HTTPError
base = "http://{place}"
with requests.Session() as session:
    session.headers["X-Session"] = "s"
    one = session.get(base + "/q", params={{"a": [1, 2]}}, auth=("user", "word"), timeout=(1, 5))
told = one.json()
try:
    requests.get(base + "/none").raise_for_status()
except HTTPError as error:
    said = str(error)
moved = requests.get(base + "/moved")
[told["path"], told["headers"]["X-Session"], told["headers"]["Authorization"], said,
 [r.status_code for r in moved.history], requests.post(base, json={{"k": 1}}).text, one.ok]
"""
    outcome = online.run(program)
    assert outcome.ok, outcome.error
    assert outcome.value == [
        "/q?a=1&a=2", "s", "Basic dXNlcjp3b3Jk",
        f"404 Client Error: Not Found for url: http://{place}/none", [302], 'got {"k": 1}', True,
    ]


def test_http_get_is_there_for_every_language_with_tools(online: dspex.Engine, place: str) -> None:
    assert json.loads(online.run(f"http_get('http://{place}/p')").value)["path"] == "/p"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("http_get('http://127.0.0.1:1/')", "PermissionError: network: 127.0.0.1:1 is not granted"),
        ("http_get('http://localhost:{port}/')", "PermissionError: network: localhost:{port} is not"),
        ("http_get('http://127.0.0.1:{port}@evil.example/')", "ValueError: url: a name or password"),
        ("http_get('http://2130706433:{port}/')", "PermissionError: network: 2130706433:{port} is"),
        ("http_get('file:///etc/passwd')", "ValueError: url: 'file:///etc/passwd' is not an http"),
        ("http_get('ftp://{place}/')", "ValueError: url:"),
        ("http_get('http://{place}/away')", "OSError: http://{place}/away: HTTP 302 Found"),
        ("import urllib.request\nurllib.request.urlopen('http://{place}/away')", "urllib.error.URLError"),
        ("import requests\nrequests.get('http://{place}/away')", "requests.exceptions.ConnectionError: network: "),
        ("http_request('GET', 'http://{place}/', {{'A\\r\\nB': 'x'}})", "ValueError: headers: 'A\\r\\nB' is not the name"),
        ("http_request('GET', 'http://{place}/', {{'A': 'x\\r\\nHost: b'}})", "ValueError: headers: the value of A is more than one line"),
        ("http_request('GET / HTTP/1.1\\r\\n', 'http://{place}/')", "ValueError: method:"),
        ("http_request('GET', 'http://{place}/ HTTP/1.1\\r\\nX: y')", "ok"),
        ("http_request('GET', 'http://{place}/big')", "ValueError: the answer of {place} is longer"),
        ("import socket\nsocket.create_connection(('127.0.0.1', {port}))", "socket.gaierror: "),
    ],
)
def test_nothing_else_is_reached(online: dspex.Engine, place: str, code: str, said: str) -> None:
    port = place.partition(":")[2]
    outcome = online.run(code.format(place=place, port=port))
    ended = "ok" if outcome.error is None else f"{outcome.error.type}: {outcome.error.message}"
    expected = said.format(place=place, port=port)
    assert ended.startswith(expected), ended


def test_headers_that_say_how_the_message_travels_are_not_the_guests(
    online: dspex.Engine, place: str
) -> None:
    program = f"""
import json
sent = {{"Host": "internal.example", "Transfer-Encoding": "chunked", "Connection": "upgrade", "X-Fine": "1"}}
json.loads(http_request("GET", "http://{place}/", sent)["body"])["headers"]
"""
    headers = online.run(program).value
    assert headers["Host"] == place
    assert headers["X-Fine"] == "1"
    assert "Transfer-Encoding" not in headers
    assert headers.get("Connection") != "upgrade"


def test_without_a_grant_there_is_no_network(engine: dspex.Engine, place: str) -> None:
    outcome = engine.run(f"import urllib.request\nurllib.request.urlopen('http://{place}/')")
    assert outcome.error is not None
    assert outcome.error.type == "urllib.error.URLError"
    assert engine.run("http_get").error is not None


def test_a_stricter_policy_takes_the_network_away(online: dspex.Engine, place: str) -> None:
    outcome = online.run(f"http_get('http://{place}/')", policy="compute")
    assert outcome.error is not None
    assert outcome.error.type == "NameError"
