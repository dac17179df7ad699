"""Source that is none, or odd: refused with the place and the reason, and the next request works.

What programs do while they run is in `test_bad_programs`, what they consume in `test_appetite`,
hostile values are in `test_bad_values`, wrong arguments of the caller in `test_bad_requests`.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

pytestmark = pytest.mark.usefixtures("the_next_request_works")

OVERRUN_S_MAX = 3.0
"""How much longer than its limit a run may take on a machine that is shared with other work."""


def tight(**limits: Any) -> Policy:
    """Return the usual policy with some limits made stricter."""
    return Policy(name="tight", limits=Limits(**limits), languages=frozenset({"python"}))


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("x = = 1", 1, 5, "invalid syntax"),
        ("for x in y\n    pass", 1, 11, "expected ':'"),
        (
            "print('ok')\nif True:\nprint(1)",
            3,
            1,
            "expected an indented block after 'if' statement on line 2",
        ),
        ("x = (1,\n", 1, 5, "'(' was never closed"),
        ("s = 'abc", 1, 5, "unterminated string literal (detected at line 1)"),
        ("x = 1\n  y = 2", 2, 2, "unexpected indent"),
        ("return 5", 1, 1, "'return' outside function"),
        ("def f():\n    nonlocal x", 2, 5, "no binding for nonlocal 'x' found"),
        ("break", 1, 1, "'break' outside loop"),
        ("print 'hello'", 1, 1, "Missing parentheses in call to 'print'. Did you mean print(...)?"),
        (
            "x = 0777",
            1,
            5,
            (
                "leading zeros in decimal integer literals are not permitted; "
                "use an 0o prefix for octal integers"
            ),
        ),
        ("a b", 1, 3, "invalid syntax"),
        ("f(x for x in y, 1)", 1, 3, "Generator expression must be parenthesized"),
        ("x = 5 €", 1, 7, "invalid character '€' (U+20AC)"),
        ("\u200bx = 1", 1, 1, "invalid non-printable character U+200B"),
        ("if 1:\n\tx\n        y", 3, 1, "inconsistent use of tabs and spaces in indentation"),
        ("if 1:\n    x\n  y", 3, 4, "unindent does not match any outer indentation level"),
    ],
)
def test_source_that_is_no_python_is_refused_with_its_place(
    engine: dspex.Engine, source: str, line: int, column: int, message: str
) -> None:
    outcome = engine.run(source)

    assert (outcome.status, outcome.value, outcome.stdout) == ("refused", None, "")
    assert outcome.error is not None
    assert [(f.line, f.column, f.message) for f in outcome.error.findings] == [
        (line, column, message)
    ]


def test_source_that_is_no_python_is_refused_with_the_exception_that_python_has_for_it(
    engine: dspex.Engine,
) -> None:
    outcomes = [
        engine.run(source) for source in ("x = = 1", "x = 1\n  y = 2", "if 1:\n\tx\n        y")
    ]

    errors = [outcome.error for outcome in outcomes]
    assert [error.type for error in errors if error] == [
        "SyntaxError",
        "IndentationError",
        "TabError",
    ]
    assert 'File "main.py", line 1\n    x = = 1\n        ^\n' in str(
        errors[0] and errors[0].traceback
    )


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("print(1)\nx = 'a\0b'\n", 2, "the source contains a NUL byte at 15"),
        ("x = 1\ny = '\ud800'\n", 2, "the source is not text: a lone surrogate at character 11"),
        (b"x = 1\n# caf\xe9", 2, "the source is not UTF-8: byte 0xe9 at 11"),
        (b"\xff\xfex\0=\0", 1, "the source is not UTF-8: byte 0xff at 0"),
        (b"\x7fELF\x02\x01\x01\0", 1, "the source contains a NUL byte at 7"),
    ],
    ids=ascii,
)
def test_source_that_is_no_text_is_refused_with_its_place(
    engine: dspex.Engine, source: str | bytes, line: int, message: str
) -> None:
    outcome = engine.run(source)

    assert (outcome.status, outcome.stdout) == ("refused", "")
    assert outcome.error is not None
    assert outcome.error.type == "GuestRefused"
    assert [(f.line, f.message) for f in outcome.error.findings] == [(line, message)]


@pytest.mark.parametrize("source", [bytearray(b"x"), None, 5, ["x = 1"]], ids=repr)
def test_source_that_is_neither_text_nor_bytes_is_the_callers_mistake(
    engine: dspex.Engine, source: Any
) -> None:
    wanted = f"code: str or bytes wanted, {type(source).__name__} given"

    with pytest.raises(TypeError, match=wanted):
        engine.run(source)


def test_fifty_megabytes_of_source_are_refused_before_they_travel(engine: dspex.Engine) -> None:
    source = "x = 1\n" * (50 * MIB // 6)
    began = time.monotonic()

    outcome = engine.run(source)

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert [finding.message for finding in outcome.error.findings] == [
        f"source_bytes: {len(source)} given, {10 * MIB} allowed"
    ]
    assert time.monotonic() - began < OVERRUN_S_MAX


def test_the_limit_of_the_source_is_exact(engine: dspex.Engine) -> None:
    policy = tight(source_bytes=100)

    just_fits = engine.run("#" + "é" * 48 + "\n7\n", policy=policy)
    one_more = engine.run("#" + "é" * 48 + "\n77\n", policy=policy)

    assert (just_fits.status, just_fits.value) == ("ok", 7)
    assert one_more.status == "refused"
    assert one_more.error is not None
    assert one_more.error.findings[0].message == "source_bytes: 101 given, 100 allowed"


@pytest.mark.parametrize(
    "source",
    [
        "(" * 50_000 + ")" * 50_000,
        "[" * 10_000,
        "-" * 100_000 + "1",
        "x" + ".a" * 100_000,
        "1" + " + 1" * 100_000,
        "f(" * 5_000 + ")" * 5_000,
        "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 300)) + " " * 300 + "x",
        "lambda: " * 20_000 + "1",
        "not " * 100_000 + "1",
    ],
    ids=lambda source: source[:8],
)
def test_source_that_is_nested_too_deeply_is_refused(engine: dspex.Engine, source: str) -> None:
    outcome = engine.run(source)

    assert outcome.status == "refused"
    assert outcome.error is not None
    assert outcome.error.findings[0].message != ""


def test_odd_source_that_python_accepts_is_accepted(engine: dspex.Engine) -> None:
    programs = {
        "": None,
        "\n\n  \n": None,
        "# only a comment": None,
        "'''only a docstring'''": "only a docstring",
        "x = 1\r\ny = 2\r\nx + y": 3,
        "\x0c\nx = 5\n\x0cx": 5,
        "# -*- coding: latin-1 -*-\n'é'": "é",
        "ｘ = 4\nx": 4,
        "x = 1;": None,
        "x = 2\nx;": 2,
        "1 if True else \\\n2": 1,
        "#!/usr/bin/env python3\n9": 9,
        "\ufeff'byte order mark'": "byte order mark",
        "x = " * 20_000 + "1\nx": 1,
        "if True:\n    8": None,
        "x = [\n" + "1,\n" * 50_000 + "]\nlen(x)": 50_000,
    }

    outcomes = {source: engine.run(source) for source in programs}

    assert {s: (o.status, o.value) for s, o in outcomes.items()} == {
        source: ("ok", value) for source, value in programs.items()
    }
