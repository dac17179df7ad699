"""The network that a policy grants, as tools: HTTP requests that this process makes for a guest.

A worker has no sockets. What a guest asks for is looked at here, one request at a time: only
`host:port` pairs that the policy names, no redirects (a guest that follows one asks again), bounded in
size and time. Names are resolved by this machine.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dspex.policy import Policy

TIMEOUT_S = 30.0
"""Longest that connecting, or one read or write, may take."""
_TIMEOUT_S_MIN = 0.001
"""In place of less than that, and of what is no number."""
HEADERS_MAX = 100
_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PIECE_BYTES = 1 << 16
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OURS = frozenset(
    {
        "connection", "content-length", "host", "keep-alive", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)
"""Headers that say how the message travels: not the guest's to choose."""


def http_tools(policy: Policy) -> dict[str, Callable[..., Any]]:
    """Return the tools that a policy's network grants amount to; none if it grants nothing.

    Args:
        policy: What is granted, and the limits on the size of an answer.
    """
    if not policy.network:
        return {}
    granted, name = policy.network, policy.name
    body_bytes_max = policy.limits.value_bytes // 2  # bytes cross in base 64
    wait_s = policy.limits.host_wait_s

    def http_request(
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: bytes | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """Make one HTTP request; a redirect is returned, not followed.

        Returns a dict: `status` (int), `reason` (str), `headers` (list of [name, value]), `body` (bytes)
        and `url`.
        """
        scheme, host, port, target = _destination(url)
        if f"{host}:{port}" not in granted:
            listed = ", ".join(sorted(granted))
            msg = f"network: {host}:{port} is not granted by policy {name!r}; granted: {listed}"
            raise PermissionError(msg)
        if not _METHOD.fullmatch(method):
            msg = f"method: {method[:40]!r} is not one of HTTP"
            raise ValueError(msg)
        timeout = min(timeout_s, TIMEOUT_S) if timeout_s > _TIMEOUT_S_MIN else _TIMEOUT_S_MIN
        began_s = time.monotonic()
        connection: http.client.HTTPConnection
        if scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                host.strip("[]"), port, timeout=timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=timeout)
        sent = body.encode() if isinstance(body, str) else body
        try:
            connection.request(method, target, body=sent, headers=_headers(headers or {}))
            answer = connection.getresponse()
            content = _body(answer, f"{host}:{port}", body_bytes_max, began_s, wait_s)
            return {
                "status": answer.status, "reason": answer.reason, "url": url, "body": content,
                "headers": [[key, value] for key, value in answer.getheaders()],
            }
        except http.client.HTTPException as error:
            msg = f"{host}:{port}: {type(error).__name__}: {error}"
            raise ConnectionError(msg) from error
        finally:
            connection.close()

    def http_get(url: str, headers: dict[str, str] | None = None) -> str:
        """Return the text that lies at a URL; an error status raises `OSError`."""
        answer = http_request("GET", url, headers)
        if not 200 <= answer["status"] < 300:
            msg = f"{url}: HTTP {answer['status']} {answer['reason']}"
            raise OSError(msg)
        found: str = answer["body"].decode("utf-8", "replace")
        return found

    vars(http_request)["role"] = "http"  # a guest builds its HTTP modules on it
    return {"http_request": http_request, "http_get": http_get}


def _destination(url: str) -> tuple[str, str, int, str]:
    """Take a URL apart: scheme, host (an IPv6 address in brackets), port, and what to ask for.

    Raises:
        ValueError: It is not a URL of HTTP.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        msg = f"url: {url[:200]!r} is not an http or https URL"
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None:
        msg = "url: a name or password has no place in it; use a header"
        raise ValueError(msg)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme], target


def _body(
    answer: http.client.HTTPResponse, place: str, bytes_max: int, began_s: float, wait_s: float
) -> bytes:
    """Read what is answered, piece by piece, so that somebody who drips holds nobody up for ever.

    Raises:
        ValueError: It is longer than `bytes_max`.
        TimeoutError: It has not come to its end after `wait_s` seconds.
    """
    content = bytearray()
    while piece := answer.read1(_PIECE_BYTES):
        content += piece
        if len(content) > bytes_max:
            msg = f"the answer of {place} is longer than {bytes_max} bytes"
            raise ValueError(msg)
        if time.monotonic() - began_s > wait_s:
            msg = f"the answer of {place} is not complete after {wait_s:g} s"
            raise TimeoutError(msg)
    return bytes(content)


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > HEADERS_MAX:
        msg = f"headers: {len(given)} given, {HEADERS_MAX} allowed"
        raise ValueError(msg)
    for name, value in given.items():
        # Stricter than `http.client`, which lets through what lenient servers read in their own ways.
        if not _HEADER_NAME.fullmatch(name):
            msg = f"headers: {name[:100]!r} is not the name of a header"
            raise ValueError(msg)
        if not {"\r", "\n", "\0"}.isdisjoint(value):
            msg = f"headers: the value of {name[:100]} is more than one line of text"
            raise ValueError(msg)
    return {name: value for name, value in given.items() if name.lower() not in _OURS}
