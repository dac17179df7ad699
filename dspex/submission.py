"""From what a caller asks for to a job of the supervisor: the same checks for engines and for sessions.

What is in a request is `dspex.request`'s, what a program may do `dspex.policy`'s.
"""

from __future__ import annotations

import codecs
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dspex.errors import (
    GuestRefused,
    IsolationMissing,
    LimitExceeded,
    RequestError,
)
from dspex.isolation.advice import missing
from dspex.languages import table
from dspex.outcome import Outcome
from dspex.policy import Deterministic, Policy
from dspex.protocol.framing import FrameError
from dspex.recordings import InOrder, RecordedRequest, Recording, Replay
from dspex.request import OutputCallback, Request, to_message, tools_of
from dspex.streaming import Flow
from dspex.supervisor.job import Job
from dspex.supervisor.states import StateTerms
from dspex.supervisor.workshop import PreparationEnded, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dspex.languages.base import LanguageSpec
    from dspex.supervisor.tree import Supervisor
    from dspex.tools import ToolRunner

_STREAM_NAMES = {1: "stdout", 2: "stderr"}


def tightened(loosest: Policy, policy: object) -> Policy:
    """Return the policy that holds for a request: the loosest one there is, tightened by that of the request.

    Raises:
        TypeError: It is no policy, no name and no path of one.
        PolicyInvalid: It cannot be used.
    """
    if policy is None:
        return loosest
    if not isinstance(policy, str | Path | Policy):
        msg = f"policy: a name, a path or a Policy wanted, {type(policy).__name__} given"
        raise TypeError(msg)
    return loosest.tightened(Policy.load(policy))


def make_job(
    request: Request,
    policy: Policy,
    spec: LanguageSpec,
    *,
    on_output: OutputCallback | None,
    supervisor: Supervisor,
    tool_runner: ToolRunner,
    run_number: int,
    single: bool,
    workshop: Workshop | None = None,
    mounted: bool = False,
    record: Recording | None = None,
    image: str | None = None,
) -> Job | Outcome:
    """Check a request; what is wrong with the program itself is an outcome, not an error.

    Raises:
        NotPrepared: The workshop is not patient, and it would have to be.
    """
    _check_listener(on_output)
    _check_record(record)
    language = spec.name
    try:
        message, limits = to_message(
            request, policy, spec, run_number=run_number, stream=on_output is not None,
            single=single, mounted=mounted,
        )
        if spec.prepare is not None and workshop is not None:
            message = spec.prepare(message, workshop)
    except PreparationEnded as ended:
        return ended.outcome
    except (GuestRefused, LimitExceeded) as error:
        return Outcome.of_error(error, language=language, session_usable=not single)
    listener = None if on_output is None else _decoded(on_output)
    if record is not None:
        record.begin(message, language, image)
    on_call = None
    if message.tools:
        tools = tools_of(request, policy, spec)
        if record is None and policy.deterministic is None:
            on_call = tool_runner.bind(tools, limits, supervisor.answer)
        else:
            order = InOrder(supervisor.answer, record)
            on_call = order.around(tool_runner.bind(tools, limits, order.answer))
    try:
        return Job(
            message, language, limits.grace_s, on_output=listener, on_call=on_call,
            mounts=policy.mounts, flow=on_output if isinstance(on_output, Flow) else None,
        )
    except FrameError as error:
        msg = f"code, variables, files and stdin together: {error}"
        raise RequestError(msg) from None


