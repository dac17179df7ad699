# /// program
# about = "Exact arithmetic with fractions: Egyptian fractions, continued fractions, Bernoulli."
# value = "Fraction(7381, 2520)"
# stdout = '''
# ['1/2', '1/3', '1/42'] 6/7
# [4, 2, 6, 7] [3, 7, 15, 1, 292]
# 25/8 -1/3 1/10 3
# ['1', '1/6', '-1/30', '1/42', '-1/30', '5/66']
# True 8 0.3333333333333333 233/100
# Fraction(1, 0)
# '''
# ///
import math
from fractions import Fraction


def egyptian(fraction):
    parts = []
    while fraction:
        unit = Fraction(1, math.ceil(1 / fraction))
        parts.append(unit)
        fraction -= unit
    return parts


def continued(x, terms):
    out = []
    for _ in range(terms):
        whole = math.floor(x)
        out.append(whole)
        if x == whole:
            break
        x = 1 / (x - whole)
    return out


def bernoulli(n):
    row = [Fraction(0)] * (n + 1)
    for m in range(n + 1):
        row[m] = Fraction(1, m + 1)
        for j in range(m, 0, -1):
            row[j - 1] = j * (row[j - 1] - row[j])
    return row[0]


print([str(f) for f in egyptian(Fraction(6, 7))], sum(egyptian(Fraction(6, 7))))
print(continued(Fraction(415, 93), 10), continued(Fraction(math.pi), 5))
print(Fraction("3.125"), Fraction("-7/21"), Fraction(0.1).limit_denominator(100), Fraction(7, 2) // 1)
print([str(bernoulli(n)) for n in range(0, 11, 2)])
print(Fraction(1, 3) + 1 == Fraction(4, 3), Fraction(1, 2) ** -3, float(Fraction(1, 3)), round(Fraction(7, 3), 2))
try:
    Fraction(1, 0)
except ZeroDivisionError as error:
    print(error)
sum(Fraction(1, n) for n in range(1, 11))
