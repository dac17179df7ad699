"""Arithmetic: small and large integers, bits, floats, complex numbers."""

import cmath
import math


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def factors(n):
    found, divisor = [], 2
    while divisor * divisor <= n:
        while n % divisor == 0:
            found.append(divisor)
            n //= divisor
        divisor += 1
    if n > 1:
        found.append(n)
    return found


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def escape(c, limit=40):
    z = 0j
    for turn in range(limit):
        z = z * z + c
        if abs(z) > 2:
            return turn
    return limit


def simpson(f, a, b, n=400):
    h = (b - a) / n
    total = f(a) + f(b)
    for i in range(1, n):
        total += f(a + i * h) * (4 if i % 2 else 2)
    return total * h / 3


checks = [max(collatz(n) for n in range(1, 700)), sum(len(factors(n)) for n in range(2, 1200))]
checks.append(sum(gcd(a, b) for a in range(1, 60) for b in range(1, 60)))
state = 1
bits = 0
for _ in range(8000):
    state ^= (state << 13) & 0xFFFFFFFF
    state ^= state >> 17
    state ^= (state << 5) & 0xFFFFFFFF
    bits += state.bit_count() if state & 1 else -1
checks.append(bits)
checks.append(sum(escape(complex(x / 10, y / 10)) for x in range(-20, 10) for y in range(-10, 11)))
checks.append(round(simpson(lambda x: math.sin(x) * math.exp(-x / 3), 0.0, 10.0), 6))
checks.append(round(sum(math.sqrt(n) * math.log(n) - math.floor(n / 3.5) for n in range(1, 3000)), 3))
checks.append(len(str(math.factorial(400) // 3**200)) + pow(7, 123456789, 1000007) + (2**521 - 1) % 10007)
checks.append(round(abs(sum(cmath.exp(1j * n) for n in range(500))), 6))
checks.append(sum(divmod(n * 7919, 613)[1] - (-n >> 2) + (n << 3 & 0xFF) for n in range(4000)))
mean = sum(n * 0.5 for n in range(5000)) / 5000
checks.append(round(sum((n * 0.5 - mean) ** 2 for n in range(5000)) / 5000, 2))
assert checks[:5] == [144, 3483, 9500, 62949, 8422] and checks[-2:] == [3721519, 520833.31], checks
