"""A session's place in the supervisor: one worker while it is at work, one run at a time.

A session that rests may be parked: its state is kept, its worker ended, and another worker takes its
place when it is asked for something. The caller's face of a session is `dspex.session.Session`.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

import trio

from dspex.errors import (
    DspexError,
    EngineBusy,
    ProtocolViolation,
    RequestError,
    SessionClosed,
    WorkerCrashed,
)
from dspex.supervisor.states import RestoreErrand, SaveErrand, SealedState
from dspex.supervisor.twins import TWIN_S, NoTwinError, make_twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.supervisor.job import Job
    from dspex.supervisor.parking import Place
    from dspex.supervisor.pool import Pool
    from dspex.supervisor.states import StateTerms
    from dspex.supervisor.twins import CopyGate
    from dspex.supervisor.worker import Worker


class StateWish:
    """Somebody wants a session's state as it is after the runs before: to have it, or to park it."""

    def __init__(self, *, parking: bool) -> None:
        """Wait in the line of the session's runs."""
        self.parking = parking
        self.future: Future[SealedState | None] = Future()

    def refuse(self, error: BaseException) -> None:
        """Say why there is none."""
        if not self.future.done():
            self.future.set_exception(error)

    def fulfil(self, state: SealedState | None) -> None:
        """Give it."""
        if not self.future.done():
            self.future.set_result(state)


class ForkWish:
    """Somebody wants another session to begin where this one is after the runs before."""

    def __init__(self, twin: Seat, state: StateWish) -> None:
        """Wait in the line of the session's runs.

        Args:
            twin: The other session, which has no worker yet.
            state: What it begins with, where its worker cannot be a copy of this session's.
        """
        self.twin = twin
        self.state = state

    def refuse(self, error: BaseException) -> None:
        """Say that there is nothing to begin with."""
        self.state.refuse(error)
        self.twin.refuse(error)


