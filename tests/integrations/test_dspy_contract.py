"""`dspex.integrations.dspy.Interpreter` against DSPy's contract, with the real package."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import math
import threading
import time
import warnings
from datetime import UTC, date, datetime
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

import dspex

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports has deprecations of its own
    dspy = pytest.importorskip(
        "dspy", reason="NOT TESTED: dspy is missing; pip install 'dspex[dspy]'"
    )

from pydantic import BaseModel

from dspex.integrations import dspy as integration
from dspex.integrations.dspy import Interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CodeExecutionError = integration.CodeExecutionError
CodeInterpreterError = integration.CodeInterpreterError
FinalOutput = integration.FinalOutput


@pytest.fixture
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as made:
        yield made


def refused_by(interpreter: Interpreter, code: str) -> str:
    """Return the text of the recoverable error that code leads to; the session goes on."""
    with pytest.raises(CodeExecutionError) as caught:
        interpreter(code)
    assert interpreter("6 * 7") == 42
    return str(caught.value)


class TestLife:
    def test_it_is_a_code_interpreter_of_dspy(self, interpreter):
        assert isinstance(interpreter, dspy.CodeInterpreter)

    def test_making_one_starts_nothing(self, monkeypatch):
        monkeypatch.setattr(integration, "_shared_engine", lambda _network: pytest.fail("started"))

        began = time.perf_counter()
        for _ in range(1000):
            Interpreter(tools={"f": len}, output_fields=[{"name": "a"}])

        assert time.perf_counter() - began < 10, "an engine a thousand times would take longer"

    def test_start_can_be_called_twice_and_keeps_the_session(self, interpreter):
        interpreter.start()
        session = interpreter._session
        interpreter.start()

        assert interpreter._session is session

    def test_state_stays_from_call_to_call_and_survives_errors(self, interpreter):
        interpreter("x = 41\ndef f(): return x + 1")
        refused_by(interpreter, "x = 100; 1 / 0")

        assert interpreter("f()") == 101

    def test_a_shut_down_session_stays_so(self):
        interpreter = Interpreter()
        interpreter.start()
        interpreter.shutdown()
        interpreter.shutdown()

        for use in (interpreter.start, lambda: interpreter("1")):
            with pytest.raises(CodeInterpreterError, match="session has ended") as caught:
                use()
            assert type(caught.value) is CodeInterpreterError

    def test_a_session_whose_process_dies_is_lost_for_good(self):
        with Interpreter() as interpreter:
            interpreter("x = 1")
            interpreter._session._seat._worker.kill()

            with pytest.raises(CodeInterpreterError, match="interpreter state was lost") as caught:
                interpreter("x")
            assert type(caught.value) is CodeInterpreterError
            with pytest.raises(CodeInterpreterError, match="session has ended"):
                interpreter("x")

    def test_a_program_that_ends_its_process_is_terminal(self):
        with Interpreter() as interpreter, pytest.raises(CodeInterpreterError) as caught:
            interpreter("import os; os._exit(3)")
        assert type(caught.value) is CodeInterpreterError

    def test_it_belongs_to_the_thread_that_executed_first(self, interpreter):
        interpreter("1")
        raised: list[BaseException] = []

        def use():
            try:
                interpreter("2")
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()

        assert len(raised) == 1
        assert not isinstance(raised[0], CodeInterpreterError)
        assert "not thread-safe and cannot be shared across threads" in str(raised[0])

    def test_many_threads_can_have_one_each(self):
        found: list[Any] = []

        def use(number):
            with Interpreter() as mine:
                mine(f"x = {number}")
                found.append(mine("x * x"))

        threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

        assert sorted(found) == [n * n for n in range(8)]

    def test_the_factory_keeps_options_and_says_what_dspy_asks_of_it(self):
        factory = Interpreter.factory(tools={"f": lambda: 5})

        with factory() as first, factory() as second:
            assert first is not second
            assert first("f()") == second("f()") == 5
        assert factory.execution_instructions == Interpreter.execution_instructions
        assert "WebAssembly" in Interpreter.execution_instructions

    def test_an_engine_of_the_callers_own_is_used_and_stays_open(self):
        with dspex.Engine(policy="code_interpreter") as engine:
            with Interpreter(engine=engine, policy="numeric") as interpreter:
                assert interpreter("1 + 1") == 2
                assert interpreter._session._owner is engine
            assert engine.run("1 + 1").value == 2

    def test_a_policy_without_python_is_an_error_before_anything_runs(self):
        interpreter = Interpreter(policy="deny_all")

        with pytest.raises(CodeInterpreterError, match="python"):
            interpreter("1")


class TestResults:
    @pytest.mark.parametrize(("code", "expected"), [
        ("1 + 1", 2),
        ("print('shown')\n5", 5),
        ("print('shown')\nNone", "shown\n"),
        ("print('a'); print('b', end='')", "a\nb"),
        ("x = 5", ""),
        ("", ""),
        ("5;", ""),
        ("print('é', end='\\r\\n'); 5;", "é\r\n"),
        ("0", 0),
        ("''", ""),
        ("False", False),
        ("  # indented\n  7", 7),
        ("(1, (2, [3, ()]))", [1, [2, [3, []]]]),
        ("{'a': (1,), 2: {'b': ()}}", {"a": [1], 2: {"b": []}}),
        ("await __import__('asyncio').sleep(0, 5)", 5),
    ])
    def test_a_value_that_is_not_none_hides_what_was_printed(self, interpreter, code, expected):
        result = interpreter(code)

        assert result == expected
        assert type(result) is type(expected)

    @pytest.mark.parametrize(("code", "expected"), [
        ("2**70", 2**70),
        ("1.0", 1.0),
        ("[1.0, -0.0]", [1.0, -0.0]),
        ("{3, 1, 2}", [1, 2, 3]),
        ("frozenset({'b', 'a'})", ["a", "b"]),
        ("import datetime; datetime.date(2024, 2, 29)", "2024-02-29"),
        ("import datetime; datetime.datetime(2024, 2, 29, 12)", "2024-02-29T12:00:00"),
        ("import decimal; decimal.Decimal('1.50')", "1.50"),
        ("import uuid; uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"),
        ("float('inf')", math.inf),
        ("b'text'", "text"),
        ("b'\\xff'", "/w=="),
        ("range(3)", [0, 1, 2]),
        ("{(1, 2): 'tuple'}", {"[1, 2]": "tuple"}),
        ("1 + 2j", "1+2j"),
    ])
    def test_what_deno_would_lose_is_kept_last_and_submitted(self, interpreter, code, expected):
        before, _, last = code.rpartition("; ")

        value = interpreter(code)
        submitted = interpreter(f"{before}\nSUBMIT({last})")

        assert (value, type(value)) == (expected, type(expected))
        assert submitted == FinalOutput({"output": expected})
        assert interpreter("40 + 2") == 42

    def test_nan_is_kept(self, interpreter):
        assert math.isnan(interpreter("float('nan')"))
        assert math.isnan(interpreter("SUBMIT(float('nan'))").output["output"])

    def test_an_object_is_shown(self, interpreter):
        assert interpreter("class A:\n    def __repr__(self): return 'an A'\nA()") == "an A"

    def test_a_program_may_replace_its_streams(self, interpreter):
        assert interpreter("import io, sys\nsys.stdout = io.StringIO()\nprint('gone')") == ""
        assert interpreter("print('back')") == "back\n"

    def test_what_is_written_to_standard_error_is_not_output(self, interpreter):
        assert interpreter("import sys; print('e', file=sys.stderr); print('o')") == "o\n"

    def test_our_own_names_are_not_among_the_programs(self, interpreter):
        interpreter.tools["f"] = len
        names = interpreter("[name for name in globals() if not name.startswith('__')]")

        assert sorted(names) == ["SUBMIT", "f"]


class TestSubmit:
    def test_untyped_it_takes_one_output(self, interpreter):
        assert interpreter("SUBMIT(['a', 1])") == FinalOutput({"output": ["a", 1]})
        assert interpreter("SUBMIT(output={'answer': 2})") == FinalOutput({"output": {"answer": 2}})

    def test_typed_it_has_the_fields_as_parameters(self):
        fields = [{"name": "answer", "type": "str"}, {"name": "score"}]
        with Interpreter(output_fields=fields) as interpreter:
            assert interpreter("SUBMIT('a', 0.5)") == FinalOutput({"answer": "a", "score": 0.5})
            assert interpreter("SUBMIT(score=1, answer='a')").output == {"answer": "a", "score": 1}
            assert "missing 1 required positional argument: 'score'" in refused_by(
                interpreter, "SUBMIT('a')"
            )
            assert interpreter("str(__import__('inspect').signature(SUBMIT))") == (
                "(answer: str, score)"
            )

    def test_output_fields_can_change(self, interpreter):
        interpreter("1")
        interpreter.output_fields = [{"name": "total", "type": "int"}]
        assert interpreter("SUBMIT(total=3)") == FinalOutput({"total": 3})

        interpreter.output_fields = None
        assert interpreter("SUBMIT(3)") == FinalOutput({"output": 3})

    def test_a_handler_of_exceptions_does_not_catch_it(self, interpreter):
        assert interpreter("try:\n    SUBMIT(1)\nexcept Exception:\n    pass\n2") == (
            FinalOutput({"output": 1})
        )

    def test_state_before_it_is_kept(self, interpreter):
        interpreter("x = 1\nSUBMIT(x)")

        assert interpreter("x") == 1

    def test_a_program_may_have_a_function_of_that_name(self, interpreter):
        interpreter("def SUBMIT(x): return -x")

        assert interpreter("SUBMIT(1)") == -1

    def test_an_output_field_must_be_a_name(self, interpreter):
        interpreter.output_fields = [{"name": "x): pass #"}]

        with pytest.raises(CodeInterpreterError, match="Invalid output field name"):
            interpreter("1")


class TestErrors:
    @pytest.mark.parametrize(("code", "text"), [
        ("unknown + 1", "NameError: [\"name 'unknown' is not defined\"]"),
        ("1 / 0", "ZeroDivisionError: ['division by zero']"),
        ("raise ValueError(17, 'x', None, [1.0], (2,))", "ValueError: [17, 'x', None, [1.0], [2]]"),
        ("{}['k']", "KeyError: ['k']"),
        ("import sys; sys.exit(0)", "SystemExit: [0]"),
        ("raise KeyboardInterrupt('stop')", "KeyboardInterrupt: ['stop']"),
        ("class Odd(BaseException): pass\nraise Odd({1})", "Odd: ['{1}']"),
        ("raise ValueError(open)", "ValueError: ['<built-in function open>']"),
        ("raise __import__('json').JSONDecodeError('m', 'd', 0)",
         "JSONDecodeError: ['m: line 1 column 1 (char 0)']"),
        ("import nowhere", "ModuleNotFoundError: [\"No module named 'nowhere'\"]"),
    ])
    def test_an_exception_is_its_type_and_its_arguments(self, interpreter, code, text):
        assert refused_by(interpreter, code) == text

    def test_one_without_arguments_shows_its_traceback(self, interpreter):
        text = refused_by(interpreter, "def f():\n    raise ValueError\nf()")

        assert text.startswith("ValueError: Traceback (most recent call last):")
        assert "line 2, in f\n    raise ValueError" in text
        assert "<dspex>" not in text

    def test_an_exception_that_cannot_be_shown_is_shown_all_the_same(self, interpreter):
        code = (
            "class Bad:\n    def __repr__(self): raise RuntimeError\n"
            "class Worse(Exception):\n    def __str__(self): raise RuntimeError\n"
            "raise Worse(Bad(), 'b')"
        )
        assert refused_by(interpreter, code) == "Worse: ['<Bad>', 'b']"

    @pytest.mark.parametrize("code", ["+++", "parse(error", "x =", "if 1:\nx", "return 5", "\0"])
    def test_what_is_not_python_is_a_syntax_error_with_its_place_in_a_note(self, interpreter, code):
        with pytest.raises(SyntaxError) as caught:
            interpreter(code)

        assert str(caught.value) == "Invalid Python syntax. message: "
        assert caught.value.__notes__
        assert interpreter("1") == 1

    def test_a_name_from_dspy_does_not_make_an_error_terminal(self, interpreter):
        assert refused_by(
            interpreter, "class CodeInterpreterError(Exception): pass\nraise CodeInterpreterError('x')"
        ) == "CodeInterpreterError: ['x']"

    def test_endless_code_is_interrupted_and_the_state_kept(self):
        with Interpreter(timeout_s=0.3) as interpreter:
            interpreter("x = 1")
            assert "wall_s" in refused_by(interpreter, "while True: x += 1")
            assert interpreter("x") > 1

    def test_too_much_memory_is_an_error_of_the_code(self, interpreter):
        assert refused_by(interpreter, "x = [bytearray(1 << 30) for _ in range(3)]").startswith("MemoryError")

    def test_deep_recursion_is_an_error_of_the_code(self, interpreter):
        assert refused_by(interpreter, "def f(): f()\nf()").startswith("RecursionError")

    def test_a_guest_that_breaks_our_module_gets_errors_and_nobody_is_hurt(self, interpreter):
        interpreter("import sys; del sys.modules['_dspex_dspy']")

        with pytest.raises(CodeExecutionError, match="ModuleNotFoundError"):
            interpreter("1")

    def test_a_guest_that_forges_an_answer_is_given_up(self, interpreter):
        interpreter(
            "import sys\nsys.modules['_dspex_dspy'].execute = lambda: ('final', 'not a dict')"
        )

        with pytest.raises(CodeInterpreterError, match="cannot be read"):
            interpreter("1")


class TestVariables:
    class Hit(BaseModel):
        number: int
        at: datetime

    class Color(Enum):
        RED = "red"

    @dataclasses.dataclass
    class Point:
        x: int

    @pytest.mark.parametrize(("value", "expected"), [
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"deep": ({1}, [()])}, {"deep": [[1], [[]]]}),
        (Hit(number=1, at=datetime(2026, 5, 14, tzinfo=UTC)),
         {"number": 1, "at": "2026-05-14T00:00:00Z"}),
        (date(2024, 1, 2), "2024-01-02"),
        (Color.RED, "red"),
        (Point(1), {"x": 1}),
        (math.inf, math.inf),
        (2**70, 2**70),
        (1.0, 1.0),
        ({1: "int key", None: 2}, {1: "int key", None: 2}),
        ("quotes ' \" \\ \n \ud800", "quotes ' \" \\ \n \ud800"),
        (None, ""),
    ])
    def test_they_arrive_as_json_would_have_them(self, interpreter, value, expected):
        assert interpreter("x", variables={"x": value}) == expected

    def test_a_set_that_cannot_be_sorted_arrives_in_some_order(self, interpreter):
        assert set(interpreter("x", variables={"x": {1, "a"}})) == {1, "a"}

    def test_they_stay(self, interpreter):
        interpreter("1", variables={"x": 5})

        assert interpreter("x") == 5

    @pytest.mark.parametrize("name", ["for", "class", "1x", "a b", "", "json", "x.y"])
    def test_a_name_that_is_none_is_refused_and_the_session_goes_on(self, interpreter, name):
        with pytest.raises(CodeInterpreterError, match=rf"^Invalid variable name: '{name}'$"):
            interpreter("1", variables={name: 1})

        assert interpreter("1") == 1

    def test_what_cannot_cross_is_refused_before_anything_starts(self):
        class Opaque:
            pass

        class Holder(BaseModel, arbitrary_types_allowed=True):
            value: Opaque

        interpreter = Interpreter()
        with pytest.raises(CodeInterpreterError, match=r"^Unsupported value type: Opaque$") as one:
            interpreter("1", variables={"x": [Opaque()]})
        with pytest.raises(CodeInterpreterError, match=r"^Unable to serialize Holder as JSON"):
            interpreter("1", variables={"x": Holder(value=Opaque())})

        assert type(one.value) is CodeInterpreterError
        assert interpreter._session is None

    def test_a_large_text_arrives_whole(self, interpreter):
        text = "0123456789" * 2_000_000

        assert interpreter("len(x), x[:10], x[-10:]", variables={"x": text}) == [
            20_000_000, "0123456789", "0123456789",
        ]


class TestTools:
    def test_they_have_the_signature_of_the_callers_function(self):
        def lookup(a: str, /, b: int = 2, *rest, c, d=(1, 2), **more) -> str:
            """Look it up."""
            return [a, b, list(rest), c, d, more]

        with Interpreter(tools={"lookup": lookup}) as interpreter:
            assert interpreter("lookup('a', c=1)") == ["a", 2, [], 1, [1, 2], {}]
            assert interpreter("lookup('a', 3, 4, c=1, e=5)") == ["a", 3, [4], 1, [1, 2], {"e": 5}]
            assert interpreter("lookup.__name__, lookup.__doc__") == ["lookup", "Look it up."]
            assert interpreter("str(__import__('inspect').signature(lookup))") == (
                "(a: str, /, b: int = 2, *rest, c, d=(1, 2), **more)"
            )
            assert "missing 1 required positional argument: 'a'" in refused_by(
                interpreter, "lookup()"
            )

    def test_defaults_that_cannot_cross_stay_with_the_host(self):
        marker = object()

        def tool(x, how=marker, *, also=len):
            return [x, how is marker, also is len]

        with Interpreter(tools={"tool": tool}) as interpreter:
            assert interpreter("tool(1)") == [1, True, True]

    def test_arguments_arrive_as_json_would_have_them(self):
        with Interpreter(tools={"show": repr}) as interpreter:
            assert interpreter("show((1, {2}, 1.0, 2**70))") == (
                "[1, [2], 1.0, 1180591620717411303424]"
            )

    def test_they_run_in_the_thread_that_executes(self):
        where: list[int] = []
        with Interpreter(tools={"f": lambda: where.append(threading.get_ident())}) as interpreter:
            interpreter("f(); f()")

        assert where == [threading.get_ident()] * 2

    def test_they_see_the_context_of_dspy(self):
        with (
            Interpreter(tools={"f": lambda: dspy.settings.get("marker")}) as interpreter,
            dspy.context(marker="seen"),
        ):
            assert interpreter("f()") == "seen"

    def test_an_exception_is_a_runtime_error_that_names_it(self):
        def fail(x):
            raise ValueError(f"bad: {x}")

        with Interpreter(tools={"fail": fail}) as interpreter:
            caught = interpreter("try:\n    fail(3)\nexcept RuntimeError as e:\n    r = repr(e)\nr")
            assert caught == "RuntimeError('ValueError: bad: 3')"
            assert refused_by(interpreter, "fail(3)") == "RuntimeError: ['ValueError: bad: 3']"

    def test_coroutine_functions_are_awaited_also_beside_a_running_loop(self):
        async def slow(x):
            await asyncio.sleep(0.001)
            if x < 0:
                raise ValueError("negative")
            return x + 1

        async def within_a_loop(interpreter):
            return interpreter("slow(1)")

        with Interpreter(tools={"slow": slow}) as interpreter:
            assert interpreter("slow(x=1)") == 2
            assert asyncio.run(within_a_loop(interpreter)) == 2
            assert refused_by(interpreter, "slow(-1)") == "RuntimeError: ['ValueError: negative']"

    @pytest.mark.parametrize(("result", "expected"), [
        (None, ("str", "''")),
        (math.nan, ("str", "'nan'")),
        (4, ("int", "4")),
        (1.0, ("float", "1.0")),
        (True, ("bool", "True")),
        ((1, 2), ("list", "[1, 2]")),
        ({2, 1}, ("list", "[1, 2]")),
        (2**70, ("int", str(2**70))),
        (date(2024, 1, 2), ("str", "'2024-01-02'")),
        (TestVariables.Point(1), ("dict", "{'x': 1}")),
        ([math.inf], ("list", "[inf]")),
    ])
    def test_results_arrive_as_dspy_has_them(self, result, expected):
        with Interpreter(tools={"f": lambda: result}) as interpreter:
            assert interpreter("r = f()\ntype(r).__name__, repr(r)") == list(expected)

    def test_a_result_that_cannot_cross_is_its_text(self):
        class Custom:
            def __str__(self):
                return "custom"

        with Interpreter(tools={"f": lambda: [Custom()], "g": Custom}) as interpreter:
            assert interpreter("type(f()).__name__, g()") == ["str", "custom"]

    def test_they_can_be_added_replaced_and_taken_away(self, interpreter):
        interpreter("1")
        interpreter.tools["f"] = lambda: 1
        assert interpreter("f()") == 1
        interpreter.tools["f"] = lambda x: x
        assert interpreter("f(2)") == 2
        del interpreter.tools["f"]
        assert refused_by(interpreter, "f(2)") == "NameError: [\"name 'f' is not defined\"]"

    def test_a_tool_that_was_kept_under_another_name_is_unknown_once_it_is_gone(self, interpreter):
        interpreter.tools.update(f=lambda: 1, g=lambda: 2)
        interpreter("kept = f")
        del interpreter.tools["f"]

        assert refused_by(interpreter, "kept()") == (
            "RuntimeError: ['CodeInterpreterError: Unknown tool: f']"
        )

    def test_the_callers_dictionary_is_copied(self):
        given = {"f": len}
        interpreter = Interpreter(tools=given)
        given["g"] = len

        assert list(interpreter.tools) == ["f"]

    def test_a_name_that_the_code_has_taken_stays_its_own(self):
        with Interpreter(tools={"f": lambda: "tool"}) as interpreter:
            interpreter("def f(): return 'mine'")
            assert interpreter("f()") == "mine"

            interpreter._tools_registered = False  # what DSPy's modules do before each call
            assert interpreter("f()") == "tool"

    def test_a_tool_cannot_execute_in_its_own_interpreter_but_in_another(self):
        with Interpreter() as other, Interpreter() as interpreter:
            interpreter.tools = {
                "again": lambda: interpreter("1"), "beside": lambda: other("6 * 7"),
            }
            assert "cannot execute recursively" in refused_by(interpreter, "again()")
            assert interpreter("beside()") == 42

    def test_an_interrupt_in_a_tool_reaches_the_caller_and_the_state_is_kept(self):
        def interrupted():
            raise KeyboardInterrupt

        with Interpreter(tools={"f": interrupted}) as interpreter:
            interpreter("x = 1")
            with pytest.raises(KeyboardInterrupt):
                interpreter("f()")
            assert interpreter("x") == 1

    def test_a_tool_of_dspy_is_known_by_its_function(self):
        def add(a: int, b: int = 1) -> int:
            """Add."""
            return a + b

        with Interpreter(tools={"add": dspy.Tool(add)}) as interpreter:
            assert interpreter("add(1), add(1, b=2), add.__doc__") == [2, 3, "Add."]

    @pytest.mark.parametrize("name", ["not a name", "class", "f(): pass #"])
    def test_a_tools_name_must_be_one(self, interpreter, name):
        interpreter.tools[name] = len

        with pytest.raises(CodeInterpreterError, match="Invalid tool name"):
            interpreter("1")


class TestFilesAndEnvironment:
    def test_files_appear_and_changes_come_back(self, tmp_path):
        read, write = tmp_path / "in.txt", tmp_path / "out.txt"
        read.write_text("hello")
        with Interpreter(enable_read_paths=[str(read)], enable_write_paths=[write]) as interpreter:
            interpreter(
                "text = open('/sandbox/in.txt').read()\n"
                "open('/sandbox/out.txt', 'w').write(text.upper())\n"
                "open('/sandbox/in.txt', 'w').write('changed')\n"
            )

            assert write.read_text() == "HELLO"
            assert read.read_text() == "hello"
            assert interpreter("open('/sandbox/in.txt').read()") == "changed"

    def test_folders_appear_whole(self, tmp_path):
        (tmp_path / "data" / "deep").mkdir(parents=True)
        (tmp_path / "data" / "deep" / "a.bin").write_bytes(b"\0\xff")
        with Interpreter(enable_write_paths=[tmp_path / "data"]) as interpreter:
            interpreter("x = open('/sandbox/data/deep/a.bin', 'rb').read()")
            interpreter("open('/sandbox/data/deep/b.bin', 'wb').write(x * 2)")

        assert (tmp_path / "data" / "deep" / "b.bin").read_bytes() == b"\0\xff\0\xff"

    def test_nothing_comes_back_after_an_error_or_if_it_is_not_wanted(self, tmp_path):
        file = tmp_path / "f.txt"
        file.write_text("old")
        with Interpreter(enable_write_paths=[file]) as interpreter:
            refused_by_error = "open('/sandbox/f.txt', 'w').write('new')\n1/0"
            with pytest.raises(CodeExecutionError):
                interpreter(refused_by_error)
            assert file.read_text() == "old"
            interpreter("1")
            assert file.read_text() == "new"
        with Interpreter(enable_write_paths=[file], sync_files=False) as interpreter:
            interpreter("open('/sandbox/f.txt', 'w').write('newer')")
        assert file.read_text() == "new"

    def test_without_files_there_is_no_such_folder(self, interpreter):
        assert "No such file" in refused_by(interpreter, "open('/sandbox/x', 'w')")

    def test_a_link_is_followed_by_name_and_keeps_its_name(self, tmp_path):
        (tmp_path / "real.txt").write_text("through the link")
        (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
        with Interpreter(enable_read_paths=[tmp_path / "link.txt"]) as interpreter:
            assert interpreter("open('/sandbox/link.txt').read()") == "through the link"

    def test_a_guest_cannot_write_where_it_was_not_allowed_to(self, tmp_path):
        (tmp_path / "d").mkdir()
        with Interpreter(enable_write_paths=[tmp_path / "d"]) as interpreter:
            interpreter(
                "import sys\nm = sys.modules['_dspex_dspy']\n"
                "m.changed_files = lambda paths: {"
                "'/sandbox/d/../evil': b'x', '/sandbox/other': b'x', '/sandbox/d': b'x',"
                "'/etc/passwd': b'x', '/sandbox/d/./e': b'x', '/sandbox/d//f': b'x', '/sandbox/d/g': b'fine'}"
            )

        assert {path.name for path in tmp_path.rglob("*")} == {"d", "g"}

    def test_a_link_below_a_folder_is_not_written_through(self, tmp_path):
        (tmp_path / "d").mkdir()
        (tmp_path / "secret.txt").write_text("secret")
        (tmp_path / "d" / "link").symlink_to(tmp_path / "secret.txt")
        with Interpreter(enable_write_paths=[tmp_path / "d"]) as interpreter:
            assert interpreter("import os; os.listdir('/sandbox/d')") == []
            interpreter("open('/sandbox/d/link', 'w').write('overwritten')")

        assert (tmp_path / "secret.txt").read_text() == "secret"

    def test_a_file_that_is_missing_is_told_and_can_be_made(self, tmp_path):
        interpreter = Interpreter(enable_read_paths=[tmp_path / "missing.txt"])
        with pytest.raises(FileNotFoundError, match="Cannot mount non-existent file"):
            interpreter("1")
        (tmp_path / "missing.txt").write_text("there")

        assert interpreter("open('/sandbox/missing.txt').read()") == "there"
        interpreter.shutdown()

    def test_two_files_of_one_name_are_refused(self, tmp_path: Path):
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "x.txt").touch()
        with pytest.raises(CodeInterpreterError, match="unique basenames"):
            Interpreter(
                enable_read_paths=[tmp_path / "a" / "x.txt"],
                enable_write_paths=[tmp_path / "b" / "x.txt"],
            )
        same = tmp_path / "a" / "x.txt"
        Interpreter(enable_read_paths=[same], enable_write_paths=[same])

    def test_only_the_named_variables_of_the_environment_are_seen(self, monkeypatch):
        monkeypatch.setenv("DSPEX_TEST_GIVEN", "given")
        monkeypatch.setenv("DSPEX_TEST_KEPT", "kept")
        names = ["DSPEX_TEST_GIVEN", "DSPEX_TEST_MISSING"]
        with Interpreter(enable_env_vars=names) as interpreter:
            assert interpreter(
                "import os; [os.getenv(f'DSPEX_TEST_{n}') for n in ('GIVEN', 'KEPT', 'MISSING')]"
            ) == ["given", None, None]


class TestNetwork:
    @pytest.fixture
    def served(self) -> Iterator[int]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"served")

            def log_message(self, *_args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
        server.server_close()

    def test_only_what_was_named_is_reached(self, served):
        code = f"from urllib.request import urlopen\nurlopen('http://127.0.0.1:{served}/').read()"
        with Interpreter(enable_network_access=[f"127.0.0.1:{served}"]) as interpreter:
            assert interpreter(code) == "served"
            interpreter.tools["f"] = len
            assert interpreter(code) == "served"
            assert "Error" in refused_by(interpreter, code.replace(str(served), "1"))
        with Interpreter() as interpreter:
            assert "Error" in refused_by(interpreter, code)

    def test_an_engine_that_does_not_grant_it_is_an_error(self, served):
        with dspex.Engine(policy="code_interpreter") as engine:
            interpreter = Interpreter(engine=engine, enable_network_access=["example.com"])
            with pytest.raises(CodeInterpreterError, match=r"network: 'example\.com:443' is not granted"):
                interpreter("1")


def test_callbacks_hear_of_start_execution_tools_and_end():
    heard: list[str] = []

    class Listener(dspy.utils.callback.BaseCallback):
        def __getattribute__(self, name):
            if name.startswith("on_interpreter_"):
                heard.append(name.removeprefix("on_interpreter_"))
            return super().__getattribute__(name)

    with Interpreter(tools={"f": lambda x: x}, callbacks=[Listener()]) as interpreter:
        interpreter("f(1)")
        interpreter("2")

    assert heard == [
        "execute_start", "startup_start", "startup_end", "tool_call_start", "tool_call_end",
        "execute_end", "execute_start", "execute_end", "shutdown_start", "shutdown_end",
    ]


def test_a_forgotten_interpreter_frees_its_process():
    interpreter = Interpreter()
    interpreter("1")
    worker = interpreter._session._seat._worker
    with pytest.warns(ResourceWarning, match="unclosed"):  # noqa: PT031 - both forget it
        del interpreter
        gc.collect()

    until = time.monotonic() + 5
    while not worker.gone and time.monotonic() < until:
        time.sleep(0.01)
    assert worker.gone
