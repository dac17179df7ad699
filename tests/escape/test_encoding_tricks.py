"""Way out: text that means one thing to the check and another to what follows it.

Source, names, values, output and messages in odd encodings; what is refused is refused exactly, what is
accepted arrives to the letter.
"""

from __future__ import annotations

import json

import pytest

import dspex
from dspex.errors import RequestError
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names

SOURCES = [
    Attempt("confusable name", "ｏｐｅｎ(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("confusable import", "import ｏｓ\nos.system('id')", "ok -1"),
    Attempt("mathematical letters", "𝔬𝔭𝔢𝔫(canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("escapes in a string", "__import__('\\x6f\\163').listdir(canary['folder'])", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY'"),
    Attempt("named characters", "open(canary['folder'] + '\\N{SOLIDUS}secret.txt')", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("bidirectional override", "x = 'a' # \u202e )'elif'[yranac(nepo\nx", "ok 'a'"),
    Attempt("overlong slash", "open(b'..\\xc0\\xaf..\\xc0\\xafetc')", "raised FileNotFoundError: [Errno 44] No such file or directory: b'..\\xc0\\xaf..\\xc0\\xafetc'"),
    Attempt("full-width slash", "open('..\uff0f..\uff0fetc')", "raised FileNotFoundError: [Errno 44] No such file or directory: '..／..／etc'"),
    Attempt("nul in a path", "open(canary['file'] + '\\0.txt')", "raised ValueError: embedded null byte"),
    Attempt("nul in bytes", "import os\nos.stat(canary['file'].encode() + b'\\0')", "raised ValueError: stat: embedded null character in path"),
    Attempt("surrogate in a path", "open('\\udcff' + canary['file'])", "raised FileNotFoundError: [Errno 44] No such file or directory: '\\udcffCANARY/secret.txt'"),
    Attempt("percent encoding", "import urllib.request\nurllib.request.urlopen('file:///%2e%2e/%2e%2e' + canary['file'])", "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: '/../..CANARY/secret.txt'>"),
    Attempt("utf-7 source", "exec('+AG8AcABlAG4-(canary[\"file\"])'.encode().decode('utf-7'))", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("rot13 source", "import codecs\nexec(codecs.decode('vzcbeg wf', 'rot13'))", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("marshalled code", "import marshal\nexec(marshal.loads(marshal.dumps(compile('import js', 'x', 'exec'))))", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("pickled call", "import pickle\npickle.loads(b'cos\\nsystem\\n(S\\'id\\'\\ntR.')", "ok -1"),
    Attempt("codec of one's own", "import codecs\ncodecs.register(lambda n: 1 / 0)\n'x'.encode('mine')", "raised ZeroDivisionError: division by zero"),
    Attempt("line separators", "x = 1\u2028import js", "refused SyntaxError: invalid non-printable character U+2028"),
    Attempt("form feed", "\x0cimport js", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("comment that names a coding", "# coding: utf-7\n+AG8AcABlAG4-(1)", "raised NameError: name 'AG8AcABlAG4' is not defined"),
    Attempt("nested quotes of a format", "f'{open(canary[\"file\"]).read()}'", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("template string", "t'{open(canary[\"file\"]).read()}'", "raised FileNotFoundError: [Errno 44] No such file or directory: 'CANARY/secret.txt'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", SOURCES, ids=names(SOURCES))
def test_writing_it_otherwise_changes_nothing(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


REFUSED = {
    "lone surrogate": ("x = '\ud800'", "program: the source is not text: a lone surrogate at character 5"),
    "not utf-8": (b"x = '\xff'", "the source is not UTF-8: byte 0xff at 5"),
    "overlong": (b"x = '\xc0\xaf'", "the source is not UTF-8: byte 0xc0 at 5"),
    "utf-16": ("x = 1".encode("utf-16-le"), "the source contains a NUL byte at 1"),
    "nul": ("x = 1\0import js", "the source contains a NUL byte at 5"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "message"), REFUSED.values(), ids=REFUSED)
def test_source_that_could_be_read_in_two_ways_is_refused(
    engine: dspex.Engine, canary: Canary, code: str | bytes, message: str,
    the_next_request_works: None,
) -> None:  # fmt: skip
    outcome = engine.run(code)

    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("refused", "GuestRefused")
    assert outcome.error.findings[0].message == message.removeprefix("program: ")
    canary.check()


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "x/\udcff", "é" * 200])
def test_a_file_name_that_is_no_text_is_refused(engine: dspex.Engine, name: str) -> None:
    with pytest.raises(RequestError, match=r"^files: "):
        engine.run("1", files={name: b"x"})


OUTPUTS = {
    "invalid": ("b'\\xff\\xfe'", "\\xff\\xfe"),
    "cut in two": ("b'\\xe2\\x82'", "\\xe2\\x82"),
    "surrogate": ("b'\\xed\\xa0\\x80'", "\\xed\\xa0\\x80"),
    "overlong": ("b'\\xc0\\xaf'", "\\xc0\\xaf"),
    "too high": ("b'\\xf4\\x90\\x80\\x80'", "\\xf4\\x90\\x80\\x80"),
    "nul": ("b'a\\0b'", "a\0b"),
    "terminal": ("b'\\x1b[2J'", "\x1b[2J"),
    "frame of the protocol": ("b'\\x00\\x00\\x00\\x02ok' * 3", "\x00\x00\x00\x02ok" * 3),
    "report": ('b\'{"status":"ok","notes":[]}\\n\'', '{"status":"ok","notes":[]}\n'),
}


@pytest.mark.parametrize(("data", "text"), OUTPUTS.values(), ids=OUTPUTS)
def test_output_is_text_of_the_guest_and_never_part_of_the_protocol(
    attack: Attack, data: str, text: str
) -> None:
    outcome = attack(f"import os\n_ = os.write(1, {data})\n7")

    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", 7, text)
    assert json.loads(outcome.to_json())["stdout"] == text


VALUES = {
    "tag of the codec": ("{'$': ['bytes', 'eA==']}", {"$": ["bytes", "eA=="]}),
    "tag of a set": ("{'$': ['set', [1]]}", {"$": ["set", [1]]}),
    "nested tag": ("[{'$': {'$': ['tuple', []]}}]", [{"$": {"$": ["tuple", []]}}]),
    "dunder keys": ("{'__class__': 'x', '__reduce__': 'os.system'}", {"__class__": "x", "__reduce__": "os.system"}),
    "surrogate": ("'\\ud800x'", "\ud800x"),
    "nul": ("'a\\0b'", "a\0b"),
    "key twice": ("{1: 'a', '1': 'b'}", {1: "a", "1": "b"}),
    "huge number": ("10 ** 4000", 10**4000),
}  # fmt: skip


@pytest.mark.parametrize(("code", "value"), VALUES.values(), ids=VALUES)
def test_a_value_that_looks_like_the_codecs_own_notation_stays_what_it_is(
    attack: Attack, code: str, value: object
) -> None:
    outcome = attack(code)

    assert (outcome.status, outcome.value) == ("ok", value)


def test_messages_with_odd_text_are_shown_and_not_obeyed(attack: Attack, canary: Canary) -> None:
    outcome = attack("raise type('A\\n\\x1b]0;', (Exception,), {})('\\x1b[2J{0}%s\\0')")

    assert ending(outcome, canary) == "raised A\n\x1b]0;: \x1b[2J{0}%s\0"


def test_a_message_that_is_no_text_costs_only_its_own_run(attack: Attack) -> None:
    outcome = attack("raise ValueError('a\\ud800b')")

    assert outcome.error is not None
    assert outcome.error.type in {"ValueError", "ProtocolViolation"}


def test_twin_honest_text_of_all_kinds_arrives_to_the_letter(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    text = "grün \u4f60\u597d \U0001f600 \u202e a\u0301"
    outcome = engine.run(
        f"größe = {text!r}\nprint(größe)\nopen(größe, 'w').write(größe)\n[größe, given, open('é').read()]",
        variables={"given": text},
        files={"é": text},
    )

    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", [text] * 3, text + "\n")
    assert outcome.files == {text: text.encode()}
