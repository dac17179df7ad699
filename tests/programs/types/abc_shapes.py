# /// program
# about = "Abstract base classes, class and static methods, super, mixins, virtual subclasses."
# stdout = '''
# TypeError: True True
# SQUARE(1.0), SQUARE(9.0), circle(12.6) SQUARE(1.00)
# 1 2 0 False
# ['Square', 'Loud', 'Shape', 'ABC', 'object']
# True True
# read only
# '''
# ///
import math
from abc import ABC, abstractmethod


class Shape(ABC):
    count = 0

    def __init__(self, name):
        self.name = name
        type(self).count += 1

    @property
    @abstractmethod
    def area(self): ...

    @classmethod
    def unit(cls):
        return cls(1)

    @staticmethod
    def is_valid(size):
        return size > 0

    def __lt__(self, other):
        return self.area < other.area

    def __format__(self, spec):
        return f"{self.name}({self.area:{spec or '.2f'}})"


class Loud:
    def __init__(self, *args):
        super().__init__(*args)
        self.name = self.name.upper()


class Circle(Shape):
    def __init__(self, radius):
        super().__init__("circle")
        self.radius = radius

    @property
    def area(self):
        return math.pi * self.radius**2


class Square(Loud, Shape):
    def __init__(self, side):
        super().__init__("square")
        self.side = side

    @property
    def area(self):
        return self.side**2


try:
    Shape("x")
except TypeError as error:
    print("TypeError:", "abstract" in str(error), "area" in str(error))
shapes = [Circle(2), Square.unit(), Square(3)]
print(", ".join(f"{s:.1f}" for s in sorted(shapes)), f"{min(shapes)}")
print(Circle.count, Square.count, Shape.count, Square.is_valid(-1))
print([c.__name__ for c in Square.__mro__])
Shape.register(int)
print(isinstance(5, Shape), issubclass(bool, Shape))
try:
    shapes[0].area = 5
except AttributeError:
    print("read only")
