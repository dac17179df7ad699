"""A language model that says what it was told to, served as the OpenAI chat API serves one.

It stands in for a real model, so that the agents among the examples run anywhere, and the same every
time. Real HTTP over the loopback interface: point a client's base URL at `url`.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

BODY_BYTES_MAX = 64 << 20


class ScriptedModel:
    """Answers chat completions with the replies of a script, one after the other.

    A reply may be a function of the conversation, for a script that reacts. `seen` holds the messages
    of every request. When the script has ended, requests fail with status 500.
    """

    def __init__(self, replies: Sequence[str | Callable[[list[dict[str, Any]]], str]]) -> None:
        """Bind a free port; nothing is served before `with`."""
        self.seen: list[list[dict[str, Any]]] = []
        self._replies = list(replies)
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                model._serve(self)

            def log_message(self, *_args: object) -> None:
                """Say nothing; the example has the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def left(self) -> int:
        """How many replies of the script nobody has asked for."""
        return len(self._replies)

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        length = min(int(request.headers.get("Content-Length", 0)), BODY_BYTES_MAX)
        asked = json.loads(request.rfile.read(length))
        with self._lock:
            self.seen.append(asked["messages"])
            number = len(self.seen)
            reply = self._replies.pop(0) if self._replies else None
        if not request.path.endswith("/chat/completions") or reply is None:
            self._send(request, 500, {"error": {"message": "the script has ended", "type": "end"}})
            return
        text = reply if isinstance(reply, str) else reply(asked["messages"])
        answer = {
            "id": f"scripted-{number}", "object": "chat.completion", "created": 0,
            "model": asked.get("model", "scripted"),
            "choices": [
                {
                    "index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
        self._send(request, 200, answer)

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
