"""From requirements to exact files: pip chooses and fetches, here is checked that nothing is missing.

pip is asked for wheels of the guest's Python and platform, from whatever index it is configured for. But
it evaluates environment markers for the interpreter that it runs in, so what the guest needs is worked out
again from the metadata: too much is dropped, and what is missing is asked for in another round.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.runtimes.images.errors import ExtraMissing, ResolveFailed
from dspex.runtimes.images.lockfile import PACKAGES_MAX, PLATFORM, PYTHON, PYTHON_FULL, Package
from dspex.runtimes.images.wheels import check_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.requirements import Requirement

    from dspex.runtimes.images.pyodide_index import PyodideIndex

PIP_TIMEOUT_S = 600.0
ROUNDS_MAX = 8
_MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": PYTHON_FULL,
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Emscripten",
    "platform_version": "",
    "python_full_version": PYTHON_FULL,
    "python_version": PYTHON,
    "sys_platform": "emscripten",
}
"""The guest, as environment markers see it."""

_TARGET = (
    "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", "--abi", "cp314",
    "--abi", "abi3", "--abi", "none", "--platform", PLATFORM,
)


@dataclass(frozen=True, slots=True)
class _Found:
    package: Package
    requires: tuple[str, ...]


def parse_requirements(texts: Sequence[str]) -> list[Requirement]:
    """Parse what somebody asked for, such as `msgspec` or `pydantic>=2,<3`.

    Raises:
        ResolveFailed: One is not a requirement, or names an address.
        ExtraMissing: The extra `images` is not installed.
    """
    requirements, _, _ = _packaging()
    found = []
    for text in texts:
        try:
            one = requirements.Requirement(text)
        except requirements.InvalidRequirement as error:
            raise ResolveFailed(f"{text!r} is not a requirement: {str(error).splitlines()[0]}") from error
        if one.url:
            raise ResolveFailed(f"{text!r} names an address; only names and versions can be locked")
        found.append(one)
    return found


def resolve(
    texts: Sequence[str], pyodide: PyodideIndex | None = None, find_links: Sequence[str] = ()
) -> list[Package]:
    """Choose the files of an image.

    Args:
        texts: What is asked for.
        pyodide: Where packages are looked up first, if given.
        find_links: Folders of wheels, which pip considers besides its index.

    Returns:
        Packages in the order of their names.

    Raises:
        ResolveFailed: There is none that fits, or no index was reached.
    """
    roots = parse_requirements(texts)
    asked: dict[str, Requirement] = {}
    for one in roots:
        if pyodide is None or not pyodide.has(one):
            asked[str(one)] = one
    for _ in range(ROUNDS_MAX):
        found = _ask_pip(sorted(asked), find_links) if asked else {}
        chosen, missing = _closure(roots, found, pyodide)
        if not missing:
            return [chosen[name] for name in sorted(chosen)]
        asked.update((str(one), one) for one in missing)
    names = ", ".join(str(one) for one in missing)
    raise ResolveFailed(f"pip did not find, in {ROUNDS_MAX} rounds: {names}")


def _closure(
    roots: Sequence[Requirement], found: dict[str, _Found], pyodide: PyodideIndex | None
) -> tuple[dict[str, Package], list[Requirement]]:
    """Return what the guest needs, and what of it is not among what pip has found."""
    requirements, names, _ = _packaging()
    chosen: dict[str, Package] = {}
    missing: list[Requirement] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        name = names.canonicalize_name(one.name)
        if (name, frozenset(one.extras)) in seen:
            continue
        seen.add((name, frozenset(one.extras)))
        if pyodide is not None and pyodide.has(one):
            for package in pyodide.closure(one):
                chosen[names.canonicalize_name(package.name)] = package
            continue
        have = found.get(name)
        if have is None or not one.specifier.contains(have.package.version, prereleases=True):
            missing.append(_plain(one))
            continue
        chosen[name] = have.package
        for text in have.requires:
            further = requirements.Requirement(text)
            marker = further.marker
            if marker is None or any(
                marker.evaluate({**_MARKERS, "extra": extra}) for extra in ("", *one.extras)
            ):
                waiting.append(further)
    if len(chosen) > PACKAGES_MAX:
        raise ResolveFailed(f"{len(chosen)} packages, {PACKAGES_MAX} is the most")
    return chosen, missing


def _plain(one: Requirement) -> Requirement:
    """Return a requirement without its marker, which held."""
    requirements, _, _ = _packaging()
    copy: Requirement = requirements.Requirement(str(one))
    copy.marker = None
    return copy


def _ask_pip(texts: Sequence[str], find_links: Sequence[str]) -> dict[str, _Found]:
    _, names, _ = _packaging()
    with tempfile.TemporaryDirectory(prefix="dspex-pip-") as scratch:
        report = Path(scratch, "report.json")
        _pip([
            "install", "--dry-run", "--ignore-installed", "--report", str(report), "--target", f"{scratch}/none",
            *_TARGET, *_folders(find_links), *texts,
        ])
        told = json.loads(report.read_text())
    found = {}
    for one in told["install"]:
        meta, info = one["metadata"], one["download_info"]
        sha256 = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        file = _file_name(info["url"])
        if not sha256:
            raise ResolveFailed(f"{file}: the index gives no SHA-256 for it")
        check_tags(file)
        package = Package(name=meta["name"], version=meta["version"], file=file, sha256=sha256)
        found[names.canonicalize_name(meta["name"])] = _Found(package, tuple(meta.get("requires_dist", ())))
    return found


def _file_name(address: str) -> str:
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only here

    return unquote(urlsplit(address).path.rpartition("/")[2])


def fetch(packages: Sequence[Package], into: Path, find_links: Sequence[str] = ()) -> None:
    """Have pip fetch files by name, version and hash.

    Args:
        packages: What to fetch.
        into: Folder for it.
        find_links: Folders of wheels, which pip considers besides its index.

    Raises:
        ResolveFailed: It cannot: no index was reached, or a file has another hash.
    """
    lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}" for one in packages]
    wanted = into / "requirements.txt"
    wanted.write_text("\n".join(lines) + "\n")
    _pip([
        "download", "--no-deps", "--require-hashes", "--dest", str(into), *_TARGET, *_folders(find_links),
        "-r", str(wanted),
    ])


def _folders(find_links: Sequence[str]) -> list[str]:
    return [f"--find-links={Path(folder).resolve()}" for folder in find_links]


def _pip(arguments: Sequence[str]) -> None:
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", *arguments,
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResolveFailed(f"pip took longer than {PIP_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise ExtraMissing("pip")
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        said = "\n".join(errors) or done.stderr.strip()[-2000:]
        raise ResolveFailed(f"pip found no files for Python {PYTHON} on {PLATFORM}:\n{said[-2000:]}")


def _packaging() -> tuple[Any, Any, Any]:
    """Return the parts of `packaging` that are used here; it comes with the extra `images`."""
    try:
        from packaging import requirements, specifiers, utils  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ExtraMissing("packaging") from error
    return requirements, utils, specifiers
