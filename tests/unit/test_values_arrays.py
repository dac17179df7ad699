"""numpy arrays and scalars, where both sides have numpy; without it, what is given instead."""

from typing import Any

import pytest

from dspex.errors import ValueNotTransferable
from dspex.languages.guest import python_values as guest
from dspex.values import ValueUndecodable, arrays_here, decode, encode

np = pytest.importorskip("numpy")


def sent(value: Any, *, arrays: bool = False) -> bytes:
    return encode(value, bytes_max=1_000_000, depth_max=50, arrays=arrays)


def received(data: bytes, *, arrays: bool = False) -> Any:
    return decode(data, bytes_max=1_000_000, depth_max=50, arrays=arrays)


ARRAYS = [
    np.arange(6, dtype="<i8").reshape(2, 3),
    np.arange(6, dtype="<f4").reshape(2, 3).T,
    np.array(3.5),
    np.zeros((0, 4), dtype="u1"),
    np.array([np.nan, np.inf, -0.0]),
    np.array([1, 2], dtype=">u2"),
    np.array([True, False]),
    np.array([1 + 2j], dtype="c8"),
    np.array(["a", "ö\U0001f600"]),
    np.array([b"ab", b"c"]),
    np.array(["2024-01-02", "NaT"], dtype="M8[ns]"),
    np.array([5], dtype="m8[D]"),
]


def both_ways(value: Any) -> list[Any]:
    data, notes = guest.encode(value, 1_000_000, 50, arrays=True)
    assert notes == []
    assert sent(value, arrays=True) == data
    return [received(data, arrays=True), guest.decode(data)]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_an_array_keeps_its_dtype_its_shape_and_its_bytes(array: Any) -> None:
    for twin in both_ways(array):
        assert (type(twin), twin.dtype, twin.shape) == (np.ndarray, array.dtype, array.shape)
        assert twin.tobytes() == array.tobytes()
        assert twin.flags.writeable


def test_arrays_cross_inside_other_values() -> None:
    for twin in both_ways({"a": [np.array([1]), (np.array([2]),)]}):
        assert (twin["a"][0][0], twin["a"][1][0][0]) == (1, 2)


@pytest.mark.parametrize(
    "scalar",
    [np.int16(-3), np.uint64(2**64 - 1), np.float32(0.1), np.bool_(True), np.complex64(1j)],
)
def test_a_scalar_keeps_its_type_where_both_sides_have_numpy(scalar: Any) -> None:
    for twin in both_ways(scalar):
        assert (type(twin), twin) == (type(scalar), scalar)


@pytest.mark.parametrize(
    ("scalar", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int16(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
        (np.complex128(1j), 1j),
    ],
    ids=repr,
)
def test_without_numpy_over_there_a_scalar_is_a_plain_number(scalar: Any, plain: Any) -> None:
    data, notes = guest.encode(scalar, 1000, 5)
    assert notes == []
    assert sent(scalar) == data
    twin = received(data)
    assert (type(twin), twin) == (type(plain), plain)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array([object()]), "numpy.ndarray of dtype |O cannot cross"),
        (np.zeros(1, dtype=[("a", "i4")]), "numpy.ndarray of dtype |V4 cannot cross"),
        (np.zeros(1, dtype="g"), f"numpy.ndarray of dtype {np.dtype('g').str} cannot cross"),
        (np.ma.array([1], mask=[True]), "numpy.ma.MaskedArray cannot cross, only plain arrays can"),
    ],
    ids=["object", "struct", "longdouble", "masked"],
)
def test_an_array_that_is_not_plain_data_does_not_cross(value: Any, reason: str) -> None:
    with pytest.raises(ValueNotTransferable) as caught:
        sent(value, arrays=True)
    assert str(caught.value).replace("ma.core", "ma") == f"value: {reason}"
    data, notes = guest.encode(value, 1_000_000, 50, arrays=True)
    assert received(data) == repr(value)
    assert [note.replace("ma.core", "ma") for note in notes] == [
        f"value: {reason}, its repr is given"
    ]


def test_without_numpy_over_there_an_array_does_not_cross() -> None:
    with pytest.raises(ValueNotTransferable, match=r"the guest has no numpy$"):
        sent([np.array([1])])
    data, notes = guest.encode([np.array([1])], 1000, 5)
    assert received(data) == ["array([1])"]
    assert notes == [
        "value[0]: numpy.ndarray cannot cross, the host has no numpy, its repr is given"
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('["|O",[1],"AAAAAAAAAAA="]', "text of another form expected"),
        ('["|V1",[1],"AA=="]', "text of another form expected"),
        ('["<f16",[0],""]', "text of another form expected"),
        ('["i4,O",[0],""]', "text of another form expected"),
        ('["|u1",[2],"AA=="]', "ndarray: shape and data differ"),
        ('["|u1",[-1,-1],"AA=="]', "ndarray: impossible shape"),
        ('["|u1",[true],"AA=="]', "an integer expected"),
        ('["|u1",' + str([1] * 33) + ',"AA=="]', "ndarray: impossible shape"),
        ('["|u1",[0,99999999999999999999],""]', "ndarray: "),
        ('["|b1",[1],"Ag=="]', "array: neither true nor false"),
        ('["<U1",[1],"////fw=="]', "array: no Unicode text"),
        ('["<U9999999",[1],"AAAAAA=="]', "ndarray: shape and data differ"),
    ],
)
def test_bytes_that_are_no_array_are_refused(payload: str, reason: str) -> None:
    with pytest.raises(ValueUndecodable) as caught:
        received(f'{{"$":["ndarray",{payload}]}}'.encode(), arrays=True)
    assert caught.value.reason.startswith(reason)


def test_an_array_counts_against_the_size_limit_before_it_is_written() -> None:
    array = np.zeros(10**6, dtype="u1")
    for attempt in (
        lambda: sent(array, arrays=True),
        lambda: guest.encode(array, 1_000_000, 50, arrays=True),
    ):
        with pytest.raises(ValueError, match=r"^value_bytes: "):
            attempt()


def test_this_side_knows_that_it_has_numpy() -> None:
    assert arrays_here()
