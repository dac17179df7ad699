# /// program
# about = "A discrete-event simulation of a bank queue with generators and a seeded random."
# value = "200"
# stdout = '''
# 2 tellers: mean wait 15.832 min, longest 40.649, closed 402.83
# 3 tellers: mean wait 1.614 min, longest 9.804, closed 379.12
# '''
# ///
import heapq
import random
import statistics
from collections import deque


def simulate(customers, tellers, seed):
    rng = random.Random(seed)
    events, clock, order = [], 0.0, 0
    for n in range(customers):
        clock += rng.expovariate(1 / 2.0)
        heapq.heappush(events, (clock, order, "arrive", n))
        order += 1
    waiting, free, arrived, waits = deque(), tellers, {}, []
    while events:
        now, _, kind, who = heapq.heappop(events)
        if kind == "arrive":
            arrived[who] = now
            waiting.append(who)
        else:
            free += 1
        while free and waiting:
            served = waiting.popleft()
            waits.append(now - arrived[served])
            free -= 1
            order += 1
            heapq.heappush(events, (now + rng.uniform(2, 6), order, "leave", served))
    return waits, now


for tellers in (2, 3):
    waits, end = simulate(200, tellers, seed=1)
    print(f"{tellers} tellers: mean wait {statistics.fmean(waits):.3f} min, longest {max(waits):.3f}, closed {end:.2f}")
len(waits)
