# /// program
# about = "Decorators: with and without arguments, on classes, stacked, keeping metadata."
# value = "6"
# stdout = '''
# add(1, b=5) -> 6
# attempt 1: first
# attempt 2: second
# fine
# height: expected int, got '3'
# True Add two numbers. (a: int, b: int = 1) -> int
# area(2, 3) -> 6
# '''
# ///
import functools
import inspect


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        shown = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
        result = function(*args, **kwargs)
        print(f"{function.__name__}({shown}) -> {result!r}")
        return result

    return wrapper


def retry(times, on=Exception):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(1, times + 1):
                try:
                    return function(*args, **kwargs)
                except on as error:
                    print(f"attempt {attempt}: {error}")
                    if attempt == times:
                        raise

        return wrapper

    return decorate


def checked(function):
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            wanted = signature.parameters[name].annotation
            if wanted is not inspect.Parameter.empty and not isinstance(value, wanted):
                raise TypeError(f"{name}: expected {wanted.__name__}, got {value!r}")
        return function(*args, **kwargs)

    return wrapper


def singleton(cls):
    instances = {}

    @functools.wraps(cls, updated=())
    def get(*args):
        if cls not in instances:
            instances[cls] = cls(*args)
        return instances[cls]

    return get


@traced
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


calls = iter([ValueError("first"), ValueError("second"), None])


@retry(times=3, on=ValueError)
def flaky():
    error = next(calls)
    if error:
        raise error
    return "fine"


@traced
@checked
def area(width: int, height: int):
    return width * height


@singleton
class Config:
    pass


add(1, b=5)
print(flaky())
try:
    area(2, "3")
except TypeError as error:
    print(error)
print(Config() is Config(), add.__doc__, inspect.signature(add))
area(2, 3)
