"""Runs a seccomp filter as the kernel would, one instruction after another."""

import struct
from collections.abc import Sequence

from dspex.worker.jail import bpf
from dspex.worker.jail.syscalls import Architecture

_RANK = {bpf.KILLED: 0, bpf.REFUSED: 1, bpf.ASKED: 2, bpf.ALLOWED: 3}
_ACTION = 0xFFFF0000


def verdict(program: bpf.Block, audit: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Return what a filter answers to one call."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, audit, 0, *(each & (2**64 - 1) for each in padded))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code == bpf.RETURN:
            return constant
        if code == bpf.LOAD:
            (accumulator,) = struct.unpack_from("=I", data, constant)
        elif code == bpf.JUMP:
            at += constant
        elif code == bpf.IF_EQUAL:
            at += if_true if accumulator == constant else if_false
        elif code == bpf.IF_AT_LEAST:
            at += if_true if accumulator >= constant else if_false
        elif code == bpf.IF_ANY_BIT:
            at += if_true if accumulator & constant else if_false
        else:
            message = f"no such instruction: {code:#x}"
            raise AssertionError(message)


def verdict_of_all(
    programs: Sequence[bpf.Block],
    architecture: Architecture,
    number: int,
    arguments: Sequence[int] = (),
) -> int:
    """Return what filters armed one after another answer together: the strictest, the latest among equals."""
    answers = [verdict(each, architecture.audit, number, arguments) for each in programs]
    return min(reversed(answers), key=lambda answer: _RANK[answer & _ACTION])
