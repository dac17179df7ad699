"""How a run ended, as plain data that a repair loop can read.

An `Outcome` is built once per run by the engine and never changes. What may cross as its value is
decided by `dspex.values`, the errors that `value_or_raise` turns it into are in `dspex.errors`.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dspex import values
from dspex.errors import (
    DspexError,
    Finding,
    Guard,
    GuestRaised,
    GuestRefused,
    InternalError,
    LimitExceeded,
    ValueNotTransferable,
    WorkerCrashed,
    WorkerLost,
)
from dspex.limits import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

Status = Literal["ok", "raised", "refused", "limit", "lost"]
"""`raised`: by the guest's program; `refused`: before it ran; `lost`: its worker died."""

_JSON_DEPTH_MAX = 250
_JSON_VALUE_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestErrorReport:
    """What went wrong in or around the guest; fields that do not apply keep their defaults."""

    type: str
    """Name of the guest's exception class, or of the dspex error that this one describes."""

    message: str = ""
    """The text of the exception, or of the dspex error."""

    traceback: str = ""
    """The guest's own frames with their source lines; empty when none of its code was running."""

    findings: tuple[Finding, ...] = ()
    """Every reason for a refusal, in source order."""

    limit: str | None = None
    """Name of the field of `Limits` that was used up."""

    allowed: float | None = None
    """The budget, in the unit that the name in `limit` ends in."""

    spent: float | None = None
    """What had been spent when it was noticed, in the same unit."""

    noticed_by: Guard | None = None
    """`inner` or `outer`: the guard that noticed."""

    exit_status: int | None = None
    """How a lost worker ended: its exit code, or minus the signal number."""

    lost: WorkerLost | None = field(default=None, compare=False, repr=False)
    """The error that a lost worker stands for, ready to be raised."""

    @classmethod
    def of(cls, error: DspexError) -> Self:
        """Describe an error as data.

        Args:
            error: One of those that an outcome can stand for.

        Raises:
            InternalError: For any other; nothing else may end up in an outcome.
        """
        name = type(error).__name__
        match error:
            case GuestRaised():
                return cls(
                    type=error.type_name,
                    message=error.guest_message,
                    traceback=error.traceback,
                )
            case GuestRefused():
                return cls(type=name, message=str(error), findings=error.findings)
            case LimitExceeded():
                return cls(
                    type=name,
                    message=str(error),
                    limit=error.limit,
                    allowed=error.allowed,
                    spent=error.spent,
                    noticed_by=error.noticed_by,
                )
            case WorkerLost():
                status = error.exit_status if isinstance(error, WorkerCrashed) else None
                return cls(type=name, message=str(error), exit_status=status, lost=error)
            case _:
                msg = f"an outcome cannot stand for {name}: {error}"
                raise InternalError(msg)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that apply, as plain JSON types."""
        fields = {
            name: getattr(self, name)
            for name in ("type", "message", "traceback", "limit", "allowed", "spent")
        }
        fields |= {"noticed_by": self.noticed_by, "exit_status": self.exit_status}
        plain = {name: value for name, value in fields.items() if value not in (None, "")}
        if self.findings:
            plain["findings"] = [asdict(finding) for finding in self.findings]
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one run: what it returned and printed, what went wrong, what it cost.

    Example:
        >>> Outcome(status="ok", value=42).value_or_raise()
        42
    """

    status: Status
    """How it ended, in one word."""

    value: Any = None
    """Value of the last expression; None when there was none."""

    stdout: str = ""
    """Standard output, up to the output limit."""

    stderr: str = ""
    """Standard error, up to the output limit."""

    truncated: bool = False
    """Whether output was cut because it reached the limit."""

    error: GuestErrorReport | None = None
    """What went wrong; None exactly when the status is `ok`."""

    notes: tuple[str, ...] = ()
    """What did not cross unchanged: `value['a'][3]: <type> cannot cross, its repr is given`."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """What the guest wrote, by name."""

    usage: Usage = field(default_factory=Usage)
    """What the run consumed."""

    language: str = "python"
    """The language it was written in."""

    isolation: tuple[str, ...] = ()
    """Names of the isolation layers that were armed."""

    session_usable: bool = False
    """Whether the session, if it ran in one, can take another run."""

    @property
    def ok(self) -> bool:
        """Whether the program ran to its end."""
        return self.status == "ok"

    @classmethod
    def of_error(cls, error: DspexError, **fields: Any) -> Self:
        """Return the outcome that stands for an error.

        Args:
            error: A refusal, a guest's exception, a used-up budget or a lost worker.
            **fields: Whatever else is known: output, usage, files, ...

        Raises:
            InternalError: For any other error.
        """
        report = GuestErrorReport.of(error)
        status: Status
        match error:
            case GuestRaised():
                status = "raised"
            case GuestRefused():
                status = "refused"
            case LimitExceeded():
                status = "limit"
            case _:
                status = "lost"
        fields.setdefault("session_usable", error.session_usable)
        return cls(status=status, error=report, **fields)

    def value_or_raise(self) -> Any:
        """Return the value, or raise what went wrong.

        Raises:
            GuestRaised: The program raised; its traceback is in the notes of the exception.
            GuestRefused: The program was turned down before it ran.
            LimitExceeded: A budget was used up.
            WorkerLost: The worker died or misbehaved.
        """
        if self.status == "ok":
            return self.value
        raise self._as_error()

    def _as_error(self) -> DspexError | InternalError:
        report = self.error
        if report is None:
            return InternalError(f"outcome with status {self.status!r} but without an error")
        usable = self.session_usable
        match self.status:
            case "raised":
                return GuestRaised(
                    report.type,
                    report.message,
                    traceback=report.traceback,
                    session_usable=usable,
                )
            case "refused":
                findings = report.findings or (Finding(0, 0, report.message),)
                return GuestRefused(findings, session_usable=usable)
            case "limit" if report.limit and report.noticed_by:
                return LimitExceeded(
                    report.limit,
                    report.allowed or 0,
                    report.spent or 0,
                    report.noticed_by,
                    session_usable=usable,
                )
            case "lost":
                # A copy, so that one raised in two threads does not collect two tracebacks.
                return copy.copy(report.lost) if report.lost else WorkerLost(report.message)
            case _:
                return InternalError(f"outcome with status {self.status!r} but error {report!r}")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types.

        What JSON cannot say is given in the tagged form of `docs/reference/values.md`; a value that
        cannot cross at all is given as its `repr`, with a note.
        """
        value, notes = _value_as_json(self.value)
        return {
            "status": self.status,
            "ok": self.ok,
            "value": value,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "truncated": self.truncated,
            "error": self.error.as_dict() if self.error else None,
            "notes": [*self.notes, *notes],
            "files": {
                name: {"$": ["bytes", base64.b64encode(content).decode("ascii")]}
                for name, content in self.files.items()
            },
            "usage": asdict(self.usage),
            "language": self.language,
            "isolation": list(self.isolation),
            "session_usable": self.session_usable,
        }

    def to_json(self) -> str:
        """Return `as_dict` as one line of JSON, ASCII only."""
        return json.dumps(self.as_dict(), allow_nan=False)


def _value_as_json(value: object) -> tuple[Any, list[str]]:
    """Return a value as a JSON tree, with a note when only its `repr` could be given."""
    try:
        encoded = values.encode(
            value,
            bytes_max=_JSON_VALUE_BYTES_MAX,
            depth_max=_JSON_DEPTH_MAX,
            arrays=True,
        )
    except (ValueNotTransferable, values.ValueOverLimit) as error:
        return repr(value), [f"{error}; its repr is given"]
    return json.loads(encoded), []
