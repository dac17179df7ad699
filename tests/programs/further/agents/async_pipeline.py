# /// program
# about = "Producers, workers and a bounded queue with asyncio; errors, timeouts, cancellation."
# value = "[1, 3]"
# stdout = '''
# bad item 5
# 12 1
# timed out
# ['inside']
# [0, 1, 4, 9, 16]
# '''
# ///
import asyncio
import contextlib
from collections import Counter


async def produce(queue: asyncio.Queue, count: int) -> None:
    for n in range(count):
        await queue.put(n)
        await asyncio.sleep(0)


async def work(name: str, queue: asyncio.Queue, done: Counter) -> None:
    while True:
        n = await queue.get()
        try:
            await asyncio.sleep(0.001 * (n % 3))
            done[name] += 1
            if n == 5:
                raise ValueError(f"bad item {n}")
        except ValueError as error:
            done["errors"] += 1
            print(error)
        finally:
            queue.task_done()


@contextlib.asynccontextmanager
async def workers(count, queue, done):
    tasks = [asyncio.create_task(work(f"w{i}", queue, done)) for i in range(count)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def numbers(limit):
    for n in range(limit):
        yield n
        await asyncio.sleep(0)


async def main():
    queue, done = asyncio.Queue(maxsize=3), Counter()
    async with workers(3, queue, done):
        await produce(queue, 12)
        await queue.join()
    print(sum(done[f"w{i}"] for i in range(3)), done["errors"])
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        print("timed out")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(5))
            group.create_task(fail())
    except* RuntimeError as errors:
        print([str(e) for e in errors.exceptions])
    semaphore = asyncio.Semaphore(2)

    async def limited(x):
        async with semaphore:
            return x * x

    print(await asyncio.gather(*(limited(x) for x in range(5))))
    return [n async for n in numbers(4) if n % 2]


async def fail():
    raise RuntimeError("inside")


asyncio.run(main())
