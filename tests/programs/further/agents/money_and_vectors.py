# /// program
# about = "Operator overloading: vectors, matrices, money, reflected and in-place operators."
# stdout = '''
# Vector(4, Fraction(9, 2)) Vector(6, 8) 5 Vector(-3, -4) 5.0 Vector(3) <3.0 4.0> False 1
# unsupported operand type(s) for +: 'Vector' and 'int'
# zip() argument 2 is shorter than argument 1
# 5.01 1.25 0.01 1.25 5 0.03
# '''
# ///
from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from numbers import Real
from operator import mul


class Vector:
    __slots__ = ("_parts",)

    def __init__(self, *parts: Real):
        self._parts = tuple(parts)

    def __iter__(self):
        return iter(self._parts)

    def __len__(self):
        return len(self._parts)

    def __getitem__(self, index):
        return Vector(*self._parts[index]) if isinstance(index, slice) else self._parts[index]

    def __add__(self, other):
        if not isinstance(other, Vector):
            return NotImplemented
        return Vector(*(a + b for a, b in zip(self, other, strict=True)))

    def __mul__(self, factor):
        return Vector(*(a * factor for a in self))

    __rmul__ = __mul__

    def __matmul__(self, other):
        return sum(map(mul, self, other))

    def __neg__(self):
        return self * -1

    def __abs__(self):
        return math.hypot(*self)

    def __eq__(self, other):
        return isinstance(other, Vector) and self._parts == other._parts

    def __hash__(self):
        return hash(self._parts)

    def __repr__(self):
        return f"Vector({', '.join(map(repr, self))})"

    def __format__(self, spec):
        return "<" + " ".join(format(a, spec or "g") for a in self) + ">"

    def __bool__(self):
        return any(self)


class Money:
    def __init__(self, cents: int):
        self.cents = cents

    def __iadd__(self, other):
        self.cents += other.cents
        return self

    def __radd__(self, other):
        return self if other == 0 else NotImplemented

    def __add__(self, other):
        return Money(self.cents + other.cents)

    def __divmod__(self, parts):
        share, rest = divmod(self.cents, parts)
        return Money(share), Money(rest)

    def __lt__(self, other):
        return self.cents < other.cents

    def __str__(self):
        return f"{self.cents // 100}.{self.cents % 100:02}"

    def __float__(self):
        return self.cents / 100


v, w = Vector(3, 4), Vector(1, Fraction(1, 2))
print(v + w, 2 * v, v @ w, -v, abs(v), v[:1], f"{v:.1f}", bool(Vector(0, 0)), {v: 1}[Vector(3, 4)])
try:
    v + 1
except TypeError as error:
    print(error)
try:
    v + Vector(1)
except ValueError as error:
    print(error)
total = sum([Money(250), Money(199), Money(51)])
purse = total
purse += Money(1)
share, rest = divmod(purse, 4)
print(total, share, rest, float(share), max(Money(1), Money(5)).cents, reduce(lambda a, b: a + b, [Money(1)] * 3))
