"""From the raw facts of a run to its `Outcome`: decided in one place, in the caller's thread.

Three accounts are weighed, the strongest first: the supervisor's verdict, the worker's account, and
the guest's own report, which is only a claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex import values
from dspex.errors import (
    DspexError,
    Finding,
    GuestRaised,
    GuestRefused,
    LimitExceeded,
    ProtocolViolation,
    WorkerCrashed,
)
from dspex.languages import table
from dspex.limits import Usage
from dspex.outcome import GuestErrorReport, Outcome
from dspex.protocol.messages import BudgetUsedUp, GuestReport, MessageError, decode_report

if TYPE_CHECKING:
    from dspex.protocol.messages import Ended, InstanceGone
    from dspex.supervisor.job import Facts, Job

_FAILED_OF = {
    "memory_bytes": ("MemoryError", "numpy._core._exceptions._ArrayMemoryError"),
    "file_bytes": ("OSError",),
    "file_count": ("OSError",),
    "open_files": ("OSError",),
}
"""Guest exceptions that a refused request for more leads to."""

_OUT_OF_MEMORY = "Out of memory"
"""How the guest's C library ends the text of such an error: `mmap` gives one in place of MemoryError."""

_GONE_TYPES = {"exited": "GuestExited", "aborted": "GuestAborted", "trapped": "GuestTrapped"}


def to_outcome(  # noqa: PLR0911 - one case after the other, the strongest account first
    job: Job, facts: Facts, *, session: bool
) -> Outcome:
    """Decide how a run ended.

    Args:
        job: What was asked for.
        facts: What was seen.
        session: Whether it ran in a session, which may go on.
    """
    ended = facts.ended
    fields = _fields(facts, ended)
    if facts.verdict is not None:
        return Outcome.of_error(facts.verdict, **fields)
    if ended is None:
        return Outcome.of_error(WorkerCrashed(None), **fields)
    if ended.used_up is not None:
        usable = session and ended.gone is None
        return _limit(ended.used_up, usable=usable, fields=fields)
    if ended.gone is not None:
        if ended.turned_down is not None and ended.gone.kind != "exited":
            return _limit(ended.turned_down, usable=False, fields=fields)
        return _gone(ended.gone, fields)
    try:
        report = decode_report(ended.report)
    except MessageError as error:
        return Outcome.of_error(ProtocolViolation(str(error)), **fields)
    notes = (*report.notes, *(f"file {name!r}: left out" for name in ended.files_left_out))
    fields |= {"notes": notes, "session_usable": session}
    return _reported(job, report, ended, fields)


def _reported(  # noqa: PLR0911 - one case after the other
    job: Job, report: GuestReport, ended: Ended, fields: dict[str, object]
) -> Outcome:
    if report.status == "refused":
        findings = [
            Finding(one.line, one.column, one.message, one.hint or None)
            for one in report.findings
        ]
        refusal = GuestRefused(findings or [Finding(0, 0, "refused without a reason")])
        error = GuestErrorReport(
            type=report.type or "GuestRefused",
            message=report.message or str(refusal),
            traceback=report.traceback,
            findings=refusal.findings,
        )
        return Outcome(status="refused", error=error, **fields)  # type: ignore[arg-type]
    if report.status == "limit":
        over = LimitExceeded(
            report.limit or "value_bytes", report.allowed, report.spent, "inner",
            session_usable=bool(fields["session_usable"]),
        )
        return Outcome.of_error(over, **fields)
    if report.status == "raised":
        turned_down = ended.turned_down
        if turned_down is not None and _failed_of(turned_down, report):
            return _limit(turned_down, usable=bool(fields["session_usable"]), fields=fields)
        if report.type == "MemoryError" and not report.message:
            # The interpreter's own: one request was larger than it even tries to satisfy.
            asked = BudgetUsedUp("memory_bytes", job.budget.memory_bytes, ended.peak_memory_bytes)
            return _limit(asked, usable=bool(fields["session_usable"]), fields=fields)
        raised = GuestRaised(report.type, report.message, traceback=report.traceback)
        return Outcome.of_error(raised, **fields)
    budget = job.budget
    try:
        value = (
            values.decode(
                ended.value, bytes_max=budget.value_bytes, depth_max=budget.value_depth,
                arrays=b'"n' in ended.value and table.takes_arrays(str(fields["language"])),
            )
            if ended.value
            else None
        )
    except values.ValueOverLimit as error:
        return Outcome.of_error(
            LimitExceeded(error.limit, error.allowed, error.spent, "outer"), **fields
        )
    except values.ValueUndecodable as error:
        return Outcome.of_error(ProtocolViolation(f"its value: {error}"), **fields)
    return Outcome(status="ok", value=value, **fields)  # type: ignore[arg-type]


def _failed_of(turned_down: BudgetUsedUp, report: GuestReport) -> bool:
    """Tell whether what was refused is what the program failed of."""
    if turned_down.limit == "memory_bytes" and report.type == "OSError":
        return report.message.endswith(_OUT_OF_MEMORY)
    return report.type in _FAILED_OF.get(turned_down.limit, ())


def _fields(facts: Facts, ended: Ended | None) -> dict[str, object]:
    """Return what every outcome has, however it ended."""
    if ended is not None:
        usage = Usage(
            wall_s=ended.wall_s, waited_s=ended.waited_s, cpu_s=ended.cpu_s,
            peak_memory_bytes=ended.peak_memory_bytes, output_bytes=ended.output_bytes,
            host_calls=facts.host_calls, fuel=ended.fuel,
        )
    else:
        output_bytes = len(facts.stdout) + len(facts.stderr)
        usage = Usage(
            wall_s=facts.wall_s, output_bytes=output_bytes, host_calls=facts.host_calls
        )
    return {
        "stdout": facts.stdout.decode("utf-8", "backslashreplace"),
        "stderr": facts.stderr.decode("utf-8", "backslashreplace"),
        "truncated": ended is not None and ended.truncated,
        "files": facts.files,
        "usage": usage,
        "language": facts.language,
        "isolation": facts.isolation,
    }


def _limit(used_up: BudgetUsedUp, *, usable: bool, fields: dict[str, object]) -> Outcome:
    fields["session_usable"] = usable
    error = LimitExceeded(
        used_up.limit, used_up.allowed, used_up.spent, "inner", session_usable=usable
    )
    return Outcome.of_error(error, **fields)


def _gone(gone: InstanceGone, fields: dict[str, object]) -> Outcome:
    """Describe a guest that ended itself, or that the wasm runtime stopped."""
    said = {
        "exited": "the guest ended its own process",
        "aborted": "the guest's interpreter gave up",
        "trapped": "the guest was stopped by the wasm runtime",
    }[gone.kind]
    lost: DspexError = WorkerCrashed(gone.exit_status, reason=f"{said}: {gone.detail}")
    error = GuestErrorReport(
        type=_GONE_TYPES[gone.kind],
        message=f"{said}: {gone.detail}",
        exit_status=gone.exit_status,
        lost=lost,  # type: ignore[arg-type]
    )
    return Outcome(status="lost", error=error, **fields)  # type: ignore[arg-type]
