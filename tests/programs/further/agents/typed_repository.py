# /// program
# about = "A generic repository with protocols, type variables and an in-memory store."
# value = "True"
# stdout = '''
# refused: 'duplicate id 1'
# FrozenInstanceError
# Can't instantiate abstract class
# [User(id=2, name='Bob', admin=False)] 2 True Repository
# '''
# ///
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar


class HasId(Protocol):
    id: int


T = TypeVar("T", bound=HasId)


class Repository(ABC, Generic[T]):
    @abstractmethod
    def add(self, item: T) -> T: ...

    @abstractmethod
    def find(self, where: Callable[[T], bool]) -> Iterator[T]: ...


class MemoryRepository(Repository[T]):
    def __init__(self) -> None:
        self._items: dict[int, T] = {}

    def add(self, item: T) -> T:
        if item.id in self._items:
            raise KeyError(f"duplicate id {item.id}")
        self._items[item.id] = item
        return item

    def find(self, where: Callable[[T], bool]) -> Iterator[T]:
        return (item for item in self._items.values() if where(item))

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, id: int) -> bool:
        return id in self._items


@dataclass(frozen=True, slots=True, order=True)
class User:
    id: int
    name: str
    admin: bool = False


users = MemoryRepository[User]()
ada = users.add(User(1, "Ada", admin=True))
users.add(User(2, "Bob"))
try:
    users.add(replace(ada, name="Eve"))
except KeyError as error:
    print("refused:", error)
try:
    ada.name = "x"
except AttributeError as error:
    print(type(error).__name__)
try:
    Repository()
except TypeError as error:
    print(str(error)[:32])
print(sorted(users.find(lambda u: not u.admin)), len(users), 2 in users, users.__class__.__mro__[1].__name__)
hash(ada) == hash(User(1, "Ada", True))
