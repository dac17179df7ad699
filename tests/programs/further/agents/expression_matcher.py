# /// program
# about = "Simplifies and differentiates expressions with structural pattern matching."
# stdout = '''
# ((3 * x) + (x * x)) -> (3 + (x + x))
# walking north
# taking lamp, rope
# cannot fly
# nothing
# 1 2 {'extra': None}
# '''
# ///
from dataclasses import dataclass


@dataclass(frozen=True)
class Num:
    value: float


@dataclass(frozen=True)
class Var:
    name: str


@dataclass(frozen=True)
class Bin:
    op: str
    left: object
    right: object


def simplify(e):
    match e:
        case Bin(op, left, right):
            match op, simplify(left), simplify(right):
                case "+", Num(0), other:
                    return other
                case "+", other, Num(0):
                    return other
                case "*", Num(0), _:
                    return Num(0)
                case "*", _, Num(0):
                    return Num(0)
                case "*", Num(1), other:
                    return other
                case "*", other, Num(1):
                    return other
                case "+", Num(a), Num(b):
                    return Num(a + b)
                case o, a, b:
                    return Bin(o, a, b)
        case _:
            return e


def derive(e, x):
    match e:
        case Num():
            return Num(0)
        case Var(name):
            return Num(1 if name == x else 0)
        case Bin("+", a, b):
            return Bin("+", derive(a, x), derive(b, x))
        case Bin("*", a, b):
            return Bin("+", Bin("*", derive(a, x), b), Bin("*", a, derive(b, x)))
        case _:
            raise ValueError(f"cannot derive {e!r}")


def show(e):
    match e:
        case Num(value=v):
            return f"{v:g}"
        case Var(name=n):
            return n
        case Bin(op=o, left=l, right=r):
            return f"({show(l)} {o} {show(r)})"


def command(line):
    match line.split():
        case ["go", ("north" | "south") as way]:
            return f"walking {way}"
        case ["take", *things] if things:
            return f"taking {', '.join(things)}"
        case []:
            return "nothing"
        case [verb, *_]:
            return f"cannot {verb}"


expression = Bin("+", Bin("*", Num(3), Var("x")), Bin("*", Var("x"), Var("x")))
print(show(expression), "->", show(simplify(derive(expression, "x"))))
for line in ("go north", "take lamp rope", "fly", ""):
    print(command(line))
match {"kind": "point", "at": [1, 2], "extra": None}:
    case {"kind": "point", "at": [int(x), int(y)], **rest}:
        print(x, y, rest)
