# /// program
# about = "Type parameter syntax, type aliases and f-string nesting of Python 3.12."
# since = "3.12"
# value = "[('a', 'b', 'c'), ('d', 'e', 'f'), ('g',)]"
# stdout = '''
# Box(1) LOUD HEY x
# Pair (<class 'int'>,) (T,) (<class 'int'>, <class 'str'>)
# 6 True
#   Ann,   Bob 'ann\nbob'
# '''
# ///
from collections.abc import Callable
from itertools import batched
from typing import override

type Pair[T] = tuple[T, T]
type Tree = dict[str, Tree] | int


class Box[T]:
    def __init__(self, item: T) -> None:
        self.item = item

    def map[U](self, function: Callable[[T], U]) -> "Box[U]":
        return Box(function(self.item))

    def __repr__(self) -> str:
        return f"Box({self.item!r})"


class Loud(Box[str]):
    @override
    def __repr__(self) -> str:
        return f"LOUD {self.item.upper()}"


def first[T: (int, str)](items: list[T]) -> T:
    return items[0]


def weigh(tree: Tree) -> int:
    return tree if isinstance(tree, int) else sum(map(weigh, tree.values()))


print(Box(3).map(str).map(len), Loud("hey"), first(["x"]))
print(Pair.__name__, Pair[int].__args__, Box.__type_params__, first.__type_params__[0].__constraints__)
print(weigh({"a": 1, "b": {"c": 2, "d": {"e": 3}}}), Tree.__value__.__class__.__name__ != "str")
names = ["ann", "bob"]
print(f"{", ".join(f"{name.title()!s:>5}" for name in names)} {'\n'.join(names)!r}")
list(batched("abcdefg", 3))
