"""`unittest` and `doctest` for restricted programs, written anew.

The library's find tests by importing, look frames up and run texts with the host's rights. Here tests are
found among the program's own names, what a doctest says is compiled under the program's policy, and
tracebacks are the program's. `unittest.mock` is in `mocking`.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import doctest
import io
import pprint
import re
import sys
import types
from typing import TYPE_CHECKING, Any, Self

from dspex.languages.restricted.context import present
from dspex.languages.restricted.guards import plain_name
from dspex.languages.restricted.names import is_dunder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dspex.languages.restricted.context import Context, Offer

_LINE = "-" * 70
_DOUBLE_LINE = "=" * 70
_COMPARED = {
    "Equal": (lambda a, b: a == b, "!="), "NotEqual": (lambda a, b: a != b, "=="),
    "Is": (lambda a, b: a is b, "is not"), "IsNot": (lambda a, b: a is not b, "unexpectedly identical:"),
    "In": (lambda a, b: a in b, "not found in"), "NotIn": (lambda a, b: a not in b, "unexpectedly found in"),
    "Less": (lambda a, b: a < b, "not less than"), "LessEqual": (lambda a, b: a <= b, "not less than or equal to"),
    "Greater": (lambda a, b: a > b, "not greater than"),
    "GreaterEqual": (lambda a, b: a >= b, "not greater than or equal to"),
}  # fmt: skip
_SAME_KIND = ("assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSetEqual", "assertSequenceEqual",
              "assertMultiLineEqual")  # fmt: skip


class SkipTest(Exception):
    """A test that says of itself that it is not to be run."""



SkipTest.__module__ = "unittest"


def unittest_module(context: Context) -> Offer:
    """Return the names of `unittest`."""

    class Raised:
        """What `assertRaises` checks, as a context."""

        def __init__(self, case: Any, expected: Any, pattern: Any, *, warns: bool = False) -> None:
            self.expected, self.exception, self.warning = expected, None, None
            self._raised_case, self._raised_pattern, self._raised_warns = case, pattern, warns
            self._raised_caught: Any = None

        def __enter__(self) -> Self:
            if self._raised_warns:
                self._raised_caught = vars(context.offered("warnings"))["catch_warnings"](record=True, action="always")
                self._raised_seen = self._raised_caught.__enter__()
            return self

        def __exit__(self, kind: Any, error: Any, _traceback: object) -> bool:  # noqa: PYI036 - a program may give anything
            name = getattr(self.expected, "__name__", str(self.expected))
            if self._raised_warns:
                self._raised_caught.__exit__(kind, error, None)
                if kind is not None:
                    return False
                found = [one.message for one in self._raised_seen if issubclass(one.category, self.expected)]
                if not found:
                    raise self._raised_case.failureException(f"{name} not triggered")
                self.warning = error = found[0]
            elif kind is None:
                raise self._raised_case.failureException(f"{name} not raised")
            elif not issubclass(kind, self.expected):
                return False
            else:
                self.exception = error
            if self._raised_pattern is not None and not re.search(self._raised_pattern, str(error)):
                wanted = getattr(self._raised_pattern, "pattern", self._raised_pattern)
                raise self._raised_case.failureException(f'"{wanted}" does not match "{error}"')
            return True

    class Logs:
        """What `assertLogs` gathers."""

        def __init__(self, case: Any, logger: Any, level: Any) -> None:
            logging = vars(context.offered("logging"))
            self.records: list[Any] = []
            self.output: list[str] = []
            self._logs_case, self._logs_level = case, 20 if level is None else level
            self._logs_logger = logger if hasattr(logger, "handlers") else logging["getLogger"](logger)
            self._logs_before: Any = None
            outer = self

            class Gather:
                level, formatter = 0, None

                def handle(self, record: Any) -> None:
                    outer.records.append(record)
                    outer.output.append(f"{record.levelname}:{record.name}:{record.getMessage()}")

            self._logs_handler = Gather()

        def __enter__(self) -> Self:
            log = self._logs_logger
            self._logs_before = (log.handlers, log.level, log.propagate)
            log.handlers, log.propagate = [self._logs_handler], False
            log.setLevel(self._logs_level)
            return self

        def __exit__(self, kind: object, *_exc: object) -> None:
            log = self._logs_logger
            log.handlers, log.level, log.propagate = self._logs_before
            if kind is None and not self.records:
                raise self._logs_case.failureException(f"no logs of level {self._logs_level} or higher triggered")

    class TestCase:
        """Methods that begin with `test` are tests."""

        failureException: Any = AssertionError
        longMessage = True
        maxDiff: Any = 640

        def __init__(self, methodName: str = "runTest") -> None:
            self._case_method = plain_name(methodName)
            self._case_cleanups: list[Any] = []
            self._case_result: Any = None

        def setUp(self) -> None:
            """Nothing to prepare."""

        def tearDown(self) -> None:
            """Nothing to clear away."""

        @classmethod
        def setUpClass(cls) -> None:
            """Nothing to prepare."""

        @classmethod
        def tearDownClass(cls) -> None:
            """Nothing to clear away."""

        def id(self) -> str:
            return f"{type(self).__module__}.{type(self).__qualname__}.{self._case_method}"

        def __str__(self) -> str:
            kind = type(self)
            return f"{self._case_method} ({kind.__module__}.{kind.__qualname__}.{self._case_method})"

        def __repr__(self) -> str:
            return f"<{type(self).__module__}.{type(self).__qualname__} testMethod={self._case_method}>"

        def shortDescription(self) -> str | None:
            text = getattr(context.guard.getattr(self, self._case_method), "__doc__", None)
            return text.strip().splitlines()[0].strip() if text else None

        def countTestCases(self) -> int:
            return 1

        def addCleanup(self, function: Any, /, *args: Any, **kwargs: Any) -> None:
            self._case_cleanups.append((function, args, kwargs))

        def doCleanups(self) -> None:
            while self._case_cleanups:
                function, args, kwargs = self._case_cleanups.pop()
                function(*args, **kwargs)

        def enterContext(self, cm: Any) -> Any:
            entered = cm.__enter__()
            self.addCleanup(cm.__exit__, None, None, None)
            return entered

        def skipTest(self, reason: str) -> None:
            raise SkipTest(reason)

        def fail(self, msg: Any = None) -> None:
            raise self.failureException(msg)

        def _case_say(self, msg: Any, standard: str) -> str:
            return standard if msg is None else f"{standard} : {msg}"

        def assertTrue(self, expr: Any, msg: Any = None) -> None:
            if not expr:
                raise self.failureException(self._case_say(msg, f"{expr!r} is not true"))

        def assertFalse(self, expr: Any, msg: Any = None) -> None:
            if expr:
                raise self.failureException(self._case_say(msg, f"{expr!r} is not false"))

        def assertIsNone(self, obj: Any, msg: Any = None) -> None:
            if obj is not None:
                raise self.failureException(self._case_say(msg, f"{obj!r} is not None"))

        def assertIsNotNone(self, obj: Any, msg: Any = None) -> None:
            if obj is None:
                raise self.failureException(self._case_say(msg, "unexpectedly None"))

        def assertIsInstance(self, obj: Any, cls: Any, msg: Any = None) -> None:
            if not isinstance(obj, cls):
                raise self.failureException(self._case_say(msg, f"{obj!r} is not an instance of {cls!r}"))

        def assertNotIsInstance(self, obj: Any, cls: Any, msg: Any = None) -> None:
            if isinstance(obj, cls):
                raise self.failureException(self._case_say(msg, f"{obj!r} is an instance of {cls!r}"))

        def assertAlmostEqual(self, first: Any, second: Any, places: Any = None, msg: Any = None, delta: Any = None) -> None:
            away = abs(first - second)
            near = away <= delta if delta is not None else round(away, 7 if places is None else places) == 0
            if first != second and not near:
                within = f"within {delta!r} delta" if delta is not None else f"within {7 if places is None else places} places"
                raise self.failureException(self._case_say(msg, f"{first!r} != {second!r} {within} ({away!r} difference)"))

        def assertNotAlmostEqual(self, first: Any, second: Any, places: Any = None, msg: Any = None,
                                 delta: Any = None) -> None:  # fmt: skip
            away = abs(first - second)
            near = away <= delta if delta is not None else round(away, 7 if places is None else places) == 0
            if first == second or near:
                raise self.failureException(self._case_say(msg, f"{first!r} == {second!r}"))

        def assertCountEqual(self, first: Any, second: Any, msg: Any = None) -> None:
            left = list(second)
            missing = []
            for one in first:
                if one in left:
                    left.remove(one)
                else:
                    missing.append(one)
            if missing or left:
                raise self.failureException(self._case_say(msg, f"Element counts were not equal: {missing!r} {left!r}"))

        def assertRegex(self, text: str, expected_regex: Any, msg: Any = None) -> None:
            if not re.search(expected_regex, text):
                raise self.failureException(self._case_say(msg, f"Regex didn't match: {expected_regex!r} not found in {text!r}"))

        def assertNotRegex(self, text: str, unexpected_regex: Any, msg: Any = None) -> None:
            if re.search(unexpected_regex, text):
                raise self.failureException(self._case_say(msg, f"Regex matched: {unexpected_regex!r} matches {text!r}"))

        def assertRaises(self, expected_exception: Any, callable: Any = None, *args: Any, **kwargs: Any) -> Any:
            checked = Raised(self, expected_exception, None)
            if callable is None:
                return checked
            with checked:
                callable(*args, **kwargs)
            return None

        def assertRaisesRegex(self, expected_exception: Any, expected_regex: Any, callable: Any = None, *args: Any,
                              **kwargs: Any) -> Any:  # fmt: skip
            checked = Raised(self, expected_exception, expected_regex)
            if callable is None:
                return checked
            with checked:
                callable(*args, **kwargs)
            return None

        def assertWarns(self, expected_warning: Any, callable: Any = None, *args: Any, **kwargs: Any) -> Any:
            checked = Raised(self, expected_warning, None, warns=True)
            if callable is None:
                return checked
            with checked:
                callable(*args, **kwargs)
            return None

        def assertLogs(self, logger: Any = None, level: Any = None) -> Any:
            return Logs(self, logger, level)

        @contextlib.contextmanager
        def subTest(self, msg: Any = None, **params: Any) -> Iterator[None]:
            try:
                yield
            except (self.failureException, Exception) as error:
                if self._case_result is None or isinstance(error, SkipTest):
                    raise
                named = ", ".join(f"{name}={value!r}" for name, value in params.items())
                about = f"{self} {'' if msg is None else f'[{msg}] '}({named})".rstrip()
                self._case_result.note(about, error, failed=isinstance(error, self.failureException))

        def debug(self) -> None:
            self.setUp()
            context.guard.getattr(self, self._case_method)()
            self.tearDown()

        def __call__(self, result: Any = None) -> Any:
            return self.run(result)

        def run(self, result: Any = None) -> Any:
            result = TestResult() if result is None else result
            self._case_result = result
            method = context.guard.getattr(self, self._case_method)
            result.startTest(self)
            try:
                reason = _skip_reason(method, type(self))
                if reason is not None:
                    result.addSkip(self, reason)
                    return result
                before = len(result.failures) + len(result.errors)
                expected = getattr(method, "_test_expected", False)
                if self._case_steps(method, result, expected=expected) and (
                    before == len(result.failures) + len(result.errors)
                ):
                    result.addSuccess(self)
            finally:
                result.stopTest(self)
                self._case_result = None
            return result

        def _case_steps(self, method: Any, result: Any, *, expected: bool) -> bool:
            fine = self._case_try(self.setUp, result)
            if fine:
                if expected:
                    fine = self._case_expecting(method, result)
                else:
                    fine = self._case_try(method, result)
                fine = self._case_try(self.tearDown, result) and fine
            return self._case_try(self.doCleanups, result) and fine

        def _case_expecting(self, method: Any, result: Any) -> bool:
            try:
                self._case_step(method)
            except Exception as error:
                result.addExpectedFailure(self, error)
            else:
                result.addUnexpectedSuccess(self)
            return False

        def _case_try(self, step: Any, result: Any) -> bool:
            try:
                self._case_step(step)
            except SkipTest as skip:
                result.addSkip(self, str(skip))
            except self.failureException as error:
                result.addFailure(self, (type(error), error, None))
            except Exception as error:
                result.addError(self, (type(error), error, None))
            else:
                return True
            return False

        def _case_step(self, step: Any) -> None:
            step()

    def _skip_reason(method: Any, kind: Any) -> str | None:
        for one in (method, kind):
            reason = getattr(one, "_test_skipped", None)
            if reason is not None:
                return str(reason)
        return None

    for name, (compare, words) in _COMPARED.items():
        _add_comparison(TestCase, f"assert{name}", compare, words)
    for name in _SAME_KIND:
        _add_comparison(TestCase, name, _COMPARED["Equal"][0], "!=")

    class IsolatedAsyncioTestCase(TestCase):
        """Its methods may be coroutines."""

        async def asyncSetUp(self) -> None:
            """Nothing to prepare."""

        async def asyncTearDown(self) -> None:
            """Nothing to clear away."""

        def _case_step(self, step: Any) -> None:
            async def whole() -> None:
                if step == self.setUp:
                    step()
                    await self.asyncSetUp()
                    return
                if step == self.tearDown:
                    await self.asyncTearDown()
                made = step()
                if asyncio.iscoroutine(made):
                    await made

            vars(context.offered("asyncio"))["run"](whole())

    class TestResult:
        """Counts, and the texts of what went wrong."""

        def __init__(self, stream: Any = None, descriptions: Any = None, verbosity: int = 1) -> None:
            self.failures: list[Any] = []
            self.errors: list[Any] = []
            self.skipped: list[Any] = []
            self.expectedFailures: list[Any] = []
            self.unexpectedSuccesses: list[Any] = []
            self.testsRun, self.shouldStop, self.failfast = 0, False, False
            self._result_stream, self._result_verbosity = stream, verbosity

        def _result_say(self, mark: str, word: str) -> None:
            if self._result_stream is not None and self._result_verbosity:
                self._result_stream.write(f"{word}\n" if self._result_verbosity > 1 else mark)

        def startTest(self, test: Any) -> None:
            self.testsRun += 1
            if self._result_stream is not None and self._result_verbosity > 1:
                self._result_stream.write(f"{test} ... ")

        def stopTest(self, test: Any) -> None:
            """Nothing is left to do."""

        def addSuccess(self, test: Any) -> None:
            self._result_say(".", "ok")

        def addFailure(self, test: Any, err: Any) -> None:
            self.note(test, err[1], failed=True)

        def addError(self, test: Any, err: Any) -> None:
            self.note(test, err[1], failed=False)

        def note(self, test: Any, error: Any, *, failed: bool) -> None:
            """Keep what went wrong."""
            (self.failures if failed else self.errors).append((test, context.around.describe(error)))
            self._result_say("F" if failed else "E", "FAIL" if failed else "ERROR")
            self.shouldStop = self.shouldStop or self.failfast

        def addSkip(self, test: Any, reason: str) -> None:
            self.skipped.append((test, reason))
            self._result_say("s", f"skipped {reason!r}")

        def addExpectedFailure(self, test: Any, error: Any) -> None:
            self.expectedFailures.append((test, context.around.describe(error)))
            self._result_say("x", "expected failure")

        def addUnexpectedSuccess(self, test: Any) -> None:
            self.unexpectedSuccesses.append(test)
            self._result_say("u", "unexpected success")

        def wasSuccessful(self) -> bool:
            return not (self.failures or self.errors or self.unexpectedSuccesses)

        def stop(self) -> None:
            self.shouldStop = True

    class TestSuite:
        """Tests in their order."""

        def __init__(self, tests: Any = ()) -> None:
            self._suite_tests: list[Any] = list(tests)

        def __iter__(self) -> Any:
            return iter(self._suite_tests)

        def addTest(self, test: Any) -> None:
            self._suite_tests.append(test)

        def addTests(self, tests: Any) -> None:
            self._suite_tests.extend(tests)

        def countTestCases(self) -> int:
            return sum(one.countTestCases() for one in self._suite_tests)

        def __call__(self, result: Any) -> Any:
            return self.run(result)

        def run(self, result: Any) -> Any:
            before: Any = None
            for one in self._suite_tests:
                if result.shouldStop:
                    break
                kind = type(one)
                if kind is not before:
                    _end_class(before)
                    before = kind
                    if not _begin_class(kind, result):
                        before = None
                        break
                one.run(result)
            _end_class(before)
            return result

    def _begin_class(kind: Any, result: Any) -> bool:
        if not issubclass(kind, TestCase) or getattr(kind, "_test_skipped", None) is not None:
            return True
        try:
            kind.setUpClass()
        except Exception as error:
            result.note(f"setUpClass ({kind.__module__}.{kind.__qualname__})", error, failed=False)
            return False
        return True

    def _end_class(kind: Any) -> None:
        if kind is not None and issubclass(kind, TestCase) and getattr(kind, "_test_skipped", None) is None:
            kind.tearDownClass()

    class TestLoader:
        """Finds tests among the program's own names."""

        testMethodPrefix = "test"

        def getTestCaseNames(self, testCaseClass: Any) -> list[str]:
            return sorted(
                name for name in context.guard.dir(testCaseClass)
                if name.startswith(plain_name(self.testMethodPrefix))
                and callable(context.guard.getattr(testCaseClass, name))
            )  # fmt: skip

        def loadTestsFromTestCase(self, testCaseClass: Any) -> Any:
            return TestSuite([testCaseClass(name) for name in self.getTestCaseNames(testCaseClass)])

        def loadTestsFromModule(self, module: Any) -> Any:
            name = module if type(module) is str else context.guard.getattr(module, "__name__")
            kinds = [
                one for one in list(context.names_of_module(name).values())
                if context.is_own(one) and issubclass(one, TestCase)
            ]  # fmt: skip
            return TestSuite([self.loadTestsFromTestCase(one) for one in dict.fromkeys(kinds)])

    class TextTestRunner:
        """Runs tests and tells about them."""

        def __init__(self, stream: Any = None, descriptions: bool = True, verbosity: int = 1, failfast: bool = False,
                     **_options: Any) -> None:  # fmt: skip
            self.stream = sys.stderr if stream is None else stream
            self.verbosity, self.failfast = verbosity, failfast

        def run(self, test: Any) -> Any:
            result, clock = TestResult(self.stream, True, self.verbosity), vars(context.offered("time"))["perf_counter"]
            result.failfast, start = self.failfast, clock()
            test.run(result)
            took_s = clock() - start
            write = self.stream.write
            write("\n" if self.verbosity == 1 else "")
            for word, listed in (("ERROR", result.errors), ("FAIL", result.failures)):
                for one, text in listed:
                    write(f"{_DOUBLE_LINE}\n{word}: {one}\n{_LINE}\n{text}\n")
            count = result.testsRun
            write(f"{_LINE}\nRan {count} test{'' if count == 1 else 's'} in {took_s:.3f}s\n\n")
            counts = {"failures": result.failures, "errors": result.errors, "skipped": result.skipped,
                      "expected failures": result.expectedFailures,
                      "unexpected successes": result.unexpectedSuccesses}  # fmt: skip
            said = ", ".join(f"{name}={len(listed)}" for name, listed in counts.items() if listed)
            write(("OK" if result.wasSuccessful() else "FAILED") + (f" ({said})" if said else "") + "\n")
            return result

    class TestProgram:
        """`unittest.main`."""

        def __init__(self, module: Any = "__main__", defaultTest: Any = None, argv: Any = None, testRunner: Any = None,
                     testLoader: Any = None, exit: bool = True, verbosity: int = 1, failfast: bool = False,
                     **_options: Any) -> None:  # fmt: skip
            suite = (testLoader or loader).loadTestsFromModule(module)
            runner = testRunner or TextTestRunner(verbosity=verbosity, failfast=bool(failfast))
            self.result = runner.run(suite)
            if exit:
                sys.exit(not self.result.wasSuccessful())

    loader = TestLoader()

    def mark(name: str, value: Any) -> Callable[[Any], Any]:
        def marking(thing: Any) -> Any:
            if type(thing) is not types.FunctionType and not context.is_own(thing):
                raise TypeError("only the program's own functions and classes can be marked")
            setattr(thing, name, value)
            return thing

        return marking

    def skip(reason: Any = "") -> Any:
        if type(reason) is types.FunctionType:
            return mark("_test_skipped", "")(reason)
        return mark("_test_skipped", reason)

    def skipIf(condition: Any, reason: str) -> Any:
        return skip(reason) if condition else lambda thing: thing

    def skipUnless(condition: Any, reason: str) -> Any:
        return lambda thing: thing if condition else skip(reason)(thing)

    def expectedFailure(test_item: Any) -> Any:
        return mark("_test_expected", True)(test_item)

    kinds = (TestCase, IsolatedAsyncioTestCase, TestResult, TestSuite, TestLoader, TextTestRunner)
    for kind in (*kinds, Raised, Logs, TestProgram):
        present(kind, "unittest")
    functions = {one.__name__: one for one in (skip, skipIf, skipUnless, expectedFailure)}
    offered: dict[str, Any] = {kind.__name__: kind for kind in kinds} | functions
    offered |= {"main": TestProgram, "defaultTestLoader": loader, "SkipTest": SkipTest, "TextTestResult": TestResult}
    return {"unittest": offered}, [TestCase, IsolatedAsyncioTestCase, TestResult, TestSuite]


