"""Modules of the standard library that programs lean on: copies, hashes, pickles, random numbers, coroutines."""

import array
import base64
import binascii
import contextlib
import copy
import hashlib
import io
import pickle
import random
import zlib
from collections import deque
from datetime import datetime, timedelta
from types import SimpleNamespace

rng = random.Random(1)
deck = [rank + suit for rank in "23456789TJQKA" for suit in "cdhs"]
total = 0
for _ in range(40):
    rng.shuffle(deck)
    hand = sorted(deck[:5])
    total += len({card[1] for card in hand}) + rng.randint(1, 6) + int(rng.random() * 10)
total += len(rng.sample(range(1000), 200)) + rng.choice([3]) + round(rng.gauss(0, 1))
tree = {"name": "root", "children": [{"name": f"c{n}", "size": n, "tags": ("a", n), "children": []} for n in range(60)]}
for _ in range(6):
    twin = copy.deepcopy(tree)
    twin["children"][0]["size"] = 99
    total += len(pickle.loads(pickle.dumps(twin))["children"]) + tree["children"][0]["size"]
blob = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(150))
total += len(base64.b64decode(base64.b64encode(blob))) + binascii.crc32(blob) % 97
total += len(zlib.decompress(zlib.compress(blob * 3))) + len(hashlib.md5(blob).hexdigest())
numbers = array.array("d", (n / 4 for n in range(2000)))
total += int(sum(numbers[::3])) + len(numbers.tobytes())
moment = datetime(2024, 2, 28, 23, 30)
for n in range(300):
    moment += timedelta(hours=n % 5, minutes=7)
    total += moment.day + datetime.fromisoformat(moment.isoformat()).weekday() + len(moment.strftime("%d %b %H:%M"))


class Pause:
    def __await__(self):
        yield


async def worker(queue, results):
    while queue:
        item = queue.popleft()
        await Pause()
        results.append(item * item)


def run_all(coroutines):
    """Take turns, as an event loop does."""
    waiting = deque(coroutines)
    while waiting:
        one = waiting.popleft()
        with contextlib.suppress(StopIteration):
            one.send(None)
            waiting.append(one)


queue, results = deque(range(600)), []
run_all(worker(queue, results) for _ in range(4))
total += sum(results)
settings = SimpleNamespace(depth=2, name="x")
out = io.StringIO()
with contextlib.redirect_stdout(out):
    for n in range(200):
        settings.depth = n
        print("row", n, settings.depth, sep=";", end="|\n")
total += len(out.getvalue())
assert total == 72034032, total
