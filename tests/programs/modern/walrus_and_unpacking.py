# /// program
# about = "Walrus, unpacking, dictionary merging, slices, chained comparison, positional-only, conditional expressions."
# value = "(2, 3, True, True)"
# stdout = '''
# n=6 sum(data) / n = 18.00     42
# [4, 2, 2]
# 4 [8, 15, 16, 23] 42 1 2 3 4 15 23
# [0, 1, 2, 'a', 'b'] {'x': 3, 'y': 2} True
# [4, 'new', 23] [23, 'new', 4]  el
# True True default True 7
# [(1, 4), (2, 5), (3, 6)] [1, 2, 3, 4, 5, 6] {'a': 0, 'b': 1, 'c': 2}
# 2 is prime
# 3 is prime
# 4 = 2 * 2
# 5 is prime
# quick ['brown', 'quick', 'fox', 'the'] False
# [3, 8] ['fox', 'brown', 'quick', 'the'] 2
# '''
# ///
import sys

data = [4, 8, 15, 16, 23, 42]
if (n := len(data)) > 5:
    print(f"{n=} {sum(data) / n = :.2f} {data[-1]!r:>6}")
print([y for x in data if (y := x % 7) > 1])
first, *middle, last = data
(a, b), c = (1, 2), 3
print(first, middle, last, a, b, c, *data[::2], sep=" ")
print([*range(3), *"ab"], {**{"x": 1}, "y": 2} | {"x": 3}, {*data[:2], *data[:3]} == {4, 8, 15})
data[1:4] = ["new"]
del data[-1]
print(data, data[::-1], "abc"[5:], "hello"[slice(1, None, 2)])
print(1 < 2 <= 2 != 3, not [] or 0, "" or "default", None is None, 5 and 7)
x, y = 1, 2
x, y = y, x + y
matrix = [[1, 2, 3], [4, 5, 6]]
print(list(zip(*matrix)), [cell for row in matrix for cell in row], {k: v for v, k in enumerate("abc")})
for number in range(2, 6):
    for divisor in range(2, number):
        if number % divisor == 0:
            print(number, "=", divisor, "*", number // divisor)
            break
    else:
        print(number, "is prime")
words = "the quick brown fox".split()
print(max(words, key=len), sorted(words, key=lambda w: (-len(w), w)), any(w.istitle() for w in words))
print(list(map(lambda p, q: p * q, [1, 2], [3, 4])), list(reversed(words)), dict(zip("ab", (1, 2)))["b"])
x, y, sys.maxsize > 2**30, ...  is Ellipsis
