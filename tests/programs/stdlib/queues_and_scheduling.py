# /// program
# about = "queue and sched without threads: FIFO, LIFO, priority, full and empty, timed events."
# value = "[(1.0, 'first'), (1.0, 'second'), (2.0, 'repeat'), (4.0, 'repeat'), (5.0, 'late'), (6.0, 'repeat')]"
# stdout = '''
# full at 2
# [3, 1] [2, 1, 3] ['job 1', 'job 2', 'job 3']
# empty
# '''
# ///
import queue
import sched

fifo, lifo, prio = queue.Queue(maxsize=2), queue.LifoQueue(), queue.PriorityQueue()
for n in (3, 1, 2):
    lifo.put(n)
    prio.put((n, f"job {n}"))
    try:
        fifo.put_nowait(n)
    except queue.Full:
        print("full at", n)
print([fifo.get() for _ in range(2)], [lifo.get() for _ in range(3)], [prio.get()[1] for _ in range(3)])
try:
    fifo.get_nowait()
except queue.Empty:
    print("empty")

now = [0.0]
log = []
scheduler = sched.scheduler(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))


def tick(name):
    log.append((now[0], name))
    if name == "repeat" and now[0] < 6:
        scheduler.enter(2, 1, tick, ("repeat",))


scheduler.enter(5, 1, tick, ("late",))
scheduler.enter(1, 2, tick, ("second",))
scheduler.enter(1, 1, tick, ("first",))
scheduler.enter(2, 1, tick, ("repeat",))
cancelled = scheduler.enter(3, 1, tick, ("never",))
scheduler.cancel(cancelled)
scheduler.run()
log