def _add_comparison(kind: Any, name: str, compare: Callable[[Any, Any], Any], words: str) -> None:
    def check(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if compare(first, second):
            return
        shown = f"{first!r} {words} {second!r}"
        if words == "!=" and type(first) is type(second) and isinstance(first, str | list | tuple | dict):
            shown += "\n\n" + _difference(first, second)
        raise self.failureException(shown if msg is None else f"{shown} : {msg}")

    check.__name__ = check.__qualname__ = name
    setattr(kind, name, check)


def _difference(first: Any, second: Any) -> str:
    """Return how two values differ, line by line, if that is not too long."""
    texts = [one if isinstance(one, str) else pprint.pformat(one) for one in (first, second)]
    if max(map(len, texts)) > 1 << 14:
        return "Diff is too long to be shown."
    return "\n".join(difflib.ndiff(texts[0].splitlines(), texts[1].splitlines()))


def doctest_module(context: Context) -> Offer:
    """Return the names of `doctest`."""
    parser, checker = doctest.DocTestParser(), doctest.OutputChecker()

    class DocTest:
        """The examples of one docstring."""

        def __init__(self, examples: Any, globs: dict[str, Any], name: str) -> None:
            self.examples, self.globs, self.name = examples, globs, name

        def __repr__(self) -> str:
            return f"<DocTest {self.name} ({len(self.examples)} examples)>"

    class TestResults(tuple[int, int]):
        __slots__ = ()
        failed = property(lambda self: self[0])
        attempted = property(lambda self: self[1])

        def __repr__(self) -> str:
            return f"TestResults(failed={self[0]}, attempted={self[1]})"

    def own_names(module: str) -> dict[str, Any]:
        """Return a module's names without those that only the interpreter must see."""
        return {name: one for name, one in context.names_of_module(module).items() if name.isidentifier() and not is_dunder(name)}

    def examples_of(text: Any) -> list[Any]:
        return parser.get_examples(str.__str__(text)) if isinstance(text, str) else []

    class DocTestFinder:
        """Finds the examples of functions and classes of the program's own."""

        def __init__(self, *_args: Any, **_options: Any) -> None:
            """There is nothing to choose."""

        def find(self, obj: Any, name: str | None = None, module: Any = None, globs: Any = None,
                 extraglobs: Any = None) -> list[Any]:  # fmt: skip
            called = name or context.guard.getattr(obj, "__name__")
            names = {**(own_names("__main__") if globs is None else globs), **(extraglobs or {})}
            found = [DocTest(examples_of(context.guard.getattr(obj, "__doc__", None)), names, called)]
            if context.is_own(obj):
                for one, value in context.guard.names_of(obj).items():
                    if type(value) in (types.FunctionType, property, classmethod, staticmethod):
                        found.append(DocTest(examples_of(getattr(value, "__doc__", None)), names, f"{called}.{one}"))
            return [one for one in found if one.examples]

    class DocTestRunner:
        """Runs examples and compares what they print."""

        def __init__(self, checker: Any = None, verbose: Any = None, optionflags: int = 0) -> None:
            self.failures, self.tries, self.optionflags, self.verbose = 0, 0, optionflags, bool(verbose)

        def run(self, test: Any, compileflags: Any = None, out: Any = None, clear_globs: bool = True) -> Any:
            failed = 0
            names = dict(test.globs)
            for number, example in enumerate(test.examples):
                got = _run_example(example, test.name, number, names)
                flags = self.optionflags
                for flag, wanted in example.options.items():
                    flags = flags | flag if wanted else flags & ~flag
                if checker.check_output(example.want, got, flags) or _same_exception(example, got, flags):
                    continue
                failed += 1
                report = f"{'*' * 70}\nFailed example:\n    {example.source}" + checker.output_difference(example, got, flags)
                (sys.stdout.write if out is None else out)(report)
            self.failures += failed
            self.tries += len(test.examples)
            return TestResults((failed, len(test.examples)))

        def summarize(self, verbose: Any = None) -> Any:
            return TestResults((self.failures, self.tries))

    def _run_example(example: Any, name: str, number: int, names: dict[str, Any]) -> str:
        printed, before = io.StringIO(), sys.stdout
        sys.stdout = printed
        try:
            context.run_text(example.source, f"<doctest {name}[{number}]>", "single", names)
        except Exception as error:
            text = context.around.describe(error).splitlines(keepends=True)
            return f"Traceback (most recent call last):\n{text[-1] if text else ''}"
        finally:
            sys.stdout = before
        return printed.getvalue()

    def _same_exception(example: Any, got: str, flags: int) -> bool:
        if example.exc_msg is None or not got.startswith("Traceback"):
            return False
        last = got.splitlines(keepends=True)[-1]
        return bool(checker.check_output(example.exc_msg, last, flags)) or last.startswith(f"{example.exc_msg.strip()}:")

    def testmod(m: Any = None, *_args: Any, verbose: Any = None, optionflags: int = 0, **_options: Any) -> Any:
        names = own_names("__main__" if m is None else context.guard.getattr(m, "__name__"))
        runner = DocTestRunner(verbose=verbose, optionflags=optionflags)
        for name, one in list(names.items()):
            if (type(one) is types.FunctionType and one.__module__ == "__main__") or context.is_own(one):
                for test in DocTestFinder().find(one, name, globs=names):
                    runner.run(test)
        return runner.summarize()

    kinds = (DocTest, DocTestFinder, DocTestRunner, TestResults)
    for kind in kinds:
        present(kind, "doctest")
    flags = {name: getattr(doctest, name) for name in "ELLIPSIS NORMALIZE_WHITESPACE IGNORE_EXCEPTION_DETAIL SKIP".split()}
    return {"doctest": {**{kind.__name__: kind for kind in kinds}, **flags, "testmod": testmod}}, []
