# /// program
# about = "Async generators, comprehensions, context managers, events and locks."
# value = "[0, 1, 2, 3]"
# stdout = '''
# [1, 2, 3, 4] {1: 1, 3: 9}
# found on [4, 5]
# open db
# db None
# close db
# pages closed
# from call_later [0, 1, 2]
# pages closed
# '''
# ///
import asyncio
import contextlib


class Ticker:
    def __init__(self, count):
        self.count = count

    def __aiter__(self):
        self.now = 0
        return self

    async def __anext__(self):
        if self.now == self.count:
            raise StopAsyncIteration
        self.now += 1
        await asyncio.sleep(0)
        return self.now


async def pages(total):
    try:
        for page in range(total):
            await asyncio.sleep(0)
            yield [page * 2, page * 2 + 1]
    finally:
        print("pages closed")


@contextlib.asynccontextmanager
async def connection(name):
    print("open", name)
    yield name
    print("close", name)


async def waiter(event, log, n):
    await event.wait()
    log.append(n)


async def main():
    print([n async for n in Ticker(4)], {n: n * n async for n in Ticker(3) if n % 2})
    async for page in pages(10):
        if 4 in page:
            print("found on", page)
            break
    async with connection("db") as db, asyncio.Lock() as lock:
        print(db, lock)
    event, log = asyncio.Event(), []
    tasks = [asyncio.ensure_future(waiter(event, log, n)) for n in range(3)]
    await asyncio.sleep(0)
    event.set()
    await asyncio.gather(*tasks)
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.001, future.set_result, "from call_later")
    print(await future, log)
    async with contextlib.aclosing(pages(2)) as source:
        return [item async for page in source for item in page]


result = asyncio.run(main())
result
