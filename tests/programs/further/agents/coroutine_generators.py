# /// program
# about = "Generators as pipelines and coroutines: send, throw, close, yield from, return values."
# value = "{'to': 2, 'be': 2, 'or': 2, 'not': 3}"
# stdout = '''
# 10.0 15.0 None 7.0
# result (1, 7.0)
# [[1, 2], [3]] [1, 2, 3, 4]
# [2, 3, 5, 7, 11, 13, 17, 19, 23, 29] [1, 2, 6]
# [3, 2, 1] [1, 2, 3] 10 2
# '''
# ///
from collections.abc import Generator, Iterator
from functools import reduce, wraps
from itertools import accumulate, count, takewhile


def coroutine(function):
    @wraps(function)
    def start(*args, **kwargs):
        made = function(*args, **kwargs)
        next(made)
        return made
    return start


@coroutine
def averager() -> Generator[float | None, float, tuple[int, float]]:
    total, n, average = 0.0, 0, None
    while True:
        try:
            value = yield average
        except ValueError:
            total, n, average = 0.0, 0, None
            continue
        if value is None:
            return n, average
        total += value
        n += 1
        average = total / n


def flatten(nested) -> Iterator:
    for one in nested:
        if isinstance(one, (list, tuple)):
            yield from flatten(one)
        else:
            yield one


def delegate(results):
    while True:
        results.append((yield from inner()))


def inner():
    got = []
    while (value := (yield)) is not None:
        got.append(value)
    return got


def primes():
    found = []
    for n in count(2):
        if all(n % p for p in takewhile(lambda p: p * p <= n, found)):
            found.append(n)
            yield n


avg = averager()
print(avg.send(10), avg.send(20), avg.throw(ValueError), avg.send(7))
try:
    avg.send(None)
except StopIteration as stop:
    print("result", stop.value)
results = []
d = delegate(results)
next(d)
for value in (1, 2, None, 3, None):
    d.send(value)
d.close()
print(results, list(flatten([1, [2, (3, [4])], []])))
print(list(takewhile(lambda p: p < 30, primes())), list(accumulate([1, 2, 3], lambda a, b: a * b)))


class Countdown:
    def __init__(self, start):
        self.start = start

    def __iter__(self):
        n = self.start
        while n:
            yield n
            n -= 1

    def __reversed__(self):
        return iter(range(1, self.start + 1))


print(list(Countdown(3)), list(reversed(Countdown(3))), sum(Countdown(4)), max(Countdown(2), default=0))


def pipe(*functions):
    return lambda value: reduce(lambda v, f: f(v), functions, value)


pipe(str.strip, str.split, lambda words: {w: len(w) for w in words})(" to be or not ")
