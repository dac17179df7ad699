"""Which processes there are below this one: for the check that nobody left one behind."""

from __future__ import annotations

import psutil

import dspex


def descendants() -> set[int]:
    """Return the ids of all processes below this one."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def children_of_workers(engine: dspex.Engine) -> set[int]:
    """Return the ids of processes that a worker has started: there may be none."""
    found = set()
    for pid in engine._running().worker_pids():
        try:
            found |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        except psutil.NoSuchProcess:  # ended between the two looks, as most workers do
            continue
    return found
