"""DSPy's own modules on our interpreter, from a question to the answer, with scripted models."""

from __future__ import annotations

import asyncio
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else fetched when it is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports has deprecations of its own
    dspy = pytest.importorskip(
        "dspy", reason="NOT TESTED: dspy is missing; pip install 'dspex[dspy]'"
    )
    from dspy.utils import DummyLM

from dspex.integrations import dspy as integration
from dspex.integrations.dspy import Interpreter

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SUB_AGENTS = hasattr(sys.modules.get("dspy.primitives.facade"), "FacadeInvocation")
"""Whether this version of DSPy lets code build sub-agents (3.4 and later)."""

# Of DSPy itself, and of the clients below it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def steps(*codes: str) -> DummyLM:
    """Return a model that gives one program after the other to `dspy.RLM`."""
    return DummyLM([{"reasoning": "so", "code": f"```python\n{code}\n```"} for code in codes])


@pytest.fixture
def made(monkeypatch) -> list[Interpreter]:
    """Collect the interpreters that modules make."""
    found: list[Interpreter] = []
    original = Interpreter.__init__

    def init(self, **options):
        original(self, **options)
        found.append(self)

    monkeypatch.setattr(Interpreter, "__init__", init)
    return found


class TestProgramOfThought:
    def answers(self, *programs: str, **last: Any) -> DummyLM:
        generated = [
            {"reasoning": "so", "generated_code": f"```python\n{one}\n```"} for one in programs
        ]
        return DummyLM([*generated, {"reasoning": "so", **last}])

    def test_it_computes_an_answer_and_ends_the_session(self, made):
        lm = self.answers("result = 1 + 1\nSUBMIT({'answer': result})", answer="2")
        with dspy.context(lm=lm):
            thought = dspy.ProgramOfThought("question -> answer", interpreter_factory=Interpreter)
            assert thought(question="1 + 1?").answer == "2"

        assert [one._session for one in made] == [None]
        assert '{"answer": 2}' in str(lm.history[-1]["messages"])

    def test_an_error_goes_back_to_the_model(self):
        lm = self.answers("1 + 0/0", "SUBMIT({'answer': 2})", answer="2")
        with dspy.context(lm=lm):
            thought = dspy.ProgramOfThought("question -> answer", interpreter_factory=Interpreter)
            assert thought(question="1 + 1?").answer == "2"

        assert "ZeroDivisionError: ['division by zero']" in str(lm.history[1]["messages"])

    @pytest.mark.parametrize(("code", "shown"), [
        ("SUBMIT({'a': {3, 1}})", '{"output": {"a": [1, 3]}}'),
        ("import datetime\nSUBMIT(datetime.date(2024, 2, 29))", '"2024-02-29"'),
        ("import decimal\nSUBMIT(decimal.Decimal('0.10'))", '"0.10"'),
        ("SUBMIT(float('nan'))", "NaN"),
        ("SUBMIT({(1, 2): 2**70})", '{"output": {"[1, 2]": 1180591620717411303424}}'),
        ("{1, 2}", "[1, 2]"),
    ])
    def test_results_that_are_not_json_reach_the_model(self, code, shown):
        lm = self.answers(code, answer="fine")
        with dspy.context(lm=lm):
            thought = dspy.ProgramOfThought("question -> answer", interpreter_factory=Interpreter)
            assert thought(question="?").answer == "fine"

        assert shown in str(lm.history[-1]["messages"][-1]["content"])

    def test_a_lost_session_is_not_the_models_to_repair(self, made):
        lm = self.answers("import os\nos._exit(1)", "SUBMIT(1)", answer="never")
        with dspy.context(lm=lm):
            thought = dspy.ProgramOfThought("question -> answer", interpreter_factory=Interpreter)
            with pytest.raises(integration.CodeInterpreterError, match="state was lost"):
                thought(question="?")

        assert len(lm.history) == 1

    def test_many_at_once_have_an_interpreter_each(self, made):
        with dspy.context(lm=self.answers(*[])):
            thought = dspy.ProgramOfThought("n -> answer", interpreter_factory=Interpreter)

        class Static:
            def __init__(self, make):
                self.make = make

            def __call__(self, **given):
                return dspy.Prediction(**self.make(given))

        thought.code_generate = Static(
            lambda given: {"generated_code": f"x = {given['n']}\nSUBMIT(x * x)"}
        )
        thought.generate_output = Static(lambda given: {"answer": given["code_output"]})
        devset = [dspy.Example(n=n, answer=str(n * n)).with_inputs("n") for n in range(8)]

        def right(example, prediction, _trace=None):
            return prediction.answer == f'{{"output": {example.answer}}}'

        result = dspy.Evaluate(
            devset=devset, metric=right, num_threads=4, display_progress=False
        )(thought)

        assert result.score == 100.0
        assert len(made) == 8


