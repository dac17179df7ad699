# /// program
# about = "Edit distance, knapsack, longest common subsequence, coin change."
# value = "73682"
# stdout = '''
# 3 3 2
# (150, ('stove', 'rope', 'food'))
# BDAB
# '''
# ///
from functools import lru_cache


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def knapsack(items, capacity):
    best = [(0, ())] * (capacity + 1)
    for name, weight, value in items:
        for room in range(capacity, weight - 1, -1):
            candidate = (best[room - weight][0] + value, (*best[room - weight][1], name))
            best[room] = max(best[room], candidate)
    return best[capacity]


def common_subsequence(a, b):
    @lru_cache(maxsize=None)
    def solve(i, j):
        if i == len(a) or j == len(b):
            return ""
        if a[i] == b[j]:
            return a[i] + solve(i + 1, j + 1)
        return max(solve(i + 1, j), solve(i, j + 1), key=len)

    return solve(0, 0)


def change(amount, coins):
    ways = [1] + [0] * amount
    for coin in coins:
        for total in range(coin, amount + 1):
            ways[total] += ways[total - coin]
    return ways[amount]


print(edit_distance("kitten", "sitting"), edit_distance("", "abc"), edit_distance("flaw", "lawn"))
print(knapsack([("tent", 5, 60), ("stove", 3, 50), ("rope", 4, 70), ("food", 2, 30)], 9))
print(common_subsequence("ABCBDAB", "BDCABA"))
change(200, [1, 2, 5, 10, 20, 50, 100, 200])
