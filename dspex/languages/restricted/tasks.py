"""asyncio for restricted programs: a loop without sockets, and the caller's tools.

The loop is asyncio's own with nothing to select on: it sleeps until the next timer, or waits for
answers of tools. Programs get the functions of `asyncio` that work on such a loop, never the loop.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

from dspex.languages.guest import python_values

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dspex.languages.account import RunAccount
    from dspex.protocol.messages import Answer

_OFFERED = (
    "sleep gather wait wait_for shield timeout timeout_at create_task current_task all_tasks iscoroutine "
    "iscoroutinefunction isfuture as_completed Queue LifoQueue PriorityQueue QueueEmpty QueueFull Lock Event Condition "
    "Semaphore BoundedSemaphore Barrier BrokenBarrierError TaskGroup Task Future CancelledError TimeoutError "
    "InvalidStateError FIRST_COMPLETED FIRST_EXCEPTION ALL_COMPLETED ensure_future QueueShutDown"
)
_NAP_S = 60.0


class ToolError(RuntimeError):
    """A tool failed with an exception that Python does not know."""


class _Idle:
    """What the loop waits with in place of a selector."""

    def __init__(self, tools: Tools) -> None:
        self._idle_tools = tools

    def select(self, timeout_s: float | None) -> list[Any]:
        self._idle_tools.wait(timeout_s)
        return []

    def close(self) -> None:
        """Nothing is open."""


class GuestLoop(asyncio.BaseEventLoop):
    """An event loop of one process without files, sockets or threads."""

    def __init__(self, tools: Tools) -> None:
        super().__init__()
        self._selector = _Idle(tools)
        self._guest_tools = tools
        self.set_exception_handler(_report)

    def time(self) -> float:
        return self._guest_tools.monotonic()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else wakes this loop."""


