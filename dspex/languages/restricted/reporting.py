"""`logging` and `warnings` for restricted programs, written anew.

The library's look frames up, open files by name and format texts that follow attributes. Here a record is
data, files are in memory, and a text with braces is looked at before it is formatted. What handlers write
to are the program's streams.
"""

from __future__ import annotations

import linecache
import re
import string
import sys
import time
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted.context import present

if TYPE_CHECKING:
    from dspex.languages.restricted.context import Context, Offer

_LEVELS = {"CRITICAL": 50, "ERROR": 40, "WARNING": 30, "INFO": 20, "DEBUG": 10, "NOTSET": 0}
_NAMES = {number: name for name, number in _LEVELS.items()}
_ACTIONS = ("default", "always", "ignore", "module", "once", "error")
_LOGGERS_MAX = 10_000


def level_of(level: Any) -> int:
    """Return a level's number.

    Raises:
        ValueError: There is no level of that name.
    """
    if isinstance(level, int):
        return level
    if level not in _LEVELS:
        raise ValueError(f"Unknown level: {level!r}")
    return _LEVELS[level]


def logging_module(context: Context) -> Offer:
    """Return the names of `logging` and `logging.handlers`, and the classes to derive from."""

    class LogRecord:
        def __init__(self, name: str, level: int, pathname: str, lineno: int, msg: Any, args: Any,
                     exc_info: Any, func: str | None = None, sinfo: str | None = None) -> None:  # fmt: skip
            self.name, self.levelno, self.levelname = name, level, _NAMES.get(level, f"Level {level}")
            if isinstance(args, tuple) and len(args) == 1 and isinstance(args[0], dict) and args[0]:
                args = args[0]
            self.msg, self.args, self.exc_info, self.exc_text = msg, args, exc_info, None
            self.pathname = self.filename = pathname
            self.module, self.lineno, self.funcName = pathname.removesuffix(".py"), lineno, func
            self.created = context.now_s()
            self.msecs = int(self.created % 1 * 1000)
            self.stack_info, self.process, self.processName = sinfo, 1, "MainProcess"
            self.thread, self.threadName, self.taskName, self.relativeCreated = 1, "MainThread", None, 0.0

        def getMessage(self) -> str:
            text = str(self.msg)
            return text % self.args if self.args else text

        def __repr__(self) -> str:
            return f'<LogRecord: {self.name}, {self.levelno}, {self.pathname}, {self.lineno}, "{self.msg}">'

    class Formatter:
        default_time_format, default_msec_format = "%Y-%m-%d %H:%M:%S", "%s,%03d"

        def __init__(self, fmt: str | None = None, datefmt: str | None = None, style: str = "%",
                     validate: bool = True, *, defaults: Any = None) -> None:  # fmt: skip
            if style not in ("%", "{", "$"):
                raise ValueError("Style must be one of: %,{,$")
            usual = {"%": "%(message)s", "{": "{message}", "$": "${message}"}[style]
            self.datefmt = datefmt
            self._formatter_text, self._formatter_style = str(fmt or usual), style
            self._formatter_defaults = dict(defaults or {})

        def usesTime(self) -> bool:
            return "asctime" in self._formatter_text

        def formatTime(self, record: Any, datefmt: str | None = None) -> str:
            moment = time.localtime(float(record.created))
            if datefmt:
                return time.strftime(datefmt, moment)
            return f"{time.strftime('%Y-%m-%d %H:%M:%S', moment)},{int(record.msecs):03d}"

        def formatMessage(self, record: Any) -> str:
            values = {**self._formatter_defaults, **context.guard.names_of(record)}
            # A subclass may have given these itself, and any text's subclass.
            text = str.__str__(self._formatter_text)
            if self._formatter_style == "%":
                return text % values
            if self._formatter_style == "$":
                return string.Template(text).substitute(values)
            context.guard.check_format(text)
            return text.format(**values)

        def formatException(self, ei: Any) -> str:
            return context.around.describe(ei[1]).rstrip("\n")

        def formatStack(self, stack_info: str) -> str:
            return stack_info

        def format(self, record: Any) -> str:
            record.message = record.getMessage()
            if self.usesTime():
                record.asctime = self.formatTime(record, self.datefmt)
            text = self.formatMessage(record)
            if record.exc_info and not record.exc_text:
                record.exc_text = self.formatException(record.exc_info)
            return f"{text}\n{record.exc_text}" if record.exc_text else text

    class Filter:
        def __init__(self, name: str = "") -> None:
            self.name = name

        def filter(self, record: Any) -> Any:
            return not self.name or record.name == self.name or record.name.startswith(f"{self.name}.")

    class Filterer:
        def __init__(self) -> None:
            self.filters: list[Any] = []

        def addFilter(self, filter: Any) -> None:
            if filter not in self.filters:
                self.filters.append(filter)

        def removeFilter(self, filter: Any) -> None:
            if filter in self.filters:
                self.filters.remove(filter)

        def filter(self, record: Any) -> Any:
            for one in self.filters:
                if not (one.filter(record) if hasattr(one, "filter") else one(record)):
                    return False
            return True

    class Handler(Filterer):
        def __init__(self, level: Any = 0) -> None:
            super().__init__()
            self.level, self.formatter, self.name = level_of(level), None, None
            handlers.append(self)

        def setLevel(self, level: Any) -> None:
            self.level = level_of(level)

        def setFormatter(self, fmt: Any) -> None:
            self.formatter = fmt

        def get_name(self) -> Any:
            return self.name

        def set_name(self, name: Any) -> None:
            self.name = name

        def acquire(self) -> None:
            """There is one thread."""

        def release(self) -> None:
            """There is one thread."""

        def format(self, record: Any) -> str:
            chosen: Any = self.formatter or plain
            return chosen.format(record)  # type: ignore[no-any-return]

        def emit(self, record: Any) -> None:
            raise NotImplementedError("emit must be implemented by Handler subclasses")

        def handle(self, record: Any) -> Any:
            passed = self.filter(record)
            if passed:
                self.emit(record)
            return passed

        def handleError(self, record: Any) -> None:
            error = sys.exc_info()[1]
            shown = "" if error is None else context.around.describe(error)
            sys.stderr.write(f"--- Logging error ---\n{shown}Message: {record.msg!r}\nArguments: {record.args!r}\n")

        def flush(self) -> None:
            """Nothing is held back."""

        def close(self) -> None:
            if self in handlers:
                handlers.remove(self)

    class StreamHandler(Handler):
        terminator = "\n"

        def __init__(self, stream: Any = None) -> None:
            super().__init__()
            self.stream = sys.stderr if stream is None else stream

        def setStream(self, stream: Any) -> Any:
            old, self.stream = self.stream, stream
            return old

        def flush(self) -> None:
            if self.stream is not None and hasattr(self.stream, "flush"):
                self.stream.flush()

        def emit(self, record: Any) -> None:
            try:
                self.stream.write(self.format(record) + self.terminator)
                self.flush()
            except RecursionError:
                raise
            except Exception:
                self.handleError(record)

    class FileHandler(StreamHandler):
        def __init__(self, filename: Any, mode: str = "a", encoding: str | None = None, delay: bool = False,
                     errors: str | None = None) -> None:  # fmt: skip
            super().__init__(context.files.open(filename, mode, encoding=encoding, errors=errors))
            self.baseFilename = context.files.abspath(filename)

        def close(self) -> None:
            self.flush()
            if self.stream is not None:
                self.stream.close()
                self.stream = None
            super().close()

    class RotatingFileHandler(FileHandler):
        def __init__(self, filename: Any, mode: str = "a", maxBytes: int = 0, backupCount: int = 0,
                     encoding: str | None = None, delay: bool = False, errors: str | None = None) -> None:  # fmt: skip
            super().__init__(filename, mode, encoding, delay, errors)
            self.maxBytes, self.backupCount, self._rotating_encoding = maxBytes, backupCount, encoding

        def shouldRollover(self, record: Any) -> bool:
            size = context.files.getsize(self.baseFilename)
            return 0 < self.maxBytes <= size + len(self.format(record)) + 1

        def doRollover(self) -> None:
            self.stream.close()
            for number in range(self.backupCount - 1, 0, -1):
                if context.files.exists(f"{self.baseFilename}.{number}"):
                    context.files.rename(f"{self.baseFilename}.{number}", f"{self.baseFilename}.{number + 1}")
            if self.backupCount:
                context.files.rename(self.baseFilename, f"{self.baseFilename}.1")
            self.stream = context.files.open(self.baseFilename, "w", encoding=self._rotating_encoding)

        def emit(self, record: Any) -> None:
            if self.shouldRollover(record):
                self.doRollover()
            super().emit(record)

    class NullHandler(Handler):
        def handle(self, record: Any) -> Any:
            return None

        def emit(self, record: Any) -> None:
            """Nobody hears it."""

    class MemoryHandler(Handler):
        def __init__(self, capacity: int, flushLevel: int = 40, target: Any = None, flushOnClose: bool = True) -> None:
            super().__init__()
            self.capacity, self.flushLevel, self.target = capacity, flushLevel, target
            self.buffer: list[Any] = []

        def setTarget(self, target: Any) -> None:
            self.target = target

        def shouldFlush(self, record: Any) -> bool:
            return len(self.buffer) >= self.capacity or record.levelno >= self.flushLevel

        def emit(self, record: Any) -> None:
            self.buffer.append(record)
            if self.shouldFlush(record):
                self.flush()

        def flush(self) -> None:
            if self.target is not None:
                for record in self.buffer:
                    self.target.handle(record)
                self.buffer.clear()

        def close(self) -> None:
            self.flush()
            super().close()

    class Logger(Filterer):
        def __init__(self, name: str, level: Any = 0) -> None:
            super().__init__()
            self.name, self.level, self.parent, self.propagate = name, level_of(level), None, True
            self.handlers: list[Any] = []
            self.disabled = False

        def __repr__(self) -> str:
            return f"<Logger {self.name} ({getLevelName(self.getEffectiveLevel())})>"

        def setLevel(self, level: Any) -> None:
            self.level = level_of(level)

        def getEffectiveLevel(self) -> int:
            at: Any = self
            while at is not None:
                if at.level:
                    return int(at.level)
                at = at.parent
            return 0

        def isEnabledFor(self, level: int) -> bool:
            return not self.disabled and level > disabled[0] and level >= self.getEffectiveLevel()

        def getChild(self, suffix: str) -> Any:
            return getLogger(suffix if self is root else f"{self.name}.{suffix}")

        def addHandler(self, hdlr: Any) -> None:
            if hdlr not in self.handlers:
                self.handlers.append(hdlr)

        def removeHandler(self, hdlr: Any) -> None:
            if hdlr in self.handlers:
                self.handlers.remove(hdlr)

        def hasHandlers(self) -> bool:
            at: Any = self
            while at is not None:
                if at.handlers:
                    return True
                at = at.parent if at.propagate else None
            return False

        def handle(self, record: Any) -> None:
            if self.disabled or not self.filter(record):
                return
            at: Any = self
            heard = False
            while at is not None:
                for one in list(at.handlers):
                    heard = True
                    if record.levelno >= one.level:
                        one.handle(record)
                at = at.parent if at.propagate else None
            if not heard and record.levelno >= _LEVELS["WARNING"]:
                sys.stderr.write(f"{record.getMessage()}\n")

        def log(self, level: int, msg: Any, *args: Any, exc_info: Any = None, extra: Any = None,
                stack_info: bool = False, stacklevel: int = 1) -> None:  # fmt: skip
            if not isinstance(level, int):
                raise TypeError("level must be an integer")
            if not self.isEnabledFor(level):
                return
            if isinstance(exc_info, BaseException):
                exc_info = (type(exc_info), exc_info, None)
            elif exc_info:
                error = sys.exc_info()[1]
                exc_info = None if error is None else (type(error), error, None)
            callers = context.callers() or [("", 0, "")]
            path, line, function = callers[min(max(stacklevel, 1), len(callers)) - 1]
            record = LogRecord(self.name, level, path, line, msg, args, exc_info or None, function)
            for name, value in dict(extra or {}).items():
                if name in ("message", "asctime") or name in record.__dict__:
                    raise KeyError(f"Attempt to overwrite {name!r} in LogRecord")
                context.guard.setattr(record, name, value)
            self.handle(record)

        def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(10, msg, *args, **kwargs)

        def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(20, msg, *args, **kwargs)

        def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(30, msg, *args, **kwargs)

        def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(40, msg, *args, **kwargs)

        def exception(self, msg: Any, *args: Any, exc_info: Any = True, **kwargs: Any) -> None:
            self.log(40, msg, *args, exc_info=exc_info, **kwargs)

        def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(50, msg, *args, **kwargs)

        warn, fatal = warning, critical

    class LoggerAdapter:
        def __init__(self, logger: Any, extra: Any = None) -> None:
            self.logger, self.extra = logger, extra

        def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
            kwargs["extra"] = self.extra
            return msg, kwargs

        def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
            msg, kwargs = self.process(msg, kwargs)
            self.logger.log(level, msg, *args, **kwargs)

        def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(10, msg, *args, **kwargs)

        def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(20, msg, *args, **kwargs)

        def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(30, msg, *args, **kwargs)

        def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(40, msg, *args, **kwargs)

        def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
            self.log(50, msg, *args, **kwargs)

        def exception(self, msg: Any, *args: Any, exc_info: Any = True, **kwargs: Any) -> None:
            self.log(40, msg, *args, exc_info=exc_info, **kwargs)

        def setLevel(self, level: Any) -> None:
            self.logger.setLevel(level)

        def isEnabledFor(self, level: int) -> Any:
            return self.logger.isEnabledFor(level)

    handlers: list[Any] = []
    disabled = [-1]
    plain = Formatter()
    root: Any = Logger("root", 30)
    loggers: dict[str, Any] = {}

    def getLevelName(level: Any) -> Any:
        if isinstance(level, int):
            return _NAMES.get(level, f"Level {level}")
        return _LEVELS.get(level, f"Level {level}")

    def getLogger(name: Any = None) -> Any:
        if not name or name == "root":
            return root
        if not isinstance(name, str):
            raise TypeError("A logger name must be a string")
        if name not in loggers:
            if len(loggers) >= _LOGGERS_MAX:
                raise MemoryError("too many loggers")
            made: Any = Logger(name)
            made.parent = above(name)
            loggers[name] = made
            for one, below in loggers.items():
                if one.startswith(f"{name}."):
                    below.parent = above(one)
        return loggers[name]

    def above(name: str) -> Any:
        """Return the nearest logger whose name this one begins with."""
        while name:
            name = name.rpartition(".")[0]
            if name in loggers:
                return loggers[name]
        return root

    def basicConfig(*, filename: Any = None, filemode: str = "a", format: str | None = None,
                    datefmt: str | None = None, style: str = "%", level: Any = None, stream: Any = None,
                    handlers: Any = None, force: bool = False, encoding: str | None = None,
                    errors: str | None = None) -> None:  # fmt: skip
        if force:
            for one in list(root.handlers):
                root.removeHandler(one)
                one.close()
        if root.handlers:
            return
        usual = {"%": "%(levelname)s:%(name)s:%(message)s", "{": "{levelname}:{name}:{message}",
                 "$": "${levelname}:${name}:${message}"}  # fmt: skip
        if handlers is None:
            one = StreamHandler(stream) if filename is None else FileHandler(filename, filemode, encoding, errors=errors)
            handlers = [one]
        formatter = Formatter(format or usual.get(style), datefmt, style)
        for one in handlers:
            if one.formatter is None:
                one.setFormatter(formatter)
            root.addHandler(one)
        if level is not None:
            root.setLevel(level)

    def saying(method: str) -> Any:
        def say(msg: Any, *args: Any, **kwargs: Any) -> None:
            if not root.handlers:
                basicConfig()
            getattr(Logger, method)(root, msg, *args, **kwargs)

        say.__name__ = say.__qualname__ = method
        return say

    def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        if not root.handlers:
            basicConfig()
        root.log(level, msg, *args, **kwargs)

    def disable(level: Any = 50) -> None:
        disabled[0] = level_of(level)

    def shutdown() -> None:
        for one in list(reversed(handlers)):
            one.flush()
            one.close()

    def addLevelName(level: int, levelName: str) -> None:
        if not isinstance(level, int) or not isinstance(levelName, str):
            raise TypeError("a level is an integer and its name a string")
        _NAMES[level], _LEVELS[levelName] = levelName, level

    offered: dict[str, Any] = dict(_LEVELS) | {"WARN": 30, "FATAL": 50, "root": root, "disable": disable, "log": log}
    offered |= {one: saying(one) for one in ("debug", "info", "warning", "error", "exception", "critical")}
    for function in (getLevelName, getLogger, basicConfig, shutdown, addLevelName):
        offered[function.__name__] = function
    kinds: list[type] = [
        LogRecord, Formatter, Filter, Handler, StreamHandler, FileHandler, NullHandler, Logger, LoggerAdapter
    ]  # fmt: skip
    further: list[type] = [MemoryHandler, RotatingFileHandler]
    for kind in kinds:
        present(kind, "logging")
    for kind in further:
        present(kind, "logging.handlers")
    offered |= {kind.__name__: kind for kind in kinds}
    bases = [Formatter, Filter, Handler, StreamHandler, FileHandler, NullHandler, LoggerAdapter, *further]
    return {"logging": offered, "logging.handlers": {kind.__name__: kind for kind in further}}, bases


