"""Whatever object a program ends with, the host gets plain data, and a note where that is less.

The codec itself is tested in `tests/unit`; here the objects are made by real programs in real
sandboxes, and whatever their methods do, the run ends well and the next one works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dspex.limits import MIB, Limits
from dspex.policy import Policy
from tests.programs.expectation import same

if TYPE_CHECKING:
    import dspex

DEPTH = Limits().value_depth


pytestmark = pytest.mark.usefixtures("the_next_request_works")


@pytest.mark.parametrize(
    ("code", "value", "note"),
    [
        (
            "x = [1]\nx.append(x)\nx",
            [1, "[1, [...]]"],
            "value[1]: list contains itself, its repr is given",
        ),
        (
            "x = {}\nx['me'] = x\nx",
            {"me": "{'me': {...}}"},
            "value['me']: dict contains itself, its repr is given",
        ),
        ("lambda: 0\nint", "<class 'int'>", "value: type cannot cross, its repr is given"),
        ("...", "Ellipsis", "value: ellipsis cannot cross, its repr is given"),
        ("ValueError('x')", "ValueError('x')", "value: ValueError cannot cross, its repr is given"),
        ("slice(1, 2)", "slice(1, 2, None)", "value: slice cannot cross, its repr is given"),
        (
            "import math\nmath",
            "<module 'math' (built-in)>",
            "value: module cannot cross, its repr is given",
        ),
        (
            "from pathlib import Path\n{'at': Path('a')}",
            {"at": "PosixPath('a')"},
            "value['at']: pathlib.PosixPath cannot cross, its repr is given",
        ),
        (
            "from collections import deque\ndeque([1, 2])",
            "deque([1, 2])",
            "value: collections.deque cannot cross, its repr is given",
        ),
        (
            "import types\ntypes.MappingProxyType({'a': 1})",
            "mappingproxy({'a': 1})",
            "value: mappingproxy cannot cross, its repr is given",
        ),
        (
            "class A:\n    def __repr__(self): raise OSError('no')\nA()",
            "<A object>",
            "value: A cannot cross, its repr raised OSError",
        ),
        (
            "class A:\n    def __repr__(self): return 5\nA()",
            "<A object>",
            "value: A cannot cross, its repr raised TypeError",
        ),
        (
            "class A:\n    def __repr__(self): return repr(self)\nA()",
            "<A object>",
            "value: A cannot cross, its repr raised RecursionError",
        ),
        (
            "class A:\n    def __repr__(self): raise SystemExit(0)\nA()",
            "<A object>",
            "value: A cannot cross, its repr raised SystemExit",
        ),
        (
            "class A:\n    def __repr__(self): return 'x' * 10**6\nA()",
            "x" * 9_999 + "…",
            "value: A cannot cross, its repr is given, cut to 10000 of 1000000 characters",
        ),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) else "",
)
def test_what_is_no_data_comes_as_its_repr_with_a_note(
    engine: dspex.Engine, code: str, value: object, note: str
) -> None:
    outcome = engine.run(code)

    assert outcome.status == "ok"
    assert outcome.value == value
    assert outcome.notes == (note,)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("(n for n in range(3))", "generator"),
        ("iter([1])", "list_iterator"),
        ("lambda: 0", "function"),
        ("object()", "object"),
        ("memoryview(b'abc')", "memoryview"),
        ("open('f', 'w')", "_io.TextIOWrapper"),
        ("class A:\n    __class__ = property(lambda s: dict)\nA()", "A"),
        ("class A:\n    __class__ = property(lambda s: 1 / 0)\nA()", "A"),
        ("class A:\n    def model_dump(self): return 1 / 0\nA()", "A"),
        ("async def f(): pass\nx = f()\nx.close()\nx", "coroutine"),
    ],
    ids=lambda value: value.splitlines()[-1][:40],
)
def test_objects_that_show_an_address_come_as_their_repr_too(
    engine: dspex.Engine, code: str, kind: str
) -> None:
    outcome = engine.run(code)

    assert outcome.status == "ok"
    assert isinstance(outcome.value, str)
    assert outcome.notes == (f"value: {kind} cannot cross, its repr is given",)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (
            "class D(dict):\n    def items(self): raise OSError\n    keys = __iter__ = items\nD(a=1)",
            {"a": 1},
        ),
        ("class D(dict):\n    __class__ = property(lambda s: int)\nD(a=1)", {"a": 1}),
        (
            (
                "class L(list):\n    def __iter__(self):\n        while True: yield 1\n"
                "    def __len__(self): return -5\nL([1, 2])"
            ),
            [1, 2],
        ),
        (
            "class S(str):\n    def __str__(self): return 5\n    def encode(self, *a): return 1 / 0\nS('abc')",
            "abc",
        ),
        ("class I(int):\n    def __index__(self): return 1 / 0\nI(7)", 7),
        (
            "class F(float):\n    def __repr__(self): return 'evil'\n    __float__ = __repr__\nF(1.5)",
            1.5,
        ),
        ("class T(tuple):\n    def __iter__(self): return 5\nT([1])", (1,)),
        ("class S(str):\n    def __hash__(self): return 1\n[*{S('a')}]", ["a"]),
        ("from collections import Counter\nCounter('aab')", {"a": 2, "b": 1}),
        ("import enum\nclass E(enum.Enum):\n    A = 1\n    value = property(lambda s: s)\nE.A", 1),
        ("{'$': ['tuple', [1]]}", {"$": ["tuple", [1]]}),
        (
            "{True: 1, 2: 'x', None: 3, (1, 2): 4, 1.5: 5}",
            {True: 1, 2: "x", None: 3, (1, 2): 4, 1.5: 5},
        ),
        ("['a\\ud800b', {'k\\udfff': 1}, 'nul\\0']", ["a\ud800b", {"k\udfff": 1}, "nul\0"]),
        (
            "[2**64, -2**4000, 2**53 + 1, 0.1 + 0.2, -0.0, float('-inf'), float('nan')]",
            [2**64, -(2**4000), 2**53 + 1, 0.1 + 0.2, -0.0, float("-inf"), float("nan")],
        ),
        ("range(10**30)", range(10**30)),
        ("bytes(range(256)) * 4", bytes(range(256)) * 4),
        ("import sys\nsys.stdout = None\n'silent'", "silent"),
        ("print = len = str = repr = type = 5\n'shadowed'", "shadowed"),
    ],
    ids=lambda value: value.splitlines()[-1][:40] if isinstance(value, str) else "",
)
def test_hostile_and_odd_data_cross_as_what_they_hold(
    engine: dspex.Engine, code: str, value: object
) -> None:
    outcome = engine.run(code)

    assert outcome.status == "ok", outcome.error
    assert same(outcome.value, value), outcome.value
    assert outcome.notes == ()


@pytest.mark.parametrize("kind", ["[x]", "{'k': x}", "(x,)"])
def test_a_value_may_be_exactly_as_deep_as_the_limit(engine: dspex.Engine, kind: str) -> None:
    program = f"x = 0\nfor _ in range(depth): x = {kind}\nx"

    deepest = engine.run(program, variables={"depth": DEPTH})
    too_deep = engine.run(program, variables={"depth": DEPTH + 1})
    endless = engine.run(program, variables={"depth": 50_000})

    assert (deepest.status, deepest.notes) == ("ok", ())
    for outcome in (too_deep, endless):
        assert outcome.status == "limit"
        assert outcome.error is not None
        assert (outcome.error.limit, outcome.error.allowed) == ("value_depth", DEPTH)
        assert (outcome.error.spent, outcome.error.noticed_by) == (DEPTH + 1, "inner")


@pytest.mark.parametrize(
    "code",
    [
        "'x' * 20_000_000",
        "b'x' * 20_000_000",
        "[1] * 10_000_000",
        "[[]] * 2_000_000",
        "{n: n for n in range(1_500_000)}",
        "x = 'y' * 1_000_000\n[x] * 1000",
        "x = [0] * 1000\nfor _ in range(4): x = [x] * 1000\nx",
        "2 ** (8 * 20_000_000)",
        "range(100)\n'\\ud800' * 8_000_000",
    ],
    ids=lambda code: code.splitlines()[-1],
)
def test_a_value_that_is_too_large_ends_at_the_limit(engine: dspex.Engine, code: str) -> None:
    outcome = engine.run(code)

    assert outcome.status == "limit", outcome.error
    assert outcome.error is not None
    assert (outcome.error.limit, outcome.error.allowed) == ("value_bytes", 16 * MIB)
    assert outcome.error.noticed_by == "inner"
    assert outcome.error.spent is not None
    assert outcome.error.spent > 16 * MIB
    assert outcome.value is None


def test_the_limit_of_the_value_is_exact(engine: dspex.Engine) -> None:
    policy = Policy(name="tight", limits=Limits(value_bytes=1000), languages=frozenset({"python"}))

    just_fits = engine.run("'x' * 998", policy=policy)  # two quotation marks are counted
    one_more = engine.run("'x' * 999", policy=policy)

    assert (just_fits.status, just_fits.value) == ("ok", "x" * 998)
    assert one_more.status == "limit"
    assert one_more.error is not None
    assert (one_more.error.limit, one_more.error.spent) == ("value_bytes", 1001)


def test_very_many_notes_are_counted_instead_of_listed(engine: dspex.Engine) -> None:
    outcome = engine.run("[object] * 1000")

    assert outcome.status == "ok"
    assert len(outcome.value) == 1000
    assert len(outcome.notes) == 21
    assert "980" in outcome.notes[-1]


def test_very_many_variables_arrive(engine: dspex.Engine) -> None:
    variables: dict[str, Any] = {f"v{n}": n for n in range(10_000)}

    outcome = engine.run("sum(globals()[f'v{n}'] for n in range(10_000))", variables=variables)

    assert (outcome.status, outcome.value) == ("ok", sum(range(10_000)))


def test_a_program_that_makes_very_many_names_leaves_none(engine: dspex.Engine) -> None:
    outcome = engine.run("for n in range(100_000): globals()[f'v{n}'] = n\nv99999")

    assert (outcome.status, outcome.value) == ("ok", 99_999)
    assert engine.run("'v5' in globals()").value is False


def test_a_value_that_lies_about_itself_to_the_codec_hurts_only_itself(
    engine: dspex.Engine,
) -> None:
    outcome = engine.run(
        "import sys\n"
        "for module in list(sys.modules.values()):\n"
        "    if 'values' in getattr(module, '__name__', ''):\n"
        '        module.encode = lambda *a: (b\'{"$": ["evil", []]}\', [])\n'
        "import json\njson.JSONEncoder.encode = lambda *a: '[' * 100_000\n"
        "json.dumps = lambda *a: '[' * 100_000\n"
        "[1, 2]"
    )

    assert outcome.status in {"ok", "lost"}
    assert outcome.value in ([1, 2], None)