def replaying_job(
    asked: RecordedRequest,
    policy: Policy,
    spec: LanguageSpec,
    replayed: Replay,
    *,
    run_number: int,
    single: bool,
    mounted: bool = False,
) -> Job | Outcome:
    """Check a recorded request, as if it were made now, and ask for it again.

    Raises:
        RequestError: The policy does not allow it, or its program would have to be prepared.
    """
    if spec.prepare is not None:
        msg = f"language: runs of {spec.name} make no host calls; run the program again"
        raise RequestError(msg)
    request = Request(
        asked.source, files=asked.files, stdin=asked.stdin, args=asked.args, env=asked.env
    )
    try:
        message, limits = to_message(
            request, policy, spec, run_number=run_number, stream=False, single=single,
            mounted=mounted,
        )
    except (GuestRefused, LimitExceeded) as error:
        return Outcome.of_error(error, language=spec.name, session_usable=not single)
    if len(asked.variables) > limits.value_bytes:
        size = len(asked.variables)
        too_large = LimitExceeded("value_bytes", limits.value_bytes, size, "outer")
        return Outcome.of_error(too_large, language=spec.name, session_usable=not single)
    message = msgspec.structs.replace(message, variables=asked.variables, tools=asked.tools)
    try:
        return Job(message, spec.name, limits.grace_s, on_call=replayed.take, mounts=policy.mounts)
    except FrameError as error:
        raise RequestError(f"recording: {error}") from None


def repeatable(policy: Policy, asked: RecordedRequest) -> Policy:
    """Fix clock and seed as they were."""
    if asked.clock_ns is None or asked.seed is None:
        return policy
    fixed = Deterministic(clock_ns=asked.clock_ns, seed=asked.seed)
    if policy.deterministic not in (None, fixed):
        msg = "recording: it was made with another clock and seed than the policy fixes"
        raise RequestError(msg)
    return policy.model_copy(update={"deterministic": fixed})


def flow_of(kwargs: Mapping[str, Any]) -> Flow:
    """Return the way that the output of a stream goes.

    Raises:
        TypeError: There is a listener as well.
    """
    if kwargs.get("on_output") is not None:
        msg = "on_output: a stream has no use for it; iterate over the stream"
        raise TypeError(msg)
    return Flow()


def _check_listener(on_output: object) -> None:
    if on_output is None:
        return
    if not callable(on_output):
        msg = f"on_output: a callable wanted, {type(on_output).__name__} given"
        raise TypeError(msg)
    if inspect.iscoroutinefunction(on_output):
        msg = "on_output: an ordinary function wanted, a coroutine function given"
        raise TypeError(msg)


def _check_record(record: object) -> None:
    if record is not None and not isinstance(record, Recording):
        msg = f"record: a Recording wanted, {type(record).__name__} given"
        raise TypeError(msg)


def _decoded(on_output: OutputCallback) -> Callable[[int, bytes], None]:
    """Turn bytes into text, without cutting a character that arrives in two pieces."""
    decoders = {
        stream: codecs.getincrementaldecoder("utf-8")("backslashreplace") for stream in (1, 2)
    }

    def listen(stream: int, data: bytes) -> None:
        text = decoders[stream].decode(data)
        if text:
            on_output(_STREAM_NAMES[stream], text)

    return listen


def check_given(policy: Policy, isolation: tuple[str, ...]) -> None:
    """Refuse a policy that requires a layer which this engine's workers lack.

    Raises:
        IsolationMissing: The message says which, and what to change.
    """
    reason = missing(policy.require_layers, isolation)
    if reason is not None:
        raise IsolationMissing(reason)


def check_language(policy: Policy, language: object, image: object) -> None:
    """Refuse what there is not, or what the policy does not allow.

    Raises:
        TypeError: These are no names.
        RequestError: There is no such language or image, or the policy denies it.
    """
    if not isinstance(language, str):
        msg = f"language: str wanted, {type(language).__name__} given"
        raise TypeError(msg)
    spec = table.spec(language)
    policy.require("language", [language])
    if image is None:
        return
    if not isinstance(image, str):
        msg = f"image: str wanted, {type(image).__name__} given"
        raise TypeError(msg)
    policy.require("image", [image])
    if image not in spec.images():
        there = ", ".join(spec.images()) or "none"
        msg = f"image: there is no image {image!r} for {language} (there are: {there})"
        raise RequestError(msg)


def state_terms(policy: Policy) -> StateTerms:
    """Return what a session's guest may have."""
    limits = policy.limits
    return StateTerms(
        limits.memory_bytes, limits.file_bytes, limits.file_count, limits.open_files
    )


