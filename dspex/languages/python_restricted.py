"""Restricted Python: programs in the worker's own CPython, behind RestrictedPython and the jail.

For the speed of the host and its numpy. The compiler (`dspex.languages.restricted`) refuses what could
lead out of a program, and the jail, without which this language does not start, is what holds if it
errs. There is no snapshot: a fork of the zygote is the fresh guest, and so serves once.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import types
import zoneinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from dspex.languages.account import FILES_LEFT_OUT_MAX, OutputFlood, RunAccount
from dspex.languages.files import FilesRefused, MountedTrees
from dspex.languages.guest import python_values
from dspex.languages.python import repeatable_sources
from dspex.languages.restricted import exports, library, numpy_facade
from dspex.languages.restricted.context import Context
from dspex.languages.restricted.guards import Guards, all_classes, freeze
from dspex.languages.restricted.own_surroundings import Interrupts, OwnSurroundings, preload_codecs
from dspex.languages.restricted.stand_ins import StandIns, harden, shadow
from dspex.languages.restricted.tasks import Tools
from dspex.languages.restricted.transformer import (
    RestrictedFinding,
    RestrictedTransformer,
    Surroundings,
)
from dspex.languages.restricted.virtual_files import VirtualFiles
from dspex.protocol.messages import BudgetUsedUp, Ended
from dspex.wasm import interrupt
from dspex.wasm.emscripten import HOME, MemoryFileSystem, Quotas

if TYPE_CHECKING:
    from pathlib import Path

    from dspex.languages.base import Link
    from dspex.protocol.messages import Run

MESSAGE_CHARS_MAX = 64 * 1024
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_COROUTINE = 0x80
_ZONES_MAX = 700


class ImportRefused(ImportError):
    """A module of the program's own says what programs must not say."""


