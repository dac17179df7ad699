# /// program
# about = "Context managers by class and by generator, ExitStack, suppress, nested errors and notes."
# stdout = '''
# b ['a', 'b']
# close b None
# close a None
# close c KeyError
# close y OSError
# close x OSError
# cannot open z []
#   one
#   two
# ValueError("invalid literal for int() with base 10: 'x'") ['while reading the header']
# 2 3
# (TypeError(2),)
# closed
# '''
# ///
from contextlib import ExitStack, closing, contextmanager, nullcontext, redirect_stdout, suppress
from io import StringIO


class Resource:
    opened = []

    def __init__(self, name, fails=False):
        self.name, self.fails = name, fails

    def __enter__(self):
        if self.fails:
            raise OSError(f"cannot open {self.name}")
        self.opened.append(self.name)
        return self

    def __exit__(self, kind, error, traceback):
        self.opened.remove(self.name)
        print("close", self.name, kind.__name__ if kind else None)
        return kind is KeyError


@contextmanager
def indented(stream, prefix="  "):
    inner = StringIO()
    try:
        with redirect_stdout(inner):
            yield inner
    finally:
        for line in inner.getvalue().splitlines():
            stream.write(f"{prefix}{line}\n")


with Resource("a"), Resource("b") as b:
    print(b.name, Resource.opened)
with Resource("c"):
    raise KeyError("swallowed")
try:
    with ExitStack() as stack:
        for name, fails in (("x", False), ("y", False), ("z", True)):
            stack.enter_context(Resource(name, fails))
except OSError as error:
    print(error, Resource.opened)
out = StringIO()
with indented(out):
    print("one\ntwo")
print(out.getvalue(), end="")
with suppress(ZeroDivisionError), nullcontext(3) as n:
    print(n / 0)
try:
    try:
        int("x")
    except ValueError as error:
        error.add_note("while reading the header")
        raise RuntimeError("bad file") from error
except RuntimeError as error:
    print(repr(error.__cause__), error.__cause__.__notes__)
try:
    raise ExceptionGroup("several", [ValueError(1), TypeError(2), ExceptionGroup("in", [ValueError(3)])])
except* ValueError as group:
    print(len(group.exceptions), group.exceptions[1].exceptions[0])
except* TypeError as group:
    print(group.exceptions)


class Gen:
    def close(self):
        print("closed")


with closing(Gen()):
    pass
