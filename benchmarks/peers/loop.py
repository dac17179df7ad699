"""The child's side: timed loops around one contestant, commanded by JSON lines.

A line on standard input is a request, a line on the original standard output its reply. The
loops run here rather than in the harness, so that no pipe is in what they time. What is
measured in which order is the harness's business: `benchmarks.measure`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from benchmarks.programs import ONE_PLUS_ONE, ONE_PLUS_ONE_ANSWER, Code

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_START = Code(body="x = 1", expression="x")
SESSION_CALL = Code(body="", expression="x + 1")
SESSION_ANSWER = 2


class WrongAnswerError(Exception):
    """A contestant returned something else than the program's value."""


class Conversation(Protocol):
    """One sandbox that keeps its state between programs."""

    def run(self, code: Code) -> object:
        """Run a program and return the value of its expression."""

    def close(self) -> None:
        """End the sandbox."""


class Sandboxes(Protocol):
    """What an adapter offers: fresh sandboxes and lasting ones."""

    failures: tuple[type[Exception], ...]
    """Exceptions by which the library reports that a program could not be run."""

    def versions(self) -> dict[str, str]:
        """Return the versions of everything that takes part, by name."""

    def run_fresh(self, code: Code) -> object:
        """Run a program in a new sandbox and return the value of its expression."""

    def open_session(self) -> Conversation:
        """Open a sandbox that lasts."""

    def call_tool(self, tool: Callable[[int], int], calls: int) -> None:
        """Run a program that calls a function of the host again and again, and does little else."""

    def close(self) -> None:
        """Stop everything that was started."""


Reply = dict[str, Any]


