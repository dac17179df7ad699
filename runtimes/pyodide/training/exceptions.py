"""Exceptions raised, caught, chained and passed through; context managers."""

import contextlib


class ParseError(ValueError):
    def __init__(self, text, position):
        super().__init__(f"cannot read {text!r} at {position}")
        self.position = position


class Resource:
    opened = closed = 0

    def __enter__(self):
        Resource.opened += 1
        return self

    def __exit__(self, kind, error, trace):
        Resource.closed += 1
        return kind is KeyError


@contextlib.contextmanager
def undo(log):
    log.append("in")
    try:
        yield len(log)
    except IndexError:
        log.append("index")
    finally:
        log.append("out")


def convert(text):
    try:
        return int(text)
    except ValueError as error:
        if not text:
            raise ParseError(text, 0) from error
        try:
            return round(float(text))
        except ValueError:
            return -1
        finally:
            convert.tries += 1


def deep(n):
    if n == 0:
        raise LookupError("bottom")
    try:
        deep(n - 1)
    except ZeroDivisionError:
        return -1
    return n


convert.tries = 0
total, log, data = 0, [], {"a": 1}
for n in range(900):
    try:
        total += convert(("12", "3.5", "x", "", "0b1")[n % 5])
    except ParseError as error:
        total += error.position + len(str(error))
    else:
        total += 1
    with Resource():
        total += data["b" if n % 2 else "a"]
    with undo(log) as count:
        total += count % 3 + [1, 2, 3][n % 5]
    try:
        total += 100 // (n % 4)
    except ZeroDivisionError:
        total -= 1
    with contextlib.suppress(AttributeError):
        total += data.missing
    if n % 30 == 0:
        try:
            deep(40)
        except LookupError as error:
            total += len(error.args[0])
for n in range(3000):
    try:
        if n % 3:
            continue
        total += 1
    finally:
        total += 1
values = iter(range(2000))
while True:
    try:
        total += next(values) & 1
    except StopIteration:
        break
assert (total, Resource.closed, len(log), convert.tries) == (54860, 900, 2160, 540), (total, Resource.closed, len(log), convert.tries)
