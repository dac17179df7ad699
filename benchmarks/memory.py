"""Proportional memory of a process and everything below it, read from Linux.

Proportional set size (PSS) divides each shared page among those who share it, so the sum
over a tree is what the tree costs the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil


@dataclass(frozen=True)
class TreeMemory:
    """Memory of one process tree at one moment."""

    pss_bytes: int
    """Sum over the processes that could be read."""
    leaf_pss_bytes: tuple[int, ...]
    """PSS of each process below the root that has no child of its own."""
    processes: int
    unreadable: int
    """Processes that ended meanwhile, or that this user may not look into."""

    @property
    def leaf_median_bytes(self) -> float | None:
        """Median PSS of the leaves; None where the tree is one process."""
        return median(self.leaf_pss_bytes) if self.leaf_pss_bytes else None


def pss_bytes(pid: int) -> int | None:
    """Return the proportional set size of a process, or None where it cannot be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def tree_memory(pid: int) -> TreeMemory:
    """Read a process and its descendants.

    Args:
        pid: The root, which must be alive.

    Raises:
        psutil.NoSuchProcess: The root has ended.
    """
    root = psutil.Process(pid)
    children = root.children(recursive=True)
    parents = _parents(children)
    total = pss_bytes(pid) or 0
    leaves: list[int] = []
    unreadable = 0
    for child in children:
        size = pss_bytes(child.pid)
        if size is None:
            unreadable += 1
            continue
        total += size
        if child.pid not in parents:
            leaves.append(size)
    return TreeMemory(
        pss_bytes=total,
        leaf_pss_bytes=tuple(leaves),
        processes=1 + len(children),
        unreadable=unreadable,
    )


def _parents(processes: list[psutil.Process]) -> set[int]:
    """Return the ids of the parents of those still alive."""
    parents = set()
    for process in processes:
        try:
            parents.add(process.ppid())
        except psutil.NoSuchProcess:
            continue
    return parents
