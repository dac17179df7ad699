"""Lists, tuples, dictionaries, sets, and what collections, heapq and bisect add to them."""

import bisect
import heapq
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple

Point = namedtuple("Point", "x y")


def graph(size):
    edges = defaultdict(list)
    for node in range(size):
        for jump in (1, 7, 31):
            other = (node * 3 + jump) % size
            edges[node].append((other, (node * jump) % 17 + 1))
    return edges


def shortest(edges, start):
    distance, heap = {start: 0}, [(0, start)]
    while heap:
        so_far, node = heapq.heappop(heap)
        if so_far > distance[node]:
            continue
        for other, weight in edges[node]:
            new = so_far + weight
            if new < distance.get(other, 10**9):
                distance[other] = new
                heapq.heappush(heap, (new, other))
    return distance


def levels(edges, start):
    seen, queue = {start}, deque([(start, 0)])
    deepest = 0
    while queue:
        node, depth = queue.popleft()
        deepest = max(deepest, depth)
        for other, _ in edges[node]:
            if other not in seen:
                seen.add(other)
                queue.append((other, depth + 1))
    return deepest, len(seen)


edges = graph(900)
total = sum(shortest(edges, 0).values()) + sum(levels(edges, 5))
words = ["apple", "pear", "plum", "fig", "cherry", "lime", "quince"]
counts = Counter(words[n * n % 7] for n in range(6000))
total += counts["fig"] + counts.most_common(1)[0][1]
grid = {(x, y): x * y % 5 for x in range(50) for y in range(50)}
total += sum(grid[x, y] for x, y in grid if (x + 1, y - 1) in grid)
ordered = []
for n in range(2500):
    bisect.insort(ordered, n * 7919 % 2503)
total += ordered[100] + len(set(ordered) & set(range(0, 3000, 3)) - {9} | {1, 2})
rows = [[n * m % 10 for m in range(30)] for n in range(60)]
total += sum(map(sum, zip(*rows))) + len([cell for row in rows for cell in row if cell])
stack = []
for n in range(6000):
    stack.append(n)
    if n % 3 == 0:
        total += stack.pop(-1)
    if len(stack) > 50:
        del stack[10:40]
recent = OrderedDict()
for n in range(3000):
    key = n * 13 % 97
    recent[key] = n
    recent.move_to_end(key)
    if len(recent) > 40:
        recent.popitem(last=False)
total += sum(recent) + ChainMap({"a": 1}, {"b": 2})["b"]
points = [Point(n % 17, n % 13) for n in range(2500)]
points.sort(key=lambda p: (p.x, -p.y))
total += sum(p.x - p.y for p in points) + points[40].y
index = {}
for position, word in enumerate(words * 300):
    index.setdefault(word[0], []).append(position)
total += sum(len(where) for first, where in index.items() if first in {"p", "f"})
first, *middle, last = ordered
total += first + last + middle.index(last - 1) + middle.count(5)
assert total == 6033454, total
