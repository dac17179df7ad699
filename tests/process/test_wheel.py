"""The built wheel works where there is neither a checkout nor Node: a fresh environment, a fresh user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parent.parent.parent
WHEEL_BYTES_MAX = 20_000_000
STEP_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Installed:
    """A fresh environment that holds the wheel and what it depends on."""

    wheel: Path
    bin: Path
    home: Path

    def run(self, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, with nothing else on the path and a home of its own."""
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]], input=given, capture_output=True, text=True,
            timeout=STEP_TIMEOUT_S, check=False, cwd=self.home,
            env={"PATH": str(self.bin), "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
        )


def step(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True,
        timeout=STEP_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"


def a_python_with_pip() -> str:
    """Return this Python or the one it was made from: some environments are filled from outside."""
    for python in (sys.executable, sys._base_executable):
        asked = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return python
    pytest.fail("neither this Python nor its base has pip")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it, as `make wheel` and a user do."""
    top = tmp_path_factory.mktemp("wheel")
    step(sys.executable, "-m", "dspex.cli.main", "runtime", "build", "--into", "build/prebuilt")
    step(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", top, ".")
    (wheel,) = top.glob("*.whl")
    environment, home = top / "environment", top / "home"
    home.mkdir()
    step(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    step(
        a_python_with_pip(), "-m", "pip", "--python", python, "install", "--quiet",
        "--disable-pip-version-check", "--only-binary", ":all:", wheel, cwd=home,
    )
    return Installed(wheel, environment / "bin", home)


def test_the_wheel_holds_the_runtime_the_policies_and_every_licence(installed: Installed):
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())

    prebuilt = "dspex/_resources/prebuilt/python/"
    assert {prebuilt + name for name in ("manifest.json", "python.wasm", "root.bin")} <= names
    assert {"dspex/sandbox_policies/compute.toml", "dspex/sandbox_policies/deny_all.toml"} <= names
    assert any(re.fullmatch(r"dspex-[^/]+\.dist-info/licenses/LICENSE", name) for name in names)
    for licence in (ROOT / "runtimes" / "licences").iterdir():
        assert prebuilt + f"licences/{licence.name}" in names
    shipped = {name.split("/prebuilt/")[1] for name in names if "/prebuilt/" in name}
    assert {name for name in shipped if "/licences/" in name} >= {
        "python/licences/binaryen-LICENSE",
        "javascript/licences/linked-libraries.txt", "javascript/licences/quickjs-wasi-LICENSE",
        "javascript/licences/tzdata-LICENSE.txt",
        "typescript/licences/linked-libraries.txt", "typescript/licences/quickjs-wasi-LICENSE",
        "typescript/licences/sucrase-LICENSE", "typescript/licences/tzdata-LICENSE.txt",
    }
    with zipfile.ZipFile(installed.wheel) as wheel:
        quickjs = wheel.read("dspex/_resources/prebuilt/javascript/licences/linked-libraries.txt").decode()
        python = wheel.read(prebuilt + "licences/linked-libraries.txt").decode()
    assert "Fabrice Bellard" in quickjs
    assert "UNICODE LICENSE V3" in quickjs
    assert "Rich Felker" in python
    assert {name for name in names if name.startswith(("tests/", "benchmarks/"))} == set()


def test_the_wheel_is_of_a_size_that_one_can_download(installed: Installed):
    assert installed.wheel.stat().st_size < WHEEL_BYTES_MAX


def test_the_first_run_compiles_what_the_wheel_brought_and_needs_no_node(installed: Installed):
    status = installed.run("dspex", "runtime", "status").stdout.splitlines()
    python = status.index("python: will be built at the first use")
    assert status[python + 1].startswith("  portable  wheel, ")

    first = installed.run("dspex", "run", "-", given="import sys\nprint(sys.platform, 6 * 7)")

    assert (first.returncode, first.stdout) == (0, "emscripten 42\n"), first.stderr
    assert "compile for this processor" in first.stderr
    again = installed.run("dspex", "run", "-", given="print('again')")
    assert (again.returncode, again.stdout, again.stderr) == (0, "again\n", "")
    status = installed.run("dspex", "runtime", "status").stdout.splitlines()
    python = status.index("python: ready")
    assert status[python + 2].startswith("  compiled  up to date, ")


def test_the_quick_start_of_the_readme_works_as_installed(installed: Installed):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```python\n(.*?)^```\s+```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block

    done = installed.run("python", "-", given=block[1])

    assert (done.returncode, done.stdout) == (0, block[2]), done.stderr


def test_policies_and_doctor_work_as_installed(installed: Installed):
    assert "compute" in installed.run("dspex", "policy", "list").stdout
    doctor = installed.run("dspex", "doctor")

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "seccomp" in doctor.stdout


def test_everything_that_is_imported_comes_from_the_environment(installed: Installed):
    done = installed.run("python", "-c", "import dspex; print(dspex.__file__)")

    assert Path(done.stdout.strip()).is_relative_to(installed.bin.parent)
    assert os.fspath(ROOT) not in done.stdout
