"""One round of fuzzing: known inputs first, then new ones, until the time is up or a rule breaks.

A round is a row of small batches of hypothesis examples, each with its own seed, so that the same
seed and the same corpus give the same inputs in the same order. What makes something new happen
is kept and mutated in later batches.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.mutation import INPUT_BYTES_MAX, mutated
from fuzz.target import Target

BATCH_EXAMPLES = 100
KEPT_MAX = 2000
COMMITTED = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that breaks a rule, as small as it could be made."""

    data: bytes
    reason: str
    trace: str
    seed: int
    batch: int
    """Batch of the round in which it was found; -1 if the corpus held it already."""


@dataclass(slots=True)
class Round:
    """What a round did."""

    target: Target
    seed: int
    inputs: int = 0
    batches: int = 0
    seconds: float = 0.0
    failure: Failure | None = None

    @property
    def passed(self) -> bool:
        """Whether it went as it must; for a canary that is: the planted bug was found."""
        return (self.failure is not None) == self.target.must_fail


class Corpus:
    """Inputs worth keeping: by what they make happen, the first that did so."""

    def __init__(self, target: Target, folder: Path | None) -> None:
        """Read the committed inputs and those in `folder`, where new ones are put."""
        self._folder = None if folder is None else folder / target.name
        self._seen: set[str] = set()
        self.inputs: list[bytes] = []
        folders = [COMMITTED / target.name, *([self._folder] if self._folder else [])]
        self.read = [
            path.read_bytes()
            for folder_ in folders
            if folder_.is_dir()
            for path in sorted(folder_.iterdir())
        ]

    def offer(self, data: bytes, seen: str) -> None:
        """Keep an input if it made something new happen."""
        new = seen not in self._seen and len(data) <= INPUT_BYTES_MAX
        if not new or len(self.inputs) >= KEPT_MAX:
            return
        self._seen.add(seen)
        self.inputs.append(data)
        if self._folder is not None and data not in self.read:
            self.save(data)

    def save(self, data: bytes) -> Path | None:
        """Write an input to the folder, if there is one."""
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / hashlib.sha256(data).hexdigest()[:16]
        path.write_bytes(data)
        return path


def fuzz(
    target: Target,
    *,
    seconds: float,
    seed: int,
    folder: Path | None = None,
    progress: Callable[[Round], None] = lambda _: None,
) -> Round:
    """Fuzz one target.

    Args:
        target: What is tried.
        seconds: How long; the batch that is under way then is finished.
        seed: The same seed gives the same inputs, as far as the time reaches.
        folder: Where to keep inputs, besides the committed ones.
        progress: Told after every batch.
    """
    began = time.monotonic()
    result = Round(target, seed)
    corpus = Corpus(target, folder)
    for data in corpus.read:
        result.inputs += 1
        try:
            corpus.offer(data, target.check(data))
        except Exception as error:  # noqa: BLE001 - whatever breaks a rule is the find
            result.failure = _failure(data, error, seed, -1)
            return result
    while result.failure is None and time.monotonic() - began < seconds:
        _batch(result, corpus)
        result.batches += 1
        result.seconds = time.monotonic() - began
        progress(result)
    if result.failure is not None:
        corpus.save(result.failure.data)
    return result


def _batch(result: Round, corpus: Corpus) -> None:
    """Try a hundred inputs; if one breaks a rule, hypothesis looks for the smallest that does."""
    target = result.target
    failing: tuple[bytes, Exception] | None = None
    made: list[tuple[bytes, str]] = []

    @hypothesis.seed(result.seed * 1_000_003 + result.batches)
    @settings(
        max_examples=BATCH_EXAMPLES, database=None, deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )
    @given(st.one_of(target.inputs, mutated(list(corpus.inputs))))
    def attempt(data: bytes) -> None:
        nonlocal failing
        result.inputs += 1
        try:
            made.append((data, target.check(data)))
        except Exception as error:
            failing = (data, error)  # the last one to fail is the smallest
            raise

    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - as in `fuzz`; hypothesis' own complaints too
        data, reason = failing or (b"", error)
        result.failure = _failure(data, reason, result.seed, result.batches)
    for data, seen in made:
        corpus.offer(data, seen)


def _failure(data: bytes, error: Exception, seed: int, batch: int) -> Failure:
    trace = "".join(traceback.format_exception(error))
    return Failure(data, f"{type(error).__name__}: {error}", trace, seed, batch)
