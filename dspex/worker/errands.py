"""What a session's worker is asked between runs: to write its guest's state, or to become another's.

What a state is made of is the language's business; where the file comes from, the supervisor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dspex.protocol.messages import Restored, Save, Saved
from dspex.wasm.state import StateUnusable, Terms

if TYPE_CHECKING:
    from dspex.languages.base import Language, StateKeeper
    from dspex.protocol.messages import Restore

_PROBLEM_CHARS_MAX = 1000


def answer(
    order: Save | Restore, descriptors: list[int], language: Language
) -> Saved | Restored:
    """Do what was asked.

    Args:
        order: What was asked.
        descriptors: The memory file that came with it.
        language: A guest between two runs.

    Returns:
        The answer. After a `Restored` with a problem the guest is of no use.
    """
    keeper = cast("StateKeeper", language)
    size, problem = 0, ""
    try:
        if not descriptors:
            problem = "no memory file came with the order"
        elif isinstance(order, Save):
            size = keeper.save_state(descriptors[0], order.bytes_max)
        else:
            terms = Terms(
                order.memory_bytes, order.file_bytes, order.file_count, order.open_files,
                order.mounted,
            )
            keeper.restore_state(descriptors[0], order.size, terms, twin=order.twin)
    except (StateUnusable, MemoryError, OSError) as error:
        problem = (str(error) or type(error).__name__)[:_PROBLEM_CHARS_MAX]
    if isinstance(order, Save):
        return Saved(order.errand, size, problem)
    return Restored(order.errand, problem)
