"""The larger modules that programs get, put together: which there are, and in what order they are made."""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted import (
    absent,
    archives,
    looking,
    markup,
    mocking,
    records,
    reporting,
    temporary,
    testing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.restricted.context import Context, Modules, Offer


def harden() -> None:
    """Change what of these modules would take any name; before classes are frozen."""
    looking.harden()


def make(context: Context) -> Offer:
    """Return the names by module, and the classes to derive from; call it before the guards are made."""
    draw = _draw(context)
    offers: list[Offer] = [
        reporting.logging_module(context),
        reporting.warnings_module(context),
        records.pickle_and_shelve(context),
        looking.string_module(context),
        looking.ast_module(context),
        looking.inspect_module(context),
        looking.small_modules(context),
        looking.weakref_module(context),
        temporary.tempfile_module(context.files, draw),
        testing.unittest_module(context),
        testing.doctest_module(context),
        mocking.mock_module(context),
        absent.threading_module(),
        (absent.subprocess_module(), []),
        (absent.network_modules(), []),
        (archives.modules(), []),
        (markup.modules(context, draw), []),
    ]
    found: Modules = {}
    bases: list[type] = []
    for modules, derivable in offers:
        for name, names in modules.items():
            found.setdefault(name, {}).update(names)
        bases += derivable
    return found, bases


def surround(context: Context, time: Any) -> None:
    """Exchange files and clock in the library's modules, and hide what leads out; before classes are frozen.

    Args:
        context: With the guards.
        time: What programs get as the module `time`.
    """
    archives.surround(context.files, time)
    markup.surround(context.files, time, _draw(context))
    markup.hide(context.guard)
    context.guard.hide(("from_callable",), inspect.Signature)
    context.guard.hide(("cell_contents",), types.CellType)


def _draw(context: Context) -> Callable[[int], bytes]:
    """Return a source of randomness that stays right when the run's is exchanged."""
    return lambda count: context.around.draw(count)  # noqa: PLW0108 - it changes
