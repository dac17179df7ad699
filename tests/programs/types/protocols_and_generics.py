# /// program
# about = "Typing at run time: Protocol, Generic, TypeVar, NewType, TypedDict, overload, hints."
# value = "('BOB', 'str')"
# stdout = '''
# True False HasArea
# 2 None
# typing.Literal['loud', 'soft'] (1, 'a') True
# {'title': 'Alien'} ['title', 'year'] Edge(start='a', end='?') abab 8
# 6 True list[int] | str
# '''
# ///
from typing import (
    Any, Callable, Generic, Literal, NamedTuple, NewType, Optional, Protocol, TypedDict, TypeVar, Union,
    get_args, get_origin, get_type_hints, overload, runtime_checkable,
)

T = TypeVar("T")
UserId = NewType("UserId", int)


@runtime_checkable
class HasArea(Protocol):
    def area(self) -> float: ...


class Square:
    def __init__(self, side: float) -> None:
        self.side = side

    def area(self) -> float:
        return self.side**2


class Stack(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> "Stack[T]":
        self.items.append(item)
        return self

    def pop(self) -> Optional[T]:
        return self.items.pop() if self.items else None


class Movie(TypedDict, total=False):
    title: str
    year: int


class Edge(NamedTuple):
    start: str
    end: str = "?"


@overload
def double(x: int) -> int: ...
@overload
def double(x: str) -> str: ...
def double(x):
    return x * 2


def greet(name: str, mode: Literal["loud", "soft"] = "soft", *rest: Union[int, None]) -> Callable[[], Any]:
    return lambda: name.upper() if mode == "loud" else name


print(isinstance(Square(2), HasArea), isinstance(3, HasArea), HasArea.__name__)
print(Stack[int]().push(1).push(2).pop(), Stack().pop())
print(get_type_hints(greet)["mode"], get_args(Literal[1, "a"]), get_origin(dict[str, int]) is dict)
print(Movie(title="Alien"), sorted(Movie.__annotations__), Edge("a"), double("ab"), double(4))
print(UserId(5) + 1, int | None == Optional[int], list[int] | str)
greet("bob", "loud")(), Stack[str].__args__[0].__name__
