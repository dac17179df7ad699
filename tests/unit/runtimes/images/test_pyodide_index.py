"""Indexes in the form of pyodide-lock.json are used only as far as their hashes reach."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest

from dspex.runtimes.images.errors import ResolveFailed, WheelRefused
from dspex.runtimes.images.pyodide_index import PyodideIndex
from dspex.runtimes.images.resolve import parse_requirements
from tests.images.making import put_index, wheel_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHEEL = wheel_bytes("one", {"one.py": "x = 1"})
FILE = "one-1.0-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put_index(tmp_path / "index", {"one": (FILE, WHEEL, [])})


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / "pyodide-lock.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


ONE = parse_requirements(["one"])[0]


def test_a_package_is_found_and_fetched(folder: Path, tmp_path: Path) -> None:
    index = PyodideIndex(str(folder))
    (package,) = index.closure(ONE)

    assert index.has(ONE)
    assert not index.has(parse_requirements(["one>=2"])[0])
    assert index.fetch(package, tmp_path).read_bytes() == WHEEL


def test_a_file_that_was_tampered_with_is_refused(folder: Path, tmp_path: Path) -> None:
    index = PyodideIndex(str(folder / "pyodide-lock.json"))
    (package,) = index.closure(ONE)
    (folder / FILE).write_bytes(wheel_bytes("one", {"one.py": "x = 2"}))

    with pytest.raises(ResolveFailed, match="its SHA-256 is not"):
        index.fetch(package, tmp_path)


def test_a_file_that_does_not_lie_beside_the_index_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.whl").write_bytes(WHEEL)
    edit(folder, lambda content: content["packages"]["one"].update(file_name="../secret.whl"))
    index = PyodideIndex(str(folder))

    with pytest.raises(WheelRefused, match="is not named like a wheel"):
        index.closure(ONE)
    edit(folder, lambda content: content["packages"]["one"].update(file_name=f"../{FILE}"))
    index = PyodideIndex(str(folder))
    (package,) = index.closure(ONE)
    with pytest.raises(ResolveFailed, match="does not lie beside it"):
        index.fetch(package, tmp_path)


@pytest.mark.parametrize(("change", "reason"), [
    (lambda c: c["info"].update(python="3.13.2"), "is for Python 3.13.2"),
    (lambda c: c["info"].update(abi_version="2025_0"), "ABI 2025_0"),
    (lambda c: c.pop("info"), "is no pyodide-lock"),
])
def test_an_index_for_another_python_is_refused(
    folder: Path, change: Callable[[Any], object], reason: str
) -> None:
    edit(folder, change)

    with pytest.raises(ResolveFailed, match=reason):
        PyodideIndex(str(folder))


@pytest.mark.parametrize(("update", "reason"), [
    ({"sha256": ""}, "one has no hash"),
    ({"depends": ["absent"]}, "absent is needed and not there"),
    ({"package_type": "cpython_module"}, "is a cpython_module"),
])
def test_a_package_that_cannot_be_used_is_refused(folder: Path, update: dict[str, Any], reason: str) -> None:
    edit(folder, lambda content: content["packages"]["one"].update(update))

    with pytest.raises(ResolveFailed, match=reason):
        PyodideIndex(str(folder)).closure(ONE)


@pytest.mark.parametrize("place", ["http://example.org/lock", "ftp://example.org", "file:///etc"])
def test_addresses_without_encryption_are_refused(place: str) -> None:
    with pytest.raises(ResolveFailed, match="https:// is wanted"):
        PyodideIndex(place)


def test_an_index_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResolveFailed, match="cannot be read"):
        PyodideIndex(str(tmp_path / "nowhere.json"))


class _Site:
    """A folder served over HTTP; what `moved` names is elsewhere."""

    def __init__(self, folder: Path, host: str, moved: dict[str, str]) -> None:
        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path in moved:
                    self.send_response(302)
                    self.send_header("Location", moved[self.path])
                    self.end_headers()
                else:
                    super().do_GET()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        self._server = ThreadingHTTPServer((host, 0), partial(Handler, directory=str(folder)))
        self.address = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_an_index_at_an_address_is_read_and_its_files_are_checked(folder: Path, tmp_path: Path) -> None:
    with _Site(folder, "127.0.0.1", {}) as site:
        index = PyodideIndex(site.address)
        (package,) = index.closure(ONE)
        assert index.fetch(package, tmp_path).read_bytes() == (folder / FILE).read_bytes()

        (folder / FILE).write_bytes(b"another")
        with pytest.raises(ResolveFailed, match="its SHA-256 is not"):
            index.fetch(package, tmp_path)
        with pytest.raises(ResolveFailed, match="cannot be read"):
            PyodideIndex(f"{site.address}/no-such")


def test_an_address_that_leads_to_one_without_encryption_is_refused(folder: Path) -> None:
    """Only this machine's own may go without."""
    moved: dict[str, str] = {}
    with _Site(folder, "127.0.0.2", {}) as elsewhere, _Site(folder, "127.0.0.1", moved) as site:
        moved["/pyodide-lock.json"] = f"{site.address}/./pyodide-lock.json"
        assert PyodideIndex(site.address).closure(ONE)
        moved["/pyodide-lock.json"] = f"{elsewhere.address}/pyodide-lock.json"
        with pytest.raises(ResolveFailed, match="https:// is wanted"):
            PyodideIndex(site.address)
