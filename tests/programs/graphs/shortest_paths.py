# /// program
# about = "Dijkstra and Bellman-Ford on a small road map, with the paths."
# value = "{'A': 0, 'B': 3, 'C': 2, 'D': 8, 'E': 10, 'F': 13}"
# stdout = '''
# A:  0 by A
# B:  3 by A-C-B
# C:  2 by A-C
# D:  8 by A-C-B-D
# E: 10 by A-C-B-D-E
# F: 13 by A-C-B-D-E-F
# True
# negative cycle
# '''
# ///
import heapq
import math

ROADS = [
    ("A", "B", 4), ("A", "C", 2), ("C", "B", 1), ("B", "D", 5),
    ("C", "D", 8), ("C", "E", 10), ("D", "E", 2), ("D", "F", 6), ("E", "F", 3),
]


def neighbours(roads):
    graph = {}
    for a, b, length in roads:
        graph.setdefault(a, {})[b] = length
        graph.setdefault(b, {})[a] = length
    return graph


def dijkstra(graph, start):
    distance, came_from = {start: 0}, {}
    queue = [(0, start)]
    while queue:
        so_far, here = heapq.heappop(queue)
        if so_far > distance[here]:
            continue
        for there, length in graph[here].items():
            if so_far + length < distance.get(there, math.inf):
                distance[there] = so_far + length
                came_from[there] = here
                heapq.heappush(queue, (distance[there], there))
    return distance, came_from


def path_to(goal, came_from):
    path = [goal]
    while path[-1] in came_from:
        path.append(came_from[path[-1]])
    return path[::-1]


def bellman_ford(edges, start):
    distance = {node: math.inf for edge in edges for node in edge[:2]} | {start: 0}
    for _ in range(len(distance) - 1):
        for a, b, length in edges:
            distance[b] = min(distance[b], distance[a] + length)
    if any(distance[a] + length < distance[b] for a, b, length in edges):
        raise ValueError("negative cycle")
    return distance


graph = neighbours(ROADS)
distance, came_from = dijkstra(graph, "A")
for town in sorted(distance):
    print(f"{town}: {distance[town]:>2} by {'-'.join(path_to(town, came_from))}")
both_ways = ROADS + [(b, a, length) for a, b, length in ROADS]
print(bellman_ford(both_ways, "A") == distance)
try:
    bellman_ford([("x", "y", 1), ("y", "z", -3), ("z", "x", 1)], "x")
except ValueError as error:
    print(error)
distance
