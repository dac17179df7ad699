"""What an ordinary program is expected to do, read from the header of its own file.

Each program under this folder opens with one comment block in TOML::

    # /// program
    # about = "Doubles the numbers on standard input."
    # stdin = "1 2"
    # value = "[2, 4]"
    # stdout = '''
    # two numbers
    # '''
    # ///

`tests/process/test_ordinary_programs.py` runs the programs in the sandbox, and `check_native` runs
them with a native CPython: both compare with what is read here. Nothing in this file runs a
program.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import tomllib
import uuid
import zoneinfo
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPENING = "# /// program"
CLOSING = "# ///"

_NAMES_IN_VALUES = {
    "datetime": dt,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "UUID": uuid.UUID,
    "ZoneInfo": zoneinfo.ZoneInfo,
    "inf": math.inf,
    "nan": math.nan,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a program is given, and what must come back, to the letter.

    `value` and `variables` are Python expressions, because TOML knows neither None nor tuples.
    """

    about: str
    since: tuple[int, int] = (3, 11)
    """Oldest Python that does exactly this; `check_native` skips what is newer than it has."""
    sandbox_only: bool = False
    """The program asks for what a native machine grants and a sandbox refuses."""
    args: tuple[str, ...] = ()
    stdin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    value: str = "None"
    stdout: str = ""
    stderr: str = ""
    raises: Mapping[str, str] | None = None
    """`type` and `message` of the exception that ends the program; None: it ends well."""
    wrote: Mapping[str, str] = field(default_factory=dict)
    """Text of every file that the program leaves new or changed in its working directory."""
    wrote_also: tuple[str, ...] = ()
    """Names of files whose bytes depend on a library version (archives, databases)."""

    def __post_init__(self) -> None:
        """Refuse an exception that is only half described."""
        if self.raises is not None and set(self.raises) != {"type", "message"}:
            message = f"raises: needs `type` and `message`, got {sorted(self.raises)}"
            raise ValueError(message)

    def given_variables(self) -> dict[str, object]:
        """Return the globals that the host hands to the program."""
        return {name: read_value(text) for name, text in self.variables.items()}

    def given_files(self) -> dict[str, bytes]:
        """Return the files that lie in the program's working directory at the start."""
        return {name: text.encode() for name, text in self.files.items()}


def read_expectation(path: Path) -> Expectation:
    """Read the header of one program.

    Args:
        path: The program's file.

    Raises:
        ValueError: There is no header, it is not TOML, or a key in it is unknown.
    """
    header, _ = split_header(path.read_text(encoding="utf-8"))
    fields: dict[str, Any] = tomllib.loads(header)
    unknown = sorted(set(fields) - set(Expectation.__slots__))
    if unknown:
        message = f"{path.name}: unknown keys in the header: {unknown}"
        raise ValueError(message)
    if "since" in fields:
        major, minor = fields["since"].split(".")
        fields["since"] = (int(major), int(minor))
    for key in ("args", "wrote_also"):
        fields[key] = tuple(fields.get(key, ()))
    return Expectation(**fields)


def split_header(source: str) -> tuple[str, str]:
    """Return the TOML text of a program's header, and the program after it.

    Raises:
        ValueError: The first line does not open a header, or nothing closes it.
    """
    lines = source.split("\n")
    if lines[0] != OPENING or CLOSING not in lines:
        message = f"a program starts with `{OPENING}` and closes its header with `{CLOSING}`"
        raise ValueError(message)
    end = lines.index(CLOSING)
    return "\n".join(line[2:] for line in lines[1:end]), "\n".join(lines[end + 1 :])


def write_header(expectation: Expectation) -> str:
    """Return the header text, comment signs included, in the one order of keys."""
    lines: list[str] = []
    tables: list[str] = []
    for key in Expectation.__slots__:
        value = getattr(expectation, key)
        default = Expectation.__dataclass_fields__[key].default
        if key == "about" or (value and value != default):
            if key == "since":
                lines.append(f'since = "{value[0]}.{value[1]}"')
            elif value is True:
                lines.append(f"{key} = true")
            elif isinstance(value, dict):
                tables += [f"[{key}]", *(f"{_text(k)} = {_text(v)}" for k, v in value.items())]
            elif isinstance(value, tuple):
                lines.append(f"{key} = [{', '.join(map(_text, value))}]")
            else:
                lines.append(f"{key} = {_text(value)}")
    body = "\n".join([*lines, *tables]).split("\n")
    return "\n".join([OPENING, *(f"# {line}".rstrip() for line in body), CLOSING])


def _text(value: str) -> str:
    plain = all(c == "\n" or c.isprintable() for c in value)
    tidy = not any(line != line.rstrip() for line in value.split("\n"))
    if "\n" in value and plain and tidy and "'''" not in value:
        return f"'''\n{value}'''"
    if "\n" not in value and plain and '"' in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=not plain and "\x7f" in value)


def read_value(expression: str) -> object:
    """Return the value that an expression of a header stands for."""
    return eval(expression, dict(_NAMES_IN_VALUES))  # our own test data


def same(left: object, right: object) -> bool:
    """Say whether two values are equal in type and content, all the way down; nan equals nan.

    Example:
        >>> same([1, (2.0, True)], [1, (2.0, True)]), same(1, True), same((1,), [1])
        (True, False, False)
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            same(a, b) for a, b in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return repr(left) == repr(right) if isinstance(left, float) else bool(left == right)
