"""An image from files made here: native code linked, data and metadata there, as fresh as any sandbox."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import dspex
from dspex import images
from dspex.cli.main import cli
from dspex.runtimes import prune
from dspex.runtimes.images import assemble, registry
from dspex.runtimes.images.errors import (
    ImageFailed,
    ImageUnknown,
    LinkRefused,
    LockInvalid,
    ResolveFailed,
    WheelRefused,
)
from dspex.runtimes.images.resolve import resolve
from dspex.runtimes.store import CACHE_ENVIRONMENT_NAME, cache_folder
from tests.images.making import NATIVE_TAG, TINY, put_index, sha256, side_module, wheel_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "dspex-tests"
THOROUGH = bool(os.environ.get("DSPEX_TEST_IMAGES"))
SUFFIX = ".cpython-314-wasm32-emscripten.so"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PURE = {
    "plain/__init__.py": (
        "import importlib.resources, random\nfrom plain.later import never\n"
        "drawn = random.Random(7)\ntext = importlib.resources.files('plain').joinpath('data/words.txt').read_text()\n"
    ),
    "plain/later.py": "def never():\n    raise LookupError('in plain.later')\n",
    "plain/lazy.py": "x = 1\n",
    "plain/template.py": "this is {{ no }} Python\n",
    "plain/data/words.txt": "some words",
    "plain/tests/test_plain.py": "assert False\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_index(tmp_path_factory.mktemp("files") / "index", {
        "plain": ("plain-2.5-py3-none-any.whl", wheel_bytes("plain", PURE, "2.5"), ["tiny"]),
        "tiny": (f"tiny-1.0-{NATIVE_TAG}.whl", wheel_bytes("tiny", {f"tiny{SUFFIX}": side_module(TINY)}), []),
    })


@pytest.fixture(scope="module")
def built(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[images.Image]:
    lock = tmp_path_factory.mktemp("lock") / "image.lock.toml"
    made = images.build(
        NAME, ["plain"], pyodide_lock=str(index), lock=lock, warm="import plain\nplain.warmed = plain.drawn.random()"
    )
    assert "plain-2.5-py3-none-any.whl" in lock.read_text()
    assert str(index) not in lock.read_text()
    yield made
    images.remove(NAME)
    with pytest.raises(ImageUnknown):
        images.remove(NAME)


@pytest.fixture(scope="module")
def imaged(built: images.Image) -> Iterator[dspex.Engine]:
    with dspex.Engine(policy="compute", languages=[]) as engine:
        yield engine


def value(engine: dspex.Engine, code: str) -> object:
    outcome = engine.run(code, image=NAME)
    assert outcome.ok, outcome.error
    return outcome.value


def test_native_code_is_linked_into_the_image(imaged: dspex.Engine) -> None:
    assert value(imaged, "import tiny\n(tiny.answer(), tiny.shown(), tiny.__file__)") == (
        42, "None", f"/lib/python3.14/site-packages/tiny{SUFFIX}",
    )


def test_what_was_asked_for_is_imported_already_and_the_rest_is_not(imaged: dspex.Engine) -> None:
    code = "import sys\n[name in sys.modules for name in ('plain', 'plain.later', 'plain.lazy', 'tiny')]"

    assert value(imaged, code) == [True, True, False, False]
    assert value(imaged, "import plain.lazy\nplain.lazy.x") == 1


def test_data_and_metadata_are_there_and_tests_are_not(imaged: dspex.Engine) -> None:
    code = """
