"""What a program says of its own end is taken as text, whatever it puts there."""

from __future__ import annotations

import pytest

import dspex

LONG = 1_000_000
OWN_TEXT = """
class Text(str):
    def encode(self, *_): raise OSError
    __len__ = encode
class Error(Exception):
    def __str__(self): return Text('lies')
raise Error
"""


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (r"raise ValueError('a\ud800z')", "ValueError", r"a\ud800z"),
        (r"raise SystemExit('\udc80')", "SystemExit", r"\udc80"),
        (
            r"raise ExceptionGroup('\udfff', [ValueError('\ud800')])",
            "ExceptionGroup", r"\udfff (1 sub-exception)",
        ),
        (OWN_TEXT, "Error", "lies"),
    ],
    ids=["surrogate", "exit", "group", "own str"],
)
def test_a_message_that_is_no_text_is_shown_with_backslashes(
    engine: dspex.Engine, code: str, kind: str, message: str
) -> None:
    error = engine.run(code).error

    assert error is not None
    assert (error.type, error.message) == (kind, message)


@pytest.mark.parametrize(
    "code",
    [
        f"raise type('E' * {LONG}, (Exception,), {{}})('x')",
        f"class E(Exception): __module__ = 'E' * {LONG}\nraise E('x')",
        f"class E(Exception): pass\nE.__qualname__ = 'E' * {LONG}\nraise E('x')",
    ],
    ids=["name", "module", "qualified name"],
)
def test_a_name_that_is_too_long_is_cut(engine: dspex.Engine, code: str) -> None:
    error = engine.run(code).error

    assert error is not None
    assert (error.type, error.message) == ("E" * 1000 + "...", "x")
    assert "characters left out" in error.traceback


def test_a_message_of_surrogates_is_cut_after_they_are_written_out(engine: dspex.Engine) -> None:
    error = engine.run(rf"raise ValueError('\ud800' * {LONG})").error

    assert error is not None
    assert error.message.startswith(r"\ud800\ud800")
    assert len(error.message) < 70_000
    assert "characters left out" in error.message
