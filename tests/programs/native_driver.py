"""Run one program as the sandbox would, but in this very interpreter, and write a report.

Started by `check_native` with: report file, program file, repr of the variables, arguments.
The value of the last expression is turned into data by the rules of docs/reference/values.md.
"""

import ast
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import sys
import types
import uuid
from pathlib import Path

AS_THEY_ARE = (
    type(None),
    *(bool, int, float, complex, str, bytes, range),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID),
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta),
)
BASES = (str, int, float, bytes)


def as_data(value):
    """Turn a value into plain data; what cannot cross becomes its repr."""
    if isinstance(value, enum.Enum):
        return as_data(value.value)
    if type(value) in AS_THEY_ARE:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_data(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (list, collections.deque)):
        return [as_data(item) for item in value] if isinstance(value, list) else repr(value)
    if isinstance(value, tuple):
        return tuple(as_data(item) for item in value)
    if isinstance(value, dict):
        return {as_data(key): as_data(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        base = set if isinstance(value, set) else frozenset
        return base(as_data(item) for item in value)
    if isinstance(value, bytearray):
        return bytes(value)
    for base in BASES:
        if isinstance(value, base):
            return base(value)
    return repr(value)


def main() -> None:
    """Run the program that the command line names."""
    report, program, variables, *args = sys.argv[1:]
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["program.py", *args]
    sys.path.insert(0, "")
    names = {"datetime": datetime, "Decimal": decimal.Decimal, "Fraction": fractions.Fraction}
    for name, text in ast.literal_eval(variables).items():
        setattr(module, name, eval(text, dict(names)))
    tree = ast.parse(Path(program).read_text(encoding="utf-8"), program)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    value, raises = None, None
    try:
        exec(compile(tree, program, "exec"), module.__dict__)
        if last is not None:
            value = eval(compile(last, program, "eval"), module.__dict__)
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raises = {"type": "SystemExit", "message": str(stop.code)}
    except BaseException as error:
        raises = {"type": type(error).__name__, "message": str(error)}
    sys.stdout.flush()
    Path(report).write_text(repr((repr(as_data(value)), raises)), encoding="utf-8")


if __name__ == "__main__":
    main()
