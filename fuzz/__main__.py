"""`python -m fuzz TARGET|all`: fuzz for some seconds; exit code 1 if a rule was broken.

A broken rule is printed with the seed and the smallest input that breaks it, which is also written to a file
for `--input`. `all` leaves the canary's planted bug out of the sum: there, *finding* it is success.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from fuzz.rounds import Failure, Round, fuzz
from fuzz.table import TARGETS
from fuzz.target import Target

PROGRESS_EVERY_S = 1.0


def main(arguments: list[str]) -> int:
    """Run what the command line asks for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=float, default=10.0, help="per target (default: 10)")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--corpus", type=Path, default=None, help="keep inputs in this folder")
    parser.add_argument("--input", type=Path, default=None, help="try one input from a file")
    options = parser.parse_args(arguments)
    chosen = list(TARGETS.values()) if options.target == "all" else [TARGETS[options.target]]
    if options.input is not None:
        return _try_one(chosen[0], options.input.read_bytes())
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    code = 0
    for target in chosen:
        result = fuzz(
            target, seconds=options.seconds, seed=seed, folder=options.corpus,
            progress=Progress(),
        )
        # On its own a canary shows what a failure looks like; among all it is the proof that
        # failures are seen.
        good = result.passed if options.target == "all" else result.failure is None
        code |= not good
        _tell(result, quiet=options.target == "all" and good)
    return code


class Progress:
    """Says once a second how far a round has come."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + PROGRESS_EVERY_S

    def __call__(self, result: Round) -> None:
        """Say it, if it is time."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PROGRESS_EVERY_S
            print(f"  {result.target.name}: {result.inputs} inputs", file=sys.stderr, flush=True)


def _tell(result: Round, *, quiet: bool) -> None:
    rate = result.inputs / result.seconds if result.seconds else 0.0
    found = "nothing broken" if result.failure is None else "BROKEN"
    if result.target.must_fail:
        found = "planted bug found" if result.failure else "PLANTED BUG NOT FOUND"
    print(
        f"{result.target.name}: {found}; {result.inputs} inputs in {result.seconds:.1f} s, "
        f"{rate:.0f} per second",
        flush=True,
    )
    if result.failure is not None and not quiet:
        _tell_failure(result.target, result.failure)


def _tell_failure(target: Target, failure: Failure) -> None:
    with tempfile.NamedTemporaryFile(prefix=f"dspex-fuzz-{target.name}-", delete=False) as file:
        file.write(failure.data)
    print(failure.trace, file=sys.stderr)
    print(f"seed {failure.seed}, batch {failure.batch}: {failure.reason}")
    print(f"smallest input: {target.describe(failure.data)}")
    print(f"again: python -m fuzz {target.name} --input {file.name}", flush=True)


def _try_one(target: Target, data: bytes) -> int:
    print(f"input: {target.describe(data)}")
    print(f"nothing broken: {target.check(data)}")  # a broken rule is a traceback, and exit code 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