def test_code_act_runs_the_source_of_its_tools():
    lm = DummyLM([
        {"reasoning": "so", "generated_code": "```python\nunknown + 1\n```", "finished": False},
        {"reasoning": "so", "generated_code": "```python\nprint(add(1, 1))\n```", "finished": True},
        {"reasoning": "so", "answer": "2"},
    ])
    with dspy.context(lm=lm):
        program = dspy.CodeAct("question -> answer", tools=[add], interpreter_factory=Interpreter)
        result = program(question="1 + 1?")

    assert result.answer == "2"
    assert result.trajectory == {
        "generated_code_0": "unknown + 1",
        "observation_0": (
            "Failed to execute the generated code: NameError: [\"name 'unknown' is not defined\"]"
        ),
        "generated_code_1": "print(add(1, 1))",
        "code_output_1": '"2\\n"',
    }


class TestRLM:
    def run(self, lm: Any, signature: str = "numbers -> total: int", **given: Any) -> Any:
        tools = given.pop("tools", None)
        factory = given.pop("factory", Interpreter)
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
            agent = dspy.RLM(signature, max_iters=4, tools=tools, interpreter_factory=factory)
            return agent(**(given or {"numbers": [1, 2, 3]}))

    def test_state_and_inputs_last_and_the_answer_has_its_type(self, made):
        result = self.run(steps("t = sum(numbers)\nprint(t)", "SUBMIT(total=t)"))

        assert result.total == 6
        assert [step["output"] for step in result.trajectory] == ["6\n", "FINAL: {'total': 6}"]
        assert [one._session for one in made] == [None]

    def test_errors_and_a_wrong_type_go_back_to_the_model(self):
        result = self.run(steps("1/0", "x = =", "SUBMIT(total='many')", "SUBMIT(total=6)"))

        shown = [step["output"] for step in result.trajectory]
        assert shown[0] == "[Error] ZeroDivisionError: ['division by zero']"
        assert shown[1] == "[Error] Invalid Python syntax. message: "
        assert shown[2].startswith("[Type Error] total: expected int, got str")
        assert result.total == 6

    def test_endless_code_goes_back_to_the_model(self):
        result = self.run(
            steps("t = 6\nwhile True: pass", "SUBMIT(total=t)"),
            factory=Interpreter.factory(timeout_s=0.3),
        )

        assert "LimitExceeded" in result.trajectory[0]["output"]
        assert result.total == 6

    def test_tools_plain_and_asynchronous_can_be_called(self):
        async def price(fruit: str, pieces: int = 1) -> int:
            """What it costs."""
            await asyncio.sleep(0)
            return {"apple": 3}[fruit] * pieces

        result = self.run(
            steps("a = price('apple', pieces=2)\nb = add(a=a, b=1)", "SUBMIT(total=int(b))"),
            tools=[add, price],
        )

        assert result.total == 7

    def test_a_failing_tool_goes_back_to_the_model(self):
        def fail(x: int) -> int:
            """Fail."""
            raise ValueError(f"no {x}")

        result = self.run(steps("fail(3)", "SUBMIT(total=1)"), tools=[fail])

        assert "ValueError: no 3" in result.trajectory[0]["output"]

    def test_it_asks_models_from_within(self):
        lm = DummyLM([
            {"reasoning": "so", "code": "one = llm_query('how?')\nmany = llm_query_batched(['a', 'b'])"},
            {"answer": "x"}, {"answer": "y"}, {"answer": "z"},
            {"reasoning": "so", "code": "SUBMIT(total=len(many) + ('x' in one))"},
        ])

        assert self.run(lm).total == 3

    def test_it_runs_in_an_event_loop(self):
        async def ask():
            lm = steps("t = slow(6)", "SUBMIT(total=t)")

            async def slow(x: int) -> int:
                """Wait."""
                await asyncio.sleep(0.001)
                return x

            with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
                agent = dspy.RLM(
                    "q -> total: int", max_iters=3, tools=[slow], interpreter_factory=Interpreter
                )
                return await agent.acall(q="?")

        assert asyncio.run(ask()).total == 6

    def test_the_configured_factory_is_used(self, made):
        if not hasattr(dspy, "resolve_interpreter_factory") and not SUB_AGENTS:
            pytest.skip("this version of DSPy has no such setting")
        with dspy.context(
            lm=steps("SUBMIT(total=1)"), adapter=dspy.ChatAdapter(), interpreter_factory=Interpreter
        ):
            assert dspy.RLM("q -> total: int")(q="?").total == 1

        assert len(made) == 1

    @pytest.mark.skipif(not SUB_AGENTS, reason="this version of DSPy has no sub-agents")
    def test_code_builds_sub_agents_of_the_synthetic_dspy(self, made):
        lm = DummyLM([
            {"reasoning": "so", "code": (
                "import dspy\nsub = dspy.Predict('question -> answer')\n"
                "print(sub(question='ping').answer, dspy.__name__)"
            )},
            {"answer": "pong"},
            {"reasoning": "so", "code": (
                "inner = dspy.RLM('q -> a', max_iters=2)(q='deep')\nprint(inner.a)"
            )},
            {"reasoning": "so", "code": "SUBMIT(a='deep ' + q)"},
            {"reasoning": "so", "code": "SUBMIT(total=5)"},
        ])
        result = self.run(lm)

        assert [step["output"] for step in result.trajectory[:2]] == ["pong dspy\n", "deep deep\n"]
        assert result.total == 5
        assert len(made) == 2


