"""Calls: recursion, closures, decorators, all kinds of arguments."""

import functools
import operator


def traced(function):
    count = 0

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        nonlocal count
        count += 1
        wrapper.calls = count
        return function(*args, **kwargs)

    return wrapper


@traced
def area(width, height=2, *more, scale=1, **names):
    return (width * height + sum(more)) * scale + len(names)


def moves(disks, source, target, spare):
    if disks == 0:
        return 0
    return moves(disks - 1, source, spare, target) + 1 + moves(disks - 1, spare, target, source)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


def make_counter(start=0):
    def step(by=1):
        nonlocal start
        start += by
        return start

    return step


def compose(*functions):
    return functools.reduce(lambda f, g: lambda x: f(g(x)), functions)


@functools.lru_cache(maxsize=None)
def ways(amount, coins=(1, 2, 5, 10, 20, 50)):
    if amount == 0:
        return 1
    if amount < 0 or not coins:
        return 0
    return ways(amount - coins[-1], coins) + ways(amount, coins[:-1])


total = 0
for n in range(3000):
    total += area(n, 3) + area(n, scale=2) + area(n, 1, 2, 3, color="red", size=n)
total += moves(11, "a", "b", "c") + ackermann(2, 60)
counter = make_counter()
for n in range(4000):
    counter(n & 3)
f = compose(lambda x: x + 1, lambda x: x * 2, functools.partial(operator.add, 5))
total += counter(0) + sum(f(n) for n in range(3000)) + ways(300)
pairs = sorted([(n * 37 % 101, str(n)) for n in range(2000)], key=operator.itemgetter(0, 1))
total += max(pairs, key=lambda pair: (pair[0], -len(pair[1])))[0] + area.calls
assert total == 45449389, total
