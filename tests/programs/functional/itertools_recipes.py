# /// program
# about = "itertools: grouping, windows, products, accumulation, batching, round robin."
# value = "{'A': ['ann', 'cid'], 'B': ['bob']}"
# stdout = '''
# [('a', 'b', 'c'), ('b', 'c', 'd'), ('c', 'd', 'e')]
# ADEBFC [('a', 3), ('b', 1), ('c', 2), ('d', 1)]
# [[0, 1, 2], [3, 4, 5], [6]]
# [3, 3, 4, 4, 5] [10, 10, 20, 60]
# ['aa', 'ab', 'ba', 'bb'] [('x', 'y'), ('y', 'z')]
# [('a', 'x'), ('b', 'y'), ('-', 'z')] ['a', 'c', 'd']
# [1, 2, 3] ['C', 'd']
# [32, 9] [0, '']
# '''
# ///
import itertools
import operator


def sliding(items, size):
    iterators = itertools.tee(items, size)
    for skip, iterator in enumerate(iterators):
        next(itertools.islice(iterator, skip, skip), None)
    return zip(*iterators)


def round_robin(*iterables):
    iterators = itertools.cycle(iter(it).__next__ for it in iterables)
    pending = len(iterables)
    while pending:
        try:
            for following in iterators:
                yield following()
        except StopIteration:
            pending -= 1
            iterators = itertools.cycle(itertools.islice(iterators, pending))


def run_length(text):
    return [(key, len(list(group))) for key, group in itertools.groupby(text)]


def chunks(items, size):
    items = iter(items)
    return list(iter(lambda: list(itertools.islice(items, size)), []))


print(list(sliding("abcde", 3)))
print("".join(round_robin("ABC", "D", "EF")), run_length("aaabccd"))
print(chunks(range(7), 3))
print(list(itertools.accumulate([3, 1, 4, 1, 5], max)), list(itertools.accumulate([1, 2, 3], operator.mul, initial=10)))
print(["".join(p) for p in itertools.product("ab", repeat=2)], list(itertools.pairwise("xyz")))
print(list(itertools.zip_longest("ab", "xyz", fillvalue="-")), list(itertools.compress("abcd", [1, 0, 1, 1])))
print(list(itertools.takewhile(lambda n: n < 4, itertools.count(1))), list(itertools.dropwhile(str.islower, "abCd")))
print(list(itertools.starmap(pow, [(2, 5), (3, 2)])), list(itertools.filterfalse(None, [0, 1, "", "x"])))
students = [("ann", "A"), ("bob", "B"), ("cid", "A")]
by_grade = sorted(students, key=operator.itemgetter(1))
{grade: [name for name, _ in group] for grade, group in itertools.groupby(by_grade, operator.itemgetter(1))}
