# /// program
# about = "Five sorting algorithms, checked against sorted() on seeded data."
# value = "[31, -36, -47, 44, -15, -19, -22, -33]"
# stdout = '''
# insertion_sort  True
# merge_sort      True
# quick_sort      True
# heap_sort       True
# counting_sort   True
# '''
# ///
import heapq
import random


def insertion_sort(items):
    items = list(items)
    for i in range(1, len(items)):
        current, j = items[i], i
        while j and items[j - 1] > current:
            items[j] = items[j - 1]
            j -= 1
        items[j] = current
    return items


def merge_sort(items):
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    return list(heapq.merge(merge_sort(items[:middle]), merge_sort(items[middle:])))


def quick_sort(items):
    if len(items) < 2:
        return list(items)
    pivot = items[len(items) // 2]
    return (
        quick_sort([x for x in items if x < pivot])
        + [x for x in items if x == pivot]
        + quick_sort([x for x in items if x > pivot])
    )


def heap_sort(items):
    heap = list(items)
    heapq.heapify(heap)
    return [heapq.heappop(heap) for _ in range(len(heap))]


def counting_sort(items):
    low = min(items)
    counts = [0] * (max(items) - low + 1)
    for item in items:
        counts[item - low] += 1
    return [low + value for value, count in enumerate(counts) for _ in range(count)]


random.seed(42)
data = [random.randint(-50, 50) for _ in range(300)]
for sort in (insertion_sort, merge_sort, quick_sort, heap_sort, counting_sort):
    print(f"{sort.__name__:<15}", sort(data) == sorted(data))
data[:8]
