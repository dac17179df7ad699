"""What every language promises, as checks that any implementation can be run through.

A language describes itself by a `Dialect`: the same small programs, written in it. Each check runs one
or two of them in an engine and compares. A third party that registers a language calls these from its
own tests; ours are run through them in `tests/contract`.

    from dspex.testing.contracts import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_language(engine, check):
        check(engine, MY_DIALECT)
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from dspex.errors import CapabilityDenied, RequestError, SessionClosed
from dspex.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dspex.engine import Engine
    from dspex.outcome import Outcome

PROMPT_S = 10.0
"""Generous bound on what should take milliseconds, for machines that are busy."""


class DoesNotApply(Exception):
    """The dialect says that its language has no such thing."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The programs of the contract in one language; None where the language has no such thing."""

    language: str
    image: str | None = None

    value_42: str | bytes
    """Its value is 42."""
    echo: str | bytes | None = None
    """Its value is that of the variable `given`."""
    echoed: Mapping[str, Any] = field(default_factory=dict)
    """By the name in `VALUES`: what comes back if it is not the same."""
    prints: str | bytes
    """Writes `out` and a line end to standard output, `err` and a line end to standard error."""
    raises: str | bytes | None
    """Fails with the message `told` at its second line."""
    raised_type: str
    refused: str | bytes
    """Does not compile, because of its second line."""
    loops: str | bytes
    """Computes for ever."""
    hoards: str | bytes
    """Allocates for ever."""
    floods: str | bytes
    """Prints the letter x for ever."""
    recurses: str | bytes
    """Calls itself for ever."""
    copies_file: str | bytes | None = None
    """Writes what is in `in.txt`, and an exclamation mark, to `out.txt`."""
    copies_input: str | bytes | None = None
    """Prints all of standard input."""
    arguments: str | bytes | None = None
    """Its value is the list of its arguments."""
    environment: str | bytes | None = None
    """Its value is the environment variable TZ."""
    keeps: str | bytes | None = None
    """Keeps the number 41 under a name of the session."""
    kept: str | bytes | None = None
    """Its value is one more than what `keeps` kept."""
    calls: str | bytes | None = None
    """Its value is the tool `double` of 21."""
    calls_failing: str | bytes | None = None
    """Its value is the message of the exception that the tool `fails` raises."""
    calls_together: str | bytes | None = None
    """Its value is the list of the async tool `slow` of 0, 1, 2, 3, all called at once."""


VALUES: Mapping[str, Any] = {
    "none": None,
    "true": True,
    "zero": 0,
    "minus": -7,
    "large": 2**53 - 1,
    "huge": 2**80,
    "float": 1.5,
    "infinity": math.inf,
    "text": "zwölf 🎉 \x00 \u2028",
    "bytes": b"\x00\xffbytes",
    "list": [1, [2, ["three"]], []],
    "dict": {"a": 1, "b": {"c": None}, "": "empty", "__proto__": 1},
    "datetime": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    "date": date(2026, 1, 2),
    "set": {1, 2, 3},
}


def _program(dialect: Dialect, name: str) -> str | bytes:
    found = getattr(dialect, name)
    if found is None:
        msg = f"{dialect.language} has no {name}"
        raise DoesNotApply(msg)
    program: str | bytes = found
    return program


def _run(engine: Engine, dialect: Dialect, name: str, **given: Any) -> Outcome:
    code = _program(dialect, name)
    return engine.run(code, language=dialect.language, image=dialect.image, **given)


def _limited(**changed: Any) -> Policy:
    policy = Policy.load("compute")
    limits = policy.limits.model_copy(update=changed)
    return Policy(
        name="contract", languages=policy.languages, images=policy.images, env=policy.env,
        tools=policy.tools, limits=limits,
    )


def _works(engine: Engine, dialect: Dialect) -> None:
    """Check that whatever happened before, the next program runs."""
    outcome = _run(engine, dialect, "value_42")
    assert outcome.ok, outcome.error
    assert outcome.value == 42


def the_last_value_comes_back(engine: Engine, dialect: Dialect) -> None:
    """Check a value, and that an outcome says what ran and behind which walls."""
    outcome = _run(engine, dialect, "value_42")
    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", 42, ""), outcome
    assert outcome.language == dialect.language
    assert {"process", "seccomp"} <= set(outcome.isolation)
    assert outcome.usage.wall_s > 0
    # A process that was forked may need no page more than it has.
    assert outcome.usage.peak_memory_bytes > 0 or "wasm" not in outcome.isolation


def values_cross_both_ways(engine: Engine, dialect: Dialect) -> None:
    """Check each kind of value as a variable and as a result."""
    for name, value in VALUES.items():
        outcome = _run(engine, dialect, "echo", variables={"given": value})
        assert outcome.ok, (name, outcome.error)
        expected = dialect.echoed.get(name, value)
        assert outcome.value == expected, (name, outcome.value)
        assert type(outcome.value) is type(expected), (name, type(outcome.value))


