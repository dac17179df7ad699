"""Every error dspex raises: whose fault it is, and what is still usable afterwards.

The classes carry fields; the text is made from them here and is never parsed. Which of them
are returned as data in an `Outcome`, and which are raised, is decided by `dspex.outcome` and
by the engine. Only the standard library is imported, so that a worker can use this file too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Guard = Literal["inner", "outer"]
"""Who noticed a used-up budget: the guard inside the sandbox, or the supervisor outside it."""

_KIB = 1024
_BYTE_UNITS = (("GiB", _KIB**3), ("MiB", _KIB**2), ("KiB", _KIB))


def amount(name: str, number: float) -> str:
    """Return a number with the unit that its field name ends in.

    Args:
        name: Field name, units last: `cpu_s`, `memory_bytes`, `host_calls`.
        number: The amount in that unit.

    Example:
        >>> amount("cpu_s", 5), amount("memory_bytes", 268435456), amount("host_calls", 1000)
        ('5.0 s', '256 MiB', '1000')
    """
    if name.endswith("_s"):
        whole, _, fraction = f"{number:.3f}".partition(".")
        return f"{whole}.{fraction.rstrip('0') or '0'} s"
    if name.endswith("_bytes"):
        for unit, size in _BYTE_UNITS:
            if number >= size:
                exact = number % size == 0
                return f"{number // size:.0f} {unit}" if exact else f"{number / size:.1f} {unit}"
        return f"{number:.0f} bytes"
    return f"{number:.0f}"


def spent_of(limit: str, allowed: float, spent: float) -> str:
    """Return `<limit>: <spent> spent of <allowed>`, exact where rounding would hide the excess.

    Example:
        >>> spent_of("output_bytes", 1048576, 1048577)
        'output_bytes: 1048577 bytes spent of 1048576 bytes'
    """
    texts = amount(limit, spent), amount(limit, allowed)
    unit = limit.rpartition("_")[2]
    rounded_alike = float(texts[0].split()[0]) == float(texts[1].split()[0])
    if unit == "bytes" and rounded_alike and spent != allowed:
        texts = f"{spent:.0f} bytes", f"{allowed:.0f} bytes"
    return f"{limit}: {texts[0]} spent of {texts[1]}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a program was refused, at its place in the source."""

    line: int
    """Line in the source as given, counted from 1; 0 when it belongs to no line."""

    column: int
    """Column in characters, counted from 1; 0 when unknown."""

    message: str
    """What was found."""

    hint: str | None = None
    """What to write instead, where that is known."""

    def __str__(self) -> str:
        """Return `line 3, column 5: message (hint)`, leaving out what is unknown."""
        place = f"line {self.line}" if self.line else "program"
        if self.line and self.column:
            place += f", column {self.column}"
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def _rebuild(cls: type[Exception], args: tuple[Any, ...], fields: dict[str, Any]) -> Exception:
    """Unpickle an error without running its constructor again."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(fields)
    return error


class DspexError(Exception):
    """Base of every expected failure; catch this one to catch them all.

    Args:
        message: Place, thing, reason, and numbers with their units.
        session_usable: Overrides the class's answer where the single case knows better.
    """

    code: ClassVar[str] = "error"
    """Stable word for programs and logs; it never changes within a major version."""

    session_usable: bool = True
    """Whether the session in which this happened can take another run."""

    def __init__(self, message: str, *, session_usable: bool | None = None) -> None:
        super().__init__(message)
        if session_usable is not None:
            self.session_usable = session_usable

    @property
    def message(self) -> str:
        """The text that `str()` gives."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the text and the fields, whatever the constructor takes."""
        return _rebuild, (type(self), self.args, self.__dict__)


# The caller's own mistakes. Nothing ran.


class RequestError(DspexError):
    """The request was wrong; nothing ran, and a corrected one can follow at once."""

    code = "request"


class PolicyInvalid(RequestError):
    """A policy cannot be used as written.

    Args:
        source: Where it was read: a file name, a policy name, or `policy` for one made in code.
        reason: What is wrong with it.
        key: Dotted key within the policy; empty when the whole of it is meant.
        allowed: What would have been accepted, in words; empty when there is no short answer.
    """

    code = "policy_invalid"

    def __init__(self, source: str, reason: str, *, key: str = "", allowed: str = "") -> None:
        place = f"{source}: {key}" if key else source
        super().__init__(f"{place}: {reason}" + (f"; allowed: {allowed}" if allowed else ""))
        self.source = source
        self.reason = reason
        self.key = key
        self.allowed = allowed


class CapabilityDenied(RequestError):
    """The policy does not grant what the request asked for.

    Args:
        capability: Kind of thing asked for: `language`, `tool`, `env`, `network`, `mount`, ...
        wanted: The name that was asked for.
        policy: Name of the policy that was in force.
        granted: Names of that kind which the policy does grant.
    """

    code = "capability_denied"

    def __init__(
        self, capability: str, wanted: str, *, policy: str, granted: Iterable[str] = ()
    ) -> None:
        self.capability = capability
        self.wanted = wanted
        self.policy = policy
        self.granted = tuple(sorted(granted))
        listed = ", ".join(self.granted) or "none"
        super().__init__(
            f"{capability}: {wanted!r} is not granted by policy {policy!r}; granted: {listed}"
        )


