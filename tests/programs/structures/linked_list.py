# /// program
# about = "A doubly linked list with the sequence protocol."
# value = "['e', 'd', 'b', 'a']"
# stdout = '''
# LinkedList(['z', 'a', 'b', 'c', 'd', 'e', 'f']) 7 True 4 1
# LinkedList(['e', 'd', 'b', 'a']) z f a
# IndexError: linked list index out of range
# '''
# ///
from collections.abc import MutableSequence


class Node:
    __slots__ = ("next", "previous", "value")

    def __init__(self, value):
        self.value, self.next, self.previous = value, self, self


class LinkedList(MutableSequence):
    def __init__(self, items=()):
        self._head, self._size = Node(None), 0
        self.extend(items)

    def _node(self, index):
        if index < 0:
            index += self._size
        if not 0 <= index < self._size:
            raise IndexError("linked list index out of range")
        node = self._head.next
        for _ in range(index):
            node = node.next
        return node

    def __len__(self):
        return self._size

    def __getitem__(self, index):
        return self._node(index).value

    def __setitem__(self, index, value):
        self._node(index).value = value

    def __delitem__(self, index):
        node = self._node(index)
        node.previous.next, node.next.previous = node.next, node.previous
        self._size -= 1

    def insert(self, index, value):
        after = self._head if index >= self._size else self._node(index)
        node = Node(value)
        node.previous, node.next = after.previous, after
        after.previous.next = after.previous = node
        self._size += 1

    def __repr__(self):
        return f"LinkedList({list(self)!r})"


items = LinkedList("abc")
items.append("d")
items.insert(0, "z")
items += ["e", "f"]
print(items, len(items), "c" in items, items.index("d"), items.count("z"))
items.remove("c")
items.reverse()
print(items, items.pop(), items.pop(0), items[-1])
try:
    items[99]
except IndexError as error:
    print("IndexError:", error)
list(items)
