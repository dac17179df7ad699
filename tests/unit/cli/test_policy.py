"""`dspex policy` shows what the package knows of policies, and what is wrong with one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import dspex
from dspex.cli.main import cli
from dspex.policy import shipped_policies

if TYPE_CHECKING:
    from pathlib import Path

MINE = """
name = "mine"
description = "For a test."
languages = ["python"]
network = ["example.org:443"]
[[mounts]]
guest = "/data"
host = "/srv/data"
bytes_max = 1_048_576
[deterministic]
seed = 7
[limits]
wall_s = 2.5
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return str(path)


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["policy", *arguments])


def test_the_list_has_every_shipped_policy_with_what_it_is_for():
    done = policy("list")

    assert done.exit_code == 0
    for name in shipped_policies():
        words = dspex.Policy.load(name).description.split()
        assert " ".join([name, *words]) in " ".join(done.stdout.split())


def test_a_policy_is_shown_with_the_defaults_of_what_it_leaves_out(mine: str):
    done = policy("show", mine)

    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:3] == ["mine", "For a test.", ""]
    assert "languages       python" in lines
    assert "tools           none" in lines
    assert "network         example.org:443" in lines
    assert "mount           /data from /srv/data, read, at most 1 MiB" in lines
    assert "deterministic   clock_ns 0, seed 7" in lines
    assert "  wall_s        2.5 s" in lines
    assert "  memory_bytes  256 MiB" in lines


def test_a_policy_shown_as_json_is_that_policy(mine: str):
    shown = json.loads(policy("show", mine, "--json").stdout)

    assert dspex.Policy.model_validate(shown) == dspex.Policy.load(mine)


def test_every_shipped_policy_can_be_shown_and_passes_the_check():
    names = list(shipped_policies())

    assert all(policy("show", name).exit_code == 0 for name in names)
    done = policy("check", *names)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"{name}: policy '{name}' can be used" for name in names]


def test_the_check_goes_on_after_a_policy_that_cannot_be_used(mine: str, tmp_path: Path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[limits]\nwall_s = -1\n")

    done = policy("check", str(wrong), mine)

    assert done.exit_code == 2
    assert done.stdout == f"{mine}: policy 'mine' can be used\n"
    assert done.stderr.startswith(f"{wrong}: limits.wall_s: cannot be -1")


def test_a_check_of_nothing_is_a_usage_error():
    assert policy("check").exit_code == 2
