# /// program
# about = "Decorators with arguments: retry, memoise, timing, validation, registry; wraps keeps names."
# value = "'flaky'"
# stdout = '''
# 8.0 flaky Work at the third attempt. 3 (x: int, *, scale: float = 2.0) -> float
# hello a hello b 2 hello
# 23416728348467685 81
# never failed 2 times | ValueError('no')
# '''
# ///
import functools
import inspect
import time
from typing import Callable, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
REGISTRY: dict[str, Callable] = {}


def register(name: str):
    def decorate(function):
        REGISTRY[name] = function
        return function
    return decorate


def retry(times: int = 3, exceptions: tuple[type[BaseException], ...] = (Exception,), delay: float = 0.0):
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            last = None
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except exceptions as error:
                    last = error
                    time.sleep(delay)
            raise RuntimeError(f"{function.__name__} failed {times} times") from last
        wrapper.attempts = times
        return wrapper
    return decorate


class CountCalls:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self._function = function
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self._function(*args, **kwargs)

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)


state = {"left": 2}


@register("flaky")
@retry(times=3, exceptions=(ConnectionError,))
def flaky(x: int, *, scale: float = 2.0) -> float:
    """Work at the third attempt."""
    if state["left"]:
        state["left"] -= 1
        raise ConnectionError("not yet")
    return x * scale


@CountCalls
def hello(name):
    "Greet."
    return f"hello {name}"


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


print(REGISTRY["flaky"](4), flaky.__name__, flaky.__doc__, flaky.attempts, inspect.signature(flaky))
print(hello("a"), hello("b"), hello.calls, hello.__name__)
print(fib(80), fib.cache_info().misses)


@retry(2)
def never():
    raise ValueError("no")


try:
    never()
except RuntimeError as error:
    print(error, "|", repr(error.__cause__))
flaky.__wrapped__.__name__
