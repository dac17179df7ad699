# /// program
# about = "Permutations in order, partitions, Gray code, power sets, Catalan numbers."
# value = "(5604, 720, 180)"
# stdout = '''
# 12 [3, 2, 2, 1]
# [(5,), (4, 1), (3, 2), (3, 1, 1), (2, 2, 1), (2, 1, 1, 1), (1, 1, 1, 1, 1)]
# ['000', '001', '011', '010', '110', '111', '101', '100']
# ['', 'a', 'b', 'c', 'ab', 'ac', 'bc', 'abc']
# [1, 1, 2, 5, 14, 42, 132, 429, 1430, 4862]
# '''
# ///
import itertools
import math


def next_permutation(items):
    items = list(items)
    i = len(items) - 2
    while i >= 0 and items[i] >= items[i + 1]:
        i -= 1
    if i < 0:
        return None
    j = len(items) - 1
    while items[j] <= items[i]:
        j -= 1
    items[i], items[j] = items[j], items[i]
    items[i + 1 :] = reversed(items[i + 1 :])
    return items


def partitions(n, largest=None):
    largest = largest or n
    if n == 0:
        yield ()
        return
    for part in range(min(n, largest), 0, -1):
        for rest in partitions(n - part, part):
            yield (part, *rest)


def power_set(items):
    return itertools.chain.from_iterable(
        itertools.combinations(items, size) for size in range(len(items) + 1)
    )


current, count = [1, 2, 2, 3], 0
while current:
    count += 1
    last, current = current, next_permutation(current)
print(count, last)
print(list(partitions(5)))
print([f"{n ^ (n >> 1):03b}" for n in range(8)])
print(["".join(s) for s in power_set("abc")])
print([math.comb(2 * n, n) // (n + 1) for n in range(10)])
sum(1 for _ in partitions(30)), math.perm(10, 3), len(set(itertools.permutations("letter")))
