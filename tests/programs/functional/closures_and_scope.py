# /// program
# about = "Closures, nonlocal, late binding, global state, recursion with memo, currying."
# value = "(1, 2, (4,), 5, {'d': 6})"
# stdout = '''
# 1 2 15 2
# [2, 2, 2] [0, 1, 2]
# 1 2 2
# 7 [1, 2] [1, 2]
# 3628800
# module ['module']
# '''
# ///
counter = 0


def make_counter(start=0):
    count = start

    def step(by=1):
        nonlocal count
        count += by
        return count

    return step


def bump():
    global counter
    counter += 1
    return counter


def curry(function, arity):
    def curried(*args):
        if len(args) >= arity:
            return function(*args)
        return lambda *more: curried(*args, *more)

    return curried


def append_to(item, target=[]):
    target.append(item)
    return target


a, b = make_counter(), make_counter(10)
print(a(), a(), b(5), a.__closure__[0].cell_contents)
print([f() for f in [lambda: i for i in range(3)]], [f() for f in [lambda i=i: i for i in range(3)]])
print(bump(), bump(), counter)
print(curry(lambda x, y, z: x + y * z, 3)(1)(2, 3), append_to(1), append_to(2))
print((lambda f: f(f, 10))(lambda self, n: 1 if n == 0 else n * self(self, n - 1)))
x = "module"


class Scope:
    x = "class"
    seen = [x for _ in range(1)]

    def method(self):
        return x


def keyword_only(a, /, b, *args, c=3, **kwargs):
    return a, b, args, c, kwargs


print(Scope().method(), Scope.seen)
keyword_only(1, 2, 4, c=5, d=6)
