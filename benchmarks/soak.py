"""The long storm: `python -m benchmarks.soak --kills 1000` kills processes of an engine that serves.

It prints what was done, how requests were answered, and every promise that was broken; exit code 1
if there is one. What is promised is `dspex.testing.storm`'s.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

from dspex.testing.faults import Fault
from dspex.testing.storm import Report, storm

PROGRESS_EVERY_S = 5.0


def main(arguments: list[str]) -> int:
    """Run a storm and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--callers", type=int, default=3)
    parser.add_argument(
        "--without", nargs="*", type=Fault, default=[], choices=list(Fault), help="leave out"
    )
    options = parser.parse_args(arguments)
    kinds = [kind for kind in Fault if kind not in options.without]
    told_s = time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > PROGRESS_EVERY_S:
            told_s = time.monotonic()
            print(f"{report.kills} kills, {report.requests} requests", file=sys.stderr, flush=True)

    before_kib = _peak_kib()
    report = storm(
        seed=options.seed, kills=options.kills, kinds=kinds, callers=options.callers, progress=tell
    )
    print(f"seed {report.seed}: {report.kills} kills in {report.storm_s:.0f} s")
    print("faults: " + ", ".join(f"{kind} {count}" for kind, count in report.faults.most_common()))
    print(f"requests: {report.requests}, each answered once, by: {dict(report.answers)}")
    print(f"served again {report.recovered_s:.2f} s after the storm")
    print(f"this process grew by {(_peak_kib() - before_kib) / 1024:.0f} MiB at its peak")
    for broken in report.broken:
        print(f"BROKEN: {broken}")
    return bool(report.broken)


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
