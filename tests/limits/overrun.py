"""Prints by how much runs outlive their deadlines: `python -m tests.limits.overrun [ROUNDS]`."""

from __future__ import annotations

import sys

import dspex
from tests.limits.measuring import LOOPS, STUCK_IN_C, overruns_s, percentile


def main(rounds: int) -> None:
    """Measure and print."""
    with dspex.Engine(idle_max=4) as engine:
        engine.run("1")
        for name, programs in (("loops", LOOPS), ("stuck in C", STUCK_IN_C)):
            found = overruns_s(
                engine, list(programs.values()), wall_s=0.1, grace_s=0.05, rounds=rounds
            )
            shown = ", ".join(
                f"p{part * 100:.0f} {percentile(found, part) * 1000:.1f} ms"
                for part in (0.5, 0.9, 0.99, 1.0)
            )
            sys.stdout.write(f"{name}: {rounds} runs, {shown} after the deadline\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
