# /// program
# about = "A priority queue with tie-breaking and lazy deletion; median of a stream."
# value = "[5, 10.0, 5, 4.0, 5]"
# stdout = '''
# ['ship', 'test', 'plan']
# pop from an empty queue
# [('b', 9), ('c', 5)]
# '''
# ///
import heapq
import itertools


class TaskQueue:
    REMOVED = "<removed>"

    def __init__(self):
        self.heap, self.entries, self.counter = [], {}, itertools.count()

    def add(self, task, priority=0):
        if task in self.entries:
            self.remove(task)
        entry = [priority, next(self.counter), task]
        self.entries[task] = entry
        heapq.heappush(self.heap, entry)

    def remove(self, task):
        self.entries.pop(task)[-1] = self.REMOVED

    def pop(self):
        while self.heap:
            _, _, task = heapq.heappop(self.heap)
            if task is not self.REMOVED:
                del self.entries[task]
                return task
        raise KeyError("pop from an empty queue")


queue = TaskQueue()
for name, priority in [("write", 5), ("test", 3), ("ship", 9), ("plan", 3)]:
    queue.add(name, priority)
queue.add("ship", 1)
queue.remove("write")
print([queue.pop() for _ in range(3)])
try:
    queue.pop()
except KeyError as error:
    print(error.args[0])


def running_median(numbers):
    low, high = [], []
    for number in numbers:
        heapq.heappush(high, -heapq.heappushpop(low, -number))
        if len(high) > len(low):
            heapq.heappush(low, -heapq.heappop(high))
        yield -low[0] if len(low) > len(high) else (high[0] - low[0]) / 2


print(heapq.nlargest(2, {"a": 3, "b": 9, "c": 5}.items(), key=lambda p: p[1]))
list(running_median([5, 15, 1, 3, 8]))
