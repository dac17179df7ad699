"""A wrong request is the caller's mistake: it is raised at once, and names the place.

Limits that a request exceeds before it runs (source, variables, files) end as outcomes instead,
because a program that writes requests may have made them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

pytestmark = pytest.mark.usefixtures("the_next_request_works")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"language": 5}, "language: str wanted, int given"),
        ({"variables": [1]}, "variables: a mapping of names to values wanted, list given"),
        ({"variables": "x"}, "variables: a mapping of names to values wanted, str given"),
        ({"variables": {1: 2}}, "variables: names of type str wanted, int given"),
        ({"files": ["a"]}, "files: a mapping of names to bytes wanted, list given"),
        ({"files": {"a": 5}}, "files['a']: bytes or str wanted, int given"),
        ({"files": {"a": None}}, "files['a']: bytes or str wanted, NoneType given"),
        ({"files": {5: b""}}, "files: names of type str wanted, int given"),
        ({"stdin": 5}, "stdin: bytes or str wanted, int given"),
        ({"args": "abc"}, "args: a sequence of str wanted, str given"),
        ({"args": [1]}, "args[0]: str wanted, int given"),
        ({"env": ["A"]}, "env: a mapping of names to str wanted, list given"),
        ({"env": {"A": 1}}, "env: names and values of type str wanted, tuple given"),
        ({"env": {1: "A"}}, "env: names and values of type str wanted, tuple given"),
        ({"timeout_s": "5"}, "timeout_s: a number of seconds wanted, str given"),
        ({"timeout_s": True}, "timeout_s: a number of seconds wanted, bool given"),
        ({"on_output": 5}, "on_output: a callable wanted, int given"),
        ({"policy": 5}, "policy: "),
        ({"image": 5}, "image: str wanted, int given"),
        ({"nonsense": 5}, "nonsense"),
    ],
    ids=repr,
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(
    engine: dspex.Engine, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        engine.run("1", **arguments)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up.txt",
        "a/../../up.txt",
        "a/../b.txt",
        "./a.txt",
        ".",
        "..",
        "a//b",
        "a/",
        "nul\0",
        "x" * 256,
        "/".join(["d" * 200] * 30),
        "half\ud800",
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_a_file_name_that_leads_elsewhere_is_refused(engine: dspex.Engine, name: str) -> None:
    with pytest.raises(dspex.RequestError, match="files: ") as caught:
        engine.run("1", files={name: b""})

    assert repr(name)[1:20] in str(caught.value)


def test_file_names_that_only_look_odd_are_fine(engine: dspex.Engine) -> None:
    names = ["a b.txt", "ä/ö.txt", "...", "-rf", "x" * 255, "a\\b", "new\nline", "*?[", "日本.csv"]

    outcome = engine.run(
        "from pathlib import Path\nsorted(str(p) for p in Path().rglob('*') if p.is_file())",
        files=dict.fromkeys(names, b"x"),
    )

    assert (outcome.status, outcome.value) == ("ok", sorted(names))


def test_two_files_that_need_one_place_are_refused(engine: dspex.Engine) -> None:
    with pytest.raises(dspex.RequestError, match="files: "):
        engine.run("1", files={"a": b"file", "a/b": b"file in it"})


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"": "x"}, "env: '' is not a name"),
        ({"A=B": "x"}, "env: 'A=B' is not a name"),
        ({"A\0": "x"}, "env: a NUL character"),
        ({"A": "x\0y"}, "env['A']"),
        ({"A": "\ud800"}, "env['A']"),
    ],
    ids=repr,
)
def test_an_environment_that_no_process_can_have_is_refused(
    engine: dspex.Engine, env: dict[str, str], message: str
) -> None:
    with pytest.raises(dspex.RequestError, match="env") as caught:
        engine.run("1", env=env)

    assert message in str(caught.value)


def test_an_environment_name_that_the_policy_does_not_grant_is_denied(
    engine: dspex.Engine,
) -> None:
    with pytest.raises(dspex.CapabilityDenied) as caught:
        engine.run("1", env={"LD_PRELOAD": "x"})

    assert str(caught.value) == (
        "env: 'LD_PRELOAD' is not granted by policy 'compute'; granted: LANG, LC_ALL, TZ"
    )


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), -0.0], ids=repr)
def test_a_timeout_that_is_no_length_of_time_is_refused(
    engine: dspex.Engine, timeout_s: float
) -> None:
    with pytest.raises(dspex.RequestError, match="timeout_s: "):
        engine.run("1", timeout_s=timeout_s)


@pytest.mark.parametrize(
    "name", ["", "1x", "a b", "a-b", "class", "None", "a\0", "__builtins__"], ids=ascii
)
def test_a_variable_that_no_program_could_name_is_refused(engine: dspex.Engine, name: str) -> None:
    with pytest.raises(dspex.RequestError, match="variables: "):
        engine.run("1", variables={name: 1})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "variables['x']"),
        ([1, {"a": print}], "variables['x'][1]['a']"),
        ((n for n in [1]), "variables['x']"),
        ({"deep": [[[open]]]}, "variables['x']['deep'][0][0][0]"),
    ],
    ids=["object", "function", "generator", "deep inside"],
)
def test_a_variable_that_is_no_data_is_refused_with_its_place(
    engine: dspex.Engine, value: object, place: str
) -> None:
    with pytest.raises(dspex.ValueNotTransferable) as caught:
        engine.run("x", variables={"x": value})

    assert caught.value.path == place


def test_a_variable_that_contains_itself_is_refused(engine: dspex.Engine) -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(dspex.ValueNotTransferable, match="contains itself"):
        engine.run("x", variables={"x": loop})


def test_an_unknown_language_is_refused_with_the_known_ones(engine: dspex.Engine) -> None:
    with pytest.raises(dspex.LanguageUnavailable) as caught:
        engine.run("1", language="cobol")

    assert "cobol" in str(caught.value)
    assert "python" in str(caught.value)


@pytest.mark.parametrize("policy", ["no_such_policy", "/no/such/file.toml", ""], ids=repr)
def test_an_unknown_policy_is_refused(engine: dspex.Engine, policy: str) -> None:
    with pytest.raises(dspex.PolicyInvalid):
        engine.run("1", policy=policy)


def test_an_unknown_image_is_refused(engine: dspex.Engine) -> None:
    with pytest.raises(dspex.RequestError, match=r"image: .*no_such_image"):
        engine.run("1", image="no_such_image")


@pytest.mark.parametrize(
    ("arguments", "limit", "allowed"),
    [
        ({"variables": {"x": "y" * (17 * MIB)}}, "value_bytes", 16 * MIB),
        ({"files": {"big": bytes(65 * MIB)}}, "file_bytes", 64 * MIB),
        ({"files": {f"f{n}": b"" for n in range(1001)}}, "file_count", 1000),
    ],
    ids=["variables", "file bytes", "file count"],
)
def test_a_request_that_is_over_a_limit_ends_there_before_it_runs(
    engine: dspex.Engine, arguments: dict[str, Any], limit: str, allowed: int
) -> None:
    outcome = engine.run("print('ran')", **arguments)

    assert (outcome.status, outcome.stdout) == ("limit", "")
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == (limit, allowed)
    assert outcome.error.noticed_by == "inner"
    assert outcome.error.spent is not None
    assert outcome.error.spent > allowed


def test_variables_that_are_nested_too_deeply_are_over_a_limit(engine: dspex.Engine) -> None:
    deep: object = 0
    for _ in range(300):
        deep = [deep]

    outcome = engine.run("1", variables={"x": deep})

    assert outcome.status == "limit"
    assert outcome.error is not None
    assert outcome.error.limit == "value_depth"


def test_a_policy_for_one_run_never_loosens(engine: dspex.Engine) -> None:
    wide = Policy(
        name="wide", limits=Limits(output_bytes=100 * MIB), languages=frozenset({"python"})
    )

    outcome = engine.run("print('x' * (2 * 2**20))", policy=wide)

    assert outcome.status == "limit"
    assert outcome.error is not None
    assert outcome.error.allowed == 1 * MIB


def test_a_timeout_longer_than_the_policy_allows_is_cut_to_it(engine: dspex.Engine) -> None:
    short = Policy(name="short", limits=Limits(wall_s=0.3), languages=frozenset({"python"}))

    outcome = engine.run("while True: pass", policy=short, timeout_s=60)

    assert outcome.status == "limit"
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("wall_s", 0.3)


def test_what_a_listener_raises_is_raised_at_its_caller(engine: dspex.Engine) -> None:
    heard: list[str] = []

    def listen(_stream: str, text: str) -> None:
        heard.append(text)
        message = "the caller's own mistake"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="the caller's own mistake"):
        engine.run("print('a', flush=True)\nwhile True: pass", on_output=listen, timeout_s=5)

    assert heard == ["a\n"]


def test_odd_but_right_input_arrives_to_the_letter(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import os, sys\n[sys.stdin.read(), sys.argv[1:], os.environ['LANG'], open('f', 'rb').read()]",
        stdin="line\r\n\0é\u2028 no end",
        args=["", "-x", "é\n", "a b"],
        env={"LANG": "a=b\n;$(x) é"},
        files={"f": bytes(range(256))},
    )

    assert outcome.value == [
        "line\r\n\0é\u2028 no end",
        ["", "-x", "é\n", "a b"],
        "a=b\n;$(x) é",
        bytes(range(256)),
    ]


def test_a_closed_engine_says_so() -> None:
    engine = dspex.Engine(policy="compute")
    engine.close()
    engine.close()

    with pytest.raises(dspex.SessionClosed, match="engine is closed"):
        engine.run("1")


def test_an_engine_that_was_used_asynchronously_reports_mistakes_the_same_way() -> None:
    async def ask() -> None:
        async with dspex.open_engine(policy="compute") as engine:
            with pytest.raises(dspex.RequestError, match="files: "):
                await engine.run("1", files={"../x": b""})
            assert (await engine.run("1 + 1")).value == 2

    asyncio.run(ask())