class LanguageUnavailable(RequestError):
    """The language is unknown, or its runtime is missing on this machine.

    Args:
        language: The name asked for.
        reason: Why it cannot run here.
        remedy: What to do about it; empty when nothing is known.
    """

    code = "language_unavailable"

    def __init__(self, language: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(
            f"language {language!r}: {reason}" + (f"; to change that: {remedy}" if remedy else "")
        )
        self.language = language
        self.reason = reason
        self.remedy = remedy


class IsolationMissing(RequestError):
    """A layer that the policy requires cannot be armed on this machine.

    Args:
        reason: Which layers, why, what their absence means, and what to change.
    """

    code = "isolation_missing"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModuleUnknown(RequestError):
    """No module of that name is registered.

    Args:
        name: The name asked for.
        known: Names that are registered.
    """

    code = "module_unknown"

    def __init__(self, name: str, *, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(
            f"module {name!r} is not registered; registered: {', '.join(self.known) or 'none'}"
        )


class ValueNotTransferable(RequestError):
    """A value given by the caller cannot be sent into a sandbox as data.

    Args:
        path: Where in the value: `value['rows'][3]`.
        type_name: The type found there, with its module.
        reason: Why it cannot cross.
    """

    code = "value_not_transferable"

    def __init__(self, path: str, type_name: str, reason: str) -> None:
        super().__init__(f"{path}: {type_name} {reason}")
        self.path = path
        self.type_name = type_name
        self.reason = reason


# The guest's program. The session lives on.


class GuestError(DspexError):
    """The program failed, not the sandbox; its session can take another run."""

    code = "guest"


class GuestRefused(GuestError):
    """The program was turned down before any of it ran.

    Args:
        findings: Every reason found, in source order; at least one.
        session_usable: False when the session was closed all the same.
    """

    code = "refused"

    def __init__(self, findings: Iterable[Finding], *, session_usable: bool = True) -> None:
        self.findings = tuple(findings)
        if not self.findings:
            msg = "GuestRefused needs at least one finding"
            raise ValueError(msg)
        super().__init__(
            f"refused, {len(self.findings)} finding{'s' * (len(self.findings) != 1)}: "
            + "; ".join(map(str, self.findings)),
            session_usable=session_usable,
        )


class GuestRaised(GuestError):
    """The program raised and did not catch it. The exception is described, never rebuilt.

    Args:
        type_name: Name of the guest's exception class.
        guest_message: The text of the guest's exception.
        traceback: The guest's own frames as text; shown below the message by Python.
        session_usable: False when the session ended with it.
    """

    code = "raised"

    def __init__(
        self,
        type_name: str,
        guest_message: str = "",
        *,
        traceback: str = "",
        session_usable: bool = True,
    ) -> None:
        super().__init__(
            f"{type_name}: {guest_message}" if guest_message else type_name,
            session_usable=session_usable,
        )
        self.type_name = type_name
        self.guest_message = guest_message
        self.traceback = traceback
        if traceback:
            self.add_note(traceback)


# Budgets.


class LimitExceeded(DspexError):
    """A budget was used up.

    The session is closed unless a guard inside could stop the program and keep its state.

    Args:
        limit: Name of the field of `Limits`.
        allowed: The budget, in the unit the name ends in.
        spent: What had been spent when it was noticed, in the same unit.
        noticed_by: `"inner"` or `"outer"`.
        session_usable: True when the program could be interrupted and its state lives on.
    """

    code = "limit"
    session_usable = False

    def __init__(
        self,
        limit: str,
        allowed: float,
        spent: float,
        noticed_by: Guard,
        *,
        session_usable: bool = False,
    ) -> None:
        super().__init__(
            f"{spent_of(limit, allowed, spent)}, noticed by the {noticed_by} guard",
            session_usable=session_usable,
        )
        self.limit = limit
        self.allowed = allowed
        self.spent = spent
        self.noticed_by: Guard = noticed_by


# The worker. It is replaced; a session in it is gone.


class WorkerLost(DspexError):
    """The worker ended or misbehaved; it is replaced, and whose fault it was is unknown."""

    code = "lost"
    session_usable = False


class WorkerCrashed(WorkerLost):
    """The worker process ended before the run did.

    Args:
        exit_status: Exit code, or minus the signal number; None when nobody could tell.
        reason: What is known beyond that.
    """

    code = "worker_crashed"

    def __init__(self, exit_status: int | None, *, reason: str = "") -> None:
        if exit_status is None:
            ending = "the worker ended, exit status unknown"
        elif exit_status < 0:
            ending = f"the worker was killed by signal {-exit_status}"
        else:
            ending = f"the worker exited with status {exit_status}"
        super().__init__(f"{ending}: {reason}" if reason else ending)
        self.exit_status = exit_status
        self.reason = reason


class WorkerSilent(WorkerLost):
    """The worker lives but has not answered in time; it was killed.

    Args:
        waiting_for: What was expected from it.
        waited_s: How long, in seconds.
    """

    code = "worker_silent"

    def __init__(self, waiting_for: str, waited_s: float) -> None:
        super().__init__(
            f"the worker sent no {waiting_for} within {amount('waited_s', waited_s)} and was killed"
        )
        self.waiting_for = waiting_for
        self.waited_s = waited_s


class ProtocolViolation(WorkerLost):
    """The worker sent something that the protocol does not allow; it was killed.

    Args:
        reason: What was wrong with it.
    """

    code = "protocol_violation"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the worker broke the protocol: {reason}")
        self.reason = reason


class RestartsExhausted(WorkerLost):
    """Something keeps dying, and is no longer restarted.

    Args:
        name: What it is.
        restarts: How often it was restarted.
        within_s: In how many seconds.
        last_reason: How it ended the last time.
    """

    code = "restarts_exhausted"

    def __init__(self, name: str, *, restarts: int, within_s: float, last_reason: str = "") -> None:
        super().__init__(
            f"{name}: given up after {restarts} restart{'s' * (restarts != 1)} "
            f"in {amount('within_s', within_s)}" + (f"; last: {last_reason}" if last_reason else "")
        )
        self.name = name
        self.restarts = restarts
        self.within_s = within_s
        self.last_reason = last_reason


# Load, and the caller's order of calls.


class EngineBusy(DspexError):
    """All workers are taken and the queue is full; try again later.

    Args:
        waiting: Requests that were waiting when this one came.
        waiting_max: How many may wait.
        waited_s: How long this request waited itself, in seconds.
    """

    code = "engine_busy"

    def __init__(self, *, waiting: int, waiting_max: int, waited_s: float = 0.0) -> None:
        super().__init__(
            f"engine: {waiting} requests waiting of {waiting_max} allowed, "
            f"waited {amount('waited_s', waited_s)} for a worker"
        )
        self.waiting = waiting
        self.waiting_max = waiting_max
        self.waited_s = waited_s


class SessionClosed(DspexError):
    """The session, or the engine it belongs to, no longer takes runs.

    Args:
        what: `session`, `engine`, `job`, ...
        reason: Why it was closed.
    """

    code = "session_closed"
    session_usable = False

    def __init__(self, what: str = "session", *, reason: str = "") -> None:
        super().__init__(f"{what} is closed" + (f": {reason}" if reason else ""))
        self.what = what
        self.reason = reason


# Language models.


class LMError(DspexError):
    """A language model's provider failed or turned the request down.

    Args:
        model: The model that was asked.
        reason: What the provider said.
        retry_after_s: Seconds after which a retry makes sense; None when it makes none.
        status: HTTP status, where there was one.
    """

    code = "lm"

    def __init__(
        self,
        model: str,
        reason: str,
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        text = f"model {model!r}: {reason}"
        if status is not None:
            text += f" (status {status})"
        if retry_after_s is not None:
            text += f"; retry after {amount('retry_after_s', retry_after_s)}"
        super().__init__(text)
        self.model = model
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.status = status


class ReplyUnparsable(DspexError):
    """A model's reply does not have the shape that was asked for.

    Args:
        expected: What was expected.
        reason: Where the reply differs.
        reply: The reply itself, as received.
    """

    code = "reply_unparsable"

    def __init__(self, expected: str, reason: str, *, reply: str = "") -> None:
        super().__init__(f"reply is not {expected}: {reason}")
        self.expected = expected
        self.reason = reason
        self.reply = reply


# State: read again, then retry.


class StateConflict(DspexError):
    """Somebody else wrote first; read again, then retry.

    Args:
        key: What was being written.
        expected: Version the writer had read.
        found: Version that is there now.
    """

    code = "state_conflict"

    def __init__(self, key: str, *, expected: str, found: str) -> None:
        super().__init__(f"{key}: version {expected} expected, {found} found")
        self.key = key
        self.expected = expected
        self.found = found


class SnapshotUnusable(DspexError):
    """A saved state cannot be restored here.

    Args:
        source: File or name of the snapshot.
        reason: Checksum, version, size, or whatever else does not fit.
    """

    code = "snapshot_unusable"

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class ReplayDiffers(DspexError):
    """A run that was to repeat a recorded one asked for something else.

    Args:
        call: Number of the first host call that differs, from 1.
        expected: What the recording has there.
        found: What was called.
    """

    code = "replay_differs"

    def __init__(self, call: int, expected: str, found: str) -> None:
        super().__init__(f"call {call} differs: recorded was {expected}, now it is {found}")
        self.call = call
        self.expected = expected
        self.found = found


class InternalError(Exception):
    """dspex itself is wrong; please report it.

    Not a `DspexError`, so that no handler for expected failures swallows it.
    """
