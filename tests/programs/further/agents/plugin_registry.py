# /// program
# about = "Plugins by subclass hooks, singledispatch, partial application and dynamic attributes."
# value = "(True, True, True)"
# stdout = '''
# HI! HI! HI! [n1, n2.5, [str:a]@1]@0 n1
# no plugin 'none'; there are repeat, shout
# namespace(a=1, b=2) ['a', 'b=2', 'c'] default
# 'mappingproxy' object does not support item assignment
# '''
# ///
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace


class Plugin(ABC):
    _plugins: dict[str, type["Plugin"]] = {}
    name = "base"

    def __init_subclass__(cls, /, abstract=False, **kwargs):
        super().__init_subclass__(**kwargs)
        if not abstract:
            Plugin._plugins[cls.name] = cls

    @abstractmethod
    def run(self, text: str) -> str: ...

    @classmethod
    def create(cls, name, *args):
        try:
            return cls._plugins[name](*args)
        except KeyError:
            raise LookupError(f"no plugin {name!r}; there are {', '.join(sorted(cls._plugins))}") from None


class Shout(Plugin):
    name = "shout"

    def run(self, text):
        return text.upper() + "!"


class Repeat(Plugin):
    name = "repeat"

    def __init__(self, times=2):
        self.times = times

    def run(self, text):
        return " ".join([text] * self.times)


@functools.singledispatch
def describe(thing, *, depth=0):
    return f"{type(thing).__name__}:{thing}"


@describe.register
def _(thing: list, *, depth=0):
    return "[" + ", ".join(describe(one, depth=depth + 1) for one in thing) + f"]@{depth}"


@describe.register(int)
@describe.register(float)
def _number(thing, *, depth=0):
    return f"n{thing:g}"


class Pipeline:
    def __init__(self, *steps: Callable):
        self.steps = list(steps)

    def __or__(self, step):
        return Pipeline(*self.steps, step)

    def __call__(self, value):
        return functools.reduce(lambda v, step: step(v), self.steps, value)


class Proxy:
    def __init__(self, target):
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "log", [])

    def __getattr__(self, name):
        self.log.append(name)
        return getattr(self._target, name)

    def __setattr__(self, name, value):
        self.log.append(f"{name}={value!r}")
        setattr(self._target, name, value)


pipeline = Pipeline() | Plugin.create("shout").run | Plugin.create("repeat", 3).run
print(pipeline("hi"), describe([1, 2.5, ["a"]]), describe.dispatch(bool)(True))
try:
    Plugin.create("none")
except LookupError as error:
    print(error)
space = SimpleNamespace(a=1)
proxy = Proxy(space)
proxy.b = proxy.a + 1
print(space, proxy.log, getattr(proxy, "c", "default"))
frozen = MappingProxyType({"k": 1})
try:
    frozen["k"] = 2
except TypeError as error:
    print(error)
issubclass(Shout, Plugin), Plugin.__subclasses__() == [Shout, Repeat], sorted(vars(Shout))[:1] != []
