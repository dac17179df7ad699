"""Classes: inheritance, properties, slots, operators, data classes, enumerations, linked nodes."""

import abc
import enum
from dataclasses import dataclass, field


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def __eq__(self, other):
        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __lt__(self, other):
        return (self.x, self.y) < (other.x, other.y)

    @property
    def length(self):
        return (self.x**2 + self.y**2) ** 0.5


class Shape(abc.ABC):
    made = 0

    def __init__(self, name):
        self.name = name
        type(self).made += 1

    @abc.abstractmethod
    def area(self): ...

    @classmethod
    def many(cls, count):
        return [cls(f"s{n}", n % 5 + 1) for n in range(count)]

    def __repr__(self):
        return f"{type(self).__name__}({self.name})"


class Square(Shape):
    def __init__(self, name, side):
        super().__init__(name)
        self.side = side

    def area(self):
        return self.side * self.side


class Disc(Square):
    @staticmethod
    def rounded(value):
        return int(value * 100) / 100

    def area(self):
        return self.rounded(3.14159 * super().area())


class Color(enum.Enum):
    RED = 1
    GREEN = 2


@dataclass(order=True)
class Task:
    rank: int
    title: str = field(compare=False)
    tags: list = field(default_factory=list, compare=False)


class Tree:
    def __init__(self):
        self.root = None

    def insert(self, key):
        node = [key, None, None]
        if self.root is None:
            self.root = node
            return
        at = self.root
        while True:
            side = 1 if key < at[0] else 2
            if at[side] is None:
                at[side] = node
                return
            at = at[side]

    def __iter__(self):
        stack, at = [], self.root
        while stack or at:
            while at:
                stack.append(at)
                at = at[1]
            at = stack.pop()
            yield at[0]
            at = at[2]


class Lazy:
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        value = len(name)
        setattr(self, name, value)
        return value

    def __getitem__(self, key):
        return key * 2

    def __len__(self):
        return 3

    def __contains__(self, key):
        return key > 2

    def __call__(self, key):
        return key + 1


position, seen = Vector(0, 0), set()
for n in range(2500):
    position = position + Vector(n % 3, n % 5) * 2
    seen.add(Vector(n % 40, n % 7))
total = position.x + len(seen) + int(max(seen).length)
shapes = Square.many(800) + Disc.many(800)
total += int(sum(shape.area() for shape in shapes)) + Square.made + len(repr(shapes[3]))
total += sum(isinstance(shape, Disc) and hasattr(shape, "side") for shape in shapes)
tasks = [Task(n * 31 % 101, f"t{n}", [Color.RED if n % 2 else Color.GREEN]) for n in range(800)]
total += sum(task.rank * (task.tags[0] is Color.RED) for task in sorted(tasks)[:300])
tree = Tree()
for n in range(1200):
    tree.insert(n * 7919 % 1201)
total += sum(1 for a, b in zip(tree, list(tree)[1:]) if a < b)
lazy = Lazy()
for n in range(1500):
    total += lazy.alpha + lazy[n] + len(lazy) + (n in lazy) + lazy(n) + getattr(lazy, "_none", 0)
assert total == 3435081, total
