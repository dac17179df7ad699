# /// program
# about = "Union-find: connected components and Kruskal's minimum spanning tree."
# value = "40"
# stdout = '''
# [(1, 'X', 'Y'), (5, 'A', 'B'), (5, 'C', 'E'), (6, 'D', 'F'), (7, 'A', 'D'), (7, 'B', 'E'), (9, 'E', 'G')]
# [['A', 'B', 'C', 'D', 'E', 'F', 'G'], ['X', 'Y']]
# '''
# ///
class DisjointSet:
    def __init__(self, items):
        self.parent = {item: item for item in items}
        self.size = dict.fromkeys(self.parent, 1)

    def find(self, item):
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def union(self, a, b):
        a, b = self.find(a), self.find(b)
        if a == b:
            return False
        if self.size[a] < self.size[b]:
            a, b = b, a
        self.parent[b] = a
        self.size[a] += self.size[b]
        return True


EDGES = [
    (7, "A", "D"), (5, "A", "B"), (8, "B", "C"), (9, "B", "D"), (7, "B", "E"), (5, "C", "E"),
    (15, "D", "E"), (6, "D", "F"), (8, "E", "F"), (9, "E", "G"), (11, "F", "G"), (1, "X", "Y"),
]
nodes = sorted({n for _, a, b in EDGES for n in (a, b)})
forest = DisjointSet(nodes)
tree = [(w, a, b) for w, a, b in sorted(EDGES) if forest.union(a, b)]
print(tree)
components = {}
for node in nodes:
    components.setdefault(forest.find(node), []).append(node)
print(sorted(components.values()))
sum(w for w, _, _ in tree)
