"""CPU-bound guest programs, each a `work()` that returns a checkable answer.

They use only what every contestant's interpreter could offer (no files, no clock, no
randomness of the library), so the same text runs natively and in each sandbox. Timing is
added by `timed`; who runs the text is up to `benchmarks.peers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Final


@dataclass(frozen=True)
class Program:
    """One CPU-bound program."""

    name: str
    exercises: str
    """What part of an interpreter it leans on, for the report."""
    source: str
    """Defines `work()`; calling it twice gives the same answer twice."""


@dataclass(frozen=True)
class Code:
    """Source in two parts, so that an adapter can ask for the value in its sandbox's own way."""

    body: str
    """Statements."""
    expression: str
    """The value to bring back: numbers, text and lists only."""


ONE_PLUS_ONE: Final = Code(body="", expression="1 + 1")
"""The smallest program with a result: what remains is the cost of the sandbox."""

ONE_PLUS_ONE_ANSWER: Final = 2

_TIMER: Final = """
from time import perf_counter as _clock
_times = []
for _round in range({repeats} + 1):
    _start = _clock()
    _answer = work()
    _times.append(_clock() - _start)
"""


def timed(program: Program, *, repeats: int) -> Code:
    """Wrap a program so that it times itself inside the sandbox.

    The first call warms caches and the specialising interpreter and is brought back too; the
    caller drops it.

    Args:
        program: What to time.
        repeats: Calls after the first.

    Returns:
        Code whose value is `[answer, [seconds, ...]]` with `repeats + 1` times.

    Example:
        >>> timed(PROGRAMS[0], repeats=2).expression
        '[_answer, _times]'
    """
    return Code(
        body=program.source + _TIMER.format(repeats=repeats), expression="[_answer, _times]"
    )


def _program(name: str, exercises: str, source: str) -> Program:
    return Program(name=name, exercises=exercises, source=dedent(source).lstrip("\n"))


PROGRAMS: Final = (
    _program(
        "fib",
        "function calls",
        """
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        def work():
            return fib(24)
        """,
    ),
    _program(
        "loops",
        "integer arithmetic in nested loops",
        """
        def work():
            total = 0
            for i in range(500):
                for j in range(500):
                    if (i ^ j) & 3:
                        total += i * j % 7
                    else:
                        total -= j
            return total
        """,
    ),
    _program(
        "json",
        "the json module, both ways",
        """
        import json

        DOCUMENT = {
            "name": "order", "id": 12345, "paid": True, "note": None,
            "lines": [
                {"sku": "A-%d" % i, "price": i * 1.25, "tags": ["x", "y", "z"]}
                for i in range(60)
            ],
        }

        def work():
            size = 0
            for _ in range(120):
                text = json.dumps(DOCUMENT)
                size += len(text) + len(json.loads(text)["lines"])
            return size
        """,
    ),
    _program(
        "sort",
        "list.sort, with and without a key",
        """
        def work():
            value, values = 12345, []
            for _ in range(25000):
                value = (value * 1103515245 + 12345) % 2147483648
                values.append(value)
            plain = sorted(values)
            keyed = sorted(values, key=lambda number: number % 1000)
            return plain[1000] + keyed[-1]
        """,
    ),
    _program(
        "strings",
        "string building, splitting, formatting",
        """
        def work():
            parts = []
            for i in range(12000):
                parts.append(f"{i:05d}:{i * 3}")
            text = ",".join(parts)
            words = text.upper().replace(":", " : ").split(",")
            longest = ""
            for word in words:
                if len(word.strip()) > len(longest):
                    longest = word
            grown = ""
            for i in range(6000):
                grown += "ab"
            return len(text) + len(words) + len(longest) + len(grown)
        """,
    ),
    _program(
        "dicts",
        "dict and set traffic",
        """
        def work():
            counts = {}
            for i in range(60000):
                key = i * 7919 % 4093
                counts[key] = counts.get(key, 0) + 1
            grouped = {}
            for key, count in counts.items():
                grouped.setdefault(count, []).append(key)
            seen = {"k%d" % (i % 5000) for i in range(20000)}
            return len(counts) + sum(len(keys) for keys in grouped.values()) + len(seen)
        """,
    ),
    _program(
        "regex",
        "the re module's matcher",
        """
        import re

        LINE = "2024-03-%02d 12:%02d:00 GET /items/%d?q=abc HTTP/1.1 200 %d from 10.0.%d.7"
        TEXT = "\\n".join(LINE % (i % 28 + 1, i % 60, i, i * 37, i % 255) for i in range(600))
        WHOLE = re.compile(
            r"(\\d{4})-(\\d\\d)-(\\d\\d) [\\d:]+ (GET|POST) (\\S+) HTTP/1\\.1 (\\d+) (\\d+)"
        )
        ADDRESS = re.compile(r"(?:\\d{1,3}\\.){3}\\d{1,3}")

        def work():
            total = 0
            for _ in range(5):
                for match in WHOLE.finditer(TEXT):
                    total += int(match.group(7))
                total += len(ADDRESS.findall(TEXT)) + len(re.sub("[aeiou]", "*", TEXT))
            return total
        """,
    ),
    _program(
        "classes",
        "methods, attributes, properties, inheritance",
        """
        class Account:
            def __init__(self, owner, balance):
                self.owner = owner
                self.balance = balance

            @property
            def rich(self):
                return self.balance > 1000

            def deposit(self, amount):
                self.balance += amount
                return self

        class Savings(Account):
            def __init__(self, owner, balance, rate):
                super().__init__(owner, balance)
                self.rate = rate

            def deposit(self, amount):
                return super().deposit(amount + amount // self.rate)

        def work():
            total = 0
            for i in range(12000):
                account = Savings("o", i, 10) if i % 2 else Account("o", i)
                account.deposit(25).deposit(75)
                total += account.balance if account.rich else 1
            return total
        """,
    ),
    _program(
        "nbody",
        "floating-point arithmetic",
        """
        def work():
            bodies = [
                [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47],
                [4.84, -1.16, -0.10, 0.60, 2.81, -0.02, 0.037],
                [8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.011],
                [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017],
                [15.37, -25.9, 0.17, 0.97, 0.59, -0.03, 0.002],
            ]
            for _ in range(1200):
                for i in range(5):
                    one = bodies[i]
                    for j in range(i + 1, 5):
                        two = bodies[j]
                        dx, dy, dz = one[0] - two[0], one[1] - two[1], one[2] - two[2]
                        force = 0.01 * (dx * dx + dy * dy + dz * dz) ** -1.5
                        pull, push = two[6] * force, one[6] * force
                        one[3] -= dx * pull
                        one[4] -= dy * pull
                        one[5] -= dz * pull
                        two[3] += dx * push
                        two[4] += dy * push
                        two[5] += dz * push
                for body in bodies:
                    body[0] += 0.01 * body[3]
                    body[1] += 0.01 * body[4]
                    body[2] += 0.01 * body[5]
            return round(sum(body[0] for body in bodies), 6)
        """,
    ),
    _program(
        "sieve",
        "list slices and comprehensions",
        """
        def work():
            limit = 200000
            prime = [True] * (limit + 1)
            prime[0] = prime[1] = False
            for n in range(2, int(limit ** 0.5) + 1):
                if prime[n]:
                    prime[n * n :: n] = [False] * len(range(n * n, limit + 1, n))
            primes = [n for n in range(limit + 1) if prime[n]]
            return len(primes) + primes[-1]
        """,
    ),
)
"""In the order of the report."""
