"""House rules that no linter knows: layers, mirrors, first lines, and what is never committed."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dspex
from dspex.languages import table

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dspex"
GUEST = PACKAGE / "languages" / "guest"
"""Runs inside the sandbox, in another Python; its imports are the guest's."""

TOP_LEVEL = (
    ".ci", "Makefile", "README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md",
    "benchmarks", "docs", "dspex", "examples", "fuzz", "hatch_build.py", "pyproject.toml",
    "requirements", "runtimes", "sandbox_policies", "tests",
)
CACHES = {"__pycache__", "output", ".hypothesis"}

UNIT_TESTS_OF_NO_FILE = {
    "tests/unit/wasm/emscripten/test_like_linux.py": "compares the whole file system with Linux's",
}

PARENT_ONLY = {
    "dspex.supervisor", "dspex.engine", "dspex.session", "dspex.running", "dspex.submission",
    "dspex.async_engine", "dspex.cli",
}
TOO_LARGE_FOR_A_WORKER = {"pydantic", "trio", "psutil", "click", "rich", "filelock"}


def files() -> Iterator[Path]:
    for name in TOP_LEVEL:
        path = ROOT / name
        found = [path] if path.is_file() else path.rglob("*")
        yield from (one for one in found if one.is_file() and not CACHES & set(one.parts))


def modules(top: Path = PACKAGE) -> dict[str, Path]:
    """Return every module of the package that runs on the host, by name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(top.rglob("*.py"))
        if GUEST not in path.parents
    }


@cache
def imported(path: Path, *, typing_too: bool = False) -> frozenset[str]:
    """Return the modules that a file imports anywhere, `a.b` for `from a import b` included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {id(below) for statement in node.body for below in ast.walk(statement)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped and not typing_too:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def layers() -> dict[str, int]:
    """Return the height of each part of the package, from the table in ARCHITECTURE.md."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = re.search(r"^## Layers\n.*?^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert table
    rows = [re.split(r" {2,}", row)[0] for row in table[1].splitlines() if row[:1].strip()]
    return {name: -at for at, row in enumerate(rows) for name in re.findall(r"[\w.]+", row)}


def part(module: str) -> str:
    """Return which part of the package a module is, or belongs to."""
    name = ".".join(module.split(".")[1:])
    own = [one for one in layers() if "." in one and f"{name}.".startswith(f"{one}.")]
    return own[0] if own else name.split(".")[0]


def test_every_part_of_the_package_has_its_place_among_the_layers():
    parts = {part(name) for name in modules()} - {""}

    assert parts == set(layers())


def test_imports_go_down_only():
    height = layers()
    upwards = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in imported(path, typing_too=True)
        if part(name) and other.startswith("dspex.") and part(other) in height
        and height[part(other)] > height[part(name)]
    ]

    assert upwards == []


def test_parts_of_one_layer_do_not_import_each_other():
    height = layers()
    across = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in imported(path, typing_too=True)
        if part(name) and other.startswith("dspex.") and part(other) in height
        and part(other) != part(name) and height[part(other)] == height[part(name)]
    ]

    assert across == []


def test_the_parent_side_never_imports_what_runs_in_workers():
    guilty = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in imported(path, typing_too=True)
        if any(name == one or name.startswith(one + ".") for one in PARENT_ONLY)
        and (other + ".").startswith("dspex.worker.")
    ]

    assert guilty == []


def guests() -> list[str]:
    """Return the modules of the languages that come with dspex: a zygote imports one by name."""
    return [spec.guest.partition(":")[0] for spec in table.OURS.values()]


def test_workers_stay_small_and_know_nothing_of_the_parent():
    known = modules()
    reached = set()
    waiting = [*guests(), *(name for name in known if name.startswith("dspex.worker"))]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [other for other in imported(known[name]) if other in known]
    foreign = {
        f"{name} imports {other}"
        for name in reached
        for other in imported(known[name])
        if other.split(".")[0] in TOO_LARGE_FOR_A_WORKER
    }

    assert "dspex.languages.python" in reached
    assert foreign == set()
    assert {name for name in reached if part(name) in {"supervisor", "engine", "cli"}} == set()


def test_every_file_of_python_says_in_its_first_line_what_it_is_for():
    silent = []
    for path in files():
        if path.suffix != ".py" or ROOT / "tests" / "programs" in path.parents:
            continue
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if not said or said.splitlines()[0][-1] not in ".:?":
            silent.append(str(path.relative_to(ROOT)))

    assert silent == []


def test_every_unit_test_lies_where_the_file_that_it_tests_lies():
    unit = ROOT / "tests" / "unit"
    astray = []
    for path in sorted(unit.rglob("test_*.py")):
        folder = path.relative_to(unit).parent
        home = ROOT / folder if folder.parts[:1] == ("benchmarks",) else PACKAGE / folder
        subject = path.stem.removeprefix("test_")
        names = {one.stem.strip("_") for one in home.glob("*.py")}
        mirrors = any(subject == name or subject.startswith(name + "_") for name in names)
        if not mirrors and str(path.relative_to(ROOT)) not in UNIT_TESTS_OF_NO_FILE:
            astray.append(str(path.relative_to(ROOT)))

    assert astray == []


def test_the_reference_lists_the_public_names_and_no_others():
    page = (ROOT / "docs" / "reference" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[?`(\w+)`", page, re.MULTILINE)

    assert sorted(listed) == sorted(set(dspex.__all__) - {"__version__"})


def test_every_public_name_can_be_imported_and_explains_itself():
    for name in dspex.__all__:
        found = getattr(dspex, name)
        assert name == "__version__" or found.__doc__, name


@pytest.mark.parametrize(
    "pattern",
    [
        r"[p]ypi\.org|[p]ythonhosted|[r]egistry\.npm|[n]pmjs\.",
        r"[^\w.]/work/",
        r"\.venv/lib/python",
    ],
)
def test_no_file_names_a_registry_host_or_a_path_of_one_machine(pattern: str):
    wanted = re.compile(pattern)
    guilty = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if path != Path(__file__) and wanted.search(text):
            guilty.append(str(path.relative_to(ROOT)))

    assert guilty == []


def test_lock_files_hold_hashes_and_no_addresses():
    for name in ("lock.txt", "node.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        assert "--" not in text.replace("--hash=sha256:", "")
        assert text.count("==") > 0
    packages = json.loads((ROOT / "runtimes" / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        if name:
            assert "resolved" not in package, name
            assert package["integrity"].startswith("sha512-"), name


def test_the_locked_packages_are_those_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = project["project"]["optional-dependencies"]["build"]
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"] + build
    locked = (ROOT / "requirements" / "lock.txt").read_text()
    node = (ROOT / "requirements" / "node.in").read_text().strip()

    assert node in build
    for requirement in asked:
        name = re.match(r"[\w-]+", requirement)
        assert name
        assert requirement == node or f"\n{name[0]}==" in "\n" + locked, requirement
