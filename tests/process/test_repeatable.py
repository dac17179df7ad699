"""Runs with a fixed clock and seed: the same to the byte, and no other run is touched by them."""

from __future__ import annotations

import dspex
from dspex.policy import Policy

PROGRAM = """
import os, random, secrets, tempfile, time, uuid
with open("made.txt", "w") as file:
    file.write("x")
began = time.time()
time.sleep(5)
[
    began, time.time() - began > 5, time.perf_counter(), random.random(), secrets.token_hex(4),
    str(uuid.uuid4()), os.urandom(3), os.stat("made.txt").st_mtime, tempfile.mktemp(),
]
"""


def fixed(seed: int) -> Policy:
    text = f"""
name = "fixed"
languages = ["python"]
[deterministic]
clock_ns = 1_700_000_000_000_000_000
seed = {seed}
"""
    return Policy.parse(text)


def test_two_runs_with_the_same_clock_and_seed_agree(engine: dspex.Engine) -> None:
    first, second = (engine.run(PROGRAM, policy=fixed(7)) for _ in range(2))

    assert first.ok, first.error
    assert first.value == second.value
    assert int(first.value[0]) == 1_700_000_000
    assert first.value[1] is True
    assert first.usage.wall_s < 4, "the guest slept on a clock that is not real"


def test_another_seed_draws_other_numbers(engine: dspex.Engine) -> None:
    first, second = (engine.run(PROGRAM, policy=fixed(seed)) for seed in (7, 8))

    assert first.value[0] == second.value[0]
    assert all(first.value[at] != second.value[at] for at in (3, 4, 5, 6, 8))


def test_a_run_after_a_repeatable_one_has_real_time_and_entropy() -> None:
    with dspex.Engine(requests_per_worker=4, workers_max=1) as engine:
        engine.run(PROGRAM, policy=fixed(7))
        drawn = {
            (outcome.value[0] > 1_750_000_000, outcome.value[1])
            for outcome in (
                engine.run("import random, time\n[time.time(), random.random()]")
                for _ in range(3)
            )
        }

    assert {real for real, _ in drawn} == {True}
    assert len(drawn) == 3
