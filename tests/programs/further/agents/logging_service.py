# /// program
# about = "A service that logs to a stream and a file with its own formatter, filter and levels."
# value = "('WARNING', True, 'root')"
# stdout = '''
# INFO     [__main__.step] - begin load
# INFO     [__main__.step] r-1 end load
# INFO     [__main__.step] - begin divide
# ERROR    [__MAIN__.STEP] - DIVIDE FAILED (ZeroDivisionError: division by zero)
# WARNING  [__main__.main] - 2 left of ten
# INFO     [__main__.main] - done
# ERROR: divide failed ['ZeroDivisionError: division by zero', 'WARNING: 2 left of ten'] True
# '''
# ///
import logging
import os
import sys
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Upper(logging.Formatter):
    def format(self, record):
        text = super().format(record)
        if record.levelno < logging.ERROR:
            return text
        first, *_, last = text.splitlines()
        return f"{first.upper()} ({last})"


class OnlyRequests(logging.Filter):
    def filter(self, record):
        record.request = getattr(record, "request", "-")
        return not record.getMessage().startswith("debugging")


def set_up():
    logger.setLevel(logging.DEBUG)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Upper("%(levelname)-8s [%(name)s.%(funcName)s] %(request)s %(message)s"))
    handler.addFilter(OnlyRequests())
    logger.addHandler(handler)
    file = logging.FileHandler("service.log", mode="w", encoding="utf-8")
    file.setLevel(logging.WARNING)
    file.setFormatter(logging.Formatter("{levelname}: {message}", style="{"))
    logger.addHandler(file)


@contextmanager
def step(name):
    logger.info("begin %s", name)
    try:
        yield
    except Exception:
        logger.exception("%s failed", name)
    else:
        logger.info("end %s", name, extra={"request": "r-1"})


def main():
    set_up()
    logger.debug("debugging noise")
    with step("load"):
        pass
    with step("divide"):
        1 / 0
    logger.warning("%(count)d left of %(all)s", {"count": 2, "all": "ten"})
    logger.log(logging.INFO, "done")


if __name__ == "__main__":
    main()
    logging.shutdown()
    lines = open("service.log", encoding="utf-8").read().splitlines()
    print(lines[0], lines[-2:], len(lines) > 4)
    os.remove("service.log")
logging.getLevelName(30), logger.isEnabledFor(logging.DEBUG), logging.getLogger("a.b").parent.name