import importlib.metadata, os, plain
(plain.text, importlib.metadata.version("plain"), os.path.exists(os.path.dirname(plain.__file__) + "/tests"))
"""
    assert value(imaged, code) == ("some words", "2.5", False)


def test_modules_are_compiled_and_tracebacks_show_their_source(imaged: dspex.Engine) -> None:
    cached = "/lib/python3.14/site-packages/plain/__pycache__/lazy.cpython-314.pyc"

    assert value(imaged, "import os, plain.lazy\nplain.lazy.__spec__.cached, os.path.exists(plain.lazy.__spec__.cached)") == (
        cached, True,
    )
    raised = imaged.run("import plain\nplain.never()", image=NAME)
    assert raised.error is not None
    assert "raise LookupError('in plain.later')" in (raised.error.traceback or "")


def test_what_packages_drew_before_the_snapshot_is_drawn_anew(imaged: dspex.Engine) -> None:
    drawn = [value(imaged, "import plain\nplain.drawn.random()") for _ in range(3)]

    assert len(set(drawn)) == 3
    assert value(imaged, "import plain\nplain.warmed") == value(imaged, "import plain\nplain.warmed")


def test_nothing_that_a_program_changes_outlives_it(imaged: dspex.Engine) -> None:
    assert value(imaged, "import plain\nplain.text = 'mine'\nopen('/tmp/x', 'w').close()\nplain.text") == "mine"
    assert value(imaged, "import os, plain\nplain.text, os.path.exists('/tmp/x')") == ("some words", False)
    outcome = imaged.run("open('/lib/python3.14/site-packages/plain/__init__.py', 'w')", image=NAME)
    assert outcome.error is not None
    assert "Read-only file system" in (outcome.error.message or "")


def test_a_program_cannot_open_native_code_of_its_own(imaged: dspex.Engine) -> None:
    outcome = imaged.run(
        "import tiny, sys\nsys.path.insert(0, '.')\nimport mine", image=NAME,
        files={f"mine{SUFFIX}": side_module(TINY)},
    )
    assert outcome.error is not None
    assert outcome.error.type == "ImportError"


def test_a_policy_grants_images_by_name(built: images.Image) -> None:
    policy = dspex.Policy(name="none", languages=frozenset({"python"}))
    with dspex.Engine(policy=policy, languages=[]) as engine:
        with pytest.raises(dspex.CapabilityDenied):
            engine.run("1", image=NAME)
        with pytest.raises(dspex.CapabilityDenied):
            engine.run("1", image="no-such-image")


def test_an_unknown_image_is_refused_and_the_known_ones_named(imaged: dspex.Engine) -> None:
    with pytest.raises(dspex.RequestError, match=NAME):
        imaged.run("1", image="no-such-image")


def test_building_the_same_again_resolves_and_fetches_nothing(built: images.Image, index: Path, tmp_path: Path) -> None:
    moved = index.rename(tmp_path / "gone")
    try:
        assert built in images.built()
        # The index is not even read: what is locked is here already.
        warm = "import plain\nplain.warmed = plain.drawn.random()"
        assert images.build(NAME, ["plain"], warm=warm).folder == built.folder
    finally:
        moved.rename(index)


def test_the_lock_file_alone_makes_the_same_image(built: images.Image, index: Path, tmp_path: Path) -> None:
    lock = tmp_path / "copied.lock.toml"
    lock.write_text(images.find(NAME).lock)

    again = images.build(NAME, lock=lock)

    assert again == built
    assert lock.read_text() == built.lock


@pytest.mark.skipif(not THOROUGH, reason="builds everything twice: make images-test")
def test_it_is_the_same_to_the_byte_wherever_it_is_made(
    built: images.Image, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_ENVIRONMENT_NAME, str(tmp_path / "cache"))
    lock = tmp_path / "copied.lock.toml"
    lock.write_text(built.lock)

    again = images.build(NAME, lock=lock, pyodide_lock=str(index))

    assert built.folder is not None
    assert again.folder is not None
    assert again.folder.name == built.folder.name  # by a key over all that went in
    for name in ("python.cwasm", "entry.json"):
        assert (again.folder / name).read_bytes() == (built.folder / name).read_bytes(), name


def test_the_command_line_shows_lists_and_runs_it(built: images.Image, tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["image", "show", NAME])
    assert shown.exit_code == 0
    assert shown.stdout.startswith(
        f"{NAME}: plain\n  plain 2.5 (plain-2.5-py3-none-any.whl, from a pyodide-lock index)\n  tiny 1.0 (tiny-1.0-{NATIVE_TAG}.whl"
    )
    assert CliRunner().invoke(cli, ["image", "show", NAME, "--lock"]).stdout == built.lock
    assert f"{NAME}: plain (2 packages, " in CliRunner().invoke(cli, ["image", "list"]).stdout
    program = tmp_path / "program.py"
    program.write_text("import tiny\nprint(tiny.answer())")
    run = CliRunner().invoke(cli, ["run", "--image", NAME, str(program)])
    assert (run.exit_code, run.stdout) == (0, "42\n")


def test_a_session_keeps_what_it_made_of_packages(imaged: dspex.Engine) -> None:
    with imaged.session(image=NAME) as session:
        session.run("import plain, tiny\nplain.text = 'mine'").value_or_raise()
        assert session.run("plain.text, tiny.answer()").value == ("mine", 42)


# What a program cannot do about images.

INSTALL = """
import importlib.util, os, subprocess, sys
found = [name for name in ("pip", "ensurepip", "micropip", "pyodide_js", "setuptools") if importlib.util.find_spec(name)]
refused = []
site = "/lib/python3.14/site-packages"
for attempt in (
    lambda: open(site + "/evil.py", "w"), lambda: os.mkdir(site + "/evil"), lambda: os.remove(site + "/plain/lazy.py"),
    lambda: os.rename(site + "/plain", "/tmp/plain"), lambda: os.symlink("/tmp", site + "/evil"),
    lambda: os.chmod(site, 0o777) or open(site + "/evil.py", "w"),
    lambda: subprocess.run([sys.executable, "-m", "pip", "install", "x"]),
):
    try:
        attempt()
    except OSError as error:
        refused.append(error.errno)
