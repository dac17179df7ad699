# /// program
# about = "asyncio: queue with producers and consumers, gather, sentinel, ordering."
# value = "'slept'"
# stdout = '''
# ['a0', 'a1', 'a2', 'b0', 'b1']
# '''
# ///
import asyncio


async def producer(name, queue, count):
    for n in range(count):
        await asyncio.sleep(0.001 * (n + 1))
        await queue.put(f"{name}{n}")


async def consumer(queue, results):
    while True:
        item = await queue.get()
        if item is None:
            queue.task_done()
            return
        results.append(item)
        queue.task_done()


async def main():
    queue, results = asyncio.Queue(maxsize=2), []
    consumers = [asyncio.create_task(consumer(queue, results)) for _ in range(2)]
    await asyncio.gather(producer("a", queue, 3), producer("b", queue, 2))
    for _ in consumers:
        await queue.put(None)
    await queue.join()
    await asyncio.gather(*consumers)
    return sorted(results)


print(asyncio.run(main()))
asyncio.run(asyncio.sleep(0, "slept"))
