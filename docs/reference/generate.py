
"""Writes the reference pages that are made from the code: `python docs/reference/generate.py`.

`limits.md` comes from the docstrings of `dspex.limits.Limits`, `errors.md` from those of
`dspex.errors`. `tests/docs/test_reference.py` checks that the files are what this prints.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from annotated_types import Ge, Gt, Le

from dspex import errors
from dspex.errors import DspexError, InternalError, amount
from dspex.limits import Limits

HERE = Path(__file__).parent

_LIMITS_HEAD = """\
# Limits

What one run may consume. Set them in a policy file under `[limits]`, or in code with
`Limits(wall_s=2.0)`; what is left out keeps its default, and every default is finite. Budgets are
only ever combined by taking the smaller of each field.

In a session the times, output, source, values and host calls count anew for each run, while memory
and files are what the session holds at any moment.

Each resource has two guards: the inner one reports well (which limit, how much, where in the
program), the outer one always works, whatever the program does. `Outcome.error` says which of the
two noticed: `cpu_s: 5.3 s spent of 5.0 s, noticed by the inner guard`.

"""

_ERRORS_HEAD = """\
# Errors

Every expected failure is a `DspexError` with a `code` (a stable word), `session_usable` and fields
of its own; the text is made from the fields and need not be parsed. What a program does wrong (it
raised, it was refused, it used up a limit, its worker died) is not raised but returned as an
`Outcome`; `Outcome.value_or_raise()` turns that into the error.

"""


def limits_page() -> str:
    """Return `limits.md`."""
    rows, sections = [], []
    for name, field in Limits.model_fields.items():
        lowest, highest, excluded = _bounds(field.metadata)
        text = field.description or ""
        what, _, guards = text.partition("\n\n")
        default = amount(name, field.default)
        rows.append(f"| [`{name}`](#{name}) | {default} | {' '.join(what.split())} |\n")
        lines = re.sub(r"\n(?!- )\s*", " ", guards)
        allowed = f"{'above ' if excluded else ''}{amount(name, lowest)} to "
        sections.append(
            f"\n## {name}\n\n{' '.join(what.split())}\n\n"
            f"- Default: {default}; allowed: {allowed}{amount(name, highest)}.\n{lines.strip()}\n"
        )
    table = "| limit | default | what it bounds |\n|---|---|---|\n" + "".join(rows)
    return _LIMITS_HEAD + table + "".join(sections)


def _bounds(metadata: list[object]) -> tuple[float, float, bool]:
    """Return the lowest and the highest value of a field, and whether the lowest is excluded."""
    found: dict[type, float] = {}
    for item in metadata:
        for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le")):
            if isinstance(item, kind):
                found[kind] = getattr(item, name)
    return found[Gt if Gt in found else Ge], found[Le], Gt in found


def errors_page() -> str:
    """Return `errors.md`."""
    tree, sections = [], []
    for kind, depth in _taxonomy(DspexError, 0):
        name = kind.__name__
        usable = "yes" if kind.session_usable else "no"
        tree.append(f"| {'· ' * depth}[`{name}`](#{name.lower()}) | `{kind.code}` | {usable} |\n")
        sections.append(f"\n## {name}\n\n{_described(kind)}")
    table = "| error | `code` | session usable |\n|---|---|---|\n" + "".join(tree)
    note = "\nWhere a single case knows better, its `session_usable` says so.\n"
    internal = f"\n## {InternalError.__name__}\n\n{_described(InternalError)}"
    return _ERRORS_HEAD + table + note + "".join(sections) + internal


def _taxonomy(kind: type[DspexError], depth: int) -> list[tuple[type[DspexError], int]]:
    """Return the classes of `dspex.errors` below one, in the order in which they are defined."""
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [(kind, depth), *(pair for child in below for pair in _taxonomy(child, depth + 1))]


def _described(kind: type[Exception]) -> str:
    """Return the docstring of a class with its arguments as a list of fields."""
    text, _, arguments = inspect.cleandoc(kind.__doc__ or "").partition("\n\nArgs:\n")
    lines = re.sub(r"\n {8}", " ", arguments)
    fields = re.sub(r"^ {4}(\w+): ", r"- `\1`: ", lines, flags=re.MULTILINE)
    return text + "\n" + (f"\n{fields}\n" if fields else "")


PAGES = {"limits.md": limits_page, "errors.md": errors_page}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make(), encoding="utf-8")
