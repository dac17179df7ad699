# /// program
# about = "Sieve, Miller-Rabin, factorisation, perfect numbers, Euler's totient."
# value = "[1, 1, 6, 12, 96]"
# stdout = '''
# 1229 9973 5736396
# [2305843009213693951]
# [71, 839, 1471, 6857] [641, 6700417] [1000000000039]
# [6, 28, 496, 8128]
# '''
# ///
import math
import random


def sieve(limit):
    flags = bytearray([1]) * (limit + 1)
    flags[0:2] = b"\0\0"
    for n in range(2, math.isqrt(limit) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n, flag in enumerate(flags) if flag]


def is_prime(n):
    if n < 2 or n % 2 == 0:
        return n == 2
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n == base:
            return True
        x = pow(base, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def rho(n):
    if n % 2 == 0:
        return 2
    generator = random.Random(n)
    while True:
        c = generator.randrange(1, n)
        x = y = generator.randrange(n)
        d = 1
        while d == 1:
            x = (x * x + c) % n
            y = (y * y + c) % n
            y = (y * y + c) % n
            d = math.gcd(abs(x - y), n)
        if d != n:
            return d


def factors(n):
    if n == 1:
        return []
    if is_prime(n):
        return [n]
    d = rho(n)
    return sorted(factors(d) + factors(n // d))


primes = sieve(10_000)
print(len(primes), primes[-1], sum(primes))
print([n for n in range(2**61 - 10, 2**61 + 10) if is_prime(n)])
print(factors(600851475143), factors(2**32 + 1), factors(10**12 + 39))
divisor_sums = [0] * 10_000
for d in range(1, 5_000):
    for multiple in range(2 * d, 10_000, d):
        divisor_sums[multiple] += d
print([n for n in range(2, 10_000) if divisor_sums[n] == n])
totient = lambda n: math.prod((p - 1) * p ** (factors(n).count(p) - 1) for p in set(factors(n)))
[totient(n) for n in (1, 2, 9, 36, 97)]
