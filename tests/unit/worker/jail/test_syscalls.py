"""The table of system call numbers agrees with the kernel's headers, where these are installed."""

import re
from errno import EBADF, EINVAL
from pathlib import Path

import pytest

from dspex.worker.jail.syscalls import NUMBERS, prctl, syscall

X86_64_HEADERS = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"]
GENERIC_HEADER = "/usr/include/asm-generic/unistd.h"


def _read_first(paths: list[str]) -> str:
    for path in map(Path, paths):
        if path.exists():
            return path.read_text()
    pytest.skip(f"no kernel headers at {' or '.join(paths)}")


def test_x86_64_numbers_are_those_of_the_header() -> None:
    text = _read_first(X86_64_HEADERS)
    header = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    highest = max(header.values())
    table = {name: column[0] for name, column in NUMBERS.items()}
    assert {n: v for n, v in table.items() if v is None or v <= highest} == {
        name: header.get(name) for name, v in table.items() if v is None or v <= highest
    }


def test_arm64_numbers_are_those_of_the_generic_header() -> None:
    text = _read_first([GENERIC_HEADER])
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)
    header = {name: int(number) for name, number in found}
    aliases = re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", text)
    header |= {name: header[of] for name, of in aliases if of in header}
    highest = max(number for name, number in header.items() if name != "syscalls")
    table = {name: column[1] for name, column in NUMBERS.items()}
    assert {n: v for n, v in table.items() if v is None or v <= highest} == {
        name: header.get(name) for name, v in table.items() if v is None or v <= highest
    }


def test_no_number_stands_for_two_calls() -> None:
    for column in (0, 1):
        numbers = [row[column] for row in NUMBERS.values() if row[column] is not None]
        assert len(numbers) == len(set(numbers))


def test_a_refused_call_says_which_and_why() -> None:
    with pytest.raises(OSError, match=r"^\[Errno 9\] close: Bad file descriptor$") as caught:
        syscall("close", -1)
    assert caught.value.errno == EBADF
    with pytest.raises(OSError, match=r"^\[Errno 22\] prctl\(65535\): Invalid argument$") as caught:
        prctl(65535)
    assert caught.value.errno == EINVAL
