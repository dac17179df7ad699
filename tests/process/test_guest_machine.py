"""Signals, dates and mapped files work in a guest as on a machine."""

from __future__ import annotations

import pytest

import dspex
from dspex.limits import MIB, Limits
from dspex.policy import Policy

HANDLER = """
import os, signal
seen = []
signal.signal(signal.SIG{name}, lambda number, frame: seen.append((number, frame.f_lineno)))
{send}
seen
"""


@pytest.mark.parametrize(
    ("name", "send", "number"),
    [
        ("INT", "signal.raise_signal(signal.SIGINT)", 2),
        ("TERM", "signal.raise_signal(signal.SIGTERM)", 15),
        ("USR1", "os.kill(os.getpid(), signal.SIGUSR1)", 10),
    ],
)
def test_a_signal_that_a_program_sends_itself_is_handled(
    engine: dspex.Engine, name: str, send: str, number: int
) -> None:
    assert engine.run(HANDLER.format(name=name, send=send)).value == [(number, 5)]


def test_an_interrupt_that_a_program_sends_itself_is_an_exception(engine: dspex.Engine) -> None:
    code = (
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    caught = True\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.raise_signal(signal.SIGINT)\ncaught"
    )
    assert engine.run(code).value is True


@pytest.mark.parametrize("function", ["localtime", "gmtime", "ctime"])
def test_a_date_beyond_the_years_of_c_is_refused_as_on_linux(
    engine: dspex.Engine, function: str
) -> None:
    code = f"""
import time
def said(seconds):
    try:
        return str(time.{function}(seconds))
    except Exception as error:
        return type(error).__name__, error.args[-1]
[said(s) for s in (2**62, -2**62, 2**70, 0)]
"""
    large, small, larger, epoch = engine.run(code).value

    assert large == small == ("OSError", "Value too large for defined data type")
    assert larger == ("OverflowError", "timestamp out of range for platform time_t")
    assert "1970" in epoch


def test_the_functions_of_time_are_no_methods_and_can_be_pickled(engine: dspex.Engine) -> None:
    code = (
        "import logging, pickle, time\n"
        "class Formatter(logging.Formatter): converter = time.gmtime\n"
        "record = logging.makeLogRecord({'created': 0, 'msecs': 0})\n"
        "(Formatter('%(asctime)s').format(record), repr(time.gmtime),"
        " pickle.loads(pickle.dumps(time.gmtime)) is time.gmtime)"
    )
    assert engine.run(code).value == ("1970-01-01 00:00:00,000", "<built-in function gmtime>", True)


def test_a_file_can_be_mapped_read_and_changed(engine: dspex.Engine) -> None:
    code = """
import mmap
with open('f', 'w+b') as file:
    file.write(b'0123456789' * 10_000)
    file.flush()
    with mmap.mmap(file.fileno(), 0) as view:
        found = view.find(b'9012'), len(view), view[-1:]
        view[:3] = b'abc'
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        view[:3] = b'xyz'
    with mmap.mmap(file.fileno(), 10, access=mmap.ACCESS_READ) as view:
        found += view[:4],
found
"""
    outcome = engine.run(code)

    assert outcome.value == (9, 100_000, b"9", b"abc3")
    assert outcome.files["f"][:4] == b"abc3"


def test_a_map_for_which_there_is_no_memory_is_a_limit(engine: dspex.Engine) -> None:
    policy = Policy(
        name="small", languages=frozenset({"python"}), limits=Limits(memory_bytes=64 * MIB)
    )
    code = (
        "import mmap\nfile = open('f', 'w+b')\nfile.truncate(40 << 20)\n"
        "[mmap.mmap(file.fileno(), 0) for _ in range(2)]"
    )
    error = engine.run(code, policy=policy).error

    assert error is not None
    assert (error.limit, error.noticed_by) == ("memory_bytes", "inner")


@pytest.mark.parametrize(
    "name", ["_testcapi", "_testinternalcapi", "_xxtestfuzz", "_remote_debugging", "_ctypes"]
)
def test_modules_for_those_who_test_cpython_are_not_there(engine: dspex.Engine, name: str) -> None:
    error = engine.run(f"import {name}").error

    assert error is not None
    assert (error.type, error.message) == ("ModuleNotFoundError", f"No module named '{name}'")


def test_what_a_program_allocates_lies_together(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "made = [bytes(n) for n in range(200)]\n"
        "import sys\n"
        "len({id(one) // 4096 for one in made}), sum(map(sys.getsizeof, made)) / 4096"
    )

    pages, least = outcome.value
    assert least < pages < 4 * least
