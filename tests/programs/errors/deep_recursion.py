# /// program
# about = "Recursion too deep for the interpreter is an exception that a program can catch."
# value = "'still here'"
# stdout = '''
# json out: RecursionError
# json in: RecursionError
# repr: RecursionError
# compare: RecursionError
# shallow: fine
# own repr: RecursionError
# function: RecursionError
# '''
# ///
import json
import pickle


def nest(depth):
    out = []
    for _ in range(depth):
        out = [out]
    return out


def attempt(name, action):
    try:
        action()
    except RecursionError as error:
        print(f"{name}: RecursionError")
    else:
        print(f"{name}: fine")


deep = nest(100_000)
attempt("json out", lambda: json.dumps(deep))
attempt("json in", lambda: json.loads("[" * 100_000 + "]" * 100_000))
attempt("repr", lambda: repr(deep))
attempt("compare", lambda: deep == nest(100_000))
attempt("shallow", lambda: json.loads(json.dumps(nest(500))))
del deep


class Loop:
    def __repr__(self):
        return f"<{self!r}>"


attempt("own repr", lambda: repr(Loop()))
attempt("function", lambda: (lambda f: f(f))(lambda f: f(f)))
"still here"
