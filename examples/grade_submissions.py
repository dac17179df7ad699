"""A grader: 500 submissions of a small exercise, each run in sandboxes that see nothing of each other.

The submissions are made here, from the mistakes that people make: most are right, some are wrong,
loop, crash, cheat or attack. The expected answers never enter a sandbox.

    python examples/grade_submissions.py [--submissions N]
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import dspex

CASES: tuple[tuple[list[int], int], ...] = (
    ([3, 1, 2], 2),
    ([5], 5),
    ([4, 1, 3, 2], 2),
    ([-7, 0, 7, 100, -100], 0),
    (list(range(999, -1, -1)), 499),
)
"""Numbers, and their lower median."""

RIGHT = (
    "def median(numbers):\n    return sorted(numbers)[(len(numbers) - 1) // 2]",
    "import statistics\ndef median(numbers):\n    return statistics.median_low(numbers)",
    "import heapq\ndef median(n):\n    return heapq.nsmallest((len(n) + 1) // 2, n)[-1]",
)
OTHERS = {
    "wrong: forgets to sort": "def median(n):\n    return n[(len(n) - 1) // 2]",
    "wrong: upper median": "def median(n):\n    return sorted(n)[len(n) // 2]",
    "wrong: off by one": "def median(n):\n    return sorted(n)[len(n) // 2 + 1]",
    "raises: no such function": "def mediam(n):\n    return 0",
    "refused: does not compile": "def median(n)\n    return 0",
    "limit: loops": "def median(n):\n    while n:\n        pass",
    "limit: hoards": "def median(n):\n    x = []\n    while True:\n        x.append(' ' * 10**7)",
    "wrong: answers from a file": "def median(n):\n    try:\n        return int(open('/answers').read())\n"
    "    except OSError:\n        return 0",
    "wrong: patches the grader": "import builtins\nbuiltins.sorted = lambda n: [2] * len(n)\n"
    "def median(n):\n    return sorted(n)[0]",
    "lost: brings the interpreter down": "import os\ndef median(n):\n    os.abort()",
}


class Submission(NamedTuple):
    """What somebody handed in."""

    author: str
    kind: str
    source: str


def submissions(count: int) -> list[Submission]:
    """Make submissions, the same ones each time."""
    draw = random.Random(2026)
    made = []
    for number in range(count):
        if draw.random() < 0.8:
            kind, source = "right", draw.choice(RIGHT)
        else:
            kind, source = draw.choice(list(OTHERS.items()))
        made.append(Submission(f"author-{number:03}", kind, source))
    return made


def grade(engine: dspex.Engine, submission: Submission) -> str:
    """Run a submission on each case, each time in a fresh sandbox; stop at the first failure."""
    for numbers, expected in CASES:
        outcome = engine.run(
            f"{submission.source}\nmedian(numbers)", variables={"numbers": numbers}, timeout_s=0.5
        )
        if not outcome.ok:
            return outcome.status
        if outcome.value != expected:
            return "wrong"
    return "right"


def main() -> None:
    """Grade everything, several submissions at a time, and print what came out."""
    parser = argparse.ArgumentParser(description="Grade submissions of an exercise.")
    parser.add_argument("--submissions", type=int, default=500, metavar="N")
    wanted = submissions(parser.parse_args().submissions)
    policy = dspex.Policy.load("compute").tightened(dspex.Policy(
        name="exercise", languages=frozenset({"python"}), env=frozenset({"TZ"}),
        limits=dspex.Limits(wall_s=0.5, cpu_s=0.5, memory_bytes=64 * 1024 * 1024),
    ))
    with dspex.Engine(policy) as engine, ThreadPoolExecutor(4) as threads:
        began = time.monotonic()
        verdicts = list(threads.map(lambda one: grade(engine, one), wanted))
        took_s = time.monotonic() - began
    unjust: list[tuple[Any, str]] = [
        (one, verdict)
        for one, verdict in zip(wanted, verdicts, strict=True)
        if verdict != one.kind.partition(":")[0].replace("raises", "raised")
    ]
    for verdict, number in Counter(verdicts).most_common():
        print(f"{verdict:>8}: {number}")
    print(f"{len(wanted)} submissions graded in {took_s:.1f} s, {len(unjust)} of them unjustly")
    raise SystemExit(bool(unjust))


if __name__ == "__main__":
    main()