class RestrictedPythonGuest:
    """One guest at a time: names, files and streams in the worker's own interpreter."""

    in_wasm = False

    rehearsal = b"""
import json, math
from dataclasses import dataclass

@dataclass
class Row:
    n: int
    s: str

rows = [Row(i, f"{i:>3}") for i in range(20)]
print(json.dumps([row.s for row in rows])[:20])
with open("rows.txt", "w") as file:
    file.write("x")
try:
    rows[99]
except IndexError as error:
    text = "{}".format(error)
sum(math.sqrt(row.n) for row in rows)
"""
    smallest = b"1 + 1"

    def __init__(self, runtime: Path) -> None:
        """Import all that programs may get, then make it unchangeable.

        Args:
            runtime: Not used: the runtime is this interpreter.

        Raises:
            RuntimeError: This interpreter's type objects are laid out in an unknown way.
        """
        _use_zone("UTC0")
        numpy = numpy_facade.import_numpy()
        preload_codecs()
        for name in ("_strptime", "unicodedata", "stringprep", "encodings.idna"):
            importlib.import_module(name)
        harden()
        library.harden()
        exports.import_all()
        self._interrupts = Interrupts()
        self._critical = self._interrupts.critical
        self._account = RunAccount(self._interrupts.stop, self._interrupts.seen)
        self._interrupts.account = self._account
        self._around = OwnSurroundings(self._account, self._interrupts)
        self._vfs = VirtualFiles(self._critical)
        self._tools = Tools(self._account, self._critical)
        self._mounts = MountedTrees()
        self._arrays = numpy is not None
        context = Context(
            self._around, self._vfs, self._run_text, self._names_of_module, self._offered_module
        )
        larger, bases = library.make(context)
        self.guards = context.guards = Guards(numpy)
        help_function = larger.pop("builtins")["help"]
        stand_ins = StandIns(self.guards).modules()
        for given in (larger, self._around.modules(), self._vfs.modules(), self._tools.modules()):
            for module, names in given.items():
                stand_ins.setdefault(module, {}).update(names)
        if numpy is not None:
            stand_ins.update(numpy_facade.exports(numpy, self._around.fresh_bytes))
            self._around.seeders.append(partial(numpy_facade.seed, numpy))
        offered = exports.load(stand_ins)
        self._modules: dict[str, Any] = dict(exports.link(offered))
        self._modules["sys"] = self._around.sys
        library.surround(context, self._modules["time"])
        self.guards.bases = frozenset([*_bases(), *bases])
        self.guards.unchangeable = frozenset({exports.Module})
        self._names = {
            name: frozenset(vars(module)) for name, module in self._modules.items()
        } | {"sys": self._around.sys_names()}
        self._surroundings = Surroundings(
            self.guards.private, self._names, exports.HINTS, self._is_local
        )
        builtins = self.guards.install(
            {
                "open": self._modules["io"].open,
                "globals": self._globals,
                "help": help_function,
                "exit": sys.exit,
                "quit": sys.exit,
            }
        )
        builtins["__import__"] = _import_for_c
        shadow(
            {name: builtins[name] for name in ("getattr", "setattr", "hasattr", "delattr", "open")}
        )
        builtins["<import>"] = self._import
        builtins["<import from>"] = self._import_from
        self._main: dict[str, Any] = {}
        self._own_modules: dict[str, exports.Module] = {}
        self._zones = self._load_zones()
        self._rules = _rules_of_zones()
        freeze(all_classes())
        self._interrupts.install(interrupt.SIGNALS)
        self.boot()

    @staticmethod
    def _load_zones() -> list[Any]:
        """Return every time zone: as long as they are kept, none is read from a file."""
        keys = sorted(zoneinfo.available_timezones())[:_ZONES_MAX]
        return [zoneinfo.ZoneInfo(key) for key in keys]

    def boot(self) -> None:
        """Make new names, files and streams; what the last guest changed elsewhere stays changed.

        So it makes a fresh guest only where nobody's program ran before, which is why a worker of
        this language serves one run, or one session.
        """
        self._mounts.forget()
        self._tools.forget()
        self._files = MemoryFileSystem(quotas=Quotas(), write_output=self._account.write_output)
        self._vfs.use(self._files)
        self._vfs.environ.clear()
        self._vfs.environ.update(HOME=HOME, LANG="C.UTF-8", PATH="/usr/bin", TZ="UTC", TMPDIR="/tmp")  # noqa: S108 - in memory
        self._around.renew()
        self._own_modules.clear()
        self._main = {
            "__name__": "__main__", "__doc__": None, "__builtins__": self.guards.builtins,
        }  # fmt: skip
        self._made_up = False

    def enter_worker(self) -> tuple[int, ...]:
        """Let signals wake nobody else: the zygote's pipe is not this process' own."""
        signal.set_wakeup_fd(-1)
        return ()

    def warm(self) -> None:
        """Draw fresh randomness and touch what compiling and running touch."""
        self._around.use_real(self._modules)
        self._compile(b"x = [1]\nx.append(2)\nx[0]\n", "warm.py")

    def become_twin(self, _memory_file: int, _spent_ns: int) -> None:
        """Go on as a copy of a process, with fresh randomness; its processor time begins anew, as after `os.fork`."""
        self._around.use_real(self._modules)

    def serve(self, run: Run, link: Link) -> Ended:
        """Run a program to its end, its budget's end or the guest's end."""
        account, interrupts = self._account, self._interrupts
        self._use_clock(run)
        interrupts.seen.clear()
        self._critical.pending = False
        self._held_bytes = _peak_bytes()
        account.begin(run, link)
        try:
            self._mounts.give(self._files, run)
        except FilesRefused as refusal:
            return account.end(
                report=refusal.report(), spent_s=account.stop_clock(), peak_memory_bytes=0
            )
        failed_of_memory = False
        try:
            interrupts.running = True
            report, value, failed_of_memory = self._run(run)
        except BaseException as error:
            report, value = {"status": "raised", "type": type(error).__name__, "message": ""}, b""
        finally:
            interrupts.running = False
            spent_s = account.stop_clock()
        text = python_values.to_json(report).encode("utf-8", "backslashreplace")
        peak_bytes = max(0, _peak_bytes() - self._held_bytes)
        return account.end(
            report=text,
            value=value,
            turned_down=self._turned_down(run, peak_bytes, failed_of_memory=failed_of_memory),
            spent_s=spent_s,
            peak_memory_bytes=peak_bytes,
            files_left_out=self._send_files(run),
        )

    # One run

    def _run(self, run: Run) -> tuple[dict[str, Any], bytes, bool]:
        budget = run.budget
        self._vfs.environ.update(run.env)
        if "TZ" in run.env:
            zone = run.env["TZ"]
            _use_zone(self._rules.get(zone, zone))
            names = ("tzname", "timezone", "altzone", "daylight")
            vars(self._modules["time"]).update({name: getattr(time, name) for name in names})
        self._around.give(run.filename, run.args, run.stdin, stream=run.stream)
        report: dict[str, Any]
        try:
            code, last, findings = self._compile(run.source, run.filename)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            return _refusal(error), b"", False
        if findings:
            return _refused(findings), b"", False
        if run.tools:
            self._main.update(
                self._tools.begin(
                    json.loads(run.tools), value_bytes=budget.value_bytes,
                    value_depth=budget.value_depth, calls=budget.host_calls,
                )
            )
        data, failed_of_memory, value = b"", False, None
        try:
            if run.variables:
                self._main.update(python_values.decode(run.variables))
            if code is not None:
                self._execute(code)
            if last is not None:
                value = self._execute(last)
            data, notes = python_values.encode(
                value, budget.value_bytes, budget.value_depth, arrays=self._arrays
            )
            report = {"status": "ok", "notes": notes}
        except BaseException as error:
            report = self._failure(error)
            failed_of_memory = issubclass(type(error), MemoryError)
        value = None
        if run.single:
            late = self._leave()
            if late is not None and report["status"] == "ok":
                report, data = late, b""
        self._around.flush()
        self._around.take_back()
        return report, data, failed_of_memory

    def _compile(
        self, source: bytes, filename: str
    ) -> tuple[types.CodeType | None, types.CodeType | None, list[RestrictedFinding]]:
        text = source.decode("utf-8-sig")
        self._around.add_source(filename, text)
        tree = compile(text, filename, "exec", _FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
        policy = RestrictedTransformer(self._surroundings)
        changed: Any = policy.judge(tree)
        if policy.findings:
            # What Python itself refuses is found as well, so that all is known at once.
            compile(text, filename, "exec", _FLAGS, dont_inherit=True)
            return None, None, policy.findings
        self.guards.fine(policy.guarded)
        body, last = changed.body, None
        future = _future_flags(body)
        if body and type(body[-1]) is ast.Expr:
            expression = ast.Expression(body.pop().value)
            last = compile(expression, filename, "eval", _FLAGS | future, dont_inherit=True)
        code = compile(changed, filename, "exec", _FLAGS, dont_inherit=True) if body else None
        return code, last, []

    def _execute(self, code: types.CodeType) -> Any:
        result = eval(code, self._main)
        if code.co_flags & _COROUTINE:
            return self._tools.run(result)
        return result

    def _leave(self) -> dict[str, Any] | None:
        """End a single run as the end of a process would: exit functions, then the program's names."""
        try:
            self._around.run_at_exit()
            kept: dict[str, Any] = {name: self._main[name] for name in ("__name__", "__builtins__") if name in self._main}
            for name in list(self._main):
                if name not in kept:
                    self._main[name] = None
            self._main.clear()
            self._main.update(kept)
            if self._files.descriptors.files.keys() - {0, 1, 2}:
                gc.collect()  # files left open in cycles may hold unwritten text
        except BaseException as error:
            return self._failure(error)
        return None

    def _failure(self, error: BaseException) -> dict[str, Any]:
        """Describe an exception that left the program, with only the program's frames."""
        kind = type(error)
        if issubclass(kind, python_values.ValueOverLimit):
            return {"status": "limit", "limit": error.limit, "allowed": error.allowed, "spent": error.spent}  # type: ignore[attr-defined]
        if issubclass(kind, SystemExit):
            return _exit_report(error)
        if issubclass(kind, OutputFlood):
            return {"status": "raised", "type": "KeyboardInterrupt", "message": ""}
        try:
            shown = self._around.describe(error)
        except Exception:
            shown = ""
        return {
            "status": "raised",
            "type": "MemoryError" if issubclass(kind, MemoryError) else _name(kind),
            "message": _cut(_text(error)),
            "traceback": _cut(shown),
        }

    # What programs call

    def _globals(self) -> dict[str, Any]:
        return {name: value for name, value in self._main.items() if name != "__builtins__"}

    def _names_of_module(self, name: str) -> dict[str, Any]:
        if name == "__main__":
            return self._main
        own = self._own_modules.get(name)
        return {} if own is None else vars(own)

    def _offered_module(self, name: str) -> Any:
        return self._modules.get(name) or self._own_modules.get(name)

    def _run_text(self, text: str, filename: str, mode: str, names: dict[str, Any]) -> None:
        """Compile a text under the program's policy and run it.

        Args:
            text: Statements.
            filename: For tracebacks.
            mode: `exec`, or `single` to print what expressions give.
            names: What it may use; what it binds is found in there.

        Raises:
            SyntaxError: It is none, or says what programs must not say.
        """
        self._around.add_source(filename, text)
        policy = RestrictedTransformer(self._surroundings)
        tree: Any = policy.judge(compile(text, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True))
        if policy.findings:
            first = policy.findings[0]
            raise SyntaxError(f"{filename}, line {first.line}: {first.message}")
        self.guards.fine(policy.guarded)
        if mode == "single":
            tree = ast.Interactive(tree.body)
        plain = {name: value for name, value in names.items() if type(name) is str and name[:1] != "<"}
        plain["__builtins__"] = self.guards.builtins
        before, sys.displayhook = sys.displayhook, _show
        try:
            eval(compile(tree, filename, mode, dont_inherit=True), plain)
        finally:
            sys.displayhook = before
        del plain["__builtins__"]
        names.update(plain)

    def _is_local(self, name: str) -> bool:
        path = f"{HOME}/{name.replace('.', '/')}"
        return self._vfs.isfile(f"{path}.py") or self._vfs.isdir(path)

    def _import(self, name: str, whole: bool) -> Any:
        found = self._module(name)
        return found if whole else self._module(name.partition(".")[0])

    def _import_from(self, module: str, name: str) -> Any:
        found = self._module(module)
        names = vars(found)
        if name in names:
            return names[name]
        if module == "sys" and name in ("stdin", "stdout", "stderr"):
            return getattr(sys, name)
        if f"{module}.{name}" in self._modules or self._is_local(f"{module}.{name}"):
            return self._module(f"{module}.{name}")
        raise ImportError(f"cannot import name {name!r} from {module!r}", name=module)

    def _module(self, name: str) -> Any:
        found = self._modules.get(name) or self._own_modules.get(name)
        return found if found is not None else self._load_own(name)

    def _load_own(self, name: str) -> exports.Module:
        """Compile and run a module among the program's own files, under the same policy."""
        above, _, last = name.rpartition(".")
        parent = self._module(above) if above else None
        path = f"{HOME}/{name.replace('.', '/')}"
        filename, is_package = f"{path}.py", False
        source = self._vfs.read(filename)
        if source is None:
            filename, is_package = f"{path}/__init__.py", True
            source = self._vfs.read(filename)
            if source is None and self._vfs.isdir(path):
                source = b""
        if source is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        shown = filename.removeprefix(f"{HOME}/")
        text = source.decode("utf-8-sig")
        self._around.add_source(shown, text)
        policy = RestrictedTransformer(self._surroundings, name if is_package else above)
        tree: Any = policy.judge(compile(text, shown, "exec", ast.PyCF_ONLY_AST, dont_inherit=True))
        if policy.findings:
            first = policy.findings[0]
            raise ImportRefused(f"{shown}, line {first.line}: {first.message}", name=name)
        self.guards.fine(policy.guarded)
        module = exports.Module(name, {})
        names = module.__dict__
        names.update(__file__=shown, __doc__=None, __builtins__=self.guards.builtins)
        self._own_modules[name] = module
        try:
            eval(compile(tree, shown, "exec", dont_inherit=True), names)
        except BaseException:
            del self._own_modules[name]
            raise
        if parent is not None:
            parent.__dict__[last] = module
        return module

    # The run's ends

    def _use_clock(self, run: Run) -> None:
        fixed = run.repeatable
        if fixed is not None:
            clock, draw = repeatable_sources(fixed.clock_ns, fixed.seed)
            self._around.use_made_up(self._modules, clock, draw)
            self._files.use_sources(clock.now_ns, draw)
            self._tools.monotonic = lambda: clock.monotonic_ns() / 1e9
            self._tools.sleep = vars(self._modules["time"])["sleep"]
            self._made_up = True

    def _send_files(self, run: Run) -> list[str]:
        left_out = self._account.send_files(self._files.walk_changed(HOME))
        for change in self._mounts.changes(self._files, run):
            self._account.send(change)
        return left_out + self._mounts.left_out[: FILES_LEFT_OUT_MAX - len(left_out)]

    def _turned_down(
        self, run: Run, peak_bytes: int, *, failed_of_memory: bool
    ) -> BudgetUsedUp | None:
        budget = run.budget
        if failed_of_memory:
            # What was refused may never have been touched, and then no peak shows it.
            spent_bytes = max(peak_bytes, budget.memory_bytes)
            return BudgetUsedUp("memory_bytes", budget.memory_bytes, spent_bytes)
        return self._account.files_turned_down(self._files.quotas)


def _show(value: object) -> None:
    if value is not None:
        sys.stdout.write(f"{value!r}\n")


def _use_zone(zone: str) -> None:
    """Set the local time zone; not through `os.environ`, which must stay empty."""
    os.putenv("TZ", zone)
    time.tzset()


def _rules_of_zones() -> dict[str, str]:
    """Return the present rule of each time zone, which the C library takes without a file.

    Every file of a zone ends with its rule between two line ends.
    """
    found: dict[str, str] = {}
    names = zoneinfo.available_timezones()
    for folder in zoneinfo.TZPATH:
        for name in names - found.keys():
            try:
                with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - no pathlib in a zygote
                    _, _, rule = file.read().rstrip(b"\n").rpartition(b"\n")
            except OSError:
                continue
            if rule.isascii():
                found[name] = rule.decode()
    return found


def _import_for_c(name: str, *_rest: object, **_named: object) -> Any:
    """Give functions written in C the modules that they import; no program can name this one.

    Raises:
        ImportError: It is not loaded already, and so never will be.
    """
    if name not in sys.modules:
        raise ImportError(f"No module named {name!r}")
    return sys.modules[name]


def _bases() -> list[type]:
    found = [
        kind
        for kind in vars(importlib.import_module("collections.abc")).values()
        if isinstance(kind, type)
    ]
    for path in exports.BASES:
        module, _, name = path.rpartition(".")
        if hasattr(importlib.import_module(module), name):
            found.append(getattr(importlib.import_module(module), name))
    # NamedTuple and TypedDict put classes of typing among the bases themselves.
    return found


def _future_flags(body: list[ast.stmt]) -> int:
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and any(
            alias.name == "annotations" for alias in statement.names
        ):
            return importlib.import_module("__future__").annotations.compiler_flag  # type: ignore[no-any-return]
    return 0


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _refused(findings: list[RestrictedFinding]) -> dict[str, Any]:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return {
        "status": "refused",
        "type": "GuestRefused",
        "message": f"line {first.line}: {first.message}{more}",
        "findings": [
            {"line": one.line, "column": one.column, "message": _utf8(one.message), "hint": one.hint}
            for one in findings
        ],
    }


def _refusal(error: BaseException) -> dict[str, Any]:
    """Describe why a program does not compile."""
    import traceback

    if isinstance(error, SyntaxError):
        line, column, message = error.lineno or 0, error.offset or 0, str(error.msg)
    else:
        line, column, message = 0, 0, f"{type(error).__name__}: {error}"
    shown = "".join(traceback.format_exception_only(error)).rstrip()
    return {
        "status": "refused",
        "type": type(error).__name__,
        "message": _cut(message),
        "traceback": _cut(shown),
        "findings": [{"line": max(0, line), "column": max(0, column), "message": _cut(message)}],
    }


def _exit_report(error: BaseException) -> dict[str, Any]:
    code = SystemExit.__dict__["code"].__get__(error)
    if code is None or (type(code) in (int, bool) and code == 0):
        return {"status": "ok", "notes": []}
    message = _text(code)
    if type(code) is not int:
        sys.stderr.write(message + "\n")
    return {"status": "raised", "type": "SystemExit", "message": _cut(message), "traceback": ""}


def _text(thing: object) -> str:
    try:
        return str.__str__(str(thing))
    except Exception:
        return "<exception str() failed>"


def _name(kind: type) -> str:
    name, module = type.__dict__["__qualname__"].__get__(kind), type.__dict__["__module__"].__get__(kind)
    return str(name) if type(module) is not str or module in ("builtins", "__main__") else f"{module}.{name}"


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str) -> str:
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    half = MESSAGE_CHARS_MAX // 2
    left = len(text) - 2 * half
    return f"{text[:half]}\n[... {left} characters left out ...]\n{text[-half:]}"
