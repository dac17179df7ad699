# /// program
# about = "asyncio: timeouts, cancellation, shielding, exceptions in groups, semaphores."
# value = "['first']"
# stdout = '''
# slow cancelled
# timed out
# quick False
# ['a', RuntimeError('b failed')]
# sibling cancelled
# ['bad failed']
# peak 3
# late cancelled
# '''
# ///
import asyncio


async def job(name, delay, fail=False):
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        print(name, "cancelled")
        raise
    if fail:
        raise RuntimeError(f"{name} failed")
    return name


async def limited(semaphore, running, n):
    async with semaphore:
        running.append(+1)
        peak = sum(running)
        await asyncio.sleep(0.002)
        running.append(-1)
        return peak


async def main():
    try:
        await asyncio.wait_for(job("slow", 5), timeout=0.01)
    except asyncio.TimeoutError:
        print("timed out")
    async with asyncio.timeout(5) as scope:
        print(await job("quick", 0.001), scope.expired())
    print(await asyncio.gather(job("a", 0.002), job("b", 0.001, fail=True), return_exceptions=True))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(job("sibling", 5))
            group.create_task(job("bad", 0.001, fail=True))
    except* RuntimeError as errors:
        print([str(e) for e in errors.exceptions])
    running, semaphore = [], asyncio.Semaphore(3)
    peaks = await asyncio.gather(*(limited(semaphore, running, n) for n in range(8)))
    print("peak", max(peaks))
    done, pending = await asyncio.wait(
        [asyncio.create_task(job("first", 0.001)), asyncio.create_task(job("late", 5))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [task.result() for task in done]


asyncio.run(main())
