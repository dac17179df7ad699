# /// program
# about = "Container classes: a sequence, a mapping and a set of one's own through collections.abc."
# value = "[('a', 'x'), ('b', '-')]"
# stdout = '''
# 9 81 [4, 9, 16] True 4 [81, 64] 10
# text True <no nothing> {'content-type': 'text', 'etag': 'x'} x
# [1, 2, 5] True [2] True
# ['c', 'd'] d True True
# 3 b
# [('a', 2), ('b', 1), ('c', 3)] ['a', 'b', 'c']
# '''
# ///
from collections import ChainMap, OrderedDict, UserDict, deque
from collections.abc import Mapping, MutableSequence, Sequence, Set
from itertools import chain, groupby, islice, zip_longest


class Lazy(Sequence):
    def __init__(self, function, length):
        self._function, self._length, self._seen = function, length, {}

    def __len__(self):
        return self._length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if index not in self._seen:
            self._seen[index] = self._function(index)
        return self._seen[index]


class CaseInsensitive(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)

    def __getitem__(self, key):
        return super().__getitem__(key.lower())

    def __contains__(self, key):
        return super().__contains__(key.lower())

    def __missing__(self, key):
        return f"<no {key}>"


class Bits(Set):
    def __init__(self, values=()):
        self._bits = 0
        for value in values:
            self._bits |= 1 << value

    def __contains__(self, value):
        return bool(self._bits >> value & 1)

    def __iter__(self):
        return (n for n in range(self._bits.bit_length()) if n in self)

    def __len__(self):
        return self._bits.bit_count()


class History(MutableSequence):
    def __init__(self, size):
        self._items = deque(maxlen=size)

    def __getitem__(self, i):
        return self._items[i]

    def __setitem__(self, i, value):
        self._items[i] = value

    def __delitem__(self, i):
        del self._items[i]

    def __len__(self):
        return len(self._items)

    def insert(self, i, value):
        self._items.append(value)


squares = Lazy(lambda n: n * n, 10)
print(squares[3], squares[-1], squares[2:5], 49 in squares, squares.index(16), list(reversed(squares))[:2], len(squares._seen))
headers = CaseInsensitive({"Content-Type": "text"})
headers.update(ETAG="x")
print(headers["CONTENT-TYPE"], "etag" in headers, headers["nothing"], dict(headers), headers.pop("etag"))
print(sorted(Bits([1, 5]) | Bits([2])), Bits([1, 2]) <= Bits([1, 2, 3]), list(Bits([1, 2]) & {2, 7}), Bits([1]) == Bits([1]))
history = History(2)
history.extend("abc")
history.append("d")
print(list(history), history.pop(), isinstance(history, MutableSequence), issubclass(CaseInsensitive, Mapping))
print(ChainMap({"a": 1}, {"a": 2, "b": 3})["b"], next(reversed(OrderedDict(a=1, b=2))))
print([(k, len(list(g))) for k, g in groupby("aabccc")], list(islice(chain.from_iterable(["ab", "cd"]), 3)))
list(zip_longest("ab", "x", fillvalue="-"))