found, len(refused), os.path.exists(site + "/evil.py"), os.path.exists(site + "/plain/lazy.py")
"""


def test_a_program_cannot_install_anything(imaged: dspex.Engine) -> None:
    assert value(imaged, INSTALL) == ([], 7, False, True)
    # Its own modules, in its own folder, for itself, are no installation.
    assert value(imaged, "open('own.py', 'w').write('x = 5')\nimport own\nown.x") == 5
    assert value(imaged, "import importlib.util\nimportlib.util.find_spec('own')") is None


def test_ctypes_measures_and_calls_nothing(imaged: dspex.Engine) -> None:
    own = "import ctypes\nctypes.sizeof(ctypes.c_long), ctypes.c_int.from_address(id(None)).value != 0"

    assert value(imaged, own) == (4, True)
    for attempt in ("ctypes.CDLL(None).getpid()", "ctypes.pythonapi.Py_IsInitialized()"):
        outcome = imaged.run(f"import ctypes\n{attempt}", image=NAME)
        assert (outcome.status, outcome.error and outcome.error.type) == ("raised", "AttributeError"), attempt
    for attempt in ("string_at(0xfffffff0, 8)", "memset(256, 0, 1 << 20)", "CFUNCTYPE(ctypes.c_int)(5)()"):
        outcome = imaged.run(f"import ctypes\nctypes.{attempt}", image=NAME)
        assert (outcome.status, outcome.error and outcome.error.type) == ("lost", "GuestTrapped"), attempt
        assert value(imaged, own) == (4, True)


@pytest.mark.parametrize("name", [
    "../x", f"../images/{NAME}", f"{NAME}/../{NAME}", f"{NAME}.lock.toml", f"./{NAME}", NAME.upper(), f"{NAME}\0", "", "*",
    f"{NAME}-", "/etc",
])
def test_no_other_name_stands_for_an_image(imaged: dspex.Engine, name: str) -> None:
    with pytest.raises(dspex.RequestError):
        imaged.run("1", image=name)
    with pytest.raises(ImageUnknown):
        images.remove(name)
    with pytest.raises(ImageUnknown):
        images.find(name)
    assert value(imaged, "1") == 1


def test_an_image_that_was_replaced_in_the_cache_is_not_loaded(built: images.Image) -> None:
    assert built.folder is not None
    module = built.folder / "python.cwasm"
    true = module.read_bytes()
    module.write_bytes(true[:-1] + bytes([true[-1] ^ 1]))
    try:
        with dspex.Engine(policy="compute", languages=[]) as engine:
            with pytest.raises(dspex.LanguageUnavailable, match="not the file that was built"):
                engine.run("1", image=NAME)
            assert engine.run("1 + 1").value == 2
    finally:
        module.write_bytes(true)
    with dspex.Engine(policy="compute", languages=[]) as engine:
        assert engine.run("1 + 1", image=NAME).value == 2


def test_an_image_whose_record_was_changed_is_not_made_of_something_else(built: images.Image) -> None:
    record = cache_folder() / "images" / f"{NAME}.lock.toml"
    true = record.read_text()
    hashes = [package.sha256 for package in built.packages]
    try:
        with dspex.Engine(policy="compute", languages=[]) as engine:
            record.write_text(true.replace(hashes[0], "0" * 64))
            with pytest.raises(dspex.LanguageUnavailable, match="comes from a pyodide-lock index"):
                engine.run("1", image=NAME)
            record.write_text(true.replace('file = "plain', 'file = "../plain'))
            with pytest.raises(dspex.LanguageUnavailable, match="file: cannot be"):
                engine.run("1", image=NAME)
    finally:
        record.write_text(true)


def test_nothing_is_loaded_from_a_cache_that_others_may_write_to(built: images.Image) -> None:
    assert built.folder is not None
    folder = built.folder.parent
    mode = folder.stat().st_mode
    folder.chmod(0o777)
    try:
        with dspex.Engine(policy="compute", languages=[]) as engine, pytest.raises(
            dspex.LanguageUnavailable, match="it must be yours alone"
        ):
            engine.run("1", image=NAME)
    finally:
        folder.chmod(mode)


def test_pruning_keeps_what_is_current_and_what_it_is_made_of(built: images.Image) -> None:
    portable, compiled = prune.current()

    assert built.folder is not None
    assert built.folder.name in compiled
    assert any(name.startswith(f"python-image-{NAME}-") for name in portable)
    assert not {path.name for path in registry.unused_wheels()} & {
        registry._file(package).name for package in built.packages
    }


# What never becomes an image.


def test_wheels_of_ones_own_come_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip looks there, so the file is chosen, hashed and locked as one of an index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = wheel_bytes("own", {"own.py": "x = 1"}, requires=("helper>=2; sys_platform == 'emscripten'",))
    (tmp_path / "own-1.0-py3-none-any.whl").write_bytes(wheel)
    with pytest.raises(ResolveFailed, match="helper"):
        resolve(["own"], find_links=[str(tmp_path)])
    (tmp_path / "helper-2.0-py3-none-any.whl").write_bytes(wheel_bytes("helper", {"helper.py": ""}, "2.0"))

    chosen = resolve(["own"], find_links=[str(tmp_path)])

    assert [(one.file, one.source) for one in chosen] == [
        ("helper-2.0-py3-none-any.whl", "index"), ("own-1.0-py3-none-any.whl", "index"),
    ]
    assert chosen[1].sha256 == sha256(wheel)


def test_a_tampered_file_is_refused(tmp_path: Path) -> None:
    folder = put_index(tmp_path / "index", {"a": ("a-1.0-py3-none-any.whl", wheel_bytes("a", {"a.py": ""}), [])})
    (folder / "a-1.0-py3-none-any.whl").write_bytes(wheel_bytes("a", {"a.py": "import os"}))

    with pytest.raises(ResolveFailed, match="its SHA-256 is not"):
        images.build("dspex-tests-bad", ["a"], pyodide_lock=str(folder))
    assert "dspex-tests-bad" not in [one.name for one in images.built()]


def test_a_wheel_that_writes_elsewhere_is_refused(tmp_path: Path) -> None:
    wheel = wheel_bytes("a", {"a.py": "", "../../../../tmp/evil.py": "x"})
    folder = put_index(tmp_path / "index", {"a": ("a-1.0-py3-none-any.whl", wheel, [])})

    with pytest.raises(WheelRefused, match="is not a path within it"):
        images.build("dspex-tests-bad", ["a"], pyodide_lock=str(folder))


def test_native_code_that_wants_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    text = '(module (import "env" "emscripten_run_script" (func (param i32))) (import "env" "fork_it" (func)))'
    wheel = wheel_bytes("a", {f"a{SUFFIX}": side_module(text)})
    folder = put_index(tmp_path / "index", {"a": (f"a-1.0-{NATIVE_TAG}.whl", wheel, [])})

    with pytest.raises(LinkRefused, match=r"a\.cpython.*nobody here gives .*env\.fork_it"):
        images.build("dspex-tests-bad", ["a"], pyodide_lock=str(folder))


@pytest.mark.parametrize("name", ["../x", "", "a b", "scientific", "x" * 65])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(LockInvalid):
        images.build(name, ["a"])


LOOPS = '(module (func (export "PyInit_a")) (func $forever (loop $again (br $again))) (start $forever))'


@pytest.mark.skipif(not THOROUGH, reason="takes half a minute: make images-test")
def test_native_code_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_bytes("a", {f"a{SUFFIX}": side_module(LOOPS)})
    folder = put_index(tmp_path / "index", {"a": (f"a-1.0-{NATIVE_TAG}.whl", wheel, [])})
    monkeypatch.setattr(assemble, "STAGE_TIMEOUT_S", 10.0)

    with pytest.raises(ImageFailed, match="took longer than 10 s"):
        images.build("dspex-tests-bad", ["a"], pyodide_lock=str(folder))
