# /// program
# about = "Statistics, fractions and random numbers with a seed: samples, quantiles, a regression."
# value = "(Fraction(13, 4), 2.67, (-3, 2))"
# stdout = '''
# 200 True True True
# 1.990 0.050 0.9987 b [1, 2]
# -10 6
# 120 10 True 0.5
# True True ['a', 'a', 'a']
# '''
# ///
import math
import random
import statistics as st
from fractions import Fraction
from itertools import combinations, product

rng = random.Random(7)
sample = [round(rng.gauss(100, 15), 1) for _ in range(200)]
print(len(sample), 95 < st.mean(sample) < 105, 12 < st.stdev(sample) < 18, [round(q) for q in st.quantiles(sample, n=4)] == sorted(round(q) for q in st.quantiles(sample, n=4)))
xs, ys = [1, 2, 3, 4, 5], [2.1, 3.9, 6.2, 7.8, 10.1]
slope, intercept = st.linear_regression(xs, ys)
print(f"{slope:.3f} {intercept:.3f} {st.correlation(xs, ys):.4f}", st.mode("aabbb"), st.multimode([1, 1, 2, 2]))


def determinant(matrix):
    rows = [[Fraction(x) for x in row] for row in matrix]
    sign, n = 1, len(rows)
    for i in range(n):
        pivot = next((r for r in range(i, n) if rows[r][i]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != i:
            rows[i], rows[pivot] = rows[pivot], rows[i]
            sign = -sign
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i])]
    return sign * math.prod(rows[i][i] for i in range(n))


print(determinant([[2, 1, 3], [0, -1, 4], [1, 2, "1/2"]]), sum(1 for a, b in product(range(1, 7), repeat=2) if a + b == 7))
print(math.comb(10, 3), len(list(combinations("abcde", 2))), math.isclose(math.e ** (math.log(5)), 5), st.NormalDist(0, 1).cdf(0))
rng.seed("fixed")
deck = list(range(10))
rng.shuffle(deck)
print(sorted(deck) == list(range(10)), rng.sample(range(100), 3) != [], rng.choices("ab", weights=[1, 0], k=3))
Fraction("3.25").limit_denominator(10), round(2.675, 2), divmod(-7, 3)