class Loop:
    """Answers requests about one contestant."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._expected: tuple[type[Exception], ...] = (WrongAnswerError, *sandboxes.failures)
        self._held: list[Conversation] = []

    def answer(self, request: dict[str, Any]) -> Reply:
        """Carry out one request.

        Args:
            request: `op` names a method of this class; the rest are its arguments.

        Returns:
            The method's reply, or `{"failed": reason}` where the contestant said no.

        Raises:
            KeyError: No such op.
        """
        arguments = dict(request)
        ops: dict[str, Callable[..., Reply]] = {
            "versions": self._versions,
            "latency": self._latency,
            "callers": self._callers,
            "session": self._session,
            "tools": self._tools,
            "program": self._program,
            "hold": self._hold,
            "release": self._release,
        }
        op = ops[arguments.pop("op")]
        try:
            return op(**arguments)
        except self._expected as error:
            return {"failed": f"{type(error).__name__}: {error}"}

    def _versions(self) -> Reply:
        return {"versions": self._sandboxes.versions()}

    def _once(self) -> float:
        start = time.perf_counter()
        value = self._sandboxes.run_fresh(ONE_PLUS_ONE)
        taken = time.perf_counter() - start
        _expect(value, ONE_PLUS_ONE_ANSWER)
        return taken

    def _latency(self, calls: int, warmup: int, pause_s: float) -> Reply:
        for _ in range(warmup):
            self._once()
        times = []
        for _ in range(calls):
            if pause_s:
                time.sleep(pause_s)
            times.append(self._once())
        return {"times_s": times}

    def _callers(self, callers: int, seconds: float | None, calls_each: int) -> Reply:
        """Run a closed loop of several threads, bounded by time or by calls.

        All arrive at once: a caller's first latency counts from that moment, so that waiting
        for its turn is in it, wherever it waits.
        """
        times: list[list[float]] = [[] for _ in range(callers)]
        errors: list[str] = []
        opened: list[float] = []
        gate = threading.Barrier(callers + 1, action=lambda: opened.append(time.perf_counter()))

        def caller(mine: list[float]) -> None:
            gate.wait()
            late = time.perf_counter() - opened[0]
            deadline = opened[0] + seconds if seconds is not None else None
            while True:
                try:
                    mine.append(self._once() + late)
                except self._expected as error:
                    errors.append(f"{type(error).__name__}: {error}")
                    return
                late = 0.0
                if deadline is None and len(mine) >= calls_each:
                    return
                if deadline is not None and time.perf_counter() >= deadline:
                    return

        threads = [threading.Thread(target=caller, args=(mine,)) for mine in times]
        for thread in threads:
            thread.start()
        gate.wait()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - opened[0]
        flat = [taken for mine in times for taken in mine]
        reply: Reply = {"times_s": flat, "calls": len(flat), "elapsed_s": elapsed}
        if errors:
            reply["failed"] = f"{len(errors)} of {callers} callers failed; first: {errors[0]}"
        return reply

    def _session(self, calls: int, warmup: int) -> Reply:
        with ExitStack() as stack:
            conversation = self._sandboxes.open_session()
            stack.callback(conversation.close)
            conversation.run(SESSION_START)
            times = []
            for number in range(warmup + calls):
                start = time.perf_counter()
                value = conversation.run(SESSION_CALL)
                taken = time.perf_counter() - start
                _expect(value, SESSION_ANSWER)
                if number >= warmup:
                    times.append(taken)
        return {"times_s": times}

    def _program(self, body: str, expression: str) -> Reply:
        start = time.perf_counter()
        value = self._sandboxes.run_fresh(Code(body=body, expression=expression))
        taken = time.perf_counter() - start
        match value:
            case [answer, [float(), *_] as times]:
                inside = sum(time_s for time_s in times if isinstance(time_s, float))
            case _:
                message = f"got {value!r} instead of an answer and its times"
                raise WrongAnswerError(message)
        if inside > taken:
            message = f"the guest's clock counted {inside:.3f} s of {taken:.3f} s"
            raise WrongAnswerError(message)
        return {"answer": answer, "times_s": times, "outside_s": taken}

    def _tools(self, calls: int, warmup: int) -> Reply:
        """Time host calls from one arrival to the next, by the host's clock."""
        arrived: list[float] = []

        def tool(number: int) -> int:
            arrived.append(time.perf_counter())
            return number

        self._sandboxes.call_tool(tool, calls + warmup + 1)
        if len(arrived) != calls + warmup + 1:
            message = f"{len(arrived)} calls arrived of {calls + warmup + 1}"
            raise WrongAnswerError(message)
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
        return {"times_s": gaps[warmup:]}

    def _hold(self, total: int) -> Reply:
        """Open sessions until `total` are open at once."""
        times = []
        while len(self._held) < total:
            start = time.perf_counter()
            conversation = self._sandboxes.open_session()
            self._held.append(conversation)
            conversation.run(SESSION_START)
            times.append(time.perf_counter() - start)
        return {"times_s": times, "held": len(self._held)}

    def _release(self) -> Reply:
        while self._held:
            self._held.pop().close()
        return {"held": 0}


def _expect(value: object, answer: object) -> None:
    if value != answer:
        message = f"got {value!r} instead of {answer!r}"
        raise WrongAnswerError(message)


def main(open_contestant: Callable[[str], Sandboxes]) -> None:
    """Be the child process: start the contestant, answer until standard input ends.

    With `--cold` one program is run and reported instead, and the process ends.

    Args:
        open_contestant: Takes the mode from the command line and starts the contestant;
            the library is imported in there, so that a cold start includes it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    # Whatever a library prints must not end up between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    started = time.perf_counter()
    sandboxes = open_contestant(options.mode)
    start_s = time.perf_counter() - started
    try:
        loop = Loop(sandboxes)
        if options.cold:
            reply = loop.answer({"op": "latency", "calls": 1, "warmup": 0, "pause_s": 0.0})
            _say(replies, {**reply, "start_s": start_s})
            return
        _say(replies, {"start_s": start_s})
        for line in sys.stdin:
            _say(replies, loop.answer(json.loads(line)))
    finally:
        sandboxes.close()


def _say(replies: TextIO, reply: Reply) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()
