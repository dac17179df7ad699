"""Floating-point work on lists and tuples: points, clusters, springs, matrices, series."""

import math

state = 17


def draw():
    global state
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648


def nearest(point, centres):
    best, found = float("inf"), 0
    for number, centre in enumerate(centres):
        dx, dy = point[0] - centre[0], point[1] - centre[1]
        distance = dx * dx + dy * dy
        if distance < best:
            best, found = distance, number
    return found


def clusters(points, count, turns):
    centres = points[:count]
    for _ in range(turns):
        sums = [[0.0, 0.0, 0] for _ in range(count)]
        for point in points:
            one = sums[nearest(point, centres)]
            one[0] += point[0]
            one[1] += point[1]
            one[2] += 1
        centres = [(x / n, y / n) if n else centre for (x, y, n), centre in zip(sums, centres)]
    return centres


def springs(count, steps):
    place = [float(n) * 1.1 for n in range(count)]
    speed = [0.0] * count
    for _ in range(steps):
        for i in range(1, count - 1):
            force = 0.5 * (place[i - 1] - 2.0 * place[i] + place[i + 1]) - 0.01 * speed[i]
            speed[i] += force * 0.05
        for i in range(1, count - 1):
            place[i] += speed[i] * 0.05
        place[-1] = count * 1.1 + 0.3 * math.sin(place[1])
    return place


def product(a, b):
    size = len(b[0])
    return [[sum(row[k] * b[k][j] for k in range(len(b))) for j in range(size)] for row in a]


def root(f, low, high):
    while high - low > 1e-9:
        middle = (low + high) / 2.0
        if f(low) * f(middle) <= 0.0:
            high = middle
        else:
            low = middle
    return low


points = [(draw() * 10.0, draw() * 5.0 - 2.5) for _ in range(400)]
centres = clusters(points, 5, 6)
moved = springs(40, 120)
matrix = [[1.0 / (i + j + 1) for j in range(18)] for i in range(18)]
squared = product(matrix, product(matrix, matrix))
found = [root(lambda x: x**3 - x - n, 0.0, 10.0) for n in range(1, 25)]
prices, smooth, trend = [100.0], 100.0, []
for _ in range(3000):
    prices.append(prices[-1] * (1.0 + (draw() - 0.5) * 0.02))
    smooth = 0.9 * smooth + 0.1 * prices[-1]
    trend.append(max(prices[-1] - smooth, 0.0) / (abs(smooth) + 1e-6))
mean = sum(prices) / len(prices)
spread = math.sqrt(sum((price - mean) ** 2 for price in prices) / (len(prices) - 1))
inverse = sum((p[0] ** 2 + p[1] ** 2 + 1.0) ** -0.5 for p in points)
area = 0.0
for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1]):
    area += x1 * y2 - x2 * y1
results = (sum(x for x, _ in centres), sum(moved), spread, inverse, area, sum(found))
expected = (24.2426, 864.3596, 9.0388, 105.2644, 33.1856, 56.9639)
assert all(abs(a - b) < 1e-3 for a, b in zip(results, expected)) and len(trend) == 3000, results
