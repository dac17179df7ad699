"""What a tool said is cut down to what may be published."""

from __future__ import annotations

import pytest

from benchmarks.environments import publishable


@pytest.mark.parametrize(
    ("said", "published"),
    [
        ("", "no message"),
        ("one\ntwo\n", "two"),
        (
            "ERROR: No matching distribution found for x==9\n\n[notice] try https://h/p\n",
            "ERROR: No matching distribution found for x==9",
        ),
        ("OSError: [Errno 2] No such file: '/home/me/bin/python'", "OSError: [Errno 2] "),
        ("Error: could not reach https://me:secret@host/simple/x", "Error: could not reach ..."),
    ],
)
def test_the_line_with_the_error_is_kept_without_addresses(said: str, published: str) -> None:
    assert publishable(said).startswith(published)
    assert "/home" not in publishable(said)
    assert "://" not in publishable(said)


def test_a_long_message_is_cut() -> None:
    assert len(publishable("error " + "x" * 1000)) == 200
