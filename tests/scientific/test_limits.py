"""Limits end such programs, and what they were interrupted in goes on working."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dspex
from dspex.policy import Policy


def limited(**changed: float) -> Policy:
    policy = Policy.load("numeric")
    limits = policy.limits.model_copy(update=changed)
    return Policy(
        name="limited", languages=policy.languages, images=policy.images, tools=policy.tools,
        limits=limits,
    )  # fmt: skip


def limit_of(outcome: dspex.Outcome) -> tuple[str, str]:
    """Return which limit ended a run, and who noticed."""
    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    message = outcome.error.message
    return message.partition(":")[0], message.rpartition("noticed by the ")[2].split()[0]


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "import asyncio\nawait asyncio.sleep(60)",
        "import numpy as np\nwhile True: np.ones(10).sum()",
        "def f(): return f()\nwhile True:\n    try: f()\n    except RecursionError: pass",
    ],
)
def test_the_inner_guard_interrupts(run: Callable[..., dspex.Outcome], code: str) -> None:
    outcome = run(code, timeout_s=0.4)

    assert limit_of(outcome) == ("wall_s", "inner")
    assert outcome.usage.wall_s < 5


def test_processor_time_has_a_limit_of_its_own(numeric: dspex.Engine) -> None:
    outcome = numeric.run("while True: pass", image="scientific", policy=limited(cpu_s=0.3))

    assert limit_of(outcome) == ("cpu_s", "inner")


def test_sleeping_takes_no_processor_time(numeric: dspex.Engine) -> None:
    outcome = numeric.run(
        "import time\ntime.sleep(0.6)\n'awake'", image="scientific", policy=limited(cpu_s=0.3)
    )

    assert outcome.value == "awake"


def test_one_long_call_into_c_is_ended_by_the_outer_guard(
    run: Callable[..., dspex.Outcome],
) -> None:
    outcome = run("sum(range(10**12))", timeout_s=0.5)

    assert limit_of(outcome) == ("wall_s", "outer")
    assert run("6 * 7").value == 42


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nkept = []\nwhile True: kept.append(np.ones(10**6))",
        "kept = []\nwhile True: kept.append(bytearray(10**6))",
        "import pandas as pd\nd = pd.DataFrame({'a': range(10**6)})\nwhile True: d = pd.concat([d, d])",
    ],
)
def test_memory_has_a_limit(numeric: dspex.Engine, code: str) -> None:
    outcome = numeric.run(code, image="scientific", policy=limited(memory_bytes=300 << 20))

    assert limit_of(outcome) == ("memory_bytes", "inner")
    assert outcome.usage.peak_memory_bytes <= 300 << 20


def test_a_gibibyte_can_be_used(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run("import numpy as np\na = np.ones(10**8)\nfloat(a.sum())")

    assert outcome.value == 1e8
    assert outcome.usage.peak_memory_bytes > 8e8


def test_a_caught_memory_error_is_the_programs_own_affair(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run("try:\n    x = bytearray(2**30 + 2**29)\nexcept MemoryError:\n    x = 'caught'\nx")

    assert outcome.value == "caught"


def test_a_session_survives_every_interruption(numeric: dspex.Engine) -> None:
    with numeric.session(image="scientific") as session:
        session.run("import numpy as np, sys\na = np.arange(3)")
        for code in (
            "while True: pass",
            "import time\ntime.sleep(60)",
            "while True: print('x' * 1000)",
            "sys.settrace(lambda *_: None)\nwhile True: pass",
            "while True: pass",
        ):
            outcome = session.run(code, timeout_s=0.3)
            assert (outcome.status, outcome.session_usable) == ("limit", True)
            assert session.run("int(a.sum())").value == 3


def test_waiting_for_a_tool_can_be_cancelled(numeric: dspex.Engine) -> None:
    def waits() -> None:
        time.sleep(2)

    job = numeric.submit("waits()", image="scientific", tools={"waits": waits})
    time.sleep(0.2)
    job.cancel()
    assert numeric.run("1", image="scientific").value == 1


def test_a_deadlock_ends_the_sandbox(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", timeout_s=2)

    assert outcome.status == "lost"
    assert outcome.error is not None
    assert outcome.error.type == "GuestTrapped"
    assert run("6 * 7").value == 42


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise MemoryError('mine')", "mine"),
        ("eval('-' * 10**6 + '1')", "Parser stack overflowed - Python source too complex to parse"),
    ],
)
def test_a_memory_error_that_no_limit_has_caused_is_raised(
    run: Callable[..., dspex.Outcome], code: str, message: str
) -> None:
    outcome = run(code)

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("MemoryError", message)


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nnp.ones(2 * 10**9, 'u1')",
        "bytearray(2 * 10**9)",
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(600, 600)).savefig('a.png')",
    ],
)
def test_one_request_for_too_much_is_the_limit(run: Callable[..., dspex.Outcome], code: str) -> None:
    assert limit_of(run(code)) == ("memory_bytes", "inner")


def test_a_program_goes_on_after_too_little_memory(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run(
        "import numpy as np\nseen = []\nfor _ in range(5):\n    try: np.ones(2**31 - 10, 'u1')\n"
        "    except MemoryError as error: seen.append(str(error)[:18])\nseen"
    )

    assert outcome.value == ["Unable to allocate"] * 5


def test_a_session_cannot_be_saved_or_parked_and_goes_on(
    numeric: dspex.Engine, tmp_path: Path
) -> None:
    with numeric.session(image="scientific") as session:
        session.run("import numpy as np\na = np.arange(3)")
        for attempt in (session.park, lambda: session.save(tmp_path / "state")):
            with pytest.raises(dspex.RequestError, match="cannot be saved or parked"):
                attempt()
        assert session.run("int(a.sum())").value == 3
    assert not list(tmp_path.iterdir())


def test_a_policy_without_the_image_refuses_it(numeric: dspex.Engine) -> None:
    with pytest.raises(dspex.CapabilityDenied, match="scientific"):
        numeric.run("1", image="scientific", policy=Policy(name="plain", languages=frozenset({"python"})))


def test_an_unknown_image_is_named(numeric: dspex.Engine) -> None:
    policy = Policy(name="odd", languages=frozenset({"python"}), images=frozenset({"nonesuch"}))
    with dspex.Engine(policy=policy, languages=[]) as engine, pytest.raises(dspex.RequestError) as caught:
        engine.run("1", image="nonesuch")
    assert "scientific" in str(caught.value)
