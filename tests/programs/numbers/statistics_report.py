# /// program
# about = "Statistics of exam scores: averages, spread, quantiles, correlation, normal model."
# value = "(64, 7.875)"
# stdout = '''
# mean 67.375, median 66.0, mode b
# sd 13.2658, population 12.4090, var 20.125
# [56.5, 66.0, 77.5] [1, 2]
# r = 0.9803
# score = 2.899 * hours + 44.547
# P(score > 80) = 0.1706, top tenth from 84.38
# 10.000000 48.000000
# mean requires at least one data point
# '''
# ///
import statistics
from statistics import NormalDist

hours = [2, 3, 5, 7, 9, 10, 12, 15]
scores = [50, 55, 61, 64, 70, 68, 80, 91]

print(f"mean {statistics.mean(scores)}, median {statistics.median(scores)}, mode {statistics.mode('aabbb')}")
print(f"sd {statistics.stdev(scores):.4f}, population {statistics.pstdev(scores):.4f}, var {statistics.variance(hours):.3f}")
print(statistics.quantiles(scores, n=4), statistics.multimode([1, 1, 2, 2, 3]))
print(f"r = {statistics.correlation(hours, scores):.4f}")
slope, intercept = statistics.linear_regression(hours, scores)
print(f"score = {slope:.3f} * hours + {intercept:.3f}")
model = NormalDist.from_samples(scores)
print(f"P(score > 80) = {1 - model.cdf(80):.4f}, top tenth from {model.inv_cdf(0.9):.2f}")
print(f"{statistics.geometric_mean([1, 10, 100]):.6f} {statistics.harmonic_mean([40, 60]):.6f}")
try:
    statistics.mean([])
except statistics.StatisticsError as error:
    print(error)
statistics.median_low(scores), statistics.fmean(hours, weights=[1] * 8)
