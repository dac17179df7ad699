# /// program
# about = "A binary search tree: insertion, traversal, deletion, depth, invariants."
# value = "{'key': 1, 'left': {'key': 0, 'left': None, 'right': None}, 'right': None}"
# stdout = '''
# [20, 30, 40, 50, 60, 70, 80] 3
# without 20 [30, 40, 50, 60, 70, 80] root 50
# without 30 [40, 50, 60, 70, 80] root 50
# without 50 [40, 60, 70, 80] root 60
# without 99 [40, 60, 70, 80] root 60
# '''
# ///
import random
from dataclasses import dataclass
from typing import Iterator, Optional


@dataclass
class Node:
    key: int
    left: Optional["Node"] = None
    right: Optional["Node"] = None


def insert(node: Optional[Node], key: int) -> Node:
    if node is None:
        return Node(key)
    if key < node.key:
        node.left = insert(node.left, key)
    elif key > node.key:
        node.right = insert(node.right, key)
    return node


def delete(node: Optional[Node], key: int) -> Optional[Node]:
    if node is None:
        return None
    if key < node.key:
        node.left = delete(node.left, key)
    elif key > node.key:
        node.right = delete(node.right, key)
    elif node.left is None or node.right is None:
        return node.left or node.right
    else:
        heir = node.right
        while heir.left:
            heir = heir.left
        node.key = heir.key
        node.right = delete(node.right, heir.key)
    return node


def in_order(node: Optional[Node]) -> Iterator[int]:
    if node:
        yield from in_order(node.left)
        yield node.key
        yield from in_order(node.right)


def depth(node: Optional[Node]) -> int:
    return 1 + max(depth(node.left), depth(node.right)) if node else 0


root = None
for key in (50, 30, 70, 20, 40, 60, 80, 30):
    root = insert(root, key)
print(list(in_order(root)), depth(root))
for key in (20, 30, 50, 99):
    root = delete(root, key)
    print("without", key, list(in_order(root)), "root", root.key)

rng = random.Random(7)
keys, tree = set(), None
for _ in range(500):
    key = rng.randrange(200)
    if rng.random() < 0.6:
        keys.add(key)
        tree = insert(tree, key)
    else:
        keys.discard(key)
        tree = delete(tree, key)
    assert list(in_order(tree)) == sorted(keys)
Node(1, Node(0))