class LoopFace:
    """What programs get as the running loop."""

    __slots__ = ("_face_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._face_loop = loop

    def time(self) -> float:
        return self._face_loop.time()

    def create_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        return self._face_loop.create_task(coroutine, **options)

    def create_future(self) -> Any:
        return self._face_loop.create_future()

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        self._face_loop.call_soon(callback, *args)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        self._face_loop.call_later(delay, callback, *args)

    def run_until_complete(self, future: Any) -> Any:
        return self._face_loop.run_until_complete(future)

    def is_running(self) -> bool:
        return self._face_loop.is_running()

    def close(self) -> None:
        """The loop is not the program's to close."""


class Tools:
    """The caller's tools and the loop of one guest."""

    def __init__(self, account: RunAccount, critical: Any) -> None:
        self._account, self._critical = account, critical
        self._answers: dict[int, Answer] = {}
        self._futures: dict[int, asyncio.Future[Answer]] = {}
        self._loop: GuestLoop | None = None
        self._value_bytes = self._value_depth = self._calls_max = 0
        self.monotonic: Callable[[], float] = time.monotonic
        self.sleep: Callable[[float], None] = time.sleep

    def begin(
        self, descriptions: list[dict[str, Any]], *, value_bytes: int, value_depth: int, calls: int
    ) -> dict[str, Callable[..., Any]]:
        """Start a run: forget the last one's calls and return its tools by name."""
        self._answers.clear()
        self._futures.clear()
        self._value_bytes, self._value_depth, self._calls_max = value_bytes, value_depth, calls
        return {one["name"]: self._function(one) for one in descriptions}

    def forget(self) -> None:
        """Let go of the loop of a guest that is gone."""
        if self._loop is not None and not self._loop.is_running():
            self._loop.close()
        self._loop = None
        self._futures.clear()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a program that awaits at its top level."""
        return self._own_loop().run_until_complete(coroutine)

    def _own_loop(self) -> GuestLoop:
        if self._loop is None or self._loop.is_closed():
            self._loop = GuestLoop(self)
        return self._loop

    def modules(self) -> dict[str, dict[str, Any]]:
        """Return names by module."""
        offered = {name: getattr(asyncio, name) for name in _OFFERED.split() if hasattr(asyncio, name)}

        def run(main: Coroutine[Any, Any, Any], *, debug: bool | None = None) -> Any:
            if not asyncio.iscoroutine(main):
                raise ValueError(f"a coroutine was expected, got {main!r}")
            loop = GuestLoop(self)
            before = asyncio._get_running_loop()
            if before is not None:
                main.close()
                raise RuntimeError("asyncio.run() cannot be called from a running event loop")
            try:
                return loop.run_until_complete(main)
            finally:
                _cancel_all(loop)
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        def get_running_loop() -> LoopFace:
            return LoopFace(asyncio.get_running_loop())

        def get_event_loop() -> LoopFace:
            return LoopFace(asyncio._get_running_loop() or self._own_loop())

        return {
            "asyncio": {
                **offered,
                "run": run,
                "get_running_loop": get_running_loop,
                "get_event_loop": get_event_loop,
                "new_event_loop": get_event_loop,
            }
        }

    # Tools

    def _function(self, description: dict[str, Any]) -> Callable[..., Any]:
        name = description["name"]
        tool: Callable[..., Any]
        if description["is_async"]:

            async def async_tool(*args: Any, **kwargs: Any) -> Any:
                number = self._start(name, args, kwargs)
                future = self._futures[number] = asyncio.get_running_loop().create_future()
                try:
                    return self._result(await future)
                finally:
                    self._futures.pop(number, None)

            tool = async_tool
        else:

            def sync_tool(*args: Any, **kwargs: Any) -> Any:
                number = self._start(name, args, kwargs)
                while number not in self._answers:
                    self._receive(None)
                return self._result(self._answers.pop(number))

            tool = sync_tool
        tool.__name__ = tool.__qualname__ = name
        tool.__module__ = "__main__"
        tool.__doc__ = description["doc"] or None
        return tool

    def _start(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        try:
            encoded, notes = python_values.encode(
                [list(args), kwargs], self._value_bytes, self._value_depth + 2
            )
        except ValueError as error:
            raise ValueError(f"the arguments of {name} cannot cross: {error}") from None
        if notes:
            raise TypeError(f"an argument of {name} cannot cross: {notes[0]}")
        with self._critical:
            number = self._account.call(name, encoded)
        if not number:
            raise RuntimeError(f"host_calls: all {self._calls_max} calls of this run are made")
        return number

    def _receive(self, wait_s: float | None) -> None:
        with self._critical:
            for one in self._account.wait_answers(wait_s):
                self._answers[one.call] = one

    def wait(self, timeout_s: float | None) -> None:
        """Be idle until a timer of the loop is due or an answer is there."""
        if self._futures:
            if not self._deliver():
                self._receive(timeout_s)
                self._deliver()
        elif timeout_s is None or timeout_s > 0:
            self.sleep(_NAP_S if timeout_s is None else timeout_s)

    def _deliver(self) -> bool:
        arrived = [number for number in self._futures if number in self._answers]
        for number in arrived:
            future = self._futures.pop(number)
            if not future.done():
                future.set_result(self._answers.pop(number))
        return bool(arrived)

    def _result(self, answer: Answer) -> Any:
        if not answer.error_type:
            return python_values.decode(answer.value)
        known = _EXCEPTIONS.get(answer.error_type)
        if known is not None:
            try:
                error = known(answer.error_message)
            except TypeError:  # it wants more than a message
                known = None
            else:
                raise error
        raise ToolError(f"{answer.error_type}: {answer.error_message}")


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say that an exception was never looked at, without the traceback, which has frames of the host."""
    error = context.get("exception")
    reason = "" if error is None else f": {type(error).__name__}: {error}"
    sys.stderr.write(f"{context.get('message', '')}{reason}\n")


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


_builtins: Any = __builtins__
_EXCEPTIONS: dict[str, type[Exception]] = {
    name: kind
    for name, kind in (_builtins if isinstance(_builtins, dict) else vars(_builtins)).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}
