"""Any order of opening, running, cancelling and closing engines and sessions keeps every promise.

hypothesis draws the order; the engine and its processes are real. The model is what a caller may
expect: answers of its own, sessions that keep their state until something closed them, refusals
after a close, and nothing left at the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy
from dspex.testing.faults import descendants, open_descriptors

POLICY = Policy(
    name="lifecycle", languages={"python"},
    limits=Limits(wall_s=5, cpu_s=5, memory_bytes=128 * MIB),
)
ANSWER_TIMEOUT_S = 30.0
WORKERS_MAX = 6


class SessionModel:
    """What a session's caller knows of it."""

    def __init__(self, session: dspex.Session) -> None:
        self.session = session
        self.total = 0
        self.alive = True


class JobModel:
    """What a run's caller knows of it."""

    def __init__(self, job: dspex.RunningJob, token: int) -> None:
        self.job = job
        self.token = token
        self.disturbed = False
        """Whether it was cancelled, or a process was killed or an engine closed around it."""


class Lifecycle(RuleBasedStateMachine):
    sessions = Bundle("sessions")
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.descriptors = open_descriptors()
        self.before = descendants()
        self.threads = threading.active_count()
        self.engine: dspex.Engine | None = None
        self.all_sessions: list[SessionModel] = []
        self.all_jobs: list[JobModel] = []
        self.token = 0

    def next_token(self) -> int:
        self.token += 1
        return self.token

    @initialize(requests_per_worker=st.sampled_from([1, 3]), idle_max=st.sampled_from([0, 2]))
    def open(self, requests_per_worker: int, idle_max: int) -> None:
        self.engine = dspex.Engine(
            policy=POLICY, workers_max=WORKERS_MAX, idle_max=idle_max,
            requests_per_worker=requests_per_worker,
        )
        self.closed = False

    # Runs.

    @rule(code=st.sampled_from(["{0}", "x = {0}\nx", "print('{0}')\n{0}"]))
    def run(self, code: str) -> None:
        token = self.next_token()
        if self.closed:
            with pytest.raises(dspex.SessionClosed):
                self.engine.run(code.format(token))
            return
        outcome = self.engine.run(code.format(token))
        # A process that somebody killed may have been the one that was next.
        assert outcome.ok or (self.killed and outcome.status == "lost")
        assert outcome.value == (token if outcome.ok else None)

    @rule(target=jobs, sleep_s=st.sampled_from([0.0, 0.05, 60.0]))
    def submit(self, sleep_s: float) -> Any:
        token = self.next_token()
        if self.closed or self.engine._running() is None:
            return multiple()
        # No more than there may be processes, so that later runs do not wait for these.
        if sum(not one.job.done for one in self.all_jobs) >= WORKERS_MAX // 2:
            return multiple()
        job = self.engine.submit(f"import time\ntime.sleep({sleep_s})\n{token}", timeout_s=4.0)
        model = JobModel(job, token)
        self.all_jobs.append(model)
        return model

    @rule(model=jobs)
    def cancel(self, model: JobModel) -> None:
        model.disturbed = True
        model.job.cancel()

    @rule(model=consumes(jobs))
    def wait(self, model: JobModel) -> None:
        self.check_answer(model)

    def check_answer(self, model: JobModel) -> None:
        try:
            outcome = model.job.outcome(ANSWER_TIMEOUT_S)
        except (CancelledError, dspex.SessionClosed):
            assert model.disturbed
            return
        if outcome.ok:
            assert outcome.value == model.token
        elif outcome.status == "limit":
            assert outcome.error.limit == "wall_s"
        else:
            assert outcome.status == "lost"
            assert model.disturbed or self.killed
        assert model.job.outcome(0) is outcome

    # Sessions.

    @rule(target=sessions)
    def open_session(self) -> Any:
        if self.closed:
            with pytest.raises(dspex.SessionClosed):
                self.engine.session()
            return multiple()
        if sum(one.alive for one in self.all_sessions) >= WORKERS_MAX // 2:
            return multiple()
        try:
            session = self.engine.session()
        except dspex.EngineBusy:
            assert sum(not one.job.done for one in self.all_jobs)
            return multiple()
        model = SessionModel(session)
        self.all_sessions.append(model)
        self.in_session(model, "total = 0\ntotal", 0)
        return model

    @rule(model=sessions, by=st.integers(1, 9))
    def add(self, model: SessionModel, by: int) -> None:
        if model.alive and self.in_session(model, f"total += {by}\ntotal", model.total + by):
            model.total += by

    @rule(model=sessions)
    def raise_in_session(self, model: SessionModel) -> None:
        if model.alive:
            outcome = self.ask_session(model, "1 / 0")
            assert outcome is None or outcome.error.type == "ZeroDivisionError"

    @rule(model=sessions, by=st.integers(10, 19))
    def cancel_in_session(self, model: SessionModel, by: int) -> None:
        """A run that is cancelled ends early, and what it did before stays done."""
        if not model.alive:
            return
        heard = threading.Event()
        code = f"total += {by}\nprint('x', flush=True)\nimport time\ntime.sleep(60)"
        try:
            job = model.session.submit(code, on_output=lambda *_: heard.set())
            waited = heard.wait(ANSWER_TIMEOUT_S) if not self.killed else heard.wait(2)
            assert waited or self.killed
            job.cancel()
            outcome = job.outcome(ANSWER_TIMEOUT_S)
        except dspex.SessionClosed:
            assert self.killed
            model.alive = False
            return
        assert not outcome.ok
        if model.session.closed or outcome.status == "lost":
            model.alive = False
            assert self.killed or outcome.status == "lost"
        else:
            model.total += by

    @rule(model=consumes(sessions))
    def close_session(self, model: SessionModel) -> None:
        model.alive = False
        model.session.close()
        model.session.close()
        with pytest.raises(dspex.SessionClosed):
            model.session.run("1")

    def in_session(self, model: SessionModel, code: str, expected: int) -> bool:
        outcome = self.ask_session(model, code)
        if outcome is None:
            return False
        assert (outcome.status, outcome.value) == ("ok", expected)
        return True

    def ask_session(self, model: SessionModel, code: str) -> dspex.Outcome | None:
        """Run something in a session; None if its process was killed."""
        try:
            outcome = model.session.run(code)
        except dspex.SessionClosed:
            assert self.killed
            model.alive = False
            return None
        if outcome.status == "lost":
            assert self.killed
            model.alive = False
            return None
        return outcome

    # What happens to them.

    killed = False

    @precondition(lambda self: not self.closed)
    @rule(which=st.integers(0, 20))
    def kill_a_worker(self, which: int) -> None:
        pids = [pid for pid in self.engine._running().worker_pids() if pid > 0]
        if pids:
            self.killed = True
            with contextlib.suppress(ProcessLookupError):  # it was killed before, which the list does not know yet
                os.kill(pids[which % len(pids)], signal.SIGKILL)

    @precondition(lambda self: self.token > 6)
    @rule(twice=st.booleans())
    def close_engine(self, twice: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        self.closed = True
        for model in self.all_jobs:
            model.disturbed = True
        for session in self.all_sessions:
            session.alive = False
        for _ in range(1 + twice):
            self.engine.close()
        assert all(model.job.done for model in self.all_jobs)

    @invariant()
    def there_are_never_more_workers_than_allowed(self) -> None:
        if self.engine is not None and not self.closed:
            # One that was dismissed for a session may not have ended yet.
            assert len(self.engine._running().worker_pids()) <= WORKERS_MAX + 1

    def teardown(self) -> None:
        if self.engine is None:
            return
        for session in self.all_sessions:
            session.session.close()
        for model in self.all_jobs:
            model.disturbed = True
        self.engine.close()
        for model in self.all_jobs:
            self.check_answer(model)
        deadline = time.monotonic() + 10
        while descendants() - self.before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert descendants() - self.before == set()
        assert open_descriptors() - self.descriptors == set()
        assert threading.active_count() <= self.threads


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(
    max_examples=18, stateful_step_count=15, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)
TestLifecycle.pytestmark = [pytest.mark.slow]
