"""The ruleset grows with the kernel's version and never asks for more than that version knows."""

import struct

import pytest

from dspex.worker.jail.landlock import ruleset

ALL_FILES_V5 = 0xFFFF


@pytest.mark.parametrize(
    ("abi", "fields"),
    [
        (1, (0x1FFF,)),
        (2, (0x3FFF,)),
        (3, (0x7FFF,)),
        (4, (0x7FFF, 3)),
        (5, (ALL_FILES_V5, 3)),
        (6, (ALL_FILES_V5, 3, 3)),
        (7, (ALL_FILES_V5, 3, 3)),
        (12, (ALL_FILES_V5, 3, 3)),
    ],
)
def test_each_version_denies_all_it_can(abi: int, fields: tuple[int, ...]) -> None:
    assert ruleset(abi) == struct.pack(f"={len(fields)}Q", *fields)
