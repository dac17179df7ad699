"""`threading`, `subprocess`, `socket` and `urllib.request` for programs that can do without.

There are no other threads, processes or networks, as in the other languages. Asking for one fails with the
exception that Python has for it, so a program that is prepared for that carries on.
"""

from __future__ import annotations

import errno
import os
import threading
import urllib.error
from typing import TYPE_CHECKING, Any, NoReturn

from dspex.languages.restricted.context import present

if TYPE_CHECKING:
    from dspex.languages.restricted.context import Modules, Offer

_SYNCHRONISERS = "Lock RLock Condition Event Semaphore BoundedSemaphore Barrier BrokenBarrierError local".split()
_ADDRESSES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOL_SOCKET": 1,
              "SO_REUSEADDR": 2, "IPPROTO_TCP": 6}  # fmt: skip


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def threading_module() -> Offer:
    """Return the names of `threading`."""

    class Thread:
        def __init__(self, group: None = None, target: Any = None, name: str | None = None, args: Any = (),
                     kwargs: Any = None, *, daemon: bool | None = None) -> None:  # fmt: skip
            self.name, self.daemon, self.ident, self.native_id = name or "Thread-1", bool(daemon), None, None
            self._thread_target, self._thread_args, self._thread_kwargs = target, args, kwargs or {}

        def run(self) -> None:
            if self._thread_target is not None:
                self._thread_target(*self._thread_args, **self._thread_kwargs)

        def start(self) -> NoReturn:
            raise RuntimeError("can't start new thread")

        def join(self, timeout: float | None = None) -> NoReturn:
            raise RuntimeError("cannot join thread before it is started")

        def is_alive(self) -> bool:
            return False

    class Timer(Thread):
        def __init__(self, interval: float, function: Any, args: Any = None, kwargs: Any = None) -> None:
            super().__init__(target=function, args=args or (), kwargs=kwargs)
            self.interval = interval

        def cancel(self) -> None:
            """It never started."""

    class MainThread(Thread):
        def is_alive(self) -> bool:
            return True

    main = MainThread(name="MainThread")
    main.ident = 1  # type: ignore[assignment]
    for kind in (Thread, Timer, MainThread):
        present(kind, "threading")
    offered: dict[str, Any] = {name: getattr(threading, name) for name in _SYNCHRONISERS}
    offered |= {
        "Thread": Thread, "Timer": Timer, "current_thread": lambda: main, "main_thread": lambda: main,
        "get_ident": lambda: 1, "active_count": lambda: 1, "enumerate": lambda: [main],
    }  # fmt: skip
    return {"threading": offered}, [Thread, threading.local]


def subprocess_module() -> Modules:
    """Return the names of `subprocess`; the classes are the library's exceptions, made anew."""

    class SubprocessError(Exception):
        pass

    class CalledProcessError(SubprocessError):
        def __init__(self, returncode: int, cmd: Any, output: Any = None, stderr: Any = None) -> None:
            self.returncode, self.cmd, self.output, self.stderr = returncode, cmd, output, stderr

        def __str__(self) -> str:
            return f"Command {self.cmd!r} returned non-zero exit status {self.returncode}."

    class TimeoutExpired(SubprocessError):
        def __init__(self, cmd: Any, timeout: float, output: Any = None, stderr: Any = None) -> None:
            self.cmd, self.timeout, self.output, self.stderr = cmd, timeout, output, stderr

    class CompletedProcess:
        def __init__(self, args: Any, returncode: int, stdout: Any = None, stderr: Any = None) -> None:
            self.args, self.returncode, self.stdout, self.stderr = args, returncode, stdout, stderr

    def refused(*_args: Any, **_options: Any) -> NoReturn:
        raise _error(errno.EPERM)

    kinds = (SubprocessError, CalledProcessError, TimeoutExpired, CompletedProcess)
    for kind in kinds:
        present(kind, "subprocess")
    functions = "run Popen call check_call check_output getoutput getstatusoutput".split()
    return {
        "subprocess": {
            **{kind.__name__: kind for kind in kinds}, **dict.fromkeys(functions, refused),
            "PIPE": -1, "STDOUT": -2, "DEVNULL": -3,
        }
    }  # fmt: skip


def network_modules() -> Modules:
    """Return the names of `socket`, `urllib.request` and `urllib.error`."""

    class gaierror(OSError):
        pass

    class Request:
        def __init__(self, url: str, data: Any = None, headers: Any = None, *_rest: Any, method: str | None = None) -> None:
            self.full_url, self.data, self.headers, self.method = url, data, dict(headers or {}), method

        def get_method(self) -> str:
            return self.method or ("GET" if self.data is None else "POST")

    def unreachable(*_args: Any, **_options: Any) -> NoReturn:
        raise _error(errno.ENETUNREACH)

    def unknown(*_args: Any, **_options: Any) -> NoReturn:
        raise gaierror(-3, "Temporary failure in name resolution")

    def not_permitted(*_args: Any, **_options: Any) -> NoReturn:
        raise _error(errno.EPERM)

    def urlopen(*_args: Any, **_options: Any) -> NoReturn:
        raise urllib.error.URLError(_error(errno.ENETUNREACH))

    present(gaierror, "socket")
    present(Request, "urllib.request")
    return {
        "socket": {
            **_ADDRESSES, "socket": not_permitted, "create_server": not_permitted, "socketpair": not_permitted,
            "create_connection": unreachable, "getaddrinfo": unknown, "gethostbyname": unknown, "gaierror": gaierror,
            "gethostname": lambda: "localhost", "error": OSError, "timeout": TimeoutError,
        },
        "urllib.request": {"urlopen": urlopen, "urlretrieve": urlopen, "Request": Request},
        "urllib.error": {name: getattr(urllib.error, name) for name in ("URLError", "HTTPError", "ContentTooShortError")},
    }  # fmt: skip
