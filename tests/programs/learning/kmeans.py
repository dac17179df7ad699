# /// program
# about = "k-means clustering of seeded points, without numpy."
# value = "[40, 40, 40]"
# stdout = '''
# ( -0.0,  -0.2)  40 points
# (  0.1,   5.9)  40 points
# (  4.9,   5.0)  40 points
# '''
# ///
import math
import random
from statistics import fmean


def kmeans(points, k, rng, rounds=50):
    centres = rng.sample(points, k)
    for _ in range(rounds):
        groups = [[] for _ in range(k)]
        for point in points:
            groups[min(range(k), key=lambda i: math.dist(point, centres[i]))].append(point)
        moved = [tuple(map(fmean, zip(*group))) if group else centre for group, centre in zip(groups, centres)]
        if moved == centres:
            break
        centres = moved
    return centres, groups


rng = random.Random(3)
points = [
    (rng.gauss(cx, 0.5), rng.gauss(cy, 0.5)) for cx, cy in ((0, 0), (5, 5), (0, 6)) for _ in range(40)
]
centres, groups = kmeans(points, 3, random.Random(1))
for centre, group in sorted(zip(centres, groups)):
    print(f"({centre[0]:5.1f}, {centre[1]:5.1f})  {len(group)} points")
sorted(len(group) for group in groups)
