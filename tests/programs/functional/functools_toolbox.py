# /// program
# about = "functools: cache, partial, reduce, singledispatch, cached_property, wraps, cmp_to_key."
# value = "'9534330'"
# stdout = '''
# 20365011074 CacheInfo(hits=48, misses=51, maxsize=32, currsize=32)
# the number 3 | 3 things: the number 1, a str, 1 things: a float | the number True
# expensive expensive 1 HI ?
# Hello World!
# [0, 1, 4, 9, 16] {'exp': 2} 3628800
# '''
# ///
import functools
import operator


@functools.lru_cache(maxsize=32)
def stairs(n):
    return 1 if n < 2 else stairs(n - 1) + stairs(n - 2)


@functools.singledispatch
def describe(value):
    return f"a {type(value).__name__}"


@describe.register
def _(value: int):
    return f"the number {value}"


@describe.register(list)
@describe.register(tuple)
def _(value):
    return f"{len(value)} things: " + ", ".join(map(describe, value))


class Report:
    built = 0

    @functools.cached_property
    def text(self):
        Report.built += 1
        return "expensive"

    @functools.singledispatchmethod
    def show(self, value):
        return "?"

    @show.register
    def _(self, value: str):
        return value.upper()


def compose(*functions):
    return functools.reduce(lambda f, g: lambda x: g(f(x)), functions)


print(stairs(50), stairs.cache_info())
print(describe(3), "|", describe([1, "x", (2.5,)]), "|", describe(True))
report = Report()
print(report.text, report.text, Report.built, report.show("hi"), report.show(1))
print(compose(str.strip, str.title, lambda s: s + "!")("  hello world "))
power = functools.partial(pow, exp=2)
print(list(map(power, range(5))), power.keywords, functools.reduce(operator.mul, range(1, 11)))
numbers = ["3", "30", "34", "5", "9"]
largest = sorted(numbers, key=functools.cmp_to_key(lambda a, b: -1 if a + b > b + a else 1))
"".join(largest)
