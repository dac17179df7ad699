"""Filters of those who may load code, of those who have, and of a compiler."""

from __future__ import annotations

from errno import EPERM

import pytest

from dspex.worker.jail import bpf, filters
from dspex.worker.jail.syscalls import ARM64, NUMBERS, X86_64, Architecture
from tests.unit.worker.jail.simulator import verdict, verdict_of_all

DENIED = bpf.REFUSED | EPERM
READ_WRITE, READ_EXECUTE, ALL = 3, 5, 7
BOTH = pytest.mark.parametrize("architecture", [X86_64, ARM64])


def answer(programs: list[bpf.Block], architecture: Architecture, call: str, *arguments: int) -> int:
    number = NUMBERS[call][architecture.column]
    assert number is not None
    return verdict_of_all(programs, architecture, number, arguments)


@BOTH
def test_code_can_be_loaded_until_a_worker_is_sealed_and_never_be_writable(
    architecture: Architecture,
) -> None:
    worker = [
        filters.zygote(architecture, may_load_code=True),
        filters.worker(architecture, may_load_code=True),
    ]
    sealed = [*worker, filters.sealed(architecture)]

    assert answer(worker, architecture, "mprotect", 0, 0, READ_EXECUTE) == bpf.ALLOWED
    assert answer(worker, architecture, "mprotect", 0, 0, ALL) == DENIED
    assert answer(worker, architecture, "mmap", 0, 0, READ_EXECUTE) == DENIED
    assert answer(worker, architecture, "seccomp", 1, 0, 0) == bpf.ALLOWED
    assert answer(sealed, architecture, "mprotect", 0, 0, READ_EXECUTE) == DENIED
    assert answer(sealed, architecture, "mprotect", 0, 0, READ_WRITE) == bpf.ALLOWED
    assert answer(sealed, architecture, "mmap", 0, 0, READ_WRITE) == bpf.ALLOWED
    assert answer(sealed, architecture, "seccomp", 1, 0, 0) == DENIED
    assert answer(sealed, architecture, "prctl", 65, 1) == DENIED


@BOTH
def test_loading_code_gives_a_worker_nothing_else(architecture: Architecture) -> None:
    usual = [filters.zygote(architecture), filters.worker(architecture)]
    loading = [
        filters.zygote(architecture, may_load_code=True),
        filters.worker(architecture, may_load_code=True),
    ]
    for name, numbers in NUMBERS.items():
        number = numbers[architecture.column]
        if number is None or name in {"mprotect", "seccomp", "prctl"}:
            continue
        for arguments in ((), (1, 2, 3, 4, 5, 6)):
            assert verdict_of_all(loading, architecture, number, arguments) == verdict_of_all(
                usual, architecture, number, arguments
            ), name
    assert answer(usual, architecture, "mprotect", 0, 0, READ_EXECUTE) == DENIED


@BOTH
@pytest.mark.parametrize(
    "call",
    ["socket", "connect", "bind", "ptrace", "mount", "unshare", "setns", "bpf", "io_uring_setup", "memfd_create", "keyctl", "userfaultfd", "reboot", "execveat", "init_module"],
)
def test_a_compiler_can_neither_talk_nor_change_the_machine(
    architecture: Architecture, call: str
) -> None:
    number = NUMBERS[call][architecture.column]
    assert number is not None

    assert verdict(filters.tool(architecture), architecture.audit, number) in {DENIED, bpf.KILLED}


@BOTH
@pytest.mark.parametrize("call", ["openat", "execve", "statx", "getdents64", "unlinkat", "pipe2", "futex"])
def test_a_compiler_can_use_files_and_start_programs(architecture: Architecture, call: str) -> None:
    number = NUMBERS[call][architecture.column]
    assert number is not None

    assert verdict(filters.tool(architecture), architecture.audit, number) == bpf.ALLOWED


@BOTH
def test_a_compilers_processes_get_no_namespaces(architecture: Architecture) -> None:
    tool = [filters.tool(architecture)]

    assert answer(tool, architecture, "clone", 0x003D0F00) == bpf.ALLOWED
    for flag in (0x00020000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(tool, architecture, "clone", flag | 17) == DENIED
