"""A request is checked as a whole before any process hears of it: a pure function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex import values
from dspex.errors import (
    CapabilityDenied,
    Finding,
    GuestRefused,
    LimitExceeded,
    RequestError,
    ValueNotTransferable,
)
from dspex.languages import table
from dspex.limits import Limits
from dspex.policy import Policy
from dspex.request import ARGUMENTS_BYTES_MAX, Request, to_message

if TYPE_CHECKING:
    from dspex.protocol.messages import Run

LIMITS = Limits(
    wall_s=5.0, source_bytes=1000, value_bytes=200, value_depth=4, file_bytes=50, file_count=3
)
POLICY = Policy(name="test", languages=frozenset({"python"}), env=frozenset({"TZ", "LANG"}), limits=LIMITS)


def made(policy: Policy = POLICY, *, stream: bool = False, run_number: int = 1, **fields: Any) -> tuple[Run, Limits]:
    request = Request(**{"code": "1", **fields})
    return to_message(
        request, policy, table.spec("python"), run_number=run_number, stream=stream, single=True
    )


def message(**fields: Any) -> Run:
    return made(**fields)[0]


def test_a_whole_request_becomes_a_whole_message() -> None:
    run, limits = made(
        stream=True, code="é", variables={"n": [1]}, files={"a/b": "é", "c": bytearray(b"\0")},
        stdin="in", args=["x", ""], env={"TZ": "UTC"}, timeout_s=2,
    )

    assert (run.source, run.filename, run.stdin) == ("é".encode(), "main.py", b"in")
    assert run.files == {"a/b": "é".encode(), "c": b"\0"}
    assert (run.args, run.env, run.stream, run.single) == (["x", ""], {"TZ": "UTC"}, True, True)
    assert values.decode(run.variables, bytes_max=200, depth_max=4) == {"n": [1]}
    assert (run.budget.wall_s, run.budget.file_count) == (2.0, 3)
    assert limits == LIMITS.model_copy(update={"wall_s": 2.0})


def test_the_smallest_request_gives_what_is_left_out() -> None:
    run, limits = made()

    assert (run.variables, run.files, run.stdin, run.args, run.env) == (b"", {}, b"", [], {})
    assert limits is LIMITS


def test_each_message_has_its_own_number() -> None:
    numbers = [message().run for _ in range(100)]

    assert numbers == sorted(set(numbers))


# Source.


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("a\n\ud800", "line 2: the source is not text: a lone surrogate at character 2"),
        (b"a\n\xff", "line 2: the source is not UTF-8: byte 0xff at 2"),
        ("a\n\nb\0", "line 3: the source contains a NUL byte at 4"),
        ("x" * 1001, "program: source_bytes: 1001 given, 1000 allowed"),
        ("é" * 501, "program: source_bytes: 1002 given, 1000 allowed"),
    ],
)
def test_a_program_that_is_no_program_is_refused_at_its_place(code: Any, finding: str) -> None:
    with pytest.raises(GuestRefused) as refused:
        message(code=code)

    assert [str(one) for one in refused.value.findings] == [finding]


def test_source_may_be_as_large_as_the_limit_and_may_be_bytes() -> None:
    assert message(code=b"x" * 1000).source == b"x" * 1000


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_source_is_passed_on_or_refused_with_a_line_that_exists(code: str | bytes) -> None:
    source, findings = b"", list[Finding]()
    try:
        source = message(code=code).source
    except GuestRefused as refused:
        findings.extend(refused.findings)

    as_bytes = code if isinstance(code, bytes) else code.encode("utf-8", "surrogatepass")
    if findings:
        assert all(1 <= one.line <= as_bytes.count(b"\n") + 1 for one in findings)
    else:
        assert source == as_bytes


# Time.


@pytest.mark.parametrize(
    ("timeout_s", "wall_s"), [(None, 5.0), (1, 1.0), (0.001, 0.001), (5.0, 5.0), (1e9, 5.0)]
)
def test_a_timeout_only_tightens(timeout_s: float | None, wall_s: float) -> None:
    assert message(timeout_s=timeout_s).budget.wall_s == wall_s


@pytest.mark.parametrize("timeout_s", [0, -1, math.nan, math.inf, -math.inf])
def test_a_timeout_is_a_positive_and_finite_number(timeout_s: float) -> None:
    with pytest.raises(RequestError, match=r"timeout_s: .* is not a positive, finite number"):
        message(timeout_s=timeout_s)


# Types.


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"code": 5}, "code: str or bytes wanted, int given"),
        ({"code": None}, "code: str or bytes wanted, NoneType given"),
        ({"timeout_s": "1"}, "timeout_s: a number of seconds wanted, str given"),
        ({"timeout_s": True}, "timeout_s: a number of seconds wanted, bool given"),
        ({"variables": [("a", 1)]}, "variables: a mapping of names to values wanted, list given"),
        ({"variables": {1: 1}}, "variables: names of type str wanted, int given"),
        ({"files": "f"}, "files: a mapping of names to bytes wanted, str given"),
        ({"files": {b"f": b""}}, "files: names of type str wanted, bytes given"),
        ({"files": {"f": 1}}, "files['f']: bytes or str wanted, int given"),
        ({"stdin": None}, "stdin: bytes or str wanted, NoneType given"),
        ({"args": "abc"}, "args: a sequence of str wanted, str given"),
        ({"args": ["a", 1]}, "args[1]: str wanted, int given"),
        ({"env": ["A"]}, "env: a mapping of names to str wanted, list given"),
        ({"env": {"TZ": 1}}, "env: names and values of type str wanted, tuple given"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as refused:
        message(**fields)

    assert str(refused.value) == text


# Variables.


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "class", "True", "__name__", "__x__"])
def test_a_variable_has_a_name_that_a_program_can_write(name: str) -> None:
    with pytest.raises(RequestError, match=r"^variables: "):
        message(variables={name: 1})


@pytest.mark.parametrize("name", ["a", "_", "__a", "é", "match", "Ⅷ"])
def test_odd_names_of_variables_are_names(name: str) -> None:
    assert message(variables={name: 1}).variables != b""


def test_variables_are_bounded_in_size_and_depth() -> None:
    with pytest.raises(LimitExceeded) as large:
        message(variables={"x": "y" * 200})
    with pytest.raises(LimitExceeded) as deep:
        message(variables={"x": [[[[[]]]]]})

    assert (large.value.limit, large.value.allowed) == ("value_bytes", 200)
    assert (deep.value.limit, deep.value.allowed) == ("value_depth", 4)


def test_a_variable_that_cannot_cross_is_named_with_its_place() -> None:
    with pytest.raises(ValueNotTransferable, match=r"\['x'\]\[1\]"):
        message(variables={"x": [1, object()]})


# Files.


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", ".", "..", "./a", "a/../b", "a\0", "\ud800", "x" * 256, "é" * 128,
     "/".join("y" * 200 for _ in range(6))],
    ids=ascii,
)
def test_a_file_has_a_plain_relative_name(name: str) -> None:
    with pytest.raises(RequestError, match=r"^files: "):
        message(files={name: b""})


@pytest.mark.parametrize("name", ["a", "a/b/c", ".a", "..a", "a b", "é", "x" * 255, "-", "a\\b", "\n"])
def test_odd_names_of_files_are_names(name: str) -> None:
    assert message(files={name: b""}).files == {name: b""}


def test_a_file_does_not_lie_below_another() -> None:
    for files in ({"a": b"", "a/b": b""}, {"a/b/c": b"", "a/b": b""}):
        with pytest.raises(RequestError, match="lies below a file"):
            message(files=files)


def test_files_are_bounded_together() -> None:
    assert len(message(files={"a": b"x" * 25, "b": b"x" * 25}).files) == 2
    with pytest.raises(LimitExceeded) as large:
        message(files={"a": b"x" * 25, "b": b"x" * 26})
    with pytest.raises(LimitExceeded) as many:
        message(files=dict.fromkeys("abcd", b""))

    assert (large.value.limit, large.value.spent) == ("file_bytes", 51)
    assert (many.value.limit, many.value.spent) == ("file_count", 4)


# Arguments and environment.


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_arguments_and_environment_are_plain_text(text: str) -> None:
    with pytest.raises(RequestError, match=r"^args\[0\]: "):
        message(args=[text])
    with pytest.raises(RequestError, match=r"^env\['TZ'\]: "):
        message(env={"TZ": text})


def test_arguments_and_environment_are_bounded() -> None:
    most = "x" * ARGUMENTS_BYTES_MAX
    assert message(args=[most]).args == [most]
    with pytest.raises(RequestError, match=f"args: {ARGUMENTS_BYTES_MAX + 1} bytes given"):
        message(args=[most, "y"])
    with pytest.raises(RequestError, match="env: "):
        message(env={"TZ": most})


@pytest.mark.parametrize("name", ["", "A=B"])
def test_a_name_in_the_environment_is_a_name(name: str) -> None:
    with pytest.raises(RequestError, match="is not a name of a variable"):
        message(env={name: "x"})


def test_the_policy_grants_the_names_in_the_environment() -> None:
    assert message(env={"LANG": "C"}).env == {"LANG": "C"}
    with pytest.raises(CapabilityDenied) as denied:
        message(env={"LANG": "C", "PATH": "/"})

    assert (denied.value.capability, denied.value.wanted) == ("env", "PATH")


def test_what_is_given_is_copied() -> None:
    args, env = ["a"], {"TZ": "UTC"}
    run = message(args=args, env=env)
    args.append("b")
    env["LANG"] = "C"

    assert (run.args, run.env) == (["a"], {"TZ": "UTC"})
