"""Iteration: generators, comprehensions, itertools, and the built-in functions that take them."""

import itertools
import operator
from functools import reduce


def naturals(limit):
    n = 0
    while n < limit:
        yield n
        n += 1


def flatten(nested):
    for item in nested:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


def windows(items, size):
    items = iter(items)
    window = tuple(itertools.islice(items, size))
    while len(window) == size:
        yield window
        for item in items:
            window = (*window[1:], item)
            break
        else:
            return


def averager():
    total, count, average = 0, 0, 0
    while True:
        value = yield average
        total += value
        count += 1
        average = total / count


class Countdown:
    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return self

    def __next__(self):
        if self.start <= 0:
            raise StopIteration
        self.start -= 1
        return self.start


total = sum(n * n for n in naturals(6000) if n % 3)
nested = [1, [2, [3, [4, 5], 6], [7]], [[8]], 9]
total += sum(sum(flatten(nested)) for _ in range(250))
total += sum(max(w) - min(w) for w in windows([n * 37 % 101 for n in range(2500)], 4))
average = averager()
next(average)
for n in range(3000):
    last = average.send(n)
total += int(last) + sum(Countdown(3000))
total += sum(1 for a, b, c in itertools.product(range(14), repeat=3) if a + b == c)
total += len(list(itertools.permutations(range(6)))) + len(list(itertools.combinations(range(12), 4)))
for key, group in itertools.groupby(sorted(range(2000), key=lambda n: n % 9), key=lambda n: n % 9):
    total += key * len(list(group))
total += sum(itertools.accumulate(range(300), operator.mul, initial=1)) % 1009
total += reduce(operator.xor, itertools.chain(range(2000), range(3, 4000, 7)))
for index, (left, right) in enumerate(zip(range(4000), reversed(range(4000)))):
    if left > right and index % 5 == 0:
        total += left - right
total += len([*map(str, filter(lambda n: n & 4, range(3000)))])
total += any(n > 2990 for n in range(3000)) + all(n >= 0 for n in range(3000))
squares = {n: n * n for n in range(1500)}
total += len({value % 97 for value in squares.values()}) + sum(squares[n] for n in list(squares)[::7])
matrix = [[i + j for j in range(25)] for i in range(25)]
for _ in range(2):
    matrix = [[sum(a * b for a, b in zip(row, column)) % 1000 for column in zip(*matrix)] for row in matrix]
total += sum(map(max, matrix))
total += sum(i for i, c in enumerate("abcabc" * 300) if c in "ac") + min(itertools.repeat(4, 100))
assert total == 48167781476, total
