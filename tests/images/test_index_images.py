"""Images of packages from the Python index that pip is configured for: native, pure and both.

They fetch and build for minutes, so they run with DSPEX_TEST_IMAGES=1 (`make images-test`) only.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import dspex
from dspex import images
from dspex.runtimes.images.errors import ResolveFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "dspex-tests-index"
WITH = [
    "pydantic", "msgspec", "xxhash", "sympy", "networkx", "beautifulsoup4", "python-dateutil", "pyyaml-pure",
    "charset-normalizer", "msgpack",
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not os.environ.get("DSPEX_TEST_IMAGES"), reason="builds large images from an index: make images-test"
    ),
]

PROGRAMS = {
    "pydantic": ("""
from pydantic import BaseModel, Field, ValidationError
class Row(BaseModel):
    n: int = Field(gt=0)
    tags: list[str] = []
try:
    Row(n="-1", tags=3)
except ValidationError as error:
    wrong = [one["type"] for one in error.errors()]
(wrong, Row(n="5", tags=["a"]).model_dump_json(), Row.model_validate_json('{"n": 3}').n)
""", (["greater_than", "list_type"], '{"n":5,"tags":["a"]}', 3)),
    "msgspec": ("""
import msgspec
class Row(msgspec.Struct):
    n: int
try:
    msgspec.json.decode(b'{"n": "x"}', type=Row)
except msgspec.ValidationError as error:
    wrong = str(error)
(wrong, msgspec.json.encode(Row(1)), msgspec.msgpack.decode(msgspec.msgpack.encode([1, "a"])))
""", ("Expected `int`, got `str` - at `$.n`", b'{"n":1}', [1, "a"])),
    "xxhash": ("import xxhash\nxxhash.xxh64(b'abc').hexdigest()", "44bc2cf5ad770999"),
    "sympy": (
        "import sympy\nx = sympy.Symbol('x')\nstr(sympy.integrate(sympy.sin(x) ** 2, x))", "x/2 - sin(x)*cos(x)/2",
    ),
    "networkx": ("import networkx as nx\nnx.shortest_path(nx.cycle_graph(6), 0, 4)", [0, 5, 4]),
    "beautifulsoup4": (
        "from bs4 import BeautifulSoup\nBeautifulSoup('<p>hi <b>you</b></p>', 'html.parser').b.text", "you",
    ),
    "python-dateutil": ("from dateutil import parser\nstr(parser.parse('3 Feb 2024 10:00'))", "2024-02-03 10:00:00"),
    "charset-normalizer": (
        "from charset_normalizer import from_bytes, md\n(from_bytes('Grüße aus Köln'.encode()).best().encoding, md.__file__[-3:])",
        ("utf_8", ".so"),
    ),
    "msgpack": (
        "import msgpack\nfrom msgpack import _cmsgpack\nmsgpack.unpackb(_cmsgpack.Packer().pack({'a': [1, 2.5]}))",
        {"a": [1, 2.5]},
    ),
    "ctypes": ("import ctypes\nctypes.sizeof(ctypes.c_long)", 4),
}


@pytest.fixture(scope="module")
def imaged(index_reached: None) -> Iterator[dspex.Engine]:
    images.build(NAME, WITH, preload=["pydantic.main"])
    with dspex.Engine(policy="compute", languages=[]) as engine:
        yield engine
    images.remove(NAME)


@pytest.mark.parametrize("package", PROGRAMS)
def test_packages_work_as_they_do_natively(imaged: dspex.Engine, package: str) -> None:
    code, expected = PROGRAMS[package]

    assert imaged.run(code, image=NAME).value_or_raise() == expected


def test_a_requirement_that_nothing_fits_is_refused(imaged: dspex.Engine) -> None:
    with pytest.raises(ResolveFailed, match="found no files"):
        images.build("dspex-tests-bad", ["xxhash>=1000"])
    with pytest.raises(ResolveFailed, match="found no files"):
        images.build("dspex-tests-bad", ["lxml"])  # native, and not there for this platform


def test_a_lock_with_another_hash_is_refused(imaged: dspex.Engine, tmp_path: Path) -> None:
    lock = tmp_path / "image.lock.toml"
    locked = images.built()
    (made,) = [one for one in locked if one.name == NAME]
    (package,) = [one for one in made.packages if one.name == "xxhash"]
    from dspex.runtimes.images.lockfile import Lock, Wanted

    wanted = Wanted(requirements=("xxhash",))
    text = Lock(image="dspex-tests-bad", wanted=wanted, packages=(package,)).text()
    lock.write_text(text.replace(package.sha256, "0" * 64))

    with pytest.raises(ResolveFailed, match="HASH"):
        images.build("dspex-tests-bad", ["xxhash"], lock=lock)
