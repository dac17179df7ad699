# /// program
# about = "Backtracking: all solutions of eight queens, and one Sudoku."
# value = "'534678912'"
# stdout = '''
# [1, 0, 0, 2, 10, 4, 40, 92]
# 5 3 4 6 7 8 9 1 2
# 6 7 2 1 9 5 3 4 8
# 1 9 8 3 4 2 5 6 7
# 8 5 9 7 6 1 4 2 3
# 4 2 6 8 5 3 7 9 1
# 7 1 3 9 2 4 8 5 6
# 9 6 1 5 3 7 2 8 4
# 2 8 7 4 1 9 6 3 5
# 3 4 5 2 8 6 1 7 9
# '''
# ///
PUZZLE = (
    "53..7...." "6..195..." ".98....6." "8...6...3" "4..8.3..1"
    "7...2...6" ".6....28." "...419..5" "....8..79"
)


def queens(n, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    total, free = 0, ((1 << n) - 1) & ~(columns | left | right)
    while free:
        bit = free & -free
        free ^= bit
        total += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return total


def peers(cell):
    row, column = divmod(cell, 9)
    box = 27 * (row // 3) + 3 * (column // 3)
    return (
        {row * 9 + i for i in range(9)}
        | {i * 9 + column for i in range(9)}
        | {box + 9 * i + j for i in range(3) for j in range(3)}
    ) - {cell}


PEERS = [peers(cell) for cell in range(81)]


def solve(grid):
    options = {
        cell: set("123456789") - {grid[p] for p in PEERS[cell]}
        for cell in range(81)
        if grid[cell] == "."
    }
    if not options:
        return grid
    cell = min(options, key=lambda c: len(options[c]))
    for digit in sorted(options[cell]):
        found = solve(grid[:cell] + digit + grid[cell + 1:])
        if found:
            return found
    return None


print([queens(n) for n in range(1, 9)])
solution = solve(PUZZLE)
for row in range(9):
    print(" ".join(solution[row * 9 : row * 9 + 9]))
solution[:9]
