# /// program
# about = "Logging to a file and to standard output: levels, formatters, filters, exceptions."
# value = "4"
# stdout = '''
#  WARNING | order A-7 is late
#    ERROR | cannot price
#    ERROR | kept for later
# 40 shop.orders True
# '''
# [wrote]
# "app.log" = '''
# DEBUG:shop.orders:loading 3 orders
# INFO:shop.orders:password is *****
# WARNING:shop.orders:order A-7 is late
# ERROR:shop.orders:cannot price
# '''
# ///
import logging
import logging.handlers
import sys

logging.basicConfig(
    filename="app.log", filemode="w", level=logging.DEBUG, format="%(levelname)s:%(name)s:%(message)s"
)
console = logging.StreamHandler(sys.stdout)
console.setLevel(logging.WARNING)
console.setFormatter(logging.Formatter("{levelname:>8} | {message}", style="{"))
logging.getLogger().addHandler(console)


class NoSecrets(logging.Filter):
    def filter(self, record):
        record.msg = str(record.msg).replace("hunter2", "*****")
        return True


log = logging.getLogger("shop.orders")
log.addFilter(NoSecrets())
log.debug("loading %d orders", 3)
log.info("password is hunter2")
log.warning("order %s is late", "A-7")
try:
    {}["price"]
except KeyError:
    log.error("cannot price", exc_info=False)
child = logging.getLogger("shop.orders.eu")
child.setLevel(logging.ERROR)
child.warning("never seen")
memory = logging.handlers.MemoryHandler(10, target=console)
quiet = logging.getLogger("quiet")
quiet.propagate = False
quiet.addHandler(memory)
quiet.error("kept for later")
memory.flush()
print(child.getEffectiveLevel(), child.parent.name, log.isEnabledFor(logging.DEBUG))
logging.shutdown()
len(open("app.log").readlines())
