"""The guest's half of the value codec: a program's own classes can only spoil their own value.

What both halves must agree on is in `tests/unit/test_values.py`; this file runs on the host's
Python, and `tests/process` runs the same code in the guest.
"""

import collections
import enum
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dspex.languages.guest import python_values
from dspex.languages.guest.python_values import ValueOverLimit, decode, encode
from dspex.values import decode as host_decode

HERE = __name__


def crossed(value: object) -> tuple[Any, list[str]]:
    data, notes = encode(value, 1_000_000, 50)
    return host_decode(data, bytes_max=1_000_000, depth_max=50), notes


class Lock:
    def __repr__(self) -> str:
        return "<lock>"


class Unshowable:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


class Longwinded:
    def __repr__(self) -> str:
        return "x" * 1_000_000


class ListToTheEye:
    """Says that it is a list; only its real type tells the truth."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return list

    def __repr__(self) -> str:
        return "not a list"


class Liar(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError

    def __len__(self) -> int:
        return 10**9


class Unhashable(type):
    def __hash__(cls) -> int:
        raise RuntimeError


class OfUnhashableType(metaclass=Unhashable):
    def __repr__(self) -> str:
        return "odd"


class PassesForStr(type):
    """Classes that compare equal to `str`, and hash alike."""

    def __hash__(cls) -> int:
        return hash(str)

    def __eq__(cls, other: object) -> bool:
        return True


class NearlyStr(metaclass=PassesForStr):
    def __len__(self) -> int:
        return 1

    def isascii(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "nearly"


@pytest.mark.parametrize(
    ("value", "given", "notes"),
    [
        (Lock(), "<lock>", [f"value: {HERE}.Lock cannot cross, its repr is given"]),
        (
            {"a": [0, (Lock(),)]},
            {"a": [0, ("<lock>",)]},
            [f"value['a'][1][0]: {HERE}.Lock cannot cross, its repr is given"],
        ),
        (
            {b"k": Lock(), Lock: 1},
            {b"k": "<lock>", repr(Lock): 1},
            [
                f"value[b'k']: {HERE}.Lock cannot cross, its repr is given",
                "value.keys(): type cannot cross, its repr is given",
            ],
        ),
        ({...}, {"Ellipsis"}, ["value{}: ellipsis cannot cross, its repr is given"]),
        (ListToTheEye(), "not a list", [f"value: {HERE}.ListToTheEye cannot cross, its repr is "]),
        (Liar(a=1), {"a": 1}, []),
        (
            [OfUnhashableType()],
            "[odd]",
            ["value: list cannot cross, reading it raised RuntimeError, its repr is given"],
        ),
        (["a", NearlyStr()], "['a', nearly]", ["value: list cannot cross, its repr is given"]),
        (
            [Unshowable(ValueError("no"))],
            [f"<{HERE}.Unshowable object>"],
            [f"value[0]: {HERE}.Unshowable cannot cross, its repr raised ValueError"],
        ),
        (
            [Unshowable(SystemExit(3)), 1],
            [f"<{HERE}.Unshowable object>", 1],
            [f"value[0]: {HERE}.Unshowable cannot cross, its repr raised SystemExit"],
        ),
        (
            Longwinded(),
            "x" * 9_999 + "…",
            [
                (
                    f"value: {HERE}.Longwinded cannot cross, its repr is given, "
                    "cut to 10000 of 1000000 characters"
                )
            ],
        ),
    ],
    ids=lambda part: str(type(part).__name__),
)
def test_what_cannot_cross_is_given_as_its_repr_with_a_note(
    value: object, given: object, notes: list[str]
) -> None:
    got, got_notes = crossed(value)
    assert got == given
    assert len(got_notes) == len(notes)
    assert all(map(str.startswith, got_notes, notes))


def test_a_value_that_contains_itself_is_given_up_to_where_it_does() -> None:
    value: list[Any] = [1]
    value.append({"again": value})
    got, notes = crossed(value)
    assert got == [1, {"again": "[1, {'again': [...]}]"}]
    assert notes == ["value[1]['again']: list contains itself, its repr is given"]


def test_a_repr_that_is_no_utf_8_is_escaped() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "\ud800é"

    assert crossed(Odd())[0] == "\\ud800é"


def test_the_notes_are_bounded() -> None:
    got, notes = crossed([Lock() for _ in range(100)])
    assert got == ["<lock>"] * 100
    assert len(notes) == 21
    assert notes[-1] == "80 more did not cross"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_the_deadline_and_the_memory_limit_are_not_swallowed(error: type[BaseException]) -> None:
    with pytest.raises(error):
        crossed([Unshowable(error())])


def test_a_repr_counts_against_the_size_limit() -> None:
    with pytest.raises(ValueOverLimit) as caught:
        encode([Longwinded()] * 200, 1_000_000, 50)
    assert caught.value.limit == "value_bytes"


def test_an_enum_is_its_value_whatever_its_class_does() -> None:
    class Choice(enum.Enum):
        ONE = (1, Decimal("2.50"))

        @property
        def value(self) -> Any:
            raise RuntimeError

    assert crossed({Choice.ONE: Choice.ONE}) == (
        {(1, Decimal("2.50")): (1, Decimal("2.50"))},
        [],
    )


def test_a_class_that_only_claims_to_be_known_is_not_believed() -> None:
    fake = type("Decimal", (), {"__module__": "decimal", "__repr__": lambda _: "fake"})
    assert crossed(fake()) == ("fake", ["value: decimal.Decimal cannot cross, its repr is given"])


def test_a_dataclass_that_raises_is_given_as_its_repr() -> None:
    from dataclasses import dataclass

    @dataclass(repr=False)
    class Odd:
        x: int

        def __getattribute__(self, name: str) -> Any:
            if name == "x":
                raise LookupError
            return object.__getattribute__(self, name)

        def __repr__(self) -> str:
            return "odd"

    odd = object.__new__(Odd)
    assert crossed([odd])[0] == ["odd"]
    assert crossed([odd])[1][0].endswith("reading it raised LookupError, its repr is given")


def test_a_value_changed_by_its_own_parts_is_given_as_its_repr() -> None:
    value: dict[Any, Any] = {}

    class Meddler:
        def __repr__(self) -> str:
            value["new"] = 1
            return "meddler"

    value["m"] = Meddler()
    got, notes = crossed(value)
    assert isinstance(got, str)
    assert notes[-1] == (
        "value: dict cannot cross, reading it raised RuntimeError, its repr is given"
    )


def test_a_fraction_too_long_for_the_host_is_given_as_its_repr() -> None:
    from fractions import Fraction

    got, notes = crossed([Fraction(1, 16**4096), Fraction(1, 16**4095)])
    assert got[1] == Fraction(1, 16**4095)
    assert notes == [
        (
            "value[0]: fractions.Fraction of more than 4096 hexadecimal digits cannot cross, "
            "its repr raised ValueError"
        )
    ]


def test_decoding_needs_no_module_that_the_value_does_not() -> None:
    # A fresh interpreter, because this one has imported everything already.
    file = Path(python_values.__file__)
    program = (
        "import sys, json\n"
        "before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(file.parent)!r})\n"
        f"import {file.stem} as values\n"
        "assert values.decode(values.encode({'a': (1, b'x', 2**80)}, 999, 9)[0])\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    ).stdout
    rare = {"dataclasses", "decimal", "fractions", "numpy", "typing", "uuid", "zoneinfo"}
    assert "datetime" in printed.split()
    assert not rare & set(printed.split())


def test_order_and_counts_of_a_counter_are_kept() -> None:
    counted = collections.Counter("abracadabra")
    assert decode(encode(counted, 1000, 5)[0]) == dict(counted)
    assert list(decode(encode(counted, 1000, 5)[0])) == list("abrcd")
