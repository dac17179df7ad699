"""A figure from a program that was written by somebody else: numpy, pandas, scikit-learn, matplotlib.

The caller hands in an array and gets back a table, an array and a picture. The first run of the image
on a machine makes it, which takes some minutes; later ones take milliseconds.

    python examples/scientific_report.py [--output FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import dspex

PROGRAM = """
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

model = KMeans(n_clusters=3, n_init=10, random_state=0).fit(points)
order = np.argsort(model.cluster_centers_[:, 0])
labels = np.argsort(order)[model.labels_]
frame = pd.DataFrame(points, columns=["x", "y"]).assign(group=labels)
print(frame.groupby("group").mean().round(1))

figure, axes = plt.subplots(figsize=(5, 4))
axes.scatter(frame.x, frame.y, c=frame.group, s=12)
axes.plot(*model.cluster_centers_.T, "k+", markersize=14)
axes.set(title="Three groups", xlabel="x", ylabel="y")
figure.savefig("groups.png", dpi=100)

model.cluster_centers_[order]
"""


def measured_points() -> np.ndarray:
    """Return made-up measurements: float64, shape (300, 2), around three centres."""
    random = np.random.default_rng(7)
    return np.vstack([
        centre + random.normal(0, 0.5, (100, 2)) for centre in ([1, 1], [5, 5], [9, 1])
    ])


def main() -> None:
    """Run the program and keep its picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with dspex.Engine(policy="numeric", languages=[]) as engine:
        outcome = engine.run(PROGRAM, image="scientific", variables={"points": measured_points()})
        centres = outcome.value_or_raise()
    print(outcome.stdout, end="")
    print(f"centres: {centres.dtype}, shape {centres.shape}; {outcome.usage.wall_s:.2f} s")
    for name, data in outcome.files.items():
        (output / name).write_bytes(data)
        print(f"{output / name}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