class Seat:
    """Owns one worker; runs asked for while one is under way follow it in order."""

    def __init__(
        self,
        pool: Pool,
        terms: StateTerms | None = None,
        *,
        origin: Future[SealedState | None] | None = None,
        mounted: bool = True,
    ) -> None:
        """Wait for a worker.

        Args:
            pool: Where workers come from.
            terms: What the guest may have, if its state is ever to be saved or restored.
            origin: The state that the session begins with, once it is there; None for a fresh guest.
            mounted: Whether what is mounted in that state goes on being mounted.
        """
        self._pool = pool
        self._terms = terms
        self._origin = origin
        self._mounted = mounted
        self._worker: Worker | None = None
        self._line: deque[Job | StateWish | ForkWish] = deque()
        self._occupied = origin is not None
        """Whether something other than a run is under way, so that nothing may begin."""
        self._place: Place | None = None
        self._returning = False
        self._state: SealedState | None = None
        """What the guest was when it was last saved, as long as it is that still."""
        self.parking = False
        """Whether it is being parked because others want its place."""
        self._parkable = True
        """Whether it can be parked as it is, as far as anybody knows."""
        self.ready: Future[None] = Future()
        """Settled when the worker is there, or cannot be had."""
        self.closed_because = ""
        self.asked: deque[None] = deque()
        """One for each thing that was asked of the loop and has not reached it yet: nothing may overtake it."""
        self.used_s = 0.0
        """When a thread last began a run itself, by the monotonic clock."""

    @property
    def parked(self) -> bool:
        """Whether the session has no process, but a state that it can go on from."""
        return self._place is not None

    # Its worker.

    def take(self, worker: Worker) -> None:
        """Take the worker that was ordered, or let it go if nobody wants it any more."""
        self._worker = worker
        worker.owner = self
        if self.closed_because or self.ready.cancelled():
            worker.kill()
        elif self._origin is not None:
            self._pool.nursery.start_soon(self._begin_from, self._origin, worker)
        elif self.ready.set_running_or_notify_cancel():
            self.ready.set_result(None)
            self._go_on()

    def take_copy(self, worker: Worker) -> None:
        """Take a worker that is this session's guest already, as it is a copy of another session's."""
        self._origin = None
        self._occupied = False
        self.take(worker)

    def refuse(self, error: BaseException) -> None:
        """Learn that no worker can be had."""
        self.closed_because = self.closed_because or str(error)
        if not self.ready.done() and self.ready.set_running_or_notify_cancel():
            self.ready.set_exception(error)
        self._refuse_line()

    async def _begin_from(self, origin: Future[SealedState | None], worker: Worker) -> None:
        """Make a fresh worker's guest the one that was saved."""
        settled = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def tell(_done: object) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(settled.set)

        origin.add_done_callback(tell)
        await settled.wait()
        if origin.cancelled():
            self._not_restored(worker, SessionClosed(reason="nobody waits for its state any more"))
            return
        error = origin.exception()
        if error is not None:
            self._not_restored(worker, error)
            return
        state = origin.result()
        assert state is not None
        self._restore(worker, state, twin=True)

    def _restore(self, worker: Worker, state: SealedState, *, twin: bool) -> None:
        assert self._terms is not None
        if self.closed_because or worker.gone:
            self._not_restored(worker, SessionClosed(reason=self.closed_because or "its worker is gone"))
            return

        def done() -> None:
            self._origin = None
            self._occupied = self._returning = False
            place, self._place = self._place, None
            if place is not None:
                self._pool.free(place)
            if not self.ready.done() and self.ready.set_running_or_notify_cancel():
                self.ready.set_result(None)
            self._go_on()

        worker.begin_errand(
            RestoreErrand(
                state, self._terms, done, lambda error: self._not_restored(worker, error),
                twin=twin, mounted=self._mounted,
            )
        )

    def _not_restored(self, worker: Worker, error: BaseException) -> None:
        """Give a worker up that has not become this session's guest."""
        if self._place is not None:  # the state is where it was: the next run may have more luck
            self._worker = None
            self._occupied = self._returning = False
            while self._line:
                self._line.popleft().refuse(error)
        else:
            self.refuse(error)
        worker.kill()

    # Its runs, and those who want its state.

    def lend(self, job: Job) -> Worker | None:
        """Let the calling thread speak to the session's worker; None if something else is before it."""
        worker = self._worker
        if worker is None or self.asked or self._line or self._occupied or self.closed_because:
            return None
        if not worker.lend(job):
            return None
        self._state, self._parkable = None, True
        self.used_s = time.monotonic()
        return worker

    def done(self, worker: Worker) -> Callable[[], None] | None:
        """Take the worker back from a thread, in it, after a run; return what the loop is to do at once, if anything."""
        if worker.gone:
            return worker.take_back
        if worker.give_back():
            return lambda: self._resume(worker)
        if self._line or not self._pool.knows_rest(self):
            return self._go_on
        return None

    def _resume(self, worker: Worker) -> None:
        """Do what could not be done while the worker was lent."""
        worker.stir()
        self._go_on()

    def give_up(self, job: Job) -> None:
        """Interrupt a job that a thread has begun, or was about to begin, and does not wait for any more."""
        if self._worker is not None:
            self._worker.recover(job)
        self.cancel(job)
        self._go_on()

    def may_rest(self) -> bool:
        """Tell whether the worker may be left unread until the next run."""
        return not self._occupied and not self._line and not self.closed_because

    def submit(self, job: Job) -> None:
        """Run a job in the session, after those before it."""
        self._join(job)

    def fork(self, wish: ForkWish) -> None:
        """Have another session begin with this one's state, after the runs before."""
        if self.parked and not self._line and not self._returning:
            self._fork_by_state(wish)
            self.wish(wish.state)
        else:
            self._join(wish)

    def wish(self, wish: StateWish) -> None:
        """Give somebody the session's state, after the runs before."""
        if self.parked and not self._line and not self._returning:
            if wish.parking:
                wish.fulfil(None)
            else:
                assert self._place is not None
                self._pool.nursery.start_soon(self._give_parked, wish, self._place)
        else:
            self._join(wish)

    def _join(self, one: Job | StateWish | ForkWish) -> None:
        if self._ended:
            one.refuse(self._closed())
        elif self._busy and len(self._line) >= self._pool.settings.waiting_max:
            waiting = len(self._line)
            one.refuse(EngineBusy(waiting=waiting, waiting_max=waiting))
        else:
            self._line.append(one)
            if self.parked:
                self._return()
            else:
                self._go_on()

    @property
    def _ended(self) -> bool:
        """Whether nothing can begin any more, or nothing yet: there is neither a worker nor a state."""
        if self.closed_because:
            return True
        worker = self._worker
        if worker is None:
            return not self.parked and self._origin is None
        return worker.gone and not self.parked

    @property
    def _busy(self) -> bool:
        worker = self._worker
        return self._occupied or self.parked or (worker is not None and worker.job is not None)

    def _go_on(self) -> None:
        """Begin what is next, if nothing is under way."""
        while self._line and not self._busy and not self.closed_because:
            worker = self._worker
            assert worker is not None
            if not worker.stir():
                return  # a thread is at it, which says when it is done; or all has been refused
            one = self._line.popleft()
            self._pool.note_work(self)
            if isinstance(one, StateWish):
                self._save(worker, one)
            elif isinstance(one, ForkWish):
                self._occupied = True
                self._pool.nursery.start_soon(self._fork, worker, one)
            else:
                self._state, self._parkable = None, True
                if not worker.begin(one):
                    one.refuse(self._closed())
        if self._parkable and not self._busy and not self._ended:
            self._pool.note_rest(self)

    def cancel(self, job: Job) -> None:
        """Give a job up. One that runs is interrupted, so that the session's state is kept."""
        if job.worker is not None:
            job.worker.interrupt(job)
        elif job in self._line:
            self._line.remove(job)
            job.cancel()

    def close(self, reason: str = "") -> None:
        """Kill the worker; closing twice is closing once."""
        self.closed_because = self.closed_because or reason or "it was closed"
        self._pool.note_work(self)
        place, self._place, self._state = self._place, None, None
        if place is not None:
            self._pool.free(place)
        if self._worker is not None:
            self._worker.kill()
        else:
            self._refuse_line()

    def worker_idle(self, worker: Worker) -> None:
        """Give the worker its next job, if there is one."""
        del worker
        self._go_on()

    def worker_gone(self, worker: Worker) -> None:
        """Close, as the state is gone with the process; unless it was parked, or another's worker."""
        if worker is self._worker:
            self._worker = None
            if not self.parked:
                self._pool.note_work(self)
                self.closed_because = self.closed_because or "its worker is gone"
                self._refuse_line()
        self._pool.worker_gone(worker)

    def _refuse_line(self) -> None:
        while self._line:
            self._line.popleft().refuse(self._closed())

    def _closed(self) -> SessionClosed:
        return SessionClosed(reason=self.closed_because or "its worker is gone")

    # Its copies.

    async def _fork(self, worker: Worker, wish: ForkWish) -> None:
        """Have the worker copied, or write down its state where it cannot be."""
        try:
            reason = await self._copied(worker, wish.twin)
            self._occupied = False
            if reason is not None and self._ended:
                wish.refuse(self._closed())
            elif reason is not None and self._pool.settings.parks:
                self._fork_by_state(wish)
                self._save(worker, wish.state)
            elif reason is not None:
                wish.refuse(reason)
        except DspexError as error:
            self._occupied = False
            wish.refuse(error)
        except BaseException:
            wish.refuse(self._closed())
            raise
        self._go_on()

    async def _copied(self, worker: Worker, twin: Seat) -> DspexError | None:
        """Give another session a copy of the worker; return why there can be none.

        Raises:
            DspexError: The worker is dead, or its copy did not behave.
        """
        with trio.move_on_after(TWIN_S):  # one that does not greet is found out by what it is asked next
            await worker.greeted.wait()
        if worker.gate is None or self._ended:
            return RequestError("fork: this machine lets no process of a session be copied")
        return await self._copy(worker, worker.gate, twin)

    async def _copy(self, worker: Worker, gate: CopyGate, twin: Seat) -> DspexError | None:
        number = self._pool.begin_copy()
        if number is None:
            return self._pool.busy()
        try:
            made = await make_twin(worker, gate)
        except BaseException as error:
            self._pool.give_up_copy(number)
            if isinstance(error, NoTwinError):
                return WorkerCrashed(None, reason=f"its process could not be copied: {error}")
            if isinstance(error, ProtocolViolation):
                self._pool.nursery.start_soon(self._pool.kill_strays)
            raise
        copy = self._pool.end_copy(number, worker, made)
        if copy is None:
            raise WorkerCrashed(None, reason="the processes of its runtime have ended")
        twin.take_copy(copy)
        return None

    def _fork_by_state(self, wish: ForkWish) -> None:
        self._pool.order_worker(wish.twin.take, wish.twin.refuse)

    # Its state.

    def _save(self, worker: Worker, wish: StateWish) -> None:
        if self._state is not None:
            self._have_state(worker, wish, self._state)
            return
        assert self._terms is not None
        self._occupied = True

        def failed(error: BaseException) -> None:
            self._occupied = False
            if wish.parking:
                self._cannot_park(wish, error)
            else:
                wish.refuse(error)
            self._go_on()

        def done(state: SealedState) -> None:
            self._occupied = False
            self._have_state(worker, wish, state)

        try:
            errand = SaveErrand(self._terms, done, failed)
        except OSError as error:
            failed(WorkerCrashed(None, reason=f"no memory file for its state: {error}"))
            return
        worker.begin_errand(errand)

    def _have_state(self, worker: Worker, wish: StateWish, state: SealedState) -> None:
        if wish.parking:
            self._occupied = True
            self._pool.nursery.start_soon(self._park, worker, wish, state)
        else:
            self._state = state
            wish.fulfil(state)
            self._go_on()

    def park(self) -> None:
        """Park the session if it still rests."""
        if not self._busy and not self._line and not self._ended:
            wish = StateWish(parking=True)
            self.parking = True
            wish.future.add_done_callback(self._note_parking_over)
            self._line.append(wish)
            self._go_on()

    def _note_parking_over(self, _future: object) -> None:
        self.parking = False

    async def _park(self, worker: Worker, wish: StateWish, state: SealedState) -> None:
        """Write the state down, then end the worker; unless somebody wants it by now."""
        try:
            place = await trio.to_thread.run_sync(self._pool.lot.put, state)
        except OSError as error:
            self._occupied = False
            reason = f"its state cannot be parked: {error}"
            self._cannot_park(wish, WorkerCrashed(None, reason=reason))
            self._go_on()
            return
        self._occupied = False
        if self._ended:
            self._pool.free(place)
            wish.refuse(self._closed())
        elif self._line:
            self._pool.free(place)
            wish.fulfil(None)
            self._go_on()
        else:
            self._place, self._worker, self._state = place, None, None
            wish.fulfil(None)
            self._pool.dismiss(worker)

    def _cannot_park(self, wish: StateWish, error: BaseException) -> None:
        """Leave the session where it is until it has changed; whoever waits for its place is told."""
        self._parkable = False
        if self.parking:
            self._pool.note_unparkable()
        wish.refuse(error)

    def _return(self) -> None:
        """Order a worker for a parked session; whoever waits in its line is served then."""
        if not self._returning:
            self._returning = True
            self._pool.order_worker(self._take_back, self._cannot_return)

    def _take_back(self, worker: Worker) -> None:
        worker.owner = self
        if self._place is None:
            worker.kill()
            return
        self._worker = worker
        self._pool.nursery.start_soon(self._fetch, worker, self._place)

    async def _fetch(self, worker: Worker, place: Place) -> None:
        state = await self._read(place, lambda error: self._not_restored(worker, error))
        if self._place is None:
            worker.kill()
        elif state is not None:
            self._occupied = True
            self._restore(worker, state, twin=False)

    def _cannot_return(self, error: BaseException) -> None:
        self._returning = False
        while self._line:
            self._line.popleft().refuse(error)

    async def _give_parked(self, wish: StateWish, place: Place) -> None:
        state = await self._read(place, wish.refuse)
        if state is not None:
            wish.fulfil(state)

    async def _read(
        self, place: Place, refuse: Callable[[BaseException], None]
    ) -> SealedState | None:
        """Read a state that lies on the disk, which stays there until it is read."""
        lot = self._pool.lot
        lot.hold(place)
        try:
            return await trio.to_thread.run_sync(lot.get, place)
        except OSError as error:
            refuse(WorkerCrashed(None, reason=f"its state cannot be read: {error}"))
            return None
        finally:
            self._pool.free(place)
