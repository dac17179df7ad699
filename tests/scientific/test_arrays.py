"""numpy's arrays and scalars cross both ways as what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dspex

DTYPES = (
    "?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "<U3", "S3",
    "<M8[D]", "<m8[s]", ">f8",
)  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_comes_back_the_same(value: Callable[..., Any], dtype: str) -> None:
    given = np.arange(6).astype("i8").astype(dtype).reshape(2, 3)
    found = value("type(given).__name__, str(given.dtype), given.shape, given", variables={"given": given})

    assert found[:3] == ("ndarray", str(given.dtype), (2, 3))
    assert found[3].dtype == given.dtype
    np.testing.assert_array_equal(found[3], given)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 2, 3, 4)])
def test_any_shape_crosses(value: Callable[..., Any], shape: tuple[int, ...]) -> None:
    given = np.ones(shape)

    np.testing.assert_array_equal(value("given + 1", variables={"given": given}), given + 1)


def test_an_array_that_is_not_contiguous_crosses_as_its_content(value: Callable[..., Any]) -> None:
    found = value("import numpy as np\nnp.arange(12).reshape(3, 4)[::2, ::-1].T")

    np.testing.assert_array_equal(found, np.arange(12).reshape(3, 4)[::2, ::-1].T)


def test_arrays_cross_inside_other_values_and_scalars_too(value: Callable[..., Any]) -> None:
    given = {"rows": [np.arange(3), {"deep": np.float32(0.5)}]}
    found = value("import numpy as np\n[given, np.int16(5), np.datetime64('2026-01-02')]",
                  variables={"given": given})

    np.testing.assert_array_equal(found[0]["rows"][0], np.arange(3))
    assert (found[0]["rows"][1]["deep"], type(found[0]["rows"][1]["deep"])) == (0.5, np.float32)
    assert (found[1], type(found[1]), found[2]) == (5, np.int16, np.datetime64("2026-01-02"))


@pytest.mark.parametrize(
    "given",
    [np.arange(12).reshape(3, 4)[::2, ::-1], np.asfortranarray(np.ones((2, 3))), np.arange(3).astype(">c16")],
    ids=["strided", "Fortran", "big-endian"],
)
def test_whatever_its_layout_here_the_guest_gets_its_content(
    value: Callable[..., Any], given: np.ndarray[Any, Any]
) -> None:
    kept, contiguous, found = value("[str(given.dtype), given.flags.c_contiguous, given]", variables={"given": given})

    assert (kept, contiguous, found.dtype) == (str(given.dtype), True, given.dtype)
    np.testing.assert_array_equal(found, given)


def test_what_arrives_belongs_to_the_guest_alone(value: Callable[..., Any]) -> None:
    given = np.zeros(3)

    np.testing.assert_array_equal(value("given += 1\ngiven", variables={"given": given}), np.ones(3))
    np.testing.assert_array_equal(given, np.zeros(3))


NEVER = {"structured": "i4,f8", "object": "O", "void": "V4", "long double": "g", "complex long double": "G"}


@pytest.mark.parametrize("dtype", NEVER.values(), ids=NEVER)
def test_what_has_no_portable_layout_is_refused_before_anything_runs(
    run: Callable[..., dspex.Outcome], dtype: str
) -> None:
    given = np.zeros(2, dtype)
    with pytest.raises(dspex.ValueNotTransferable) as caught:
        run("given", variables={"given": given})

    shown = given.dtype.str
    assert str(caught.value) == f"variables['given']: numpy.ndarray of dtype {shown} cannot cross"


@pytest.mark.parametrize(
    ("made", "note"),
    [
        ("np.zeros(2, 'i4,f8')", "numpy.ndarray of dtype |V12 cannot cross"),
        ("np.array([{}], object)", "numpy.ndarray of dtype |O cannot cross"),
        ("np.ones(2, 'g')", "numpy.ndarray of dtype <f16 cannot cross"),
        ("np.array(['a'], np.dtypes.StringDType())", "numpy.ndarray of dtype StringDType() cannot cross"),
        ("np.ma.array([1, 2], mask=[0, 1])", "numpy.ma.MaskedArray cannot cross, only plain arrays can"),
        ("np.matrix([[1]])", "numpy.matrix cannot cross, only plain arrays can"),
        ("np.rec.array([(1, 2.0)], dtype='i4,f8')", "numpy.rec.recarray cannot cross, only plain arrays can"),
    ],
)
def test_what_cannot_come_back_is_given_as_its_repr_with_a_note(
    run: Callable[..., dspex.Outcome], made: str, note: str
) -> None:
    outcome = run(f"import numpy as np\nmade = {made}\nprint(repr(made), end='')\nmade")

    assert outcome.ok, outcome.error
    assert outcome.value == outcome.stdout
    assert outcome.notes == (f"value: {note}, its repr is given",)


def test_its_integers_are_of_32_bits_unless_somebody_says_otherwise(value: Callable[..., Any]) -> None:
    found = value("import numpy as np\n[np.arange(3), np.array([1]), np.array([2**40]), given]",
                  variables={"given": np.arange(3, dtype="i8")})

    assert [one.dtype.str for one in found] == ["<i4", "<i4", "<i8", "<i8"]


def test_a_series_is_given_as_its_repr_with_a_note(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run("import pandas as pd\npd.Series([1, 2])")

    assert outcome.value == "0    1\n1    2\ndtype: int64"
    assert outcome.notes == ("value: pandas.Series cannot cross, its repr is given",)


def test_a_megabyte_crosses_both_ways(value: Callable[..., Any]) -> None:
    given = np.random.default_rng(1).normal(size=(1000, 131))

    np.testing.assert_array_equal(value("given * 2", variables={"given": given}), given * 2)


def test_python_without_the_image_still_refuses_arrays(engine: dspex.Engine) -> None:
    with pytest.raises(dspex.ValueNotTransferable):
        engine.run("given", variables={"given": np.ones(2)})
