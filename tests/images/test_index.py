"""The Python index that pip is configured for: what is chosen from it, and held to its hash. Nothing is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dspex.runtimes.images.errors import ResolveFailed
from dspex.runtimes.images.lockfile import Package
from dspex.runtimes.images.resolve import fetch, resolve
from dspex.runtimes.images.wheels import read_wheel
from tests.images.making import NATIVE_TAG

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def chosen(index_reached: None) -> dict[str, Package]:
    return {one.name: one for one in resolve(["msgspec", "typing-inspection"])}


def test_native_and_pure_packages_are_chosen_with_what_they_need(chosen: dict[str, Package]) -> None:
    assert sorted(chosen) == ["msgspec", "typing-inspection", "typing_extensions"]
    assert chosen["msgspec"].file == f"msgspec-{chosen['msgspec'].version}-{NATIVE_TAG}.whl"
    assert chosen["typing-inspection"].file.endswith("-py3-none-any.whl")


def test_what_is_fetched_is_what_was_chosen(chosen: dict[str, Package], tmp_path: Path) -> None:
    one = chosen["msgspec"]

    fetch([one], tmp_path)

    wheel = read_wheel(tmp_path / one.file, one.file, one.sha256)
    assert [path for path in wheel.files if path.endswith(".so")] == ["msgspec/_core.cpython-314-wasm32-emscripten.so"]


def test_a_file_of_another_hash_is_not_fetched(chosen: dict[str, Package], tmp_path: Path) -> None:
    one = chosen["msgspec"]
    other = Package(name=one.name, version=one.version, file=one.file, sha256="0" * 64)

    with pytest.raises(ResolveFailed, match="DO NOT MATCH THE HASHES"):
        fetch([other], tmp_path)
    assert not list(tmp_path.glob("*.whl"))


def test_native_packages_that_are_not_there_for_this_platform_are_refused(chosen: dict[str, Package]) -> None:
    with pytest.raises(ResolveFailed, match=r"found no files for Python 3\.14 on pyemscripten_2026_0_wasm32"):
        resolve(["lxml"])
