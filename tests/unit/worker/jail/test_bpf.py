"""The assembler: whatever the verdicts, the filter answers each number with its own."""

from errno import EACCES, EPERM

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.worker.jail import bpf
from dspex.worker.jail.syscalls import ARM64, X86_64
from tests.unit.worker.jail.simulator import verdict

NUMBERS = st.integers(0, 600)
BLOCKS = st.sampled_from(
    [
        bpf.allow(),
        bpf.kill(),
        bpf.refuse(EPERM),
        bpf.if_one_of(0, range(60), bpf.allow(), bpf.refuse(EACCES)),
    ]
)


@given(st.dictionaries(NUMBERS, BLOCKS, max_size=30), NUMBERS)
def test_every_number_gets_its_own_verdict(verdicts: dict[int, bpf.Block], asked: int) -> None:
    program = bpf.assemble(X86_64, verdicts, bpf.refuse(EPERM))
    alone = verdicts.get(asked, bpf.refuse(EPERM))
    assert verdict(program, X86_64.audit, asked) == verdict(alone, X86_64.audit, asked)


@given(st.dictionaries(NUMBERS, BLOCKS, min_size=1, max_size=30))
def test_a_filter_on_top_answers_each_number_it_was_given(verdicts: dict[int, bpf.Block]) -> None:
    program = bpf.assemble_over(ARM64, verdicts)
    for number, block in verdicts.items():
        assert verdict(program, ARM64.audit, number) == verdict(block, ARM64.audit, number)


@given(NUMBERS)
def test_another_machine_and_another_calling_convention_are_death(number: int) -> None:
    program = bpf.assemble(X86_64, {}, bpf.allow())
    assert verdict(program, X86_64.audit, number) == bpf.ALLOWED
    assert verdict(program, ARM64.audit, number) == bpf.KILLED
    assert verdict(program, X86_64.audit, number | 0x40000000) == bpf.KILLED


U64 = st.integers(0, 2**64 - 1)


@given(U64, st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_one_of_looks_at_the_low_half(argument: int, values: list[int]) -> None:
    block = bpf.if_one_of(2, values, bpf.allow(), bpf.kill())
    expected = bpf.ALLOWED if argument & 0xFFFFFFFF in values else bpf.KILLED
    assert verdict(block, 0, 0, (9, 9, argument)) == expected


@given(U64 | st.sampled_from([0, 1 << 32, 1]))
def test_null_looks_at_both_halves(argument: int) -> None:
    block = bpf.if_null(5, bpf.allow(), bpf.kill())
    expected = bpf.KILLED if argument else bpf.ALLOWED
    assert verdict(block, 0, 0, (1, 1, 1, 1, 1, argument)) == expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_bits_and_bounds_are_tested(argument: int, constant: int) -> None:
    bits = bpf.if_any_bit(1, constant, bpf.allow(), bpf.kill())
    assert verdict(bits, 0, 0, (0, argument)) == (
        bpf.ALLOWED if argument & constant else bpf.KILLED
    )
    below = bpf.if_below(1, constant, bpf.allow(), bpf.kill())
    assert verdict(below, 0, 0, (0, argument)) == (
        bpf.ALLOWED if argument < constant else bpf.KILLED
    )


def test_a_filter_too_long_for_the_kernel_is_refused() -> None:
    long = bpf.if_one_of(0, range(200), bpf.allow(), bpf.kill())
    with pytest.raises(ValueError, match=r"^filter: \d+ instructions, the kernel takes 4096$"):
        bpf.assemble(X86_64, dict.fromkeys(range(0, 40, 2), (*long, *long)), bpf.kill())


def test_an_encoded_instruction_is_eight_bytes_and_its_place_is_found() -> None:
    program = bpf.if_one_of(0, (bpf.SELF,), bpf.allow(), bpf.kill())
    encoded = bpf.encode(program)
    assert len(encoded) == 8 * len(program)
    (place,) = bpf.places_of_self(program)
    assert encoded[place : place + 4] == bpf.SELF.to_bytes(4, "little")
