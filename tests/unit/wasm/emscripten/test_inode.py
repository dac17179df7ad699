"""Directories know where they lie."""

from __future__ import annotations

from dspex.wasm.emscripten.inode import Device, DeviceKind, Directory


def chain(*names: bytes) -> list[Directory]:
    made = [Directory(1, 0o755, 0, name=b"", parent=None)]
    for number, name in enumerate(names, 2):
        below = Directory(number, 0o755, 0, name=name, parent=made[-1])
        made[-1].entries[name] = below
        made.append(below)
    return made


def test_depth_and_height_count_directories_above_and_below() -> None:
    made = chain(b"a", b"b", b"c")
    assert [directory.depth for directory in made] == [0, 1, 2, 3]
    assert [directory.height for directory in made] == [3, 2, 1, 0]


def test_a_directory_lies_in_itself_and_in_those_above() -> None:
    top, middle, bottom = chain(b"a", b"b")
    assert bottom.lies_in(top)
    assert bottom.lies_in(bottom)
    assert not middle.lies_in(bottom)
    assert not top.lies_in(middle)


def test_devices_of_different_kinds_have_different_numbers() -> None:
    numbers = {Device(1, 0, kind).device_number for kind in DeviceKind}
    assert len(numbers) == len(DeviceKind)
