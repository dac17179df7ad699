"""The stock gives each worker to one taker, whoever asks, and knows those that threads are done with."""

from __future__ import annotations

import threading
from typing import Any

from dspex.supervisor.stock import Stock


class FakeWorker:
    """A worker that can be lent once, unless the loop reads from it."""

    def __init__(self, *, attended: bool = False) -> None:
        self.attended, self.lent, self.gone, self.wanted = attended, False, False, False

    def lend(self, job: Any) -> bool:
        if self.attended or self.lent or self.gone:
            return False
        self.lent, job.worker = True, self
        return True

    def give_back(self) -> bool:
        self.lent = False
        return self.wanted


class FakeJob:
    worker: FakeWorker | None = None


def stock_of(*workers: Any) -> Stock:
    stock = Stock()
    for worker in workers:
        stock.put(worker)
    return stock


def lend(stock: Stock) -> Any:
    return stock.lend(FakeJob())  # type: ignore[arg-type]


def test_the_oldest_is_taken_first_and_the_newest_if_asked_for() -> None:
    first, second, third = FakeWorker(), FakeWorker(), FakeWorker()
    stock = stock_of(first, second, third)

    assert [stock.take(newest=True), lend(stock), stock.take(), stock.take()] == [third, first, second, None]


def test_a_job_knows_its_worker() -> None:
    worker, job = FakeWorker(), FakeJob()

    stock_of(worker).lend(job)  # type: ignore[arg-type]

    assert job.worker is worker


def test_what_the_loop_reads_from_is_not_lent() -> None:
    worker = FakeWorker(attended=True)
    stock = stock_of(worker)

    assert lend(stock) is None
    assert stock.take() is worker


def test_the_dead_are_passed_over() -> None:
    dead, alive = FakeWorker(), FakeWorker()
    dead.gone = True

    assert lend(stock_of(dead, alive)) is alive


def test_only_those_whose_thread_is_done_are_to_be_buried_and_only_until_they_are() -> None:
    busy, done = FakeWorker(), FakeWorker()
    stock = stock_of(busy, done)
    lend(stock)
    lend(stock)
    done.gone = True

    assert stock.ended() == [done]
    stock.discard(done)  # type: ignore[arg-type]
    assert stock.ended() == []


def test_a_worker_lent_by_a_thread_that_was_interrupted_is_not_given_to_the_loop_as_well() -> None:
    worker = FakeWorker()
    stock = stock_of(worker)
    lend(stock)
    stock.put(worker)  # type: ignore[arg-type]

    assert stock.take() is None


def test_what_is_given_back_can_be_lent_again() -> None:
    worker = FakeWorker()
    stock = stock_of(worker)
    lend(stock)

    assert stock.give_back(worker)  # type: ignore[arg-type]
    assert (len(stock), stock.left()) == (1, [])
    assert lend(stock) is worker


def test_what_the_loop_has_wanted_meanwhile_is_left_to_it() -> None:
    worker = FakeWorker()
    stock = stock_of(worker)
    lend(stock)
    worker.wanted = True

    assert not stock.give_back(worker)  # type: ignore[arg-type]
    assert (len(stock), stock.left(), stock.left()) == (0, [worker], [])


def test_what_an_interrupted_thread_was_giving_back_is_left_wherever_it_came() -> None:
    for steps in (1, 2):
        worker = FakeWorker()
        stock = stock_of(worker)
        lend(stock)
        worker.give_back()
        if steps == 2:  # it is in stock already
            stock._workers.append(worker)  # type: ignore[arg-type]

        left = stock.left()

        assert left == ([worker] if steps == 1 else [])
        assert not stock._lent


def test_what_serves_again_in_the_loop_is_in_stock_for_everybody() -> None:
    worker = FakeWorker()
    stock = stock_of(worker)
    lend(stock)
    worker.lent = False
    stock.put(worker)  # type: ignore[arg-type]

    assert stock.take() is worker


def test_many_threads_never_get_the_same_worker() -> None:
    workers = [FakeWorker() for _ in range(2000)]
    stock = stock_of(*workers)
    got: list[Any] = []
    start = threading.Barrier(4)

    def take_all(*, by_lending: bool) -> None:
        start.wait()
        while (worker := lend(stock) if by_lending else stock.take()) is not None:
            got.append(worker)

    threads = [threading.Thread(target=take_all, kwargs={"by_lending": n % 2 == 0}) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == len(set(map(id, got))) == len(workers)