class TestOverHttp:
    @pytest.fixture(scope="class")
    def scripted(self) -> Any:
        return runpy.run_path(str(EXAMPLES / "scripted_model.py"))["ScriptedModel"]

    def test_a_program_of_thought_asks_a_served_model(self, scripted):
        code = (
            "[[ ## reasoning ## ]]\nso\n\n[[ ## generated_code ## ]]\n```python\n"
            "import statistics\nSUBMIT({'answer': statistics.median([5, 1, 3])})\n```\n\n"
            "[[ ## completed ## ]]"
        )
        answer = "[[ ## reasoning ## ]]\nso\n\n[[ ## answer ## ]]\n3\n\n[[ ## completed ## ]]"
        with scripted([code, answer]) as model:
            lm = dspy.LM("openai/scripted", api_base=model.url, api_key="none", cache=False)
            with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
                thought = dspy.ProgramOfThought(
                    "question -> answer", interpreter_factory=Interpreter
                )
                assert thought(question="the median of 5, 1, 3?").answer == "3"

            assert model.left == 0
            assert '{"answer": 3}' in str(model.seen[-1])

    def test_the_example_agent_finds_the_true_number(self):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "rlm_agent.py")],
            capture_output=True, encoding="utf-8", timeout=100, check=False,
        )

        assert done.returncode == 0, done.stderr
        assert "[Error] KeyError: ['Country']" in done.stdout
        assert done.stdout.endswith("1713 of 4000 orders came from Germany (42.8%).\n")
