# /// program
# about = "Builds and frees large structures: a long linked list, deep nesting, many small objects."
# value = "149999"
# stdout = '''
# 11249925000
# 200000 [123]
# 100000
# quick
# '''
# ///
import time


class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next


def linked(count):
    head = None
    for n in range(count):
        head = Node(n, head)
    return head


def walk(node):
    total = 0
    while node:
        total, node = total + node.value, node.next
    return total


began = time.process_time()
head = linked(150_000)
print(walk(head))
del head

nested = []
for _ in range(150_000):
    nested = [nested]
nested = None
table = {}
for n in range(200_000):
    table[n] = (n, [n])
print(len(table), table[123][1])
index = {}
for n in range(100_000):
    index.setdefault(n % 1000, []).append({"id": n})
print(sum(len(rows) for rows in index.values()))
chain = None
for n in range(150_000):
    chain = (n, chain)
print("quick" if time.process_time() - began < 3 else "slow")
chain[0]
