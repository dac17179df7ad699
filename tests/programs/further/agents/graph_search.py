# /// program
# about = "Dijkstra, breadth-first search and topological order over a weighted graph class."
# value = "True"
# stdout = '''
# (8, ['a', 'c', 'b', 'd']) {'a': 0, 'b': 1, 'c': 1, 'd': 2} 4
# ['build', 'test', 'deploy']
# ['a', 'b']
# '''
# ///
import heapq
import math
from collections import defaultdict, deque
from graphlib import CycleError, TopologicalSorter
from typing import Hashable, Iterable


class Graph:
    def __init__(self, edges: Iterable[tuple[Hashable, Hashable, float]] = (), *, directed: bool = False):
        self._out: dict = defaultdict(dict)
        self.directed = directed
        for edge in edges:
            self.add(*edge)

    def add(self, a, b, weight=1):
        self._out[a][b] = weight
        if self.directed:
            self._out.setdefault(b, {})
        else:
            self._out[b][a] = weight

    def __getitem__(self, node):
        return self._out[node].items()

    def __iter__(self):
        return iter(self._out)

    def __len__(self):
        return len(self._out)

    def shortest(self, start, end):
        best, before, heap = defaultdict(lambda: math.inf, {start: 0}), {}, [(0, start)]
        while heap:
            cost, node = heapq.heappop(heap)
            if node == end:
                break
            if cost > best[node]:
                continue
            for other, weight in self[node]:
                if (new := cost + weight) < best[other]:
                    best[other], before[other] = new, node
                    heapq.heappush(heap, (new, other))
        path, node = [end], end
        while node in before:
            path.append(node := before[node])
        return best[end], path[::-1]

    def layers(self, start):
        seen, queue = {start: 0}, deque([start])
        while queue:
            node = queue.popleft()
            for other, _ in self[node]:
                if other not in seen:
                    seen[other] = seen[node] + 1
                    queue.append(other)
        return seen


roads = Graph([("a", "b", 4), ("a", "c", 1), ("c", "b", 2), ("b", "d", 5), ("c", "d", 8)])
print(roads.shortest("a", "d"), roads.layers("a"), len(roads))
print(list(TopologicalSorter({"deploy": {"test"}, "test": {"build"}, "build": set()}).static_order()))
try:
    tuple(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
except CycleError as error:
    print(sorted(set(error.args[1])))
math.isinf(roads.shortest("a", "nowhere")[0])
