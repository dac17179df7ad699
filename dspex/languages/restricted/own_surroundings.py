"""What a restricted program finds around it: streams, `sys`, clock, randomness, and its own tracebacks.

One object per process; `renew` makes everything new for the next guest. Real time and entropy can be
exchanged for made-up ones, so that a run can be repeated.
"""

from __future__ import annotations

import codecs
import contextlib
import datetime
import io
import linecache
import os
import random
import signal
import sys
import time
import traceback
import uuid
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted.stand_ins import StreamSwitch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dspex.languages.account import RunAccount
    from dspex.languages.restricted.exports import Module
    from dspex.wasm.emscripten import Clock

RECURSION_MAX = 12_000
"""Highest recursion limit that a program can set; the stack of a worker holds that much."""
_OUTPUT_BUFFER_BYTES = 8192
_RANDOM = (
    "random randint randrange choice choices sample shuffle uniform triangular betavariate expovariate gammavariate "
    "gauss lognormvariate normalvariate vonmisesvariate paretovariate weibullvariate getrandbits randbytes seed "
    "getstate setstate binomialvariate"
)


class Critical:
    """Within it, a program is not interrupted; what came in meanwhile interrupts it at the end."""

    __slots__ = ("depth", "interrupt", "pending")

    def __init__(self, interrupt: Callable[[], None]) -> None:
        """Call `interrupt`, which raises, when it was wanted inside."""
        self.depth, self.pending, self.interrupt = 0, False, interrupt

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_exc: object) -> None:
        self.depth -= 1
        if self.pending and not self.depth:
            self.pending = False
            self.interrupt()


class Interrupts:
    """Signals that arrived in this process, raised as KeyboardInterrupt where a program runs."""

    def __init__(self) -> None:
        """Install no handler yet."""
        self.seen: list[int] = []
        self.running = False
        self.critical = Critical(self._raise)
        self.account: RunAccount | None = None

    def install(self, signals: tuple[int, ...]) -> None:
        """Install the handlers."""
        for number in signals:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.seen.append(number)
        self.stop()

    def stop(self) -> None:
        """Interrupt the program, now or when it comes out of what must not be interrupted."""
        if not self.running:
            return
        if self.critical.depth:
            self.critical.pending = True
        else:
            self._raise()

    def _raise(self) -> None:
        if self.account is not None:
            self.account.noticed = len(self.seen)
        if self.running:
            raise KeyboardInterrupt


class _Sink(io.RawIOBase):
    """Where a standard stream's bytes go."""

    def __init__(self, surroundings: OwnSurroundings, stream: int) -> None:
        self._sink_surroundings, self._sink_stream = surroundings, stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with self._sink_surroundings.interrupts.critical:
            return self._sink_surroundings.account.write_output(
                self._sink_stream, memoryview(data).cast("B")
            )


class SysFace:
    """What programs get as `sys`."""

    def __init__(self, offered: Mapping[str, Any]) -> None:
        self.__dict__.update(offered)

    @property
    def stdout(self) -> Any:
        return sys.stdout

    @stdout.setter
    def stdout(self, stream: Any) -> None:
        sys.stdout = stream

    @property
    def stderr(self) -> Any:
        return sys.stderr

    @stderr.setter
    def stderr(self, stream: Any) -> None:
        sys.stderr = stream

    @property
    def stdin(self) -> Any:
        return sys.stdin

    @stdin.setter
    def stdin(self, stream: Any) -> None:
        sys.stdin = stream

    def __repr__(self) -> str:
        return "<module 'sys'>"


SysFace.__name__ = SysFace.__qualname__ = "module"


