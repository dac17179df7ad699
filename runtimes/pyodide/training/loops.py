"""Plain loops over integers and lists: counters, conditions, nested indices, early exits, windows."""

GRID = 60


def perfect(limit):
    found = []
    for n in range(2, limit):
        divisors, d = 1, 2
        while d * d <= n:
            if n % d == 0:
                divisors += d
                if d != n // d:
                    divisors += n // d
            d += 1
        if divisors == n:
            found.append(n)
    return found


def spiral(size):
    grid = [[0] * size for _ in range(size)]
    x = y = 0
    dx, dy = 1, 0
    for n in range(size * size):
        grid[y][x] = n
        a, b = x + dx, y + dy
        if not (0 <= a < size and 0 <= b < size and grid[b][a] == 0):
            dx, dy = -dy, dx
            a, b = x + dx, y + dy
        x, y = a, b
    return grid


def best_window(values, width):
    total = best = sum(values[:width])
    for i in range(width, len(values)):
        total += values[i] - values[i - width]
        if total > best:
            best = total
    return best


def digits(n):
    total = 0
    while n > 0:
        total += n % 10
        n //= 10
    return total


def triples(limit):
    count = 0
    for a in range(1, limit):
        for b in range(a, limit):
            rest = a * a + b * b
            c = int(rest**0.5)
            if c >= limit:
                break
            if c * c == rest:
                count += 1
    return count


def checksum(rows):
    state = 0
    for y in range(len(rows)):
        row = rows[y]
        for x in range(len(row)):
            value = row[x]
            if value & 1:
                state = (state << 1 ^ value) & 0xFFFF
            elif value > 900:
                state -= value
            else:
                state += x - y
    return state


grid = spiral(GRID)
flat = [value for row in grid for value in row]
diagonal = 0
for i in range(GRID):
    diagonal += grid[i][i] - grid[i][GRID - 1 - i]
lengths, longest = {}, 0
for n in range(1, 1500):
    steps, at = 0, n
    while at != 1 and at not in lengths:
        at = at * 3 + 1 if at & 1 else at >> 1
        steps += 1
    lengths[n] = steps + lengths.get(at, 0)
    longest = max(longest, lengths[n])
first = -1
for i, value in enumerate(flat):
    if value * 3 % 101 == 7 and i % 5 == 2:
        first = i
        break
answer = (perfect(900), best_window(flat, 50), sum(map(digits, range(2500))), triples(110), checksum(grid), diagonal, longest, first)
assert answer == ([6, 28, 496], 139211, 34500, 58, 63957, -1208, 181, 177), answer