def output_arrives_on_its_stream(engine: Engine, dialect: Dialect) -> None:
    """Check both streams, at the end and while the program runs."""
    heard: list[tuple[str, str]] = []
    outcome = _run(engine, dialect, "prints", on_output=lambda *piece: heard.append(piece))
    assert outcome.ok, outcome.error
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")
    for stream in ("stdout", "stderr"):
        text = "".join(piece for name, piece in heard if name == stream)
        assert text == getattr(outcome, stream)
    assert outcome.usage.output_bytes == len("out\nerr\n")


def a_failure_has_type_message_and_line(engine: Engine, dialect: Dialect) -> None:
    """Check that a program's own failure is described in its own terms."""
    outcome = _run(engine, dialect, "raises")
    assert outcome.status == "raised", outcome
    assert outcome.error is not None
    assert outcome.error.type == dialect.raised_type
    assert "told" in outcome.error.message
    _works(engine, dialect)


def what_does_not_compile_is_refused_with_its_line(engine: Engine, dialect: Dialect) -> None:
    """Check that nothing runs of a program that is none."""
    outcome = _run(engine, dialect, "refused")
    assert outcome.status == "refused", outcome
    assert outcome.error is not None
    assert outcome.error.findings
    assert outcome.stdout == ""
    if dialect.raises is not None:  # its programs have lines
        assert 2 in {one.line for one in outcome.error.findings}, outcome.error.findings


def an_endless_loop_ends_at_its_deadline(engine: Engine, dialect: Dialect) -> None:
    """Check the limit on time, which the outcome names with what was allowed and spent."""
    began = time.monotonic()
    outcome = _run(engine, dialect, "loops", timeout_s=0.3)
    assert outcome.status == "limit", outcome
    assert outcome.error is not None
    assert outcome.error.limit in ("wall_s", "cpu_s", "fuel")
    assert outcome.error.noticed_by in ("inner", "outer")
    assert time.monotonic() - began < PROMPT_S
    _works(engine, dialect)


def memory_has_a_limit(engine: Engine, dialect: Dialect) -> None:
    """Check that hoarding ends, and is told from a crash."""
    outcome = _run(engine, dialect, "hoards", timeout_s=8.0)
    assert outcome.status in ("limit", "raised"), outcome
    assert outcome.error is not None
    if outcome.status == "limit":
        assert outcome.error.limit == "memory_bytes", outcome.error
    _works(engine, dialect)


def output_is_cut_exactly(engine: Engine, dialect: Dialect) -> None:
    """Check that a flood gives as much output as is allowed and not a byte more."""
    outcome = _run(engine, dialect, "floods", policy=_limited(output_bytes=5000), timeout_s=8.0)
    assert outcome.status == "limit", outcome
    assert outcome.error is not None
    assert outcome.error.limit == "output_bytes", outcome.error
    assert outcome.truncated
    assert len(outcome.stdout) == 5000
    _works(engine, dialect)


def deep_recursion_costs_at_most_its_own_run(engine: Engine, dialect: Dialect) -> None:
    """Check that a stack that runs over is an error of the program, never of the engine."""
    outcome = _run(engine, dialect, "recurses", timeout_s=8.0)
    assert outcome.status in ("raised", "limit", "lost"), outcome
    _works(engine, dialect)


def files_go_in_and_out(engine: Engine, dialect: Dialect) -> None:
    """Check that a program finds its files, and that only what it wrote comes back."""
    outcome = _run(engine, dialect, "copies_file", files={"in.txt": "hello"})
    assert outcome.ok, outcome.error
    assert outcome.files == {"out.txt": b"hello!"}
    absent = _run(engine, dialect, "copies_file")
    assert absent.status == "raised", absent
    assert "out.txt" not in absent.files or absent.files["out.txt"] == b""


def input_arguments_and_environment_arrive(engine: Engine, dialect: Dialect) -> None:
    """Check what a program is started with."""
    if dialect.copies_input is not None:
        outcome = _run(engine, dialect, "copies_input", stdin="one\ntwo\n")
        assert outcome.stdout == "one\ntwo\n", outcome
    if dialect.arguments is not None:
        assert _run(engine, dialect, "arguments", args=["a b", "ü"]).value == ["a b", "ü"]
    if dialect.environment is not None:
        assert _run(engine, dialect, "environment", env={"TZ": "Asia/Tokyo"}).value == "Asia/Tokyo"


def nothing_of_one_run_reaches_the_next(engine: Engine, dialect: Dialect) -> None:
    """Check that what a session would keep is gone when there is no session."""
    _run(engine, dialect, "keeps").value_or_raise()
    outcome = _run(engine, dialect, "kept")
    assert not outcome.ok, outcome


def a_session_keeps_state_and_survives_failures(engine: Engine, dialect: Dialect) -> None:
    """Check state over runs, across a failure, a refusal and a deadline."""
    keeps, kept = _program(dialect, "keeps"), _program(dialect, "kept")
    with engine.session(language=dialect.language, image=dialect.image) as session:
        session.run(keeps).value_or_raise()
        assert session.run(kept).value == 42
        assert session.run(_program(dialect, "raises")).status == "raised"
        assert session.run(dialect.refused).status == "refused"
        assert session.run(kept).value == 42
    try:
        session.run(kept)
    except SessionClosed:
        return
    raise AssertionError("a closed session ran something")


