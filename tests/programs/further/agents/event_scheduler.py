# /// program
# about = "A priority queue scheduler with heapq, total ordering, and lazy deletion."
# stdout = '''
# eat high
# write high
# run normal
# False [1, 4] [1, 2, 3, 4]
# '''
# ///
import heapq
import itertools
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any


@total_ordering
class Priority:
    LEVELS = {"low": 0, "normal": 1, "high": 2}

    def __init__(self, name):
        self.level = self.LEVELS[name]

    def __eq__(self, other):
        return self.level == other.level

    def __lt__(self, other):
        return self.level > other.level

    def __repr__(self):
        return next(k for k, v in self.LEVELS.items() if v == self.level)


@dataclass(order=True)
class Entry:
    priority: Priority
    number: int
    task: Any = field(compare=False)
    removed: bool = field(default=False, compare=False)


class Scheduler:
    def __init__(self):
        self._heap = []
        self._entries = {}
        self._counter = itertools.count()

    def add(self, task, priority="normal"):
        if task in self._entries:
            self.remove(task)
        entry = Entry(Priority(priority), next(self._counter), task)
        self._entries[task] = entry
        heapq.heappush(self._heap, entry)

    def remove(self, task):
        self._entries.pop(task).removed = True

    def __iter__(self):
        while self._heap:
            entry = heapq.heappop(self._heap)
            if not entry.removed:
                del self._entries[entry.task]
                yield entry.task, entry.priority

    def __bool__(self):
        return bool(self._entries)


scheduler = Scheduler()
for task, priority in [("write", "normal"), ("eat", "high"), ("sleep", "low"), ("write", "high")]:
    scheduler.add(task, priority)
scheduler.add("run")
scheduler.remove("sleep")
for task, priority in scheduler:
    print(task, priority)
print(bool(scheduler), heapq.nsmallest(2, [5, 1, 4]), list(heapq.merge([1, 4], [2, 3])))
