# /// program
# about = "A vector and a money type that overload operators, hashing, bool, iteration, indexing."
# value = "[3.0, 4.0]"
# stdout = '''
# Vector(4.0, 6.0) Vector(6.0, 8.0) 11.0 5.0 Vector(-3.0, -4.0) False Vector(3.0,) 4.0
# 2 True Vector(4.0, 6.0)
# unsupported operand type(s) for +: 'Vector' and 'int'
# True True True
# '''
# ///
import functools
import math
import operator


class Vector:
    def __init__(self, *xs):
        self._xs = tuple(map(float, xs))

    def __repr__(self):
        return f"Vector{self._xs}"

    def __add__(self, other):
        if not isinstance(other, Vector):
            return NotImplemented
        return Vector(*map(operator.add, self, other))

    def __iter__(self):
        return iter(self._xs)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Vector(*self._xs[index])
        return self._xs[operator.index(index)]

    def __mul__(self, k):
        return Vector(*(x * k for x in self))

    __rmul__ = __mul__

    def __matmul__(self, other):
        return sum(map(operator.mul, self, other))

    def __abs__(self):
        return math.hypot(*self)

    def __bool__(self):
        return any(self._xs)

    def __eq__(self, other):
        return isinstance(other, Vector) and self._xs == other._xs

    def __hash__(self):
        return hash(self._xs)

    def __neg__(self):
        return self * -1


@functools.total_ordering
class Version:
    def __init__(self, text):
        self.parts = tuple(int(p) for p in text.split("."))

    def __eq__(self, other):
        return self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts


a, b = Vector(3, 4), Vector(1, 2)
print(a + b, 2 * a, a @ b, abs(a), -a, bool(Vector(0, 0)), a[:1], a[-1])
print(len({a, Vector(3, 4), b}), a == Vector(3.0, 4.0), sum([a, b], start=Vector(0, 0)))
try:
    a + 1
except TypeError as error:
    print(error)
print(Version("1.10") > Version("1.9"), Version("2.0") >= Version("2.0"), Version("1") != Version("2"))
x, y = a
[x, y]
