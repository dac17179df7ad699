"""Prints docs/reference/python-restricted.md from the lists that restricted Python goes by.

python docs/reference/generate_restricted.py > docs/reference/python-restricted.md
"""

from __future__ import annotations

import builtins
import sys
import textwrap
from typing import Any

from dspex.languages.account import RunAccount
from dspex.languages.restricted import exports, library, numpy_facade
from dspex.languages.restricted.context import Context
from dspex.languages.restricted.guards import Guards
from dspex.languages.restricted.names import ABSENT_BUILTINS, DEFINABLE, GLOBAL_NAMES, INTROSPECTION
from dspex.languages.restricted.own_surroundings import Interrupts, OwnSurroundings
from dspex.languages.restricted.stand_ins import StandIns
from dspex.languages.restricted.tasks import Tools
from dspex.languages.restricted.virtual_files import VirtualFiles

HEAD = """# Restricted Python: what is offered

<!-- Printed by docs/reference/generate_restricted.py; do not edit. -->

`language="python-restricted"` runs programs in the host's own CPython, behind a compiler that refuses what
could lead out and a jail without which it does not start
([why that is enough, and where it is not](../explanation/restricted-python.md)). A program that says
something it must not is `refused` before it runs, with all findings at once.

The syntax is that of the Python that dspex itself runs on, all of it. The same limits, files, tools, sessions and
values as for `python`; numpy arrays cross both ways, and `requests_per_worker` has no effect.
"""

DIFFERENCES = """## What is different

- Classes are made with class statements. There are no metaclasses but `ABCMeta` and those of `enum` and `typing`;
  `type(x)` tells an object's class and makes none.
- Only classes that were judged can be derived from: the built-in ones, exceptions, `collections.abc`, and those
  [listed below](#classes-to-derive-from). Other classes of the library, and all modules, cannot be changed.
- `x.__dict__` and `vars(x)` are copies; `x.__dict__.update(...)` and `x.__dict__[name] = ...` do change `x`.
- Attributes with one underscore are the program's own on its own objects; those of the library are not reachable.
- `dataclasses`, `copy`, `functools.wraps`, `functools.singledispatch`, `operator.attrgetter` and the others under
  *ours* below are versions of our own; they ignore `__reduce__` and evaluate no annotation that is a text.
- `str.format` and `string.Formatter` follow only attributes that a program could write itself.
- `logging`, `warnings`, `tempfile`, `unittest`, `doctest` and most of `inspect` and `ast` are written anew. `pickle` and
  `shelve` keep data and objects of the program's own classes in a form of their own, and read no other.
- Archives, mail and XML are the library's, over files in memory; no entity, address or path leads out of there.
- `threading`, `subprocess`, `socket` and `urllib.request` are there to be asked: a thread is refused with a
  `RuntimeError`, everything else with an `OSError`. Locks work.
- `unittest.mock.patch` changes names of modules for a while; `print`, `input` and `open` of the built-in functions.
- `help(thing)` prints the signature and the docstring; a text is no topic.
- `sys.setrecursionlimit` goes up to 12 000.
- Modules among the given files can be imported; they are compiled under the same policy.
"""


REST = """And every name with two underscores on both sides that is not a method which classes define (`__init__`,
`__add__`, ...), a plain description (`__name__`, `__doc__`, ...) or listed here.
"""
NUMPY = """Where it is installed (`dspex[restricted]`): `numpy`, `numpy.linalg`, `numpy.fft` and `numpy.random`, all
public functions and scalar types except these:
"""
ARRAYS = """Of arrays, `tofile`, `dump`, `dumps`, `ctypes`, `data`, `base`, `setflags`, `getfield`, `setfield`, `resize` and
`newbyteorder` are not reachable, and `strides` and `dtype` cannot be assigned.
"""


def listed(names: object) -> str:
    """Return names as one paragraph."""
    text = ", ".join(f"`{name}`" for name in sorted(names))  # type: ignore[call-overload]
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """Return the page."""
    interrupts = Interrupts()
    account = RunAccount(interrupts.stop, interrupts.seen)
    surroundings = OwnSurroundings(account, interrupts)
    files, tools = VirtualFiles(interrupts.critical), Tools(account, interrupts.critical)
    nothing: dict[str, Any] = {}
    larger, bases = library.make(
        Context(surroundings, files, lambda *_: None, lambda _: nothing, lambda _: None)
    )
    del larger["builtins"]
    ours: dict[str, set[str]] = {"sys": set(surroundings.sys_names()) - {"__name__"}}
    for given in (larger, StandIns(Guards()).modules(), surroundings.modules(), files.modules(), tools.modules()):
        for module, names in given.items():
            ours.setdefault(module, set()).update(names)
    parts = [HEAD, DIFFERENCES, "## Built-in functions that are not there\n", listed(ABSENT_BUILTINS) + "\n"]
    parts += ["## Attributes that are never reachable\n", listed(INTROSPECTION) + "\n",
              REST,
              "## Names with two underscores that a class body may bind\n", listed(DEFINABLE) + "\n",
              "## Names with two underscores that a program may read\n", listed(GLOBAL_NAMES) + "\n",
              "## Classes to derive from\n", listed([*exports.BASES, *(f"{one.__module__}.{one.__name__}" for one in bases)]) + "\n", "## Modules\n"]  # fmt: skip
    for module in sorted(set(exports.EXPORTS) | set(ours)):
        own = ours.get(module, set())
        theirs = set(exports.EXPORTS.get(module, "").split()) - own
        parts.append(f"### {module}\n")
        if theirs:
            parts.append(listed(theirs) + "\n")
        if own:
            parts.append(f"Ours: {listed(own)}\n")
    parts += ["### numpy\n", NUMPY,
              listed(name for name in numpy_facade.NOT_OFFERED if not hasattr(builtins, name)) + "\n",
              ARRAYS]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
