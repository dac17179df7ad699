# /// program
# about = "Structural pattern matching: literals, sequences, mappings, classes, guards, or-patterns."
# value = "[12.57, (6, {'x': 1}), 'text', 'constant', 2, 'unknown']"
# stdout = '''
# 14 0
# unknown sign -
# walk north
# go...up?
# take the lamp
# take 2 things
# nothing
# what is ['dance']?
# '''
# ///
from dataclasses import dataclass


@dataclass
class Num:
    value: float


@dataclass
class Op:
    sign: str
    left: object
    right: object


def evaluate(node):
    match node:
        case Num(value):
            return value
        case Op("+", left, right):
            return evaluate(left) + evaluate(right)
        case Op("*", Num(0), _) | Op("*", _, Num(0)):
            return 0
        case Op("*", left, right):
            return evaluate(left) * evaluate(right)
        case Op(sign=other):
            raise ValueError(f"unknown sign {other}")


def command(text):
    match text.split():
        case []:
            return "nothing"
        case ["go", ("north" | "south") as way]:
            return f"walk {way}"
        case ["take", *things] if len(things) > 1:
            return f"take {len(things)} things"
        case ["take", thing]:
            return f"take the {thing}"
        case [first, *_, last]:
            return f"{first}...{last}?"
        case other:
            return f"what is {other}?"


def shape(data):
    match data:
        case {"type": "circle", "r": int() | float() as r}:
            return round(3.14159 * r * r, 2)
        case {"type": "rect", "size": (w, h), **rest}:
            return w * h, rest
        case str() | bytes():
            return "text"
        case None | True | False:
            return "constant"
        case [int(x), [y, *_]] if x > y:
            return x - y
        case _:
            return "unknown"


print(evaluate(Op("+", Num(2), Op("*", Num(3), Num(4)))), evaluate(Op("*", Num(0), Op("?", 1, 2))))
try:
    evaluate(Op("-", Num(1), Num(1)))
except ValueError as error:
    print(error)
for text in ("go north", "go up", "take lamp", "take lamp key", "", "dance"):
    print(command(text))
[shape(d) for d in ({"type": "circle", "r": 2}, {"type": "rect", "size": [2, 3], "x": 1}, b"", None, [5, (3, 4)], 7)]
