# /// program
# about = "Breadth-first search through a maze read from a file; writes the solved maze."
# value = "10"
# stdout = '''
# #########
# #S..#...#
# #*#.#.#.#
# #*#...#.#
# #*#####.#
# #******E#
# #########
# '''
# [files]
# "maze.txt" = '''
# #########
# #S..#...#
# #.#.#.#.#
# #.#...#.#
# #.#####.#
# #......E#
# #########
# '''
# [wrote]
# "solved.txt" = '''
# #########
# #S..#...#
# #*#.#.#.#
# #*#...#.#
# #*#####.#
# #******E#
# #########
# '''
# ///
from collections import deque
from pathlib import Path

maze = [list(line) for line in Path("maze.txt").read_text().splitlines()]
cells = {(r, c): cell for r, row in enumerate(maze) for c, cell in enumerate(row)}
start = next(place for place, cell in cells.items() if cell == "S")
goal = next(place for place, cell in cells.items() if cell == "E")

came_from, queue = {start: None}, deque([start])
while queue:
    here = queue.popleft()
    if here == goal:
        break
    for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        there = here[0] + dr, here[1] + dc
        if cells[there] != "#" and there not in came_from:
            came_from[there] = here
            queue.append(there)

path, here = [], goal
while here:
    path.append(here)
    here = came_from[here]
for r, c in path[1:-1]:
    maze[r][c] = "*"
solved = "\n".join("".join(row) for row in maze) + "\n"
Path("solved.txt").write_text(solved)
print(solved, end="")
len(path) - 1
