# /// program
# about = "A matrix class with operators: product, power, determinant, inverse over fractions."
# value = "[Fraction(3, 4), Fraction(1, 2), Fraction(1, 4)]"
# stdout = '''
#    3/4    1/2    1/4
#    1/2      1    1/2
#    1/4    1/2    3/4
# det 4 True
# 2880067194370816120
# singular matrix
# '''
# ///
from fractions import Fraction


class Matrix:
    def __init__(self, rows):
        self.rows = [[Fraction(x) for x in row] for row in rows]

    @classmethod
    def identity(cls, size):
        return cls([[int(i == j) for j in range(size)] for i in range(size)])

    @property
    def T(self):
        return Matrix(zip(*self.rows))

    def __matmul__(self, other):
        return Matrix(
            [sum(a * b for a, b in zip(row, column)) for column in zip(*other.rows)]
            for row in self.rows
        )

    def __pow__(self, exponent):
        result, base = Matrix.identity(len(self.rows)), self
        while exponent:
            if exponent & 1:
                result = result @ base
            base, exponent = base @ base, exponent >> 1
        return result

    def __eq__(self, other):
        return self.rows == other.rows

    def __str__(self):
        return "\n".join(" ".join(f"{str(x):>6}" for x in row) for row in self.rows)

    def eliminate(self, extra):
        rows = [row + more for row, more in zip(self.rows, extra.rows)]
        size, determinant = len(rows), Fraction(1)
        for i in range(size):
            pivot = next((r for r in range(i, size) if rows[r][i]), None)
            if pivot is None:
                raise ZeroDivisionError("singular matrix")
            if pivot != i:
                rows[i], rows[pivot], determinant = rows[pivot], rows[i], -determinant
            determinant *= rows[i][i]
            rows[i] = [x / rows[i][i] for x in rows[i]]
            for r in range(size):
                if r != i:
                    rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i])]
        return Matrix(row[size:] for row in rows), determinant


m = Matrix([[2, -1, 0], [-1, 2, -1], [0, -1, 2]])
inverse, determinant = m.eliminate(Matrix.identity(3))
print(inverse)
print("det", determinant, m @ inverse == Matrix.identity(3))
print((Matrix([[1, 1], [1, 0]]) ** 90).rows[0][1])
try:
    Matrix([[1, 2], [2, 4]]).eliminate(Matrix.identity(2))
except ZeroDivisionError as error:
    print(error)
inverse.T.rows[0]