def warnings_module(context: Context) -> Offer:
    """Return the names of `warnings`."""
    state: dict[str, Any] = {
        "filters": [("ignore", "", kind) for kind in (PendingDeprecationWarning, ImportWarning, ResourceWarning)],
        "seen": set(),
        "record": None,
    }

    class WarningMessage:
        def __init__(self, message: Any, category: Any, filename: str, lineno: int) -> None:
            self.message, self.category, self.filename, self.lineno = message, category, filename, lineno
            self.file = self.line = self.source = None

        def __str__(self) -> str:
            about = f"filename : {self.filename!r}, lineno : {self.lineno}, line : None"
            return f"{{message : {self.message!r}, category : {self.category.__name__!r}, {about}}}"

    def formatwarning(message: Any, category: Any, filename: str, lineno: int, line: str | None = None) -> str:
        if line is None and filename in context.around.filenames:
            line = linecache.getline(filename, lineno)
        shown = f"{filename}:{lineno}: {category.__name__}: {message}\n"
        return shown + (f"  {line.strip()}\n" if line else "")

    def add(action: str, text: str, category: Any, *, append: bool) -> None:
        if action not in _ACTIONS:
            raise ValueError(f"invalid action: {action!r}")
        if not (isinstance(category, type) and issubclass(category, Warning)):
            raise TypeError("category must be a Warning subclass")
        one = (action, text, category)
        state["filters"] = [*state["filters"], one] if append else [one, *state["filters"]]

    def simplefilter(action: str, category: Any = Warning, lineno: int = 0, append: bool = False) -> None:
        add(action, "", category, append=append)

    def filterwarnings(action: str, message: str = "", category: Any = Warning, module: str = "", lineno: int = 0,
                       append: bool = False) -> None:  # fmt: skip
        add(action, str(message), category, append=append)

    def resetwarnings() -> None:
        state["filters"] = []

    def action_for(text: str, category: Any) -> str:
        for action, pattern, kind in state["filters"]:
            if issubclass(category, kind) and re.match(pattern, text, re.IGNORECASE):
                return str(action)
        return "default"

    def warn(message: Any, category: Any = None, stacklevel: int = 1, source: Any = None, **_: Any) -> None:
        if isinstance(message, Warning):
            category = type(message)
        category = UserWarning if category is None else category
        if not (isinstance(category, type) and issubclass(category, Warning)):
            raise TypeError("category must be a Warning subclass")
        callers = context.callers() or [("", 0, "")]
        at = callers[min(max(int(stacklevel), 1), len(callers)) - 1]
        warn_explicit(message, category, at[0], at[1])

    def warn_explicit(message: Any, category: Any, filename: str, lineno: int, *_: Any, **__: Any) -> None:
        text = str(message)
        action = action_for(text, category)
        if not isinstance(message, Warning):
            message = category(message)
        if action == "error":
            raise message
        key = (text, category) if action == "once" else (text, category, filename, lineno)
        if action == "ignore" or (action != "always" and key in state["seen"]):
            return
        state["seen"].add(key)
        if state["record"] is not None:
            state["record"].append(WarningMessage(message, category, filename, lineno))
            return
        sys.stderr.write(formatwarning(message, category, filename, lineno))

    class catch_warnings:
        def __init__(self, *, record: bool = False, module: Any = None, action: str | None = None,
                     category: Any = Warning, lineno: int = 0, append: bool = False) -> None:  # fmt: skip
            self._catch_record, self._catch_action, self._catch_category = record, action, category
            self._catch_before: list[dict[str, Any]] = []

        def __enter__(self) -> Any:
            self._catch_before.append(dict(state))
            state["seen"] = set()
            found: list[Any] | None = [] if self._catch_record else None
            state["record"] = found
            if self._catch_action is not None:
                simplefilter(self._catch_action, self._catch_category)
            return found

        def __exit__(self, *_exc: object) -> None:
            state.update(self._catch_before.pop())

    present(catch_warnings, "warnings")
    present(WarningMessage, "warnings")
    offered = {one.__name__: one for one in (formatwarning, simplefilter, filterwarnings, resetwarnings, warn, warn_explicit)}
    return {"warnings": {**offered, "catch_warnings": catch_warnings, "WarningMessage": WarningMessage}}, []