class OwnSurroundings:
    """Everything around the programs of one process."""

    def __init__(self, account: RunAccount, interrupts: Interrupts) -> None:
        self.account, self.interrupts = account, interrupts
        self.filenames: set[str] = set()
        self.random = random.Random()  # noqa: S311 - the program asked for `random`
        self.now_ns: Callable[[], int] = time.time_ns
        self.draw: Callable[[int], bytes] = os.urandom
        self.seeders: list[Callable[[bytes], object]] = [self.random.seed]
        """What a program may draw from without having seeded it: each gets 32 bytes anew."""
        self.sys = SysFace(self._sys())
        self._at_exit: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self._out: Any = None
        self._err: Any = None

    # Streams

    def renew(self) -> None:
        """Make new streams and forget what the last guest left."""
        self._out, self._err = self._stream(1), self._stream(2)
        self._at_exit.clear()
        self.filenames.clear()
        sys.setrecursionlimit(1000)

    def _stream(self, number: int) -> io.TextIOWrapper:
        buffered = io.BufferedWriter(_Sink(self, number), _OUTPUT_BUFFER_BYTES)
        errors = "strict" if number == 1 else "backslashreplace"
        return io.TextIOWrapper(
            buffered, "utf-8", errors, newline="\n", line_buffering=number == 2
        )

    def give(self, filename: str, args: list[str], stdin: bytes, *, stream: bool) -> None:
        """Set what a run gives."""
        if stream:
            self._out.reconfigure(line_buffering=True)
        sys.stdout, sys.stderr = self._out, self._err
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8", "surrogateescape")
        sys.argv = self.sys.__dict__["argv"] = [filename, *args]

    def flush(self) -> None:
        """Write what is still buffered, whatever the program put in the place of its streams."""
        for stream in (sys.stdout, sys.stderr, self._out, self._err):
            with contextlib.suppress(Exception):
                stream.flush()

    def take_back(self) -> None:
        """Put streams in place that reach nobody."""
        sys.stdout = sys.stderr = sys.stdin = None

    # Time and randomness

    def use_real(self, modules: Mapping[str, Module]) -> None:
        """Give real time and entropy."""
        self.draw = os.urandom
        self._use(modules, {name: getattr(time, name) for name in _CLOCKS}, datetime.datetime, datetime.date)
        self._seed_all()

    def use_made_up(
        self, modules: Mapping[str, Module], clock: Clock, draw: Callable[[int], bytes]
    ) -> None:
        """Give a clock and randomness that are the same in every run."""

        def sleep(seconds: float) -> None:
            if seconds < 0:
                raise ValueError("sleep length must be non-negative")
            clock.wait_ns(int(seconds * 1e9))

        sources = {"time": clock.now_ns, "monotonic": clock.monotonic_ns, "perf_counter": clock.monotonic_ns,
                   "process_time": clock.cpu_ns, "thread_time": clock.cpu_ns}  # fmt: skip
        functions: dict[str, Any] = {"sleep": sleep}
        for name, source in sources.items():
            functions[name] = _seconds(source)
            functions[f"{name}_ns"] = source
        self.draw = draw
        self._use(modules, functions, *_made_up_dates(clock.now_ns))
        self._seed_all()

    def fresh_bytes(self, size: int) -> bytes:
        """Draw from the source that the run has."""
        return self.draw(size)

    def _seed_all(self) -> None:
        for seed in self.seeders:
            seed(self.draw(32))

    def _use(self, modules: Mapping[str, Module], functions: dict[str, Any], moment: type, day: type) -> None:
        modules["time"].__dict__.update(functions)
        modules["datetime"].__dict__.update(datetime=moment, date=day)

    # Tracebacks

    def describe(self, error: BaseException, limit: int | None = None) -> str:
        """Return a traceback with the program's frames alone."""
        frames = BaseException.__dict__["__traceback__"].__get__(error)
        described = traceback.TracebackException(type(error), error, frames, lookup_lines=False, compact=True)
        self._trim(described, set())
        if limit is not None:
            described.stack[:] = described.stack[:limit]
        return "".join(described.format())

    def _trim(self, described: traceback.TracebackException | None, seen: set[int]) -> None:
        if described is None or id(described) in seen:
            return
        seen.add(id(described))
        described.stack[:] = [one for one in described.stack if one.filename in self.filenames]
        for other in (described.__cause__, described.__context__, *(described.exceptions or ())):
            self._trim(other, seen)

    def add_source(self, filename: str, source: str) -> None:
        """Remember a source text for tracebacks."""
        self.filenames.add(filename)
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)

    def run_at_exit(self) -> None:
        """Run what the program registered with `atexit`, last first."""
        while self._at_exit:
            function, args, kwargs = self._at_exit.pop()
            function(*args, **kwargs)

    # Modules

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return names by module."""
        clocks = {name: getattr(time, name) for name in _CLOCKS}
        return {
            "time": clocks,
            "random": {
                **{name: getattr(self.random, name) for name in _RANDOM.split() if hasattr(self.random, name)},
                "Random": random.Random,
                "SystemRandom": random.SystemRandom,
            },
            "secrets": self._secrets(),
            "uuid": {"uuid4": lambda: uuid.UUID(bytes=self.draw(16), version=4)},
            "os": {"urandom": lambda count: self.draw(count)},  # noqa: PLW0108 - it changes
            "traceback": self._traceback(),
            "atexit": {"register": self.at_exit, "unregister": self._unregister},
            "contextlib": {
                "redirect_stdout": lambda target: StreamSwitch("stdout", target),
                "redirect_stderr": lambda target: StreamSwitch("stderr", target),
            },
        }

    def _secrets(self) -> dict[str, Any]:
        def below(limit: int) -> int:
            if limit <= 0:
                raise ValueError("Upper bound must be positive.")
            size = limit.bit_length() // 8 + 8
            return int.from_bytes(self.draw(size), "big") % limit

        def token_bytes(nbytes: int | None = None) -> bytes:
            return self.draw(32 if nbytes is None else nbytes)

        import hmac
        from base64 import urlsafe_b64encode

        return {
            "token_bytes": token_bytes,
            "token_hex": lambda nbytes=None: token_bytes(nbytes).hex(),
            "token_urlsafe": lambda nbytes=None: urlsafe_b64encode(token_bytes(nbytes)).rstrip(b"=").decode(),
            "randbelow": below,
            "randbits": lambda k: int.from_bytes(self.draw(-(-k // 8)), "big") >> (-k % 8),
            "choice": lambda sequence: sequence[below(len(sequence))],
            "compare_digest": hmac.compare_digest,
        }

    def at_exit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Do what `atexit.register` does."""
        self._at_exit.append((function, args, kwargs))
        return function

    def _unregister(self, function: Callable[..., Any]) -> None:
        self._at_exit[:] = [one for one in self._at_exit if one[0] != function]

    def _traceback(self) -> dict[str, Any]:
        def given(error: Any, value: Any) -> BaseException:
            found: BaseException = error if isinstance(error, BaseException) else value
            return found

        def format_exc(limit: int | None = None, chain: bool = True) -> str:
            error = sys.exc_info()[1]
            return "NoneType: None\n" if error is None else self.describe(error, limit)

        def format_exception(error: Any, value: Any = None, tb: Any = None, **_: Any) -> list[str]:
            return self.describe(given(error, value)).splitlines(keepends=True)

        def format_exception_only(error: Any, value: Any = None) -> list[str]:
            return traceback.format_exception_only(given(error, value))

        def print_exc(limit: int | None = None, file: Any = None, chain: bool = True) -> None:
            (sys.stderr if file is None else file).write(format_exc(limit))

        def print_exception(error: Any, value: Any = None, tb: Any = None, file: Any = None, **_: Any) -> None:
            (sys.stderr if file is None else file).write(self.describe(given(error, value)))

        return {
            "format_exc": format_exc,
            "format_exception": format_exception,
            "format_exception_only": format_exception_only,
            "print_exc": print_exc,
            "print_exception": print_exception,
        }

    def _sys(self) -> dict[str, Any]:
        offered = {
            name: getattr(sys, name)
            for name in (
                "version version_info maxsize maxunicode byteorder platform float_info int_info hash_info "
                "float_repr_style getsizeof getrecursionlimit getrefcount intern exit hexversion "
                "get_int_max_str_digits getdefaultencoding getfilesystemencoding"
            ).split()
        }

        def setrecursionlimit(limit: int) -> None:
            sys.setrecursionlimit(min(limit, RECURSION_MAX))

        def exc_info() -> tuple[Any, Any, None]:
            error = sys.exc_info()[1]
            return (None if error is None else type(error), error, None)

        offered |= {
            "__name__": "sys",
            "argv": [],
            "path": [""],
            "executable": "",
            "setrecursionlimit": setrecursionlimit,
            "exc_info": exc_info,
            "exception": lambda: sys.exc_info()[1],
            "set_int_max_str_digits": sys.set_int_max_str_digits,
        }
        return offered

    def sys_names(self) -> frozenset[str]:
        """Return the names of `sys`."""
        return frozenset({*self.sys.__dict__, "stdin", "stdout", "stderr", "argv"})


