"""The door to a sandbox that stays: `Session`, for callers in any thread.

Its place in the supervisor is `dspex.supervisor.seat`'s, its other face for event loops `dspex.async_engine`'s.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex import __version__, saves
from dspex.errors import (
    RequestError,
    SessionClosed,
)
from dspex.outcome import Outcome
from dspex.parameters import method_like
from dspex.recordings import Recording, Replay
from dspex.request import OutputCallback, Request
from dspex.running import RunningJob
from dspex.saves import Header, checked_key
from dspex.streaming import Stream
from dspex.submission import flow_of, make_job, repeatable, replaying_job, state_terms, tightened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Self

    from dspex.languages.base import LanguageSpec
    from dspex.policy import Policy
    from dspex.supervisor.job import Job
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.seat import Seat
    from dspex.supervisor.states import SealedState
    from dspex.supervisor.tree import Supervisor
    from dspex.tools import ToolRunner


class Session:
    """A sandbox that stays: names, modules and files of one run are there in the next.

    Runs follow one another in the order in which they were asked for, from whatever thread.

    Example:
        >>> with Engine() as engine, engine.session() as session:
        ...     _ = session.run("x = 41")
        ...     session.run("x + 1").value
        42
    """

    def __init__(
        self,
        owner: object,
        supervisor: Supervisor,
        pool: Pool,
        seat: Seat,
        *,
        policy: Policy,
        spec: LanguageSpec,
        image: str | None,
        tools: Mapping[str, Callable[..., Any]] | None,
        tool_runner: ToolRunner,
        runs: int = 0,
        mounted: bool = False,
    ) -> None:
        """Give a seat of the supervisor its face; `Engine.session` orders one, and waits for it.

        Args:
            owner: The engine, which must not be collected before the session is closed.
            supervisor: The engine's.
            pool: Where its processes come from.
            seat: The seat.
            policy: What it may do.
            spec: What it speaks.
            image: The environment that it lives in.
            tools: Functions that each run can call.
            tool_runner: The engine's; runs them.
            runs: Runs that it has had before.
            mounted: Whether the policy's mounts are in its guest already.
        """
        self._owner = owner
        self._tool_runner = tool_runner
        self._supervisor = supervisor
        self._pool = pool
        self._policy = policy
        self._spec = spec
        self._image = image
        self._tools = dict(tools or {})
        self._runs = runs
        self._mounted = mounted
        self._seat = seat
        self._closed = False

    @property
    def ready(self) -> Future[None]:
        """Settled when the session can be used, or cannot be had."""
        return self._seat.ready

    @property
    def policy(self) -> Policy:
        """The loosest policy that a run of the session can have."""
        return self._policy

    @property
    def closed(self) -> bool:
        """Whether no further run is possible."""
        return self._closed or bool(self._seat.closed_because) or self._supervisor.ended

    def _order(
        self,
        code: str | bytes,
        *,
        variables: Mapping[str, Any] | None = None,
        tools: Mapping[str, Callable[..., Any]] | None = None,
        files: Mapping[str, bytes | str] | None = None,
        stdin: str | bytes = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        policy: str | Path | Policy | None = None,
        timeout_s: float | None = None,
        on_output: OutputCallback | None = None,
        record: Recording | None = None,
    ) -> tuple[Job | Outcome, Recording | None]:
        """Check a request and number the run."""
        effective = tightened(self._policy, policy)
        self._runs += 1
        every = self._tools if tools is None else {**self._tools, **tools}
        request = Request(code, variables, files, stdin, args, env, timeout_s, every)
        made = make_job(
            request, effective, self._spec, on_output=on_output, supervisor=self._supervisor,
            tool_runner=self._tool_runner, run_number=self._runs, single=False,
            mounted=self._mounted, record=record, image=self._image,
        )
        self._mounted = True
        return made, record

    @method_like(_order)
    def submit(self, *args: Any, **kwargs: Any) -> RunningJob:
        """Begin a run in the session and return at once; the parameters are those of `run`."""
        return self._begun(self._supervisor.submit_to, *self._order(*args, **kwargs))

    def _begun(
        self, send: Callable[[Seat, Job], None], made: Job | Outcome, record: Recording | None = None
    ) -> RunningJob:
        job = RunningJob(made, self._supervisor, self._seat, self, record)
        if not isinstance(made, Outcome):
            send(self._seat, made)
        return job

    def replay(self, recording: Recording) -> Outcome:
        """Repeat a recorded run in the session's state, which should be what it was then.

        Such as that of a copy that was forked, or of a session that was saved, before the run.

        Raises:
            ReplayDiffers: The program made another host call than the one recorded, or fewer.
            RequestError: There is no run in the recording, or it is of another language.
            SessionClosed: The session is closed.
        """
        asked = recording.asked()
        if (asked.language, asked.image) != (self._spec.name, self._image):
            msg = f"recording: a run of {asked.language}, in a session of {self._spec.name}"
            raise RequestError(msg)
        replayed = Replay(recording, self._supervisor.answer)
        self._runs += 1
        made = replaying_job(
            asked, repeatable(self._policy, asked), self._spec, replayed,
            run_number=self._runs, single=False, mounted=self._mounted,
        )
        self._mounted = True
        outcome = self._begun(self._supervisor.serve_in, made).outcome_or_cancel()
        replayed.check()
        return outcome

    @method_like(_order)
    def run(self, *args: Any, **kwargs: Any) -> Outcome:
        """Run a program in the session's state; the parameters mean what they do in `Engine.run`.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The session is closed.
        """
        return self._begun(self._supervisor.serve_in, *self._order(*args, **kwargs)).outcome_or_cancel()

    @method_like(submit)
    def stream(self, *args: Any, **kwargs: Any) -> Stream:
        """Begin a run whose output is read while it is written; the parameters are those of `run`.

        A reader that is slow slows the program down, whose time runs on.

        Raises:
            RequestError, TypeError: The request cannot be used; nothing ran.
            SessionClosed: The session is closed.
        """
        flow = flow_of(kwargs)
        return Stream(self.submit(*args, **{**kwargs, "on_output": flow}), flow)

    @property
    def parked(self) -> bool:
        """Whether the session has no process now; it gets one when it is asked for something."""
        return self._seat.parked

    def fork(self) -> Session:
        """Return an independent copy: a session that goes on from this one's state.

        Names, modules, files, open files and all else are those of this session after the runs
        that were asked for before; afterwards neither sees anything of the other. The copy draws
        fresh randomness (`random` is seeded anew there, as `os.fork` does it), unless the policy is
        deterministic.

        Raises:
            RequestError: Sessions of this language cannot be copied, or not on this machine.
            SessionClosed: The session is closed.
            SnapshotUnusable: The state is larger than the limits allow.
            EngineBusy: All processes are taken.
            WorkerCrashed: The process could not be copied; the session goes on.
        """
        twin = self.order_fork()
        try:
            twin.ready.result()
        except BaseException:
            twin.close()
            raise
        return twin

    def order_fork(self) -> Session:
        """Return a copy at once; it can be used when its `ready` is settled."""
        self._check_can("forked", can=self._spec.saves or self._spec.forks)
        seat = self._supervisor.fork_seat(self._pool, self._seat, state_terms(self._policy))
        return Session(
            self._owner, self._supervisor, self._pool, seat, policy=self._policy,
            spec=self._spec, image=self._image, tools=self._tools,
            tool_runner=self._tool_runner, runs=self._runs,
            mounted=self._mounted,
        )

    def save(self, path: str | Path, *, key: bytes | None = None) -> None:
        """Write the session to a file, as it is after the runs that were asked for before.

        It goes on meanwhile, and `Engine.resume` opens one like it: in this process or another,
        as long as the runtime is the same. The file holds what is in the sandbox, and nothing of
        the host beside it; it is readable for this user alone. An older file is replaced at once
        when the new one is complete.

        Args:
            path: Where.
            key: Proves to `resume`, which then needs it, that nobody else made or changed the file.

        Raises:
            RequestError: Sessions of this language cannot be saved.
            SessionClosed: The session is closed.
            SnapshotUnusable: The state is larger than the limits allow.
            OSError: The file cannot be written.
        """
        self.write_state(path, self.order_state(), key=key)

    def order_state(self) -> Future[SealedState | None]:
        """Return the session's state, once the runs before have ended."""
        self._check_saves()
        return self._supervisor.state_of(self._seat)

    def write_state(
        self, path: str | Path, ordered: Future[SealedState | None], *, key: bytes | None = None
    ) -> None:
        """Wait for a state that was ordered, and write it to a file; see `save`."""
        key = checked_key(key)
        runs = self._runs
        state = ordered.result()
        assert state is not None
        header = Header(
            language=self._spec.name, image=self._image, runtime=self._pool.runtime_key,
            dspex=__version__, created=saves.now(),
            runs=runs, state_bytes=state.size, keyed=key is not None,
        )
        with state.content() as content:
            saves.write(Path(path), header, content, key)

    def park(self) -> None:
        """End the session's process now and keep its state on a disk, until it is asked for something.

        Raises:
            RequestError: Sessions of this language cannot be parked.
            SessionClosed: The session is closed.
            WorkerCrashed: The state cannot be written; the session goes on.
        """
        self.order_parking().result()

    def order_parking(self) -> Future[SealedState | None]:
        """Begin to park the session; done when the result is there."""
        self._check_saves()
        return self._supervisor.state_of(self._seat, parking=True)

    def _check_saves(self) -> None:
        self._check_can("saved or parked", can=self._spec.saves)

    def _check_can(self, done: str, *, can: bool) -> None:
        self._supervisor.check_may_wait()
        if self._closed:
            raise SessionClosed(reason="it was closed")
        if not can:
            what = self._spec.name if self._image is None else f"{self._spec.name} ({self._image})"
            msg = f"language: sessions of {what} cannot be {done}"
            raise RequestError(msg)

    def close(self) -> None:
        """End the session's process; closing twice is closing once."""
        self._closed = True
        self.ready.cancel()
        self._supervisor.close_seat(self._seat)

    def __del__(self) -> None:
        """End what nobody closed, and say so as files do."""
        if not getattr(self, "_closed", True) and not self.closed and not self._supervisor.ended:
            self.close()
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close."""
        self.close()


