# /// program
# about = "Binary search: exact, leftmost, on an answer, and with bisect's key."
# value = "('FACCBAA', 14142135623730950489, 14142135623730950488)"
# stdout = '''
# [0, 4, 7, None]
# 1 4
# capacity 6
# 2
# '''
# ///
import bisect
import math


def search(items, wanted):
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return None


def smallest(low, high, holds):
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


items = [1, 3, 3, 3, 8, 13, 21, 34]
print([search(items, n) for n in (1, 8, 34, 7)])
print(bisect.bisect_left(items, 3), bisect.bisect_right(items, 3))
weights = [3, 2, 2, 4, 1, 4]


def days_needed(capacity):
    days, load = 1, 0
    for weight in weights:
        if load + weight > capacity:
            days, load = days + 1, 0
        load += weight
    return days


print("capacity", smallest(max(weights), sum(weights), lambda c: days_needed(c) <= 3))
people = [("Ann", 21), ("Bob", 35), ("Cid", 44)]
print(bisect.bisect(people, 35, key=lambda p: p[1]))
grades = "".join("FDCBA"[bisect.bisect([60, 70, 80, 90], score)] for score in (33, 99, 77, 70, 89, 90, 100))
root = smallest(0, 10**20, lambda n: n * n >= 2 * 10**38)
grades, root, math.isqrt(2 * 10**38)
