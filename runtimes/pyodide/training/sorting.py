"""Order: sorting of every common type, with and without keys, by hand too; binary search; merging."""

import heapq
from bisect import bisect_left
from functools import cmp_to_key
from operator import attrgetter, itemgetter
from types import SimpleNamespace

state = 99


def draw(limit):
    global state
    state = (state * 1103515245 + 12345) % 2147483648
    return state % limit


def quicksort(items, low, high):
    while low < high:
        pivot, i, j = items[(low + high) // 2], low, high
        while i <= j:
            while items[i] < pivot:
                i += 1
            while items[j] > pivot:
                j -= 1
            if i <= j:
                items[i], items[j] = items[j], items[i]
                i, j = i + 1, j - 1
        if j - low < high - i:
            quicksort(items, low, j)
            low = i
        else:
            quicksort(items, i, high)
            high = j


def insertion(items):
    for i in range(1, len(items)):
        one, j = items[i], i - 1
        while j >= 0 and items[j] > one:
            items[j + 1] = items[j]
            j -= 1
        items[j + 1] = one


numbers = [draw(1_000_000) for _ in range(5000)]
large = [draw(2**30) * 2**20 for _ in range(1500)]
floats = [draw(10**6) / 7 for _ in range(3000)]
names = [f"name{draw(5000):04d}" for _ in range(2500)]
pairs = [(draw(50), draw(1000)) for _ in range(2000)]
rows = [{"id": n, "score": draw(500), "name": names[n]} for n in range(1200)]
things = [SimpleNamespace(size=draw(90), name=names[n]) for n in range(600)]
total = sorted(numbers)[2500] + sorted(numbers, reverse=True)[10] + sorted(large)[3] % 1009
total += int(sorted(floats)[1500]) + sorted(names)[7].count("0") + sorted(pairs)[1000][1]
total += sorted(numbers, key=lambda n: n % 977)[5] + sorted(numbers, key=lambda n: -n)[-1]
total += sorted(rows, key=lambda row: (-row["score"], row["name"]))[3]["id"] + sorted(rows, key=itemgetter("name"))[0]["id"]
total += sum(thing.size for thing in sorted(things, key=attrgetter("size", "name"))[:20])
total += len(sorted(names, key=len)[0]) + len(sorted(set(names), key=str.lower))
total += sorted(pairs, key=cmp_to_key(lambda a, b: a[1] - b[1] or b[0] - a[0]))[500][0]
by_hand = numbers[:1500]
quicksort(by_hand, 0, len(by_hand) - 1)
few = numbers[:90]
insertion(few)
total += by_hand[700] + few[3] + sum(bisect_left(by_hand, one) for one in numbers[:800])
total += heapq.nsmallest(5, numbers)[4] + heapq.nlargest(3, floats, key=lambda x: -x)[0].is_integer()
total += sum(1 for a, b in zip(by_hand, by_hand[1:]) if a <= b) + list(heapq.merge(few, by_hand))[90]
numbers.sort()
total += numbers.index(by_hand[5]) + min(pairs)[1] + max(rows, key=itemgetter("score"))["id"]
assert total == 2992971, total
