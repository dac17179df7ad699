# /// program
# about = "Conway's Game of Life on an unbounded board: blinker, glider, R-pentomino."
# value = "[5, 32, 33, 79, 67, 121]"
# stdout = '''
# True
# .....
# ..#..
# ...#.
# .###.
# .....
# True 3
# '''
# ///
from collections import Counter
from itertools import product

NEIGHBOURS = [(dx, dy) for dx, dy in product((-1, 0, 1), repeat=2) if dx or dy]


def parse(picture):
    return {(x, y) for y, row in enumerate(picture.split("/")) for x, c in enumerate(row) if c == "#"}


def step(cells):
    counts = Counter((x + dx, y + dy) for x, y in cells for dx, dy in NEIGHBOURS)
    return {cell for cell, n in counts.items() if n == 3 or (n == 2 and cell in cells)}


def show(cells, width, height):
    return "\n".join("".join("#" if (x, y) in cells else "." for x in range(width)) for y in range(height))


glider = parse(".#./..#/###")
moved = glider
for _ in range(4):
    moved = step(moved)
print(moved == {(x + 1, y + 1) for x, y in glider})
print(show(moved, 5, 5))
blinker = parse("###")
print(step(step(blinker)) == blinker, len(step(blinker)))
cells, sizes = parse(".##/##./.#."), []
for generation in range(101):
    if generation % 20 == 0:
        sizes.append(len(cells))
    cells = step(cells)
sizes
