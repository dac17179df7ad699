"""`dspex doctor` reports what it finds, without loading what runs in workers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from dspex.cli import doctor as doctor_module
from dspex.cli.doctor import LayerRow, ProbeFailedError
from dspex.cli.main import cli
from dspex.runtimes import locate
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    LayerRow("seccomp", True, "", 463.2, "All calls are open.", "Use another kernel."),
    LayerRow("landlock", False, "[Errno 38] not there", 3.0, "Files are open.", "Use lsm=landlock."),
)


def test_the_table_says_what_a_missing_layer_means_and_what_to_change(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(doctor_module, "probe_layers", lambda: ROWS)

    done = CliRunner().invoke(cli, ["doctor"])

    assert done.exit_code == 0, done.output
    assert "463 µs" in done.stdout
    for text in ("Files are open.", "why: [Errno 38] not there", "to change it: Use lsm=landlock."):
        assert text in done.stdout
    assert "Use another kernel." not in done.stdout
    assert "1 of 2 layers can be armed here" in done.stdout


def test_the_findings_as_json_hold_every_layer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor_module, "probe_layers", lambda: ROWS)

    found = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)

    assert [row["layer"] for row in found["layers"]] == ["seccomp", "landlock"]
    assert {fact["name"] for fact in found["facts"]} >= {"dspex", "platform", "wasmtime", "cache"}


def test_another_platform_is_named_and_ends_with_1(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locate.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(doctor_module, "probe_layers", tuple)

    done = CliRunner().invoke(cli, ["doctor", "--json"])

    assert done.exit_code == 1
    facts = {fact["name"]: fact for fact in json.loads(done.stdout)["facts"]}
    assert facts["platform"]["fine"] is False
    assert "riscv64" in facts["platform"]["said"]


@pytest.mark.parametrize("kind", ["file", "below a file", "open to all"])
def test_a_cache_that_cannot_be_used_is_a_finding(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "place"
    if kind == "open to all":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.touch()
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(place / ("below" if kind == "below a file" else "")))
    monkeypatch.setattr(doctor_module, "probe_layers", tuple)

    done = CliRunner().invoke(cli, ["doctor", "--json"])

    assert done.exit_code == 1
    facts = {fact["name"]: fact for fact in json.loads(done.stdout)["facts"]}
    assert facts["cache"]["fine"] is False
    said = "anybody may rename" if kind == "open to all" else f"{place} is not a folder"
    assert said in facts["cache"]["said"]


def test_a_cache_that_is_not_there_yet_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(doctor_module, "probe_layers", tuple)

    facts = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)["facts"]

    assert {"name": "cache", "fine": True, "said": str(tmp_path / "not" / "yet"), "optional": False} in facts


def test_a_probe_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise ProbeFailedError("the probe ended with status 1 and said: nothing")

    monkeypatch.setattr(doctor_module, "probe_layers", fail)

    done = CliRunner().invoke(cli, ["doctor"])

    assert done.exit_code == 1
    assert "the probe ended with status 1" in done.stdout


def test_the_real_probe_reports_each_layer_once():
    rows = doctor_module.probe_layers()

    names = [row.layer for row in rows]
    assert len(names) == len(set(names))
    assert {"seccomp", "landlock", "no_new_privs", "rlimits"} <= set(names)
    assert all(row.absence and row.remedy and row.cost_us >= 0 for row in rows)
    assert all(row.reason for row in rows if not row.available)


def test_the_doctor_loads_nothing_that_runs_in_workers():
    program = (
        "import sys\n"
        "from dspex.cli.doctor import probe_layers\n"
        "assert probe_layers()\n"
        "sys.exit(', '.join(n for n in sys.modules if n.startswith('dspex.worker')) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("program", "said"),
    [("raise SystemExit('no kernel')", "status 1 and said: no kernel"), ("1/0", "ZeroDivision")],
)
def test_a_probe_that_ends_early_raises_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, program: str, said: str
):
    monkeypatch.setattr(doctor_module, "_PROBE", program)

    with pytest.raises(ProbeFailedError, match=said):
        doctor_module.probe_layers()
