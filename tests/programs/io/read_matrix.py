# /// program
# about = "Reads a matrix from standard input as contest programs do."
# stdin = '''
# 3 4
# 1 2 3 4
# 5 6 7 8
# 9 10 11 12
# '''
# stdout = "1 2 3 4 8 12 11 10 9 5 6 7\n1\t5\t9\n2\t6\t10\n3\t7\t11\n4\t8\t12\ntrace 18\ndone"
# ///
import sys


def main():
    data = sys.stdin.read().split()
    rows, columns = int(data[0]), int(data[1])
    values = list(map(int, data[2:]))
    matrix = [values[r * columns : (r + 1) * columns] for r in range(rows)]
    spiral, grid = [], matrix
    while grid:
        spiral += grid[0]
        grid = list(zip(*grid[1:]))[::-1]
    print(*spiral)
    for row in zip(*matrix):
        print(*row, sep="\t")
    sys.stdout.write(f"trace {sum(matrix[i][i] for i in range(min(rows, columns)))}\n")
    print("done", end="", flush=True)


main()
