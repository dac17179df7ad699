"""Run the ordinary programs with a native CPython, to be sure that what they promise is right.

The sandbox is judged by `tests/process/test_ordinary_programs.py`; here the *expectations* are.
`--write` puts what really happened into the headers, for a person to read in the diff.

    python -m tests.programs.check_native [--python PATH] [--write] [PROGRAM ...]
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.expectation import (
    Expectation,
    read_expectation,
    read_value,
    same,
    split_header,
    write_header,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
DRIVER = HERE / "native_driver.py"
PROGRAM_S_MAX = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one native run did."""

    value: object
    value_text: str
    stdout: str
    stderr: str
    raises: Mapping[str, str] | None
    files: Mapping[str, bytes]


def programs() -> list[Path]:
    """Return every program of this folder's subfolders, in a stable order."""
    return sorted(HERE.glob("*/*.py"))


def observe(path: Path, expectation: Expectation, python: str) -> Observation:
    """Run one program natively in an empty directory.

    Args:
        path: The program.
        expectation: What it is given.
        python: The interpreter to run it with.

    Raises:
        RuntimeError: The interpreter itself died, or left no report.
    """
    with tempfile.TemporaryDirectory() as name:
        report, work = Path(name, "report"), Path(name, "work")
        work.mkdir()
        for file_name, content in expectation.given_files().items():
            file = work / file_name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        before = _contents(work)
        done = subprocess.run(
            [
                *(python, "-I", "-X", "utf8", str(DRIVER), str(report), str(path)),
                *(repr(dict(expectation.variables)), *expectation.args),
            ],
            cwd=work,
            env={"PATH": os.environ["PATH"], "TZ": "UTC", **expectation.env},
            input=expectation.stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=PROGRAM_S_MAX,
            check=False,
        )
        if not report.exists():
            message = f"{path.name}: exit {done.returncode}, no report:\n{done.stderr}"
            raise RuntimeError(message)
        value_text, raises = ast.literal_eval(report.read_text(encoding="utf-8"))
        after = _contents(work)
        return Observation(
            value=read_value(value_text),
            value_text=value_text,
            stdout=done.stdout,
            stderr=done.stderr,
            raises=raises,
            files={k: v for k, v in after.items() if before.get(k) != v},
        )


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.is_symlink() and "__pycache__" not in file.parts
    }


def differences(expectation: Expectation, seen: Observation) -> list[str]:
    """Return one line for each respect in which a run was not as expected."""
    found: list[str] = []
    if not same(read_value(expectation.value), seen.value):
        found.append(f"value: {seen.value_text}, expected {expectation.value}")
    for name in ("stdout", "stderr", "raises"):
        got, wanted = getattr(seen, name), getattr(expectation, name)
        if got != wanted:
            found.append(f"{name}: {got!r}\n  expected {wanted!r}")
    wrote = {k: v for k, v in seen.files.items() if k not in expectation.wrote_also}
    wanted_bytes = {name: text.encode() for name, text in expectation.wrote.items()}
    if wrote != wanted_bytes or not set(expectation.wrote_also) <= set(seen.files):
        found.append(f"files: {wrote}\n  expected {wanted_bytes}, {expectation.wrote_also}")
    return found


def rewrite(path: Path, expectation: Expectation, seen: Observation) -> None:
    """Put what was seen into the header of a program."""
    _, body = split_header(path.read_text(encoding="utf-8"))
    header = write_header(
        dataclasses.replace(
            expectation,
            value=seen.value_text,
            stdout=seen.stdout,
            stderr=seen.stderr,
            raises=seen.raises,
            wrote={
                name: content.decode()
                for name, content in seen.files.items()
                if name not in expectation.wrote_also
            },
        )
    )
    path.write_text(f"{header}\n{body}", encoding="utf-8")


def main() -> int:
    """Check (or rewrite) the programs named on the command line; all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--write", action="store_true", help="put what happened in the headers")
    parser.add_argument("programs", nargs="*", type=Path)
    options = parser.parse_args()
    version = subprocess.run(
        [options.python, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    )
    major, minor = map(int, version.stdout.split())
    failed = skipped = 0
    chosen = [path.resolve() for path in options.programs] or programs()
    for path in chosen:
        expectation = read_expectation(path)
        if expectation.sandbox_only or (major, minor) < expectation.since:
            skipped += 1
            continue
        seen = observe(path, expectation, options.python)
        if options.write:
            rewrite(path, expectation, seen)
        elif found := differences(expectation, seen):
            failed += 1
            sys.stdout.write(f"{path.relative_to(HERE)}\n  " + "\n  ".join(found) + "\n")
    sys.stdout.write(
        f"{len(chosen)} programs, {failed} not as expected, {skipped} not for "
        f"a native Python {major}.{minor}\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
