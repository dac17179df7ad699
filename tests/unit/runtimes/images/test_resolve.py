"""What a guest needs is worked out by the guest's own markers, not by those of the interpreter here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dspex.runtimes.images.errors import ResolveFailed
from dspex.runtimes.images.lockfile import Package
from dspex.runtimes.images.pyodide_index import PyodideIndex
from dspex.runtimes.images.resolve import _closure, _file_name, _Found, parse_requirements, resolve
from tests.images.making import put_index, wheel_bytes

if TYPE_CHECKING:
    from pathlib import Path


def found(**requires: tuple[str, ...]) -> dict[str, _Found]:
    return {
        name: _Found(Package(name=name, version="1.5", file=f"{name}.whl", sha256="0" * 64), needs)
        for name, needs in requires.items()
    }


def closure(root: str, packages: dict[str, _Found]) -> tuple[list[str], list[str]]:
    chosen, missing = _closure(parse_requirements([root]), packages, None)
    return sorted(chosen), [str(one) for one in missing]


def test_what_only_this_machine_would_need_is_left_out() -> None:
    packages = found(a=("b; python_version < '3.14'", "c; sys_platform == 'linux'", "d"), b=(), c=(), d=())

    assert closure("a", packages) == (["a", "d"], [])


def test_what_only_the_guest_needs_is_asked_for() -> None:
    packages = found(a=("b>=2; sys_platform == 'emscripten'", "c; python_version >= '3.14'"), b=())

    assert closure("a", packages) == (["a"], ["c", "b>=2"])


def test_extras_bring_their_own() -> None:
    packages = found(a=("b; extra == 'more'", "c; extra == 'other'"), b=(), c=())

    assert closure("a[more]", packages) == (["a", "b"], [])


def test_packages_that_need_each_other_come_once() -> None:
    assert closure("a", found(a=("b",), b=("a",))) == (["a", "b"], [])


@pytest.mark.parametrize("text", ["--index-url=x", "a b c", "", "-r file"])
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(ResolveFailed, match="is not a requirement"):
        parse_requirements([text])


def test_addresses_are_refused() -> None:
    with pytest.raises(ResolveFailed, match="names an address"):
        parse_requirements(["a @ https://example.org/a.whl"])


def test_file_names_come_out_of_addresses() -> None:
    assert _file_name("https://example.org/x/a-1%2B2.whl?y=/z#sha256=3") == "a-1+2.whl"


def test_a_pyodide_index_is_asked_first_and_pip_not_at_all_if_that_is_enough(tmp_path: Path) -> None:
    wheel = wheel_bytes("one", {"one.py": ""})
    index = PyodideIndex(str(put_index(tmp_path / "index", {
        "one": ("one-1.0-py3-none-any.whl", wheel, ["two"]), "two": ("two-2.0-py3-none-any.whl", wheel, []),
    })))

    chosen = resolve(["One>=1"], index)

    assert [(one.name, one.version, one.source) for one in chosen] == [
        ("one", "1.0", "pyodide-lock"), ("two", "2.0", "pyodide-lock"),
    ]