_CLOCKS = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
    "process_time_ns", "thread_time", "thread_time_ns", "sleep",
)  # fmt: skip


def _seconds(source: Callable[[], int]) -> Callable[[], float]:
    return lambda: source() / 1e9


def _made_up_dates(now_ns: Callable[[], int]) -> tuple[type, type]:
    """Return `datetime` and `date` whose present is made up; the objects are ordinary ones."""

    def moment(zone: datetime.tzinfo | None) -> datetime.datetime:
        seconds, rest = divmod(now_ns(), 1_000_000_000)
        utc = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(microsecond=rest // 1000)
        return utc.replace(tzinfo=None) if zone is None else utc.astimezone(zone)

    class _Same(type):
        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, cls.__mro__[1])

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return cls.__mro__[1](*args, **kwargs)

    class Moment(datetime.datetime, metaclass=_Same):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return moment(tz)

        @classmethod
        def today(cls) -> Any:
            return moment(None)

        @classmethod
        def utcnow(cls) -> Any:
            return moment(None)

    class Day(datetime.date, metaclass=_Same):
        @classmethod
        def today(cls) -> Any:
            return moment(None).date()

    for kind, name in ((Moment, "datetime"), (Day, "date")):
        kind.__name__ = kind.__qualname__ = name
        kind.__module__ = "datetime"
    return Moment, Day


def preload_codecs() -> None:
    """Import the codecs that programs name, which cannot be imported once files are shut."""
    for name in (
        "ascii latin-1 utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be cp1252 cp437 cp850 cp1250 "
        "cp1251 iso8859-15 iso8859-2 koi8-r mac-roman gbk big5 shift_jis euc-jp idna punycode unicode_escape "
        "raw_unicode_escape rot13 hex base64 utf-7"
    ).split():
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
