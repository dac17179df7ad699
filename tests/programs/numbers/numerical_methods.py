# /// program
# about = "Newton, bisection, Simpson, Runge-Kutta, Gauss elimination without numpy."
# stdout = '''
# 1.2599210499 in 6 steps
# 0.739085133
# 2.00000001
# 2.71828183
# [2.0, 3.0, -1.0]
# no convergence
# '''
# ///
import math


def newton(f, df, x, tolerance=1e-12):
    for step in range(1, 51):
        x_next = x - f(x) / df(x)
        if abs(x_next - x) < tolerance:
            return x_next, step
        x = x_next
    raise ArithmeticError("no convergence")


def bisect(f, low, high):
    while high - low > 1e-12:
        middle = (low + high) / 2
        if f(low) * f(middle) <= 0:
            high = middle
        else:
            low = middle
    return low


def simpson(f, a, b, n=100):
    h = (b - a) / n
    return h / 3 * sum((1 if i in (0, n) else 4 if i % 2 else 2) * f(a + i * h) for i in range(n + 1))


def runge_kutta(f, y, t, end, steps):
    h = (end - t) / steps
    for _ in range(steps):
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h * k1 / 2)
        k3 = f(t + h / 2, y + h * k2 / 2)
        k4 = f(t + h, y + h * k3)
        y, t = y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, t + h
    return y


def solve(matrix, right):
    rows = [row[:] + [value] for row, value in zip(matrix, right)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i])]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x


root, steps = newton(lambda x: x**3 - 2, lambda x: 3 * x**2, 1.0)
print(f"{root:.10f} in {steps} steps")
print(f"{bisect(lambda x: math.cos(x) - x, 0, 1):.9f}")
print(f"{simpson(math.sin, 0, math.pi):.8f}")
print(f"{runge_kutta(lambda t, y: y, 1.0, 0.0, 1.0, 100):.8f}")
print([round(x, 6) for x in solve([[2, 1, -1], [-3, -1, 2], [-2, 1, 2]], [8, -11, -3])])
try:
    newton(lambda x: x * x + 1, lambda x: 2 * x, 0.5)
except ArithmeticError as error:
    print(error)
