"""Results are kept by key, as long as there is room, and the least used ones go first."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dspex.supervisor.workshop import NotPrepared, Results, Workshop


def test_the_least_recently_used_result_makes_room() -> None:
    results = Results(bytes_max=6)
    results.keep(b"a", b"11")
    results.keep(b"b", b"22")
    results.keep(b"c", b"33")
    assert results.recall(b"a") == b"11"

    results.keep(b"d", b"44")

    kept = {key: results.recall(key) for key in (b"a", b"b", b"c", b"d")}
    assert kept == {b"a": b"11", b"b": None, b"c": b"33", b"d": b"44"}


def test_what_is_larger_than_all_room_is_not_kept_and_displaces_nothing() -> None:
    results = Results(bytes_max=3)
    results.keep(b"a", b"1")

    results.keep(b"b", b"1234")

    assert (results.recall(b"a"), results.recall(b"b")) == (b"1", None)


def test_keeping_again_counts_once() -> None:
    results = Results(bytes_max=4, count_max=2)
    for _ in range(5):
        results.keep(b"a", b"11")
    results.keep(b"b", b"22")
    assert results.recall(b"a") == b"11"

    results.keep(b"c", b"")

    assert results.recall(b"b") is None


def test_a_workshop_keeps_languages_apart_and_is_not_patient_at_first() -> None:
    results, nothing = Results(), cast("Any", None)
    rust, wasm = (
        Workshop(nothing, nothing, results, language=name, grace_s=1.0) for name in ("rust", "wasm")
    )
    rust.keep(b"key", b"data")

    assert (rust.recall(b"key"), wasm.recall(b"key")) == (b"data", None)
    with pytest.raises(NotPrepared):
        rust.enter()
    rust.patient = True
    rust.enter()
