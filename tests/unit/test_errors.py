"""The taxonomy: exact messages, stable codes, and errors that survive a process boundary."""

import copy
import pickle

import pytest

from dspex import errors
from dspex.errors import (
    CapabilityDenied,
    DspexError,
    EngineBusy,
    Finding,
    GuestError,
    GuestRaised,
    GuestRefused,
    InternalError,
    IsolationMissing,
    LanguageUnavailable,
    LimitExceeded,
    LMError,
    ModuleUnknown,
    PolicyInvalid,
    ProtocolViolation,
    ReplayDiffers,
    ReplyUnparsable,
    RequestError,
    RestartsExhausted,
    SessionClosed,
    SnapshotUnusable,
    StateConflict,
    ValueNotTransferable,
    WorkerCrashed,
    WorkerLost,
    WorkerSilent,
)

FINDINGS = (Finding(3, 5, "import of os", "use the files you were given"), Finding(7, 0, "exec"))

EXAMPLES = [
    (
        PolicyInvalid("a.toml", "unknown key", key="limits.wall", allowed="wall_s"),
        "a.toml: limits.wall: unknown key; allowed: wall_s",
    ),
    (PolicyInvalid("a.toml", "is not UTF-8"), "a.toml: is not UTF-8"),
    (
        CapabilityDenied("tool", "rm", policy="compute", granted=["b", "a"]),
        "tool: 'rm' is not granted by policy 'compute'; granted: a, b",
    ),
    (
        CapabilityDenied("env", "HOME", policy="deny_all"),
        "env: 'HOME' is not granted by policy 'deny_all'; granted: none",
    ),
    (
        LanguageUnavailable("rust", "no toolchain found", remedy="install rustup"),
        "language 'rust': no toolchain found; to change that: install rustup",
    ),
    (IsolationMissing("seccomp: refused"), "seccomp: refused"),
    (ModuleUnknown("qa"), "module 'qa' is not registered; registered: none"),
    (
        ValueNotTransferable("value['rows'][3]", "threading.Lock", "cannot cross"),
        "value['rows'][3]: threading.Lock cannot cross",
    ),
    (
        GuestRefused(FINDINGS),
        (
            "refused, 2 findings: line 3, column 5: import of os (use the files you were given); "
            "line 7: exec"
        ),
    ),
    (GuestRefused([Finding(0, 0, "too long")]), "refused, 1 finding: program: too long"),
    (GuestRaised("ZeroDivisionError", "division by zero"), "ZeroDivisionError: division by zero"),
    (GuestRaised("KeyboardInterrupt", traceback="  line 1"), "KeyboardInterrupt"),
    (
        LimitExceeded("cpu_s", 5.0, 5.3, "inner"),
        "cpu_s: 5.3 s spent of 5.0 s, noticed by the inner guard",
    ),
    (
        LimitExceeded("memory_bytes", 256 * 2**20, 300.25 * 2**20, "outer"),
        "memory_bytes: 300.2 MiB spent of 256 MiB, noticed by the outer guard",
    ),
    (
        LimitExceeded("host_calls", 1000, 1001, "inner"),
        "host_calls: 1001 spent of 1000, noticed by the inner guard",
    ),
    (WorkerCrashed(-9), "the worker was killed by signal 9"),
    (WorkerCrashed(3, reason="out of memory"), "the worker exited with status 3: out of memory"),
    (WorkerCrashed(None), "the worker ended, exit status unknown"),
    (WorkerSilent("answer", 1.5), "the worker sent no answer within 1.5 s and was killed"),
    (ProtocolViolation("frame too long"), "the worker broke the protocol: frame too long"),
    (
        RestartsExhausted("zygote", restarts=3, within_s=10, last_reason="signal 11"),
        "zygote: given up after 3 restarts in 10.0 s; last: signal 11",
    ),
    (
        EngineBusy(waiting=8, waiting_max=8, waited_s=0.25),
        "engine: 8 requests waiting of 8 allowed, waited 0.25 s for a worker",
    ),
    (SessionClosed(reason="limit cpu_s"), "session is closed: limit cpu_s"),
    (
        LMError("gpt", "overloaded", retry_after_s=2, status=529),
        "model 'gpt': overloaded (status 529); retry after 2.0 s",
    ),
    (ReplyUnparsable("JSON", "no braces", reply="hi"), "reply is not JSON: no braces"),
    (StateConflict("run/1", expected="4", found="5"), "run/1: version 4 expected, 5 found"),
    (SnapshotUnusable("s.dspex", "checksum differs"), "s.dspex: checksum differs"),
    (ReplayDiffers(2, "f[1]", "g[1]"), "call 2 differs: recorded was f[1], now it is g[1]"),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=lambda x: type(x).__name__)
def test_the_message_is_made_from_the_fields(error: DspexError, text: str) -> None:
    assert str(error) == text
    assert error.message == text


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda x: str(x)[:30])
def test_an_error_survives_pickling_and_copying(error: DspexError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin.session_usable == error.session_usable


def test_every_class_has_an_example_and_a_code_of_its_own() -> None:
    classes = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, DspexError)
    }
    shown = {type(error) for error, _ in EXAMPLES}
    assert classes - shown == {DspexError, RequestError, GuestError, WorkerLost}
    assert len({kind.code for kind in classes}) == len(classes)


def test_each_error_says_whether_its_session_lives() -> None:
    assert GuestRaised("E").session_usable
    assert GuestRefused(FINDINGS).session_usable
    assert not GuestRaised("SystemExit", session_usable=False).session_usable
    assert not LimitExceeded("cpu_s", 1, 2, "outer").session_usable
    assert LimitExceeded("cpu_s", 1, 2, "inner", session_usable=True).session_usable
    assert not WorkerCrashed(1).session_usable
    assert not SessionClosed().session_usable
    assert PolicyInvalid("p", "r").session_usable


def test_a_handler_for_expected_failures_does_not_swallow_an_internal_error() -> None:
    assert not issubclass(InternalError, DspexError)


def test_a_refusal_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^GuestRefused needs at least one finding$"):
        GuestRefused([])


def test_the_traceback_of_the_guest_is_shown_below_the_message() -> None:
    error = GuestRaised("ValueError", "no", traceback='  File "<program>", line 1')
    assert error.__notes__ == ['  File "<program>", line 1']


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("wall_s", 0.25, "0.25 s"),
        ("wall_s", 10, "10.0 s"),
        ("wall_s", 0.00049, "0.0 s"),
        ("output_bytes", 0, "0 bytes"),
        ("output_bytes", 1023, "1023 bytes"),
        ("output_bytes", 1024, "1 KiB"),
        ("output_bytes", 1536, "1.5 KiB"),
        ("memory_bytes", 2**32, "4 GiB"),
        ("host_calls", 3, "3"),
    ],
)
def test_an_amount_has_the_unit_of_its_name(name: str, number: float, text: str) -> None:
    assert errors.amount(name, number) == text


def test_an_excess_smaller_than_the_rounding_is_given_exactly() -> None:
    assert (
        errors.spent_of("value_bytes", 2**20, 2**20 + 1)
        == "value_bytes: 1048577 bytes spent of 1048576 bytes"
    )
    assert errors.spent_of("value_bytes", 2**20, 2**20) == "value_bytes: 1 MiB spent of 1 MiB"
