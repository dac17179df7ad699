# /// program
# about = "Context variables stay apart between tasks and copies of the context."
# value = "['request_id']"
# stdout = '''
# [req-1] start
# [req-2] start
# [req-2] inner
# [req-2] end
# [-] after
# [req-1] inner
# [req-1] end
# [-] after
# - copied copied
# '''
# ///
import asyncio
import contextvars

request_id = contextvars.ContextVar("request_id", default="-")
log = []


def write(message):
    log.append(f"[{request_id.get()}] {message}")


async def handle(number):
    token = request_id.set(f"req-{number}")
    write("start")
    await asyncio.sleep(0.05 * (3 - number))
    await asyncio.create_task(inner())
    write("end")
    request_id.reset(token)
    write("after")


async def inner():
    write("inner")
    request_id.set("changed inside")


async def main():
    await asyncio.gather(*(handle(n) for n in range(1, 3)))


asyncio.run(main())
print("\n".join(log))
context = contextvars.copy_context()
context.run(request_id.set, "copied")
print(request_id.get(), context[request_id], context.run(request_id.get))
sorted(var.name for var in context)
