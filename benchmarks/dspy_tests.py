"""Run DSPy's own tests of its interpreter and of the modules on it, with ours in its place.

    DSPY_CHECKOUT=/path/to/dspy python -m benchmarks.dspy_tests

The checkout is a clone of DSPy's repository at the version that is installed; its tests are run as they
are. `--own` runs them unchanged, with DSPy's interpreter, which needs `deno` on the PATH; what fails
there is no measure of ours and can be left out with `--except`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

FILES = (
    "tests/primitives/test_python_interpreter.py",
    "tests/predict/test_program_of_thought.py",
    "tests/predict/test_code_act.py",
    "tests/predict/test_rlm.py",
    "tests/primitives/test_code_interpreter.py",
    "tests/primitives/test_sandbox_serializable.py",
    "tests/callback/test_interpreter_callback.py",
    "tests/flex",
)
TIMEOUT_S = 1800

_JAVASCRIPT = "the guest's code uses Deno's JavaScript (`import js`, `pyodide.http`), which is not there"
_COMMAND = "Deno's command line, its cache or the search for its binary, of which there are none"
_PROTOCOL = "the JSON-RPC messages to Deno, of which there are none; ours have their own tests"
_PRIVATE = "private methods that write variables as Python text; ours cross as data"
EXPLAINED = {
    "test_enable_net_flag": _JAVASCRIPT,
    "test_interpreter_security_filesystem_access": _JAVASCRIPT,
    "test_default_runner_cannot_read_shared_deno_cache": _JAVASCRIPT,
    "test_guest_prototype_hook_cannot_redirect_tool_wrapper": _JAVASCRIPT,
    "test_no_network_access": _JAVASCRIPT,
    "test_default_runner_starts_offline_from_warm_shared_cache": _COMMAND,
    "test_deno_command_dict_raises_type_error": _COMMAND,
    "test_custom_deno_command_is_unchanged": _COMMAND,
    "test_custom_deno_command_preserves_environment": _COMMAND,
    "test_default_command_uses_managed_deno_for_info_and_run": _COMMAND,
    "test_default_command_revokes_shared_cache_after_startup": _COMMAND,
    "test_rejects_write_paths_overlapping_runtime_files": _COMMAND,
    "test_deno_info_probe_is_bounded": _COMMAND,
    "test_explicit_deno_dir_skips_info_query": _COMMAND,
    "test_enable_read_paths_symlink": _COMMAND,
    "test_protocol_failure_ends_session": _PROTOCOL,
    "test_request_ids_are_128_bit_random_values": _PROTOCOL,
    "test_failed_health_check_ends_session": _PROTOCOL,
    "test_out_of_band_messages_are_skipped_not_consumed_as_responses": _PROTOCOL,
    "test_id_less_protocol_errors_are_terminal": _PROTOCOL,
    "test_unsolicited_error_line_is_not_consumed_as_the_response": _PROTOCOL,
    "test_handle_tool_call_reports_host_exception_before_jsonrpc_conversion": _PROTOCOL,
    "test_json_mode_values_cross_every_host_to_sandbox_path": _PRIVATE,
    "test_json_mode_coercion_preserves_existing_fallbacks": _PRIVATE,
    "test_pydantic_json_values_are_compatible_with_large_variable_injection": _PRIVATE,
    "test_extract_parameters": _PRIVATE,
    "test_extract_parameters_complex_types": _PRIVATE,
    "test_small_variable_not_using_filesystem": _PRIVATE,
    "test_large_variable_threshold_boundary": _PRIVATE,
}
"""Why a test of theirs cannot pass with an interpreter that is not Deno's, by the test's name."""

_ROOT = Path(__file__).parent.parent
_Outcomes = dict[str, dict[str, Any]]


@click.command()
@click.option(
    "--checkout", envvar="DSPY_CHECKOUT", required=True, help="A clone of DSPy's repository.",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--own", is_flag=True, help="Run them with DSPy's own interpreter instead.")
@click.option(
    "--except", "baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A report of --own: what does not pass there is not counted.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Where outcomes go, as JSON.")
@click.argument("arguments", nargs=-1)
def main(
    *, checkout: Path, own: bool, baseline: Path | None, report: Path | None,
    arguments: tuple[str, ...],
) -> None:
    """Run the tests, passing ARGUMENTS on to pytest, and say how many pass and why not the rest."""
    outcomes = _run(checkout, own=own, arguments=arguments)
    if report is not None:
        report.write_text(json.dumps(outcomes, indent=1))
    left_out: set[str] = set()
    if baseline is not None:
        theirs = json.loads(baseline.read_text())
        left_out = {name for name in outcomes if theirs.get(name, {}).get("outcome") != "passed"}
    sys.exit(_tell({n: o for n, o in outcomes.items() if n not in left_out}, len(left_out)))


def _run(checkout: Path, *, own: bool, arguments: tuple[str, ...]) -> _Outcomes:
    files = [name for name in FILES if (checkout / name).exists()]
    with tempfile.TemporaryDirectory() as folder:
        report, programs = Path(folder, "report.json"), Path(folder, "bin")
        path = os.environ["PATH"]
        if not own:
            # Some of their tests are skipped where there is no program of this name.
            programs.mkdir()
            (programs / "deno").write_text("#!/bin/sh\nexit 1\n")
            (programs / "deno").chmod(0o755)
            path = f"{programs}{os.pathsep}{path}"
        env = {
            **os.environ, "PATH": path, "DSPEX_DSPY_REPORT": str(report),
            "DSPEX_DSPY_OWN": "1" if own else "",
            "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise fetched when dspy is imported
        }
        subprocess.run(
            [
                sys.executable, "-m", "pytest", "-p", "benchmarks.dspy_swap", "--deno", "-q",
                "--continue-on-collection-errors", "--tb=no", "-W", "ignore", *files, *arguments,
            ],
            cwd=checkout, env=env, timeout=TIMEOUT_S, check=False,
        )
        outcomes: _Outcomes = json.loads(report.read_text())
    return outcomes


def _tell(outcomes: _Outcomes, left_out: int) -> int:
    """Print the count and the reasons; return 1 if a failure has none."""
    passed = sum(one["outcome"] == "passed" for one in outcomes.values())
    skipped = {name: one for name, one in outcomes.items() if one["outcome"] == "skipped"}
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, one in outcomes.items():
        if one["outcome"] == "failed":
            short = name.rpartition("::")[2].partition("[")[0]
            reasons[EXPLAINED.get(short, "NOT EXPLAINED")].append(name)
    version = importlib.metadata.version("dspy")
    print(f"\ndspy {version}: {passed} of {len(outcomes)} pass; {len(skipped)} skipped")
    if left_out:
        print(f"not counted, as they do not pass with DSPy's own interpreter either: {left_out}")
    for name, one in skipped.items():
        print(f"  skipped {name}: {one['why']}")
    for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        print(f"{len(names)} fail: {reason}")
        for name in names:
            print(f"  {name}")
    return 1 if "NOT EXPLAINED" in reasons else 0


if __name__ == "__main__":
    main()
