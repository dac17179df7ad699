"""Assembles seccomp filters: from "this call, that verdict" to classic BPF.

Call numbers are found by bisection, so a filter of a hundred calls costs some eight comparisons; the kernel walks every
number through it once when it is armed, which is most of what arming costs. Which calls are allowed is decided
in `dspex.worker.jail.filters`.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from dspex.worker.jail.syscalls import Architecture

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""
Block: TypeAlias = tuple[Instruction, ...]
"""Instructions that end in a verdict whichever way they are left."""

LOAD: Final = 0x20
JUMP: Final = 0x05
IF_EQUAL: Final = 0x15
IF_AT_LEAST: Final = 0x35
IF_ANY_BIT: Final = 0x45
RETURN: Final = 0x06

ALLOWED: Final = 0x7FFF0000
KILLED: Final = 0x80000000
REFUSED: Final = 0x00050000
ASKED: Final = 0x7FC00000

NUMBER_AT: Final = 0
ARCHITECTURE_AT: Final = 4
ARGUMENTS_AT: Final = 16
SELF: Final = 0x7FFFFFFF
"""Stands for the number of the process that arms the filter, put in at the last moment (no pid is that high)."""
INSTRUCTIONS_MAX: Final = 4096
_SHORT_JUMP_MAX: Final = 255
_INSTRUCTION = struct.Struct("=HBBI")


def allow() -> Block:
    """Let the call through."""
    return ((RETURN, 0, 0, ALLOWED),)


def kill() -> Block:
    """End the whole process with SIGSYS: nothing honest makes this call."""
    return ((RETURN, 0, 0, KILLED),)


def refuse(errno: int) -> Block:
    """Fail the call with an error number and let the process go on."""
    return ((RETURN, 0, 0, REFUSED | errno),)


def ask() -> Block:
    """Let whoever holds the filter's other end decide, call by call; without anybody there it fails with ENOSYS."""
    return ((RETURN, 0, 0, ASKED),)


def _low(argument: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument)


def _high(argument: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument + 4)


def if_one_of(argument: int, values: Sequence[int], then: Block, otherwise: Block) -> Block:
    """Compare the low half of an argument: right for the many arguments that the kernel itself cuts to 32 bits."""
    block: Block = otherwise
    for value in reversed(values):
        block = ((IF_EQUAL, 0, len(then), value), *then, *block)
    return (_low(argument), *block)


def if_any_bit(argument: int, mask: int, then: Block, otherwise: Block) -> Block:
    """Test bits in the low half of an argument."""
    return (_low(argument), (IF_ANY_BIT, 0, len(then), mask), *then, *otherwise)


def if_below(argument: int, bound: int, then: Block, otherwise: Block) -> Block:
    """Compare the low half of an argument with a bound."""
    return (_low(argument), (IF_AT_LEAST, len(then), 0, bound), *then, *otherwise)


def if_null(argument: int, then: Block, otherwise: Block) -> Block:
    """Test that a pointer is null, in both halves."""
    inner = (_high(argument), (IF_EQUAL, 0, len(then), 0), *then, *otherwise)
    return (_low(argument), (IF_EQUAL, 0, len(inner), 0), *inner, *otherwise)


def lets_through(block: Block) -> bool:
    """Tell whether any way out of a block allows the call."""
    return (RETURN, 0, 0, ALLOWED) in block


def assemble(architecture: Architecture, verdicts: Mapping[int, Block], otherwise: Block) -> Block:
    """Build a whole filter: architecture, foreign calling convention, then bisection over the numbers.

    Raises:
        ValueError: The filter is longer than the kernel takes.
    """
    segments: list[tuple[int, Block]] = [(0, otherwise)]
    for number in sorted(verdicts):
        if segments[-1][0] == number:
            segments.pop()
        segments += [(number, verdicts[number]), (number + 1, otherwise)]
    if architecture.foreign_from is not None:
        segments.append((architecture.foreign_from, kill()))
    return _program(architecture, segments)


def assemble_over(architecture: Architecture, verdicts: Mapping[int, Block]) -> Block:
    """Build a filter to be armed on top of another that stops every call not given a verdict here.

    Numbers in between get the verdict of a neighbour, whichever: the filter below decides.

    Raises:
        ValueError: The filter is longer than the kernel takes.
    """
    return _program(architecture, [(number, verdicts[number]) for number in sorted(verdicts)])


def _program(architecture: Architecture, segments: Sequence[tuple[int, Block]]) -> Block:
    merged = [segments[0]]
    for start, block in segments[1:]:
        if block != merged[-1][1]:
            merged.append((start, block))
    program = (
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (IF_EQUAL, len(kill()), 0, architecture.audit),
        *kill(),
        (LOAD, 0, 0, NUMBER_AT),
        *_bisected(merged),
    )
    if len(program) > INSTRUCTIONS_MAX:
        message = f"filter: {len(program)} instructions, the kernel takes {INSTRUCTIONS_MAX}"
        raise ValueError(message)
    return program


def _bisected(segments: Sequence[tuple[int, Block]]) -> Block:
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _bisected(segments[:middle]), _bisected(segments[middle:])
    pivot = segments[middle][0]
    if len(below) <= _SHORT_JUMP_MAX:
        return ((IF_AT_LEAST, len(below), 0, pivot), *below, *above)
    return ((IF_AT_LEAST, 0, 1, pivot), (JUMP, 0, 0, len(below)), *below, *above)


def encode(program: Block) -> bytes:
    """Return the bytes that the kernel reads."""
    return b"".join(_INSTRUCTION.pack(*each) for each in program)


def places_of_self(program: Block) -> tuple[int, ...]:
    """Return the byte offsets at which `SELF` is to be replaced by a process number."""
    return tuple(
        _INSTRUCTION.size * at + 4
        for at, (code, _, _, constant) in enumerate(program)
        if code == IF_EQUAL and constant == SELF
    )
