"""Way out: the network. Nobody listens for the guest, nobody resolves, nothing can be sent.

The attacker knows the addresses of sockets that really listen on this machine; they must see nobody.
"""

from __future__ import annotations

import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

CONNECTIONS = [
    Attempt("tcp", "import socket\nsocket.create_connection(('127.0.0.1', canary['tcp']))", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("tcp socket", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_STREAM)", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("tcp 6", "import socket\nsocket.socket(socket.AF_INET6, socket.SOCK_STREAM)", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("udp", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', canary['udp']))", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("unix path", "import socket\nsocket.socket(1, socket.SOCK_STREAM).connect(canary['socket'])", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("unix abstract", "import socket\nsocket.socket(1, socket.SOCK_STREAM).connect(canary['abstract'])", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("raw", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("packet", "import socket\nsocket.socket(17, socket.SOCK_RAW, 768)", "raised OSError: [Errno 5] Address family not supported by protocol"),
    Attempt("netlink", "import socket\nsocket.socket(16, socket.SOCK_RAW, 0)", "raised OSError: [Errno 5] Address family not supported by protocol"),
    Attempt("virtual machine socket", "import socket\nsocket.socket(40, socket.SOCK_STREAM)", "raised OSError: [Errno 5] Address family not supported by protocol"),
    Attempt("pair", "import socket\nsocket.socketpair()", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("listen", "import socket\nsocket.create_server(('127.0.0.1', 0))", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("accept on a descriptor", "import socket\nsocket.socket(fileno=0).accept()", "raised OSError: [Errno 57] Not a socket"),
    Attempt("connect a descriptor", "import socket\nsocket.socket(2, 1, 0, fileno=1).connect(('127.0.0.1', canary['tcp']))", "raised OSError: [Errno 57] Not a socket"),
    Attempt("descriptor of the worker", "import socket\nsocket.socket(1, 1, 0, fileno=5).send(b'x')", "raised OSError: [Errno 8] Bad file descriptor"),
    Attempt("own channel as a socket", "import socket\nsocket.socket(1, 1, 0, fileno=(1 << 20) + 1).send(b'x')", "raised OSError: [Errno 57] Not a socket"),
    Attempt("http", "import urllib.request\nurllib.request.urlopen(f\"http://127.0.0.1:{canary['tcp']}/\")", "raised urllib.error.URLError: <urlopen error [Errno -4] Non-recoverable error>"),
    Attempt("http client", "import http.client\nc = http.client.HTTPConnection('127.0.0.1', canary['tcp'])\nc.request('GET', '/')", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("https", "import urllib.request\nurllib.request.urlopen(f\"https://127.0.0.1:{canary['tcp']}/\")", "raised urllib.error.URLError: <urlopen error [Errno -4] Non-recoverable error>"),
    Attempt("ftp", "import ftplib\nftplib.FTP().connect('127.0.0.1', canary['tcp'])", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("smtp", "import smtplib\nsmtplib.SMTP('127.0.0.1', canary['tcp'])", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("asyncio", "import asyncio\nawait asyncio.open_connection('127.0.0.1', canary['tcp'])", "raised PermissionError: [Errno 2] Permission denied"),
    Attempt("asyncio unix", "import asyncio\nawait asyncio.open_unix_connection(canary['socket'])", "raised AttributeError: module 'asyncio' has no attribute 'open_unix_connection'"),
    Attempt("multiprocessing client", "import multiprocessing.connection as c\nc.Client(canary['socket'])", "raised AttributeError: module 'socket' has no attribute 'AF_UNIX'"),
    Attempt("logging handler", "import logging.handlers as h, logging\nx = h.SocketHandler('127.0.0.1', canary['tcp'])\nx.createSocket()\nx.sock", "ok None"),
    Attempt("metadata of a cloud", "import urllib.request\nurllib.request.urlopen('http://169.254.169.254/latest/meta-data/', timeout=1)", "raised urllib.error.URLError: <urlopen error [Errno -4] Non-recoverable error>"),
    Attempt("javascript fetch", "from js import fetch\nawait fetch('http://127.0.0.1/')", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("pyodide http", "from pyodide.http import open_url\nopen_url('http://127.0.0.1/')", "raised ModuleNotFoundError: No module named 'pyodide'"),
]  # fmt: skip

NAMES = [
    Attempt("getaddrinfo", "import socket\nsocket.getaddrinfo('localhost', 80)", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("gethostbyname", "import socket\nsocket.gethostbyname('secret-in-a-name.example.com')", "raised socket.gaierror: [Errno -4] Non-recoverable error"),
    Attempt("gethostbyaddr", "import socket\nsocket.gethostbyaddr('127.0.0.1')", "raised socket.herror: [Errno 3] Non-recoverable error"),
    Attempt("getfqdn", "import socket\nsocket.getfqdn()", "ok 'emscripten'"),
    Attempt("name of the host", "import socket, os, platform\n[socket.gethostname(), os.uname().nodename, platform.node()]", "ok ['emscripten', 'emscripten', 'emscripten']"),
    Attempt("interfaces", "import socket\nsocket.if_nameindex()", "raised OSError: [Errno 42] No buffer space available"),
    Attempt("routes", "open('/proc/net/route').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/net/route'"),
    Attempt("resolver", "open('/etc/resolv.conf').read()", "raised FileNotFoundError: [Errno 44] No such file or directory: '/etc/resolv.conf'"),
    Attempt("hardware address", "import uuid\nuuid._generate_time_safe, uuid._unix_getnode()", "ok (None, None)"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", CONNECTIONS, ids=names(CONNECTIONS))
def test_no_connection_is_made(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", NAMES, ids=names(NAMES))
def test_nothing_of_the_hosts_network_is_told(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


def test_twin_modules_of_the_network_work_as_far_as_they_compute(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import asyncio, http.cookies, ipaddress, select, socket, ssl, urllib.parse, os\n"
        "read, write = os.pipe()\n"
        "os.write(write, b'x')\n"
        "async def main():\n"
        "    queue = asyncio.Queue()\n"
        "    await queue.put(7)\n"
        "    return await queue.get()\n"
        "[urllib.parse.urlsplit('http://a:1/b').port, str(ipaddress.ip_address(1)),\n"
        " socket.inet_aton('1.2.3.4'), http.cookies.SimpleCookie('a=b')['a'].value,\n"
        " select.select([read], [], [], 0)[0] == [read], await main()]"
    )

    assert (outcome.status, outcome.value) == (
        "ok",
        [1, "0.0.0.1", b"\1\2\3\4", "b", True, 7],
    )
