"""Policies: nothing is granted by silence, and combining them only ever takes away."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dspex.errors import CapabilityDenied, PolicyInvalid
from dspex.isolation.layers import Layer
from dspex.languages.table import OURS
from dspex.limits import Limits
from dspex.policy import Deterministic, Mount, Policy, policy_schema, shipped_policies

FOLDER = Path(__file__).parents[2] / "sandbox_policies"

names = st.frozensets(st.sampled_from(["a", "b", "c"]))
names_or_any = names | st.just(frozenset({"*"}))
mounts = st.lists(
    st.builds(
        Mount,
        guest=st.sampled_from(["/a", "/b"]),
        host=st.sampled_from(["/x", "/y"]),
        mode=st.sampled_from(["read", "write"]),
        bytes_max=st.integers(0, 3),
    ),
    unique_by=lambda mount: mount.guest,
).map(tuple)
policies = st.builds(
    Policy,
    name=st.sampled_from(["one", "two", "one+two"]),
    description=st.sampled_from(["", "this", "that"]),
    languages=names,
    images=names_or_any,
    env=names_or_any,
    mounts=mounts,
    network=st.frozensets(st.sampled_from(["a.org:80", "a.org:443", "[::1]:22"])),
    tools=names_or_any,
    require_layers=st.frozensets(st.sampled_from(["landlock", "seccomp", "wasm"])),
    deterministic=st.none()
    | st.builds(Deterministic, clock_ns=st.integers(0, 2), seed=st.integers(0, 2)),
    limits=st.builds(Limits, wall_s=st.floats(1, 3), host_calls=st.integers(0, 3)),
)


# The order that combining goes down in.


@given(policies, policies)
def test_the_order_of_two_does_not_matter(one: Policy, two: Policy) -> None:
    assert one.tightened(two) == two.tightened(one)


@given(policies, policies, policies)
def test_the_order_of_three_does_not_matter(one: Policy, two: Policy, three: Policy) -> None:
    assert one.tightened(two).tightened(three) == one.tightened(two.tightened(three))


@given(policies)
def test_combining_a_policy_with_itself_changes_nothing(policy: Policy) -> None:
    assert policy.tightened(policy) == policy


@given(policies, policies)
def test_a_combination_is_never_looser_than_its_parts(one: Policy, two: Policy) -> None:
    both = one.tightened(two)
    assert both.is_no_looser_than(one)
    assert both.is_no_looser_than(two)


@given(policies, policies, policies)
def test_a_combination_is_the_loosest_of_those_that_both_allow(
    one: Policy, two: Policy, three: Policy
) -> None:
    if three.is_no_looser_than(one) and three.is_no_looser_than(two):
        assert three.is_no_looser_than(one.tightened(two))


@given(policies, policies)
def test_no_looser_means_that_combining_takes_nothing_away(one: Policy, two: Policy) -> None:
    both = one.tightened(two)
    unnamed = {"name", "description"}
    unchanged = both.model_dump(exclude=unnamed) == one.model_dump(exclude=unnamed)
    assert one.is_no_looser_than(two) == unchanged


@given(policies, policies)
def test_what_a_combination_grants_both_of_its_parts_grant(one: Policy, two: Policy) -> None:
    both = one.tightened(two)
    for capability in ("language", "image", "env", "tool", "network"):
        for name in ("a", "b", "c", "z", "a.org:80"):
            granted = []
            for policy in (both, one, two):
                try:
                    policy.require(capability, [name])
                except CapabilityDenied:
                    granted.append(False)
                else:
                    granted.append(True)
            assert granted[0] == (granted[1] and granted[2])


@given(policies)
@settings(max_examples=30)
def test_a_combination_can_be_validated_sent_and_read_again(policy: Policy) -> None:
    both = policy.tightened(Policy.load("compute"))
    assert Policy.model_validate_json(both.model_dump_json()) == both
    assert pickle.loads(pickle.dumps(both)) == both


def test_a_combination_is_named_after_its_parts() -> None:
    both = Policy.load("deny_all").tightened(Policy.load("compute"))
    assert both.name == "compute+deny_all"
    assert both.description == ""


# What is granted.


def test_an_empty_policy_grants_nothing() -> None:
    policy = Policy()
    for capability in ("language", "image", "env", "network", "tool"):
        policy.require(capability, [])
        with pytest.raises(CapabilityDenied):
            policy.require(capability, ["python"])
    assert policy.mounts == ()


def test_what_is_denied_is_named_with_what_is_granted() -> None:
    policy = Policy(name="mine", env=frozenset({"TZ", "LANG"}))
    policy.require("env", ["TZ"])
    with pytest.raises(CapabilityDenied) as caught:
        policy.require("env", ["TZ", "PATH", "HOME"])
    assert str(caught.value) == ("env: 'HOME' is not granted by policy 'mine'; granted: LANG, TZ")


def test_a_star_grants_every_name_and_swallows_the_others() -> None:
    policy = Policy(tools=frozenset({"*", "lookup"}))
    policy.require("tool", ["lookup", "anything"])
    assert policy.tools == {"*"}
    assert policy.tightened(Policy(tools=frozenset({"lookup"}))).tools == {"lookup"}


def test_two_mounts_of_different_places_leave_none() -> None:
    one = Policy(mounts=(Mount(guest="/a", host="/x"),))
    two = Policy(mounts=(Mount(guest="/a", host="/y"),))
    assert one.tightened(two).mounts == ()


def test_reading_is_stricter_than_writing() -> None:
    one = Policy(mounts=(Mount(guest="/a", host="/x", mode="write", bytes_max=3),))
    two = Policy(mounts=(Mount(guest="/a", host="/x", mode="read", bytes_max=5),))
    assert one.tightened(two).mounts == (Mount(guest="/a", host="/x", mode="read", bytes_max=3),)


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match=r"frozen"):
        Policy().languages = frozenset({"python"})


# Files.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "netwrok = []",
            (
                "p.toml: netwrok: unknown key; allowed: description, deterministic, env, images, "
                "languages, limits, mounts, name, network, require_layers, tools"
            ),
        ),
        (
            "[limits]\nwall = 2",
            (
                "p.toml: limits.wall: unknown key; allowed: cpu_s, file_bytes, file_count, grace_s, "
                "host_calls, host_wait_s, memory_bytes, open_files, output_bytes, source_bytes, "
                "value_bytes, value_depth, wall_s"
            ),
        ),
        (
            "[[mounts]]\nguest = '/a'\nhost = '/b'\nx = 1",
            "p.toml: mounts.0.x: unknown key; allowed: bytes_max, guest, host, mode",
        ),
        (
            "[deterministic]\nnow = 1",
            "p.toml: deterministic.now: unknown key; allowed: clock_ns, seed",
        ),
        ("[limits]\nwall_s = -2", "p.toml: limits.wall_s: cannot be -2; allowed: greater than 0"),
        (
            "[limits]\nwall_s = inf",
            "p.toml: limits.wall_s: cannot be inf; allowed: a finite number",
        ),
        (
            "[limits]\nvalue_depth = 2.5\nfile_count = -1",
            "p.toml: limits.value_depth: cannot be 2.5 (and 1 more); allowed: a valid integer",
        ),
        ("languages = 'python'", "p.toml: languages: cannot be 'python'; allowed: a list of names"),
        ("tools = [1]", "p.toml: tools.0: cannot be 1; allowed: a valid string"),
        ("deterministic = 3", "p.toml: deterministic: cannot be 3; allowed: a table"),
        ("mounts = 3", "p.toml: mounts: cannot be 3; allowed: a list of tables"),
        ("[[mounts]]\nguest = '/a'", "p.toml: mounts.0.host: is missing"),
        (
            "[[mounts]]\nguest = '/a'\nhost = '/b/../c'",
            (
                "p.toml: mounts.0.host: cannot be '/b/../c'; allowed: an absolute path without empty "
                "parts, '.' and '..'"
            ),
        ),
        (
            "[[mounts]]\nguest = 'a'\nhost = '/b'",
            "p.toml: mounts.0.guest: cannot be 'a'; allowed: text that matches ^/[^\\x00]*$",
        ),
        (
            "[[mounts]]\nguest = '/a'\nhost = '/b'\nmode = 'rw'",
            "p.toml: mounts.0.mode: cannot be 'rw'; allowed: 'read' or 'write'",
        ),
        (
            "mounts = [{guest = '/a', host = '/b'}, {guest = '/a', host = '/c'}]",
            (
                "p.toml: mounts: cannot be [{'guest': '/a', 'host': '/b'}, {'guest': '/a', 'host': "
                "'/c'}]; allowed: mounts with different guest paths"
            ),
        ),
        (
            "network = ['a.org:99999']",
            "p.toml: network.0: cannot be 'a.org:99999'; allowed: a port between 1 and 65535",
        ),
        (
            "[deterministic]\nseed = 0x" + "f" * 10_000,
            (
                "p.toml: deterministic.seed: cannot be a number of 4300 digits or more; "
                "allowed: less than 18446744073709551616"
            ),
        ),
        ("=", "p.toml: is not TOML: Invalid statement (at line 1, column 1)"),
        ("x = " + "[" * 5000, "p.toml: is nested too deeply"),
    ],
)
def test_a_file_that_is_wrong_is_refused_naming_key_and_reason(text: str, message: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        Policy.parse(text, source="p.toml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "place",
    [
        "a.org",
        "a.org:0",
        "A.org:1",
        "a.org:80:80",
        "*:80",
        "http://a.org:80",
        ":80",
        "a b:1",
        "-:1",
    ],
)
def test_a_place_in_the_network_is_one_host_and_one_port(place: str) -> None:
    with pytest.raises(PolicyInvalid):
        Policy(network=frozenset({place}))


def test_a_policy_made_in_code_is_checked_alike() -> None:
    with pytest.raises(PolicyInvalid, match=r"^policy: laguages: unknown key; allowed: desc"):
        Policy.model_validate({"laguages": ["python"]})


def test_a_policy_is_loaded_by_name_by_path_and_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntools = ["lookup"]\n')
    policy = Policy.load(file)
    assert policy == Policy(name="mine", tools=frozenset({"lookup"}))
    assert Policy.load(str(file)) == policy
    assert Policy.load(policy) is policy
    assert Policy.load("compute").name == "compute"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("computer", "there is no policy of that name"),
        ("..", "there is no policy of that name"),
        ("gone.toml", "cannot be read: No such file or directory"),
        ("./", "cannot be read: Is a directory"),
    ],
)
def test_what_is_not_there_is_refused(source: str, reason: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(source)
    assert (caught.value.source, caught.value.reason) == (source, reason)


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load("computer")
    names = ", ".join(shipped_policies())
    assert caught.value.allowed == f"{names}, or the path of a .toml file"


def test_a_file_that_is_not_text_or_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(PolicyInvalid, match=r"is not UTF-8$"):
        Policy.load(file)
    file.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(PolicyInvalid, match=r"is too large; allowed: 1048576 bytes$"):
        Policy.load(file)


# What is shipped.


def test_the_shipped_policies_are_those_of_the_folder_and_described() -> None:
    assert sorted(shipped_policies()) == sorted(file.stem for file in FOLDER.glob("*.toml"))
    readme = (FOLDER / "README.md").read_text()
    for name in shipped_policies():
        policy = Policy.load(name)
        assert policy.name == name
        assert len(policy.description) > 40
        assert f"| `{name}` |" in readme


def test_the_table_of_shipped_policies_says_what_they_grant() -> None:
    readme = (FOLDER / "README.md").read_text()

    for name in shipped_policies():
        policy = Policy.load(name)
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")][2:]
        languages = {"all that come with dspex" if policy.languages == frozenset(OURS) else None}
        assert cells[0] in languages | {_cell(policy.languages)}
        assert cells[1:] == [_cell(policy.images), _cell(policy.env), _cell(policy.tools)], name
        assert (policy.network, policy.mounts) == (frozenset(), ())


def _cell(granted: frozenset[str]) -> str:
    names = "all" if "*" in granted else ", ".join(f"`{name}`" for name in sorted(granted))
    return names or "none"


def test_under_deny_all_no_language_runs() -> None:
    policy = Policy.load("deny_all")
    assert policy.languages == frozenset()
    with pytest.raises(CapabilityDenied):
        policy.require("language", ["python"])


def test_compute_runs_every_language_with_the_callers_tools_and_nothing_of_the_host() -> None:
    policy = Policy.load("compute")
    assert policy.languages == {
        "javascript", "python", "python-restricted", "rust", "typescript", "wasm"
    }
    assert policy.tools == {"*"}
    assert policy.env == {"LANG", "LC_ALL", "TZ"}
    assert policy.images == {"*"}
    assert (policy.mounts, policy.network) == ((), frozenset())
    everywhere = {"clean_env", "closed_fds", "no_new_privs", "rlimits", "seccomp"}
    assert policy.require_layers == {"process"} | everywhere
    assert policy.limits == Limits()


@pytest.mark.parametrize(
    "name", ["compute", "numeric", "tool_user", "module", "build", "code_interpreter"]
)
def test_a_shipped_policy_requires_only_layers_that_there_are(name: str) -> None:
    assert Policy.load(name).require_layers <= {layer.value for layer in Layer}


def test_build_requires_what_the_others_do_and_grants_less() -> None:
    build, compute = Policy.load("build"), Policy.load("compute")
    assert build.require_layers > compute.require_layers
    assert (build.tools, build.env) == (frozenset(), frozenset())
    assert build.limits.wall_s > Policy.load("numeric").limits.wall_s > compute.limits.wall_s


def test_a_tool_user_waits_long_and_computes_little() -> None:
    limits = Policy.load("tool_user").limits
    assert limits.cpu_s < limits.wall_s / 10
    assert limits.host_calls > Limits().host_calls


def test_a_module_is_bounded_between_compute_and_numeric() -> None:
    compute, module, numeric = (Policy.load(n).limits for n in ("compute", "module", "numeric"))
    assert compute.memory_bytes < module.memory_bytes < numeric.memory_bytes


def test_the_example_in_the_readme_is_a_policy() -> None:
    text = (FOLDER / "README.md").read_text().split("```toml\n")[1].split("```")[0]
    policy = Policy.parse(text)
    assert policy.name == "nightly_report"
    assert policy.deterministic == Deterministic(clock_ns=1_700_000_000_000_000_000, seed=7)


def test_the_schema_file_is_what_the_code_generates() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == policy_schema()


def test_the_module_prints_the_schema_the_same_every_time() -> None:
    for seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-m", "dspex.policy"],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
            cwd=FOLDER.parent,
        ).stdout
        assert printed == (FOLDER / "schema.json").read_text()
