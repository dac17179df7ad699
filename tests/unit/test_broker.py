"""The broker alone: what a guest's wishes become on the wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dspex import broker
from dspex.limits import Limits
from dspex.policy import Policy

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Server:
    """Takes one connection after the other, keeps what it was sent, and answers what it is told to."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.heard: list[bytes] = []
        self.answer: Callable[[socket.socket], None] = lambda one: one.sendall(ANSWER)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(65536))
                try:
                    self.answer(connection)
                except OSError:
                    continue

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def request(server: Server, **given: Any) -> dict[str, Any]:
    policy = Policy(name="net", network=frozenset({server.place}), limits=given.pop("limits", Limits()))
    url = given.pop("url", f"http://{server.place}/")
    found: dict[str, Any] = broker.http_tools(policy)["http_request"]("GET", url, **given)
    return found


def test_without_a_grant_there_is_no_tool() -> None:
    assert broker.http_tools(Policy()) == {}


def test_a_request_says_what_was_asked_for_and_no_more(server: Server) -> None:
    answer = request(server, headers={"X-Fine": "1"}, url=f"http://{server.place}/a?b=c#d")

    assert (answer["status"], answer["body"]) == (200, b"ok")
    assert server.heard == [
        f"GET /a?b=c HTTP/1.1\r\nHost: {server.place}\r\nAccept-Encoding: identity\r\nX-Fine: 1\r\n\r\n".encode()
    ]


@pytest.mark.parametrize("name", ["Host", "HOST", "Transfer-Encoding", "Content-Length", "Connection"])
def test_what_says_how_the_message_travels_is_left_out(server: Server, name: str) -> None:
    request(server, headers={name: "evil"})

    assert b"evil" not in server.heard[0]


@pytest.mark.parametrize(
    "name",
    ["Host ", "Host\t", "Transfer-Encoding ", "Content-Length\x0b", "A B", "A:B", "", "A\r\nB", "Ho\u017ft"],
)
def test_a_name_that_lenient_servers_could_read_as_another_is_refused(
    server: Server, name: str
) -> None:
    with pytest.raises(ValueError, match=r"^headers: .* is not the name of a header$"):
        request(server, headers={name: "evil"})
    assert server.heard == []


@pytest.mark.parametrize(
    "value", ["x\r\nHost: b", "x\r\n Transfer-Encoding: chunked", "x\n\ty", "x\ry", "x\0y", "x\r\n\r\nGET /"]
)
def test_a_value_of_more_than_one_line_is_refused(server: Server, value: str) -> None:
    with pytest.raises(ValueError, match=r"^headers: the value of X-Fine is more than one line of text$"):
        request(server, headers={"X-Fine": value})
    assert server.heard == []


@pytest.mark.parametrize("timeout_s", [float("nan"), -1.0, 0.0])
def test_a_timeout_that_is_none_waits_for_nobody(server: Server, timeout_s: float) -> None:
    server.answer = lambda _one: threading.Event().wait(0.5) or None  # type: ignore[assignment]

    with pytest.raises((ValueError, OSError)):
        request(server, timeout_s=timeout_s)


def test_an_answer_that_never_ends_is_given_up_when_its_time_is_over(server: Server) -> None:
    def drip(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(400):
            one.sendall(b"x")
            threading.Event().wait(0.02)

    server.answer = drip

    with pytest.raises(TimeoutError, match=r"not complete after 0\.3 s$"):
        request(server, limits=Limits(host_wait_s=0.3))


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_an_answer_in_pieces_is_put_together(server: Server, framing: str) -> None:
    body = b"0123456789" * 10_000
    head = {
        "length": b"Content-Length: 100000\r\n\r\n",
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
        "close": b"Connection: close\r\n\r\n",
    }[framing]

    def pieces(one: socket.socket) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        for at in range(0, len(body), 10_000):
            piece = body[at : at + 10_000]
            one.sendall(b"2710\r\n" + piece + b"\r\n" if framing == "chunked" else piece)
        if framing == "chunked":
            one.sendall(b"0\r\n\r\n")

    server.answer = pieces

    assert request(server)["body"] == body


@pytest.mark.parametrize("size", [32, 33])
def test_the_size_of_an_answer_is_bounded_exactly(server: Server, size: int) -> None:
    server.answer = lambda one: one.sendall(
        f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
    )
    if size == 32:
        assert request(server, limits=Limits(value_bytes=64))["body"] == bytes(32)
    else:
        with pytest.raises(ValueError, match="is longer than 32 bytes"):
            request(server, limits=Limits(value_bytes=64))
