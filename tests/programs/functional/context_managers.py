# /// program
# about = "Context managers: classes, contextlib, ExitStack, suppress, redirect, nesting."
# value = "'hidden'"
# stdout = '''
# rolled back: KeyError 'missing'
# {'a': 1, 'b': 2}
# <p>
# <b>
# inside: b
# </b>
# </p>
# cleanup 2
# cleanup 1
# cleanup 0
# te
# released
# <deco>
# </deco>
# True value
# '''
# ///
import contextlib
import io


class Transaction:
    def __init__(self, store):
        self.store = store

    def __enter__(self):
        self.backup = dict(self.store)
        return self.store

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self.store.clear()
            self.store.update(self.backup)
            print("rolled back:", kind.__name__, error)
        return kind is KeyError


@contextlib.contextmanager
def tag(name):
    print(f"<{name}>")
    try:
        yield name.upper()
    except ZeroDivisionError:
        print("inside:", name)
    finally:
        print(f"</{name}>")


store = {"a": 1}
with Transaction(store) as t:
    t["b"] = 2
with Transaction(store) as t:
    t["a"] = 99
    t["missing"]
print(store)
with tag("p") as upper, tag("b"):
    print(upper, 1 / 0)

with contextlib.ExitStack() as stack:
    for n in range(3):
        stack.callback(print, "cleanup", n)
    stack.enter_context(contextlib.suppress(FileNotFoundError))
    open("nowhere.txt")
    print("never printed")

captured = io.StringIO()
with contextlib.redirect_stdout(captured):
    print("hidden")
    help(contextlib.nullcontext.__enter__)


@tag("deco")
def decorated():
    return "value"


class Resource(contextlib.AbstractContextManager):
    def __exit__(self, *details):
        print("released")


with contextlib.closing(io.StringIO("text")) as file, Resource():
    print(file.read(2))
print(file.closed, decorated())
captured.getvalue().splitlines()[0]