def two_sessions_share_nothing(engine: Engine, dialect: Dialect) -> None:
    """Check that a name of one session is unknown in another."""
    keeps, kept = _program(dialect, "keeps"), _program(dialect, "kept")
    with (
        engine.session(language=dialect.language, image=dialect.image) as one,
        engine.session(language=dialect.language, image=dialect.image) as other,
    ):
        one.run(keeps).value_or_raise()
        assert not other.run(kept).ok
        assert one.run(kept).value == 42


def tools_are_called_and_may_fail(engine: Engine, dialect: Dialect) -> None:
    """Check a call, its count, and an exception that the program can catch."""
    outcome = _run(engine, dialect, "calls", tools={"double": _double})
    assert outcome.ok, outcome.error
    assert outcome.value == 42
    assert outcome.usage.host_calls == 1

    def fails() -> None:
        msg = "no such thing"
        raise ValueError(msg)

    outcome = _run(engine, dialect, "calls_failing", tools={"fails": fails})
    assert outcome.ok, outcome.error
    assert "no such thing" in outcome.value


def _double(number: int) -> int:
    return number * 2


def concurrent_calls_run_together(engine: Engine, dialect: Dialect) -> None:
    """Check that calls of async code wait side by side."""
    together = [0, 0]

    async def slow(number: int) -> int:
        together[0] += 1
        together[1] = max(together)
        await asyncio.sleep(0.1)
        together[0] -= 1
        return number

    outcome = _run(engine, dialect, "calls_together", tools={"slow": slow})
    assert outcome.ok, outcome.error
    assert outcome.value == [0, 1, 2, 3]
    assert together[1] == 4


def a_policy_decides_what_runs(engine: Engine, dialect: Dialect) -> None:
    """Check that a language that is not granted does not run, and a variable that is not either."""
    nothing = Policy(name="nothing")
    try:
        _run(engine, dialect, "value_42", policy=nothing)
    except CapabilityDenied as error:
        assert error.capability == "language"
    else:
        raise AssertionError("a language ran that no policy grants")
    try:
        _run(engine, dialect, "value_42", env={"LD_PRELOAD": "x"})
    except CapabilityDenied as error:
        assert error.capability == "env"
    else:
        raise AssertionError("a variable was set that no policy grants")


def a_run_can_be_cancelled(engine: Engine, dialect: Dialect) -> None:
    """Check that giving a run up ends it at once."""
    job = engine.submit(dialect.loops, language=dialect.language, image=dialect.image)
    time.sleep(0.1)
    began = time.monotonic()
    job.cancel()
    outcome = job.outcome(PROMPT_S)
    assert not outcome.ok
    assert time.monotonic() - began < PROMPT_S / 2
    _works(engine, dialect)


def runs_at_once_do_not_disturb_each_other(engine: Engine, dialect: Dialect) -> None:
    """Check many callers at once, one of whom is hostile."""
    failures: list[object] = []
    failing = "refused" if dialect.raises is None else "raises"

    def call(name: str) -> None:
        outcome = _run(engine, dialect, name, timeout_s=5.0)
        if name == "value_42" and outcome.value != 42:
            failures.append(outcome)

    threads = [
        threading.Thread(target=call, args=(failing if number % 4 == 3 else "value_42",))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def bad_requests_are_the_callers_to_mend(engine: Engine, dialect: Dialect) -> None:
    """Check that what is wrong with a request is raised before anything runs."""
    for given in ({"files": {"../x": b""}}, {"timeout_s": -1.0}, {"image": "no such image"}):
        try:
            engine.run(dialect.value_42, **{"language": dialect.language, **given})  # type: ignore[arg-type]
        except RequestError:
            continue
        raise AssertionError(f"{given} was accepted")


CHECKS: tuple[Callable[[Engine, Dialect], None], ...] = (
    the_last_value_comes_back,
    values_cross_both_ways,
    output_arrives_on_its_stream,
    a_failure_has_type_message_and_line,
    what_does_not_compile_is_refused_with_its_line,
    an_endless_loop_ends_at_its_deadline,
    memory_has_a_limit,
    output_is_cut_exactly,
    deep_recursion_costs_at_most_its_own_run,
    files_go_in_and_out,
    input_arguments_and_environment_arrive,
    nothing_of_one_run_reaches_the_next,
    a_session_keeps_state_and_survives_failures,
    two_sessions_share_nothing,
    tools_are_called_and_may_fail,
    concurrent_calls_run_together,
    a_policy_decides_what_runs,
    a_run_can_be_cancelled,
    runs_at_once_do_not_disturb_each_other,
    bad_requests_are_the_callers_to_mend,
)
"""Every check; each raises `AssertionError`, or `DoesNotApply`."""
