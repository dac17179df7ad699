"""Search and dynamic programming: queens, edit distance, knapsack, life, topological order, islands."""

from collections import deque


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    count = 0
    free = ~(columns | left | right) & ((1 << size) - 1)
    while free:
        bit = free & -free
        free ^= bit
        count += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return count


def distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


def knapsack(items, capacity):
    best = [0] * (capacity + 1)
    for weight, value in items:
        for space in range(capacity, weight - 1, -1):
            if best[space - weight] + value > best[space]:
                best[space] = best[space - weight] + value
    return best[capacity]


def life(alive, turns):
    for _ in range(turns):
        near = {}
        for x, y in alive:
            for dx in (-1, 0, 1):
                for dy in (-1, 0, 1):
                    if dx or dy:
                        near[x + dx, y + dy] = near.get((x + dx, y + dy), 0) + 1
        alive = {cell for cell, count in near.items() if count == 3 or (count == 2 and cell in alive)}
    return len(alive)


def order(needs):
    waiting = {name: len(before) for name, before in needs.items()}
    ready = deque(sorted(name for name, count in waiting.items() if count == 0))
    done = []
    while ready:
        name = ready.popleft()
        done.append(name)
        for other, before in needs.items():
            if name in before:
                waiting[other] -= 1
                if waiting[other] == 0:
                    ready.append(other)
    return done


def islands(grid):
    seen, count = set(), 0
    for y, row in enumerate(grid):
        for x, cell in enumerate(row):
            if cell == "." or (x, y) in seen:
                continue
            count += 1
            stack = [(x, y)]
            while stack:
                a, b = stack.pop()
                if (a, b) in seen or not (0 <= b < len(grid) and 0 <= a < len(row)) or grid[b][a] == ".":
                    continue
                seen.add((a, b))
                stack.extend(((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)))
    return count


def merge_sort(items):
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


needs = {f"n{n}": {f"n{m}" for m in range(n) if n % (m + 2) == 0} for n in range(60)}
grid = ["".join("#" if (x * x + y * 3) % 7 < 3 else "." for x in range(40)) for y in range(30)]
ordered = merge_sort([n * 7919 % 2003 for n in range(1200)])
assert queens(7) == 40
assert distance("a rather long sentence about nothing" * 2, "another long sentence on something" * 2) == 20
assert knapsack([(n % 13 + 3, n * 7 % 31 + 1) for n in range(25)], 160) == 356
assert life({(0, 1), (1, 0), (1, 1), (1, 2), (2, 2)}, 30) == 27
assert len(order(needs)) == 60
assert islands(grid) == 299
assert ordered == sorted(ordered)
