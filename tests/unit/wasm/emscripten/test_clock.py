"""Sleeping by asking for the time costs little and ends in time."""

from __future__ import annotations

import math

from dspex.wasm.emscripten.clock import Clock, sleep_ns


class Time:
    def __init__(self) -> None:
        self.ns = 10**9
        self.waits: list[int] = []
        self.interrupted = False

    def monotonic_ns(self) -> int:
        self.ns += 1000
        return self.ns

    def wait_ns(self, duration_ns: int) -> bool:
        self.waits.append(duration_ns)
        self.ns += duration_ns
        return self.interrupted


def spin(clock: Clock, duration_ms: float) -> float:
    """Sleep as Emscripten's C library does; return how long it took."""
    start = clock.read_ms_while_spinning()
    while (now := clock.read_ms_while_spinning()) - start < duration_ms:
        pass
    return now - start


def test_a_sleep_of_a_second_asks_some_hundred_times_and_ends_at_most_two_ms_late() -> None:
    time = Time()
    clock = Clock(monotonic_ns=time.monotonic_ns, wait_ns=time.wait_ns)
    took = spin(clock, 1000)
    assert 1000 <= took <= 1002.1
    assert len(time.waits) < 600


def test_a_sleep_of_a_millisecond_is_at_most_a_tenth_late() -> None:
    time = Time()
    took = spin(Clock(monotonic_ns=time.monotonic_ns, wait_ns=time.wait_ns), 1)
    assert 1 <= took <= 1.1


def test_asking_now_and_then_is_answered_at_once() -> None:
    time = Time()
    clock = Clock(monotonic_ns=time.monotonic_ns, wait_ns=time.wait_ns)
    for _ in range(20):
        clock.read_ms_while_spinning()
        time.ns += 2_000_000
    assert time.waits == []


def test_an_interrupted_sleep_ends_at_once() -> None:
    time = Time()
    time.interrupted = True
    assert spin(Clock(monotonic_ns=time.monotonic_ns, wait_ns=time.wait_ns), 1e9) == math.inf
    assert len(time.waits) == 1


def test_the_hosts_sleep_is_never_interrupted() -> None:
    assert sleep_ns(1000) is False
